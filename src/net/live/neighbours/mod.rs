//! The hardware addresses of neighbours: from memory, from the kernel's table, or asked for on the link.
//!
//! The kernel keeps answers to questions it did not ask itself to itself (`arp_accept`), so they are read from a small
//! packet socket with a filter for answers alone, one for each interface and family in use. Nothing waits but who asks:
//! several who want the same neighbour share one question, and at most [`MAX_QUESTIONS`] are asked at a time.

pub(super) mod frames;

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use async_executor::Task;
use async_io::Async;
use futures_lite::future::yield_now;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use socket2::{SockFilter, SockRef};

use super::link_address::{ARP, IPV6, link_address};
use super::netlink::Netlink;
use super::privileges::Privileges;
use super::recent::Recent;
use super::send::{Lane, Load, Outbox};
use crate::model::{Interface, MacAddr, NetError, NetErrorKind, Timestamp, Unreached};
use crate::net::flight::Flights;
use crate::packet::neighbor_question;
use crate::runtime::{Clock, Semaphore, Spawner};

/// Questions on the links at a time.
const MAX_QUESTIONS: usize = 1024;
/// How long each of the tries of a question is given: RFC 4861 has three of a second.
const TRIES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_millis(1500)];
/// How long an answer is believed.
const BELIEVED: Duration = Duration::from_mins(1);
/// How long a neighbour that did not answer is not asked again.
const SILENT: Duration = Duration::from_secs(5);
/// Neighbours remembered; twice as many at most.
const REMEMBERED: usize = 4096;
/// Answers read before others get a turn.
const ANSWERS_A_TURN: usize = 64;

/// A neighbour: the number of the interface and its address there.
type Key = (u32, IpAddr);

/// What is known of neighbours, and who is being asked for.
pub(super) struct Neighbours {
    clock: Clock,
    spawner: Spawner,
    privileges: Privileges,
    outbox: Rc<Outbox>,
    known: RefCell<Recent<Key, (Option<MacAddr>, Timestamp)>>,
    questions: Flights<Key, Result<MacAddr, NetError>>,
    limit: Semaphore,
    asked: Rc<Asked>,
    /// What hears the answers, for each interface and family.
    ears: RefCell<HashMap<(u32, bool), Task<()>>>,
}

/// Neighbours being asked for, and their answers as they come.
#[derive(Default)]
struct Asked(RefCell<HashMap<Key, Reply>>);

/// The answer, once it is there, and who waits for it.
type Reply = (Option<MacAddr>, Option<Waker>);

impl Neighbours {
    pub(super) fn new(clock: Clock, spawner: Spawner, privileges: Privileges, outbox: Rc<Outbox>) -> Neighbours {
        Neighbours {
            clock,
            spawner,
            privileges,
            outbox,
            known: RefCell::new(Recent::new(REMEMBERED)),
            questions: Flights::default(),
            limit: Semaphore::new(MAX_QUESTIONS),
            asked: Rc::default(),
            ears: RefCell::default(),
        }
    }

    /// What is known without asking the link; an error if the neighbour was silent just now.
    pub(super) fn known(&self, netlink: &Netlink, interface: u32, addr: IpAddr) -> Option<Result<MacAddr, NetError>> {
        let (key, now) = ((interface, addr), self.clock.now());
        if let Some((mac, until)) = self.known.borrow_mut().get(&key)
            && now < *until
        {
            return Some(mac.ok_or_else(|| silent(addr)));
        }
        let mac = netlink.neighbour(interface, addr).ok().flatten()?;
        self.learn(key, Some(mac));
        Some(Ok(mac))
    }

    /// Asks for it. `ours` is our address on that link.
    pub(super) async fn ask(
        self: Rc<Self>,
        at: Rc<Interface>,
        ours: IpAddr,
        addr: IpAddr,
    ) -> Result<MacAddr, NetError> {
        let key = (at.index, addr);
        let started = Rc::clone(&self);
        let question = self.questions.join(key, || async move {
            let _turn = started.limit.acquire().await;
            let found = started.question(&at, ours, addr).await;
            match &found {
                Ok(mac) => started.learn(key, Some(*mac)),
                Err(error) if matches!(error.kind, NetErrorKind::Unreachable(_)) => started.learn(key, None),
                Err(_) => {}
            }
            found
        });
        question.await
    }

    /// Forgets what is known: the links are not what they were.
    pub(super) fn forget(&self) {
        self.known.borrow_mut().clear();
    }

    fn learn(&self, key: Key, mac: Option<MacAddr>) {
        let until = self.clock.now().plus(if mac.is_some() { BELIEVED } else { SILENT });
        self.known.borrow_mut().insert(key, (mac, until));
    }

    async fn question(&self, at: &Rc<Interface>, ours: IpAddr, addr: IpAddr) -> Result<MacAddr, NetError> {
        let Some(mac) = at.mac else { return Err(silent(addr).because("the interface has no hardware address")) };
        let Some(frame) = neighbor_question(mac, ours, addr) else {
            return Err(silent(addr).because("we have no address of its kind on that link"));
        };
        self.hear(at.index, addr.is_ipv6())?;
        let to = Rc::new(link_address(at.index, 0));
        let load =
            Load { lane: Lane::Frame, to, by: Rc::clone(at), header: [0; 14], header_len: 0, bytes: frame.into() };
        let asking = Asking::enter(&self.asked, (at.index, addr));
        for patience in TRIES {
            self.outbox.send(load.clone()).await?;
            if let Ok(mac) = self.clock.timeout(patience, asking.answer()).await {
                return Ok(mac);
            }
        }
        Err(silent(addr))
    }

    /// Listens for answers, if nobody does yet.
    fn hear(&self, interface: u32, v6: bool) -> Result<(), NetError> {
        let mut ears = self.ears.borrow_mut();
        if ears.get(&(interface, v6)).is_some_and(|task| !task.is_finished()) {
            return Ok(());
        }
        let socket = self.privileges.open("neighbour", || ear(interface, v6))?;
        let listening = listen(socket, interface, Rc::clone(&self.asked));
        ears.insert((interface, v6), self.spawner.spawn(listening));
        Ok(())
    }
}

fn silent(addr: IpAddr) -> NetError {
    NetError::new(NetErrorKind::Unreachable(Unreached::Host), "neighbour", addr)
        .because("it does not answer on its link")
}

/// A socket that hears answers on one interface. The filter is attached before anything can be heard.
fn ear(interface: u32, v6: bool) -> io::Result<Async<OwnedFd>> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
    SockRef::from(&socket).attach_filter(&if v6 { advertisements() } else { replies() })?;
    bind(&socket, &link_address(interface, if v6 { IPV6 } else { ARP }))?;
    Async::new_nonblocking(socket)
}

const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF: u16 = 0x28;
const IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// ARP replies, by their operation.
fn replies() -> Vec<SockFilter> {
    vec![
        SockFilter::new(LOAD_HALF, 0, 0, 20),
        SockFilter::new(IF_EQUAL, 0, 1, 2),
        SockFilter::new(RETURN, 0, 0, 256),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// Neighbour advertisements, by next header and type.
fn advertisements() -> Vec<SockFilter> {
    vec![
        SockFilter::new(LOAD_BYTE, 0, 0, 20),
        SockFilter::new(IF_EQUAL, 0, 3, 58),
        SockFilter::new(LOAD_BYTE, 0, 0, 54),
        SockFilter::new(IF_EQUAL, 0, 1, u32::from(frames::ADVERTISEMENT)),
        SockFilter::new(RETURN, 0, 0, 256),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// Hands answers to who asked, until the socket fails: the interface is gone, and a new question opens a new one.
async fn listen(socket: Async<OwnedFd>, interface: u32, asked: Rc<Asked>) {
    let mut frame = [0; 256];
    let mut heard = 0;
    loop {
        let read = |socket: &OwnedFd| Ok(recv(socket, &mut frame[..], RecvFlags::DONTWAIT)?.1);
        let Ok(length) = socket.read_with(read).await else { return };
        if let Some((addr, mac)) = frame.get(..length).and_then(frames::answer) {
            asked.answer((interface, addr), mac);
        }
        heard += 1;
        if heard % ANSWERS_A_TURN == 0 {
            yield_now().await;
        }
    }
}

impl Asked {
    /// Only what was asked for is believed.
    fn answer(&self, key: Key, mac: MacAddr) {
        let waker = self.0.borrow_mut().get_mut(&key).and_then(|(answer, waker)| {
            *answer = Some(mac);
            waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A neighbour is being asked for while this lives.
struct Asking<'a> {
    asked: &'a Asked,
    key: Key,
}

impl<'a> Asking<'a> {
    fn enter(asked: &'a Asked, key: Key) -> Asking<'a> {
        asked.0.borrow_mut().insert(key, (None, None));
        Asking { asked, key }
    }

    async fn answer(&self) -> MacAddr {
        poll_fn(|cx| {
            let mut asked = self.asked.0.borrow_mut();
            let (answer, waker) = asked.entry(self.key).or_default();
            *waker = Some(cx.waker().clone());
            answer.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.asked.0.borrow_mut().remove(&self.key);
    }
}

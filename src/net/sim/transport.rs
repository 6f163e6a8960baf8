//! Connects and datagrams into a simulated network.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::link::Way;
use super::stream::SimStream;
use super::talk::{Saying, Talk};
use super::world::{Answer, World};
use crate::model::{NetError, NetErrorKind, Protocol, Timestamp, Unreached};
use crate::net::{ConnectOptions, Datagram, Listener, LocalNetFuture, NetFuture, Origin, Stream, Transport, within};

/// Time for a connect unless the caller has one of its own.
const CONNECT: Duration = Duration::from_secs(10);
/// First wait before a SYN is sent again, doubled each time (RFC 6298).
const SYN_AGAIN: Duration = Duration::from_secs(1);
/// Times a SYN is sent again.
const SYNS: u32 = 6;
/// The first port of ours, and how many there are.
const PORTS: (u16, u16) = (32_768, 28_232);
/// Datagrams kept for a reader.
const QUEUE: usize = 256;

/// Sockets that lead nowhere but into a [`World`].
pub struct SimTransport {
    world: Rc<World>,
    ports: Cell<u16>,
}

impl SimTransport {
    /// A transport into `world`.
    pub fn new(world: Rc<World>) -> SimTransport {
        SimTransport { world, ports: Cell::new(0) }
    }

    fn local(&self, peer: SocketAddr) -> SocketAddr {
        let at = self.ports.get();
        self.ports.set((at + 1) % PORTS.1);
        SocketAddr::new(self.world.source(peer.ip()), PORTS.0 + at)
    }
}

impl Transport for SimTransport {
    fn connect(&self, peer: SocketAddr, options: ConnectOptions) -> NetFuture<Box<dyn Stream>> {
        let (world, local) = (Rc::clone(&self.world), options.bind.unwrap_or_else(|| self.local(peer)));
        let limit = options.timeout.unwrap_or(CONNECT);
        Box::pin(async move {
            let clock = world.clock.clone();
            within(&clock, limit, "connect", peer, connect(world, local, peer)).await
        })
    }

    fn datagram(
        &self,
        bind: Option<SocketAddr>,
        peer: Option<SocketAddr>,
        _origin: Origin,
    ) -> NetFuture<Box<dyn Datagram>> {
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        let local = bind.unwrap_or_else(|| self.local(peer.unwrap_or(any)));
        let socket = SimDatagram { world: Rc::clone(&self.world), local, peer, inbox: RefCell::default() };
        Box::pin(std::future::ready(Ok(Box::new(socket) as Box<dyn Datagram>)))
    }

    fn listen(&self, bind: SocketAddr, _origin: Origin) -> NetFuture<Box<dyn Listener>> {
        let error = NetError::new(NetErrorKind::Local, "listen", bind);
        Box::pin(std::future::ready(Err(error.because("nobody connects to us in a simulated network"))))
    }
}

/// SYN after SYN, until something comes back.
async fn connect(world: Rc<World>, local: SocketAddr, peer: SocketAddr) -> Result<Box<dyn Stream>, NetError> {
    for attempt in 0..=SYNS {
        let sent = world.clock.now();
        if let Some((delay, answer)) = syn(&world, peer) {
            world.clock.sleep(delay).await;
            match answer {
                Answer::Open(service) => {
                    world.count.connections.set(world.count.connections.get() + 1);
                    return Ok(Box::new(SimStream::new(world, local, peer, Talk::new(service))));
                }
                Answer::Closed => return Err(NetError::new(NetErrorKind::Refused, "connect", peer)),
                Answer::Reject => {
                    return Err(NetError::new(NetErrorKind::Unreachable(Unreached::Host), "connect", peer));
                }
                Answer::Silent => {}
            }
        }
        world.clock.sleep_until(sent.plus(SYN_AGAIN * 2u32.pow(attempt))).await;
    }
    Err(NetError::new(NetErrorKind::Timeout, "connect", peer))
}

/// What one SYN brings back, and when; none if either way loses it or nobody answers.
fn syn(world: &World, peer: SocketAddr) -> Option<(Duration, Answer)> {
    let out = world.cross(Way::Out, peer.ip(), world.clock.now()).first?;
    world.count.syns.set(world.count.syns.get() + 1);
    let answer = world.answer(Protocol::Tcp, peer);
    if answer == Answer::Silent {
        return None;
    }
    Some((out + world.cross(Way::Back, peer.ip(), world.clock.now()).first?, answer))
}

/// A datagram socket. Each datagram is a conversation of its own with the service behind the port.
struct SimDatagram {
    world: Rc<World>,
    local: SocketAddr,
    peer: Option<SocketAddr>,
    inbox: RefCell<Inbox>,
}

/// A datagram and who sent it, or the ICMP error that came instead.
type Incoming = Result<(Vec<u8>, SocketAddr), NetErrorKind>;

#[derive(Default)]
struct Inbox {
    coming: VecDeque<(Timestamp, Incoming)>,
    reader: Option<Waker>,
}

impl SimDatagram {
    fn deliver(&self, after: Duration, what: Incoming) {
        let mut inbox = self.inbox.borrow_mut();
        if inbox.coming.len() < QUEUE {
            let at = self.world.clock.now().plus(after);
            let place = inbox.coming.partition_point(|(before, _)| *before <= at);
            inbox.coming.insert(place, (at, what));
        }
        if let Some(reader) = inbox.reader.take() {
            reader.wake();
        }
    }

    /// What the datagram meets, and what comes back of it.
    fn answer(&self, data: &[u8], peer: SocketAddr) {
        let arrival = self.world.cross(Way::Out, peer.ip(), self.world.clock.now());
        for out in [arrival.first, arrival.second].into_iter().flatten() {
            self.world.count.datagrams.set(self.world.count.datagrams.get() + 1);
            let back = |wait: Duration, what: Incoming| {
                let arrival = self.world.cross(Way::Back, peer.ip(), self.world.clock.now());
                for back in [arrival.first, arrival.second].into_iter().flatten() {
                    self.deliver(out + wait + back, what.clone());
                }
            };
            match self.world.answer(Protocol::Udp, peer) {
                Answer::Open(service) => {
                    let mut talk = Talk::new(service);
                    talk.hear(data);
                    for saying in talk.go_on() {
                        if let Saying::Text(wait, text) = saying {
                            back(wait, Ok((text, peer)));
                        }
                    }
                }
                // Only a connected socket is told.
                Answer::Closed if self.peer.is_some() => back(Duration::ZERO, Err(NetErrorKind::Refused)),
                Answer::Reject if self.peer.is_some() => {
                    back(Duration::ZERO, Err(NetErrorKind::Unreachable(Unreached::Host)));
                }
                Answer::Closed | Answer::Reject | Answer::Silent => {}
            }
        }
    }
}

impl Datagram for SimDatagram {
    fn send<'a>(&'a self, data: &'a [u8], peer: Option<SocketAddr>) -> LocalNetFuture<'a, usize> {
        Box::pin(async move {
            let Some(peer) = self.peer.or(peer) else {
                return Err(NetError::new(NetErrorKind::Local, "send", "nobody"));
            };
            self.answer(data, peer);
            Ok(data.len())
        })
    }

    fn receive(&self) -> LocalNetFuture<'_, (Vec<u8>, SocketAddr)> {
        Box::pin(async move {
            loop {
                let first = self.inbox.borrow().coming.front().map(|(at, _)| *at);
                match first {
                    Some(at) if at <= self.world.clock.now() => {
                        let Some((_, what)) = self.inbox.borrow_mut().coming.pop_front() else { continue };
                        return what.map_err(|kind| NetError::new(kind, "receive", self.local));
                    }
                    Some(at) => self.world.clock.sleep_until(at).await,
                    None => self.filled().await,
                }
            }
        })
    }

    fn local(&self) -> SocketAddr {
        self.local
    }
}

impl SimDatagram {
    /// Waits until something is on its way.
    async fn filled(&self) {
        poll_fn(|cx| {
            let mut inbox = self.inbox.borrow_mut();
            if !inbox.coming.is_empty() {
                return Poll::Ready(());
            }
            inbox.reader = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

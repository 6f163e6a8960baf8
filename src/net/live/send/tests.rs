//! The queue against networks in distress, on virtual time.

use super::*;
use crate::model::{Interface, LinkKind, LinkType};
use crate::runtime::Runtime;
use rustix::net::SocketAddrAny;

const START: Timestamp = Timestamp(1_000_000_000);

/// Answers system calls from a script of its own and notes what it was given.
struct Fake {
    answers: RefCell<VecDeque<Result<usize, Errno>>>,
    calls: RefCell<Vec<(Lane, Vec<u8>)>>,
}

impl Fake {
    fn new(answers: impl IntoIterator<Item = Result<usize, Errno>>) -> Fake {
        Fake { answers: RefCell::new(answers.into_iter().collect()), calls: RefCell::default() }
    }
}

impl Wire for Fake {
    fn send(&self, loads: &[&Load]) -> io::Result<usize> {
        let seen = (loads[0].lane, loads.iter().map(|load| load.bytes[0]).collect());
        self.calls.borrow_mut().push(seen);
        let answer = self.answers.borrow_mut().pop_front().unwrap_or(Ok(BATCH));
        Ok(answer.map(|taken| taken.min(loads.len()))?)
    }
}

fn load(lane: Lane, name: u8) -> Load {
    let to: SocketAddrAny = std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into();
    let (kind, link) = (LinkKind::Ethernet, LinkType::Ethernet);
    let by = Interface { index: 2, name: "e0".into(), kind, link, mac: None, mtu: 1500, up: true, addrs: Vec::new() };
    Load { lane, to: Rc::new(to), by: Rc::new(by), header: [0; 14], header_len: 0, bytes: Rc::new([name]) }
}

/// Sends so many packets, named by their number, over `fake`; how they fared, and when it was over.
fn send(fake: &Fake, count: u8) -> (Vec<Sent>, Duration) {
    let runtime = Runtime::simulated(START);
    let (outbox, clock) = (Outbox::default(), runtime.clock());
    let sent = runtime.run(async {
        let receipt = Receipt::new(count.into());
        for name in 0..count {
            outbox.push(load(Lane::Frame, name), &receipt, name.into());
        }
        futures_lite::future::or(receipt.all(), async {
            outbox.drive(fake, &clock).await;
            Vec::new()
        })
        .await
    });
    (sent, clock.now().since(START))
}

#[test]
fn sixty_four_leave_by_one_call() {
    let fake = Fake::new([]);
    let (sent, _) = send(&fake, 130);
    assert_eq!(sent, vec![Ok(START); 130]);
    let sizes: Vec<usize> = fake.calls.borrow().iter().map(|(_, names)| names.len()).collect();
    assert_eq!(sizes, [64, 64, 2]);
}

#[test]
fn no_room_is_waited_out_on_the_clock_and_nothing_is_lost_or_doubled() {
    let fake = Fake::new([Ok(2), Err(Errno::NOBUFS), Err(Errno::AGAIN), Ok(1), Err(Errno::NOBUFS), Ok(7)]);
    let (sent, took) = send(&fake, 10);
    assert_eq!(took, Duration::from_micros(100 + 200 + 100)); // room again: the next pause is a short one
    let times: Vec<u64> = sent.into_iter().map(|sent| (sent.unwrap().0 - START.0) / 1000).collect();
    assert_eq!(times, [0, 0, 300, 400, 400, 400, 400, 400, 400, 400]);
    let first: Vec<u8> = fake.calls.borrow().iter().map(|(_, names)| names[0]).collect();
    assert_eq!(first, [0, 2, 2, 2, 3, 3]);
}

#[test]
fn room_that_never_comes_ends_in_an_error_that_says_so() {
    let fake = Fake::new(vec![Err(Errno::NOBUFS); 2000]);
    let (sent, took) = send(&fake, 1);
    let error = sent[0].clone().unwrap_err();
    assert_eq!(error.to_string(), "send 1 bytes by e0: local (the interface took nothing for 5 seconds)");
    assert!(took >= PATIENCE && took < PATIENCE + PAUSE.1 * 2, "{took:?}");
}

#[test]
fn an_interface_that_takes_nothing_is_waited_for_once() {
    let stuck = || std::iter::repeat_n(Err(Errno::NOBUFS), 2000);
    let fake = Fake::new(stuck());
    let (sent, took) = send(&fake, 200); // four batches
    assert!(sent.iter().all(Result::is_err));
    assert!(took < PATIENCE + PAUSE.1 * 2, "{took:?}");
    // As soon as it takes one, it is given time again.
    let tries = fake.calls.borrow().len() - 200;
    let fake = Fake::new(std::iter::repeat_n(Err(Errno::NOBUFS), tries + 1).chain([Ok(1)]).chain(stuck()));
    let (sent, took) = send(&fake, 3);
    assert_eq!(sent.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, false]);
    assert!(took > PATIENCE * 2 && took < (PATIENCE + PAUSE.1 * 2) * 2, "{took:?}");
}

#[test]
fn one_bad_packet_fails_alone() {
    let fake = Fake::new([Ok(1), Err(Errno::MSGSIZE), Ok(1), Err(Errno::NXIO)]);
    let (sent, _) = send(&fake, 5);
    let kinds: Vec<_> = sent.into_iter().map(|sent| sent.map(|_| ()).map_err(|error| error.kind)).collect();
    assert_eq!(kinds, [Ok(()), Err(NetErrorKind::TooLarge), Ok(()), Err(NetErrorKind::Local), Ok(())]);
}

#[test]
fn lanes_keep_their_order_and_the_dead_do_not_send() {
    let runtime = Runtime::simulated(START);
    let (outbox, clock, fake) = (Outbox::default(), runtime.clock(), Fake::new([]));
    runtime.run(async {
        let (receipt, gone) = (Receipt::new(4), Receipt::new(1));
        outbox.push(load(Lane::Frame, 1), &receipt, 0);
        outbox.push(load(Lane::Frame, 9), &gone, 0);
        outbox.push(load(Lane::Frame, 2), &receipt, 1);
        outbox.push(load(Lane::Ip4, 3), &receipt, 2);
        outbox.push(load(Lane::Frame, 4), &receipt, 3);
        drop(gone);
        let all = async { drop(receipt.all().await) };
        futures_lite::future::or(all, outbox.drive(&fake, &clock)).await;
    });
    let calls = fake.calls.take();
    assert_eq!(calls, [(Lane::Frame, vec![1, 2]), (Lane::Ip4, vec![3]), (Lane::Frame, vec![4])]);
    assert!(outbox.queue.borrow().is_empty());
}

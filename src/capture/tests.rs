//! The dispatcher against a list that tries every subscription in turn, and what it promises at its limits.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;

use futures_lite::future::{block_on, poll_once};
use proptest::prelude::*;

use super::ends::Ends;
use super::samples::{arp, ethernet, icmp_error, ipv4, ipv6, ports, tagged};
use super::*;
use crate::model::{LinkKind, NetError, NetErrorKind};
use crate::packet::FlowKey;

fn interface(index: u32, kind: LinkKind) -> Rc<Interface> {
    Rc::new(Interface {
        index,
        name: format!("test{index}").into(),
        kind,
        link: LinkType::Ethernet,
        mac: None,
        mtu: 1500,
        up: true,
        addrs: Vec::new(),
    })
}

fn frame<'a>(interface: &'a Rc<Interface>, bytes: &'a [u8]) -> Frame<'a> {
    Frame {
        at: Timestamp(7),
        interface,
        link: interface.link,
        direction: Direction::In,
        wire_len: bytes.len() as u32,
        bytes,
    }
}

fn addr(last: u8) -> String {
    format!("10.0.0.{last}")
}

/// A TCP segment as a frame: host and port of the sender, host and port of the receiver.
fn tcp(from: (u8, u16), to: (u8, u16)) -> Vec<u8> {
    ethernet(0x0800, &ipv4(&addr(from.0), &addr(to.0), 6, &ports(from.1, to.1)))
}

fn key(remote: u8, remote_port: u16, local_port: u16) -> FlowKey {
    FlowKey { protocol: 6, remote: addr(remote).parse().expect("an address"), remote_port, local_port }
}

fn filter(text: &str) -> Rc<Filter> {
    Rc::new(Filter::parse(text).expect("a filter"))
}

fn host(last: u8) -> IpAddr {
    addr(last).parse().expect("an address")
}

#[test]
fn a_packet_reaches_all_who_want_it_and_its_bytes_are_shared() {
    let (dispatcher, lan) = (Dispatcher::new(), interface(2, LinkKind::Ethernet));
    let by_key = dispatcher.subscribe(Interest::of_flow(key(9, 80, 4000)));
    let by_host = dispatcher.subscribe(Interest { hosts: vec![host(9), host(1)], ..Interest::default() });
    let by_filter = dispatcher.subscribe(Interest { filter: Some(filter("tcp")), ..Interest::default() });
    let cut = dispatcher.subscribe(Interest { snaplen: 20, ..Interest::default() });
    let others = [
        dispatcher.subscribe(Interest::of_flow(key(9, 81, 4000))),
        dispatcher.subscribe(Interest { hosts: vec![host(8)], ..Interest::default() }),
        dispatcher.subscribe(Interest { filter: Some(filter("udp")), ..Interest::default() }),
        dispatcher.subscribe(Interest { interface: Some(3), ..Interest::default() }),
        dispatcher.subscribe(Interest { directions: Directions::Out, ..Interest::default() }),
        dispatcher.subscribe(Interest { hosts: vec![host(8)], ..Interest::of_flow(key(9, 80, 4000)) }),
    ];
    let bytes = tcp((9, 80), (1, 4000));
    dispatcher.dispatch(&frame(&lan, &bytes));

    let whole: Vec<Captured> = [&by_key, &by_host, &by_filter].into_iter().filter_map(Subscription::try_next).collect();
    assert_eq!(whole.len(), 3);
    assert!(whole.iter().all(|packet| Rc::ptr_eq(&packet.bytes, &whole[0].bytes) && packet.bytes[..] == bytes[..]));
    let packet = cut.try_next().expect("a packet");
    assert_eq!((packet.bytes.len(), packet.wire_len, packet.at), (20, bytes.len() as u32, Timestamp(7)));
    assert!(by_host.try_next().is_none(), "two of its hosts are in the packet: it came twice");
    assert!(others.iter().all(|other| other.try_next().is_none()));
    assert_eq!(dispatcher.totals(), crate::model::PacketTotals { seen: 1, delivered: 4, dropped: 0, lost: 0 });
}

#[test]
fn an_error_about_a_probe_belongs_to_its_conversation() {
    let (dispatcher, lan) = (Dispatcher::new(), interface(2, LinkKind::Ethernet));
    let by_key = dispatcher.subscribe(Interest::of_flow(key(9, 80, 4000)));
    let by_host = dispatcher.subscribe(Interest { hosts: vec![host(9)], ..Interest::default() });
    let probe = ipv4(&addr(1), &addr(9), 6, &ports(4000, 80));
    let error = ethernet(0x0800, &icmp_error(&addr(5), &addr(1), &probe));
    dispatcher.dispatch(&frame(&lan, &error));
    assert!(by_key.try_next().is_some() && by_host.try_next().is_some());
}

#[test]
fn what_went_over_loopback_went_both_ways() {
    let (dispatcher, lo) = (Dispatcher::new(), interface(1, LinkKind::Loopback));
    let out = dispatcher.subscribe(Interest { directions: Directions::Out, ..Interest::default() });
    dispatcher.dispatch(&frame(&lo, &tcp((1, 2), (1, 3))));
    assert!(out.try_next().is_some());
}

#[test]
fn a_queue_never_read_stays_bounded_and_counts() {
    let (dispatcher, lan) = (Dispatcher::new(), interface(2, LinkKind::Ethernet));
    let few = dispatcher.subscribe(Interest { queue: 3, ..Interest::default() });
    let big = dispatcher.subscribe(Interest { queue: usize::MAX, ..Interest::default() });
    let bytes = vec![0; 1 << 16];
    let fit = (QUEUE_BYTES / bytes.len()) as u64;
    (0..fit + 10).for_each(|_| dispatcher.dispatch(&frame(&lan, &bytes)));
    assert_eq!(few.counters(), Counters { delivered: 3, dropped: fit + 7, lost: 0 });
    assert_eq!(big.counters(), Counters { delivered: fit, dropped: 10, lost: 0 });
    assert!(big.try_next().is_some());
    dispatcher.dispatch(&frame(&lan, &bytes));
    assert_eq!(big.counters().delivered, fit + 1, "room that was made is used");
    let totals = dispatcher.totals();
    assert_eq!((totals.delivered, totals.dropped), (3 + fit + 1, fit + 7 + 10 + 1));
}

#[test]
fn losses_of_the_kernel_count_for_those_who_listen_there() {
    let dispatcher = Dispatcher::new();
    let here = dispatcher.subscribe(Interest { interface: Some(2), ..Interest::default() });
    let there = dispatcher.subscribe(Interest { interface: Some(3), ..Interest::default() });
    let anywhere = dispatcher.subscribe(Interest::default());
    dispatcher.kernel_lost(2, 5);
    let later = dispatcher.subscribe(Interest { interface: Some(2), ..Interest::default() });
    assert_eq!([&here, &there, &anywhere, &later].map(|one| one.counters().lost), [5, 0, 5, 0]);
    assert_eq!(dispatcher.totals().lost, 5);
}

#[test]
fn a_waiter_wakes_for_a_packet_and_for_the_end() {
    let (dispatcher, lan) = (Dispatcher::new(), interface(2, LinkKind::Ethernet));
    let one = dispatcher.subscribe(Interest { interface: Some(2), ..Interest::default() });
    let all = dispatcher.subscribe(Interest::default());
    block_on(async {
        let mut waiting = Box::pin(one.next());
        assert!(poll_once(&mut waiting).await.is_none());
        (0..3).for_each(|_| dispatcher.dispatch(&frame(&lan, &tcp((1, 2), (3, 4)))));
        assert!(waiting.await.is_ok());
        let gone = NetError::new(NetErrorKind::Closed, "capture", "test2");
        dispatcher.interface_gone(2, &gone);
        assert_eq!(
            one.batch(1).await.map(|packets| packets.len()).ok(),
            Some(1),
            "what came before it went is still there"
        );
        assert_eq!(one.batch(5).await.map(|packets| packets.len()).ok(), Some(1));
        assert_eq!(one.next().await.err(), Some(gone.clone()));
        assert_eq!(all.batch(9).await.map(|packets| packets.len()).ok(), Some(3));
        let mut waiting = Box::pin(all.next());
        assert!(poll_once(&mut waiting).await.is_none(), "other interfaces may still have something for it");
        dispatcher.capture_ended(&gone);
        assert_eq!(waiting.await.err(), Some(gone));
    });
}

#[test]
fn closing_it_wakes_who_waits_and_takes_nothing_more() {
    let (dispatcher, lan) = (Dispatcher::new(), interface(2, LinkKind::Ethernet));
    let one = dispatcher.subscribe(Interest::default());
    let closed = NetError::new(NetErrorKind::Closed, "capture", "packets");
    block_on(async {
        let mut waiting = Box::pin(one.next());
        assert!(poll_once(&mut waiting).await.is_none());
        one.close(&closed);
        assert_eq!(waiting.await.err(), Some(closed));
    });
    dispatcher.dispatch(&frame(&lan, &tcp((1, 2), (3, 4))));
    assert!(one.try_next().is_none());
    assert_eq!((one.counters(), dispatcher.totals().dropped), (Counters::default(), 0));
}

#[test]
fn dropping_it_unsubscribes() {
    let (dispatcher, lan) = (Dispatcher::new(), interface(2, LinkKind::Ethernet));
    let all: Vec<Subscription> = (0..10)
        .flat_map(|port| {
            let fenced = Interest { hosts: vec![host(9), host(8)], ..Interest::default() };
            [Interest::of_flow(key(9, port, 1)), fenced, Interest::default()]
        })
        .map(|interest| dispatcher.subscribe(interest))
        .collect();
    assert_eq!(dispatcher.subscriptions(), 30);
    let waiting = all[2].next();
    drop(all);
    dispatcher.dispatch(&frame(&lan, &tcp((9, 3), (1, 1))));
    assert_eq!((dispatcher.subscriptions(), dispatcher.totals().delivered), (0, 0));
    drop(waiting);
}

/// Keeps what the dispatcher tells it.
#[derive(Default)]
struct Listening {
    narrower: RefCell<Vec<u32>>,
    asked: Cell<u32>,
}

impl Source for Listening {
    fn wants_less(&self, interface: u32) {
        self.narrower.borrow_mut().push(interface);
    }

    fn count_losses(&self) {
        self.asked.set(self.asked.get() + 1);
    }
}

#[test]
fn ten_thousand_subscriptions_compile_a_few_programs() {
    let dispatcher = Dispatcher::new();
    let source = Rc::new(Listening::default());
    dispatcher.set_source(Rc::clone(&source) as Rc<_>);
    let mut versions = Vec::new();
    let mut look = || {
        let coverage = dispatcher.coverage(2, LinkType::Ethernet);
        if versions.last() != Some(&coverage.version) {
            versions.push(coverage.version);
        }
        coverage
    };
    look();
    let mut all = Vec::new();
    for number in 0..10_000u16 {
        all.push(dispatcher.subscribe(Interest::of_flow(key(9, 80, number))));
        look();
    }
    for one in all {
        drop(one);
        look();
    }
    assert!(matches!(look().wanted, Wanted::Nothing));
    let told = source.narrower.borrow().len();
    assert!((2..30).contains(&told), "told {told} times");
    assert!(versions.len() < 60, "{} programs were made", versions.len());
}

#[test]
fn the_coverage_says_what_else_is_wanted() {
    let dispatcher = Dispatcher::new();
    let source = Rc::new(Listening::default());
    dispatcher.set_source(Rc::clone(&source) as Rc<_>);
    let look = |interface| {
        let coverage = dispatcher.coverage(interface, LinkType::Ethernet);
        (coverage.outgoing, coverage.promiscuous, matches!(coverage.wanted, Wanted::Nothing))
    };
    assert_eq!(look(2), (false, false, true));
    let keyed = dispatcher.subscribe(Interest::of_flow(key(9, 80, 1)));
    assert_eq!(look(2), (false, false, false));
    let all = dispatcher.subscribe(Interest { interface: Some(2), promiscuous: true, ..Interest::default() });
    assert!(matches!(dispatcher.coverage(2, LinkType::Ethernet).wanted, Wanted::Everything));
    assert_eq!((look(2), look(3)), ((true, true, false), (false, false, false)));
    drop(all);
    assert_eq!(*source.narrower.borrow(), [2]);
    assert_eq!(look(2), (false, false, false));
    drop(keyed);
    assert_eq!(look(2), (false, false, true));
    assert!(dispatcher.totals().seen == 0 && source.asked.get() == 1);
}

/// Interests of every kind, over few enough values that packets meet them.
fn interests() -> impl Strategy<Value = Interest> {
    let keys = proptest::option::weighted(0.3, (0..4u8, 0..3u16, 0..3u16));
    let hosts = proptest::collection::vec(0..4u8, 0..3);
    let filters = proptest::option::weighted(0.3, 0..FILTERS.len());
    let directions = prop_oneof![Just(Directions::In), Just(Directions::Out), Just(Directions::Both)];
    let interface = proptest::option::weighted(0.3, 1..4u32);
    (keys, hosts, filters, directions, interface, 1..5usize).prop_map(
        |(flow, hosts, text, directions, interface, queue)| Interest {
            interface,
            filter: text.map(|index| filter(FILTERS[index])),
            key: flow.map(|(remote, remote_port, local_port)| key(remote, remote_port, local_port)),
            hosts: hosts.into_iter().map(host).collect(),
            directions,
            snaplen: 30 + queue as u32,
            queue,
            promiscuous: false,
        },
    )
}

const FILTERS: [&str; 4] = ["tcp", "udp or arp", "host 10.0.0.2", "icmp"];

fn packets() -> impl Strategy<Value = (u32, bool, Vec<u8>)> {
    let ends = (0..4u8, 0..3u16, 0..4u8, 0..3u16, 0..7u8);
    let bytes = ends.prop_map(|(from, from_port, to, to_port, kind)| {
        let segment = ipv4(&addr(from), &addr(to), 6, &ports(from_port, to_port));
        match kind {
            0 => arp(&addr(from), &addr(to)),
            1 => ethernet(0x0800, &icmp_error(&addr(3), &addr(from), &segment)),
            2 => tagged(9, &ethernet(0x0800, &segment)),
            3 => ethernet(0x86dd, &ipv6("fe80::1", "fe80::2", 17, &ports(from_port, to_port))),
            4 => ethernet(0x0800, &ipv4(&addr(from), &addr(to), 17, &ports(from_port, to_port))),
            5 => vec![1; usize::from(from_port) * 9],
            _ => ethernet(0x0800, &segment),
        }
    });
    (1..4u32, any::<bool>(), bytes)
}

/// What an interest means, said without any index.
fn wants(interest: &Interest, frame: &Frame<'_>) -> bool {
    let ends: Vec<IpAddr> = Ends::of(frame.link, frame.bytes).iter().collect();
    interest.interface.is_none_or(|only| only == frame.interface.index)
        && interest.directions.admit(frame)
        && interest.key.is_none_or(|key| FlowKey::of_reply(frame.link, frame.bytes) == Some(key))
        && (interest.hosts.is_empty() || interest.hosts.iter().any(|host| ends.contains(host)))
        && interest.filter.as_ref().is_none_or(|filter| {
            filter.compile(frame.link).is_ok_and(|program| program.run(frame.bytes, frame.wire_len) > 0)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn it_does_what_a_plain_list_does(
        interests in proptest::collection::vec(interests(), 0..12),
        packets in proptest::collection::vec(packets(), 0..12),
        dropped in 0..12usize,
    ) {
        let dispatcher = Dispatcher::new();
        let interfaces = [LinkKind::Loopback, LinkKind::Ethernet, LinkKind::Ethernet];
        let interfaces: Vec<_> = (1..).zip(interfaces).map(|(index, kind)| interface(index, kind)).collect();
        let mut list: Vec<_> = interests
            .into_iter()
            .map(|interest| (dispatcher.subscribe(interest.clone()), interest, Vec::new(), 0))
            .collect();
        for (number, (index, out, bytes)) in packets.iter().enumerate() {
            if number == packets.len() / 2 && dropped < list.len() {
                list.remove(dropped);
            }
            let mut frame = frame(&interfaces[*index as usize - 1], bytes);
            frame.direction = if *out { Direction::Out } else { Direction::In };
            // What the kernel would have been asked to let through must hold whatever anybody wants.
            let through = match dispatcher.coverage(*index, LinkType::Ethernet).wanted {
                Wanted::Nothing => false,
                Wanted::Everything => true,
                Wanted::Matching(program) => program.run(bytes, frame.wire_len) > 0,
            };
            let is_tagged = bytes.get(12..14) == Some(&[0x81, 0]); // the kernel's programs see no tags
            dispatcher.dispatch(&frame);
            for (_, interest, seen, lost) in &mut list {
                if wants(interest, &frame) {
                    prop_assert!(through || is_tagged, "the kernel would not let it through: {interest:?}");
                    let kept = bytes[..bytes.len().min(interest.snaplen as usize)].to_vec();
                    if seen.len() < interest.queue { seen.push(kept) } else { *lost += 1 }
                }
            }
        }
        for (subscription, _, seen, lost) in list {
            prop_assert_eq!(subscription.counters().dropped, lost);
            let got: Vec<Vec<u8>> = std::iter::from_fn(|| subscription.try_next()).map(|p| p.bytes.to_vec()).collect();
            prop_assert_eq!(got, seen);
        }
    }
}

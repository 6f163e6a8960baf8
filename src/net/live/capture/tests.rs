//! Captures on interfaces of a network namespace that each test makes for itself: a pair of virtual Ethernet interfaces,
//! `c0` and `c1`, and a loopback. No frame leaves it.

use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use futures_lite::future::poll_once;
use rustix::net::SendFlags;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::*;
use crate::capture::{Captured, Direction, Directions, Filter};
use crate::runtime::Runtime;

/// A namespace; gone when dropped, with all that is in it, and the thread back where it came from.
struct Namespace {
    name: String,
    home: File,
}

impl Namespace {
    /// Makes one and moves this thread, and those it starts, into it. None where that cannot be done, which is said aloud.
    fn enter(test: &str) -> Option<Namespace> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sondecap{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        if !run(&["netns", "add", &name]) {
            assert!(std::env::var_os("CI").is_none(), "{test} needs root and the program ip");
            eprintln!("CANNOT RUN {test}: it needs root and the program ip");
            return None;
        }
        let home = File::open("/proc/thread-self/ns/net").expect("/proc is there");
        let namespace = Namespace { name, home };
        let file = File::open(format!("/run/netns/{}", namespace.name)).expect("the namespace is there");
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may move");
        // No packets but our own: the kernel looks for IPv6 routers otherwise.
        std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").expect("it can be switched off");
        for words in ["link set lo up", "link add c0 type veth peer name c1", "link set c0 up", "link set c1 up"] {
            assert!(run(&words.split(' ').collect::<Vec<_>>()), "ip {words}");
        }
        Some(namespace)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = move_into_link_name_space(self.home.as_fd(), Some(LinkNameSpaceType::Network));
        run(&["netns", "del", &self.name]);
    }
}

/// Runs `ip` in the namespace of this thread.
fn run(words: &[&str]) -> bool {
    Command::new("ip").args(words).output().is_ok_and(|output| output.status.success())
}

fn interface(name: &str, kind: LinkKind) -> Rc<Interface> {
    let socket = ring::open(false).expect("a packet socket");
    let index = rustix::net::netdevice::name_to_index(socket, name).expect("the interface is there");
    let link = LinkType::Ethernet;
    Rc::new(Interface { index, name: name.into(), kind, link, mac: None, mtu: 1500, up: true, addrs: Vec::new() })
}

fn veth(name: &str) -> Rc<Interface> {
    interface(name, LinkKind::Ethernet)
}

fn live(runtime: &Runtime, size: RingSize) -> LiveCapture {
    let opener: Opener = Box::new(|open| open().map_err(|error| NetError::from_io(&error, "capture", "this machine")));
    LiveCapture::new(runtime.clock(), runtime.spawner(), opener, size)
}

fn on(interface: &Interface) -> Interest {
    Interest { interface: Some(interface.index), ..Interest::default() }
}

fn filtered(interface: &Interface, text: &str) -> Interest {
    Interest { filter: Some(Rc::new(Filter::parse(text).expect("a filter"))), ..on(interface) }
}

/// A socket that sends frames from `interface` and reads none.
fn sender(interface: &Interface) -> OwnedFd {
    let socket = ring::open(false).expect("a packet socket");
    attach(&socket, &Wanted::Nothing, LinkType::Ethernet).expect("it hears nothing");
    ring::bind(socket.as_fd(), interface.index).expect("it is bound");
    socket
}

/// Sends, waiting for room as long as there is none.
fn send(socket: &OwnedFd, frame: &[u8]) {
    loop {
        match rustix::net::send(socket, frame, SendFlags::empty()) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NOBUFS) => std::thread::yield_now(),
            result => {
                assert_eq!(result, Ok(frame.len()));
                return;
            }
        }
    }
}

/// A frame with a type of its own and a number in it.
fn frame(ethertype: u16, number: u32, length: usize) -> Vec<u8> {
    let mut frame = vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(number.to_be_bytes());
    frame.resize(length, 0);
    frame
}

fn number(packet: &Captured) -> u32 {
    u32::from_be_bytes(packet.bytes[14..18].try_into().expect("four bytes"))
}

#[test]
fn a_frame_comes_with_its_time_and_the_tag_it_had() {
    let Some(_namespace) = Namespace::enter("a_frame_comes_with_its_time_and_the_tag_it_had") else { return };
    let (c0, c1, runtime) = (veth("c0"), veth("c1"), Runtime::live());
    let capture = live(&runtime, RING);
    runtime.run(async {
        let plain = capture.subscribe(filtered(&c1, "ether proto 0x9999"), &[Rc::clone(&c1)]).await.expect("a capture");
        let tagged = capture.subscribe(filtered(&c1, "vlan 7"), &[Rc::clone(&c1)]).await.expect("a capture");
        let socket = sender(&c0);
        let before = runtime.clock().now();
        let sent = frame(0x9999, 1, 60);
        send(&socket, &sent);
        let packet = plain.next().await.expect("the frame");
        let after = runtime.clock().now();
        assert!(before <= packet.at && packet.at <= after, "{before:?} {:?} {after:?}", packet.at);
        assert_eq!((&packet.bytes[..], packet.wire_len, packet.direction), (&sent[..], 60, Direction::In));
        assert_eq!(&*packet.interface.name, "c1");

        let mut sent = frame(0x8100, 0, 64);
        sent[14..18].copy_from_slice(&[0, 7, 0x99, 0x99]);
        send(&socket, &sent);
        let packet = tagged.next().await.expect("the tagged frame");
        assert_eq!((&packet.bytes[..], packet.wire_len), (&sent[..], 64));
        assert!(plain.try_next().is_none(), "a tagged frame has another type");
    });
}

/// Frames a test sends while programs are swapped, and how many of them may be under way.
const FRAMES: u32 = 20_000;
const UNDER_WAY: usize = 500;

#[test]
fn no_swap_of_programs_loses_a_packet() {
    let Some(_namespace) = Namespace::enter("no_swap_of_programs_loses_a_packet") else { return };
    let (c0, runtime) = (veth("c0"), Runtime::live());
    let capture = live(&runtime, RING);
    let received = Arc::new(AtomicUsize::new(0));
    let swaps = runtime.run(async {
        let all = Interest { queue: 1 << 20, ..filtered(&c0, "ether proto 0x9999") };
        let all = capture.subscribe(all, &[Rc::clone(&c0)]).await.expect("a capture");
        let (socket, window) = (sender(&c0), Arc::clone(&received));
        let sending = std::thread::spawn(move || {
            for number in 0..FRAMES {
                while number as usize >= window.load(Ordering::Relaxed) + UNDER_WAY {
                    std::thread::yield_now();
                }
                send(&socket, &frame(0x9999, number, 60));
            }
        });
        let (mut expected, mut swaps) = (0, 0);
        while expected < FRAMES {
            let other = filtered(&c0, &format!("ether proto {}", 0xa000 + swaps % 100));
            let other = capture.subscribe(other, &[Rc::clone(&c0)]).await.expect("a capture");
            swaps += 1;
            let packets = all.batch(100).await.expect("packets");
            drop(other);
            for packet in packets {
                assert_eq!(number(&packet), expected, "after {swaps} swaps");
                assert_eq!(packet.direction, Direction::Out);
                expected += 1;
            }
            received.store(expected as usize, Ordering::Relaxed);
        }
        sending.join().expect("everything was sent");
        let counters = all.counters();
        assert_eq!((counters.delivered, counters.dropped, counters.lost), (u64::from(FRAMES), 0, 0));
        swaps
    });
    assert!(swaps >= 100, "only {swaps} swaps");
}

#[test]
fn what_the_loop_does_not_take_is_counted() {
    let Some(_namespace) = Namespace::enter("what_the_loop_does_not_take_is_counted") else { return };
    let (c0, runtime) = (veth("c0"), Runtime::live());
    let capture = live(&runtime, RingSize { block: 64 << 10, blocks: 4, retire: 1 });
    runtime.run(async {
        let all = Interest { queue: 100, ..filtered(&c0, "ether proto 0x9999") };
        let all = capture.subscribe(all, &[Rc::clone(&c0)]).await.expect("a capture");
        let socket = sender(&c0);
        // 28 MB of 1,400 bytes each: more than may wait for the loop, which does not run meanwhile.
        let sent: u32 = 20_000;
        (0..sent).for_each(|number| send(&socket, &frame(0x9999, number, 1400)));
        let accounted = |counters: crate::capture::Counters| counters.delivered + counters.dropped + counters.lost;
        while accounted(all.counters()) < u64::from(sent) {
            yield_now().await;
        }
        let counters = all.counters();
        assert_eq!(accounted(counters), u64::from(sent));
        assert!(counters.lost > 0 && counters.delivered == 100, "{counters:?}");
        let totals = capture.totals();
        assert_eq!((totals.delivered, totals.dropped, totals.lost), (100, counters.dropped, counters.lost));
        assert_eq!(totals.seen + totals.lost, u64::from(sent));
        // And it goes on.
        while all.try_next().is_some() {}
        send(&socket, &frame(0x9999, 7, 60));
        assert_eq!(all.next().await.map(|packet| number(&packet)).ok(), Some(7));
    });
}

#[test]
fn an_interface_that_goes_ends_its_captures_and_no_other() {
    let Some(_namespace) = Namespace::enter("an_interface_that_goes_ends_its_captures_and_no_other") else { return };
    assert!(run(&["link", "add", "d0", "type", "veth", "peer", "name", "d1"]));
    assert!(run(&["link", "set", "d0", "up"]) && run(&["link", "set", "d1", "up"]));
    let (c0, c1, d0, d1, runtime) = (veth("c0"), veth("c1"), veth("d0"), veth("d1"), Runtime::live());
    let capture = live(&runtime, RING);
    runtime.run(async {
        let both = [Rc::clone(&c1), Rc::clone(&d1)];
        let here = capture.subscribe(filtered(&c1, "ether proto 0x9999"), &both).await.expect("a capture");
        let there = capture.subscribe(filtered(&d1, "ether proto 0x9999"), &both).await.expect("a capture");
        let anywhere = Interest { interface: None, ..filtered(&c1, "ether proto 0x9999") };
        let anywhere = capture.subscribe(anywhere, &both).await.expect("a capture");
        send(&sender(&c0), &frame(0x9999, 1, 60));
        assert_eq!(number(&here.next().await.expect("the frame")), 1);
        assert!(run(&["link", "del", "c0"]));
        let error = here.next().await.expect_err("it is gone");
        assert_eq!(error.to_string(), "capture c1: local (the interface is gone)");
        send(&sender(&d0), &frame(0x9999, 2, 60));
        assert_eq!(number(&there.next().await.expect("the frame")), 2);
        assert_eq!([1, 2].map(|_| anywhere.try_next().map(|packet| number(&packet))), [Some(1), Some(2)]);
        assert!(poll_once(&mut Box::pin(anywhere.next())).await.is_none());
        let again = capture.subscribe(on(&c1), &both).await.map(drop).expect_err("it is gone");
        assert!(again.to_string().starts_with("capture c1: local ("), "{again}");
    });
}

#[test]
fn an_interface_that_is_down_is_missed_when_it_goes() {
    let Some(_namespace) = Namespace::enter("an_interface_that_is_down_is_missed_when_it_goes") else { return };
    let (c0, c1, runtime) = (veth("c0"), veth("c1"), Runtime::live());
    let capture = live(&runtime, RING);
    runtime.run(async {
        let here = capture.subscribe(filtered(&c1, "ether proto 0x9999"), &[Rc::clone(&c1)]).await.expect("a capture");
        // The kernel tells of the first, not of the second.
        assert!(run(&["link", "set", "c1", "down"]));
        assert!(run(&["link", "set", "c1", "up"]) && run(&["link", "set", "c0", "up"]));
        send(&sender(&c0), &frame(0x9999, 1, 60));
        assert_eq!(number(&here.next().await.expect("it hears again")), 1);
        assert!(run(&["link", "set", "c1", "down"]) && run(&["link", "del", "c1"]));
        assert_eq!(here.next().await.expect_err("it is gone").to_string(), "capture c1: local (the interface is gone)");
    });
}

#[test]
fn loopback_shows_every_packet_once() {
    let Some(_namespace) = Namespace::enter("loopback_shows_every_packet_once") else { return };
    let (lo, runtime) = (interface("lo", LinkKind::Loopback), Runtime::live());
    let capture = live(&runtime, RING);
    let (one, two) = (UdpSocket::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
    let (one, two) = (one.expect("a socket"), two.expect("a socket"));
    let ports = [&one, &two].map(|socket| socket.local_addr().expect("an address").port());
    runtime.run(async {
        let seen = capture.subscribe(filtered(&lo, "udp"), &[Rc::clone(&lo)]).await.expect("a capture");
        let out = Interest { directions: Directions::Out, ..filtered(&lo, &format!("udp dst port {}", ports[1])) };
        let out = capture.subscribe(out, &[Rc::clone(&lo)]).await.expect("a capture");
        one.send_to(b"there", ("127.0.0.1", ports[1])).expect("sent");
        two.send_to(b"back", ("127.0.0.1", ports[0])).expect("sent");
        let texts = [seen.next().await, seen.next().await].map(|packet| packet.expect("a packet").bytes[42..].to_vec());
        assert_eq!(texts, [b"there".to_vec(), b"back".to_vec()]);
        // Another packet behind them: whatever there was a second time would be before it.
        one.send_to(b"end", ("127.0.0.1", ports[1])).expect("sent");
        assert_eq!(seen.next().await.expect("a packet").bytes[42..], *b"end");
        assert_eq!(out.counters().delivered, 2);
    });
}

#[test]
fn a_link_without_header_begins_with_ip() {
    let Some(_namespace) = Namespace::enter("a_link_without_header_begins_with_ip") else { return };
    let lo = interface("lo", LinkKind::Loopback);
    let (bare, runtime) = (Rc::new(Interface { link: LinkType::Ip, ..(*lo).clone() }), Runtime::live());
    let capture = live(&runtime, RING);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = socket.local_addr().expect("an address").port();
    runtime.run(async {
        let filter = format!("ip and udp dst port {port}");
        let seen = capture.subscribe(filtered(&bare, &filter), &[Rc::clone(&bare)]).await.expect("a capture");
        socket.send_to(b"hello", ("127.0.0.1", port)).expect("sent");
        let packet = seen.next().await.expect("a packet");
        assert_eq!((packet.link, packet.bytes[0], &packet.bytes[28..]), (LinkType::Ip, 0x45, &b"hello"[..]));
    });
}

#[test]
fn promiscuous_mode_lasts_as_long_as_somebody_wants_it() {
    let Some(_namespace) = Namespace::enter("promiscuous_mode_lasts_as_long_as_somebody_wants_it") else { return };
    let promiscuity = || {
        let output = Command::new("ip").args(["-d", "link", "show", "c1"]).output().expect("ip runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split("promiscuity ").nth(1).and_then(|rest| rest.split(' ').next().map(str::to_owned)).expect("it says")
    };
    let (c1, runtime) = (veth("c1"), Runtime::live());
    let capture = live(&runtime, RING);
    runtime.run(async {
        let open = |promiscuous| {
            let (capture, c1) = (&capture, Rc::clone(&c1));
            async move { capture.subscribe(Interest { promiscuous, ..on(&c1) }, &[c1]).await.expect("a capture") }
        };
        let quiet = open(false).await;
        assert_eq!(promiscuity(), "0");
        let (first, second) = (open(true).await, open(true).await);
        assert_eq!(promiscuity(), "1");
        drop(first);
        assert_eq!(promiscuity(), "1");
        drop(second);
        assert_eq!(promiscuity(), "0");
        drop(quiet);
    });
}

#[test]
fn what_cannot_be_captured_is_a_named_error() {
    let runtime = Runtime::live();
    let refused: Opener =
        Box::new(|_| Err(NetError::new(NetErrorKind::Local, "capture", "this machine").because("no")));
    let capture = LiveCapture::new(runtime.clock(), runtime.spawner(), refused, RING);
    let lo = Interface {
        index: 1,
        name: "lo".into(),
        kind: LinkKind::Loopback,
        link: LinkType::Ethernet,
        mac: None,
        mtu: 1500,
        up: true,
        addrs: Vec::new(),
    };
    let lo = Rc::new(lo);
    runtime.run(async {
        let nowhere = Interest { interface: Some(99), ..Interest::default() };
        let error = capture.subscribe(nowhere, &[Rc::clone(&lo)]).await.map(drop).expect_err("there is none");
        assert_eq!(error.to_string(), "capture interface 99: local (there is no such interface)");
        let error = capture.subscribe(on(&lo), &[Rc::clone(&lo)]).await.map(drop).expect_err("it may not");
        assert_eq!(error.to_string(), "capture this machine: local (no)");
        let bare = Rc::new(Interface { link: LinkType::Ip, ..(*lo).clone() });
        let filter = filtered(&bare, "ether src 02:00:00:00:00:01");
        let error = capture.subscribe(filter, &[bare]).await.map(drop).expect_err("there is no Ethernet");
        assert!(error.to_string().starts_with("capture lo: local (ether src 02:00:00:00:00:01: "), "{error}");
    });
}

//! Simulated peers, and a wire, on a path that is spoilt.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::{FaultyPackets, FaultyTransport, Tally};
use crate::capture::{Direction, Dispatcher, Frame, Interest, Subscription};
use crate::model::{Interface, LinkKind, LinkType, NetError, NetErrorKind, PacketTotals, Route, Timestamp};
use crate::net::packets::{Outgoing, Packets, Ports, ReservedPort, Sent};
use crate::net::sim::{Scenario, network};
use crate::net::{ConnectOptions, NetFuture, Origin, Transport};
use crate::runtime::{Clock, Random, Runtime};

const SCENARIO: &str = r#"
[link]
delay = "1ms"

[[hosts]]
addrs = ["10.0.0.1"]
tcp = [{ ports = "22", service = "greeting" }]
udp = [{ ports = "7", service = "one" }, { ports = "8", service = "two" }]

[services.greeting]
talk = [{ say = "0123456789 0123456789 0123456789" }, { close = true }]

[services.one]
talk = [{ hear = "?" }, { say = "one" }]

[services.two]
talk = [{ hear = "?" }, { say = "two" }]
"#;
const GREETING: &str = "0123456789 0123456789 0123456789";

/// Opens a door that is spoilt by `seed` and has `work` go through it; none if it stands still.
fn through<T, F: Future<Output = T>>(
    seed: u64,
    work: impl FnOnce(Rc<FaultyTransport>, Clock) -> F,
) -> (Option<T>, String) {
    let runtime = Runtime::simulated(Timestamp(0));
    let scenario = Scenario::parse(SCENARIO).unwrap();
    let (network, _) = network(scenario, &runtime, &Random::new(Some(1)));
    let random = Random::new(Some(seed));
    let door = FaultyTransport::new(network.transport, runtime.clock(), &random, Duration::from_secs(3));
    let tally = door.tally();
    let result = runtime.run_until_stalled(work(Rc::new(door), runtime.clock()));
    (result, tally.to_string())
}

/// What became of a greeting.
async fn greeting(door: Rc<FaultyTransport>, clock: Clock) -> String {
    let peer: SocketAddr = "10.0.0.1:22".parse().unwrap();
    let mut stream = match door.connect(peer, ConnectOptions::default()).await {
        Ok(stream) => stream,
        Err(error) => return format!("no connection: {:?}", error.kind),
    };
    let mut text = Vec::new();
    let reading = clock.timeout(Duration::from_secs(10), stream.read_to_end(&mut text)).await;
    let text = String::from_utf8_lossy(&text).into_owned();
    match reading {
        Err(_) => format!("silent after {} bytes", text.len()),
        Ok(Err(error)) => format!("{:?}", error.kind()),
        Ok(Ok(_)) if text == GREETING => "whole".to_owned(),
        Ok(Ok(_)) if GREETING.starts_with(&text) => "cut".to_owned(),
        Ok(Ok(_)) if text.len() >= GREETING.len() => "changed".to_owned(),
        Ok(Ok(_)) => "something else".to_owned(),
    }
}

#[test]
fn streams_meet_every_fault_and_the_same_seed_the_same() {
    let mut seen = BTreeSet::new();
    for seed in 0..400 {
        let (found, tally) = through(seed, greeting);
        let found = found.expect("nobody waits for ever who has a limit");
        assert_eq!((Some(found.clone()), tally.clone()), through(seed, greeting), "seed {seed}");
        assert!(tally != "none" || found == "whole", "seed {seed}: {found} without a fault");
        seen.insert(found);
    }
    let expected = [
        "ConnectionReset",
        "changed",
        "cut",
        "no connection: Refused",
        "no connection: Timeout",
        "silent after 0 bytes",
        "whole",
    ];
    assert_eq!(seen, expected.map(str::to_owned).into());
}

/// What is heard of two answers.
async fn answers(door: Rc<FaultyTransport>, clock: Clock) -> String {
    let socket = door.datagram(None, None, Origin::SCAN).await.unwrap();
    for peer in ["10.0.0.1:7", "10.0.0.1:8"] {
        socket.send(b"?", Some(peer.parse().unwrap())).await.unwrap();
    }
    let mut heard = Vec::new();
    while let Ok(received) = clock.timeout(Duration::from_secs(10), socket.receive()).await {
        heard.push(match received {
            Ok((data, _)) => match std::str::from_utf8(&data) {
                Ok(text @ ("one" | "two")) => text.to_owned(),
                _ if data.len() < 3 => "cut".to_owned(),
                _ => "changed".to_owned(),
            },
            Err(error) if error.kind == NetErrorKind::Refused => "refused".to_owned(),
            Err(error) => error.to_string(),
        });
    }
    heard.join(" ")
}

#[test]
fn datagrams_are_lost_doubled_overtaken_cut_changed_and_refused() {
    let all: BTreeSet<String> = (0..400).map(|seed| through(seed, answers).0.expect("an end")).collect();
    for one in ["one two", "", "two", "two one", "one two two", "one cut", "changed two", "refused two"] {
        assert!(all.contains(one), "{one:?} is not in {all:?}");
    }
}

#[test]
fn what_is_sent_goes_through() {
    for seed in 0..20 {
        let (sent, _) = through(seed, |door, _| async move {
            let peer: SocketAddr = "10.0.0.1:22".parse().unwrap();
            let Ok(mut stream) = door.connect(peer, ConnectOptions::default()).await else { return true };
            stream.write_all(b"hello").await.is_ok() && stream.flush().await.is_ok()
        });
        assert_eq!(sent, Some(true), "seed {seed}");
    }
}

/// Packets that only ever come from the test.
#[derive(Clone, Default)]
struct Wire(Dispatcher);

fn unused<T: 'static>() -> NetFuture<T> {
    Box::pin(std::future::ready(Err(NetError::new(NetErrorKind::Denied, "use", "a wire"))))
}

impl Packets for Wire {
    fn permitted(&self) -> Result<(), NetError> {
        Ok(())
    }

    fn interfaces(&self) -> NetFuture<Vec<Rc<Interface>>> {
        unused()
    }

    fn route(&self, _to: IpAddr, _interface: Option<u32>) -> NetFuture<Route> {
        unused()
    }

    fn send(&self, _packets: Vec<Outgoing>, _origin: &Origin) -> NetFuture<Vec<Sent>> {
        unused()
    }

    fn reserve(&self, _: Ports, _: IpAddr, _: &Origin) -> NetFuture<Box<dyn ReservedPort>> {
        unused()
    }

    fn capture(&self, interest: Interest, _origin: &Origin) -> NetFuture<Subscription> {
        Box::pin(std::future::ready(Ok(self.0.subscribe(interest))))
    }

    fn observe(&self, observer: crate::capture::Observer) {
        self.0.observe(observer);
    }

    fn captured(&self) -> PacketTotals {
        self.0.totals()
    }
}

impl Wire {
    fn carries(&self, at: Timestamp, bytes: &[u8]) {
        let interface = Interface {
            index: 1,
            name: "wire".into(),
            kind: LinkKind::Ethernet,
            link: LinkType::Ip,
            mac: None,
            mtu: 1500,
            up: true,
            addrs: Vec::new(),
        };
        let (interface, wire_len) = (&Rc::new(interface), bytes.len() as u32);
        self.0.dispatch(&Frame { at, interface, link: LinkType::Ip, direction: Direction::In, wire_len, bytes });
    }
}

/// Has `work` listen to a wire that is spoilt by `seed`.
fn listening<T, F: Future<Output = T>>(
    seed: u64,
    work: impl FnOnce(Wire, FaultyPackets, Clock) -> F,
) -> (Option<T>, String) {
    let runtime = Runtime::simulated(Timestamp(0));
    let (wire, tally, random) = (Wire::default(), Tally::default(), Random::new(Some(seed)));
    let (clock, spawner) = (runtime.clock(), runtime.spawner());
    let door = FaultyPackets::new(Rc::new(wire.clone()), clock.clone(), spawner, &random, tally.clone());
    let result = runtime.run_until_stalled(work(wire, door, clock));
    (result, tally.to_string())
}

/// What is captured of two packets.
async fn captured(wire: Wire, door: FaultyPackets, clock: Clock) -> String {
    let capture = door.capture(Interest::default(), &Origin::SCAN).await.unwrap();
    wire.carries(clock.now(), b"one");
    wire.carries(clock.now(), b"two");
    let mut seen = Vec::new();
    while let Ok(Ok(packet)) = clock.timeout(Duration::from_secs(10), capture.next()).await {
        assert!(packet.wire_len as usize == packet.bytes.len() && packet.at <= clock.now());
        seen.push(match std::str::from_utf8(&packet.bytes) {
            Ok(text @ ("one" | "two")) => text.to_owned(),
            _ if packet.bytes.len() < 3 => "cut".to_owned(),
            _ => "changed".to_owned(),
        });
    }
    seen.join(" ")
}

#[test]
fn captured_packets_are_lost_doubled_overtaken_cut_and_changed_and_the_same_seed_does_the_same() {
    let mut all = BTreeSet::new();
    for seed in 0..400 {
        let (seen, tally) = listening(seed, captured);
        let seen = seen.expect("an end");
        assert_eq!((Some(seen.clone()), tally.clone()), listening(seed, captured), "seed {seed}");
        assert!(tally != "none" || seen == "one two", "seed {seed}: {seen} without a fault");
        all.insert(seen);
    }
    for one in ["one two", "", "two", "two one", "one two two", "one cut", "changed two"] {
        assert!(all.contains(one), "{one:?} is not in {all:?}");
    }
}

#[test]
fn a_capture_ends_as_the_one_below_and_one_nobody_wants_any_more_is_given_up() {
    for seed in 0..20 {
        let (ended, _) = listening(seed, |wire, door, clock| async move {
            let first = door.capture(Interest::default(), &Origin::SCAN).await.unwrap();
            let second = door.capture(Interest::default(), &Origin::SCAN).await.unwrap();
            drop(first);
            let third = door.capture(Interest::default(), &Origin::SCAN).await.unwrap();
            clock.sleep(Duration::from_secs(1)).await;
            assert_eq!(wire.0.subscriptions(), 2, "seed {seed}");
            wire.0.capture_ended(&NetError::new(NetErrorKind::Closed, "capture", "wire"));
            [second.next().await.is_err(), third.next().await.is_err()]
        });
        assert_eq!(ended, Some([true, true]), "seed {seed}");
    }
}

//! What the broker lets through, over a door that only notes what it is given.

use std::cell::RefCell;
use std::time::Duration;

use super::*;
use crate::capture::{Interest, Subscription};
use crate::model::{
    Capabilities, InterfaceAddr, Limits, LinkKind, LinkType, PacketTotals, Timestamp, Unreached, Usage,
};
use crate::net::broker::{Governor, TraceSink};
use crate::net::live::LiveTransport;
use crate::net::packets::Packets;
use crate::net::resolver::{Resolver, ResolverConfig};
use crate::net::slots::{SlotLimits, Slots};
use crate::net::warm::WarmStreams;
use crate::net::{NetFuture, Network, Origin};
use crate::runtime::{Clock, Random, Runtime, Threads};

const START: Timestamp = Timestamp(1_000_000_000);
const OWN: [u8; 4] = [10, 0, 0, 9];

/// Takes every packet at once.
struct Noted {
    clock: Clock,
    sent: RefCell<Vec<(u64, usize)>>,
}

impl Packets for Noted {
    fn permitted(&self) -> Result<(), NetError> {
        Ok(())
    }

    fn interfaces(&self) -> NetFuture<Vec<Rc<Interface>>> {
        let addr = InterfaceAddr { addr: [10, 0, 0, 1].into(), prefix: 24 };
        let interface = Interface {
            index: 2,
            name: "e".into(),
            kind: LinkKind::Ethernet,
            link: LinkType::Ethernet,
            mac: None,
            mtu: 1500,
            up: true,
            addrs: vec![addr],
        };
        Box::pin(std::future::ready(Ok(vec![Rc::new(interface)])))
    }

    fn route(&self, to: IpAddr, _interface: Option<u32>) -> NetFuture<Route> {
        Box::pin(std::future::ready(Err(NetError::new(NetErrorKind::Unreachable(Unreached::Host), "route", to))))
    }

    fn send(&self, packets: Vec<Outgoing>, _origin: &Origin) -> NetFuture<Vec<Sent>> {
        let now = self.clock.now();
        self.sent.borrow_mut().push((now.since(START).as_micros() as u64, packets.len()));
        Box::pin(std::future::ready(Ok(vec![Ok(now); packets.len()])))
    }

    fn capture(&self, _interest: Interest, _origin: &Origin) -> NetFuture<Subscription> {
        Box::pin(std::future::ready(Err(NetError::new(NetErrorKind::Local, "capture", "e"))))
    }

    fn observe(&self, _: crate::capture::Observer) {}

    fn captured(&self) -> PacketTotals {
        PacketTotals::default()
    }

    fn reserve(&self, _ports: Ports, local: IpAddr, _origin: &Origin) -> NetFuture<Box<dyn ReservedPort>> {
        Box::pin(std::future::ready(Err(NetError::new(NetErrorKind::Local, "reserve", local))))
    }
}

struct World {
    runtime: Runtime,
    noted: Rc<Noted>,
    broker: Broker,
}

fn world(rate: Option<f64>, trace: Option<TraceSink>) -> World {
    let runtime = Runtime::simulated(START);
    let (clock, random) = (runtime.clock(), Random::new(Some(1)));
    let transport = Rc::new(LiveTransport::new(clock.clone(), 1, Duration::from_secs(1)));
    let names = Resolver::new(ResolverConfig::default(), Rc::clone(&transport) as Rc<_>, clock.clone(), random.clone());
    let noted = Rc::new(Noted { clock: clock.clone(), sent: RefCell::default() });
    let packets = Rc::clone(&noted) as Rc<dyn Packets>;
    let governor = Governor::new(clock.clone(), rate);
    let network = Network { clock, random, transport, names: Rc::new(names), packets };
    World { runtime, noted, broker: Broker::new(network, governor, Slots::new(SlotLimits::default()), trace) }
}

fn warrant(capabilities: &[Capability]) -> Rc<Warrant> {
    Rc::new(Warrant {
        script: "test".into(),
        origin: crate::net::Origin::new("test"),
        capabilities: capabilities.iter().copied().collect::<Capabilities>(),
        fence: vec![OWN.into()],
        limits: Limits { packets: 100, bytes: 10_000, ..Limits::default() },
        usage: Rc::new(Usage::default()),
        threads: Threads::default(),
        warm: WarmStreams::default(),
    })
}

fn ip(to: [u8; 4]) -> Outgoing {
    let mut packet = vec![0x45; 20];
    packet[16..].copy_from_slice(&to);
    Outgoing::Ip { packet: packet.into(), interface: None }
}

fn frame(ether_type: &[u8], to: [u8; 4]) -> Outgoing {
    let Outgoing::Ip { packet, .. } = ip(to) else { unreachable!() };
    Outgoing::Frame { frame: [&[0; 12], ether_type, &packet].concat().into(), interface: 2 }
}

/// What is missing for it; nothing when it is let through.
fn missing(capabilities: &[Capability], packet: Outgoing) -> Option<String> {
    let world = world(None, None);
    let sent = world.runtime.run(world.broker.send(&warrant(capabilities), vec![ip(OWN), packet]));
    let count = world.noted.sent.take().len();
    let Err(error) = sent else {
        assert_eq!(count, 1);
        return None;
    };
    assert_eq!((error.kind, count), (NetErrorKind::Denied, 0), "all or nothing");
    error.detail.rsplit('"').nth(1).map(str::to_owned)
}

#[test]
fn every_packet_needs_what_its_addressee_calls_for() {
    use Capability::{Broadcast, OtherHosts, Raw, Tcp};
    let other = [10, 0, 0, 8];
    let mut routed = vec![0x46; 24];
    routed[16..].copy_from_slice(&[10, 0, 0, 9, 131, 3, 4, 0]);
    let routed = Outgoing::Ip { packet: routed.into(), interface: None };
    let arp = Outgoing::Frame { frame: [&[0; 12][..], &[8, 6], &[0; 28]].concat().into(), interface: 2 };
    for (capabilities, packet, needs) in [
        (&[Tcp][..], ip(OWN), Some("raw")),
        (&[Raw], ip(OWN), None),
        (&[Raw], ip(other), Some("other-hosts")),
        (&[Raw, OtherHosts], ip(other), None),
        (&[Raw, OtherHosts], ip([10, 0, 0, 255]), Some("broadcast")),
        (&[Raw, OtherHosts], ip([224, 0, 0, 251]), Some("broadcast")),
        (&[Raw, OtherHosts], ip([255; 4]), Some("broadcast")),
        (&[Raw, Broadcast], ip([10, 0, 0, 255]), None),
        (&[Raw, Broadcast], ip([224, 0, 0, 251]), None),
        (&[Raw, Broadcast], ip(other), Some("other-hosts")),
        (&[Raw], routed.clone(), Some("other-hosts")),
        (&[Raw, OtherHosts], routed, None),
        (&[Raw], arp.clone(), Some("broadcast")),
        (&[Raw, Broadcast], arp, None),
        (&[Raw, Broadcast], frame(&[8, 0], OWN), None),
        (&[Raw, Broadcast], frame(&[8, 0], other), Some("other-hosts")),
        (&[Raw, Broadcast], frame(&[0x81, 0, 0, 7, 0x88, 0xa8, 0, 7, 8, 0], other), Some("other-hosts")),
    ] {
        assert_eq!(missing(capabilities, packet.clone()).as_deref(), needs, "{capabilities:?} {packet:?}");
    }
}

#[test]
fn packets_and_bytes_are_budgeted() {
    let (world, first) = (world(None, None), warrant(&[Capability::Raw]));
    let send = |count| world.runtime.run(world.broker.send(&first, vec![ip(OWN); count]));
    assert_eq!(send(60).unwrap().len(), 60);
    let error = send(41).unwrap_err();
    assert_eq!(
        (error.kind, error.detail.as_str()),
        (NetErrorKind::Budget(Spent::Packets), "more than 100 packets sent; raise --script-max-packets")
    );
    assert_eq!(send(40).unwrap().len(), 40);
    assert_eq!((first.usage.packets.get(), first.usage.sent.get()), (100, 2000));
    let big = Outgoing::Ip { packet: [&ip_bytes()[..], &[0; 10_000]].concat().into(), interface: None };
    let fresh = warrant(&[Capability::Raw]);
    let error = world.runtime.run(world.broker.send(&fresh, vec![big])).unwrap_err();
    assert_eq!(error.detail, "more than 10000 bytes moved; raise --script-max-bytes");
}

fn ip_bytes() -> Vec<u8> {
    let Outgoing::Ip { packet, .. } = ip(OWN) else { unreachable!() };
    packet.to_vec()
}

#[test]
fn max_rate_spaces_packets_on_the_clock() {
    let slow = world(Some(100.0), None);
    slow.runtime.run(slow.broker.send(&warrant(&[Capability::Raw]), vec![ip(OWN); 4])).unwrap();
    assert_eq!(slow.noted.sent.take(), [(0, 1), (10_000, 1), (20_000, 1), (30_000, 1)]);
    let fast = world(Some(10_000.0), None);
    fast.runtime.run(fast.broker.send(&warrant(&[Capability::Raw]), vec![ip(OWN); 25])).unwrap();
    assert_eq!(fast.noted.sent.take(), [(0, 10), (1_000, 10), (2_000, 5)]);
}

#[test]
fn packets_are_traced() {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&lines);
    let sink: TraceSink =
        Rc::new(move |line| seen.borrow_mut().push(format!("{} {} {}", line.op, line.peer, line.data.len())));
    let world = world(None, Some(sink));
    let arp = Outgoing::Frame { frame: vec![0; 42].into(), interface: 2 };
    let all = warrant(&[Capability::Raw, Capability::Broadcast]);
    world.runtime.run(world.broker.send(&all, vec![ip(OWN), arp])).unwrap();
    assert_eq!(*lines.borrow(), ["packet 10.0.0.9 20", "packet interface 2 42"]);
}

//! Raw packets into simulated networks: each kind of probe against each kind of port, and what links do to them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::capture::{Directions, Interest, Subscription};
use crate::model::{LinkType, MacAddr, NetErrorKind, Protocol, Timestamp, Unreached};
use crate::net::packets::{Kernel, Outgoing, Ports, Sent};
use crate::net::sim::{Scenario, World, network};
use crate::net::{Network, Origin};
use crate::packet::{
    Arp, Chunk, ChunkBody, Ethernet, Icmpv4, Icmpv4Body, Icmpv6, Icmpv6Body, Init, Ipv4, Ipv6, Layer, NeighborOption,
    Packet, Sctp, Tcp, TcpOption, Udp,
};
use crate::runtime::{Random, Runtime};

const PORTS: &str = r#"
[link]
delay = "10ms"

[[hosts]]
addrs = ["10.0.0.1", "fd00::1"]
mask = "255.255.0.0"
tcp = [
    { ports = "80" },
    { ports = "81", state = "closed" },
    { ports = "82", state = "silent" },
    { ports = "83", state = "reject" },
    { ports = "84", state = "reject", reject = "reset" },
    { ports = "85", forward = "10.0.0.3:22" },
]
udp = [
    { ports = "80", service = "echo" },
    { ports = "81", state = "closed" },
    { ports = "82", state = "silent" },
    { ports = "83", state = "reject", reject = "host" },
    { ports = "84" },
]
sctp = [
    { ports = "80" },
    { ports = "81", state = "closed" },
    { ports = "82", state = "silent" },
    { ports = "83", state = "reject", reject = "net-admin" },
]

[[hosts]]
addrs = ["10.0.0.2"]
ping = false
timestamp = false
protocols = "1,6"
answers_from = "10.0.0.99"

[[hosts]]
addrs = ["10.0.0.3"]
ttl = 128
tcp = [{ ports = "22" }]

[[hosts]]
addrs = ["10.0.0.4", "10.0.0.5", "fd00::4"]
up = 1.0
hops = 3
routers = ["10.9.9.1", "", "10.9.{hop}.1"]

[services.echo]
talk = [{ hear = "ping" }, { say = "pong" }, { wait = "5ms" }, { say = "again" }]
"#;

struct Bed {
    runtime: Runtime,
    network: Network,
    world: Rc<World>,
    seen: Subscription,
}

/// When something arrived and what.
type Seen = (Duration, Packet);

fn bed(scenario: &str, seed: u64) -> Bed {
    let runtime = Runtime::simulated(Timestamp(0));
    let (network, world) = network(Scenario::parse(scenario).unwrap(), &runtime, &Random::new(Some(seed)));
    let interest = Interest { directions: Directions::In, queue: 1 << 20, ..Interest::default() };
    let seen = runtime.run(network.packets.capture(interest, &Origin::SCAN)).unwrap();
    Bed { runtime, network, world, seen }
}

impl Bed {
    fn send(&self, packets: &[Packet]) -> Vec<Sent> {
        let outgoing = packets.iter().map(|packet| match packet.layers.first() {
            Some(Layer::Ethernet(_)) => Outgoing::Frame { frame: packet.to_bytes().into(), interface: 1 },
            _ => Outgoing::Ip { packet: packet.to_bytes().into(), interface: None },
        });
        self.runtime.run(self.network.packets.send(outgoing.collect(), &Origin::SCAN)).unwrap()
    }

    /// Everything that came back up to now, and when.
    fn seen(&self) -> Vec<(Timestamp, Vec<u8>)> {
        std::iter::from_fn(|| self.seen.try_next()).map(|one| (one.at, one.bytes.to_vec())).collect()
    }

    /// Sends and waits ten seconds; each reply is checked by the parser.
    fn ask(&self, packets: &[Packet]) -> Vec<Seen> {
        let began = self.network.clock.now();
        assert!(self.send(packets).iter().all(Result::is_ok));
        self.runtime.run(self.network.clock.sleep(Duration::from_secs(10)));
        self.seen().into_iter().map(|(at, bytes)| (at.since(began), sound(&bytes))).collect()
    }

    /// The one reply to `packet`, if any.
    fn one(&self, packet: Packet) -> Option<Packet> {
        let mut replies = self.ask(&[packet]);
        assert!(replies.len() <= 1, "{replies:?}");
        replies.pop().map(|(_, reply)| reply)
    }
}

/// Parsed, with nothing left over, every length and every checksum right.
fn sound(bytes: &[u8]) -> Packet {
    let packet = Packet::parse(LinkType::Ethernet, bytes);
    assert_eq!(packet.to_bytes(), bytes);
    assert!(packet.malformed().is_none(), "{packet:?}");
    let wrong = packet.layers.iter().any(|layer| match layer {
        Layer::Ipv4(ip) => ip.checksum.is_some() || ip.total_length.is_some(),
        Layer::Ipv6(ip) => ip.payload_length.is_some(),
        Layer::Tcp(tcp) => tcp.checksum.is_some() || tcp.data_offset.is_some(),
        Layer::Udp(udp) => udp.checksum.is_some() || udp.length.is_some(),
        Layer::Icmpv4(icmp) => icmp.checksum.is_some(),
        Layer::Icmpv6(icmp) => icmp.checksum.is_some(),
        Layer::Sctp(sctp) => sctp.checksum.is_some() || sctp.chunks.iter().any(|chunk| chunk.length.is_some()),
        Layer::Trailer(_) => true,
        _ => false,
    });
    assert!(!wrong, "{packet:?}");
    packet
}

fn around(to: &str, layers: impl IntoIterator<Item = Layer>) -> Packet {
    let ip: Layer = match to.parse().unwrap() {
        IpAddr::V4(destination) => {
            Ipv4 { source: [192, 0, 2, 1].into(), destination, id: 0x1234, ..Ipv4::default() }.into()
        }
        IpAddr::V6(destination) => {
            Ipv6 { source: "2001:db8::1".parse().unwrap(), destination, ..Ipv6::default() }.into()
        }
    };
    Packet::new(std::iter::once(ip).chain(layers))
}

fn tcp(to: &str, port: u16, flags: u8) -> Packet {
    let segment = Tcp {
        source: 50_000,
        destination: port,
        sequence: 1000,
        acknowledgment: 2000,
        flags,
        window: 1024,
        ..Tcp::default()
    };
    around(to, [segment.into()])
}

fn udp(to: &str, port: u16, data: &[u8]) -> Packet {
    let header = Udp { source: 50_000, destination: port, ..Udp::default() };
    around(to, [header.into(), Layer::Payload(data.to_vec())])
}

fn echo(to: &str) -> Packet {
    let (id, sequence) = (7, 9);
    let message = if to.contains(':') {
        Icmpv6::new(128, 0, Icmpv6Body::Echo { id, sequence }).into()
    } else {
        Icmpv4::new(8, 0, Icmpv4Body::Echo { id, sequence }).into()
    };
    around(to, [message, Layer::Payload(b"data".to_vec())])
}

fn with_ttl(mut packet: Packet, ttl: u8) -> Packet {
    if let Some(ip) = packet.get_mut::<Ipv4>() {
        ip.ttl = ttl;
    }
    if let Some(ip) = packet.get_mut::<Ipv6>() {
        ip.hop_limit = ttl;
    }
    packet
}

/// Kind and code of an ICMP error that quotes `about`, as it was sent but for `left` hops.
fn error(reply: &Packet, about: &Packet, left: u8) -> (u8, u8) {
    let quoted = with_ttl(about.clone(), left).to_bytes();
    let found = reply.quoted().unwrap().to_bytes();
    let header = if quoted[0] >> 4 == 4 { 20 } else { 40 };
    assert!(found.len() >= header + 8, "{}", found.len());
    assert_eq!(found, quoted[..found.len()]);
    match (reply.get::<Icmpv4>(), reply.get::<Icmpv6>()) {
        (Some(message), _) => (message.kind, message.code),
        (_, Some(message)) => (message.kind, message.code),
        _ => unreachable!("it quotes"),
    }
}

/// A TCP reply as letters of its flags, sequence and acknowledgment numbers; an ICMP error as its kind and code.
fn outline(reply: Option<&Packet>, probe: &Packet) -> String {
    let Some(reply) = reply else { return "-".to_owned() };
    let (from, to) = reply.addresses().unwrap();
    assert_eq!(probe.addresses().unwrap(), (to, from));
    match reply.get::<Tcp>() {
        Some(tcp) => {
            assert_eq!((tcp.source, tcp.destination), (probe.get::<Tcp>().unwrap().destination, 50_000));
            let sequence = if tcp.flags & Tcp::SYN != 0 { 0 } else { tcp.sequence };
            format!("{} {sequence} {}", Tcp::flag_letters(tcp.flags), tcp.acknowledgment)
        }
        None => format!("{:?}", error(reply, probe, 64)),
    }
}

#[test]
fn tcp_answers_as_its_standard_says() {
    const ACK: u8 = Tcp::ACK;
    const XMAS: u8 = Tcp::FIN | Tcp::PSH | Tcp::URG;
    let bed = bed(PORTS, 1);
    for to in ["10.0.0.1", "fd00::1"] {
        let admin = if to.contains(':') { "(1, 1)" } else { "(3, 13)" };
        for (flags, open, closed) in [
            (Tcp::SYN, "SA 0 1001", "RA 0 1001"),
            (ACK, "R 2000 0", "R 2000 0"),
            (Tcp::FIN, "-", "RA 0 1001"),
            (0, "-", "RA 0 1000"),
            (XMAS, "-", "RA 0 1001"),
            (Tcp::FIN | ACK, "R 2000 0", "R 2000 0"),
            (Tcp::SYN | ACK, "R 2000 0", "R 2000 0"),
            (Tcp::RST, "-", "-"),
        ] {
            for (port, expected) in [(80, open), (81, closed), (82, "-"), (83, admin), (84, closed), (99, closed)] {
                let probe = tcp(to, port, flags);
                let reply = bed.one(probe.clone());
                assert_eq!(outline(reply.as_ref(), &probe), expected, "{to} {port} {}", Tcp::flag_letters(flags));
            }
        }
    }
}

#[test]
fn a_segment_with_data_is_acknowledged_to_its_end() {
    let bed = bed(PORTS, 1);
    let mut probe = tcp("10.0.0.1", 81, Tcp::SYN);
    probe.layers.push(Layer::Payload(b"12345".to_vec()));
    assert_eq!(bed.one(probe).unwrap().get::<Tcp>().unwrap().acknowledgment, 1006);
}

#[test]
fn a_syn_ack_takes_up_the_options_that_were_offered() {
    let bed = bed(PORTS, 1);
    let reply = |options: Vec<TcpOption>| {
        let mut probe = tcp("10.0.0.1", 80, Tcp::SYN);
        probe.get_mut::<Tcp>().unwrap().options = options;
        bed.one(probe).unwrap().get::<Tcp>().unwrap().clone()
    };
    let bare = reply(vec![]);
    assert_eq!((bare.window, bare.options), (64_240, vec![TcpOption::Mss(1460)]));
    let all = reply(vec![
        TcpOption::Mss(1400),
        TcpOption::SackPermitted,
        TcpOption::Timestamps { value: 77, echo: 0 },
        TcpOption::Nop,
        TcpOption::WindowScale(3),
    ]);
    assert_eq!((all.window_scale(), all.sack_permitted(), all.mss()), (Some(7), true, Some(1460)));
    assert_eq!(all.timestamps().map(|(_, echo)| echo), Some(77));
    assert_eq!(reply(vec![TcpOption::SackPermitted]).options.len(), 4, "filled up with no operations");
    assert_eq!(reply(vec![TcpOption::WindowScale(1)]).window_scale(), Some(7));
}

#[test]
fn udp_talks_complains_or_is_silent() {
    let bed = bed(PORTS, 1);
    for (to, port, host) in [("10.0.0.1", (3, 3), (3, 1)), ("fd00::1", (1, 4), (1, 3))] {
        let said = bed.ask(&[udp(to, 80, b"ping")]);
        let said: Vec<_> = said.iter().map(|(at, reply)| (at.as_millis(), reply.payload().unwrap().to_vec())).collect();
        assert_eq!(said, [(20, b"pong".to_vec()), (25, b"again".to_vec())]);
        assert_eq!(bed.one(udp(to, 80, b"hello")), None);
        for (number, expected) in [(81, port), (83, host), (99, port)] {
            let probe = udp(to, number, b"some data, and more of it");
            assert_eq!(error(&bed.one(probe.clone()).unwrap(), &probe, 64), expected);
        }
        assert_eq!((bed.one(udp(to, 82, b"")), bed.one(udp(to, 84, b""))), (None, None));
    }
}

#[test]
fn icmp_queries_are_answered_as_the_host_likes() {
    let bed = bed(PORTS, 1);
    for to in ["10.0.0.1", "fd00::1"] {
        let reply = bed.one(echo(to)).unwrap();
        assert_eq!(reply.payload(), Some(&b"data"[..]));
        let (v4, v6) = (reply.get::<Icmpv4>(), reply.get::<Icmpv6>());
        let body = v4.map(|message| (message.kind, &message.body));
        assert_eq!(body, v4.and(Some((0, &Icmpv4Body::Echo { id: 7, sequence: 9 }))));
        let body = v6.map(|message| (message.kind, &message.body));
        assert_eq!(body, v6.and(Some((129, &Icmpv6Body::Echo { id: 7, sequence: 9 }))));
        assert_eq!(v4.is_some(), v6.is_none());
    }
    let timestamp = |to| {
        let body = Icmpv4Body::Timestamp { id: 1, sequence: 2, originate: 3, receive: 0, transmit: 0 };
        bed.one(around(to, [Icmpv4::new(13, 0, body).into()]))
    };
    let now = (bed.network.clock.now().0 / 1_000_000) as u32 + 10;
    let body = Icmpv4Body::Timestamp { id: 1, sequence: 2, originate: 3, receive: now, transmit: now };
    assert_eq!(timestamp("10.0.0.1").unwrap().get::<Icmpv4>().unwrap().body, body);
    let mask = |to| {
        let body = Icmpv4Body::Mask { id: 1, sequence: 2, mask: [0, 0, 0, 0].into() };
        bed.one(around(to, [Icmpv4::new(17, 0, body).into()]))
    };
    let body = Icmpv4Body::Mask { id: 1, sequence: 2, mask: [255, 255, 0, 0].into() };
    assert_eq!(mask("10.0.0.1").unwrap().get::<Icmpv4>().unwrap().body, body);
    assert_eq!((bed.one(echo("10.0.0.2")), timestamp("10.0.0.2"), mask("10.0.0.2")), (None, None, None));
    assert_eq!(bed.one(echo("10.0.0.77")), None, "nobody is there");
}

#[test]
fn sctp_sends_init_acks_and_aborts() {
    let bed = bed(PORTS, 1);
    let send = |port, tag, body| {
        let chunks = vec![Chunk::new(body)];
        let packet = Sctp { source: 50_000, destination: port, tag, checksum: None, chunks };
        bed.one(around("10.0.0.1", [packet.into()]))
    };
    let init = || ChunkBody::Init(Init { tag: 77, window: 1000, outbound: 10, inbound: 2048, ..Init::default() });
    let open = send(80, 0, init()).unwrap();
    let open = open.get::<Sctp>().unwrap();
    let ChunkBody::InitAck(ack) = &open.chunks[0].body else { panic!("{open:?}") };
    assert_eq!((open.tag, open.source, ack.cookie().map(<[u8]>::len)), (77, 80, Some(32)));
    assert_ne!(ack.tag, 0);
    let abort = |packet: Packet| {
        let sctp = packet.get::<Sctp>().unwrap().clone();
        assert!(matches!(sctp.chunks[0].body, ChunkBody::Abort { .. }), "{sctp:?}");
        (sctp.tag, sctp.chunks[0].flags)
    };
    let cookie = || ChunkBody::CookieEcho(b"cook".to_vec());
    assert_eq!(abort(send(81, 0, init()).unwrap()), (77, 0));
    assert_eq!(abort(send(81, 5, cookie()).unwrap()), (5, 1), "the tag is reflected");
    assert_eq!((send(80, 5, cookie()), send(82, 0, init())), (None, None));
    assert_eq!(send(81, 5, ChunkBody::Abort { causes: vec![] }), None);
    assert_eq!(send(83, 0, init()).unwrap().get::<Icmpv4>().map(|error| (error.kind, error.code)), Some((3, 9)));
}

#[test]
fn protocols_nobody_speaks_are_unreachable() {
    let bed = bed(PORTS, 1);
    let ip = |to, protocol| {
        let mut packet = around(to, [Layer::Payload(b"12345678".to_vec())]);
        if let Some(ip) = packet.get_mut::<Ipv4>() {
            ip.protocol = Some(protocol);
        }
        if let Some(ip) = packet.get_mut::<Ipv6>() {
            ip.next_header = Some(protocol);
        }
        packet
    };
    let probe = ip("10.0.0.1", 47);
    assert_eq!(error(&bed.one(probe.clone()).unwrap(), &probe, 64), (3, 2));
    let probe = ip("fd00::1", 47);
    let reply = bed.one(probe.clone()).unwrap();
    assert_eq!(error(&reply, &probe, 64), (4, 1));
    assert_eq!(reply.get::<Icmpv6>().unwrap().body, Icmpv6Body::ParameterProblem { pointer: 6 });
    let reply = bed.one(udp("10.0.0.2", 80, b"x")).unwrap();
    assert_eq!(reply.get::<Icmpv4>().map(|error| (error.kind, error.code)), Some((3, 2)), "it speaks no UDP");
    assert_eq!(reply.addresses().unwrap().0, IpAddr::from([10, 0, 0, 99]), "it answers from elsewhere");
    assert!(bed.one(tcp("10.0.0.2", 80, Tcp::SYN)).unwrap().get::<Tcp>().is_some());
}

#[test]
fn packets_that_run_out_of_hops_come_back_from_routers() {
    let bed = bed(PORTS, 1);
    let expected = [Some(("10.9.9.1", 5)), None, Some(("10.9.3.1", 15)), Some(("10.0.0.4", 20))];
    for (ttl, expected) in (1..).zip(expected) {
        let probe = with_ttl(udp("10.0.0.4", 33_434, b"probe"), ttl);
        let replies = bed.ask(std::slice::from_ref(&probe));
        let Some((from, after)) = expected else {
            assert!(replies.is_empty(), "a silent router");
            continue;
        };
        let (at, reply) = &replies[0];
        assert_eq!((reply.addresses().unwrap().0, at.as_millis()), (from.parse().unwrap(), after));
        let own = if ttl <= 3 { (11, 0) } else { (3, 3) };
        assert_eq!(error(reply, &probe, 1), own, "{ttl}");
        assert_eq!(reply.get::<Ipv4>().unwrap().ttl, if ttl <= 3 { 256 - u16::from(ttl) } else { 61 } as u8);
    }
    let probe = with_ttl(echo("fd00::4"), 3);
    let reply = bed.one(probe.clone()).unwrap();
    assert_eq!(error(&reply, &probe, 1), (3, 0));
    assert_eq!(reply.addresses().unwrap().0, "2001:db8:ffff::3".parse::<IpAddr>().unwrap(), "of its own family");
    assert_eq!(bed.one(echo("fd00::4")).unwrap().get::<Ipv6>().unwrap().hop_limit, 61);
    assert_eq!(bed.one(with_ttl(echo("10.0.0.4"), 0)), None);
}

#[test]
fn a_forwarded_port_answers_as_the_other_host() {
    let bed = bed(PORTS, 1);
    let reply = bed.one(tcp("10.0.0.1", 85, Tcp::SYN)).unwrap();
    assert_eq!(reply.addresses().unwrap().0, IpAddr::from([10, 0, 0, 1]));
    assert_eq!((reply.get::<Tcp>().unwrap().flags, reply.get::<Ipv4>().unwrap().ttl), (Tcp::SYN | Tcp::ACK, 127));
}

#[test]
fn what_no_stack_takes_is_dropped_and_counted() {
    let bed = bed(PORTS, 1);
    let mut bad = [tcp("10.0.0.1", 80, Tcp::SYN), udp("10.0.0.1", 99, b"x"), echo("fd00::1"), echo("10.0.0.1")];
    bad[0].get_mut::<Tcp>().unwrap().checksum = Some(1);
    bad[1].get_mut::<Udp>().unwrap().checksum = Some(1);
    bad[2].get_mut::<Icmpv6>().unwrap().checksum = Some(1);
    bad[3].get_mut::<Ipv4>().unwrap().checksum = Some(1);
    assert_eq!(bed.ask(&bad), []);
    assert_eq!(bed.world.count.malformed.get(), 4);
    let mut unsummed = udp("10.0.0.1", 99, b"x");
    unsummed.get_mut::<Udp>().unwrap().checksum = Some(0);
    assert_eq!(bed.ask(&[unsummed]).len(), 1);
    let mut part = udp("10.0.0.1", 99, b"x");
    part.get_mut::<Ipv4>().unwrap().more_fragments = true;
    assert_eq!(bed.ask(&[part]), []);
    let about_an_error = Icmpv4 {
        quoted: Some(Box::new(echo("10.9.9.9"))),
        ..Icmpv4::new(3, 3, Icmpv4Body::Unreachable { unused: 0, mtu: 0 })
    };
    assert_eq!(bed.ask(&[with_ttl(around("10.0.0.4", [about_an_error.into()]), 1)]), []);
    let short: Rc<[u8]> = [0x45, 0].into();
    let sent = bed.network.packets.send(vec![Outgoing::Ip { packet: short, interface: None }], &Origin::SCAN);
    let sent = bed.runtime.run(sent).unwrap();
    assert_eq!(sent[0].as_ref().unwrap_err().kind, NetErrorKind::Local);
    let large = bed.send(&[udp("10.0.0.1", 80, &[0; 1500])]);
    assert_eq!(large[0].as_ref().unwrap_err().kind, NetErrorKind::TooLarge);
}

#[test]
fn no_truncation_of_any_packet_panics() {
    let bed = bed(PORTS, 1);
    let samples = [tcp("10.0.0.1", 80, Tcp::SYN), udp("fd00::1", 80, b"ping"), echo("10.0.0.4"), echo("fd00::4")];
    for sample in samples {
        let bytes = sample.to_bytes();
        for end in 0..bytes.len() {
            for at in 0..end {
                let mut cut = bytes[..end].to_vec();
                cut[at] ^= 0xff;
                let packet = Outgoing::Ip { packet: cut.into(), interface: None };
                bed.runtime.run(bed.network.packets.send(vec![packet], &Origin::SCAN)).unwrap();
            }
        }
    }
}

const LINKS: &str = r#"
[link]
delay = "5ms"
LINK

[[hosts]]
addrs = ["10.0.0.0/16"]
RULE
"#;

fn links(link: &str, rule: &str) -> Bed {
    bed(&LINKS.replace("LINK", link).replace("RULE", rule), 7)
}

fn many(count: u16, port: u16) -> Vec<Packet> {
    (0..count).map(|host| tcp(&format!("10.0.{}.{}", host / 256, host % 256), port, Tcp::SYN)).collect()
}

#[test]
fn links_lose_repeat_and_delay_packets() {
    let lossy = links("loss = 0.1", "").ask(&many(2000, 80));
    assert!((1560..1680).contains(&lossy.len()), "0.9 of 0.9 come back: {}", lossy.len());
    let twice = links("duplicate = 0.5", "").ask(&many(1000, 80));
    let distinct: BTreeSet<_> = twice.iter().map(|(_, reply)| reply.addresses().unwrap().0).collect();
    assert_eq!(distinct.len(), 1000);
    assert!((2150..2350).contains(&twice.len()), "each way repeats: {}", twice.len());
    let jitter = links("jitter = \"10ms\"", "").ask(&many(1000, 80));
    let times: BTreeSet<u128> = jitter.iter().map(|(at, _)| at.as_nanos()).collect();
    assert!(times.len() > 990 && *times.first().unwrap() >= 10_000_000 && *times.last().unwrap() < 30_000_000);
    assert!(jitter.is_sorted_by_key(|(at, _)| *at), "handed over in the order of time");
    let slow = links("rate = 100\nqueue = 9", "").ask(&many(50, 80));
    assert_eq!(slow.len(), 10, "the rest finds the queue full");
}

#[test]
fn answers_are_rated() {
    let resets = links("", "rst_rate = 3").ask(&vec![tcp("10.0.0.1", 80, Tcp::SYN); 10]);
    let errors = links("", "icmp_rate = 4").ask(&vec![udp("10.0.0.1", 80, b""); 10]);
    assert_eq!((resets.len(), errors.len()), (3, 4));
    let bed = links("", "rst_rate = 3\nhops = 2\nicmp_rate = 4");
    assert_eq!(bed.ask(&vec![with_ttl(tcp("10.0.0.1", 80, Tcp::SYN), 1); 10]).len(), 4, "routers too");
    assert_eq!(bed.ask(&many(20, 80)).len(), 20, "each host has its own");
}

#[test]
fn hosts_come_and_go() {
    let bed = links("", "from = \"1s\"\nuntil = \"15s\"");
    assert_eq!(bed.ask(&[echo("10.0.0.1")]).len(), 0);
    assert_eq!(bed.ask(&[echo("10.0.0.1")]).len(), 1, "at ten seconds");
    assert_eq!(bed.ask(&[echo("10.0.0.1")]).len(), 0, "at twenty");
}

#[test]
fn the_same_seed_gives_the_same_bytes_at_the_same_times() {
    let run = |seed| {
        let text = LINKS.replace("LINK", "jitter = \"9ms\"\nloss = 0.1\nduplicate = 0.1\nreorder = 0.1");
        let bed = bed(&text.replace("RULE", "up = 0.5\nhops = 1\ntcp = [{ ports = \"80\", share = 0.5 }]"), seed);
        bed.send(&many(500, 80));
        bed.send(&many(100, 81).into_iter().map(|packet| with_ttl(packet, 1)).collect::<Vec<_>>());
        bed.runtime.run(bed.network.clock.sleep(Duration::from_secs(1)));
        bed.seen()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_neighbour_answers_arp_and_solicitations_and_an_absent_one_is_unreachable() {
    let bed = bed("on_link = true\n[[hosts]]\naddrs = [\"10.0.0.1\", \"fd00::1\"]\nmask = \"255.0.0.0\"", 1);
    let route = bed.runtime.run(bed.network.packets.route([10, 0, 0, 1].into(), None)).unwrap();
    assert_eq!(route.gateway, None);
    let arp = |last: u8| {
        let link = Ethernet { destination: MacAddr::BROADCAST, source: MacAddr([2, 0, 0, 0, 0, 1]), ether_type: None };
        let sender_ip = [192, 0, 2, 1].into();
        let message = Arp { sender_mac: link.source, sender_ip, target_ip: [10, 0, 0, last].into(), ..Arp::default() };
        bed.one(Packet::new([link.into(), message.into()]))
    };
    let reply = arp(1).unwrap();
    let reply = reply.get::<Arp>().unwrap();
    assert_eq!((reply.operation, reply.sender_ip, reply.target_ip), (2, [10, 0, 0, 1].into(), [192, 0, 2, 1].into()));
    assert_eq!(arp(2), None);
    let solicit = |target: &str| {
        let target = target.parse().unwrap();
        let body = Icmpv6Body::Neighbor { flags: 0, target, options: vec![] };
        bed.one(with_ttl(around("ff02::1:ff00:1", [Icmpv6::new(135, 0, body).into()]), 255))
    };
    let Icmpv6Body::Neighbor { options, .. } = solicit("fd00::1").unwrap().get::<Icmpv6>().unwrap().body.clone() else {
        panic!("no advertisement")
    };
    let echoed = bed.one(echo("fd00::1")).unwrap();
    assert_eq!(options, [NeighborOption::TargetLink(echoed.get::<Ethernet>().unwrap().source)]);
    assert_eq!(solicit("fd00::2"), None);
    let began = bed.network.clock.now();
    let sent = bed.send(&[echo("10.0.0.1"), echo("10.0.0.2")]);
    assert_eq!(sent[0], Ok(began));
    assert_eq!(sent[1].as_ref().unwrap_err().kind, NetErrorKind::Unreachable(Unreached::Host));
    assert_eq!(bed.network.clock.now().since(began), Duration::from_secs(3));
    assert_eq!(bed.seen().len(), 1);
}

#[test]
fn a_router_is_the_only_neighbour_of_a_routed_network() {
    let bed = bed(PORTS, 1);
    let route = bed.runtime.run(bed.network.packets.route([10, 0, 0, 1].into(), None)).unwrap();
    assert_eq!(route.gateway, Some([192, 0, 2, 254].into()));
    assert!(bed.send(&[echo("10.0.0.200")])[0].is_ok(), "nobody is there, and nobody says so");
    let macs: BTreeSet<MacAddr> = ["10.0.0.1", "10.0.0.3"]
        .into_iter()
        .map(|to| bed.one(echo(to)).unwrap().get::<Ethernet>().unwrap().source)
        .collect();
    assert_eq!(macs.len(), 1);
}

#[test]
fn ports_are_given_once() {
    let bed = bed(PORTS, 1);
    let row = |protocol, count| {
        let ports = Ports { protocol, count, kernel: Kernel::Silent };
        bed.runtime.run(bed.network.packets.reserve(ports, [192, 0, 2, 1].into(), &Origin::SCAN))
    };
    let reserve = |protocol| row(protocol, 1);
    let all: Vec<_> = (0..16_384).map(|_| reserve(Protocol::Tcp).unwrap()).collect();
    let numbers: BTreeSet<u16> = all.iter().map(|port| port.port()).collect();
    assert_eq!((numbers.len(), numbers.first()), (16_384, Some(&49_152)));
    assert!(reserve(Protocol::Tcp).is_err());
    assert!(reserve(Protocol::Udp).is_ok());
    drop(all);
    assert!(reserve(Protocol::Tcp).is_ok());
    assert!(reserve(Protocol::Ip).is_err());
    let rows: Vec<u16> = (0..4).map(|_| row(Protocol::Sctp, 3).unwrap().port()).collect();
    assert!(rows.iter().all(|first| *first <= u16::MAX - 2), "{rows:?}");
    let half = row(Protocol::Sctp, 16_383).unwrap();
    assert!(row(Protocol::Sctp, 2).is_err(), "one is left of {}", half.port());
    assert!(row(Protocol::Sctp, 16_385).is_err(), "there are not so many");
}

#[test]
fn what_we_send_is_seen_by_who_wants_it() {
    let bed = bed(PORTS, 1);
    let interest = Interest { directions: Directions::Out, ..Interest::default() };
    let sent = bed.runtime.run(bed.network.packets.capture(interest, &Origin::SCAN)).unwrap();
    bed.ask(&[echo("10.0.0.1")]);
    assert!(sent.try_next().unwrap().bytes.ends_with(&echo("10.0.0.1").to_bytes()));
    assert!(sent.try_next().is_none());
    assert_eq!(bed.network.packets.captured().delivered, 2);
}

#[test]
fn a_hundred_thousand_packets_are_counted_and_nothing_is_kept_of_them() {
    let bed = bed(
        &LINKS.replace("LINK", "").replace("RULE", "up = 0.5\nhops = 1\ntcp = [{ ports = \"80\", share = 0.5 }]"),
        1,
    );
    let mut probe = tcp("10.0.0.0", 80, Tcp::SYN);
    for round in 0..100 {
        let packets = (0..1000u32).map(|host| {
            probe.get_mut::<Ipv4>().unwrap().destination = (0x0a00_0000 + (round * 1000 + host) % 65_536).into();
            Outgoing::Ip { packet: probe.to_bytes().into(), interface: None }
        });
        bed.runtime.run(bed.network.packets.send(packets.collect(), &Origin::SCAN)).unwrap();
        bed.runtime.run(bed.network.clock.sleep(Duration::from_millis(1)));
    }
    bed.runtime.run(bed.network.clock.sleep(Duration::from_secs(1)));
    let count = &bed.world.count;
    assert_eq!((count.arrived.tcp.get(), count.syns.get()), (100_000, 100_000));
    let came = bed.seen();
    let open = came.iter().filter(|(_, frame)| frame.get(14 + 20 + 13) == Some(&0x12)).count();
    assert_eq!(came.len() as u64, count.returned.tcp.get());
    assert!((48_000..52_000).contains(&came.len()), "{}", came.len());
    assert!((came.len() * 48 / 100..came.len() * 52 / 100).contains(&open), "{open}");
}

//! Packets of every kind the room knows, in the form that parsing gives back.

use std::net::{Ipv4Addr, Ipv6Addr};

use sonde::model::MacAddr;
use sonde::packet::{
    Arp, Chunk, ChunkBody, Ethernet, Extension, ExtensionBody, GroupRecord, Icmpv4, Icmpv4Body, Icmpv6, Icmpv6Body,
    Igmp, IgmpBody, Init, Ipv4, Ipv4Option, Ipv6, Ipv6Option, Layer, NeighborOption, Packet, Route, Sctp, Tcp,
    TcpOption, Timestamps, Udp, Vlan,
};

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const C: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
const A6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
const B6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

/// Named frames.
pub fn all() -> Vec<(String, Packet)> {
    let parts = [links(), ipv4(), ipv6(), tcp(), udp(), icmpv4(), icmpv6(), sctp(), igmp(), odd()];
    parts.into_iter().flatten().collect()
}

fn named(group: &str, list: Vec<Vec<Layer>>) -> Vec<(String, Packet)> {
    let packet = |(at, layers)| (format!("{group} {at}"), Packet::new(layers));
    list.into_iter().enumerate().map(packet).collect()
}

fn eth() -> Layer {
    let destination = MacAddr([2, 0, 0, 0, 0, 2]);
    Ethernet { destination, source: MacAddr([2, 0, 0, 0, 0, 1]), ether_type: None }.into()
}

fn ip4() -> Ipv4 {
    Ipv4 { source: A, destination: B, id: 7, ..Ipv4::default() }
}

fn ip6() -> Ipv6 {
    Ipv6 { source: A6, destination: B6, ..Ipv6::default() }
}

fn syn() -> Tcp {
    Tcp { source: 4444, destination: 80, sequence: 1, flags: Tcp::SYN, window: 1024, ..Tcp::default() }
}

fn dgram() -> Udp {
    Udp { source: 40001, destination: 40000, ..Udp::default() }
}

fn data(text: &str) -> Layer {
    Layer::Payload(text.into())
}

fn extension(body: ExtensionBody) -> Layer {
    Extension { next_header: None, body }.into()
}

fn links() -> Vec<(String, Packet)> {
    let tag = |id| Layer::from(Vlan { priority: 5, drop_eligible: id == 2, id, ether_type: None });
    let arp = |operation| Arp {
        operation,
        sender_mac: MacAddr([2, 0, 0, 0, 0, 1]),
        sender_ip: A,
        target_ip: B,
        target_mac: MacAddr([0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]),
        ..Arp::default()
    };
    let typed = Ethernet { ether_type: Some(0x88b5), ..Ethernet::default() };
    named(
        "link",
        vec![
            vec![eth(), arp(1).into()],
            vec![eth(), arp(2).into(), Layer::Trailer(vec![0; 18])],
            vec![eth(), tag(1), arp(1).into()],
            vec![eth(), tag(1), tag(2), ip4().into(), syn().into()],
            vec![eth(), tag(1), tag(2), tag(3), ip6().into(), dgram().into(), data("x")],
            vec![typed.into(), data("anything")],
            vec![eth(), ip4().into(), syn().into(), Layer::Trailer(vec![0; 6])],
        ],
    )
}

fn ipv4() -> Vec<(String, Packet)> {
    let with = |options: Vec<Ipv4Option>| vec![eth(), Ipv4 { options, ..ip4() }.into(), dgram().into(), data("route")];
    let route = |pointer| Route { pointer, slots: vec![C, Ipv4Addr::new(10, 0, 0, 77)] };
    let times = |flag, entries| Ipv4Option::Timestamp(Timestamps { pointer: 5, overflow: 2, flag, entries });
    let fragment = |fragment_offset, more_fragments| Ipv4 { fragment_offset, more_fragments, ..ip4() };
    named(
        "ipv4",
        vec![
            with(vec![Ipv4Option::record_route(9), Ipv4Option::End]),
            with(vec![Ipv4Option::Nop, Ipv4Option::RecordRoute(route(8))]),
            with(vec![Ipv4Option::LooseSource(route(4)), Ipv4Option::Nop]),
            with(vec![Ipv4Option::StrictSource(route(8)), Ipv4Option::End]),
            with(vec![Ipv4Option::LooseSource(route(12)), Ipv4Option::End]),
            with(vec![times(0, vec![(None, 1), (None, 2)])]),
            with(vec![times(1, vec![(Some(C), 86_399_999)])]),
            with(vec![times(3, vec![(Some(A), 0), (Some(B), 0)])]),
            with(vec![Ipv4Option::RouterAlert(0)]),
            with(vec![Ipv4Option::Other { kind: 30, data: vec![1, 2] }]),
            vec![eth(), Ipv4 { tos: 0xb9, ttl: 1, dont_fragment: true, id: 0xffff, ..ip4() }.into(), syn().into()],
            vec![eth(), Ipv4 { reserved: true, ..ip4() }.into(), dgram().into()],
            vec![eth(), ip4().into(), Ipv4 { ttl: 9, ..ip4() }.into(), syn().into()],
            vec![eth(), ip4().into(), ip6().into(), syn().into(), data("six in four")],
            vec![eth(), Ipv4 { protocol: Some(6), ..fragment(3, false) }.into(), data("later part")],
            vec![eth(), Ipv4 { protocol: Some(47), ..ip4() }.into(), Layer::Payload(vec![0, 0, 0x88, 0xb5, 1, 2, 3])],
            vec![eth(), ip4().into()],
        ],
    )
}

fn ipv6() -> Vec<(String, Packet)> {
    let hop = |options| extension(ExtensionBody::HopByHop(options));
    let dst = |options| extension(ExtensionBody::Destination(options));
    let six = || Layer::from(ip6());
    let fragment = |offset, more| {
        extension(ExtensionBody::Fragment { reserved: 0, offset, reserved_bits: 0, more, id: 0xdead_beef })
    };
    let pad = || Ipv6Option::PadN(vec![0; 4]);
    let routing = |kind, segments_left| {
        let mut data = vec![0; 4];
        data.extend(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9).octets());
        extension(ExtensionBody::Routing { kind, segments_left, data })
    };
    let later = Extension {
        next_header: Some(17),
        body: ExtensionBody::Fragment { reserved: 0, offset: 8, reserved_bits: 0, more: false, id: 1 },
    };
    let auth = ExtensionBody::Other { kind: 51, data: vec![0; 22] };
    named(
        "ipv6",
        vec![
            vec![eth(), six(), syn().into()],
            vec![
                eth(),
                Ipv6 { traffic_class: 0xb9, flow_label: 0xabcde, hop_limit: 1, ..ip6() }.into(),
                dgram().into(),
                data("odd"),
            ],
            vec![eth(), six(), hop(vec![pad()]), syn().into()],
            vec![
                eth(),
                six(),
                dst(vec![pad()]),
                hop(vec![pad()]),
                dst(vec![pad(), Ipv6Option::PadN(vec![0; 6])]),
                dgram().into(),
            ],
            vec![eth(), six(), hop(vec![Ipv6Option::RouterAlert(0), Ipv6Option::PadN(vec![])]), dgram().into()],
            vec![
                eth(),
                six(),
                dst(vec![Ipv6Option::Other { kind: 0x1e, data: vec![1, 2, 3] }, Ipv6Option::Pad1]),
                syn().into(),
            ],
            vec![eth(), six(), routing(0, 1), syn().into()],
            vec![eth(), six(), routing(2, 1), dgram().into(), data("x")],
            vec![eth(), six(), routing(0, 0), syn().into()],
            vec![eth(), six(), fragment(0, false), syn().into()],
            vec![eth(), six(), later.into(), data("the rest of it")],
            vec![eth(), six(), extension(auth), syn().into()],
            vec![eth(), six()],
            vec![eth(), Ipv6 { next_header: Some(253), ..ip6() }.into(), data("experiment")],
            vec![eth(), six(), ip4().into(), syn().into()],
        ],
    )
}

fn tcp() -> Vec<(String, Packet)> {
    let with = |options| vec![eth(), ip4().into(), Tcp { options, ..syn() }.into()];
    let flags = |flags, reserved| vec![eth(), ip4().into(), Tcp { flags, reserved, acknowledgment: 9, ..syn() }.into()];
    let stamp = || TcpOption::Timestamps { value: 0xffff_ffff, echo: 0 };
    let nop = || TcpOption::Nop;
    let (mss, scale, sack) = (TcpOption::Mss, TcpOption::WindowScale, || TcpOption::SackPermitted);
    named(
        "tcp",
        vec![
            with(vec![mss(1460)]),
            with(vec![scale(10), nop(), mss(1460), stamp(), sack()]),
            with(vec![mss(1400), scale(0), sack(), stamp(), TcpOption::End]),
            with(vec![stamp(), nop(), nop(), scale(5), nop(), mss(640)]),
            with(vec![sack(), stamp(), scale(10), TcpOption::End]),
            with(vec![mss(536), sack(), stamp(), scale(10), TcpOption::End]),
            with(vec![mss(265), sack(), stamp()]),
            with(vec![nop(), nop(), TcpOption::Sack(vec![(1, 5), (9, 0xffff_ffff)])]),
            with(vec![TcpOption::Other { kind: 254, data: vec![1, 2, 3, 4, 5, 6] }]),
            with(vec![TcpOption::Other { kind: 2, data: vec![5] }, nop()]),
            with(vec![TcpOption::End, TcpOption::End, TcpOption::End, TcpOption::End]),
            with(vec![TcpOption::Raw(vec![2, 1, 0, 0])]),
            flags(0, 0),
            flags(0xff, 15),
            flags(Tcp::SYN | Tcp::ECE | Tcp::CWR, 8),
            flags(Tcp::SYN | Tcp::ACK, 0),
            flags(Tcp::FIN | Tcp::URG | Tcp::PSH, 0),
            vec![eth(), ip4().into(), Tcp { urgent: 0xf7f5, ..syn() }.into()],
            vec![
                eth(),
                ip4().into(),
                Tcp { flags: Tcp::ACK | Tcp::PSH, ..syn() }.into(),
                data("GET / HTTP/1.0\r\n\r\n"),
            ],
            vec![eth(), ip6().into(), Tcp { options: vec![mss(1440)], ..syn() }.into(), data("odd")],
        ],
    )
}

fn udp() -> Vec<(String, Packet)> {
    named(
        "udp",
        vec![
            vec![eth(), ip4().into(), dgram().into()],
            vec![eth(), ip4().into(), dgram().into(), data("seven b")],
            vec![eth(), ip4().into(), Udp { checksum: Some(0), ..dgram() }.into(), data("no checksum")],
            vec![eth(), ip6().into(), dgram().into(), data("eight by")],
            // The sum of these comes to zero, which is written as all ones.
            vec![eth(), ip4().into(), dgram().into(), zero_sum()],
        ],
    )
}

/// A payload that makes the checksum of [`dgram`] from [`ip4`] come to zero.
fn zero_sum() -> Layer {
    let sum = |payload: [u8; 2]| {
        let bytes = Packet::new([ip4().into(), dgram().into(), Layer::Payload(payload.to_vec())]).to_bytes();
        u16::from_be_bytes([bytes[26], bytes[27]])
    };
    let first = sum([0, 0]);
    Layer::Payload(first.to_be_bytes().to_vec())
}

fn icmpv4() -> Vec<(String, Packet)> {
    let plain = |kind, code, body| vec![eth(), ip4().into(), Icmpv4::new(kind, code, body).into()];
    let echo = || Icmpv4Body::Echo { id: 0x1234, sequence: 295 };
    let with_data = |mut layers: Vec<Layer>| {
        layers.push(Layer::Payload(vec![0x55; 33]));
        layers
    };
    let error = |kind, code, body, quoted: Packet| {
        let message = Icmpv4 { quoted: Some(Box::new(quoted)), ..Icmpv4::new(kind, code, body) };
        vec![eth(), Ipv4 { source: C, destination: A, ..ip4() }.into(), message.into()]
    };
    let probe = || Packet::new([ip4().into(), syn().into()]);
    let cut = |bytes: usize| {
        let whole = Packet::new([ip4().into(), syn().into(), data("0123456789")]).to_bytes();
        Packet::parse(sonde::model::LinkType::Ip, &whole[..bytes])
    };
    let unreachable = |mtu| Icmpv4Body::Unreachable { unused: 0, mtu };
    let times = Icmpv4Body::Timestamp { id: 1, sequence: 2, originate: 3, receive: 86_399_999, transmit: 0x8000_0000 };
    let mask = Icmpv4Body::Mask { id: 1, sequence: 2, mask: Ipv4Addr::new(255, 255, 255, 0) };
    let redirect = Icmpv4Body::Redirect { gateway: C };
    let problem = Icmpv4Body::ParameterProblem { pointer: 20, unused: [0; 3] };
    let udp_probe = Packet::new([ip4().into(), dgram().into(), Layer::Payload(vec![0x43; 300])]);
    let echo_probe = Packet::new([ip4().into(), Icmpv4::new(8, 0, echo()).into()]);
    named(
        "icmpv4",
        vec![
            plain(8, 0, echo()),
            with_data(plain(8, 9, echo())),
            with_data(plain(0, 0, echo())),
            plain(13, 0, times.clone()),
            plain(14, 0, times),
            plain(17, 0, mask.clone()),
            plain(18, 0, mask),
            error(3, 1, unreachable(0), probe()),
            error(3, 3, unreachable(0), udp_probe),
            error(3, 4, unreachable(1280), cut(28)),
            error(11, 0, Icmpv4Body::Other([0; 4]), cut(28)),
            error(11, 0, Icmpv4Body::Other([0; 4]), cut(24)),
            error(11, 0, Icmpv4Body::Other([0; 4]), cut(44)),
            error(11, 1, Icmpv4Body::Other([0; 4]), echo_probe),
            error(12, 0, problem, probe()),
            error(5, 1, redirect, probe()),
            plain(10, 0, Icmpv4Body::Other([0; 4])),
            plain(3, 0, unreachable(0)),
        ],
    )
}

fn icmpv6() -> Vec<(String, Packet)> {
    let local = || Ipv6 { hop_limit: 255, ..ip6() };
    let plain = |kind, code, body| vec![eth(), local().into(), Icmpv6::new(kind, code, body).into()];
    let error = |kind, code, body| {
        let quoted = Packet::new([ip6().into(), syn().into()]);
        let message = Icmpv6 { quoted: Some(Box::new(quoted)), ..Icmpv6::new(kind, code, body) };
        vec![eth(), ip6().into(), message.into()]
    };
    let mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let source = || vec![NeighborOption::SourceLink(mac)];
    let advertised = || {
        vec![
            NeighborOption::SourceLink(mac),
            NeighborOption::Mtu { reserved: 0, mtu: 1500 },
            NeighborOption::Prefix { length: 64, flags: 0xc0, valid: 86400, preferred: 14400, reserved: 0, prefix: A6 },
            NeighborOption::Other { kind: 25, data: vec![0; 22] },
        ]
    };
    let neighbor = |flags, options| Icmpv6Body::Neighbor { flags, target: B6, options };
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
    let listener = |delay| Icmpv6Body::Listener { delay, reserved: 0, group };
    let records =
        vec![GroupRecord { kind: 4, group: group.into(), sources: vec![A6.into(), B6.into()], auxiliary: vec![] }];
    let echo = || Icmpv6Body::Echo { id: 1, sequence: 2 };
    let router = Icmpv6Body::RouterAdvertisement {
        hop_limit: 64,
        flags: 0xc0,
        lifetime: 1800,
        reachable: 1,
        retransmit: 2,
        options: advertised(),
    };
    let redirect = Icmpv6Body::Redirect {
        reserved: 0,
        target: B6,
        destination: A6,
        options: vec![NeighborOption::TargetLink(mac)],
    };
    let mut with_data = plain(128, 0, echo());
    with_data.push(data("ping?"));
    named(
        "icmpv6",
        vec![
            with_data,
            plain(129, 0, echo()),
            error(1, 4, Icmpv6Body::Other([0; 4])),
            error(2, 0, Icmpv6Body::TooBig { mtu: 1280 }),
            error(3, 0, Icmpv6Body::Other([0; 4])),
            error(4, 1, Icmpv6Body::ParameterProblem { pointer: 40 }),
            plain(133, 0, Icmpv6Body::RouterSolicitation { reserved: 0, options: source() }),
            plain(134, 0, router),
            plain(135, 0, neighbor(0, source())),
            plain(136, 0, neighbor(0x6000_0000, vec![NeighborOption::TargetLink(mac)])),
            plain(137, 0, redirect),
            plain(130, 0, listener(10_000)),
            plain(131, 0, listener(0)),
            plain(132, 0, listener(0)),
            plain(143, 0, Icmpv6Body::ListenerReport { reserved: 0, count: None, records }),
            plain(200, 1, Icmpv6Body::Other([1, 2, 3, 4])),
        ],
    )
}

fn sctp() -> Vec<(String, Packet)> {
    let packet = |tag, chunks: Vec<ChunkBody>| {
        let chunks = chunks.into_iter().map(Chunk::new).collect();
        vec![eth(), ip4().into(), Sctp { source: 5000, destination: 36412, tag, checksum: None, chunks }.into()]
    };
    let init = |parameters| Init { tag: 0xabcd, window: 32768, outbound: 10, inbound: 2048, sequence: 1, parameters };
    let cookie = vec![0, 7, 0, 8, 0xc0, 0x0c, 0x1e, 0x11];
    let mut bundled = packet(7, vec![ChunkBody::CookieEcho(vec![1, 2, 3, 4, 5]), ChunkBody::CookieAck]);
    bundled[1] = Layer::from(ip6());
    named(
        "sctp",
        vec![
            packet(0, vec![ChunkBody::Init(init(vec![]))]),
            packet(1, vec![ChunkBody::InitAck(init(cookie))]),
            packet(1, vec![ChunkBody::Abort { causes: vec![] }]),
            packet(7, vec![ChunkBody::CookieEcho(b"four".to_vec())]),
            packet(7, vec![ChunkBody::CookieAck]),
            packet(7, vec![ChunkBody::Other { kind: 4, data: vec![0, 1, 0, 8, 1, 2, 3, 4] }]),
            bundled,
        ],
    )
}

fn igmp() -> Vec<(String, Packet)> {
    let group = Ipv4Addr::new(224, 0, 0, 251);
    let packet = |kind, code, body| {
        let ip = Ipv4 { destination: group, ttl: 1, options: vec![Ipv4Option::RouterAlert(0)], ..ip4() };
        vec![eth(), ip.into(), Igmp { kind, code, checksum: None, body }.into()]
    };
    let records = vec![
        GroupRecord { kind: 2, group: group.into(), sources: vec![], auxiliary: vec![] },
        GroupRecord { kind: 1, group: group.into(), sources: vec![A.into(), C.into()], auxiliary: vec![] },
    ];
    let query = IgmpBody::Query { group, flags: 10, interval: 125, count: None, sources: vec![A] };
    named(
        "igmp",
        vec![
            packet(0x11, 100, IgmpBody::Group(Ipv4Addr::UNSPECIFIED)),
            packet(0x12, 0, IgmpBody::Group(group)),
            packet(0x16, 0, IgmpBody::Group(group)),
            packet(0x17, 0, IgmpBody::Group(group)),
            packet(0x11, 100, query),
            packet(0x22, 0, IgmpBody::Report { reserved: 0, count: None, records }),
        ],
    )
}

/// Wrong on purpose; nothing in these may be corrected.
fn odd() -> Vec<(String, Packet)> {
    let tcp = |segment: Tcp| vec![eth(), ip4().into(), segment.into()];
    named(
        "odd",
        vec![
            tcp(Tcp { checksum: Some(0xdead), ..syn() }),
            tcp(Tcp { data_offset: Some(15), ..syn() }),
            tcp(Tcp { data_offset: Some(4), ..syn() }),
            vec![eth(), Ipv4 { checksum: Some(0xbad), ..ip4() }.into(), syn().into()],
            vec![eth(), Ipv4 { total_length: Some(9999), ..ip4() }.into(), syn().into()],
            vec![eth(), Ipv4 { total_length: Some(3), ..ip4() }.into(), syn().into()],
            vec![eth(), Ipv6 { payload_length: Some(9999), ..ip6() }.into(), syn().into()],
            vec![eth(), ip4().into(), Udp { checksum: Some(1), ..dgram() }.into(), data("x")],
            vec![eth(), ip4().into(), Udp { length: Some(9), ..dgram() }.into(), data("more than one")],
            vec![eth(), ip4().into(), Udp { length: Some(2), ..dgram() }.into(), data("x")],
            vec![eth(), ip4().into(), Sctp { checksum: Some(7), source: 1, ..Sctp::default() }.into()],
        ],
    )
}

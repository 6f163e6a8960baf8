//! Parsing undoes building, and building undoes parsing.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sonde::model::LinkType;
use sonde::packet::{
    Extension, ExtensionBody, Icmpv4, Icmpv4Body, Icmpv6, Icmpv6Body, Ipv4, Ipv4Option, Ipv6, Ipv6Option, Layer,
    Packet, Route, Tcp, TcpOption, Udp,
};

use super::corpus;

#[test]
fn the_corpus_comes_back_as_it_was_built() {
    let corpus = corpus::all();
    assert!(corpus.len() >= 100, "{}", corpus.len());
    for (name, packet) in corpus {
        let bytes = packet.to_bytes();
        let parsed = Packet::parse(LinkType::Ethernet, &bytes);
        assert_eq!(parsed, packet, "{name}");
        assert_eq!(parsed.to_bytes(), bytes, "{name}");
    }
}

#[test]
fn a_field_that_was_told_is_written_as_told() {
    let ip =
        Ipv4 { header_length: Some(9), total_length: Some(1), checksum: Some(2), protocol: Some(3), ..Ipv4::default() };
    let segment = Tcp { data_offset: Some(1), checksum: Some(4), reserved: 15, flags: 0, ..Tcp::default() };
    let bytes = Packet::new([ip.into(), segment.into()]).to_bytes();
    assert_eq!(bytes[0], 0x49);
    assert_eq!(bytes[2..4], [0, 1]);
    assert_eq!(bytes[9..12], [3, 0, 2]);
    assert_eq!(bytes[32..34], [0x1f, 0]);
    assert_eq!(bytes[36..38], [0, 4]);
}

#[test]
fn a_changed_packet_is_right_again() {
    let probe = Packet::new([Ipv4::default().into(), Tcp::default().into()]);
    let mut parsed = Packet::parse(LinkType::Ip, &probe.to_bytes());
    parsed.get_mut::<Ipv4>().expect("it has IP").ttl = 3;
    parsed.get_mut::<Tcp>().expect("it has TCP").options = vec![TcpOption::Mss(9)];
    let again = Packet::parse(LinkType::Ip, &parsed.to_bytes());
    assert_eq!(again, parsed);
    assert_eq!(again.get::<Ipv4>().map(|ip| (ip.checksum, ip.total_length)), Some((None, None)));
}

fn ipv4_option() -> impl Strategy<Value = Ipv4Option> {
    let route = (any::<u8>(), vec(any::<u32>(), 0..4))
        .prop_map(|(pointer, slots)| Route { pointer, slots: slots.into_iter().map(Ipv4Addr::from_bits).collect() });
    prop_oneof![
        Just(Ipv4Option::Nop),
        route.clone().prop_map(Ipv4Option::RecordRoute),
        route.clone().prop_map(Ipv4Option::LooseSource),
        route.prop_map(Ipv4Option::StrictSource),
        any::<u16>().prop_map(Ipv4Option::RouterAlert),
        vec(any::<u8>(), 0..6).prop_map(|data| Ipv4Option::Other { kind: 0x5e, data }),
    ]
}

fn tcp_option() -> impl Strategy<Value = TcpOption> {
    prop_oneof![
        Just(TcpOption::Nop),
        Just(TcpOption::SackPermitted),
        any::<u16>().prop_map(TcpOption::Mss),
        any::<u8>().prop_map(TcpOption::WindowScale),
        any::<(u32, u32)>().prop_map(|(value, echo)| TcpOption::Timestamps { value, echo }),
        vec(any::<(u32, u32)>(), 1..3).prop_map(TcpOption::Sack),
        vec(any::<u8>(), 0..6).prop_map(|data| TcpOption::Other { kind: 253, data }),
    ]
}

/// As many options as fit, and ends of list up to a multiple of four.
fn fitted<T: Clone>(options: Vec<T>, end: T, length: impl Fn(&T) -> usize) -> Vec<T> {
    let mut total = 0;
    let mut fitting: Vec<T> = Vec::new();
    for option in options {
        if total + length(&option) <= 40 {
            total += length(&option);
            fitting.push(option);
        }
    }
    fitting.extend(std::iter::repeat_n(end, total.next_multiple_of(4) - total));
    fitting
}

fn ipv4_length(option: &Ipv4Option) -> usize {
    match option {
        Ipv4Option::Nop => 1,
        Ipv4Option::RouterAlert(_) => 4,
        Ipv4Option::Other { data, .. } => 2 + data.len(),
        Ipv4Option::RecordRoute(route) | Ipv4Option::LooseSource(route) | Ipv4Option::StrictSource(route) => {
            3 + 4 * route.slots.len()
        }
        other => panic!("not generated: {other:?}"),
    }
}

fn tcp_length(option: &TcpOption) -> usize {
    match option {
        TcpOption::Nop => 1,
        TcpOption::SackPermitted => 2,
        TcpOption::WindowScale(_) => 3,
        TcpOption::Mss(_) => 4,
        TcpOption::Timestamps { .. } => 10,
        TcpOption::Sack(blocks) => 2 + 8 * blocks.len(),
        TcpOption::Other { data, .. } => 2 + data.len(),
        other => panic!("not generated: {other:?}"),
    }
}

prop_compose! {
    fn ipv4()(
        (tos, id, ttl) in any::<(u8, u16, u8)>(),
        (reserved, dont_fragment, more_fragments) in any::<(bool, bool, bool)>(),
        (source, destination) in any::<(u32, u32)>(),
        options in vec(ipv4_option(), 0..6),
    ) -> Layer {
        let options = fitted(options, Ipv4Option::End, ipv4_length);
        Ipv4 {
            tos, id, ttl, reserved, dont_fragment, more_fragments, options,
            source: Ipv4Addr::from_bits(source), destination: Ipv4Addr::from_bits(destination),
            ..Ipv4::default()
        }.into()
    }
}

prop_compose! {
    fn ipv6()(
        (traffic_class, hop_limit) in any::<(u8, u8)>(),
        flow_label in 0..0x10_0000_u32,
        (source, destination) in any::<(u128, u128)>(),
    ) -> Layer {
        Ipv6 {
            traffic_class, hop_limit, flow_label,
            source: Ipv6Addr::from_bits(source), destination: Ipv6Addr::from_bits(destination),
            ..Ipv6::default()
        }.into()
    }
}

fn extension() -> impl Strategy<Value = Layer> {
    let options = || {
        vec(
            prop_oneof![
                any::<u16>().prop_map(|value| vec![Ipv6Option::RouterAlert(value), Ipv6Option::PadN(vec![0, 0])]),
                any::<u32>().prop_map(|value| vec![Ipv6Option::Jumbo(value), Ipv6Option::Pad1, Ipv6Option::Pad1]),
                any::<[u8; 6]>().prop_map(|data| vec![Ipv6Option::Other { kind: 0xfe, data: data.to_vec() }]),
            ],
            0..4,
        )
        // Each is eight bytes long, and two belong to the header.
        .prop_map(|units| [units.concat(), vec![Ipv6Option::PadN(vec![0; 4])]].concat())
    };
    let body = prop_oneof![
        options().prop_map(ExtensionBody::HopByHop),
        options().prop_map(ExtensionBody::Destination),
        (any::<u8>(), any::<u8>(), vec(any::<u64>(), 0..5)).prop_map(|(kind, segments_left, words)| {
            let data = [vec![0; 4], words.iter().flat_map(|word| word.to_be_bytes()).collect()].concat();
            ExtensionBody::Routing { kind, segments_left, data }
        }),
        (any::<u8>(), 0..4_u8, any::<bool>(), any::<u32>()).prop_map(|(reserved, reserved_bits, more, id)| {
            ExtensionBody::Fragment { reserved, offset: 0, reserved_bits, more, id }
        }),
        any::<[u8; 6]>().prop_map(|data| ExtensionBody::Other { kind: 135, data: data.to_vec() }),
    ];
    body.prop_map(|body| Extension { next_header: None, body }.into())
}

fn tcp() -> impl Strategy<Value = Layer> {
    let numbers = any::<(u16, u16, u32, u32, u8, u16, u16)>();
    (numbers, 0..16_u8, vec(tcp_option(), 0..8)).prop_map(|(numbers, reserved, options)| {
        let (source, destination, sequence, acknowledgment, flags, window, urgent) = numbers;
        let options = fitted(options, TcpOption::End, tcp_length);
        Tcp {
            source,
            destination,
            sequence,
            acknowledgment,
            flags,
            window,
            urgent,
            reserved,
            options,
            ..Tcp::default()
        }
        .into()
    })
}

fn transport() -> impl Strategy<Value = Layer> {
    let udp =
        any::<(u16, u16)>().prop_map(|(source, destination)| Udp { source, destination, ..Udp::default() }.into());
    let echo = any::<(u8, u16, u16)>()
        .prop_map(|(code, id, sequence)| Icmpv4::new(8, code, Icmpv4Body::Echo { id, sequence }).into());
    let echo6 = any::<(u8, u16, u16)>()
        .prop_map(|(code, id, sequence)| Icmpv6::new(129, code, Icmpv6Body::Echo { id, sequence }).into());
    prop_oneof![tcp(), udp, echo, echo6]
}

fn packet() -> impl Strategy<Value = Packet> {
    let network = prop_oneof![
        ipv4().prop_map(|ip| vec![ip]),
        (ipv6(), vec(extension(), 0..5)).prop_map(|(ip, extensions)| [vec![ip], extensions].concat()),
    ];
    let payload = option::of(vec(any::<u8>(), 1..40).prop_map(Layer::Payload));
    let trailer = option::of(vec(any::<u8>(), 1..20).prop_map(Layer::Trailer));
    (vec(network, 1..3), transport(), payload, trailer).prop_map(|(networks, transport, payload, trailer)| {
        // A trailer belongs to the innermost IP packet.
        Packet::new(networks.concat().into_iter().chain([transport]).chain(payload).chain(trailer))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(42), failure_persistence: None, ..Default::default() })]

    #[test]
    fn parsing_undoes_building(packet in packet()) {
        let bytes = packet.to_bytes();
        let parsed = Packet::parse(LinkType::Ip, &bytes);
        prop_assert_eq!(&parsed, &packet);
        prop_assert_eq!(parsed.to_bytes(), bytes);
    }

    #[test]
    fn a_quote_is_a_packet_cut_short(packet in packet(), keep in 28..200_usize) {
        let mut bytes = packet.to_bytes();
        bytes.truncate(keep);
        let quoted = Packet::parse(LinkType::Ip, &bytes);
        let error = Icmpv4 {
            quoted: Some(Box::new(quoted)),
            ..Icmpv4::new(11, 0, Icmpv4Body::Other([0; 4]))
        };
        let whole = Packet::new([Ipv4::default().into(), error.into()]);
        let parsed = Packet::parse(LinkType::Ip, &whole.to_bytes());
        prop_assert_eq!(parsed, whole);
    }
}

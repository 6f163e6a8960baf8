//! Bytes nobody meant as a packet: cut, changed, nested, random.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sonde::model::LinkType;
use sonde::packet::{FlowKey, Icmpv4, Icmpv4Body, Ipv4, Ipv6, Layer, Packet};

use super::corpus;

const LINKS: [LinkType; 2] = [LinkType::Ethernet, LinkType::Ip];

/// Everything that reads bytes from the wire reads these, and gives them back.
fn survives(bytes: &[u8]) {
    for link in LINKS {
        let packet = Packet::parse(link, bytes);
        assert_eq!(packet.to_bytes(), bytes, "{packet:?}");
        let line = packet.summary();
        assert!(!line.chars().any(char::is_control) && line.len() < 4096, "{line}");
        let _ = FlowKey::of_reply(link, bytes);
    }
    let _ = FlowKey::of_probe(bytes);
}

#[test]
fn every_truncation_of_every_packet() {
    for (_, packet) in corpus::all() {
        let bytes = packet.to_bytes();
        for end in 0..=bytes.len() {
            survives(&bytes[..end]);
            survives(&bytes[end..]);
        }
    }
}

#[test]
fn every_byte_changed() {
    for (_, packet) in corpus::all() {
        let bytes = packet.to_bytes();
        for at in 0..bytes.len() {
            for value in [0, 1, 0x45, 0x7f, 0xff, bytes[at] ^ 0x10, bytes[at].wrapping_add(1)] {
                let mut changed = bytes.clone();
                changed[at] = value;
                survives(&changed);
            }
        }
    }
}

#[test]
fn tunnels_chains_and_quotes_end() {
    let tunnel = Packet::new(std::iter::repeat_n(Layer::from(Ipv4::default()), 500)).to_bytes();
    survives(&tunnel);
    let parsed = Packet::parse(LinkType::Ip, &tunnel);
    assert_eq!(parsed.malformed().map(|malformed| malformed.reason), Some("too many headers"));
    assert!(parsed.layers.len() < 40, "{}", parsed.layers.len());
    let mut chain = Packet::new([Layer::from(Ipv6 { next_header: Some(0), ..Ipv6::default() })]).to_bytes();
    chain.extend(std::iter::repeat_n([0_u8; 8], 8000).flatten());
    survives(&chain);
    let mut quotes = Packet::new([Layer::from(Ipv4::default())]);
    for _ in 0..200 {
        let error = Icmpv4 { quoted: Some(Box::new(quotes)), ..Icmpv4::new(11, 0, Icmpv4Body::Other([0; 4])) };
        quotes = Packet::new([Ipv4::default().into(), error.into()]);
    }
    survives(&quotes.to_bytes());
}

#[test]
fn packets_of_every_size() {
    for size in [0, 1, 65515, 65516, 70_000] {
        for ip in [Layer::from(Ipv4::default()), Ipv6::default().into()] {
            survives(&Packet::new([ip, Layer::Payload(vec![7; size])]).to_bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(41), failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn random_content_behind_every_header(
        which in 0..10_000_usize,
        keep in 0..100_usize,
        tail in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let corpus = corpus::all();
        let mut bytes = corpus[which % corpus.len()].1.to_bytes();
        bytes.truncate(keep);
        bytes.extend(tail);
        survives(&bytes);
    }
}

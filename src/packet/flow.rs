//! Which conversation a packet belongs to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::chain::upper_layer;
use super::number::{ICMP, ICMPV6, IPV4, IPV6, QINQ, SCTP, TCP, UDP, VLAN};
use crate::model::LinkType;

/// VLAN tags skipped on the way to an IP header.
const MAX_TAGS: usize = 4;
/// Neighbour advertisement (RFC 4861): an answer that names the address asked for.
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;

/// One conversation, seen from this machine: what a reply to a probe of ours has in common with the probe.
///
/// An ICMP error belongs to the conversation of the packet it quotes, so whoever waits for a reply also gets the
/// unreachable or the time-exceeded that came instead of it, from whatever router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// IP protocol number of the probe: 6 TCP, 17 UDP, 132 SCTP, 1 and 58 ICMP, …
    pub protocol: u8,
    /// Where the probe went: source of the reply, destination of a quoted packet.
    pub remote: IpAddr,
    /// Port there; 0 for protocols without ports.
    pub remote_port: u16,
    /// Our port; the identifier of ICMP queries (echo, timestamp, mask), 0 for protocols without ports.
    pub local_port: u16,
}

impl FlowKey {
    /// The conversation a packet from the wire is an answer in; `bytes` begin as `link` says. ICMP errors give the
    /// conversation of the packet they quote. None for what answers no IP packet: ARP, ICMP requests, later fragments,
    /// and packets cut before their ports.
    ///
    /// Allocates nothing, trusts nothing: neither checksums nor addresses of ours are looked at.
    pub fn of_reply(link: LinkType, bytes: &[u8]) -> Option<FlowKey> {
        let ip = Ip::read(network(link, bytes)?)?;
        match (ip.protocol, ip.rest) {
            (TCP | UDP | SCTP, rest) => {
                let (source, destination) = ports(rest)?;
                Some(FlowKey::without_ports(&ip, ip.source).at(source, destination))
            }
            (ICMP, [0 | 14 | 16 | 18, _, _, _, a, b, ..]) | (ICMPV6, [129, _, _, _, a, b, ..]) => {
                Some(FlowKey::without_ports(&ip, ip.source).at(0, u16::from_be_bytes([*a, *b])))
            }
            (ICMP, [3 | 4 | 5 | 11 | 12, rest @ ..]) | (ICMPV6, [1..=4, rest @ ..]) => {
                FlowKey::of_probe(rest.get(7..)?)
            }
            (ICMP, [8 | 13 | 15 | 17, ..]) | (ICMPV6, [128 | NEIGHBOR_SOLICITATION, ..]) | (ICMP | ICMPV6, []) => None,
            (ICMPV6, [NEIGHBOR_ADVERTISEMENT, rest @ ..]) => {
                let target = rest.get(7..)?.first_chunk::<16>()?;
                Some(FlowKey::without_ports(&ip, Ipv6Addr::from(*target).into()))
            }
            _ => Some(FlowKey::without_ports(&ip, ip.source)),
        }
    }

    /// The conversation the answers to our own packet will be in; `packet` begins with its IP header and may be cut after
    /// eight bytes of transport, as quotes are. Answers to a multicast or broadcast packet come from addresses no key can
    /// know, but a neighbour solicitation's is the address it asks for.
    pub fn of_probe(packet: &[u8]) -> Option<FlowKey> {
        let ip = Ip::read(packet)?;
        let key = FlowKey::without_ports(&ip, ip.destination);
        match (ip.protocol, ip.rest) {
            (TCP | UDP | SCTP, rest) => {
                let (source, destination) = ports(rest)?;
                Some(key.at(destination, source))
            }
            (ICMP, [8 | 13 | 15 | 17, _, _, _, a, b, ..]) | (ICMPV6, [128, _, _, _, a, b, ..]) => {
                Some(key.at(0, u16::from_be_bytes([*a, *b])))
            }
            (ICMPV6, [NEIGHBOR_SOLICITATION, rest @ ..]) => {
                // A quote cut before the target says where it went: often a multicast group.
                let target = rest.get(7..).and_then(|rest| rest.first_chunk::<16>());
                Some(target.map_or(key, |target| FlowKey { remote: Ipv6Addr::from(*target).into(), ..key }))
            }
            _ => Some(key),
        }
    }

    fn without_ports(ip: &Ip<'_>, remote: IpAddr) -> FlowKey {
        FlowKey { protocol: ip.protocol, remote, remote_port: 0, local_port: 0 }
    }

    fn at(self, remote_port: u16, local_port: u16) -> FlowKey {
        FlowKey { remote_port, local_port, ..self }
    }
}

fn ports(transport: &[u8]) -> Option<(u16, u16)> {
    let [a, b, c, d] = *transport.first_chunk()?;
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

/// The bytes from the IP header on.
pub(super) fn network(link: LinkType, bytes: &[u8]) -> Option<&[u8]> {
    if link == LinkType::Ip {
        return Some(bytes);
    }
    let mut rest = bytes.get(12..)?;
    for _ in 0..=MAX_TAGS {
        let (kind, after) = rest.split_first_chunk::<2>()?;
        match u16::from_be_bytes(*kind) {
            IPV4 | IPV6 => return Some(after),
            VLAN | QINQ => rest = after.get(2..)?,
            _ => return None,
        }
    }
    None
}

/// What of an IP packet tells its conversation.
pub(super) struct Ip<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ttl: u8,
    pub(super) protocol: u8,
    /// From the transport header on.
    pub(super) rest: &'a [u8],
}

impl<'a> Ip<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Ip<'a>> {
        match bytes.first()? >> 4 {
            4 => Ip::read_v4(bytes),
            6 => Ip::read_v6(bytes),
            _ => None,
        }
    }

    fn read_v4(bytes: &'a [u8]) -> Option<Ip<'a>> {
        let head: &[u8; 20] = bytes.first_chunk()?;
        let fragment_offset = u16::from_be_bytes([head[6], head[7]]) & 0x1fff;
        let header_len = usize::from(head[0] & 15) * 4;
        if fragment_offset != 0 || header_len < head.len() {
            return None;
        }
        // Link padding is not part of the packet. Segmentation offload leaves a length of 0, and some hosts change the
        // length of what they quote.
        let total = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let end = if total < header_len { bytes.len() } else { total.min(bytes.len()) };
        Some(Ip {
            source: Ipv4Addr::new(head[12], head[13], head[14], head[15]).into(),
            destination: Ipv4Addr::new(head[16], head[17], head[18], head[19]).into(),
            ttl: head[8],
            protocol: head[9],
            rest: bytes.get(header_len..end)?,
        })
    }

    fn read_v6(bytes: &'a [u8]) -> Option<Ip<'a>> {
        let head: &[u8; 40] = bytes.first_chunk()?;
        let (source, rest_of_head) = head.get(8..)?.split_first_chunk::<16>()?;
        let destination = rest_of_head.first_chunk::<16>()?;
        let (protocol, rest) = upper_layer(bytes)?;
        Some(Ip {
            source: Ipv6Addr::from(*source).into(),
            destination: Ipv6Addr::from(*destination).into(),
            ttl: head[7],
            protocol,
            rest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MacAddr;
    use crate::packet::{
        Arp, Ethernet, Extension, ExtensionBody, Icmpv4, Icmpv4Body, Icmpv6, Icmpv6Body, Ipv4, Ipv6, Layer, Packet,
        Tcp, Udp, Vlan,
    };

    const US: [u8; 4] = [10, 0, 0, 1];
    const PEER: [u8; 4] = [10, 0, 0, 2];
    const ROUTER: [u8; 4] = [10, 0, 9, 9];
    const PEER_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

    fn v4(source: [u8; 4], destination: [u8; 4]) -> Layer {
        Ipv4 { source: source.into(), destination: destination.into(), ..Ipv4::default() }.into()
    }

    fn tcp(source: u16, destination: u16) -> Layer {
        Tcp { source, destination, ..Tcp::default() }.into()
    }

    fn reply(layers: impl IntoIterator<Item = Layer>) -> Option<FlowKey> {
        FlowKey::of_reply(LinkType::Ip, &Packet::new(layers).to_bytes())
    }

    fn probe(layers: impl IntoIterator<Item = Layer>) -> Option<FlowKey> {
        FlowKey::of_probe(&Packet::new(layers).to_bytes())
    }

    fn key(protocol: u8, remote: impl Into<IpAddr>, remote_port: u16, local_port: u16) -> FlowKey {
        FlowKey { protocol, remote: remote.into(), remote_port, local_port }
    }

    #[test]
    fn an_answer_has_the_key_of_its_probe() {
        let expected = Some(key(TCP, PEER, 80, 4444));
        assert_eq!(probe([v4(US, PEER), tcp(4444, 80)]), expected);
        assert_eq!(reply([v4(PEER, US), tcp(80, 4444)]), expected);
        let echo = |kind| Layer::from(Icmpv4::new(kind, 0, Icmpv4Body::Echo { id: 77, sequence: 1 }));
        assert_eq!(probe([v4(US, PEER), echo(8)]), Some(key(ICMP, PEER, 0, 77)));
        assert_eq!(reply([v4(PEER, US), echo(0)]), Some(key(ICMP, PEER, 0, 77)));
        assert_eq!(reply([v4(PEER, US), echo(8)]), None);
        assert_eq!(probe([v4(US, PEER)]), Some(key(255, PEER, 0, 0)));
    }

    #[test]
    fn an_error_has_the_key_of_the_probe_it_quotes() {
        let whole = Packet::new([v4(US, PEER), tcp(4444, 80)]).to_bytes();
        for cut in [28, 30, 40] {
            let mut bytes = Packet::new([v4(ROUTER, US)]).to_bytes();
            bytes[9] = ICMP;
            bytes[2..4].fill(0);
            bytes.extend([11, 0, 0, 0, 0, 0, 0, 0]);
            bytes.extend(&whole[..cut]);
            assert_eq!(FlowKey::of_reply(LinkType::Ip, &bytes), Some(key(TCP, PEER, 80, 4444)), "{cut}");
        }
        let ip = |source, destination| Layer::from(Ipv6 { source, destination, ..Ipv6::default() });
        let us = Ipv6Addr::LOCALHOST;
        let quoted = Packet::new([ip(us, PEER_6), Udp { source: 5, destination: 53, ..Udp::default() }.into()]);
        let body = Icmpv6Body::Other([0; 4]);
        let error = Icmpv6 { quoted: Some(Box::new(quoted)), ..Icmpv6::new(1, 4, body) };
        assert_eq!(
            reply([ip("fd00::9".parse().expect("an address"), us), error.into()]),
            Some(key(UDP, PEER_6, 53, 5))
        );
    }

    #[test]
    fn an_advertisement_answers_for_its_target() {
        let ip = |destination| Layer::from(Ipv6 { destination, ..Ipv6::default() });
        let message = |kind| {
            Layer::from(Icmpv6::new(kind, 0, Icmpv6Body::Neighbor { flags: 0, target: PEER_6, options: vec![] }))
        };
        let group = "ff02::1:ff00:2".parse().expect("an address");
        assert_eq!(probe([ip(group), message(135)]), Some(key(ICMPV6, PEER_6, 0, 0)));
        assert_eq!(reply([ip(Ipv6Addr::LOCALHOST), message(136)]), Some(key(ICMPV6, PEER_6, 0, 0)));
        assert_eq!(reply([ip(Ipv6Addr::LOCALHOST), message(135)]), None);
    }

    #[test]
    fn tags_extensions_and_fragments() {
        let ethernet = || Layer::from(Ethernet { destination: MacAddr::BROADCAST, ..Ethernet::default() });
        let tag = || Layer::from(Vlan { id: 5, ..Vlan::default() });
        let of = |layers: Vec<Layer>| FlowKey::of_reply(LinkType::Ethernet, &Packet::new(layers).to_bytes());
        let expected = Some(key(TCP, PEER, 80, 4444));
        assert_eq!(of(vec![ethernet(), v4(PEER, US), tcp(80, 4444)]), expected);
        assert_eq!(of(vec![ethernet(), tag(), tag(), v4(PEER, US), tcp(80, 4444)]), expected);
        assert_eq!(of([vec![ethernet()], vec![tag(); 9], vec![v4(PEER, US), tcp(80, 4444)]].concat()), None);
        assert_eq!(of(vec![ethernet(), Arp::default().into()]), None);
        let extension = |body| Layer::from(Extension { next_header: None, body });
        let fragment =
            |offset| extension(ExtensionBody::Fragment { reserved: 0, offset, reserved_bits: 0, more: true, id: 1 });
        let ip = || Layer::from(Ipv6 { source: PEER_6, ..Ipv6::default() });
        let options = || extension(ExtensionBody::Destination(vec![]));
        assert_eq!(reply([ip(), options(), fragment(0), tcp(80, 4444)]), Some(key(TCP, PEER_6, 80, 4444)));
        assert_eq!(reply([ip(), fragment(1), tcp(80, 4444)]), None);
        assert_eq!(reply([vec![ip()], vec![options(); 99], vec![tcp(80, 4444)]].concat()), None);
        let later = Ipv4 { fragment_offset: 1, source: PEER.into(), ..Ipv4::default() };
        assert_eq!(reply([later.into(), tcp(80, 4444)]), None);
    }
}

//! What a scan has to know of a packet that may answer a probe: read in place, without building layers.
//!
//! Allocates nothing and trusts nothing. Checksums are the kernel's business: what it would have dropped, a scan must not
//! rely on either, but no probe's state was ever seen to depend on one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::flow::{Ip, network};
use super::number::{ARP, ICMP, ICMPV6, IPV4, SCTP, TCP, UDP};
use super::reader::Reader;
use crate::model::{LinkType, MacAddr};

/// An `ICMPv6` neighbour advertisement.
const NEIGHBOR_ADVERTISEMENT: u8 = 136;

/// A packet that came to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Who sent it.
    pub from: IpAddr,
    /// To which of our addresses.
    pub to: IpAddr,
    /// Hops it had left.
    pub ttl: u8,
    /// IP protocol number.
    pub protocol: u8,
    /// What it says.
    pub body: Body,
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// A TCP segment.
    Tcp(Segment),
    /// A datagram; source and destination port.
    Udp(u16, u16),
    /// An SCTP packet.
    Sctp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// Verification tag.
        tag: u32,
        /// Kind of the first chunk.
        chunk: u8,
    },
    /// A query or its reply, of ICMP or `ICMPv6`.
    Query {
        /// Type.
        kind: u8,
        /// Identifier.
        id: u16,
        /// Sequence number.
        sequence: u16,
    },
    /// An ICMP or `ICMPv6` error.
    Error {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// What it is about.
        quote: Quote,
    },
    /// A neighbour is there: an ARP reply (RFC 826) or a neighbour advertisement (RFC 4861) of the one it comes from.
    Neighbor(MacAddr),
    /// Any other protocol, or a header cut short.
    Other,
}

/// What counts of a TCP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// The eight flags.
    pub flags: u8,
    /// Window, unscaled.
    pub window: u16,
}

/// The packet an error quotes, as far as RFC 792 asks for: IP header and eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// Who had sent it: us, if it was ours.
    pub from: IpAddr,
    /// Where it went.
    pub to: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// The first eight bytes behind its IP header; zeros where the quote is shorter.
    pub head: [u8; 8],
    /// How many of them were there.
    pub length: usize,
}

impl Quote {
    /// Source and destination port, as TCP, UDP and SCTP have them.
    pub fn ports(&self) -> (u16, u16) {
        let [a, b, c, d, ..] = self.head;
        (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
    }

    /// The four bytes after them: a sequence number, a verification tag, or identifier and sequence number of ICMP.
    pub fn word(&self) -> u32 {
        let [.., a, b, c, d] = self.head;
        u32::from_be_bytes([a, b, c, d])
    }
}

impl Answer {
    /// Reads a packet from the wire whose bytes begin as `link` says; none if it is neither an IP packet nor an ARP reply, or
    /// a later fragment.
    pub fn read(link: LinkType, bytes: &[u8]) -> Option<Answer> {
        if link == LinkType::Ethernet && bytes.get(12..14) == Some(&ARP.to_be_bytes()) {
            return arp_reply(bytes.get(14..)?);
        }
        let ip = Ip::read(network(link, bytes)?)?;
        if let (ICMPV6, [NEIGHBOR_ADVERTISEMENT, _, _, _, _, _, _, _, rest @ ..]) = (ip.protocol, ip.rest) {
            let (target, options) = rest.split_first_chunk::<16>()?;
            let (from, body) = (Ipv6Addr::from(*target).into(), Body::Neighbor(advertised(options)));
            return Some(Answer { from, to: ip.destination, ttl: ip.ttl, protocol: ip.protocol, body });
        }
        let body = body(&ip).unwrap_or(Body::Other);
        Some(Answer { from: ip.source, to: ip.destination, ttl: ip.ttl, protocol: ip.protocol, body })
    }
}

/// An ARP reply about Ethernet and IPv4. The address is the one it tells of, not the one in the frame's header: some hosts
/// answer through another interface.
fn arp_reply(message: &[u8]) -> Option<Answer> {
    let mut reader = Reader(message);
    let is_reply = (reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?) == (1, IPV4, 0x0604, 2);
    let mac = MacAddr(reader.array()?);
    let from = Ipv4Addr::from(reader.array::<4>()?).into();
    reader.array::<6>()?;
    let to = Ipv4Addr::from(reader.array::<4>()?).into();
    is_reply.then_some(Answer { from, to, ttl: 0, protocol: 0, body: Body::Neighbor(mac) })
}

/// The link-layer address a neighbour advertisement tells; all zeros where it tells none, as it may when asked directly.
fn advertised(options: &[u8]) -> MacAddr {
    const TARGET_LINK: [u8; 2] = [2, 1];
    let found = options.chunks(8).find(|option| option.starts_with(&TARGET_LINK));
    MacAddr(found.and_then(|option| option.get(2..)?.first_chunk().copied()).unwrap_or_default())
}

fn body(ip: &Ip<'_>) -> Option<Body> {
    let mut reader = Reader(ip.rest);
    Some(match ip.protocol {
        TCP => Body::Tcp(Segment {
            source: reader.u16()?,
            destination: reader.u16()?,
            sequence: reader.u32()?,
            acknowledgment: reader.u32()?,
            flags: (reader.u16()? & 0xff) as u8,
            window: reader.u16()?,
        }),
        UDP => Body::Udp(reader.u16()?, reader.u16()?),
        SCTP => {
            let (source, destination, tag) = (reader.u16()?, reader.u16()?, reader.u32()?);
            reader.u32()?; // checksum
            Body::Sctp { source, destination, tag, chunk: reader.u8()? }
        }
        ICMP | ICMPV6 => {
            let (kind, code) = (reader.u8()?, reader.u8()?);
            reader.u16()?; // checksum
            if is_error(ip.protocol, kind) {
                reader.u32()?;
                return Some(Body::Error { kind, code, quote: quote(reader.rest())? });
            }
            Body::Query { kind, id: reader.u16()?, sequence: reader.u16()? }
        }
        _ => Body::Other,
    })
}

fn is_error(protocol: u8, kind: u8) -> bool {
    match protocol {
        ICMP => matches!(kind, 3 | 4 | 5 | 11 | 12),
        _ => kind < 128,
    }
}

fn quote(bytes: &[u8]) -> Option<Quote> {
    let ip = Ip::read(bytes)?;
    let mut head = [0; 8];
    let length = ip.rest.len().min(head.len());
    head.iter_mut().zip(ip.rest).for_each(|(to, from)| *to = *from);
    Some(Quote { from: ip.source, to: ip.destination, protocol: ip.protocol, head, length })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::{
        Arp, Ethernet, Icmpv4, Icmpv4Body, Icmpv6, Icmpv6Body, Ipv4, Ipv6, Layer, NeighborOption, Packet, Tcp,
    };

    const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 9, 9);

    fn v4(source: Ipv4Addr, destination: Ipv4Addr) -> Layer {
        Ipv4 { source, destination, ttl: 60, ..Ipv4::default() }.into()
    }

    fn read(packet: &Packet) -> Option<Answer> {
        Answer::read(LinkType::Ip, &packet.to_bytes())
    }

    #[test]
    fn a_segment_and_an_error_about_one() {
        let tcp = Tcp {
            source: 80,
            destination: 4,
            sequence: 7,
            acknowledgment: 9,
            flags: 0x12,
            window: 5,
            ..Tcp::default()
        };
        let segment = Segment { source: 80, destination: 4, sequence: 7, acknowledgment: 9, flags: 0x12, window: 5 };
        let answer = read(&Packet::new([v4(PEER, US), tcp.clone().into()])).unwrap();
        let expected = Answer { from: PEER.into(), to: US.into(), ttl: 60, protocol: TCP, body: Body::Tcp(segment) };
        assert_eq!(answer, expected);
        let quoted = Packet::new([v4(US, PEER), tcp.into()]);
        let body = Icmpv4Body::Unreachable { unused: 0, mtu: 0 };
        let error = Icmpv4 { quoted: Some(Box::new(quoted)), ..Icmpv4::new(3, 13, body) };
        let answer = read(&Packet::new([v4(ROUTER, US), error.into()])).unwrap();
        let Body::Error { kind: 3, code: 13, quote } = answer.body else { panic!("{answer:?}") };
        assert_eq!((quote.from, quote.to, quote.ports(), quote.word()), (US.into(), PEER.into(), (80, 4), 7));
        assert_eq!((quote.protocol, quote.length), (TCP, 8));
    }

    #[test]
    fn a_reply_to_a_query() {
        let echo = Icmpv4::new(0, 0, Icmpv4Body::Echo { id: 77, sequence: 3 });
        let answer = read(&Packet::new([v4(PEER, US), echo.into()])).unwrap();
        assert_eq!(answer.body, Body::Query { kind: 0, id: 77, sequence: 3 });
        assert_eq!(read(&Packet::new([v4(PEER, US)])).unwrap().body, Body::Other);
    }

    #[test]
    fn neighbours_say_that_they_are_there() {
        let mac = MacAddr([2, 0, 0, 0, 0, 9]);
        let arp = |operation| {
            let arp = Arp { operation, sender_mac: mac, sender_ip: PEER, target_ip: US, ..Arp::default() };
            let bytes = Packet::new([Ethernet::default().into(), arp.into()]).to_bytes();
            Answer::read(LinkType::Ethernet, &bytes)
        };
        let answer = arp(2).unwrap();
        assert_eq!((answer.from, answer.to, answer.body), (PEER.into(), US.into(), Body::Neighbor(mac)));
        assert_eq!(arp(1), None, "a question is no answer");
        let target: Ipv6Addr = "fd00::9".parse().unwrap();
        for (options, told) in [(vec![NeighborOption::TargetLink(mac)], mac), (vec![], MacAddr::default())] {
            let body = Icmpv6Body::Neighbor { flags: 0, target, options };
            let answer = read(&Packet::new([Ipv6::default().into(), Icmpv6::new(136, 0, body).into()])).unwrap();
            assert_eq!((answer.from, answer.body), (target.into(), Body::Neighbor(told)));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..120), first in 0u8..=255) {
            let mut bytes = bytes;
            if let Some(place) = bytes.first_mut() {
                *place = first;
            }
            let _ = Answer::read(LinkType::Ip, &bytes);
            let _ = Answer::read(LinkType::Ethernet, &bytes);
        }
    }
}

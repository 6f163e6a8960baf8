//! ICMP for IPv6 (RFC 4443), neighbour discovery (RFC 4861), listener discovery (RFC 2710, RFC 3810).

use std::net::Ipv6Addr;

use super::checksum::{Pseudo, differing, sealed, transport};
use super::group::{self, GroupRecord};
use super::neighbor::{self, NeighborOption};
use super::number::ICMPV6;
use super::parse;
use super::reader::Reader;
use super::{Packet, quote_bytes};

/// An `ICMPv6` message. Data of echoes and whatever else follows is the next layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icmpv6 {
    /// 1 unreachable, 2 too big, 3 time exceeded, 128 echo, 129 echo reply, 135 neighbour solicitation, …
    pub kind: u8,
    /// What it is about, by kind.
    pub code: u8,
    /// Checksum; none: as it should be.
    pub checksum: Option<u16>,
    /// The bytes after the checksum. Written as they are, whatever the kind.
    pub body: Icmpv6Body,
    /// The packet an error is about, as far as it was quoted.
    pub quoted: Option<Box<Packet>>,
}

/// What an `ICMPv6` message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Icmpv6Body {
    /// Echo (128) and echo reply (129).
    Echo {
        /// Identifier.
        id: u16,
        /// Sequence number.
        sequence: u16,
    },
    /// Packet too big (2).
    TooBig {
        /// Largest packet the next hop takes.
        mtu: u32,
    },
    /// Parameter problem (4).
    ParameterProblem {
        /// Offset of the wrong byte.
        pointer: u32,
    },
    /// Router solicitation (133).
    RouterSolicitation {
        /// Must be zero.
        reserved: u32,
        /// Options in their order.
        options: Vec<NeighborOption>,
    },
    /// Router advertisement (134).
    RouterAdvertisement {
        /// Hop limit hosts shall use.
        hop_limit: u8,
        /// Managed, other, and further flags.
        flags: u8,
        /// Seconds it is a default router.
        lifetime: u16,
        /// Milliseconds a neighbour counts as reachable.
        reachable: u32,
        /// Milliseconds between solicitations.
        retransmit: u32,
        /// Options in their order.
        options: Vec<NeighborOption>,
    },
    /// Neighbour solicitation (135) and advertisement (136).
    Neighbor {
        /// Router, solicited, override in the highest bits; zero in solicitations.
        flags: u32,
        /// The address asked for.
        target: Ipv6Addr,
        /// Options in their order.
        options: Vec<NeighborOption>,
    },
    /// Redirect (137).
    Redirect {
        /// Must be zero.
        reserved: u32,
        /// The better next hop.
        target: Ipv6Addr,
        /// For this destination.
        destination: Ipv6Addr,
        /// Options in their order.
        options: Vec<NeighborOption>,
    },
    /// Listener query (130), report (131), done (132). What a query of version 2 adds is the next layer.
    Listener {
        /// Longest delay of an answer, in milliseconds.
        delay: u16,
        /// Must be zero.
        reserved: u16,
        /// The group, or all zeros.
        group: Ipv6Addr,
    },
    /// Listener report of version 2 (143).
    ListenerReport {
        /// Must be zero.
        reserved: u16,
        /// Count of records; none: as many as there are.
        count: Option<u16>,
        /// The groups.
        records: Vec<GroupRecord>,
    },
    /// The four bytes of any other kind.
    Other([u8; 4]),
}

impl Icmpv6 {
    /// A message without a quote, its checksum computed.
    pub fn new(kind: u8, code: u8, body: Icmpv6Body) -> Icmpv6 {
        Icmpv6 { kind, code, checksum: None, body, quoted: None }
    }

    /// Whether messages of this kind quote a packet.
    pub fn quotes(kind: u8) -> bool {
        (1..=4).contains(&kind)
    }

    pub(super) fn parse(
        bytes: &[u8],
        pseudo: Option<Pseudo>,
        quotes_left: usize,
    ) -> Result<(Icmpv6, usize), &'static str> {
        let mut reader = Reader(bytes);
        let [kind, code, _, _] = reader.array().ok_or("ICMPv6 message cut short")?;
        let mut whole = reader;
        let body = match read_body(kind, &mut whole) {
            Some(body) => {
                reader = whole;
                body
            }
            // A quote may cut a message within what its kind demands.
            None => Icmpv6Body::Other(reader.array().ok_or("ICMPv6 message cut short")?),
        };
        let quoted = if Icmpv6::quotes(kind) { parse::quoted(&mut reader, quotes_left) } else { None };
        let checksum = differing(bytes, |whole| transport(pseudo, ICMPV6, whole, &[]));
        Ok((Icmpv6 { kind, code, checksum, body, quoted }, bytes.len() - reader.0.len()))
    }

    pub(super) fn write(&self, pseudo: Option<Pseudo>, body: &[u8]) -> Vec<u8> {
        let mut out = vec![self.kind, self.code, 0, 0];
        write_body(&self.body, &mut out);
        out.extend(quote_bytes(self.quoted.as_deref()));
        sealed(out, body, self.checksum, |whole| transport(pseudo, ICMPV6, whole, &[]))
    }
}

fn read_body(kind: u8, reader: &mut Reader<'_>) -> Option<Icmpv6Body> {
    Some(match kind {
        2 => Icmpv6Body::TooBig { mtu: reader.u32()? },
        4 => Icmpv6Body::ParameterProblem { pointer: reader.u32()? },
        128 | 129 => Icmpv6Body::Echo { id: reader.u16()?, sequence: reader.u16()? },
        130..=132 => {
            Icmpv6Body::Listener { delay: reader.u16()?, reserved: reader.u16()?, group: reader.array::<16>()?.into() }
        }
        133 => Icmpv6Body::RouterSolicitation { reserved: reader.u32()?, options: neighbor::parse(reader.rest()) },
        134 => Icmpv6Body::RouterAdvertisement {
            hop_limit: reader.u8()?,
            flags: reader.u8()?,
            lifetime: reader.u16()?,
            reachable: reader.u32()?,
            retransmit: reader.u32()?,
            options: neighbor::parse(reader.rest()),
        },
        135 | 136 => Icmpv6Body::Neighbor {
            flags: reader.u32()?,
            target: reader.array::<16>()?.into(),
            options: neighbor::parse(reader.rest()),
        },
        137 => Icmpv6Body::Redirect {
            reserved: reader.u32()?,
            target: reader.array::<16>()?.into(),
            destination: reader.array::<16>()?.into(),
            options: neighbor::parse(reader.rest()),
        },
        143 => {
            let (reserved, told) = (reader.u16()?, reader.u16()?);
            let records = group::parse::<16>(told, reader);
            let count = Some(told).filter(|told| usize::from(*told) != records.len());
            Icmpv6Body::ListenerReport { reserved, count, records }
        }
        _ => Icmpv6Body::Other(reader.array()?),
    })
}

fn write_body(body: &Icmpv6Body, out: &mut Vec<u8>) {
    match body {
        Icmpv6Body::Echo { id: first, sequence: second } => {
            out.extend(first.to_be_bytes());
            out.extend(second.to_be_bytes());
        }
        Icmpv6Body::TooBig { mtu: word } | Icmpv6Body::ParameterProblem { pointer: word } => {
            out.extend(word.to_be_bytes());
        }
        Icmpv6Body::RouterSolicitation { reserved, options } => {
            out.extend(reserved.to_be_bytes());
            neighbor::write(options, out);
        }
        Icmpv6Body::RouterAdvertisement { hop_limit, flags, lifetime, reachable, retransmit, options } => {
            out.extend([*hop_limit, *flags]);
            out.extend(lifetime.to_be_bytes());
            out.extend(reachable.to_be_bytes());
            out.extend(retransmit.to_be_bytes());
            neighbor::write(options, out);
        }
        Icmpv6Body::Neighbor { flags, target, options } => {
            out.extend(flags.to_be_bytes());
            out.extend(target.octets());
            neighbor::write(options, out);
        }
        Icmpv6Body::Redirect { reserved, target, destination, options } => {
            out.extend(reserved.to_be_bytes());
            out.extend(target.octets());
            out.extend(destination.octets());
            neighbor::write(options, out);
        }
        Icmpv6Body::Listener { delay, reserved, group } => {
            out.extend(delay.to_be_bytes());
            out.extend(reserved.to_be_bytes());
            out.extend(group.octets());
        }
        Icmpv6Body::ListenerReport { reserved, count, records } => {
            out.extend(reserved.to_be_bytes());
            out.extend(count.unwrap_or(records.len() as u16).to_be_bytes());
            group::write(records, out);
        }
        Icmpv6Body::Other(bytes) => out.extend(bytes),
    }
}

//! ICMP for IPv4 (RFC 792, RFC 950, RFC 1191).

use std::net::Ipv4Addr;

use super::checksum::{differing, internet, sealed};
use super::parse;
use super::reader::Reader;
use super::{Packet, quote_bytes};

/// An ICMP message. Data of echoes and whatever else follows is the next layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icmpv4 {
    /// 0 echo reply, 3 unreachable, 5 redirect, 8 echo, 11 time exceeded, …
    pub kind: u8,
    /// What it is about, by kind.
    pub code: u8,
    /// Checksum; none: as it should be.
    pub checksum: Option<u16>,
    /// The bytes after the checksum. Written as they are, whatever the kind.
    pub body: Icmpv4Body,
    /// The packet an error is about, as far as it was quoted.
    pub quoted: Option<Box<Packet>>,
}

/// What an ICMP message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Icmpv4Body {
    /// Echo, echo reply, and other queries cut after eight bytes.
    Echo {
        /// Identifier.
        id: u16,
        /// Sequence number.
        sequence: u16,
    },
    /// Timestamp request (13) and reply (14); milliseconds since midnight UT.
    Timestamp {
        /// Identifier.
        id: u16,
        /// Sequence number.
        sequence: u16,
        /// When the asker sent.
        originate: u32,
        /// When the other received.
        receive: u32,
        /// When the other sent.
        transmit: u32,
    },
    /// Address mask request (17) and reply (18).
    Mask {
        /// Identifier.
        id: u16,
        /// Sequence number.
        sequence: u16,
        /// The mask.
        mask: Ipv4Addr,
    },
    /// Destination unreachable (3).
    Unreachable {
        /// Must be zero, but for RFC 4884's length of the quote in its low byte.
        unused: u16,
        /// Largest packet the next hop takes, with code 4.
        mtu: u16,
    },
    /// Redirect (5).
    Redirect {
        /// The better router.
        gateway: Ipv4Addr,
    },
    /// Parameter problem (12).
    ParameterProblem {
        /// Offset of the wrong byte.
        pointer: u8,
        /// Must be zero.
        unused: [u8; 3],
    },
    /// The four bytes of any other kind.
    Other([u8; 4]),
}

/// Kinds that quote the packet they are about.
const ERRORS: [u8; 5] = [3, 4, 5, 11, 12];

impl Icmpv4 {
    /// A message without a quote, its checksum computed.
    pub fn new(kind: u8, code: u8, body: Icmpv4Body) -> Icmpv4 {
        Icmpv4 { kind, code, checksum: None, body, quoted: None }
    }

    /// Whether messages of this kind quote a packet.
    pub fn quotes(kind: u8) -> bool {
        ERRORS.contains(&kind)
    }

    pub(super) fn parse(bytes: &[u8], quotes_left: usize) -> Result<(Icmpv4, usize), &'static str> {
        let mut reader = Reader(bytes);
        let [kind, code, _, _] = reader.array().ok_or("ICMP message cut short")?;
        let body = read_body(kind, &mut reader).ok_or("ICMP message cut short")?;
        let quoted = if Icmpv4::quotes(kind) { parse::quoted(&mut reader, quotes_left) } else { None };
        let checksum = differing(bytes, internet);
        Ok((Icmpv4 { kind, code, checksum, body, quoted }, bytes.len() - reader.0.len()))
    }

    pub(super) fn write(&self, body: &[u8]) -> Vec<u8> {
        let mut out = vec![self.kind, self.code, 0, 0];
        write_body(&self.body, &mut out);
        out.extend(quote_bytes(self.quoted.as_deref()));
        sealed(out, body, self.checksum, internet)
    }
}

fn read_body(kind: u8, reader: &mut Reader<'_>) -> Option<Icmpv4Body> {
    let long = reader.0.len();
    Some(match kind {
        13 | 14 if long >= 16 => Icmpv4Body::Timestamp {
            id: reader.u16()?,
            sequence: reader.u16()?,
            originate: reader.u32()?,
            receive: reader.u32()?,
            transmit: reader.u32()?,
        },
        17 | 18 if long >= 8 => {
            Icmpv4Body::Mask { id: reader.u16()?, sequence: reader.u16()?, mask: reader.array::<4>()?.into() }
        }
        0 | 8 | 13..=18 => Icmpv4Body::Echo { id: reader.u16()?, sequence: reader.u16()? },
        3 => Icmpv4Body::Unreachable { unused: reader.u16()?, mtu: reader.u16()? },
        5 => Icmpv4Body::Redirect { gateway: reader.array::<4>()?.into() },
        12 => Icmpv4Body::ParameterProblem { pointer: reader.u8()?, unused: reader.array()? },
        _ => Icmpv4Body::Other(reader.array()?),
    })
}

fn write_body(body: &Icmpv4Body, out: &mut Vec<u8>) {
    let query = |id: &u16, sequence: &u16| [id.to_be_bytes(), sequence.to_be_bytes()].concat();
    match body {
        Icmpv4Body::Echo { id, sequence } => out.extend(query(id, sequence)),
        Icmpv4Body::Timestamp { id, sequence, originate, receive, transmit } => {
            out.extend(query(id, sequence));
            out.extend([originate, receive, transmit].iter().flat_map(|time| time.to_be_bytes()));
        }
        Icmpv4Body::Mask { id, sequence, mask } => {
            out.extend(query(id, sequence));
            out.extend(mask.octets());
        }
        Icmpv4Body::Unreachable { unused, mtu } => out.extend(query(unused, mtu)),
        Icmpv4Body::Redirect { gateway } => out.extend(gateway.octets()),
        Icmpv4Body::ParameterProblem { pointer, unused } => {
            out.push(*pointer);
            out.extend(unused);
        }
        Icmpv4Body::Other(bytes) => out.extend(bytes),
    }
}

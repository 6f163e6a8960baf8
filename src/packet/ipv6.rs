//! The IPv6 header and its extension headers (RFC 8200), in any order and number.

use std::net::Ipv6Addr;

use etherparse::{IpNumber, Ipv6FlowLabel, Ipv6Header};

use super::checksum::Pseudo;
use super::number::{AUTHENTICATION, DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, NO_NEXT_HEADER, ROUTING};
use super::reader::{Reader, pad};

/// An IPv6 header. A field of `None` is written as it should be; `Some` as told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6 {
    /// Six bits of DSCP, two of ECN.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Bytes after this header, extension headers among them.
    pub payload_length: Option<u16>,
    /// What follows; none: as the next layer is.
    pub next_header: Option<u8>,
    /// Hops left.
    pub hop_limit: u8,
    /// From.
    pub source: Ipv6Addr,
    /// To, or the next hop of a routing header.
    pub destination: Ipv6Addr,
}

impl Default for Ipv6 {
    fn default() -> Ipv6 {
        Ipv6 {
            traffic_class: 0,
            flow_label: 0,
            payload_length: None,
            next_header: None,
            hop_limit: 64,
            source: Ipv6Addr::UNSPECIFIED,
            destination: Ipv6Addr::UNSPECIFIED,
        }
    }
}

impl Ipv6 {
    /// The header, its length, and where the packet ends in `bytes`: what follows is not part of it.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Ipv6, usize, usize), &'static str> {
        let Ok((header, rest)) = Ipv6Header::from_slice(bytes) else {
            let version = bytes.first().is_none_or(|first| first >> 4 == 6);
            return Err(if version { "IPv6 header cut short" } else { "not an IPv6 header" });
        };
        let told = header.payload_length;
        // A jumbogram's length is 0, and so is that of a packet without content.
        let body = if told == 0 && rest.len() > 0xffff { rest.len() } else { usize::from(told).min(rest.len()) };
        let ip = Ipv6 {
            traffic_class: header.traffic_class,
            flow_label: header.flow_label.value(),
            payload_length: Some(told).filter(|told| *told != computed_length(body)),
            next_header: Some(header.next_header.0),
            hop_limit: header.hop_limit,
            source: header.source.into(),
            destination: header.destination.into(),
        };
        Ok((ip, Ipv6Header::LEN, Ipv6Header::LEN + body))
    }

    /// The header in front of `body` bytes.
    pub(super) fn write(&self, next: Option<u8>, body: usize) -> Vec<u8> {
        let header = Ipv6Header {
            traffic_class: self.traffic_class,
            flow_label: Ipv6FlowLabel::try_new(self.flow_label & 0xf_ffff).unwrap_or_default(),
            payload_length: self.payload_length.unwrap_or(computed_length(body)),
            next_header: IpNumber(self.next_header.or(next).unwrap_or(NO_NEXT_HEADER)),
            hop_limit: self.hop_limit,
            source: self.source.octets(),
            destination: self.destination.octets(),
        };
        header.to_bytes().to_vec()
    }

    pub(super) fn pseudo(&self) -> Pseudo {
        Pseudo::V6(self.source, self.destination)
    }
}

fn computed_length(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(0)
}

/// One IPv6 extension header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// What follows; none: as the next layer is.
    pub next_header: Option<u8>,
    /// Which header it is and what it says.
    pub body: ExtensionBody,
}

/// The kinds of extension headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtensionBody {
    /// Options for every node on the way, filled up with zeros to a multiple of eight bytes.
    HopByHop(Vec<Ipv6Option>),
    /// Options for the destination.
    Destination(Vec<Ipv6Option>),
    /// By way of other nodes.
    Routing {
        /// Routing type; 0 is deprecated, 2 mobility, 4 segment routing.
        kind: u8,
        /// Nodes still to visit.
        segments_left: u8,
        /// What the type demands, from the fifth byte on.
        data: Vec<u8>,
    },
    /// A part of a larger packet.
    Fragment {
        /// The byte that must be zero.
        reserved: u8,
        /// Where this part belongs, in units of eight bytes; 13 bits.
        offset: u16,
        /// The two bits that must be zero.
        reserved_bits: u8,
        /// More fragments follow.
        more: bool,
        /// Identification.
        id: u32,
    },
    /// Another header in the shape of RFC 6564, or the authentication header.
    Other {
        /// Its protocol number.
        kind: u8,
        /// What follows the length byte.
        data: Vec<u8>,
    },
}

impl Extension {
    /// The protocol number the header before it calls it by.
    pub fn number(&self) -> u8 {
        match self.body {
            ExtensionBody::HopByHop(_) => HOP_BY_HOP,
            ExtensionBody::Destination(_) => DESTINATION_OPTIONS,
            ExtensionBody::Routing { .. } => ROUTING,
            ExtensionBody::Fragment { .. } => FRAGMENT,
            ExtensionBody::Other { kind, .. } => kind,
        }
    }

    pub(super) fn parse(kind: u8, bytes: &[u8]) -> Result<(Extension, usize), &'static str> {
        let [next, told, ..] = *bytes else {
            return Err("IPv6 extension header cut short");
        };
        let len = match kind {
            FRAGMENT => 8,
            AUTHENTICATION => (usize::from(told) + 2) * 4,
            _ => (usize::from(told) + 1) * 8,
        };
        let data = bytes.get(2..len).ok_or("IPv6 extension header longer than the packet")?;
        let body = Extension::body(kind, told, data).ok_or("IPv6 extension header cut short")?;
        Ok((Extension { next_header: Some(next), body }, len))
    }

    fn body(kind: u8, told: u8, data: &[u8]) -> Option<ExtensionBody> {
        let mut reader = Reader(data);
        Some(match kind {
            HOP_BY_HOP => ExtensionBody::HopByHop(parse_options(data)),
            DESTINATION_OPTIONS => ExtensionBody::Destination(parse_options(data)),
            ROUTING => {
                ExtensionBody::Routing { kind: reader.u8()?, segments_left: reader.u8()?, data: reader.rest().to_vec() }
            }
            FRAGMENT => {
                let word = reader.u16()?;
                ExtensionBody::Fragment {
                    reserved: told,
                    offset: word >> 3,
                    reserved_bits: (word >> 1) as u8 & 3,
                    more: word & 1 != 0,
                    id: reader.u32()?,
                }
            }
            kind => ExtensionBody::Other { kind, data: data.to_vec() },
        })
    }

    pub(super) fn write(&self, next: Option<u8>) -> Vec<u8> {
        let mut out = vec![self.next_header.or(next).unwrap_or(NO_NEXT_HEADER), 0];
        match &self.body {
            ExtensionBody::HopByHop(options) | ExtensionBody::Destination(options) => write_options(options, &mut out),
            ExtensionBody::Routing { kind, segments_left, data } => {
                out.extend([*kind, *segments_left]);
                out.extend(data);
            }
            ExtensionBody::Fragment { reserved, offset, reserved_bits, more, id } => {
                let word = offset << 3 | u16::from(reserved_bits & 3) << 1 | u16::from(*more);
                out = vec![out.first().copied().unwrap_or_default(), *reserved];
                out.extend(word.to_be_bytes());
                out.extend(id.to_be_bytes());
                return out;
            }
            ExtensionBody::Other { data, .. } => out.extend(data),
        }
        let (unit, without) = if self.number() == AUTHENTICATION { (4, 2) } else { (8, 1) };
        pad(&mut out, unit);
        let units = (out.len() / unit).saturating_sub(without);
        if let Some(length) = out.get_mut(1) {
            *length = units as u8;
        }
        out
    }

    /// `pseudo` behind this header: a routing header that is not used up ends elsewhere.
    pub(super) fn pseudo(&self, pseudo: Option<Pseudo>) -> Option<Pseudo> {
        let (Some(Pseudo::V6(source, _)), ExtensionBody::Routing { kind: 0 | 2, segments_left: 1.., data }) =
            (pseudo, &self.body)
        else {
            return pseudo;
        };
        let last = data.get(4..).and_then(|addresses| addresses.last_chunk::<16>());
        last.map_or(pseudo, |last| Some(Pseudo::V6(source, Ipv6Addr::from(*last))))
    }
}

const PAD_1: u8 = 0;
const PAD_N: u8 = 1;
const ROUTER_ALERT: u8 = 5;
const JUMBO: u8 = 194;

/// One option of a hop-by-hop or destination header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ipv6Option {
    /// One byte of padding.
    Pad1,
    /// Two bytes of padding and these.
    PadN(Vec<u8>),
    /// Routers shall look at the packet (RFC 2711).
    RouterAlert(u16),
    /// Length of a jumbogram (RFC 2675).
    Jumbo(u32),
    /// Any other kind.
    Other {
        /// Its number; the two highest bits say what to do where it is unknown.
        kind: u8,
        /// Its data.
        data: Vec<u8>,
    },
    /// Bytes as they are, to the end of the header.
    Raw(Vec<u8>),
}

fn parse_options(mut rest: &[u8]) -> Vec<Ipv6Option> {
    let mut options = Vec::new();
    while let Some((kind, after)) = rest.split_first() {
        if *kind == PAD_1 {
            options.push(Ipv6Option::Pad1);
            rest = after;
            continue;
        }
        let split = after.split_first().and_then(|(len, after)| after.split_at_checked(usize::from(*len)));
        let Some((data, after)) = split else {
            options.push(Ipv6Option::Raw(rest.to_vec()));
            break;
        };
        options.push(match (*kind, data) {
            (PAD_N, data) => Ipv6Option::PadN(data.to_vec()),
            (ROUTER_ALERT, [a, b]) => Ipv6Option::RouterAlert(u16::from_be_bytes([*a, *b])),
            (JUMBO, [a, b, c, d]) => Ipv6Option::Jumbo(u32::from_be_bytes([*a, *b, *c, *d])),
            (kind, data) => Ipv6Option::Other { kind, data: data.to_vec() },
        });
        rest = after;
    }
    options
}

fn write_options(options: &[Ipv6Option], out: &mut Vec<u8>) {
    for option in options {
        let (kind, data) = match option {
            Ipv6Option::Pad1 => {
                out.push(PAD_1);
                continue;
            }
            Ipv6Option::Raw(bytes) => {
                out.extend(bytes);
                continue;
            }
            Ipv6Option::PadN(data) => (PAD_N, data.clone()),
            Ipv6Option::RouterAlert(value) => (ROUTER_ALERT, value.to_be_bytes().to_vec()),
            Ipv6Option::Jumbo(length) => (JUMBO, length.to_be_bytes().to_vec()),
            Ipv6Option::Other { kind, data } => (*kind, data.clone()),
        };
        out.extend([kind, data.len() as u8]);
        out.extend(data);
    }
}

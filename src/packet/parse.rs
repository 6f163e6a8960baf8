//! Bytes to layers. Never fails, never loses a byte, never goes deeper than it says.

use super::checksum::Pseudo;
use super::number::{
    ARP, AUTHENTICATION, DESTINATION_OPTIONS, FRAGMENT, HIP, HOP_BY_HOP, ICMP, ICMPV6, IGMP, IPV4, IPV4_IN_IP, IPV6,
    IPV6_IN_IP, MOBILITY, NO_ETHER_TYPE, NO_NEXT_HEADER, QINQ, RESERVED, ROUTING, SCTP, SHIM6, TCP, UDP, VLAN,
};
use super::reader::Reader;
use super::{
    Arp, Ethernet, Extension, ExtensionBody, Icmpv4, Icmpv6, Igmp, Ipv4, Ipv6, Layer, Malformed, Packet, Sctp, Stub,
    Tcp, Udp, Vlan,
};
use crate::model::LinkType;

/// Headers in one packet; a longer chain ends as malformed.
const MAX_HEADERS: usize = 32;
/// Quotes within quotes; deeper ones stay bytes.
const MAX_QUOTES: usize = 3;

impl Packet {
    /// The layers of `bytes`, which begin as `link` says. Never fails: what makes no sense stays as [`Layer::Malformed`],
    /// what no header explains as [`Layer::Payload`], and [`Packet::to_bytes`] gives back the same bytes.
    pub fn parse(link: LinkType, bytes: &[u8]) -> Packet {
        Packet::parse_within(link, bytes, MAX_QUOTES)
    }

    fn parse_within(link: LinkType, bytes: &[u8], quotes_left: usize) -> Packet {
        let start = match link {
            LinkType::Ethernet => Next::Frame,
            LinkType::Ip => Next::Ip,
        };
        let mut walk = Walk { layers: Vec::new(), rest: bytes, trailers: Vec::new(), pseudo: None, quotes_left };
        walk.all(start);
        let mut packet = Packet { layers: walk.layers };
        let mut trailers: Vec<&[u8]> = walk.trailers.into_iter().rev().collect();
        while trailers.pop_if(|trailer| trailer.is_empty()).is_some() {}
        packet.layers.extend(trailers.into_iter().map(|trailer| Layer::Trailer(trailer.to_vec())));
        packet.leave_out_the_obvious();
        packet
    }

    /// Numbers that are what the next layer makes them anyway become `None`.
    fn leave_out_the_obvious(&mut self) {
        for at in 0..self.layers.len() {
            let ether_type = self.ether_type_after(at).unwrap_or(NO_ETHER_TYPE);
            let protocol = self.protocol_after(at);
            match self.layers.get_mut(at) {
                Some(
                    Layer::Ethernet(Ethernet { ether_type: told, .. }) | Layer::Vlan(Vlan { ether_type: told, .. }),
                ) => {
                    told.take_if(|told| *told == ether_type);
                }
                Some(Layer::Ipv4(Ipv4 { protocol: told, .. })) => {
                    told.take_if(|told| *told == protocol.unwrap_or(RESERVED));
                }
                Some(
                    Layer::Ipv6(Ipv6 { next_header: told, .. }) | Layer::Extension(Extension { next_header: told, .. }),
                ) => {
                    told.take_if(|told| *told == protocol.unwrap_or(NO_NEXT_HEADER));
                }
                _ => {}
            }
        }
    }
}

/// The packet an ICMP error quotes: everything that is left, unless there is nothing or it goes too deep.
pub(super) fn quoted(reader: &mut Reader<'_>, quotes_left: usize) -> Option<Box<Packet>> {
    let quotes_left = quotes_left.checked_sub(1)?;
    if reader.0.is_empty() {
        return None;
    }
    Some(Box::new(Packet::parse_within(LinkType::Ip, reader.rest(), quotes_left)))
}

/// What a header says comes next.
#[derive(Clone, Copy)]
enum Next {
    Frame,
    Ip,
    EtherType(u16),
    Protocol(u8),
    Content,
}

/// A header and what comes next, or why there is none.
type Step = Result<(Layer, usize, Next), &'static str>;

struct Walk<'a> {
    layers: Vec<Layer>,
    rest: &'a [u8],
    /// What lies behind each IP packet or ARP message, the outermost first.
    trailers: Vec<&'a [u8]>,
    pseudo: Option<Pseudo>,
    quotes_left: usize,
}

impl Walk<'_> {
    fn all(&mut self, start: Next) {
        let mut next = start;
        for _ in 0..MAX_HEADERS {
            if self.rest.is_empty() {
                return;
            }
            match self.step(next) {
                Ok((layer, len, after)) => {
                    self.rest = self.rest.get(len..).unwrap_or_default();
                    self.layers.push(layer);
                    next = after;
                }
                Err(reason) => return self.end(Some(reason)),
            }
            if matches!(next, Next::Content) {
                return self.end(None);
            }
        }
        self.end(Some("too many headers"));
    }

    /// The rest as one layer of bytes.
    fn end(&mut self, reason: Option<&'static str>) {
        let bytes = std::mem::take(&mut self.rest).to_vec();
        if !bytes.is_empty() {
            self.layers.push(match reason {
                None => Layer::Payload(bytes),
                Some(reason) => Layer::Malformed(Malformed { reason, bytes }),
            });
        }
    }

    fn step(&mut self, next: Next) -> Step {
        match next {
            Next::Frame => {
                let (frame, len) = Ethernet::parse(self.rest)?;
                Ok((frame.into(), len, Next::EtherType(frame.ether_type.unwrap_or_default())))
            }
            Next::Ip if self.rest.first().is_some_and(|first| first >> 4 == 6) => self.ipv6(),
            Next::EtherType(VLAN | QINQ) => {
                let (tag, len) = Vlan::parse(self.rest)?;
                Ok((tag.into(), len, Next::EtherType(tag.ether_type.unwrap_or_default())))
            }
            Next::Ip | Next::EtherType(IPV4) | Next::Protocol(IPV4_IN_IP) => self.ipv4(),
            Next::EtherType(IPV6) | Next::Protocol(IPV6_IN_IP) => self.ipv6(),
            Next::EtherType(ARP) => {
                let (message, len) = Arp::parse(self.rest)?;
                self.cut(len);
                Ok((message.into(), len, Next::Content))
            }
            Next::Protocol(protocol) => self.transport(protocol),
            Next::EtherType(_) | Next::Content => Ok(self.content()),
        }
    }

    /// Everything as payload.
    fn content(&self) -> (Layer, usize, Next) {
        (Layer::Payload(self.rest.to_vec()), self.rest.len(), Next::Content)
    }

    /// What lies behind `end` is not part of the packet that begins here.
    fn cut(&mut self, end: usize) {
        let (packet, trailer) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = packet;
        self.trailers.push(trailer);
    }

    fn ipv4(&mut self) -> Step {
        let (ip, len, end) = Ipv4::parse(self.rest)?;
        self.cut(end);
        self.pseudo = Some(ip.pseudo());
        // Only the first fragment begins with a header of the protocol.
        let next = ip.protocol.filter(|_| ip.fragment_offset == 0).map_or(Next::Content, Next::Protocol);
        Ok((ip.into(), len, next))
    }

    fn ipv6(&mut self) -> Step {
        let (ip, len, end) = Ipv6::parse(self.rest)?;
        self.cut(end);
        self.pseudo = Some(ip.pseudo());
        Ok((ip.into(), len, ip.next_header.map_or(Next::Content, Next::Protocol)))
    }

    fn extension(&mut self, kind: u8) -> Step {
        let (extension, len) = Extension::parse(kind, self.rest)?;
        self.pseudo = extension.pseudo(self.pseudo);
        let later = matches!(extension.body, ExtensionBody::Fragment { offset: 1.., .. });
        let next = extension.next_header.filter(|_| !later).map_or(Next::Content, Next::Protocol);
        Ok((extension.into(), len, next))
    }

    fn transport(&mut self, protocol: u8) -> Step {
        let bytes = self.rest;
        let is_v6 = matches!(self.pseudo, Some(Pseudo::V6(..)));
        let done = |(layer, len): (Layer, usize)| Ok((layer, len, Next::Content));
        match protocol {
            TCP => stub_or(protocol, bytes, Tcp::parse(bytes, self.pseudo)),
            UDP => stub_or(protocol, bytes, Udp::parse(bytes, self.pseudo)),
            SCTP => stub_or(protocol, bytes, Sctp::parse(bytes)),
            ICMP => Icmpv4::parse(bytes, self.quotes_left).map(into_layer).and_then(done),
            ICMPV6 => Icmpv6::parse(bytes, self.pseudo, self.quotes_left).map(into_layer).and_then(done),
            IGMP => Igmp::parse(bytes).map(into_layer).and_then(done),
            HOP_BY_HOP | DESTINATION_OPTIONS | ROUTING | FRAGMENT | AUTHENTICATION | MOBILITY | HIP | SHIM6
                if is_v6 =>
            {
                self.extension(protocol)
            }
            _ => Ok(self.content()),
        }
    }
}

fn into_layer<T: Into<Layer>>((content, len): (T, usize)) -> (Layer, usize) {
    (content.into(), len)
}

/// A transport header, or as much of it as there is.
fn stub_or<T: Into<Layer>>(protocol: u8, bytes: &[u8], parsed: Result<(T, usize), &'static str>) -> Step {
    match parsed {
        Ok((header, len)) => Ok((header.into(), len, Next::Content)),
        Err(reason) => {
            let stub = Stub::parse(protocol, bytes).ok_or(reason)?;
            Ok((stub.into(), bytes.len(), Next::Content))
        }
    }
}

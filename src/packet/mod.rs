//! Bytes to headers and headers to bytes, on etherparse; the only room that names it.
//!
//! A [`Packet`] is a list of layers that owns its content. [`Packet::parse`] takes any bytes and never fails; what it cannot
//! make sense of stays as bytes in the place it was found, so that [`Packet::to_bytes`] gives back exactly what was
//! parsed. Lengths, checksums and next-protocol numbers are `None` where they are what they should be, and `Some` where
//! they differ: a parsed packet can be changed and written again with everything right, and a wrong field stays wrong on
//! request.
//!
//! [`FlowKey`] tells which conversation a packet belongs to without building any of this. No I/O, no clock.

pub mod answer;
mod ask;
mod build;
pub mod chain;
pub mod checksum;
pub mod flow;
mod group;
mod icmpv4;
mod icmpv6;
mod igmp;
mod ipv4;
mod ipv4_options;
mod ipv6;
mod layer;
mod link;
mod neighbor;
pub mod number;
mod parse;
mod reader;
mod sctp;
pub mod segment;
mod summary;
mod tcp;
mod template;
mod udp;

pub use answer::Answer;
pub use ask::neighbor_question;
pub use flow::FlowKey;
pub use group::GroupRecord;
pub use icmpv4::{Icmpv4, Icmpv4Body};
pub use icmpv6::{Icmpv6, Icmpv6Body};
pub use igmp::{Igmp, IgmpBody};
pub use ipv4::Ipv4;
pub use ipv4_options::{Ipv4Option, Route, Timestamps};
pub use ipv6::{Extension, ExtensionBody, Ipv6, Ipv6Option};
pub use layer::{IsLayer, Layer, Malformed};
pub use link::{Arp, Ethernet, Vlan};
pub use neighbor::NeighborOption;
pub use sctp::{Chunk, ChunkBody, Init, Sctp};
pub use tcp::{Tcp, TcpOption};
pub use template::Template;
pub use udp::{Stub, Udp};

use std::net::IpAddr;

/// Headers from the outermost in, and what they carry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packet {
    /// In the order of the bytes.
    pub layers: Vec<Layer>,
}

impl Packet {
    /// A packet of these layers.
    pub fn new(layers: impl IntoIterator<Item = Layer>) -> Packet {
        Packet { layers: layers.into_iter().collect() }
    }

    /// The first layer of this type: of nested IP headers the outer one.
    pub fn get<T: IsLayer>(&self) -> Option<&T> {
        self.layers.iter().find_map(T::of)
    }

    /// The same, to change it.
    pub fn get_mut<T: IsLayer>(&mut self) -> Option<&mut T> {
        self.layers.iter_mut().find_map(T::of_mut)
    }

    /// What the packet carries behind its headers.
    pub fn payload(&self) -> Option<&[u8]> {
        self.layers.iter().find_map(|layer| match layer {
            Layer::Payload(bytes) => Some(bytes.as_slice()),
            _ => None,
        })
    }

    /// Source and destination of the outer IP header.
    pub fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        self.layers.iter().find_map(|layer| match layer {
            Layer::Ipv4(ip) => Some((ip.source.into(), ip.destination.into())),
            Layer::Ipv6(ip) => Some((ip.source.into(), ip.destination.into())),
            _ => None,
        })
    }

    /// The packet an ICMP error is about.
    pub fn quoted(&self) -> Option<&Packet> {
        self.layers.iter().find_map(|layer| match layer {
            Layer::Icmpv4(message) => message.quoted.as_deref(),
            Layer::Icmpv6(message) => message.quoted.as_deref(),
            _ => None,
        })
    }

    /// What was wrong with the bytes this was parsed from, if anything.
    pub fn malformed(&self) -> Option<&Malformed> {
        self.get()
    }
}

fn quote_bytes(quoted: Option<&Packet>) -> Vec<u8> {
    quoted.map(Packet::to_bytes).unwrap_or_default()
}

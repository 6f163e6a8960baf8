//! One layer of a packet, and how layers name each other.

use super::number::{ARP, ICMP, ICMPV6, IGMP, IPV4, IPV4_IN_IP, IPV6, IPV6_IN_IP, QINQ, SCTP, TCP, UDP, VLAN};
use super::{Arp, Ethernet, Extension, Icmpv4, Icmpv6, Igmp, Ipv4, Ipv6, Sctp, Stub, Tcp, Udp, Vlan};

/// One header, or bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// Ethernet II.
    Ethernet(Ethernet),
    /// A VLAN tag.
    Vlan(Vlan),
    /// ARP.
    Arp(Arp),
    /// IPv4.
    Ipv4(Ipv4),
    /// IPv6.
    Ipv6(Ipv6),
    /// An IPv6 extension header.
    Extension(Extension),
    /// TCP.
    Tcp(Tcp),
    /// UDP.
    Udp(Udp),
    /// ICMP for IPv4.
    Icmpv4(Icmpv4),
    /// ICMP for IPv6.
    Icmpv6(Icmpv6),
    /// SCTP with its chunks.
    Sctp(Sctp),
    /// IGMP.
    Igmp(Igmp),
    /// The first bytes of a transport header that was cut.
    Stub(Stub),
    /// What the headers carry.
    Payload(Vec<u8>),
    /// Bytes behind the end of the innermost IP packet or ARP message that has no trailer yet: padding of the link, or
    /// what RFC 4884 puts behind a quote. Not counted in lengths, not covered by checksums.
    Trailer(Vec<u8>),
    /// Bytes that do not make sense where they are.
    Malformed(Malformed),
}

/// Bytes that do not make sense where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub reason: &'static str,
    /// From there to the end.
    pub bytes: Vec<u8>,
}

impl Layer {
    /// The ether type that announces this layer; `next` follows it.
    pub(super) fn ether_type(&self, next: Option<&Layer>) -> Option<u16> {
        match self {
            Layer::Vlan(_) => Some(if matches!(next, Some(Layer::Vlan(_))) { QINQ } else { VLAN }),
            Layer::Arp(_) => Some(ARP),
            Layer::Ipv4(_) => Some(IPV4),
            Layer::Ipv6(_) => Some(IPV6),
            _ => None,
        }
    }

    /// The IP protocol number that announces this layer.
    pub(super) fn protocol(&self) -> Option<u8> {
        match self {
            Layer::Ipv4(_) => Some(IPV4_IN_IP),
            Layer::Ipv6(_) => Some(IPV6_IN_IP),
            Layer::Extension(extension) => Some(extension.number()),
            Layer::Tcp(_) => Some(TCP),
            Layer::Udp(_) => Some(UDP),
            Layer::Icmpv4(_) => Some(ICMP),
            Layer::Icmpv6(_) => Some(ICMPV6),
            Layer::Sctp(_) => Some(SCTP),
            Layer::Igmp(_) => Some(IGMP),
            Layer::Stub(stub) => Some(stub.protocol),
            _ => None,
        }
    }
}

/// A type that is the content of one kind of layer.
pub trait IsLayer: Sized {
    /// The layer's content if it is of this kind.
    fn of(layer: &Layer) -> Option<&Self>;
    /// The same, to change it.
    fn of_mut(layer: &mut Layer) -> Option<&mut Self>;
}

macro_rules! is_layer {
    ($($kind:ident),*) => {$(
        impl IsLayer for $kind {
            fn of(layer: &Layer) -> Option<&$kind> {
                if let Layer::$kind(content) = layer { Some(content) } else { None }
            }

            fn of_mut(layer: &mut Layer) -> Option<&mut $kind> {
                if let Layer::$kind(content) = layer { Some(content) } else { None }
            }
        }

        impl From<$kind> for Layer {
            fn from(content: $kind) -> Layer {
                Layer::$kind(content)
            }
        }
    )*};
}

is_layer!(Ethernet, Vlan, Arp, Ipv4, Ipv6, Extension, Tcp, Udp, Icmpv4, Icmpv6, Sctp, Igmp, Stub, Malformed);

//! What a filter means once it is read: tests of packets, joined.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

/// A condition on a packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Expr {
    /// Every packet.
    Everything,
    Test(Test),
    Not(Box<Expr>),
    /// `a and b or c`, joined from left to right: both joints bind alike.
    Chain(Box<Expr>, Vec<(Joint, Expr)>),
    /// Any of them, each for itself: one that reads past the end of the packet does not hold, and the next is asked.
    Any(Vec<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Joint {
    And,
    Or,
}

impl Expr {
    pub fn join(self, joint: Joint, other: Expr) -> Expr {
        match self {
            Expr::Chain(first, mut rest) => {
                rest.push((joint, other));
                Expr::Chain(first, rest)
            }
            first => Expr::Chain(Box::new(first), vec![(joint, other)]),
        }
    }

    pub fn negate(self) -> Expr {
        match self {
            Expr::Not(inner) => *inner,
            other => Expr::Not(Box::new(other)),
        }
    }
}

/// Which end of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    Source,
    Destination,
    Either,
    Both,
}

/// Which headers an IPv4 address is looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    /// IPv4, ARP and RARP.
    All,
    /// The one of that `EtherType`.
    One(u32),
}

/// Which version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Family {
    V4,
    V6,
    Both,
}

/// Addresses that equal `bits` where `mask` has ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Net<T> {
    pub bits: T,
    pub mask: T,
}

/// A place in the text. No two tests differ by it alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(pub usize);

impl PartialEq for Place {
    fn eq(&self, _: &Place) -> bool {
        true
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// One test. `tags` is how many VLAN tags the words before it said there are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Test {
    /// `EtherType`, or below 1,501 the SAP of an 802.2 header.
    EtherType {
        tags: u32,
        value: u32,
    },
    /// The protocol in the IP header, and behind one IPv6 fragment header.
    Protocol {
        tags: u32,
        family: Family,
        number: u32,
    },
    /// Any of these IPv4 addresses.
    Host4 {
        tags: u32,
        scope: Scope,
        direction: Direction,
        nets: Vec<Net<u32>>,
    },
    /// Any of these IPv6 addresses.
    Host6 {
        tags: u32,
        direction: Direction,
        nets: Vec<Net<[u32; 4]>>,
    },
    /// Any of these ports, first and last, of any of these protocols.
    Port {
        tags: u32,
        protocols: Vec<u32>,
        direction: Direction,
        ranges: Vec<(u16, u16)>,
    },
    /// Any of these conversations, all of one protocol with ports: both ports as the header begins with them, and the source.
    Flow {
        family: Family,
        protocol: u32,
        members: Vec<(u32, IpAddr)>,
    },
    /// A hardware address.
    Ether {
        place: Place,
        direction: Direction,
        address: [u8; 6],
    },
    /// The group bit of the destination's hardware address.
    LinkMulticast {
        place: Place,
    },
    IpMulticast {
        tags: u32,
    },
    Ip6Multicast {
        tags: u32,
    },
    /// All ones or all zeros.
    IpBroadcast {
        tags: u32,
    },
    Vlan {
        place: Place,
        tags: u32,
        id: Option<u32>,
    },
    Relation {
        tags: u32,
        left: Arithmetic,
        relation: Relation,
        right: Arithmetic,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Relation {
    Equal,
    NotEqual,
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// An arithmetic expression, modulo 2^32.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Arithmetic {
    Number(u32),
    /// Length of the packet on the wire.
    Length,
    /// `size` bytes at `index` of a header. The place is that of the index.
    Load {
        place: Place,
        header: Header,
        index: Box<Arithmetic>,
        size: u32,
    },
    /// Opcode of an operation, without its operand's source. The place is that of the operator.
    Binary(Place, u16, Box<Arithmetic>, Box<Arithmetic>),
}

/// What an offset counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Header {
    /// The beginning of the packet.
    Link,
    /// The header after the link's, if its `EtherType` is this.
    Network(u32),
    /// The header after IPv4's, if it is of this protocol and in this packet: the first fragment.
    Transport(u32),
    /// The header after IPv6's fixed one, if it is `ICMPv6`.
    Icmp6,
}

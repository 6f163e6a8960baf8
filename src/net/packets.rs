//! Packets through the door: send any, capture those one asked for, find the way.

use std::net::IpAddr;
use std::rc::Rc;

use super::{NetFuture, Origin};
use crate::capture::{Interest, Observer, Subscription};
use crate::model::{Interface, NetError, PacketTotals, Protocol, Route, Timestamp};
use crate::packet::chain::headers;
use crate::packet::number::{FRAGMENT, ROUTING};

/// One packet on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// An IPv4 or IPv6 packet, byte-exact; route, neighbour and link header are found for it.
    Ip {
        /// From the IP header on.
        packet: Rc<[u8]>,
        /// The interface, where the destination does not say: link-local and multicast addresses.
        interface: Option<u32>,
    },
    /// A whole frame, byte-exact, out of one interface.
    Frame {
        /// From the link header on.
        frame: Rc<[u8]>,
        /// The interface's number.
        interface: u32,
    },
}

/// What our own kernel does about what arrives at a reserved port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Nothing: whoever reserved the port talks.
    Silent,
    /// What it does at ports nobody has: it resets TCP connections, so that a probed host does not keep them half open.
    Resets,
}

/// Which ports are to be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
    /// So many, one after the other.
    pub count: u16,
    /// What our own kernel does about what arrives there.
    pub kernel: Kernel,
}

impl Ports {
    /// One port whose answers the kernel leaves alone.
    pub fn one(protocol: Protocol) -> Ports {
        Ports { protocol, count: 1, kernel: Kernel::Silent }
    }
}

/// Local ports nobody else gets. Dropping them gives them back.
pub trait ReservedPort {
    /// The number of the first.
    fn port(&self) -> u16;
}

/// What became of a packet: when the kernel took it, or why it did not.
pub type Sent = Result<Timestamp, NetError>;

/// Sends and captures packets, and knows the ways they take.
pub trait Packets {
    /// Whether packets are possible at all; a `privilege` error if not. Tried for, not guessed.
    fn permitted(&self) -> Result<(), NetError>;

    /// The interfaces of this machine, in the kernel's order.
    fn interfaces(&self) -> NetFuture<Vec<Rc<Interface>>>;

    /// The way to `to`; unreachable when there is none. `interface` decides for link-local and multicast addresses.
    fn route(&self, to: IpAddr, interface: Option<u32>) -> NetFuture<Route>;

    /// Sends `packets` and says what became of each, in their order, once the kernel took or refused all of them. An error
    /// of the whole means that none was sent. Packets to the same next hop go out in order; one that waits for its
    /// neighbour does not hold up those to others. Waits for neighbours and for room, blocks nothing; dropped, what is not
    /// sent yet is not sent.
    fn send(&self, packets: Vec<Outgoing>, origin: &Origin) -> NetFuture<Vec<Sent>>;

    /// Reserves local ports of `local` for raw probes; of every address of both families, if it is `::`.
    fn reserve(&self, ports: Ports, local: IpAddr, origin: &Origin) -> NetFuture<Box<dyn ReservedPort>>;

    /// Subscribes to the packets `interest` describes: what goes by once this returns is seen. What went by just before may
    /// be seen too.
    fn capture(&self, interest: Interest, origin: &Origin) -> NetFuture<Subscription>;

    /// From now on `observer`, too, is shown every captured packet that somebody wants.
    fn observe(&self, observer: Observer);

    /// What became of all packets captured so far.
    fn captured(&self) -> PacketTotals;
}

/// Where an IP packet says it goes; none if it is too short to be one.
pub fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 if packet.len() >= 20 => Some(IpAddr::from(*packet.get(16..)?.first_chunk::<4>()?)),
        6 if packet.len() >= 40 => Some(IpAddr::from(*packet.get(24..)?.first_chunk::<16>()?)),
        _ => None,
    }
}

/// Whether an IP packet names further hosts it shall pass through: by loose or strict source routing in IPv4 (RFC 791), by
/// a routing header in IPv6 (RFC 8200). It then reaches hosts other than its destination.
pub fn is_source_routed(packet: &[u8]) -> bool {
    match packet.first().map(|first| (first >> 4, usize::from(first & 15) * 4)) {
        Some((4, header)) => source_route_option(packet.get(20..header.min(packet.len())).unwrap_or_default()),
        Some((6, _)) => routing_header(packet),
        _ => false,
    }
}

fn source_route_option(mut options: &[u8]) -> bool {
    const END: u8 = 0;
    const NOTHING: u8 = 1;
    const LOOSE: u8 = 131;
    const STRICT: u8 = 137;
    while let Some(kind) = options.first() {
        let length = match *kind {
            END => return false,
            LOOSE | STRICT => return true,
            NOTHING => 1,
            _ => options.get(1).map_or(0, |length| usize::from(*length)).max(2),
        };
        options = options.get(length..).unwrap_or_default();
    }
    false
}

/// A later fragment is read as a first one that names what follows: nothing is left to how the other side puts them together.
fn routing_header(packet: &[u8]) -> bool {
    headers(packet).any(|(number, bytes)| number == ROUTING || number == FRAGMENT && bytes.first() == Some(&ROUTING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_of_whole_headers_only() {
        let mut v4 = vec![0; 20];
        v4[0] = 0x45;
        v4[16..].copy_from_slice(&[10, 0, 0, 9]);
        assert_eq!(destination(&v4), Some([10, 0, 0, 9].into()));
        assert_eq!(destination(&v4[..19]), None);
        let mut v6 = vec![0; 40];
        v6[0] = 0x60;
        v6[39] = 1;
        assert_eq!(destination(&v6), Some(std::net::Ipv6Addr::LOCALHOST.into()));
        assert_eq!(destination(&v6[..39]), None);
        assert_eq!(destination(&[]), None);
        assert_eq!(destination(&[0x75; 60]), None);
    }

    #[test]
    fn source_routes_are_seen_behind_other_options() {
        let with = |options: &[u8]| {
            let mut packet = vec![0; 20];
            packet[0] = 0x40 | (5 + options.len() as u8 / 4);
            packet.extend(options);
            packet
        };
        assert!(is_source_routed(&with(&[1, 7, 3, 4, 131, 3, 4, 0])));
        assert!(is_source_routed(&with(&[148, 4, 0, 0, 137, 3, 4, 0])));
        assert!(!is_source_routed(&with(&[7, 3, 4, 0])));
        assert!(!is_source_routed(&with(&[0, 131, 3, 4])), "after the end of the options");
        assert!(!is_source_routed(&with(&[7, 0, 131, 4]).as_slice()[..20]));
        let mut v6 = vec![0; 64];
        v6[0] = 0x60;
        v6[40] = 43;
        assert!(is_source_routed(&v6));
        v6[40] = 6;
        assert!(!is_source_routed(&v6));
        v6[6] = 44;
        v6[40] = 43;
        v6[41] = 200; // reserved here, no length
        assert!(is_source_routed(&v6), "behind a fragment header");
        v6[43] = 8;
        assert!(is_source_routed(&v6), "told by a later fragment");
        v6[40] = 6;
        assert!(!is_source_routed(&v6));
    }
}

//! Packets through the door: send any, capture those one asked for, find the way.

use std::net::IpAddr;
use std::rc::Rc;

use super::NetFuture;
use crate::model::{Interface, Protocol, Route, Timestamp};

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

/// A local port nobody else gets and whose unexpected answers the kernel leaves alone. Dropping it gives it back.
pub trait ReservedPort {
    /// Its number.
    fn port(&self) -> u16;
}

/// Sends and captures packets, and knows the ways they take.
pub trait Packets {
    /// The interfaces of this machine, in the kernel's order.
    fn interfaces(&self) -> NetFuture<Vec<Rc<Interface>>>;

    /// The way to `to`; unreachable when there is none. `interface` decides for link-local and multicast addresses.
    fn route(&self, to: IpAddr, interface: Option<u32>) -> NetFuture<Route>;

    /// Sends `packets` in order and returns when the kernel took each. Waits for neighbours and for room, blocks nothing.
    fn send(&self, packets: Vec<Outgoing>) -> NetFuture<Vec<Timestamp>>;

    /// Reserves a local port of `local` for raw TCP, UDP or SCTP probes.
    fn reserve(&self, protocol: Protocol, local: IpAddr) -> NetFuture<Box<dyn ReservedPort>>;
}

//! What a simulated network was asked, and what it answered.

use std::cell::Cell;

use crate::packet::number::{ICMP, ICMPV6, SCTP, TCP, UDP};

/// Numbers of a whole run.
#[derive(Debug, Default)]
pub struct Count {
    /// SYNs that reached a host or the place where none is.
    pub syns: Cell<u64>,
    /// Datagrams likewise, raw ones among them.
    pub datagrams: Cell<u64>,
    /// Connections made.
    pub connections: Cell<u64>,
    /// Raw packets that reached a host, a router or the place where nobody is.
    pub arrived: ByKind,
    /// Raw packets that hosts and routers sent back, also those that links lost; ICMP errors are ICMP.
    pub returned: ByKind,
    /// Raw packets no stack takes: cut, or with a wrong checksum.
    pub malformed: Cell<u64>,
}

/// Raw packets by what they carry.
#[derive(Debug, Default)]
pub struct ByKind {
    /// TCP.
    pub tcp: Cell<u64>,
    /// UDP.
    pub udp: Cell<u64>,
    /// ICMP of both families.
    pub icmp: Cell<u64>,
    /// SCTP.
    pub sctp: Cell<u64>,
    /// ARP.
    pub arp: Cell<u64>,
    /// Other IP protocols.
    pub other: Cell<u64>,
}

/// One more.
pub fn increment(number: &Cell<u64>) {
    number.set(number.get() + 1);
}

impl ByKind {
    /// One more IP packet of this protocol.
    pub fn add(&self, protocol: u8) {
        increment(match protocol {
            TCP => &self.tcp,
            UDP => &self.udp,
            ICMP | ICMPV6 => &self.icmp,
            SCTP => &self.sctp,
            _ => &self.other,
        });
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        [&self.tcp, &self.udp, &self.icmp, &self.sctp, &self.arp, &self.other].iter().map(|number| number.get()).sum()
    }
}

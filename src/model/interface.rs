//! Interfaces of this machine, hardware addresses, and the way to a host.

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

/// A 48-bit hardware address (IEEE 802), printed as `02:00:5e:10:00:01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Everybody on the link.
    pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);

    /// The address of that text: six pairs of hexadecimal digits with colons between them, in either case.
    pub fn parse(text: &str) -> Option<MacAddr> {
        let mut octets = [0; 6];
        let mut pairs = text.split(':');
        for octet in &mut octets {
            let pair = pairs.next().filter(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
            *octet = u8::from_str_radix(pair, 16).ok()?;
        }
        pairs.next().is_none().then_some(MacAddr(octets))
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.0.iter().enumerate() {
            write!(f, "{}{octet:02x}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

/// What packets of a link begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// Ethernet II, also the loopback interface (DLT 1).
    Ethernet,
    /// An IP packet at once: tunnels and other links without addresses (DLT 101).
    Ip,
}

/// What kind of link an interface is on, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkKind {
    /// Ethernet and whatever behaves like it.
    Ethernet,
    /// This machine only.
    Loopback,
    /// A tunnel or serial line: no neighbours to ask for.
    PointToPoint,
    /// None of these.
    Other,
}

/// One address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InterfaceAddr {
    /// The address.
    pub addr: IpAddr,
    /// Bits of the network it is in.
    pub prefix: u8,
}

/// One interface of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's number for it; the scope of link-local addresses.
    pub index: u32,
    /// Its name: `eth0`.
    pub name: Rc<str>,
    /// The link it is on.
    pub kind: LinkKind,
    /// How its packets begin.
    pub link: LinkType,
    /// Its hardware address, where links have such.
    pub mac: Option<MacAddr>,
    /// Largest IP packet, in bytes.
    pub mtu: u32,
    /// Whether it is up and has a carrier.
    pub up: bool,
    /// Its addresses, IPv4 first.
    pub addrs: Vec<InterfaceAddr>,
}

/// The way to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The interface packets leave by.
    pub interface: Rc<Interface>,
    /// Our address on the way.
    pub source: IpAddr,
    /// Who forwards them; none when the host is on the link.
    pub gateway: Option<IpAddr>,
}

/// One entry of a routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRoute {
    /// The first address of the network it leads to.
    pub network: IpAddr,
    /// Bits all addresses of the network share; zero for the default route.
    pub prefix: u8,
    /// Number of the interface packets leave by.
    pub interface: u32,
    /// Who forwards them; none when the network is on the link.
    pub gateway: Option<IpAddr>,
    /// The lower, the better, among entries for the same network.
    pub metric: u32,
    /// The kernel's number of the table; the main one is 254.
    pub table: u32,
}

impl NetworkRoute {
    /// The table without policy rules of one's own.
    pub const MAIN: u32 = 254;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_address_is_read_as_it_is_printed() {
        let mac = MacAddr([0x02, 0x4c, 0, 0xff, 0x10, 1]);
        assert_eq!(MacAddr::parse(&mac.to_string()), Some(mac));
        assert_eq!(MacAddr::parse("02:4C:00:FF:10:01"), Some(mac));
        for wrong in
            ["", "02:4c:00:ff:10", "02:4c:00:ff:10:01:02", "02:4c:00:ff:10:+1", "2:4c:00:ff:10:01", "é:4c:00:ff:10:01"]
        {
            assert_eq!(MacAddr::parse(wrong), None, "{wrong}");
        }
    }
}

//! Whose packet it is: the addresses a fence looks at, read in one pass and without allocating.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::LinkType;
use crate::packet::chain::upper_layer;
use crate::packet::number::ICMPV6;

/// VLAN tags looked through. Two are usual (IEEE 802.1ad); more is somebody's joke.
const MOST_TAGS: usize = 4;

/// Up to four addresses: the packet's own two, and those of the packet an ICMP error quotes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ends {
    addrs: [Option<IpAddr>; 4],
}

impl Ends {
    /// The addresses in `bytes`; none if it is neither IP nor ARP, or cut before they end.
    pub fn of(link: LinkType, bytes: &[u8]) -> Ends {
        let mut ends = Ends::default();
        let found = match link {
            LinkType::Ip => ends.add_ip(bytes),
            LinkType::Ethernet => ends.add_frame(bytes),
        };
        found.unwrap_or_default(); // what was read before it was cut still counts
        ends
    }

    /// Each address once.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> {
        let addrs = self.addrs;
        let fresh = move |index: usize| !addrs[..index].contains(&addrs[index]);
        (0..addrs.len()).filter(move |index| fresh(*index)).filter_map(move |index| addrs[index])
    }

    fn add(&mut self, pair: [IpAddr; 2]) {
        let free = if self.addrs[0].is_none() { 0 } else { 2 };
        self.addrs[free] = Some(pair[0]);
        self.addrs[free + 1] = Some(pair[1]);
    }

    fn add_frame(&mut self, frame: &[u8]) -> Option<()> {
        let mut at = 12;
        for _ in 0..=MOST_TAGS {
            let payload = frame.get(at + 2..)?;
            match u16_at(frame, at)? {
                0x0800 | 0x86dd => return self.add_ip(payload),
                0x0806 => return self.add_arp(payload),
                0x8100 | 0x88a8 | 0x9100 => at += 4,
                _ => return None,
            }
        }
        None
    }

    /// Sender and target protocol address of RFC 826, when the protocol is IPv4.
    fn add_arp(&mut self, arp: &[u8]) -> Option<()> {
        let (hardware, protocol) = (usize::from(*arp.get(4)?), *arp.get(5)?);
        if u16_at(arp, 2)? != 0x0800 || protocol != 4 {
            return None;
        }
        let sender = v4_at(arp, 8 + hardware)?;
        self.add([sender, v4_at(arp, 12 + 2 * hardware)?]);
        Some(())
    }

    fn add_ip(&mut self, packet: &[u8]) -> Option<()> {
        match packet.first()? >> 4 {
            4 => {
                self.add([v4_at(packet, 12)?, v4_at(packet, 16)?]);
                let fragment_offset = u16_at(packet, 6)? & 0x1fff;
                let header = usize::from(packet[0] & 0x0f) * 4;
                if *packet.get(9)? == 1 && fragment_offset == 0 {
                    // Unreachable, source quench, redirect, time exceeded, parameter problem quote a packet (RFC 792).
                    self.add_quoted(packet.get(header..)?, |kind| matches!(kind, 3 | 4 | 5 | 11 | 12))?;
                }
                Some(())
            }
            6 => {
                self.add([v6_at(packet, 8)?, v6_at(packet, 24)?]);
                let (_, message) = upper_layer(packet).filter(|(protocol, _)| *protocol == ICMPV6)?;
                // Types below 128 are errors (RFC 4443 section 2.1).
                self.add_quoted(message, |kind| kind < 128)
            }
            _ => None,
        }
    }

    fn add_quoted(&mut self, message: &[u8], is_error: impl Fn(u8) -> bool) -> Option<()> {
        let quoted = message.get(8..).filter(|_| message.first().is_some_and(|kind| is_error(*kind)))?;
        match quoted.first()? >> 4 {
            4 => self.add([v4_at(quoted, 12)?, v4_at(quoted, 16)?]),
            6 => self.add([v6_at(quoted, 8)?, v6_at(quoted, 24)?]),
            _ => return None,
        }
        Some(())
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_be_bytes)
}

fn v4_at(bytes: &[u8], at: usize) -> Option<IpAddr> {
    array_at::<4>(bytes, at).map(|octets| Ipv4Addr::from(octets).into())
}

fn v6_at(bytes: &[u8], at: usize) -> Option<IpAddr> {
    array_at::<16>(bytes, at).map(|octets| Ipv6Addr::from(octets).into())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{arp, ethernet, icmp_error, ipv4, ipv6, tagged};
    use super::*;
    use proptest::prelude::*;

    fn ends(link: LinkType, bytes: &[u8]) -> Vec<String> {
        Ends::of(link, bytes).iter().map(|addr| addr.to_string()).collect()
    }

    #[test]
    fn own_and_quoted_addresses_are_found() {
        let udp = ipv4("10.0.0.1", "10.0.0.2", 17, &[0; 8]);
        assert_eq!(ends(LinkType::Ip, &udp), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(ends(LinkType::Ethernet, &ethernet(0x0800, &udp)), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(ends(LinkType::Ethernet, &tagged(7, &tagged(5, &ethernet(0x0800, &udp)))), ["10.0.0.1", "10.0.0.2"]);
        let error = icmp_error("10.0.0.9", "10.0.0.1", &udp);
        assert_eq!(ends(LinkType::Ip, &error), ["10.0.0.9", "10.0.0.1", "10.0.0.2"]);
        let six = ipv6("fe80::1", "fe80::2", 17, &[0; 8]);
        assert_eq!(ends(LinkType::Ethernet, &ethernet(0x86dd, &six)), ["fe80::1", "fe80::2"]);
        let mut message = vec![1, 0, 0, 0, 0, 0, 0, 0];
        message.extend(&six);
        let options = [vec![58, 0, 1, 4, 0, 0, 0, 0], message].concat();
        assert_eq!(ends(LinkType::Ip, &ipv6("fe80::9", "fe80::1", 0, &options)), ["fe80::9", "fe80::1", "fe80::2"]);
        assert_eq!(ends(LinkType::Ethernet, &arp("10.0.0.7", "10.0.0.8")), ["10.0.0.7", "10.0.0.8"]);
    }

    #[test]
    fn an_echo_and_a_later_fragment_quote_nobody() {
        let mut echo = icmp_error("10.0.0.9", "10.0.0.1", &ipv4("1.1.1.1", "2.2.2.2", 6, &[0; 8]));
        echo[20] = 8;
        assert_eq!(ends(LinkType::Ip, &echo), ["10.0.0.9", "10.0.0.1"]);
        (echo[20], echo[7]) = (3, 1);
        assert_eq!(ends(LinkType::Ip, &echo), ["10.0.0.9", "10.0.0.1"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120), kind in 0..4u8) {
            let mut bytes = bytes;
            let ethertype: [u8; 2] = [[8, 0], [0x86, 0xdd], [8, 6], [0x81, 0]][usize::from(kind)];
            if bytes.len() > 14 {
                bytes[12..14].copy_from_slice(&ethertype);
            }
            Ends::of(LinkType::Ethernet, &bytes);
            Ends::of(LinkType::Ip, &bytes);
        }
    }
}

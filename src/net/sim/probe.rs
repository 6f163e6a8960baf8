//! A packet of ours as the other end reads it: at fixed offsets, nothing copied, nothing trusted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::packet::checksum::{Pseudo, crc32c, internet, transport};
use crate::packet::number::{DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, ICMP, ICMPV6, ROUTING, SCTP, TCP, UDP};

/// IPv6 extension headers read on the way to a transport header.
const MAX_EXTENSIONS: usize = 8;

/// An IP packet whose checksums are right.
#[derive(Debug, Clone, Copy)]
pub struct Probe<'a> {
    /// From.
    pub source: IpAddr,
    /// To.
    pub destination: IpAddr,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// What it carries.
    pub protocol: u8,
    /// Where the header says so, in bytes.
    pub protocol_at: usize,
    /// Header and content; not what the link put behind them.
    pub packet: &'a [u8],
    /// From the transport header on.
    pub content: &'a [u8],
    /// One of several parts; whatever it carries is not looked at.
    pub is_fragment: bool,
}

/// Two bytes, highest first.
pub fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
}

/// Four bytes, highest first.
pub fn long(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

impl<'a> Probe<'a> {
    /// Reads a packet that begins with its IP header; none for what a stack or a router drops without a word.
    pub fn read(bytes: &'a [u8]) -> Option<Probe<'a>> {
        let probe = match bytes.first()? >> 4 {
            4 => Probe::read_v4(bytes)?,
            6 => Probe::read_v6(bytes)?,
            _ => return None,
        };
        (probe.is_fragment || probe.is_sound()).then_some(probe)
    }

    fn read_v4(bytes: &'a [u8]) -> Option<Probe<'a>> {
        let fixed: &[u8; 20] = bytes.first_chunk()?;
        let header = usize::from(fixed[0] & 15) * 4;
        let packet = bytes.get(..usize::from(word(fixed, 2)?))?;
        let (head, content) = packet.split_at_checked(header)?;
        if header < fixed.len() || internet(head) != 0 {
            return None;
        }
        Some(Probe {
            source: Ipv4Addr::from(*fixed[12..].first_chunk()?).into(),
            destination: Ipv4Addr::from(*fixed[16..].first_chunk()?).into(),
            ttl: fixed[8],
            protocol: fixed[9],
            protocol_at: 9,
            packet,
            content,
            is_fragment: word(fixed, 6)? & 0x3fff != 0,
        })
    }

    fn read_v6(bytes: &'a [u8]) -> Option<Probe<'a>> {
        let fixed: &[u8; 40] = bytes.first_chunk()?;
        let packet = bytes.get(..40 + usize::from(word(fixed, 4)?))?;
        let mut probe = Probe {
            source: Ipv6Addr::from(*fixed[8..].first_chunk()?).into(),
            destination: Ipv6Addr::from(*fixed[24..].first_chunk()?).into(),
            ttl: fixed[7],
            protocol: fixed[6],
            protocol_at: 6,
            packet,
            content: packet.get(40..)?,
            is_fragment: false,
        };
        for _ in 0..MAX_EXTENSIONS {
            let length = match probe.protocol {
                HOP_BY_HOP | DESTINATION_OPTIONS | ROUTING => 8 + usize::from(*probe.content.get(1)?) * 8,
                FRAGMENT => {
                    probe.is_fragment = word(probe.content, 2)? & 0xfff9 != 0;
                    8
                }
                _ => return Some(probe),
            };
            probe.protocol_at = packet.len() - probe.content.len();
            probe.protocol = *probe.content.first()?;
            probe.content = probe.content.get(length..)?;
            if probe.is_fragment {
                return Some(probe);
            }
        }
        None
    }

    /// Whether the transport header is whole and its checksum right. Any other protocol is taken as it is.
    fn is_sound(&self) -> bool {
        match self.protocol {
            TCP => self.content.len() >= 20 && self.sum() == 0,
            UDP => {
                let told = word(self.content, 4).map(usize::from);
                let has_none = self.source.is_ipv4() && word(self.content, 6) == Some(0);
                told == Some(self.content.len()) && self.content.len() >= 8 && (has_none || self.sum() == 0)
            }
            ICMP => self.content.len() >= 8 && internet(self.content) == 0,
            ICMPV6 => self.content.len() >= 8 && self.sum() == 0,
            SCTP => {
                let parts = self.content.split_at_checked(8).zip(self.content.get(12..));
                let sum = parts.map(|((head, _), chunks)| crc32c(&[head, &[0; 4], chunks]).swap_bytes());
                self.content.len() > 12 && sum == long(self.content, 8)
            }
            _ => true,
        }
    }

    fn sum(&self) -> u16 {
        let pseudo = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Some(Pseudo::V4(source, destination)),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Some(Pseudo::V6(source, destination)),
            _ => None,
        };
        transport(pseudo, self.protocol, &[], self.content)
    }

    /// Whether an ICMP error may be sent about it (RFC 1122 section 3.2.2, RFC 4443 section 2.4).
    pub fn may_be_complained_of(&self) -> bool {
        let is_query = match (self.protocol, self.content.first()) {
            (ICMP, Some(kind)) => matches!(kind, 8 | 13 | 15 | 17),
            (ICMPV6, Some(kind)) => *kind >= 128,
            _ => true,
        };
        is_query && !self.is_fragment && !self.destination.is_multicast() && !self.source.is_unspecified()
    }
}

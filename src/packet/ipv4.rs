//! The IPv4 header (RFC 791).

use std::net::Ipv4Addr;

use etherparse::{IpDscp, IpEcn, IpFragOffset, IpNumber, Ipv4Header};

use super::checksum::{Pseudo, internet};
use super::ipv4_options::{self, Ipv4Option};
use super::number::RESERVED;
use super::reader::pad;

/// Bytes of the header without options.
const FIXED: usize = 20;

/// An IPv4 header. A field of `None` is written as it should be; `Some` as told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipv4 {
    /// Length of the header in units of four bytes.
    pub header_length: Option<u8>,
    /// Type of service: six bits of DSCP, two of ECN.
    pub tos: u8,
    /// Length of header and what follows, in bytes.
    pub total_length: Option<u16>,
    /// Identification.
    pub id: u16,
    /// The flag that must be zero.
    pub reserved: bool,
    /// Don't fragment.
    pub dont_fragment: bool,
    /// More fragments follow.
    pub more_fragments: bool,
    /// Where this fragment belongs, in units of eight bytes; 13 bits.
    pub fragment_offset: u16,
    /// Hops left.
    pub ttl: u8,
    /// What follows; none: as the next layer is.
    pub protocol: Option<u8>,
    /// Checksum of the header.
    pub checksum: Option<u16>,
    /// From.
    pub source: Ipv4Addr,
    /// To, or the next hop of a source route.
    pub destination: Ipv4Addr,
    /// Options in their order, filled up with ends of list to a multiple of four bytes.
    pub options: Vec<Ipv4Option>,
}

impl Default for Ipv4 {
    fn default() -> Ipv4 {
        Ipv4 {
            header_length: None,
            tos: 0,
            total_length: None,
            id: 0,
            reserved: false,
            dont_fragment: false,
            more_fragments: false,
            fragment_offset: 0,
            ttl: 64,
            protocol: None,
            checksum: None,
            source: Ipv4Addr::UNSPECIFIED,
            destination: Ipv4Addr::UNSPECIFIED,
            options: Vec::new(),
        }
    }
}

impl Ipv4 {
    /// The header, its length, and where the packet ends in `bytes`: what follows is not part of it.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Ipv4, usize, usize), &'static str> {
        let fixed: &[u8; FIXED] = bytes.first_chunk().ok_or("IPv4 header cut short")?;
        let told = fixed[0] & 15;
        if fixed[0] >> 4 != 4 {
            return Err("not an IPv4 header");
        }
        if usize::from(told) * 4 < FIXED {
            return Err("IPv4 header length below 20 bytes");
        }
        let header_len = (usize::from(told) * 4).min(bytes.len());
        let options = bytes.get(FIXED..header_len).unwrap_or_default();
        let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let total = usize::from(word(2));
        // Segmentation offload leaves a length of 0; a length within the header says nothing about the rest.
        let end = if total < header_len { bytes.len() } else { total.min(bytes.len()) };
        let computed_total = computed_length(end);
        let mut zeroed = bytes.get(..header_len).unwrap_or_default().to_vec();
        zeroed.get_mut(10..12).unwrap_or_default().fill(0);
        let header = Ipv4 {
            header_length: (header_len != usize::from(told) * 4).then_some(told),
            tos: fixed[1],
            total_length: Some(word(2)).filter(|told| *told != computed_total),
            id: word(4),
            reserved: fixed[6] & 0x80 != 0,
            dont_fragment: fixed[6] & 0x40 != 0,
            more_fragments: fixed[6] & 0x20 != 0,
            fragment_offset: word(6) & 0x1fff,
            ttl: fixed[8],
            protocol: Some(fixed[9]),
            checksum: Some(word(10)).filter(|told| *told != internet(&zeroed)),
            source: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]),
            destination: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]),
            options: ipv4_options::parse(options),
        };
        Ok((header, header_len, end))
    }

    /// The header in front of `body` bytes of a protocol.
    pub(super) fn write(&self, next: Option<u8>, body: usize) -> Vec<u8> {
        let mut options = ipv4_options::write(&self.options);
        pad_options(&mut options, self.header_length);
        let length = FIXED + options.len();
        let header = Ipv4Header {
            dscp: IpDscp::try_new(self.tos >> 2).unwrap_or_default(),
            ecn: IpEcn::try_new(self.tos & 3).unwrap_or_default(),
            total_len: self.total_length.unwrap_or(computed_length(length + body)),
            identification: self.id,
            dont_fragment: self.dont_fragment,
            more_fragments: self.more_fragments,
            fragment_offset: IpFragOffset::try_new(self.fragment_offset & 0x1fff).unwrap_or_default(),
            time_to_live: self.ttl,
            protocol: IpNumber(self.protocol.or(next).unwrap_or(RESERVED)),
            header_checksum: 0,
            source: self.source.octets(),
            destination: self.destination.octets(),
            options: [].into(),
        };
        let mut out = header.to_bytes().to_vec();
        out.extend(options);
        // What etherparse would not write: lengths as told, the flag that must be zero.
        if let Some(first) = out.first_mut() {
            *first = 0x40 | (self.header_length.unwrap_or((length / 4) as u8) & 15);
        }
        if let Some(flags) = out.get_mut(6).filter(|_| self.reserved) {
            *flags |= 0x80;
        }
        let checksum = self.checksum.unwrap_or_else(|| internet(&out));
        out.get_mut(10..12).unwrap_or_default().copy_from_slice(&checksum.to_be_bytes());
        out
    }

    /// The addresses a transport checksum covers: a source route that is not used up ends elsewhere.
    pub(super) fn pseudo(&self) -> Pseudo {
        let last = self.options.iter().find_map(Ipv4Option::final_destination);
        Pseudo::V4(self.source, last.unwrap_or(self.destination))
    }
}

/// Options cut off by the end of a quote, as a header length larger than the header tells, are left as they are.
fn pad_options(options: &mut Vec<u8>, header_length: Option<u8>) {
    let cut = header_length.is_some_and(|told| usize::from(told) * 4 > FIXED + options.len());
    if !cut {
        pad(options, 4);
    }
}

/// The length field of a packet of `length` bytes; 0 where it does not fit, as segmentation offload leaves it.
fn computed_length(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(0)
}

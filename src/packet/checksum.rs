//! The Internet checksum (RFC 1071), what it covers beside the packet (RFC 9293, RFC 8200), and `CRC32c` (RFC 9260).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use etherparse::checksum::Sum16BitWords;

/// Addresses a transport checksum covers. The destination is the final one: behind a source route or a routing header it
/// is not the one in the IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pseudo {
    /// RFC 9293 section 3.1.
    V4(Ipv4Addr, Ipv4Addr),
    /// RFC 8200 section 8.1.
    V6(Ipv6Addr, Ipv6Addr),
}

impl Pseudo {
    /// Source and destination.
    pub fn addresses(self) -> (IpAddr, IpAddr) {
        match self {
            Pseudo::V4(source, destination) => (source.into(), destination.into()),
            Pseudo::V6(source, destination) => (source.into(), destination.into()),
        }
    }
}

/// The Internet checksum of `bytes`: what belongs into a checksum field that is zero in them.
pub fn internet(bytes: &[u8]) -> u16 {
    u16::from_be(Sum16BitWords::new().add_slice(bytes).ones_complement())
}

/// The checksum of a transport message in two parts, its checksum field zero; `head` has an even length. Without
/// addresses it covers the message alone. Of a message with its checksum in place it is 0 if that is right.
pub fn transport(pseudo: Option<Pseudo>, protocol: u8, head: &[u8], body: &[u8]) -> u16 {
    let length = head.len() + body.len();
    let sum = match pseudo {
        None => Sum16BitWords::new(),
        Some(Pseudo::V4(source, destination)) => Sum16BitWords::new()
            .add_4bytes(source.octets())
            .add_4bytes(destination.octets())
            .add_2bytes([0, protocol])
            .add_2bytes((length as u16).to_be_bytes()),
        Some(Pseudo::V6(source, destination)) => Sum16BitWords::new()
            .add_16bytes(source.octets())
            .add_16bytes(destination.octets())
            .add_4bytes((length as u32).to_be_bytes())
            .add_4bytes([0, 0, 0, protocol]),
    };
    u16::from_be(sum.add_slice(head).add_slice(body).ones_complement())
}

/// Where ICMP and IGMP messages have their checksum.
const MESSAGE_CHECKSUM: Range<usize> = 2..4;

/// The checksum `message` has where it is not the one `sum` makes of it.
pub(super) fn differing(message: &[u8], sum: impl Fn(&[u8]) -> u16) -> Option<u16> {
    let told = u16::from_be_bytes(*message.get(MESSAGE_CHECKSUM)?.first_chunk()?);
    let mut zeroed = message.to_vec();
    zeroed.get_mut(MESSAGE_CHECKSUM).unwrap_or_default().fill(0);
    Some(told).filter(|told| *told != sum(&zeroed))
}

/// The header of a message with its checksum: the one told, or what `sum` makes of the header, its checksum zero, and `body`.
pub(super) fn sealed(header: Vec<u8>, body: &[u8], told: Option<u16>, sum: impl Fn(&[u8]) -> u16) -> Vec<u8> {
    let header_len = header.len();
    let mut out = header;
    out.extend(body);
    let checksum = told.unwrap_or_else(|| sum(&out));
    out.get_mut(MESSAGE_CHECKSUM).unwrap_or_default().copy_from_slice(&checksum.to_be_bytes());
    out.truncate(header_len);
    out
}

/// CRC-32C with the usual reflection and complement.
pub fn crc32c(parts: &[&[u8]]) -> u32 {
    let bytes = parts.iter().flat_map(|part| part.iter());
    !bytes.fold(!0, |crc, byte| (crc >> 8) ^ CRC32C[usize::from((crc as u8) ^ byte)])
}

/// Remainders of all bytes by the Castagnoli polynomial, reflected.
const CRC32C: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // RFC 1071 section 3.
        assert_eq!(internet(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(internet(&[]), 0xffff);
        // RFC 3720 appendix B.4.
        assert_eq!(crc32c(&[&[0; 32]]), 0x8a91_36aa);
        assert_eq!(crc32c(&[&[0xff; 16], &[0xff; 16]]), 0x62a8_ab43);
        assert_eq!(crc32c(&[b"123456789"]), 0xe306_9283);
    }

    #[test]
    fn a_message_with_its_checksum_sums_to_zero() {
        let pseudo = Some(Pseudo::V4([10, 0, 0, 1].into(), [10, 0, 0, 2].into()));
        let mut head = [0x11, 0x5c, 0, 80, 0, 0, 0, 1];
        let sum = transport(pseudo, 6, &head, b"odd");
        head[2] ^= (sum >> 8) as u8;
        assert_ne!(transport(pseudo, 6, &head, b"odd"), sum);
    }
}

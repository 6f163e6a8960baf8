//! A packet that is written many times with a few fields changed: a probe of a scan.
//!
//! Built once out of layers; each instance is a copy with its destination and some words filled in. Sums of what does not
//! change are computed once (RFC 1624), so an instance costs a copy and a few additions.

use std::net::IpAddr;
use std::rc::Rc;

use super::checksum::crc32c;
use super::flow::Ip;
use super::number::{ICMP, ICMPV6, SCTP, TCP, UDP};
use super::{Ipv4, Ipv6, Packet};

/// A packet with blanks.
#[derive(Debug, Clone)]
pub struct Template {
    bytes: Vec<u8>,
    is_v6: bool,
    protocol: u8,
    /// Where the transport header begins.
    transport: usize,
    /// Sum over the IPv4 header without destination, identification and checksum.
    header_sum: u32,
    /// Sum over the transport message and its pseudo-header, without the destination and the checksum.
    message_sum: u32,
    /// Checksums come out wrong.
    spoilt: bool,
}

impl Template {
    /// A template of `packet`, which begins with its IP header. Fields that are filled in later must be 0, the destination
    /// among them. None if it is no IP packet.
    pub fn new(packet: &Packet) -> Option<Template> {
        let mut bytes = packet.to_bytes();
        let (protocol, length) = Ip::read(&bytes).map(|ip| (ip.protocol, ip.rest.len()))?;
        let transport = bytes.len() - length;
        let is_v6 = packet.get::<Ipv4>().is_none();
        if let Some(at) = checksum_at(protocol) {
            bytes.get_mut(transport + at..transport + at + 2).unwrap_or_default().fill(0);
        }
        if protocol == SCTP {
            bytes.get_mut(transport + 8..transport + 12).unwrap_or_default().fill(0);
        }
        if !is_v6 {
            bytes.get_mut(10..12).unwrap_or_default().fill(0);
        }
        let header_sum = if is_v6 { 0 } else { sum(bytes.get(..transport)?) };
        let pseudo = match (packet.get::<Ipv4>(), packet.get::<Ipv6>()) {
            (Some(_), _) if protocol == ICMP => 0,
            (Some(ip), _) => sum(&ip.source.octets()) + u32::from(protocol) + length as u32,
            (None, Some(ip)) => sum(&ip.source.octets()) + u32::from(protocol) + length as u32,
            _ => return None,
        };
        let message_sum = pseudo + sum(bytes.get(transport..)?);
        Some(Template { bytes, is_v6, protocol, transport, header_sum, message_sum, spoilt: false })
    }

    /// The same with wrong checksums: a host that answers such packets is none (`--badsum`).
    #[must_use]
    pub fn with_bad_sum(self) -> Template {
        Template { spoilt: true, ..self }
    }

    /// Its length in bytes.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// A packet to `to`, with `id` as the IPv4 identification. `words` are written over the transport message: offset from
    /// its beginning, which is even, and value. None if `to` is of the other family.
    pub fn instance(&self, to: IpAddr, id: u16, words: &[(usize, u16)]) -> Option<Rc<[u8]>> {
        let mut packet: Rc<[u8]> = self.bytes.as_slice().into();
        let bytes = Rc::get_mut(&mut packet)?;
        let mut sum_of_message = self.message_sum;
        let mut destination = [0; 16];
        let destination = match to {
            IpAddr::V4(addr) if !self.is_v6 => {
                destination[..4].copy_from_slice(&addr.octets());
                &destination[..4]
            }
            IpAddr::V6(addr) if self.is_v6 => {
                destination = addr.octets();
                &destination[..]
            }
            _ => return None,
        };
        let sum_of_destination = sum(destination);
        if self.is_v6 {
            bytes.get_mut(24..40)?.copy_from_slice(destination);
        } else {
            bytes.get_mut(16..20)?.copy_from_slice(destination);
            bytes.get_mut(4..6)?.copy_from_slice(&id.to_be_bytes());
            let header = folded(self.header_sum + u32::from(id) + sum_of_destination);
            bytes.get_mut(10..12)?.copy_from_slice(&header.to_be_bytes());
        }
        if self.is_v6 || self.protocol != ICMP {
            sum_of_message += sum_of_destination;
        }
        let message = bytes.get_mut(self.transport..)?;
        for (at, word) in words {
            message.get_mut(*at..*at + 2)?.copy_from_slice(&word.to_be_bytes());
            sum_of_message += u32::from(*word);
        }
        self.close(message, sum_of_message)?;
        Some(packet)
    }

    /// Writes the checksum of the message.
    fn close(&self, message: &mut [u8], sum_of_message: u32) -> Option<()> {
        let spoilt = u16::from(self.spoilt);
        if self.protocol == SCTP {
            let crc = crc32c(&[message]) ^ u32::from(spoilt);
            message.get_mut(8..12)?.copy_from_slice(&crc.to_le_bytes());
        } else if let Some(at) = checksum_at(self.protocol).filter(|_| !message.is_empty()) {
            let checksum = match folded(sum_of_message) ^ spoilt {
                0 if self.protocol == UDP => 0xffff, // 0 would mean that there is none
                checksum => checksum,
            };
            message.get_mut(at..at + 2)?.copy_from_slice(&checksum.to_be_bytes());
        }
        Some(())
    }
}

/// Where the Internet checksum is in a message of a protocol that has one.
fn checksum_at(protocol: u8) -> Option<usize> {
    match protocol {
        TCP => Some(16),
        UDP => Some(6),
        ICMP | ICMPV6 => Some(2),
        _ => None,
    }
}

/// The sum of 16-bit words of RFC 1071, not folded. No packet is long enough for it to overflow.
fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]))).sum()
}

fn folded(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    !((once & 0xffff) + (once >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::model::LinkType;
    use crate::packet::{
        Chunk, ChunkBody, Icmpv4, Icmpv4Body, Icmpv6, Icmpv6Body, Init, Layer, Sctp, Tcp, TcpOption, Udp,
    };

    /// A parsed packet says of a checksum or a length only that it is wrong.
    fn reparsed(template: &Template, to: IpAddr, words: &[(usize, u16)]) -> Packet {
        let bytes = template.instance(to, 0xabcd, words).unwrap();
        let packet = Packet::parse(LinkType::Ip, &bytes);
        assert_eq!(packet.addresses().unwrap().1, to);
        packet
    }

    fn families() -> [(Layer, IpAddr); 2] {
        let (v4, v6) = (Ipv4Addr::new(10, 255, 3, 9), "fd00:ffff::9:1".parse::<Ipv6Addr>().unwrap());
        [
            (Ipv4 { source: [10, 0, 0, 1].into(), ..Ipv4::default() }.into(), v4.into()),
            (Ipv6 { source: "fd00::1".parse().unwrap(), ..Ipv6::default() }.into(), v6.into()),
        ]
    }

    #[test]
    fn checksums_are_right_whatever_is_filled_in() {
        for (ip, to) in families() {
            let options = vec![TcpOption::Mss(1460), TcpOption::Nop, TcpOption::WindowScale(7)];
            let tcp = Tcp { flags: Tcp::SYN, window: 1024, options, ..Tcp::default() };
            let template = Template::new(&Packet::new([ip.clone(), tcp.into()])).unwrap();
            let words = [(0, 40_000), (2, 443), (4, 0xffff), (6, 0xfffe), (8, 1), (10, 2)];
            let packet = reparsed(&template, to, &words);
            let found = packet.get::<Tcp>().unwrap();
            assert_eq!((found.checksum, found.source, found.destination), (None, 40_000, 443));
            assert_eq!((found.sequence, found.acknowledgment), (0xffff_fffe, 0x1_0002));
            assert!(packet.get::<Ipv4>().is_none_or(|ip| (ip.checksum, ip.id) == (None, 0xabcd)));
            let bad = reparsed(&template.with_bad_sum(), to, &words);
            assert!(bad.get::<Tcp>().unwrap().checksum.is_some());

            let packet = Packet::new([ip.clone(), Udp::default().into(), Layer::Payload(b"odd".to_vec())]);
            let packet = reparsed(&Template::new(&packet).unwrap(), to, &[(0, 7), (2, 53)]);
            assert_eq!(packet.get::<Udp>(), Some(&Udp { source: 7, destination: 53, ..Udp::default() }));

            let init = Chunk::new(ChunkBody::Init(Init { tag: 5, ..Init::default() }));
            let packet = Packet::new([ip.clone(), Sctp { chunks: vec![init], ..Sctp::default() }.into()]);
            let packet = reparsed(&Template::new(&packet).unwrap(), to, &[(0, 7), (2, 9)]);
            assert_eq!(packet.get::<Sctp>().unwrap().checksum, None);
        }
    }

    #[test]
    fn messages_of_icmp_and_bare_headers() {
        let [(v4, to4), (v6, to6)] = families();
        let echo = Icmpv4::new(8, 0, Icmpv4Body::Echo { id: 0, sequence: 0 });
        let template = Template::new(&Packet::new([v4.clone(), echo.into()])).unwrap();
        let packet = reparsed(&template, to4, &[(4, 17), (6, 18)]);
        let expected = Icmpv4::new(8, 0, Icmpv4Body::Echo { id: 17, sequence: 18 });
        assert_eq!(packet.get::<Icmpv4>(), Some(&expected));
        let echo = Icmpv6::new(128, 0, Icmpv6Body::Echo { id: 0, sequence: 0 });
        let packet = reparsed(&Template::new(&Packet::new([v6, echo.into()])).unwrap(), to6, &[(4, 17), (6, 18)]);
        assert_eq!(packet.get::<Icmpv6>().unwrap().checksum, None);
        let bare = Template::new(&Packet::new([v4])).unwrap();
        assert_eq!(reparsed(&bare, to4, &[]).get::<Ipv4>().unwrap().checksum, None);
        assert!(bare.instance(to6, 0, &[]).is_none());
    }
}

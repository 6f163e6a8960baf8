//! UDP (RFC 768), and the first bytes of a transport header that was cut.

use etherparse::UdpHeader;

use super::checksum::{Pseudo, transport};
use super::number::UDP;
use super::reader::Reader;

/// A UDP header. A field of `None` is written as it should be; `Some` as told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Udp {
    /// Port of the sender.
    pub source: u16,
    /// Port of the receiver.
    pub destination: u16,
    /// Bytes of header and payload.
    pub length: Option<u16>,
    /// Checksum; a told 0 means none was computed.
    pub checksum: Option<u16>,
}

impl Udp {
    pub(super) fn parse(bytes: &[u8], pseudo: Option<Pseudo>) -> Result<(Udp, usize), &'static str> {
        let (header, body) = UdpHeader::from_slice(bytes).map_err(|_| "UDP header cut short")?;
        let mut datagram = Udp {
            source: header.source_port,
            destination: header.destination_port,
            length: Some(header.length).filter(|told| *told != computed_length(body)),
            checksum: None,
        };
        let computed = datagram.computed_checksum(pseudo, body);
        datagram.checksum = Some(header.checksum).filter(|told| *told != computed);
        Ok((datagram, UdpHeader::LEN))
    }

    pub(super) fn write(&self, pseudo: Option<Pseudo>, body: &[u8]) -> Vec<u8> {
        let checksum = self.checksum.unwrap_or_else(|| self.computed_checksum(pseudo, body));
        self.header(checksum, body).to_bytes().to_vec()
    }

    fn header(&self, checksum: u16, body: &[u8]) -> UdpHeader {
        UdpHeader {
            source_port: self.source,
            destination_port: self.destination,
            length: self.length.unwrap_or(computed_length(body)),
            checksum,
        }
    }

    /// Covers as much as the length says; never 0, which would mean that there is none.
    fn computed_checksum(&self, pseudo: Option<Pseudo>, body: &[u8]) -> u16 {
        let header = self.header(0, body);
        let told = usize::from(header.length).checked_sub(UdpHeader::LEN);
        let covered = told.and_then(|told| body.get(..told)).unwrap_or(body);
        match transport(pseudo, UDP, &header.to_bytes(), covered) {
            0 => 0xffff,
            checksum => checksum,
        }
    }
}

/// The length field; 0 where it does not fit (RFC 2675).
fn computed_length(body: &[u8]) -> u16 {
    u16::try_from(body.len() + UdpHeader::LEN).unwrap_or(0)
}

/// A transport header that ends before it is complete, as ICMP errors quote them: RFC 792 asks for eight bytes only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stub {
    /// TCP, UDP or SCTP, by protocol number.
    pub protocol: u8,
    /// Port of the sender.
    pub source: u16,
    /// Port of the receiver.
    pub destination: u16,
    /// What else is there.
    pub rest: Vec<u8>,
}

impl Stub {
    pub(super) fn parse(protocol: u8, bytes: &[u8]) -> Option<Stub> {
        let mut reader = Reader(bytes);
        Some(Stub { protocol, source: reader.u16()?, destination: reader.u16()?, rest: reader.rest().to_vec() })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = [self.source.to_be_bytes(), self.destination.to_be_bytes()].concat();
        out.extend(&self.rest);
        out
    }

    /// The four bytes after the ports: TCP's sequence number, SCTP's verification tag.
    pub fn word(&self) -> Option<u32> {
        Reader(&self.rest).u32()
    }
}

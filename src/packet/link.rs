//! Ethernet II, VLAN tags (802.1Q, 802.1ad) and ARP (RFC 826).

use std::net::Ipv4Addr;

use etherparse::{EtherType, Ethernet2Header, SingleVlanHeader, VlanId, VlanPcp};

use super::number::{IPV4, NO_ETHER_TYPE};
use super::reader::Reader;
use crate::model::MacAddr;

/// The header of an Ethernet II frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ethernet {
    /// To whom.
    pub destination: MacAddr,
    /// From whom.
    pub source: MacAddr,
    /// What follows; none: as the next layer is. Below 0x600 it is the length of an 802.3 frame.
    pub ether_type: Option<u16>,
}

impl Ethernet {
    pub(super) fn parse(bytes: &[u8]) -> Result<(Ethernet, usize), &'static str> {
        let (header, _) = Ethernet2Header::from_slice(bytes).map_err(|_| "Ethernet header cut short")?;
        let frame = Ethernet {
            destination: MacAddr(header.destination),
            source: MacAddr(header.source),
            ether_type: Some(header.ether_type.0),
        };
        Ok((frame, Ethernet2Header::LEN))
    }

    pub(super) fn write(&self, next: Option<u16>) -> Vec<u8> {
        let ether_type = EtherType(self.ether_type.or(next).unwrap_or(NO_ETHER_TYPE));
        Ethernet2Header { destination: self.destination.0, source: self.source.0, ether_type }.to_bytes().to_vec()
    }
}

/// One VLAN tag. Its own ether type (802.1Q or 802.1ad) stands in the layer before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vlan {
    /// Priority, 0 to 7.
    pub priority: u8,
    /// May be dropped first.
    pub drop_eligible: bool,
    /// Number of the VLAN, 12 bits.
    pub id: u16,
    /// What follows; none: as the next layer is.
    pub ether_type: Option<u16>,
}

impl Vlan {
    pub(super) fn parse(bytes: &[u8]) -> Result<(Vlan, usize), &'static str> {
        let (header, _) = SingleVlanHeader::from_slice(bytes).map_err(|_| "VLAN tag cut short")?;
        let tag = Vlan {
            priority: header.pcp.value(),
            drop_eligible: header.drop_eligible_indicator,
            id: header.vlan_id.value(),
            ether_type: Some(header.ether_type.0),
        };
        Ok((tag, SingleVlanHeader::LEN))
    }

    pub(super) fn write(self, next: Option<u16>) -> Vec<u8> {
        let header = SingleVlanHeader {
            pcp: VlanPcp::try_new(self.priority & 7).unwrap_or_default(),
            drop_eligible_indicator: self.drop_eligible,
            vlan_id: VlanId::try_new(self.id & 0xfff).unwrap_or_default(),
            ether_type: EtherType(self.ether_type.or(next).unwrap_or(NO_ETHER_TYPE)),
        };
        header.to_bytes().to_vec()
    }
}

/// An ARP message about Ethernet and IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// Kind of hardware address; 1 Ethernet.
    pub hardware: u16,
    /// Kind of protocol address, an ether type.
    pub protocol: u16,
    /// Bytes of a hardware address, as told: 6 are written in any case.
    pub hardware_len: u8,
    /// Bytes of a protocol address, as told: 4 are written in any case.
    pub protocol_len: u8,
    /// 1 request, 2 reply.
    pub operation: u16,
    /// Hardware address of the sender.
    pub sender_mac: MacAddr,
    /// Protocol address of the sender.
    pub sender_ip: Ipv4Addr,
    /// Hardware address asked for, or of the asker in a reply.
    pub target_mac: MacAddr,
    /// Protocol address asked for.
    pub target_ip: Ipv4Addr,
}

impl Default for Arp {
    fn default() -> Arp {
        Arp {
            hardware: 1,
            protocol: IPV4,
            hardware_len: 6,
            protocol_len: 4,
            operation: 1,
            sender_mac: MacAddr::default(),
            sender_ip: Ipv4Addr::UNSPECIFIED,
            target_mac: MacAddr::default(),
            target_ip: Ipv4Addr::UNSPECIFIED,
        }
    }
}

impl Arp {
    pub(super) fn parse(bytes: &[u8]) -> Result<(Arp, usize), &'static str> {
        let mut reader = Reader(bytes);
        let message = Arp::read(&mut reader).ok_or("ARP message cut short")?;
        if (message.hardware_len, message.protocol_len) != (6, 4) {
            return Err("ARP about other addresses than Ethernet and IPv4");
        }
        Ok((message, bytes.len() - reader.0.len()))
    }

    fn read(reader: &mut Reader<'_>) -> Option<Arp> {
        Some(Arp {
            hardware: reader.u16()?,
            protocol: reader.u16()?,
            hardware_len: reader.u8()?,
            protocol_len: reader.u8()?,
            operation: reader.u16()?,
            sender_mac: MacAddr(reader.array()?),
            sender_ip: reader.array::<4>()?.into(),
            target_mac: MacAddr(reader.array()?),
            target_ip: reader.array::<4>()?.into(),
        })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(28);
        out.extend(self.hardware.to_be_bytes());
        out.extend(self.protocol.to_be_bytes());
        out.extend([self.hardware_len, self.protocol_len]);
        out.extend(self.operation.to_be_bytes());
        out.extend(self.sender_mac.0);
        out.extend(self.sender_ip.octets());
        out.extend(self.target_mac.0);
        out.extend(self.target_ip.octets());
        out
    }
}

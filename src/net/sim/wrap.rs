//! Headers around what somebody sends us.

use std::net::IpAddr;

use crate::model::MacAddr;
use crate::packet::{Ethernet, Ipv4, Ipv6, Layer, Packet};

/// Our own hardware address, locally administered.
pub const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

/// Who sends, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// From; of the same family as `to`.
    pub from: IpAddr,
    /// To: us.
    pub to: IpAddr,
    /// Hops left when it arrives.
    pub ttl: u8,
    /// Identification, in IPv4.
    pub id: u16,
    /// Who puts it on our link.
    pub mac: MacAddr,
}

impl Envelope {
    /// The frame that carries `content`.
    pub fn around<const N: usize>(&self, content: [Layer; N]) -> Vec<u8> {
        let mut layers = Vec::with_capacity(2 + N);
        layers.push(Ethernet { destination: OURS, source: self.mac, ether_type: None }.into());
        layers.extend(self.ip());
        layers.extend(content);
        Packet { layers }.to_bytes()
    }

    fn ip(&self) -> Option<Layer> {
        match (self.from, self.to) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                Some(Ipv4 { id: self.id, ttl: self.ttl, source, destination, ..Ipv4::default() }.into())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                Some(Ipv6 { hop_limit: self.ttl, source, destination, ..Ipv6::default() }.into())
            }
            _ => None,
        }
    }
}

//! The question for a neighbour: ARP (RFC 826) and neighbour solicitation (RFC 4861).

use std::net::{IpAddr, Ipv6Addr};

use super::{Arp, Ethernet, Icmpv6, Icmpv6Body, Ipv6, NeighborOption, Packet};
use crate::model::MacAddr;

const SOLICITATION: u8 = 135;

/// Who has `wanted`? Tell `ours` at `mac`. A whole frame; none if the two addresses are of different families.
pub fn neighbor_question(mac: MacAddr, ours: IpAddr, wanted: IpAddr) -> Option<Vec<u8>> {
    let ethernet = |destination| Ethernet { destination, source: mac, ..Ethernet::default() }.into();
    Some(match (ours, wanted) {
        (IpAddr::V4(ours), IpAddr::V4(wanted)) => {
            let question = Arp { sender_mac: mac, sender_ip: ours, target_ip: wanted, ..Arp::default() };
            Packet::new([ethernet(MacAddr::BROADCAST), question.into()]).to_bytes()
        }
        (IpAddr::V6(ours), IpAddr::V6(wanted)) => {
            // The solicited-node group (RFC 4291 section 2.7.1) and its hardware address (RFC 2464 section 7).
            let [.., a, b, c] = wanted.octets();
            let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
            let ip = Ipv6 { source: ours, destination: group, hop_limit: 255, ..Ipv6::default() };
            let options = vec![NeighborOption::SourceLink(mac)];
            let question = Icmpv6::new(SOLICITATION, 0, Icmpv6Body::Neighbor { flags: 0, target: wanted, options });
            Packet::new([ethernet(MacAddr([0x33, 0x33, 0xff, a, b, c])), ip.into(), question.into()]).to_bytes()
        }
        _ => return None,
    })
}

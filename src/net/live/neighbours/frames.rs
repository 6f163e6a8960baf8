//! The frames neighbours answer with: ARP (RFC 826) and neighbour discovery (RFC 4861). The questions are `packet`'s.
//!
//! Answers are of fixed shapes and read in place, as they come by the thousand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::MacAddr;
use crate::net::live::link_address::{ARP, IPV6};

const ICMPV6: u8 = 58;
/// `ICMPv6` type of a neighbour advertisement.
pub(super) const ADVERTISEMENT: u8 = 136;

/// Ethernet II header.
pub(in crate::net::live) fn ethernet(to: MacAddr, from: MacAddr, ether_type: u16) -> [u8; 14] {
    let mut header = [0; 14];
    header[..6].copy_from_slice(&to.0);
    header[6..12].copy_from_slice(&from.0);
    header[12..].copy_from_slice(&ether_type.to_be_bytes());
    header
}

/// The hardware address of a multicast group (RFC 1112 section 6.4, RFC 2464 section 7).
pub(in crate::net::live) fn group_mac(group: IpAddr) -> MacAddr {
    match group {
        IpAddr::V4(group) => {
            let [_, b, c, d] = group.octets();
            MacAddr([0x01, 0x00, 0x5e, b & 0x7f, c, d])
        }
        IpAddr::V6(group) => {
            let [.., a, b, c, d] = group.octets();
            MacAddr([0x33, 0x33, a, b, c, d])
        }
    }
}

/// Who says to be where, if the frame is an ARP reply or a neighbour advertisement.
pub(super) fn answer(frame: &[u8]) -> Option<(IpAddr, MacAddr)> {
    let ether_type = u16::from_be_bytes(*frame.get(12..)?.first_chunk()?);
    let body = frame.get(14..)?;
    match ether_type {
        ARP => {
            let body: &[u8; 28] = body.first_chunk()?;
            let is_reply = body[..8] == [0, 1, 8, 0, 6, 4, 0, 2];
            let addr = Ipv4Addr::new(body[14], body[15], body[16], body[17]);
            is_reply.then_some((addr.into(), mac(body.get(8..14)?)?))
        }
        IPV6 => {
            let header: &[u8; 64] = body.first_chunk()?; // IPv6, then the fixed part of the advertisement
            // RFC 4861 section 7.1.2: the hop limit shows that no router was in between.
            if header[6] != ICMPV6 || header[7] != 255 || header[40] != ADVERTISEMENT || header[41] != 0 {
                return None;
            }
            let addr = Ipv6Addr::from(*header[48..].first_chunk::<16>()?);
            let end = (40 + usize::from(u16::from_be_bytes([header[4], header[5]]))).min(body.len());
            let found = target_mac(body.get(64..end)?).or_else(|| mac(frame.get(6..12)?))?;
            Some((addr.into(), found))
        }
        _ => None,
    }
}

/// The option with the target's link-layer address. It may be left out of an answer to one host alone.
fn target_mac(mut options: &[u8]) -> Option<MacAddr> {
    while let [kind, units, ..] = *options {
        let length = usize::from(units) * 8;
        let option = options.get(..length).filter(|_| length > 0)?;
        if kind == 2 {
            return mac(option.get(2..8)?);
        }
        options = options.get(length..)?;
    }
    None
}

fn mac(bytes: &[u8]) -> Option<MacAddr> {
    bytes.try_into().ok().map(MacAddr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{checksum, neighbor_question};

    const US: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const THEM: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

    #[test]
    fn an_arp_question_and_its_answer() {
        let (ours, theirs) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 9));
        let question = neighbor_question(US, ours.into(), theirs.into()).unwrap();
        assert_eq!(question.len(), 42);
        assert_eq!(answer(&question), None);
        let mut reply = neighbor_question(THEM, theirs.into(), ours.into()).unwrap();
        reply[21] = 2;
        assert_eq!(answer(&reply), Some((theirs.into(), THEM)));
        for cut in 0..reply.len() {
            assert_eq!(answer(&reply[..cut]), None);
        }
    }

    /// A solicitation seen by tshark with a good checksum: captured in the live test of `neighbours`.
    #[test]
    fn a_solicitation_and_its_answer() {
        let (ours, theirs): (Ipv6Addr, Ipv6Addr) = ("fd00::1".parse().unwrap(), "fd00::9".parse().unwrap());
        let question = neighbor_question(US, ours.into(), theirs.into()).unwrap();
        assert_eq!(question.len(), 14 + 40 + 32);
        assert_eq!(question[..6], [0x33, 0x33, 0xff, 0, 0, 9]);
        assert_eq!(answer(&question), None);
        // A sum over what carries its own checksum is 0; the pseudo-header is that of RFC 8200 section 8.1.
        let group: Ipv6Addr = "ff02::1:ff00:9".parse().unwrap();
        let pseudo = [&ours.octets()[..], &group.octets(), &[0, 0, 0, 32, 0, 0, 0, ICMPV6], &question[54..]].concat();
        assert_eq!(checksum::internet(&pseudo), 0);
        let mut reply = neighbor_question(THEM, theirs.into(), theirs.into()).unwrap();
        reply[54] = ADVERTISEMENT;
        reply[78] = 2;
        assert_eq!(answer(&reply), Some((theirs.into(), THEM)));
        let without = &mut reply[..78];
        without[19] = 24;
        assert_eq!(answer(without), Some((theirs.into(), THEM)), "the sender's own address stands in");
        for cut in 0..78 {
            assert_eq!(answer(&reply[..cut]), None);
        }
    }

    #[test]
    fn options_that_loop_or_lie_end() {
        assert_eq!(target_mac(&[1, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(target_mac(&[2, 9, 1, 2, 3, 4, 5, 6]), None);
        assert_eq!(target_mac(&[1, 1, 0, 0, 0, 0, 0, 0, 2, 1, 1, 2, 3, 4, 5, 6]), Some(MacAddr([1, 2, 3, 4, 5, 6])));
    }

    #[test]
    fn groups_have_addresses_of_their_own() {
        assert_eq!(group_mac("239.129.2.3".parse().unwrap()).to_string(), "01:00:5e:01:02:03");
        assert_eq!(group_mac("ff02::1".parse().unwrap()).to_string(), "33:33:00:00:00:01");
    }
}

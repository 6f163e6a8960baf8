//! What is in a block of the ring: packets, each behind a header of the kernel's. Safe code over plain bytes.
//!
//! Layout of `TPACKET_V3` from `<linux/if_packet.h>`; numbers are in the machine's byte order.

use super::ring::BODY_AT;
use crate::capture::Direction;
use crate::model::LinkType;

/// `tpacket3_hdr` is 48 bytes; the address of the link layer follows it.
const LINK_ADDRESS_AT: usize = 48;
/// Offset of the packet's type in `sockaddr_ll`.
const PACKET_TYPE_AT: usize = LINK_ADDRESS_AT + 10;
const PACKET_OUTGOING: u8 = 4;
const VLAN_VALID: u32 = 1 << 4;
const VLAN_TPID_VALID: u32 = 1 << 6;
/// Both hardware addresses of Ethernet: a tag belongs behind them.
const ADDRESSES: usize = 12;

/// One packet of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a> {
    /// Wall-clock time of the kernel, nanoseconds since 1970.
    pub wall: u64,
    /// Length on the wire, without a stripped tag.
    pub wire_len: u32,
    /// Which way it went.
    pub direction: Direction,
    /// The tag the interface took off, as the four bytes it took.
    pub tag: Option<[u8; 4]>,
    /// The bytes, without it.
    pub bytes: &'a [u8],
}

/// The packets of a block, whose bytes begin behind the status word. Ends early where a header makes no sense.
pub fn packets(body: &[u8], link: LinkType) -> impl Iterator<Item = Raw<'_>> {
    let count = u32_at(body, 0).unwrap_or(0);
    let mut next = u32_at(body, 4).and_then(|offset| (offset as usize).checked_sub(BODY_AT));
    (0..count).map_while(move |_| {
        let at = next?;
        let header = body.get(at..)?;
        let step = u32_at(header, 0)? as usize;
        next = (step > 0).then_some(at + step);
        packet(header, link)
    })
}

fn packet(header: &[u8], link: LinkType) -> Option<Raw<'_>> {
    let (seconds, nanoseconds) = (u32_at(header, 4)?, u32_at(header, 8)?);
    let (captured, wire_len) = (u32_at(header, 12)? as usize, u32_at(header, 16)?);
    let status = u32_at(header, 20)?;
    let start = usize::from(u16::from_ne_bytes(header.get(24..26)?.try_into().ok()?));
    let outgoing = *header.get(PACKET_TYPE_AT)? == PACKET_OUTGOING;
    let tag = (status & VLAN_VALID != 0 && link == LinkType::Ethernet && captured >= ADDRESSES).then(|| {
        let id = if status & VLAN_TPID_VALID != 0 { u16_of(u32_at(header, 36)) } else { 0x8100 };
        let [tag, value] = [id, u16_of(u32_at(header, 32))].map(u16::to_be_bytes);
        [tag[0], tag[1], value[0], value[1]]
    });
    Some(Raw {
        wall: u64::from(seconds) * 1_000_000_000 + u64::from(nanoseconds),
        wire_len,
        direction: if outgoing { Direction::Out } else { Direction::In },
        tag,
        bytes: header.get(start..start.checked_add(captured)?)?,
    })
}

impl Raw<'_> {
    /// Appends the bytes as they were on the wire and returns how many there are.
    pub fn append_to(&self, buffer: &mut Vec<u8>) -> usize {
        let before = buffer.len();
        match (self.tag, self.bytes.split_at_checked(ADDRESSES)) {
            (Some(tag), Some((addresses, rest))) => {
                buffer.extend_from_slice(addresses);
                buffer.extend_from_slice(&tag);
                buffer.extend_from_slice(rest);
            }
            _ => buffer.extend_from_slice(self.bytes),
        }
        buffer.len() - before
    }

    /// Length on the wire, the tag included.
    pub fn wire_len(&self) -> u32 {
        self.wire_len + if self.tag.is_some() { 4 } else { 0 }
    }
}

fn u16_of(number: Option<u32>) -> u16 {
    number.unwrap_or_default() as u16
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A block with these packets: outgoing or not, status bits, bytes.
    fn block(packets: &[(bool, u32, &[u8])]) -> Vec<u8> {
        let mut body = vec![0; 48 - BODY_AT];
        body[0..4].copy_from_slice(&(packets.len() as u32).to_ne_bytes());
        body[4..8].copy_from_slice(&48u32.to_ne_bytes());
        for (index, (outgoing, status, bytes)) in packets.iter().enumerate() {
            let step = (80 + bytes.len()).next_multiple_of(16) as u32;
            let mut header = vec![0; 80];
            let mut put = |at: usize, value: u32| header[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            put(0, if index + 1 == packets.len() { 0 } else { step });
            put(4, 2);
            put(8, 5 + index as u32);
            put(12, bytes.len() as u32);
            put(16, 1000 + bytes.len() as u32);
            put(20, *status);
            put(24, 80);
            put(32, 7);
            put(36, 0x88a8);
            header[PACKET_TYPE_AT] = if *outgoing { PACKET_OUTGOING } else { 0 };
            let end = body.len() + step as usize;
            body.extend(header);
            body.extend(*bytes);
            body.resize(end, 0);
        }
        body
    }

    #[test]
    fn packets_come_with_time_way_and_tag() {
        let bytes: Vec<u8> = (0..20).collect();
        let body =
            block(&[(false, 1, &bytes), (true, 1 | VLAN_VALID, &bytes), (false, VLAN_VALID | VLAN_TPID_VALID, &bytes)]);
        let all: Vec<Raw<'_>> = packets(&body, LinkType::Ethernet).collect();
        assert_eq!(all.iter().map(|one| one.wall).collect::<Vec<_>>(), [2_000_000_005, 2_000_000_006, 2_000_000_007]);
        assert_eq!(all.iter().map(|one| one.direction == Direction::Out).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(
            all.iter().map(|one| one.tag).collect::<Vec<_>>(),
            [None, Some([0x81, 0, 0, 7]), Some([0x88, 0xa8, 0, 7])]
        );
        assert_eq!(all.iter().map(Raw::wire_len).collect::<Vec<_>>(), [1020, 1024, 1024]);
        let mut buffer = vec![9];
        assert_eq!(all[2].append_to(&mut buffer), 24);
        assert_eq!(buffer[1..], [&bytes[..12], &[0x88, 0xa8, 0, 7], &bytes[12..]].concat()[..]);
        assert!(packets(&body, LinkType::Ip).all(|one| one.tag.is_none()), "there is no place for a tag");
    }

    proptest! {
        #[test]
        fn nonsense_is_read_without_a_panic(body in proptest::collection::vec(any::<u8>(), 0..300), cut in 0..250usize) {
            packets(&body, LinkType::Ethernet).take(1000).for_each(|one| { one.append_to(&mut Vec::new()); });
            let good = block(&[(false, VLAN_VALID, &body), (false, 0, &body)]);
            let cut = &good[..cut.min(good.len())];
            packets(cut, LinkType::Ethernet).for_each(|one| { one.append_to(&mut Vec::new()); });
        }
    }
}

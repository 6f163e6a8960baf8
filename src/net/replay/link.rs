//! From a captured frame to the IP packet in it.
//!
//! Numbers are those of the link-layer header type registry of tcpdump.org.

/// Tags in front of a packet that are skipped: two of 802.1Q, and one more for good measure.
const MAX_TAGS: usize = 4;

/// Link types this program reads, in words.
pub const KNOWN: &str = "Ethernet, raw IP, Linux cooked (SLL, SLL2), BSD loopback (NULL, LOOP)";

/// A link type this program does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownLink;

/// The IP packet in a frame of link type `link`. None when the frame carries something
/// else, such as ARP.
pub fn ip_of(link: u32, frame: &[u8]) -> Result<Option<&[u8]>, UnknownLink> {
    Ok(match link {
        1 => frame.get(12..14).and_then(|kind| tagged(kind, frame.get(14..)?)),
        // RAW, and the numbers some systems use for it; IPv4 and IPv6 alone.
        12 | 14 | 101 | 228 | 229 => Some(frame),
        // NULL is in the byte order of the machine that captured, LOOP in network order. Families: 2 is IPv4 everywhere.
        0 | 108 => frame.get(..4).and_then(|family| if is_ip_family(family) { frame.get(4..) } else { None }),
        113 => frame.get(14..16).and_then(|kind| tagged(kind, frame.get(16..)?)),
        276 => frame.get(..2).and_then(|kind| tagged(kind, frame.get(20..)?)),
        _ => return Err(UnknownLink),
    })
}

/// The packet behind an `EtherType`, with VLAN tags (802.1Q, 802.1ad, and the old 0x9100) skipped.
fn tagged<'a>(kind: &[u8], rest: &'a [u8]) -> Option<&'a [u8]> {
    let (mut kind, mut rest) = ([*kind.first()?, *kind.get(1)?], rest);
    for _ in 0..MAX_TAGS {
        match kind {
            [0x08, 0x00] | [0x86, 0xdd] => return Some(rest),
            [0x81 | 0x91, 0x00] | [0x88, 0xa8] => {
                kind = [*rest.get(2)?, *rest.get(3)?];
                rest = rest.get(4..)?;
            }
            _ => return None,
        }
    }
    None
}

/// `AF_INET`, or one of the numbers `AF_INET6` has on the BSDs, macOS and Linux, in either byte order.
fn is_ip_family(family: &[u8]) -> bool {
    matches!(family, [number, 0, 0, 0] | [0, 0, 0, number] if [2, 10, 24, 28, 30].contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_type_is_peeled() {
        let ip = [0x45, 1, 2, 3];
        let with = |head: &[u8]| [head, &ip].concat();
        let ethernet = [0; 12];
        let cases: [(u32, Vec<u8>); 9] = [
            (1, with(&[&ethernet[..], &[8, 0]].concat())),
            (1, with(&[&ethernet[..], &[0x81, 0, 0, 7, 8, 0]].concat())),
            (1, with(&[&ethernet[..], &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 0x86, 0xdd]].concat())),
            (101, with(&[])),
            (0, with(&[2, 0, 0, 0])),
            (108, with(&[0, 0, 0, 30])),
            (113, with(&[[0; 14].as_slice(), &[8, 0]].concat())),
            (113, with(&[[0; 14].as_slice(), &[0x81, 0, 0, 1, 8, 0]].concat())),
            (276, with(&[[8, 0].as_slice(), &[0; 18]].concat())),
        ];
        for (link, frame) in cases {
            assert_eq!(ip_of(link, &frame), Ok(Some(&ip[..])), "link type {link}");
        }
    }

    #[test]
    fn other_protocols_short_frames_and_unknown_links() {
        let arp = [[0; 12].as_slice(), &[8, 6], &[0; 28]].concat();
        assert_eq!(ip_of(1, &arp), Ok(None));
        let tags = [[0; 12].as_slice(), &[0x81, 0, 0, 0].repeat(9)].concat();
        assert_eq!(ip_of(1, &tags), Ok(None));
        for link in [0, 1, 108, 113, 276] {
            assert_eq!(ip_of(link, &[8]), Ok(None), "link type {link}");
        }
        assert_eq!(ip_of(127, &arp), Err(UnknownLink));
    }
}

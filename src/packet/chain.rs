//! The chain of headers in an IPv6 packet, walked without allocating and trusting nothing.

use super::number::{DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, ROUTING};

/// Length of the IPv6 header, and where in it the number of the next one stands.
const IPV6_LEN: usize = 40;
const NEXT_HEADER: usize = 6;
/// Extension headers skipped on the way to the upper layer.
const MAX_EXTENSIONS: usize = 8;

/// The headers behind the IPv6 header of `packet`, each with its protocol number and the bytes from it on, up to the first
/// that is no hop-by-hop, destination, routing or fragment header. The walk ends at a fragment header other than a first one's,
/// as no header stands behind it, and at one cut short. What is told to begin behind the end of the packet is empty.
pub fn headers(packet: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    Headers { next: packet.get(NEXT_HEADER).copied(), rest: packet.get(IPV6_LEN..).unwrap_or_default() }
}

/// The protocol behind at most eight extension headers, and its bytes; none in a later fragment.
pub fn upper_layer(packet: &[u8]) -> Option<(u8, &[u8])> {
    let is_upper = |number| !matches!(number, HOP_BY_HOP | DESTINATION_OPTIONS | ROUTING | FRAGMENT);
    headers(packet).take(MAX_EXTENSIONS + 1).find(|(number, _)| is_upper(*number))
}

struct Headers<'a> {
    next: Option<u8>,
    rest: &'a [u8],
}

impl<'a> Iterator for Headers<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (number, bytes) = (self.next.take()?, self.rest);
        let len = match (number, bytes) {
            // In units of eight bytes beyond the first (RFC 8200).
            (HOP_BY_HOP | DESTINATION_OPTIONS | ROUTING, [_, units, ..]) => (usize::from(*units) + 1) * 8,
            // The whole packet may stand behind a fragment header (RFC 6946); its second byte is no length.
            (FRAGMENT, [_, _, a, b, ..]) if u16::from_be_bytes([*a, *b]) >> 3 == 0 => 8,
            _ => return Some((number, bytes)),
        };
        self.next = bytes.first().copied();
        self.rest = bytes.get(len..).unwrap_or_default();
        Some((number, bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::number::TCP;
    use super::*;

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; IPV6_LEN];
        packet[NEXT_HEADER] = first;
        packet.extend(rest);
        packet
    }

    fn numbers(packet: &[u8]) -> Vec<u8> {
        headers(packet).map(|(number, _)| number).collect()
    }

    #[test]
    fn headers_come_in_order_up_to_the_upper_layer() {
        let options = [ROUTING, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
        let routing = [FRAGMENT, 0, 0, 0, 0, 0, 0, 0];
        let fragment = [TCP, 200, 0, 1, 0, 0, 0, 0];
        let whole = packet(HOP_BY_HOP, &[&options[..], &routing, &fragment, b"tcp"].concat());
        assert_eq!(numbers(&whole), [HOP_BY_HOP, ROUTING, FRAGMENT, TCP]);
        assert_eq!(upper_layer(&whole), Some((TCP, &b"tcp"[..])));
        assert_eq!(numbers(&whole[..IPV6_LEN + 16]), [HOP_BY_HOP, ROUTING], "told, but cut off");
        assert_eq!(upper_layer(&whole[..IPV6_LEN + 25]), None);
        assert_eq!(numbers(&whole[..IPV6_LEN]), [HOP_BY_HOP]);
        assert!(numbers(&whole[..6]).is_empty());
    }

    #[test]
    fn no_header_stands_in_a_later_fragment() {
        let later = packet(FRAGMENT, &[TCP, 0, 0, 8, 0, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!((numbers(&later), upper_layer(&later)), (vec![FRAGMENT], None));
    }

    #[test]
    fn the_way_to_the_upper_layer_is_bounded_and_the_walk_is_not() {
        let options = [DESTINATION_OPTIONS, 0, 0, 0, 0, 0, 0, 0];
        let last = [TCP, 0, 0, 0, 0, 0, 0, 0];
        let with = |count: usize| packet(DESTINATION_OPTIONS, &[options.repeat(count - 1).as_slice(), &last].concat());
        assert_eq!(upper_layer(&with(MAX_EXTENSIONS)), Some((TCP, &[][..])));
        assert_eq!(upper_layer(&with(MAX_EXTENSIONS + 1)), None);
        assert_eq!(numbers(&with(99)).len(), 100);
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(headers(&bytes).count() <= 1 + bytes.len() / 8 + 1);
        }
    }
}

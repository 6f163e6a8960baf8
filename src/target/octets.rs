//! IPv4 addresses given octet by octet: `10.0.0-3.*`.

use std::fmt;
use std::net::Ipv4Addr;

/// A set of octet values, as bits for membership and as a sorted list for counting through.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OctetSet {
    bits: [u64; 4],
    members: Vec<u8>,
}

impl OctetSet {
    /// The values in any of `ranges` (first, last).
    fn new(ranges: &[(u8, u8)]) -> OctetSet {
        let mut bits = [0; 4];
        for value in ranges.iter().flat_map(|(first, last)| *first..=*last) {
            bits[usize::from(value >> 6)] |= 1 << (value & 63);
        }
        let mut set = OctetSet { bits, members: Vec::new() };
        set.members = (0..=255).filter(|value| set.contains(*value)).collect();
        set
    }

    /// The set closed under `host` bits: any value that differs from a member only there is a member.
    fn closed(&self, host: u8) -> OctetSet {
        let ranges: Vec<_> = self.members.iter().map(|value| (value & !host, value | host)).collect();
        OctetSet::new(&ranges)
    }

    fn contains(&self, value: u8) -> bool {
        self.bits[usize::from(value >> 6)] & 1 << (value & 63) != 0
    }

    fn is_full(&self) -> bool {
        self.members.len() == 256
    }

    /// How many members lie below `value`.
    fn rank(&self, value: u8) -> usize {
        self.members.partition_point(|member| *member < value)
    }

    /// The last value reached from `value` upwards without leaving the set.
    fn run_end(&self, value: u8) -> u8 {
        (value..=255).take_while(|next| self.contains(*next)).last().unwrap_or(value)
    }

    /// Maximal runs of consecutive members.
    fn runs(&self) -> Vec<(u8, u8)> {
        let starts = self.members.iter().filter(|value| **value == 0 || !self.contains(**value - 1));
        starts.map(|start| (*start, self.run_end(*start))).collect()
    }
}

impl fmt::Display for OctetSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_full() {
            return f.write_str("*");
        }
        for (position, (first, last)) in self.runs().into_iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

/// The product of four octet sets, never empty. Its order is the odometer's, which is the numeric one: last octet fastest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Octets([OctetSet; 4]);

impl Octets {
    /// From the ranges of each octet; `None` if an octet would be empty.
    pub(super) fn new(ranges: &[Vec<(u8, u8)>; 4]) -> Option<Octets> {
        let sets = ranges.each_ref().map(|ranges| OctetSet::new(ranges));
        sets.iter().all(|set| !set.members.is_empty()).then_some(Octets(sets))
    }

    /// Closed under the host bits of `/prefix` (at most 32), octet by octet.
    pub(super) fn closed(&self, prefix: u8) -> Octets {
        let host = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0).to_be_bytes();
        let [a, b, c, d] = &self.0;
        Octets([a.closed(host[0]), b.closed(host[1]), c.closed(host[2]), d.closed(host[3])])
    }

    /// Number of addresses, 1 to 2^32.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|set| set.members.len() as u64).product()
    }

    /// Whether `addr` is one of them.
    pub fn contains(&self, addr: Ipv4Addr) -> bool {
        self.0.iter().zip(addr.octets()).all(|(set, octet)| set.contains(octet))
    }

    /// The address at `index` in ascending order; the index is taken modulo [`Octets::count`].
    pub fn nth(&self, index: u64) -> Ipv4Addr {
        let mut rest = index;
        let mut octets = [0; 4];
        for (octet, set) in octets.iter_mut().zip(&self.0).rev() {
            let size = set.members.len() as u64;
            *octet = set.members[(rest % size) as usize];
            rest /= size;
        }
        Ipv4Addr::from(octets)
    }

    /// Index of the first member not below `addr`; equals [`Octets::count`] when there is none.
    pub(super) fn index_from(&self, addr: Ipv4Addr) -> u64 {
        let mut index = 0;
        let mut exact = true;
        for (set, octet) in self.0.iter().zip(addr.octets()) {
            // Past the first octet that is no member, the odometer's lower wheels stand at their start. A rank equal to
            // the wheel's size is a carry, and the arithmetic carries it.
            let rank = if exact { set.rank(octet) as u64 } else { 0 };
            index = index * set.members.len() as u64 + rank;
            exact = exact && set.contains(octet);
        }
        index
    }

    /// The end of the run of consecutive addresses around the member `addr`.
    pub(super) fn run_end(&self, addr: Ipv4Addr) -> Ipv4Addr {
        let mut octets = addr.octets();
        for (octet, set) in octets.iter_mut().zip(&self.0).rev() {
            *octet = set.run_end(*octet);
            if !set.is_full() {
                break;
            }
        }
        Ipv4Addr::from(octets)
    }

    /// First and last address where all between are members too.
    pub(super) fn as_run(&self) -> Option<(u32, u32)> {
        let (first, last) = (u32::from(self.nth(0)), u32::from(self.nth(self.count() - 1)));
        (u64::from(last - first) + 1 == self.count()).then_some((first, last))
    }
}

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third, fourth] = &self.0;
        write!(f, "{first}.{second}.{third}.{fourth}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(ranges: [&[(u8, u8)]; 4]) -> Octets {
        Octets::new(&ranges.map(<[_]>::to_vec)).unwrap()
    }

    #[test]
    fn last_octet_turns_fastest() {
        let set = octets([&[(10, 10)], &[(0, 0)], &[(0, 1)], &[(3, 3), (5, 6)]]);
        let all: Vec<_> = (0..set.count()).map(|index| set.nth(index).to_string()).collect();
        assert_eq!(all, ["10.0.0.3", "10.0.0.5", "10.0.0.6", "10.0.1.3", "10.0.1.5", "10.0.1.6"]);
        assert_eq!(set.to_string(), "10.0.0-1.3,5-6");
    }

    #[test]
    fn a_prefix_closes_each_octet() {
        let set = octets([&[(10, 10)], &[(0, 0)], &[(1, 1), (5, 5)], &[(7, 7)]]);
        assert_eq!(set.closed(23).to_string(), "10.0.0-1,4-5.*");
        assert_eq!(set.closed(32), set);
        assert_eq!(set.closed(0).to_string(), "*.*.*.*");
        assert_eq!(set.closed(30).to_string(), "10.0.1,5.4-7");
    }

    #[test]
    fn index_from_finds_the_next_member() {
        let set = octets([&[(10, 10)], &[(1, 1), (9, 9)], &[(0, 255)], &[(2, 3)]]);
        let from = |text: &str| set.index_from(text.parse().unwrap());
        assert_eq!(from("0.0.0.0"), 0);
        assert_eq!(from("10.1.0.3"), 1);
        assert_eq!(from("10.1.0.4"), 2);
        assert_eq!(from("10.2.0.0"), 512);
        assert_eq!(from("10.9.255.4"), set.count());
        assert_eq!(from("11.0.0.0"), set.count());
    }

    #[test]
    fn runs_stop_at_the_first_gap() {
        let set = octets([&[(10, 10)], &[(0, 0)], &[(1, 3)], &[(0, 255)]]);
        assert_eq!(set.run_end("10.0.1.7".parse().unwrap()).to_string(), "10.0.3.255");
        assert!(set.as_run().is_some());
        let set = octets([&[(10, 10)], &[(0, 0)], &[(1, 3)], &[(1, 9)]]);
        assert_eq!(set.run_end("10.0.1.7".parse().unwrap()).to_string(), "10.0.1.9");
        assert!(set.as_run().is_none());
    }
}

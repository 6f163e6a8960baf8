//! A hash for tables that are asked for every packet: a few nanoseconds where the usual one takes ten times as long.
//!
//! Each word is multiplied into the state and both halves of the product are kept. The state begins with a number that
//! is drawn for each table, so whoever may choose keys cannot foresee which of them meet. It is no keyed hash as `SipHash` is:
//! for tables whose keys follow from what the user or the kernel said, not for those that strangers fill.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Hashes the keys of one table.
#[derive(Debug, Clone)]
pub struct QuickHash(u64);

/// A hash being made.
#[derive(Debug)]
pub struct QuickHasher(u64);

/// A table with such a hash.
pub type QuickMap<K, V> = std::collections::HashMap<K, V, QuickHash>;
/// The same without values.
pub type QuickSet<K> = std::collections::HashSet<K, QuickHash>;

/// Odd, with its bits spread evenly: the fraction of the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Default for QuickHash {
    fn default() -> QuickHash {
        QuickHash(RandomState::new().hash_one(()))
    }
}

impl BuildHasher for QuickHash {
    type Hasher = QuickHasher;

    fn build_hasher(&self) -> QuickHasher {
        QuickHasher(self.0)
    }
}

impl Hasher for QuickHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number) * u128::from(SPREAD);
        self.0 = (product >> 64) as u64 ^ (product as u64);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::net::IpAddr;

    #[test]
    fn neighbours_are_spread_over_both_ends_of_the_word() {
        let hash = QuickHash(7);
        let of = |number: u16| hash.hash_one((IpAddr::from([10, 0, (number >> 8) as u8, number as u8]), 0_u32, 6_u8));
        let all: Vec<u64> = (0..4096).map(of).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 4096);
        // A table takes its place from the low bits and its tag from the high ones.
        assert!(
            all.iter().map(|hash| hash & 0xfff).collect::<HashSet<_>>().len() > 2300,
            "1 - 1/e of them were random"
        );
        assert_eq!(all.iter().map(|hash| hash >> 57).collect::<HashSet<_>>().len(), 128);
    }

    #[test]
    fn every_table_has_its_own() {
        assert_ne!(QuickHash::default().hash_one(1_u8), QuickHash::default().hash_one(1_u8));
        let hash = QuickHash::default();
        assert_eq!(hash.hash_one("some text, longer than a word"), hash.hash_one("some text, longer than a word"));
    }
}

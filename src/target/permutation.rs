//! Orders of `0..n` that need no table: a keyed bijection, computed number by number.
//!
//! A Feistel network (Luby and Rackoff 1988) over the smallest even number of bits that holds the range, walked until it
//! falls back into the range (Black and Rogaway 2002): under four steps on average. The key is an argument; nothing is
//! drawn here, and nothing depends on it but an order: it is no secret.

use crate::model::mixed::mixed;

/// Enough that neighbours end up unrelated.
const ROUNDS: usize = 6;

/// A bijection of `0..=last` onto itself.
#[derive(Debug, Clone)]
pub(super) struct Permutation {
    last: u128,
    /// Bits of each half, 1 to 64.
    half: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// The bijection of `0..=last` that belongs to `key`.
    pub(super) fn new(last: u128, key: u64) -> Permutation {
        let bits = u128::BITS - last.leading_zeros();
        let mut state = key;
        let keys = std::array::from_fn(|_| {
            state = mixed(state);
            state
        });
        Permutation { last, half: bits.div_ceil(2).max(1), keys }
    }

    /// Where `index` goes; it must not exceed `last`.
    pub(super) fn at(&self, index: u128) -> u128 {
        // The cycle through `index` leads back into the range, to `index` itself at the latest.
        let mut place = self.step(index);
        while place > self.last {
            place = self.step(place);
        }
        place
    }

    fn step(&self, place: u128) -> u128 {
        let mask = u64::MAX >> (u64::BITS - self.half);
        let (mut left, mut right) = ((place >> self.half) as u64 & mask, place as u64 & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mixed(right ^ key) & mask));
        }
        u128::from(left) << self.half | u128::from(right)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::target::fixed_seed())]

        #[test]
        fn every_number_has_one_place(last in 0_u128..3000, key in any::<u64>()) {
            let permutation = Permutation::new(last, key);
            let mut places: Vec<u128> = (0..=last).map(|index| permutation.at(index)).collect();
            places.sort_unstable();
            prop_assert!(places.into_iter().eq(0..=last));
        }

        #[test]
        fn wide_ranges_are_kept(last in any::<u128>(), index in any::<u128>(), key in any::<u64>()) {
            let permutation = Permutation::new(last, key);
            prop_assert!(permutation.at(index.min(last)) <= last);
        }
    }

    #[test]
    fn keys_give_different_orders_and_neighbours_part() {
        let order = |key| (0..1000).map(|index| Permutation::new(65_535, key).at(index)).collect::<Vec<_>>();
        assert_ne!(order(1), order(2));
        assert_eq!(order(1), order(1));
        let near = order(7).windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 256).count();
        assert!(near < 30, "{near} of 999 steps stay within 256");
    }
}

//! Seeded randomness. The only file that draws a seed from the machine.

use std::cell::RefCell;
use std::rc::Rc;

use crate::model::mixed::mixed;

/// A handle on the run's randomness; clones share one stream of numbers.
#[derive(Clone)]
pub struct Random {
    seed: u64,
    repeatable: bool,
    rng: Rc<RefCell<fastrand::Rng>>,
}

impl Random {
    /// Numbers that follow from `seed`; a seed drawn from the machine when there is none.
    pub fn new(seed: Option<u64>) -> Random {
        Random::seeded(seed.unwrap_or_else(|| fastrand::u64(..)), seed.is_some())
    }

    fn seeded(seed: u64, repeatable: bool) -> Random {
        Random { seed, repeatable, rng: Rc::new(RefCell::new(fastrand::Rng::with_seed(seed))) }
    }

    /// A stream of numbers of its own for `label`: the same for the same seed and label, whatever others drew before. So
    /// what one script draws does not depend on how it was interleaved with others.
    #[must_use]
    pub fn derive(&self, label: &str) -> Random {
        let seed = label.bytes().fold(mixed(self.seed), |state, byte| mixed(state ^ u64::from(byte)));
        Random::seeded(seed, self.repeatable)
    }

    /// The number that belongs to a place: the same whenever it is asked for, without drawing from the stream. So a
    /// population of millions follows from a seed and is stored nowhere.
    pub fn at(&self, place: &[u64]) -> u64 {
        place.iter().fold(mixed(self.seed), |state, number| mixed(state ^ number))
    }

    /// The seed, to repeat a run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A number below `bound`; zero when `bound` is zero.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.rng.borrow_mut().u64(..bound) }
    }

    /// Any 16-bit number.
    pub fn u16(&self) -> u16 {
        self.rng.borrow_mut().u16(..)
    }

    /// Any 64-bit number.
    pub fn u64(&self) -> u64 {
        self.rng.borrow_mut().u64(..)
    }

    /// Fills `buffer` with what nobody may guess: from the machine, unless the run was given a seed and so must be
    /// repeatable.
    pub fn secret(&self, buffer: &mut [u8]) -> std::io::Result<()> {
        if self.repeatable {
            self.fill(buffer);
            return Ok(());
        }
        let mut filled = 0;
        while filled < buffer.len() {
            filled += rustix::rand::getrandom(&mut buffer[filled..], rustix::rand::GetRandomFlags::empty())?;
        }
        Ok(())
    }

    /// Fills `buffer`.
    pub fn fill(&self, buffer: &mut [u8]) {
        self.rng.borrow_mut().fill(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_stream_depends_on_seed_and_label_alone() {
        let draw = |seed, label: &str| {
            let random = Random::new(Some(seed));
            random.u64(); // what others drew
            random.derive(label).u64()
        };
        assert_eq!(draw(1, "http-title 127.0.0.1:80"), Random::new(Some(1)).derive("http-title 127.0.0.1:80").u64());
        let mut all =
            vec![draw(1, "a"), draw(1, "b"), draw(2, "a"), draw(1, ""), draw(1, "aa"), draw(1, "ab"), draw(1, "ba")];
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 7);
    }
}

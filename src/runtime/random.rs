//! Seeded randomness. The only file that draws a seed from the machine.

use std::cell::RefCell;
use std::rc::Rc;

/// A handle on the run's randomness; clones share one stream of numbers.
#[derive(Clone)]
pub struct Random {
    seed: u64,
    rng: Rc<RefCell<fastrand::Rng>>,
}

impl Random {
    /// Numbers that follow from `seed`; a seed drawn from the machine when there is none.
    pub fn new(seed: Option<u64>) -> Random {
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        Random { seed, rng: Rc::new(RefCell::new(fastrand::Rng::with_seed(seed))) }
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

    /// Fills `buffer`.
    pub fn fill(&self, buffer: &mut [u8]) {
        self.rng.borrow_mut().fill(buffer);
    }
}

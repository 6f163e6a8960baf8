//! What happens to a conversation, drawn from its own numbers; and the count of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::runtime::Random;

/// Of 256 pieces, so many are spoilt: a conversation is left alone or treated mildly, badly or very badly.
const SHARES: [u64; 4] = [0, 32, 96, 192];
/// Openings are spoilt so much less often than pieces: a connection that never was teaches little.
const OPENINGS: u64 = 4;
/// Longest delay: 2 to the power of this, in milliseconds.
const MAX_DELAY: u64 = 12;
/// Bytes changed at once at most.
const MAX_CHANGED: u64 = 4;

/// What can happen to a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    Drop,
    Delay,
    Duplicate,
    Truncate,
    Reorder,
    Reset,
    Corrupt,
    Split,
}

impl Fault {
    fn done(self) -> &'static str {
        match self {
            Fault::Drop => "dropped",
            Fault::Delay => "delayed",
            Fault::Duplicate => "duplicated",
            Fault::Truncate => "truncated",
            Fault::Reorder => "reordered",
            Fault::Reset => "reset",
            Fault::Corrupt => "corrupted",
            Fault::Split => "split",
        }
    }
}

/// How often each fault was done; clones share it. Displayed as `2 dropped, 1 reset`.
#[derive(Debug, Clone, Default)]
pub struct Tally(Rc<RefCell<BTreeMap<Fault, u64>>>);

impl Tally {
    /// Faults done.
    pub fn total(&self) -> u64 {
        self.0.borrow().values().sum()
    }

    fn count(&self, fault: Fault) {
        *self.0.borrow_mut().entry(fault).or_default() += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.0.borrow().iter().map(|(fault, count)| format!("{count} {}", fault.done())).collect();
        f.write_str(if parts.is_empty() { "none" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

/// The dice of one conversation.
pub(super) struct Dice {
    random: Random,
    share: u64,
    tally: Tally,
}

impl Dice {
    pub fn new(random: Random, tally: Tally) -> Dice {
        let share = SHARES.get(random.below(SHARES.len() as u64) as usize).copied().unwrap_or_default();
        Dice { random, share, tally }
    }

    /// Whether opening it fails, and how.
    pub fn opening_fault(&self, among: &[Fault]) -> Option<Fault> {
        self.draw(among, 256 * OPENINGS)
    }

    /// What happens to the next piece.
    pub fn fault(&self, among: &[Fault]) -> Option<Fault> {
        self.draw(among, 256)
    }

    fn draw(&self, among: &[Fault], of: u64) -> Option<Fault> {
        if self.random.below(of) >= self.share {
            return None;
        }
        let fault = *among.get(self.random.below(among.len() as u64) as usize)?;
        self.tally.count(fault);
        Some(fault)
    }

    /// 1 ms to 4 s, short ones as often as long ones.
    pub fn delay(&self) -> Duration {
        Duration::from_millis(1 << self.random.below(MAX_DELAY + 1))
    }

    /// Leaves a beginning of it, shorter than the whole.
    pub fn cut(&self, data: &mut Vec<u8>) {
        data.truncate(self.random.below(data.len() as u64) as usize);
    }

    /// Changes a few bytes.
    pub fn corrupt(&self, data: &mut [u8]) {
        for _ in 0..=self.random.below(MAX_CHANGED) {
            if let Some(byte) = data.get_mut(self.random.below(data.len() as u64) as usize) {
                *byte ^= 1 + self.random.below(255) as u8;
            }
        }
    }
}

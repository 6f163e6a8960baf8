//! What the questions to one host came to: many ports, few different verdicts.

use crate::model::{PortState, Reason};

/// What a question came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// State of the port.
    pub state: PortState,
    /// Why.
    pub reason: Reason,
    /// Hops the answer had left; 0 without one.
    pub ttl: u8,
}

/// The different verdicts on one host; a question keeps a number of one.
#[derive(Debug, Default)]
pub(super) struct Verdicts(Vec<Verdict>);

/// Verdicts kept apart; more of them differ in their hops only.
const MOST: usize = 250;

impl Verdicts {
    /// The number of a verdict: its place, from 1.
    pub(super) fn number(&mut self, verdict: Verdict) -> u8 {
        let known = self.0.iter().position(|known| *known == verdict);
        let place = known.unwrap_or_else(|| {
            if self.0.len() < MOST {
                self.0.push(verdict);
                return self.0.len() - 1;
            }
            let alike = |known: &Verdict| (known.state, known.reason) == (verdict.state, verdict.reason);
            self.0.iter().position(alike).unwrap_or(0)
        });
        place as u8 + 1
    }

    /// The verdict of that number; none of 0.
    pub(super) fn get(&self, number: u8) -> Option<Verdict> {
        usize::from(number).checked_sub(1).and_then(|at| self.0.get(at)).copied()
    }
}

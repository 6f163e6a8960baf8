//! How often a probe is sent again: as often as answers prove that tries get lost, not oftener.

/// Bounds of tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TryBounds {
    /// Tries after the first.
    pub retries: u32,
    /// Tries that silence gets in any case, as far as the user allows.
    pub least: u32,
}

/// What one host has taught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tries {
    bounds: TryBounds,
    highest_answered: u32,
    saw_loss: bool,
    lost: u32,
    good: u32,
    allowed: u32,
}

/// Questions whose silence may be wrong, of all of a host.
const DOUBT: f64 = 1e-4;
/// What is thought to be lost before anything shows it: so many of so many.
const PRIOR: (f64, f64) = (0.5, 10.0);

impl Tries {
    /// Nothing known.
    pub fn new(bounds: TryBounds) -> Tries {
        let allowed = bounds.least.min(bounds.retries.saturating_add(1));
        Tries { bounds, highest_answered: 0, saw_loss: false, lost: 0, good: 0, allowed }
    }

    /// Tries a question gets now. Where the first is always answered, a second is enough. Where later ones are, two more
    /// than the highest that ever was, and so many that hardly a question loses all of them; within what the user allows.
    pub fn allowed(&self) -> u32 {
        self.allowed
    }

    fn learn(&mut self) {
        let evident = if self.highest_answered > 0 { self.highest_answered + 3 } else { 0 };
        let sure = if self.saw_loss { self.sure() } else { 0 };
        self.allowed = evident.max(sure).max(self.bounds.least).min(self.most());
    }

    /// Tries of which a question loses all less often than is doubted.
    fn sure(&self) -> u32 {
        let (lost, good) = (f64::from(self.lost), f64::from(self.good));
        let share = (lost + PRIOR.0) / (lost + good + PRIOR.1);
        ((DOUBT / good.max(1.0)).ln() / share.ln()).ceil() as u32
    }

    /// Tries the user allows.
    pub fn most(&self) -> u32 {
        self.bounds.retries.saturating_add(1)
    }

    /// Whether anything showed that packets get lost, or that answers are limited.
    pub fn saw_loss(&self) -> bool {
        self.saw_loss
    }

    /// Counts tries anew: answers are limited.
    pub fn forget(&mut self) {
        /// Where answers are limited, more get lost than the prior says, until the pause is right.
        const LIMITED: u32 = 3;
        (self.highest_answered, self.lost, self.good) = (0, LIMITED, LIMITED);
        self.learn();
    }

    /// Try `number` was answered by somebody on the same way.
    pub fn answered_before(&mut self, number: u32) {
        self.highest_answered = self.highest_answered.max(number);
        self.saw_loss |= number > 0;
        self.learn();
    }

    /// An answer to try `number` (the first is 0). True if more tries are allowed than before: what was given up comes back.
    pub fn answered(&mut self, number: u32) -> bool {
        let before = self.allowed();
        self.lost = self.lost.saturating_add(number);
        self.good = self.good.saturating_add(1);
        self.answered_before(number);
        self.allowed() > before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_costs_two_tries_and_answers_to_later_ones_earn_more() {
        let mut tries = Tries::new(TryBounds { retries: 10, least: 2 });
        assert_eq!(tries.allowed(), 2);
        assert!(!tries.answered(0));
        assert!(tries.answered(1));
        assert_eq!(tries.allowed(), 5, "one of two answers came late");
        (0..1000).for_each(|_| _ = tries.answered(0));
        assert_eq!(tries.allowed(), 4, "one of a thousand did");
        (2..20).for_each(|number| _ = tries.answered(number));
        assert_eq!((tries.allowed(), tries.most(), tries.saw_loss()), (11, 11, true));
        assert_eq!(Tries::new(TryBounds { retries: 0, least: 2 }).allowed(), 1);
    }
}

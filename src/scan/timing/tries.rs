//! How often a probe is sent again, and how slowly: as often as answers prove that tries get lost, not oftener.

use std::time::Duration;

/// Bounds of tries and of the pause between probes of one host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TryBounds {
    /// Tries after the first.
    pub retries: u32,
    /// Tries that silence gets in any case, as far as the user allows.
    pub least: u32,
    /// Pause between probes that the user asked for.
    pub delay: Duration,
    /// Longest pause a scan may choose by itself.
    pub max_delay: Duration,
    /// First pause it chooses.
    pub first_delay: Duration,
    /// Share of lost probes that makes it choose one.
    pub tolerated: f64,
    /// Highest try that may succeed before it chooses one.
    pub tolerated_try: u32,
}

/// What one host has taught.
#[derive(Debug, Clone, PartialEq)]
pub struct Tries {
    bounds: TryBounds,
    highest_answered: u32,
    delay: Duration,
    lost: u32,
    good: u32,
}

/// Losses before the pause is lengthened.
const EVIDENCE: u32 = 10;

impl Tries {
    /// Nothing known.
    pub fn new(bounds: TryBounds) -> Tries {
        Tries { bounds, highest_answered: 0, delay: bounds.delay, lost: 0, good: 0 }
    }

    /// Tries a question gets now. Where the first is always answered, a second is enough; where later ones are, two more than
    /// the highest that ever was; within what the user allows.
    pub fn allowed(&self) -> u32 {
        let evident = if self.highest_answered > 0 { self.highest_answered + 3 } else { 0 };
        evident.max(self.bounds.least).min(self.most())
    }

    /// Tries the user allows.
    pub fn most(&self) -> u32 {
        self.bounds.retries.saturating_add(1)
    }

    /// Whether anything showed that packets get lost, or that answers are limited.
    pub fn saw_loss(&self) -> bool {
        self.highest_answered > 0
    }

    /// Pauses at least so long from now on.
    pub fn slow_down(&mut self, delay: Duration) {
        self.delay = self.delay.max(delay);
    }

    /// Try `number` was answered by somebody on the same way.
    pub fn answered_before(&mut self, number: u32) {
        self.highest_answered = self.highest_answered.max(number);
    }

    /// Pause between probes of the host.
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// An answer to try `number` (the first is 0). True if more tries are allowed than before: what was given up comes back.
    pub fn answered(&mut self, number: u32) -> bool {
        self.good = self.good.saturating_add(1);
        let before = self.allowed();
        self.highest_answered = self.highest_answered.max(number);
        self.allowed() > before
    }

    /// A probe proved to be lost. True if the pause was lengthened.
    pub fn lost(&mut self) -> bool {
        self.lost = self.lost.saturating_add(1);
        let share = f64::from(self.lost) / f64::from(self.lost + self.good);
        let much = self.lost > EVIDENCE && share > self.bounds.tolerated;
        if !(much || self.highest_answered > self.bounds.tolerated_try) || self.delay >= self.bounds.max_delay {
            return false;
        }
        let next = if self.delay.is_zero() { self.bounds.first_delay } else { self.delay * 2 };
        self.delay = next.min(self.bounds.max_delay);
        (self.lost, self.good) = (0, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: TryBounds = TryBounds {
        retries: 10,
        least: 2,
        delay: Duration::ZERO,
        max_delay: Duration::from_secs(1),
        first_delay: Duration::from_millis(5),
        tolerated: 0.3,
        tolerated_try: 3,
    };

    #[test]
    fn silence_costs_two_tries_and_answers_to_later_ones_earn_more() {
        let mut tries = Tries::new(BOUNDS);
        assert_eq!(tries.allowed(), 2);
        assert!(!tries.answered(0));
        assert!(tries.answered(1));
        assert_eq!(tries.allowed(), 4);
        (2..20).for_each(|number| _ = tries.answered(number));
        assert_eq!((tries.allowed(), tries.most(), tries.saw_loss()), (11, 11, true));
        assert_eq!(Tries::new(TryBounds { retries: 0, ..BOUNDS }).allowed(), 1);
    }

    #[test]
    fn proven_losses_slow_down_and_good_answers_do_not() {
        let mut tries = Tries::new(BOUNDS);
        (0..100).for_each(|_| _ = tries.answered(0));
        assert_eq!((0..30).filter(|_| tries.lost()).count(), 0, "less than a third");
        let slowed = (0..200).filter(|_| tries.lost()).count();
        assert_eq!((slowed > 1, tries.delay() <= Duration::from_secs(1)), (true, true));
        (0..1000).for_each(|_| _ = tries.lost());
        assert_eq!(tries.delay(), Duration::from_secs(1));
    }
}

//! Rates that need nobody to wait: when the next may go.

use std::time::Duration;

use crate::model::Timestamp;

/// So many a second, evenly; what was not used is lost but for a few milliseconds' worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    usual: Duration,
    interval: Duration,
    next: Timestamp,
    /// When it was last halved.
    cut: Timestamp,
}

/// What may be caught up with at once.
const SLACK: Duration = Duration::from_millis(2);
/// The slowest a rate becomes by itself, as a multiple of its interval.
const SLOWEST: u32 = 64;

impl Rate {
    /// `per_second` from `now` on.
    pub(super) fn new(per_second: f64, now: Timestamp) -> Rate {
        let interval = Duration::from_secs_f64(1.0 / per_second.max(0.001));
        Rate { usual: interval, interval, next: now, cut: now }
    }

    /// Whether one may go at `now`.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.next <= now
    }

    /// When the next may go.
    pub(super) fn next(&self) -> Timestamp {
        self.next
    }

    /// One went.
    pub(super) fn took(&mut self, now: Timestamp) {
        let behind = now.since(self.next).saturating_sub(SLACK);
        self.next = self.next.plus(behind).plus(self.interval);
    }

    /// Packets were lost: half the rate, once in `round_trip`.
    pub(super) fn halve(&mut self, now: Timestamp, round_trip: Duration) {
        if now.since(self.cut) >= round_trip {
            self.cut = now;
            self.interval = (self.interval * 2).min(self.usual * SLOWEST);
        }
    }

    /// An answer: back towards the usual rate, by a hundredth each.
    pub(super) fn recover(&mut self) {
        self.interval = self.interval.checked_sub(self.interval / 100).unwrap().max(self.usual);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_and_not_saved_up() {
        let mut rate = Rate::new(1000.0, Timestamp(0));
        let at = |micros: u64| Timestamp(micros * 1000);
        let taken = |rate: &mut Rate, now| {
            (0..100)
                .take_while(|_| {
                    rate.is_due(now) && {
                        rate.took(now);
                        true
                    }
                })
                .count()
        };
        assert_eq!(taken(&mut rate, at(0)), 1);
        assert_eq!(taken(&mut rate, at(1000)), 1);
        assert_eq!(taken(&mut rate, at(1_000_000)), 3, "two milliseconds are caught up with");
        rate.halve(at(1_000_000), Duration::from_millis(100));
        rate.halve(at(1_000_001), Duration::from_millis(100));
        assert_eq!(rate.interval, Duration::from_millis(2));
        (0..1000).for_each(|_| rate.recover());
        assert_eq!(rate.interval, Duration::from_millis(1));
    }
}

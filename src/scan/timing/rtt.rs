//! Round-trip time and the time-out that follows from it (Jacobson and Karels; RFC 6298 with the bounds of a scanner).

use std::time::Duration;

/// Bounds of the time-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RttBounds {
    /// Before any sample.
    pub initial: Duration,
    /// Never shorter.
    pub min: Duration,
    /// Never longer.
    pub max: Duration,
}

/// Smoothed round-trip time of one host, or of all together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rtt {
    bounds: RttBounds,
    samples: u32,
    srtt: Duration,
    rttvar: Duration,
    /// The deviation without bounds.
    spread: Duration,
    /// What follows from these, asked for far more often than they change.
    timeout: Duration,
    settled: Duration,
}

/// Bounds of the first deviation.
const FIRST_DEVIATION: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(2));
/// Nothing counts as lost sooner: answers wait that long between the link and us.
const SOONEST: Duration = Duration::from_millis(3);
/// A sample this long belongs to another packet.
const ABSURD: Duration = Duration::from_secs(8);
/// More above the estimate than this is suspicious when it is also far outside of the deviation.
const SUSPICIOUS: Duration = Duration::from_millis(1500);
/// A deviation above the first is cut to the second: one wild sample must not slow the rest of a scan.
const WILD_DEVIATION: (Duration, Duration) = (Duration::from_millis(2300), Duration::from_secs(2));
/// How long after its time-out a probe is still recognised, as a multiple of the time-out, counted at most as the second.
const REMEMBERED: (u32, Duration) = (10, Duration::from_secs(1));

impl Rtt {
    /// Nothing measured yet.
    pub fn new(bounds: RttBounds) -> Rtt {
        let (nothing, initial) = (Duration::ZERO, bounds.initial);
        Rtt { bounds, samples: 0, srtt: nothing, rttvar: nothing, spread: nothing, timeout: initial, settled: initial }
    }

    /// Samples taken.
    pub fn samples(&self) -> u32 {
        self.samples
    }

    /// The smoothed time; none without a sample.
    pub fn smoothed(&self) -> Option<Duration> {
        (self.samples > 0).then_some(self.srtt)
    }

    /// The smoothed deviation; none without a sample.
    pub fn deviation(&self) -> Option<Duration> {
        (self.samples > 0).then_some(self.rttvar)
    }

    /// How long to wait for an answer.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How long after it was sent a probe is no longer on its way, answered or lost: it then takes no room of the window, even
    /// if nobody gives it up yet. Time-outs have a lower bound, so on a near link they are a hundred times longer than this.
    pub fn settled(&self) -> Duration {
        self.settled
    }

    /// How long after it was sent a probe's answer is still believed.
    pub fn memory(&self) -> Duration {
        self.timeout().max(self.timeout().min(REMEMBERED.1) * REMEMBERED.0)
    }

    /// Takes in one measured time; false if it cannot be one.
    pub fn sample(&mut self, time: Duration) -> bool {
        if time >= ABSURD {
            return false;
        }
        if self.samples == 0 {
            self.srtt = time;
            self.rttvar = time.clamp(FIRST_DEVIATION.0, FIRST_DEVIATION.1);
            self.spread = time / 2;
        } else {
            let above = time.saturating_sub(self.srtt);
            if above > SUSPICIOUS && above > self.srtt * 3 + self.rttvar * 2 {
                return false;
            }
            let off = time.abs_diff(self.srtt);
            self.srtt = self.srtt * 7 / 8 + time / 8;
            self.rttvar = self.rttvar * 3 / 4 + off / 4;
            self.spread = self.spread * 3 / 4 + off / 4;
            if self.rttvar > WILD_DEVIATION.0 {
                self.rttvar = WILD_DEVIATION.1;
            }
        }
        self.samples = self.samples.saturating_add(1);
        self.timeout = (self.srtt + self.rttvar * 4).clamp(self.bounds.min, self.bounds.max.max(self.bounds.min));
        self.settled = (self.srtt * 2 + self.spread * 4).clamp(SOONEST, self.timeout.max(SOONEST));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    const BOUNDS: RttBounds = RttBounds { initial: ms(1000), min: ms(100), max: ms(10_000) };

    #[test]
    fn the_timeout_follows_the_samples() {
        let mut rtt = Rtt::new(BOUNDS);
        assert_eq!((rtt.timeout(), rtt.smoothed()), (ms(1000), None));
        assert!(rtt.sample(ms(40)));
        assert_eq!((rtt.smoothed(), rtt.timeout()), (Some(ms(40)), ms(200)));
        for _ in 0..50 {
            rtt.sample(ms(40));
        }
        assert_eq!(rtt.timeout(), ms(100), "the least allowed");
        rtt.sample(ms(1240));
        assert_eq!(rtt.smoothed(), Some(ms(190)));
        assert!((ms(1380)..ms(1400)).contains(&rtt.timeout()), "{:?}", rtt.timeout());
    }

    #[test]
    fn impossible_samples_are_refused() {
        let mut rtt = Rtt::new(BOUNDS);
        assert!(!rtt.sample(ms(8000)));
        assert!(rtt.sample(ms(10)));
        assert!(!rtt.sample(ms(5000)), "far off");
        assert_eq!(rtt.samples(), 1);
    }

    #[test]
    fn the_first_sample_sets_a_deviation_within_bounds() {
        let after = |first| {
            let mut rtt = Rtt::new(BOUNDS);
            rtt.sample(first);
            rtt.deviation()
        };
        assert_eq!(after(Duration::from_micros(30)), Some(ms(5)));
        assert_eq!(after(ms(6000)), Some(ms(2000)));
    }

    #[test]
    fn late_answers_are_believed_for_a_while() {
        let mut rtt = Rtt::new(BOUNDS);
        assert_eq!(rtt.memory(), ms(10_000));
        rtt.sample(ms(10));
        assert_eq!(rtt.memory(), ms(1000), "ten time-outs");
    }
}

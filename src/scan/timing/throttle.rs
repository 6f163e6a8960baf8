//! The pause between probes of one host: what the user asked for, or as long as the host needs that limits how often it
//! answers.
//!
//! Such a host lets a few resets or ICMP errors pass at once, then so many a second. Whoever asks faster gets answers at
//! exactly that rate, so their spacing is the pause to take: doubling one until nothing is lost overshoots it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::Timestamp;

/// The pause, and what it is learned from.
#[derive(Debug, Clone, PartialEq)]
pub struct Throttle {
    bounds: PauseBounds,
    pause: Duration,
    /// The pause at which nothing was lost, once it is measured.
    proven: Option<Duration>,
    /// Share of first tries that were answered lately.
    share: f32,
    recent: VecDeque<Answered>,
    sent: u64,
    /// Probes since something was heard, and since an answer showed that one was lost.
    quiet: u64,
    calm: u64,
    /// So many without a late answer shorten the pause.
    patience: u64,
}

/// Bounds of the pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PauseBounds {
    /// What the user asked for.
    pub least: Duration,
    /// Longest that a scan chooses by itself.
    pub most: Duration,
    /// Whether most hosts limit such answers: then one sign is enough to suspect it.
    pub is_usual: bool,
}

/// An answer, and how many probes had been sent when it came.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Answered {
    at: Timestamp,
    sent: u64,
    is_late: bool,
}

/// Answers looked at together, so many of them late: to a later try than the first that counts.
const RECENT: usize = 4;
const LATE: usize = 3;
/// Probes for each answer that show that there is a limit, not only a way that loses some.
const EXCESS: u64 = 2;
/// Below this a pause does not matter.
const SHORTEST: Duration = Duration::from_millis(1);
/// Probes without a late answer until the pause is shortened, by an eighth; twice as many after each time it was wrong.
const CALM: (u64, u64) = (16, 1024);
/// Probes without a late answer until a limit that was never measured is forgotten.
const SUSPECTED: u64 = 256;
/// Probes without any answer until it is halved: who is asked now would not answer anyway.
const QUIET: u64 = 8;
/// What one first try counts in the share of those answered, and the share below which answers have run dry.
const SHARE: (f32, f32) = (0.125, 0.5);

impl Throttle {
    /// Nothing known.
    pub fn new(bounds: PauseBounds) -> Throttle {
        Throttle {
            bounds,
            pause: bounds.least,
            proven: None,
            share: 1.0,
            recent: VecDeque::with_capacity(RECENT),
            sent: 0,
            quiet: 0,
            calm: 0,
            patience: CALM.0,
        }
    }

    /// Pause between probes of the host.
    pub fn pause(&self) -> Duration {
        self.pause
    }

    /// The spacing of the host's answers, while it is known to limit them.
    pub fn proven(&self) -> Option<Duration> {
        self.proven.filter(|_| self.is_limiting())
    }

    /// Whether the host's answers are limited, as far as is known.
    pub fn is_limiting(&self) -> bool {
        self.pause > self.bounds.least
    }

    /// A probe was sent; `active` of them may still be answered soon.
    pub fn sent(&mut self, active: usize) {
        self.sent += 1;
        self.quiet += 1;
        self.calm += 1;
        if !self.is_limiting() {
            return;
        }
        let in_flight = active as u64;
        if self.proven.is_none() {
            if self.calm >= SUSPECTED + in_flight {
                self.pause = self.bounds.least;
            }
        } else if self.quiet >= QUIET + in_flight {
            (self.quiet, self.calm) = (0, 0);
            self.shorten(self.pause / 2);
        } else if self.calm >= self.patience + in_flight {
            self.calm = 0;
            self.shorten(self.pause * 7 / 8);
        }
    }

    fn shorten(&mut self, to: Duration) {
        self.pause = if to < SHORTEST { self.bounds.least } else { to.max(self.bounds.least) };
    }

    /// A first try was answered, or was not in the usual time. In the order they were made.
    pub fn settled(&mut self, is_answered: bool) {
        self.share += SHARE.0 * (f32::from(u8::from(is_answered)) - self.share);
    }

    /// Whether most hosts limit such answers.
    pub fn is_usual(&self) -> bool {
        self.bounds.is_usual
    }

    /// Whether a limit is likely: most of what is asked now stays unanswered.
    pub fn is_dry(&self) -> bool {
        self.bounds.is_usual || self.share < SHARE.1
    }

    /// An answer that might have been held back came at `at`. True if the host proves to limit its answers, below what it
    /// is asked now: the pause was lengthened, and what was asked before proves nothing.
    pub fn answered(&mut self, at: Timestamp, is_late: bool) -> bool {
        self.quiet = 0;
        if is_late {
            self.calm = 0;
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Answered { at, sent: self.sent, is_late });
        if let Some(spacing) = self.limit() {
            self.recent.clear();
            // A little slower: who is asked too early may make us wait for the whole spacing again.
            let pause = (spacing + spacing / 128).min(self.bounds.most);
            if pause >= SHORTEST && pause > self.pause {
                (self.pause, self.proven) = (pause, Some(pause));
                return true;
            }
        }
        let proven = self.proven.filter(|proven| is_late && *proven > self.pause);
        if let Some(proven) = proven {
            (self.pause, self.patience) = (proven, (self.patience * 2).min(CALM.1));
        }
        proven.is_some()
    }

    /// The spacing of answers, if they were held back.
    fn limit(&self) -> Option<Duration> {
        let (first, last) = (self.recent.front()?, self.recent.back()?);
        let late = self.recent.iter().filter(|answer| answer.is_late).count();
        let may_be = self.is_dry() || self.proven.is_some();
        let is_excess = may_be && last.sent - first.sent >= EXCESS * (RECENT as u64 - 1);
        if late < LATE || !is_excess || self.recent.len() < RECENT {
            return None; // as nearly always: this is asked for each answer
        }
        let mut gaps: Vec<Duration> =
            self.recent.iter().zip(self.recent.iter().skip(1)).map(|(a, b)| b.at.since(a.at)).collect();
        gaps.sort_unstable();
        gaps.get(RECENT / 2 - 1).copied()
    }

    /// Pauses at least so long from now on, for a reason of others.
    pub fn slow_down(&mut self, pause: Duration) {
        self.pause = self.pause.max(pause.min(self.bounds.most));
        (self.quiet, self.calm) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn throttle() -> Throttle {
        Throttle::new(PauseBounds { least: Duration::ZERO, most: ms(1000), is_usual: false })
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp(millis * 1_000_000)
    }

    #[test]
    fn the_spacing_of_late_answers_is_the_pause() {
        let mut throttle = throttle();
        let found = (0..5).position(|number| {
            for _ in 0..50 {
                throttle.sent(10);
                throttle.settled(false);
            }
            throttle.answered(at(2000 + number * 320), number > 0)
        });
        assert_eq!((found, throttle.pause()), (Some(3), ms(322) + Duration::from_micros(500)));
        assert!(throttle.is_limiting());
    }

    #[test]
    fn a_way_that_loses_some_is_no_limit() {
        let mut throttle = throttle();
        for number in 0..1000 {
            throttle.sent(10);
            assert!(!throttle.answered(at(number * 40), true), "each probe is answered");
        }
        let mut throttle = self::throttle();
        for number in 0..1000 {
            (0..10).for_each(|_| throttle.sent(10));
            assert!(!throttle.answered(at(number * 40), number % 3 == 0), "most are answered at once");
        }
    }

    #[test]
    fn the_pause_gets_shorter_while_nothing_is_lost() {
        let mut throttle = throttle();
        throttle.slow_down(ms(5000));
        assert_eq!(throttle.pause(), ms(1000));
        throttle.proven = Some(ms(1000));
        for _ in 0..16 {
            throttle.sent(0);
            throttle.answered(at(0), false);
        }
        assert_eq!(throttle.pause(), ms(875));
        assert!(throttle.answered(at(0), true), "it was right");
        assert_eq!(throttle.pause(), ms(1000));
        (0..1000).for_each(|_| throttle.sent(0));
        assert!(!throttle.is_limiting());
    }
}

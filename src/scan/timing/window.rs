//! Congestion windows: how many probes may be under way, for a host and for everything together (RFC 5681 in its ideas,
//! with a scanner's signals: a loss is proven by an answer to a later try, never by silence).

use std::time::Duration;

use crate::model::Timestamp;

/// Bounds of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowBounds {
    /// Probes always allowed.
    pub low: f64,
    /// Probes at most.
    pub high: f64,
    /// Growth for each answer beyond the threshold.
    pub growth: f64,
    /// What is left of the probes under way as threshold after a loss, 0 to 1.
    pub backoff: f64,
    /// Where slow start ends before the first loss.
    pub threshold: f64,
}

/// Whose window it is, and so what a loss does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One host's: a loss closes it.
    Host,
    /// Everybody's: a loss halves it.
    Everything,
}

/// A congestion window.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    bounds: WindowBounds,
    scope: Scope,
    size: f64,
    threshold: f64,
    expected: u64,
    received: u64,
    last_loss: Option<Timestamp>,
}

/// Where a window starts.
const INITIAL: f64 = 10.0;
/// The round-trip time the first threshold is meant for; on nearer links it is higher, at most so many times.
const FAR: (Duration, f64) = (Duration::from_millis(10), 14.0);
/// Rare answers count for more, up to this.
const MOST_SCALE: f64 = 50.0;
/// An answer to a timing ping counts for this many.
pub const PING_WEIGHT: f64 = 3.0;

impl Window {
    /// A window that has learned nothing.
    pub fn new(bounds: WindowBounds, scope: Scope) -> Window {
        let size = INITIAL.clamp(bounds.low, bounds.high.max(bounds.low));
        Window { bounds, scope, size, threshold: bounds.threshold, expected: 0, received: 0, last_loss: None }
    }

    /// Learns the round-trip time: what is answered within a millisecond is taken out of the way sooner, so more of it may
    /// be under way.
    pub fn round_trip(&mut self, srtt: Duration) {
        if self.last_loss.is_none() {
            let nearer = FAR.0.as_secs_f64() / srtt.as_secs_f64().max(1e-6);
            self.threshold = self.bounds.threshold * nearer.clamp(1.0, FAR.1);
        }
    }

    /// Probes that may be under way.
    pub fn size(&self) -> f64 {
        self.size
    }

    /// Whether one more may be sent while `active` are under way.
    pub fn allows(&self, active: usize) -> bool {
        self.size >= active as f64 + 0.5
    }

    /// Counts a probe whose answer is hoped for.
    pub fn probe_sent(&mut self) {
        self.expected += 1;
    }

    /// Opens the window for an answer of that `weight`.
    pub fn answered(&mut self, weight: f64) {
        self.received += 1;
        let scale = (self.expected as f64 / self.received as f64).clamp(1.0, MOST_SCALE) * weight;
        if self.size < self.threshold {
            self.size = (self.size + scale).min(self.threshold);
        } else {
            self.size += self.bounds.growth / self.size * scale;
        }
        self.size = self.size.min(self.bounds.high.max(self.bounds.low));
    }

    /// Closes the window for a probe sent at `sent`, known at `now` to be lost while `active` are under way. Probes sent
    /// together are lost together, so only the first of them counts; true if it did.
    pub fn lost(&mut self, sent: Timestamp, now: Timestamp, active: usize) -> bool {
        if self.last_loss.is_some_and(|last| sent <= last) {
            return false;
        }
        self.last_loss = Some(now);
        self.threshold = (active as f64 * self.bounds.backoff).max(2.0);
        self.size = match self.scope {
            Scope::Host => self.bounds.low,
            Scope::Everything => (self.size / 2.0).max(self.bounds.low),
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: WindowBounds =
        WindowBounds { low: 1.0, high: 300.0, growth: 1.0, backoff: 2.0 / 3.0, threshold: 75.0 };

    #[test]
    fn it_opens_fast_then_slowly_then_not_at_all() {
        let mut window = Window::new(BOUNDS, Scope::Host);
        assert!(window.allows(9) && !window.allows(10));
        for _ in 0..65 {
            window.probe_sent();
            window.answered(1.0);
        }
        assert!((window.size() - 75.0).abs() < 1e-9);
        window.answered(1.0);
        assert!(window.size() < 75.02);
        (0..1_000_000).for_each(|_| window.answered(1.0));
        assert!((window.size() - 300.0).abs() < 1e-9);
    }

    #[test]
    fn rare_answers_count_for_more() {
        let mut window = Window::new(BOUNDS, Scope::Host);
        (0..20).for_each(|_| window.probe_sent());
        window.answered(1.0);
        assert!((window.size() - 30.0).abs() < 1e-9);
        let mut window = Window::new(BOUNDS, Scope::Host);
        (0..1_000_000).for_each(|_| window.probe_sent());
        window.answered(1.0);
        assert!((window.size() - 60.0).abs() < 1e-9, "bounded");
    }

    #[test]
    fn one_batch_is_lost_once() {
        let at = Timestamp;
        let mut host = Window::new(BOUNDS, Scope::Host);
        let mut all = Window::new(BOUNDS, Scope::Everything);
        for window in [&mut host, &mut all] {
            assert!(window.lost(at(1), at(10), 30));
            assert!(!window.lost(at(2), at(11), 30), "sent before the loss was known");
        }
        assert_eq!((host.size(), all.size()), (1.0, 5.0));
        assert!((host.threshold - 20.0).abs() < 1e-9);
        assert!(host.lost(at(12), at(20), 1));
        assert!((host.threshold - 2.0).abs() < 1e-9);
    }
}

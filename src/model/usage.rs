//! Counters of what one script instance has used.

use std::cell::Cell;
use std::time::Duration;

use super::Timestamp;

/// Shared between the instance and everything that acts for it; one thread, so plain cells.
#[derive(Debug, Default)]
pub struct Usage {
    /// Bytes sent.
    pub sent: Cell<u64>,
    /// Bytes received.
    pub received: Cell<u64>,
    /// Packets sent raw.
    pub packets: Cell<u64>,
    /// Sockets open now.
    pub sockets: Cell<u32>,
    /// Time spent queueing, up to now: for a socket slot, or for what is not known yet.
    queued: Cell<Duration>,
    /// Since when, and in how many threads, it queues.
    queueing: Cell<(Timestamp, u32)>,
}

impl Usage {
    /// Adds to the bytes sent.
    pub fn add_sent(&self, bytes: usize) {
        self.sent.set(self.sent.get() + bytes as u64);
    }

    /// Adds to the bytes received.
    pub fn add_received(&self, bytes: usize) {
        self.received.set(self.received.get() + bytes as u64);
    }

    /// One of its threads begins to queue.
    pub fn begin_queueing(&self, now: Timestamp) {
        let (since, threads) = self.queueing.get();
        self.queueing.set((if threads == 0 { now } else { since }, threads + 1));
    }

    /// One has what it queued for, or gave up.
    pub fn end_queueing(&self, now: Timestamp) {
        let (since, threads) = self.queueing.get();
        self.queueing.set((since, threads.saturating_sub(1)));
        if threads == 1 {
            self.queued.set(self.queued.get() + now.since(since));
        }
    }

    /// Whether one of its threads queues.
    pub fn is_queueing(&self) -> bool {
        self.queueing.get().1 > 0
    }

    /// Time spent in queues so far; none if it never waited and does not now. It does not count against its own time.
    pub fn queued(&self, now: Timestamp) -> Option<Duration> {
        let (since, threads) = self.queueing.get();
        let current = if threads > 0 { now.since(since) } else { Duration::ZERO };
        let waited = threads > 0 || !self.queued.get().is_zero();
        waited.then(|| self.queued.get() + current)
    }

    /// Bytes in both directions.
    pub fn bytes(&self) -> u64 {
        self.sent.get() + self.received.get()
    }
}

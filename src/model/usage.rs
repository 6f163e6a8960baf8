//! Counters of what one script instance has used.

use std::cell::Cell;

/// Shared between the instance and everything that acts for it; one thread, so plain cells.
#[derive(Debug, Default)]
pub struct Usage {
    /// Bytes sent.
    pub sent: Cell<u64>,
    /// Bytes received.
    pub received: Cell<u64>,
    /// Sockets open now.
    pub sockets: Cell<u32>,
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

    /// Bytes in both directions.
    pub fn bytes(&self) -> u64 {
        self.sent.get() + self.received.get()
    }
}

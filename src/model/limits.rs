//! Budgets of a script instance. They are always set.

use std::time::Duration;

/// What one instance may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall time from creation to end.
    pub wall: Duration,
    /// Rhai operations.
    pub operations: u64,
    /// Bytes allocated and not freed while it ran.
    pub memory: usize,
    /// Bytes of returned output.
    pub output: usize,
    /// Bytes sent and received.
    pub bytes: u64,
    /// Packets sent raw.
    pub packets: u64,
    /// Sockets open at once.
    pub sockets: u32,
    /// Time one network operation may take unless the script sets another.
    pub operation_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            wall: Duration::from_mins(2),
            operations: 200_000_000,
            memory: 64 << 20,
            output: 1 << 20,
            bytes: 64 << 20,
            packets: 1_000_000,
            sockets: 64,
            operation_timeout: Duration::from_secs(10),
        }
    }
}

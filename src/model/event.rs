//! What the run tells the reports, in order.

use std::time::Duration;

use super::{Host, Protocol, ScriptResult, Shard, Timestamp, Totals};

/// What is about to be scanned.
#[derive(Debug, Clone)]
pub struct ScanInfo {
    /// `connect`, later `syn` and others.
    pub kind: &'static str,
    /// The transport.
    pub protocol: Protocol,
    /// The ports, sorted ascending.
    pub ports: Vec<u16>,
}

/// The first event of a run.
#[derive(Debug, Clone)]
pub struct RunStart {
    /// Version of sonde.
    pub version: &'static str,
    /// The command line as typed.
    pub args: String,
    /// When it began.
    pub at: Timestamp,
    /// The scans of the run; empty when no ports are scanned.
    pub scans: Vec<ScanInfo>,
    /// Verbosity (`-v`).
    pub verbose: u8,
    /// Debug level (`-d`).
    pub debug: u8,
    /// The seed of every random choice.
    pub seed: u64,
    /// What is scanned, as a fingerprint: the same for every shard, and every part of a resumed run.
    pub scan: String,
    /// Which part of the scan this run is; none: all of it.
    pub shard: Option<Shard>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything planned was done.
    Complete,
    /// Something planned was not done (see the totals).
    Incomplete,
    /// Interrupted by the user; what was printed is valid.
    Interrupted,
}

/// The last event of a run.
#[derive(Debug, Clone)]
pub struct RunEnd {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took.
    pub elapsed: Duration,
    /// How it ended.
    pub ending: Ending,
    /// What adds up.
    pub totals: Totals,
}

/// One thing a report may print.
#[derive(Debug, Clone)]
pub enum Event {
    /// The run begins.
    Start(RunStart),
    /// A target could not be scanned: what was typed, and why.
    TargetSkipped {
        /// The expression as typed.
        spec: String,
        /// One line.
        reason: String,
    },
    /// Results of prerules.
    Prescan(Vec<ScriptResult>),
    /// A host is done.
    Host(Box<Host>),
    /// Results of postrules.
    Postscan(Vec<ScriptResult>),
    /// The run is over.
    End(RunEnd),
}

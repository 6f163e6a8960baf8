//! How one script instance ended. Every planned instance ends in exactly one of these.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Host, Stages, Timestamp, Value};

/// Which rule started an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleKind {
    /// Once, before the scan.
    Pre,
    /// Once a host.
    Host,
    /// Once a port.
    Port,
    /// Once, after the scan.
    Post,
}

impl RuleKind {
    /// The rule of that name.
    pub fn parse(name: &str) -> Option<RuleKind> {
        use RuleKind::{Host, Port, Post, Pre};
        [Pre, Host, Port, Post].into_iter().find(|rule| rule.name() == name)
    }

    /// The name of the rule in a script header.
    pub fn name(self) -> &'static str {
        match self {
            RuleKind::Pre => "prerule",
            RuleKind::Host => "hostrule",
            RuleKind::Port => "portrule",
            RuleKind::Post => "postrule",
        }
    }
}

/// The ending of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScriptOutcome {
    /// The action returned.
    Done,
    /// The rule said no.
    RuleFalse,
    /// A peer or the script itself failed.
    Failed,
    /// The wall-time budget or the host's time ran out.
    TimedOut,
    /// Another budget ran out: operations, memory, bytes, sockets, output.
    OverBudget,
    /// The run was interrupted.
    Cancelled,
    /// It was not started, with a reason: privilege, host gone.
    Skipped,
}

impl ScriptOutcome {
    /// The ending of that name.
    pub fn parse(name: &str) -> Option<ScriptOutcome> {
        use ScriptOutcome::{Cancelled, Done, Failed, OverBudget, RuleFalse, Skipped, TimedOut};
        let all = [Done, RuleFalse, Failed, TimedOut, OverBudget, Cancelled, Skipped];
        all.into_iter().find(|outcome| outcome.name() == name)
    }

    /// The name used in every machine format.
    pub fn name(self) -> &'static str {
        match self {
            ScriptOutcome::Done => "done",
            ScriptOutcome::RuleFalse => "rule-false",
            ScriptOutcome::Failed => "failed",
            ScriptOutcome::TimedOut => "timed-out",
            ScriptOutcome::OverBudget => "over-budget",
            ScriptOutcome::Cancelled => "cancelled",
            ScriptOutcome::Skipped => "skipped",
        }
    }
}

/// Who is to blame for a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// A peer refused, timed out or talked nonsense: an outcome, not a bug.
    Peer,
    /// The script is wrong.
    Script,
    /// A budget or deadline ended it.
    Limit,
    /// It reached for what it did not declare.
    Denied,
    /// This machine could not (descriptors, permissions), or sonde itself is wrong.
    Internal,
}

impl FailureKind {
    /// The kind of that name.
    pub fn parse(name: &str) -> Option<FailureKind> {
        use FailureKind::{Denied, Internal, Limit, Peer, Script};
        [Peer, Script, Limit, Denied, Internal].into_iter().find(|kind| kind.name() == name)
    }

    /// The name used in every machine format.
    pub fn name(self) -> &'static str {
        match self {
            FailureKind::Peer => "peer",
            FailureKind::Script => "script",
            FailureKind::Limit => "limit",
            FailureKind::Denied => "denied",
            FailureKind::Internal => "internal",
        }
    }
}

/// Why an instance did not simply finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Who is at fault.
    pub kind: FailureKind,
    /// Finer class: a `NetErrorKind` name, or `operations`, `wall`, `memory`, `output`, `bytes`, `packets`, `sockets`,
    /// `slots`, `workers`, `mappings`, `runtime`…
    pub class: String,
    /// One line.
    pub message: String,
    /// File, line and column (1-based) in the script, where known.
    pub position: Option<(String, u32, u32)>,
    /// The full diagnostic of a script bug: caret and call stack. Empty otherwise.
    pub diagnostic: String,
}

/// The record of one instance, kept also when it failed.
#[derive(Debug, Clone)]
pub struct ScriptResult {
    /// Script id.
    pub id: String,
    /// The rule that started it.
    pub rule: RuleKind,
    /// How it ended.
    pub outcome: ScriptOutcome,
    /// When it was created.
    pub started: Timestamp,
    /// How long it lived.
    pub duration: Duration,
    /// Bytes sent by it.
    pub sent: u64,
    /// Bytes received by it.
    pub received: u64,
    /// What it returned; `Unit` for nothing.
    pub output: Value,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

/// Counts of endings, per script id. Sums equal what was planned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// script id -> ending -> count.
    pub scripts: BTreeMap<String, BTreeMap<ScriptOutcome, u64>>,
    /// Hosts up.
    pub up: u64,
    /// Hosts down.
    pub down: u64,
    /// Hosts that stopped answering while they were scanned.
    pub degraded: u64,
    /// Hosts nobody asked.
    pub unknown: u64,
    /// Targets whose name did not resolve or that could not be scanned.
    pub unresolved: u64,
    /// Hosts planned but not finished when the run was interrupted or timed out.
    pub unfinished: u64,
    /// Ports probed.
    pub ports: u64,
    /// Packets captured.
    pub packets: PacketTotals,
    /// The same and more, stage by stage: what was planned, and how it ended.
    pub stages: Stages,
}

/// What became of the packets of all captures of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PacketTotals {
    /// Packets the dispatcher saw.
    pub seen: u64,
    /// Packets put into queues; one in two queues counts twice.
    pub delivered: u64,
    /// Packets that found a queue full, by queue.
    pub dropped: u64,
    /// Packets the kernel had matched and lost before anybody saw them.
    pub lost: u64,
}

impl Totals {
    /// Counts the instances of a host: those with a record, and those whose rule said no.
    pub fn count_host(&mut self, host: &Host) {
        let results = host.scripts.iter().chain(host.port_scripts.iter().map(|(_, result)| result));
        results.for_each(|result| self.count(&result.id, result.outcome));
        for (id, count) in &host.rules_false {
            self.count_many(id, ScriptOutcome::RuleFalse, *count);
        }
    }

    /// Counts `count` instances.
    pub fn count_many(&mut self, id: &str, outcome: ScriptOutcome, count: u64) {
        if count > 0 {
            *self.scripts.entry(id.to_owned()).or_default().entry(outcome).or_default() += count;
        }
    }

    /// Counts one instance.
    pub fn count(&mut self, id: &str, outcome: ScriptOutcome) {
        if !self.scripts.contains_key(id) {
            self.scripts.insert(id.to_owned(), BTreeMap::new());
        }
        if let Some(by_outcome) = self.scripts.get_mut(id) {
            *by_outcome.entry(outcome).or_default() += 1;
        }
    }
}

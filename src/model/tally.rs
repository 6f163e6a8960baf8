//! Units of work and how they ended, stage by stage. Whatever was planned ends in exactly one way.

use std::collections::BTreeMap;

/// A stage of the scan. Scripts are counted one by one, each by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Names among the targets, to be resolved.
    Targets,
    /// Hosts: every address of the targets.
    Hosts,
    /// Hosts asked whether they are there.
    Discovery,
    /// Ports of the hosts that were begun.
    Ports,
    /// Reverse names of hosts.
    Names,
    /// Routes to hosts.
    Routes,
}

impl Stage {
    /// Every stage, in the order a host goes through them.
    pub const ALL: [Stage; 6] =
        [Stage::Targets, Stage::Hosts, Stage::Discovery, Stage::Ports, Stage::Names, Stage::Routes];

    /// The name used in every machine format.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Targets => "targets",
            Stage::Hosts => "hosts",
            Stage::Discovery => "discovery",
            Stage::Ports => "ports",
            Stage::Names => "names",
            Stage::Routes => "routes",
        }
    }

    /// The stage of that name.
    pub fn parse(name: &str) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

/// How the units of one stage ended. What was planned is the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Done, whatever the result.
    pub done: u64,
    /// This machine or a server it needs could not.
    pub failed: u64,
    /// The time of the host was up.
    pub timed_out: u64,
    /// Under way when the run was interrupted.
    pub cancelled: u64,
    /// Never begun.
    pub skipped: u64,
}

impl Tally {
    /// Every ending: its name in the machine formats, and the count.
    pub fn endings(&self) -> [(&'static str, u64); 5] {
        [
            ("done", self.done),
            ("failed", self.failed),
            ("timed-out", self.timed_out),
            ("cancelled", self.cancelled),
            ("skipped", self.skipped),
        ]
    }

    /// The count of the ending of that name.
    pub fn ending(&mut self, name: &str) -> Option<&mut u64> {
        match name {
            "done" => Some(&mut self.done),
            "failed" => Some(&mut self.failed),
            "timed-out" => Some(&mut self.timed_out),
            "cancelled" => Some(&mut self.cancelled),
            "skipped" => Some(&mut self.skipped),
            _ => None,
        }
    }

    /// The sum of all endings.
    pub fn planned(&self) -> u64 {
        self.endings().iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Adds the endings of `other`.
    pub fn add(&mut self, other: &Tally) {
        for (name, count) in other.endings() {
            if let Some(own) = self.ending(name) {
                *own = own.saturating_add(count);
            }
        }
    }
}

/// A tally for each stage that had anything to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stages(BTreeMap<Stage, Tally>);

impl Stages {
    /// The tally of one stage.
    pub fn of(&mut self, stage: Stage) -> &mut Tally {
        self.0.entry(stage).or_default()
    }

    /// Adds the tallies of `other`, stage by stage.
    pub fn add(&mut self, other: &Stages) {
        for (stage, tally) in &other.0 {
            self.of(*stage).add(tally);
        }
    }

    /// Stages with their tallies.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, &Tally)> {
        self.0.iter().map(|(stage, tally)| (*stage, tally))
    }

    /// Whether every unit of every stage was done. A name that could not be looked up leaves nothing undone: it is a
    /// convenience, and its failure a result.
    pub fn are_complete(&self) -> bool {
        self.iter().filter(|(stage, _)| *stage != Stage::Names).all(|(_, tally)| tally.planned() == tally.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_planned_is_the_sum_of_the_endings() {
        let mut tally = Tally { done: 5, failed: 1, timed_out: 2, cancelled: 3, skipped: 4 };
        assert_eq!(tally.planned(), 15);
        tally.add(&Tally { skipped: u64::MAX, ..Tally::default() });
        assert_eq!((tally.done, tally.skipped, tally.planned()), (5, u64::MAX, u64::MAX));
        for (name, count) in tally.endings() {
            assert_eq!(tally.ending(name).copied(), Some(count));
        }
    }

    #[test]
    fn a_lookup_that_failed_leaves_nothing_undone() {
        let mut stages = Stages::default();
        stages.of(Stage::Hosts).done = 3;
        stages.of(Stage::Names).failed = 1;
        assert!(stages.are_complete());
        stages.of(Stage::Ports).timed_out = 1;
        assert!(!stages.are_complete());
    }
}

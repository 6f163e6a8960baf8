//! The course of one run: where it reports to, what it keeps, and what it has from an earlier part.

use std::rc::Rc;

use super::identity::Identity;
use super::journal::{self, Head, Journal};
use super::outputs::{self, Sink};
use crate::cli::Settings;
use crate::error::Error;
use crate::model::Timestamp;
use crate::net::Network;
use crate::report::Reports;
use crate::scan::Ledger;
use crate::scan::ledger::NoLedger;
use crate::target::Order;

/// What a run has while it lasts, apart from its work.
pub struct Course {
    /// The reports.
    pub sink: Sink,
    /// When the scan began, earlier parts included.
    pub started: Timestamp,
    /// Seed of every random choice, the same in every part.
    pub seed: u64,
    /// Fingerprint of what is scanned.
    pub scan: String,
    /// What is done, if that is kept.
    pub journal: Option<Rc<Journal>>,
}

impl Course {
    /// Opens journal and reports, unless the caller has `reports`. The journal comes first: if it is not of this scan, no report is overwritten.
    pub fn begin(
        settings: &Settings,
        identity: Identity,
        network: &Network,
        reports: Option<Reports>,
    ) -> Result<Course, Error> {
        let scan = identity.fingerprint();
        let shard = settings.targets.shard.map_or_else(|| "none".to_owned(), |shard| shard.to_string());
        let head = Head {
            words: settings.run.words.clone(),
            seed: network.random.seed(),
            at: network.clock.now(),
            identity,
            shard,
        };
        let (journal, head) = journal::begin(settings, head)?;
        let sink = Sink::new(reports.map_or_else(|| outputs::open(&settings.report), Ok)?);
        Ok(Course { sink, started: head.at, seed: head.seed, scan, journal: journal.map(Rc::new) })
    }

    /// The order of the targets. A run that goes on has the order it had.
    pub fn order(&self, settings: &Settings) -> Order {
        Order { key: settings.targets.random_order.then_some(self.seed), shard: settings.targets.shard }
    }

    /// What the pipeline remembers.
    pub fn ledger(&self) -> Rc<dyn Ledger> {
        match &self.journal {
            Some(journal) => Rc::<Journal>::clone(journal),
            None => Rc::new(NoLedger),
        }
    }

    /// Hosts that earlier parts have done.
    pub fn restored(&self) -> usize {
        self.journal.as_ref().map_or(0, |journal| journal.len())
    }

    /// Whether something that had to be written was not.
    pub fn has_failed(&self) -> bool {
        self.sink.has_failed() || self.journal.as_ref().is_some_and(|journal| journal.has_failed())
    }
}

//! What a run keeps of its work, so that another run can go on from it, and what it knows of an earlier part.

use std::net::IpAddr;

use super::host::HostDone;
use crate::model::Target;

/// The memory of a scan that may be cut off at any moment.
pub trait Ledger {
    /// Whether an earlier part of the run has done this host.
    fn is_done(&self, target: &Target) -> bool;
    /// What `name` resolved to in an earlier part.
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>>;
    /// Keeps what a name resolved to; those of its addresses that are scanned.
    fn resolved(&self, name: &str, addresses: &[IpAddr]);
    /// Keeps a host that is done. Called before anybody is told of it.
    fn done(&self, done: &HostDone);
}

/// Keeps nothing and knows nothing.
pub struct NoLedger;

impl Ledger for NoLedger {
    fn is_done(&self, _: &Target) -> bool {
        false
    }

    fn addresses(&self, _: &str) -> Option<Vec<IpAddr>> {
        None
    }

    fn resolved(&self, _: &str, _: &[IpAddr]) {}

    fn done(&self, _: &HostDone) {}
}

//! The script stage, as the pipeline sees it: told what is found while a host is scanned, asked for results at its end.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use crate::model::{Host, Port, Timestamp};
use crate::net::warm::WarmStreams;

/// The scripts of all hosts.
pub trait ScriptStage {
    /// The scripts of a host whose ports are about to be scanned, ended at `deadline`. `warm` holds connections the scan
    /// leaves open.
    fn begin(&self, host: &Host, known: Known, warm: &WarmStreams, deadline: Option<Timestamp>) -> Rc<dyn HostScripts>;
}

/// The scripts of one host: each starts as soon as all its rule asks about is known. Dropping them ends them.
pub trait HostScripts {
    /// A port was found open.
    fn open(&self, port: Port);

    /// The host's names were looked up.
    fn named(&self, names: &[String]);

    /// Takes what was found, once nothing more will be, and returns it with the results of all scripts.
    fn finish(self: Rc<Self>, host: Host) -> Pin<Box<dyn Future<Output = Host>>>;
}

/// What is known of a host before its ports are scanned.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// It is up, and why.
    pub is_up: bool,
    /// Its names, or that none will be looked up.
    pub names: bool,
}

//! The host pipeline: lazy targets, an admission window, each host its own task through its stages.
//!
//! No group of hosts waits for its slowest member. Knows no script natives and no report: the script stage comes in as
//! a [`scripts::ScriptStage`], results go out through a callback.

pub mod connect;
pub mod host;
pub mod kind;
pub mod ledger;
pub mod payloads;
pub mod pipeline;
pub mod presence;
pub mod probe;
pub mod prober;
pub mod route;
pub mod scripts;
pub mod timing;
pub mod under_way;

pub use host::{HostDone, HostPlan};
pub use ledger::Ledger;
pub use pipeline::{Pipeline, Summary};

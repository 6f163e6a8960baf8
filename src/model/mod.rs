//! Plain values every room may know: targets, hosts, ports, outcomes, events, limits.
//!
//! No I/O, no clock, no script engine. A value made here travels from the door to the report and never comes back.

pub mod capability;
pub mod event;
pub mod failure;
pub mod host;
pub mod interface;
pub mod limits;
pub mod mixed;
pub mod nearest;
pub mod outcome;
pub mod port;
pub mod probe;
pub mod shard;
pub mod tally;
pub mod time;
pub mod usage;
pub mod value;

pub use capability::{Capabilities, Capability};
pub use event::{Ending, Event, RunEnd, RunStart, ScanInfo};
pub use failure::{NetError, NetErrorKind, Spent, Unreached};
pub use host::{Hop, Host, HostState, Target, Trace};
pub use interface::{Interface, InterfaceAddr, LinkKind, LinkType, MacAddr, NetworkRoute, Route};
pub use limits::Limits;
pub use outcome::{Failure, FailureKind, PacketTotals, RuleKind, ScriptOutcome, ScriptResult, Totals};
pub use port::{Folded, Port, PortState, Protocol, Reason, ScannedPort, Service};
pub use probe::{PingKind, ScanKind};
pub use shard::Shard;
pub use tally::{Stage, Stages, Tally};
pub use time::Timestamp;
pub use usage::Usage;
pub use value::Value;

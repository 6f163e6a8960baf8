//! From a filter in words to a packet in somebody's queue: filter language, BPF program, verifier and interpreter,
//! dispatcher, subscriptions.
//!
//! Pure: no descriptor, no thread, no clock. Live capture, replay and simulation all feed the same dispatcher.

pub mod bpf;
mod coverage;
pub mod dispatcher;
mod ends;
pub mod filter;
mod interest;
mod known;
#[cfg(test)]
mod samples;
mod subscription;
#[cfg(test)]
mod tests;

use std::rc::Rc;

pub use coverage::{Coverage, Wanted};
pub use dispatcher::{Dispatcher, Observer, Source};
pub use filter::{Filter, FilterError};
pub use interest::{DEFAULT_QUEUE, Directions, Interest, WHOLE_PACKET};
pub use subscription::{Counters, QUEUE_BYTES, Subscription};

use crate::model::{Interface, LinkType, Timestamp};

/// Which way a packet went by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Towards this machine, or past it.
    In,
    /// Sent by this machine.
    Out,
}

/// A packet as the capture saw it, on its way through the dispatcher.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// When the kernel saw it.
    pub at: Timestamp,
    /// Where.
    pub interface: &'a Rc<Interface>,
    /// How the bytes begin.
    pub link: LinkType,
    /// Which way it went.
    pub direction: Direction,
    /// Length on the wire; more than `bytes` when the capture cut it.
    pub wire_len: u32,
    /// From the link header on, VLAN tags restored.
    pub bytes: &'a [u8],
}

/// A packet somebody subscribed to. Clones share the bytes.
#[derive(Debug, Clone)]
pub struct Captured {
    /// When the kernel saw it.
    pub at: Timestamp,
    /// Where.
    pub interface: Rc<Interface>,
    /// How the bytes begin.
    pub link: LinkType,
    /// Which way it went.
    pub direction: Direction,
    /// Length on the wire; more than `bytes` when the capture or the subscription cut it.
    pub wire_len: u32,
    /// From the link header on, VLAN tags restored.
    pub bytes: Rc<[u8]>,
}

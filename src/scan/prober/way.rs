//! Who is asked, the way there, where a job stands among the others, and what an answer meant to it.

use std::net::IpAddr;

use crate::model::{MacAddr, Timestamp};

/// What an answer meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Heeded {
    /// It decided something, or was waited for.
    pub(super) is_answer: bool,
    /// It proves that a packet sent then was lost.
    pub(super) lost: Option<Timestamp>,
    /// It answers a ping.
    pub(super) is_ping: bool,
}

/// Who is asked, and the way there.
#[derive(Debug, Clone)]
pub struct Way {
    /// The host.
    pub addr: IpAddr,
    /// The interface its packets must take, where its address or the user says so; 0 otherwise.
    pub scope: u32,
    /// Our address towards it.
    pub source: IpAddr,
    /// Our hardware address on its link, if its neighbours are asked for.
    pub mac: Option<MacAddr>,
    /// The interface on the way.
    pub interface: u32,
    /// Who gets packets to it first.
    pub next_hop: IpAddr,
}

/// Where a job stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// In the ring of those that may send.
    pub(super) is_queued: bool,
    /// Among those that only the user's lowest rate lets send.
    pub(super) is_held: bool,
    /// When it is looked at next.
    pub(super) armed: Option<Timestamp>,
}

/// Whether the way to a host was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Introduced {
    No,
    UnderWay,
    Yes,
}

//! Hosts: what was asked for and what was learned.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::{Port, PortState, Reason, ScriptResult, Timestamp};

/// One address to scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The address.
    pub addr: IpAddr,
    /// IPv6 zone (`fe80::1%eth0`), as the interface index; 0 where there is none.
    pub scope: u32,
    /// The name the user typed, if it was one.
    pub name: Option<String>,
}

/// Whether a host answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    /// It does, or is taken to (`-Pn`).
    Up,
    /// It does not.
    Down,
}

/// Everything a run learned about one host. It is complete when reported.
#[derive(Debug, Clone)]
pub struct Host {
    /// The address and the name it was asked by.
    pub target: Target,
    /// Names found by reverse lookup.
    pub names: Vec<String>,
    /// Up or down.
    pub state: HostState,
    /// Why.
    pub reason: Reason,
    /// Smoothed round-trip time, once measured.
    pub srtt: Option<Duration>,
    /// When work on the host began.
    pub started: Timestamp,
    /// When work on the host ended.
    pub ended: Timestamp,
    /// Ports kept one by one, sorted by protocol and number.
    pub ports: Vec<Port>,
    /// Ports that share a dull fate, counted: (state, reason, count).
    pub folded: Vec<(PortState, Reason, usize)>,
    /// Results of host rules.
    pub scripts: Vec<ScriptResult>,
    /// Results of port rules: index into `ports`, result.
    pub port_scripts: Vec<(usize, ScriptResult)>,
    /// `--host-timeout` struck: what is here is partial.
    pub timed_out: bool,
    /// Instances whose rule said no: script id, count. They have no record of their own.
    pub rules_false: BTreeMap<String, u64>,
}

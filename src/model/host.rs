//! Hosts: what was asked for and what was learned.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::{Folded, MacAddr, Port, Protocol, Reason, ScriptResult, Timestamp};

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
    /// Nobody asked (`-sL`), or this machine could not.
    Unknown,
}

/// Everything a run learned about one host. It is complete when reported.
#[derive(Debug, Clone)]
pub struct Host {
    /// The address and the name it was asked by.
    pub target: Target,
    /// Names found by reverse lookup.
    pub names: Vec<String>,
    /// Up or down, if anybody asked.
    pub state: HostState,
    /// Why.
    pub reason: Reason,
    /// Hops the answer that showed its state had left; 0 where none did.
    pub reason_ttl: u8,
    /// Its hardware address, where it is a neighbour and said so.
    pub mac: Option<MacAddr>,
    /// Smoothed round-trip time, once measured.
    pub srtt: Option<Duration>,
    /// When work on the host began.
    pub started: Timestamp,
    /// When work on the host ended.
    pub ended: Timestamp,
    /// Ports kept one by one, sorted by protocol and number.
    pub ports: Vec<Port>,
    /// Who gave the reason of a port in `ports`, where that was another address than the host's: a router or a firewall.
    pub reason_ips: BTreeMap<(Protocol, u16), IpAddr>,
    /// Ports that share a dull fate, counted.
    pub folded: Vec<Folded>,
    /// Results of host rules.
    pub scripts: Vec<ScriptResult>,
    /// Results of port rules: index into `ports`, result.
    pub port_scripts: Vec<(usize, ScriptResult)>,
    /// The route to it, where it was traced.
    pub trace: Option<Trace>,
    /// `--host-timeout` struck: what is here is partial.
    pub timed_out: bool,
    /// It stopped answering while its ports were scanned: those without an answer may be in any state.
    pub degraded: bool,
    /// Instances whose rule said no: script id, count. They have no record of their own.
    pub rules_false: BTreeMap<String, u64>,
}

impl Host {
    /// A host nothing is known of yet.
    pub fn new(target: Target, started: Timestamp) -> Host {
        Host {
            target,
            names: Vec::new(),
            state: HostState::Down,
            reason: Reason::NoResponse,
            reason_ttl: 0,
            mac: None,
            srtt: None,
            started,
            ended: started,
            ports: Vec::new(),
            reason_ips: BTreeMap::new(),
            folded: Vec::new(),
            scripts: Vec::new(),
            port_scripts: Vec::new(),
            trace: None,
            timed_out: false,
            degraded: false,
            rules_false: BTreeMap::new(),
        }
    }
}

/// The route to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// What the probes were, and to which port; ICMP echo without.
    pub probe: Option<(Protocol, u16)>,
    /// From the first hop to the host itself, if it was reached.
    pub hops: Vec<Hop>,
}

/// One hop of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Its distance, from 1.
    pub ttl: u8,
    /// Who answered; nobody did without.
    pub addr: Option<IpAddr>,
    /// Its name.
    pub name: Option<String>,
    /// Round-trip time.
    pub rtt: Option<Duration>,
}

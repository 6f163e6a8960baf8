//! One host on its way: ports, names, scripts, report.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use super::connect::{ConnectScan, Findings, Pace};
use crate::model::{
    Host, HostState, Port, PortState, Protocol, Reason, Service, Stage, Stages, Tally, Target, Timestamp,
};
use crate::net::Network;
use crate::net::warm::WarmStreams;
use crate::runtime::Spawner;
use crate::target::services;

/// The scripts of one host: takes what was found so far and returns it with their results.
pub trait ScriptStage {
    /// Runs host and port rules on `host`, stopping them at `deadline`. `warm` holds connections the scan left open.
    fn run(&self, host: Host, warm: WarmStreams, deadline: Option<Timestamp>) -> Pin<Box<dyn Future<Output = Host>>>;
}

/// What is done to each host; shared by all of them.
pub struct HostPlan {
    /// The door.
    pub network: Network,
    /// Starts probe workers.
    pub spawner: Spawner,
    /// How hard to scan.
    pub pace: Pace,
    /// TCP ports to probe, sorted.
    pub ports: Rc<[u16]>,
    /// `-Pn`: every host counts as up.
    pub assume_up: bool,
    /// Look up names of hosts that are up.
    pub reverse_names: bool,
    /// `--host-timeout`.
    pub host_timeout: Option<Duration>,
    /// Which ports are counted instead of listed.
    pub fold: Fold,
    /// The scripts.
    pub scripts: Rc<dyn ScriptStage>,
}

/// Splits ports into those worth listing and counts of the rest by state and reason.
pub type Fold = Box<dyn Fn(Vec<Port>) -> (Vec<Port>, Vec<(PortState, Reason, usize)>)>;

/// What a host's way came to.
pub struct HostDone {
    /// The host, complete.
    pub host: Host,
    /// How the units of its stages ended.
    pub stages: Stages,
    /// Why this machine could not probe some of them.
    pub trouble: Option<String>,
}

impl HostPlan {
    /// Takes `target` through all stages.
    pub async fn run(&self, target: Target) -> HostDone {
        let clock = &self.network.clock;
        let started = clock.now();
        let deadline = self.host_timeout.map(|timeout| started.plus(timeout));
        let (findings, unprobed) = self.scan_ports(&target, deadline).await;
        let in_time = deadline.is_none_or(|deadline| clock.now() < deadline);
        let trouble = findings.failed.as_ref().map(|(count, error)| format!("{count} ports not probed: {error}"));
        let (probed, warm) = (findings.ports.len() as u64, findings.warm.clone());
        let failed = findings.failed.as_ref().map_or(0, |(count, _)| *count as u64);
        let mut stages = Stages::default();
        *stages.of(Stage::Ports) = Tally { done: probed, failed, timed_out: unprobed as u64, ..Tally::default() };
        let mut host = self.describe(target, findings, started);
        host.timed_out = !in_time;
        if host.state == HostState::Up && in_time {
            if self.reverse_names {
                host.names = self.names(&host, deadline, stages.of(Stage::Names)).await;
            }
            host = self.scripts.run(host, warm, deadline).await;
            host.timed_out = deadline.is_some_and(|deadline| clock.now() >= deadline);
        }
        host.ended = clock.now();
        HostDone { host, stages, trouble }
    }

    async fn scan_ports(&self, target: &Target, deadline: Option<Timestamp>) -> (Findings, usize) {
        let (network, spawner) = (self.network.clone(), self.spawner.clone());
        let addr = (target.addr, target.scope);
        let scan = ConnectScan::new(network, spawner, self.pace.clone(), addr, Rc::clone(&self.ports));
        match deadline {
            // On time-out the partial findings are what counts, so the result itself is of no interest.
            Some(deadline) => drop(self.network.clock.before(deadline, scan.run()).await),
            None => scan.run().await,
        }
        scan.finish()
    }

    fn describe(&self, target: Target, findings: Findings, started: Timestamp) -> Host {
        let (state, reason) = self.verdict(&findings);
        let mut ports: Vec<Port> = findings
            .ports
            .into_iter()
            .map(|(number, state, reason)| Port {
                protocol: Protocol::Tcp,
                number,
                state,
                reason,
                reason_ttl: 0,
                service: Service::default(),
            })
            .collect();
        ports.sort_unstable_by_key(|port| port.number);
        let (mut ports, folded) = (self.fold)(ports);
        for port in &mut ports {
            services::name(port.protocol, port.number).unwrap_or_default().clone_into(&mut port.service.name);
        }
        Host {
            target,
            names: Vec::new(),
            state,
            reason,
            srtt: findings.srtt,
            started,
            ended: started,
            ports,
            folded,
            scripts: Vec::new(),
            port_scripts: Vec::new(),
            timed_out: false,
            rules_false: BTreeMap::new(),
        }
    }

    /// A host that answered anything is up; silence means down unless the user says otherwise.
    fn verdict(&self, findings: &Findings) -> (HostState, Reason) {
        if self.assume_up || self.ports.is_empty() {
            return (HostState::Up, Reason::UserSet);
        }
        let answers = findings.ports.iter().map(|(_, _, reason)| *reason);
        match answers.filter(|reason| *reason != Reason::NoResponse).min() {
            Some(reason) => (HostState::Up, reason),
            None => (HostState::Down, Reason::NoResponse),
        }
    }

    async fn names(&self, host: &Host, deadline: Option<Timestamp>, tally: &mut Tally) -> Vec<String> {
        let lookup = self.network.names.reverse(host.target.addr);
        let found = match deadline {
            Some(deadline) => self.network.clock.before(deadline, lookup).await,
            None => Ok(lookup.await),
        };
        match &found {
            Ok(Ok(_)) => tally.done += 1,
            Ok(Err(_)) => tally.failed += 1,
            Err(_) => tally.timed_out += 1,
        }
        // A name is a convenience: a resolver that fails costs the name, nothing else.
        found.ok().and_then(Result::ok).unwrap_or_default()
    }
}

//! From plans to instances: what a script gets when it is started.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use rhai::Dynamic;

use super::host::HostValue;
use super::http::Cache;
use super::reach::Reach;
use super::round::{Plan, Round};
use super::targets::Additions;
use crate::model::{
    Capabilities, Capability, Failure, FailureKind, Host, Limits, NetError, RuleKind, ScriptOutcome, ScriptResult,
    Totals, Usage, Value,
};
use crate::net::Origin;
use crate::net::broker::{Broker, Warrant};
use crate::runtime::Threads;
use crate::script::registry::Registry;
use crate::script::rules::RuleIndex;
use crate::script::{Job, Scheduler};

/// Everything needed to start the selected scripts.
pub struct Launcher {
    /// Runs them.
    pub scheduler: Scheduler,
    /// The selected scripts by their rules.
    pub index: RuleIndex,
    /// What each selected script waits for on its host.
    pub dependencies: BTreeMap<String, Vec<String>>,
    /// The door.
    pub broker: Broker,
    /// Budgets of each instance.
    pub limits: Limits,
    /// Answers HTTP clients share.
    pub cache: Cache,
    /// Targets scripts added.
    pub additions: Additions,
    /// Endings, counted.
    pub totals: Rc<RefCell<Totals>>,
    /// Instances that failed through no fault of a peer.
    pub faults: Cell<u64>,
    /// Why scripts that need packets are skipped, if they are.
    pub without_packets: Option<NetError>,
}

/// Whether a script that declares this can do nothing without packets.
pub fn needs_packets(capabilities: Capabilities) -> bool {
    capabilities.has(Capability::Raw) || capabilities.has(Capability::Capture)
}

impl Launcher {
    /// Runs all scripts with a pre- or postrule.
    pub async fn run_global(self: &Rc<Self>, rule: RuleKind) -> Vec<ScriptResult> {
        let candidates = self.index.of_kind(rule).iter().cloned();
        let mut round = Round::new(Rc::clone(self), None);
        round.add(candidates.enumerate().map(|(position, candidate)| Plan { candidate, rule, port: None, position }));
        let results = round.finish(None).await;
        results.into_iter().map(|(_, result)| result).filter(is_reported).collect()
    }

    /// The record of an instance that cannot run on this machine; it is not even created.
    pub(super) fn skipped(&self, plan: &Plan) -> Option<ScriptResult> {
        let script = &plan.candidate.script;
        let error = self.without_packets.as_ref().filter(|_| needs_packets(script.header.capabilities))?;
        let failure = Failure {
            kind: FailureKind::Denied,
            class: error.kind.name().to_owned(),
            message: format!("packets are not possible: {}", error.detail),
            position: None,
            diagnostic: String::new(),
        };
        Some(ScriptResult {
            id: script.id.clone(),
            rule: plan.rule,
            outcome: ScriptOutcome::Skipped,
            started: self.broker.clock().now(),
            duration: Duration::ZERO,
            sent: 0,
            received: 0,
            output: Value::Unit,
            failure: Some(failure),
        })
    }

    /// Counts the scripts of a host that an earlier part of the run has done.
    pub fn restore(&self, host: &Host) {
        self.totals.borrow_mut().count_host(host);
        let of_ports = host.port_scripts.iter().map(|(_, result)| result);
        host.scripts.iter().chain(of_ports).for_each(|result| self.count_fault(result));
    }

    pub(super) fn count_fault(&self, result: &ScriptResult) {
        let is_fault = result.failure.as_ref().is_some_and(|failure| failure.kind != FailureKind::Peer);
        self.faults.set(self.faults.get() + u64::from(is_fault));
    }

    /// The job of an instance, and what it reaches.
    pub(super) fn job(&self, plan: &Plan, host: Option<&HostValue>) -> (Job, Rc<Reach>) {
        let script = &plan.candidate.script;
        let fence: Vec<IpAddr> = host.iter().map(|host| host.borrow().target.addr).collect();
        let subject = match (fence.first(), plan.port) {
            (Some(addr), Some((_, number))) => std::net::SocketAddr::new(*addr, number).to_string(),
            (Some(addr), None) => addr.to_string(),
            (None, _) => plan.rule.name().to_owned(),
        };
        let (usage, threads) = (Rc::new(Usage::default()), Threads::default());
        let warrant = Warrant {
            script: script.id.as_str().into(),
            origin: Origin::new(&format!("{}@{subject}", script.id)),
            capabilities: script.header.capabilities,
            fence,
            limits: self.limits,
            usage: Rc::clone(&usage),
            threads: threads.clone(),
            warm: host.map(HostValue::warm).unwrap_or_default(),
        };
        let reach = Reach {
            broker: self.broker.clone(),
            warrant: Rc::new(warrant),
            random: self.broker.random().derive(&format!("{} {subject}", script.id)),
            host: host.cloned(),
            cache: self.cache.clone(),
            additions: self.additions.clone(),
            client: std::cell::OnceCell::new(),
            ports: super::raw::Ports::default(),
            open: RefCell::default(),
        };
        let reach = Rc::new(reach);
        let values = host.into_iter().flat_map(|host| {
            let port = plan.port.map(|key| Dynamic::from(host.port(key)));
            std::iter::once(Dynamic::from(host.clone())).chain(port)
        });
        let job = Job {
            script: Rc::clone(script),
            rule: plan.rule,
            ask: plan.candidate.ask,
            arguments: values.collect(),
            subject,
            reach: Rc::<Reach>::clone(&reach),
            usage,
            threads,
            host_registry: host.map_or_else(Registry::default, HostValue::registry),
        };
        (job, reach)
    }
}

/// Whether an instance has a record of its own; rules that said no are only counted.
pub(super) fn is_reported(result: &ScriptResult) -> bool {
    result.outcome != ScriptOutcome::RuleFalse
}

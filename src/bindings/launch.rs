//! From rules to instances: which scripts run on a host, in which order, and what they get.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use rhai::Dynamic;

use super::host::HostValue;
use super::http::Cache;
use super::reach::Reach;
use super::targets::Additions;
use crate::model::{
    Capabilities, Capability, Failure, FailureKind, Host, Limits, NetError, RuleKind, ScriptOutcome, ScriptResult,
    Timestamp, Totals, Usage, Value,
};
use crate::net::Origin;
use crate::net::broker::{Broker, Warrant};
use crate::net::warm::WarmStreams;
use crate::runtime::Threads;
use crate::scan::ScriptStage;
use crate::script::coroutine::Stop;
use crate::script::registry::Registry;
use crate::script::rules::{Candidate, RuleIndex};
use crate::script::scheduler::Group;
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

/// One instance to start: the script, and the port it is for.
struct Plan {
    candidate: Candidate,
    rule: RuleKind,
    port: Option<usize>,
}

/// Records as they come in, and who waits for them.
#[derive(Clone, Default)]
struct Inbox(Rc<RefCell<Mail>>);

/// Plan and record, and the waker of the reader.
type Mail = (Vec<(usize, ScriptResult)>, Option<Waker>);

impl Inbox {
    fn sink(&self, index: usize) -> Box<dyn FnOnce(ScriptResult)> {
        let inbox = Rc::clone(&self.0);
        Box::new(move |result| {
            let waker = {
                let mut inbox = inbox.borrow_mut();
                inbox.0.push((index, result));
                inbox.1.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        })
    }

    async fn next(&self) -> Vec<(usize, ScriptResult)> {
        poll_fn(|cx| {
            let mut inbox = self.0.borrow_mut();
            if inbox.0.is_empty() {
                inbox.1 = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(std::mem::take(&mut inbox.0))
        })
        .await
    }
}

impl Launcher {
    /// Runs all scripts with a pre- or postrule.
    pub async fn run_global(&self, rule: RuleKind) -> Vec<ScriptResult> {
        let candidates = self.index.of_kind(rule).iter().cloned();
        let plans: Vec<Plan> = candidates.map(|candidate| Plan { candidate, rule, port: None }).collect();
        let results = self.run_all(&plans, None, None).await;
        results.into_iter().map(|(_, result)| result).filter(is_reported).collect()
    }

    /// What runs on `host`, in the order of ports and scripts.
    fn plans(&self, host: &Host) -> Vec<Plan> {
        let of_host = self.index.of_kind(RuleKind::Host).iter().cloned();
        let of_host = of_host.map(|candidate| Plan { candidate, rule: RuleKind::Host, port: None });
        let of_ports = host.ports.iter().enumerate().flat_map(|(index, port)| {
            let candidates = self.index.for_port(port).into_iter();
            candidates.map(move |candidate| Plan { candidate, rule: RuleKind::Port, port: Some(index) })
        });
        of_host.chain(of_ports).collect()
    }

    /// Starts every plan once all it depends on has ended on this host; no other host is waited for.
    async fn run_all(
        &self,
        plans: &[Plan],
        host: Option<&HostValue>,
        deadline: Option<Timestamp>,
    ) -> Vec<(usize, ScriptResult)> {
        let (group, inbox) = (Group::default(), Inbox::default());
        let mut unfinished: BTreeMap<&str, u64> = BTreeMap::new();
        for plan in plans {
            *unfinished.entry(plan.candidate.script.id.as_str()).or_default() += 1;
        }
        // Dropped with the run: what was started for it ends.
        let mut guard = StopOnDrop { launcher: self, group: &group, unfinished };
        let mut waiting: Vec<usize> = (0..plans.len()).collect();
        let mut results: Vec<(usize, ScriptResult)> = Vec::with_capacity(plans.len());
        loop {
            waiting.retain(|index| {
                let Some(plan) = plans.get(*index) else { return false };
                if !self.is_ready(&plan.candidate.script.id, &guard.unfinished) {
                    return true;
                }
                if let Some(skipped) = self.skipped(plan) {
                    inbox.sink(*index)(skipped);
                    return false;
                }
                let (job, reach) = self.job(plan, host);
                let deliver = inbox.sink(*index);
                let sink = Box::new(move |result| {
                    reach.close();
                    deliver(result);
                });
                self.scheduler.submit(job, &group, sink);
                false
            });
            if results.len() == plans.len() {
                break;
            }
            for (index, result) in self.next_results(&inbox, &group, deadline).await {
                if let Some(left) = guard.unfinished.get_mut(result.id.as_str()) {
                    *left -= 1;
                }
                self.totals.borrow_mut().count(&result.id, result.outcome);
                self.count_fault(&result);
                results.push((index, result));
            }
        }
        results.sort_by_key(|(index, _)| *index);
        results
    }

    /// The record of an instance that cannot run on this machine; it is not even created.
    fn skipped(&self, plan: &Plan) -> Option<ScriptResult> {
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

    fn count_fault(&self, result: &ScriptResult) {
        let is_fault = result.failure.as_ref().is_some_and(|failure| failure.kind != FailureKind::Peer);
        self.faults.set(self.faults.get() + u64::from(is_fault));
    }

    fn is_ready(&self, id: &str, unfinished: &BTreeMap<&str, u64>) -> bool {
        let dependencies = self.dependencies.get(id).map_or(&[][..], Vec::as_slice);
        dependencies.iter().all(|other| unfinished.get(other.as_str()).is_none_or(|left| *left == 0))
    }

    async fn next_results(
        &self,
        inbox: &Inbox,
        group: &Group,
        deadline: Option<Timestamp>,
    ) -> Vec<(usize, ScriptResult)> {
        let Some(deadline) = deadline.filter(|_| !group.is_stopped()) else { return inbox.next().await };
        if let Ok(results) = self.broker.clock().before(deadline, inbox.next()).await {
            return results;
        }
        self.scheduler.stop(group, Stop::HostTimeout);
        inbox.next().await
    }

    fn job(&self, plan: &Plan, host: Option<&HostValue>) -> (Job, Rc<Reach>) {
        let script = &plan.candidate.script;
        let fence: Vec<IpAddr> = host.iter().map(|host| host.borrow().target.addr).collect();
        let subject = match (fence.first(), plan.port) {
            (Some(addr), Some(index)) => {
                let number = host.map_or(0, |host| host.port(index).number());
                std::net::SocketAddr::new(*addr, number).to_string()
            }
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
            let port = plan.port.map(|index| Dynamic::from(host.port(index)));
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
fn is_reported(result: &ScriptResult) -> bool {
    result.outcome != ScriptOutcome::RuleFalse
}

/// Ends a host's instances when its run is dropped half-way, and counts them and those not yet begun as cancelled.
struct StopOnDrop<'a> {
    launcher: &'a Launcher,
    group: &'a Group,
    /// Instances without a record yet, by script.
    unfinished: BTreeMap<&'a str, u64>,
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.unfinished.retain(|_, left| *left > 0);
        if self.unfinished.is_empty() {
            return;
        }
        self.launcher.scheduler.stop(self.group, Stop::Cancelled);
        let mut totals = self.launcher.totals.borrow_mut();
        self.unfinished.iter().for_each(|(id, left)| totals.count_many(id, ScriptOutcome::Cancelled, *left));
    }
}

/// The script stage of the pipeline.
pub struct HostScripts(pub Rc<Launcher>);

impl ScriptStage for HostScripts {
    fn run(&self, host: Host, warm: WarmStreams, deadline: Option<Timestamp>) -> Pin<Box<dyn Future<Output = Host>>> {
        let launcher = Rc::clone(&self.0);
        Box::pin(async move {
            let plans = launcher.plans(&host);
            if plans.is_empty() {
                return host;
            }
            let scripted = |number| {
                let ports = plans.iter().filter_map(|plan| host.ports.get(plan.port?));
                ports.into_iter().any(|port| port.number == number)
            };
            warm.retain(scripted);
            let value = HostValue::new(host, warm);
            let results = launcher.run_all(&plans, Some(&value), deadline).await;
            value.warm().retain(|_| false); // a script may have put its host away for good
            let mut host = value.to_host();
            for (index, result) in results {
                if !is_reported(&result) {
                    *host.rules_false.entry(result.id).or_default() += 1;
                    continue;
                }
                match plans.get(index).and_then(|plan| plan.port) {
                    Some(port) => host.port_scripts.push((port, result)),
                    None => host.scripts.push(result),
                }
            }
            host
        })
    }
}

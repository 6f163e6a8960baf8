//! The script stage of the pipeline: which scripts run on a host, and when they begin.
//!
//! A port found open gets its scripts at once. Rules that can hold without an open port, and those that must be asked
//! about the whole host, wait until its ports are scanned.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use super::host::HostValue;
use super::launch::{Launcher, is_reported};
use super::round::{Plan, Round};
use crate::model::{Host, HostState, Port, Protocol, RuleKind, Timestamp};
use crate::net::warm::WarmStreams;
use crate::scan::scripts::{HostScripts, Known, ScriptStage};

/// Starts the scripts of all hosts.
pub struct Scripts(pub Rc<Launcher>);

/// The scripts of one host.
struct Begun {
    launcher: Rc<Launcher>,
    host: HostValue,
    known: Known,
    /// None once it is being finished.
    round: RefCell<Option<Round>>,
    deadline: Option<Timestamp>,
}

impl ScriptStage for Scripts {
    fn begin(&self, host: &Host, known: Known, warm: &WarmStreams, deadline: Option<Timestamp>) -> Rc<dyn HostScripts> {
        let launcher = Rc::clone(&self.0);
        let host = HostValue::new(host.clone(), known, warm.clone());
        let mut round = Round::new(Rc::clone(&launcher), Some(host.clone()));
        if known.is_up {
            round.add(of_host(&launcher).filter(|plan| !plan.candidate.ask));
        }
        Rc::new(Begun { launcher, host, known, round: RefCell::new(Some(round)), deadline })
    }
}

/// All scripts with a hostrule.
fn of_host(launcher: &Launcher) -> impl Iterator<Item = Plan> {
    let rule = RuleKind::Host;
    let candidates = launcher.index.of_kind(rule).iter().cloned().enumerate();
    candidates.map(move |(position, candidate)| Plan { candidate, rule, port: None, position })
}

/// All scripts whose portrule holds for `port`, or must be asked.
fn of_port(launcher: &Launcher, port: &Port) -> impl Iterator<Item = Plan> + use<> {
    let (rule, port, candidates) = (RuleKind::Port, (port.protocol, port.number), launcher.index.for_port(port));
    let candidates = candidates.into_iter().enumerate();
    candidates.map(move |(position, candidate)| Plan { candidate, rule, port: Some(port), position })
}

impl Begun {
    /// Plans what could not be planned before all was known.
    fn plan_rest(&self, round: &mut Round, host: &Host) {
        let of_host = of_host(&self.launcher).filter(|plan| plan.candidate.ask || !self.known.is_up);
        let is_new = |port: &&Port| !self.host.has_port((port.protocol, port.number));
        round.add(of_host.chain(host.ports.iter().filter(is_new).flat_map(|port| of_port(&self.launcher, port))));
    }
}

impl HostScripts for Begun {
    fn open(&self, port: Port) {
        let mut round = self.round.borrow_mut();
        let Some(round) = round.as_mut() else { return };
        let (key, mut plans) = ((port.protocol, port.number), of_port(&self.launcher, &port).peekable());
        self.host.add_port(port);
        if plans.peek().is_none() && key.0 == Protocol::Tcp {
            self.host.warm().retain(|number| number != key.1);
        }
        round.add(plans);
    }

    fn named(&self, names: &[String]) {
        self.host.set_names(names);
    }

    fn finish(self: Rc<Self>, host: Host) -> Pin<Box<dyn Future<Output = Host>>> {
        Box::pin(async move {
            let Some(mut round) = self.round.borrow_mut().take() else { return host };
            if host.state == HostState::Up && !host.timed_out {
                self.plan_rest(&mut round, &host);
            }
            if round.is_empty() {
                return host;
            }
            self.host.complete(host);
            let results = round.finish(self.deadline).await;
            self.host.warm().retain(|_| false); // a script may have put its host away for good
            let mut host = self.host.to_host();
            for (plan, result) in results {
                if !is_reported(&result) {
                    *host.rules_false.entry(result.id).or_default() += 1;
                    continue;
                }
                let of_plan = |key| host.ports.binary_search_by_key(&key, |port| (port.protocol, port.number)).ok();
                match plan.port.and_then(of_plan) {
                    Some(place) => host.port_scripts.push((place, result)),
                    None => host.scripts.push(result),
                }
            }
            host
        })
    }
}

//! Targets to hosts: names resolved, hosts admitted to a window, each on its own way, each reported when done.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use super::host::{HostDone, HostPlan};
use super::ledger::{Ledger, NoLedger};
use super::under_way::UnderWay;
use crate::model::{Event, HostState, Stage, Stages, Target};
use crate::net::Family;
use crate::runtime::{Clock, Semaphore};
use crate::target::{Item, Targets};

/// Receives what the run has to tell, in order.
pub type Emit = Rc<dyn Fn(Event)>;

/// What the pipeline counted.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Hosts up.
    pub up: u64,
    /// Hosts down.
    pub down: u64,
    /// Hosts that stopped answering while they were scanned.
    pub degraded: u64,
    /// Hosts nobody asked.
    pub unknown: u64,
    /// Target expressions that came to nothing.
    pub unresolved: u64,
    /// Hosts started and not reported, and hosts whose time was up.
    pub unfinished: u64,
    /// Units of each stage, as far as they have ended.
    pub stages: Stages,
    /// Why this machine could not probe some ports, once a host.
    pub troubles: Vec<String>,
    /// Addresses the run is for, as far as known: what names stand for shows when they are resolved.
    pub planned: u128,
    /// Names of targets not yet resolved.
    pub names_left: u64,
    /// Whether every target has been handed out.
    pub is_walked: bool,
}

/// How names of targets become addresses.
#[derive(Debug, Clone, Copy)]
pub struct NamePolicy {
    /// Addresses to ask for.
    pub family: Family,
    /// Scan all addresses of a name, not the first.
    pub all: bool,
}

/// A run's way through its targets.
pub struct Pipeline {
    plan: Rc<HostPlan>,
    names: NamePolicy,
    emit: Emit,
    ledger: Rc<dyn Ledger>,
    summary: Rc<RefCell<Summary>>,
    under_way: UnderWay,
    tasks: RefCell<Tasks>,
}

/// Most troubles kept; each is one line for a person to read.
const MAX_TROUBLES: usize = 20;

impl Pipeline {
    /// A pipeline that reports through `emit`.
    pub fn new(plan: HostPlan, names: NamePolicy, emit: Emit) -> Pipeline {
        let (summary, under_way, tasks) = (Rc::default(), UnderWay::default(), RefCell::default());
        Pipeline { plan: Rc::new(plan), names, emit, ledger: Rc::new(NoLedger), summary, under_way, tasks }
    }

    /// The same with a memory.
    #[must_use]
    pub fn with_ledger(self, ledger: Rc<dyn Ledger>) -> Pipeline {
        Pipeline { ledger, ..self }
    }

    /// The hosts under way.
    pub fn under_way(&self) -> UnderWay {
        self.under_way.clone()
    }

    /// What was counted so far; complete once [`Pipeline::run`] has returned.
    pub fn summary(&self) -> Rc<RefCell<Summary>> {
        Rc::clone(&self.summary)
    }

    /// Takes every target through the plan. Once this future is dropped no host begins; [`Pipeline::cancel`] ends those
    /// under way.
    pub async fn run(&self, targets: &mut Targets) {
        let window = Semaphore::new(self.plan.window());
        {
            let mut summary = self.summary.borrow_mut();
            (summary.planned, summary.names_left) = (targets.planned(), targets.names_waiting() as u64);
        }
        while let Some(item) = targets.next() {
            match item {
                Item::Address(target) if self.ledger.is_done(&target) => {}
                Item::Address(target) => {
                    let place = window.acquire().await;
                    let host = Box::pin(self.host(target)); // some kilobytes, and moved on more than once
                    self.tasks.borrow_mut().push(self.plan.spawner.spawn(async move {
                        host.await;
                        drop(place);
                    }));
                }
                Item::Name { name, prefix, spec } => self.resolve(targets, name, prefix, spec).await,
                Item::Pause => {}
            }
            self.summary.borrow_mut().planned = targets.planned();
            // Admitting is cheap; hosts get the loop again as soon as a millisecond went by.
            if self.tasks.borrow_mut().turn_is_over(&self.plan.network.clock) {
                futures_lite::future::yield_now().await;
            }
        }
        {
            let mut summary = self.summary.borrow_mut();
            (summary.planned, summary.is_walked) = (targets.planned(), true);
        }
        while let Some(task) = self.next_task() {
            task.await;
        }
    }

    /// Ends the hosts under way, and counts them as such.
    pub async fn cancel(&self) {
        while let Some(task) = self.next_task() {
            task.cancel().await;
        }
        // One that was being waited for ends by itself.
        while !self.under_way.is_empty() {
            futures_lite::future::yield_now().await;
        }
    }

    /// Ends what goes on beside the hosts.
    pub async fn stop(&self) {
        if let Some(prober) = &self.plan.prober {
            prober.stop().await;
        }
    }

    fn next_task(&self) -> Option<async_executor::Task<()>> {
        self.tasks.borrow_mut().live.pop()
    }

    async fn resolve(&self, targets: &mut Targets, name: String, prefix: Option<u8>, spec: String) {
        let pushed = match self.addresses(&name).await {
            Ok(addresses) => {
                let pushed = targets.push_resolved(&name, prefix, &addresses);
                pushed.map_err(|error| error.to_string())
            }
            Err(reason) => Err(reason),
        };
        let mut summary = self.summary.borrow_mut();
        summary.names_left = summary.names_left.saturating_sub(1);
        match pushed {
            Ok(()) => summary.stages.of(Stage::Targets).done += 1,
            Err(reason) => {
                summary.unresolved += 1;
                summary.stages.of(Stage::Targets).failed += 1;
                drop(summary);
                (self.emit)(Event::TargetSkipped { spec, reason });
            }
        }
    }

    /// The addresses of a name that are scanned: those of an earlier part of the run, where there was one.
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        if let Some(known) = self.ledger.addresses(name) {
            return Ok(known);
        }
        let found = self.plan.network.names.addresses(name, self.names.family).await;
        let mut addresses = found.map_err(|error| error.to_string())?;
        addresses.truncate(if self.names.all { addresses.len() } else { 1 });
        self.ledger.resolved(name, &addresses);
        Ok(addresses)
    }

    fn host(&self, target: Target) -> impl Future<Output = ()> + 'static {
        let (plan, emit, ledger) = (Rc::clone(&self.plan), Rc::clone(&self.emit), Rc::clone(&self.ledger));
        let place = self.under_way.begin(target.addr, plan.network.clock.now());
        let mut unfinished =
            Unfinished { summary: Rc::clone(&self.summary), ports: plan.port_count() as u64, done: false };
        async move {
            let done = plan.run(target).await;
            unfinished.done = true;
            ledger.done(&done);
            unfinished.summary.borrow_mut().count(&done);
            drop(place);
            emit(Event::Host(Box::new(done.host)));
        }
    }
}

/// Counts a host that is dropped before it is done.
struct Unfinished {
    summary: Rc<RefCell<Summary>>,
    ports: u64,
    done: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.done {
            let mut summary = self.summary.borrow_mut();
            summary.unfinished += 1;
            summary.stages.of(Stage::Hosts).cancelled += 1;
            summary.stages.of(Stage::Ports).cancelled += self.ports;
        }
    }
}

impl Summary {
    /// Counts a host that is done.
    pub fn count(&mut self, done: &HostDone) {
        match done.host.state {
            HostState::Up => self.up += 1,
            HostState::Down => self.down += 1,
            HostState::Unknown => self.unknown += 1,
        }
        self.degraded += u64::from(done.host.degraded);
        self.unfinished += u64::from(done.host.timed_out);
        self.stages.add(&done.stages);
        let hosts = self.stages.of(Stage::Hosts);
        let ending = if done.host.timed_out { &mut hosts.timed_out } else { &mut hosts.done };
        *ending += 1;
        if let Some(trouble) = &done.trouble
            && self.troubles.len() < MAX_TROUBLES
        {
            self.troubles.push(format!("{}: {trouble}", done.host.target.addr));
        }
    }
}

/// Handles kept before finished ones are looked for.
const FEW: usize = 4096;

/// Tasks under way. Dropping them cancels them.
#[derive(Default)]
struct Tasks {
    live: Vec<async_executor::Task<()>>,
    sweep_at: usize,
    turn_ends: Option<crate::model::Timestamp>,
}

impl Tasks {
    fn push(&mut self, task: async_executor::Task<()>) {
        self.live.push(task);
        self.forget_finished();
    }

    /// Drops handles of finished tasks, at a cost spread over the pushes.
    fn forget_finished(&mut self) {
        if self.live.len() >= self.sweep_at.max(FEW) {
            self.live.retain(|task| !task.is_finished());
            self.sweep_at = self.live.len() * 2;
        }
    }

    fn turn_is_over(&mut self, clock: &Clock) -> bool {
        let now = clock.now();
        let over = self.turn_ends.is_some_and(|end| now >= end);
        if over || self.turn_ends.is_none() {
            self.turn_ends = Some(now.plus(Duration::from_micros(100)));
        }
        over
    }
}

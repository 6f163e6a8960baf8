//! Targets to hosts: names resolved, hosts admitted to a window, each on its own way, each reported when done.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::host::{HostDone, HostPlan};
use crate::model::{Event, HostState, Target};
use crate::net::Family;
use crate::runtime::{Clock, Semaphore};
use crate::target::{Item, Targets};

/// Hosts on their way at once: enough to hide the silence of most of them, at a few KB each.
pub const WINDOW: usize = 4096;
/// Receives what the run has to tell, in order.
pub type Emit = Rc<dyn Fn(Event)>;

/// What the pipeline counted.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Hosts up.
    pub up: u64,
    /// Hosts down.
    pub down: u64,
    /// Target expressions that came to nothing.
    pub unresolved: u64,
    /// Hosts started and not reported, and hosts whose time was up.
    pub unfinished: u64,
    /// Ports probed.
    pub ports: u64,
    /// Ports planned and not probed.
    pub unprobed: u64,
    /// Why this machine could not probe some ports, once a host.
    pub troubles: Vec<String>,
    /// Hosts under way now.
    pub under_way: u64,
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
    summary: Rc<RefCell<Summary>>,
}

/// Most troubles kept; each is one line for a person to read.
const MAX_TROUBLES: usize = 20;

impl Pipeline {
    /// A pipeline that reports through `emit`.
    pub fn new(plan: HostPlan, names: NamePolicy, emit: Emit) -> Pipeline {
        Pipeline { plan: Rc::new(plan), names, emit, summary: Rc::default() }
    }

    /// What was counted so far; complete once [`Pipeline::run`] has returned.
    pub fn summary(&self) -> Rc<RefCell<Summary>> {
        Rc::clone(&self.summary)
    }

    /// Takes every target through the plan. Dropping this future ends all hosts under way.
    pub async fn run(&self, targets: &mut Targets) {
        let window = Semaphore::new(WINDOW);
        let mut tasks = Tasks::default();
        while let Some(item) = targets.next() {
            match item {
                Item::Address(target) => {
                    let place = window.acquire().await;
                    let host = self.host(target);
                    tasks.push(self.plan.spawner.spawn(async move {
                        host.await;
                        drop(place);
                    }));
                    tasks.forget_finished();
                    self.let_others_run(&mut tasks).await;
                }
                Item::Name { name, prefix, spec } => self.resolve(targets, name, prefix, spec).await,
            }
        }
        tasks.join().await;
    }

    /// Admitting is cheap; hosts get the loop again as soon as a millisecond went by.
    async fn let_others_run(&self, tasks: &mut Tasks) {
        if tasks.turn_is_over(&self.plan.network.clock) {
            futures_lite::future::yield_now().await;
        }
    }

    async fn resolve(&self, targets: &mut Targets, name: String, prefix: Option<u8>, spec: String) {
        let found = self.plan.network.names.addresses(&name, self.names.family).await;
        let pushed = match found {
            Ok(addresses) => {
                let wanted = if self.names.all { addresses.len() } else { 1 };
                let addresses = &addresses[..wanted.min(addresses.len())];
                targets.push_resolved(&name, prefix, addresses).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = pushed {
            self.summary.borrow_mut().unresolved += 1;
            (self.emit)(Event::TargetSkipped { spec, reason });
        }
    }

    fn host(&self, target: Target) -> impl Future<Output = ()> + 'static {
        let (plan, emit, summary) = (Rc::clone(&self.plan), Rc::clone(&self.emit), Rc::clone(&self.summary));
        summary.borrow_mut().under_way += 1;
        async move {
            let done = plan.run(target).await;
            summary.borrow_mut().count(&done);
            emit(Event::Host(Box::new(done.host)));
        }
    }
}

impl Summary {
    fn count(&mut self, done: &HostDone) {
        self.under_way -= 1;
        match done.host.state {
            HostState::Up => self.up += 1,
            HostState::Down => self.down += 1,
        }
        self.unfinished += u64::from(done.host.timed_out);
        self.ports += done.probed as u64;
        self.unprobed += done.unprobed as u64;
        if let Some(trouble) = &done.trouble
            && self.troubles.len() < MAX_TROUBLES
        {
            self.troubles.push(format!("{}: {trouble}", done.host.target.addr));
        }
    }
}

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
    }

    /// Drops handles of finished tasks, at a cost spread over the pushes.
    fn forget_finished(&mut self) {
        if self.live.len() >= self.sweep_at.max(WINDOW) {
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

    async fn join(self) {
        for task in self.live {
            task.await;
        }
    }
}

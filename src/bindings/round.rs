//! Scripts that are planned together: those of a host, or those of a rule before or after all hosts.
//!
//! A plan is started as soon as all it depends on has ended in the same round; no other round is waited for. Plans may
//! come while others run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::host::{HostValue, PortKey};
use super::launch::Launcher;
use crate::model::{RuleKind, ScriptOutcome, ScriptResult, Timestamp};
use crate::script::coroutine::Stop;
use crate::script::rules::Candidate;
use crate::script::scheduler::Group;

/// One instance to start: the script, and the port it is for.
pub struct Plan {
    /// The script.
    pub candidate: Candidate,
    /// The rule it is started for.
    pub rule: RuleKind,
    /// The port; none for other rules.
    pub port: Option<PortKey>,
    /// Where it comes among those of the same port.
    pub position: usize,
}

/// Records as they come in, and who waits for them.
#[derive(Default)]
struct Inbox(Rc<RefCell<Mail>>);

/// Plan and record, and the waker of the reader.
type Mail = (Vec<(usize, ScriptResult)>, Option<Waker>);

impl Inbox {
    fn take(&self) -> Vec<(usize, ScriptResult)> {
        std::mem::take(&mut self.0.borrow_mut().0)
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

/// Such scripts under way. Dropped before its end, it ends those that run, and counts them and those not begun as
/// cancelled.
pub struct Round {
    launcher: Rc<Launcher>,
    host: Option<HostValue>,
    group: Group,
    inbox: Inbox,
    plans: Vec<Plan>,
    /// Plans that wait for others to end.
    waiting: Vec<usize>,
    /// Instances without a record yet, by script.
    unfinished: BTreeMap<String, u64>,
    results: Vec<(usize, ScriptResult)>,
}

impl Round {
    /// A round without plans.
    pub fn new(launcher: Rc<Launcher>, host: Option<HostValue>) -> Round {
        let (group, inbox, unfinished) = (Group::default(), Inbox::default(), BTreeMap::new());
        let (plans, waiting, results) = (Vec::new(), Vec::new(), Vec::new());
        Round { launcher, host, group, inbox, plans, waiting, unfinished, results }
    }

    /// Whether nothing is planned.
    pub fn is_empty(&self) -> bool {
        self.plans.is_empty()
    }

    /// Adds plans and starts those that may.
    pub fn add(&mut self, plans: impl Iterator<Item = Plan>) {
        for plan in plans {
            let id = &plan.candidate.script.id;
            match self.unfinished.get_mut(id) {
                Some(count) => *count += 1,
                None => _ = self.unfinished.insert(id.clone(), 1),
            }
            let index = self.plans.len();
            if self.dependencies(id).is_empty() {
                self.start(index, &plan);
            } else {
                self.waiting.push(index); // more of what it depends on may come
            }
            self.plans.push(plan);
        }
    }

    fn dependencies(&self, id: &str) -> &[String] {
        self.launcher.dependencies.get(id).map_or(&[], Vec::as_slice)
    }

    /// Runs all plans to their end, or to `deadline`, and returns their records in order.
    pub async fn finish(mut self, deadline: Option<Timestamp>) -> Vec<(Plan, ScriptResult)> {
        self.start_ready();
        while self.results.len() < self.plans.len() {
            let news = self.news(deadline).await;
            self.take_in(news);
            self.start_ready();
        }
        let plans = std::mem::take(&mut self.plans);
        let mut ended: Vec<Option<ScriptResult>> = plans.iter().map(|_| None).collect();
        for (index, result) in std::mem::take(&mut self.results) {
            if let Some(slot) = ended.get_mut(index) {
                *slot = Some(result);
            }
        }
        let mut ended: Vec<_> = plans.into_iter().zip(ended).filter_map(|(plan, end)| Some((plan, end?))).collect();
        ended.sort_by_key(|(plan, _)| (plan.port, plan.position));
        ended
    }

    /// Starts what waits for nothing any more, once all is planned.
    fn start_ready(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|index| {
            let Some(plan) = self.plans.get(*index) else { return false };
            let is_ready = self.is_ready(&plan.candidate.script.id);
            if is_ready {
                self.start(*index, plan);
            }
            !is_ready
        });
        self.waiting = waiting;
    }

    fn start(&self, index: usize, plan: &Plan) {
        let deliver = self.sink(index);
        if let Some(skipped) = self.launcher.skipped(plan) {
            return deliver(skipped);
        }
        let (job, reach) = self.launcher.job(plan, self.host.as_ref());
        let sink = Box::new(move |result| {
            reach.close();
            deliver(result);
        });
        self.launcher.scheduler.submit(job, &self.group, sink);
    }

    /// Takes the record of a plan, and counts it.
    fn sink(&self, index: usize) -> impl FnOnce(ScriptResult) + 'static {
        let (inbox, launcher) = (Rc::downgrade(&self.inbox.0), Rc::clone(&self.launcher));
        move |result| {
            let Some(inbox) = inbox.upgrade() else { return }; // the round was dropped, and counted it as cancelled
            launcher.totals.borrow_mut().count(&result.id, result.outcome);
            launcher.count_fault(&result);
            let mut inbox = inbox.borrow_mut();
            inbox.0.push((index, result));
            if let Some(waker) = inbox.1.take() {
                waker.wake();
            }
        }
    }

    /// Whether all a script depends on has ended.
    fn is_ready(&self, id: &str) -> bool {
        self.dependencies(id).iter().all(|other| self.unfinished.get(other).is_none_or(|left| *left == 0))
    }

    async fn news(&self, deadline: Option<Timestamp>) -> Vec<(usize, ScriptResult)> {
        let Some(deadline) = deadline.filter(|_| !self.group.is_stopped()) else { return self.inbox.next().await };
        if let Ok(results) = self.launcher.broker.clock().before(deadline, self.inbox.next()).await {
            return results;
        }
        self.launcher.scheduler.stop(&self.group, Stop::HostTimeout);
        self.inbox.next().await
    }

    fn take_in(&mut self, news: Vec<(usize, ScriptResult)>) {
        for (index, result) in news {
            if let Some(left) = self.unfinished.get_mut(result.id.as_str()) {
                *left -= 1;
            }
            self.results.push((index, result));
        }
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        self.take_in(self.inbox.take());
        self.unfinished.retain(|_, left| *left > 0);
        if self.unfinished.is_empty() {
            return;
        }
        self.launcher.scheduler.stop(&self.group, Stop::Cancelled);
        let mut totals = self.launcher.totals.borrow_mut();
        self.unfinished.iter().for_each(|(id, left)| totals.count_many(id, ScriptOutcome::Cancelled, *left));
    }
}

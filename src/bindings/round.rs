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
    /// Plans not yet started.
    waiting: Vec<usize>,
    /// Instances without a record yet, by script.
    unfinished: BTreeMap<String, u64>,
    results: Vec<(usize, ScriptResult)>,
    /// No more plans will come.
    is_planned: bool,
}

impl Round {
    /// A round without plans.
    pub fn new(launcher: Rc<Launcher>, host: Option<HostValue>) -> Round {
        let (group, inbox, unfinished) = (Group::default(), Inbox::default(), BTreeMap::new());
        let (plans, waiting, results) = (Vec::new(), Vec::new(), Vec::new());
        Round { launcher, host, group, inbox, plans, waiting, unfinished, results, is_planned: false }
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
            self.waiting.push(self.plans.len());
            self.plans.push(plan);
        }
        self.start();
    }

    /// Runs all plans to their end, or to `deadline`, and returns their records in order.
    pub async fn finish(mut self, deadline: Option<Timestamp>) -> Vec<(Plan, ScriptResult)> {
        self.is_planned = true;
        self.start();
        while self.results.len() < self.plans.len() {
            let news = self.news(deadline).await;
            self.take_in(news);
            self.start();
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

    /// Starts what waits for nothing any more.
    fn start(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|index| {
            let Some(plan) = self.plans.get(*index) else { return false };
            if !self.is_ready(&plan.candidate.script.id) {
                return true;
            }
            if let Some(skipped) = self.launcher.skipped(plan) {
                self.inbox.sink(*index)(skipped);
                return false;
            }
            let (job, reach) = self.launcher.job(plan, self.host.as_ref());
            let deliver = self.inbox.sink(*index);
            let sink = Box::new(move |result| {
                reach.close();
                deliver(result);
            });
            self.launcher.scheduler.submit(job, &self.group, sink);
            false
        });
        self.waiting = waiting;
    }

    /// Whether all a script depends on has ended. What may still be planned has not.
    fn is_ready(&self, id: &str) -> bool {
        let dependencies = self.launcher.dependencies.get(id).map_or(&[][..], Vec::as_slice);
        let has_ended = |other: &String| self.unfinished.get(other).is_none_or(|left| *left == 0);
        dependencies.is_empty() || (self.is_planned && dependencies.iter().all(has_ended))
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
            self.launcher.totals.borrow_mut().count(&result.id, result.outcome);
            self.launcher.count_fault(&result);
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

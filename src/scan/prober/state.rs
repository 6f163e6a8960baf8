//! Who is asked, who may send, and who waits for what.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Waker;

use async_executor::Task;

use super::Counts;
use super::job::{Job, Next};
use super::pace::Pace;
use super::plan::Plan;
use super::rate::Rate;
use super::way::{Introduced, Way};
use crate::capture::{Captured, Subscription};
use crate::model::{NetError, NetErrorKind, Timestamp};
use crate::runtime::QuickMap;
use crate::scan::probe::{Form, Forms, Heard, Hearing, Purpose};
use crate::scan::timing::window::{PING_WEIGHT, Scope};
use crate::scan::timing::{Rtt, Window};

/// Names a job; a number is not used again while somebody may still have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct JobId {
    index: usize,
    serial: u64,
}

/// Whose answers a job wants: host, scope, purpose, protocol (0: all).
type Key = (IpAddr, u32, Purpose, u8);

/// Everything the prober knows.
pub(super) struct State {
    jobs: Vec<Option<(u64, Job)>>,
    free: Vec<usize>,
    serial: u64,
    by_key: QuickMap<Key, JobId>,
    /// May send, as far as is known: jobs with a window, and jobs of the sweep.
    ring: VecDeque<JobId>,
    sweep: VecDeque<JobId>,
    /// Would send, but their window is closed: the user's lowest rate does not ask for windows.
    held: VecDeque<JobId>,
    timers: BinaryHeap<Reverse<(Timestamp, JobId)>>,
    /// Everybody's window, and how much of it is taken.
    window: Window,
    active: usize,
    /// Of the sweep, which no window holds back; and first packets to next hops.
    swept: usize,
    introducing: usize,
    /// What the user allows of all three together.
    most: Option<usize>,
    sweep_rate: Rate,
    /// Sent in spite of everybody's window, so that silence of many does not stop all.
    floor: Rate,
    least: Option<Rate>,
    /// The highest try any host of a sweep answered.
    sweep_try: Rc<Cell<u8>>,
    /// Round-trip times of hosts that answered a sweep: of neighbours, of others.
    sweep_rtt: [Option<Rtt>; 2],
    pub(super) forms: Forms,
    pub(super) hearing: Hearing,
    protocols: bool,
    hops: QuickMap<(u32, IpAddr), Hop>,
    subscriptions: Vec<(u32, Subscription)>,
    pub(super) counts: Counts,
    waker: Option<Waker>,
    is_changed: bool,
}

/// Whether packets reach the next router or neighbour.
pub(super) enum Hop {
    /// Somebody tries; these wait for what comes of it.
    Tried(Option<Task<()>>, Vec<JobId>),
    /// They do.
    Known,
}

/// What is to be sent for a job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub(super) id: JobId,
    pub(super) place: usize,
    pub(super) number: u8,
    pub(super) is_ping: bool,
    /// The first packet to a next hop.
    pub(super) introduces: bool,
}

impl State {
    pub(super) fn new(pace: &Pace, forms: Forms, hearing: Hearing, protocols: bool, now: Timestamp) -> State {
        State {
            jobs: Vec::new(),
            free: Vec::new(),
            serial: 0,
            by_key: QuickMap::default(),
            ring: VecDeque::new(),
            sweep: VecDeque::new(),
            held: VecDeque::new(),
            timers: BinaryHeap::new(),
            window: Window::new(pace.window(), Scope::Everything),
            active: 0,
            swept: 0,
            introducing: 0,
            most: pace.parallelism.1.map(|most| most as usize),
            sweep_rate: Rate::new(pace.sweep_rate(), now),
            floor: Rate::new(pace.sweep_rate() / 10.0, now),
            least: pace.min_rate.map(|rate| Rate::new(rate, now)),
            sweep_try: Rc::default(),
            sweep_rtt: [None, None],
            forms,
            hearing,
            protocols,
            hops: QuickMap::default(),
            subscriptions: Vec::new(),
            counts: Counts::default(),
            waker: None,
            is_changed: false,
        }
    }

    pub(super) fn hears_on(&self, interface: u32) -> bool {
        self.subscriptions.iter().any(|(known, _)| *known == interface)
    }

    pub(super) fn hear_on(&mut self, interface: u32, subscription: Subscription) {
        if !self.hears_on(interface) {
            self.subscriptions.push((interface, subscription));
        }
        self.wake();
    }

    pub(super) fn subscriptions(&self) -> &[(u32, Subscription)] {
        &self.subscriptions
    }

    /// Has the driver look again.
    fn wake(&mut self) {
        self.is_changed = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn wait_for_change(&mut self, waker: &Waker) -> bool {
        self.waker = Some(waker.clone());
        std::mem::take(&mut self.is_changed)
    }

    pub(super) fn add(
        &mut self,
        host: Way,
        plan: Plan,
        pace: &Pace,
        rtt: Option<Rtt>,
        now: Timestamp,
    ) -> Result<JobId, NetError> {
        let key = key_of(&host, &plan);
        if self.by_key.contains_key(&key) {
            return Err(NetError::new(NetErrorKind::Local, "probe", host.addr).because("it is being probed already"));
        }
        let offset = self.hearing.cookie(host.addr, 0, plan.purpose()) as usize % plan.count().max(1);
        let rtt = rtt.unwrap_or_else(|| self.usual_rtt(&plan, pace));
        let mut job = Job::new(host, plan, pace, rtt, (offset, now));
        if job.is_paced() {
            job.sweep_try = Some(Rc::clone(&self.sweep_try));
        }
        self.serial += 1;
        let index = self.free.pop().unwrap_or(self.jobs.len());
        let id = JobId { index, serial: self.serial };
        if index == self.jobs.len() {
            self.jobs.push(None);
        }
        if let Some(slot) = self.jobs.get_mut(index) {
            *slot = Some((id.serial, job));
        }
        self.by_key.insert(key, id);
        self.queue(id);
        self.wake();
        Ok(id)
    }

    /// What other hosts of a sweep have shown, once it is more than one; nothing in a scan of ports.
    fn usual_rtt(&self, plan: &Plan, pace: &Pace) -> Rtt {
        let known = self.sweep_rtt[usize::from(!plan.is_of_neighbor())].clone();
        let known = known.filter(|rtt| plan.purpose() == Purpose::Discovery && rtt.samples() > 1);
        known.unwrap_or_else(|| pace.unknown(plan))
    }

    fn learn_from_sweep(&mut self, id: JobId, pace: &Pace) {
        let Some(job) = self.job(id).filter(|job| job.is_paced()) else { return };
        let (place, sample) = (usize::from(!job.plan.is_of_neighbor()), job.last_sample.take());
        let unknown = pace.unknown(&job.plan);
        if let Some(sample) = sample {
            self.sweep_rtt[place].get_or_insert(unknown).sample(sample);
        }
    }

    pub(super) fn job(&mut self, id: JobId) -> Option<&mut Job> {
        match self.jobs.get_mut(id.index)? {
            Some((serial, job)) if *serial == id.serial => Some(job),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, id: JobId) -> Option<Job> {
        self.job(id)?;
        let (_, job) = self.jobs.get_mut(id.index)?.take()?;
        self.free.push(id.index);
        self.by_key.remove(&key_of(&job.host, &job.plan));
        *self.taken(job.is_paced()) -= job.active();
        if self.most.is_some() {
            self.wake(); // there is room for others
        }
        Some(job)
    }

    /// Puts a job among those that may send, if it has something to send.
    fn queue(&mut self, id: JobId) {
        let Some(job) = self.job(id).filter(|job| job.has_work() && !job.place.is_queued) else { return };
        job.place.is_queued = true;
        let is_paced = job.is_paced();
        self.ring(is_paced).push_back(id);
    }

    /// Those that may send: of the sweep, or of all else.
    fn ring(&mut self, is_paced: bool) -> &mut VecDeque<JobId> {
        if is_paced { &mut self.sweep } else { &mut self.ring }
    }

    /// Does something with a job, and keeps in step what depends on it.
    pub(super) fn with<T>(&mut self, id: JobId, now: Timestamp, work: impl FnOnce(&mut Job) -> T) -> Option<T> {
        let job = self.job(id)?;
        let before = job.active();
        let done = work(job);
        let (after, is_paced) = (job.active(), job.is_paced());
        if (job.is_over || job.found.is_news())
            && let Some(waker) = job.waker.take()
        {
            waker.wake();
        }
        let taken = self.taken(is_paced);
        *taken = *taken + after - before;
        self.arm(id, now);
        self.queue(id);
        Some(done)
    }

    /// Has a job looked at when it next has something to do by itself.
    fn arm(&mut self, id: JobId, now: Timestamp) {
        let Some(job) = self.job(id) else { return };
        let deadline = job.deadline(now).filter(|at| job.place.armed.is_none_or(|armed| *at < armed));
        if let Some(at) = deadline {
            job.place.armed = Some(at);
            self.timers.push(Reverse((at, id)));
        }
    }

    /// How many probes of the sweep, or of all else, are under way.
    fn taken(&mut self, is_paced: bool) -> &mut usize {
        if is_paced { &mut self.swept } else { &mut self.active }
    }

    /// Whether as many probes are under way as the user allows.
    fn is_full(&self) -> bool {
        self.most.is_some_and(|most| self.active + self.swept + self.introducing >= most)
    }

    /// Lets time pass for whoever waits for it.
    pub(super) fn pass(&mut self, now: Timestamp) {
        while let Some(Reverse((at, id))) = self.timers.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.timers.pop();
            let passed = self.with(id, now, |job| {
                if job.place.armed == Some(at) {
                    job.place.armed = None;
                }
                job.pass(now)
            });
            if let Some(Some(sent)) = passed {
                self.window.lost(sent, now, self.active);
            }
        }
    }

    /// When time has something to do next.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        // When no more are allowed, a probe's own time makes room, or its answer.
        let has_room = !self.is_full();
        let sweep = (has_room && !self.sweep.is_empty()).then(|| self.sweep_rate.next());
        let held = (has_room && !self.ring.is_empty()).then(|| self.floor.next());
        let least = self.least.filter(|_| !self.ring.is_empty() || !self.held.is_empty()).map(|rate| rate.next());
        [timer, sweep, held, least].into_iter().flatten().min()
    }

    /// The next question to be asked, of whom it is the turn.
    pub(super) fn next_ask(&mut self, now: Timestamp) -> Option<Ask> {
        let has_room = !self.is_full();
        if has_room
            && self.sweep_rate.is_due(now)
            && let Some(ask) = self.next_in_turn(true, now)
        {
            self.sweep_rate.took(now);
            return Some(ask);
        }
        let forced = self.least.is_some_and(|rate| rate.is_due(now));
        let by_window = has_room && self.window.allows(self.active);
        let by_floor = has_room && self.floor.is_due(now);
        if !by_window && !forced && !by_floor {
            return None;
        }
        if let Some(ask) = self.next_in_turn(false, now) {
            if !by_window {
                self.floor.took(now);
            }
            self.count_least(now);
            return Some(ask);
        }
        if forced { self.next_held(now) } else { None }
    }

    /// The next question of the sweep, or of all else. Who cannot ask now leaves the ring: a window opens with an answer or
    /// with time, and both come through `with`.
    fn next_in_turn(&mut self, is_paced: bool, now: Timestamp) -> Option<Ask> {
        for _ in 0..self.ring(is_paced).len() {
            let id = self.ring(is_paced).pop_front()?;
            let Some(job) = self.job(id) else { continue };
            job.place.is_queued = false;
            if !job.has_work() || !self.is_introduced(id) {
                continue;
            }
            if self.job(id).is_some_and(|job| job.may_ask(now)) {
                if let Some(ask) = self.take(id, now) {
                    return Some(ask);
                }
            } else {
                self.arm(id, now);
                self.hold(id, now);
            }
        }
        None
    }

    /// Keeps a job whose window is closed, if the user's lowest rate may need it.
    fn hold(&mut self, id: JobId, now: Timestamp) {
        if self.least.is_none() {
            return;
        }
        let Some(job) = self.job(id).filter(|job| !job.place.is_held && !job.is_paused(now)) else { return };
        job.place.is_held = true;
        self.held.push_back(id);
    }

    /// The next of those whose window is closed. One that pauses comes back by its timer, one with a window by the ring.
    fn next_held(&mut self, now: Timestamp) -> Option<Ask> {
        while let Some(id) = self.held.pop_front() {
            let Some(job) = self.job(id) else { continue };
            job.place.is_held = false;
            if job.has_work()
                && !job.is_paused(now)
                && !job.place.is_queued
                && let Some(ask) = self.take(id, now)
            {
                self.count_least(now);
                return Some(ask);
            }
        }
        None
    }

    fn count_least(&mut self, now: Timestamp) {
        if let Some(least) = &mut self.least {
            least.took(now);
        }
    }

    fn take(&mut self, id: JobId, now: Timestamp) -> Option<Ask> {
        let introduces = self.job(id)?.introduced == Introduced::UnderWay;
        let next = self.job(id)?.next(now);
        let ask = match next {
            Next::Wait => None,
            Next::Ask(place, number) => Some(Ask { id, place, number, is_ping: false, introduces }),
            Next::Ping(place) => {
                Some(Ask { id, place, number: crate::scan::probe::TIMING_PING, is_ping: true, introduces })
            }
        }?;
        if !introduces {
            self.with(id, now, |job| if ask.is_ping { job.pinged(now) } else { job.sent(ask.place, now) });
            self.window.probe_sent();
        }
        Some(ask)
    }

    /// Whether packets to a job's host may leave in company. If nobody knows yet, its next packet is to find out; until then
    /// whoever has the same next hop waits.
    fn is_introduced(&mut self, id: JobId) -> bool {
        let Some(job) = self.job(id) else { return false };
        let by_frame = matches!(job.plan.question(0).form, Form::Neighbor);
        if job.introduced == Introduced::Yes || by_frame {
            return true;
        }
        let key = (job.host.interface, job.host.next_hop);
        match self.hops.get_mut(&key) {
            Some(Hop::Known) => {
                if let Some(job) = self.job(id) {
                    job.introduced = Introduced::Yes;
                }
                true
            }
            Some(Hop::Tried(_, waiting)) => {
                waiting.push(id);
                false
            }
            None => {
                self.hops.insert(key, Hop::Tried(None, Vec::new()));
                self.introducing += 1;
                if let Some(job) = self.job(id) {
                    job.introduced = Introduced::UnderWay;
                }
                true
            }
        }
    }

    /// Keeps the task that introduces us to a job's next hop.
    pub(super) fn keep_introduction(&mut self, id: JobId, task: Task<()>) {
        let Some(job) = self.job(id) else { return };
        let key = (job.host.interface, job.host.next_hop);
        if let Some(Hop::Tried(kept, _)) = self.hops.get_mut(&key) {
            *kept = Some(task);
        }
    }

    /// A job that was to find out about its next hop had nothing to send there: somebody else may.
    pub(super) fn not_introduced(&mut self, id: JobId) {
        let Some(job) = self.job(id) else { return };
        job.introduced = Introduced::No;
        let key = (job.host.interface, job.host.next_hop);
        let Some(Hop::Tried(_, waiting)) = self.hops.remove(&key) else { return };
        self.introducing -= 1;
        for waiting in waiting {
            self.queue(waiting);
        }
    }

    /// What came of an introduction.
    pub(super) fn introduced(
        &mut self,
        (way, ask): (&Way, &Ask),
        sent: Result<Timestamp, NetError>,
        now: Timestamp,
    ) -> Option<Task<()>> {
        let key = (way.interface, way.next_hop);
        let is_known = sent.is_ok();
        let before = if is_known { self.hops.insert(key, Hop::Known) } else { self.hops.remove(&key) };
        let (task, waiting) = match before {
            Some(Hop::Tried(task, waiting)) => {
                self.introducing -= 1;
                (task, waiting)
            }
            _ => (None, Vec::new()),
        };
        self.with(ask.id, now, |job| match sent {
            Ok(at) => {
                job.introduced = Introduced::Yes;
                job.sent(ask.place, at);
            }
            Err(error) => job.fail(&error),
        });
        for id in waiting {
            self.queue(id);
        }
        self.wake();
        task
    }

    /// Takes in a captured packet.
    pub(super) fn hear(&mut self, packet: &Captured, pace: &Pace, now: Timestamp) {
        let heard = self.hearing.hear(packet.link, &packet.bytes);
        let scope = |addr| scope_of(addr, packet.interface.index);
        let found = heard.and_then(|heard| Some((self.find(&heard, scope(heard.host))?, heard)));
        let found = found.or_else(|| {
            let heard = self.protocols.then(|| Hearing::protocol(packet.link, &packet.bytes)).flatten()?;
            Some((self.find(&heard, scope(heard.host))?, heard))
        });
        let Some((id, heard)) = found else {
            let is_stranger = heard.is_some() || self.hearing.is_to_us(packet.link, &packet.bytes);
            self.counts.strangers += u64::from(is_stranger);
            return;
        };
        let heeded = self.with(id, now, |job| job.hear(&heard, packet.at, pace)).unwrap_or_default();
        self.learn_from_sweep(id, pace);
        let Some(job) = self.job(id) else { return };
        let (is_paced, rtt) = (job.is_paced(), job.rtt.timeout());
        self.counts.answers += u64::from(heeded.is_answer);
        self.counts.repeated += u64::from(!heeded.is_answer);
        match (heeded.lost, is_paced) {
            (Some(_), true) => self.sweep_rate.halve(now, rtt),
            (None, true) => self.sweep_rate.recover(),
            (Some(sent), false) => _ = self.window.lost(sent, now, self.active),
            (None, false) if heeded.is_answer => self.window.answered(if heeded.is_ping { PING_WEIGHT } else { 1.0 }),
            (None, false) => {}
        }
    }

    /// The job an answer is for.
    fn find(&self, heard: &Heard, scope: u32) -> Option<JobId> {
        let protocol = heard.mark.protocol(heard.host).unwrap_or(0);
        let protocol = if heard.purpose == Purpose::Ports { protocol } else { 0 };
        let of = |purpose, protocol| self.by_key.get(&(heard.host, scope, purpose, protocol)).copied();
        of(heard.purpose, protocol).or_else(|| match heard.purpose {
            Purpose::Ports => of(Purpose::Ports, 0).or_else(|| of(Purpose::Discovery, 0)),
            _ => of(Purpose::Ports, 0).filter(|_| self.protocols),
        })
    }

    /// Nothing can be heard any more on an interface: its jobs end with `error`.
    pub(super) fn deaf(&mut self, interface: u32, error: &NetError, now: Timestamp) {
        self.subscriptions.retain(|(known, _)| *known != interface);
        let ids: Vec<JobId> = self.by_key.values().copied().collect();
        for id in ids {
            if self.job(id).is_some_and(|job| job.host.interface == interface) {
                self.with(id, now, |job| job.fail(error));
            }
        }
    }
}

fn key_of(host: &Way, plan: &Plan) -> Key {
    (host.addr, scope_of(host.addr, host.scope), plan.purpose(), plan.protocol())
}

/// The scope of an address: it alone says who is meant, unless it is link-local.
fn scope_of(addr: IpAddr, scope: u32) -> u32 {
    match addr {
        IpAddr::V6(addr) if addr.is_unicast_link_local() => scope,
        _ => 0,
    }
}

//! One job: all questions to one host for one purpose, each asked until it is answered or proves to stay unanswered.
//!
//! A question is in one place at a time: not asked yet, on its way (*young*), taken for lost but still waited for (*old*),
//! to be asked again (*retry*), given up for now (*bench*), or decided. Only the first keeps others waiting. Pure: times are
//! handed in.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use super::pace::Pace;
use super::ping::{Ping, Silence};
use super::plan::{Finding, Plan};
use super::slot::{Slot, Stage};
use super::trail::Step;
use super::verdicts::{Verdict, Verdicts};
use super::way::{Heeded, Introduced, Place, Way};
use crate::model::{MacAddr, NetError, PortState, Reason, Timestamp};
use crate::scan::kind::Reply;
use crate::scan::probe::{Form, Heard, Question};
use crate::scan::timing::window::{PING_WEIGHT, Scope};
use crate::scan::timing::{Rtt, Throttle, Tries, Window};

/// Questions to one host.
pub struct Job {
    /// Who is asked.
    pub host: Way,
    /// What.
    pub plan: Plan,
    /// Round-trip time to the host.
    pub rtt: Rtt,
    /// Where measurements of the host itself begin, while its time-out is what other hosts have shown.
    own_rtt: Option<Rtt>,
    /// The newest measurement, for who keeps them of many hosts.
    pub(super) last_sample: Option<Duration>,
    pub(super) window: Window,
    pub(super) tries: Tries,
    throttle: Throttle,
    /// Whether it gave answers that hosts may limit.
    is_limitable: bool,
    slots: Vec<Slot>,
    /// Questions asked at least once.
    begun: usize,
    /// Where this host's order begins.
    offset: usize,
    young: VecDeque<u32>,
    old: VecDeque<u32>,
    retry: VecDeque<u32>,
    bench: Vec<u32>,
    /// Of [`Stage::Young`].
    active: usize,
    undecided: usize,
    pub(super) found: Verdicts,
    /// Wait for the answer to the last try, at least, while nobody knows whether the host is there.
    patience: Duration,
    /// Counts from here.
    started: Timestamp,
    /// No probe before.
    pub(super) not_before: Timestamp,
    ping: Ping,
    /// The highest try any host of the same sweep answered.
    pub(super) sweep_try: Option<Rc<Cell<u8>>>,
    last_sent: Timestamp,
    trickle: Option<Duration>,
    /// What the host told about its link.
    pub mac: Option<MacAddr>,
    /// Why the host is up, once something showed it.
    pub up: Option<(Reason, u8)>,
    /// The question that showed it.
    pub answered: Option<Question>,
    /// Who said what on the way to it, as it came in.
    pub trail: Vec<Step>,
    /// The answers the host gave before have stopped.
    pub degraded: bool,
    /// Whether a packet to it ever left: its next hop is known.
    pub(super) introduced: Introduced,
    /// Why this machine could not ask some question.
    pub failed: Option<NetError>,
    pub(super) is_over: bool,
    pub(super) waker: Option<Waker>,
    pub(super) place: Place,
}

/// Pause before a host that stopped answering is asked for the last time, and between probes if it then answers; four times
/// as long when that happens again.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_millis(100));

/// Pause between probes of a host that seems to limit its answers, until its limit is measured: resets, ICMP errors.
const FIRST_PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(50));
/// When answers have run dry, nobody is asked again sooner: a limit of one a second has let one pass
/// by then, also by a coarse clock.
const REFILL: Duration = Duration::from_millis(1200);

/// What a job does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask the question at a place, for the so-manyth time.
    Ask(usize, u8),
    /// Ask again what was answered before.
    Ping(usize),
    /// Nothing now.
    Wait,
}

impl Job {
    /// A job not begun. `offset` says where its order begins; `rtt` is what is known of the host.
    pub(super) fn new(host: Way, plan: Plan, pace: &Pace, rtt: Rtt, (offset, now): (usize, Timestamp)) -> Job {
        let mut window = Window::new(pace.host_window(), Scope::Host);
        if let Some(srtt) = rtt.smoothed() {
            window.round_trip(srtt);
        }
        let count = plan.count();
        Job {
            host,
            rtt,
            own_rtt: Some(pace.unknown(&plan)).filter(|_| matches!(plan, Plan::Discovery(_))),
            last_sample: None,
            window,
            tries: Tries::new(pace.tries(&plan)),
            throttle: Throttle::new(pace.pause(&plan)),
            is_limitable: false,
            slots: vec![Slot::default(); count],
            begun: 0,
            offset,
            young: VecDeque::new(),
            old: VecDeque::new(),
            retry: VecDeque::new(),
            bench: Vec::new(),
            active: 0,
            undecided: count,
            found: Verdicts::default(),
            patience: pace.patience(&plan),
            started: now,
            not_before: now,
            ping: Ping::new(!pace.fixed_port && plan.protocol() != 0, now),
            sweep_try: None,
            last_sent: now,
            trickle: pace.trickle(),
            mac: None,
            up: None,
            answered: None,
            trail: Vec::new(),
            degraded: false,
            introduced: Introduced::No,
            failed: None,
            is_over: count == 0,
            waker: None,
            place: Place::default(),
            plan,
        }
    }

    /// Probes on their way.
    pub fn active(&self) -> usize {
        self.active
    }

    /// Whether there is a question to ask, now or when others have left the way.
    pub(super) fn has_work(&self) -> bool {
        !self.is_over && (self.begun < self.slots.len() || !self.retry.is_empty() || self.ping.has_doubt())
    }

    /// Whether its own window and pause let it ask at `now`.
    pub(super) fn may_ask(&self, now: Timestamp) -> bool {
        let in_window = self.is_paced() || self.window.allows(self.active);
        !self.is_paused(now) && (in_window || self.trickle().is_some_and(|at| now >= at))
    }

    /// When it asks next in spite of its window.
    fn trickle(&self) -> Option<Timestamp> {
        let is_unheard = self.rtt.samples() == 0 && !self.is_paced();
        self.trickle.filter(|_| is_unheard).map(|pause| self.last_sent.plus(pause))
    }

    /// Whether it pauses between two probes.
    pub(super) fn is_paused(&self, now: Timestamp) -> bool {
        now < self.not_before
    }

    /// Whether the rate of a sweep, not a window, decides when it asks.
    pub(super) fn is_paced(&self) -> bool {
        matches!(self.plan, Plan::Discovery(_))
    }

    /// What to send now. Whoever calls it sends that.
    pub(super) fn next(&mut self, now: Timestamp) -> Next {
        if let Some(place) = self.ping.due(now, self.is_at_the_end()) {
            return Next::Ping(place);
        }
        while let Some(place) = self.retry.pop_front() {
            let place = place as usize;
            if let Some(slot) = self.slots.get(place).filter(|slot| slot.stage == Stage::Waiting) {
                return Next::Ask(place, slot.next_number());
            }
        }
        if self.begun < self.slots.len() {
            let place = self.plan.nth(self.begun, self.offset);
            self.begun += 1;
            return Next::Ask(place, 0);
        }
        Next::Wait
    }

    /// The question at `place` was sent, at `at`.
    pub(super) fn sent(&mut self, place: usize, at: Timestamp) {
        let micros = self.micros(at);
        let Some(slot) = self.slots.get_mut(place) else { return };
        if slot.stage == Stage::Decided {
            return;
        }
        (slot.before, slot.sent, slot.stage) = (slot.sent, micros, Stage::Young);
        slot.tries = slot.tries.saturating_add(1);
        self.active += 1;
        self.young.push_back(place as u32);
        self.window.probe_sent();
        self.ping.probe_sent();
        self.last_sent = at;
        self.throttle.sent(self.active);
        let pause = self.throttle.pause();
        if !pause.is_zero() {
            self.not_before = at.plus(pause);
        }
    }

    /// A ping was sent.
    pub(super) fn pinged(&mut self, at: Timestamp) {
        self.ping.sent(at);
        self.window.probe_sent();
    }

    /// The question at `place` could not be asked, because of `error`.
    pub(super) fn could_not_ask(&mut self, place: usize, error: NetError) {
        if let Some(slot) = self.slots.get_mut(place).filter(|slot| slot.stage != Stage::Decided) {
            self.active -= usize::from(slot.stage == Stage::Young);
            (slot.stage, slot.tries) = (Stage::Decided, 0);
            self.undecided -= 1;
            self.failed = Some(error);
            self.is_over = self.undecided == 0;
        }
    }

    /// The question at `place` cannot be asked of this host at all.
    pub(super) fn unaskable(&mut self, place: usize) {
        let error = NetError::new(crate::model::NetErrorKind::Local, "probe", self.host.addr);
        let question = self.plan.question(place);
        let why = match question.form {
            Form::Protocol => format!("{} is an extension header of IPv6, which cannot be asked for", question.number),
            _ => "there is no such probe in its address family".to_owned(),
        };
        self.could_not_ask(place, error.because(why));
    }

    /// Nothing more can be asked, because of `error`. What was asked and not answered so far proves nothing any more.
    pub(super) fn fail(&mut self, error: &NetError) {
        for place in 0..if self.is_over { 0 } else { self.slots.len() } {
            self.could_not_ask(place, error.clone());
        }
    }

    /// The question at `place` left at `at`.
    pub(super) fn stamp(&mut self, place: usize, at: Timestamp) {
        let micros = self.micros(at);
        if let Some(slot) = self.slots.get_mut(place).filter(|slot| slot.stage == Stage::Young) {
            slot.sent = micros;
        }
    }

    fn micros(&self, at: Timestamp) -> u32 {
        u32::try_from(at.since(self.started).as_micros()).unwrap_or(u32::MAX)
    }

    fn time(&self, micros: u32) -> Timestamp {
        self.started.plus(Duration::from_micros(micros.into()))
    }

    /// Takes in an answer that came at `at`. Tells whether it proves a loss, and when what was lost had been sent.
    pub(super) fn hear(&mut self, heard: &Heard, at: Timestamp, pace: &Pace) -> Heeded {
        let Some((place, finding)) = self.plan.judge(heard) else { return Heeded::default() };
        let Some(slot) = self.slots.get(place).copied() else { return Heeded::default() };
        self.ping.heard(at);
        if heard.is_timing_ping() {
            return self.hear_ping(at);
        }
        if slot.stage == Stage::New {
            return Heeded::default(); // nobody asked
        }
        if slot.stage == Stage::Decided {
            self.hear_again(place, finding, heard);
            return Heeded::default();
        }
        // The number of an answer about the route is the hop.
        let number = heard.number.filter(|_| !self.is_route());
        let Some(number) = slot.try_of(number) else { return Heeded::default() }; // not made yet
        let time = self.learn_time(&slot, number, at);
        if slot.stage == Stage::Young {
            self.active -= 1;
        }
        self.decide(place, finding, heard);
        self.follow(place, finding, (heard, time));
        let (is_late, is_limited) = (number > slot.excused, self.may_be_limited(finding, pace));
        if let Some(highest) = &self.sweep_try {
            highest.set(highest.get().max(number));
        }
        let raised = self.tries.answered(number.saturating_sub(slot.excused).into());
        if raised {
            self.return_bench();
        }
        if is_limited {
            self.hear_limited(at, is_late);
        }
        // Who limits its answers says nothing about the way to it.
        let is_sign = is_late && !(is_limited && self.throttle.is_limiting()) && self.is_sign_of_loss(finding, pace);
        let lost = is_sign.then(|| self.time(slot.before.min(slot.sent)));
        match lost {
            Some(sent) => _ = self.window.lost(sent, at, self.active),
            None => self.window.answered(1.0),
        }
        Heeded { is_answer: true, lost, is_ping: false }
    }

    /// An answer that the host may limit.
    fn hear_limited(&mut self, at: Timestamp, is_late: bool) {
        self.is_limitable = true;
        let is_first_sign = is_late && self.throttle.is_dry() && !self.throttle.is_limiting();
        if is_first_sign {
            self.throttle.slow_down(self.first_pause());
        }
        let is_proven = self.throttle.answered(at, is_late);
        if is_first_sign || is_proven {
            self.not_before = at.plus(self.throttle.pause());
        }
        if is_proven {
            self.begin_anew();
        }
    }

    /// The pause while a limit is only suspected.
    fn first_pause(&self) -> Duration {
        if self.plan.is_udp() { FIRST_PAUSE.1 } else { FIRST_PAUSE.0 }
    }

    /// What was asked so far proves nothing: whoever is silent is asked anew, as often as anybody.
    fn begin_anew(&mut self) {
        for slot in &mut self.slots {
            slot.excused = slot.tries;
        }
        self.tries.forget();
        self.return_bench();
    }

    /// Whether a host may limit how often it says so. What silence would say as well is not worth waiting for.
    fn may_be_limited(&self, finding: Finding, pace: &Pace) -> bool {
        let (Plan::Ports(plan), Finding::Port(state, reason)) = (&self.plan, finding) else { return false };
        let is_defeated = if reason == Reason::Reset { pace.defeat_rst } else { pace.defeat_icmp };
        state != PortState::Open && state != plan.kind.silent() && !is_defeated
    }

    /// What a filter or a rate limit says late is no sign that packets get lost on the way.
    fn is_sign_of_loss(&self, finding: Finding, pace: &Pace) -> bool {
        let is_udp = self.plan.is_udp();
        match finding {
            Finding::Port(PortState::Filtered, _) => is_udp && !pace.defeat_icmp,
            Finding::Port(PortState::Closed, _) if is_udp => !pace.defeat_icmp,
            Finding::Port(PortState::Closed, _) => !pace.defeat_rst,
            Finding::Hop { .. } => false, // routers limit what they say of lost packets
            _ => true,
        }
    }

    fn is_route(&self) -> bool {
        matches!(self.plan, Plan::Route(_))
    }

    /// Keeps who answered on the way. What lies behind the last of them need not be known.
    fn follow(&mut self, place: usize, finding: Finding, (heard, time): (&Heard, Option<Duration>)) {
        let (Finding::Hop { is_last }, Some(ttl)) = (finding, self.plan.hop(place)) else { return };
        self.trail.push(Step { ttl, from: heard.from, time, is_last });
        if !is_last {
            return;
        }
        for slot in self.slots.iter_mut().skip(place + 1).filter(|slot| slot.stage != Stage::Decided) {
            self.active -= usize::from(slot.stage == Stage::Young);
            self.undecided -= 1;
            slot.stage = Stage::Decided;
        }
        self.begun = self.slots.len();
        self.is_over = self.undecided == 0;
    }

    /// Takes the time of an answer to try `number`, if it is known which try it answers (Karn's rule).
    fn learn_time(&mut self, slot: &Slot, number: u8, at: Timestamp) -> Option<Duration> {
        let sent = match slot.tries.saturating_sub(number) {
            _ if self.is_route() && slot.tries > 1 => return None,
            1 => slot.sent,
            2 => slot.before,
            _ => return None, // too long ago to be remembered
        };
        let time = at.since(self.time(sent));
        self.last_sample = Some(time);
        if let Some(own) = self.own_rtt.take() {
            self.rtt = own;
        }
        if self.rtt.sample(time)
            && let Some(srtt) = self.rtt.smoothed()
        {
            self.window.round_trip(srtt);
        }
        Some(time)
    }

    fn decide(&mut self, place: usize, finding: Finding, heard: &Heard) {
        let number = match finding {
            Finding::Port(state, reason) => self.found.number(place, Verdict::new((state, reason), heard)),
            Finding::Up(_) | Finding::Spent | Finding::Hop { .. } => 0,
        };
        if let Finding::Up(reason) = finding {
            self.up = self.up.or(Some((reason, heard.ttl)));
            self.answered = Some(self.plan.question(place));
        }
        if let Reply::Neighbor(mac) = heard.reply {
            self.mac = Some(mac);
        }
        if let Some(slot) = self.slots.get_mut(place) {
            (slot.stage, slot.verdict) = (Stage::Decided, number);
            self.undecided -= 1;
        }
        self.ping.consider(place, finding);
        self.is_over = self.undecided == 0 || matches!(finding, Finding::Up(_));
    }

    /// A second answer may say more than the first: a port that was filtered by an error on the way and now opens.
    fn hear_again(&mut self, place: usize, finding: Finding, heard: &Heard) {
        let (Plan::Ports(plan), Finding::Port(state, reason)) = (&self.plan, finding) else { return };
        let kind = plan.kind;
        let old = self.slots.get(place).and_then(|slot| self.found.get(slot.verdict));
        if old.is_some_and(|old| kind.supersedes(old.state, state)) {
            let number = self.found.number(place, Verdict::new((state, reason), heard));
            if let Some(slot) = self.slots.get_mut(place) {
                slot.verdict = number;
            }
        }
    }

    fn hear_ping(&mut self, at: Timestamp) -> Heeded {
        let Some((sent, is_back)) = self.ping.answered() else { return Heeded::default() };
        self.rtt.sample(at.since(sent));
        self.window.answered(PING_WEIGHT);
        if is_back {
            self.degraded = false;
            self.throttle.slow_down(REST.1 * 4u32.pow(self.ping.returns().saturating_sub(1).into()));
            self.begin_anew();
        }
        Heeded { is_answer: true, lost: None, is_ping: true }
    }

    fn is_at_the_end(&self) -> bool {
        self.begun == self.slots.len() && self.retry.is_empty() && self.young.is_empty() && self.old.is_empty()
    }

    /// What was given up may be asked again, as far as more tries are allowed.
    fn return_bench(&mut self) {
        let allowed = self.tries.allowed();
        let (back, stays) = std::mem::take(&mut self.bench)
            .into_iter()
            .partition(|place| self.slots.get(*place as usize).is_some_and(|slot| slot.counted() < allowed));
        self.bench = stays;
        let back: Vec<u32> = back;
        self.retry.extend(back);
    }

    /// Lets time pass: what is too old to be on its way makes room, what is too old to be answered is asked again or given
    /// up. Ends the job when nothing is left to do. True if something was taken for lost, with the time it had been sent.
    pub(super) fn pass(&mut self, now: Timestamp) -> Option<Timestamp> {
        if let Some(tried) = &self.sweep_try {
            self.tries.answered_before(tried.get().into());
        }
        let timeout = self.rtt.timeout();
        while let Some(place) = self.first_if(&self.young, Stage::Young, now) {
            self.young.pop_front();
            let Some(slot) = self.slots.get_mut(place as usize) else { continue };
            let is_open = self.found.get(slot.verdict).is_some_and(|verdict| verdict.state == PortState::Open);
            if slot.tries == 1 && !is_open {
                self.throttle.settled(slot.stage == Stage::Decided);
            }
            if slot.stage == Stage::Young {
                slot.stage = Stage::Old;
                self.active -= 1;
                self.old.push_back(place);
            }
        }
        while let Some(place) = self.first_if(&self.old, Stage::Old, now) {
            self.old.pop_front();
            self.give_up(place);
        }
        let lost = self.ping.pass(now, timeout);
        if let Some(sent) = lost {
            self.window.lost(sent, now, self.active);
        }
        self.end(now);
        lost
    }

    /// The first of a queue if it is to leave it: decided meanwhile, or sent long enough ago.
    fn first_if(&self, queue: &VecDeque<u32>, stage: Stage, now: Timestamp) -> Option<u32> {
        let place = *queue.front()?;
        let slot = self.slots.get(place as usize)?;
        let is_due = slot.stage != stage || now.since(self.time(slot.sent)) >= self.age(slot, stage);
        is_due.then_some(place)
    }

    /// How old a question gets before it leaves a stage.
    fn age(&self, slot: &Slot, stage: Stage) -> Duration {
        if stage == Stage::Young {
            return self.rtt.settled();
        }
        // What is known of the round trip comes from other hosts as long as nobody knows whether this one is there: so the
        // last try waits as long as one about which nothing is known. Of routers nothing is known at all.
        let is_last = slot.counted() >= self.tries.allowed();
        let least = if (self.is_paced() || self.is_route()) && is_last { self.patience } else { Duration::ZERO };
        let is_limitable = self.is_limitable || self.throttle.is_usual();
        let may_be_held_back = is_limitable && slot.counted() == 1 && self.throttle.is_dry();
        let refill = match self.throttle.proven() {
            Some(spacing) => spacing / 2, // tries one after another would share their fate
            None if self.throttle.is_limiting() => REFILL / 2,
            None if may_be_held_back => REFILL,
            None => Duration::ZERO,
        };
        self.rtt.timeout().max(least).max(refill)
    }

    fn give_up(&mut self, place: u32) {
        let allowed = self.tries.allowed();
        let Some(slot) = self.slots.get_mut(place as usize).filter(|slot| slot.stage == Stage::Old) else { return };
        slot.stage = Stage::Waiting;
        if slot.counted() >= allowed {
            self.bench.push(place);
        } else if slot.counted() > 0 && self.throttle.is_limiting() {
            self.retry.push_front(place); // whether the pause is too short shows at once
        } else {
            self.retry.push_back(place);
        }
    }

    fn end(&mut self, now: Timestamp) {
        if self.is_over || !self.is_at_the_end() {
            return;
        }
        if self.bench.is_empty() {
            self.is_over = true;
            return;
        }
        match self.ping.at_the_end() {
            Silence::Believe => self.is_over = true,
            Silence::Wait => {}
            Silence::Pause => {
                self.degraded = true;
                self.not_before = now.plus(REST.0);
            }
        }
    }

    /// When time has something to do for it; none if it waits for nothing.
    pub(super) fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_over {
            return None;
        }
        let of = |queue: &VecDeque<u32>, stage| {
            let slot = self.slots.get(*queue.front()? as usize)?;
            Some(self.time(slot.sent).plus(self.age(slot, stage)))
        };
        let young = of(&self.young, Stage::Young);
        let old = of(&self.old, Stage::Old);
        let ping = self.ping.deadline(self.rtt.timeout());
        let pause = (self.has_work() && self.not_before > now).then_some(self.not_before);
        let trickle = self.trickle().filter(|at| self.has_work() && *at > now);
        [young, old, ping, pause, trickle].into_iter().flatten().min()
    }

    /// Whether nothing is left to ask.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Bytes a job of so many questions takes while it lasts, about.
    pub fn size(questions: usize) -> usize {
        questions * (size_of::<Slot>() + size_of::<u32>()) + size_of::<Job>()
    }

    /// Of the question at a place: whether it was asked, and its verdict if it was answered.
    pub fn verdict(&self, place: usize) -> (bool, Option<Verdict>) {
        self.slots.get(place).map_or((false, None), |slot| (slot.tries > 0, self.found.get(slot.verdict)))
    }
}

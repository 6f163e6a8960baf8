//! The lists every script instance moves through, as in NSE: planned, pending, running, waiting, done.
//!
//! *Planned* jobs are not yet created; creation is lazy, up to a limit. *Pending* is the queue that wakers append to.
//! *Running* is FIFO, each resumed once a turn. *Waiting* is a map, left only through the instance's own waker or a
//! stop. There is no tick: a wake-up is acted on in the same turn of the loop.

mod ending;
mod slow;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::Duration;

use rhai::{Array, Dynamic, Engine};

use ending::plain_failure;
pub use slow::Slow;

use super::callback::Callback;
use super::coroutine::{self, Fiber, Progress, Request, Resume, Stop};
use super::instance::{self, Context, Job, Ran, Shared};
use super::worker::{ThreadId, ThreadState, Worker};
use crate::model::{FailureKind, ScriptOutcome, ScriptResult, Timestamp, Value};
use crate::runtime::locks::Locks;
use crate::runtime::{Clock, memory};

/// Longest time the scheduler runs scripts before other tasks and the reactor get a turn.
const TURN: Duration = Duration::from_micros(100);
/// Waits that are over at once, in a row, before the instance goes to the back of the queue.
const MAX_READY_IN_A_ROW: u32 = 16;

/// Workers of one script alive at once. Each holds two of the 65,530 memory mappings a process usually gets, so about
/// 32,000 threads exist at most, whoever owns them; the one too many is refused with that reason.
const MAX_WORKERS: usize = 25_000;
/// Time close handlers get together, after the script's own is over.
const CLOSING_TIME: Duration = Duration::from_secs(1);

type Id = ThreadId;

/// Receives the record of an instance.
pub type Sink = Box<dyn FnOnce(ScriptResult)>;

/// Text of a script or library by the name errors use.
pub type Texts = Box<dyn Fn(&str) -> Option<Rc<str>>>;

/// What the scheduler is made of.
pub struct Setup {
    /// The engine with all natives.
    pub engine: Rc<Engine>,
    /// The run's clock.
    pub clock: Clock,
    /// Instances alive at once.
    pub max_instances: usize,
    /// What all instances share.
    pub shared: Rc<Shared>,
    /// Turns a script's value into a report's.
    pub convert: fn(&Dynamic) -> Value,
    /// Texts of scripts and libraries, for carets.
    pub sources: Texts,
}

/// Runs script instances. Clones share it.
#[derive(Clone)]
pub struct Scheduler(Rc<Inner>);

struct Inner {
    setup: Setup,
    planned: RefCell<VecDeque<Planned>>,
    wakes: Arc<Wakes>,
    running: RefCell<VecDeque<Instance>>,
    waiting: RefCell<HashMap<Id, Instance>>,
    /// When each live instance's time is up, earliest first.
    deadlines: RefCell<BTreeSet<(Timestamp, Id)>>,
    next_id: Cell<Id>,
    /// Base threads alive.
    alive: Cell<usize>,
    /// All threads alive.
    threads: Cell<usize>,
    /// Who waits for the last thread to end.
    settling: RefCell<Option<Waker>>,
    locks: Locks<LockKey>,
}

/// A reference that keeps no scheduler alive.
#[derive(Clone)]
pub struct WeakScheduler(Weak<Inner>);

impl WeakScheduler {
    /// The scheduler, if it is still there.
    pub fn upgrade(&self) -> Option<Scheduler> {
        self.0.upgrade().map(Scheduler)
    }
}

/// Why a worker was not started.
pub struct Refusal {
    /// What there is no more of: `workers` of one script, memory `mappings` of the process.
    pub budget: &'static str,
    /// The same for people.
    pub message: String,
}

/// What a lock is known by.
pub type LockKey = Rc<str>;

/// What becomes of a thread's result.
enum Role {
    /// A script's base thread: its record goes to the sink.
    Base(Sink),
    /// A worker.
    Worker(Worker),
    /// The close handlers of a script whose record is already written.
    Closing(Sink, Box<ScriptResult>),
}

struct Planned {
    job: Job,
    group: Group,
    sink: Sink,
}

struct Instance {
    id: Id,
    context: Rc<Context>,
    group: Group,
    role: Role,
    /// When its time is up by its budget alone.
    due: Timestamp,
    /// The same, moved by the time it queued since it began.
    deadline: Timestamp,
    /// How long its script had queued before.
    queued_before: Duration,
    fiber: Fiber<Ran>,
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    waker: Waker,
    woken: Arc<Woken>,
    stop: Option<Stop>,
}

/// Instances that can be stopped together: those of one host.
#[derive(Clone, Default)]
pub struct Group(Rc<Cell<Option<Stop>>>);

impl Group {
    /// Whether it was told to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.get().is_some()
    }
}

/// The pending queue: ids of instances whose wakers fired. Wakers may fire on the reactor's thread.
#[derive(Default)]
struct Wakes {
    queue: Mutex<(VecDeque<Id>, Option<Waker>)>,
}

impl Wakes {
    fn with<T>(&self, act: impl FnOnce(&mut (VecDeque<Id>, Option<Waker>)) -> T) -> T {
        act(&mut self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Has the scheduler's own task run.
    fn nudge(&self) {
        if let Some(waker) = self.with(|(_, waker)| waker.take()) {
            waker.wake();
        }
    }
}

/// One instance's waker: appends it to pending, once.
struct Woken {
    id: Id,
    queued: AtomicBool,
    wakes: Arc<Wakes>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.wakes.with(|(queue, _)| queue.push_back(self.id));
            self.wakes.nudge();
        }
    }
}

impl Instance {
    fn show_state(&self, state: ThreadState) {
        match &self.role {
            Role::Base(_) => self.context.base_thread.get().into_iter().for_each(|base| base.set_state(state)),
            Role::Worker(worker) => worker.set_state(state),
            Role::Closing(..) => {}
        }
    }
}

impl Scheduler {
    /// A scheduler with nothing to do.
    pub fn new(setup: Setup) -> Scheduler {
        Scheduler(Rc::new(Inner {
            setup,
            planned: RefCell::default(),
            wakes: Arc::default(),
            running: RefCell::default(),
            waiting: RefCell::default(),
            deadlines: RefCell::default(),
            next_id: Cell::new(1),
            alive: Cell::new(0),
            threads: Cell::new(0),
            settling: RefCell::default(),
            locks: Locks::default(),
        }))
    }

    /// Plans a job; `sink` gets its record, exactly once.
    pub fn submit(&self, job: Job, group: &Group, sink: Sink) {
        self.0.planned.borrow_mut().push_back(Planned { job, group: group.clone(), sink });
        self.0.wakes.nudge();
    }

    /// Ends every instance of `group`, and every one still planned for it.
    pub fn stop(&self, group: &Group, stop: Stop) {
        group.0.set(Some(stop));
        let waiting = self.0.waiting.borrow();
        let mut stopped: Vec<&Instance> =
            waiting.values().filter(|instance| Rc::ptr_eq(&instance.group.0, &group.0)).collect();
        stopped.sort_unstable_by_key(|instance| instance.id); // the same order in every run
        for instance in stopped {
            instance.waker.wake_by_ref();
        }
        drop(waiting);
        self.0.wakes.nudge();
    }

    /// Instances alive: created and not yet done.
    pub fn alive(&self) -> usize {
        self.0.alive.get()
    }

    /// Threads alive, workers included.
    pub fn threads(&self) -> usize {
        self.0.threads.get()
    }

    /// Resolves when no thread is alive: workers end a moment after their script.
    pub async fn settled(&self) {
        poll_fn(|cx| {
            if self.threads() == 0 {
                return Poll::Ready(());
            }
            *self.0.settling.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// How a thread that waits is shown to people: its script and whom it is for.
    pub fn describe(&self, thread: ThreadId) -> Option<String> {
        let waiting = self.0.waiting.borrow();
        waiting.get(&thread).map(|instance| instance.context.describe())
    }

    /// The threads that wait, as shown to people, in the order they were created.
    pub fn waiting(&self) -> Vec<String> {
        let waiting = self.0.waiting.borrow();
        let mut threads: Vec<&Instance> = waiting.values().collect();
        threads.sort_unstable_by_key(|instance| instance.id);
        threads.iter().map(|instance| instance.context.describe()).collect()
    }

    /// Mutexes and condition variables of the run.
    pub fn locks(&self) -> Locks<LockKey> {
        self.0.locks.clone()
    }

    /// The engine all scripts share.
    pub fn engine(&self) -> Rc<Engine> {
        Rc::clone(&self.0.setup.engine)
    }

    /// The run's clock.
    pub fn clock(&self) -> &Clock {
        &self.0.setup.clock
    }

    /// Starts a worker of `context`, child of the running thread, ended at `deadline` at the latest.
    pub fn start_worker(
        &self,
        context: &Rc<Context>,
        body: Callback,
        arguments: Array,
        deadline: Option<Timestamp>,
    ) -> Result<Worker, Refusal> {
        self.0.start_worker(context, body, arguments, deadline)
    }

    /// Runs for ever; drop it to end. Everything happens in here, on the main stack.
    pub async fn run(&self) {
        loop {
            self.0.turn();
            if self.0.running.borrow().is_empty() && !coroutine::trim_stacks() {
                self.0.wait_for_work().await;
            } else {
                futures_lite::future::yield_now().await;
            }
        }
    }
}

impl Inner {
    /// Moves what is due along the lists and runs scripts for at most [`TURN`].
    fn turn(self: &Rc<Self>) {
        let mut now = self.setup.clock.now();
        let end = now.plus(TURN);
        self.stop_overdue(now);
        loop {
            self.pending_to_running();
            self.create();
            let mut left_in_round = self.running.borrow().len();
            if left_in_round == 0 {
                return;
            }
            while left_in_round > 0 {
                left_in_round -= 1;
                let Some(instance) = self.running.borrow_mut().pop_front() else { break };
                now = self.step(instance, now);
                if now >= end {
                    return;
                }
            }
        }
    }

    fn pending_to_running(&self) {
        let woken = self.wakes.with(|(queue, _)| std::mem::take(queue));
        let mut waiting = self.waiting.borrow_mut();
        // An id that is not waiting belongs to an instance that is running anyway, or done.
        self.running.borrow_mut().extend(woken.into_iter().filter_map(|id| waiting.remove(&id)));
    }

    /// Creates instances of planned jobs up to the limit.
    fn create(self: &Rc<Self>) {
        while self.alive.get() < self.setup.max_instances {
            let Some(planned) = self.planned.borrow_mut().pop_front() else { return };
            if let Some(stop) = planned.group.0.get() {
                (planned.sink)(self.never_started(&planned.job, stop));
                continue;
            }
            self.start(planned);
            if self.running.borrow().len() >= 64 {
                return; // run these first: a job's memory is best used while it is warm
            }
        }
    }

    fn start(self: &Rc<Self>, planned: Planned) {
        let now = self.setup.clock.now();
        let id = self.new_id();
        let Planned { job, group, sink } = planned;
        let weak = WeakScheduler(Rc::downgrade(self));
        let context = Rc::new(Context::new(job, Rc::clone(&self.setup.shared), now, id, weak));
        let (engine, body_context) = (Rc::clone(&self.setup.engine), Rc::clone(&context));
        let fiber = match Fiber::new(move |first| instance::run(&engine, &body_context, first)) {
            Ok(fiber) => fiber,
            Err(error) => {
                let message = format!("no memory mapping left for its stack ({error}); lower --max-script-instances");
                let failure = plain_failure(FailureKind::Internal, "stack", message);
                return sink(self.record(&context, ScriptOutcome::Failed, Value::Unit, Some(failure)));
            }
        };
        let deadline = now.plus(self.setup.shared.limits.wall);
        self.alive.set(self.alive.get() + 1);
        self.enlist(id, Rc::clone(&context), group, deadline, fiber, |waker| {
            context.base_thread.get_or_init(|| Worker::new(id, id, waker.clone()));
            Role::Base(sink)
        });
    }

    fn new_id(&self) -> Id {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        id
    }

    /// Puts a new thread at the end of running.
    fn enlist(
        &self,
        id: Id,
        context: Rc<Context>,
        group: Group,
        deadline: Timestamp,
        fiber: Fiber<Ran>,
        role: impl FnOnce(&Waker) -> Role,
    ) {
        let woken = Arc::new(Woken { id, queued: AtomicBool::new(true), wakes: Arc::clone(&self.wakes) });
        let queued_before = context.job.usage.queued(self.setup.clock.now()).unwrap_or_default();
        let waker = Waker::from(Arc::clone(&woken));
        let role = role(&waker);
        self.deadlines.borrow_mut().insert((deadline, id));
        self.threads.set(self.threads.get() + 1);
        context.job.threads.begin();
        let instance = Instance {
            id,
            context,
            group,
            role,
            due: deadline,
            deadline,
            queued_before,
            fiber,
            future: None,
            waker,
            woken,
            stop: None,
        };
        self.running.borrow_mut().push_back(instance);
    }

    fn start_worker(
        self: &Rc<Self>,
        context: &Rc<Context>,
        body: Callback,
        arguments: Array,
        deadline: Option<Timestamp>,
    ) -> Result<Worker, Refusal> {
        if context.workers.get() >= MAX_WORKERS {
            let message = format!("a script has at most {MAX_WORKERS} workers at once");
            return Err(Refusal { budget: "workers", message });
        }
        let engine = Rc::clone(&self.setup.engine);
        let fiber = Fiber::new(move |first| match first {
            Resume::Stop(stop) => Ran::Error(stop.into_error()),
            Resume::Go | Resume::Value(_) => body.call(&engine, arguments).map_or_else(Ran::Error, Ran::Value),
        });
        let fiber = fiber.map_err(|error| {
            let alive = self.threads.get();
            Refusal {
                budget: "mappings",
                message: format!("no memory mapping left for its stack ({error}): {alive} threads are alive"),
            }
        })?;
        let parent = coroutine::current_thread();
        let queued = context.job.usage.queued(self.setup.clock.now()).unwrap_or_default();
        let latest = context.started.plus(self.setup.shared.limits.wall).plus(queued);
        let deadline = deadline.map_or(latest, |deadline| deadline.min(latest));
        let id = self.new_id();
        let mut started = None;
        self.enlist(id, Rc::clone(context), Group::default(), deadline, fiber, |waker| {
            let worker = Worker::new(id, context.base, waker.clone());
            adopt(context.children.borrow_mut().entry(parent).or_default(), worker.clone());
            started = Some(worker.clone());
            Role::Worker(worker)
        });
        context.workers.set(context.workers.get() + 1);
        self.wakes.nudge();
        let lost = || Refusal { budget: "workers", message: "internal error: the worker was not enlisted".to_owned() };
        started.ok_or_else(lost)
    }

    /// Resumes one instance until it waits, its slice ends, or it is done. Takes and returns the time: the clock is
    /// read once a resume.
    fn step(self: &Rc<Self>, mut instance: Instance, mut now: Timestamp) -> Timestamp {
        instance.woken.queued.store(false, Ordering::Release);
        instance.show_state(ThreadState::Running);
        for _ in 0..MAX_READY_IN_A_ROW {
            self.prolong(&mut instance, now);
            instance.stop = instance.stop.or_else(|| self.stop_for(&instance, now));
            if instance.stop.is_some() {
                instance.future = None; // closes what the operation held
            } else if !Self::future_is_done(&mut instance) {
                instance.show_state(ThreadState::Waiting);
                self.waiting.borrow_mut().insert(instance.id, instance);
                return now;
            }
            let resume = instance.stop.map_or(Resume::Go, Resume::Stop);
            let outer = memory::enter(instance.context.memory.get());
            coroutine::set_current_thread(instance.id);
            let (progress, operations) = instance.fiber.resume(resume, self.setup.shared.limits.memory);
            instance.context.memory.set(memory::enter(outer));
            let total = instance.context.operations.get() + operations;
            instance.context.operations.set(total);
            now = self.setup.clock.now();
            match progress {
                Progress::Yielded(Request::Wait(future)) => instance.future = Some(future),
                Progress::Yielded(Request::Slice) => break,
                Progress::Yielded(Request::Give(_)) => {} // refused before it is made: there is no resumer
                ended => {
                    self.conclude(instance, ended);
                    return now;
                }
            }
        }
        instance.woken.queued.store(true, Ordering::Release); // it is queued: in running
        self.running.borrow_mut().push_back(instance);
        now
    }

    /// Time a script spent queueing, for a socket slot or for what is not known yet of its host, is not its own: its
    /// deadline moves. While it queues it is looked at once a pause.
    fn prolong(&self, instance: &mut Instance, now: Timestamp) {
        const PAUSE: Duration = Duration::from_millis(100);
        let usage = &instance.context.job.usage;
        let Some(queued) = usage.queued(now) else { return };
        if matches!(instance.role, Role::Closing(..)) || (usage.is_queueing() && now < instance.deadline) {
            return;
        }
        let own = instance.due.plus(queued.saturating_sub(instance.queued_before));
        let deadline = if usage.is_queueing() { own.max(now.plus(PAUSE)) } else { own };
        if deadline != instance.deadline {
            let mut deadlines = self.deadlines.borrow_mut();
            deadlines.remove(&(instance.deadline, instance.id));
            deadlines.insert((deadline, instance.id));
            instance.deadline = deadline;
        }
    }

    /// Why the instance must end now, if it must.
    fn stop_for(&self, instance: &Instance, now: Timestamp) -> Option<Stop> {
        let limits = &self.setup.shared.limits;
        if let Role::Worker(worker) = &instance.role
            && let Some(stop) = worker.stop_requested()
        {
            return Some(stop);
        }
        if matches!(instance.role, Role::Base(_)) && instance.context.difference.borrow().is_some() {
            return Some(Stop::Cancelled);
        }
        if let Some(stop) = instance.group.0.get() {
            return Some(stop);
        }
        if now >= instance.deadline {
            return Some(Stop::Wall);
        }
        if instance.context.operations() > limits.operations {
            return Some(Stop::Operations);
        }
        (instance.context.memory() > limits.memory).then_some(Stop::Memory)
    }

    fn future_is_done(instance: &mut Instance) -> bool {
        let Some(future) = &mut instance.future else { return true };
        let outer = memory::enter(instance.context.memory.get());
        let waker = &instance.waker;
        // A native's future that panics must end its script, not the run.
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            future.as_mut().poll(&mut TaskContext::from_waker(waker))
        }));
        let done = !matches!(polled, Ok(Poll::Pending));
        if done {
            instance.future = None; // made by the script, so credited to it
        }
        instance.context.memory.set(memory::enter(outer));
        done
    }

    fn stop_overdue(&self, now: Timestamp) {
        let deadlines = self.deadlines.borrow();
        let waiting = self.waiting.borrow();
        let overdue = deadlines.iter().take_while(|(deadline, _)| *deadline <= now);
        overdue.filter_map(|(_, id)| waiting.get(id)).for_each(|instance| instance.waker.wake_by_ref());
    }

    /// Resolves when there is something to do: a wake-up, a new job, a deadline.
    async fn wait_for_work(&self) {
        let earliest = self.deadlines.borrow().first().map(|(deadline, _)| *deadline);
        let mut alarm = earliest.map(|deadline| self.setup.clock.sleep_until(deadline));
        poll_fn(|cx| {
            let pending = self.wakes.with(|(queue, waker)| {
                *waker = Some(cx.waker().clone());
                !queue.is_empty()
            });
            let creatable = !self.planned.borrow().is_empty() && self.alive.get() < self.setup.max_instances;
            if pending || creatable {
                return Poll::Ready(());
            }
            alarm.as_mut().map_or(Poll::Pending, |alarm| Pin::new(alarm).poll(cx))
        })
        .await;
    }
}

/// Adds a worker to those its parent started. Those that have ended are let go of before the list grows, so it is as
/// long as what is alive, however many there were.
fn adopt(siblings: &mut Vec<Worker>, worker: Worker) {
    if siblings.len() == siblings.capacity() {
        siblings.retain(|sibling| !sibling.state().has_ended());
        siblings.reserve(siblings.len().max(4)); // half of it is free now: the next sweep is as far away as this one
    }
    siblings.push(worker);
}

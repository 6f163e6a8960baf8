//! Worker threads of a script: started, watched, joined, cancelled.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use rhai::{Dynamic, EvalAltResult, Map, Position};

use super::coroutine::Stop;
use super::departure::Departure;

/// A thread of a script: its base thread or one of its workers.
pub type ThreadId = u64;

/// Where a thread is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadState {
    /// Runnable.
    Running,
    /// Waiting for something.
    Waiting,
    /// It returned.
    Done,
    /// It threw, broke a budget or panicked.
    Failed,
    /// It was cancelled, or its parent ended.
    Cancelled,
    /// Its time was up.
    TimedOut,
}

impl ThreadState {
    /// The name scripts see.
    pub fn name(self) -> &'static str {
        match self {
            ThreadState::Running => "running",
            ThreadState::Waiting => "waiting",
            ThreadState::Done => "done",
            ThreadState::Failed => "failed",
            ThreadState::Cancelled => "cancelled",
            ThreadState::TimedOut => "timed out",
        }
    }

    /// Whether it has ended.
    pub fn has_ended(self) -> bool {
        !matches!(self, ThreadState::Running | ThreadState::Waiting)
    }
}

/// A handle on a worker, or on a base thread; clones share it. It outlives the thread.
#[derive(Clone)]
pub struct Worker(Rc<Inner>);

struct Inner {
    id: ThreadId,
    /// The base thread of its script.
    base: ThreadId,
    state: Cell<ThreadState>,
    /// The value returned, or what was thrown.
    result: RefCell<Option<Result<Dynamic, Dynamic>>>,
    joiners: RefCell<Vec<Waker>>,
    stop: Cell<Option<Stop>>,
    waker: Waker,
}

impl Worker {
    pub(super) fn new(id: ThreadId, base: ThreadId, waker: Waker) -> Worker {
        Worker(Rc::new(Inner {
            id,
            base,
            state: Cell::new(ThreadState::Running),
            result: RefCell::default(),
            joiners: RefCell::default(),
            stop: Cell::new(None),
            waker,
        }))
    }

    /// Its number, unique in the run.
    pub fn id(&self) -> ThreadId {
        self.0.id
    }

    /// The base thread of its script.
    pub fn base(&self) -> ThreadId {
        self.0.base
    }

    /// Whether it is the base thread itself.
    pub fn is_base(&self) -> bool {
        self.0.base == self.0.id
    }

    /// Where it is in its life.
    pub fn state(&self) -> ThreadState {
        self.0.state.get()
    }

    /// What it threw, once it failed.
    pub fn error(&self) -> Option<Dynamic> {
        self.0.result.borrow().as_ref().and_then(|result| result.as_ref().err().cloned())
    }

    /// Ends it at its next step; harmless when it has ended.
    pub fn stop(&self, stop: Stop) {
        if !self.state().has_ended() {
            self.0.stop.set(Some(stop));
            self.0.waker.wake_by_ref();
        }
    }

    pub(super) fn stop_requested(&self) -> Option<Stop> {
        self.0.stop.get()
    }

    /// Lets it take its next step, so that it sees why it must end.
    pub(super) fn wake(&self) {
        self.0.waker.wake_by_ref();
    }

    pub(super) fn set_state(&self, state: ThreadState) {
        self.0.state.set(state);
    }

    pub(super) fn complete(&self, state: ThreadState, result: Result<Dynamic, Dynamic>) {
        self.0.state.set(state);
        *self.0.result.borrow_mut() = Some(result);
        for joiner in self.0.joiners.take() {
            joiner.wake();
        }
    }

    /// Resolves when it has ended: the value it returned, or what it threw.
    pub fn join(&self) -> impl Future<Output = Result<Dynamic, Dynamic>> + 'static {
        let inner = Rc::clone(&self.0);
        poll_fn(move |cx| {
            if let Some(result) = inner.result.borrow().as_ref() {
                return Poll::Ready(result.clone());
            }
            let mut joiners = inner.joiners.borrow_mut();
            if !joiners.iter().any(|known| known.will_wake(cx.waker())) {
                joiners.push(cx.waker().clone());
            }
            Poll::Pending
        })
    }
}

/// How a thread that failed with `error` ended, and the value its `error()` shows: what was thrown, or
/// `#{ kind, message, op, peer }`.
pub(super) fn ending(error: EvalAltResult) -> (ThreadState, Dynamic) {
    let mut error = error;
    loop {
        error = match error {
            EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => *inner,
            EvalAltResult::ErrorRuntime(value, _) => return (ThreadState::Failed, value),
            EvalAltResult::ErrorTerminated(token, _) => {
                return match token.clone().try_cast::<Departure>() {
                    Some(departure) => (ThreadState::Failed, fault("replay", "worker", departure.text())),
                    None => stopped(token.try_cast::<Stop>()),
                };
            }
            other => return (ThreadState::Failed, fault("script", "worker", &other.to_string())),
        };
    }
}

fn stopped(stop: Option<Stop>) -> (ThreadState, Dynamic) {
    match stop {
        Some(Stop::Wall | Stop::HostTimeout) => (ThreadState::TimedOut, fault("timeout", "worker", "its time is up")),
        Some(Stop::Operations) => (ThreadState::Failed, fault("budget", "worker", "the script computed too long")),
        Some(Stop::Memory) => (ThreadState::Failed, fault("budget", "worker", "the script holds too much memory")),
        Some(Stop::Stack) => (ThreadState::Failed, fault("budget", "worker", "calls or values are nested too deeply")),
        Some(Stop::Cancelled) | None => {
            (ThreadState::Cancelled, fault("cancelled", "worker", "the worker was cancelled"))
        }
    }
}

pub(super) fn fault(kind: &str, op: &str, message: &str) -> Dynamic {
    let fields = [("kind", kind), ("message", message), ("op", op), ("peer", "")];
    Dynamic::from_map(fields.into_iter().map(|(key, text)| (key.into(), text.into())).collect::<Map>())
}

/// The value a `catch` would see of `error`: what was thrown, or a description.
pub fn thrown(error: &EvalAltResult) -> Dynamic {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => thrown(inner),
        EvalAltResult::ErrorRuntime(value, _) => value.clone(),
        other => fault("script", "worker", &other.to_string()),
    }
}

/// The exception a script catches as `thrown`: that of a join whose worker ended with it.
pub fn rethrow(thrown: Dynamic) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorRuntime(thrown, Position::NONE))
}

//! Coroutines of a script's own: values pass between a coroutine and its resumer, waits pass through to the engine.
//!
//! A coroutine that waits (for the network, a mutex, a timer) is not suspended in its resumer's eyes: the whole chain up
//! to the engine is, and control comes back to the innermost. So nobody can feed a value into a wait.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use rhai::{Array, Dynamic, Engine, EvalAltResult};

use super::callback::Callback;
use super::coroutine::{self, Fiber, Progress, Request, Resume, Stop};
use super::worker::ThreadId;

/// Coroutines resumed inside each other.
const MAX_DEPTH: usize = 100;

/// Where a coroutine is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not begun, or stopped at a `give`.
    Suspended,
    /// Running, or one it resumed is.
    Running,
    /// Waiting for the engine.
    Waiting,
    /// Ended.
    Dead,
}

impl State {
    /// The name scripts see.
    pub fn name(self) -> &'static str {
        match self {
            State::Suspended => "suspended",
            State::Running => "running",
            State::Waiting => "waiting",
            State::Dead => "dead",
        }
    }
}

thread_local! {
    /// How many coroutines are running inside each other on the current thread's stack of resumes.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A coroutine; clones share it. Dropping the last one unwinds it.
#[derive(Clone)]
pub struct Nested(Rc<Core>);

/// What a coroutine's stack carries.
type Body = Fiber<Result<Dynamic, Box<EvalAltResult>>>;

/// A coroutine without those who hold it.
pub struct Core {
    fiber: RefCell<Option<Body>>,
    state: Cell<State>,
    /// The base thread of the script it belongs to.
    base: ThreadId,
}

impl Core {
    /// Unwinds it where it stands, unless it is running; its stack and what it holds are free.
    pub fn close(&self) {
        let fiber = self.fiber.take();
        if fiber.is_some() {
            self.state.set(State::Dead);
        }
    }
}

/// What a resume came to.
pub enum Resumed {
    /// It gave a value and can be resumed again.
    Gave(Dynamic),
    /// It returned; there is no more.
    Returned(Dynamic),
}

impl Nested {
    /// A coroutine that will run `body`, called with the arguments of its first resume.
    pub fn new(engine: Rc<Engine>, body: Callback, base: ThreadId) -> Result<Nested, Box<EvalAltResult>> {
        let fiber = Fiber::new(move |first| match first {
            Resume::Value(arguments) => body.call(&engine, arguments),
            Resume::Go => body.call(&engine, Array::new()),
            Resume::Stop(stop) => Err(stop.into_error()),
        });
        let fiber = fiber.map_err(|error| format!("no memory mapping left for a coroutine's stack ({error})"))?;
        Ok(Nested(Rc::new(Core { fiber: RefCell::new(Some(fiber)), state: Cell::new(State::Suspended), base })))
    }

    /// Where it is in its life.
    pub fn state(&self) -> State {
        self.0.state.get()
    }

    /// A reference that does not keep it.
    pub fn downgrade(&self) -> Weak<Core> {
        Rc::downgrade(&self.0)
    }

    /// Runs it until it gives a value or returns. What it throws is thrown here. `base` is the base thread of the script
    /// that resumes it, which must be its own: its waits, locks and budgets are those of one script.
    pub fn resume(&self, base: ThreadId, arguments: Array) -> Result<Resumed, Box<EvalAltResult>> {
        let refusal = match self.state() {
            _ if base != self.0.base => Some("it belongs to another script"),
            State::Suspended => None,
            State::Running => Some("it is running: it cannot be resumed from inside itself"),
            State::Waiting => Some("it waits for the engine: nobody else can resume it"),
            State::Dead => Some("it has ended"),
        };
        let depth = DEPTH.get();
        let refusal = refusal.or_else(|| (depth >= MAX_DEPTH).then_some("coroutines are nested too deeply"));
        let fiber = if refusal.is_none() { self.0.fiber.take() } else { None };
        let (None, Some(mut fiber)) = (refusal, fiber) else {
            return Err(format!("coroutine::resume: {}", refusal.unwrap_or("it is running")).into());
        };
        DEPTH.set(depth + 1);
        let resumed = self.drive(&mut fiber, arguments, depth);
        DEPTH.set(depth);
        if self.state() == State::Suspended {
            *self.0.fiber.borrow_mut() = Some(fiber);
        }
        resumed
    }

    fn drive(&self, fiber: &mut Body, arguments: Array, depth: usize) -> Result<Resumed, Box<EvalAltResult>> {
        let mut with = Resume::Value(arguments);
        loop {
            self.0.state.set(State::Running);
            let outward = match fiber.enter(with) {
                Progress::Yielded(Request::Give(value)) => {
                    self.0.state.set(State::Suspended);
                    return Ok(Resumed::Gave(value));
                }
                Progress::Yielded(outward) => outward,
                Progress::Returned(result) => {
                    self.0.state.set(State::Dead);
                    return result.map(Resumed::Returned);
                }
                Progress::Overflowed => {
                    self.0.state.set(State::Dead);
                    return Err(Stop::Stack.into_error());
                }
                Progress::Panicked(text) => {
                    self.0.state.set(State::Dead);
                    return Err(format!("a native function panicked in a coroutine: {text}").into());
                }
            };
            self.0.state.set(State::Waiting);
            let answer = coroutine::suspend(outward);
            DEPTH.set(depth + 1); // other threads ran meanwhile
            with = answer.unwrap_or(Resume::Stop(Stop::Cancelled));
        }
    }
}

/// Gives `value` to the resumer and returns what the next resume passes; the first of its arguments, or unit.
pub fn give(value: Dynamic) -> Result<Dynamic, Box<EvalAltResult>> {
    let depth = DEPTH.get();
    if depth == 0 {
        return Err("coroutine::give works only inside a coroutine".into());
    }
    let answer = coroutine::suspend(Request::Give(value));
    match answer {
        Some(Resume::Value(arguments)) => Ok(arguments.into_iter().next().unwrap_or(Dynamic::UNIT)),
        Some(Resume::Stop(stop)) => Err(stop.into_error()),
        Some(Resume::Go) | None => Ok(Dynamic::UNIT),
    }
}

/// The depth of the running thread, to be put back with [`set_depth`] when the thread goes on: threads take turns at any
/// wait.
pub(super) fn set_depth(depth: usize) {
    DEPTH.set(depth);
}

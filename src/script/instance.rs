//! One run of one script: its context, and the coroutine that carries it.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext, Position};

use super::arguments::{Arguments, LibraryArgument};
use super::callback::Callback;
use super::catalogue::Script;
use super::coroutine::Resume;
use super::header::Rule;
use super::once::Results;
use super::registry::Registry;
use super::scheduler::{Scheduler, WeakScheduler};
use super::worker::{ThreadId, ThreadState, Worker};
use crate::model::{Failure, Limits, RuleKind, ScriptResult, Timestamp, Usage};
use crate::runtime::{Permit, Semaphore, Threads};

/// Close handlers of one script.
const MAX_CLOSE_HANDLERS: usize = 1000;

/// What is planned: a script, the rule it runs for, and what it gets.
pub struct Job {
    /// The script.
    pub script: Rc<Script>,
    /// The rule.
    pub rule: RuleKind,
    /// The rule is a function and must be asked first.
    pub ask: bool,
    /// Nothing, `[host]` or `[host, port]`.
    pub arguments: Vec<Dynamic>,
    /// Whom it is for, as shown to people: `10.0.0.7:443/tcp`.
    pub subject: String,
    /// What the natives need of the outside.
    pub reach: Rc<dyn Any>,
    /// Counters shared with whatever acts for the instance.
    pub usage: Rc<Usage>,
    /// Its threads, for whoever must know whether it can come on.
    pub threads: Threads,
    /// Values shared by all scripts of the host.
    pub host_registry: Registry,
}

/// Receives script id, subject and text.
pub type LogSink = Box<dyn Fn(&str, &str, &str)>;

/// Looks at the end of an instance.
pub type EndSink = Box<dyn Fn(&Context, &ScriptResult)>;

/// What all instances of a run share.
pub struct Shared {
    /// Budgets of each instance.
    pub limits: Limits,
    /// `--script-args`.
    pub arguments: Arguments,
    /// Arguments of libraries.
    pub library_arguments: Vec<LibraryArgument>,
    /// Values shared by all scripts of the run.
    pub registry: Registry,
    /// `-v` and `-d`; keys change them while the run lasts.
    pub verbosity: Rc<Cell<(u8, u8)>>,
    /// What `locks::once` calls came to.
    pub once: RefCell<Results>,
    /// Where `script::log` goes: script id, subject, text.
    pub log: LogSink,
    /// Who wants to know how instances end.
    pub ended: Option<EndSink>,
    /// Whether a value only stands for something that all who have it share.
    pub is_handle: fn(&Dynamic) -> bool,
}

/// What natives can find out about the instance that calls them.
pub struct Context {
    /// The plan it came from.
    pub job: Job,
    /// What it shares with all others.
    pub shared: Rc<Shared>,
    /// When it was created.
    pub started: Timestamp,
    /// Its base thread.
    pub base: ThreadId,
    pub(super) base_thread: OnceCell<Worker>,
    pub(super) memory: Cell<isize>,
    pub(super) operations: Cell<u64>,
    /// Workers alive, by the thread that started them.
    pub(super) children: RefCell<HashMap<ThreadId, Vec<Worker>>>,
    pub(super) workers: Cell<usize>,
    pub(super) on_close: RefCell<Vec<Callback>>,
    /// Semaphore slots taken, by the thread that took them.
    pub(super) permits: RefCell<Vec<(ThreadId, Permit)>>,
    pub(super) output_so_far: RefCell<Option<Dynamic>>,
    /// Why the whole script must end: one of its workers departed from the recording.
    pub(super) difference: RefCell<Option<Failure>>,
    /// Where the latest call of a native stands: the file, none for the script's own, and the position.
    latest: RefCell<(Option<ImmutableString>, Position)>,
    scheduler: WeakScheduler,
}

/// How a context travels through Rhai: as the tag of the call.
#[derive(Clone)]
struct Tag(Rc<Context>);

impl Context {
    pub(super) fn new(
        job: Job,
        shared: Rc<Shared>,
        started: Timestamp,
        base: ThreadId,
        scheduler: WeakScheduler,
    ) -> Context {
        Context {
            job,
            shared,
            started,
            base,
            base_thread: OnceCell::new(),
            memory: Cell::new(0),
            operations: Cell::new(0),
            children: RefCell::default(),
            workers: Cell::new(0),
            on_close: RefCell::default(),
            permits: RefCell::default(),
            output_so_far: RefCell::default(),
            difference: RefCell::default(),
            latest: RefCell::default(),
            scheduler,
        }
    }

    /// How it is shown to people: the script and whom it is for.
    pub fn describe(&self) -> String {
        format!("{} {}", self.job.script.id, self.job.subject)
    }

    /// Keeps a semaphore slot for `thread` until it is given back or the thread ends.
    pub fn keep_permit(&self, thread: ThreadId, permit: Permit) {
        self.permits.borrow_mut().push((thread, permit));
    }

    /// Gives back a slot of `semaphore`, one of `thread`'s own if it has any; false when none is taken.
    pub fn release_permit(&self, thread: ThreadId, semaphore: &Semaphore) -> bool {
        let mut permits = self.permits.borrow_mut();
        let own = permits.iter().rposition(|(owner, permit)| *owner == thread && permit.is_of(semaphore));
        let index = own.or_else(|| permits.iter().rposition(|(_, permit)| permit.is_of(semaphore)));
        let permit = index.map(|index| permits.remove(index));
        drop(permits);
        permit.is_some()
    }

    /// The scheduler that runs it.
    pub fn scheduler(&self) -> Result<Scheduler, Box<EvalAltResult>> {
        self.scheduler.upgrade().ok_or_else(|| "internal error: the scheduler has gone".into())
    }

    /// Where the base thread is in its life: libraries ask whether to give a cached resource back.
    pub fn base_state(&self) -> ThreadState {
        self.base_thread.get().map_or(ThreadState::Running, Worker::state)
    }

    /// A handle on the base thread.
    pub fn base_thread(&self) -> Option<Worker> {
        self.base_thread.get().cloned()
    }

    /// Keeps `value` as the output so far: what is reported if the script ends early, or returns nothing.
    pub fn set_output_so_far(&self, value: Dynamic) {
        *self.output_so_far.borrow_mut() = Some(value);
    }

    /// Has `handler` called when the script ends, in whatever way; the last one given is called first.
    pub fn on_close(&self, handler: Callback) -> Result<(), Box<EvalAltResult>> {
        let mut handlers = self.on_close.borrow_mut();
        if handlers.len() >= MAX_CLOSE_HANDLERS {
            return Err(format!("a script has at most {MAX_CLOSE_HANDLERS} close handlers").into());
        }
        handlers.push(handler);
        Ok(())
    }

    /// The instance behind a native call.
    pub fn of(call: &NativeCallContext<'_>) -> Result<Rc<Context>, Box<EvalAltResult>> {
        let tag = call.tag().and_then(|tag| tag.read_lock::<Tag>().map(|tag| Rc::clone(&tag.0)));
        if let Some(context) = &tag {
            let source = call.global_runtime_state().source.clone();
            *context.latest.borrow_mut() = (source, call.call_position());
        }
        tag.ok_or_else(|| "this function works only inside rules and actions, not while a file is loaded".into())
    }

    /// What the natives need of the outside, as the type they put there.
    pub fn reach<T: 'static>(&self) -> Result<Rc<T>, Box<EvalAltResult>> {
        Rc::clone(&self.job.reach).downcast::<T>().map_err(|_| "internal error: the instance has another reach".into())
    }

    /// File and line of the latest call of a native.
    pub fn place(&self) -> Option<(String, usize)> {
        let latest = self.latest.borrow();
        let file = latest.0.as_ref().map_or(self.job.script.path.as_str(), ImmutableString::as_str);
        latest.1.line().map(|line| (file.to_owned(), line))
    }

    /// Operations executed so far.
    pub fn operations(&self) -> u64 {
        self.operations.get()
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.memory.get().max(0) as usize
    }
}

/// What running a script came to, before it is judged.
pub(super) enum Ran {
    /// The rule said no.
    RuleFalse,
    /// The action's value.
    Value(Dynamic),
    /// It failed.
    Error(Box<EvalAltResult>),
}

/// The body of an instance's coroutine: rule, then action, in one go.
pub(super) fn run(engine: &Engine, context: &Rc<Context>, first: Resume) -> Ran {
    if let Resume::Stop(stop) = first {
        return Ran::Error(stop.into_error()); // ended before its first turn
    }
    let job = &context.job;
    if let (true, Some(Rule::Function(_))) = (job.ask, job.script.header.rules.get(&job.rule)) {
        match call(engine, context, job.rule.name()).map(|answer| (answer.as_bool(), answer)) {
            Ok((Ok(true), _)) => {}
            Ok((Ok(false), _)) => return Ran::RuleFalse,
            Ok((_, answer)) if answer.is_unit() => return Ran::RuleFalse,
            Ok((_, answer)) => {
                let (rule, found) = (job.rule.name(), answer.type_name());
                return Ran::Error(format!("{rule} must return true or false, not {found}").into());
            }
            Err(error) => return Ran::Error(error),
        }
    }
    match call(engine, context, "action") {
        Ok(value) => Ran::Value(value),
        Err(error) => Ran::Error(error),
    }
}

fn call(engine: &Engine, context: &Rc<Context>, name: &str) -> Result<Dynamic, Box<EvalAltResult>> {
    let job = &context.job;
    let Some(entry) = job.script.entries.get(name) else {
        return Err(Box::new(EvalAltResult::ErrorFunctionNotFound(name.to_owned(), Position::NONE)));
    };
    let tag = Dynamic::from(Tag(Rc::clone(context)));
    entry.call(engine, &job.script.ast, job.script.has_top_level, &job.arguments, tag)
}

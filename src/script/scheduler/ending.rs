//! How instances end: what became of them, what ends with them, their close handlers, their record.

use std::rc::Rc;
use std::time::Duration;

use rhai::{Array, Dynamic, Position};

use super::{CLOSING_TIME, Group, Inner, Instance, Role, Sink};
use crate::model::{Failure, FailureKind, ScriptOutcome, ScriptResult, Value};
use crate::runtime::memory;
use crate::script::coroutine::{Fiber, Progress, Resume, Stop};
use crate::script::departure::Departure;
use crate::script::diagnostic::{self, Sources};
use crate::script::instance::{Context, Job, Ran};
use crate::script::worker::{self, ThreadState};

impl Inner {
    /// Ends an instance whose coroutine has come to its end, in whatever way.
    pub(super) fn conclude(self: &Rc<Self>, instance: Instance, progress: Progress<Ran>) {
        match progress {
            Progress::Returned(ran) if matches!(instance.role, Role::Worker(_)) => self.dismiss(instance, ran),
            Progress::Returned(ran) => self.finish(instance, ran),
            Progress::Overflowed => {
                let (outcome, failure) = diagnostic::overflowed(&instance.context.job.script.path);
                self.end(instance, outcome, Value::Unit, Some(failure));
            }
            Progress::Panicked(text) => {
                let (outcome, failure) = diagnostic::panicked(&text);
                self.end(instance, outcome, Value::Unit, Some(failure));
            }
            Progress::Yielded(_) => {} // it has not ended
        }
    }

    /// Ends a worker. What it was made of was charged to its script and is credited to it: otherwise a script that starts
    /// enough of them, one after the other, would be over its budget with nothing in its hands.
    fn dismiss(&self, instance: Instance, ran: Ran) {
        let context = Rc::clone(&instance.context);
        let outer = memory::enter(context.memory.get());
        if let Role::Worker(worker) = &instance.role {
            match ran {
                Ran::Value(value) => worker.complete(ThreadState::Done, Ok(value)),
                Ran::RuleFalse => worker.complete(ThreadState::Done, Ok(Dynamic::UNIT)),
                Ran::Error(error) => {
                    if let Some(departure) = Departure::of(&error) {
                        self.depart(&context, &departure, error.position());
                    }
                    let (state, thrown) = worker::ending(*error);
                    worker.complete(state, Err(thrown));
                }
            }
        }
        self.bury(&instance);
        drop(instance);
        context.memory.set(memory::enter(outer));
    }

    /// A worker departed from the recording: its base thread ends at its next step, and with it all its workers.
    fn depart(&self, context: &Context, departure: &Departure, around: Position) {
        let failure = diagnostic::departed(departure, &context.job.script.path, around, &*self.setup.sources);
        context.difference.borrow_mut().get_or_insert(failure); // the first counts
        if let Some(base) = context.base_thread.get() {
            base.wake();
        }
    }

    /// Judges what running a base thread came to.
    fn finish(self: &Rc<Self>, instance: Instance, ran: Ran) {
        let path = instance.context.job.script.path.clone();
        let departed = instance.context.difference.take();
        if departed.is_some() {
            return self.end(instance, ScriptOutcome::Failed, Value::Unit, departed);
        }
        match ran {
            Ran::RuleFalse => self.end(instance, ScriptOutcome::RuleFalse, Value::Unit, None),
            Ran::Value(value) => {
                let output = (self.setup.convert)(&value);
                let limit = self.setup.shared.limits.output;
                if output.weight() <= limit {
                    return self.end(instance, ScriptOutcome::Done, output, None);
                }
                let message = format!("its output is larger than {limit} bytes (--script-max-output)");
                let failure = plain_failure(FailureKind::Limit, "output", message);
                self.end(instance, ScriptOutcome::OverBudget, Value::Unit, Some(failure));
            }
            Ran::Error(error) => {
                let sources: Sources<'_> = &*self.setup.sources;
                let (outcome, failure) = diagnostic::classify(*error, &path, sources);
                self.end(instance, outcome, Value::Unit, Some(failure));
            }
        }
    }

    /// What every ending of a thread brings with it: its workers end, its locks are free, its place is free.
    fn bury(&self, instance: &Instance) {
        self.deadlines.borrow_mut().remove(&(instance.deadline, instance.id));
        self.threads.set(self.threads.get() - 1);
        instance.context.job.threads.end();
        let children = instance.context.children.borrow_mut().remove(&instance.id).unwrap_or_default();
        for child in &children {
            child.stop(Stop::Cancelled);
        }
        if let Role::Worker(_) = instance.role {
            instance.context.workers.set(instance.context.workers.get() - 1);
        }
        instance.context.permits.borrow_mut().retain(|(thread, _)| *thread != instance.id);
        self.locks.forget(instance.id);
        if self.threads.get() == 0
            && let Some(waker) = self.settling.borrow_mut().take()
        {
            waker.wake();
        }
    }

    /// Ends an instance: everything it held goes, its record is handed in once its close handlers have run.
    pub(super) fn end(
        self: &Rc<Self>,
        instance: Instance,
        outcome: ScriptOutcome,
        output: Value,
        failure: Option<Failure>,
    ) {
        self.bury(&instance);
        // A script that ended early leaves what it said so far, marked by its outcome.
        let so_far = instance.context.output_so_far.take();
        let output = match so_far.filter(|_| output.is_unit() && outcome != ScriptOutcome::RuleFalse) {
            Some(so_far) => (self.setup.convert)(&so_far),
            None => output,
        };
        let fits = output.weight() <= self.setup.shared.limits.output;
        let output = if fits { output } else { Value::Unit };
        let record = self.record(&instance.context, outcome, output, failure);
        let Instance { context, role, .. } = instance;
        match role {
            Role::Worker(worker) => {
                let message = record.failure.map(|failure| failure.message).unwrap_or_default();
                worker.complete(ThreadState::Failed, Err(worker::fault("script", "worker", &message)));
            }
            Role::Base(sink) => {
                if let Some(ended) = &self.setup.shared.ended {
                    ended(&context, &record);
                }
                let state = match outcome {
                    ScriptOutcome::Done | ScriptOutcome::RuleFalse => ThreadState::Done,
                    ScriptOutcome::TimedOut => ThreadState::TimedOut,
                    ScriptOutcome::Cancelled | ScriptOutcome::Skipped => ThreadState::Cancelled,
                    ScriptOutcome::Failed | ScriptOutcome::OverBudget => ThreadState::Failed,
                };
                if let Some(base) = context.base_thread.get() {
                    base.complete(state, Ok(Dynamic::UNIT));
                }
                self.close(context, sink, Box::new(record));
            }
            // A close handler that fails changes nothing in what the script was recorded to have done.
            Role::Closing(sink, record) => {
                self.alive.set(self.alive.get() - 1);
                sink(*record);
            }
        }
    }

    /// Runs the close handlers, then hands in the record.
    fn close(self: &Rc<Self>, context: Rc<Context>, sink: Sink, record: Box<ScriptResult>) {
        let handlers = context.on_close.take();
        if handlers.is_empty() {
            self.alive.set(self.alive.get() - 1);
            return sink(*record);
        }
        let engine = Rc::clone(&self.setup.engine);
        let run = move |first| {
            if let Resume::Stop(stop) = first {
                return Ran::Error(stop.into_error());
            }
            for handler in handlers.into_iter().rev() {
                // Each handler has its own chance; only a stop ends them all.
                if let Err(error) = handler.call(&engine, Array::new())
                    && !error.is_catchable()
                {
                    return Ran::Error(error);
                }
            }
            Ran::Value(Dynamic::UNIT)
        };
        let Ok(fiber) = Fiber::new(run) else {
            self.alive.set(self.alive.get() - 1);
            return sink(*record);
        };
        context.operations.set(0);
        let deadline = self.setup.clock.now().plus(CLOSING_TIME);
        let id = self.new_id();
        self.enlist(id, context, Group::default(), deadline, fiber, |_| Role::Closing(sink, record));
    }

    pub(super) fn record(
        &self,
        context: &Context,
        outcome: ScriptOutcome,
        output: Value,
        failure: Option<Failure>,
    ) -> ScriptResult {
        ScriptResult {
            id: context.job.script.id.clone(),
            rule: context.job.rule,
            outcome,
            started: context.started,
            duration: self.setup.clock.now().since(context.started),
            sent: context.job.usage.sent.get(),
            received: context.job.usage.received.get(),
            output,
            failure,
        }
    }

    pub(super) fn never_started(&self, job: &Job, stop: Stop) -> ScriptResult {
        let (outcome, message) = match stop {
            Stop::Cancelled => (ScriptOutcome::Cancelled, "the run was interrupted before it started"),
            _ => (ScriptOutcome::Skipped, "the host's time was up before it started"),
        };
        ScriptResult {
            id: job.script.id.clone(),
            rule: job.rule,
            outcome,
            started: self.setup.clock.now(),
            duration: Duration::ZERO,
            sent: 0,
            received: 0,
            output: Value::Unit,
            failure: Some(plain_failure(FailureKind::Limit, "not-started", message.to_owned())),
        }
    }
}

/// A failure that no line of a script is to blame for.
pub(super) fn plain_failure(kind: FailureKind, class: &str, message: String) -> Failure {
    Failure { kind, class: class.to_owned(), message, position: None, diagnostic: String::new() }
}

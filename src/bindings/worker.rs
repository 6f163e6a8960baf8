//! The Rhai module `worker`: threads inside one script.

use std::any::TypeId;
use std::collections::VecDeque;
use std::time::Duration;

use rhai::plugin::{Dynamic, NativeCallContext, export_module, exported_module};
use rhai::{Array, Engine, FnPtr, FuncRegistration, INT, Module, RhaiFunc, Shared};

use super::fault::{ARGUMENT, Fallible, budget_error, script_error};
use super::locks::refused;
use super::reach::{Reach, Seconds, seconds};
use crate::bindings::located;
use crate::script::callback::Callback;
use crate::script::worker::{Worker, rethrow};
use crate::script::{Context, coroutine, wait};

/// Registers the module and its type.
pub fn register(engine: &mut Engine) {
    let mut module: Module = located::module(&natives::RHAI_MANIFEST, exported_module!(natives));
    for count in 1..=MAX_ARGUMENTS {
        register_start(&mut module, count);
    }
    engine.register_static_module("worker", module.into());
}

/// Arguments `worker::start` passes on.
const MAX_ARGUMENTS: usize = 8;

/// Starts a worker in the running script.
fn start(call: &NativeCallContext<'_>, body: FnPtr, arguments: Array, limit: Option<Duration>) -> Fallible<Worker> {
    let context = Context::of(call)?;
    let scheduler = context.scheduler()?;
    let deadline = limit.map(|limit| scheduler.clock().now().plus(limit));
    let started = scheduler.start_worker(&context, Callback::capture(call, body), arguments, deadline);
    started.map_err(|refusal| budget_error(refusal.budget, "worker::start", "", refusal.message))
}

/// Suspends the running thread until `worker` has ended: what it returned, or what it threw.
fn join_worker(call: &NativeCallContext<'_>, worker: &Worker) -> Fallible<Result<Dynamic, Dynamic>> {
    const OP: &str = "worker::join";
    let (context, thread) = (Context::of(call)?, coroutine::current_thread());
    if worker.id() == thread {
        return Err(script_error(ARGUMENT, OP, "a thread cannot wait for itself"));
    }
    if worker.id() == context.base {
        return Err(script_error(ARGUMENT, OP, "a worker ends with its base thread, so it cannot wait for it"));
    }
    if worker.state().has_ended() {
        return wait(worker.join());
    }
    let locks = context.scheduler()?.locks();
    let waits = locks.await_end(worker.id(), thread).map_err(|error| refused(call, OP, &error))?;
    let joining = (worker.base() == context.base).then(|| context.job.threads.join());
    let join = worker.join();
    wait(async move {
        let _marks = (waits, joining);
        join.await
    })
}

/// The form of `worker::start` with `count` arguments after the function.
fn register_start(module: &mut Module, count: usize) {
    let mut types = vec![TypeId::of::<Dynamic>(); count + 1];
    types[0] = TypeId::of::<FnPtr>();
    let more = std::iter::repeat_n("…", count - 1);
    let params = ["function: Fn", "arguments…: Dynamic"].into_iter().chain(more).chain(["Worker"]);
    FuncRegistration::new("start").with_params_info(params).with_comments([START_DOC]).set_into_module_raw(
        module,
        types,
        RhaiFunc::Pure { func: Shared::new(start_with), has_context: true, is_pure: true, is_volatile: true },
    );
}

const START_DOC: &str = "/// The same with up to eight arguments for the function.
///
/// ```rhai
/// assert_eq(worker::join(worker::start(|a, b| a + b, 1, 2)), 3);
/// ```";

fn start_with(call: Option<NativeCallContext<'_>>, arguments: &mut [&mut Dynamic]) -> Fallible<Dynamic> {
    let call = call.ok_or("internal error: a native call without context")?;
    let mut values = arguments.iter().map(|value| (**value).clone());
    let body = values.next().and_then(rhai::Dynamic::try_cast::<FnPtr>);
    let body = body.ok_or_else(|| script_error(ARGUMENT, "worker::start", "the first argument is a function"))?;
    start(&call, body, values.collect(), None).map(Dynamic::from)
}

/// Threads inside one script: same host, port, budgets and capabilities, no output of their own. They end when the
/// thread that started them ends. Whatever waits (`join`, `sleep`, every network call) suspends only its own thread.
#[export_module(manifest)]
mod natives {
    /// A handle on a worker thread. It outlives the worker; copies are the same worker.
    pub type Worker = crate::script::worker::Worker;

    /// Starts a function as a worker and returns its handle at once. Closures see the variables they captured.
    ///
    /// ```rhai
    /// let total = 0;
    /// let w = worker::start(|| { total += 2; total });
    /// assert_eq(worker::join(w), 2);
    /// ```
    #[rhai_fn(name = "start", return_raw)]
    pub fn start_plain(call: NativeCallContext, function: FnPtr) -> Fallible<Worker> {
        start(&call, function, Array::new(), None)
    }

    /// The same for at most `time` seconds, after which it is ended with the status `timed out`. `arguments` is an
    /// array.
    ///
    /// ```rhai
    /// let w = worker::start_timed(0.01, || worker::sleep(60), []);
    /// try { worker::join(w) } catch (error) { assert_eq(error.kind, "timeout") }
    /// assert_eq(worker::status(w), "timed out");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn start_timed(call: NativeCallContext, time: Seconds, function: FnPtr, arguments: Array) -> Fallible<Worker> {
        start(&call, function, arguments, Some(seconds("worker::start_timed", &time)?))
    }

    /// Waits until a worker has ended; returns what it returned, throws what it threw. Any thread may join, several
    /// may, and joining an ended worker returns at once. Waiting for oneself or the base thread is an error `argument`;
    /// closing a circle of threads that wait for each other, with `join` or for a mutex, is an error `deadlock` that names
    /// them. Suspends.
    ///
    /// ```rhai
    /// let w = worker::start(|| throw "no");
    /// let caught = ();
    /// try { worker::join(w) } catch (error) { caught = error }
    /// assert_eq(caught, "no");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn join(call: NativeCallContext, worker: Worker) -> Fallible<Dynamic> {
        join_worker(&call, &worker)?.map_err(rethrow)
    }

    /// Where a worker is in its life: `running`, `waiting`, `done`, `failed`, `cancelled`, `timed out`.
    ///
    /// ```rhai
    /// let w = worker::start(|| 1);
    /// worker::join(w);
    /// assert_eq(worker::status(w), "done");
    /// ```
    pub fn status(worker: Worker) -> String {
        worker.state().name().to_owned()
    }

    /// What a worker threw; unit if it did not, or not yet.
    ///
    /// ```rhai
    /// let w = worker::start(|| throw "no");
    /// try { worker::join(w) } catch {}
    /// assert_eq(worker::error(w), "no");
    /// ```
    pub fn error(worker: Worker) -> Dynamic {
        worker.error().unwrap_or(Dynamic::UNIT)
    }

    /// Ends a worker at its next step: what it waits for is closed, its locks are released. Harmless when it has ended;
    /// a base thread is not cancelled.
    ///
    /// ```rhai
    /// let w = worker::start(|| worker::sleep(60));
    /// worker::cancel(w);
    /// try { worker::join(w) } catch (error) { assert_eq(error.kind, "cancelled") }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn cancel(worker: Worker) -> Fallible<()> {
        if worker.is_base() {
            return Err(script_error(
                ARGUMENT,
                "worker::cancel",
                "a base thread is not a worker; throw to end a script",
            ));
        }
        worker.stop(coroutine::Stop::Cancelled);
        Ok(())
    }

    /// Calls a function on every element of a list with at most `limit` calls under way, and returns the results in
    /// the list's order. The first error ends the rest and is thrown. Suspends.
    ///
    /// ```rhai
    /// let squares = worker::map([1, 2, 3], 2, |x| { worker::sleep(0.01); x * x });
    /// assert_eq(squares, [1, 4, 9]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn map(call: NativeCallContext, list: Array, limit: INT, function: FnPtr) -> Fallible<Array> {
        let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0);
        let limit = limit.ok_or_else(|| script_error(ARGUMENT, "worker::map", "the limit is at least 1"))?;
        let mut under_way: VecDeque<Worker> = VecDeque::new();
        let mut results = Array::with_capacity(list.len());
        let mut rest = list.into_iter();
        loop {
            while under_way.len() < limit
                && let Some(item) = rest.next()
            {
                under_way.push_back(start(&call, function.clone(), vec![item], None)?);
            }
            let Some(first) = under_way.pop_front() else { return Ok(results) };
            match join_worker(&call, &first)? {
                Ok(value) => results.push(value),
                Err(thrown) => {
                    for worker in &under_way {
                        worker.stop(coroutine::Stop::Cancelled);
                    }
                    return Err(rethrow(thrown));
                }
            }
        }
    }

    /// The base thread of the running script, the one that runs `action`. Sockets, captures and budgets belong to it, and
    /// everything ends with it. Another script that was handed it may join it, which gives `()`.
    ///
    /// ```rhai
    /// let base = worker::base();
    /// assert_eq(worker::join(worker::start(|| worker::status(base))), "waiting");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn base(call: NativeCallContext) -> Fallible<Worker> {
        let base = Context::of(&call)?.base_thread();
        base.ok_or_else(|| "internal error: the script has no base thread".into())
    }

    /// Where the script's base thread is in its life: libraries ask whether to give a cached resource back.
    ///
    /// ```rhai
    /// assert_eq(worker::base_status(), "running");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn base_status(call: NativeCallContext) -> Fallible<String> {
        Ok(Context::of(&call)?.base_state().name().to_owned())
    }

    /// Whether the running thread is a worker, not the base thread.
    ///
    /// ```rhai
    /// assert(!worker::is_worker());
    /// assert(worker::join(worker::start(|| worker::is_worker())));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn is_worker(call: NativeCallContext) -> Fallible<bool> {
        Ok(Context::of(&call)?.base != coroutine::current_thread())
    }

    /// Does nothing for that many seconds. Suspends.
    ///
    /// ```rhai
    /// let before = script::now();
    /// worker::sleep(0.01);
    /// assert(script::now() - before >= 0.01);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn sleep(call: NativeCallContext, time: Seconds) -> Fallible<()> {
        let duration = seconds("worker::sleep", &time)?;
        let clock = Reach::of(&call)?.broker.clock().clone();
        wait(async move { clock.sleep(duration).await })
    }

    /// Lets every other runnable thread have a turn first. Suspends.
    ///
    /// ```rhai
    /// worker::pause();
    /// ```
    #[rhai_fn(return_raw)]
    pub fn pause() -> Fallible<()> {
        coroutine::pause()
    }
}

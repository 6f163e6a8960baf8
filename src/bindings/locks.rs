//! The Rhai modules `locks` and `channel`: mutexes, condition variables, semaphores, single flight, queues.

use std::rc::Rc;
use std::time::Duration;

use rhai::plugin::{Dynamic, NativeCallContext, export_module, exported_module};
use rhai::{Engine, EvalAltResult, FnPtr, INT, Module};

use super::fault::{ARGUMENT, Fallible, script_error};
use super::reach::{Seconds, seconds};
use crate::bindings::located;
use crate::runtime::channel::Channel;
use crate::runtime::locks::{LockError, Locks};
use crate::script::callback;
use crate::script::scheduler::LockKey;
use crate::script::worker::rethrow;
use crate::script::{Context, coroutine, wait};

/// A mutex or condition variable by its key.
#[derive(Clone)]
pub struct Lock(LockKey);

/// A semaphore; the slots taken belong to threads.
#[derive(Clone)]
pub struct Slots(crate::runtime::Semaphore);

/// A queue of values.
pub type Queue = Channel<Dynamic>;

/// Registers the modules and their types.
pub fn register(engine: &mut Engine) {
    let locks: Module = located::module(&locks::RHAI_MANIFEST, exported_module!(locks));
    let channel: Module = located::module(&channel::RHAI_MANIFEST, exported_module!(channel));
    engine.register_static_module("locks", locks.into());
    engine.register_static_module("channel", channel.into());
}

/// What a lock is known by: any value but unit, booleans and numbers, compared by content.
fn key_of(op: &str, key: &Dynamic) -> Fallible<LockKey> {
    if key.is_unit() || key.is_bool() || key.is_int() || key.is_float() {
        let message = format!("a key is text or another value with an identity, not {}", key.type_name());
        return Err(script_error(ARGUMENT, op, message));
    }
    Ok(format!("{}:{key:?}", key.type_name()).into())
}

/// The lock table and the running thread's number in it.
fn table(call: &NativeCallContext<'_>) -> Fallible<(Locks<LockKey>, u64)> {
    Ok((Context::of(call)?.scheduler()?.locks(), coroutine::current_thread()))
}

/// The exception of a refused wait, with the threads it is about.
pub(super) fn refused(call: &NativeCallContext<'_>, op: &str, error: &LockError) -> Box<EvalAltResult> {
    let message = match error {
        LockError::Deadlock(circle) if circle.len() == 1 => "this thread holds it already".to_owned(),
        LockError::Deadlock(circle) => {
            let names: Vec<String> = circle.iter().map(|id| describe(call, *id)).collect();
            format!("deadlock: {} wait for each other", names.join(" and "))
        }
        LockError::NotHeld(None) => "nobody holds it".to_owned(),
        LockError::NotHeld(Some(id)) => format!("{} holds it, not this one", describe(call, *id)),
    };
    let kind = if matches!(error, LockError::Deadlock(_)) { "deadlock" } else { ARGUMENT };
    script_error(kind, op, message)
}

/// A thread as messages name it: `thread 7 (http-title 10.0.0.7:80)`.
fn describe(call: &NativeCallContext<'_>, thread: u64) -> String {
    let context = Context::of(call).ok();
    let script = context.and_then(|context| {
        if thread == coroutine::current_thread() {
            return Some(context.describe());
        }
        context.scheduler().ok()?.describe(thread)
    });
    script.map_or_else(|| format!("thread {thread}"), |script| format!("thread {thread} ({script})"))
}

fn lock_within(call: &NativeCallContext<'_>, lock: Lock, limit: Option<Duration>) -> Fallible<bool> {
    let (locks, thread) = table(call)?;
    let acquire = match limit {
        Some(_) => locks.lock_for_a_while(lock.0, thread),
        None => locks.lock(lock.0, thread),
    };
    let clock = Context::of(call)?.scheduler()?.clock().clone();
    let outcome = wait(async move {
        match limit {
            Some(limit) => clock.timeout(limit, acquire).await.ok(),
            None => Some(acquire.await),
        }
    })?;
    match outcome {
        Some(Ok(())) => Ok(true),
        Some(Err(error)) => Err(refused(call, "locks::lock", &error)),
        None => Ok(false),
    }
}

fn wait_within(call: &NativeCallContext<'_>, condvar: Lock, limit: Option<Duration>) -> Fallible<bool> {
    let (locks, thread) = table(call)?;
    let waiting = locks.wait(condvar.0, thread);
    let clock = Context::of(call)?.scheduler()?.clock().clone();
    wait(async move {
        if let Some(limit) = limit {
            clock.timeout(limit, waiting).await.is_ok()
        } else {
            waiting.await;
            true
        }
    })
}

/// Mutexes, condition variables, semaphores and single flight, shared by all scripts of a run under their keys. Whatever
/// a thread holds is released when it ends, however it ends; a thread that dies waiting is taken out of the queue.
#[export_module(manifest)]
mod locks {
    /// A mutex or condition variable of the run, by its key; copies are the same.
    pub type Lock = super::Lock;

    /// A number of slots; copies share them.
    pub type Semaphore = super::Slots;

    /// The mutex of a key: any value but unit, booleans and numbers. The same key is the same mutex in every script.
    ///
    /// ```rhai
    /// let m = locks::mutex("cache");
    /// locks::lock(m);
    /// locks::done(m);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mutex(key: Dynamic) -> Fallible<Lock> {
        key_of("locks::mutex", &key).map(Lock)
    }

    /// Locks a mutex, first come, first served. Locking one's own, or closing a circle of threads that wait for each
    /// other, is an error `deadlock` that names them. Suspends.
    ///
    /// ```rhai
    /// let m = locks::mutex("a");
    /// locks::lock(m);
    /// try { locks::lock(m) } catch (error) { assert_eq(error.kind, "deadlock") }
    /// locks::done(m);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn lock(call: NativeCallContext, mutex: Lock) -> Fallible<()> {
        lock_within(&call, mutex, None).map(|_| ())
    }

    /// The same for at most `time` seconds; false when it could not be had. Only locking one's own is a `deadlock` here.
    /// Suspends.
    ///
    /// ```rhai
    /// let m = locks::mutex("b");
    /// let w = worker::start(|| { locks::lock(m); worker::sleep(60) });
    /// worker::pause();
    /// assert(!locks::lock(m, 0.01));
    /// worker::cancel(w);
    /// ```
    #[rhai_fn(name = "lock", return_raw)]
    pub fn lock_timed(call: NativeCallContext, mutex: Lock, time: Seconds) -> Fallible<bool> {
        lock_within(&call, mutex, Some(seconds("locks::lock", &time)?))
    }

    /// Locks it if nobody holds it; whether it did.
    ///
    /// ```rhai
    /// let m = locks::mutex("c");
    /// assert(locks::try_lock(m));
    /// assert(!locks::try_lock(m));
    /// locks::done(m);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn try_lock(call: NativeCallContext, mutex: Lock) -> Fallible<bool> {
        let (locks, thread) = table(&call)?;
        Ok(locks.try_lock(&mutex.0, thread))
    }

    /// Unlocks it: the next in line holds it. Unlocking what this thread does not hold is an error.
    ///
    /// ```rhai
    /// try { locks::done(locks::mutex("d")) } catch (error) { assert(error.message.contains("nobody holds it")) }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn done(call: NativeCallContext, mutex: Lock) -> Fallible<()> {
        let (locks, thread) = table(&call)?;
        locks.unlock(&mutex.0, thread).map_err(|error| refused(&call, "locks::done", &error))
    }

    /// The number of the thread that holds it; unit when nobody does.
    ///
    /// ```rhai
    /// assert_eq(locks::holder(locks::mutex("e")), ());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn holder(call: NativeCallContext, mutex: Lock) -> Fallible<Dynamic> {
        let (locks, _) = table(&call)?;
        Ok(locks.holder(&mutex.0).map_or(Dynamic::UNIT, |id| Dynamic::from(id as INT)))
    }

    /// Calls a function while holding a mutex and returns its value; the mutex is released whatever happens. Suspends.
    ///
    /// ```rhai
    /// let m = locks::mutex("f");
    /// assert_eq(locks::locked(m, || 7), 7);
    /// assert_eq(locks::holder(m), ());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn locked(call: NativeCallContext, mutex: Lock, function: FnPtr) -> Fallible<Dynamic> {
        lock_within(&call, mutex.clone(), None)?;
        let result = function.call_within_context::<Dynamic>(&call, ());
        let (locks, thread) = table(&call)?;
        // It may have been released inside; that is not this call's business.
        let _ = locks.unlock(&mutex.0, thread);
        result
    }

    /// The condition variable of a key, as for `locks::mutex`.
    ///
    /// ```rhai
    /// locks::broadcast(locks::condvar("ready"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn condvar(key: Dynamic) -> Fallible<Lock> {
        key_of("locks::condvar", &key).map(Lock)
    }

    /// Waits for a signal. It may come back without one, always when a thread that used this variable ends: wait in a
    /// loop on what you wait for. Suspends.
    ///
    /// ```rhai
    /// let ready = false;
    /// let c = locks::condvar("go");
    /// worker::start(|| { ready = true; locks::signal(c) });
    /// while !ready { locks::wait(c) }
    /// ```
    #[rhai_fn(name = "wait", return_raw)]
    pub fn wait_for(call: NativeCallContext, condvar: Lock) -> Fallible<()> {
        wait_within(&call, condvar, None).map(|_| ())
    }

    /// The same for at most `time` seconds; false when time was up. Suspends.
    ///
    /// ```rhai
    /// assert(!locks::wait(locks::condvar("never"), 0.01));
    /// ```
    #[rhai_fn(name = "wait", return_raw)]
    pub fn wait_timed(call: NativeCallContext, condvar: Lock, time: Seconds) -> Fallible<bool> {
        wait_within(&call, condvar, Some(seconds("locks::wait", &time)?))
    }

    /// Wakes the thread that waits longest; false when none waits.
    ///
    /// ```rhai
    /// assert(!locks::signal(locks::condvar("nobody")));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn signal(call: NativeCallContext, condvar: Lock) -> Fallible<bool> {
        let (locks, thread) = table(&call)?;
        Ok(locks.signal(&condvar.0, thread))
    }

    /// Wakes all threads that wait; how many.
    ///
    /// ```rhai
    /// assert_eq(locks::broadcast(locks::condvar("nobody")), 0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn broadcast(call: NativeCallContext, condvar: Lock) -> Fallible<INT> {
        let (locks, thread) = table(&call)?;
        Ok(locks.broadcast(&condvar.0, thread) as INT)
    }

    /// A semaphore with so many slots, for the threads of this script that it is handed to.
    ///
    /// ```rhai
    /// let s = locks::semaphore(2);
    /// locks::acquire(s);
    /// locks::release(s);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn semaphore(slots: INT) -> Fallible<Semaphore> {
        let count = usize::try_from(slots).ok().filter(|slots| *slots > 0);
        let count = count.ok_or_else(|| script_error(ARGUMENT, "locks::semaphore", "at least one slot"))?;
        Ok(Slots(crate::runtime::Semaphore::new(count)))
    }

    /// Takes a slot, first come, first served. A thread that ends gives its slots back. Suspends.
    ///
    /// ```rhai
    /// locks::acquire(locks::semaphore(1));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn acquire(call: NativeCallContext, semaphore: Semaphore) -> Fallible<()> {
        let permit = wait(semaphore.0.acquire())?;
        Context::of(&call)?.keep_permit(coroutine::current_thread(), permit);
        Ok(())
    }

    /// Gives a slot back, one of this thread's own if it has any; an error when the script has none.
    ///
    /// ```rhai
    /// try { locks::release(locks::semaphore(1)) } catch (error) { assert_eq(error.kind, "argument") }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn release(call: NativeCallContext, semaphore: Semaphore) -> Fallible<()> {
        if Context::of(&call)?.release_permit(coroutine::current_thread(), &semaphore.0) {
            return Ok(());
        }
        Err(script_error(ARGUMENT, "locks::release", "no slot is taken"))
    }

    /// Calls a function once per key and run: others that ask meanwhile wait, and all get its value or its error. When
    /// the thread that calls it dies, the next one calls it anew. The run keeps 10,000 results, and 64 MiB of them; then
    /// those nobody asked for longest go, and their function is called anew when it is asked for. Suspends.
    ///
    /// ```rhai
    /// let calls = 0;
    /// let ask = || locks::once("page", || { calls += 1; worker::sleep(0.01); "body" });
    /// assert_eq(worker::map([1, 2, 3], 3, |x| call(ask)), ["body", "body", "body"]);
    /// assert_eq(calls, 1);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn once(call: NativeCallContext, key: Dynamic, function: FnPtr) -> Fallible<Dynamic> {
        let key: LockKey = format!("once:{}", key_of("locks::once", &key)?).into();
        let shared = Rc::clone(&Context::of(&call)?.shared);
        let known = shared.once.borrow_mut().get(&key);
        if let Some(result) = known {
            return result.map_err(rethrow);
        }
        lock_within(&call, Lock(key.clone()), None)?;
        // Somebody may have finished while this thread waited for its turn.
        let known = shared.once.borrow_mut().get(&key);
        let result = match known {
            Some(result) => result.map_err(rethrow),
            None => function.call_within_context::<Dynamic>(&call, ()),
        };
        let (locks, thread) = table(&call)?;
        let _ = locks.unlock(&key, thread);
        match result {
            Ok(value) => {
                let value = callback::share(&call, value)?;
                shared.once.borrow_mut().set(key, Ok(value.clone()));
                Ok(value)
            }
            Err(error) if !error.is_catchable() => Err(error),
            Err(error) => {
                let thrown = crate::script::worker::thrown(&error);
                shared.once.borrow_mut().set(key, Err(thrown));
                Err(error)
            }
        }
    }
}

/// Queues of values between the threads of a script.
#[export_module(manifest)]
mod channel {
    /// A bounded queue of values; copies are the same queue.
    pub type Channel = super::Queue;

    /// A queue for at most `capacity` values.
    ///
    /// ```rhai
    /// assert_eq(channel::len(channel::open(10)), 0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn open(capacity: INT) -> Fallible<Channel> {
        let capacity = usize::try_from(capacity).ok().filter(|capacity| (1..=1 << 20).contains(capacity));
        let capacity = capacity.ok_or_else(|| script_error(ARGUMENT, "channel::open", "1 to 1048576 values"))?;
        Ok(crate::runtime::channel::Channel::new(capacity))
    }

    /// Appends a value, waiting for room; an error when the channel is closed. Suspends.
    ///
    /// ```rhai
    /// let c = channel::open(1);
    /// channel::put(c, "a");
    /// assert_eq(channel::take(c), "a");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn put(call: NativeCallContext, queue: Channel, value: Dynamic) -> Fallible<()> {
        let put = wait(queue.put(callback::share(&call, value)?))?;
        put.map_err(|_| script_error("closed", "channel::put", "the channel is closed"))
    }

    /// Takes the first value, waiting for one; unit when the channel is closed and empty. Suspends.
    ///
    /// ```rhai
    /// let c = channel::open(4);
    /// worker::start(|| { for n in 0..3 { channel::put(c, n) } channel::close(c) });
    /// let sum = 0;
    /// loop { let n = channel::take(c); if n == () { break } sum += n }
    /// assert_eq(sum, 3);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn take(queue: Channel) -> Fallible<Dynamic> {
        Ok(wait(queue.take())?.unwrap_or(Dynamic::UNIT))
    }

    /// Ends a channel: what is in it can still be taken.
    ///
    /// ```rhai
    /// let c = channel::open(1);
    /// channel::close(c);
    /// assert_eq(channel::take(c), ());
    /// ```
    pub fn close(queue: Channel) {
        queue.close();
    }

    /// Values waiting in it.
    ///
    /// ```rhai
    /// let c = channel::open(2);
    /// channel::put(c, 1);
    /// assert_eq(channel::len(c), 1);
    /// ```
    pub fn len(queue: Channel) -> INT {
        queue.len() as INT
    }
}

//! The Rhai module `coroutine`: generators and other functions that stop half-way.

use std::rc::Weak;

use rhai::plugin::{Dynamic, NativeCallContext, export_module, exported_module};
use rhai::{Array, Engine, EvalAltResult, FnPtr, Module};

use super::fault::Fallible;
use super::net::{Handle, Owned};
use super::reach::Reach;
use crate::bindings::located;
use crate::script::Context;
use crate::script::callback::Callback;
use crate::script::nested::{self, Core, Nested, Resumed, State};
use crate::script::worker::ThreadId;

/// A coroutine as something `for` can walk.
#[derive(Clone)]
pub struct Generator(Nested, ThreadId);

impl Iterator for Generator {
    type Item = Result<Dynamic, Box<EvalAltResult>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.state() == State::Dead {
            return None;
        }
        match self.0.resume(self.1, Array::new()) {
            Ok(Resumed::Gave(value)) => Some(Ok(value)),
            Ok(Resumed::Returned(_)) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// Registers the module and its types.
pub fn register(engine: &mut Engine) {
    engine.register_iterator_result::<Generator, Dynamic>();
    let module: Module = located::module(&natives::RHAI_MANIFEST, exported_module!(natives));
    engine.register_static_module("coroutine", module.into());
}

/// A coroutine of the running script, and its base thread. It ends with the script.
fn make(call: &NativeCallContext<'_>, function: FnPtr) -> Fallible<(Nested, ThreadId)> {
    let context = Context::of(call)?;
    let engine = context.scheduler()?.engine();
    let co = Nested::new(engine, Callback::capture(call, function), context.base)?;
    Ok((Reach::of(call)?.adopt(co), context.base))
}

impl Handle for Core {
    fn close(&self) {
        Core::close(self);
    }
}

impl Owned for Nested {
    fn handle(&self) -> Weak<dyn Handle> {
        let core: Weak<Core> = self.downgrade();
        core
    }
}

fn resume_it(call: &NativeCallContext<'_>, co: &Nested, arguments: Array) -> Fallible<Dynamic> {
    co.resume(Context::of(call)?.base, arguments).map(value_of)
}

fn value_of(resumed: Resumed) -> Dynamic {
    match resumed {
        Resumed::Gave(value) | Resumed::Returned(value) => value,
    }
}

/// Functions that stop half-way and go on later. Values pass between a coroutine and whoever resumes it; a wait (network,
/// mutex, sleep) inside one suspends the whole thread, and comes back to where it was.
#[export_module(manifest)]
mod natives {
    /// A function that stops half-way; copies are the same coroutine.
    pub type Coroutine = Nested;

    /// The values a coroutine gives, for `for`.
    pub type Generator = super::Generator;

    /// A coroutine that will run `function`; nothing runs yet.
    ///
    /// ```rhai
    /// let co = coroutine::create(|| 1);
    /// assert_eq(coroutine::status(co), "suspended");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn create(call: NativeCallContext, function: FnPtr) -> Fallible<Coroutine> {
        make(&call, function).map(|(co, _)| co)
    }

    /// Runs a coroutine until it gives a value or returns, and returns that value. What it throws is thrown here. It is
    /// an error while it runs, while it waits, after its end, and in another script. It ends with its script. Suspends.
    ///
    /// ```rhai
    /// let co = coroutine::create(|| { coroutine::give(1); worker::sleep(0.001); 2 });
    /// assert_eq(coroutine::resume(co), 1);
    /// assert_eq(coroutine::resume(co), 2);
    /// assert_eq(coroutine::status(co), "dead");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn resume(call: NativeCallContext, co: Coroutine) -> Fallible<Dynamic> {
        resume_it(&call, &co, Array::new())
    }

    /// The same with a value: the function's argument at first, later what `coroutine::give` returns. Suspends.
    ///
    /// ```rhai
    /// let co = coroutine::create(|first| { let second = coroutine::give(first + 1); second * 10 });
    /// assert_eq(coroutine::resume(co, 1), 2);
    /// assert_eq(coroutine::resume(co, 5), 50);
    /// ```
    #[rhai_fn(name = "resume", return_raw)]
    pub fn resume_with(call: NativeCallContext, co: Coroutine, value: Dynamic) -> Fallible<Dynamic> {
        resume_it(&call, &co, vec![value])
    }

    /// Stops the innermost running coroutine: its resumer gets `value`. Returns what the next resume passes.
    ///
    /// ```rhai
    /// let co = coroutine::create(|| coroutine::give("here"));
    /// assert_eq(coroutine::resume(co), "here");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn give(value: Dynamic) -> Fallible<Dynamic> {
        nested::give(value)
    }

    /// The values a function gives, for use in `for`. What it returns at the end is not among them.
    ///
    /// ```rhai
    /// let seen = [];
    /// for n in coroutine::wrap(|| { for i in 0..3 { coroutine::give(i) } }) { seen.push(n) }
    /// assert_eq(seen, [0, 1, 2]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn wrap(call: NativeCallContext, function: FnPtr) -> Fallible<Generator> {
        make(&call, function).map(|(co, base)| Generator(co, base))
    }

    /// `suspended`, `running`, `waiting` (for the engine) or `dead`.
    ///
    /// ```rhai
    /// let co = coroutine::create(|| ());
    /// coroutine::resume(co);
    /// assert_eq(coroutine::status(co), "dead");
    /// ```
    pub fn status(co: Coroutine) -> String {
        co.state().name().to_owned()
    }
}

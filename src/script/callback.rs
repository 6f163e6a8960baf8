//! A script's function to be called later, from another coroutine, by the engine or by another script.

use std::rc::{Rc, Weak};

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, Map, NativeCallContext};

use super::instance::Context;
use super::worker::{fault, rethrow};

/// What a function that other scripts may call is called.
const SHARED: &str = "shared_function";
/// Nesting of lists and maps that is searched for functions.
const MAX_DEPTH: usize = 32;

/// A function or closure with the runtime state of the call that handed it over: without that state, a closure made in a
/// library module is not found when it is called from elsewhere.
#[derive(Clone)]
#[expect(deprecated, reason = "not deprecated, says Rhai, but volatile; the version is pinned")]
pub struct Callback {
    function: FnPtr,
    store: rhai::NativeCallContextStore,
}

impl Callback {
    /// Captures `function` as seen from `call`.
    #[expect(deprecated, reason = "as above")]
    pub fn capture(call: &NativeCallContext<'_>, mut function: FnPtr) -> Callback {
        if let Ok(context) = Context::of(call) {
            own_handles(&mut function, context.shared.is_handle, 0);
        }
        let mut store = call.store_data();
        store.global.level = 0; // it starts on a stack of its own
        Callback { function, store }
    }

    /// Calls it. Must run inside a coroutine if the function may wait.
    #[expect(deprecated, reason = "as above")]
    pub fn call(&self, engine: &Engine, arguments: Array) -> Result<Dynamic, Box<EvalAltResult>> {
        let context = self.store.create_context(engine);
        self.function.call_raw(&context, None, arguments)
    }

    /// Calls it from another script: with that script's rights and budgets.
    #[expect(deprecated, reason = "as above")]
    fn call_for(&self, caller: &NativeCallContext<'_>, arguments: Array) -> Result<Dynamic, Box<EvalAltResult>> {
        let mut callback = self.clone();
        callback.store.global.tag = caller.tag().cloned().unwrap_or(Dynamic::UNIT);
        callback.store.global.level = caller.call_level();
        callback.call(caller.engine(), arguments)
    }
}

/// Gives a closure handles of its own, and tells whether it had others. Rhai locks a captured variable while its member is
/// called, and one that waits would lock out all other threads.
fn own_handles(function: &mut FnPtr, is_handle: fn(&Dynamic) -> bool, depth: usize) -> bool {
    let mut has_changed = false;
    for captured in function.iter_curry_mut() {
        if is_handle(captured) {
            *captured = captured.flatten_clone();
            has_changed = true;
        } else if depth < MAX_DEPTH
            && let Some(mut inner) = captured.read_lock::<FnPtr>().map(|inner| inner.clone())
            && own_handles(&mut inner, is_handle, depth + 1)
        {
            *captured = inner.into();
            has_changed = true;
        }
    }
    has_changed
}

/// `value` as other scripts may have it: its functions can be called by them while the script that made them lives, with
/// the rights and budgets of whoever calls. After that they are an error `closed`.
pub fn share(call: &NativeCallContext<'_>, value: Dynamic) -> Result<Dynamic, Box<EvalAltResult>> {
    let mut value = value.flatten();
    let owner = Context::of(call)?;
    share_inside(call, &owner, &mut value, 0)?;
    Ok(value)
}

fn share_inside(
    call: &NativeCallContext<'_>,
    owner: &Rc<Context>,
    value: &mut Dynamic,
    depth: usize,
) -> Result<(), Box<EvalAltResult>> {
    let function =
        value.read_lock::<FnPtr>().filter(|function| function.fn_name() != SHARED).map(|function| function.clone());
    if let Some(function) = function {
        *value = Dynamic::from(share_function(Callback::capture(call, function), Rc::downgrade(owner))?);
        return Ok(());
    }
    if depth == MAX_DEPTH {
        return Ok(());
    }
    if let Some(mut array) = value.write_lock::<Array>() {
        return array.iter_mut().try_for_each(|item| share_inside(call, owner, item, depth + 1));
    }
    if let Some(mut map) = value.write_lock::<Map>() {
        return map.values_mut().try_for_each(|item| share_inside(call, owner, item, depth + 1));
    }
    Ok(())
}

#[expect(deprecated, reason = "as above")]
fn share_function(mut callback: Callback, owner: Weak<Context>) -> Result<FnPtr, Box<EvalAltResult>> {
    callback.store.global.tag = Dynamic::UNIT; // it would keep the script's whole instance
    FnPtr::from_fn(SHARED, move |caller, arguments| {
        let caller_base = Context::of(&caller)?.base;
        let alive = owner.upgrade().is_some_and(|owner| owner.base == caller_base || !owner.base_state().has_ended());
        if !alive {
            let message = "the script that made this function has ended";
            return Err(rethrow(fault("closed", "call", message)));
        }
        let arguments = arguments.iter_mut().map(|argument| std::mem::take(*argument)).collect();
        callback.call_for(&caller, arguments)
    })
}

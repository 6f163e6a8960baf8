//! A script's function to be called later, from another coroutine or by the engine.

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, NativeCallContext};

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
    pub fn capture(call: &NativeCallContext<'_>, function: FnPtr) -> Callback {
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
}

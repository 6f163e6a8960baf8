//! The Rhai module `script`: what an instance knows of itself.

use rhai::plugin::{Dynamic, NativeCallContext, export_module, exported_module};
use rhai::{Array, Engine, FnPtr, INT, Map, Module};

use super::fault::{ARGUMENT, Fallible, script_error};
use super::reach::Reach;
use crate::bindings::located;
use crate::script::Context;
use crate::script::callback::{self, Callback};

/// Registers the module.
pub fn register(engine: &mut Engine) {
    let script: Module = located::module(&script::RHAI_MANIFEST, exported_module!(script));
    engine.register_static_module("script", script.into());
}

/// What an instance knows of itself.
#[export_module(manifest)]
mod script {
    /// A table shared by scripts: `script::registry()` by all of the run, `host.registry` by those of one host. Values
    /// are copied in and out, so change a list by setting it anew. A function in it can be called by all scripts, each with
    /// its own rights and budgets, until the script that made it has ended; then it is an error `closed`.
    pub type Registry = crate::script::registry::Registry;

    /// The value of a key, also written `registry.key`; `()` where there is none.
    ///
    /// ```rhai
    /// assert_eq(script::registry()["nothing"], ());
    /// ```
    #[rhai_fn(index_get, pure)]
    pub fn get(registry: &mut Registry, key: &str) -> Dynamic {
        registry.get(key)
    }

    /// Sets a key, also written `registry.key = value`; `()` removes it.
    ///
    /// ```rhai
    /// let common = script::registry();
    /// common["banner"] = "x";
    /// assert_eq(common.banner, "x");
    /// ```
    #[rhai_fn(index_set, return_raw)]
    pub fn set(call: NativeCallContext, registry: &mut Registry, key: &str, value: Dynamic) -> Fallible<()> {
        registry.set(key.into(), callback::share(&call, value)?);
        Ok(())
    }

    /// The keys, sorted.
    ///
    /// ```rhai
    /// let common = script::registry();
    /// common.b = 1; common.a = 2;
    /// assert_eq(common.keys(), ["a", "b"]);
    /// ```
    #[rhai_fn(global, pure)]
    pub fn keys(registry: &mut Registry) -> Array {
        registry.keys().into_iter().map(Dynamic::from).collect()
    }

    /// The number of keys.
    ///
    /// ```rhai
    /// assert_eq(script::registry().len(), 0);
    /// ```
    #[rhai_fn(global, pure)]
    pub fn len(registry: &mut Registry) -> INT {
        registry.len() as INT
    }

    /// The id of the script.
    ///
    /// ```rhai
    /// assert_eq(script::name(), "example");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn name(call: NativeCallContext) -> Fallible<String> {
        Ok(Context::of(&call)?.job.script.id.clone())
    }

    /// The rule it was started for: `"prerule"`, `"hostrule"`, `"portrule"` or `"postrule"`. Without a host or a port an
    /// action gets `()` in their place.
    ///
    /// ```rhai
    /// assert_eq(script::rule(), "portrule");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn rule(call: NativeCallContext) -> Fallible<&'static str> {
        Ok(Context::of(&call)?.job.rule.name())
    }

    /// The value of a declared argument: `script.name=…` from `--script-args`, then the bare name, then the default
    /// of the header, else unit. It has the declared type. An undeclared name is an error.
    ///
    /// ```rhai
    /// assert_eq(script::arg("depth"), 3);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn arg(call: NativeCallContext, name: &str) -> Fallible<Dynamic> {
        let context = Context::of(&call)?;
        let value = context.shared.arguments.value(&context.job.script, name);
        value.map_err(|message| script_error(ARGUMENT, "script::arg", message))
    }

    /// All declared arguments with their values.
    ///
    /// ```rhai
    /// assert_eq(script::args().depth, 3);
    /// ```
    #[rhai_fn(name = "args", return_raw)]
    pub fn all_args(call: NativeCallContext) -> Fallible<Map> {
        let context = Context::of(&call)?;
        let names = context.job.script.header.args.keys();
        names
            .map(|name| {
                let value = context.shared.arguments.value(&context.job.script, name);
                let value = value.map_err(|message| script_error(ARGUMENT, "script::args", message))?;
                Ok((name.into(), value))
            })
            .collect()
    }

    /// Writes a line to the log (stderr) when the run is verbose enough: level `"info"` from `-v` on, `"debug"` from
    /// `-d` on, `"error"` always.
    ///
    /// ```rhai
    /// script::log("debug", "looking");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn log(call: NativeCallContext, level: &str, text: &str) -> Fallible<()> {
        let context = Context::of(&call)?;
        let (verbose, debug) = context.shared.verbosity.get();
        let shown = match level {
            "error" => true,
            "info" => verbose > 0,
            "debug" => debug > 0,
            other => {
                let message = format!("a level is \"error\", \"info\" or \"debug\", not \"{other}\"");
                return Err(script_error(ARGUMENT, "script::log", message));
            }
        };
        if shown {
            (context.shared.log)(&context.job.script.id, &context.job.subject, text);
        }
        Ok(())
    }

    /// Values shared by all scripts of the run. Unit removes a key. Rhai assigns to no call, so bind it first.
    ///
    /// ```rhai
    /// let common = script::registry();
    /// common.seen = 7;
    /// assert_eq(script::registry().seen, 7);
    /// assert_eq(script::registry().unknown, ());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn registry(call: NativeCallContext) -> Fallible<Registry> {
        Ok(Context::of(&call)?.shared.registry.clone())
    }

    /// Values shared by all scripts of one host.
    ///
    /// ```rhai
    /// let common = script::host_registry();
    /// common.banner = "x";
    /// assert_eq(script::host_registry().banner, "x");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn host_registry(call: NativeCallContext) -> Fallible<Registry> {
        Ok(Context::of(&call)?.job.host_registry.clone())
    }

    /// A random number from 0 to `bound` - 1, from the run's seed.
    ///
    /// ```rhai
    /// let n = script::rng(6);
    /// assert(n >= 0 && n < 6);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn rng(call: NativeCallContext, bound: INT) -> Fallible<INT> {
        let bound = u64::try_from(bound).ok().filter(|bound| *bound > 0);
        let bound = bound.ok_or_else(|| script_error(ARGUMENT, "script::rng", "the bound is at least 1"))?;
        Ok(Reach::of(&call)?.random.below(bound) as INT)
    }

    /// The current time in seconds since 1970-01-01T00:00:00Z, by the run's clock.
    ///
    /// ```rhai
    /// assert(script::now() > 1_600_000_000.0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn now(call: NativeCallContext) -> Fallible<f64> {
        Ok(Reach::of(&call)?.broker.clock().now().0 as f64 / 1e9)
    }

    /// How verbose the run is: the number of `-v`.
    ///
    /// ```rhai
    /// assert_eq(script::verbosity(), 0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn verbosity(call: NativeCallContext) -> Fallible<INT> {
        Ok(INT::from(Context::of(&call)?.shared.verbosity.get().0))
    }

    /// How much debugging the run asks for: the number of `-d`.
    ///
    /// ```rhai
    /// assert_eq(script::debugging(), 0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn debugging(call: NativeCallContext) -> Fallible<INT> {
        Ok(INT::from(Context::of(&call)?.shared.verbosity.get().1))
    }

    /// Says what the output is so far. It is reported, marked as partial, if the script is ended early by an error, a
    /// time-out or a budget, and as it is if the action returns nothing.
    ///
    /// ```rhai
    /// script::output_so_far(["first finding"]);
    /// script::output_so_far(());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn output_so_far(call: NativeCallContext, value: Dynamic) -> Fallible<()> {
        Context::of(&call)?.set_output_so_far(value);
        Ok(())
    }

    /// Has a function called when the script ends, in whatever way: return, error, time-out, cancellation. The last one
    /// given is called first; together they get one second.
    ///
    /// ```rhai
    /// script::on_close(|| script::log("debug", "the end"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn on_close(call: NativeCallContext, function: FnPtr) -> Fallible<()> {
        Context::of(&call)?.on_close(Callback::capture(&call, function))
    }
}

//! Natives that compute: they never suspend, need no script instance, and do a bounded amount of work.

mod data;
mod hex;

use rhai::Engine;

/// Registers every pure module.
pub fn register(engine: &mut Engine) {
    engine.register_static_module("hex", hex::module().into());
    engine.register_static_module("output", super::output::module().into());
}

#[cfg(test)]
mod tests;

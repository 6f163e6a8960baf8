//! Natives that compute: they never suspend, need no script instance, and do a bounded amount of work.

mod base64;
mod bytes;
mod data;
mod digest;
mod hex;
mod regex;

use rhai::Engine;

/// Registers every pure module, `output`, and the iterator that yields INT from a BLOB.
pub fn register(engine: &mut Engine) {
    bytes::register_iterator(engine);
    let modules = [
        ("base64", base64::module()),
        ("bytes", bytes::module()),
        ("digest", digest::module()),
        ("hex", hex::module()),
        ("output", super::output::module()),
        ("regex", regex::module()),
    ];
    for (name, module) in modules {
        engine.register_static_module(name, module.into());
    }
}

#[cfg(test)]
mod tests;

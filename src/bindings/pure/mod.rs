//! Natives that compute: they never suspend, need no script instance, and do a bounded amount of work.

mod base64;
mod bytes;
mod digest;
mod hex;
pub mod html;
mod ip;
mod json;
pub mod regex;
mod text;
mod time;
pub mod url;

use rhai::Engine;

/// Registers every pure module, `output`, and the iterator that yields INT from a BLOB.
pub fn register(engine: &mut Engine) {
    bytes::register_iterator(engine);
    let modules = [
        ("base64", base64::module()),
        ("bytes", bytes::module()),
        ("digest", digest::module()),
        ("hex", hex::module()),
        ("html", html::module()),
        ("ip", ip::module()),
        ("json", json::module()),
        ("output", super::output::module()),
        ("regex", regex::module()),
        ("text", text::module()),
        ("time", time::module()),
        ("url", url::module()),
    ];
    for (name, module) in modules {
        engine.register_static_module(name, module.into());
    }
}

#[cfg(test)]
mod tests;

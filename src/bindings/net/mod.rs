//! The Rhai module `net`: streams, datagrams, listeners, names.

mod links;
mod natives;
mod socket;
mod until;

use rhai::Engine;

pub use socket::{Socket, WeakSocket};

/// Registers the module and its types.
pub fn register(engine: &mut Engine) {
    engine.register_static_module("net", natives::module().into());
}

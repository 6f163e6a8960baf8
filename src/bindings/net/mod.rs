//! The Rhai module `net`: streams, datagrams, listeners, names.

mod links;
mod listener;
mod natives;
mod socket;
mod until;

use std::rc::Weak;

use rhai::Engine;

pub use listener::Acceptor;
pub use socket::Socket;

/// What an instance has open and must not outlive it.
pub trait Handle {
    /// Closes it, whoever else still holds it.
    fn close(&self);
}

/// What scripts hold of such a thing.
pub trait Owned {
    /// A reference that keeps nothing open.
    fn handle(&self) -> Weak<dyn Handle>;
}

/// Registers the module and its types.
pub fn register(engine: &mut Engine) {
    engine.register_static_module("net", natives::module().into());
}

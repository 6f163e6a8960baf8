//! The Rhai module `packet`: packets built, taken apart and changed.

mod field;
mod icmp;
mod icmp6;
mod igmp;
mod ip;
mod kind;
mod layer;
mod link;
mod natives;
mod options;
mod sctp;
mod tcp;
mod value;

pub use layer::LayerValue;
pub use value::PacketValue;

/// Registers the module, its types and the operator that joins layers.
pub fn register(engine: &mut rhai::Engine) {
    engine.register_static_module("packet", natives::module().into());
}

#[cfg(test)]
mod tests;

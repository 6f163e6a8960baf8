//! sonde: a network scanner whose stages and scripts all run on one event loop.

pub mod bindings;
pub mod error;
pub mod model;
pub mod net;
pub mod runtime;

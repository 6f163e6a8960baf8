//! sonde: a network scanner whose stages and scripts all run on one event loop.

pub mod app;
pub mod bindings;
pub mod cli;
pub mod error;
pub mod model;
pub mod net;
pub mod report;
pub mod runtime;
pub mod scan;
pub mod script;
pub mod target;

//! The script engine: header, catalogue, selection, arguments, coroutine, instance, scheduler, budgets, registry.
//!
//! Never names packets or sockets: natives come in as a list, and what they need of the outside travels through an
//! instance as a value this room cannot look into ([`instance::Context::reach`]).

pub mod arguments;
pub mod callback;
pub mod catalogue;
pub mod coroutine;
pub mod departure;
pub mod diagnostic;
pub mod engine;
pub mod entry;
mod growth;
pub mod header;
pub mod instance;
pub mod nested;
pub mod once;
mod overflow;
pub mod registry;
pub mod rules;
pub mod scheduler;
pub mod selection;
pub mod worker;

pub use arguments::Arguments;
pub use catalogue::{Catalogue, Script};
pub use coroutine::wait;
pub use header::{ArgumentSpec, ArgumentType, Header};
pub use instance::{Context, Job};
pub use scheduler::Scheduler;

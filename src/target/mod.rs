//! What to scan: target expressions, excludes, list files, ports, service names.
//!
//! Text from the command line, from list files and from scripts becomes typed values here, and those are expanded lazily:
//! a `/8` or `::/0` costs nothing until it is walked. Never in here: name lookup, file reading, the clock, randomness, any
//! socket. Names are handed to the caller, who resolves them and pushes the addresses back.
//!
//! - [`Spec`] is one target expression, [`list`] reads many, [`Exclude`] is what must not be touched, [`Targets`] walks them,
//!   in an [`Order`] of their own where that is asked for.
//! - [`PortChoice`] is what the port flags said, [`PortSet`] what it means; [`services`] names ports, [`top`] ranks them.

mod addresses;
mod block;
mod exclude;
mod expand;
pub mod list;
mod octets;
mod pattern;
mod permutation;
mod ports;
pub mod services;
mod spec;
mod spread;
pub mod top;

pub use block::Block;
pub use exclude::Exclude;
pub use expand::{Item, Targets};
pub use list::ListError;
pub use octets::Octets;
pub use pattern::Pattern;
pub use ports::{PortChoice, PortError, PortSet, probe_ports, without};
pub use spec::{Name, Spec, SpecError};
pub use spread::Order;

/// User text inside a message: quoted, control characters escaped, at most 60 characters of it.
fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    let rest = if text.chars().nth(60).is_some() { "…" } else { "" };
    format!("`{shown}{rest}`")
}

/// Properties are tried on the same cases in every run.
#[cfg(test)]
fn fixed_seed() -> proptest::test_runner::Config {
    use proptest::test_runner::{Config, RngSeed};
    Config { rng_seed: RngSeed::Fixed(0x50_4e_44_45), failure_persistence: None, ..Config::default() }
}

//! The door onto a model: hosts, ports, services and links that exist in a scenario only.
//!
//! A [`Scenario`] is compact TOML; a population is rules over prefixes, so a million hosts follow from a seed and none is
//! stored. The transport answers connects and datagrams as such hosts would, on virtual time. Knows no scripts and no
//! stages; no socket is opened.

mod duration;
pub mod link;
mod names;
mod packets;
pub mod scenario;
mod stream;
mod talk;
mod transport;
pub mod world;

use std::rc::Rc;

pub use scenario::Scenario;
pub use world::{Count, World};

use super::Network;
use crate::runtime::{Clock, Random};

/// The network of `scenario`, and the world behind it, which counts what it is asked.
pub fn network(scenario: Scenario, clock: &Clock, random: &Random) -> (Network, Rc<World>) {
    let world = Rc::new(World::new(scenario, clock.clone(), random));
    let transport = Rc::new(transport::SimTransport::new(Rc::clone(&world)));
    let names = Rc::new(names::SimNames(Rc::clone(&world)));
    let packets = Rc::new(packets::SimPackets::new(&world));
    (Network { clock: clock.clone(), random: random.clone(), transport, names, packets }, world)
}

#[cfg(test)]
mod tests;

//! The door onto a model: hosts, ports, services and links that exist in a scenario only.
//!
//! A [`Scenario`] is compact TOML; a population is rules over prefixes, so a million hosts follow from a seed and none is
//! stored. The transport answers connects and datagrams as such hosts would, and raw packets are answered with packets, on
//! virtual time. Knows no scripts and no stages; no socket is opened.

mod air;
mod answer;
mod count;
mod duration;
mod icmp;
pub mod link;
mod names;
mod neighbours;
mod packets;
mod probe;
pub mod scenario;
mod sctp;
mod stream;
mod talk;
mod tcp;
mod transport;
pub mod world;
mod wrap;

use std::rc::Rc;

pub use count::{ByKind, Count};
pub use scenario::Scenario;
pub use world::World;

use super::Network;
use crate::runtime::{Random, Runtime};

/// The network of `scenario` on the time of `runtime`, and the world behind it, which counts what it is asked.
pub fn network(scenario: Scenario, runtime: &Runtime, random: &Random) -> (Network, Rc<World>) {
    let clock = runtime.clock();
    let world = Rc::new(World::new(scenario, clock.clone(), random));
    let transport = Rc::new(transport::SimTransport::new(Rc::clone(&world)));
    let names = Rc::new(names::SimNames(Rc::clone(&world)));
    let packets = Rc::new(packets::SimPackets::new(Rc::clone(&world), &runtime.spawner(), random));
    (Network { clock, random: random.clone(), transport, names, packets }, world)
}

#[cfg(test)]
mod tests;

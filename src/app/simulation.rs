//! `--simulate`: the scenario that stands in the place of the network.

use std::path::Path;

use super::inputs;
use crate::error::Error;
use crate::model::Timestamp;
use crate::net::sim::{Scenario, World};

/// When every simulated run begins: 2000-01-01 00:00:00 UTC, so that two print the same bytes.
pub const BEGIN: Timestamp = Timestamp(946_684_800_000_000_000);
/// Longest scenario.
const MAX_SCENARIO: u64 = 1 << 20;

/// Reads the scenario at `path`.
pub fn scenario(path: &Path) -> Result<Scenario, Error> {
    let wrong = |why: &str| Error::Usage(format!("simulate {}: {why}", path.display()));
    let text = inputs::read_file(path, MAX_SCENARIO)?;
    let text = String::from_utf8(text)
        .map_err(|error| wrong(&format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to())))?;
    let scenario = Scenario::parse(&text).map_err(|why| wrong(why.trim_end()))?;
    if scenario.hosts.is_empty() {
        return Err(wrong("it has no hosts; write at least one [[hosts]] (docs/SIMULATION.md)"));
    }
    Ok(scenario)
}

/// What the hosts of a scenario were asked, for people.
pub fn asked(world: &World) -> String {
    let count = &world.count;
    let (syns, datagrams, connections) = (count.syns.get(), count.datagrams.get(), count.connections.get());
    format!("debug: simulated: {syns} SYNs and {datagrams} datagrams arrived, {connections} connections were made")
}

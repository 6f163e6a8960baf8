//! `--simulate`: the scenario that stands in the place of the network.

use std::path::Path;

use super::session::{Prepared, without_network};
use super::surroundings::Surroundings;
use super::{complain, inputs};
use crate::cli::{RunSettings, Settings};
use crate::error::{Error, ExitCode};
use crate::model::Timestamp;
use crate::net::sim::{self, Scenario, World};
use crate::runtime::{Random, Runtime};

/// Scans what `scenario` describes. No socket is opened, and no time passes.
pub fn run(mut settings: Settings, scenario: Scenario) -> Result<ExitCode, Error> {
    settings.run = RunSettings::default(); // it keeps no journal, and nobody waits for it
    let prepared = Prepared::new(&settings, &Surroundings::default(), None)?;
    let runtime = Runtime::simulated(BEGIN);
    settings.seed = Some(settings.seed.unwrap_or_default()); // the same seed, the same hosts
    settings.privileges.required = false; // a simulation uses none
    let (network, world) = sim::network(scenario, &runtime, &Random::new(settings.seed));
    let debug = settings.report.debug > 0;
    let code = without_network(settings, network, runtime, prepared, "the simulation stands still: there is")?;
    if debug {
        complain(&asked(&world));
    }
    Ok(code)
}

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
    let (arrived, returned) = (count.arrived.total(), count.returned.total());
    let raw = match count.malformed.get() {
        0 if arrived == 0 => String::new(),
        malformed => format!("; {arrived} raw packets arrived, {returned} were sent back, {malformed} were malformed"),
    };
    format!("debug: simulated: {syns} SYNs and {datagrams} datagrams arrived, {connections} connections were made{raw}")
}

//! Scans of networks that exist only in a scenario: what the loop sustains, and memory that does not grow with the hosts.

use std::collections::HashSet;
use std::fs;

use super::figures::{Series, Unit};
use super::table::{Goal, Table};
use super::{Bench, Failure};

const ROUNDS: usize = 3;
/// Hosts, and targets of as many.
const SIZES: [(usize, &str); 2] = [(10_000, "10.0.0-39.0-249"), (100_000, "10.0-3.0-249.0-99")];
const MILLION: (usize, &str) = (1_000_000, "10.0-39.0-249.0-99");
/// How much more memory a million hosts may take than a tenth of them.
const FLAT: f64 = 1.1;

/// A way to scan.
struct Kind {
    name: &'static str,
    words: &'static [&'static str],
    /// Probes a CPU second.
    goal: Goal<'static>,
}

const CONNECTS: Kind = Kind { name: "three ports", words: &["-p", "22,80,443"], goal: Goal::None };
const PACKETS: Kind =
    Kind { name: "SYN, one port", words: &["-Pn", "-sS", "-p", "80"], goal: Goal::AtLeast(300_000.0) };

pub fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    for kind in [CONNECTS, PACKETS] {
        for size in SIZES {
            let measured = scan(bench, &kind, size, ROUNDS)?;
            measured.tell(table, &kind, size.0, &Goal::None);
        }
    }
    Ok(())
}

pub fn million(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let [_, tenth] = SIZES;
    for kind in [CONNECTS, PACKETS] {
        let fewer = scan(bench, &kind, tenth, 1)?;
        let measured = scan(bench, &kind, MILLION, 1)?;
        table.row(
            &format!("{} simulated hosts, {}: peak memory", tenth.0, kind.name),
            "sonde",
            &fewer.memory,
            &Goal::None,
        );
        measured.tell(table, &kind, MILLION.0, &Goal::Times(FLAT, &fewer.memory));
    }
    Ok(())
}

/// What some runs of one scan came to.
struct Measured {
    rate: Series,
    probes: Series,
    memory: Series,
}

impl Measured {
    fn tell(&self, table: &mut Table, kind: &Kind, hosts: usize, memory: &Goal<'_>) {
        let work = format!("{hosts} simulated hosts, {}", kind.name);
        table.row(&format!("{work}: hosts a second"), "sonde", &self.rate, &Goal::None);
        table.row(&format!("{work}: SYNs a CPU second"), "sonde", &self.probes, &kind.goal);
        table.row(&format!("{work}: peak memory"), "sonde", &self.memory, memory);
    }
}

fn scan(bench: &Bench, kind: &Kind, (hosts, targets): (usize, &str), rounds: usize) -> Result<Measured, Failure> {
    let scenario = format!("{}/testdata/simulation/population.toml", env!("CARGO_MANIFEST_DIR"));
    let words = ["--simulate", &scenario, "-n", "-d", "--json", targets];
    let program = bench.sonde(words.iter().chain(kind.words));
    let [rate, probes, memory] = [Unit::PerSecond, Unit::PerSecond, Unit::Bytes].map(Series::new);
    let mut measured = Measured { rate, probes, memory };
    for _ in 0..rounds {
        let ran = program.run(bench.folder())?;
        measured.rate.push(hosts as f64 / ran.wall.as_secs_f64());
        let (peak, on_core, stdout) = program.cost(bench.folder())?;
        check(&stdout, hosts)?;
        measured.probes.push(syns(&fs::read_to_string(bench.folder().join("stderr"))?)? / on_core);
        measured.memory.push(peak as f64);
    }
    Ok(measured)
}

/// Every host must be in the report once.
fn check(report: &str, hosts: usize) -> Result<(), Failure> {
    let addresses: Vec<&str> = report.lines().filter_map(address).collect();
    let different = addresses.iter().collect::<HashSet<_>>().len();
    if addresses.len() == hosts && different == hosts {
        return Ok(());
    }
    Err(format!("{} lines of {different} hosts in the report, not {hosts}", addresses.len()).into())
}

/// The address of a host's line.
fn address(line: &str) -> Option<&str> {
    let rest = line.split_once("\"type\":\"host\"")?.1.split_once("\"address\":\"")?.1;
    rest.split_once('"').map(|(address, _)| address)
}

/// SYNs that arrived, as `-d` tells.
fn syns(stderr: &str) -> Result<f64, Failure> {
    let count = stderr.split_once("simulated: ").and_then(|(_, rest)| rest.split_once(" SYNs"));
    let count = count.and_then(|(count, _)| count.parse().ok());
    count.ok_or_else(|| "stderr does not tell the SYNs".into())
}

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

pub fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    SIZES.into_iter().try_for_each(|size| scan(bench, table, size, ROUNDS))
}

pub fn million(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    scan(bench, table, MILLION, 1)
}

fn scan(bench: &Bench, table: &mut Table, (hosts, targets): (usize, &str), rounds: usize) -> Result<(), Failure> {
    let scenario = format!("{}/testdata/simulation/population.toml", env!("CARGO_MANIFEST_DIR"));
    let words = ["--simulate", &scenario, "-n", "-d", "--json", "-p", "22,80,443", targets];
    let program = bench.sonde(words);
    let (mut rate, mut probes) = (Series::new(Unit::PerSecond), Series::new(Unit::PerSecond));
    let mut memory = Series::new(Unit::Bytes);
    for _ in 0..rounds {
        let ran = program.run(bench.folder())?;
        rate.push(hosts as f64 / ran.wall.as_secs_f64());
        let (peak, on_core, stdout) = program.cost(bench.folder())?;
        check(&stdout, hosts)?;
        probes.push(syns(&fs::read_to_string(bench.folder().join("stderr"))?)? / on_core);
        memory.push(peak as f64);
    }
    let work = format!("{hosts} simulated hosts");
    table.row(&format!("{work}: hosts a second"), program.who, &rate, &Goal::None);
    table.row(&format!("{work}: SYNs a CPU second"), program.who, &probes, &Goal::None);
    table.row(&format!("{work}: peak memory"), program.who, &memory, &Goal::None);
    Ok(())
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

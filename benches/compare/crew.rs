//! Memory that one sleeping worker keeps resident: 20,000 of one script, beside none.

use serde_json::Value;

use super::figures::{Series, Unit};
use super::process::Program;
use super::table::{Goal, Table};
use super::{Bench, Failure, script};

const ROUNDS: usize = 3;
const WORKERS: usize = 20_000;

pub fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let mut series = Series::new(Unit::Bytes);
    for _ in 0..ROUNDS {
        let alone = peak(bench, 0)?;
        let many = peak(bench, WORKERS)?;
        series.push((many as f64 - alone as f64) / WORKERS as f64);
    }
    table.row("memory per worker, 20,000 sleeping", "sonde", &series, &Goal::AtMost(20.0 * 1024.0));
    Ok(())
}

/// The most memory resident in a run whose script has so many workers asleep at once.
fn peak(bench: &Bench, workers: usize) -> Result<u64, Failure> {
    let (port, file, count) = (bench.port(), script("crew.rhai"), format!("crew.count={workers}"));
    let arguments =
        ["-n", "-Pn", "-sT", "-p", &port, "-oJ", "-", "--script", &file, "--script-args", &count, "127.0.0.1"];
    let program: Program = bench.sonde(arguments);
    let (peak, lines) = program.peak(bench.folder())?;
    let asleep = asleep(&lines)?.ok_or("no record of the script")?;
    if asleep == workers as u64 { Ok(peak) } else { Err(format!("{asleep} of {workers} workers slept").into()) }
}

/// What the script counted.
fn asleep(lines: &str) -> Result<Option<u64>, Failure> {
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line)?;
        if let Some(count) = record["ports"][0]["scripts"][0]["output"].as_u64() {
            return Ok(Some(count));
        }
    }
    Ok(None)
}

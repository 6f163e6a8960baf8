//! Memory that one waiting script instance keeps resident: many that sleep at the same time, beside none.

use std::fs;

use serde_json::Value;

use super::figures::{Series, Unit};
use super::process::Program;
use super::table::{Goal, Table};
use super::{Bench, Failure, script};

const ROUNDS: usize = 3;
/// 1,000 hosts.
const TARGETS: &str = "127.0.0-3.1-250";
const HOSTS: usize = 1000;
/// Longer than it takes to start them all, so that all are alive together; that this was so is checked.
const SLEEP: &str = "sleeper.time=2";

pub fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let port = bench.port();
    let scan = ["-n", "-Pn", "-sT", "-p", &port, "-oJ", "-"];
    let alone = bench.sonde(scan.into_iter().chain([TARGETS]));
    for (work, scripts) in [("memory per instance, 1,000 waiting", 1), ("memory per instance, 10,000 waiting", 10)] {
        let names = sleepers(bench, scripts)?;
        let arguments: Vec<String> = (0..scripts).map(|index| SLEEP.replace("sleeper", &sleeper(index))).collect();
        let (names, arguments) = (names.join(","), arguments.join(","));
        let most = (scripts * HOSTS).to_string();
        let script = ["--max-script-instances", &most, "--script", &names, "--script-args", &arguments, TARGETS];
        let waiting = bench.sonde(scan.into_iter().chain(script));
        let series = per_instance(bench, &alone, &waiting, scripts * HOSTS, |stdout| {
            check_all_together(stdout, scripts * HOSTS)
        })?;
        table.row(work, "sonde", &series, &Goal::AtMost(64.0 * 1024.0));
    }
    Ok(())
}

fn per_instance(
    bench: &Bench,
    base: &Program,
    waiting: &Program,
    instances: usize,
    check: impl Fn(&str) -> Result<(), Failure>,
) -> Result<Series, Failure> {
    let mut series = Series::new(Unit::Bytes);
    for _ in 0..ROUNDS {
        let (none, _) = base.peak(bench.folder())?;
        let (all, stdout) = waiting.peak(bench.folder())?;
        check(&stdout)?;
        series.push((all as f64 - none as f64) / instances as f64);
    }
    Ok(series)
}

fn sleeper(index: usize) -> String {
    format!("sleeper-{index}")
}

/// Copies of the sleeping script under different names: one host runs a script once per port.
fn sleepers(bench: &Bench, count: usize) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(script("sleeper.rhai"))?;
    let write = |index| {
        let path = bench.folder().join(format!("{}.rhai", sleeper(index)));
        fs::write(&path, &text)?;
        Ok(path.display().to_string())
    };
    (0..count).map(write).collect()
}

/// The first to end must have been started before the last to start: then all were alive at that moment.
fn check_all_together(lines: &str, wanted: usize) -> Result<(), Failure> {
    let (mut last_start, mut first_end, mut count) = (f64::MIN, f64::MAX, 0);
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line)?;
        let ports = record["ports"].as_array().into_iter().flatten();
        for script in ports.filter_map(|port| port["scripts"].as_array()).flatten() {
            let started = script["started"].as_str().and_then(second_of_day).ok_or("a start is no time")?;
            let lasted = script["duration_seconds"].as_f64().ok_or("a duration is no number")?;
            last_start = last_start.max(started);
            first_end = first_end.min(started + lasted);
            count += usize::from(script["outcome"] == "done");
        }
    }
    if count == wanted && last_start < first_end {
        return Ok(());
    }
    Err(format!("{count} of {wanted} slept; the last began {:.3} s before the first ended", first_end - last_start)
        .into())
}

/// `2026-01-02T03:04:05.678Z` -> 11045.678.
fn second_of_day(time: &str) -> Option<f64> {
    let mut parts = time.split_once('T')?.1.trim_end_matches('Z').split(':');
    let mut next = || parts.next()?.parse::<f64>().ok();
    Some(next()? * 3600.0 + next()? * 60.0 + next()?)
}

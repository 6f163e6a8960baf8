//! How soon a script goes on when its peer answers, while another script sleeps.

use serde_json::Value;

use super::figures::{Series, Unit};
use super::table::{Goal, Table};
use super::{Bench, Failure, echo, process, script};

const ROUNDS: usize = 9;
const WORK: &str = "100 TCP rounds beside a sleeping script";

pub fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let port = echo::start()?.to_string();
    let scripts = format!("{},{}", script("rounds.rhai"), script("sleeper.rhai"));
    let arguments = ["-n", "-Pn", "-p", &port, "--script", &scripts, "--script-args", "sleeper.time=0.3"];
    let sonde = bench.sonde(arguments.into_iter().chain(["-oJ", "-", "127.0.0.1"]));
    let mut series = Series::new(Unit::Seconds);
    process::interleave(&[sonde], ROUNDS, bench.folder(), |_, ran| {
        series.push(duration(&ran.stdout)?);
        Ok(())
    })?;
    table.row(WORK, "sonde", &series, &Goal::AtMost(0.02));

    // nmap's loop looks after sleepers every 50 ms, so the sleeper must sleep for long; once is enough to see it.
    let scripts = format!("{},{}", script("rounds.nse"), script("sleeper.nse"));
    let arguments = ["-n", "-Pn", "-sT", "-p", &port, "--script", &scripts, "--script-args", "sleeper.time=12"];
    if let Some(nmap) = bench.nmap(arguments.into_iter().chain(["127.0.0.1"])) {
        eprintln!("  nmap takes about 12 s for this");
        let ran = nmap.run(bench.folder())?;
        let mut series = Series::new(Unit::Seconds);
        series.push(spoken(&ran.stdout).ok_or("nmap's script printed no time")?);
        table.row(WORK, "nmap, once", &series, &Goal::None);
    }
    Ok(())
}

/// The instance's own duration, from its record.
fn duration(lines: &str) -> Result<f64, Failure> {
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line)?;
        let ports = record["ports"].as_array().into_iter().flatten();
        let scripts = ports.filter_map(|port| port["scripts"].as_array());
        if let Some(script) = scripts.flatten().find(|script| script["id"] == "rounds") {
            if script["output"] != 100 {
                return Err(format!("not 100 answers: {script}").into());
            }
            return script["duration_seconds"].as_f64().ok_or_else(|| "a duration is no number".into());
        }
    }
    Err("no record of the script".into())
}

/// What nmap's script measured itself: `rounds: 100 in 0.007 s`.
fn spoken(text: &str) -> Option<f64> {
    let (_, seconds) = text.split_once("rounds: 100 in ")?;
    seconds.split(' ').next()?.parse().ok()
}

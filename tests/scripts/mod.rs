//! The shipped scripts against real servers and hostile peers, judged by the records in JSON Lines.

use serde_json::Value;

use crate::support::peer::Peer;
use crate::support::servers::Server;
use crate::support::sonde::{Report, Run, scan, sonde};

mod address_info;
mod banner;
mod duplicates;
mod every;
mod http;
mod resolver_check;
mod tls;
mod whois;

/// Time one operation of a script may take where a peer stays silent on purpose.
const BRIEF: [&str; 2] = ["--script-operation-timeout", "300ms"];

/// Where something listens.
trait Place {
    fn place(&self) -> (String, String);
}

impl Place for Server {
    fn place(&self) -> (String, String) {
        (self.ip(), self.port())
    }
}

impl Place for Peer {
    fn place(&self) -> (String, String) {
        (self.ip(), self.port())
    }
}

/// Runs one script against one port, past its rule: test servers listen where there is room.
fn run(script: &str, at: &dyn Place, more: &[&str]) -> Run {
    let (ip, port) = at.place();
    scan(["-p", &port, "--script", &format!("+{script}"), &ip]).args(more).run()
}

/// What the script's only record says, which must be done.
#[track_caller]
fn output(script: &str, at: &dyn Place, more: &[&str]) -> Value {
    let run = run(script, at, more).expect(0);
    let record = run.report().script(script).clone();
    assert_eq!(record["outcome"], "done", "{run}");
    record["output"].clone()
}

/// The script ran to its end and found nothing worth a record.
#[track_caller]
fn finds_nothing(script: &str, at: &dyn Place, more: &[&str]) {
    let run = run(script, at, more).expect(0);
    let report = run.report();
    assert_eq!(report.count(script, "done"), 1, "{run}");
    assert!(report.scripts(script).is_empty(), "{run}");
}

/// The script failed through its peer: the class of the failure.
#[track_caller]
fn failure(script: &str, at: &dyn Place, more: &[&str]) -> String {
    let run = run(script, at, more).expect(0);
    let record = run.report().script(script).clone();
    assert_eq!((&record["outcome"], &record["failure"]["kind"]), (&"failed".into(), &"peer".into()), "{run}");
    record["failure"]["class"].as_str().unwrap_or_default().to_owned()
}

/// A port where nobody listens starts no script.
#[track_caller]
fn is_not_started(script: &str) {
    let peer = Peer::refusing();
    let (ip, port) = peer.place();
    // Without force: that would be for ports in any state.
    let report = scan(["-p", &port, "--script", script, &ip]).run().expect(0).report();
    assert!(report.scripts(script).is_empty());
    assert!(report.end()["totals"]["scripts"][script].is_null(), "{:#?}", report.end());
}

/// The keys of an object in the order of the report.
#[track_caller]
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

/// The text report of one script against one port.
fn text(script: &str, at: &dyn Place, more: &[&str]) -> String {
    let (ip, port) = at.place();
    sonde(["-n", "-p", &port, "--script", &format!("+{script}"), &ip]).args(more).run().expect(0).text()
}

/// The records of a run's pre- or postrules.
fn global<'a>(report: &'a Report, script: &str) -> Vec<&'a Value> {
    report.scripts(script)
}

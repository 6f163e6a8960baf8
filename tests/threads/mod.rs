//! Threads, coroutines, locks and endings as script authors use them. After every run nothing may be left: the program
//! counts threads, sockets and locks at its end, and each test asserts zeros.

use serde_json::Value;

use crate::support::dir::Dir;
use crate::support::peer::Peer;
use crate::support::sonde::{Report, Run, scan};

mod conditions;
mod coroutines;
mod endings;
mod libraries;
mod mutexes;
mod overlap;
mod workers;

const HEADER: &str = "const hostrule = true;\nconst capabilities = [\"tcp\", \"listen\", \"other-hosts\"];\n";

/// Runs scripts in a folder of their own on one host; fails unless nothing is left at the end.
#[track_caller]
fn run_all(files: &[(&str, &str)], scripts: &[&str], arguments: &[&str]) -> Run {
    let (dir, peer) = (Dir::new(), Peer::refusing());
    for (name, source) in files {
        dir.write(name, source);
    }
    let selected: Vec<String> = scripts.iter().map(|name| format!("./{name}.rhai")).collect();
    let run = scan(["-d", "-p", &peer.port(), &peer.ip(), "--script", &selected.join(",")])
        .args(arguments)
        .within(dir.path())
        .run();
    leaves_nothing(run)
}

/// Fails unless no thread, socket or lock was left when the run ended.
#[track_caller]
fn leaves_nothing(run: Run) -> Run {
    run.says(&["at the end: 0 threads alive, 0 sockets open, 0 stacks in use, locks idle"])
}

/// Runs scripts, each given by its name and the body of its action, side by side on one host.
#[track_caller]
fn together(scripts: &[(&str, &str)], arguments: &[&str]) -> Report {
    let files: Vec<(String, String)> =
        scripts.iter().map(|(name, body)| (format!("{name}.rhai"), action(body))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, source)| (name.as_str(), source.as_str())).collect();
    let names: Vec<&str> = scripts.iter().map(|(name, _)| *name).collect();
    run_all(&files, &names, arguments).report()
}

/// A script with this action, which is a body or, where it begins with `fn`, whole functions.
fn action(body: &str) -> String {
    if body.trim_start().starts_with("fn ") || body.trim_start().starts_with("import ") {
        return format!("{HEADER}{body}");
    }
    format!("{HEADER}fn action(host) {{\n{body}\n}}\n")
}

/// The record of one script.
#[track_caller]
fn record(body: &str, arguments: &[&str]) -> Value {
    together(&[("x", body)], arguments).script("x").clone()
}

/// What one script returns.
#[track_caller]
fn value(body: &str) -> Value {
    let record = record(body, &[]);
    assert_eq!(record["outcome"], "done", "{record:#}");
    record["output"].clone()
}

/// What a script of a report returned.
#[track_caller]
fn output<'a>(report: &'a Report, script: &str) -> &'a Value {
    let record = report.script(script);
    assert_eq!(record["outcome"], "done", "{record:#}");
    &record["output"]
}

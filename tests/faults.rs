//! Recorded runs in which answers are lost, late, cut and changed: whatever a path or a peer does, a run ends, nothing of
//! it is lost, and the same seed spoils the same.
//!
//! Each case of `testdata/scripts` has [`ALL`] seeds. A run of all tests tries a share of them, other ones for each case;
//! `make faults` tries all, which takes minutes.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::dir::Dir;
use crate::support::peer::Peer;
use crate::support::sonde::{PROGRAM, Report, Run, Sonde, scan, sonde};
use crate::support::talk;

/// Seeds there are for each recording.
const ALL: u64 = 200;
/// How many of them are tried, unless `SONDE_FAULT_SEEDS` says otherwise.
const SHARE: u64 = 8;
/// Address space a replay may take, in KiB: stacks, the engine, the recording, and what scripts keep.
const MEMORY: u64 = 1 << 20;

/// Exit codes.
const COMPLETE: Option<i32> = Some(0);
const INCOMPLETE: Option<i32> = Some(3);

/// The seeds of the recording of that number, so that all together take every seed.
fn seeds(number: usize) -> Range<u64> {
    let asked = std::env::var("SONDE_FAULT_SEEDS");
    let count = asked.map_or(SHARE, |text| text.parse().expect("SONDE_FAULT_SEEDS is a number")).clamp(1, ALL);
    let first = number as u64 * count % (ALL - count + 1);
    first + 1..first + 1 + count
}

fn spoilt(file: &Path, seed: u64) -> Run {
    let line = format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"");
    let seed = seed.to_string();
    Sonde::command("sh")
        .args(["-c", &line, PROGRAM, "--replay"])
        .args([file.as_os_str()])
        .args(["--replay-faults", &seed, "--json", "-d"])
        .run()
}

/// What came of some runs.
#[derive(Debug, Default)]
struct Tally {
    runs: u64,
    /// Runs in which anything was spoilt.
    faults: u64,
    /// How often each outcome of a script came.
    outcomes: BTreeMap<String, u64>,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.runs += other.runs;
        self.faults += other.faults;
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
    }
}

/// Drives a recording through some seeds, and the last of them twice.
fn drive(file: &Path, seeds: Range<u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds.clone() {
        let shown = format!("{}, seed {seed}", file.display());
        let run = spoilt(file, seed);
        assert!(!run.stderr.contains("panicked"), "{shown}: {run}");
        // A run in which nobody can go on names who waits; none does.
        let named = run.stderr.contains("the replay stands still");
        assert!([COMPLETE, INCOMPLETE].contains(&run.code) && !named, "{shown}: {run}");
        let left = "0 threads alive, 0 sockets open, 0 stacks in use, locks idle";
        assert!(run.stderr.contains(left), "{shown}: {run}");
        tally.runs += 1;
        tally.faults += u64::from(!run.stderr.contains(&format!("replay: faults of seed {seed}: none")));
        let report = run.report();
        nothing_is_lost(&report, &shown);
        for counts in report.end()["totals"]["scripts"].as_object().into_iter().flatten() {
            for (outcome, count) in counts.1.as_object().into_iter().flatten() {
                *tally.outcomes.entry(outcome.clone()).or_default() += count.as_u64().unwrap_or(0);
            }
        }
        if seed + 1 == seeds.end {
            let again = spoilt(file, seed);
            assert_eq!((again.stdout, again.stderr), (run.stdout, run.stderr), "{shown}: not repeatable");
        }
    }
    tally
}

/// Every planned instance has its record, every host its line, and the totals add up.
fn nothing_is_lost(report: &Report, shown: &str) {
    let totals = &report.end()["totals"];
    let count = |name: &str| totals[name].as_u64().unwrap_or(u64::MAX);
    let hosts = report.hosts();
    assert_eq!(hosts.len() as u64, count("up") + count("down"), "{shown}: hosts of {:#?}", report.lines);
    assert_eq!(count("unfinished"), 0, "{shown}: {totals}");
    let listed = |host: &&Value| {
        let ports = host["ports"].as_array().map_or(0, Vec::len) as u64;
        let folded = host["folded"].as_array().into_iter().flatten();
        ports + folded.filter_map(|fold| fold["count"].as_u64()).sum::<u64>()
    };
    assert_eq!(hosts.iter().map(listed).sum::<u64>(), count("ports"), "{shown}: ports");
    for (id, outcomes) in totals["scripts"].as_object().expect("totals of scripts") {
        let outcomes = outcomes.as_object().into_iter().flatten();
        let reported = outcomes.filter(|(outcome, _)| *outcome != "rule-false");
        let planned: u64 = reported.filter_map(|(_, count)| count.as_u64()).sum();
        let records = report.records(id).len();
        assert_eq!(records as u64, planned, "{shown}: records of {id}");
    }
}

/// The recordings of the shipped cases, in order.
fn shipped() -> Vec<PathBuf> {
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    };
    let scripts = folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/scripts"));
    let mut found: Vec<PathBuf> =
        scripts.iter().flat_map(|script| folders(script)).map(|case| case.join("wire.pcapng")).collect();
    found.sort();
    found
}

#[test]
fn every_shipped_case() {
    let files = shipped();
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(file) = files.get(number) else { return };
                    let tally = drive(file, seeds(number));
                    total.lock().expect("nobody has panicked").add(tally);
                }
            });
        }
    });
    let Tally { runs, faults, outcomes } = total.into_inner().expect("nobody has panicked");
    println!("{} recordings, {runs} runs, {faults} of them spoilt: {outcomes:?}", files.len());
    assert!(runs >= files.len() as u64 && faults > runs / 4, "only {faults} of {runs} runs had a fault");
    assert!(outcomes["done"] > 0 && outcomes["failed"] > 0, "{outcomes:?}");
}

#[test]
fn datagrams_and_workers() {
    let peer = Peer::echo();
    let echo = UdpSocket::bind((peer.address().ip(), 0)).expect("a port");
    echo.set_read_timeout(Some(Duration::from_mins(1))).expect("a limit");
    let port = echo.local_addr().expect("it is bound").port();
    let answering = thread::spawn(move || {
        let mut buffer = [0; 64];
        for _ in 0..talk::PINGS {
            let Ok((length, from)) = echo.recv_from(&mut buffer) else { return };
            echo.send_to(&buffer[..length], from).expect("loopback takes it");
        }
    });
    let dir = Dir::new();
    dir.write("talk.rhai", talk::script(port));
    let folder = dir.path().display().to_string();
    let run = scan(["-p", &peer.port(), "--script-dir", &folder, "--script", "+talk", &peer.ip()]);
    let file = dir.join("run.pcapng");
    let run = run.args(["--script-operation-timeout", "1s", "--record"]).args([file.as_os_str()]).run();
    assert!([COMPLETE, INCOMPLETE].contains(&run.code), "{run}");
    answering.join().expect("it answered");
    let Tally { runs, faults, outcomes } = drive(&file, seeds(0));
    assert!(outcomes["done"] > 0 && faults > runs / 3, "{faults} of {runs}: {outcomes:?}");
}

#[test]
fn a_wrong_seed_and_a_run_that_is_no_replay_are_named() {
    sonde(["--replay", "x", "--replay-faults", "many"]).run().expect(2).says(&["--replay-faults 'many': not a seed"]);
    sonde(["--replay-faults", "1", "127.0.0.1"]).run().expect(2).says(&["--replay-faults is for replays"]);
}

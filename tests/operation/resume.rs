use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::dir::Dir;
use crate::support::peer::Peer;
use crate::support::sonde::{Report, Sonde, scan, sonde};
use crate::support::xml::assert_well_formed;

/// A script whose answer depends on the host alone, and one whose rule says no.
const ECHO: &str = "const hostrule = true;\nfn action(host) { #{ \"me\": host.ip, \"n\": 1.5 } }";
const NEVER: &str = "fn hostrule(host) { false }\nfn action(host) { 1 }";

/// Sixty-four addresses of this machine; slow enough that a kill comes in between.
const ARGUMENTS: [&str; 9] = [
    "-p",
    "9,65533",
    "--script",
    "./echo.rhai,./never.rhai",
    "--max-rate",
    "150",
    "-rH",
    "--exclude",
    "127.0.40.60-61",
];
const TARGETS: &str = "127.0.40.0/26";
const HOSTS: usize = 62;

fn folder() -> Dir {
    let dir = Dir::new();
    dir.write("echo.rhai", ECHO);
    dir.write("never.rhai", NEVER);
    dir
}

fn whole(dir: &Path) -> Sonde {
    scan(ARGUMENTS).args([TARGETS]).within(dir)
}

/// What a report says, apart from when, and in which order.
fn timeless(report: &Report) -> Vec<String> {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                // What a capture saw is its own part's business.
                for name in ["started", "ended", "duration_seconds", "srtt_seconds", "packets"] {
                    fields.remove(name);
                }
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut lines: Vec<Value> = report.hosts().into_iter().cloned().collect();
    lines.push(report.end()["totals"].clone());
    lines.iter_mut().for_each(strip);
    let mut lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    lines.sort();
    lines
}

fn host_lines(text: &str) -> Vec<&str> {
    // The last line may be torn: what follows no line end was never read by anybody as a line.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().filter(|line| line.contains("\"type\":\"host\"")).collect()
}

/// Kills the run once it has reported `hosts` hosts; what it had reported.
fn kill_after(run: Sonde, hosts: usize) -> String {
    let mut run = run.start();
    run.wait_for_output("hosts", |text| host_lines(text).len() >= hosts);
    run.signal(Signal::KILL);
    let run = run.finish();
    assert_eq!(run.code, None, "it was killed: {run}");
    run.text()
}

#[test]
fn a_killed_run_goes_on_and_the_union_is_an_uninterrupted_run() {
    let dir = folder();
    let expected = whole(dir.path()).run().expect(0).report();
    assert_eq!(expected.hosts().len(), HOSTS);
    for (number, points) in [&[1][..], &[7, 30], &[20, 21, 40]].into_iter().enumerate() {
        let journal = format!("journal-{number}");
        let mut reported = Vec::new();
        for (part, hosts) in points.iter().enumerate() {
            let run = if part == 0 {
                whole(dir.path()).args(["--journal", &journal])
            } else {
                sonde(["--resume", &journal]).within(dir.path())
            };
            reported.push(kill_after(run, *hosts));
        }
        let xml = format!("scan-{number}.xml");
        let last = whole(dir.path()).args(["--resume", &journal, "-oX", &xml]).run().expect(0);
        assert_eq!(timeless(&last.report()), timeless(&expected), "killed after {points:?} hosts");
        let text = last.text();
        for line in reported.iter().flat_map(|text| host_lines(text)) {
            assert!(text.lines().any(|other| other == line), "reported and then changed: {line}");
        }
        let names = assert_well_formed(&dir.read(&xml));
        assert_eq!(names.iter().filter(|name| *name == "host").count(), HOSTS);
    }
}

#[test]
fn a_torn_last_line_costs_one_host_and_a_damaged_one_is_named() {
    let dir = folder();
    let expected = whole(dir.path()).run().expect(0).report();
    kill_after(whole(dir.path()).args(["--journal", "j"]), 10);
    let bytes = std::fs::read(dir.path().join("j")).expect("the journal");
    let ends: Vec<usize> = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    // Torn in the middle, before its line end, and followed by what a power cut leaves.
    let tears = [&bytes[..ends[5] - 40], &bytes[..ends[5] - 1], &[&bytes[..ends[5]], &[0; 100][..], b"\n"].concat()];
    for torn in tears {
        std::fs::write(dir.path().join("j"), torn).expect("written");
        let report = sonde(["--resume", "j"]).within(dir.path()).run().expect(0).report();
        assert_eq!(timeless(&report), timeless(&expected));
    }
    let mut damaged = bytes.clone();
    damaged[ends[2] - 10] = b'\x01';
    std::fs::write(dir.path().join("j"), damaged).expect("written");
    sonde(["--resume", "j"]).within(dir.path()).run().expect(2).says(&["--resume j: line 3 is damaged"]);
}

#[test]
fn an_interrupted_run_says_how_to_go_on_and_its_totals_add_up() {
    let dir = folder();
    let mut run = whole(dir.path()).args(["--journal", "j"]).start();
    run.wait_for_output("hosts", |text| host_lines(text).len() >= 5);
    run.signal(Signal::INT);
    let report = run.finish().expect(130).says(&["to go on: sonde --resume j"]).report();
    let stages = &report.end()["totals"]["stages"];
    let hosts = &stages["hosts"];
    assert_eq!(hosts["planned"], HOSTS);
    let count = |name: &str| hosts[name].as_u64().unwrap_or(0);
    assert_eq!(count("done"), report.hosts().len() as u64);
    assert_eq!(count("done") + count("cancelled") + count("skipped"), HOSTS as u64);
    assert_eq!(report.end()["ending"], "interrupted");
    let report = sonde(["--resume", "j"]).within(dir.path()).run().expect(0).report();
    assert_eq!(report.end()["totals"]["stages"]["hosts"], serde_json::json!({"planned": HOSTS, "done": HOSTS}));
    assert_eq!(report.end()["totals"]["stages"]["ports"], serde_json::json!({"planned": 2 * HOSTS, "done": 2 * HOSTS}));
    assert_eq!((report.count("echo", "done"), report.count("never", "rule-false")), (HOSTS as u64, HOSTS as u64));
}

#[test]
fn scripts_that_were_under_way_are_counted_as_cancelled() {
    let (peer, dir) = (Peer::silent(), Dir::new());
    dir.write("listen.rhai", "const portrule = #{};\nconst capabilities = [\"tcp\"];\nfn action(host, port) {\n    net::receive(net::connect(host, port))\n}");
    dir.write("after.rhai", "const portrule = #{};\nconst dependencies = [\"listen\"];\nfn action(host, port) { 1 }");
    let mut run =
        scan(["-p", &peer.port(), "--script", "./listen.rhai,./after.rhai", "--stats-every", "50ms", &peer.ip()])
            .args(["--script-operation-timeout", "1h"])
            .within(dir.path())
            .start();
    run.wait_for_errors("the script", |text| text.contains("1 alive"));
    run.signal(Signal::INT);
    let report = run.finish().expect(130).report();
    assert_eq!((report.count("listen", "cancelled"), report.count("after", "cancelled")), (1, 1));
    assert_eq!(report.end()["totals"]["stages"]["hosts"], serde_json::json!({"planned": 1, "cancelled": 1}));
}

#[test]
fn a_journal_of_another_scan_is_refused_by_name() {
    let dir = folder();
    let address = Peer::refusing();
    let run = |arguments: &[&str]| scan([&address.ip()]).args(arguments).within(dir.path()).run();
    run(&["-p", "9", "--journal", "j"]).expect(0);
    let again = run(&["-p", "9", "--journal", "j"]).expect(2);
    again.says(&["--journal j: it exists; go on with --resume j, or remove it"]);
    run(&["-p", "10", "--resume", "j"]).expect(2).says(&["of another scan: its ports were 9, here they are 10"]);
    run(&["-p", "9", "127.0.0.1", "--resume", "j"]).expect(2).says(&["of another scan: its targets were "]);
    run(&["-p", "9", "--shard", "1/2", "--resume", "j"]).expect(2).says(&["its shard was none, here it is 1/2"]);
    let scripts = run(&["-p", "9", "--script", "./echo.rhai", "--resume", "j"]).expect(2);
    scripts.says(&["of another scan: its scripts were"]);
    // Speed and reports are no part of it. Everything is done: nothing is probed, all is told again.
    let report = run(&["-p", "9", "-T4", "-v", "--resume", "j"]).expect(0).report();
    assert_eq!(report.end()["totals"]["stages"]["hosts"], serde_json::json!({"planned": 1, "done": 1}));
    for (content, problem) in [
        ("", "it has not even a first line"),
        ("{\"journal\":1", "it has not even a first line"),
        ("no journal\n", "it is no journal of sonde"),
        ("{\"journal\":2}\n", "it has version 2"),
        ("{\"journal\":1}\n", "its first line is damaged"),
    ] {
        dir.write("other", content);
        sonde(["--resume", "other"]).within(dir.path()).run().expect(2).says(&[problem]);
    }
    sonde(["--resume", "nowhere"]).within(dir.path()).run().expect(1).says(&["open nowhere: "]);
}

#[test]
fn a_journal_has_one_writer() {
    let dir = folder();
    let mut first = whole(dir.path()).args(["--journal", "j"]).start();
    first.wait_for_output("hosts", |text| !host_lines(text).is_empty());
    sonde(["--resume", "j"]).within(dir.path()).run().expect(2).says(&["j: another run is writing this journal"]);
    first.finish().expect(0);
}

#[test]
fn postrules_that_cannot_know_everything_make_the_run_incomplete() {
    let dir = folder();
    dir.write("post.rhai", "const postrule = true;\nfn action() { \"over\" }");
    let run = || scan(["-p", "9", "--script", "./post.rhai", "127.0.0.1"]).within(dir.path());
    run().args(["--journal", "j"]).run().expect(0);
    run().args(["--resume", "j"]).run().expect(3).says(&["postrules see only the hosts scanned from here on"]);
}

#[test]
fn targets_that_scripts_added_are_not_lost_with_the_run() {
    let dir = Dir::new();
    dir.write(
        "add.rhai",
        "const hostrule = true;\nconst capabilities = [\"add-targets\"];\n\
         fn action(host) { if host.ip.ends_with(\".1\") { targets::add(\"127.0.43.99\"); } }",
    );
    let arguments = ["-p", "9", "--script", "./add.rhai", "--max-rate", "100", "127.0.43.1-30", "--journal", "j"];
    kill_after(scan(arguments).within(dir.path()), 5);
    let report = sonde(["--resume", "j"]).within(dir.path()).run().expect(0).report();
    assert_eq!(report.hosts().len(), 31);
    report.host("127.0.43.99");
    assert_eq!(report.end()["totals"]["stages"]["hosts"], serde_json::json!({"planned": 31, "done": 31}));
}

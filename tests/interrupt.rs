//! Runs that end early: by a signal, by the time of a host. What is known is reported, and every document is whole.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::dir::Dir;
use crate::support::peer::Peer;
use crate::support::sonde::{Report, Running, scan, sonde};
use crate::support::xml::assert_well_formed;

/// A script that hears a peer to its end.
const LISTEN: &str = "const portrule = #{};\nconst capabilities = [\"tcp\"];\nfn action(host, port) {\n    \
                      let s = net::connect(host, port);\n    bytes::to_text(net::receive(s))\n}";

/// A run over a peer that greets and one that is silent, reported in every format; started once the first is done.
struct Stuck {
    quick: Peer,
    silent: Peer,
    dir: Dir,
    run: Running,
}

fn start(more: &[&str]) -> Stuck {
    let (quick, silent, dir) = (Peer::greeting("hello\n"), Peer::silent(), Dir::new());
    dir.write("listen.rhai", LISTEN);
    let ports = format!("{},{}", quick.port(), silent.port());
    let mut run = scan(["-p", &ports, "--script", "./listen.rhai", "--script-operation-timeout", "1h"])
        .args(["--script-timeout", "1h", "-oX", "scan.xml", "-oN", "scan.txt", "-oG", "scan.gnmap"])
        .args([quick.ip(), silent.ip()])
        .args(more)
        .within(dir.path())
        .start();
    run.wait_for_output("the first host", |text| text.contains("\"output\":\"hello\\n\""));
    silent.wait_for_connections(1); // the scan opens it, the script takes it over
    Stuck { quick, silent, dir, run }
}

/// Fails unless all four reports tell of the host that was done, and of the interruption.
fn assert_whole(dir: &Path, json: &str, quick: &str) {
    let report = Report::parse(json);
    assert_eq!(report.script("listen")["output"], "hello\n");
    assert_eq!(report.end()["ending"], "interrupted");
    assert_eq!(report.end()["totals"]["unfinished"], 1);
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).expect("the report is there");
    let xml = read("scan.xml");
    let names = assert_well_formed(&xml);
    assert_eq!(names.first().map(String::as_str), Some("nmaprun"));
    assert!(names.iter().any(|name| name == "runstats") && xml.contains(quick), "{xml}");
    for name in ["scan.txt", "scan.gnmap"] {
        assert!(read(name).contains(quick), "{name} lost what was known");
    }
    assert!(read("scan.txt").to_lowercase().contains("interrupted"), "{}", read("scan.txt"));
}

#[test]
fn an_interrupt_leaves_whole_reports_and_code_130() {
    for signal in [Signal::INT, Signal::TERM] {
        let stuck = start(&[]);
        stuck.run.signal(signal);
        let run = stuck.run.finish().expect(130);
        assert_whole(stuck.dir.path(), &run.text(), &stuck.quick.ip());
        assert!(!run.stderr.contains("panic"), "{run}");
        drop(stuck.silent);
    }
}

#[test]
fn scripts_of_a_host_still_being_scanned_are_counted() {
    let (spoken, heard) = mpsc::channel();
    let peer = Peer::start(move |talk| {
        talk.read_request();
        spoken.send(()).expect("the test listens");
        talk.drain();
    });
    let dir = Dir::new();
    dir.write("listen.rhai", LISTEN.replace("    bytes", "    net::send(s, \"hello\\r\\n\\r\\n\");\n    bytes"));
    let ports = format!("{},65535", peer.port());
    let words = ["-sT", "-Pn", "-r", "--scan-delay", "1h", "-p", &ports, "--script", "./listen.rhai", &peer.ip()];
    let run = scan(words).within(dir.path()).start();
    heard.recv_timeout(Duration::from_mins(1)).expect("the script speaks to the first port; the second is not due yet");
    run.signal(Signal::INT);
    let run = run.finish().expect(130);
    assert_eq!(run.report().end()["totals"]["scripts"], serde_json::json!({ "listen": { "cancelled": 1 } }), "{run}");
}

#[test]
fn a_second_signal_does_no_harm() {
    let stuck = start(&[]);
    stuck.run.signal(Signal::INT);
    stuck.run.signal(Signal::INT);
    // At once or in good order: both are the user's wish.
    let run = stuck.run.finish().expect(130);
    assert!(run.text().contains("hello"), "what was printed stays: {run}");
}

#[test]
fn an_interrupt_ends_a_script_that_computes() {
    let dir = Dir::new();
    dir.write(
        "spin.rhai",
        "const hostrule = true;\nfn action(host) {\n    script::log(\"error\", \"spinning\");\n    loop { }\n}",
    );
    let peer = Peer::silent();
    let mut run = scan(["-p", &peer.port(), "--script", "./spin.rhai", "--script-timeout", "1h", &peer.ip()])
        .args(["--script-max-operations", "1000g"])
        .within(dir.path())
        .start();
    run.wait_for_errors("the script's word", |text| text.contains("spinning"));
    run.signal(Signal::INT);
    let report = run.finish().expect(130).report();
    assert_eq!(report.end()["ending"], "interrupted");
}

#[test]
fn an_interrupt_ends_a_scan_of_silence() {
    // Nobody answers on a listener whose queue is full, so every probe waits.
    let full = Peer::saturated();
    let dir = Dir::new();
    let mut run = sonde(["-n", "-Pn", "-p", &full.port(), "--connect-timeout", "1h", &full.ip()])
        .args(["--json", "-oX", "scan.xml", "-v"])
        .within(dir.path())
        .start();
    run.wait_for_output("the start", |text| text.contains("run_start"));
    run.signal(Signal::INT);
    let report = run.finish().expect(130).report();
    assert_eq!(report.end()["ending"], "interrupted");
    assert_eq!(report.end()["totals"]["unfinished"], 1);
    assert_well_formed(&dir.read("scan.xml"));
}

#[test]
fn a_host_whose_time_is_up_keeps_what_is_known_and_says_so() {
    let (quick, silent, dir) = (Peer::greeting("hello\n"), Peer::silent(), Dir::new());
    dir.write("listen.rhai", LISTEN);
    let ports = format!("{},{}", quick.port(), silent.port());
    let run = scan(["-p", &ports, "--script", "./listen.rhai", "--script-operation-timeout", "1h"])
        .args(["--host-timeout", "1s", "-oX", "scan.xml", "-oN", "scan.txt", &quick.ip(), &silent.ip()])
        .within(dir.path())
        .run()
        .expect(3);
    let report = run.report();
    let (done, late) = (report.host(&quick.ip()), report.host(&silent.ip()));
    assert_eq!([&done["timed_out"], &late["timed_out"]], [false, true]);
    assert_eq!(Report::open_ports(late), [silent.address().port()], "its ports are still known");
    let scripts = report.scripts("listen");
    let ended: Vec<_> = scripts.iter().map(|script| script["outcome"].as_str().unwrap_or_default()).collect();
    assert!(ended.contains(&"done") && ended.contains(&"timed-out"), "{ended:?}");
    let timed_out = scripts.iter().find(|script| script["outcome"] == "timed-out");
    assert_eq!(timed_out.map(|script| &script["failure"]["class"]), Some(&"host-timeout".into()));
    assert_eq!(report.end()["ending"], "incomplete");
    assert_eq!(report.end()["totals"]["unfinished"], 1);
    assert!(dir.read("scan.xml").contains("timedout=\"true\""), "{}", dir.read("scan.xml"));
    assert_well_formed(&dir.read("scan.xml"));
    assert!(dir.read("scan.txt").contains("--host-timeout"), "{}", dir.read("scan.txt"));
}

#[test]
fn a_host_whose_time_is_up_while_ports_are_scanned_is_marked() {
    let full = Peer::saturated();
    let arguments = ["-Pn", "-p", &full.port(), "--connect-timeout", "1h", "--host-timeout", "300ms", &full.ip()];
    let report = scan(arguments).run().expect(3).report();
    assert_eq!(report.host(&full.ip())["timed_out"], true);
    assert_eq!(report.end()["totals"]["ports"], 0, "no port was found out");
}

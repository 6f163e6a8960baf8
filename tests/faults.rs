//! Recorded runs in which answers are lost, late, cut and changed: whatever a path or a peer does, a run ends, nothing of
//! it is lost, and the same seed spoils the same.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::dir::Dir;
use crate::support::names::NameServer;
use crate::support::peer::Peer;
use crate::support::servers;
use crate::support::sonde::{PROGRAM, Report, Run, Sonde, scan, sonde};

/// Seeds each recording is driven through.
const SEEDS: u64 = 200;
/// Address space a replay may take, in KiB: stacks, the engine, the recording, and what scripts keep.
const MEMORY: u64 = 1 << 20;

/// Exit codes.
const COMPLETE: Option<i32> = Some(0);
const INCOMPLETE: Option<i32> = Some(3);

/// Records `run`.
fn record(dir: &Dir, run: Sonde) -> PathBuf {
    let file = dir.join("run.pcapng");
    let run = run.args(["--record".as_ref(), file.as_os_str()]).run();
    assert!([COMPLETE, INCOMPLETE].contains(&run.code), "{run}");
    file
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

/// Drives a recording through all seeds. Returns how often each outcome of a script came.
fn drive(file: &Path) -> BTreeMap<String, u64> {
    let mut outcomes = BTreeMap::new();
    let mut faults = 0;
    for seed in 1..=SEEDS {
        let run = spoilt(file, seed);
        assert!(!run.stderr.contains("panicked"), "seed {seed}: {run}");
        // A run in which nobody can go on names who waits; none does.
        let named = run.stderr.contains("the replay stands still");
        assert!([COMPLETE, INCOMPLETE].contains(&run.code) && !named, "seed {seed}: {run}");
        let left = "0 threads alive, 0 sockets open, 0 stacks in use, locks idle";
        assert!(run.stderr.contains(left), "seed {seed}: {run}");
        faults += u64::from(!run.stderr.contains(&format!("replay: faults of seed {seed}: none")));
        let report = run.report();
        nothing_is_lost(&report, seed);
        for counts in report.end()["totals"]["scripts"].as_object().into_iter().flatten() {
            for (outcome, count) in counts.1.as_object().into_iter().flatten() {
                *outcomes.entry(outcome.clone()).or_default() += count.as_u64().unwrap_or(0);
            }
        }
        if seed % 50 == 0 {
            let again = spoilt(file, seed);
            assert_eq!((again.stdout, again.stderr), (run.stdout, run.stderr), "seed {seed} is not repeatable");
        }
    }
    assert!(faults > SEEDS / 3, "only {faults} of {SEEDS} runs had a fault");
    outcomes
}

/// Every planned instance has its record, every host its line, and the totals add up.
fn nothing_is_lost(report: &Report, seed: u64) {
    let totals = &report.end()["totals"];
    let count = |name: &str| totals[name].as_u64().unwrap_or(u64::MAX);
    let hosts = report.hosts();
    assert_eq!(hosts.len() as u64, count("up") + count("down"), "seed {seed}: hosts of {:#?}", report.lines);
    assert_eq!(count("unfinished"), 0, "seed {seed}: {totals}");
    let listed = |host: &&Value| {
        let ports = host["ports"].as_array().map_or(0, Vec::len) as u64;
        let folded = host["folded"].as_array().into_iter().flatten();
        ports + folded.filter_map(|fold| fold["count"].as_u64()).sum::<u64>()
    };
    assert_eq!(hosts.iter().map(listed).sum::<u64>(), count("ports"), "seed {seed}: ports");
    for (id, outcomes) in totals["scripts"].as_object().expect("totals of scripts") {
        let outcomes = outcomes.as_object().into_iter().flatten();
        let reported = outcomes.filter(|(outcome, _)| *outcome != "rule-false");
        let planned: u64 = reported.filter_map(|(_, count)| count.as_u64()).sum();
        let records = report.records(id).len();
        assert_eq!(records as u64, planned, "seed {seed}: records of {id}");
    }
}

#[test]
fn titles_headers_and_methods_of_a_web_server() {
    let Some(server) = servers::nginx("location = /a { return 200 '<title>A</title>'; }") else { return };
    let dir = Dir::new();
    let scripts = "+http-title,+http-headers,+http-methods,+http-favicon,+http-robots.txt";
    let run = scan(["-p", &format!("{},1", server.port()), "--script", scripts, &server.ip()]);
    let outcomes = drive(&record(&dir, run));
    assert!(outcomes["done"] > 0 && outcomes["failed"] > 0, "{outcomes:?}");
}

#[test]
fn a_spider_on_a_web_server() {
    let pages = "location = / { default_type text/html; return 200 '<a href=/a>a</a><a href=/b>b</a>'; }
        location = /a { default_type text/html; return 200 '<a href=/b>b</a>'; }
        location = /b { default_type text/html; return 200 '<a href=/a>a</a>'; }";
    let Some(server) = servers::nginx(pages) else { return };
    let dir = Dir::new();
    let run = scan(["-p", &server.port(), "--script", "+http-sitemap-generator", &server.ip()]);
    let outcomes = drive(&record(&dir, run));
    assert!(outcomes["done"] > 0, "{outcomes:?}");
}

#[test]
fn certificates_and_clocks_over_tls() {
    let Some(server) = servers::nginx_tls("") else { return };
    let dir = Dir::new();
    let run = scan(["-p", &server.port(), "--script", "+ssl-cert,+ssl-date", &server.ip()]);
    let outcomes = drive(&record(&dir, run));
    assert!(outcomes["done"] > 0 && outcomes["failed"] > 0, "{outcomes:?}");
}

#[test]
fn keys_and_algorithms_of_an_ssh_server() {
    let Some(server) = servers::sshd(&["ed25519"], "") else { return };
    let dir = Dir::new();
    let run = scan(["-p", &server.port(), "--script", "+ssh-hostkey,+ssh2-enum-algos,+ssh-auth-methods", &server.ip()]);
    let outcomes = drive(&record(&dir, run));
    assert!(outcomes["done"] > 0 && outcomes["failed"] > 0, "{outcomes:?}");
}

#[test]
fn greetings() {
    let peer = Peer::greeting("220 ready\r\n");
    let dir = Dir::new();
    let run =
        scan(["-p", &peer.port(), "--script", "+banner", &peer.ip()]).args(["--script-args", "banner.timeout=1s"]);
    let outcomes = drive(&record(&dir, run));
    assert!(outcomes["done"] > 0, "{outcomes:?}");
}

#[test]
fn lookups_of_names() {
    let names = NameServer::knowing(&[("a.example", "192.0.2.1".parse().expect("an address"))]);
    let peer = Peer::refusing();
    let dir = Dir::new();
    let run = sonde(["--json", "--dns-servers", &names.server(), "--script", "resolver-check", "-p", &peer.port()])
        .args([peer.ip().as_str(), "--script-args", "names={a.example,none.example,localhost}"]);
    let outcomes = drive(&record(&dir, run));
    assert!(outcomes["done"] > 0, "{outcomes:?}");
}

/// Datagrams sent by [`OWN`].
const PINGS: usize = 5;
/// Datagrams, and workers side by side.
const OWN: &str = r#"
/// Talks in every way.
///
/// Example output:
///
///     7/tcp open echo
///     |_own: done
const categories = ["safe"];
const capabilities = ["tcp", "udp"];
const portrule = #{ protocol: "tcp", ports: [1] };

fn talk(host, port, n) {
    let s = net::connect(host, port);
    net::send(s, "hello " + n + "\n");
    bytes::to_text(net::receive_lines(s, 1))
}

fn action(host, port) {
    let out = [];
    let sock = net::udp(host, PORT);
    for n in 0..PINGS {
        net::send(sock, "ping " + n);
        try { out.push(bytes::to_text(net::receive(sock))); } catch (e) { out.push(e.kind); }
    }
    let all = [];
    for n in 0..8 { all.push(worker::start(|| talk(host, port, n))); }
    for w in all { try { out.push(worker::join(w)); } catch (e) { out.push(e.kind); } }
    out
}
"#;

#[test]
fn datagrams_and_workers() {
    let peer = Peer::echo();
    let echo = UdpSocket::bind((peer.address().ip(), 0)).expect("a port");
    echo.set_read_timeout(Some(Duration::from_mins(1))).expect("a limit");
    let port = echo.local_addr().expect("it is bound").port();
    let answering = thread::spawn(move || {
        let mut buffer = [0; 64];
        for _ in 0..PINGS {
            let Ok((length, from)) = echo.recv_from(&mut buffer) else { return };
            echo.send_to(&buffer[..length], from).expect("loopback takes it");
        }
    });
    let dir = Dir::new();
    dir.write("spoilt.rhai", OWN.replace("PORT", &port.to_string()).replace("PINGS", &PINGS.to_string()));
    let folder = dir.path().display().to_string();
    let run = scan(["-p", &peer.port(), "--script-dir", &folder, "--script", "+spoilt", &peer.ip()]);
    let file = record(&dir, run.args(["--script-operation-timeout", "1s"]));
    answering.join().expect("it answered");
    let outcomes = drive(&file);
    assert!(outcomes["done"] > 0, "{outcomes:?}");
}

#[test]
fn a_wrong_seed_and_a_run_that_is_no_replay_are_named() {
    sonde(["--replay", "x", "--replay-faults", "many"]).run().expect(2).says(&["--replay-faults 'many': not a seed"]);
    sonde(["--replay-faults", "1", "127.0.0.1"]).run().expect(2).says(&["--replay-faults is for replays"]);
}

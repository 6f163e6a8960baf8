//! `--simulate`: a whole run against the network a file describes, from the command line.

use crate::support::dir::Dir;
use crate::support::sonde::{Run, Sonde, sonde};

/// The shipped examples.
const CAMPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/simulation/campus.toml");
const POPULATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/simulation/population.toml");

fn simulated(scenario: &str, words: &[&str]) -> Sonde {
    sonde(["--json", "--simulate", scenario]).args(words)
}

#[test]
fn the_campus_talks_on_its_servers() {
    let words = ["-p", "21,22,25,80,443,444", "--script", "banner,http-title", "10.0.0.0/28"];
    let report = simulated(CAMPUS, &words).run().expect(0).report();
    assert_eq!(report.hosts().len(), 16);
    let host = report.host("10.0.0.3");
    assert_eq!(host["names"], serde_json::json!(["srv10-0-0-3.example"]));
    let ports = host["ports"].as_array().expect("ports");
    let states: Vec<_> = ports.iter().map(|port| (port["port"].as_u64(), port["state"].as_str())).collect();
    let expected = [(21, "open"), (22, "open"), (25, "open"), (80, "open"), (443, "filtered"), (444, "closed")];
    assert_eq!(states, expected.map(|(port, state)| (Some(port), Some(state))));
    assert_eq!(ports[0]["scripts"][0]["output"], "220 campus FTP", "{host:#}");
    let title = ports[3]["scripts"].as_array().expect("scripts").iter().find(|script| script["id"] == "http-title");
    assert_eq!(title.expect("a title")["output"], "A workstation", "port 80 is forwarded: {host:#}");
}

#[test]
fn the_same_seed_prints_the_same_bytes_and_another_one_other_hosts() {
    let run = |seed: &str| -> Run {
        let words = ["-p", "22,80", "--script", "banner", "--seed", seed, "10.0.1.0/24"];
        simulated(CAMPUS, &words).run().expect(0)
    };
    let (one, again, other) = (run("1"), run("1"), run("2"));
    assert_eq!((&one.stdout, &one.stderr), (&again.stdout, &again.stderr));
    let up = |run: &Run| run.report().end()["totals"]["up"].clone();
    assert_ne!(up(&one), up(&other));
    let without = simulated(CAMPUS, &["-p", "22,80", "--script", "banner", "10.0.1.0/24"]).run().expect(0);
    assert_eq!(up(&without), up(&run("0")), "without a seed it is 0");
}

#[test]
fn thousands_of_hosts_each_once() {
    let run = simulated(POPULATION, &["-n", "-d", "-p", "22,80,443", "10.3.0.0/20"]).run().expect(0);
    let run = run.says(&["0 sockets open", "SYNs and 0 datagrams arrived"]);
    let report = run.report();
    let addresses: std::collections::BTreeSet<_> =
        report.hosts().iter().map(|host| host["address"].to_string()).collect();
    assert_eq!((addresses.len(), report.hosts().len()), (4096, 4096));
    let totals = &report.end()["totals"];
    assert_eq!(totals["up"].as_u64().zip(totals["down"].as_u64()).map(|(up, down)| up + down), Some(4096));
    let of_those_up = totals["up"].as_u64().map(|up| up * 3);
    assert_eq!((totals["ports"].as_u64(), &totals["unfinished"]), (of_those_up, &0.into()));
}

#[test]
fn what_is_wrong_with_a_scenario_is_named() {
    let dir = Dir::new();
    let refused = |content: &[u8], parts: &[&str]| {
        let file = dir.write("bad.toml", content).display().to_string();
        let run = simulated(&file, &["10.0.0.1"]).run().expect(2).says(&["bad.toml: "]).says(parts);
        assert!(run.stdout.is_empty(), "{run}");
    };
    refused(b"", &["it has no hosts"]);
    refused(b"\xff", &["not UTF-8 at byte 0"]);
    refused(b"[[hosts]]\naddrs = [\"10.0.0.0/33\"]\n", &["line 2", "no address or prefix"]);
    refused(b"[link]\nlos = 1\n", &["line 2", "unknown field `los`"]);
    refused(b"[[hosts]]\naddrs = [\"10.0.0.1\"]\ntcp = [{ ports = \"1\", service = \"x\" }]\n", &["no service `x`"]);
    simulated("/nowhere/x.toml", &["10.0.0.1"]).run().expect(2).says(&["/nowhere/x.toml"]);
    simulated(CAMPUS, &[]).run().expect(2).says(&["no targets given"]);
}

#[test]
fn scripts_that_send_packets_are_answered_by_the_model() {
    let words = ["-sT", "-n", "-d", "-p", "22", "--script", "icmp-timestamp,tcp-timestamps", "10.0.0.1"];
    let run = simulated(CAMPUS, &words)
        .run()
        .expect(0)
        .says(&["; 9 raw packets arrived, 5 were sent back, 0 were malformed"]);
    let report = run.report();
    let host = report.host("10.0.0.1");
    let output = |id: &str| {
        let scripts = host["scripts"].as_array().expect("scripts");
        scripts.iter().find(|script| script["id"] == id).expect(id)["output"].clone()
    };
    assert_eq!(output("tcp-timestamps")[0]["rate"], 1000, "{host:#}");
    assert_eq!(output("icmp-timestamp")["offset"], 0, "{host:#}");
}

#[test]
fn a_trace_shows_the_virtual_time_of_each_step() {
    let words = ["-n", "-p", "25", "--script", "+banner", "--script-trace", "10.0.0.1"];
    let run = simulated(CAMPUS, &words).run().expect(0);
    // The server waits for a second before it speaks, and nobody waited.
    let line =
        run.stderr.lines().find(|line| line.contains("banner receive 10.0.0.1:25")).expect("a line of the greeting");
    assert!(line.starts_with("sonde: trace +1.0") && line.contains("220 mail.example"), "{line}");
}

#[test]
fn why_a_script_said_nothing() {
    let why = |asked: &str, script: &str, ports: &str| -> Run {
        let words = ["-n", "-p", ports, "--script", script, "--why", asked, "10.0.0.1"];
        simulated(CAMPUS, &words).run().expect(0)
    };
    // A rule of data that does not hold, part by part.
    why("http-title@10.0.0.1:22", "http-title", "22").says(&[
        "why http-title@10.0.0.1:22: its portrule did not hold: neither port 22 nor service ssh is listed: ports [",
    ]);
    why("http-title@10.0.0.1:443", "http-title", "443").says(&["the state is filtered, the rule wants open"]);
    // One that ran and heard nothing: line, arguments, bytes and outcome.
    let run = why("http-title@10.0.0.1:22", "+http-title", "22");
    run.says(&[
        "why http-title@10.0.0.1:22: its portrule held; arguments: ",
        "last line reached: ",
        "sent ",
        "GET / HTTP",
        "SSH-2.0-Campus",
        "outcome: ",
    ]);
    // One that was never started.
    why("banner@10.0.0.9", "banner", "22").says(&["why banner@10.0.0.9: it was not started"]);
    let refused = |asked: &str, part: &str| {
        simulated(CAMPUS, &["--script", "banner", "--why", asked, "10.0.0.1"]).run().expect(2).says(&[part]);
    };
    refused("nothing", "--why nothing: it is none of the scripts of this run; add --script nothing");
    refused("banner@host", "--why banner@host: write an address, or an address and a port");
}

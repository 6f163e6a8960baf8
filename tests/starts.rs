//! When scripts start: as soon as what their rules ask about is known, whatever else is still being found out.

use serde_json::Value;

use crate::support::dir::Dir;
use crate::support::sonde::{Report, Run, sonde};

/// One port that answers at once, and others that never do.
const SCENARIO: &str = r#"
sources = ["10.0.255.1"]
name_delay = "60s"
[link]
delay = "5ms"
[[hosts]]
addrs = ["10.0.0.1"]
name = "h{ip}.example"
otherwise = "silent"
tcp = [{ ports = "22", service = "ssh" }, { ports = "1" , state = "closed" }]
[services.ssh]
talk = [{ say = "SSH-2.0-x\r\n" }, { close = true }]
"#;

const SCRIPTS: [(&str, &str); 6] = [
    ("early", "const portrule = #{ ports: [22] };\nfn action(host, port) { host.port(22, \"tcp\").state }"),
    ("patient", "const portrule = #{ ports: [22] };\nfn action(host, port) { host.ports().len() }"),
    ("after", "const dependencies = [\"early\"];\nconst portrule = #{ ports: [22] };\nfn action(host, port) { 1 }"),
    ("always", "const hostrule = true;\nfn action(host) { `${host.ip} is up by ${host.reason}` }"),
    ("named", "const portrule = #{ ports: [22] };\nfn action(host, port) { host.name }"),
    ("asked", "fn hostrule(host) { host.ports().len() == 22 }\nfn action(host) { host.reason }"),
];

/// Runs all of [`SCRIPTS`] against [`SCENARIO`].
fn simulated(words: &[&str]) -> Report {
    run(words).expect(0).report()
}

fn run(words: &[&str]) -> Run {
    let dir = Dir::new();
    let scenario = dir.write("network.toml", SCENARIO).display().to_string();
    let paths = SCRIPTS.map(|(id, text)| dir.write(&format!("{id}.rhai"), text).display().to_string());
    let fixed = ["--json", "--script", &paths.join(","), "--simulate", &scenario, "10.0.0.1"];
    sonde(fixed).args(words).run()
}

/// Runs one script of two ports, names looked up.
fn with(id: &str, text: &str, words: &[&str]) -> Report {
    let dir = Dir::new();
    let scenario = dir.write("network.toml", SCENARIO).display().to_string();
    let script = dir.write(&format!("{id}.rhai"), text).display().to_string();
    let fixed = ["--json", "-sT", "-p", "1,22", "-PS22", "--script", &script, "--simulate", &scenario, "10.0.0.1"];
    let run = sonde(fixed).args(words).run();
    assert!(matches!(run.code, Some(0 | 3)), "{run}");
    run.report()
}

/// Seconds from the start of the only host to `time`.
fn seconds(report: &Report, time: &Value) -> f64 {
    let of = |time: &Value| {
        let text = time.as_str().expect("a time");
        let (_, clock) = text.trim_end_matches('Z').split_once('T').expect("RFC 3339");
        clock.split(':').map(|part| part.parse::<f64>().expect("a number")).fold(0.0, |sum, part| sum * 60.0 + part)
    };
    of(time) - of(&report.host("10.0.0.1")["started"])
}

#[test]
fn a_script_does_not_wait_for_ports_its_rule_does_not_ask_about() {
    for scan in [["-sT", "-PS22"], ["-sS", "-PE"]] {
        let report = simulated(&[&["-n", "-p", "1-22"], &scan[..]].concat());
        let host = report.host("10.0.0.1");
        let scanned = seconds(&report, &host["ended"]);
        assert!(scanned > 0.1, "silence takes its time: {scanned}");
        let began = |id: &str| seconds(&report, &report.script(id)["started"]);
        let ended = |id: &str| began(id) + report.script(id)["duration_seconds"].as_f64().expect("seconds");
        for (id, output) in [("early", Value::from("open")), ("patient", Value::from(22)), ("after", Value::from(1))] {
            assert_eq!(report.script(id)["output"], output, "{id} {scan:?}");
        }
        assert!(began("early") < 0.1 && ended("early") < 0.1, "{host:#}");
        assert!(began("patient") < 0.1 && ended("patient") > scanned - 0.1, "it waits for all ports: {host:#}");
        assert!(began("after") > scanned - 0.1, "what it depends on may start as long as ports are scanned: {host:#}");
        assert!(began("always") < 0.1, "the host is known to be up: {host:#}");
        assert!(began("asked") > scanned - 0.1, "{host:#}");
        assert!(
            report.script("always")["output"].as_str().is_some_and(|output| output.starts_with("10.0.0.1 is up by "))
        );
    }
}

#[test]
fn why_a_host_is_up_is_waited_for_where_only_its_ports_can_tell() {
    let report = simulated(&["-n", "-sT", "-p", "22,23"]); // few ports: no question before them
    assert_eq!(report.script("early")["output"], "open");
    assert_eq!(report.script("always")["output"], "10.0.0.1 is up by syn-ack");
    let begins = ["early", "always"].map(|id| seconds(&report, &report.script(id)["started"]));
    assert!(begins[0] < 0.1 && begins[1] > 0.1, "{begins:?}");
}

#[test]
fn a_name_is_waited_for_by_who_asks_for_it_and_by_nobody_else() {
    for scan in [["-sT", "-PS22"], ["-sS", "-PE"]] {
        let report = simulated(&[&["-p", "1,22"], &scan[..]].concat());
        let named = report.script("named");
        assert_eq!(named["output"], "h10-0-0-1.example");
        assert!(seconds(&report, &named["started"]) < 0.1, "{named:#}");
        assert!(named["duration_seconds"].as_f64().is_some_and(|seconds| seconds > 59.9), "{named:#}");
        let ended = seconds(&report, &report.script("early")["started"]);
        assert!(ended < 0.1, "{ended}");
        assert_eq!(report.host("10.0.0.1")["names"], serde_json::json!(["h10-0-0-1.example"]));
    }
}

#[test]
fn threads_wait_for_their_host_without_locking_each_other_out() {
    let action = "fn action(host, port) {\n    let get = || host.name;\n    let first = worker::start(|| host.name);\n    \
                  let second = worker::start(|| get.call());\n    let third = worker::start(|| host.ports().len());\n    \
                  worker::pause();\n    [host.ip, worker::join(first), worker::join(second), worker::join(third)]\n}";
    let report = with("threads", &format!("const portrule = #{{ ports: [22] }};\n{action}"), &[]);
    let name = "h10-0-0-1.example";
    assert_eq!(report.script("threads")["output"], serde_json::json!(["10.0.0.1", name, name, 2]));
}

#[test]
fn waiting_is_not_charged_and_gives_no_more_time() {
    let waiting = "fn action(host, port) {\n    worker::sleep(0.999);\n    host.name\n}";
    let report = with("x", &format!("const portrule = #{{ ports: [22] }};\n{waiting}"), &["--script-timeout", "1s"]);
    assert_eq!(report.script("x")["output"], "h10-0-0-1.example");
    let after = "fn action(host, port) {\n    host.name;\n    worker::sleep(1.001);\n}";
    let report = with("x", &format!("const portrule = #{{ ports: [22] }};\n{after}"), &["--script-timeout", "1s"]);
    assert_eq!(report.script("x")["outcome"], "timed-out");
    // A worker's own limit counts from its start.
    let worker = "fn action(host, port) {\n    host.name;\n    let began = script::now();\n    \
                  let worker = worker::start_timed(0.1, || worker::sleep(3600), []);\n    \
                  try { worker::join(worker) } catch { }\n    script::now() - began < 0.2\n}";
    let report = with("x", &format!("const portrule = #{{ ports: [22] }};\n{worker}"), &[]);
    assert_eq!(report.script("x")["output"], true, "{:#}", report.script("x"));
}

#[test]
fn a_host_whose_time_is_up_keeps_what_its_scripts_have_found() {
    let report = run(&["-n", "-p", "1-22", "-sS", "-PE", "--host-timeout", "50ms"]).expect(3).report();
    let host = report.host("10.0.0.1");
    assert_eq!(host["timed_out"], true, "{host:#}");
    assert_eq!(report.script("early")["output"], "open");
    assert_eq!(report.script("patient")["outcome"], "timed-out");
    let totals = &report.end()["totals"]["scripts"];
    assert_eq!(totals["early"], serde_json::json!({ "done": 1 }));
    assert_eq!(totals["patient"], serde_json::json!({ "timed-out": 1 }));
}

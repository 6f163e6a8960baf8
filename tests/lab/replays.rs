//! What scripts sent and captured raw, recorded in a network of its own and replayed when that network is gone: by a user
//! without any privilege, in a namespace without interfaces.

use std::path::PathBuf;

use serde_json::Value;

use super::topology::Lab;
use crate::support::dir::{Dir, copy};
use crate::support::sonde::{PROGRAM, Report, Run, Sonde, sonde};

/// Every record of a script, wherever it stands.
fn records(report: &Report) -> Vec<Value> {
    let mut found = Vec::new();
    for line in &report.lines {
        let ports = line["ports"].as_array().into_iter().flatten();
        for list in ports.map(|port| &port["scripts"]).chain([&line["scripts"]]) {
            for record in list.as_array().into_iter().flatten() {
                found.push(serde_json::json!([record["id"], record["outcome"], record["output"], record["failure"]]));
            }
        }
    }
    found
}

/// A place everybody may read; gone when dropped.
struct Open(PathBuf);

impl Open {
    fn new(name: &str) -> Open {
        let path = std::env::temp_dir().join(format!("sonde-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("room for temporary files");
        Open(path)
    }

    fn take(&self, from: &std::path::Path, name: &str) -> String {
        let path = self.0.join(name);
        copy(from, &path);
        path.to_str().expect("a plain path").to_owned()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Records a run on `a`, removes the lab, and replays twice; the live report.
#[track_caller]
fn same_again(name: &str, lab: Lab, arguments: &[&str]) -> (Report, Dir) {
    let dir = Dir::new();
    let file = dir.join("run.pcapng");
    let live = lab.scan("a", arguments).args(["--record".as_ref(), file.as_os_str()]).run().expect(0).report();
    drop(lab);
    let open = Open::new(name);
    let (program, copy) = (open.take(PROGRAM.as_ref(), "program"), open.take(&file, "run.pcapng"));
    let again = || -> Run {
        let words = ["-n", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"];
        let words = [&words[..], &[&program, "--replay", &copy, "--json"]].concat();
        Sonde::command("unshare").args(words).run().expect(0)
    };
    let (first, second) = (again(), again());
    assert_eq!(first.stderr, "", "{first}");
    assert_eq!(first.stdout, second.stdout, "two replays differ");
    assert_eq!(records(&first.report()), records(&live), "{first}");
    assert!(!records(&live).is_empty(), "{:?}", live.lines);
    (live, dir)
}

#[test]
fn record_route() {
    let Some(lab) = Lab::path() else { return };
    let (live, _) = same_again("record-route", lab, &["-p", "80", "--script", "record-route", "10.67.4.2"]);
    assert_eq!(live.script("record-route")["output"]["host"], "10.67.4.2");
}

#[test]
fn icmp_timestamp() {
    let Some(lab) = Lab::flat(2) else { return };
    let (live, _) = same_again("icmp-timestamp", lab, &["-p", "80", "--script", "icmp-timestamp", "10.66.0.2"]);
    assert!(live.script("icmp-timestamp")["output"]["offset"].is_i64());
}

#[test]
fn p0f() {
    let Some(lab) = Lab::nat() else { return };
    let ports = [("x1", 80), ("x2", 22), ("x3", 23)].map(|(role, port)| lab.host(role).listen(port));
    let (live, _) = same_again("p0f", lab, &["-p", "22,23,80", "--script", "p0f", "10.68.0.1"]);
    drop(ports);
    assert_eq!(live.scripts("p0f").len(), 3);
}

#[test]
fn sniffer_detect() {
    let Some(lab) = Lab::macvlan() else { return };
    let brief = ["--script-args", "sniffer-detect.timeout=200ms", "-p", "80", "--script", "sniffer-detect"];
    let (live, _) = same_again("sniffer-detect", lab, &[&brief[..], &["10.70.0.3"]].concat());
    assert_eq!(live.script("sniffer-detect")["output"]["promiscuous"], "likely");
}

#[test]
fn arp_discover() {
    let Some(lab) = Lab::flat(4) else { return };
    let (live, _) = same_again("arp-discover", lab, &["-sT", "-p", "80", "--script", "arp-discover"]);
    assert_eq!(live.script("arp-discover")["output"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_packet_that_differs_is_shown_beside_the_recorded_one() {
    let Some(lab) = Lab::path() else { return };
    let (_, dir) = same_again("differs", lab, &["-sT", "-Pn", "-p", "80", "--script", "record-route", "10.67.4.2"]);
    // Another seed draws another identifier.
    let file = dir.join("run.pcapng");
    let strict = sonde(["--replay".as_ref(), file.as_os_str()]).args(["--json", "--seed", "99"]).run().expect(5);
    let strict = strict.says(&["differs at byte ", "(packet ", "recorded ", ", now ", "did not send it"]);
    let failure = strict.report().script("record-route")["failure"].clone();
    assert_eq!(failure["class"], "replay", "{failure:#}");
    assert!(failure["position"]["line"].as_u64().is_some_and(|line| line > 1), "{failure:#}");
}

#[test]
fn a_recording_without_packets_does_not_ask_for_privileges() {
    let Some(lab) = Lab::flat(2) else { return };
    let dir = Dir::new();
    let file = dir.join("run.pcapng");
    lab.scan("a", &["-sT", "-p", "80", "10.66.0.2"]).args(["--record".as_ref(), file.as_os_str()]).run().expect(0);
    drop(lab);
    let again = sonde(["--replay".as_ref(), file.as_os_str()]).args(["--json", "--script", "icmp-timestamp"]).run();
    assert!(again.stderr.contains("packets are not possible (the recording holds none)"), "{again}");
    assert!(!again.stderr.contains("root") && !again.stderr.contains("setcap"), "{again}");
}

#[test]
fn a_scan_with_packets_comes_to_the_same_again() {
    let Some(lab) = Lab::flat(4) else { return };
    let listener = lab.host("b").listen(80);
    let dir = Dir::new();
    let file = dir.join("run.pcapng");
    let arguments = ["-sSU", "-F", "10.66.0.2-12"];
    let live = lab.scan("a", &arguments).args(["--record".as_ref(), file.as_os_str()]).run().expect(0).report();
    drop((listener, lab));
    let again = || sonde(["--json".as_ref(), "--replay".as_ref(), file.as_os_str()]).run().expect(0);
    let (first, second) = (again(), again());
    assert_eq!((&first.stdout, first.stderr.as_str()), (&second.stdout, ""));
    let found = |report: &Report| -> std::collections::BTreeMap<String, [Value; 5]> {
        let facts = ["state", "reason", "mac", "ports", "folded"];
        let of = |host: &Value| (host["address"].to_string(), facts.map(|name| host[name].clone()));
        report.hosts().into_iter().map(of).collect()
    };
    assert_eq!(found(&first.report()), found(&live));
    assert_eq!(found(&live).len(), 11);
}

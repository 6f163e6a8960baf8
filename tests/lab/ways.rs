//! What a scan says of hosts it can send nothing to: no route, no address to ask from, an interface that is down, goes
//! away or takes nothing while probes are out. None of that is a state of a port.

use serde_json::{Value, json};

use super::space::Unable;
use super::topology::Lab;
use crate::support::cannot_run;
use crate::support::dir::Dir;
use crate::support::sonde::{Report, Run, sonde};

/// Nothing leads to the network of this address.
const LOST_NETWORK: &str = "192.0.2.1";
/// A route says that this one cannot be reached.
const LOST_HOST: &str = "198.51.100.1";
/// A network of `b`'s on its second wire, whose near end has no address.
const BARE_NETWORK: &str = "10.66.7.0/24";
const BARE_HOST: &str = "10.66.7.2";

/// How the units of a stage ended.
fn stage(report: &Report, name: &str) -> Value {
    report.end()["totals"]["stages"][name].clone()
}

/// The run said `why`, and reports `host` in that state, with no port but the open ones and `count` not probed.
#[track_caller]
fn is_unprobed(run: &Run, (host, state): (&str, &str), count: u64, why: &str) {
    let line = format!("sonde: {host}: {count} ports not probed: {why}");
    assert!(run.stderr.contains(&line), "{line}: {run}");
    let report = run.report();
    let line = report.host(host);
    assert_eq!(line["state"], state, "{run}");
    let ports = line["ports"].as_array().into_iter().flatten();
    let others: Vec<&Value> =
        ports.filter(|port| !["open", "closed"].contains(&port["state"].as_str().unwrap_or(""))).collect();
    assert!(others.is_empty() && line["folded"].as_array().is_none_or(Vec::is_empty), "{run}");
}

#[test]
fn without_a_route_nothing_is_asked_live_or_out_of_the_recording() {
    let Some(lab) = Lab::flat(1) else { return };
    if let Err(Unable(why)) = lab.host("a").space.ip(&format!("route add unreachable {LOST_HOST}/32")) {
        return cannot_run(&why);
    }
    for (words, state, op) in [
        (["-Pn", "-sS"], "up", "route"),
        (["-Pn", "-sT"], "up", "connect"),
        (["-PE", "-sS"], "unknown", "route"),
        (["--unprivileged", "-sT"], "unknown", "connect"),
    ] {
        let dir = Dir::new();
        let file = dir.join("run.pcapng");
        let all = [&words[..], &["-p", "80,81,82", LOST_NETWORK, LOST_HOST]].concat();
        let live = lab.scan("a", &all).args(["--record".as_ref(), file.as_os_str()]).run().expect(3);
        let replayed = sonde(["--json".as_ref(), "--replay".as_ref(), file.as_os_str()]).run().expect(3);
        for (run, host) in
            [(&live, LOST_NETWORK), (&live, LOST_HOST), (&replayed, LOST_NETWORK), (&replayed, LOST_HOST)]
        {
            is_unprobed(run, (host, state), 3, &format!("{op} {host}"));
            assert!(run.stderr.contains("unreachable (no route leads there)"), "{run}");
            assert_eq!(stage(&run.report(), "ports"), json!({"planned": 6, "failed": 6}), "{run}");
        }
    }
}

/// `a` with a second wire to `b`, over which it has a route and no address at all.
fn bare() -> Option<Lab> {
    Lab::flat(2)?.with(|lab| {
        let (a, b) = (&lab.host("a").space, &lab.host("b").space);
        a.ip(&format!("link add bare0 type veth peer name bare0 netns {}", b.name()))?;
        b.ip(&format!("addr add {BARE_HOST}/24 dev bare0\nlink set bare0 up"))?;
        a.ip(&format!("link set bare0 up\naddr flush dev e0\nroute add {BARE_NETWORK} dev bare0"))
    })
}

#[test]
fn without_an_address_of_ours_nothing_is_asked() {
    let Some(lab) = bare() else { return };
    let why = format!("probe {BARE_HOST}: local (bare0 has no address of that family to ask from)");
    for (way, state) in [("-Pn", "up"), ("-PE", "unknown")] {
        let run = lab.scan("a", &[way, "-sS", "-p", "80,81", BARE_HOST]).run().expect(3);
        is_unprobed(&run, (BARE_HOST, state), 2, &why);
    }
    let run = lab.scan("a", &["-sn", BARE_HOST]).run().expect(3);
    assert!(run.stderr.contains(&format!("sonde: {BARE_HOST}: {why}")), "{run}");
    assert_eq!(stage(&run.report(), "discovery")["failed"], 1, "{run}");
}

#[test]
fn an_interface_that_is_down_or_has_no_carrier_is_no_silent_network() {
    let Some(lab) = Lab::flat(2) else { return };
    let (a, target) = (lab.host("a"), lab.host("b").ip());
    lab.unplug("a"); // its kernel would take packets all the same
    for (way, state) in [("-Pn", "up"), ("-PE", "unknown")] {
        let run = lab.scan("a", &[way, "-sS", "-p", "80,81", &target]).run().expect(3);
        is_unprobed(&run, (&target, state), 2, "send by e0: local (it is down or has no carrier)");
    }
    a.space.ip("link set e0 down").expect("an interface goes down");
    let run = lab.scan("a", &["-sS", "-p", "80,81", &target]).run().expect(3);
    is_unprobed(&run, (&target, "unknown"), 2, &format!("route {target}: unreachable (no route leads there)"));
}

/// What goes wrong while probes are out.
enum Mishap {
    /// These commands of `ip`.
    Ip(&'static str),
    /// The link takes no packet as long as a probe of TCP.
    Narrow,
}

/// Scans `b`, of whose ports 80 is open, 81 closed and the others silent, and has the mishap happen as soon as the first two
/// have answered.
fn scan_with(mishap: &Mishap, kind: &str) -> Option<(Lab, Run)> {
    let lab = Lab::flat(2)?;
    let (a, b) = (lab.host("a"), lab.host("b"));
    let _web = b.listen(80);
    if let Err(Unable(why)) = b.filter("tcp dport 1000-1040 drop") {
        cannot_run(&why);
        return None;
    }
    // So slowly that it has hardly begun when the answers are seen, however late that is.
    let words = ["-Pn", kind, "-r", "-p", "80,81,1000-1040", "--max-rate", "5", "--packet-trace", &b.ip()];
    let mut running = lab.scan("a", &words).start();
    let answers = if kind == "-sT" { ["80 => connected", "81 => refused"] } else { ["0.2:80 > ", "0.2:81 > "] };
    running.wait_for_errors("the answers", |errors| answers.iter().all(|answer| errors.contains(answer)));
    let done = match mishap {
        Mishap::Ip(commands) => a.space.ip(commands),
        Mishap::Narrow => {
            let shape = "tc qdisc add dev e0 root tbf rate 800bit burst 60 limit 60";
            a.space.run(&shape.split(' ').collect::<Vec<_>>()).map(drop)
        }
    };
    if let Err(Unable(why)) = done {
        cannot_run(&why);
        return None;
    }
    let run = running.finish();
    Some((lab, run))
}

#[track_caller]
fn keeps_what_it_found(mishap: &Mishap, kind: &str, why: &str) {
    let Some((lab, run)) = scan_with(mishap, kind) else { return };
    let (run, target) = (run.expect(3), lab.host("b").ip());
    is_unprobed(&run, (&target, "up"), 41, why);
    let report = run.report();
    let host = report.host(&target);
    let states: Vec<Value> =
        host["ports"].as_array().expect("ports").iter().map(|port| port["state"].clone()).collect();
    assert_eq!(states, ["open", "closed"], "{run}");
    assert_ne!(host["degraded"], json!(true), "it was not the host that stopped: {run}");
    assert_eq!(stage(&report, "ports"), json!({"planned": 43, "done": 2, "failed": 41}), "{run}");
}

#[test]
fn an_interface_that_is_removed_while_probes_are_out() {
    let removed = Mishap::Ip("link del e0");
    keeps_what_it_found(&removed, "-sS", "capture e0: local (the interface is gone)");
    keeps_what_it_found(&removed, "-sT", "connect 10.66.0.2:");
}

#[test]
fn an_interface_that_goes_down_while_probes_are_out() {
    let down = Mishap::Ip("link set e0 down");
    keeps_what_it_found(&down, "-sS", "route 10.66.0.2: unreachable (no route leads there)");
    keeps_what_it_found(&down, "-sT", "connect 10.66.0.2:");
}

#[test]
fn an_address_that_is_taken_away_while_probes_are_out() {
    keeps_what_it_found(&Mishap::Ip("addr flush dev e0"), "-sS", "route 10.66.0.2: unreachable (no route leads there)");
}

#[test]
fn an_interface_that_takes_nothing_more() {
    let why = "send 74 bytes by e0: local (the interface took nothing for 5 seconds)";
    keeps_what_it_found(&Mishap::Narrow, "-sS", why);
}

#[test]
fn extension_headers_cannot_be_asked_for_and_are_named() {
    let Some(lab) = Lab::flat(2) else { return };
    let target = lab.host("b").ip6();
    let run = lab.scan("a", &["-sO", "-p", "0,6,43,44,60", &target]).run().expect(3);
    is_unprobed(&run, (&target, "up"), 4, &format!("probe {target}: local ("));
    assert!(run.stderr.contains("is an extension header of IPv6, which cannot be asked for"), "{run}");
}

//! The scripts that send and capture packets, each in the network it is about.

use std::net::UdpSocket;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::relay::Weather;
use super::topology::Lab;
use crate::support::sonde::Run;

/// Runs one script on `a`.
fn run(lab: &Lab, script: &str, arguments: &[&str]) -> Run {
    lab.scan("a", &[&["--script", script], arguments].concat()).run().expect(0)
}

/// What its only record says.
#[track_caller]
fn output(lab: &Lab, script: &str, arguments: &[&str]) -> Value {
    let run = run(lab, script, arguments);
    let record = run.report().script(script).clone();
    assert_eq!(record["outcome"], "done", "{run}");
    record["output"].clone()
}

#[test]
fn arp_discover() {
    let Some(lab) = Lab::flat(4) else { return };
    // A host that filters everything still has a hardware address to give.
    let Ok(()) = lab.host("d").filter("drop") else { return };
    let run = run(&lab, "arp-discover", &["-p", "80"]);
    let report = run.report();
    let found = &report.script("arp-discover")["output"];
    let row = |number: u8| json!({"address": format!("10.66.0.{number}"), "mac": format!("02:4c:41:42:00:{number:02x}"), "interface": "e0"});
    assert_eq!(*found, json!([row(2), row(3), row(4)]), "{run}");
    let mut hosts: Vec<&str> = report.hosts().iter().filter_map(|host| host["address"].as_str()).collect();
    hosts.sort_unstable(); // each is reported when it is done
    assert_eq!(hosts, ["10.66.0.2", "10.66.0.3", "10.66.0.4"], "{run}");
}

#[test]
fn sniffer_detect() {
    let Some(lab) = Lab::macvlan() else { return };
    let brief = ["--script-args", "sniffer-detect.timeout=200ms", "-p", "80"];
    let quiet = output(&lab, "sniffer-detect", &[&brief[..], &["10.70.0.2"]].concat());
    assert_ne!(quiet["promiscuous"], "likely", "{quiet}");
    let sniffer = output(&lab, "sniffer-detect", &[&brief[..], &["10.70.0.3"]].concat());
    assert_eq!(sniffer["promiscuous"], "likely");
    assert_eq!(sniffer["answered"].as_array().map(Vec::len), Some(6), "{sniffer}");
}

#[test]
fn record_route() {
    let Some(lab) = Lab::path() else { return };
    let route = output(&lab, "record-route", &["-p", "80", "10.67.4.2"]);
    assert_eq!(route["out"], json!(["10.67.2.254", "10.67.3.254", "10.67.4.254"]), "{route}");
    assert_eq!(route["host"], "10.67.4.2");
    assert_eq!(route["back"], json!(["10.67.3.3", "10.67.2.2", "10.67.1.1"]), "{route}");
}

#[test]
fn icmp_timestamp() {
    let Some(lab) = Lab::flat(2) else { return };
    let clock = output(&lab, "icmp-timestamp", &["-p", "80", "10.66.0.2"]);
    assert!(clock["time"].as_str().is_some_and(|time| time.ends_with(" UTC") && time.len() == 16), "{clock}");
    // The same clock on both sides: what is off is how unevenly a loaded machine ran there and back.
    assert!(clock["offset"].as_i64().is_some_and(|offset| offset.abs() < 60_000), "{clock}");
}

#[test]
fn path_mtu() {
    let Some(lab) = Lab::path() else { return };
    let narrow =
        |role: &str, interface: &str, mtu: u16| lab.host(role).space.ip(&format!("link set {interface} mtu {mtu}"));
    let (Ok(()), Ok(())) = (narrow("r1", "e1", 1400), narrow("r3", "e1", 1300)) else { return };
    let found = output(&lab, "path-mtu", &["-p", "80", "10.67.4.2"]);
    assert_eq!(found, json!({"mtu": 1300, "told_by": {"10.67.1.1": 1400, "10.67.3.3": 1300}}));
}

#[test]
fn path_mtu_where_nobody_tells() {
    let Some(lab) = Lab::path() else { return };
    let r1 = &lab.host("r1").space;
    let mute = "table inet mute { chain out { type filter hook output priority 0;\nicmp type destination-unreachable drop\n}\n}";
    let (Ok(()), Ok(())) = (r1.ip("link set e1 mtu 1234"), r1.nft(mute)) else { return };
    let brief = ["--script-args", "path-mtu.timeout=100ms", "-p", "80", "10.67.4.2"];
    assert_eq!(output(&lab, "path-mtu", &brief), json!({"mtu": 1234, "larger": "vanish without a word"}));
}

#[test]
fn ipidseq() {
    let Some(lab) = Lab::flat(2) else { return };
    let kinds = output(&lab, "ipidseq", &["-p", "80", "10.66.0.2"]);
    // Linux sends zero where fragmenting is forbidden.
    assert_eq!(kinds["tcp"], "zero", "{kinds}");
    assert!(kinds["icmp"].is_string(), "{kinds}");
}

#[test]
fn tcp_timestamps() {
    let Some(lab) = Lab::nat() else { return };
    let _ports = [("x1", 80), ("x2", 22), ("x3", 23)].map(|(role, port)| lab.host(role).listen(port));
    let clocks = output(&lab, "tcp-timestamps", &["-p", "22,23,80", "10.68.0.1"]);
    let clocks = clocks.as_array().expect("a list");
    // The two others send none.
    assert_eq!((clocks.len(), &clocks[0]["ports"], &clocks[0]["rate"]), (1, &json!("22"), &json!(1000)), "{clocks:?}");
}

#[test]
fn firewalk() {
    let Some(lab) = Lab::path_behind_firewall(80) else { return };
    let _port = lab.host("z").listen(80);
    let brief = ["--script-args", "firewalk.ports={80,81},firewalk.timeout=200ms", "-p", "80", "10.67.4.2"];
    let walls = output(&lab, "firewalk", &brief);
    assert_eq!(walls, json!({"router": "10.67.3.3", "hop": 3, "passes": [80], "stopped": [81]}));
}

#[test]
fn otrace() {
    let Some(lab) = Lab::path_behind_firewall(80) else { return };
    let _port = lab.host("z").listen(80);
    let hops = output(&lab, "otrace", &["-p", "80", "10.67.4.2"]);
    assert_eq!(hops, json!({"1": "10.67.1.1", "3": "10.67.3.3", "4": "10.67.4.2"}));
}

#[test]
fn qscan_tells_forwarded_ports_apart() {
    let far = Weather { delay: Duration::from_millis(8), ..Weather::default() };
    let Some(lab) = Lab::nat_with_a_far_host(far) else { return };
    let _ports = [("x1", 80), ("x2", 22), ("x3", 23)].map(|(role, port)| lab.host(role).listen(port));
    let run = lab.sonde("a", &["-n", "-p", "22,23,80", "--script", "qscan", "10.68.0.1"]).run().expect(0);
    let text = run.text();
    let family = |port: &str| {
        let line = text.lines().find(|line| line.trim_start_matches(['|', '_', ' ']).starts_with(&format!("{port} ")));
        let line = line.unwrap_or_else(|| panic!("no line of {port}: {run}"));
        line.trim_start_matches(['|', '_', ' ']).split_whitespace().nth(1).expect("a family").to_owned()
    };
    assert_ne!(family("22"), family("80"), "{run}");
    assert_ne!(family("22"), family("23"), "{run}");
}

#[test]
fn p0f_tells_forwarded_ports_apart() {
    let Some(lab) = Lab::nat() else { return };
    let _ports = [("x1", 80), ("x2", 22), ("x3", 23)].map(|(role, port)| lab.host(role).listen(port));
    let report = run(&lab, "p0f", &["-p", "22,23,80", "10.68.0.1"]).report();
    let systems: Vec<&Value> = report.scripts("p0f").into_iter().map(|record| &record["output"]["system"]).collect();
    let wanted = ["Linux", "Linux as a small device", "Linux with a TTL of 128, without timestamps"];
    assert_eq!(systems, wanted, "{:#?}", report.scripts("p0f"));
    assert!(report.scripts("p0f").iter().all(|record| record["output"]["hops"] == 1));
}

/// Settings of the kernel, and the signature each was recorded as.
const SETTINGS: [(&str, [u8; 3]); 8] = [
    ("Linux", [1, 1, 1]),
    ("Linux without timestamps", [0, 1, 1]),
    ("Linux without SACK", [1, 0, 1]),
    ("Linux without window scaling", [1, 1, 0]),
    ("Linux without timestamps and SACK", [0, 0, 1]),
    ("Linux without SACK and window scaling", [1, 0, 0]),
    ("Linux without timestamps and window scaling", [0, 1, 0]),
    ("Linux without timestamps, SACK and window scaling", [0, 0, 0]),
];

#[test]
fn p0f_knows_what_it_recorded() {
    let Some(lab) = Lab::flat(2) else { return };
    let _port = lab.host("b").listen(80);
    for (name, [stamps, sack, scaling]) in SETTINGS {
        let values = [stamps, sack, scaling].map(|value| value.to_string());
        let variables = ["net/ipv4/tcp_timestamps", "net/ipv4/tcp_sack", "net/ipv4/tcp_window_scaling"];
        for (variable, value) in variables.into_iter().zip(&values) {
            let Ok(()) = lab.host("b").space.set(&[(variable, value)]) else { panic!("{variable}") };
        }
        let found = output(&lab, "p0f", &["-p", "80", "10.66.0.2"]);
        assert_eq!((&found["system"], &found["hops"]), (&json!(name), &json!(0)), "{found}");
    }
}

#[test]
fn broadcast_listener() {
    let Some(lab) = Lab::flat(2) else { return };
    let b = lab.host("b");
    let socket = b.space.inside(|| UdpSocket::bind((b.addr, 0))).expect("a free port");
    socket.set_broadcast(true).expect("it may");
    let Ok(()) = b.space.ip("route add 224.0.0.0/4 dev e0") else { return };
    // Otherwise what the kernels say of their IPv6 groups may be heard first.
    let off = |host: &str| lab.host(host).space.set(&[("net/ipv6/conf/e0/disable_ipv6", "1")]);
    let (Ok(()), Ok(())) = (off("a"), off("b")) else { return };
    let (stop, stopped) = channel::<()>();
    // It says the same until somebody has heard it.
    let speaker = std::thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout) {
            socket.send_to(b"M-SEARCH * HTTP/1.1\r\n\r\n", "239.255.255.250:1900").expect("it is sent");
        }
    });
    let filter = "broadcast-listener.timeout=60s,broadcast-listener.most=1";
    let heard = output(&lab, "broadcast-listener", &["--script-args", filter]);
    drop(stop);
    speaker.join().expect("it spoke");
    assert_eq!((&heard[0]["protocol"], &heard[0]["from"]), (&json!("ssdp"), &json!("10.66.0.2")), "{heard}");
}

/// Scripts that send packets or listen on interfaces.
const ON_LINKS: [&str; 12] = [
    "arp-discover",
    "broadcast-listener",
    "firewalk",
    "icmp-timestamp",
    "ipidseq",
    "otrace",
    "p0f",
    "path-mtu",
    "qscan",
    "record-route",
    "sniffer-detect",
    "tcp-timestamps",
];

#[test]
fn no_script_fails_through_a_fault_of_its_own() {
    let weather = Weather { loss: 30, dup: 20, reorder: 20, seed: 5, ..Weather::default() };
    let Some(lab) = Lab::wire(weather) else { return };
    let _port = lab.host("b").listen(80);
    let Ok(()) = lab.host("b").filter("tcp dport 81 drop\nicmp type timestamp-request drop") else { return };
    let forced = ON_LINKS.map(|id| format!("+{id}")).join(",");
    let arguments = "timeout=200ms,qscan.rounds=4,tcp-timestamps.pause=20ms";
    let run =
        lab.scan("a", &["-p", "80-82", "--script", &forced, "--script-args", arguments, "10.69.0.2"]).run().expect(0);
    let report = run.report();
    for record in ON_LINKS.iter().flat_map(|id| report.scripts(id)) {
        let kind = record["failure"]["kind"].as_str().unwrap_or("peer");
        assert_eq!(kind, "peer", "{record:#}");
    }
}

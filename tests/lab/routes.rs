//! Through real routers: three in a row, of which the second is silent.

use serde_json::{Value, json};

use super::space::Unable;
use super::topology::Lab;
use crate::support::cannot_run;
use crate::support::dir::Dir;
use crate::support::sonde::{Report, sonde};

/// What was found between `a` and `z`.
const V4: [Option<&str>; 4] = [Some("10.67.1.1"), None, Some("10.67.3.3"), Some("10.67.4.2")];
const V6: [Option<&str>; 4] = [Some("fd67:1::1"), None, Some("fd67:3::3"), Some("fd67:4::2")];

/// The hops to a host, and what was asked.
fn route(report: &Report, host: &str) -> (Vec<Option<String>>, Value) {
    let trace = &report.host(host)["trace"];
    let hops = trace["hops"].as_array().unwrap_or_else(|| panic!("{host} has no route: {trace}"));
    let addrs = hops.iter().map(|hop| hop["address"].as_str().map(str::to_owned)).collect();
    for (at, hop) in hops.iter().enumerate() {
        assert_eq!(hop["ttl"], json!(at + 1));
        assert_eq!(hop["rtt_seconds"].is_f64(), !hop["address"].is_null(), "{trace:#}");
    }
    (addrs, trace["probe"].clone())
}

fn of(hops: &[Option<&str>]) -> Vec<Option<String>> {
    hops.iter().map(|hop| hop.map(str::to_owned)).collect()
}

#[test]
fn routers_are_found_by_every_kind_of_probe() {
    let Some(lab) = Lab::path() else { return };
    let _open = lab.host("z").listen(22);
    let tcp = |port: u16| json!({"protocol": "tcp", "port": port});
    for (words, probe) in [
        (vec!["-sn", "-PE"], Value::Null),
        (vec!["-sn", "-PA80"], tcp(80)),
        (vec!["-Pn", "-sS", "-p", "22"], tcp(22)),
        (vec!["-Pn", "-sS", "-p", "22,9"], tcp(9)),
        (vec!["-sT", "-Pn", "-p", "22"], tcp(22)),
        (vec!["-Pn", "-sU", "-p", "9"], json!({"protocol": "udp", "port": 9})),
        (vec!["-Pn", "-sn", "-g", "53"], Value::Null),
    ] {
        let all = [&["--traceroute", "10.67.4.2", "fd67:4::2"], words.as_slice()].concat();
        let report = lab.scan("a", &all).run().expect(0).report();
        assert_eq!(route(&report, "10.67.4.2"), (of(&V4), probe.clone()), "{words:?}");
        assert_eq!(route(&report, "fd67:4::2"), (of(&V6), probe), "{words:?}");
        assert_eq!(report.end()["totals"]["stages"]["routes"]["done"], json!(2), "{words:?}");
    }
}

#[test]
fn a_neighbour_and_this_machine_are_one_hop_away() {
    let Some(lab) = Lab::path() else { return };
    let hosts = ["10.67.1.1", "fd67:1::1", "10.67.1.2"];
    let report = lab.scan("a", &[&["-sn", "--traceroute"], hosts.as_slice()].concat()).run().expect(0).report();
    for near in ["10.67.1.1", "fd67:1::1"] {
        assert_eq!(route(&report, near).0, of(&[Some(near)]));
    }
    let us = &report.host("10.67.1.2")["trace"]["hops"];
    assert_eq!((&us[0]["address"], us.as_array().map(Vec::len)), (&json!("10.67.1.2"), Some(1)));
}

#[test]
fn a_firewall_lets_through_what_the_scan_found() {
    let Some(lab) = Lab::path_behind_firewall(8000) else { return };
    let _open = lab.host("z").listen(8000);
    let words = ["-Pn", "-p", "8000,8001", "--traceroute", "10.67.4.2"];
    let report = lab.scan("a", &words).run().expect(0).report();
    assert_eq!(route(&report, "10.67.4.2"), (of(&V4), json!({"protocol": "tcp", "port": 8000})));
}

#[test]
fn a_recorded_route_is_found_again() {
    let Some(lab) = Lab::path() else { return };
    let dir = Dir::new();
    let file = dir.join("run.pcapng");
    let words = ["-sn", "-PE", "--traceroute", "10.67.4.2", "fd67:4::2"];
    let live = lab.scan("a", &words).args(["--record".as_ref(), file.as_os_str()]).run().expect(0).report();
    drop(lab);
    let replayed = sonde(["--json".as_ref(), "--replay".as_ref(), file.as_os_str()]).run().expect(0).report();
    for (host, hops) in [("10.67.4.2", V4), ("fd67:4::2", V6)] {
        assert_eq!(route(&live, host).0, of(&hops));
        assert_eq!(route(&replayed, host).0, of(&hops));
    }
}

#[test]
fn who_refuses_on_the_way_is_named() {
    let Some(lab) = Lab::path() else { return };
    let _open = lab.host("z").listen(22);
    let reject = "tcp dport 25 reject with icmp type admin-prohibited\ntcp dport 26 reject with icmpv6 type no-route";
    let chain = format!("chain forward {{ type filter hook forward priority 0; policy accept;\n{reject}\n}}");
    if let Err(Unable(why)) = lab.host("r1").space.nft(&format!("table inet wall {{\n{chain}\n}}")) {
        return cannot_run(&why);
    }
    let targets = ["10.67.4.2", "fd67:4::2"];
    let words = ["-Pn", "-sS", "-p", "22,25,26", targets[0], targets[1]];
    let report = lab.scan("a", &words).run().expect(0).report();
    let of = |host: &str, index: usize| -> Vec<Value> {
        let port = &report.host(host)["ports"][index];
        ["state", "reason", "reason_ip"].iter().map(|field| port[*field].clone()).collect()
    };
    assert_eq!(of(targets[0], 0), [json!("open"), json!("syn-ack"), Value::Null], "the host itself");
    assert_eq!(of(targets[0], 1), [json!("filtered"), json!("admin-prohibited"), json!("10.67.1.1")]);
    assert_eq!(of(targets[1], 2), [json!("filtered"), json!("net-unreach"), json!("fd67:1::1")]);
    let text = lab.sonde("a", &[&["-n", "--reason"], words.as_slice()].concat()).run().expect(0).text();
    assert!(text.contains("admin-prohibited from 10.67.1.1 ttl 64"), "{text}");
}

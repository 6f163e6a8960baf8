//! Scans by packets of real kernels, against the truth: firewalls, limits of answers, delay and loss, over both families.
//!
//! `make accuracy` runs each 20 times, with the long ones among them and nmap beside it where that is installed.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use super::relay::Weather;
use super::space::Unable;
use super::topology::{Host, Lab};
use crate::support::cannot_run;

/// States by port.
type States = BTreeMap<u64, String>;

/// What one trial scans, and what is true.
struct Trial<'a> {
    lab: &'a Lab,
    name: &'a str,
    target: String,
    kind: &'a str,
    ports: &'a str,
    truth: States,
}

/// How often: once, or as `make accuracy` says.
fn runs() -> u32 {
    std::env::var("SONDE_ACCURACY_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1)
}

/// Whether this is `make accuracy`.
fn is_thorough() -> bool {
    runs() > 1
}

fn all(range: std::ops::RangeInclusive<u64>, state: &str, others: &[(u64, &str)]) -> States {
    let mut states: States = range.map(|port| (port, state.to_owned())).collect();
    states.extend(others.iter().map(|(port, state)| (*port, (*state).to_owned())));
    states
}

impl Trial<'_> {
    /// Every state is right in every run.
    #[track_caller]
    fn is_exact(&self) {
        let mut slowest = Duration::ZERO;
        for run in 0..runs() {
            let began = Instant::now();
            let seed = run.to_string();
            let words = ["-dd", self.kind, "-p", self.ports, "--seed", &seed, &self.target];
            let report = self.lab.scan("a", &words).run().expect(0).report();
            slowest = slowest.max(began.elapsed());
            let host = report.host(&self.target);
            let ports = host["ports"].as_array().expect("ports");
            let of = |port: &serde_json::Value| Some((port["port"].as_u64()?, port["state"].as_str()?.to_owned()));
            let mut found: States = ports.iter().filter_map(of).collect();
            // What is not listed is counted by its state; where that is one, it is known of each.
            let folded: Vec<_> = host["folded"].as_array().into_iter().flatten().collect();
            let count: u64 = folded.iter().filter_map(|fold| fold["count"].as_u64()).sum();
            assert_eq!(found.len() as u64 + count, self.truth.len() as u64, "{}, run {run}", self.name);
            if let Some(state) = folded.first().and_then(|fold| fold["state"].as_str()) {
                assert!(folded.iter().all(|fold| fold["state"] == state), "{folded:?}");
                self.truth.keys().for_each(|port| _ = found.entry(*port).or_insert_with(|| state.to_owned()));
            }
            let wrong: Vec<_> = self.truth.iter().filter(|(port, state)| found.get(port) != Some(*state)).collect();
            assert!(
                wrong.is_empty() && found.len() == self.truth.len(),
                "{}, run {run}: {wrong:?}\n{found:?}",
                self.name
            );
        }
        if is_thorough() {
            println!("{:34} sonde {slowest:>12.3?}   {}", self.name, self.beside());
        }
    }

    /// What nmap says, where it is installed: its time, and how many states are not the truth.
    fn beside(&self) -> String {
        let space = self.lab.host("a").space.name().to_owned();
        let family: &[&str] = if self.target.contains(':') { &["-6"] } else { &[] };
        let began = Instant::now();
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &space, "nmap", "-n", "-T3", "-dd", self.kind, "-p", self.ports, "-oG", "-"]);
        let Ok(done) = command.args(family).arg(&self.target).output() else {
            return "nmap is not installed".to_owned();
        };
        if !done.status.success() {
            return "nmap is not installed".to_owned();
        }
        let took = began.elapsed();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let line = text.lines().find_map(|line| line.split("Ports: ").nth(1)).unwrap_or_default().to_owned();
        let of = |part: &str| {
            let mut fields = part.trim().split('/');
            Some((fields.next()?.parse().ok()?, fields.next()?.to_owned()))
        };
        let listed: States = line.split(',').filter_map(of).collect();
        let usual = text.split("Ignored State: ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        let found = |port: &u64| listed.get(port).map_or(usual, String::as_str);
        let wrong = self.truth.iter().filter(|(port, state)| found(port) != state.as_str()).count();
        format!("nmap {took:>12.3?}, {wrong} wrong")
    }
}

/// A lab of two hosts, `b` with ports open and rules before them; none if it cannot be.
fn lab(rules: &str) -> Option<(Lab, Vec<TcpListener>)> {
    let lab = Lab::flat(2)?;
    prepared(lab, rules)
}

fn prepared(lab: Lab, rules: &str) -> Option<(Lab, Vec<TcpListener>)> {
    let ports = [22, 80, 443].map(|port| lab.host("b").listen(port)).into();
    if rules.is_empty() {
        return Some((lab, ports));
    }
    match lab.host("b").filter(rules) {
        Ok(()) => Some((lab, ports)),
        Err(Unable(why)) => {
            cannot_run(&why);
            None
        }
    }
}

const OPEN: [(u64, &str); 3] = [(22, "open"), (80, "open"), (443, "open")];

fn both(host: &Host) -> [String; 2] {
    [host.ip(), host.ip6()]
}

#[test]
fn open_closed_and_dropped() {
    let Some((lab, _ports)) = lab("tcp dport 100-105 drop") else { return };
    let mut truth = all(1..=1000, "closed", &OPEN);
    truth.extend((100..=105).map(|port| (port, "filtered".to_owned())));
    for target in both(lab.host("b")) {
        Trial { lab: &lab, name: "clean", target, kind: "-sS", ports: "1-1000", truth: truth.clone() }.is_exact();
    }
}

#[test]
fn a_way_that_delays_and_loses() {
    let weather = Weather { delay: Duration::from_millis(20), loss: 2, dup: 1, reorder: 1, seed: 7 };
    let Some((lab, _ports)) = Lab::wire(weather).and_then(|lab| prepared(lab, "tcp dport 100-105 drop")) else {
        return;
    };
    let mut truth = all(1..=1000, "closed", &OPEN);
    truth.extend((100..=105).map(|port| (port, "filtered".to_owned())));
    for target in both(lab.host("b")) {
        Trial {
            lab: &lab,
            name: "40 ms, 2 % lost each way",
            target,
            kind: "-sS",
            ports: "1-1000",
            truth: truth.clone(),
        }
        .is_exact();
    }
}

#[test]
fn a_firewall_that_drops_nearly_all() {
    let Some((lab, _ports)) = lab("tcp dport { 22, 80, 443 } accept\nmeta l4proto tcp drop") else { return };
    let truth = all(1..=1000, "filtered", &OPEN);
    let target = lab.host("b").ip();
    Trial { lab: &lab, name: "DROP", target, kind: "-sS", ports: "1-1000", truth }.is_exact();
}

#[test]
fn a_firewall_that_rejects_with_each_code() {
    let codes = [
        "net-unreachable",
        "host-unreachable",
        "prot-unreachable",
        "port-unreachable",
        "net-prohibited",
        "host-prohibited",
        "admin-prohibited",
    ];
    let codes6 =
        ["no-route", "admin-prohibited", "addr-unreachable", "port-unreachable", "policy-fail", "reject-route"];
    let Some((lab, _ports)) = lab("") else { return };
    let rule = |at: usize, kind: &str, code: &str| {
        format!("meta l4proto {{ tcp, udp }} th dport {} reject with {kind} type {code}", 1000 + at)
    };
    let v4 = codes.iter().enumerate().map(|(at, code)| rule(at, "icmp", code));
    let v6 = codes6.iter().enumerate().map(|(at, code)| rule(at, "icmpv6", code));
    let rules: Vec<String> = v4.chain(v6).collect();
    if let Err(Unable(why)) = lab.host("b").filter(&rules.join("\n")) {
        return cannot_run(&why);
    }
    for (target, count) in both(lab.host("b")).into_iter().zip([7, 6]) {
        let ports = format!("22,81,1000-{}", 999 + count);
        let mut truth = all(1000..=999 + count, "filtered", &[(22, "open"), (81, "closed")]);
        Trial {
            lab: &lab,
            name: "REJECT, TCP",
            target: target.clone(),
            kind: "-sS",
            ports: &ports,
            truth: truth.clone(),
        }
        .is_exact();
        truth.extend([(22, "closed".to_owned()), (1003, "closed".to_owned())]);
        Trial { lab: &lab, name: "REJECT, UDP", target, kind: "-sU", ports: &ports, truth }.is_exact();
    }
}

#[test]
fn resets_are_limited() {
    let Some((lab, _ports)) = lab("") else { return };
    let rule = "table inet limits { chain out { type filter hook output priority 0; policy accept;
        tcp flags & rst == rst limit rate over 100/second drop\n}\n}";
    if let Err(Unable(why)) = lab.host("b").space.nft(rule) {
        return cannot_run(&why);
    }
    let truth = all(1..=600, "closed", &OPEN);
    let target = lab.host("b").ip();
    Trial { lab: &lab, name: "RST, 100 a second", target, kind: "-sS", ports: "1-600", truth }.is_exact();
}

#[test]
fn icmp_errors_are_limited_by_the_kernel() {
    let Some((lab, _ports)) = lab("") else { return };
    if let Err(Unable(why)) = lab.host("b").space.set(&[("net/ipv4/icmp_ratelimit", "1000")]) {
        return cannot_run(&why);
    }
    let target = lab.host("b").ip();
    for last in [7, 9, 15].into_iter().chain(is_thorough().then_some(100)) {
        let (truth, ports, name) =
            (all(1..=last, "closed", &[]), format!("1-{last}"), format!("UDP, ICMP 1/s, {last} ports"));
        Trial { lab: &lab, name: &name, target: target.clone(), kind: "-sU", ports: &ports, truth }.is_exact();
    }
}

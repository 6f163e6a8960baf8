//! Looking for hosts.

use std::net::IpAddr;

use sonde::model::HostState;

use super::trial::{SEEDS, Trial};

/// Every host of a /24 that is there is found, and nobody else.
#[track_caller]
fn finds_all(scenario: &str, targets: &str) {
    let trial = Trial { scenario, targets, ports: Vec::new(), kinds: &[], looks: true, ..Trial::default() };
    let mut longest = std::time::Duration::ZERO;
    for seed in 1..=SEEDS {
        let scanned = trial.run(seed);
        assert_eq!(scanned.hosts.len(), 256);
        let is_wrong = |addr: &IpAddr, state| scanned.world.host(*addr).is_some() != (state == HostState::Up);
        let all = scanned.hosts.iter().map(|host| (host.target.addr, host.state));
        let wrong: Vec<_> = all.filter(|(addr, state)| is_wrong(addr, *state)).collect();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:?}");
        longest = longest.max(scanned.took);
    }
    println!("{longest:?}");
}

#[test]
fn five_percent_lost_each_way() {
    let scenario =
        "[link]\ndelay = \"20ms\"\nloss = 0.05\n[[hosts]]\naddrs = [\"10.0.0.0/24\", \"2001:db8:1::/120\"]\nup = 0.6";
    finds_all(scenario, "10.0.0.0/24");
    finds_all(scenario, "2001:db8:1::/120");
}

#[test]
fn neighbours_with_five_percent_lost() {
    let scenario =
        "on_link = true\n[link]\ndelay = \"200us\"\nloss = 0.05\n[[hosts]]\naddrs = [\"10.0.0.0/24\"]\nup = 0.6";
    finds_all(scenario, "10.0.0.0/24");
}

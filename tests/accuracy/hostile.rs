//! Hosts that go away, that answer from elsewhere, for everyone, twice, or for ever.

use std::time::Duration;

use sonde::model::{HostState, PortState, ScanKind};

use super::trial::{SEEDS, Trial};

#[test]
fn who_goes_away_in_the_middle_is_called_degraded() {
    let scenario = r#"
[link]
delay = "20ms"
[[hosts]]
addrs = ["10.0.0.1"]
until = "400ms"
tcp = [{ ports = "22,80,443" }, { ports = "100-105", state = "silent" }]
"#;
    let trial = Trial { scenario, ..Trial::default() };
    for seed in 1..=SEEDS {
        let scanned = trial.run(seed);
        assert!(scanned.hosts[0].degraded, "seed {seed}: {:?}", scanned.took);
        assert!(scanned.took < Duration::from_secs(20), "{:?}", scanned.took);
        let wrong = trial.wrong(&scanned);
        assert!(!wrong.is_empty() && wrong.len() < 1000, "it was there for a while: {}", wrong.len());
        let is_silence = wrong.iter().all(|(.., found, _)| *found == Some(PortState::Filtered));
        assert!(is_silence, "nothing is said of it that was not seen: {wrong:?}");
    }
}

#[test]
fn the_report_says_so() {
    let dir = crate::support::dir::Dir::new();
    let scenario = "[link]\ndelay = \"20ms\"\n[[hosts]]\naddrs = [\"10.0.0.1\"]\nuntil = \"400ms\"\n";
    let file = dir.write("away.toml", scenario.as_bytes()).display().to_string();
    let words = ["--simulate", &file, "-n", "-sS", "-p", "1-1000", "10.0.0.1"];
    let text = crate::support::sonde::sonde(words).run().expect(0).text();
    assert!(text.contains("stopped answering while it was scanned"), "{text}");
    let report = crate::support::sonde::sonde(words).args(["--json"]).run().expect(0).report();
    assert_eq!(report.host("10.0.0.1")["degraded"], true);
}

#[test]
fn answers_from_another_address_are_nobodys() {
    let scenario = "[[hosts]]\naddrs = [\"10.0.0.1\"]\nanswers_from = \"10.0.0.2\"\ntcp = [{ ports = \"22\" }]";
    let trial = Trial { scenario, ports: (1..=50).collect(), ..Trial::default() };
    let scanned = trial.run(1);
    let ports = &scanned.hosts[0].ports;
    assert!(ports.iter().all(|port| port.state == PortState::Filtered), "{ports:?}");
    assert!(scanned.counts.strangers >= 50 && scanned.counts.answers == 0, "{:?}", scanned.counts);
}

#[test]
fn answers_after_the_host_was_given_up_are_nobodys() {
    // The first host's answers take eight seconds. The second limits its resets, so it is asked for longer than that.
    let scenario = "[[hosts]]\naddrs = [\"10.0.0.1\"]\nlink = { delay = \"4s\" }\ntcp = [{ ports = \"1-50\" }]
                    [[hosts]]\naddrs = [\"10.0.0.2\"]\nrst_rate = 10\ntcp = [{ ports = \"22\" }]";
    let trial = Trial { scenario, targets: "10.0.0.1-2", ports: (1..=300).collect(), ..Trial::default() };
    let scanned = trial.run(1);
    let of = |addr: &str| scanned.hosts.iter().find(|host| host.target.addr.to_string() == addr).expect(addr);
    let late = of("10.0.0.1");
    assert!(late.ports.iter().all(|port| port.state == PortState::Filtered), "it was given up before");
    let wrong = trial.wrong(&scanned);
    assert!(wrong.iter().all(|(addr, ..)| *addr == late.target.addr), "nobody else's state changes: {wrong:?}");
    assert!(scanned.took > Duration::from_secs(12) && late.ended < of("10.0.0.2").ended, "{:?}", scanned.took);
    assert!(scanned.counts.strangers >= 300 && scanned.counts.answers >= 300, "{:?}", scanned.counts);
}

#[test]
fn answers_that_come_again_are_counted_and_change_nothing() {
    let scenario =
        "[link]\ndelay = \"1ms\"\nduplicate = 1.0\n[[hosts]]\naddrs = [\"10.0.0.1\"]\nlink = { duplicate = 1.0 }
         tcp = [{ ports = \"22\" }, { ports = \"30\", state = \"reject\" }]";
    let trial = Trial { scenario, ports: (1..=500).collect(), ..Trial::default() };
    let scanned = trial.run(1);
    assert_eq!(trial.wrong(&scanned), []);
    assert!(scanned.counts.repeated >= 400 && scanned.counts.answers == 500, "{:?}", scanned.counts);
}

#[test]
fn who_answers_for_everyone_makes_everyone_up() {
    let scenario = "on_link = true\n[[hosts]]\naddrs = [\"10.0.0.0/16\"]\n";
    let trial =
        Trial { scenario, targets: "10.0.8.0/22", ports: Vec::new(), kinds: &[], looks: true, ..Trial::default() };
    let scanned = trial.run(1);
    assert_eq!(scanned.summary.up, 1024);
    assert!(scanned.took < Duration::from_secs(2), "{:?}", scanned.took);
}

#[test]
fn one_address_under_many_targets_is_scanned_once() {
    let scenario = "[[hosts]]\naddrs = [\"10.0.0.0/24\"]\nname = \"h{ip}.example\"\ntcp = [{ ports = \"22\" }]";
    let targets = ["10.0.0.1", "h10-0-0-1.example", "10.0.0.0/30", "10.0.0.1"];
    let trial = Trial { scenario, ports: vec![22], looks: true, ..Trial::default() };
    let scanned = trial.run_all(&targets, 1);
    let mut addrs: Vec<_> = scanned.hosts.iter().map(|host| host.target.addr.to_string()).collect();
    addrs.sort();
    addrs.dedup();
    assert_eq!(addrs.len(), 4);
    let of_first: Vec<_> = scanned.hosts.iter().filter(|host| host.target.addr.to_string() == "10.0.0.1").collect();
    assert!(of_first.iter().all(|host| host.state == HostState::Up && host.ports[0].state == PortState::Open));
    assert!(scanned.summary.stages.are_complete() && scanned.summary.troubles.is_empty(), "{:?}", scanned.summary);
}

#[test]
fn everything_there_is_begins_at_once_and_can_be_ended() {
    let scenario = "[[hosts]]\naddrs = [\"0.0.0.0/0\"]\nup = 0.5\n";
    let trial = Trial { scenario, ports: vec![22], looks: true, kinds: &[ScanKind::Syn], ..Trial::default() };
    let scanned = trial.run_for(Duration::from_secs(3), "0.0.0.0/0");
    assert!(scanned.hosts.len() > 1000, "{}", scanned.hosts.len());
    let summary = &scanned.summary;
    assert!(summary.up > 400 && summary.planned > 1 << 31, "{summary:?}");
}

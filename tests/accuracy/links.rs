//! Links that delay, lose, queue, double and reorder.

use std::time::Duration;

use sonde::model::ScanKind;

use super::trial::Trial;

/// A host with all kinds of ports behind a link; most are closed.
fn behind(link: &str) -> String {
    format!(
        "[link]\n{link}\n[[hosts]]\naddrs = [\"10.0.0.1\", \"2001:db8:1::1\"]\ntcp = [\n
         {{ ports = \"21,22,25,80,443,600-610\" }},
         {{ ports = \"100-120\", state = \"silent\" }},
         {{ ports = \"200-220\", state = \"reject\" }},\n]"
    )
}

#[track_caller]
fn exact(link: &str) -> Duration {
    Trial { scenario: &behind(link), ..Trial::default() }.is_exact()
}

#[test]
fn clean() {
    exact("");
}

#[test]
fn far() {
    exact("delay = \"20ms\"");
}

#[test]
fn far_and_lossy() {
    exact("delay = \"20ms\"\nloss = 0.01");
}

#[test]
fn two_percent_each_way() {
    exact("delay = \"20ms\"\nloss = 0.02");
}

#[test]
fn lossy_with_a_short_queue() {
    exact("delay = \"25ms\"\nloss = 0.05\nrate = 500\nqueue = 20");
}

#[test]
fn doubled_and_reordered() {
    exact("delay = \"10ms\"\njitter = \"5ms\"\nduplicate = 0.2\nreorder = 0.2");
}

#[test]
fn over_ipv6() {
    let scenario = behind("delay = \"20ms\"\nloss = 0.02");
    Trial { scenario: &scenario, targets: "2001:db8:1::1", ..Trial::default() }.is_exact();
}

#[test]
fn by_connections() {
    let scenario = behind("delay = \"20ms\"\nloss = 0.02");
    let kinds = &[ScanKind::Connect];
    Trial { scenario: &scenario, kinds, ports: (1..=250).collect(), ..Trial::default() }.is_exact();
}

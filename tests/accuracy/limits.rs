//! Hosts that limit what they answer.

use std::time::Duration;

use sonde::model::ScanKind;

use super::trial::Trial;

#[test]
fn resets() {
    for rate in [10, 50, 200] {
        let scenario = format!(
            "[link]\ndelay = \"2ms\"\n[[hosts]]\naddrs = [\"10.0.0.1\"]\nrst_rate = {rate}
             tcp = [{{ ports = \"22,80,443,900-905\" }}, {{ ports = \"100-105\", state = \"silent\" }}]"
        );
        Trial { scenario: &scenario, ..Trial::default() }.is_exact();
    }
}

const LIMITED: &str = r#"
[link]
delay = "300us"
[[hosts]]
addrs = ["10.0.0.1"]
icmp_rate = RATE
udp = [{ ports = "1000-1010", service = "dns" }, { ports = "2000-2010", state = "silent" }]
[services.dns]
talk = [{ say = "x" }]
"#;

fn udp(rate: u32, ports: Vec<u16>) -> Duration {
    let scenario = LIMITED.replace("RATE", &rate.to_string());
    Trial { scenario: &scenario, kinds: &[ScanKind::Udp], ports, ..Trial::default() }.is_exact()
}

#[test]
fn icmp_errors_one_a_second() {
    let took = udp(1, (1..=100).collect());
    assert!(took <= Duration::from_secs(102), "{took:?}");
}

#[test]
fn icmp_errors_with_open_and_silent_ports_among_them() {
    udp(1, (990..=1015).chain(1995..=2015).collect());
    udp(20, (800..=1015).chain(1995..=2015).collect());
}

#[test]
fn icmp_errors_at_other_rates() {
    udp(6, (1..=200).collect());
    udp(100, (1..=300).collect());
}

//! Firewalls, and every kind of scan.

use sonde::model::ScanKind;

use super::trial::Trial;

const DROPS: &str = r#"
[link]
LINK
[[hosts]]
addrs = ["10.0.0.1"]
otherwise = "silent"
tcp = [{ ports = "22,443" }]
"#;

#[test]
fn a_firewall_that_drops() {
    for link in ["", "delay = \"20ms\"", "delay = \"20ms\"\nloss = 0.02"] {
        Trial { scenario: &DROPS.replace("LINK", link), looks: true, ..Trial::default() }.is_exact();
    }
}

#[test]
fn a_firewall_that_drops_and_was_not_looked_for() {
    Trial { scenario: &DROPS.replace("LINK", "delay = \"20ms\""), ..Trial::default() }.is_exact();
}

#[test]
fn a_firewall_that_rejects() {
    for reject in ["admin", "host", "net", "port", "host-admin", "net-admin", "reset"] {
        for target in ["10.0.0.1", "2001:db8:1::1"] {
            let scenario = format!(
                "[link]\ndelay = \"5ms\"\nloss = 0.01\n[[hosts]]\naddrs = [\"{target}\"]\notherwise = \"reject\"
                 reject = \"{reject}\"\ntcp = [{{ ports = \"22,80,443\" }}]\nudp = [{{ ports = \"53\", service = \"a\" }}]
                 [services.a]\ntalk = [{{ say = \"x\" }}]"
            );
            let kinds = &[ScanKind::Syn, ScanKind::Udp];
            let ports = (1..=100).chain([443]).collect();
            Trial { scenario: &scenario, targets: target, kinds, ports, ..Trial::default() }.is_exact();
        }
    }
}

const MIXED: &str = r#"
[link]
delay = "5ms"
loss = 0.02
[[hosts]]
addrs = ["10.0.0.1", "2001:db8:1::1"]
protocols = "1,6,17,58,132"
tcp = [{ ports = "22,80,443" }, { ports = "100-150", state = "silent" }, { ports = "160-180", state = "reject" }]
udp = [{ ports = "53,161", service = "talk" }, { ports = "67,100-150", state = "silent" }, { ports = "160-180", state = "reject" }, { ports = "500" }]
sctp = [{ ports = "22,80,443" }, { ports = "100-150", state = "silent" }, { ports = "160-180", state = "reject" }]
[services.talk]
talk = [{ say = "yes" }]
"#;

#[test]
fn every_kind_on_mixed_ports() {
    use ScanKind::{Ack, Fin, IpProtocol, Maimon, Null, SctpCookie, SctpInit, Syn, Udp, Window, Xmas};
    for target in ["10.0.0.1", "2001:db8:1::1"] {
        for kind in [Syn, Ack, Window, Fin, Null, Xmas, Maimon, Udp, SctpInit, SctpCookie, IpProtocol] {
            // 0, 43, 44, 51 and 60 are extension headers in IPv6, not protocols: there is no bare one to ask with.
            let protocols = (0..=255).filter(|number| ![0, 43, 44, 51, 60].contains(number));
            let ports = if kind == IpProtocol { protocols.collect() } else { (1..=250).chain([443, 500]).collect() };
            Trial { scenario: MIXED, targets: target, kinds: &[kind], ports, ..Trial::default() }.is_exact();
        }
    }
}

#[test]
fn three_protocols_at_once() {
    let kinds = &[ScanKind::Syn, ScanKind::Udp, ScanKind::SctpInit];
    Trial { scenario: MIXED, kinds, ports: (1..=250).collect(), ..Trial::default() }.is_exact();
}

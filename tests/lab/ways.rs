//! What a scan says of hosts no way leads to, live and out of its recording.

use serde_json::{Value, json};

use super::space::Unable;
use super::topology::Lab;
use crate::support::cannot_run;
use crate::support::dir::Dir;
use crate::support::sonde::{Report, sonde};

/// Nothing leads to the network of this address.
const LOST_NETWORK: &str = "192.0.2.1";
/// A route says that this one cannot be reached.
const LOST_HOST: &str = "198.51.100.1";

/// State and reason of each port of a host.
fn ports(report: &Report, host: &str) -> Vec<Value> {
    let ports = report.host(host)["ports"].as_array().expect("ports");
    ports.iter().map(|port| json!([port["port"], port["state"], port["reason"]])).collect()
}

#[test]
fn a_network_without_a_way_is_not_a_host_without_one() {
    let Some(lab) = Lab::flat(1) else { return };
    if let Err(Unable(why)) = lab.host("a").space.ip(&format!("route add unreachable {LOST_HOST}/32")) {
        return cannot_run(&why);
    }
    let dir = Dir::new();
    let file = dir.join("run.pcapng");
    let arguments = ["-Pn", "-p", "80,81", LOST_NETWORK, LOST_HOST];
    let live = lab.scan("a", &arguments).args(["--record".as_ref(), file.as_os_str()]).run().expect(0).report();
    drop(lab);
    let replayed = sonde(["--json".as_ref(), "--replay".as_ref(), file.as_os_str()]).run().expect(0).report();
    for report in [live, replayed] {
        for (host, reason) in [(LOST_NETWORK, "net-unreach"), (LOST_HOST, "host-unreach")] {
            assert_eq!(ports(&report, host), [80, 81].map(|port| json!([port, "filtered", reason])), "{host}");
        }
    }
}

//! `address-info`: what an address alone says.

use serde_json::{Value, json};

use super::global;
use crate::support::sonde::scan;

/// The facts about addresses that are no targets.
fn explained(addresses: &[&str]) -> Value {
    let list = format!("address-info.addresses={{{}}}", addresses.join(","));
    let run = scan(["-p", "1", "--script", "address-info", "--script-args", &list, "127.0.0.1"]).run().expect(0);
    let report = run.report();
    let found = global(&report, "address-info").into_iter().find(|record| record["rule"] == "prerule");
    found.unwrap_or_else(|| panic!("no record of the prerule: {run}"))["output"].clone()
}

#[test]
fn targets_are_explained() {
    let run = scan(["-p", "1", "--script", "address-info", "127.0.0.1", "::1", "::ffff:127.0.0.1"]).run();
    let found: Vec<Value> =
        run.report().scripts("address-info").iter().map(|record| record["output"].clone()).collect();
    assert_eq!(found[0], json!({ "purpose": "loopback (RFC 1122)" }), "{run}");
    assert_eq!(found[1], json!({ "purpose": "loopback (RFC 4291)" }), "{run}");
    let sent: Vec<u64> = run.report().scripts("address-info").iter().filter_map(|r| r["sent_bytes"].as_u64()).collect();
    assert!(sent.iter().all(|sent| *sent == 0), "it asked somebody: {run}");
}

#[test]
fn purposes() {
    let facts = explained(&[
        "10.9.8.7",
        "172.32.0.1",
        "172.31.255.255",
        "169.254.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "ff02::1",
    ]);
    let purpose = |address: &str| facts[address]["purpose"].as_str().unwrap_or("none").to_owned();
    assert_eq!(purpose("10.9.8.7"), "private (RFC 1918)");
    assert_eq!(facts["172.32.0.1"], "ordinary");
    assert_eq!(purpose("172.31.255.255"), "private (RFC 1918)");
    assert_eq!(purpose("169.254.0.1"), "link-local (RFC 3927)");
    assert_eq!(purpose("255.255.255.255"), "limited broadcast (RFC 919)");
    assert_eq!(purpose("192.0.2.1"), "documentation (RFC 5737)");
    assert_eq!(purpose("ff02::1"), "multicast (RFC 4291)");
}

#[test]
fn what_is_written_in_an_address() {
    let facts = explained(&[
        "fe80::211:22ff:fe33:4455",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2002:c000:204::1",
        "64:ff9b::192.0.2.33",
        "2600::200:5efe:c000:201",
        "2600::1",
    ]);
    // RFC 4291, appendix A: the universal bit is inverted.
    assert_eq!(
        facts["fe80::211:22ff:fe33:4455"],
        json!({ "purpose": "link-local (RFC 4291)", "mac": "00:11:22:33:44:55" })
    );
    // The example of RFC 4380, section 5.
    let teredo = json!({ "server": "65.54.227.120", "client": "192.0.2.45", "port": 40000 });
    assert_eq!(facts["2001:0:4136:e378:8000:63bf:3fff:fdd2"]["teredo"], teredo);
    assert_eq!(facts["2002:c000:204::1"]["ipv4"], "192.0.2.4");
    assert_eq!(facts["64:ff9b::192.0.2.33"]["ipv4"], "192.0.2.33");
    assert_eq!(facts["2600::200:5efe:c000:201"], json!({ "isatap": "192.0.2.1" }));
    assert_eq!(facts["2600::1"], "ordinary");
}

#[test]
fn what_is_no_address_is_told() {
    let arguments = ["--script", "address-info", "--script-args", "addresses=nonsense", "-p", "1", "127.0.0.1"];
    let run = scan(arguments).run();
    let report = run.report();
    let record = global(&report, "address-info").into_iter().find(|record| record["rule"] == "prerule");
    let message = record.map(|record| record["failure"]["message"].to_string()).unwrap_or_default();
    assert!(message.contains("nonsense") && message.contains("no address"), "{run}");
}

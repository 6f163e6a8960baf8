//! `-e`: the interface for whatever does not say its own.

use serde_json::Value;

use super::topology::Lab;

/// An address of `b`'s that `a` reaches by both wires, sooner by the first.
const BEYOND: &str = "10.66.50.1";
/// `b` on the second wire, which alone has an address of that kind.
const LOCAL: &str = "fe80::9:2";

/// Two hosts with two wires between them: the lab's own, and `second0` with 10.66.9.1 and .2.
fn two_wires() -> Option<Lab> {
    Lab::flat(2)?.with(|lab| {
        let (a, b) = (&lab.host("a").space, &lab.host("b").space);
        a.ip(&format!("link add second0 type veth peer name second0 netns {}", b.name()))?;
        a.ip("addr add 10.66.9.1/24 dev second0\naddr add fe80::9:1/64 dev second0 nodad\nlink set second0 up")?;
        b.ip(&format!(
            "addr add 10.66.9.2/24 dev second0\naddr add {LOCAL}/64 dev second0 nodad\nlink set second0 up\n\
             addr add {BEYOND}/32 dev lo"
        ))?;
        a.ip(&format!("route add {BEYOND}/32 via 10.66.0.2\nroute add {BEYOND}/32 via 10.66.9.2 metric 100"))?;
        a.ip("link add asleep0 type veth peer name asleep1")
    })
}

#[test]
fn probes_take_the_interface_of_the_user() {
    let Some(lab) = two_wires() else { return };
    let _web = lab.host("b").listen(80);
    let from = |words: &[&str]| -> String {
        let words = [&["-sS", "-PS80", "-p", "80", "--packet-trace"], words, &[BEYOND]].concat();
        let run = lab.scan("a", &words).run().expect(0);
        let states: Vec<Value> = run.report().host(BEYOND)["ports"].as_array().expect("ports").clone();
        assert_eq!(states[0]["state"], "open", "{run}");
        let sent = run.stderr.lines().filter(|line| line.contains("SENT (") && line.contains(" TCP "));
        let mut sources: Vec<String> =
            sent.filter_map(|line| Some(line.split_once(" TCP ")?.1.split_once(':')?.0.to_owned())).collect();
        sources.sort();
        sources.dedup();
        assert_eq!(sources.len(), 1, "{run}");
        sources.remove(0)
    };
    assert_eq!(from(&[]), "10.66.0.1");
    assert_eq!(from(&["-e", "second0"]), "10.66.9.1");
}

#[test]
fn link_local_targets_get_their_zone() {
    let Some(lab) = two_wires() else { return };
    let _web = lab.host("b").listen(80);
    for kind in ["-sS", "-sT"] {
        let words = [kind, "-6", "-p", "80", "-e", "second0", "--packet-trace", LOCAL];
        let run = lab.scan("a", &words).run().expect(0);
        let report = run.report();
        let host = report.host(LOCAL);
        assert_eq!((&host["state"], &host["ports"][0]["state"]), (&Value::from("up"), &Value::from("open")), "{run}");
        assert!(host["scope"].as_u64().is_some_and(|scope| scope > 1), "{host:#}");
    }
}

#[test]
fn an_interface_that_cannot_be_used_is_named() {
    let Some(lab) = two_wires() else { return };
    let refused = |name: &str, why: &str| {
        lab.scan("a", &["-e", name, "-p", "80", "10.66.9.2"]).run().expect(2).says(&[why]);
    };
    refused("nowhere0", "-e nowhere0: there is no such interface; --iflist lists them");
    refused("asleep0", "-e asleep0: this interface is down");
}

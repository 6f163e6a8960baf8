//! `resolver-check`: the name servers of a run, before the scan.

use serde_json::json;

use super::keys;
use crate::support::names::NameServer;
use crate::support::peer::Peer;
use crate::support::sonde::{Run, scan};

fn check(server: &str, arguments: &str) -> Run {
    let peer = Peer::refusing();
    let more = ["--dns-servers", server, "--script", "resolver-check", "-p", &peer.port(), &peer.ip()];
    let args = if arguments.is_empty() { vec!["-v"] } else { vec!["--script-args", arguments] };
    scan(more).args(args).run()
}

#[test]
fn names_are_looked_up() {
    let address = |text: &str| text.parse().expect("an address");
    let names = NameServer::knowing(&[
        ("a.example", address("192.0.2.1")),
        ("a.example", address("2001:db8::1")),
        ("b.example", address("192.0.2.2")),
    ]);
    let run = check(&names.server(), "names={a.example,b.example,none.example}").expect(0);
    let output = run.report().script("resolver-check")["output"].clone();
    assert_eq!(keys(&output[0]), ["name", "addresses", "milliseconds"]);
    assert_eq!(
        (&output[0]["name"], &output[0]["addresses"]),
        (&json!("a.example"), &json!(["192.0.2.1", "2001:db8::1"]))
    );
    assert_eq!(output[1]["addresses"], json!(["192.0.2.2"]));
    assert!(output[0]["milliseconds"].is_i64(), "{output}");
    assert!(output[2]["error"].as_str().is_some_and(|error| error.contains("none.example")), "{output}");
}

#[test]
fn one_name_needs_no_braces() {
    let names = NameServer::knowing(&[("a.example", "192.0.2.1".parse().expect("an address"))]);
    let output = check(&names.server(), "resolver-check.names=a.example").expect(0).report();
    assert_eq!(output.script("resolver-check")["output"][0]["addresses"], json!(["192.0.2.1"]));
}

#[test]
fn nothing_is_asked_without_names() {
    let names = NameServer::ignorant();
    let run = check(&names.server(), "").expect(0).says(&["no name is looked up"]);
    assert!(run.report().scripts("resolver-check").is_empty());
    assert_eq!(names.asked(), 0);
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let run = check("127.0.0.1:1", "names=a.example").expect(0);
    let output = run.report().script("resolver-check")["output"].clone();
    assert!(output[0]["error"].as_str().is_some_and(|error| error.contains("127.0.0.1:1")), "{output}");
}

//! `duplicates`: addresses that show the same certificate or the same page.

use serde_json::json;

use crate::support::peer::Peer;
use crate::support::sonde::{scan, sonde};
use crate::support::{servers, tls};

#[test]
fn one_server_behind_many_addresses() {
    let Some(server) = servers::nginx_everywhere("") else { return };
    let other = Peer::answering("HTTP/1.0 200 OK\r\n\r\nsomething else");
    let ports = format!("{},{}", server.port(), other.port());
    let targets = ["127.0.0.1", "127.0.0.10", "127.0.0.2", &other.ip()];
    let run = scan(["-p", &ports, "--script", "+duplicates"]).args(targets).run().expect(0);
    let report = run.report();
    // Another test's port may be open on these addresses by chance; what a portrule met there is no matter.
    let found = report.scripts("duplicates").into_iter().find(|record| record["rule"] == "postrule");
    let found = found.expect("the postrule has something to say");
    assert_eq!(found["outcome"], "done", "{run}");
    let groups = found["output"].as_array().expect("a list");
    assert_eq!(groups.len(), 1, "{run}");
    let mut same: Vec<String> = ["127.0.0.1", "127.0.0.2", "127.0.0.10"].map(str::to_owned).to_vec();
    same.push(other.ip()); // nginx is on that address too, on its own port
    assert_eq!(groups[0]["addresses"], json!(same), "{run}");
    let page = groups[0]["in_common"][0].as_str().unwrap_or_default();
    assert!(page.starts_with("page ") && page.len() == 69, "{run}");
}

#[test]
fn one_host_key_on_two_addresses() {
    let Some(one) = servers::sshd(&["ed25519", "rsa"], "") else { return };
    // Another server, made from the same image.
    let copied = format!("HostKey {}", one.dir.join("host_ed25519").display());
    let Some(two) = servers::sshd(&["ecdsa"], &copied) else { return };
    let ports = format!("{},{}", one.port(), two.port());
    let run = scan(["-p", &ports, "--script", "+duplicates", &one.ip(), &two.ip()]).run().expect(0);
    let report = run.report();
    let groups = report.script("duplicates")["output"].as_array().cloned().unwrap_or_default();
    let mut addresses = [one.ip(), two.ip()];
    addresses.sort_by_key(|address| address.parse::<std::net::IpAddr>().ok());
    assert_eq!((groups.len(), &groups[0]["addresses"]), (1, &json!(addresses)), "{run}");
    let shared = groups[0]["in_common"].as_array().expect("a list");
    assert!(shared.len() == 1 && shared[0].as_str().is_some_and(|key| key.starts_with("host key SHA256:")), "{run}");
}

#[test]
fn one_certificate_on_two_addresses() {
    let peers = tls::peers(2, |_| {});
    let [one, two] = peers.as_slice() else { panic!("two peers") };
    let ports = format!("{},{}", one.port(), two.port());
    let run = scan(["-p", &ports, "--script", "+duplicates", &one.ip(), &two.ip()]).run().expect(0);
    let report = run.report();
    let found = report.script("duplicates");
    let mut addresses = [one.ip(), two.ip()];
    addresses.sort_by_key(|address| address.parse::<std::net::IpAddr>().ok());
    assert_eq!(found["output"][0]["addresses"], json!(addresses), "{run}");
    let shared = found["output"][0]["in_common"][0].as_str().unwrap_or_default();
    assert!(shared.starts_with("certificate ") && shared.len() == 76, "{run}");
}

#[test]
fn addresses_with_nothing_in_common() {
    let one = Peer::answering("HTTP/1.0 200 OK\r\n\r\none");
    let two = Peer::answering("HTTP/1.0 200 OK\r\n\r\ntwo");
    let (silent, greeting) = (Peer::resetting(false), Peer::greeting("220 hello\r\n"));
    let peers = [&one, &two, &silent, &greeting];
    let ports: Vec<String> = peers.iter().map(|peer| peer.port()).collect();
    let run = scan(["-p", &ports.join(","), "--script", "+duplicates"]).args(peers.map(Peer::ip)).run().expect(0);
    let report = run.report();
    assert!(report.scripts("duplicates").iter().all(|record| record["rule"] == "portrule"), "{run}");
    assert_eq!(report.count("duplicates", "done"), 4, "two pages, none, and the report: {run}");
    assert_eq!(report.count("duplicates", "failed"), 1, "{run}");
}

#[test]
fn nothing_open_is_nothing_said() {
    let peer = Peer::refusing();
    let text = sonde(["-n", "-p", &peer.port(), "--script", "duplicates", &peer.ip()]).run().expect(0).text();
    assert!(!text.contains("duplicates"), "{text}");
}

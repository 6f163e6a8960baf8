//! What holds of every shipped script, whatever it does.

use crate::support::peer::Peer;
use crate::support::servers;
use crate::support::sonde::{scan, sonde};

/// Ids of the shipped scripts, by their files.
fn ids() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
    let names =
        std::fs::read_dir(folder).expect("the folder scripts").map(|entry| entry.expect("an entry").file_name());
    let mut ids: Vec<String> =
        names.filter_map(|name| Some(name.to_str()?.strip_suffix(".rhai")?.to_owned())).collect();
    ids.sort();
    ids
}

#[test]
fn every_script_is_described_with_real_output() {
    assert!(ids().len() >= 13, "{:?}", ids());
    for id in ids() {
        let help = sonde(["--script-help", &id]).run().expect(0).text();
        assert!(help.contains("Example output:\n") && help.contains("|_"), "{id}: {help}");
        assert!(!help.contains("categories: \n"), "{id}: {help}");
        assert!(!help.contains("SAMPLE"), "{id}: {help}");
    }
}

/// Those that stay on the streams and datagrams of loopback. What sends packets or listens on interfaces would reach out of
/// the machine here: `tests/lab` runs that, in networks of its own.
fn ids_on_loopback() -> Vec<String> {
    let is_on_links = |id: &String| {
        let text =
            std::fs::read_to_string(format!("{}/scripts/{id}.rhai", env!("CARGO_MANIFEST_DIR"))).expect("a script");
        text.contains("\"raw\"") || text.contains("\"capture\"")
    };
    ids().into_iter().filter(|id| !is_on_links(id)).collect()
}

/// Peers that do all kinds of wrong things. Each port gets all scripts: none may fail through a fault of its own.
#[test]
fn no_script_fails_through_a_fault_of_its_own() {
    let peers = [
        Peer::start(|talk| talk.finish(b"")),
        Peer::resetting(true),
        Peer::resetting(false),
        Peer::silent(),
        Peer::greeting("SSH-2.0-OpenSSH_9.2p1\r\n"),
        Peer::greeting(&b"\x00\xff\xfe\x1b[31m\n\n\n"[..]),
        Peer::echo(),
        Peer::answering("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nshort"),
        Peer::answering("HTTP/1.1 999 \r\n\r\n"),
        Peer::answering(
            "HTTP/1.1 200 OK\r\nDate: \r\nAllow: ,,\r\nLocation: ::\r\nContent-Type: \r\n\r\n<link rel=icon href=''><title>",
        ),
        Peer::answering("HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n"),
        Peer::answering("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
        Peer::answering(&b"HTTP/1.1 200 OK\r\n\r\n<title>\xff\xfe\x00</title><link rel=icon href=\xff>"[..]),
        Peer::answering(&b"\x15\x03\x01\x00\x02\x02\x28"[..]),
        Peer::answering(&b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"[..]),
    ];
    let forced: Vec<String> = ids_on_loopback().iter().map(|id| format!("+{id}")).collect();
    let arguments = "names=localhost,addresses=::1,banner.timeout=200ms,banner.quiet=50ms,test-all";
    let (forced, forced_ids) = (forced.join(","), ids_on_loopback());
    let all = &forced;
    std::thread::scope(|scope| {
        for (number, peer) in peers.iter().enumerate() {
            let ids = &forced_ids;
            scope.spawn(move || {
                let run = scan(["-d", "-p", &peer.port(), "--script", all, "--script-args", arguments])
                    .args(["--script-operation-timeout", "300ms", &peer.ip()])
                    .run();
                assert_eq!(run.code, Some(0), "peer {number}: {run}");
                let report = run.report();
                for record in ids.iter().flat_map(|id| report.scripts(id)) {
                    let kind = record["failure"]["kind"].as_str().unwrap_or("peer");
                    assert_eq!(kind, "peer", "peer {number}: {record:#}");
                }
            });
        }
    });
}

#[test]
fn every_script_runs_with_debugging_on_a_real_server() {
    let Some(server) = servers::nginx("") else { return };
    let forced: Vec<String> = ids_on_loopback().iter().map(|id| format!("+{id}")).collect();
    let arguments = "names=localhost,addresses=10.0.0.1,banner.timeout=200ms";
    let run = scan(["-dd", "-vv", "-p", &server.port(), "--script", &forced.join(",")])
        .args(["--script-args", arguments, &server.ip()])
        .run()
        .expect(0);
    for id in ids_on_loopback() {
        for record in run.report().scripts(&id) {
            let kind = record["failure"]["kind"].as_str().unwrap_or("peer");
            assert_eq!(kind, "peer", "{record:#}");
        }
    }
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_sent() {
    let peer = Peer::greeting("x\n");
    let refused = [
        ("http-title", "http-title.ulr=/x", "did you mean"),
        ("http-title", "http-title.url={a}", "not a table"),
        ("http-headers", "useget=perhaps", "not of type bool"),
        ("http-methods", "test-all=2", "not of type bool"),
        ("banner", "lines=many", "not of type int"),
        ("banner", "banner.timeout=soon", "not of type duration"),
        ("banner", "lines", "needs a value"),
        ("whois-domain", "whois-domain.port=x", "not of type int"),
        ("resolver-check", "names={a=b}", "is a list"),
        ("ssl-date", "ssl-date.x=1", "no selected script has an argument"),
    ];
    for (script, arguments, part) in refused {
        let run = sonde(["-n", "-p", &peer.port(), "--script", script, "--script-args", arguments, &peer.ip()]).run();
        let run = run.expect(2).says(&[part]);
        assert!(run.stdout.is_empty(), "{run}");
    }
    assert_eq!(peer.accepted(), 0);
}

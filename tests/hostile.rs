//! Peers that misbehave: each ends in a named outcome, the rest of the scan goes on, and nothing they say reaches a
//! terminal raw.

use serde_json::Value;

use crate::support::dir::Dir;
use crate::support::peer::Peer;
use crate::support::servers;
use crate::support::sonde::{Report, Run, scan, sonde};

/// A script that talks over a bare stream: two lines, whatever they are.
const LINES: &str = "const portrule = #{};\nconst capabilities = [\"tcp\"];\nfn action(host, port) {\n    \
                     let s = net::connect(host, port);\n    net::send(s, \"GET / HTTP/1.1\\r\\n\\r\\n\");\n    \
                     bytes::to_text(net::receive_lines(s, 2))\n}";

/// What a script must come to: `done` or the class of its failure.
struct Case {
    what: &'static str,
    peer: Peer,
    title: &'static str,
    lines: &'static str,
}

fn case(what: &'static str, peer: Peer, title: &'static str, lines: &'static str) -> Case {
    Case { what, peer, title, lines }
}

/// The head of an answer without the empty line that ends it.
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n";

fn cases() -> Vec<Case> {
    let cut = Peer::answering(format!("{HEAD}Content-Length: 500\r\n\r\n<title>cut off</title>"));
    let noise: Vec<u8> = (0..=255).cycle().take(5000).collect();
    vec![
        case("resets at once", Peer::resetting(true), "reset", "reset"),
        case("resets after the request", Peer::resetting(false), "reset", "reset"),
        case("closes at once", Peer::greeting(""), "closed", "closed"),
        case("is silent", Peer::silent(), "timeout", "timeout"),
        case("trickles a head", Peer::trickling("HTTP/1.1 200 OK\r\nX-Slow: "), "wall", "timeout"),
        case("trickles a body", Peer::trickling(&format!("{HEAD}Content-Length: 100000\r\n\r\n")), "wall", "done"),
        case("sends an endless head", Peer::endless("HTTP/1.1 200 OK\r\nX-Long: "), "protocol", "protocol"),
        case("sends an endless body", Peer::endless(&format!("{HEAD}\r\n<title>x</title>")), "done", "done"),
        case("closes in the head", Peer::answering("HTTP/1.1 200 OK\r\nContent-Le"), "done", "closed"),
        case("closes in the body", cut, "done", "done"),
        case("sends invalid UTF-8", Peer::answering(invalid_text()), "done", "done"),
        case("sends escape sequences", Peer::answering(escapes()), "done", "done"),
        case("answers with noise", Peer::answering(noise), "done", "done"),
        case("says the request again", Peer::echo(), "done", "done"),
    ]
}

fn invalid_text() -> Vec<u8> {
    let head = HEAD.replace("text/html", "text/html; charset=utf-8");
    [head.as_bytes(), b"\r\n<title>a\xff\xfe b \xf0\x28 c</title>\n"].concat()
}

/// A title that would colour a terminal, ring it, clear it, rename its window and turn its text around.
fn escapes() -> String {
    format!(
        "{HEAD}X: \u{1b}[2J\r\n\r\n<meta charset=utf-8><title>\u{1b}[31mred\u{7}\u{9b}2J\u{1b}]0;mine\u{7}\u{202e}end</title>"
    )
}

/// How the one instance of a script on a host ended: `done`, or the class of its failure. One that is done and has
/// nothing to say is not listed.
#[track_caller]
fn ending(host: &Value, id: &str) -> String {
    let ports = host["ports"].as_array().into_iter().flatten();
    let all = ports.filter_map(|port| port["scripts"].as_array()).flatten();
    let found: Vec<&Value> = all.filter(|script| script["id"] == id).collect();
    match found[..] {
        [] => "done".to_owned(),
        [script] if script["outcome"] == "done" => "done".to_owned(),
        [script] => script["failure"]["class"].as_str().unwrap_or_default().to_owned(),
        _ => panic!("{} records of {id}: {host:#}", found.len()),
    }
}

/// Scans every peer and a good server beside them, with two scripts.
fn scan_them_all(cases: &[Case], good: &servers::Server, dir: &Dir) -> Run {
    let lines = dir.write("lines.rhai", LINES).display().to_string();
    let mut ports: Vec<String> = cases.iter().map(|case| case.peer.port()).collect();
    ports.push(good.port());
    let scripts = format!("+http-title,{lines}");
    let limits = ["--script-operation-timeout", "500ms", "--script-timeout", "2s"];
    scan(["-p", &ports.join(","), "--script", &scripts, "-oX", "all.xml", "-oN", "all.txt", "-oG", "all.gnmap"])
        .args(limits)
        .args(cases.iter().map(|case| case.peer.ip()))
        .args([good.ip()])
        .within(dir.path())
        .run()
}

/// Control characters other than line breaks and tabs, and those that turn text around.
fn is_dangerous(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn each_ends_in_a_named_outcome_and_the_rest_goes_on() {
    let Some(good) = servers::nginx("") else { return };
    let (cases, dir) = (cases(), Dir::new());
    let run = scan_them_all(&cases, &good, &dir).expect(3); // two ran out of time
    let report = run.report();
    for case in &cases {
        let host = report.host(&case.peer.ip());
        assert_eq!(Report::open_ports(host), [case.peer.address().port()], "a peer that {}", case.what);
        assert_eq!(ending(host, "http-title"), case.title, "http-title and a peer that {}: {host:#}", case.what);
        assert_eq!(ending(host, "lines"), case.lines, "lines and a peer that {}: {host:#}", case.what);
    }
    let beside = report.host(&good.ip());
    assert_eq!(Report::open_ports(beside), [good.address.port()]);
    let titles = report.scripts("http-title");
    assert!(titles.iter().any(|script| script["output"] == "A real server"), "{beside:#}");
    for (id, planned) in [("http-title", cases.len() as u64 + 1), ("lines", cases.len() as u64 + 1)] {
        let endings = report.end()["totals"]["scripts"][id].as_object();
        let sum: u64 = endings.into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum();
        assert_eq!(sum, planned, "the endings of {id} add up");
    }
    let stderr = &run.stderr;
    assert!(!stderr.contains("panic") && !stderr.chars().any(is_dangerous), "{run}");

    let xml = dir.read("all.xml");
    assert!(!xml.chars().any(is_dangerous), "the XML holds a raw control character");
    crate::support::xml::assert_well_formed(&xml);
    for name in ["all.txt", "all.gnmap"] {
        assert!(!dir.read(name).chars().any(is_dangerous), "{name} holds a raw control character");
        assert!(dir.read(name).contains(&good.ip()), "{name} lost a host");
    }
    let json = run.text();
    assert!(!json.chars().any(is_dangerous), "the JSON Lines hold a raw control character");
}

#[test]
fn what_hostile_peers_say_is_shown_escaped_and_kept_whole() {
    let peer = Peer::answering(escapes());
    let arguments = ["-p", &peer.port(), "--script", "+http-title", &peer.ip()].map(str::to_owned);
    let text = sonde(["-n", "--color", "always", "-vv", "-d"]).args(&arguments).run().expect(0).text();
    let shown = text.replace("\u{1b}[", ""); // our own colours
    assert!(!shown.contains('\u{1b}') && !text.contains("\u{1b}[31mred"), "{text:?}");
    assert!(text.contains("red") && text.contains("end"), "{text:?}");
    let report = scan(&arguments).run().expect(0).report();
    let title = report.script("http-title")["output"].as_str().unwrap_or_default().to_owned();
    assert!(title.contains("\u{1b}[31mred\u{7}") && title.ends_with("end"), "JSON keeps what came: {title:?}");
}

#[test]
fn a_trace_of_hostile_bytes_is_harmless() {
    let peer = Peer::answering(escapes());
    let run = scan(["-p", &peer.port(), "--script", "+http-title", "--script-trace", &peer.ip()]).run().expect(0);
    let run = run.says(&["trace http-title connect", "trace http-title send", "trace http-title receive"]);
    assert!(!run.stderr.chars().any(is_dangerous), "{run}");
}

#[test]
fn an_error_that_quotes_a_peer_is_harmless() {
    let peer = Peer::greeting("\u{1b}[31mbad\u{7}\n");
    let dir = Dir::new();
    let source = "const portrule = #{};\nconst capabilities = [\"tcp\"];\nfn action(host, port) {\n    \
                  let s = net::connect(host, port);\n    let line = bytes::to_text(net::receive_lines(s, 1));\n    \
                  script::log(\"error\", line);\n    throw line;\n}";
    let path = dir.write("quote.rhai", source).display().to_string();
    let arguments = ["-n", "-p", &peer.port(), "--script", &path, &peer.ip()].map(str::to_owned);
    let run = sonde(&arguments).run().expect(3);
    assert!(!run.text().chars().any(is_dangerous) && run.text().contains("bad"), "{run}");
    assert!(!run.stderr.chars().any(is_dangerous) && run.stderr.contains("bad"), "{run}");
}

#[test]
fn a_port_that_refuses_gets_no_script() {
    let peer = Peer::refusing();
    let run = scan(["-sT", "-p", &peer.port(), "--script", "+http-title", &peer.ip()]).run().expect(0);
    let report = run.report();
    assert_eq!(report.host(&peer.ip())["ports"][0]["reason"], "conn-refused");
    assert_eq!(report.end()["totals"]["scripts"], serde_json::json!({}));
}

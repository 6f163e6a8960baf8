//! The library in Rhai: every module has a script in `testdata/stdlib` that checks each of its functions in an instance with
//! a real host and port, and every function is documented.

use std::io::Write as _;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::peer::Peer;
use crate::support::sonde::{Run, scan};
use crate::support::whois::Whois;
use crate::support::{servers, tls};

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/stdlib");

/// Runs the tests of one module against `peer`.
fn check(module: &str, peer: (&str, &str), arguments: &[&str]) -> Run {
    let (ip, port) = peer;
    scan(["--script-dir", TESTS, "--script", module, "-p", port, ip]).args(arguments).run().expect(0)
}

/// The only record's output: how many checks held.
#[track_caller]
fn held(run: &Run, module: &str) -> i64 {
    let report = run.report();
    let record = report.script(module);
    assert_eq!(record["outcome"], "done", "{run}");
    record["output"].as_i64().unwrap_or_else(|| panic!("no count of checks: {run}"))
}

/// Greets with three lines, the last unfinished, then answers every line with itself.
fn greeter() -> Peer {
    Peer::start(|talk| {
        use std::io::{BufRead as _, BufReader};
        let _ = talk.stream.write_all(b"one\r\ntwo\r\nthree");
        let Ok(reader) = talk.stream.try_clone() else { return };
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            let _ = talk.stream.write_all(format!("> {line}\n").as_bytes());
        }
    })
}

#[test]
fn shortport() {
    let peer = greeter();
    let run = check("shortport", (&peer.ip(), &peer.port()), &[]);
    assert!(held(&run, "shortport") > 30, "{run}");
}

#[test]
fn shortport_knows_tls_by_asking() {
    let Some(server) = servers::openssl(&[]) else { return };
    let run = check("shortport", (&server.ip(), &server.port()), &["--script-args", &format!("tls={}", server.port())]);
    assert_eq!(held(&run, "shortport"), 1, "{run}");
}

#[test]
fn stdnse() {
    let peer = greeter();
    let run = check("stdnse", (&peer.ip(), &peer.port()), &["--script-args", "stdnse.depth=7", "-v", "-d"]);
    let run = run.says(&[": debug one\n", ": 11\n", ": verbose one\n", ": 12\n"]);
    for unwanted in ["two", "three", "four", "five"] {
        assert!(!run.stderr.contains(unwanted), "logged below its level: {run}");
    }
    assert!(held(&run, "stdnse") > 40, "{run}");
}

#[test]
fn comm() {
    let peer = greeter();
    let (closed, silent, mute) = (Peer::refusing(), Peer::silent(), Peer::start(|talk| talk.finish(b"")));
    let secret = tls::peer(|stream| {
        let _ = stream.write_all(b"secret\n");
    });
    let echo = Echo::start(&peer.ip());
    let named = |name: &str, peer: &Peer| format!("{name}='{} {}'", peer.ip(), peer.port());
    let arguments = [
        named("closed", &closed),
        named("mute", &mute),
        named("silent", &silent),
        named("tls", &secret),
        format!("udp='{} {}'", echo.ip, echo.port),
    ];
    let run = check("comm", (&peer.ip(), &peer.port()), &["--script-args", &arguments.join(",")]);
    assert!(held(&run, "comm") > 20, "{run}");
}

#[test]
fn httpspider() {
    let Some(server) = servers::nginx("") else { return };
    let site = [
        (
            "index",
            "<a href='deep/1.html'>1</a><a href='/private/p.html'>p</a><a href='http://other.example/'>o</a>\
             <img src=logo.png><a href='?q=1#x'>q</a><a href='?q=1#y'>q</a><a href=missing>m</a><a href='mailto:a@b'>m</a>\
             <a href='http://[::1'>b</a><a href='#'>t</a>",
        ),
        ("deep/1", "<a href=2.html>2</a><a href=../>up</a><a href='./2.html'>2</a>"),
        ("deep/2", "<a href=3.html>3</a>"),
        ("deep/3", "<a href=4.html>too deep</a>"),
        ("private/p", "secret"),
    ];
    for (name, page) in site {
        server.dir.write(&format!("www/{name}.html"), page);
    }
    server.dir.write("www/robots.txt", "User-agent: *\nDisallow: /private/\n");
    let run = check("httpspider", (&server.ip(), &server.port()), &["-d"]);
    let run = run.says(&["at the end: 0 threads alive, 0 sockets open, 0 stacks in use, locks idle"]);
    assert!(held(&run, "httpspider") > 20, "{run}");
}

#[test]
fn whois() {
    let port = crate::support::place::port();
    let second = Whois::start(port, |name| format!("question: {name}\n"));
    let (target, dead) = (second.address.ip(), crate::support::place::address());
    let first = Whois::start(port, move |name| {
        let to = if name == "dead.example" { dead } else { target };
        format!("question: {name}\nrefer: {to}\n")
    });
    let arguments = format!("server={},second={target}", first.address.ip());
    let run =
        check("whois", (&first.address.ip().to_string(), &port.to_string()), &["--script-args", &arguments, "-d"]);
    let run = run.says(&["at the end: 0 threads alive, 0 sockets open, 0 stacks in use, locks idle"]);
    assert!(held(&run, "whois") >= 13, "{run}");
    // Four names and the one for the dead server, each once; never two connections at a time.
    assert_eq!((first.asked(), first.most_at_once()), (5, 1));
}

#[test]
fn libraries_that_only_compute() {
    let peer = greeter();
    for (module, checks) in
        [("hops", 2), ("ipid", 12), ("statistics", 9), ("synack", 11), ("systems", 12), ("probes", 8)]
    {
        let run = check(module, (&peer.ip(), &peer.port()), &[]);
        assert_eq!(held(&run, module), checks, "{run}");
    }
}

/// Every function that scripts can call, with the comment in front of it, by its module.
fn functions() -> Vec<(String, String, bool)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder stdlib") {
        let path = entry.expect("an entry").path();
        let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a module");
        let mut last = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("fn ") {
                let name = rest.split('(').next().unwrap_or_default();
                found.push((module.clone(), name.to_owned(), last.starts_with("/// ")));
            }
            last = line;
        }
    }
    found
}

#[test]
fn every_function_is_documented_and_checked() {
    let functions = functions();
    assert!(functions.len() > 50, "only {} functions found: the test has lost its grip", functions.len());
    for (module, name, documented) in functions {
        assert!(documented, "{module}::{name} has no doc comment");
        let checks = std::fs::read_to_string(format!("{TESTS}/{module}.rhai"))
            .unwrap_or_else(|error| panic!("{TESTS}/{module}.rhai: {error}"));
        assert!(checks.contains(&format!("{module}::{name}(")), "{module}::{name} is not checked");
    }
}

/// Answers every datagram with itself until dropped.
struct Echo {
    port: u16,
    stop: Arc<AtomicBool>,
    ip: String,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Echo {
    fn start(ip: &str) -> Echo {
        let socket = UdpSocket::bind((ip, 0)).expect("a free port on loopback");
        let port = socket.local_addr().expect("it is bound").port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let _ = socket.send_to(&buffer[..length], from);
            }
        });
        Echo { port, stop, ip: ip.to_owned(), thread: Some(thread) }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let woken = UdpSocket::bind((self.ip.as_str(), 0))
            .and_then(|socket| socket.send_to(&[], (self.ip.as_str(), self.port)));
        if woken.is_ok() {
            self.thread.take().map(std::thread::JoinHandle::join);
        }
    }
}

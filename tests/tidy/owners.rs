//! What only a few named files may do, and why.

use super::lexer::{self, Token};
use super::source::Source;
use super::{Fault, expect, expect_none, sources};

/// Something that has owners.
struct Owned {
    /// Named in the fault.
    what: &'static str,
    /// Words and `::` that stand for it in the code, as `Instant`, `fs::`, `println!`.
    signs: &'static [&'static str],
    /// Files, or folders with a slash at the end, that may; below `src/`.
    only: &'static [&'static str],
}

const OWNED: [Owned; 14] = [
    // Each of these argues its case in a SAFETY paragraph.
    Owned {
        what: "unsafe code",
        signs: &["unsafe"],
        only: &[
            "script/coroutine.rs",
            "script/overflow.rs",
            "runtime/memory.rs",
            "net/live/link_address.rs",
            "net/live/capture/ring.rs",
            "app/terminal.rs",
        ],
    },
    // Time and randomness are arguments: a virtual clock and a seed must reach everything.
    Owned {
        what: "reading the clock",
        signs: &["Instant", "SystemTime", "Zoned::now", "jiff::Timestamp::now"],
        only: &["runtime/clock.rs"],
    },
    Owned {
        what: "drawing randomness",
        signs: &["fastrand", "rand::", "getrandom", "SystemRandom"],
        only: &["runtime/random.rs"],
    },
    // The door: everything above net sees traits.
    Owned {
        what: "opening sockets",
        signs: &["TcpStream", "TcpListener", "UdpSocket", "socket2", "async_net", "async_io::Async"],
        only: &["net/live/", "app/interrupt.rs", "app/keys.rs"],
    },
    Owned {
        what: "a blocking name lookup",
        signs: &["ToSocketAddrs", "to_socket_addrs", "getaddrinfo", "getnameinfo", "lookup_host"],
        only: &[],
    },
    Owned { what: "the reactor", signs: &["block_on", "Timer::", "async_io::Timer"], only: &["runtime/executor.rs"] },
    Owned {
        what: "a thread of its own",
        signs: &["thread::spawn", "thread::scope", "thread::Builder", "blocking::", "std::thread"],
        only: &["net/live/capture/thread.rs"],
    },
    // Files are read and created before the loop runs; libraries of scripts on first use.
    Owned {
        what: "touching files",
        signs: &["fs::", "std::fs", "File::"],
        only: &[
            "app/inputs.rs",
            "app/outputs.rs",
            "app/journal.rs",
            "app/merge.rs",
            "app/keys.rs",
            "net/live/names.rs",
            "script/engine.rs",
            "script/catalogue.rs",
        ],
    },
    Owned {
        what: "printing",
        signs: &[
            "println!",
            "print!",
            "eprintln!",
            "eprint!",
            "dbg!",
            "io::stdout",
            "io::stderr",
            "stdout()",
            "stderr()",
        ],
        only: &["app.rs", "app/", "main.rs"],
    },
    Owned {
        what: "reading stdin",
        signs: &["io::stdin", "stdin()"],
        only: &["app/inputs.rs", "app/keys.rs", "app/terminal.rs"],
    },
    Owned {
        what: "reading the environment",
        signs: &["env::"],
        only: &["app/outputs.rs", "app/privileges.rs", "main.rs"],
    },
    // Two ways out: main's, and the second Ctrl-C, which must work when the loop does not.
    Owned { what: "ending the process", signs: &["process::exit", "process::abort", "exit("], only: &["main.rs"] },
    Owned {
        what: "signals",
        signs: &["signal_hook", "sigaction"],
        only: &["app/interrupt.rs", "app/terminal.rs", "script/overflow.rs"],
    },
    Owned { what: "starting processes", signs: &["process::Command", "Command::new"], only: &[] },
];

/// Libraries that only the room they belong to may know.
const LIBRARIES: [Owned; 9] = [
    Owned { what: "the script language", signs: &["rhai::"], only: &["script/", "bindings/", "app/scripts.rs"] },
    Owned { what: "coroutines", signs: &["corosensei"], only: &["script/coroutine.rs", "script/overflow.rs"] },
    Owned { what: "TLS libraries", signs: &["rustls", "tls_parser", "x509_parser"], only: &["net/tls/"] },
    Owned { what: "SSH sessions", signs: &["sunset"], only: &["net/ssh/"] },
    Owned { what: "DNS messages", signs: &["simple_dns"], only: &["net/resolver/"] },
    Owned { what: "packet headers", signs: &["etherparse"], only: &["packet/"] },
    Owned {
        what: "netlink",
        signs: &["netlink_packet_route", "netlink_packet_core", "netlink_sys"],
        only: &["net/live/netlink/"],
    },
    Owned { what: "the flag parser", signs: &["argh"], only: &["cli/"] },
    Owned { what: "capture files", signs: &["pcap_file"], only: &["net/record/", "net/replay/"] },
];

fn faults(sources: &[Source]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in sources {
        let tokens = source.tokens();
        faults.extend(OWNED.iter().chain(&LIBRARIES).flat_map(|owned| faults_of(owned, source, &tokens)));
    }
    faults
}

fn faults_of(owned: &Owned, source: &Source, tokens: &[Token<'_>]) -> Vec<Fault> {
    let inner = source.path.trim_start_matches("src/");
    if owned.only.iter().any(|owner| inner == *owner || owner.ends_with('/') && inner.starts_with(owner)) {
        return Vec::new();
    }
    let mut lines: Vec<usize> = owned.signs.iter().flat_map(|sign| lines_with(tokens, sign)).collect();
    lines.sort_unstable();
    lines.dedup();
    let owners = if owned.only.is_empty() { "no file".to_owned() } else { format!("only {}", owned.only.join(", ")) };
    let rule = format!("{} is for {owners}", owned.what);
    lines.into_iter().map(|line| Fault { path: source.path.clone(), line, rule: rule.clone() }).collect()
}

fn lines_with(tokens: &[Token<'_>], sign: &str) -> Vec<usize> {
    let sign: Vec<&str> = lexer::tokens(sign).iter().map(|token| token.text).collect();
    // A method of ours may be called what a free function is called: `self.exit(…)`.
    let free = |at: usize| at == 0 || tokens[at - 1].text != "." && tokens[at - 1].text != "fn";
    let at = (0..tokens.len())
        .filter(|at| free(*at) && tokens[*at..].iter().map(|t| t.text).take(sign.len()).eq(sign.iter().copied()));
    at.map(|at| tokens[at].line).collect()
}

#[test]
fn only_owners_do_what_is_owned() {
    expect_none(&faults(sources()));
}

#[test]
fn every_owner_is_there() {
    let sources = sources();
    let gone: Vec<&str> = OWNED
        .iter()
        .chain(&LIBRARIES)
        .flat_map(|owned| owned.only.iter().copied())
        .filter(|owner| !sources.iter().any(|source| source.path.trim_start_matches("src/").starts_with(owner)))
        .collect();
    assert!(gone.is_empty(), "no longer there: {gone:?}");
}

/// One line that breaks each rule, in the order of the tables.
const BAD: [&str; 23] = [
    "fn a() { unsafe { b() } }",
    "use std::time::{Duration, Instant};",
    "let seed = fastrand :: u64(..);",
    "let stream = std::net::TcpStream::connect(peer);",
    "use std::net::ToSocketAddrs;",
    "futures_lite::future::block_on(work);",
    "std::thread::spawn(|| ());",
    "let text = std::fs::read(path);",
    "println!(\"hello\");",
    "std::io::stdin().lock();",
    "let home = std::env::var(\"HOME\");",
    "std::process::exit(1);",
    "signal_hook::flag::register(a, b);",
    "std::process::Command::new(\"ls\");",
    "use rhai::Engine;",
    "use corosensei::Coroutine;",
    "use rustls::ClientConfig;",
    "use sunset::Runner;",
    "use simple_dns::Packet;",
    "use etherparse::TcpHeader;",
    "use netlink_sys::Socket;",
    "#[derive(argh::FromArgs)]",
    "use pcap_file::DataLink;",
];

#[test]
fn each_rule_bites() {
    for (owned, bad) in OWNED.iter().chain(&LIBRARIES).zip(BAD) {
        let faults_of = |source: &Source| faults_of(owned, source, &source.tokens());
        let elsewhere = Source::new("src/report/x.rs", &format!("\n{bad}\n// {bad}\n"));
        expect(&faults_of(&elsewhere), &[("src/report/x.rs:2", owned.what)]);
        let in_test = Source::new("src/report/x.rs", &format!("#[cfg(test)]\nmod tests {{ {bad} }}"));
        expect_none(&faults_of(&in_test));
        if let Some(owner) = owned.only.first() {
            let file = if owner.ends_with('/') { format!("src/{owner}x.rs") } else { format!("src/{owner}") };
            expect_none(&faults_of(&Source::new(&file, bad)));
        }
    }
}

#[test]
fn words_that_only_look_alike_are_left_alone() {
    let good = "let unsafely = command.stdout(pipe); self.exit(); fn exit() {} operand::x(); \"unsafe\"; env!(\"X\");";
    expect_none(&faults(&[Source::new("src/report/x.rs", good)]));
}

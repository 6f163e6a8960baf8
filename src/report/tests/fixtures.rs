//! The runs the golden files show, as lists of events.

use std::net::IpAddr;
use std::time::Duration;

use crate::model::{
    Ending, Event, Failure, FailureKind, Folded, Hop, Host, HostState, MacAddr, PacketTotals, Port, PortState,
    Protocol, Reason, RuleKind, RunEnd, RunStart, ScanInfo, ScriptOutcome, ScriptResult, Service, Stage, Tally, Target,
    Timestamp, Totals, Trace, Value,
};
use crate::report::TextOptions;

/// A golden case: what the run told, and how its text is wanted.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) options: TextOptions,
    /// The events are those of another case; only the text differs.
    pub(super) text_only: bool,
    pub(super) events: Vec<Event>,
}

const HEADED: TextOptions =
    TextOptions { open_only: false, reason: false, verbose: 0, debug: 0, color: false, with_header: true };

/// Every case.
pub(super) fn cases() -> Vec<Case> {
    let verbose = TextOptions { verbose: 1, reason: true, ..HEADED };
    let all = |name, options, events| Case { name, options, events, text_only: false };
    let text_only = |name, options, events| Case { name, options, events, text_only: true };
    vec![
        all("plain", HEADED, plain(0)),
        all("verbose", verbose, plain(1)),
        all("failures", HEADED, failures()),
        all("hostile", HEADED, hostile()),
        all("interrupted", HEADED, interrupted()),
        all("timeout", HEADED, timeout()),
        all("packets", TextOptions { reason: true, ..HEADED }, packets()),
        all("protocols", HEADED, protocols()),
        all("ping", TextOptions { reason: true, ..HEADED }, ping()),
        all("listed", HEADED, listed()),
        all("no-hosts", HEADED, vec![start(0), end(Ending::Complete, Totals::default())]),
        text_only("debug", TextOptions { debug: 1, ..HEADED }, failures()),
        text_only("packets-open-only", TextOptions { open_only: true, ..HEADED }, packets()),
        text_only("open-only", TextOptions { open_only: true, ..HEADED }, plain(0)),
        text_only("color", TextOptions { color: true, with_header: false, ..HEADED }, plain(0)),
    ]
}

fn at(seconds: u64) -> Timestamp {
    Timestamp((1_795_237_260 + seconds) * 1_000_000_000 + 250_000_000)
}

fn start(verbose: u8) -> Event {
    start_of(verbose, vec![scan("connect", Protocol::Tcp, 1..=1000)])
}

fn scan(kind: &'static str, protocol: Protocol, ports: std::ops::RangeInclusive<u16>) -> ScanInfo {
    ScanInfo { kind, protocol, ports: ports.collect() }
}

fn start_of(verbose: u8, scans: Vec<ScanInfo>) -> Event {
    let args = "sonde -sC \"10.0.0.0/29\" --script-args 'a=<b>&c'".to_owned();
    Event::Start(RunStart {
        version: "0.1.0",
        args,
        at: at(0),
        scans,
        verbose,
        debug: 0,
        seed: u64::MAX,
        scan: "5ca9".to_owned(),
        shard: None,
    })
}

fn end(ending: Ending, totals: Totals) -> Event {
    Event::End(RunEnd { at: at(3), elapsed: Duration::from_millis(3214), ending, totals })
}

fn host(addr: &str) -> Host {
    let target = Target { addr: addr.parse::<IpAddr>().unwrap(), scope: 0, name: None };
    Host {
        state: HostState::Up,
        reason: Reason::ConnRefused,
        srtt: Some(Duration::from_micros(123)),
        ended: at(2),
        ..Host::new(target, at(0))
    }
}

fn port(number: u16, state: PortState, reason: Reason, name: &str) -> Port {
    let service = Service { name: name.to_owned(), ..Service::default() };
    Port { protocol: Protocol::Tcp, number, state, reason, reason_ttl: 0, service }
}

fn port_of(protocol: Protocol, number: u16, state: PortState, (reason, reason_ttl): (Reason, u8), name: &str) -> Port {
    Port { protocol, reason_ttl, ..port(number, state, reason, name) }
}

fn folded(protocol: Protocol, state: PortState, reason: Reason, count: usize) -> Folded {
    Folded { protocol, state, reason, count }
}

fn hop(ttl: u8, addr: &str, name: Option<&str>, micros: u64) -> Hop {
    let name = name.map(str::to_owned);
    Hop { ttl, addr: addr.parse().ok(), name, rtt: Some(Duration::from_micros(micros)) }
}

fn silent_hop(ttl: u8) -> Hop {
    Hop { ttl, addr: None, name: None, rtt: None }
}

fn result(id: &str, rule: RuleKind, output: Value) -> ScriptResult {
    ScriptResult {
        id: id.to_owned(),
        rule,
        outcome: ScriptOutcome::Done,
        started: at(1),
        duration: Duration::from_micros(12_345),
        sent: 120,
        received: 4096,
        output,
        failure: None,
    }
}

fn short(id: &str, outcome: ScriptOutcome, kind: FailureKind, class: &str, message: &str) -> ScriptResult {
    let failure = Failure {
        kind,
        class: class.to_owned(),
        message: message.to_owned(),
        position: None,
        diagnostic: String::new(),
    };
    ScriptResult { outcome, failure: Some(failure), ..result(id, RuleKind::Port, Value::Unit) }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn map(pairs: &[(&str, Value)]) -> Value {
    Value::Map(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
}

/// What a certificate script returns, with every kind of value.
fn certificate() -> Value {
    map(&[
        ("subject", map(&[("commonName", text("web.test")), ("organization", Value::Unit)])),
        ("names", Value::List(vec![text("web.test"), text("www.web.test")])),
        ("serial", Value::Bytes(vec![0x0a, 0xff, 0x41])),
        ("bits", Value::Int(2048)),
        ("entropy", Value::Float(7.5)),
        ("strange", Value::Float(f64::NAN)),
        ("expired", Value::Bool(false)),
        ("extensions", Value::List(vec![map(&[("oid", text("2.5.29.17")), ("critical", Value::Bool(true))])])),
        ("pem", text("-----BEGIN-----\nAAAA\n-----END-----\n")),
        ("nothing", Value::List(Vec::new())),
        ("names", text("the same key again")),
    ])
}

/// Open, closed, filtered and folded ports, IPv6, names, scripts of every rule, a host that is down.
fn plain(verbose: u8) -> Vec<Event> {
    let mut web = host("10.0.0.7");
    web.target.name = Some("web.test".to_owned());
    web.names = vec!["seven.net.test".to_owned(), "web.test".to_owned()];
    web.ports = vec![
        port(22, PortState::Open, Reason::SynAck, "ssh"),
        port(80, PortState::Open, Reason::SynAck, "http"),
        port(81, PortState::Closed, Reason::ConnRefused, ""),
        port(443, PortState::Open, Reason::SynAck, "http"),
        port(445, PortState::Filtered, Reason::NoResponse, "microsoft-ds"),
    ];
    web.ports[0].reason_ttl = 64;
    let (product, version, extra) = ("nginx".to_owned(), "1.22.1".to_owned(), "Debian".to_owned());
    web.ports[3].service = Service { name: "http".to_owned(), product, version, extra, tls: true, probed: true };
    web.folded = vec![
        folded(Protocol::Tcp, PortState::Closed, Reason::ConnRefused, 990),
        folded(Protocol::Tcp, PortState::Closed, Reason::HostUnreach, 5),
    ];
    let refused = "connect 10.0.0.7:80: refused";
    web.port_scripts = vec![
        (1, result("http-title", RuleKind::Port, text("Welcome to nginx!"))),
        (1, result("http-nothing", RuleKind::Port, Value::Unit)),
        (1, short("http-methods", ScriptOutcome::Failed, FailureKind::Peer, "refused", refused)),
        (3, result("ssl-cert", RuleKind::Port, certificate())),
        (3, result("http-empty", RuleKind::Port, text(""))),
        (99, result("lost-port", RuleKind::Port, text("its port is not listed"))),
    ];
    web.scripts = vec![result("clock-skew", RuleKind::Host, map(&[("mean", Value::Int(-2))]))];

    let mut v6 = host("2001:db8::7");
    v6.target.scope = 3;
    v6.reason = Reason::SynAck;
    v6.srtt = Some(Duration::from_millis(34));
    v6.folded = vec![folded(Protocol::Tcp, PortState::Filtered, Reason::NoResponse, 1000)];

    let mut bare = host("10.0.0.3");
    bare.srtt = None;

    let mut down = host("10.0.0.4");
    down.state = HostState::Down;
    down.reason = Reason::NoResponse;
    down.srtt = None;

    let mut totals = Totals { up: 3, down: 1, unresolved: 1, unfinished: 0, ports: 3000, ..Totals::default() };
    totals.stages.of(Stage::Targets).failed = 1;
    totals.stages.of(Stage::Hosts).done = 4;
    *totals.stages.of(Stage::Ports) = Tally { done: 3000, failed: 5, timed_out: 4, cancelled: 3, skipped: 2 };
    for outcome in [ScriptOutcome::Done, ScriptOutcome::Failed, ScriptOutcome::Failed, ScriptOutcome::RuleFalse] {
        totals.count("http-methods", outcome);
    }
    totals.count("http-title", ScriptOutcome::Done);
    vec![
        start(verbose),
        Event::TargetSkipped { spec: "no.such.test".to_owned(), reason: "the name does not resolve".to_owned() },
        Event::Prescan(vec![result("targets-sniffer", RuleKind::Pre, text("2 hosts heard\n10.0.0.1\n10.0.0.2"))]),
        Event::Host(Box::new(web)),
        Event::Host(Box::new(down)),
        Event::Host(Box::new(v6)),
        Event::Host(Box::new(bare)),
        Event::Postscan(vec![result("ssh-duplicates", RuleKind::Post, Value::List(vec![text("10.0.0.7")]))]),
        end(Ending::Incomplete, totals),
    ]
}

/// One instance for each way to end short.
fn failures() -> Vec<Event> {
    let mut host = host("10.0.0.7");
    host.ports = vec![port(80, PortState::Open, Reason::SynAck, "http")];
    let mut bug = short("http-bug", ScriptOutcome::Failed, FailureKind::Script, "runtime", "Variable not found: titel");
    if let Some(failure) = &mut bug.failure {
        failure.position = Some(("http-bug.rhai".to_owned(), 12, 5));
        failure.diagnostic =
            "error: Variable not found: titel\n  --> http-bug.rhai:12:5\n   |\n12 |     titel.trim()\n   \
                              |     ^^^^^\n   = in fn parse, called from http-bug.rhai:20:9\n"
                .to_owned();
    }
    let mut slow = short("http-slow", ScriptOutcome::TimedOut, FailureKind::Limit, "wall", "wall time of 120s used up");
    slow.output = map(&[("found", Value::List(vec![text("/admin"), text("/login")]))]);
    if let Some(failure) = &mut slow.failure {
        failure.position = Some(("http-slow.rhai".to_owned(), 7, 3));
    }
    let mut partial =
        short("http-partial", ScriptOutcome::Failed, FailureKind::Peer, "reset", "receive 10.0.0.7:80: reset");
    partial.output = text("Server: half an answer");
    let mut mute = result("http-mute", RuleKind::Port, Value::Unit);
    mute.outcome = ScriptOutcome::Failed;
    let not_started = "needs raw sockets; run as root or grant CAP_NET_RAW";
    let results = [
        short("http-title", ScriptOutcome::Failed, FailureKind::Peer, "refused", "connect 10.0.0.7:80: refused"),
        bug,
        slow,
        partial,
        mute,
        short(
            "http-greedy",
            ScriptOutcome::OverBudget,
            FailureKind::Limit,
            "operations",
            "200000000 operations used up",
        ),
        short(
            "http-sly",
            ScriptOutcome::Failed,
            FailureKind::Denied,
            "denied",
            "net::udp needs the capability \"udp\"",
        ),
        short("http-fds", ScriptOutcome::Failed, FailureKind::Internal, "local", "connect 10.0.0.7:80: local (EMFILE)"),
        short("http-cut", ScriptOutcome::Cancelled, FailureKind::Limit, "cancelled", "the run was interrupted"),
        short("http-raw", ScriptOutcome::Skipped, FailureKind::Denied, "privilege", not_started),
        ScriptResult { outcome: ScriptOutcome::RuleFalse, ..result("http-other", RuleKind::Port, Value::Unit) },
        result("http-none", RuleKind::Port, Value::Unit),
    ];
    let mut totals = Totals { up: 1, ports: 1000, ..Totals::default() };
    for result in &results {
        totals.count(&result.id, result.outcome);
    }
    host.port_scripts = results.map(|result| (0, result)).to_vec();
    vec![start(0), Event::Host(Box::new(host)), end(Ending::Incomplete, totals)]
}

/// What a peer may choose, chosen badly.
fn hostile() -> Vec<Event> {
    let evil = "\x1b]0;owned\x07\u{9b}31m\u{202e}gpj\u{2066}\r\n\t| fake-script: <x>&amp;]]>\"'\0\u{7f}\u{fffe}/,漢é";
    let mut host = host("10.0.0.66");
    host.target.name = Some(format!("name{evil}"));
    host.names = vec![format!("ptr{evil}"), "x".repeat(300)];
    host.ports = vec![
        port(80, PortState::Open, Reason::SynAck, evil),
        port(81, PortState::Open, Reason::SynAck, &"n".repeat(100)),
        port(82, PortState::Open, Reason::SynAck, "short"),
    ];
    host.ports[0].service.product = format!("product{evil}");
    host.ports[0].service.version = format!("version{evil}");
    host.ports[0].service.extra = format!("extra{evil}");
    let deep = (0..200).fold(text("bottom"), |inner, _| Value::List(vec![inner]));
    let mut failed = short(evil, ScriptOutcome::Failed, FailureKind::Script, evil, evil);
    if let Some(failure) = &mut failed.failure {
        failure.position = Some((evil.to_owned(), 1, 1));
        failure.diagnostic = format!("{evil}\n{evil}");
    }
    host.port_scripts = vec![
        (0, result("banner", RuleKind::Port, text(evil))),
        (0, result("tree", RuleKind::Port, map(&[(evil, text(evil)), ("list", Value::List(vec![text(evil)]))]))),
        (0, result("bytes", RuleKind::Port, Value::Bytes(vec![0x1b, b'[', 0xff, 0x00, b'<']))),
        (0, failed),
    ];
    host.scripts = vec![result("deep", RuleKind::Host, deep)];
    host.trace = Some(Trace { probe: None, hops: vec![hop(1, "10.0.0.1", Some(evil), 70)] });
    let mut totals = Totals { up: 1, ..Totals::default() };
    totals.count(evil, ScriptOutcome::Failed);
    let mut events = vec![start(0)];
    if let Event::Start(start) = &mut events[0] {
        start.args = format!("sonde {evil}");
    }
    events.push(Event::TargetSkipped { spec: evil.to_owned(), reason: evil.to_owned() });
    events.push(Event::Host(Box::new(host)));
    events.push(end(Ending::Incomplete, totals));
    events
}

/// Ctrl-C after the first host.
fn interrupted() -> Vec<Event> {
    let mut first = host("10.0.0.1");
    first.ports = vec![port(22, PortState::Open, Reason::SynAck, "ssh")];
    let mut cut = result("ssh-hostkey", RuleKind::Port, Value::Unit);
    cut.outcome = ScriptOutcome::Cancelled;
    let packets = PacketTotals { seen: 9000, delivered: 8000, dropped: 1000, lost: 1 };
    let mut totals = Totals { up: 1, unfinished: 7, ports: 1000, packets, ..Totals::default() };
    totals.count(&cut.id, cut.outcome);
    first.port_scripts = vec![(0, cut)];
    vec![start(0), Event::Host(Box::new(first)), end(Ending::Interrupted, totals)]
}

/// Two hosts that ran out of time: one with something learned, one without.
/// `-sL`: nobody was asked anything.
fn listed() -> Vec<Event> {
    let unasked = |addr, name: Option<&str>, found: &[&str]| {
        let mut host = host(addr);
        (host.state, host.reason, host.srtt) = (HostState::Unknown, Reason::Unasked, None);
        host.target.name = name.map(str::to_owned);
        host.names = found.iter().map(|name| (*name).to_owned()).collect();
        Event::Host(Box::new(host))
    };
    let mut totals = Totals { unknown: 3, ..Totals::default() };
    totals.stages.of(Stage::Hosts).done = 3;
    let Event::Start(mut start) = start(0) else { return Vec::new() };
    start.scans.clear();
    vec![
        Event::Start(start),
        unasked("10.0.0.1", None, &[]),
        unasked("10.0.0.2", Some("asked.example"), &["found.example"]),
        unasked("2001:db8::7", None, &["only.example"]),
        end(Ending::Complete, totals),
    ]
}

fn timeout() -> Vec<Event> {
    let mut partial = host("10.0.0.8");
    partial.timed_out = true;
    partial.ports = vec![port(22, PortState::Open, Reason::SynAck, "ssh")];
    let slow =
        short("ssh-auth", ScriptOutcome::TimedOut, FailureKind::Limit, "host", "the time for this host is used up");
    partial.port_scripts = vec![(0, slow)];
    let mut empty = host("10.0.0.9");
    empty.timed_out = true;
    let mut totals = Totals { up: 2, unfinished: 2, ports: 12, ..Totals::default() };
    totals.count("ssh-auth", ScriptOutcome::TimedOut);
    vec![start(0), Event::Host(Box::new(partial)), Event::Host(Box::new(empty)), end(Ending::Incomplete, totals)]
}

/// `-sSUY --traceroute`: a neighbour, a host far away that stopped answering, and all ports of both transports folded.
fn packets() -> Vec<Event> {
    let mut near = host("10.0.0.7");
    (near.reason, near.mac) = (Reason::ArpResponse, Some(MacAddr([0x02, 0x4c, 0, 0xab, 0x10, 1])));
    near.ports = vec![
        port_of(Protocol::Tcp, 22, PortState::Open, (Reason::SynAck, 64), "ssh"),
        port_of(Protocol::Udp, 53, PortState::Open, (Reason::UdpResponse, 64), "domain"),
        port_of(Protocol::Udp, 68, PortState::OpenFiltered, (Reason::NoResponse, 0), "dhcpc"),
        port_of(Protocol::Sctp, 132, PortState::Closed, (Reason::Abort, 64), ""),
    ];
    near.folded = vec![
        folded(Protocol::Tcp, PortState::Closed, Reason::Reset, 999),
        folded(Protocol::Udp, PortState::Closed, Reason::PortUnreach, 98),
    ];
    near.scripts = vec![result("clock-skew", RuleKind::Host, text("none"))];
    near.trace = Some(Trace { probe: None, hops: vec![hop(1, "10.0.0.7", None, 170)] });

    let mut far = host("10.9.0.7");
    far.target.name = Some("far.test".to_owned());
    (far.reason, far.reason_ttl, far.degraded) = (Reason::EchoReply, 57, true);
    far.ports = vec![port_of(Protocol::Tcp, 80, PortState::Open, (Reason::SynAck, 57), "http")];
    far.folded = vec![
        folded(Protocol::Tcp, PortState::Filtered, Reason::NoResponse, 999),
        folded(Protocol::Udp, PortState::OpenFiltered, Reason::NoResponse, 100),
    ];
    let mut hops = vec![hop(1, "10.0.0.1", Some("gate.test"), 70), silent_hop(2), hop(3, "10.0.3.1", None, 12_300)];
    hops.extend((4..=9).map(silent_hop));
    hops.push(Hop { rtt: None, ..hop(10, "10.9.0.7", Some("far.test"), 0) });
    far.trace = Some(Trace { probe: Some((Protocol::Tcp, 80)), hops });

    let mut unreached = host("10.9.0.9");
    (unreached.reason, unreached.reason_ttl) = (Reason::HostProhibited, 254);
    unreached.ports = vec![port_of(Protocol::Tcp, 25, PortState::Filtered, (Reason::HostProhibited, 254), "smtp")];
    unreached.reason_ips = [((Protocol::Tcp, 25), [10, 0, 0, 1].into())].into();
    unreached.folded = vec![folded(Protocol::Udp, PortState::Closed, Reason::PortUnreach, 1)];
    let hops = vec![hop(1, "10.0.0.1", None, 71), silent_hop(2), silent_hop(3)];
    unreached.trace = Some(Trace { probe: Some((Protocol::Udp, 40_125)), hops });

    let mut totals = Totals { up: 3, degraded: 1, ports: 2200, ..Totals::default() };
    totals.stages.of(Stage::Hosts).done = 3;
    totals.stages.of(Stage::Discovery).done = 3;
    totals.stages.of(Stage::Ports).done = 2200;
    totals.stages.of(Stage::Routes).done = 3;
    totals.count("clock-skew", ScriptOutcome::Done);
    let scans = vec![
        scan("syn", Protocol::Tcp, 1..=1000),
        scan("udp", Protocol::Udp, 1..=100),
        scan("sctpinit", Protocol::Sctp, 132..=132),
    ];
    let hosts = [near, far, unreached].map(|host| Event::Host(Box::new(host)));
    let mut events = vec![start_of(0, scans)];
    events.extend(hosts);
    events.push(end(Ending::Complete, totals));
    events
}

/// `-sO`.
fn protocols() -> Vec<Event> {
    let mut listed = host("10.0.0.7");
    listed.ports = vec![
        port_of(Protocol::Ip, 1, PortState::Open, (Reason::EchoReply, 64), "icmp"),
        port_of(Protocol::Ip, 6, PortState::Open, (Reason::ProtoResponse, 64), "tcp"),
        port_of(Protocol::Ip, 47, PortState::Filtered, (Reason::AdminProhibited, 254), "gre"),
    ];
    listed.folded = vec![
        folded(Protocol::Ip, PortState::Closed, Reason::ProtoUnreach, 252),
        folded(Protocol::Ip, PortState::OpenFiltered, Reason::NoResponse, 1),
    ];
    let mut silent = host("10.0.0.8");
    silent.folded = vec![folded(Protocol::Ip, PortState::OpenFiltered, Reason::NoResponse, 256)];
    let totals = Totals { up: 2, ports: 512, ..Totals::default() };
    vec![
        start_of(1, vec![scan("ipproto", Protocol::Ip, 0..=255)]),
        Event::Host(Box::new(listed)),
        Event::Host(Box::new(silent)),
        end(Ending::Complete, totals),
    ]
}

/// `-sn`: hosts without ports.
fn ping() -> Vec<Event> {
    let mut near = host("10.0.0.7");
    (near.reason, near.mac) = (Reason::ArpResponse, Some(MacAddr([0x02, 0x4c, 0, 0xab, 0x10, 1])));
    let mut far = host("2001:db8::7");
    (far.reason, far.reason_ttl) = (Reason::EchoReply, 57);
    let mut down = host("10.0.0.9");
    (down.state, down.reason, down.srtt) = (HostState::Down, Reason::NoResponse, None);
    let mut totals = Totals { up: 2, down: 1, ..Totals::default() };
    totals.stages.of(Stage::Hosts).done = 3;
    totals.stages.of(Stage::Discovery).done = 3;
    let mut events = vec![start_of(0, Vec::new())];
    events.extend([near, far, down].map(|host| Event::Host(Box::new(host))));
    events.push(end(Ending::Complete, totals));
    events
}

//! The connect scan, exact to the port.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};

use serde_json::Value;

use crate::support::cannot_run;
use crate::support::dir::Dir;
use crate::support::peer::Peer;
use crate::support::place;
use crate::support::sonde::{Report, scan};

/// Listens; the kernel completes handshakes whether or not anybody accepts.
fn listen(addr: IpAddr, port: u16) -> TcpListener {
    TcpListener::bind(SocketAddr::new(addr, port)).unwrap_or_else(|error| panic!("{addr} {port}: {error}"))
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("it is bound").port()
}

/// How many ports a host's line speaks of, listed and counted.
fn ports_told(host: &Value) -> u64 {
    let folded = host["folded"].as_array().into_iter().flatten().filter_map(|fold| fold["count"].as_u64());
    host["ports"].as_array().map_or(0, Vec::len) as u64 + folded.sum::<u64>()
}

/// The report without what differs from run to run: times, packets that were sent again, and the order in which hosts were done.
fn timeless(report: &Report) -> Vec<String> {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for name in
                    ["at", "started", "ended", "elapsed_seconds", "duration_seconds", "srtt_seconds", "seed", "packets"]
                {
                    fields.remove(name);
                }
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut lines = report.lines.clone();
    lines.iter_mut().for_each(strip);
    let mut lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    lines.sort();
    lines
}

#[test]
fn all_65535_ports_of_a_host_are_told_apart() {
    let _alone = place::without_wildcard_servers();
    let addr = place::address();
    let before = place::listening(addr);
    // Scattered, the first and the last included where they are free.
    let wanted = [1, 2, 1023, 1024, 8079, 8081, 32_767, 32_768, 65_534, 65_535];
    let bound: Vec<TcpListener> =
        wanted.iter().filter_map(|port| TcpListener::bind(SocketAddr::new(addr, *port)).ok()).collect();
    assert!(bound.len() >= 8, "only {} of the ports are free", bound.len());
    let any: Vec<TcpListener> = (0..90).map(|_| listen(addr, 0)).collect();
    let run = scan(["-p-", &addr.to_string()]).run().expect(0);
    let report = run.report();
    let host = report.host(&addr.to_string());
    let own: BTreeSet<u16> = bound.iter().chain(&any).map(port_of).collect();
    let listening: BTreeSet<u16> = before.union(&place::listening(addr)).copied().collect();
    let found: BTreeSet<u16> = Report::open_ports(host).into_iter().collect();
    let missed: Vec<_> = own.difference(&found).collect();
    assert!(missed.is_empty(), "open and not found: {missed:?}");
    let invented: Vec<_> = found.difference(&listening).collect();
    assert!(invented.is_empty(), "found and nobody listens: {invented:?}");
    assert_eq!(ports_told(host), 65_535);
    assert_eq!(report.end()["totals"]["ports"], 65_535);
}

#[test]
fn addresses_of_one_machine_are_told_apart() {
    let peers = [Peer::silent(), Peer::silent(), Peer::silent(), Peer::refusing()];
    let ports = peers.each_ref().map(Peer::port).join(",");
    let report = scan(["-p", &ports]).args(peers.each_ref().map(Peer::ip)).run().expect(0).report();
    assert_eq!(report.hosts().len(), 4);
    for peer in &peers[..3] {
        assert_eq!(Report::open_ports(report.host(&peer.ip())), [peer.address().port()]);
    }
    assert_eq!(Report::open_ports(report.host(&peers[3].ip())), [0_u16; 0]);
    assert_eq!(report.end()["totals"]["up"], 4);
    assert_eq!(report.end()["totals"]["ports"], 16);
}

#[test]
fn ipv4_and_ipv6_go_in_one_run() {
    let _shared = place::with_wildcard_server();
    let peer = Peer::silent();
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let listener = match TcpListener::bind(SocketAddr::new(v6, 0)) {
        Ok(listener) => listener,
        Err(error) => {
            return cannot_run(&format!("::1 cannot be bound ({error}): IPv6 is switched off"));
        }
    };
    let port = port_of(&listener);
    let ports = format!("{},{port}", peer.port());
    let report = scan(["-p", &ports, "::1", &peer.ip()]).run().expect(0).report();
    assert_eq!(Report::open_ports(report.host("::1")), [port]);
    assert_eq!(Report::open_ports(report.host(&peer.ip())), [peer.address().port()]);
}

#[test]
fn excluded_addresses_are_left_alone() {
    let (wanted, unwanted, listed) = (Peer::silent(), Peer::silent(), Peer::silent());
    let dir = Dir::new();
    let list = dir.write("all.txt", [wanted.ip(), unwanted.ip(), listed.ip()].join("\n")).display().to_string();
    let skip = dir.write("skip.txt", format!("# not these\n{}\n", listed.ip())).display().to_string();
    let ports = [wanted.port(), unwanted.port(), listed.port()].join(",");
    let run = scan(["-p", &ports, "-iL", &list, "--exclude", &unwanted.ip(), "--excludefile", &skip]).run();
    let report = run.expect(0).report();
    assert_eq!(report.hosts().len(), 1);
    assert_eq!(Report::open_ports(report.host(&wanted.ip())), [wanted.address().port()]);
    assert_eq!((unwanted.accepted(), listed.accepted()), (0, 0), "an excluded address was talked to");
    let nothing = scan(["-p", &ports, &unwanted.ip(), "--exclude", &unwanted.ip()]).run().expect(0).report();
    assert_eq!(nothing.hosts().len(), 0);
}

#[test]
fn prefixes_ranges_and_repetitions_make_each_address_once() {
    let port = Peer::refusing().port();
    let targets = ["127.9.0.0/29", "127.9.0.4-11", "127.9.0.1,3,5", "127.9.0.0"];
    let report = scan(["-p", &port]).args(targets).run().expect(0).report();
    let found: BTreeSet<&str> = report.hosts().iter().filter_map(|host| host["address"].as_str()).collect();
    let expected: Vec<String> = (0..12).map(|last| format!("127.9.0.{last}")).collect();
    assert_eq!(found, expected.iter().map(String::as_str).collect());
    assert_eq!(report.hosts().len(), 12);
}

#[test]
fn two_runs_say_the_same() {
    let peers = [Peer::silent(), Peer::silent(), Peer::refusing()];
    let ports = format!("1-1000,{}", peers.each_ref().map(Peer::port).join(","));
    let go = || {
        let run = scan(["-p", &ports, "127.9.1.0/28"]).args(peers.each_ref().map(Peer::ip)).run().expect(0);
        timeless(&run.report())
    };
    assert_eq!(go(), go());
}

#[test]
fn a_connection_of_the_scan_to_itself_is_no_open_port() {
    // A connect to a free port of the range that source ports are drawn from can meet itself half-way. It takes an
    // address that connections also come from; of the two there are, few use this one.
    let _alone = place::without_wildcard_servers();
    let addr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    if let Err(error) = TcpListener::bind(SocketAddr::new(addr, 0)) {
        return cannot_run(&format!("::1 cannot be bound ({error}): IPv6 is switched off"));
    }
    let before = place::listening(addr);
    for _ in 0..3 {
        let report = scan(["-sT", "-p", "32768-60999", "::1", "--max-parallelism", "2000"]).run().expect(0).report();
        let found: BTreeSet<u16> = Report::open_ports(report.host("::1")).into_iter().collect();
        let listening: BTreeSet<u16> = before.union(&place::listening(addr)).copied().collect();
        let own: Vec<_> = found.difference(&listening).collect();
        assert!(own.is_empty(), "found and nobody listens: {own:?}");
    }
}

#[test]
fn closed_ports_are_listed_when_few_and_counted_when_many() {
    let peer = Peer::refusing();
    let few = scan(["-sT", "-p", "1-5", &peer.ip()]).run().expect(0).report();
    assert_eq!(few.host(&peer.ip())["ports"].as_array().map(Vec::len), Some(5));
    let many = scan(["-sT", "-p", "1-500", &peer.ip()]).run().expect(0).report();
    assert_eq!(ports_told(many.host(&peer.ip())), 500);
    let folded = &many.host(&peer.ip())["folded"][0];
    assert_eq!([&folded["state"], &folded["reason"]], ["closed", "conn-refused"]);
}

#[test]
fn silence_is_filtered_and_a_silent_host_is_down_unless_told_otherwise() {
    let peer = Peer::saturated();
    let arguments = ["-sT", "-p", &peer.port(), "--connect-timeout", "200ms", "--max-retries", "1", &peer.ip()];
    let arguments = arguments.map(str::to_owned);
    let down = scan(&arguments).run().expect(0).report();
    assert_eq!(down.end()["totals"]["down"], 1);
    let up = scan(&arguments).args(["-Pn"]).run().expect(0).report();
    let port = &up.host(&peer.ip())["ports"][0];
    assert_eq!([&port["state"], &port["reason"]], ["filtered", "no-response"]);
}

#[test]
fn a_ceiling_on_connections_changes_nothing_but_time() {
    let peers = [Peer::silent(), Peer::silent()];
    let ports = format!("1-300,{}", peers[0].port());
    for limit in [["--max-parallelism", "1"], ["--max-sockets", "2"], ["--max-rate", "100000"], ["-T", "5"]] {
        let report = scan(["-p", &ports, &peers[0].ip(), &peers[1].ip()]).args(limit).run().expect(0).report();
        assert_eq!(report.end()["totals"]["ports"], 602, "{limit:?}");
        assert!(Report::open_ports(report.host(&peers[0].ip())).contains(&peers[0].address().port()), "{limit:?}");
    }
}

/// A script in a folder of its own.
fn with_script(name: &str, text: &str) -> Dir {
    let dir = Dir::new();
    dir.write(&format!("{name}.rhai"), text);
    dir
}

#[test]
fn scripts_add_targets() {
    let [typed, excluded, found, late] = [(); 4].map(|()| Peer::refusing());
    let text = format!(
        "/// Adds.
        const capabilities = [\"add-targets\"];
        const prerule = true;
        const hostrule = true;
        fn action(host) {{
            if script::rule() == \"hostrule\" {{ targets::add(\"{}\"); return; }}
            for address in [\"{}\", \"{}\", \"{}\", \"{}\"] {{ targets::add(address); }}
            targets::add(\"::1\", 0);
        }}",
        late.ip(),
        typed.ip(),
        excluded.ip(),
        found.ip(),
        found.ip()
    );
    let dir = with_script("adds", &text);
    let dir = dir.path().display().to_string();
    let more = ["--exclude", &excluded.ip(), "-p", &typed.port(), &typed.ip()];
    let run = scan(["--script-dir", &dir, "--script", "adds"]).args(more).run().expect(0);
    let report = run.report();
    let hosts: Vec<String> =
        report.hosts().iter().map(|host| host["address"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(hosts.len(), 4, "{run}");
    for host in [typed.ip(), found.ip(), late.ip(), "::1".to_owned()] {
        assert_eq!(hosts.iter().filter(|there| **there == host).count(), 1, "{host}: {run}");
    }
    assert_eq!(hosts.last(), Some(&late.ip()), "{run}");
}

#[test]
fn adding_targets_takes_a_capability_and_an_address() {
    let peer = Peer::refusing();
    for (capabilities, address, part) in [
        ("", "127.0.0.1", "add `const capabilities = [\"add-targets\"];`"),
        ("\"add-targets\"", "a.example", "is no address"),
    ] {
        let text = format!(
            "/// Adds.\nconst capabilities = [{capabilities}];\nconst prerule = true;\nfn action() {{ targets::add(\"{address}\"); }}"
        );
        let dir = with_script("adds", &text);
        let dir = dir.path().display().to_string();
        let run = scan(["--script-dir", &dir, "--script", "adds", "-p", &peer.port(), &peer.ip()]).run().expect(3);
        let failure = run.report().script("adds")["failure"]["message"].to_string();
        assert!(failure.replace('\\', "").contains(part), "{failure}");
    }
}

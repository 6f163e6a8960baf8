//! Routes to hosts, in scenarios, where packets can be counted. `lab::routes` goes through real routers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use sonde::model::{Host, Protocol, ScanKind, Stage, Tally, Trace};
use sonde::runtime::Random;
use sonde::scan::HostPlan;
use sonde::scan::presence::{Presence, Questions};
use sonde::scan::probe::{Form, Question};
use sonde::scan::prober::{Discovery, Manner, PortPlan};
use sonde::scan::route::Routes;

use crate::support::scenario::Simulated;

/// What is looked for, and how.
struct Run {
    scenario: &'static str,
    targets: &'static str,
    /// Ports scanned by SYN.
    ports: Vec<u16>,
    names: bool,
    pings: bool,
    source_port: Option<u16>,
    host_timeout: Option<Duration>,
}

impl Run {
    fn of(targets: &'static str, scenario: &'static str) -> Run {
        let (source_port, host_timeout) = (None, None);
        Run { scenario, targets, ports: Vec::new(), names: false, pings: true, source_port, host_timeout }
    }
}

/// What came of it.
struct Traced {
    hosts: BTreeMap<IpAddr, Host>,
    /// Packets apart from the ping of each host.
    sent: u64,
    routes: Tally,
    took: Duration,
}

impl Traced {
    #[track_caller]
    fn trace(&self, addr: &str) -> &Trace {
        let host = &self.hosts[&addr.parse::<IpAddr>().expect("an address")];
        host.trace.as_ref().unwrap_or_else(|| panic!("{addr} has no route"))
    }

    /// The hops of a route, a dash for each that is silent.
    #[track_caller]
    fn hops(&self, addr: &str) -> String {
        shown(self.trace(addr))
    }

    /// The way to every host leads through `routers`.
    #[track_caller]
    fn all_lead_through(&self, routers: &str) {
        for (addr, host) in &self.hosts {
            assert_eq!(host.trace.as_ref().map(shown), Some(format!("{routers} {addr}")));
        }
    }
}

fn shown(trace: &Trace) -> String {
    let hops = trace.hops.iter().map(|hop| hop.addr.map_or("-".to_owned(), |addr| addr.to_string()));
    hops.collect::<Vec<_>>().join(" ")
}

fn trace(run: &Run) -> Traced {
    let simulated = Simulated::new(run.scenario, &Random::new(Some(7)));
    let prober = simulated.prober(Manner { source_port: run.source_port, ..Manner::default() });
    let (network, spawner) = (simulated.network.clone(), simulated.runtime.spawner());
    let echo = Question { form: Form::Echo, number: 0 };
    let pings = Rc::new(Discovery { questions: vec![echo], ignore_reset: false });
    let questions = Questions { v4: Rc::clone(&pings), v6: pings, arp: true };
    let scan = Rc::new(PortPlan::new(ScanKind::Syn, None, run.ports.clone(), 0));
    let plan = HostPlan {
        prober: Some(prober.clone()),
        presence: if run.pings { Presence::Packets(Rc::new(questions)) } else { Presence::Assumed },
        scans: if run.ports.is_empty() { Vec::new() } else { vec![scan] },
        routes: Some(Rc::new(Routes::new(network, spawner, prober.clone(), run.names))),
        host_timeout: run.host_timeout,
        ..simulated.plan()
    };
    let mut scanned = simulated.scan(plan, &run.targets.split(' ').collect::<Vec<_>>(), None);
    let pinged = if run.pings { scanned.hosts.len() as u64 } else { 0 };
    Traced {
        sent: prober.counts().sent - pinged,
        routes: *scanned.summary.stages.of(Stage::Routes),
        hosts: scanned.hosts.into_iter().map(|host| (host.target.addr, host)).collect(),
        took: scanned.took,
    }
}

/// Seven routers before every host, and names.
const FAR: &str = r#"
[link]
delay = "20ms"
[[hosts]]
addrs = ["10.9.0.0/16"]
name = "r{ip}.example"
[[hosts]]
addrs = ["10.0.0.0/8"]
name = "h{ip}.example"
hops = 7
routers = ["10.9.{hop}.1"]
[[hosts]]
addrs = ["fd00::/16"]
hops = 3
ttl = 255
routers = ["fd09::{hop}"]
"#;
const SEVEN: &str = "10.9.1.1 10.9.2.1 10.9.3.1 10.9.4.1 10.9.5.1 10.9.6.1 10.9.7.1";

#[test]
fn every_router_is_found_and_asked_once() {
    let traced = trace(&Run { names: true, ..Run::of("10.1.0.5", FAR) });
    assert_eq!(traced.hops("10.1.0.5"), format!("{SEVEN} 10.1.0.5"));
    assert_eq!(traced.sent, 8, "the reply to the ping tells how far to ask");
    let trace = traced.trace("10.1.0.5");
    assert_eq!(trace.probe, None);
    assert_eq!(trace.hops.iter().map(|hop| hop.ttl).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    assert!(trace.hops.iter().all(|hop| hop.rtt.is_some_and(|rtt| rtt <= Duration::from_millis(60))), "{trace:?}");
    assert_eq!(trace.hops[7].name.as_deref(), Some("h10-1-0-5.example"));
    assert_eq!(trace.hops[0].name.as_deref(), Some("r10-9-1-1.example"));
    assert!(traced.took < Duration::from_millis(200), "one round trip for the route, not one a hop: {:?}", traced.took);
    assert_eq!(traced.routes, Tally { done: 1, ..Tally::default() });
}

#[test]
fn hosts_that_share_their_routers_cost_two_packets_each() {
    let traced = trace(&Run::of("10.1.0.0/24 10.1.1.0/24 fd00::1:0/122", FAR));
    assert_eq!(traced.hosts.len(), 576);
    for (addr, host) in &traced.hosts {
        let routers = if addr.is_ipv4() { SEVEN } else { "fd09::1 fd09::2 fd09::3" };
        assert_eq!(host.trace.as_ref().map(shown), Some(format!("{routers} {addr}")));
    }
    // The first host asks for its whole route, the first over IPv6 for two hops more, all others for their last two.
    assert_eq!(traced.sent, 8 + 4 + 574 * 2);
    assert_eq!(traced.routes, Tally { done: 576, ..Tally::default() });
}

#[test]
fn a_silent_router_costs_two_more_tries_once() {
    let scenario = r#"
[link]
delay = "20ms"
[[hosts]]
addrs = ["10.0.0.0/8"]
hops = 4
routers = ["10.9.1.1", "", "10.9.{hop}.1"]
"#;
    let traced = trace(&Run::of("10.1.0.0/28", scenario));
    traced.all_lead_through("10.9.1.1 - 10.9.3.1 10.9.4.1");
    assert_eq!(traced.sent, 5 + 2 + 15 * 2);
}

#[test]
fn where_the_last_router_is_silent_the_neighbours_route_counts() {
    let scenario = r#"
[[hosts]]
addrs = ["10.0.0.0/8"]
hops = 9
routers = ["10.9.1.1", "10.9.2.1", "10.9.3.1", "10.9.4.1", "10.9.5.1", "10.9.6.1", "10.9.7.1", "10.9.8.1", ""]
"#;
    let traced = trace(&Run::of("10.1.0.0/28", scenario));
    traced.all_lead_through(&format!("{SEVEN} 10.9.8.1 -"));
    assert_eq!(traced.sent, 10 + 2 + 15 * (1 + 3), "the host once, its router three times");
}

#[test]
fn a_wrong_guess_is_put_right_in_both_directions() {
    // 58 left of 70 look like 7 hops instead of 13, 48 left of 50 like 17 instead of 3.
    let scenario = r#"
[[hosts]]
addrs = ["10.1.0.0/16"]
ttl = 70
hops = 12
routers = ["10.9.{hop}.1"]
[[hosts]]
addrs = ["10.2.0.0/16"]
ttl = 50
hops = 2
routers = ["10.9.{hop}.1"]
"#;
    let routers = |count: u8| (1..=count).map(|hop| format!("10.9.{hop}.1")).collect::<Vec<_>>().join(" ");
    let traced = trace(&Run::of("10.1.0.1", scenario));
    assert_eq!(traced.hops("10.1.0.1"), format!("{} 10.1.0.1", routers(12)));
    let traced = trace(&Run::of("10.2.0.1", scenario));
    assert_eq!(traced.hops("10.2.0.1"), format!("{} 10.2.0.1", routers(2)));
    let traced = trace(&Run::of("10.2.0.1 10.1.0.1", scenario));
    assert_eq!(traced.hops("10.1.0.1"), format!("{} 10.1.0.1", routers(12)));
}

#[test]
fn the_way_is_followed_for_thirty_hops() {
    let scenario = r#"
[[hosts]]
addrs = ["10.1.0.0/16"]
ttl = 255
hops = 40
routers = ["10.9.{hop}.1"]
[[hosts]]
addrs = ["10.2.0.0/16"]
ttl = 255
hops = 50
routers = ["10.9.1.1", "10.9.2.1", "10.9.3.3"]
"#;
    let traced = trace(&Run::of("10.1.0.1", scenario));
    assert_eq!(traced.hops("10.1.0.1"), (1..=30).map(|hop| format!("10.9.{hop}.1")).collect::<Vec<_>>().join(" "));
    assert_eq!((traced.sent, traced.routes.done), (30, 1));
    let loops = trace(&Run::of("10.2.0.1", scenario));
    assert_eq!(loops.hops("10.2.0.1"), format!("10.9.1.1 10.9.2.1{}", " 10.9.3.3".repeat(28)));
}

#[test]
fn a_host_that_never_answers_has_as_much_of_a_route_as_there_is() {
    let scenario = r#"
[[hosts]]
addrs = ["10.1.0.0/16"]
otherwise = "silent"
ping = false
hops = 3
routers = ["10.9.{hop}.1"]
[[hosts]]
addrs = ["10.2.0.0/16"]
up = 0.0
"#;
    let traced = trace(&Run { pings: false, ..Run::of("10.1.0.1", scenario) });
    assert_eq!(traced.hops("10.1.0.1"), format!("10.9.1.1 10.9.2.1 10.9.3.1{}", " -".repeat(27)));
    let nobody = trace(&Run { pings: false, ..Run::of("10.2.0.1", scenario) });
    assert_eq!(nobody.hops("10.2.0.1"), format!("-{}", " -".repeat(29)));
    assert_eq!(nobody.sent, 90, "three tries for each of thirty hops");
    assert!(nobody.took < Duration::from_secs(10), "{:?}", nobody.took);
}

#[test]
fn a_host_that_answers_from_another_address_is_not_reached() {
    let scenario = r#"
[[hosts]]
addrs = ["10.1.0.0/16"]
hops = 2
routers = ["10.9.{hop}.1"]
answers_from = "10.1.9.9"
"#;
    let traced = trace(&Run { pings: false, ..Run::of("10.1.0.1", scenario) });
    assert_eq!(traced.hops("10.1.0.1"), format!("10.9.1.1 10.9.2.1{}", " -".repeat(28)));
}

#[test]
fn what_the_host_answers_is_asked() {
    let scenario = r#"
[[hosts]]
addrs = ["10.0.0.0/8", "fd00::/16"]
ping = false
otherwise = "silent"
hops = 2
routers = ["10.9.{hop}.1"]
tcp = [{ ports = "22" }, { ports = "23", state = "closed" }]
"#;
    for (ports, port) in [(vec![22, 23, 24], 23), (vec![22, 24], 22)] {
        for target in ["10.1.0.1", "fd00::1"] {
            let run = Run { pings: false, ports: ports.clone(), ..Run::of(target, scenario) };
            let traced = trace(&run);
            assert_eq!(traced.trace(target).probe, Some((Protocol::Tcp, port)));
            assert_eq!(traced.trace(target).hops.len(), 3, "{}", traced.hops(target));
            assert!(traced.hops(target).ends_with(&format!(" {target}")));
        }
    }
}

#[test]
fn with_one_source_port_only_echoes_tell_hops_apart() {
    let run = Run { source_port: Some(53), ports: vec![22, 80], ..Run::of("10.1.0.5", FAR) };
    let traced = trace(&run);
    assert_eq!(traced.trace("10.1.0.5").probe, None);
    assert_eq!(traced.hops("10.1.0.5"), format!("{SEVEN} 10.1.0.5"));
}

#[test]
fn a_neighbour_costs_no_packet() {
    let scenario = "on_link = true\n[link]\ndelay = \"5ms\"\n[[hosts]]\naddrs = [\"192.0.2.0/24\"]\n";
    let traced = trace(&Run::of("192.0.2.77", scenario));
    let hops = &traced.trace("192.0.2.77").hops;
    assert_eq!((traced.sent, hops.len(), hops[0].ttl), (0, 1, 1));
    assert!(hops[0].rtt.is_some_and(|rtt| rtt >= Duration::from_millis(10)), "{hops:?}");
}

#[test]
fn a_bad_link_costs_tries_and_hardly_a_hop() {
    let scenario = FAR.replacen("delay", "loss = 0.05\ndelay", 1);
    let traced = trace(&Run { pings: false, ..Run::of("10.1.0.0/24", scenario.leak()) });
    let good = traced.hosts.values().filter(|host| {
        host.trace
            .as_ref()
            .is_some_and(|trace| trace.hops.len() == 8 && trace.hops.iter().all(|hop| hop.addr.is_some()))
    });
    // A hop is lost by three tries in a row: one in a thousand.
    let good = good.count();
    assert!(good >= 250, "{good} of 256");
    assert_eq!(traced.routes.done, 256);
}

#[test]
fn the_time_of_a_host_counts_for_its_route() {
    let scenario = "[[hosts]]\naddrs = [\"10.2.0.0/16\"]\nup = 0.0\n";
    let host_timeout = Some(Duration::from_secs(2));
    let traced = trace(&Run { pings: false, host_timeout, ..Run::of("10.2.0.1", scenario) });
    assert_eq!(traced.routes, Tally { timed_out: 1, ..Tally::default() });
    let host = traced.hosts.values().next().expect("a host");
    assert!(host.timed_out && host.trace.is_none(), "{host:?}");
}

#[test]
fn networks_behind_the_same_routers_share_them() {
    // Sixteen networks, each behind a last router of its own.
    let network = |number: u8| {
        let shared = (1..6).map(|hop| format!("\"10.9.{hop}.1\"")).collect::<Vec<_>>().join(", ");
        let routers = format!("routers = [{shared}, \"10.8.{number}.{{hop}}\"]");
        format!("[[hosts]]\naddrs = [\"10.1.{number}.0/24\"]\nhops = 6\n{routers}\n")
    };
    let scenario: String = (0..16).map(network).collect();
    let traced = trace(&Run::of("10.1.0-15.0-15", scenario.leak()));
    assert_eq!(traced.hosts.len(), 256);
    for (addr, host) in &traced.hosts {
        let IpAddr::V4(v4) = addr else { panic!("{addr}") };
        let own = format!("10.9.1.1 10.9.2.1 10.9.3.1 10.9.4.1 10.9.5.1 10.8.{}.6 {addr}", v4.octets()[2]);
        assert_eq!(host.trace.as_ref().map(shown), Some(own));
    }
    // The first asks for all seven; the first of each other network for two hops and four below, all others for two.
    assert_eq!(traced.sent, 7 + 15 * 6 + 240 * 2);
}

#[test]
fn routers_that_limit_what_they_say_are_known_all_the_same() {
    let scenario = "[link]\ndelay = \"5ms\"\n[[hosts]]\naddrs = [\"10.0.0.0/8\"]\nhops = 7\nrouters = [\"10.9.{hop}.1\"]\nicmp_rate = 20\n";
    let traced = trace(&Run::of("10.1.0.0/24", scenario));
    let lower = "10.9.1.1 10.9.2.1 10.9.3.1 10.9.4.1 10.9.5.1 10.9.6.1";
    for (addr, host) in &traced.hosts {
        let found = host.trace.as_ref().map(shown).unwrap_or_default();
        assert!(found == format!("{lower} 10.9.7.1 {addr}") || found == format!("{lower} - {addr}"), "{found}");
    }
    assert!(traced.sent <= 8 + 255 * 4, "{}", traced.sent);
}

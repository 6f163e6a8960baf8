//! Whole scans of networks that exist only in a scenario, on virtual time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use sonde::model::{Host, HostState, PortState, Protocol, Stage};
use sonde::net::sim::World;
use sonde::net::sim::world::Answer;
use sonde::runtime::Random;
use sonde::scan::HostPlan;
use sonde::scan::presence::Presence;

use crate::support::scenario::{Scanned, Simulated};

const SCENARIO: &str = r#"
[link]
delay = "15ms"
jitter = "10ms"

[[hosts]]
addrs = ["10.0.0.0/8"]
up = 0.3
name = "h{ip}.example"
otherwise = "silent"
tcp = [
    { ports = "22", share = 0.5 },
    { ports = "22", state = "closed" },
    { ports = "80", share = 0.25 },
    { ports = "443", state = "reject" },
]
"#;
const PORTS: [u16; 4] = [22, 80, 443, 444];

fn scan(targets: &str, scenario: &str, seed: u64) -> (Scanned, Rc<World>) {
    let simulated = Simulated::new(scenario, &Random::new(Some(seed)));
    let plan = HostPlan { ports: PORTS.into(), presence: Presence::ByPorts, reverse_names: true, ..simulated.plan() };
    (simulated.scan(plan, &[targets], None), simulated.world)
}

/// What a port must be found as.
fn expected(world: &World, addr: IpAddr, port: u16) -> PortState {
    match world.answer(Protocol::Tcp, SocketAddr::new(addr, port)) {
        Answer::Open(_) => PortState::Open,
        Answer::Closed => PortState::Closed,
        Answer::Reject | Answer::Silent => PortState::Filtered,
    }
}

#[test]
fn every_host_is_visited_once_and_every_state_is_right() {
    const HOSTS: usize = 4096;
    let (scanned, world) = scan("10.7.0.0/20", SCENARIO, 1);
    assert_eq!(scanned.hosts.len(), HOSTS);
    let by_addr: BTreeMap<IpAddr, &Host> = scanned.hosts.iter().map(|host| (host.target.addr, host)).collect();
    assert_eq!(by_addr.len(), HOSTS, "a host came twice");
    for (addr, host) in &by_addr {
        let exists = world.host(*addr).is_some();
        assert_eq!(host.state == HostState::Up, exists, "{addr}");
        let states: Vec<PortState> = host.ports.iter().map(|port| port.state).collect();
        assert_eq!(states, PORTS.map(|port| expected(&world, *addr, port)), "{addr}");
        let names: Vec<String> = world.name(*addr).into_iter().collect();
        assert_eq!(host.names, if exists { names } else { Vec::new() });
    }
    let summary = &scanned.summary;
    assert_eq!(summary.up + summary.down, HOSTS as u64);
    let ports = *summary.stages.clone().of(Stage::Ports);
    assert_eq!((ports.done, ports.planned()), ((HOSTS * PORTS.len()) as u64, (HOSTS * PORTS.len()) as u64));
    assert_eq!((summary.unfinished, summary.planned, summary.is_walked), (0, HOSTS as u128, true));
    assert!(summary.stages.are_complete());
    assert!(scanned.took > Duration::from_secs(5), "silent ports take their time, on the virtual clock");
}

#[test]
fn the_same_seed_gives_the_same_run_in_the_same_order() {
    let order = |seed| {
        let (scanned, _) = scan("10.7.0.0/23", SCENARIO, seed);
        let line = |host: &Host| format!("{} {:?} {:?}", host.target.addr, host.ended, host.srtt);
        (scanned.hosts.iter().map(line).collect::<Vec<_>>(), scanned.took)
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1).0, order(2).0);
}

#[test]
fn a_link_that_loses_a_tenth_costs_time_and_no_state() {
    // The kernel's SYN is sent again within the connect's time, so a tenth lost each way leaves 1 in 30,000.
    let (scanned, world) = scan("10.7.0.0/24", &SCENARIO.replace("jitter", "loss = 0.1\njitter"), 3);
    let wrong = scanned.hosts.iter().flat_map(|host| host.ports.iter().map(move |port| (host.target.addr, port)));
    let wrong: Vec<_> = wrong.filter(|(addr, port)| port.state != expected(&world, *addr, port.number)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

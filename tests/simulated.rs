//! Whole scans of networks that exist only in a scenario, on virtual time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use sonde::model::{Event, Host, HostState, PortState, Protocol, Stage, Timestamp};
use sonde::net::Family;
use sonde::net::broker::Governor;
use sonde::net::sim::world::Answer;
use sonde::net::sim::{self, Scenario, World};
use sonde::runtime::{Random, Runtime};
use sonde::scan::connect::Pace;
use sonde::scan::pipeline::{NamePolicy, Summary};
use sonde::scan::presence::Presence;
use sonde::scan::{HostPlan, Pipeline};
use sonde::target::{Exclude, Spec, Targets};

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

/// What a whole scan came to.
struct Scanned {
    hosts: Vec<Host>,
    summary: Summary,
    world: Rc<World>,
    took: Duration,
}

fn scan(targets: &str, scenario: &str, seed: u64) -> Scanned {
    let runtime = Runtime::simulated(Timestamp(0));
    let scenario = Scenario::parse(scenario).expect("the scenario is right");
    let (network, world) = sim::network(scenario, &runtime, &Random::new(Some(seed)));
    let clock = runtime.clock();
    let plan = HostPlan {
        network,
        spawner: runtime.spawner(),
        pace: Pace {
            timeout: Duration::from_secs(3),
            retries: 1,
            per_host: 512,
            total: usize::MAX,
            delay: Duration::ZERO,
            governor: Governor::new(clock.clone(), None),
            in_flight: Rc::default(),
            probed: Rc::default(),
        },
        ports: PORTS.into(),
        prober: None,
        presence: Presence::ByPorts,
        scans: Vec::new(),
        routes: None,
        reverse_names: true,
        reverse_down: false,
        host_timeout: None,
        fold: Box::new(|ports| (ports, Vec::new())),
        scripts: None,
    };
    let hosts = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&hosts);
    let emit = move |event| {
        if let Event::Host(host) = event {
            seen.borrow_mut().push(*host);
        }
    };
    let pipeline = Pipeline::new(plan, NamePolicy { family: Family::Any, all: false }, Rc::new(emit));
    let (exclude, _) = Exclude::new(Vec::new());
    let mut targets = Targets::new(vec![Spec::parse(targets).expect("a target")], exclude);
    runtime.run_until_stalled(pipeline.run(&mut targets)).expect("the scan ends");
    let summary = pipeline.summary().borrow().clone();
    Scanned { hosts: hosts.take(), summary, world, took: clock.now().since(Timestamp(0)) }
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
    let scanned = scan("10.7.0.0/20", SCENARIO, 1);
    assert_eq!(scanned.hosts.len(), HOSTS);
    let by_addr: BTreeMap<IpAddr, &Host> = scanned.hosts.iter().map(|host| (host.target.addr, host)).collect();
    assert_eq!(by_addr.len(), HOSTS, "a host came twice");
    for (addr, host) in &by_addr {
        let exists = scanned.world.host(*addr).is_some();
        assert_eq!(host.state == HostState::Up, exists, "{addr}");
        let states: Vec<PortState> = host.ports.iter().map(|port| port.state).collect();
        assert_eq!(states, PORTS.map(|port| expected(&scanned.world, *addr, port)), "{addr}");
        let names: Vec<String> = scanned.world.name(*addr).into_iter().collect();
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
        let scanned = scan("10.7.0.0/23", SCENARIO, seed);
        let line = |host: &Host| format!("{} {:?} {:?}", host.target.addr, host.ended, host.srtt);
        (scanned.hosts.iter().map(line).collect::<Vec<_>>(), scanned.took)
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1).0, order(2).0);
}

#[test]
fn a_link_that_loses_a_tenth_costs_time_and_no_state() {
    // The kernel's SYN is sent again within the connect's time, so a tenth lost each way leaves 1 in 30,000.
    let scanned = scan("10.7.0.0/24", &SCENARIO.replace("jitter", "loss = 0.1\njitter"), 3);
    let wrong = scanned.hosts.iter().flat_map(|host| host.ports.iter().map(move |port| (host.target.addr, port)));
    let wrong: Vec<_> =
        wrong.filter(|(addr, port)| port.state != expected(&scanned.world, *addr, port.number)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

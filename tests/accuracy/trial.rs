//! One scan of a scenario, and what it should have found.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use sonde::model::{Host, PingKind, PortState, Protocol, ScanKind, Timestamp};
use sonde::net::sim::World;
use sonde::net::sim::scenario::{PortModel, Reject};
use sonde::runtime::Random;
use sonde::scan::HostPlan;
use sonde::scan::connect;
use sonde::scan::pipeline::Summary;
use sonde::scan::presence::{Presence, Questions};
use sonde::scan::probe::{Form, Question};
use sonde::scan::prober::{Counts, Discovery, Manner, PortPlan};

use crate::support::scenario::{self, Simulated};

/// Runs of each trial.
pub const SEEDS: u64 = 20;

/// What is scanned, and how.
pub struct Trial<'a> {
    /// The network.
    pub scenario: &'a str,
    /// One expression.
    pub targets: &'a str,
    /// Kinds of scans, all at once.
    pub kinds: &'a [ScanKind],
    /// Ports of each kind.
    pub ports: Vec<u16>,
    /// Whether hosts are looked for first, by pings.
    pub looks: bool,
    /// `--host-timeout`.
    pub host_timeout: Option<Duration>,
}

/// What a scan came to.
pub struct Scanned {
    /// Hosts in the order they were done.
    pub hosts: Vec<Host>,
    /// What was counted.
    pub summary: Summary,
    /// What the prober counted.
    pub counts: Counts,
    /// The network, which knows the truth.
    pub world: Rc<World>,
    /// On the virtual clock.
    pub took: Duration,
}

impl Default for Trial<'_> {
    fn default() -> Self {
        Trial {
            scenario: "",
            targets: "10.0.0.1",
            kinds: &[ScanKind::Syn],
            ports: (1..=1000).collect(),
            looks: false,
            host_timeout: None,
        }
    }
}

impl Trial<'_> {
    /// Runs it once.
    pub fn run(&self, seed: u64) -> Scanned {
        self.run_all(&[self.targets], seed)
    }

    /// The same with these targets.
    pub fn run_all(&self, targets: &[&str], seed: u64) -> Scanned {
        self.run_until(targets, seed, None)
    }

    /// The same for so long, by the virtual clock.
    pub fn run_for(&self, time: Duration, targets: &str) -> Scanned {
        self.run_until(&[targets], 1, Some(time))
    }

    fn run_until(&self, targets: &[&str], seed: u64, time: Option<Duration>) -> Scanned {
        let random = Random::new(Some(seed));
        let simulated = Simulated::new(self.scenario, &random);
        let prober = simulated.prober(Manner {
            sctp: self.kinds.iter().any(|kind| kind.protocol() == Protocol::Sctp),
            protocols: self.kinds.contains(&ScanKind::IpProtocol),
            ..Manner::default()
        });
        let by_packets = self.kinds.iter().filter(|kind| **kind != ScanKind::Connect);
        let scans = by_packets.map(|kind| Rc::new(PortPlan::new(*kind, None, shuffled(&self.ports, &random), 0)));
        let connects = self.kinds.contains(&ScanKind::Connect);
        let plan = simulated.plan();
        let plan = HostPlan {
            pace: connect::Pace { timeout: Duration::from_secs(1), retries: 10, ..plan.pace },
            ports: if connects { self.ports.clone().into() } else { [].into() },
            prober: Some(prober.clone()),
            presence: if self.looks { Presence::Packets(Rc::new(usual_questions())) } else { Presence::Assumed },
            scans: scans.collect(),
            host_timeout: self.host_timeout,
            ..plan
        };
        let scenario::Scanned { hosts, summary, took } = simulated.scan(plan, targets, time);
        Scanned { hosts, summary, counts: prober.counts(), world: simulated.world, took }
    }

    /// Runs it with every seed; all states must be the truth. The longest time on the virtual clock.
    #[track_caller]
    pub fn is_exact(&self) -> Duration {
        let mut longest = Duration::ZERO;
        let mut probes = 0;
        for seed in 1..=SEEDS {
            let scanned = self.run(seed);
            let wrong = self.wrong(&scanned);
            assert!(
                wrong.is_empty(),
                "seed {seed}: {} wrong, found and true: {:?}; {:?}, {:?}",
                wrong.len(),
                wrong.iter().take(8).collect::<Vec<_>>(),
                scanned.took,
                scanned.counts
            );
            assert!(scanned.hosts.iter().all(|host| !host.degraded), "seed {seed}: nothing went away");
            longest = longest.max(scanned.took);
            probes = probes.max(scanned.counts.sent);
        }
        println!("{longest:?}, {probes} probes at most");
        longest
    }

    /// Ports found as something they are not: which, as what, and what they are.
    pub fn wrong(&self, scanned: &Scanned) -> Vec<(IpAddr, ScanKind, u16, Option<PortState>, PortState)> {
        let mut wrong = Vec::new();
        for host in &scanned.hosts {
            for kind in self.kinds {
                let found = |number: u16| {
                    let mut ports = host.ports.iter().filter(|port| port.protocol == kind.protocol());
                    ports.find(|port| port.number == number).map(|port| port.state)
                };
                let of_kind = host.ports.iter().filter(|port| port.protocol == kind.protocol());
                let states: BTreeMap<u16, PortState> = of_kind.map(|port| (port.number, port.state)).collect();
                for port in &self.ports {
                    let true_state = truth(*kind, &scanned.world, host.target.addr, *port);
                    if states.get(port) != Some(&true_state) {
                        wrong.push((host.target.addr, *kind, *port, found(*port), true_state));
                    }
                }
            }
        }
        wrong
    }
}

/// What a port must be found as, by the rules of the scenario as they were when the run began.
fn truth(kind: ScanKind, world: &World, addr: IpAddr, port: u16) -> PortState {
    use PortState::{Closed, Filtered, Open, OpenFiltered, Unfiltered};
    if kind == ScanKind::IpProtocol {
        return protocol_truth(world, addr, port);
    }
    let Some(met) = world.meet(kind.protocol(), SocketAddr::new(addr, port), Timestamp(0)) else {
        return kind.silent();
    };
    let is_reset = kind.protocol() == Protocol::Tcp && met.reject == Reject::Reset;
    let is_unreachable = kind == ScanKind::Udp && matches!(met.reject, Reject::Port | Reject::Reset);
    let answer = match met.state {
        PortModel::Reject if is_reset || is_unreachable => PortModel::Closed,
        other => other,
    };
    match (answer, kind) {
        (PortModel::Reject, _) => Filtered,
        (PortModel::Silent, _) => kind.silent(),
        (PortModel::Open | PortModel::Closed, ScanKind::Ack) => Unfiltered,
        (PortModel::Open, ScanKind::Syn | ScanKind::Connect | ScanKind::SctpInit) => Open,
        (PortModel::Open, ScanKind::Udp) if met.service.is_some() => Open,
        // The model resets what carries an ACK, with a window of 0.
        (PortModel::Closed, _) | (PortModel::Open, ScanKind::Window | ScanKind::Maimon) => Closed,
        (PortModel::Open, _) => OpenFiltered,
    }
}

fn protocol_truth(world: &World, addr: IpAddr, protocol: u16) -> PortState {
    let Some((_, hosts)) = world.host_at(addr, Timestamp(0)) else { return PortState::OpenFiltered };
    let own = if addr.is_ipv4() { 1 } else { 58 };
    let speaks = match &hosts.protocols {
        Some(protocols) => protocols.contains(protocol),
        None => [own, 6, 17, 132].contains(&protocol),
    };
    match (speaks, hosts.otherwise) {
        (true, _) if [own, 6, 17, 132].contains(&protocol) => PortState::Open,
        (true, _) | (false, PortModel::Silent) => PortState::OpenFiltered,
        (false, PortModel::Reject) => PortState::Filtered,
        (false, _) => PortState::Closed,
    }
}

fn usual_questions() -> Questions {
    let all = [(PingKind::Echo, 0), (PingKind::Syn, 443), (PingKind::Ack, 80), (PingKind::Timestamp, 0)];
    let plan = |count: usize| {
        let questions =
            all.iter().take(count).map(|(kind, number)| Question { form: Form::of_ping(*kind), number: *number });
        Rc::new(Discovery { questions: questions.collect(), ignore_reset: false })
    };
    Questions { v4: plan(4), v6: plan(3), arp: true }
}

fn shuffled(ports: &[u16], random: &Random) -> Vec<u16> {
    let (mut ports, random) = (ports.to_vec(), random.derive("order of ports"));
    for at in (1..ports.len()).rev() {
        ports.swap(at, random.below(at as u64 + 1) as usize);
    }
    ports
}

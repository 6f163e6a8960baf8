//! One host on its way: presence, ports and what is left of its scripts, names, report.

use std::collections::{BTreeSet, HashMap};
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use async_executor::Task;

use super::connect::{ConnectScan, Pace, Taker};
use super::presence::{Found, Presence, find};
use super::prober::{Asking, Job, Plan, PortPlan, Prober, Way};
use super::route::{self, Routes, Wanted};
use super::scripts::{HostScripts, Known, ScriptStage};
use super::timing::Rtt;
use crate::model::{
    Folded, Host, HostState, NetError, NetErrorKind, Port, PortState, Protocol, Reason, ScannedPort, Service, Stage,
    Stages, Tally, Target, Timestamp, Unreached,
};
use crate::net::Network;
use crate::net::warm::WarmStreams;
use crate::runtime::Spawner;
use crate::target::services;

/// What is done to each host; shared by all of them.
pub struct HostPlan {
    /// The door.
    pub network: Network,
    /// Starts probe workers.
    pub spawner: Spawner,
    /// How hard to connect.
    pub pace: Pace,
    /// Sends packets, where that is asked for and possible.
    pub prober: Option<Prober>,
    /// How to find out whether a host is there.
    pub presence: Presence,
    /// TCP ports to connect to, sorted.
    pub ports: Rc<[u16]>,
    /// Ports to scan with packets.
    pub scans: Vec<Rc<PortPlan>>,
    /// Finds the routes to hosts that are up.
    pub routes: Option<Rc<Routes>>,
    /// Look up names of hosts that are up, or that nobody asked.
    pub reverse_names: bool,
    /// Also of those that are down.
    pub reverse_down: bool,
    /// `--host-timeout`.
    pub host_timeout: Option<Duration>,
    /// Which ports are counted instead of listed.
    pub fold: Fold,
    /// The scripts; none was selected without.
    pub scripts: Option<Rc<dyn ScriptStage>>,
}

/// Splits ports into those worth listing and counts of the rest by state and reason.
pub type Fold = Box<dyn Fn(Vec<ScannedPort>) -> (Vec<ScannedPort>, Vec<Folded>)>;

/// What a host's way came to.
pub struct HostDone {
    /// The host, complete.
    pub host: Host,
    /// How the units of its stages ended.
    pub stages: Stages,
    /// Why this machine could not probe some of them.
    pub trouble: Option<String>,
}

/// What the scans of one host's ports came to.
#[derive(Default)]
struct Ports {
    found: Vec<ScannedPort>,
    reason_ips: HashMap<(Protocol, u16), IpAddr>,
    srtt: Option<Duration>,
    rtt: Option<Rtt>,
    warm: WarmStreams,
    /// Those scripts were told of that may yet prove not to be open.
    told: BTreeSet<(Protocol, u16)>,
    failed: Option<(usize, NetError)>,
    /// Not asked to the end in time.
    unfinished: usize,
    degraded: bool,
}

impl HostPlan {
    /// Ports of each host, of all protocols.
    pub fn port_count(&self) -> usize {
        self.ports.len() + self.scans.iter().map(|plan| plan.count()).sum::<usize>()
    }

    /// Hosts on their way at once: enough to hide the silence of most of them, and no more than memory has room for.
    pub fn window(&self) -> usize {
        /// Most hosts, and bytes of all their ports while packets are out.
        const MOST: (usize, usize) = (4096, 64 << 20);
        const FEWEST: usize = 16;
        let bytes_each = self.scans.iter().map(|plan| Job::size(plan.count())).max().unwrap_or(1);
        (MOST.1 / bytes_each).clamp(FEWEST, MOST.0)
    }

    /// Takes `target` through all stages.
    pub async fn run(&self, target: Target) -> HostDone {
        let clock = &self.network.clock;
        let mut host = Host::new(target, clock.now());
        let mut stages = Stages::default();
        let found = find(&self.presence, &host.target, &self.network, self.prober.as_ref(), self.pace.timeout).await;
        let mut trouble = found.failed.as_ref().map(ToString::to_string);
        if !matches!(self.presence, Presence::Assumed | Presence::ByPorts | Presence::Listed) {
            let tally = stages.of(Stage::Discovery);
            *(if trouble.is_some() { &mut tally.failed } else { &mut tally.done }) += 1;
        }
        found.describe(&mut host);
        // Looking for hosts is not charged to the time a host is given.
        let deadline = self.host_timeout.map(|timeout| clock.now().plus(timeout));
        if matches!(found.state, Some(HostState::Down | HostState::Unknown)) {
            if let Some(error) = found.failed.filter(|_| self.port_count() > 0) {
                stages.of(Stage::Ports).failed += self.port_count() as u64;
                trouble = Some(format!("{} ports not probed: {error}", self.port_count()));
            }
            self.name(&mut host, &mut stages, deadline).await;
            host.ended = clock.now();
            return HostDone { host, stages, trouble };
        }
        let target = host.target.clone();
        let is_up = found.state == Some(HostState::Up);
        let mut ports = Ports::default();
        let known = Known { is_up, names: !self.reverse_names };
        let scripts = self.scripts.as_ref().map(|scripts| scripts.begin(&host, known, &ports.warm, deadline));
        // Its names are looked up beside its ports, and awaited when all else is done.
        let names = is_up.then(|| self.begin_names(&target, deadline, scripts.as_ref())).flatten();
        self.scan_ports(&target, &found, deadline, (&mut ports, scripts.as_ref())).await;
        let (done, failed) = (ports.found.len() as u64, ports.failed.as_ref().map_or(0, |(count, _)| *count as u64));
        *stages.of(Stage::Ports) = Tally { done, failed, timed_out: ports.unfinished as u64, ..Tally::default() };
        if let Some((count, error)) = &ports.failed {
            trouble = Some(format!("{count} ports not probed: {error}"));
        }
        let wanted = self.wanted(&found, &ports);
        self.take_in(&mut host, ports, &found);
        host.timed_out = deadline.is_some_and(|deadline| clock.now() >= deadline);
        let route = wanted.and_then(|wanted| self.begin_route(&host, wanted, deadline));
        let begin_names = || self.begin_names(&target, deadline, scripts.as_ref());
        let names = self.wants_name(&host).then(|| names.or_else(begin_names)).flatten();
        if let Some(scripts) = scripts {
            host = scripts.finish(host).await;
        }
        host.names.clear(); // scripts may have been told of them in a host whose time was up
        if let Some(names) = names {
            (host.names, *stages.of(Stage::Names)) = names.await;
        }
        if let Some(route) = route {
            let found = route.await;
            (host.trace, *stages.of(Stage::Routes)) = (found.trace, found.tally);
            trouble = trouble.or(found.failed.map(|error| format!("route not found: {error}")));
        }
        if host.state == HostState::Up {
            host.timed_out |= deadline.is_some_and(|deadline| clock.now() >= deadline);
        }
        host.ended = clock.now();
        HostDone { host, stages, trouble }
    }

    async fn scan_ports(
        &self,
        target: &Target,
        found: &Found,
        deadline: Option<Timestamp>,
        (ports, scripts): (&mut Ports, Scripts<'_>),
    ) {
        if !self.ports.is_empty() {
            self.connect(target, deadline, (ports, scripts)).await;
        }
        match (&self.prober, &found.way, &found.failed) {
            (Some(prober), Some(way), _) => {
                self.probe((prober, way, found.rtt.clone()), deadline, (ports, scripts)).await;
            }
            (_, None, Some(error)) => {
                self.scans.iter().for_each(|plan| ports.fail(plan.count(), error.clone()));
            }
            _ => {}
        }
        ports.found.sort_unstable_by_key(|port| (port.protocol, port.number));
    }

    async fn connect(&self, target: &Target, deadline: Option<Timestamp>, (ports, scripts): (&mut Ports, Scripts<'_>)) {
        let taker = scripts.cloned().map(|scripts| Taker {
            warm: ports.warm.clone(),
            opened: Box::new(move |number| {
                scripts.open(named(port_of(Protocol::Tcp, number, (PortState::Open, Reason::SynAck, 0))));
            }),
        });
        let (network, spawner) = (self.network.clone(), self.spawner.clone());
        let addr = (target.addr, target.scope);
        let scan = ConnectScan::new(network, spawner, self.pace.clone(), addr, Rc::clone(&self.ports), taker);
        self.until(deadline, scan.run()).await;
        let (findings, unprobed) = scan.finish();
        let of = |(number, state, reason)| port_of(Protocol::Tcp, number, (state, reason, 0));
        ports.found.extend(findings.ports.into_iter().map(of));
        (ports.srtt, ports.failed) = (findings.srtt, findings.failed);
        ports.unfinished += unprobed;
    }

    /// All scans with packets at once: one protocol does not wait for another.
    async fn probe(
        &self,
        (prober, way, rtt): (&Prober, &Way, Option<Rtt>),
        deadline: Option<Timestamp>,
        (ports, scripts): (&mut Ports, Scripts<'_>),
    ) {
        let mut under_way = Vec::new();
        for plan in &self.scans {
            match prober.begin(way.clone(), Plan::Ports(Rc::clone(plan)), rtt.clone()) {
                Ok(asking) => under_way.push((plan, asking)),
                Err(error) => ports.fail(plan.count(), error),
            }
        }
        self.until(deadline, async {
            match scripts {
                Some(scripts) => watch(&under_way, scripts, &mut ports.told).await,
                None => {
                    for (_, asking) in &under_way {
                        asking.done().await;
                    }
                }
            }
        })
        .await;
        for (plan, asking) in under_way {
            let Some(job) = asking.finish() else { continue };
            ports.take(plan, job, &self.pace.probed);
        }
    }

    /// Waits for `work` until `deadline`. What it leaves behind is of interest, not whether it came to its end.
    async fn until(&self, deadline: Option<Timestamp>, work: impl Future<Output = ()>) {
        match deadline {
            Some(deadline) => _ = self.network.clock.before(deadline, work).await,
            None => work.await,
        }
    }

    fn take_in(&self, host: &mut Host, mut ports: Ports, found: &Found) {
        host.srtt = ports.srtt.or(host.srtt);
        host.degraded = ports.degraded;
        if found.state.is_none() {
            let answers = ports.found.iter().map(|port| port.reason).filter(|reason| *reason != Reason::NoResponse);
            (host.state, host.reason) = match answers.min() {
                _ if self.port_count() == 0 => (HostState::Up, Reason::UserSet),
                Some(reason) => (HostState::Up, reason),
                None if ports.found.is_empty() && ports.failed.is_some() => (HostState::Unknown, Reason::Unasked),
                None => (HostState::Down, Reason::NoResponse),
            };
        }
        let was_told = |port: &ScannedPort| ports.told.contains(&(port.protocol, port.number));
        // What scripts were told of is listed, whatever became of it.
        let told = if ports.told.is_empty() {
            Vec::new()
        } else {
            ports.found.extract_if(.., |port| was_told(port)).collect()
        };
        let (mut listed, folded) = (self.fold)(ports.found);
        listed.extend(told);
        listed.sort_unstable_by_key(|port| (port.protocol, port.number));
        (host.ports, host.folded) = (listed.into_iter().map(named).collect(), folded);
        let keys = host.ports.iter().map(|port| (port.protocol, port.number));
        host.reason_ips = keys.filter_map(|key| Some((key, *ports.reason_ips.get(&key)?))).collect();
    }

    fn begin_names(
        &self,
        target: &Target,
        deadline: Option<Timestamp>,
        scripts: Scripts<'_>,
    ) -> Option<Task<(Vec<String>, Tally)>> {
        let (network, addr, scripts) = (self.network.clone(), target.addr, scripts.cloned());
        let lookup = async move {
            let found = names_of(&network, addr, deadline).await;
            scripts.inspect(|scripts| scripts.named(&found.0));
            found
        };
        self.reverse_names.then(|| self.spawner.spawn(lookup))
    }

    /// Whether its reverse name is asked for.
    fn wants_name(&self, host: &Host) -> bool {
        self.reverse_names && !host.timed_out && (host.state != HostState::Down || self.reverse_down)
    }

    /// Looks up the name of a host there is nothing else to do for.
    async fn name(&self, host: &mut Host, stages: &mut Stages, deadline: Option<Timestamp>) {
        if self.wants_name(host) {
            let (found, tally) = names_of(&self.network, host.target.addr, deadline).await;
            host.names = found;
            *stages.of(Stage::Names) = tally;
        }
    }
}

impl HostPlan {
    /// What finding the route of a host begins with; none where there is no way for packets.
    fn wanted(&self, found: &Found, ports: &Ports) -> Option<Wanted> {
        let (routes, way) = (self.routes.as_ref()?, found.way.clone()?);
        let scans: Vec<&PortPlan> = self.scans.iter().map(Rc::as_ref).collect();
        let choice = route::choose(found, &ports.found, &scans, routes.has_ports());
        let rtt = ports.rtt.clone().or(found.rtt.clone());
        let srtt = ports.srtt.or(found.rtt.as_ref().and_then(Rtt::smoothed));
        Some(Wanted { way, choice, rtt, srtt })
    }

    /// Looks for the route of a host that is up; where its time is over already, that is all that comes of it.
    fn begin_route(&self, host: &Host, wanted: Wanted, deadline: Option<Timestamp>) -> Option<Task<route::Found>> {
        let routes = Rc::clone(self.routes.as_ref().filter(|_| host.state == HostState::Up)?);
        Some(self.spawner.spawn(routes.trace(wanted, deadline)))
    }
}

/// The scripts of a host, if any were selected.
type Scripts<'a> = Option<&'a Rc<dyn HostScripts>>;

/// Tells the scripts of every port that is found open, until all are asked.
async fn watch(
    under_way: &[(&Rc<PortPlan>, Asking)],
    scripts: &Rc<dyn HostScripts>,
    told: &mut BTreeSet<(Protocol, u16)>,
) {
    poll_fn(|cx| {
        let mut all = Poll::Ready(());
        for (plan, asking) in under_way {
            let end = loop {
                match asking.poll_open(cx) {
                    Poll::Ready(Some((place, verdict))) => {
                        let (protocol, number) = (plan.kind.protocol(), plan.port(place));
                        if plan.kind.supersedes(PortState::Open, PortState::Closed) {
                            told.insert((protocol, number));
                        }
                        let found = (verdict.state, verdict.reason, verdict.ttl);
                        scripts.open(named(port_of(protocol, number, found)));
                    }
                    Poll::Ready(None) => break Poll::Ready(()),
                    Poll::Pending => break Poll::Pending,
                }
            };
            if end.is_pending() {
                all = Poll::Pending;
            }
        }
        all
    })
    .await;
}

async fn names_of(network: &Network, addr: IpAddr, deadline: Option<Timestamp>) -> (Vec<String>, Tally) {
    let mut tally = Tally::default();
    let lookup = network.names.reverse(addr);
    let found = match deadline {
        Some(deadline) => network.clock.before(deadline, lookup).await,
        None => Ok(lookup.await),
    };
    match &found {
        Ok(Ok(_)) => tally.done += 1,
        Ok(Err(_)) => tally.failed += 1,
        Err(_) => tally.timed_out += 1,
    }
    // A name is a convenience: a resolver that fails costs the name, nothing else.
    (found.ok().and_then(Result::ok).unwrap_or_default(), tally)
}

impl Found {
    fn describe(&self, host: &mut Host) {
        host.state = self.state.unwrap_or(HostState::Down);
        (host.reason, host.reason_ttl, host.mac) = (self.reason, self.ttl, self.mac);
        host.srtt = self.rtt.as_ref().and_then(Rtt::smoothed);
    }
}

impl Ports {
    fn fail(&mut self, count: usize, error: NetError) {
        let before = self.failed.as_ref().map_or(0, |(count, _)| *count);
        self.failed = Some((before + count, error));
    }

    /// What a job came to. Silence is a verdict once it was asked often enough.
    fn take(&mut self, plan: &PortPlan, job: Job, probed: &Rc<std::cell::Cell<u64>>) {
        let protocol = plan.kind.protocol();
        self.srtt = job.rtt.smoothed().or(self.srtt);
        self.rtt = Some(job.rtt.clone());
        let (is_over, failed) = (job.is_over(), job.failed.clone());
        let silent_hop = NetErrorKind::Unreachable(Unreached::Host);
        let is_unreachable = failed.as_ref().is_some_and(|error| error.kind == silent_hop);
        let is_ours = failed.is_some() && !is_unreachable;
        // Who could not be asked whether it is still there has not stopped answering, and silence proves nothing.
        self.degraded |= job.degraded && !is_ours;
        let mut unasked = 0;
        self.found.reserve(plan.count());
        for place in plan.ascending() {
            let (number, (asked, verdict)) = (plan.port(place), job.verdict(place));
            match verdict {
                Some(verdict) => {
                    let found = (verdict.state, verdict.reason, verdict.ttl);
                    self.reason_ips.extend(verdict.from.map(|from| ((protocol, number), from)));
                    self.found.push(port_of(protocol, number, found));
                }
                // A next hop that does not answer says as much as a router that says so.
                None if is_unreachable && !asked => {
                    self.found.push(port_of(protocol, number, (PortState::Filtered, Reason::HostUnreach, 0)));
                }
                None if failed.is_some() && (!asked || is_ours && job.degraded) => unasked += 1,
                None if is_over => {
                    self.found.push(port_of(protocol, number, (plan.kind.silent(), Reason::NoResponse, 0)));
                }
                None => self.unfinished += 1,
            }
        }
        probed.set(probed.get() + self.found.len() as u64);
        if let Some(error) = failed.filter(|_| unasked > 0) {
            self.fail(unasked, error);
        }
    }
}

fn port_of(protocol: Protocol, number: u16, (state, reason, reason_ttl): (PortState, Reason, u8)) -> ScannedPort {
    ScannedPort { protocol, number, state, reason, reason_ttl }
}

/// The port with the service its number stands for.
fn named(port: ScannedPort) -> Port {
    let ScannedPort { protocol, number, state, reason, reason_ttl } = port;
    let name = services::name(protocol, number).unwrap_or_default().to_owned();
    Port { protocol, number, state, reason, reason_ttl, service: Service { name, ..Service::default() } }
}

//! TCP connect scan of one host.
//!
//! One worker takes port after port. Whenever its probe has to wait, another worker joins, so near hosts cost no task
//! at all and far ones quickly have as many probes in flight as they may.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use futures_lite::future::{poll_once, yield_now};

use crate::model::{NetError, NetErrorKind, PortState, Reason, Timestamp, Unreached};
use crate::net::broker::Governor;
use crate::net::warm::WarmStreams;
use crate::net::{ConnectOptions, Network, Origin};
use crate::runtime::Spawner;

/// Longest time a worker goes on without giving the loop a turn.
const TURN: Duration = Duration::from_micros(100);

/// How hard a scan tries; shared by all hosts.
#[derive(Clone)]
pub struct Pace {
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// More tries after silence.
    pub retries: u32,
    /// Probes in flight to one host.
    pub per_host: usize,
    /// Probes in flight in total.
    pub total: usize,
    /// Pause between two probes of one host.
    pub delay: Duration,
    /// Rate over everything.
    pub governor: Governor,
    /// Probes in flight now.
    pub in_flight: Rc<Cell<usize>>,
    /// Probes that have come to an end.
    pub probed: Rc<Cell<u64>>,
}

/// What the probes of one host came to.
#[derive(Default)]
pub struct Findings {
    /// Port, state, reason; in the order the answers came.
    pub ports: Vec<(u16, PortState, Reason)>,
    /// Smoothed round-trip time.
    pub srtt: Option<Duration>,
    /// Ports this machine could not probe, with the last reason.
    pub failed: Option<(usize, NetError)>,
}

impl Findings {
    /// Whether anything came back at all.
    pub fn answered(&self) -> bool {
        self.ports.iter().any(|(_, _, reason)| !matches!(reason, Reason::NoResponse))
    }

    fn sample(&mut self, rtt: Duration) {
        // RFC 6298: the first sample is the estimate, later ones move it by an eighth.
        self.srtt = Some(self.srtt.map_or(rtt, |srtt| srtt * 7 / 8 + rtt / 8));
    }
}

/// Somebody who takes over what is found open.
pub struct Taker {
    /// Gets the connections.
    pub warm: WarmStreams,
    /// Is told of the ports, each as soon as it is found.
    pub opened: Box<dyn Fn(u16)>,
}

/// The scan of one host.
#[derive(Clone)]
pub struct ConnectScan(Rc<Scan>);

struct Scan {
    network: Network,
    spawner: Spawner,
    pace: Pace,
    addr: IpAddr,
    scope: u32,
    ports: Rc<[u16]>,
    taker: Option<Taker>,
    next: Cell<usize>,
    in_flight: Cell<usize>,
    findings: RefCell<Findings>,
    workers: RefCell<Vec<async_executor::Task<()>>>,
    next_start: Cell<Timestamp>,
}

impl ConnectScan {
    /// A scan of `ports` on `addr`, not yet started.
    pub fn new(
        network: Network,
        spawner: Spawner,
        pace: Pace,
        addr: (IpAddr, u32),
        ports: Rc<[u16]>,
        taker: Option<Taker>,
    ) -> ConnectScan {
        ConnectScan(Rc::new(Scan {
            network,
            spawner,
            pace,
            addr: addr.0,
            scope: addr.1,
            ports,
            taker,
            next: Cell::new(0),
            in_flight: Cell::new(0),
            findings: RefCell::default(),
            workers: RefCell::default(),
            next_start: Cell::default(),
        }))
    }

    /// Probes every port. Dropping this future ends its probes; what was found stays.
    pub async fn run(&self) {
        let _ending = Ending(&self.0);
        Scan::work(Rc::clone(&self.0)).await;
        loop {
            let worker = self.0.workers.borrow_mut().pop();
            match worker {
                Some(worker) => worker.await,
                None => return,
            }
        }
    }

    /// What was found, and how many ports were not probed.
    pub fn finish(self) -> (Findings, usize) {
        let findings = self.0.findings.take();
        let tried = findings.ports.len() + findings.failed.as_ref().map_or(0, |(count, _)| *count);
        (findings, self.0.ports.len().saturating_sub(tried))
    }
}

/// Ends the workers when the run is over, in whatever way: they hold the scan, and it holds them.
struct Ending<'a>(&'a Scan);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let workers = self.0.workers.take();
        drop(workers);
    }
}

/// Counts a probe in flight while it lives.
struct InFlight(Rc<Scan>);

impl InFlight {
    fn new(scan: &Rc<Scan>) -> InFlight {
        scan.in_flight.set(scan.in_flight.get() + 1);
        scan.pace.in_flight.set(scan.pace.in_flight.get() + 1);
        InFlight(Rc::clone(scan))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
        self.0.pace.in_flight.set(self.0.pace.in_flight.get() - 1);
    }
}

impl Scan {
    /// One worker: port after port until none is left.
    fn work(scan: Rc<Scan>) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            let mut turn_ends = scan.network.clock.now().plus(TURN);
            while let Some(port) = scan.take_port() {
                scan.wait_for_start().await;
                let started = scan.network.clock.now();
                let mut probe = Box::pin(Rc::clone(&scan).probe(port));
                if poll_once(&mut probe).await.is_none() {
                    scan.grow();
                    probe.await;
                    turn_ends = scan.network.clock.now().plus(TURN);
                } else if started >= turn_ends {
                    yield_now().await;
                    turn_ends = scan.network.clock.now().plus(TURN);
                }
            }
        })
    }

    fn take_port(&self) -> Option<u16> {
        let index = self.next.get();
        self.next.set(index + 1);
        self.ports.get(index).copied()
    }

    /// Starts one more worker if the limits and the work left allow it.
    fn grow(self: &Rc<Self>) {
        let work_left = self.next.get() < self.ports.len();
        let room = self.in_flight.get() < self.pace.per_host && self.pace.in_flight.get() < self.pace.total;
        if work_left && room {
            let worker = self.spawner.spawn(Scan::work(Rc::clone(self)));
            self.workers.borrow_mut().push(worker);
        }
    }

    async fn wait_for_start(&self) {
        self.pace.governor.pass().await;
        if !self.pace.delay.is_zero() {
            let at = self.next_start.get().max(self.network.clock.now());
            self.next_start.set(at.plus(self.pace.delay));
            self.network.clock.sleep_until(at).await;
        }
    }

    async fn probe(self: Rc<Self>, port: u16) {
        let _in_flight = InFlight::new(&self);
        let mut peer = SocketAddr::new(self.addr, port);
        if let SocketAddr::V6(v6) = &mut peer {
            v6.set_scope_id(self.scope);
        }
        let timeout = Some(self.pace.timeout);
        let options = || ConnectOptions { bind: None, timeout, abort_on_close: true, origin: Origin::SCAN };
        let mut tries_left = self.pace.retries;
        loop {
            let started = self.network.clock.now();
            let result = self.network.transport.connect(peer, options()).await;
            let silent = matches!(&result, Err(error) if error.kind == NetErrorKind::Timeout);
            if silent && tries_left > 0 {
                tries_left -= 1;
                continue;
            }
            let now = self.network.clock.now();
            let result = result.map(|stream| {
                if let Some(taker) = &self.taker {
                    taker.warm.keep(peer, stream, now);
                }
            });
            return self.record(port, result, now.since(started));
        }
    }

    fn record(&self, port: u16, result: Result<(), NetError>, rtt: Duration) {
        let mut findings = self.findings.borrow_mut();
        self.pace.probed.set(self.pace.probed.get() + 1);
        match state_of(result) {
            Ok((state, reason)) => {
                if matches!(reason, Reason::SynAck | Reason::ConnRefused) {
                    findings.sample(rtt);
                }
                findings.ports.push((port, state, reason));
                drop(findings);
                if let Some(taker) = self.taker.as_ref().filter(|_| state == PortState::Open) {
                    (taker.opened)(port);
                }
            }
            Err(error) => {
                let count = findings.failed.as_ref().map_or(0, |(count, _)| *count);
                findings.failed = Some((count + 1, error));
            }
        }
    }
}

/// The state a connection attempt proves; an error when this machine could not make the attempt.
pub(super) fn state_of(result: Result<(), NetError>) -> Result<(PortState, Reason), NetError> {
    let Err(error) = result else { return Ok((PortState::Open, Reason::SynAck)) };
    match error.kind {
        NetErrorKind::Refused => Ok((PortState::Closed, Reason::ConnRefused)),
        // Linux calls a reset of the SYN a refusal; this one came after the handshake, from a server that hung up.
        NetErrorKind::Reset | NetErrorKind::Closed => Ok((PortState::Open, Reason::SynAck)),
        NetErrorKind::Timeout => Ok((PortState::Filtered, Reason::NoResponse)),
        NetErrorKind::Unreachable(Unreached::Network) => Ok((PortState::Filtered, Reason::NetUnreach)),
        NetErrorKind::Unreachable(Unreached::Host) => Ok((PortState::Filtered, Reason::HostUnreach)),
        NetErrorKind::Denied => Ok((PortState::Filtered, Reason::PermDenied)),
        _ => Err(error), // nothing left this machine
    }
}

//! Is a host there? By packets where they are possible, by connections otherwise, or not asked at all.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use crate::model::{HostState, MacAddr, NetError, NetErrorKind, Reason, Target, Unreached};
use crate::net::{ConnectOptions, Network, Origin};
use crate::scan::connect::state_of;
use crate::scan::probe::{Form, Question};
use crate::scan::prober::{Discovery, Plan, Prober, Way};
use crate::scan::timing::Rtt;

/// How to find out which hosts are there.
#[derive(Debug, Clone)]
pub enum Presence {
    /// Not at all: each counts as up.
    Assumed,
    /// Not at all, and nothing is claimed: targets are listed.
    Listed,
    /// The scan of the ports shows it: what answers at any of them is up. For few ports nothing is cheaper.
    ByPorts,
    /// By connections to these ports, in the order given.
    Connect(Rc<[u16]>),
    /// By packets.
    Packets(Rc<Questions>),
}

/// What hosts are asked with.
#[derive(Debug, Clone)]
pub struct Questions {
    /// Over IPv4.
    pub v4: Rc<Discovery>,
    /// Over IPv6.
    pub v6: Rc<Discovery>,
    /// Neighbours are asked by ARP or neighbour solicitation instead.
    pub arp: bool,
}

/// What is known of a host before its ports are scanned.
#[derive(Debug, Clone)]
pub struct Found {
    /// Whether it is there; unknown until its ports are scanned.
    pub state: Option<HostState>,
    /// Why.
    pub reason: Reason,
    /// The question it answered.
    pub answered: Option<Question>,
    /// Hops the answer had left.
    pub ttl: u8,
    /// Its hardware address.
    pub mac: Option<MacAddr>,
    /// Round-trip times so far.
    pub rtt: Option<Rtt>,
    /// The way to it, where packets are used.
    pub way: Option<Way>,
    /// Why this machine could not ask.
    pub failed: Option<NetError>,
}

impl Found {
    fn new(state: Option<HostState>, reason: Reason) -> Found {
        Found { state, reason, answered: None, ttl: 0, mac: None, rtt: None, way: None, failed: None }
    }

    /// Nothing is known: this machine could not ask.
    fn unasked(error: NetError) -> Found {
        Found { failed: Some(error), ..Found::new(Some(HostState::Unknown), Reason::Unasked) }
    }
}

/// Asks whether `target` is there.
pub async fn find(
    presence: &Presence,
    target: &Target,
    network: &Network,
    prober: Option<&Prober>,
    timeout: Duration,
) -> Found {
    let way = match prober {
        Some(prober) => Some(prober.way(target.addr, target.scope).await),
        None => None,
    };
    let way = match way.transpose() {
        Ok(way) => way,
        Err(error) => return without_way(presence, error),
    };
    let is_us = target.addr.is_loopback() || way.as_ref().is_some_and(|way| way.source == target.addr);
    let found = match presence {
        Presence::Assumed => Found::new(Some(HostState::Up), Reason::UserSet),
        Presence::Listed => Found::new(Some(HostState::Unknown), Reason::Unasked),
        Presence::ByPorts => Found::new(None, Reason::NoResponse),
        _ if is_us => Found::new(Some(HostState::Up), Reason::LocalhostResponse),
        Presence::Connect(ports) => connect(target, ports, network, timeout).await,
        Presence::Packets(questions) => match (prober, &way) {
            (Some(prober), Some(way)) => ask(questions, prober, way.clone()).await,
            _ => Found::new(None, Reason::NoResponse),
        },
    };
    Found { way, ..found }
}

/// No packet can be sent to it, so nothing will be known but what the user says. Connections find their own way, or not.
fn without_way(presence: &Presence, error: NetError) -> Found {
    match presence {
        Presence::Assumed => Found { failed: Some(error), ..Found::new(Some(HostState::Up), Reason::UserSet) },
        Presence::ByPorts => Found { failed: Some(error), ..Found::new(None, Reason::NoResponse) },
        Presence::Listed | Presence::Connect(_) | Presence::Packets(_) => Found::unasked(error),
    }
}

async fn ask(questions: &Questions, prober: &Prober, way: Way) -> Found {
    let plan = if questions.arp && way.mac.is_some() {
        let neighbor = Question { form: Form::Neighbor, number: 0 };
        Rc::new(Discovery { questions: vec![neighbor], ignore_reset: false })
    } else if way.addr.is_ipv4() {
        Rc::clone(&questions.v4)
    } else {
        Rc::clone(&questions.v6)
    };
    let asking = match prober.begin(way, Plan::Discovery(plan), None) {
        Ok(asking) => asking,
        Err(error) => return Found::unasked(error),
    };
    asking.done().await;
    let Some(job) = asking.finish() else { return Found::new(Some(HostState::Down), Reason::NoResponse) };
    // A next hop that does not answer is an answer: nobody is there.
    let failed = job.failed.filter(|error| error.kind != NetErrorKind::Unreachable(Unreached::Host));
    let (state, (reason, ttl)) = match (job.up, &failed) {
        (Some(up), _) => (HostState::Up, up),
        (None, None) => (HostState::Down, (Reason::NoResponse, 0)),
        (None, Some(_)) => (HostState::Unknown, (Reason::Unasked, 0)),
    };
    let answered = job.answered;
    Found { answered, ttl, mac: job.mac, rtt: Some(job.rtt), failed, ..Found::new(Some(state), reason) }
}

/// Anything that comes back shows that the host is there, a refusal as well.
async fn connect(target: &Target, ports: &[u16], network: &Network, timeout: Duration) -> Found {
    for port in ports {
        let mut peer = SocketAddr::new(target.addr, *port);
        if let (SocketAddr::V6(peer), IpAddr::V6(_)) = (&mut peer, target.addr) {
            peer.set_scope_id(target.scope);
        }
        let options = ConnectOptions { bind: None, timeout: Some(timeout), abort_on_close: true, origin: Origin::SCAN };
        match state_of(network.transport.connect(peer, options).await.map(drop)) {
            Ok((_, reason @ (Reason::SynAck | Reason::ConnRefused))) => {
                return Found::new(Some(HostState::Up), reason);
            }
            Ok(_) => {}
            Err(error) => return Found::unasked(error),
        }
    }
    Found::new(Some(HostState::Down), Reason::NoResponse)
}

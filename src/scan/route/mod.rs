//! Traceroute: who forwards packets to a host.
//!
//! How far away a host is shows in the hops its answers have left, so all its routers are asked at once. Most hosts share their
//! routers with others: once one was traced, those beside it are asked at their last two hops, and what lies before a router
//! that is known already is taken from memory.

mod choice;
mod known;
mod path;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

pub use self::choice::{Choice, choose};
use self::choice::{PORTED, distance};
use self::known::{Area, Known};
use self::path::Path;
use crate::model::{Hop, NetError, Tally, Timestamp, Trace};
use crate::net::Network;
use crate::runtime::{Semaphore, Spawner};
use crate::scan::prober::{MOST_HOPS, Plan, Prober, RoutePlan, Way};
use crate::scan::timing::Rtt;

/// Hops asked for at first where nothing tells how far away the host is.
const UNKNOWN: u8 = 10;
/// Hops asked for at once beyond the guess, and below what is known.
const MORE: u8 = 4;
/// How long a host waits for its neighbour to be traced.
const COURTESY: Duration = Duration::from_secs(2);

/// What finds routes; shared by all hosts of a run.
pub struct Routes {
    network: Network,
    spawner: Spawner,
    prober: Prober,
    /// Whether routers get names.
    names: bool,
    known: RefCell<Known>,
    /// Areas in which a host is being traced; others wait there for what it finds.
    leaders: RefCell<HashMap<Area, Semaphore>>,
}

/// A host whose route is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The way to it.
    pub way: Way,
    /// What it is asked.
    pub choice: Choice,
    /// What is known of its round-trip time.
    pub rtt: Option<Rtt>,
    /// The same, smoothed, from wherever it was measured.
    pub srtt: Option<Duration>,
}

/// What the search for a route came to.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The route.
    pub trace: Option<Trace>,
    /// How it ended.
    pub tally: Tally,
    /// Why this machine could not ask.
    pub failed: Option<NetError>,
}

impl Routes {
    /// Asks with the packets of `prober`; with `names`, routers are looked up.
    pub fn new(network: Network, spawner: Spawner, prober: Prober, names: bool) -> Routes {
        Routes { network, spawner, prober, names, known: RefCell::default(), leaders: RefCell::default() }
    }

    /// Whether answers tell the local ports of probes apart.
    pub fn has_ports(&self) -> bool {
        !self.prober.pace().fixed_port
    }

    /// Finds the route to a host, unless it takes longer than to `deadline`.
    pub async fn trace(self: Rc<Self>, wanted: Wanted, deadline: Option<Timestamp>) -> Found {
        let work = self.find(&wanted);
        let found = match deadline {
            Some(deadline) => self.network.clock.before(deadline, work).await,
            None => Ok(work.await),
        };
        let tally = Tally::default();
        match found {
            Ok(Ok(trace)) => Found { trace: Some(trace), tally: Tally { done: 1, ..tally }, failed: None },
            Ok(Err(error)) => Found { trace: None, tally: Tally { failed: 1, ..tally }, failed: Some(error) },
            Err(_) => Found { tally: Tally { timed_out: 1, ..tally }, ..Found::default() },
        }
    }

    async fn find(&self, wanted: &Wanted) -> Result<Trace, NetError> {
        let way = &wanted.way;
        if is_direct(way) {
            let hop = Hop { ttl: 1, addr: Some(way.addr), name: None, rtt: wanted.srtt };
            return Ok(self.named(Trace { probe: None, hops: vec![hop] }).await);
        }
        let hops = self.beside_others(wanted).await?;
        let question = wanted.choice.question;
        let protocol = PORTED.iter().find(|(fits, _)| fits(question.form)).map(|(_, protocol)| *protocol);
        Ok(self.named(Trace { probe: protocol.map(|protocol| (protocol, question.number)), hops }).await)
    }

    /// Lets the first host of all, and then the first of each area, go ahead, so that the others can use what it finds. A
    /// router next to us would otherwise be asked by thousands at once, and routers limit what they say.
    async fn beside_others(&self, wanted: &Wanted) -> Result<Vec<Hop>, NetError> {
        let area = Area::of(&wanted.way);
        let everything = self.known.borrow().is_empty().then(|| area.surroundings());
        for area in everything.into_iter().chain([area]) {
            if let Some(_leads) = self.lead(area).await {
                return self.walk(wanted).await;
            }
        }
        self.walk(wanted).await
    }

    /// Goes ahead, or waits for who does.
    async fn lead(&self, area: Area) -> Option<Leads<'_>> {
        let leader = self.leaders.borrow().get(&area).cloned();
        if let Some(leader) = leader {
            drop(self.network.clock.timeout(COURTESY, leader.acquire()).await);
            return None;
        }
        let leader = Semaphore::new(1);
        let leads = Leads { routes: self, area, _place: leader.try_acquire() };
        self.leaders.borrow_mut().insert(area, leader);
        Some(leads)
    }

    /// Asks at the guessed distance, upward until the host answers, then downward until all is known.
    async fn walk(&self, wanted: &Wanted) -> Result<Vec<Hop>, NetError> {
        let area = Area::of(&wanted.way);
        let guess = wanted.choice.left.and_then(distance).unwrap_or(UNKNOWN);
        let is_first = self.known.borrow().is_empty();
        let first = if is_first { 1 } else { guess.saturating_sub(1).max(1) };
        let mut round = Round { prober: &self.prober, wanted, rtt: wanted.rtt.clone() };
        let mut path = Path::new(first);
        let mut is_answered = round.ask(&mut path, (first, guess)).await?;
        while !path.is_ended() && path.high() < MOST_HOPS {
            // Where nobody says anything it will hardly become better, and asking for all costs no more time than for one.
            let more = if is_answered { MORE } else { MOST_HOPS };
            let next = path.high() + 1;
            is_answered = round.ask(&mut path, (next, next.saturating_add(more - 1).min(MOST_HOPS))).await?;
        }
        let mut width = MORE;
        while path.low() > 1 {
            if let Some(below) = self.known.borrow().below(area, &path) {
                path.take(&below);
                break;
            }
            let (last, next) = (path.low() - 1, path.low().saturating_sub(width).max(1));
            round.ask(&mut path, (next, last)).await?;
            width = width.saturating_mul(2);
        }
        let (hops, count) = path.hops();
        self.known.borrow_mut().keep(area, hops.get(..count).unwrap_or_default());
        Ok(hops)
    }

    /// Looks up the names of all hops at once. A resolver that fails costs names, nothing else; it remembers, and asks once
    /// what many want.
    async fn named(&self, mut trace: Trace) -> Trace {
        if !self.names {
            return trace;
        }
        let name_of = |addr: IpAddr| self.spawner.spawn(self.network.names.reverse(addr));
        let lookups: Vec<_> = trace.hops.iter().map(|hop| hop.addr.map(name_of)).collect();
        for (hop, lookup) in trace.hops.iter_mut().zip(lookups) {
            let Some(lookup) = lookup else { continue };
            hop.name = lookup.await.ok().and_then(|names| names.into_iter().next());
        }
        trace
    }
}

/// Whether nobody stands between: a neighbour on a link that has neighbours, or this machine itself.
fn is_direct(way: &Way) -> bool {
    way.next_hop == way.addr && (way.mac.is_some() || way.addr == way.source || way.addr.is_loopback())
}

/// Goes ahead in an area; those who wait go on when it ends, however it does.
struct Leads<'a> {
    routes: &'a Routes,
    area: Area,
    _place: Option<crate::runtime::Permit>,
}

impl Drop for Leads<'_> {
    fn drop(&mut self) {
        self.routes.leaders.borrow_mut().remove(&self.area);
    }
}

/// Asks for hops in a row.
struct Round<'a> {
    prober: &'a Prober,
    wanted: &'a Wanted,
    rtt: Option<Rtt>,
}

impl Round<'_> {
    /// Asks for these hops; whether anybody answered.
    async fn ask(&mut self, path: &mut Path, (first, last): (u8, u8)) -> Result<bool, NetError> {
        let plan = Plan::Route(RoutePlan { question: self.wanted.choice.question, first, last });
        let asking = self.prober.begin(self.wanted.way.clone(), plan, self.rtt.clone())?;
        asking.done().await;
        path.asked(first, last);
        let Some(job) = asking.finish() else { return Ok(false) };
        if let Some(error) = job.failed.filter(|_| job.trail.is_empty()) {
            return Err(error);
        }
        path.follow(&job.trail);
        self.rtt = Some(job.rtt);
        Ok(!job.trail.is_empty())
    }
}

//! Who is there: rules over addresses and ports, applied when somebody asks. Nothing is stored per host but the clocks of
//! those whose answers are rated.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use super::link::{Arrival, Link, Way};
use super::scenario::{HostsSpec, PortModel, PortsSpec, Scenario, ServiceSpec};
use crate::model::{Protocol, Timestamp};
use crate::runtime::{Clock, Random};

/// Hosts whose rate of answers is remembered at once; the one that was silent longest is forgotten.
const RATED: usize = 65_536;
/// Forwards followed before a port counts as silent.
const FORWARDS: usize = 8;

/// A network that exists only here.
pub struct World {
    scenario: Scenario,
    /// The run's clock.
    pub clock: Clock,
    random: Random,
    link: Link,
    links: Vec<Link>,
    rated: RefCell<BTreeMap<(Rate, IpAddr), Timestamp>>,
    /// What was asked of it so far.
    pub count: Count,
}

/// What a world was asked.
#[derive(Debug, Default)]
pub struct Count {
    /// SYNs that reached a host or the place where none is.
    pub syns: Cell<u64>,
    /// Datagrams likewise.
    pub datagrams: Cell<u64>,
    /// Connections made.
    pub connections: Cell<u64>,
}

/// What is rated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rate {
    Rst,
    Icmp,
}

/// What a probe meets at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The port accepts; it talks like this.
    Open(Option<Rc<ServiceSpec>>),
    /// RST, or ICMP port unreachable for datagrams.
    Closed,
    /// ICMP administratively prohibited.
    Reject,
    /// Nobody is there, or nobody answers.
    Silent,
}

impl World {
    /// The world of `scenario`; who exists follows from the seed of `random`.
    pub fn new(scenario: Scenario, clock: Clock, random: &Random) -> World {
        let random = random.derive("world");
        let links = scenario.hosts.iter().enumerate();
        let links = links.map(|(at, hosts)| Link::new(hosts.link.clone(), &random.derive(&format!("hosts {at}"))));
        World {
            link: Link::new(scenario.link.clone(), &random),
            links: links.collect(),
            scenario,
            clock,
            random,
            rated: RefCell::default(),
            count: Count::default(),
        }
    }

    /// Our address towards `peer`.
    pub fn source(&self, peer: IpAddr) -> IpAddr {
        let own = self.scenario.sources.iter().find(|addr| addr.is_ipv4() == peer.is_ipv4());
        own.copied().unwrap_or(match peer {
            IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(), // RFC 5737
            IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(), // RFC 3849
        })
    }

    /// The rule for the host at `addr`, with its place among the rules; none when nobody is there.
    pub fn host(&self, addr: IpAddr) -> Option<(usize, &HostsSpec)> {
        let holds = |hosts: &HostsSpec| hosts.addrs.iter().any(|prefix| prefix.contains(addr));
        let (at, hosts) = self.scenario.hosts.iter().enumerate().find(|(_, hosts)| holds(hosts))?;
        hosts.up.holds(self.draw(addr, u64::MAX)).then_some((at, hosts))
    }

    /// The name of the host at `addr`.
    pub fn name(&self, addr: IpAddr) -> Option<String> {
        let name = self.host(addr)?.1.name.as_ref()?;
        Some(name.replace("{ip}", &dashed(addr)))
    }

    /// The address behind `name`, wherever a rule could have made it.
    pub fn addr(&self, name: &str) -> Option<IpAddr> {
        self.scenario.hosts.iter().find_map(|hosts| {
            let (before, after) = hosts.name.as_ref()?.split_once("{ip}")?;
            let middle = name.strip_prefix(before)?.strip_suffix(after)?;
            let addr = middle.replace('-', ".").parse().or_else(|_| middle.replace('-', ":").parse()).ok()?;
            (self.name(addr).as_deref() == Some(name)).then_some(addr)
        })
    }

    /// What answers at `peer`, whatever the links lose.
    pub fn answer(&self, protocol: Protocol, peer: SocketAddr) -> Answer {
        let mut at = peer;
        for _ in 0..FORWARDS {
            let Some((_, hosts)) = self.host(at.ip()) else { return Answer::Silent };
            let rules = if protocol == Protocol::Udp { &hosts.udp } else { &hosts.tcp };
            let rule = rules.iter().enumerate().find(|(index, rule)| self.applies(*index, rule, at));
            match rule {
                Some((_, PortsSpec { forward: Some(to), .. })) => at = *to,
                Some((_, rule)) => return self.behave(rule.state, rule.service.as_deref(), hosts, at.ip()),
                None => return self.behave(hosts.otherwise, None, hosts, at.ip()),
            }
        }
        Answer::Silent
    }

    fn applies(&self, index: usize, rule: &PortsSpec, at: SocketAddr) -> bool {
        rule.ports.contains(at.port())
            && rule.share.holds(self.draw(at.ip(), index as u64 * 65_536 + u64::from(at.port())))
    }

    fn behave(&self, state: PortModel, service: Option<&str>, hosts: &HostsSpec, addr: IpAddr) -> Answer {
        match state {
            PortModel::Open => {
                Answer::Open(service.and_then(|name| self.scenario.services.get(name)).cloned().map(Rc::new))
            }
            PortModel::Closed if self.may_send(Rate::Rst, hosts.rst_rate, addr) => Answer::Closed,
            PortModel::Reject if self.may_send(Rate::Icmp, hosts.icmp_rate, addr) => Answer::Reject,
            PortModel::Closed | PortModel::Reject | PortModel::Silent => Answer::Silent,
        }
    }

    /// One packet over the common link and the host's own; when and how often it arrives.
    pub fn cross(&self, way: Way, peer: IpAddr) -> Arrival {
        let now = self.clock.now();
        let common = self.link.cross(way, now);
        let Some(own) = self.host(peer).and_then(|(at, _)| self.links.get(at)) else { return common };
        let own = own.cross(way, now);
        let both = |a: Option<Duration>, b: Option<Duration>| Some(a? + b?);
        Arrival { first: both(common.first, own.first), second: both(common.second.or(own.second), own.first) }
    }

    /// Whether the host may send one more of what is rated; the rate has a burst of one second.
    fn may_send(&self, what: Rate, rate: u32, addr: IpAddr) -> bool {
        if rate == 0 {
            return true;
        }
        let now = self.clock.now();
        let each = Duration::from_secs(1) / rate;
        let mut rated = self.rated.borrow_mut();
        if rated.len() >= RATED && !rated.contains_key(&(what, addr)) {
            rated.retain(|_, paid_until| *paid_until > now); // the others are as good as new
            if rated.len() >= RATED {
                rated.pop_first();
            }
        }
        let paid_until = rated.entry((what, addr)).or_insert(now);
        if paid_until.since(now) + each > Duration::from_secs(1) {
            return false;
        }
        *paid_until = (*paid_until).max(now).plus(each);
        true
    }

    fn draw(&self, addr: IpAddr, what: u64) -> u64 {
        let bits = match addr {
            IpAddr::V4(addr) => u128::from(addr.to_bits()),
            IpAddr::V6(addr) => addr.to_bits(),
        };
        self.random.at(&[(bits >> 64) as u64, bits as u64, what])
    }
}

fn dashed(addr: IpAddr) -> String {
    addr.to_string().replace(['.', ':'], "-")
}

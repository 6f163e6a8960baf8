//! Who is there: rules over addresses and ports, applied when somebody asks. Nothing is stored per host but the clocks of
//! those whose answers are rated.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use super::count::Count;
use super::link::{Arrival, Link, Way};
use super::scenario::{HostsSpec, PortModel, PortsSpec, Reject, Scenario, ServiceSpec};
use crate::model::{MacAddr, Protocol, Timestamp};
use crate::runtime::{Clock, Random, Sleep};

/// Hosts whose rate of answers is remembered at once; the one that was silent longest is forgotten.
const RATED: usize = 65_536;
/// Hardware address of the router next to us, locally administered.
const GATEWAY: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
/// Forwards followed before a port counts as silent.
const FORWARDS: usize = 8;

/// A network that exists only here.
pub struct World {
    scenario: Scenario,
    /// The run's clock.
    pub clock: Clock,
    random: Random,
    began: Timestamp,
    services: BTreeMap<String, Rc<ServiceSpec>>,
    link: Link,
    links: Vec<Link>,
    rated: RefCell<BTreeMap<(Rate, IpAddr), Timestamp>>,
    /// What was asked of it so far.
    pub count: Count,
}

/// What is rated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rate {
    /// Resets.
    Rst,
    /// ICMP errors.
    Icmp,
}

/// The port a packet reaches.
#[derive(Debug, Clone, Copy)]
pub struct Met<'a> {
    /// How it answers.
    pub state: PortModel,
    /// What it says when it is open.
    pub service: Option<&'a Rc<ServiceSpec>>,
    /// What comes back when it rejects.
    pub reject: Reject,
    /// The rule of the host.
    pub hosts: &'a HostsSpec,
    /// Who answers: another host where ports are forwarded.
    pub addr: IpAddr,
    /// Forwards on the way to it.
    pub forwards: u8,
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
            services: scenario.services.iter().map(|(name, spec)| (name.clone(), Rc::new(spec.clone()))).collect(),
            began: clock.now(),
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

    /// Who forwards what goes to `peer`: a neighbour of our own address.
    pub fn gateway(&self, peer: IpAddr) -> IpAddr {
        match self.source(peer) {
            IpAddr::V4(own) => {
                let [a, b, c, d] = own.octets();
                Ipv4Addr::new(a, b, c, if d == 254 { 253 } else { 254 }).into()
            }
            IpAddr::V6(own) => {
                let [a, b, c, d, .., last] = own.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, if last == 0xfe { 0xfd } else { 0xfe }).into()
            }
        }
    }

    /// The `hop`th router towards `peer`, unless its rule names others. Nearest is our gateway; the rest have addresses
    /// for such tests (RFC 2544, RFC 3849).
    pub fn router(&self, hop: u8, peer: IpAddr) -> IpAddr {
        match peer {
            _ if hop == 1 => self.gateway(peer),
            IpAddr::V4(_) => Ipv4Addr::new(198, 18, 0, hop).into(),
            IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, u16::from(hop)).into(),
        }
    }

    /// The hardware address that packets from `addr` bear on our link: the gateway's, unless everybody is on it.
    pub fn mac(&self, addr: IpAddr) -> MacAddr {
        if !self.is_on_link() {
            return GATEWAY;
        }
        let [.., a, b, c, d] = self.draw(addr, u64::MAX - 1).to_be_bytes();
        MacAddr([2, 1, a, b, c, d])
    }

    /// The rule for the host at `addr`, with its place among the rules; none when nobody is there now.
    pub fn host(&self, addr: IpAddr) -> Option<(usize, &HostsSpec)> {
        self.host_at(addr, self.clock.now())
    }

    /// The same at another time.
    pub fn host_at(&self, addr: IpAddr, at: Timestamp) -> Option<(usize, &HostsSpec)> {
        let since = at.since(self.began);
        let is_there = |hosts: &HostsSpec| hosts.from.0 <= since && hosts.until.is_none_or(|until| since < until.0);
        self.known(addr).filter(|(_, hosts)| is_there(hosts))
    }

    /// The rule for a host that is at `addr` at some time.
    fn known(&self, addr: IpAddr) -> Option<(usize, &HostsSpec)> {
        self.rule(addr).filter(|(_, hosts)| hosts.up.holds(|| self.draw(addr, u64::MAX)))
    }

    /// The rule that holds `addr`, whether or not a host is there.
    pub fn rule(&self, addr: IpAddr) -> Option<(usize, &HostsSpec)> {
        let holds = |hosts: &HostsSpec| hosts.addrs.iter().any(|prefix| prefix.contains(addr));
        self.scenario.hosts.iter().enumerate().find(|(_, hosts)| holds(hosts))
    }

    /// Whether everybody is on our link.
    pub fn is_on_link(&self) -> bool {
        self.scenario.on_link
    }

    /// The name of the host at `addr`.
    pub fn name(&self, addr: IpAddr) -> Option<String> {
        let name = self.known(addr)?.1.name.as_ref()?;
        Some(name.replace("{ip}", &dashed(addr)))
    }

    /// Takes the time of a lookup.
    pub fn look_up(&self) -> Sleep {
        self.clock.sleep(self.scenario.name_delay.0)
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

    /// What a connect or a datagram meets at `peer`, whatever the links lose. Refusals count towards the host's rates.
    pub fn answer(&self, protocol: Protocol, peer: SocketAddr) -> Answer {
        let now = self.clock.now();
        let Some(met) = self.meet(protocol, peer, now) else { return Answer::Silent };
        let resets = protocol == Protocol::Tcp && (met.state == PortModel::Closed || met.reject == Reject::Reset);
        let (rate, most) = if resets { (Rate::Rst, met.hosts.rst_rate) } else { (Rate::Icmp, met.hosts.icmp_rate) };
        match met.state {
            PortModel::Open => Answer::Open(met.service.cloned()),
            PortModel::Silent => Answer::Silent,
            _ if !self.may_send(rate, most, met.addr, now) => Answer::Silent,
            PortModel::Reject if !matches!(met.reject, Reject::Reset | Reject::Port) => Answer::Reject,
            PortModel::Closed | PortModel::Reject => Answer::Closed,
        }
    }

    /// The port a packet reaches that arrives at `peer` at `at`, forwards followed; none if nobody is there.
    pub fn meet(&self, protocol: Protocol, peer: SocketAddr, at: Timestamp) -> Option<Met<'_>> {
        let mut end = peer;
        for forwards in 0..FORWARDS {
            let (_, hosts) = self.host_at(end.ip(), at)?;
            let rules = match protocol {
                Protocol::Udp => &hosts.udp,
                Protocol::Sctp => &hosts.sctp,
                Protocol::Tcp | Protocol::Ip => &hosts.tcp,
            };
            let rule = rules.iter().enumerate().find(|(index, rule)| self.applies(*index, rule, end));
            let rule = rule.map(|(_, rule)| rule);
            if let Some(PortsSpec { forward: Some(to), .. }) = rule {
                end = *to;
                continue;
            }
            let service = rule.and_then(|rule| self.services.get(rule.service.as_ref()?));
            let reject = rule.and_then(|rule| rule.reject).unwrap_or(hosts.reject);
            let state = rule.map_or(hosts.otherwise, |rule| rule.state);
            return Some(Met { state, service, reject, hosts, addr: end.ip(), forwards: forwards as u8 });
        }
        None
    }

    fn applies(&self, index: usize, rule: &PortsSpec, at: SocketAddr) -> bool {
        let draw = || self.draw(at.ip(), index as u64 * 65_536 + u64::from(at.port()));
        rule.ports.contains(at.port()) && rule.share.holds(draw)
    }

    /// One packet over the common link and the host's own, sent at `at`; when and how often it arrives.
    pub fn cross(&self, way: Way, peer: IpAddr, at: Timestamp) -> Arrival {
        let common = self.link.cross(way, at);
        let Some(own) = self.known(peer).and_then(|(rule, _)| self.links.get(rule)) else { return common };
        let own = own.cross(way, at);
        let both = |a: Option<Duration>, b: Option<Duration>| Some(a? + b?);
        Arrival { first: both(common.first, own.first), second: both(common.second.or(own.second), own.first) }
    }

    /// Whether the host may send one more of what is rated at `now`; the rate has a burst of one second.
    pub fn may_send(&self, what: Rate, rate: u32, addr: IpAddr, now: Timestamp) -> bool {
        if rate == 0 {
            return true;
        }
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

    /// The number that belongs to an address and a purpose.
    pub fn draw(&self, addr: IpAddr, what: u64) -> u64 {
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

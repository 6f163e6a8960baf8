//! What a simulated network looks like, as its author writes it: TOML, strict, unknown keys refused.
//!
//! ```toml
//! [link]                      # between us and everybody
//! delay = "20ms"              # one way
//! loss = 0.02                 # of packets, each way
//!
//! [[hosts]]
//! addrs = ["10.0.0.0/16"]     # first rule that holds an address decides
//! up = 0.25                   # share of hosts that exist; which ones follows from the seed
//! name = "h{ip}.example"      # {ip}: the address with dashes
//! otherwise = "closed"        # open, closed, silent, reject
//! hops = 3                    # routers on the way
//! routers = ["10.9.{hop}.1"]  # {hop}: a router's number, nearest first
//! protocols = "1,6,17"        # of IP
//! until = "30s"               # then they go away
//! tcp = [
//!     { ports = "22,80", service = "ssh" },
//!     { ports = "1-1000", state = "silent", share = 0.5 },
//!     { ports = "25", state = "reject", reject = "host-admin" },
//!     { ports = "8080", forward = "10.1.0.2:80" },
//! ]
//!
//! [services.ssh]
//! talk = [{ say = "SSH-2.0-Model\r\n" }, { hear = "\n" }, { wait = "10ms" }, { close = true }]
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Deserializer, de};

use super::duration::Span;

/// A whole simulated network.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// The link all packets cross.
    pub link: LinkSpec,
    /// Who is there; the first rule that holds an address decides.
    pub hosts: Vec<HostsSpec>,
    /// What open ports say.
    pub services: BTreeMap<String, ServiceSpec>,
    /// Our addresses, one of each family at most.
    pub sources: Vec<IpAddr>,
    /// Whether everybody is on our own link; otherwise a router forwards all packets.
    pub on_link: bool,
    /// How long the lookup of a name takes.
    pub name_delay: Span,
}

/// How packets cross a link.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkSpec {
    /// One way.
    pub delay: Span,
    /// Added to it, at most.
    pub jitter: Span,
    /// Share of packets lost, 0 to 1.
    pub loss: Share,
    /// Share of packets that arrive twice.
    pub duplicate: Share,
    /// Share of packets that overtake: they cross without the link's delay.
    pub reorder: Share,
    /// Packets a second in each direction; unlimited when 0.
    pub rate: u32,
    /// Packets that wait when the rate is used up; more are lost.
    pub queue: u32,
}

/// A rule over addresses.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostsSpec {
    /// Where the rule holds.
    pub addrs: Vec<Prefix>,
    /// Share of addresses with a host.
    #[serde(default = "Share::all")]
    pub up: Share,
    /// Their names; `{ip}` is the address with dashes.
    #[serde(default)]
    pub name: Option<String>,
    /// A link of their own, behind the common one.
    #[serde(default)]
    pub link: LinkSpec,
    /// TCP ports; the first rule that holds a port decides.
    #[serde(default)]
    pub tcp: Vec<PortsSpec>,
    /// UDP ports, likewise.
    #[serde(default)]
    pub udp: Vec<PortsSpec>,
    /// SCTP ports, likewise.
    #[serde(default)]
    pub sctp: Vec<PortsSpec>,
    /// Ports without a rule.
    #[serde(default)]
    pub otherwise: PortModel,
    /// What comes back from ports that reject, unless their rule says so.
    #[serde(default)]
    pub reject: Reject,
    /// IP protocols they speak; ICMP, TCP, UDP and SCTP unless said.
    #[serde(default)]
    pub protocols: Option<PortSet>,
    /// When they come, since the run began.
    #[serde(default)]
    pub from: Span,
    /// When they go.
    #[serde(default)]
    pub until: Option<Span>,
    /// The address their packets come from, where it is not the one that was asked.
    #[serde(default)]
    pub answers_from: Option<IpAddr>,
    /// Whether they answer pings.
    #[serde(default = "yes")]
    pub ping: bool,
    /// Whether they answer ICMP timestamp requests.
    #[serde(default = "yes")]
    pub timestamp: bool,
    /// What they answer to ICMP address mask requests; nothing unless said.
    #[serde(default)]
    pub mask: Option<Ipv4Addr>,
    /// Initial time to live of what they send.
    #[serde(default = "usual_ttl")]
    pub ttl: u8,
    /// Routers on the way.
    #[serde(default)]
    pub hops: u8,
    /// Their addresses, nearest first; the last entry stands for all further ones.
    #[serde(default)]
    pub routers: Vec<Router>,
    /// RST packets a second, at most; unlimited when 0.
    #[serde(default)]
    pub rst_rate: u32,
    /// ICMP errors a second, at most; unlimited when 0.
    #[serde(default)]
    pub icmp_rate: u32,
}

/// A rule over ports.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortsSpec {
    /// Numbers and ranges: `22,80,8000-8100`.
    pub ports: PortSet,
    /// What they do; open unless said.
    #[serde(default = "open")]
    pub state: PortModel,
    /// What comes back when they reject; as the host's unless said.
    #[serde(default)]
    pub reject: Option<Reject>,
    /// Share of hosts where the rule holds.
    #[serde(default = "Share::all")]
    pub share: Share,
    /// What they say when open; nothing unless said.
    #[serde(default)]
    pub service: Option<String>,
    /// Another host's port that really answers.
    #[serde(default)]
    pub forward: Option<SocketAddr>,
}

/// How a port answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortModel {
    /// It accepts.
    Open,
    /// RST, or ICMP port unreachable.
    #[default]
    Closed,
    /// Nothing comes back.
    Silent,
    /// What [`Reject`] says.
    Reject,
}

/// What comes back from a port that rejects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reject {
    /// ICMP administratively prohibited.
    #[default]
    Admin,
    /// ICMP host unreachable; address unreachable in IPv6.
    Host,
    /// ICMP network unreachable; no route in IPv6.
    Net,
    /// ICMP port unreachable.
    Port,
    /// ICMP host prohibited; administratively prohibited in IPv6.
    HostAdmin,
    /// ICMP network prohibited; administratively prohibited in IPv6.
    NetAdmin,
    /// A reset; ICMP port unreachable for what is not TCP.
    Reset,
}

/// What a service says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// Its steps, in order; afterwards it is silent.
    pub talk: Vec<Step>,
}

/// One step of a service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Sends text.
    Say(String),
    /// Waits until the client has sent this.
    Hear(String),
    /// Waits.
    Wait(Span),
    /// Ends the connection; `false` resets it.
    Close(bool),
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// What is wrong, with line and column; an unknown service or a second source of one family.
    pub fn parse(text: &str) -> Result<Scenario, String> {
        let scenario: Scenario = toml::from_str(text).map_err(|error| error.to_string())?;
        for hosts in &scenario.hosts {
            hosts.check(&scenario.services)?;
        }
        if scenario.sources.iter().filter(|addr| addr.is_ipv4()).count() > 1 || scenario.sources.len() > 2 {
            return Err("sources: one address of each family".to_owned());
        }
        Ok(scenario)
    }
}

impl HostsSpec {
    /// What the types of its fields do not hold.
    fn check(&self, services: &BTreeMap<String, ServiceSpec>) -> Result<(), String> {
        for rule in self.tcp.iter().chain(&self.udp).chain(&self.sctp) {
            if let Some(service) = rule.service.as_ref().filter(|name| !services.contains_key(*name)) {
                return Err(format!("there is no service `{}`", service.escape_debug()));
            }
            if rule.reject.is_some() && rule.state != PortModel::Reject {
                return Err("ports with `reject` need `state = \"reject\"`".to_owned());
            }
        }
        if self.protocols.as_ref().is_some_and(|set| set.highest() > 255) {
            return Err("protocols: IP protocols are 0 to 255".to_owned());
        }
        if self.until.is_some_and(|until| until.0 < self.from.0) {
            return Err("until: they cannot go before they come".to_owned());
        }
        Ok(())
    }
}

fn yes() -> bool {
    true
}

fn usual_ttl() -> u8 {
    64
}

fn open() -> PortModel {
    PortModel::Open
}

/// A share, 0 to 1, in units of 2^-32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share(u64);

impl Share {
    fn all() -> Share {
        Share(1 << 32)
    }

    /// Whether a number out of 2^64 is within the share. It is not drawn where it cannot matter.
    pub fn holds(self, number: impl FnOnce() -> u64) -> bool {
        self.0 != 0 && (self == Share::all() || (number() >> 32) < self.0)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Share, D::Error> {
        let share = f64::deserialize(deserializer)?;
        if !(0.0..=1.0).contains(&share) {
            return Err(de::Error::custom(format!("{share} is no share; write 0.0 to 1.0")));
        }
        Ok(Share((share * (1u64 << 32) as f64) as u64))
    }
}

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    addr: IpAddr,
    bits: u8,
}

impl Prefix {
    fn parse(text: &str) -> Option<Prefix> {
        let (addr, bits) = text.split_once('/').map_or((text, None), |(addr, bits)| (addr, Some(bits)));
        let addr: IpAddr = addr.parse().ok()?;
        let most = if addr.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then_some(Prefix { addr, bits })
    }

    /// Whether `addr` is one of them.
    pub fn contains(&self, addr: IpAddr) -> bool {
        match (self.addr, addr) {
            (IpAddr::V4(own), IpAddr::V4(addr)) => {
                (own.to_bits() ^ addr.to_bits()).checked_shr(32 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(addr)) => {
                (own.to_bits() ^ addr.to_bits()).checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Prefix, D::Error> {
        let text = String::deserialize(deserializer)?;
        Prefix::parse(&text)
            .ok_or_else(|| de::Error::custom(format!("`{}` is no address or prefix", text.escape_debug())))
    }
}

/// Where the packets of a router come from: an address in which `{hop}` is its number on the way, or nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router(String);

impl Router {
    /// The address of the `hop`th; none when it is silent.
    pub fn addr(&self, hop: u8) -> Option<IpAddr> {
        self.0.replace("{hop}", &hop.to_string()).parse().ok()
    }
}

impl<'de> Deserialize<'de> for Router {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Router, D::Error> {
        let router = Router(String::deserialize(deserializer)?);
        if router.0.is_empty() || router.addr(u8::MAX).is_some() {
            return Ok(router);
        }
        Err(de::Error::custom(format!("`{}` is no address; write 10.9.{{hop}}.1", router.0.escape_debug())))
    }
}

/// Numbers and ranges of ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSet(Vec<(u16, u16)>);

impl PortSet {
    fn parse(text: &str) -> Option<PortSet> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some((first, last))
        };
        text.split(',').map(range).collect::<Option<_>>().map(PortSet)
    }

    fn highest(&self) -> u16 {
        self.0.iter().map(|(_, last)| *last).max().unwrap_or(0)
    }

    /// Whether `port` is one of them.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&port))
    }
}

impl<'de> Deserialize<'de> for PortSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PortSet, D::Error> {
        let text = String::deserialize(deserializer)?;
        PortSet::parse(&text)
            .ok_or_else(|| de::Error::custom(format!("`{}` are no ports; write 22,80,8000-8100", text.escape_debug())))
    }
}

impl fmt::Display for PortModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PortModel::Open => "open",
            PortModel::Closed => "closed",
            PortModel::Silent => "silent",
            PortModel::Reject => "reject",
        })
    }
}

//! Which ports to scan: what `-p`, `--exclude-ports`, `--top-ports` and `-F` say, and what it means.
//!
//! Never in here: the command line itself, and the order in which ports are probed.

mod bits;
mod error;
mod expression;

pub(super) use bits::PortBits;
pub use error::PortError;

use super::top;
use crate::model::Protocol;

/// The flags about ports, as typed. The default is the default: the first thousand of each protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortChoice {
    /// `-p`.
    pub expression: Option<String>,
    /// `--exclude-ports`.
    pub exclude: Option<String>,
    /// `--top-ports`: that many of each protocol, of those in `expression` if there is one.
    pub top: Option<u32>,
    /// `-F`: the first hundred of each protocol.
    pub fast: bool,
}

/// Ports to scan, of each protocol ascending and once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortSet {
    /// TCP ports.
    pub tcp: Vec<u16>,
    /// UDP ports.
    pub udp: Vec<u16>,
    /// SCTP ports.
    pub sctp: Vec<u16>,
    /// IP protocol numbers, below 256.
    pub ip: Vec<u16>,
}

impl PortSet {
    /// The ports of `protocol`.
    pub fn of(&self, protocol: Protocol) -> &[u16] {
        match protocol {
            Protocol::Tcp => &self.tcp,
            Protocol::Udp => &self.udp,
            Protocol::Sctp => &self.sctp,
            Protocol::Ip => &self.ip,
        }
    }

    /// Number of ports of all protocols.
    pub fn count(&self) -> usize {
        self.tcp.len() + self.udp.len() + self.sctp.len() + self.ip.len()
    }

    /// Whether there is nothing to scan.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    fn of_mut(&mut self, protocol: Protocol) -> &mut Vec<u16> {
        match protocol {
            Protocol::Tcp => &mut self.tcp,
            Protocol::Udp => &mut self.udp,
            Protocol::Sctp => &mut self.sctp,
            Protocol::Ip => &mut self.ip,
        }
    }
}

impl PortChoice {
    /// The ports of each of `protocols`, those being scanned. What `exclude` names is removed before counting the top ones.
    ///
    /// No protocols give an empty set; protocols without a single port left are an error.
    pub fn resolve(&self, protocols: &[Protocol]) -> Result<PortSet, PortError> {
        let count = self.top_count()?;
        let chosen = match &self.expression {
            Some(text) => Some(expression::parse(text, "-p", protocols, true)?),
            None => None,
        };
        let excluded = match &self.exclude {
            Some(text) => expression::parse(text, "--exclude-ports", protocols, false)?,
            None => expression::Chosen::default(),
        };
        let mut set = PortSet::default();
        for protocol in protocols {
            let out = excluded.of(*protocol);
            let allowed = |port| chosen.as_ref().is_none_or(|c| c.of(*protocol).contains(port)) && !out.contains(port);
            let mut ports = match (&chosen, count) {
                (Some(chosen), None) => chosen.of(*protocol).iter().filter(|port| !out.contains(*port)).collect(),
                (_, count) => top::top(*protocol, count.unwrap_or(top::DEFAULT), allowed),
            };
            ports.sort_unstable();
            *set.of_mut(*protocol) = ports;
        }
        if set.is_empty() && !protocols.is_empty() { Err(self.nothing_left()) } else { Ok(set) }
    }

    /// How many of the ranking are wanted, where a number was asked for.
    fn top_count(&self) -> Result<Option<u32>, PortError> {
        match (self.fast, self.top, &self.expression) {
            (true, Some(_), _) => Err(PortError::Conflict("-F and --top-ports both set how many ports; give one")),
            (true, None, Some(_)) => Err(PortError::Conflict(
                "-F chooses the ports and so does -p; give one, or --top-ports 100 with -p for the first 100 of that list",
            )),
            (true, None, None) => Ok(Some(top::FAST)),
            (false, Some(count), _) if !(1..=65535).contains(&count) => Err(PortError::TopCount(count)),
            (false, count, _) => Ok(count),
        }
    }

    fn nothing_left(&self) -> PortError {
        PortError::NothingLeft { excluded: self.exclude.is_some(), ranked: self.top.is_some() }
    }
}

/// `ports` of `protocol` without those that `exclude`, the list of `--exclude-ports`, names.
pub fn without(mut ports: Vec<u16>, exclude: Option<&str>, protocol: Protocol) -> Result<Vec<u16>, PortError> {
    if let Some(text) = exclude {
        let excluded = expression::parse(text, "--exclude-ports", &[protocol], false)?;
        ports.retain(|port| !excluded.of(protocol).contains(*port));
    }
    Ok(ports)
}

/// The ports of a ping list (`-PS22,80`): the items of `-p` without qualifiers. `flag` is for messages.
pub fn probe_ports(text: &str, flag: &'static str, protocol: Protocol) -> Result<Vec<u16>, PortError> {
    Ok(expression::parse_unqualified(text, flag, protocol)?.of(protocol).iter().collect())
}

#[cfg(test)]
mod tests;

//! What a host answers to one packet. It keeps no state: a SYN/ACK is not remembered, and not sent again.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use super::probe::{Probe, word};
use super::scenario::{HostsSpec, PortModel, Reject};
use super::talk::{Saying, Talk};
use super::tcp::Segment;
use super::world::{Met, Rate, World};
use super::wrap::Envelope;
use super::{icmp, sctp};
use crate::model::{Protocol, Timestamp};
use crate::packet::number::{ICMP, ICMPV6, SCTP, TCP, UDP};
use crate::packet::{Layer, Udp};

/// Frames that come back, each with the time the host waits before it sends it.
pub type Replies = Vec<(Duration, Vec<u8>)>;

/// A packet that has reached its host.
pub struct Visit<'a> {
    /// Where.
    pub world: &'a World,
    /// The packet.
    pub probe: &'a Probe<'a>,
    /// The rule of the host.
    pub hosts: &'a HostsSpec,
    /// When it arrived.
    pub at: Timestamp,
}

impl Visit<'_> {
    /// What the host answers.
    pub fn answer(&self, replies: &mut Replies) {
        let is_v4 = self.probe.destination.is_ipv4();
        if self.probe.is_fragment {
            return;
        }
        match self.probe.protocol {
            protocol if !self.speaks(protocol) => replies.extend(self.unspoken()),
            TCP => replies.extend(self.tcp()),
            UDP => self.udp(replies),
            SCTP => replies.extend(self.sctp()),
            ICMP if is_v4 => replies.extend(icmp::reply_v4(self)),
            ICMPV6 if !is_v4 => replies.extend(icmp::reply_v6(self)),
            _ => {}
        }
    }

    fn speaks(&self, protocol: u8) -> bool {
        match &self.hosts.protocols {
            Some(protocols) => protocols.contains(u16::from(protocol)),
            None => matches!(protocol, TCP | UDP | SCTP) || protocol == self.own_icmp(),
        }
    }

    fn own_icmp(&self) -> u8 {
        if self.probe.destination.is_ipv4() { ICMP } else { ICMPV6 }
    }

    /// Who answers a packet to a port of this protocol, the packet's destination port unless it has none.
    fn meet(&self, protocol: Protocol) -> Option<Met<'_>> {
        let port = word(self.probe.content, 2)?;
        self.world.meet(protocol, SocketAddr::new(self.probe.destination, port), self.at)
    }

    fn tcp(&self) -> Option<(Duration, Vec<u8>)> {
        let segment = Segment::read(self.probe)?;
        let met = self.meet(Protocol::Tcp)?;
        let answer = match (met.state, met.reject) {
            (PortModel::Open, _) => segment.at_open_port(self, met.addr),
            (PortModel::Closed, _) | (PortModel::Reject, Reject::Reset) => segment.at_closed_port(),
            (PortModel::Reject, reject) => return self.refusal(&met, reject),
            (PortModel::Silent, _) => None,
        }?;
        let is_reset = answer.is_reset();
        if is_reset && !self.world.may_send(Rate::Rst, met.hosts.rst_rate, met.addr, self.at) {
            return None;
        }
        Some((Duration::ZERO, self.envelope(met.hosts, met.forwards)?.around([answer.into()])))
    }

    fn udp(&self, replies: &mut Replies) {
        let Some(met) = self.meet(Protocol::Udp) else { return };
        match met.state {
            PortModel::Open => replies.extend(self.said(&met)),
            PortModel::Closed => replies.extend(self.refusal(&met, Reject::Port)),
            PortModel::Reject => replies.extend(self.refusal(&met, met.reject)),
            PortModel::Silent => {}
        }
    }

    /// Each datagram is a conversation of its own with the service behind the port.
    fn said(&self, met: &Met<'_>) -> Replies {
        let Some(service) = met.service else { return Replies::new() };
        let mut talk = Talk::new(Some(Rc::clone(service)));
        talk.hear(self.probe.content.get(8..).unwrap_or_default());
        let header = Udp {
            source: word(self.probe.content, 2).unwrap_or_default(),
            destination: word(self.probe.content, 0).unwrap_or_default(),
            ..Udp::default()
        };
        let said = talk.go_on().into_iter().filter_map(|saying| match saying {
            Saying::Text(wait, text) => Some((wait, text)),
            Saying::End(_) | Saying::Reset(_) => None,
        });
        said.filter_map(|(wait, text)| {
            let envelope = self.envelope(met.hosts, met.forwards)?;
            Some((wait, envelope.around([header.into(), Layer::Payload(text)])))
        })
        .collect()
    }

    fn sctp(&self) -> Option<(Duration, Vec<u8>)> {
        let met = self.meet(Protocol::Sctp)?;
        let answer = match met.state {
            PortModel::Open => sctp::at_open_port(self),
            PortModel::Closed => sctp::at_closed_port(self),
            PortModel::Reject => return self.refusal(&met, met.reject),
            PortModel::Silent => None,
        }?;
        Some((Duration::ZERO, self.envelope(met.hosts, met.forwards)?.around([answer.into()])))
    }

    /// The answer to a protocol nobody here speaks; a host whose ports are silent unless said drops it.
    fn unspoken(&self) -> Option<(Duration, Vec<u8>)> {
        let complaint = match self.hosts.otherwise {
            PortModel::Silent => return None,
            PortModel::Reject => icmp::Complaint::of(self.hosts.reject, self.probe),
            PortModel::Open | PortModel::Closed => icmp::Complaint::protocol(self.probe),
        };
        self.complaint(complaint, self.hosts, self.probe.destination, 0)
    }

    fn refusal(&self, met: &Met<'_>, reject: Reject) -> Option<(Duration, Vec<u8>)> {
        self.complaint(icmp::Complaint::of(reject, self.probe), met.hosts, met.addr, met.forwards)
    }

    /// An ICMP error, as far as the rate of whoever sends it allows.
    fn complaint(
        &self,
        complaint: icmp::Complaint,
        hosts: &HostsSpec,
        addr: IpAddr,
        forwards: u8,
    ) -> Option<(Duration, Vec<u8>)> {
        let may = self.probe.may_be_complained_of() && self.world.may_send(Rate::Icmp, hosts.icmp_rate, addr, self.at);
        let envelope = self.envelope(hosts, forwards).filter(|_| may)?;
        let left = self.probe.ttl.saturating_sub(self.hosts.hops);
        Some((Duration::ZERO, complaint.send(&envelope, self.probe, left, icmp::Quote::AsMuchAsFits)))
    }

    /// Who `hosts` answer as; none when their packets do not get as far as us.
    pub fn envelope(&self, hosts: &HostsSpec, forwards: u8) -> Option<Envelope> {
        let ttl = hosts.ttl.checked_sub(self.hosts.hops)?.checked_sub(forwards).filter(|left| *left > 0)?;
        let from = self.hosts.answers_from.filter(|from| from.is_ipv4() == self.probe.destination.is_ipv4());
        Some(Envelope {
            from: from.unwrap_or(self.probe.destination),
            to: self.probe.source,
            ttl,
            id: self.world.draw(self.probe.destination, self.at.0) as u16,
            mac: self.world.mac(self.probe.destination),
        })
    }
}

//! ICMP of both families: answers to queries, and errors that quote what they are about.

use std::net::IpAddr;
use std::time::Duration;

use super::answer::Visit;
use super::probe::{Probe, long, word};
use super::scenario::{HostsSpec, Reject};
use super::world::{Rate, World};
use super::wrap::Envelope;
use crate::model::Timestamp;
use crate::packet::checksum::internet;
use crate::packet::{Icmpv4, Icmpv4Body, Icmpv6, Icmpv6Body, Layer};

/// Longest ICMP error (RFC 1812 section 4.3.2.3, RFC 4443 section 3.1), less its own IP and ICMP headers.
const QUOTE_V4: usize = 576 - 28;
const QUOTE_V6: usize = 1280 - 48;
/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// An ICMP error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Complaint {
    kind: u8,
    code: u8,
    /// The four bytes after the checksum.
    about: u32,
}

/// How much of the packet an error quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// The header and eight bytes, which is what RFC 792 demands. IPv6 knows no such thing.
    EightBytes,
    /// As hosts do.
    AsMuchAsFits,
}

impl Complaint {
    /// What a firewall says that rejects so.
    pub fn of(reject: Reject, probe: &Probe<'_>) -> Complaint {
        let (kind, code) = if probe.destination.is_ipv4() {
            let code = match reject {
                Reject::Net => 0,
                Reject::Host => 1,
                Reject::Port | Reject::Reset => 3,
                Reject::NetAdmin => 9,
                Reject::HostAdmin => 10,
                Reject::Admin => 13,
            };
            (3, code)
        } else {
            let code = match reject {
                Reject::Net => 0,
                Reject::Admin | Reject::HostAdmin | Reject::NetAdmin => 1,
                Reject::Host => 3,
                Reject::Port | Reject::Reset => 4,
            };
            (1, code)
        };
        Complaint { kind, code, about: 0 }
    }

    /// The protocol is not spoken here: in IPv6 that is a problem of the field that names it.
    pub fn protocol(probe: &Probe<'_>) -> Complaint {
        if probe.destination.is_ipv4() {
            return Complaint { kind: 3, code: 2, about: 0 };
        }
        Complaint { kind: 4, code: 1, about: probe.protocol_at as u32 }
    }

    fn expired(probe: &Probe<'_>) -> Complaint {
        Complaint { kind: if probe.destination.is_ipv4() { 11 } else { 3 }, code: 0, about: 0 }
    }

    /// The frame that says so about `probe`, which had `left` hops left.
    pub fn send(self, envelope: &Envelope, probe: &Probe<'_>, left: u8, quote: Quote) -> Vec<u8> {
        let quoted = Layer::Payload(quoted(probe, left, quote));
        let about = self.about.to_be_bytes();
        let message = if envelope.from.is_ipv4() {
            Icmpv4::new(self.kind, self.code, Icmpv4Body::Other(about)).into()
        } else {
            Icmpv6::new(self.kind, self.code, Icmpv6Body::Other(about)).into()
        };
        envelope.around([message, quoted])
    }
}

/// The packet as it arrived: as it was sent, but for the hops it has used up.
fn quoted(probe: &Probe<'_>, left: u8, quote: Quote) -> Vec<u8> {
    let packet = probe.packet;
    let is_v4 = probe.destination.is_ipv4();
    let header = packet.len() - probe.content.len();
    let most = match quote {
        Quote::EightBytes if is_v4 => header + 8,
        _ if is_v4 => QUOTE_V4,
        _ => QUOTE_V6,
    };
    let mut bytes = packet.get(..most).unwrap_or(packet).to_vec();
    if left == probe.ttl {
        return bytes;
    }
    if let Some(ttl) = bytes.get_mut(if is_v4 { 8 } else { 7 }) {
        *ttl = left;
    }
    if is_v4 && let Some(head) = bytes.get_mut(..header) {
        head.get_mut(10..12).unwrap_or_default().fill(0);
        let sum = internet(head).to_be_bytes();
        head.get_mut(10..12).unwrap_or_default().copy_from_slice(&sum);
    }
    bytes
}

/// What the router says at which `probe` ran out of hops at `at`; none if it is silent.
pub fn expired(world: &World, hosts: &HostsSpec, probe: &Probe<'_>, at: Timestamp) -> Option<Vec<u8>> {
    let hop = probe.ttl;
    let from = router(world, hosts, hop, probe.destination)?;
    if !probe.may_be_complained_of() || !world.may_send(Rate::Icmp, hosts.icmp_rate, from, at) {
        return None;
    }
    let id = world.draw(from, at.0) as u16;
    let ttl = u8::MAX - (hop - 1);
    let envelope = Envelope { from, to: probe.source, ttl, id, mac: world.mac(from) };
    Some(Complaint::expired(probe).send(&envelope, probe, 1, Quote::EightBytes))
}

/// The address of the `hop`th router on the way to `peer`.
fn router(world: &World, hosts: &HostsSpec, hop: u8, peer: IpAddr) -> Option<IpAddr> {
    let entry = hosts.routers.get(usize::from(hop) - 1).or(hosts.routers.last());
    match entry.map(|router| router.addr(hop)) {
        Some(None) => None,
        Some(Some(addr)) if addr.is_ipv4() == peer.is_ipv4() => Some(addr),
        _ => Some(world.router(hop, peer)),
    }
}

/// The answer to an ICMP query.
pub fn reply_v4(visit: &Visit<'_>) -> Option<(Duration, Vec<u8>)> {
    let content = visit.probe.content;
    let [id, sequence] = [word(content, 4)?, word(content, 6)?];
    let data = |from: usize| Layer::Payload(content.get(from..).unwrap_or_default().to_vec());
    let now = (visit.at.0 / 1_000_000 % DAY) as u32;
    let (message, rest) = match content.first()? {
        8 if visit.hosts.ping => (Icmpv4::new(0, 0, Icmpv4Body::Echo { id, sequence }), data(8)),
        13 if visit.hosts.timestamp => {
            let originate = long(content, 8)?;
            let body = Icmpv4Body::Timestamp { id, sequence, originate, receive: now, transmit: now };
            (Icmpv4::new(14, 0, body), data(20))
        }
        17 => (Icmpv4::new(18, 0, Icmpv4Body::Mask { id, sequence, mask: visit.hosts.mask? }), data(12)),
        _ => return None,
    };
    Some((Duration::ZERO, visit.envelope(visit.hosts, 0)?.around([message.into(), rest])))
}

/// The answer to an echo request in IPv6.
pub fn reply_v6(visit: &Visit<'_>) -> Option<(Duration, Vec<u8>)> {
    let content = visit.probe.content;
    if content.first() != Some(&128) || !visit.hosts.ping {
        return None;
    }
    let echo = Icmpv6Body::Echo { id: word(content, 4)?, sequence: word(content, 6)? };
    let data = Layer::Payload(content.get(8..)?.to_vec());
    Some((Duration::ZERO, visit.envelope(visit.hosts, 0)?.around([Icmpv6::new(129, 0, echo).into(), data])))
}

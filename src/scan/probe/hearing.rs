//! From a packet that came in to the question it answers. What does not prove that it saw our probe is nobody's answer.

use std::net::IpAddr;

use super::{Cookies, Form, PURPOSES, Purpose, TIMING_PING};
use crate::model::LinkType;
use crate::packet::answer::{Answer, Body, Quote, Segment};
use crate::packet::{Tcp, number};
use crate::scan::kind::{IcmpError, Reply};

/// Knows our local ports and the key of the cookies.
#[derive(Debug, Clone, Copy)]
pub struct Hearing {
    cookies: Cookies,
    locals: Locals,
    /// `--source-port`: all probes come from this one.
    fixed: Option<u16>,
}

/// The first local port of each protocol; [`PURPOSES`] share those that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Locals {
    /// Of TCP.
    pub tcp: u16,
    /// Of UDP.
    pub udp: u16,
    /// Of SCTP.
    pub sctp: u16,
}

impl Locals {
    fn of(self, protocol: u8) -> u16 {
        match protocol {
            number::UDP => self.udp,
            number::SCTP => self.sctp,
            _ => self.tcp,
        }
    }
}

/// An answer to a question of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// The host that was asked.
    pub host: IpAddr,
    /// What for.
    pub purpose: Purpose,
    /// The question.
    pub mark: Mark,
    /// Which try, or which hop; unknown with a fixed source port.
    pub number: Option<u8>,
    /// What it says.
    pub reply: Reply,
    /// Who says it: the host itself, or somebody on the way.
    pub from: IpAddr,
    /// Hops it had left.
    pub ttl: u8,
}

/// What tells the questions to one host apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A TCP port; whether the probe must have carried an acknowledgment, as far as the answer shows.
    Tcp(u16, Option<bool>),
    /// A UDP port.
    Udp(u16),
    /// An SCTP port.
    Sctp(u16),
    /// A query of ICMP.
    Query(Form),
    /// An IP protocol.
    Protocol(u8),
    /// The neighbour itself.
    Neighbor,
}

impl Hearing {
    /// Hears answers to probes that carry `cookies`, from these local ports or from a fixed one.
    pub fn new(cookies: Cookies, locals: Locals, fixed: Option<u16>) -> Hearing {
        Hearing { cookies, locals, fixed }
    }

    /// How many local ports there are.
    pub fn port_count() -> u16 {
        PURPOSES.iter().map(|(_, count)| count).sum()
    }

    /// The local port of a try, in a protocol that has ports.
    pub fn local_port(&self, protocol: u8, purpose: Purpose, number: u8) -> u16 {
        let before: u16 = PURPOSES.iter().take_while(|(other, _)| *other != purpose).map(|(_, count)| count).sum();
        self.fixed.unwrap_or(self.locals.of(protocol).wrapping_add(before).wrapping_add(number.into()))
    }

    /// The number a question's answer has to prove.
    pub fn cookie(&self, host: IpAddr, number: u16, purpose: Purpose) -> u32 {
        self.cookies.of(host, number, purpose)
    }

    /// The question that `bytes` answer.
    pub fn hear(&self, link: LinkType, bytes: &[u8]) -> Option<Heard> {
        let answer = Answer::read(link, bytes)?;
        match answer.body {
            Body::Tcp(segment) => self.segment(&answer, &segment),
            Body::Udp(source, destination) => self.of_port(&answer, destination, Mark::Udp(source), Reply::Udp),
            Body::Sctp { source, destination, tag, chunk } => self.sctp(&answer, (source, destination), tag, chunk),
            Body::Query { kind, id, sequence } => self.query(&answer, kind, id, sequence),
            Body::Error { kind, code, quote } => self.error(&answer, (kind, code), &quote),
            Body::Neighbor(mac) => {
                let heard = heard(&answer, Purpose::Discovery, None, Mark::Neighbor, Reply::Neighbor(mac));
                Some(heard)
            }
            Body::Other => None,
        }
    }

    /// The protocol of a packet, for who scans protocols: any packet of it shows that the host speaks it.
    pub fn protocol(link: LinkType, bytes: &[u8]) -> Option<Heard> {
        let answer = Answer::read(link, bytes)?;
        let is_ours = !matches!(answer.body, Body::Error { .. } | Body::Neighbor(_));
        let mark = Mark::Protocol(answer.protocol);
        is_ours.then(|| heard(&answer, Purpose::Ports, None, mark, Reply::Protocol))
    }

    /// Purposes and tries that probes from a local port may have.
    fn purposes(&self, protocol: u8, port: u16) -> impl Iterator<Item = (Purpose, Option<u8>)> {
        let fixed = self.fixed == Some(port);
        let all = PURPOSES.iter().filter(move |_| fixed).map(|(purpose, _)| (*purpose, None));
        let mut first = self.locals.of(protocol);
        let own = PURPOSES.iter().find_map(|(purpose, count)| {
            let number = port.checked_sub(first).filter(|number| number < count);
            first = first.wrapping_add(*count);
            number.map(|number| (*purpose, Some(number as u8)))
        });
        all.chain(own.filter(|_| !fixed && self.fixed.is_none()))
    }

    fn of_port(&self, answer: &Answer, local: u16, mark: Mark, reply: Reply) -> Option<Heard> {
        // Nothing in a datagram proves more than the port; with a fixed one it is the newest question.
        let (purpose, number) = self.purposes(number::UDP, local).nth(usize::from(self.fixed.is_some()))?;
        Some(heard(answer, purpose, number, mark, reply))
    }

    fn segment(&self, answer: &Answer, segment: &Segment) -> Option<Heard> {
        let reply = Reply::Tcp { flags: segment.flags, window: segment.window };
        let is_bare_syn = segment.flags & (Tcp::SYN | Tcp::ACK | Tcp::RST) == Tcp::SYN;
        self.purposes(number::TCP, segment.destination).find_map(|(purpose, number)| {
            let cookie = self.cookie(answer.from, segment.source, purpose);
            // A probe without ACK is acknowledged, with what it occupies; one with ACK gives the reset its number.
            let acknowledged = segment.acknowledgment.wrapping_sub(cookie) <= 1;
            let with_ack = match segment.sequence == cookie {
                true if is_bare_syn => return None, // our own probe, on the loopback interface
                true if segment.flags & Tcp::RST != 0 => Some(true),
                _ if acknowledged && segment.flags & (Tcp::ACK | Tcp::RST) != 0 => Some(false),
                _ if is_bare_syn => None, // a split handshake acknowledges nothing
                _ => return None,
            };
            Some(heard(answer, purpose, number, Mark::Tcp(segment.source, with_ack), reply))
        })
    }

    fn sctp(&self, answer: &Answer, (source, destination): (u16, u16), tag: u32, chunk: u8) -> Option<Heard> {
        const INIT_ACK: u8 = 2;
        const ABORT: u8 = 6;
        let reply = match chunk {
            INIT_ACK => Reply::SctpInitAck,
            ABORT => Reply::SctpAbort,
            _ => return None,
        };
        self.purposes(number::SCTP, destination).find_map(|(purpose, number)| {
            let proven = tag == self.cookie(answer.from, source, purpose) | 1;
            proven.then(|| heard(answer, purpose, number, Mark::Sctp(source), reply))
        })
    }

    fn query(&self, answer: &Answer, kind: u8, id: u16, sequence: u16) -> Option<Heard> {
        let form = match (answer.protocol, kind) {
            (number::ICMP, 0) | (number::ICMPV6, 129) => Form::Echo,
            (number::ICMP, 14) => Form::Timestamp,
            (number::ICMP, 18) => Form::Mask,
            _ => return None,
        };
        let (purpose, number) = self.of_query(answer.from, id, sequence)?;
        Some(heard(answer, purpose, Some(number), Mark::Query(form), Reply::Query(kind)))
    }

    /// The query to `host` with these numbers, if it is ours.
    fn of_query(&self, host: IpAddr, id: u16, sequence: u16) -> Option<(Purpose, u8)> {
        PURPOSES.iter().map(|(purpose, _)| *purpose).find_map(|purpose| {
            let cookie = self.cookie(host, 0, purpose);
            let ours = id == (cookie >> 16) as u16 && sequence >> 5 == (cookie as u16) & 0x7ff;
            ours.then_some((purpose, (sequence & 31) as u8))
        })
    }

    fn error(&self, answer: &Answer, (kind, code): (u8, u8), quote: &Quote) -> Option<Heard> {
        let error = match answer.from {
            IpAddr::V4(_) => IcmpError::v4(kind, code),
            IpAddr::V6(_) => IcmpError::v6(kind, code),
        }?;
        let reply = Reply::Icmp { error, from_target: answer.from == quote.to };
        let found = |purpose, number, mark| Heard { host: quote.to, ..heard(answer, purpose, number, mark, reply) };
        let (local, remote) = quote.ports();
        let whole = quote.length == quote.head.len();
        match quote.protocol {
            number::TCP if whole => self.purposes(number::TCP, local).find_map(|(purpose, number)| {
                let proven = quote.word() == self.cookie(quote.to, remote, purpose);
                proven.then(|| found(purpose, number, Mark::Tcp(remote, None)))
            }),
            number::UDP if whole => {
                let (purpose, number) = self.purposes(number::UDP, local).nth(usize::from(self.fixed.is_some()))?;
                Some(found(purpose, number, Mark::Udp(remote)))
            }
            // The verification tag of an INIT is 0 (RFC 9260 section 8.5.1), so it proves nothing.
            number::SCTP if whole => self.purposes(number::SCTP, local).find_map(|(purpose, number)| {
                let proven = quote.word() == 0 || quote.word() == self.cookie(quote.to, remote, purpose) | 1;
                proven.then(|| found(purpose, number, Mark::Sctp(remote)))
            }),
            number::ICMP | number::ICMPV6 if whole => {
                let form = match (quote.protocol, quote.head[0]) {
                    (number::ICMP, 8) | (number::ICMPV6, 128) => Form::Echo,
                    (number::ICMP, 13) => Form::Timestamp,
                    (number::ICMP, 17) => Form::Mask,
                    _ => return None,
                };
                let (purpose, number) = self.of_query(quote.to, (quote.word() >> 16) as u16, quote.word() as u16)?;
                Some(found(purpose, Some(number), Mark::Query(form)))
            }
            other => Some(found(Purpose::Ports, None, Mark::Protocol(other))),
        }
    }
}

impl Mark {
    /// The IP protocol of the probe it is about; none of a neighbour's.
    pub fn protocol(self, host: IpAddr) -> Option<u8> {
        Some(match self {
            Mark::Tcp(..) => number::TCP,
            Mark::Udp(_) => number::UDP,
            Mark::Sctp(_) => number::SCTP,
            Mark::Query(_) if host.is_ipv6() => number::ICMPV6,
            Mark::Query(_) => number::ICMP,
            Mark::Protocol(protocol) => protocol,
            Mark::Neighbor => return None,
        })
    }
}

impl Heard {
    /// Whether it answers a timing ping.
    pub fn is_timing_ping(&self) -> bool {
        self.purpose == Purpose::Ports && self.number == Some(TIMING_PING)
    }
}

fn heard(answer: &Answer, purpose: Purpose, number: Option<u8>, mark: Mark, reply: Reply) -> Heard {
    Heard { host: answer.from, purpose, mark, number, reply, from: answer.from, ttl: answer.ttl }
}

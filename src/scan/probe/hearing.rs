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

    /// Whether `bytes` are to one of our local ports, whatever they prove.
    pub fn is_to_us(&self, link: LinkType, bytes: &[u8]) -> bool {
        let (protocol, port) = match Answer::read(link, bytes).map(|answer| answer.body) {
            Some(Body::Tcp(segment)) => (number::TCP, segment.destination),
            Some(Body::Udp(_, destination)) => (number::UDP, destination),
            Some(Body::Sctp { destination, .. }) => (number::SCTP, destination),
            _ => return false,
        };
        self.purposes(protocol, port).next().is_some()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{
        Chunk, ChunkBody, Icmpv4, Icmpv4Body, Icmpv6, Icmpv6Body, Init, Ipv4, Ipv6, Layer, Packet, Sctp, Udp,
    };
    use crate::runtime::Random;
    use crate::scan::probe::{Address, Forms, Look, Question};

    const LOCALS: Locals = Locals { tcp: 50_000, udp: 51_000, sctp: 52_000 };
    const NUMBER: u8 = 3;

    fn hearing(fixed: Option<u16>) -> Hearing {
        Hearing::new(Cookies::new(&Random::new(Some(7))).unwrap(), LOCALS, fixed)
    }

    fn addresses() -> [(IpAddr, IpAddr); 2] {
        [("10.0.0.1", "10.0.0.9"), ("fd00::1", "fd00::9")]
            .map(|(us, them)| (us.parse().unwrap(), them.parse().unwrap()))
    }

    /// The probe that asks `form` of port 80, as it goes out.
    fn probe(hearing: &Hearing, form: Form, (us, them): (IpAddr, IpAddr), purpose: Purpose) -> Option<Packet> {
        let (protocol, number) = match form {
            Form::Udp => (number::UDP, 80),
            Form::SctpInit | Form::SctpCookie => (number::SCTP, 80),
            Form::Tcp(_) => (number::TCP, 80),
            _ => (number::ICMP, 0),
        };
        let at = Address {
            source: us,
            to: them,
            local_port: hearing.local_port(protocol, purpose, NUMBER),
            cookie: hearing.cookie(them, number, purpose),
            number: NUMBER,
            ttl: None,
        };
        let mut written = Vec::new();
        Forms::new(Look::default()).write(Question { form, number }, &at, |packet| written.push(packet));
        let packet = Packet::parse(LinkType::Ip, written.first()?);
        assert_eq!((packet.malformed(), packet.addresses()), (None, Some((us, them))), "{form:?}");
        Some(packet)
    }

    fn ip(source: IpAddr, destination: IpAddr) -> Layer {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Ipv4 { source, destination, ..Ipv4::default() }.into(),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Ipv6 { source, destination, ..Ipv6::default() }.into(),
            _ => panic!("two families"),
        }
    }

    /// What a host answers to a probe.
    fn answer(probe: &Packet) -> Packet {
        let (us, them) = probe.addresses().unwrap();
        let message: Layer = match &probe.layers[1] {
            Layer::Tcp(probe) => {
                let (flags, sequence, acknowledgment) = if probe.flags & Tcp::ACK != 0 {
                    (Tcp::RST, probe.acknowledgment, 0)
                } else {
                    (Tcp::SYN | Tcp::ACK, 99, probe.sequence.wrapping_add(1))
                };
                let (source, destination) = (probe.destination, probe.source);
                Tcp { source, destination, sequence, acknowledgment, flags, ..Tcp::default() }.into()
            }
            Layer::Udp(probe) => Udp { source: probe.destination, destination: probe.source, ..Udp::default() }.into(),
            Layer::Sctp(probe) => {
                let (tag, body) = match &probe.chunks[0].body {
                    ChunkBody::Init(init) => (init.tag, ChunkBody::InitAck(Init::default())),
                    _ => (probe.tag, ChunkBody::Abort { causes: Vec::new() }),
                };
                let (source, destination) = (probe.destination, probe.source);
                Sctp { source, destination, tag, chunks: vec![Chunk::new(body)], ..Sctp::default() }.into()
            }
            Layer::Icmpv4(probe) => Icmpv4 {
                kind: probe.kind + u8::from(probe.kind != 8) - 8 * u8::from(probe.kind == 8),
                checksum: None,
                ..probe.clone()
            }
            .into(),
            Layer::Icmpv6(probe) => Icmpv6 { kind: 129, checksum: None, ..probe.clone() }.into(),
            other => panic!("{other:?}"),
        };
        Packet::new([ip(them, us), message])
    }

    /// What a router says about a probe.
    fn error(probe: &Packet, router: IpAddr) -> Packet {
        let (us, _) = probe.addresses().unwrap();
        let quoted = Some(Box::new(probe.clone()));
        let body = Icmpv4Body::Unreachable { unused: 0, mtu: 0 };
        let message: Layer = match us {
            IpAddr::V4(_) => Icmpv4 { quoted, ..Icmpv4::new(3, 13, body) }.into(),
            IpAddr::V6(_) => Icmpv6 { quoted, ..Icmpv6::new(1, 1, Icmpv6Body::Other([0; 4])) }.into(),
        };
        Packet::new([ip(router, us), message])
    }

    const FORMS: [Form; 8] = [
        Form::Tcp(Tcp::SYN),
        Form::Tcp(Tcp::ACK),
        Form::Udp,
        Form::SctpInit,
        Form::SctpCookie,
        Form::Echo,
        Form::Timestamp,
        Form::Mask,
    ];

    #[test]
    fn every_probe_is_recognised_by_its_answer_and_by_an_error_about_it() {
        for ends in addresses() {
            for (form, purpose) in FORMS.into_iter().flat_map(|form| PURPOSES.map(|(purpose, _)| (form, purpose))) {
                let hearing = hearing(None);
                let Some(probe) = probe(&hearing, form, ends, purpose) else {
                    assert!(ends.0.is_ipv6() && matches!(form, Form::Timestamp | Form::Mask), "{form:?}");
                    continue;
                };
                let heard = hearing.hear(LinkType::Ip, &answer(&probe).to_bytes()).unwrap();
                assert_eq!((heard.host, heard.purpose, heard.number), (ends.1, purpose, Some(NUMBER)), "{form:?}");
                let router = if ends.0.is_ipv4() { "10.9.9.9" } else { "fd00::99" }.parse().unwrap();
                let heard = hearing.hear(LinkType::Ip, &error(&probe, router).to_bytes()).unwrap();
                assert_eq!((heard.host, heard.from, heard.purpose), (ends.1, router, purpose), "{form:?}");
                let expected = Reply::Icmp { error: IcmpError::Admin, from_target: false };
                assert_eq!((heard.reply, heard.number), (expected, Some(NUMBER)), "{form:?}");
            }
        }
    }

    #[test]
    fn whoever_did_not_see_the_probe_is_not_believed() {
        let ours = hearing(None);
        let forger = Hearing::new(Cookies::new(&Random::new(Some(8))).unwrap(), LOCALS, None);
        for form in FORMS.into_iter().filter(|form| *form != Form::Udp) {
            let Some(probe) = probe(&forger, form, addresses()[0], Purpose::Ports) else { continue };
            assert_eq!(ours.hear(LinkType::Ip, &answer(&probe).to_bytes()), None, "{form:?}");
            // The verification tag of an INIT is 0 by the RFC, so an error about one proves nothing but its ports.
            let heard = ours.hear(LinkType::Ip, &error(&probe, "10.9.9.9".parse().unwrap()).to_bytes());
            assert_eq!(heard.is_some(), form == Form::SctpInit, "{form:?}");
        }
    }

    #[test]
    fn our_own_probe_seen_on_the_loopback_interface_is_no_answer() {
        let ours = hearing(None);
        let ends = ("127.0.0.1".parse().unwrap(), "127.0.0.1".parse().unwrap());
        let probe = probe(&ours, Form::Tcp(Tcp::SYN), ends, Purpose::Ports).unwrap();
        assert_eq!(ours.hear(LinkType::Ip, &probe.to_bytes()), None);
    }

    #[test]
    fn with_a_fixed_port_the_purpose_is_told_by_the_cookie_and_the_try_is_not_known() {
        let hearing = hearing(Some(53));
        for (purpose, _) in PURPOSES {
            let probe = probe(&hearing, Form::Tcp(Tcp::SYN), addresses()[0], purpose).unwrap();
            let heard = hearing.hear(LinkType::Ip, &answer(&probe).to_bytes()).unwrap();
            assert_eq!((heard.purpose, heard.number), (purpose, None));
        }
    }

    #[test]
    fn a_split_handshake_is_heard() {
        let hearing = hearing(None);
        let (us, them) = addresses()[0];
        let destination = hearing.local_port(number::TCP, Purpose::Ports, 0);
        let syn = Tcp { source: 80, destination, flags: Tcp::SYN, sequence: 5, ..Tcp::default() };
        let heard = hearing.hear(LinkType::Ip, &Packet::new([ip(them, us), syn.into()]).to_bytes()).unwrap();
        assert_eq!((heard.mark, heard.number), (Mark::Tcp(80, None), Some(0)));
    }
}

//! DNS messages: queries out, answers in. Pure; nothing here trusts a byte of what came in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Packet, PacketFlag, QCLASS, QTYPE, Question as WireQuestion, RCODE, TYPE};

use super::name::DomainName;
use crate::runtime::Random;

/// Longest chain of aliases followed within one answer.
const MAX_ALIASES: usize = 16;
/// Time to live of a negative answer that does not give one (RFC 2308 section 5 leaves it open).
const DEFAULT_NEGATIVE_TTL: u32 = 60;

/// The record types the resolver asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// IPv4 address.
    A,
    /// IPv6 address.
    Aaaa,
    /// Name of an address.
    Ptr,
}

impl RecordKind {
    fn wire(self) -> TYPE {
        match self {
            RecordKind::A => TYPE::A,
            RecordKind::Aaaa => TYPE::AAAA,
            RecordKind::Ptr => TYPE::PTR,
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// The name asked for.
    pub name: DomainName,
    /// The record type asked for.
    pub kind: RecordKind,
}

/// One record of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// From A and AAAA.
    Address(IpAddr),
    /// From PTR.
    Name(DomainName),
}

/// What an answer says about the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// There are records.
    Found,
    /// The name exists, but has no record of this kind.
    NoData,
    /// NXDOMAIN.
    NoSuchName,
    /// The name is an alias, and the answer says no more: ask for this name.
    Alias(DomainName),
}

/// A valid answer, positive or negative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it says.
    pub finding: Finding,
    /// The records; empty unless `Found`.
    pub data: Vec<Data>,
    /// Seconds the answer may be kept.
    pub ttl: u32,
}

/// What one received message means for a query.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Garbage, or meant for another query: wait on.
    NotOurs,
    /// The answer, with our capitals repeated or not (a forger who does not see the query must guess them).
    Answer {
        /// What it says.
        answer: Answer,
        /// Whether the question came back letter by letter.
        exact: bool,
    },
    /// Too long for a datagram: ask over TCP.
    Truncated,
    /// This server cannot tell: ask another one.
    Failed(String),
}

/// A query on the wire.
pub struct Query {
    question: Question,
    id: u16,
    /// The name as sent, with random capitals (draft-vixie-dnsext-dns0x20).
    sent: Vec<Vec<u8>>,
    wire: Vec<u8>,
}

impl Query {
    /// A recursive query with random id and capitals.
    pub fn new(question: Question, random: &Random) -> Option<Query> {
        let id = random.u16();
        let name = question.name.to_message(|| random.below(2) == 1);
        let sent = name.as_bytes().map(<[u8]>::to_vec).collect();
        let mut packet = Packet::new_query(id);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        let (kind, class) = (QTYPE::TYPE(question.kind.wire()), QCLASS::CLASS(CLASS::IN));
        packet.questions.push(WireQuestion::new(name, kind, class, false));
        let wire = packet.build_bytes_vec().ok()?;
        Some(Query { question, id, sent, wire })
    }

    /// The message to send.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Judges a received message: id, question and type must be ours.
    pub fn judge(&self, bytes: &[u8]) -> Verdict {
        if !counts_are_possible(bytes) || bytes.get(..2) != Some(self.id.to_be_bytes().as_slice()) {
            return Verdict::NotOurs;
        }
        let Ok(packet) = Packet::parse(bytes) else { return self.judge_unreadable(bytes) };
        let [question] = packet.questions.as_slice() else { return Verdict::NotOurs };
        let ours = question.qtype == QTYPE::TYPE(self.question.kind.wire())
            && DomainName::from_message(&question.qname) == self.question.name;
        if !ours || !packet.has_flags(PacketFlag::RESPONSE) {
            return Verdict::NotOurs;
        }
        if packet.has_flags(PacketFlag::TRUNCATION) {
            return Verdict::Truncated;
        }
        match packet.rcode() {
            RCODE::NoError | RCODE::NameError => {}
            code => return Verdict::Failed(format!("answers {code:?}")),
        }
        let exact = question.qname.as_bytes().eq(self.sent.iter().map(Vec::as_slice));
        match self.answer(&packet) {
            Some(answer) => Verdict::Answer { answer, exact },
            None => Verdict::Failed("answers with a loop of aliases".to_owned()),
        }
    }

    /// A truncated message may be cut in the middle of a record; its header and question still say so.
    fn judge_unreadable(&self, bytes: &[u8]) -> Verdict {
        let (Some(flags), Some(question)) = (bytes.get(2), bytes.get(12..)) else { return Verdict::NotOurs };
        let asked = self.wire.get(12..).unwrap_or_default();
        let ours = question.get(..asked.len()) == Some(asked);
        if ours && flags & 0x82 == 0x82 { Verdict::Truncated } else { Verdict::NotOurs }
    }

    /// Follows the aliases from the question to its records; `None` when they run in a circle.
    fn answer(&self, packet: &Packet<'_>) -> Option<Answer> {
        let mut aliases = HashMap::new();
        let mut records: HashMap<DomainName, Vec<(Data, u32)>> = HashMap::new();
        for record in packet.answers.iter().filter(|record| record.class == CLASS::IN) {
            let owner = DomainName::from_message(&record.name);
            match (&record.rdata, self.question.kind) {
                (RData::CNAME(target), _) => {
                    aliases.entry(owner).or_insert((DomainName::from_message(&target.0), record.ttl));
                }
                (rdata, kind) => {
                    if let Some(data) = data_of(rdata, kind) {
                        records.entry(owner).or_default().push((data, record.ttl));
                    }
                }
            }
        }
        let (mut current, mut ttl) = (&self.question.name, u32::MAX);
        for _ in 0..MAX_ALIASES {
            if let Some(found) = records.remove(current) {
                let ttl = found.iter().map(|(_, ttl)| *ttl).fold(ttl, u32::min);
                let data = found.into_iter().map(|(data, _)| data).collect();
                return Some(Answer { finding: Finding::Found, data, ttl });
            }
            let Some((target, alias_ttl)) = aliases.get(current) else {
                return Some(self.negative(packet, current, ttl));
            };
            (current, ttl) = (target, ttl.min(*alias_ttl));
        }
        None
    }

    /// What an answer without records says (RFC 2308 section 2).
    fn negative(&self, packet: &Packet<'_>, reached: &DomainName, alias_ttl: u32) -> Answer {
        let authority = packet.name_servers.iter().find_map(|record| match &record.rdata {
            RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
            _ => None,
        });
        let finding = match (packet.rcode(), authority) {
            (RCODE::NameError, _) => Finding::NoSuchName,
            (_, None) if *reached != self.question.name => Finding::Alias(reached.clone()),
            _ => Finding::NoData,
        };
        Answer { finding, data: Vec::new(), ttl: authority.unwrap_or(DEFAULT_NEGATIVE_TTL).min(alias_ttl) }
    }
}

fn data_of(rdata: &RData<'_>, kind: RecordKind) -> Option<Data> {
    match (rdata, kind) {
        (RData::A(a), RecordKind::A) => Some(Data::Address(Ipv4Addr::from(a.address).into())),
        (RData::AAAA(aaaa), RecordKind::Aaaa) => Some(Data::Address(Ipv6Addr::from(aaaa.address).into())),
        (RData::PTR(ptr), RecordKind::Ptr) => Some(Data::Name(DomainName::from_message(&ptr.0))),
        _ => None,
    }
}

/// Whether the header promises no more than the message can hold. The parser reserves memory by these counts, so a
/// dozen hostile bytes could ask for megabytes.
fn counts_are_possible(bytes: &[u8]) -> bool {
    const HEADER: usize = 12;
    const QUESTION: usize = 5;
    const RECORD: usize = 11;
    let Some(counts) = bytes.get(4..HEADER) else { return false };
    let mut counts = counts.chunks_exact(2).map(|pair| pair.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)));
    let questions = counts.next().unwrap_or_default();
    questions * QUESTION + counts.sum::<usize>() * RECORD + HEADER <= bytes.len()
}

#[cfg(test)]
mod tests;

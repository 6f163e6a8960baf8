//! Meaning to decisions, for one kind of link.
//!
//! Every condition is given where to go when it holds and where when it does not, so nothing is ever joined afterwards. Order is
//! that of the text and of libpcap before its optimiser: which bytes are read first decides what becomes of a packet that is too
//! short. Only what reads nothing new is left out: a packet that is IPv4 is not asked whether it is ARP.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::address;
use super::ast::{Arithmetic, Direction, Expr, Family, Header, Joint, Net, Place, Relation, Scope, Test};
use super::error::Fault;
use super::graph::{self, Comparison, Graph, NodeId, Operand, REJECT, Value, ValueId};
use super::names::{ARP, ICMP6, IP, IP6, RARP};
use crate::capture::bpf::opcode;
use crate::model::LinkType;

/// Largest length in an Ethernet header; above it the field is an `EtherType`.
const LONGEST_802_3: u32 = 1500;
/// `EtherType`s of VLAN tags: 802.1Q, 802.1ad, and what was used before it.
const TAGS: [u32; 3] = [0x8100, 0x88a8, 0x9100];
/// IPv6's fragment header.
const FRAGMENT: u32 = 44;
/// Fragment offset in IPv4's header.
const FRAGMENT_OFFSET: u32 = 0x1fff;
/// Length of IPv6's fixed header.
const IP6_HEADER: u32 = 40;

pub(super) struct Lowering<'a> {
    pub graph: &'a mut Graph,
    pub link: LinkType,
    /// Where a read past the end leads, inside a term that is asked for itself; elsewhere it rejects the packet.
    pub short: Option<NodeId>,
}

type Lowered = Result<NodeId, Fault>;

impl Lowering<'_> {
    /// The node that leads to `yes` where the condition holds and to `no` where it does not.
    pub fn expr(&mut self, expr: &Expr, yes: NodeId, no: NodeId) -> Lowered {
        match expr {
            Expr::Everything => Ok(yes),
            Expr::Not(inner) => self.expr(inner, no, yes),
            Expr::Test(test) => self.test(test, yes, no),
            Expr::Chain(first, rest) => {
                let (mut yes, mut no) = (yes, no);
                for (joint, term) in rest.iter().rev() {
                    match joint {
                        Joint::And => yes = self.expr(term, yes, no)?,
                        Joint::Or => no = self.expr(term, yes, no)?,
                    }
                }
                self.expr(first, yes, no)
            }
            Expr::Any(terms) => {
                let outside = self.short;
                let mut next = no;
                for term in terms.iter().rev() {
                    self.short = Some(next);
                    let lowered = self.expr(term, yes, next);
                    self.short = outside;
                    next = lowered?;
                }
                Ok(next)
            }
        }
    }

    fn test(&mut self, test: &Test, yes: NodeId, no: NodeId) -> Lowered {
        match test {
            Test::EtherType { tags, value } => Ok(self.ether_type(*tags, *value, yes, no)),
            Test::Protocol { tags, family, number } => Ok(self.protocol(*tags, *family, *number, yes, no)),
            Test::Host4 { tags, scope, direction, nets } => Ok(self.host4(*tags, *scope, *direction, nets, yes, no)),
            Test::Host6 { tags, direction, nets } => Ok(self.host6(*tags, *direction, nets, yes, no)),
            Test::Port { tags, protocols, direction, ranges } => {
                Ok(self.port(*tags, protocols, *direction, ranges, yes, no))
            }
            Test::Flow { family, protocol, members } => Ok(self.flow(*family, *protocol, members, yes, no)),
            Test::Ether { place, direction, address } => {
                self.needs_ethernet(*place, "no hardware addresses")?;
                Ok(self.either(*direction, [6, 0], yes, no, |me, at, yes, no| me.hardware(at, *address, yes, no)))
            }
            Test::LinkMulticast { place } => {
                self.needs_ethernet(*place, "no multicasts")?;
                Ok(self.compare(Value::At { at: 0, size: 1 }, Comparison::AnyBit, 1, yes, no))
            }
            Test::IpMulticast { tags } => {
                let at = self.network(*tags) + 16;
                let inner = self.compare(Value::At { at, size: 1 }, Comparison::AtLeast, 224, yes, no);
                Ok(self.ether_type(*tags, IP, inner, no))
            }
            Test::Ip6Multicast { tags } => {
                let inner = self.equals(self.network(*tags) + 24, 1, 0xff, yes, no);
                Ok(self.ether_type(*tags, IP6, inner, no))
            }
            Test::IpBroadcast { tags } => {
                let at = self.network(*tags) + 16;
                let ones = self.equals(at, 4, u32::MAX, yes, no);
                let inner = self.equals(at, 4, 0, yes, ones);
                Ok(self.ether_type(*tags, IP, inner, no))
            }
            Test::Vlan { place, tags, id } => {
                self.needs_ethernet(*place, "no VLAN tags")?;
                Ok(self.vlan(*tags, *id, yes, no))
            }
            Test::Relation { tags, left, relation, right } => self.relation(*tags, left, *relation, right, yes, no),
        }
    }

    fn needs_ethernet(&self, place: Place, what: &str) -> Result<(), Fault> {
        match self.link {
            LinkType::Ethernet => Ok(()),
            LinkType::Ip => Err(Fault::new(place.0, format!("a link without Ethernet has {what}"))),
        }
    }

    /// Where the header after the link's begins.
    fn network(&self, tags: u32) -> u32 {
        match self.link {
            LinkType::Ethernet => 14 + 4 * tags,
            LinkType::Ip => 0,
        }
    }

    /// A decision; inside a term asked for itself preceded by those that make sure it can be made.
    fn decide(&mut self, test: graph::Test, yes: NodeId, no: NodeId) -> NodeId {
        let id = self.graph.test(test);
        let node = self.graph.branch(id, yes, no);
        let Some(short) = self.short else { return node };
        let mut needs = Vec::new();
        self.needs(test.value, &mut needs);
        if let Operand::Value(value) = test.operand {
            self.needs(value, &mut needs);
        }
        needs.into_iter().rev().fold(node, |next, (test, must_hold)| {
            let id = self.graph.test(test);
            if must_hold { self.graph.branch(id, next, short) } else { self.graph.branch(id, short, next) }
        })
    }

    /// Tests that must have the answer beside them before a value can be computed, in order.
    fn needs(&mut self, value: ValueId, needs: &mut Vec<(graph::Test, bool)>) {
        match self.graph.get_value(value) {
            Value::Number(_) | Value::Length => {}
            Value::At { at, size } => needs.push(self.at_least(Operand::Number(at.saturating_add(size)))),
            Value::HeaderLength { at } => needs.push(self.at_least(Operand::Number(at.saturating_add(1)))),
            Value::Indexed { index, at, size } => {
                self.needs(index, needs);
                // An IPv4 header is short; any other sum might wrap.
                if !matches!(self.graph.get_value(index), Value::HeaderLength { .. }) {
                    needs.push(self.at_least(Operand::Value(index)));
                }
                let beyond = self.graph.value(Value::Number(at.saturating_add(size)));
                let end = self.graph.value(Value::Binary(opcode::ADD, index, beyond));
                needs.push(self.at_least(Operand::Value(end)));
            }
            Value::Binary(code, left, right) => {
                self.needs(left, needs);
                self.needs(right, needs);
                if divides(code) && !matches!(self.graph.get_value(right), Value::Number(_)) {
                    let zero = Operand::Number(0);
                    needs.push((graph::Test { value: right, comparison: Comparison::Equal, operand: zero }, false));
                }
            }
        }
    }

    /// Whether the packet is so long.
    fn at_least(&mut self, operand: Operand) -> (graph::Test, bool) {
        let value = self.graph.value(Value::Length);
        (graph::Test { value, comparison: Comparison::AtLeast, operand }, true)
    }

    fn compare(&mut self, value: Value, comparison: Comparison, number: u32, yes: NodeId, no: NodeId) -> NodeId {
        let value = self.graph.value(value);
        self.decide(graph::Test { value, comparison, operand: Operand::Number(number) }, yes, no)
    }

    fn equals(&mut self, at: u32, size: u32, number: u32, yes: NodeId, no: NodeId) -> NodeId {
        self.compare(Value::At { at, size }, Comparison::Equal, number, yes, no)
    }

    fn masked(&mut self, at: u32, net: Net<u32>, yes: NodeId, no: NodeId) -> NodeId {
        if net.mask == u32::MAX {
            return self.equals(at, 4, net.bits, yes, no);
        }
        let word = self.graph.value(Value::At { at, size: 4 });
        let mask = self.graph.value(Value::Number(net.mask));
        self.compare(Value::Binary(opcode::AND, word, mask), Comparison::Equal, net.bits, yes, no)
    }

    fn ether_type(&mut self, tags: u32, value: u32, yes: NodeId, no: NodeId) -> NodeId {
        let at = 12 + 4 * tags;
        match (self.link, value) {
            (LinkType::Ip, IP | IP6) => {
                let byte = self.graph.value(Value::At { at: 0, size: 1 });
                let mask = self.graph.value(Value::Number(0xf0));
                let version = if value == IP { 0x40 } else { 0x60 };
                self.compare(Value::Binary(opcode::AND, byte, mask), Comparison::Equal, version, yes, no)
            }
            (LinkType::Ip, _) => no,
            (LinkType::Ethernet, 0..=LONGEST_802_3) => {
                // ISO and NetBEUI have the same SAP on both sides.
                let inner = match value {
                    0x06 | 0xfe | 0xf0 => self.equals(at + 2, 2, value << 8 | value, yes, no),
                    _ => self.equals(at + 2, 1, value, yes, no),
                };
                self.compare(Value::At { at, size: 2 }, Comparison::Above, LONGEST_802_3, no, inner)
            }
            (LinkType::Ethernet, _) => self.equals(at, 2, value, yes, no),
        }
    }

    fn protocol(&mut self, tags: u32, family: Family, number: u32, yes: NodeId, no: NodeId) -> NodeId {
        let network = self.network(tags);
        let mut next = no;
        if family != Family::V4 {
            let behind = self.equals(network + IP6_HEADER, 1, number, yes, no);
            let fragment = self.equals(network + 6, 1, FRAGMENT, behind, no);
            let inner = self.equals(network + 6, 1, number, yes, fragment);
            next = self.ether_type(tags, IP6, inner, no);
        }
        if family != Family::V6 {
            let inner = self.equals(network + 9, 1, number, yes, no);
            next = self.ether_type(tags, IP, inner, next);
        }
        next
    }

    /// A condition on the source at the first of two places, or on the destination at the second.
    fn either(
        &mut self,
        direction: Direction,
        [source, destination]: [u32; 2],
        yes: NodeId,
        no: NodeId,
        mut one: impl FnMut(&mut Self, u32, NodeId, NodeId) -> NodeId,
    ) -> NodeId {
        match direction {
            Direction::Source => one(self, source, yes, no),
            Direction::Destination => one(self, destination, yes, no),
            Direction::Either => {
                let other = one(self, destination, yes, no);
                one(self, source, yes, other)
            }
            Direction::Both => {
                let other = one(self, destination, yes, no);
                one(self, source, other, no)
            }
        }
    }

    fn host4(&mut self, tags: u32, scope: Scope, way: Direction, nets: &[Net<u32>], yes: NodeId, no: NodeId) -> NodeId {
        let network = self.network(tags);
        let mut next = no;
        for ether_type in [RARP, ARP, IP] {
            if matches!(scope, Scope::One(one) if one != ether_type) {
                continue;
            }
            let places = if ether_type == IP { [12, 16] } else { [14, 24] };
            let inner = self.either(way, places.map(|place| network + place), yes, no, |me, at, yes, no| {
                nets.iter().rev().fold(no, |no, net| me.masked(at, *net, yes, no))
            });
            next = self.ether_type(tags, ether_type, inner, next);
        }
        next
    }

    fn host6(&mut self, tags: u32, way: Direction, nets: &[Net<[u32; 4]>], yes: NodeId, no: NodeId) -> NodeId {
        let network = self.network(tags);
        let inner = self.either(way, [network + 8, network + 24], yes, no, |me, at, yes, no| {
            nets.iter().rev().fold(no, |no, net| {
                let words = net.bits.into_iter().zip(net.mask).zip([0, 4, 8, 12]).rev();
                words.fold(yes, |yes, ((bits, mask), word)| me.masked(at + word, Net { bits, mask }, yes, no))
            })
        });
        self.ether_type(tags, IP6, inner, no)
    }

    fn port(
        &mut self,
        tags: u32,
        protocols: &[u32],
        way: Direction,
        ranges: &[(u16, u16)],
        yes: NodeId,
        no: NodeId,
    ) -> NodeId {
        let network = self.network(tags);
        let v4 = self.either(way, [0, 2], yes, no, |me, at, yes, no| {
            let index = me.graph.value(Value::HeaderLength { at: network });
            me.in_ranges(Value::Indexed { index, at: network + at, size: 2 }, ranges, yes, no)
        });
        let fragment = Value::At { at: network + 6, size: 2 };
        let first = self.compare(fragment, Comparison::AnyBit, FRAGMENT_OFFSET, no, v4);
        let v4 = protocols.iter().rev().fold(no, |no, one| self.equals(network + 9, 1, *one, first, no));
        let v4 = self.ether_type(tags, IP, v4, no);
        let v6 = self.either(way, [0, 2], yes, no, |me, at, yes, no| {
            me.in_ranges(Value::At { at: network + IP6_HEADER + at, size: 2 }, ranges, yes, no)
        });
        let v6 = protocols.iter().rev().fold(no, |no, one| self.equals(network + 6, 1, *one, v6, no));
        self.ether_type(tags, IP6, v6, v4)
    }

    /// The ports are asked first: they are one number, read once, and tell most conversations apart.
    fn flow(&mut self, family: Family, protocol: u32, members: &[(u32, IpAddr)], yes: NodeId, no: NodeId) -> NodeId {
        let network = self.network(0);
        let both = if family == Family::V6 {
            Value::At { at: network + IP6_HEADER, size: 4 }
        } else {
            let index = self.graph.value(Value::HeaderLength { at: network });
            Value::Indexed { index, at: network, size: 4 }
        };
        let mut by_ports: BTreeMap<u32, Vec<IpAddr>> = BTreeMap::new();
        for (ports, addr) in members {
            by_ports.entry(*ports).or_default().push(*addr);
        }
        let inner = by_ports.into_iter().rev().fold(no, |next, (ports, addrs)| {
            let sources = addrs.into_iter().rev().fold(no, |next, addr| self.source(addr, yes, next));
            self.compare(both, Comparison::Equal, ports, sources, next)
        });
        // Whether the source can be read is asked once, before there are as many ways as conversations.
        let beyond = if family == Family::V6 { network + 24 } else { network + 16 };
        let inner = self.short.map_or(inner, |short| {
            let (test, _) = self.at_least(Operand::Number(beyond));
            let test = self.graph.test(test);
            self.graph.branch(test, inner, short)
        });
        if family == Family::V6 {
            let inner = self.equals(network + 6, 1, protocol, inner, no);
            return self.ether_type(0, IP6, inner, no);
        }
        self.header(0, Header::Transport(protocol), inner, no)
    }

    /// The source of a packet that is known to be of the address's version.
    fn source(&mut self, addr: IpAddr, yes: NodeId, no: NodeId) -> NodeId {
        let network = self.network(0);
        match addr {
            IpAddr::V4(v4) => self.equals(network + 12, 4, v4.to_bits(), yes, no),
            IpAddr::V6(v6) => address::words(v6.to_bits())
                .into_iter()
                .zip([8, 12, 16, 20])
                .rev()
                .fold(yes, |yes, (word, at)| self.equals(network + at, 4, word, yes, no)),
        }
    }

    fn in_ranges(&mut self, value: Value, ranges: &[(u16, u16)], yes: NodeId, no: NodeId) -> NodeId {
        ranges.iter().rev().fold(no, |no, (low, high)| {
            if low == high {
                return self.compare(value, Comparison::Equal, u32::from(*low), yes, no);
            }
            let below = self.compare(value, Comparison::Above, u32::from(*high), no, yes);
            self.compare(value, Comparison::AtLeast, u32::from(*low), below, no)
        })
    }

    fn hardware(&mut self, at: u32, address: [u8; 6], yes: NodeId, no: NodeId) -> NodeId {
        let [a, b, rest @ ..] = address;
        let front = self.equals(at, 2, u32::from(u16::from_be_bytes([a, b])), yes, no);
        self.equals(at + 2, 4, u32::from_be_bytes(rest), front, no)
    }

    fn vlan(&mut self, tags: u32, id: Option<u32>, yes: NodeId, no: NodeId) -> NodeId {
        let at = 12 + 4 * tags;
        let tagged = match id {
            None => yes,
            Some(id) => {
                let tag = self.graph.value(Value::At { at: at + 2, size: 2 });
                let mask = self.graph.value(Value::Number(0xfff));
                self.compare(Value::Binary(opcode::AND, tag, mask), Comparison::Equal, id, yes, no)
            }
        };
        TAGS.iter().rev().fold(no, |no, tag| self.equals(at, 2, *tag, tagged, no))
    }

    fn relation(
        &mut self,
        tags: u32,
        left: &Arithmetic,
        relation: Relation,
        right: &Arithmetic,
        yes: NodeId,
        no: NodeId,
    ) -> Lowered {
        let mut headers = Vec::new();
        let value = self.arithmetic(tags, left, &mut headers)?;
        let operand = self.arithmetic(tags, right, &mut headers)?;
        let operand = match self.graph.get_value(operand) {
            Value::Number(number) => Operand::Number(number),
            _ => Operand::Value(operand),
        };
        let (comparison, is_negated) = match relation {
            Relation::Equal => (Comparison::Equal, false),
            Relation::NotEqual => (Comparison::Equal, true),
            Relation::Above => (Comparison::Above, false),
            Relation::AtMost => (Comparison::Above, true),
            Relation::AtLeast => (Comparison::AtLeast, false),
            Relation::Below => (Comparison::AtLeast, true),
        };
        let test = graph::Test { value, comparison, operand };
        let node = if is_negated { self.decide(test, no, yes) } else { self.decide(test, yes, no) };
        headers.dedup();
        Ok(headers.into_iter().rev().fold(node, |yes, header| self.header(tags, header, yes, no)))
    }

    /// Whether the packet has the header, and it begins in it.
    fn header(&mut self, tags: u32, header: Header, yes: NodeId, no: NodeId) -> NodeId {
        let network = self.network(tags);
        match header {
            Header::Link => yes,
            Header::Network(ether_type) => self.ether_type(tags, ether_type, yes, no),
            Header::Icmp6 => {
                let inner = self.equals(network + 6, 1, ICMP6, yes, no);
                self.ether_type(tags, IP6, inner, no)
            }
            Header::Transport(number) => {
                let fragment = Value::At { at: network + 6, size: 2 };
                let first = self.compare(fragment, Comparison::AnyBit, FRAGMENT_OFFSET, no, yes);
                let inner = self.equals(network + 9, 1, number, first, no);
                self.ether_type(tags, IP, inner, no)
            }
        }
    }

    /// A value, and the headers it reads in the order it needs them.
    fn arithmetic(&mut self, tags: u32, what: &Arithmetic, headers: &mut Vec<Header>) -> Result<ValueId, Fault> {
        let value = match what {
            Arithmetic::Number(number) => Value::Number(*number),
            Arithmetic::Length => Value::Length,
            Arithmetic::Binary(_, code, left, right) => {
                let left = self.arithmetic(tags, left, headers)?;
                // As in libpcap, only the left operand's headers must be there: `ip[2:2] - tcp[12]` needs no TCP.
                Value::Binary(*code, left, self.arithmetic(tags, right, &mut Vec::new())?)
            }
            Arithmetic::Load { place, header, index, size } => {
                // As libpcap has it: IPv4, then what the index needs, then the protocol.
                if matches!(header, Header::Transport(_)) && !matches!(**index, Arithmetic::Number(_)) {
                    headers.push(Header::Network(IP));
                }
                let index = self.arithmetic(tags, index, headers)?;
                headers.push(*header);
                self.load(*place, tags, *header, index, *size)?
            }
        };
        Ok(self.graph.value(value))
    }

    fn load(&mut self, place: Place, tags: u32, header: Header, index: ValueId, size: u32) -> Result<Value, Fault> {
        let network = self.network(tags);
        let base = match header {
            Header::Link => 0,
            Header::Network(_) | Header::Transport(_) => network,
            Header::Icmp6 => network + IP6_HEADER,
        };
        let fixed = match self.graph.get_value(index) {
            // Beyond this the kernel reads something else than the packet.
            Value::Number(number) if number > i32::MAX as u32 - base => {
                return Err(Fault::new(place.0, "no packet has anything at this offset"));
            }
            Value::Number(number) => Some(base + number),
            _ => None,
        };
        Ok(match (header, fixed) {
            (Header::Transport(_), fixed) => {
                let length = self.graph.value(Value::HeaderLength { at: network });
                if let Some(at) = fixed {
                    Value::Indexed { index: length, at, size }
                } else {
                    let index = self.graph.value(Value::Binary(opcode::ADD, index, length));
                    Value::Indexed { index, at: base, size }
                }
            }
            (_, Some(at)) => Value::At { at, size },
            (_, None) => Value::Indexed { index, at: base, size },
        })
    }
}

pub(super) fn divides(code: u16) -> bool {
    matches!(code, opcode::DIV | opcode::MOD)
}

/// Decisions of a whole filter: its first node.
pub(super) fn lower(graph: &mut Graph, link: LinkType, expr: &Expr) -> Lowered {
    Lowering { graph, link, short: None }.expr(expr, graph::ACCEPT, REJECT)
}

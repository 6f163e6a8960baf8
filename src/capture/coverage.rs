//! What the kernel is asked to let through: the union of all interests, kept small.
//!
//! A program that matches everything wanted, and only that, grows with the interests; the kernel takes 4,096 instructions,
//! and compiling is not free. So beyond a few interests the union gets coarser, in four steps; what is let through
//! too much is sorted out by the dispatcher. Once it is coarse, further interests are covered already and cost nothing: ten
//! thousand subscriptions compile a few dozen programs. It is made narrower when half of the interests are gone; parts nobody wants any more
//! may stay until then, because whoever opens captures one after the other asks for the same again.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::rc::Rc;

use super::subscription::Shared;
use super::{Filter, Interest, bpf};
use crate::model::LinkType;
use crate::packet::FlowKey;

/// Instructions of a program. The kernel takes 4,096 (`BPF_MAXINSNS`); the capture puts a few in front.
const MOST_INSTRUCTIONS: usize = 4096 - 16;
/// Interests below which dropping some is no reason to compile anew.
const WORTH_NARROWING: usize = 16;

/// What is wanted of one interface.
#[derive(Debug, Clone)]
pub struct Coverage {
    /// The packets.
    pub wanted: Wanted,
    /// Changes whenever `wanted` does.
    pub version: u64,
    /// Whether somebody wants what this machine sends.
    pub outgoing: bool,
    /// Whether somebody wants what is addressed to others.
    pub promiscuous: bool,
}

/// The packets wanted of one interface.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// None.
    Nothing,
    /// Those a program accepts.
    Matching(Rc<bpf::Program>),
    /// All.
    Everything,
}

/// How coarse a union is, and how many terms it may have before the next step is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Every flow and every filter for itself.
    Exact,
    /// Flows by our port, fences by their hosts.
    Ends,
    /// Flows by their protocol, fences by being addressed at all.
    Protocols,
    /// All packets.
    Everything,
}

const STEPS: [(Step, usize); 4] =
    [(Step::Exact, 16), (Step::Ends, 24), (Step::Protocols, 32), (Step::Everything, usize::MAX)];

/// One part of a union.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Term {
    Flow(FlowTerm),
    /// A filter, by its number among those known.
    Filter(u64),
    Port(u8, u16),
    Host(IpAddr),
    Protocol(u8),
    /// IP or ARP.
    Addressed,
    /// What a program cannot tell by a flow or a host: ICMP errors belong to what they quote, and IPv6 extension headers
    /// hide ports.
    Hidden,
    Everything,
}

/// A flow key in an order of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct FlowTerm(u8, IpAddr, u16, u16);

/// The unions of all interfaces somebody captures on.
#[derive(Default)]
pub(super) struct Coverages {
    unions: HashMap<u32, Union>,
    /// By interface; none stands for all of them.
    counts: HashMap<Option<u32>, Counts>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    live: usize,
    outgoing: usize,
    promiscuous: usize,
}

struct Union {
    link: LinkType,
    step: usize,
    /// The parts, some of them wanted by nobody any more.
    terms: BTreeMap<Term, Rc<Filter>>,
    /// Whether parts came since the program was made.
    grown: bool,
    /// Of the parts.
    program: Wanted,
    /// Nobody wants anything; the program waits for somebody who does.
    asleep: bool,
    version: u64,
    /// Most interests alive since the program was made.
    peak: usize,
    stale: bool,
}

impl Coverages {
    /// Somebody new wants something.
    pub(super) fn add(&mut self, shared: &Shared) {
        let interest = &shared.interest;
        let counts = self.counts.entry(interest.interface).or_default();
        counts.live += 1;
        counts.outgoing += usize::from(interest.directions.include_out());
        counts.promiscuous += usize::from(interest.promiscuous);
        for (index, union) in &mut self.unions {
            if interest.covers(*index) {
                union.add(shared);
                union.peak = union.peak.max(live(&self.counts, *index).live);
            }
        }
    }

    /// `interest` is gone. Returns the interfaces of which clearly less is wanted now.
    pub(super) fn remove(&mut self, interest: &Interest) -> Vec<u32> {
        let counts = self.counts.entry(interest.interface).or_default();
        counts.live -= 1;
        counts.outgoing -= usize::from(interest.directions.include_out());
        counts.promiscuous -= usize::from(interest.promiscuous);
        let (flag_dropped, counts) = (
            interest.directions.include_out() && counts.outgoing == 0
                || interest.promiscuous && counts.promiscuous == 0,
            &self.counts,
        );
        let mut narrower = Vec::new();
        for (index, union) in self.unions.iter_mut().filter(|(index, _)| interest.covers(**index)) {
            let live = live(counts, *index).live;
            let stale = union.peak >= WORTH_NARROWING && live <= union.peak / 2;
            if stale && !union.stale || live == 0 || flag_dropped {
                narrower.push(*index);
            }
            union.stale |= stale;
        }
        narrower
    }

    /// The coverage of `interface`, brought up to date.
    pub(super) fn get(&mut self, interface: u32, link: LinkType, live_ones: &BTreeMap<u64, Rc<Shared>>) -> Coverage {
        let counts = live(&self.counts, interface);
        let union = self.unions.entry(interface).or_insert_with(|| Union::new(link));
        union.update(counts.live, || live_ones.values().filter(|one| one.interest.covers(interface)).map(|one| &**one));
        Coverage {
            wanted: if union.asleep { Wanted::Nothing } else { union.program.clone() },
            version: union.version,
            outgoing: counts.outgoing > 0,
            promiscuous: counts.promiscuous > 0,
        }
    }

    /// Nothing is captured on `interface` any more.
    pub(super) fn forget(&mut self, interface: u32) {
        self.unions.remove(&interface);
    }
}

/// What is counted for one interface and for all of them.
fn live(counts: &HashMap<Option<u32>, Counts>, interface: u32) -> Counts {
    let of = |key| counts.get(&key).copied().unwrap_or_default();
    let (one, all) = (of(Some(interface)), of(None));
    Counts {
        live: one.live + all.live,
        outgoing: one.outgoing + all.outgoing,
        promiscuous: one.promiscuous + all.promiscuous,
    }
}

impl Union {
    /// Made from whatever is alive at the first look.
    fn new(link: LinkType) -> Union {
        Union {
            link,
            step: 0,
            terms: BTreeMap::new(),
            grown: false,
            program: Wanted::Nothing,
            asleep: true,
            version: 0,
            peak: 0,
            stale: true,
        }
    }

    fn add(&mut self, shared: &Shared) {
        if self.stale {
            return; // it will be made anew
        }
        for term in terms_of(STEPS[self.step].0, shared) {
            if !self.terms.contains_key(&term) {
                self.stale |= self.asleep; // no use in growing what nobody wants
                self.grown = true;
                self.terms.insert(term, filter_of(term, shared));
            }
        }
    }

    fn update<'a, I: Iterator<Item = &'a Shared>>(&mut self, count: usize, live: impl Fn() -> I) {
        if count == 0 {
            self.version += u64::from(!self.asleep);
            self.asleep = true;
            self.stale |= self.step > 0; // a coarse program is no use to the next one alone
            return;
        }
        let woke = std::mem::take(&mut self.asleep);
        if woke || self.stale || self.grown {
            self.version += 1;
        }
        let grown = std::mem::take(&mut self.grown);
        if self.stale {
            self.rebuild(0, count, live);
        } else if grown {
            match program(&self.terms, STEPS[self.step].1, self.link) {
                Some(program) => self.program = program,
                None => self.rebuild(self.step, count, live),
            }
        }
        self.stale = false;
    }

    /// The narrowest union of what is alive that is small enough to grow, from a step on.
    fn rebuild<'a, I: Iterator<Item = &'a Shared>>(&mut self, first: usize, count: usize, live: impl Fn() -> I) {
        self.peak = count;
        for (step, (coarseness, most)) in STEPS.iter().enumerate().skip(first) {
            let (mut terms, most) = (BTreeMap::new(), most / 2);
            for one in live() {
                for term in terms_of(*coarseness, one) {
                    terms.entry(term).or_insert_with(|| filter_of(term, one));
                }
                if terms.len() > most {
                    break;
                }
            }
            if let Some(program) = program(&terms, most, self.link) {
                (self.step, self.terms, self.program) = (step, terms, program);
                return;
            }
        }
        self.program = Wanted::Everything; // not reached: the last step always fits
    }
}

/// The parts of a union that let through what a subscription wants.
fn terms_of(step: Step, shared: &Shared) -> impl Iterator<Item = Term> {
    let (key, hosts) = (shared.interest.key, &shared.interest.hosts);
    let own: Vec<Term> = match (step, key, hosts.as_slice()) {
        (Step::Everything, _, _) => vec![Term::Everything],
        (Step::Exact, Some(key), _) => {
            vec![Term::Flow(FlowTerm(key.protocol, key.remote, key.remote_port, key.local_port))]
        }
        (Step::Ends, Some(key), _) if has_ports(key.protocol) => vec![Term::Port(key.protocol, key.local_port)],
        (_, Some(key), _) => vec![Term::Protocol(key.protocol)],
        (_, None, []) => vec![shared.filter.as_ref().map_or(Term::Everything, |filter| Term::Filter(filter.id))],
        (Step::Exact | Step::Ends, None, hosts) => hosts.iter().map(|host| Term::Host(*host)).collect(),
        (Step::Protocols, None, _) => vec![Term::Addressed],
    };
    let hidden = step != Step::Everything && (key.is_some() || !hosts.is_empty());
    own.into_iter().chain(hidden.then_some(Term::Hidden))
}

/// TCP, UDP, SCTP.
fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 132)
}

/// The union of `terms`; none if there are more than `most`, or their program is too long.
fn program(terms: &BTreeMap<Term, Rc<Filter>>, most: usize, link: LinkType) -> Option<Wanted> {
    if terms.contains_key(&Term::Everything) {
        return Some(Wanted::Everything);
    }
    if terms.len() > most {
        return None;
    }
    let filters: Vec<&Filter> = terms.values().map(|filter| &**filter).collect();
    let program = Filter::any_of(&filters).compile(link).ok()?;
    (program.instructions().len() <= MOST_INSTRUCTIONS).then(|| Wanted::Matching(Rc::new(program)))
}

/// What a part lets through; everything where the part has no words for less.
fn filter_of(term: Term, shared: &Shared) -> Rc<Filter> {
    let parse = |text: &str| Filter::parse(text).unwrap_or_else(|_| Filter::everything());
    Rc::new(match term {
        Term::Flow(FlowTerm(protocol, remote, remote_port, local_port)) => {
            Filter::of_flow(&FlowKey { protocol, remote, remote_port, local_port })
        }
        Term::Filter(_) => {
            return shared
                .filter
                .as_ref()
                .map_or_else(|| Rc::new(Filter::everything()), |known| Rc::clone(&known.filter));
        }
        Term::Port(6, port) => parse(&format!("tcp dst port {port}")),
        Term::Port(17, port) => parse(&format!("udp dst port {port}")),
        Term::Port(_, port) => parse(&format!("sctp dst port {port}")),
        Term::Host(host) => Filter::of_host(host),
        Term::Protocol(number) => parse(&format!("ip proto {number} or ip6 proto {number}")),
        Term::Addressed => parse("ip or ip6 or arp"),
        Term::Hidden => parse("icmp or icmp6 or ip6 proto 0 or ip6 proto 43 or ip6 proto 44 or ip6 proto 60"),
        Term::Everything => Filter::everything(),
    })
}

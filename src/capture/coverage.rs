//! What the kernel is asked to let through: the union of all interests, kept small.
//!
//! A program that matches everything wanted, and only that, grows with the interests; the kernel takes 4,096 instructions,
//! and compiling is not free. So beyond a few interests the union gets coarser, in four steps; what is let through
//! too much is sorted out by the dispatcher. Once it is coarse, further interests are covered already and cost nothing: ten
//! thousand subscriptions compile a few dozen programs. It is made narrower when half of the interests are gone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    /// A subscription's filter, by its number.
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
    terms: BTreeSet<Term>,
    /// Wanted since the program was made, and not in it.
    missing: Vec<Term>,
    wanted: Wanted,
    version: u64,
    /// Most interests alive since the program was made.
    peak: usize,
    stale: bool,
}

impl Coverages {
    /// `interest` is new.
    pub(super) fn add(&mut self, id: u64, interest: &Interest) {
        let counts = self.counts.entry(interest.interface).or_default();
        counts.live += 1;
        counts.outgoing += usize::from(interest.directions.include_out());
        counts.promiscuous += usize::from(interest.promiscuous);
        for (index, union) in &mut self.unions {
            if interest.covers(*index) {
                union.add(id, interest);
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
            let stale = live == 0 || union.peak >= WORTH_NARROWING && live <= union.peak / 2;
            if stale && !union.stale || flag_dropped {
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
            wanted: union.wanted.clone(),
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
            terms: BTreeSet::new(),
            missing: Vec::new(),
            wanted: Wanted::Nothing,
            version: 0,
            peak: 0,
            stale: true,
        }
    }

    fn add(&mut self, id: u64, interest: &Interest) {
        let terms = &self.terms;
        self.missing.extend(terms_of(STEPS[self.step].0, id, interest).filter(|term| !terms.contains(term)));
    }

    fn update<'a, I: Iterator<Item = &'a Shared>>(&mut self, count: usize, live: impl Fn() -> I) {
        if !self.stale && self.missing.is_empty() {
            return;
        }
        let grown = !self.stale && count > 0;
        self.stale = false;
        self.version += 1;
        let missing = std::mem::take(&mut self.missing);
        if grown {
            self.terms.extend(missing);
            if let Some(wanted) = wanted(&self.terms, self.step, self.link, live()) {
                self.wanted = wanted;
                return;
            }
        }
        self.rebuild(count, live);
    }

    /// The narrowest union of what is alive that is small enough.
    fn rebuild<'a, I: Iterator<Item = &'a Shared>>(&mut self, count: usize, live: impl Fn() -> I) {
        self.peak = count;
        for (step, (coarseness, most)) in STEPS.iter().enumerate() {
            let mut terms = BTreeSet::new();
            for one in live() {
                terms.extend(terms_of(*coarseness, one.id, &one.interest));
                if terms.len() > *most {
                    break;
                }
            }
            if let Some(wanted) = wanted(&terms, step, self.link, live()) {
                (self.step, self.terms, self.wanted) = (step, terms, wanted);
                return;
            }
        }
        self.wanted = Wanted::Everything; // not reached: the last step always fits
    }
}

/// The parts of a union that let through what `interest` wants.
fn terms_of(step: Step, id: u64, interest: &Interest) -> impl Iterator<Item = Term> {
    let is_plain = interest.key.is_none() && interest.hosts.is_empty();
    let mut hidden = true;
    let own: Vec<Term> = match (step, interest.key) {
        (Step::Everything, _) => vec![Term::Everything],
        (Step::Exact, Some(key)) => {
            vec![Term::Flow(FlowTerm(key.protocol, key.remote, key.remote_port, key.local_port))]
        }
        (Step::Ends, Some(key)) if has_ports(key.protocol) => vec![Term::Port(key.protocol, key.local_port)],
        (_, Some(key)) => vec![Term::Protocol(key.protocol)],
        (_, None) if is_plain => {
            hidden = false;
            vec![interest.filter.as_ref().map_or(Term::Everything, |_| Term::Filter(id))]
        }
        (Step::Exact, None) if interest.filter.is_some() => {
            hidden = false; // the filter and what is about it decide
            vec![Term::Filter(id)]
        }
        (Step::Exact | Step::Ends, None) => interest.hosts.iter().map(|host| Term::Host(*host)).collect(),
        (Step::Protocols, None) => vec![Term::Addressed],
    };
    own.into_iter().chain((hidden && step != Step::Everything).then_some(Term::Hidden))
}

/// TCP, UDP, SCTP.
fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 132)
}

/// The union of `terms`; none if it has too many terms or instructions at this step.
fn wanted<'a>(
    terms: &BTreeSet<Term>,
    step: usize,
    link: LinkType,
    live: impl Iterator<Item = &'a Shared>,
) -> Option<Wanted> {
    if terms.is_empty() {
        return Some(Wanted::Nothing);
    }
    if terms.contains(&Term::Everything) {
        return Some(Wanted::Everything);
    }
    if terms.len() > STEPS[step].1 {
        return None;
    }
    let of_subscriptions =
        live.filter(|one| terms.contains(&Term::Filter(one.id))).map(|one| filter_of_subscription(step, &one.interest));
    let shared = terms.iter().filter(|term| !matches!(term, Term::Filter(_))).map(|term| filter_of_term(*term));
    let filters: Vec<Rc<Filter>> = of_subscriptions.chain(shared).collect::<Option<_>>()?;
    let union = Filter::any_of(&filters.iter().map(|filter| &**filter).collect::<Vec<_>>());
    let program = union.compile(link).ok()?;
    (program.instructions().len() <= MOST_INSTRUCTIONS).then(|| Wanted::Matching(Rc::new(program)))
}

/// A filter, and while unions are exact also the fence around it.
fn filter_of_subscription(step: usize, interest: &Interest) -> Option<Rc<Filter>> {
    let filter = interest.filter.clone()?;
    if interest.hosts.is_empty() || STEPS[step].0 != Step::Exact {
        return Some(filter);
    }
    let hosts = interest.hosts.iter().map(|host| Filter::of_host(*host));
    let fence: Vec<Filter> = hosts.chain(hidden()).collect();
    let fence = Filter::any_of(&fence.iter().collect::<Vec<_>>());
    Some(Rc::new((*filter).clone().and(fence)))
}

fn filter_of_term(term: Term) -> Option<Rc<Filter>> {
    let parse = |text: &str| Filter::parse(text).ok();
    let filter = match term {
        Term::Flow(FlowTerm(protocol, remote, remote_port, local_port)) => {
            Filter::of_flow(&FlowKey { protocol, remote, remote_port, local_port })
        }
        Term::Port(6, port) => parse(&format!("tcp dst port {port}"))?,
        Term::Port(17, port) => parse(&format!("udp dst port {port}"))?,
        Term::Port(_, port) => parse(&format!("sctp dst port {port}"))?,
        Term::Host(host) => Filter::of_host(host),
        Term::Protocol(number) => parse(&format!("ip proto {number} or ip6 proto {number}"))?,
        Term::Addressed => parse("ip or ip6 or arp")?,
        Term::Hidden => hidden()?,
        Term::Filter(_) | Term::Everything => return None,
    };
    Some(Rc::new(filter))
}

fn hidden() -> Option<Filter> {
    Filter::parse("icmp or icmp6 or ip6 proto 0 or ip6 proto 43 or ip6 proto 44 or ip6 proto 60").ok()
}

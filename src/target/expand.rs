//! The walk over all targets, one at a time, holding no more than the expressions themselves.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::addresses::AddressSet;
use super::spread::{Drawn, Order, Spread, owns_name, shuffled};
use super::{Block, Exclude, Name, Pattern, Spec, SpecError};
use crate::model::Target;

/// Left-out addresses in a row after which the walk pauses: about a millisecond.
const MAX_LEFT_OUT: usize = 4096;

/// What the walk hands out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An address to scan.
    Address(Target),
    /// A name to resolve. Its addresses go back through [`Targets::push_resolved`]; meanwhile the walk may go on.
    Name {
        /// The host name.
        name: String,
        /// The prefix that widens its addresses.
        prefix: Option<u8>,
        /// The expression as typed, for a report that it could not be scanned.
        spec: String,
    },
    /// Nothing yet: many addresses in a row were left out. Whoever walks may do something else first.
    Pause,
}

/// One pattern being walked.
#[derive(Debug)]
struct Walk {
    pattern: Pattern,
    /// The name that led here, and the address that bears it.
    name: Option<(String, IpAddr)>,
    /// Index of the next address; `None` at the end.
    next: Option<u128>,
}

impl Walk {
    fn new(pattern: Pattern, name: Option<(String, IpAddr)>) -> Walk {
        Walk { pattern, name, next: Some(0) }
    }

    fn advance_to(&mut self, index: Option<u128>) {
        self.next = index.filter(|index| *index <= self.pattern.last_index());
    }

    /// Leaves out everything up to and including `end`; returns how many addresses that were.
    fn leap(&mut self, from: u128, end: IpAddr) -> u128 {
        let beyond = match self.pattern.nth(from) {
            // A mapped address inside a wide IPv6 block: the run was found as IPv4, the walk counts in IPv6.
            IpAddr::V6(_) => match end {
                IpAddr::V4(v4) => successor(v4.to_ipv6_mapped().into()),
                IpAddr::V6(_) => successor(end),
            },
            IpAddr::V4(_) => successor(end),
        };
        self.advance_to(beyond.and_then(|addr| self.pattern.index_from(addr)));
        self.next.unwrap_or(self.pattern.count()).saturating_sub(from)
    }

    /// Whether the walk has already gone past `addr`.
    fn has_passed(&self, addr: IpAddr, scope: u32) -> bool {
        let same_zone = addr.is_ipv4() || self.pattern.scope() == scope;
        same_zone
            && self.pattern.contains(addr)
            && self.next.is_none_or(|next| self.pattern.index_from(addr).is_some_and(|index| index < next))
    }
}

fn successor(addr: IpAddr) -> Option<IpAddr> {
    match addr {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}

/// An iterator over every address of many expressions, in their order.
///
/// After `None` it may go on, once [`Targets::push`] or [`Targets::push_resolved`] have added to it. Whole excluded or
/// repeated ranges are leapt over, so that a step is short however much lies between two targets.
#[derive(Debug)]
pub struct Targets {
    waiting: VecDeque<Spec>,
    /// Expansions of names, which come before anything else.
    resolved: VecDeque<Walk>,
    /// The resolved name being walked, and the expression it interrupted.
    inner: Option<Walk>,
    outer: Option<Walk>,
    exclude: Exclude,
    /// What finished walks covered; used when `unique`.
    seen: AddressSet,
    unique: bool,
    /// Everything written as addresses, when it is walked in an order of its own; comes last.
    spread: Option<Spread>,
    link_scope: u32,
    planned: u128,
    excluded: u128,
    repeated: u128,
}

impl Targets {
    /// A walk over `specs` without what `exclude` holds. An address that several expressions cover is handed out once.
    pub fn new(specs: Vec<Spec>, exclude: Exclude) -> Targets {
        let mut targets = Targets {
            waiting: VecDeque::with_capacity(specs.len()),
            resolved: VecDeque::new(),
            inner: None,
            outer: None,
            exclude,
            seen: AddressSet::default(),
            unique: true,
            spread: None,
            link_scope: 0,
            planned: 0,
            excluded: 0,
            repeated: 0,
        };
        for spec in specs {
            targets.push(spec);
        }
        targets
    }

    /// Whether an address is handed out once (the default) or once for every expression that covers it. Two names of one
    /// address are two visits only when this is off.
    #[must_use]
    pub fn unique(mut self, unique: bool) -> Targets {
        self.unique = unique;
        self
    }

    /// The zone (interface index, from `-e`) of link-local IPv6 addresses that were written without one.
    #[must_use]
    pub fn link_scope(mut self, interface: u32) -> Targets {
        self.link_scope = interface;
        self
    }

    /// Walks what was given so far in an order of its own, or one shard of it.
    ///
    /// Names come first. A name belongs to one shard whatever it resolves to, an address to one shard by the set of all
    /// addresses written out; an address both ways is handed out by the shard that has it as an address. Whatever is
    /// unique stays so, even where [`Targets::unique`] was switched off. Comes after [`Targets::link_scope`].
    #[must_use]
    pub fn in_order(mut self, order: Order) -> Targets {
        if order == Order::default() {
            return self;
        }
        let (mut patterns, mut names) = (Vec::new(), Vec::new());
        for spec in std::mem::take(&mut self.waiting) {
            match spec {
                Spec::Addresses(pattern) => patterns.push(pattern.on_link(self.link_scope)),
                Spec::Name(name) => names.push(name),
            }
        }
        names.retain(|name| order.shard.is_none_or(|shard| owns_name(shard, &name.name, name.prefix)));
        let names = order.key.map_or_else(|| names.clone(), |key| shuffled(names.clone(), key));
        self.waiting = names.into_iter().map(Spec::Name).collect();
        let spread = Spread::new(&patterns, &self.exclude, order);
        self.planned = spread.left();
        self.unique = true;
        self.spread = Some(spread);
        self
    }

    /// Adds an expression at the end.
    pub fn push(&mut self, spec: Spec) {
        if let Spec::Addresses(pattern) = &spec {
            self.planned = self.planned.saturating_add(pattern.count());
        }
        self.waiting.push_back(spec);
    }

    /// Adds one address at the end, of the link `scope` where it means nothing without one.
    pub fn push_address(&mut self, addr: IpAddr, scope: u32) {
        self.push(Spec::Addresses(Pattern::from(Block::single(addr, scope))));
    }

    /// Adds what the name of an [`Item::Name`] resolved to; it is walked before anything else that is left.
    ///
    /// Every address of `addrs` is scanned: hand in the first for the usual behaviour, all for `--resolve-all`. Only the
    /// resolved addresses bear the name, not their neighbours under `prefix`. Addresses of a family too narrow for the
    /// prefix are left out; if none is left that is the error, and nothing is added.
    pub fn push_resolved(&mut self, name: &str, prefix: Option<u8>, addrs: &[IpAddr]) -> Result<(), SpecError> {
        let typed = Name { name: name.to_owned(), prefix };
        for (block, addr) in typed.blocks(addrs)? {
            let pattern = Pattern::from(block).on_link(self.link_scope);
            self.planned = self.planned.saturating_add(pattern.count());
            self.resolved.push_back(Walk::new(pattern, Some((name.to_owned(), addr))));
        }
        Ok(())
    }

    /// How many addresses the run will have handed out at its end, as far as known: everything written out or resolved so
    /// far, less what was found excluded or repeated so far. Names not yet resolved are not in it. Stops at `u128::MAX`.
    pub fn planned(&self) -> u128 {
        self.planned
    }

    /// Names not yet handed out for resolving.
    pub fn names_waiting(&self) -> usize {
        self.waiting.iter().filter(|spec| matches!(spec, Spec::Name(_))).count()
    }

    /// Addresses left out so far because they are excluded.
    pub fn excluded(&self) -> u128 {
        self.excluded
    }

    /// Addresses left out so far because another expression had already given them.
    pub fn repeated(&self) -> u128 {
        self.repeated
    }

    /// The next address of `walk`, past everything to be left out.
    fn step(&mut self, walk: &mut Walk) -> Option<Target> {
        while let Some(index) = walk.next {
            let written = walk.pattern.nth(index);
            let addr = written.to_canonical();
            let scope = if addr.is_ipv4() { 0 } else { walk.pattern.scope() };
            if let Some(end) = self.exclude.run_end(addr, scope) {
                let left_out = walk.leap(index, end);
                self.excluded = self.excluded.saturating_add(left_out);
                self.planned = self.planned.saturating_sub(left_out);
            } else if let Some(end) = self.repeat_end(addr, scope) {
                let left_out = walk.leap(index, end);
                self.repeated = self.repeated.saturating_add(left_out);
                self.planned = self.planned.saturating_sub(left_out);
            } else {
                walk.advance_to(index.checked_add(1));
                let name = walk.name.as_ref().filter(|(_, bearer)| *bearer == addr).map(|(name, _)| name.clone());
                return Some(Target { addr, scope, name });
            }
        }
        None
    }

    /// If `addr` was handed out before: the last address of a run from it that was.
    fn repeat_end(&self, addr: IpAddr, scope: u32) -> Option<IpAddr> {
        if !self.unique {
            return None;
        }
        let in_seen = self.seen.run_end(addr, |zone| zone == scope);
        let claimed = self.spread.as_ref().filter(|spread| spread.claims(addr, scope)).map(|_| addr);
        let in_seen = in_seen.or(claimed);
        let interrupted = self.outer.as_ref().filter(|outer| outer.has_passed(addr, scope)).map(|_| addr);
        in_seen.or(interrupted)
    }

    /// The next address of the spread, none at its end.
    fn draw(&mut self) -> Option<Item> {
        for _ in 0..MAX_LEFT_OUT {
            match self.spread.as_mut()?.draw(&self.exclude) {
                Drawn::End => return None,
                Drawn::LeftOut => self.excluded = self.excluded.saturating_add(1),
                Drawn::Address(target) => {
                    if self.seen.run_end(target.addr, |zone| zone == target.scope).is_none() {
                        return Some(Item::Address(target));
                    }
                    self.repeated = self.repeated.saturating_add(1);
                }
            }
            self.planned = self.planned.saturating_sub(1);
        }
        Some(Item::Pause)
    }

    /// Puts `walk` back where it came from, or files it among what was seen.
    fn keep(&mut self, walk: Walk, inner: bool) {
        if walk.next.is_none() {
            if self.unique {
                self.seen.insert(&walk.pattern);
            }
        } else if inner {
            self.inner = Some(walk);
        } else {
            self.outer = Some(walk);
        }
    }
}

impl Iterator for Targets {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            let (mut walk, inner) = if let Some(walk) = self.inner.take().or_else(|| self.resolved.pop_front()) {
                (walk, true)
            } else if let Some(walk) = self.outer.take() {
                (walk, false)
            } else {
                match self.waiting.pop_front() {
                    None => return self.draw(),
                    Some(Spec::Addresses(pattern)) => (Walk::new(pattern.on_link(self.link_scope), None), false),
                    Some(Spec::Name(typed)) => {
                        let spec = typed.to_string();
                        return Some(Item::Name { name: typed.name, prefix: typed.prefix, spec });
                    }
                }
            };
            let target = self.step(&mut walk);
            self.keep(walk, inner);
            if let Some(target) = target {
                return Some(Item::Address(target));
            }
        }
    }
}

#[cfg(test)]
mod tests;

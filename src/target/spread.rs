//! All addresses that were written out, in an order spread over them, whole or one shard of it, in bounded memory.
//!
//! The addresses of all expressions are laid side by side, each once, without those excluded: an index for each. A keyed
//! permutation of the indices is the order. Which shard an index belongs to follows from the addresses alone, never from
//! the seed, so that machines with seeds of their own still cover everything exactly once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::addresses::AddressSet;
use super::block::number;
use super::permutation::Permutation;
use super::{Exclude, Octets, Pattern};
use crate::model::mixed::mixed;
use crate::model::{Shard, Target};

/// The key of the order shards are dealt in: the same on every machine.
const DEAL: u64 = 0x736f_6e64_6521;

/// The IPv4-mapped block `::ffff:0:0/96`: the kernel sends such packets over IPv4.
const MAPPED: (u128, u128) = (0xffff_0000_0000, 0xffff_ffff_ffff);

/// How a run goes over its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Order {
    /// Random order by this key; none: no particular one.
    pub key: Option<u64>,
    /// Only this part.
    pub shard: Option<Shard>,
}

/// Side by side in the index space.
#[derive(Debug)]
enum Piece {
    /// Consecutive addresses, without excluded ones.
    Run { first: u128, family: Zone },
    /// A scattered pattern, of which some may be in earlier pieces.
    Scattered(Octets),
}

/// A family, and the zone in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    V4,
    V6(u32),
}

impl Zone {
    fn address(self, number: u128) -> IpAddr {
        match self {
            Zone::V4 => Ipv4Addr::from(number as u32).into(),
            Zone::V6(_) => Ipv6Addr::from(number).into(),
        }
    }

    fn scope(self) -> u32 {
        match self {
            Zone::V4 => 0,
            Zone::V6(scope) => scope,
        }
    }
}

/// The walk.
#[derive(Debug)]
pub(super) struct Spread {
    pieces: Vec<Piece>,
    /// Index after the last of each piece.
    ends: Vec<u128>,
    /// What all pieces cover, excluded addresses too.
    covered: AddressSet,
    shard: Shard,
    /// Which index the positions of all shards stand for; none: the same.
    deal: Option<Permutation>,
    /// Order of this shard's positions.
    order: Option<Permutation>,
    /// Positions of this shard.
    count: u128,
    next: u128,
}

/// What a step of the walk came to.
pub(super) enum Drawn {
    /// An address.
    Address(Target),
    /// One that is excluded, or belongs to another piece.
    LeftOut,
    /// The end.
    End,
}

impl Spread {
    /// A walk over `patterns` without what `exclude` holds.
    pub(super) fn new(patterns: &[Pattern], exclude: &Exclude, order: Order) -> Spread {
        let mut set = AddressSet::default();
        for pattern in patterns {
            set.insert(pattern);
        }
        let covered = set.with_mapped_as_v4(MAPPED);
        let (mut pieces, mut ends, mut end) = (Vec::new(), Vec::new(), 0_u128);
        let mut add = |piece, count: u128| {
            end = end.saturating_add(count);
            pieces.push(piece);
            ends.push(end);
        };
        for (family, first, last) in covered.runs() {
            exclude.gaps(family.address(first), family.address(last), family.scope(), &mut |first, last| {
                add(Piece::Run { first, family }, (last - first).saturating_add(1));
            });
        }
        for octets in covered.scattered() {
            add(Piece::Scattered(octets.clone()), u128::from(octets.count()));
        }
        let shard = order.shard.unwrap_or(Shard { index: 1, of: 1 });
        let (own, of) = (u128::from(shard.index.saturating_sub(1)), u128::from(shard.of.max(1)));
        // Positions own, own + of, own + 2 * of, … below the end.
        let count = end.saturating_sub(own).div_ceil(of);
        let deal = (shard.of > 1).then(|| Permutation::new(end.saturating_sub(1), DEAL));
        let order = order.key.map(|key| Permutation::new(count.saturating_sub(1), key));
        Spread { pieces, ends, covered, shard, deal, order, count, next: 0 }
    }

    /// Addresses this walk has left, those among them that it will leave out included.
    pub(super) fn left(&self) -> u128 {
        self.count - self.next
    }

    /// Whether this walk, or that of another shard, hands out `addr`: what names resolve to leaves it alone. A run that is
    /// no shard gives names the precedence, so that their hosts bear them.
    pub(super) fn claims(&self, addr: IpAddr, scope: u32) -> bool {
        (self.shard.of > 1 || self.next > 0) && self.covered.run_end(addr, |zone| zone == scope).is_some()
    }

    /// The next position.
    pub(super) fn draw(&mut self, exclude: &Exclude) -> Drawn {
        if self.next >= self.count {
            return Drawn::End;
        }
        let turn = self.order.as_ref().map_or(self.next, |order| order.at(self.next));
        self.next += 1;
        let of = u128::from(self.shard.of.max(1));
        let position = turn.saturating_mul(of).saturating_add(u128::from(self.shard.index.saturating_sub(1)));
        let index = self.deal.as_ref().map_or(position, |deal| deal.at(position));
        self.at(index, exclude).map_or(Drawn::LeftOut, Drawn::Address)
    }

    fn at(&self, index: u128, exclude: &Exclude) -> Option<Target> {
        let piece = self.ends.partition_point(|end| *end <= index);
        let begin = piece.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let (addr, scope) = match self.pieces.get(piece)? {
            Piece::Run { first, family } => (family.address(first.saturating_add(index - begin)), family.scope()),
            Piece::Scattered(octets) => {
                let addr = octets.nth((index - begin) as u64);
                if self.is_before(piece, addr) {
                    return None;
                }
                (addr.into(), 0)
            }
        };
        (!exclude.contains(addr, scope)).then_some(Target { addr, scope, name: None })
    }

    /// Whether an earlier piece has `addr` already.
    fn is_before(&self, piece: usize, addr: Ipv4Addr) -> bool {
        let earlier = self.pieces.iter().take(piece);
        let mut scattered = earlier.filter_map(|piece| match piece {
            Piece::Scattered(octets) => Some(octets),
            Piece::Run { .. } => None,
        });
        self.covered.has_run_with(addr.into()) || scattered.any(|octets| octets.contains(addr))
    }
}

/// Whether a name belongs to `shard`: to one of them, whatever it resolves to.
pub(super) fn owns_name(shard: Shard, name: &str, prefix: Option<u8>) -> bool {
    let state = name.bytes().map(|byte| byte.to_ascii_lowercase()).chain(prefix);
    let place = state.fold(DEAL, |state, byte| mixed(state ^ u64::from(byte)));
    place % u64::from(shard.of.max(1)) == u64::from(shard.index.saturating_sub(1))
}

/// Names in the order of `key`.
pub(super) fn shuffled<T>(items: Vec<T>, key: u64) -> Vec<T> {
    let Some(last) = items.len().checked_sub(1) else { return items };
    let order = Permutation::new(last as u128, key);
    let mut placed: Vec<(u128, T)> = items.into_iter().zip(0..).map(|(item, index)| (order.at(index), item)).collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, item)| item).collect()
}

impl AddressSet {
    /// The same set, with IPv4-mapped addresses as the IPv4 addresses they stand for.
    fn with_mapped_as_v4(mut self, (first, last): (u128, u128)) -> AddressSet {
        let mapped: Vec<(u128, u128)> = self.take_v6(first, last);
        for (from, to) in mapped {
            self.insert_v4(from & u128::from(u32::MAX), to & u128::from(u32::MAX));
        }
        self
    }
}

impl Exclude {
    /// Calls `gap` with every run of numbers from `first` to `last` in which nothing is excluded, scattered patterns left
    /// aside.
    fn gaps(&self, first: IpAddr, last: IpAddr, scope: u32, gap: &mut dyn FnMut(u128, u128)) {
        let (mut from, last) = (number(first), number(last));
        while let Some((start, end)) = self.next_run(first.is_ipv4(), from, scope).filter(|(start, _)| *start <= last) {
            if start > from {
                gap(from, start - 1);
            }
            if end >= last {
                return;
            }
            from = end + 1;
        }
        gap(from, last);
    }
}

#[cfg(test)]
mod tests;

//! A set of addresses that can be counted through by index, whatever its shape.

use std::fmt;
use std::net::IpAddr;

use super::{Block, Octets};

/// The addresses of one expression. Index order is numeric order; being indexed, any permutation of the indices is a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// An aligned block of either family.
    Block(Block),
    /// Any other product of IPv4 octet sets.
    Octets(Box<Octets>),
}

impl Pattern {
    /// The pattern of `octets`, as a block where it is one.
    pub(super) fn from_octets(octets: Octets) -> Pattern {
        match octets.as_run().and_then(|(first, last)| Block::from_run(first, last)) {
            Some(block) => Pattern::Block(block),
            None => Pattern::Octets(Box::new(octets)),
        }
    }

    /// Number of addresses minus one.
    pub fn last_index(&self) -> u128 {
        match self {
            Pattern::Block(block) => block.last_index(),
            Pattern::Octets(octets) => u128::from(octets.count() - 1),
        }
    }

    /// Number of addresses; `::/0` counts one less than it has, so that it fits.
    pub fn count(&self) -> u128 {
        self.last_index().saturating_add(1)
    }

    /// The address at `index`, which must not exceed [`Pattern::last_index`].
    pub fn nth(&self, index: u128) -> IpAddr {
        match self {
            Pattern::Block(block) => block.nth(index),
            Pattern::Octets(octets) => octets.nth(index as u64).into(),
        }
    }

    /// Index of the first address not below `addr`, if there is one. The family must be the pattern's.
    pub(super) fn index_from(&self, addr: IpAddr) -> Option<u128> {
        match (self, addr) {
            (Pattern::Octets(octets), IpAddr::V4(v4)) => {
                let index = octets.index_from(v4);
                (index < octets.count()).then_some(u128::from(index))
            }
            (Pattern::Block(block), _) => {
                let (first, last) = block.bounds();
                let wanted = super::block::number(addr);
                (wanted <= last).then(|| wanted.saturating_sub(first))
            }
            (Pattern::Octets(_), IpAddr::V6(_)) => None,
        }
    }

    /// Whether `addr` is one of them, zones left aside.
    pub fn contains(&self, addr: IpAddr) -> bool {
        match (self, addr) {
            (Pattern::Block(block), _) => block.contains(addr),
            (Pattern::Octets(octets), IpAddr::V4(v4)) => octets.contains(v4),
            (Pattern::Octets(_), IpAddr::V6(_)) => false,
        }
    }

    /// The pattern with the zone `scope`, if it is link-local and has none.
    #[must_use]
    pub(super) fn on_link(self, scope: u32) -> Pattern {
        match self {
            Pattern::Block(block) => Pattern::Block(block.on_link(scope)),
            Pattern::Octets(_) => self,
        }
    }

    /// Zone as interface index, 0 for none.
    pub fn scope(&self) -> u32 {
        match self {
            Pattern::Block(block) => block.scope(),
            Pattern::Octets(_) => 0,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Block(block) => block.fmt(f),
            Pattern::Octets(octets) => octets.fmt(f),
        }
    }
}

impl From<Block> for Pattern {
    fn from(block: Block) -> Pattern {
        Pattern::Block(block)
    }
}

//! A growing set of addresses that answers "how far does it reach from here?", so that a walk can leap over what it holds.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::block::number;
use super::spread::Zone;
use super::{Octets, Pattern};

/// Runs up to which a scattered octet pattern is stored run by run. Past it, the pattern itself is kept.
const RUNS_STORED: usize = 256;

/// Disjoint runs of numbers: first -> last. Neighbours are merged.
#[derive(Debug, Clone, Default)]
struct Runs(BTreeMap<u128, u128>);

impl Runs {
    fn insert(&mut self, mut first: u128, mut last: u128) {
        if let Some((&start, &end)) = self.0.range(..=first).next_back()
            && end.saturating_add(1) >= first
        {
            first = start;
            last = last.max(end);
        }
        while let Some((&start, &end)) = self.0.range(first..=last.saturating_add(1)).next() {
            last = last.max(end);
            self.0.remove(&start);
        }
        self.0.insert(first, last);
    }

    /// The end of the run that holds `value`.
    fn run_end(&self, value: u128) -> Option<u128> {
        self.0.range(..=value).next_back().map(|(_, end)| *end).filter(|end| *end >= value)
    }

    /// The run that holds `value`, cut off before it, or else the first one above it.
    fn next_from(&self, value: u128) -> Option<(u128, u128)> {
        let held = self.run_end(value).map(|end| (value, end));
        held.or_else(|| self.0.range(value..).next().map(|(first, last)| (*first, *last)))
    }

    /// Removes what lies from `first` to `last` and returns it.
    fn take(&mut self, first: u128, last: u128) -> Vec<(u128, u128)> {
        let touched = |(start, end): &(u128, u128)| *end >= first && *start <= last;
        let runs: Vec<(u128, u128)> = self.0.iter().map(|(start, end)| (*start, *end)).filter(touched).collect();
        let cut = |(start, end): (u128, u128)| {
            self.0.remove(&start);
            if start < first {
                self.0.insert(start, first - 1);
            }
            if end > last {
                self.0.insert(last + 1, end);
            }
            (start.max(first), end.min(last))
        };
        runs.into_iter().map(cut).collect()
    }
}

/// Addresses of both families. Its size follows the number of expressions, never the number of addresses.
#[derive(Debug, Clone, Default)]
pub(super) struct AddressSet {
    v4: Runs,
    /// By zone.
    v6: BTreeMap<u32, Runs>,
    scattered: Vec<Octets>,
}

impl AddressSet {
    /// Adds every address of `pattern`.
    pub(super) fn insert(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::Block(block) => {
                let (first, last) = block.bounds();
                let runs = match block.network() {
                    IpAddr::V4(_) => &mut self.v4,
                    IpAddr::V6(_) => self.v6.entry(block.scope()).or_default(),
                };
                runs.insert(first, last);
            }
            Pattern::Octets(octets) => self.insert_octets(octets),
        }
    }

    fn insert_octets(&mut self, octets: &Octets) {
        let mut runs = Vec::new();
        let mut index = 0;
        while index < octets.count() {
            if runs.len() == RUNS_STORED {
                self.scattered.push(octets.clone());
                return;
            }
            let first = octets.nth(index);
            let last = octets.run_end(first);
            runs.push((first, last));
            index = u32::from(last).checked_add(1).map_or(octets.count(), |next| octets.index_from(next.into()));
        }
        for (first, last) in runs {
            self.v4.insert(number(first.into()), number(last.into()));
        }
    }

    /// Every stored run: family and zone, first, last. IPv4 first, ascending.
    pub(super) fn runs(&self) -> impl Iterator<Item = (Zone, u128, u128)> {
        let v4 = self.v4.0.iter().map(|(first, last)| (Zone::V4, *first, *last));
        let v6 =
            self.v6.iter().flat_map(|(zone, runs)| runs.0.iter().map(|(first, last)| (Zone::V6(*zone), *first, *last)));
        v4.chain(v6)
    }

    /// The patterns too scattered to be stored as runs.
    pub(super) fn scattered(&self) -> &[Octets] {
        &self.scattered
    }

    /// Whether a stored run holds the IPv4 address.
    pub(super) fn has_run_with(&self, addr: IpAddr) -> bool {
        self.v4.run_end(number(addr)).is_some()
    }

    /// Removes the IPv6 addresses from `first` to `last`, of any zone, and returns their runs.
    pub(super) fn take_v6(&mut self, first: u128, last: u128) -> Vec<(u128, u128)> {
        self.v6.values_mut().flat_map(|runs| runs.take(first, last)).collect()
    }

    /// Adds IPv4 addresses by number.
    pub(super) fn insert_v4(&mut self, first: u128, last: u128) {
        self.v4.insert(first, last);
    }

    /// The stored run that holds the number `value`, cut off before it, or else the first one above it.
    pub(super) fn next_run(&self, is_v4: bool, value: u128, zones: impl Fn(u32) -> bool) -> Option<(u128, u128)> {
        if is_v4 {
            return self.v4.next_from(value);
        }
        let counted = self.v6.iter().filter(|(zone, _)| zones(**zone));
        counted.filter_map(|(_, runs)| runs.next_from(value)).min_by_key(|(first, last)| (*first, u128::MAX - last))
    }

    /// If `addr` is held: the last address of a run of held ones that begins at it.
    ///
    /// `zones` says which zones of IPv6 entries count for it.
    pub(super) fn run_end(&self, addr: IpAddr, zones: impl Fn(u32) -> bool) -> Option<IpAddr> {
        match addr {
            IpAddr::V4(v4) => {
                let stored = self.v4.run_end(number(addr)).map(|end| Ipv4Addr::from(end as u32));
                let scattered =
                    self.scattered.iter().filter(|octets| octets.contains(v4)).map(|octets| octets.run_end(v4));
                stored.into_iter().chain(scattered).max().map(IpAddr::V4)
            }
            IpAddr::V6(_) => {
                let counted = self.v6.iter().filter(|(zone, _)| zones(**zone));
                counted.filter_map(|(_, runs)| runs.run_end(number(addr))).max().map(|end| Ipv6Addr::from(end).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_and_overlaps_merge() {
        let mut runs = Runs::default();
        for (first, last) in [(10, 19), (30, 39), (20, 29), (35, 50), (0, 0), (60, u128::MAX)] {
            runs.insert(first, last);
        }
        assert_eq!(runs.0.into_iter().collect::<Vec<_>>(), [(0, 0), (10, 50), (60, u128::MAX)]);
    }

    #[test]
    fn a_larger_run_swallows_smaller_ones() {
        let mut runs = Runs::default();
        for (first, last) in [(10, 19), (30, 39), (5, 100), (7, 8)] {
            runs.insert(first, last);
        }
        assert_eq!(runs.0.clone().into_iter().collect::<Vec<_>>(), [(5, 100)]);
        assert_eq!(runs.run_end(50), Some(100));
        assert_eq!(runs.run_end(101), None);
        assert_eq!(runs.run_end(4), None);
    }
}

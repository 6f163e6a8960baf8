//! The route to one host, as far as it is known.

use crate::model::Hop;
use crate::scan::prober::{MOST_HOPS, Step};

/// Hops by their distance, and how far they were asked for.
pub(super) struct Path {
    hops: Vec<Hop>,
    low: u8,
    high: u8,
    /// Where the host itself answers, or nobody beyond would.
    end: Option<u8>,
}

impl Path {
    /// Nothing known; the first question is for the hop at `low`.
    pub(super) fn new(low: u8) -> Path {
        let hops = (1..=MOST_HOPS).map(|ttl| Hop { ttl, addr: None, name: None, rtt: None }).collect();
        Path { hops, low, high: low.saturating_sub(1), end: None }
    }

    /// The nearest hop that was asked for.
    pub(super) fn low(&self) -> u8 {
        self.low
    }

    /// The farthest.
    pub(super) fn high(&self) -> u8 {
        self.high
    }

    /// Whether the end of the way is known.
    pub(super) fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    /// These hops were asked for.
    pub(super) fn asked(&mut self, first: u8, last: u8) {
        (self.low, self.high) = (self.low.min(first), self.high.max(last));
    }

    /// Takes in who answered.
    pub(super) fn follow(&mut self, trail: &[Step]) {
        for step in trail {
            if let Some(hop) = self.hops.get_mut(usize::from(step.ttl).wrapping_sub(1)) {
                (hop.addr, hop.rtt) = (Some(step.from), step.time);
            }
            if step.is_last {
                self.end = Some(self.end.map_or(step.ttl, |end| end.min(step.ttl)));
            }
        }
    }

    /// Takes the hops below what was asked for from another host's route.
    pub(super) fn take(&mut self, other: &[Hop]) {
        let below = usize::from(self.low.saturating_sub(1));
        for (own, other) in self.hops.iter_mut().take(below).zip(other) {
            own.clone_from(other);
        }
        self.low = 1;
    }

    /// Routers that were asked and answered, nearest first.
    pub(super) fn routers(&self) -> impl Iterator<Item = &Hop> {
        let before_end = self.end.map_or(self.high, |end| end.saturating_sub(1));
        let (first, last) = (usize::from(self.low).saturating_sub(1), usize::from(before_end));
        self.hops.iter().take(last).skip(first).filter(|hop| hop.addr.is_some())
    }

    /// The distance of the end, where a router before it was asked and none that was asked answered.
    pub(super) fn end_behind_silence(&self) -> Option<u8> {
        self.end.filter(|end| self.low < *end && self.routers().next().is_none())
    }

    /// All hops up to the end, and how many of them are routers.
    pub(super) fn hops(mut self) -> (Vec<Hop>, usize) {
        self.hops.truncate(self.end.unwrap_or(self.high).into());
        let routers = self.end.map_or(self.hops.len(), |end| usize::from(end) - 1);
        (self.hops, routers)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn step(ttl: u8, from: [u8; 4], is_last: bool) -> Step {
        Step { ttl, from: from.into(), time: None, is_last }
    }

    #[test]
    fn the_nearest_end_counts_and_what_is_beyond_it_is_dropped() {
        let mut path = Path::new(3);
        path.asked(3, 6);
        path.follow(&[step(6, [10, 0, 0, 9], true), step(3, [10, 9, 3, 1], false), step(5, [10, 0, 0, 9], true)]);
        assert_eq!((path.low(), path.high(), path.is_ended()), (3, 6, true));
        assert_eq!(path.routers().map(|hop| hop.ttl).collect::<Vec<_>>(), [3]);
        let other =
            [10u8, 11, 12].map(|last| Hop { addr: Some([10, 9, last, 1].into()), ..Path::new(1).hops[0].clone() });
        path.take(&other);
        let (hops, routers) = path.hops();
        let addrs: Vec<Option<IpAddr>> = hops.iter().map(|hop| hop.addr).collect();
        let known = |addr: [u8; 4]| Some(IpAddr::from(addr));
        assert_eq!(
            addrs,
            [known([10, 9, 10, 1]), known([10, 9, 11, 1]), known([10, 9, 3, 1]), None, known([10, 0, 0, 9])]
        );
        assert_eq!(routers, 4);
    }

    #[test]
    fn a_host_that_was_not_reached_leaves_as_many_hops_as_were_asked_for() {
        let mut path = Path::new(1);
        path.asked(1, MOST_HOPS);
        path.follow(&[step(2, [10, 9, 2, 1], false), step(0, [1, 1, 1, 1], false), step(31, [1, 1, 1, 1], false)]);
        let (hops, routers) = path.hops();
        assert_eq!((hops.len(), routers), (30, 30));
        assert_eq!(hops.iter().filter(|hop| hop.addr.is_some()).count(), 1);
    }
}

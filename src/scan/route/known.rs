//! Routes found before: who stands before which router.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use super::path::Path;
use crate::model::Hop;
use crate::scan::prober::Way;

/// Routers remembered.
const MOST: usize = 4096;

/// Hosts that most likely have all routers in common: those of a /24, of a /64, behind the same interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Area(u32, IpAddr);

/// A router: the interface on the way, its distance, its address.
type Router = (u32, u8, IpAddr);

/// What lies before routers that were met, and the newest route of so many routers into an area.
#[derive(Default)]
pub(super) struct Known {
    routers: HashMap<Router, Rc<[Hop]>>,
    areas: HashMap<(Area, usize), Rc<[Hop]>>,
}

impl Area {
    /// The area of a host.
    pub(super) fn of(way: &Way) -> Area {
        let network: IpAddr = match way.addr {
            IpAddr::V4(addr) => Ipv4Addr::from_bits(addr.to_bits() & !0xff).into(),
            IpAddr::V6(addr) => Ipv6Addr::from_bits(addr.to_bits() >> 64 << 64).into(),
        };
        Area(way.interface, network)
    }

    /// All areas of the same family behind the same interface.
    pub(super) fn surroundings(self) -> Area {
        let everything: IpAddr = match self.1 {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Area(self.0, everything)
    }
}

impl Known {
    /// Whether no route was found yet.
    pub(super) fn is_empty(&self) -> bool {
        self.routers.is_empty()
    }

    /// The hops before those of `path`, if one of its routers was met at the same distance. If they are silent, those of a host
    /// beside it at the same distance: many routers tell so few at a time that their time is over that most hosts of a
    /// network find the last one silent.
    pub(super) fn below(&self, area: Area, path: &Path) -> Option<Rc<[Hop]>> {
        if let Some(end) = path.end_behind_silence() {
            return self.areas.get(&(area, usize::from(end) - 1)).map(Rc::clone);
        }
        let mut routers = path.routers().filter_map(|hop| Some((area.0, hop.ttl, hop.addr?)));
        routers.find_map(|router| self.routers.get(&router).map(Rc::clone))
    }

    /// Remembers the routers of a route, nearest first.
    pub(super) fn keep(&mut self, area: Area, routers: &[Hop]) {
        if self.routers.len() + routers.len() > MOST || self.areas.len() >= MOST {
            self.routers.clear();
            self.areas.clear();
        }
        let all: Rc<[Hop]> = routers.into();
        for hop in routers {
            if let Some(addr) = hop.addr {
                self.routers.entry((area.0, hop.ttl, addr)).or_insert_with(|| Rc::clone(&all));
            }
        }
        self.areas.insert((area, routers.len()), all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(last: [u8; 4]) -> Vec<Hop> {
        let addrs: [IpAddr; 3] = [[10, 9, 1, 1].into(), [10, 9, 2, 1].into(), last.into()];
        let hop = |(ttl, addr)| Hop { ttl, addr: Some(addr), name: None, rtt: None };
        (1..).zip(addrs).map(hop).collect()
    }

    #[test]
    fn a_router_is_known_at_its_distance_and_its_memory_is_bounded() {
        let mut known = Known::default();
        let area = |interface| Area(interface, Ipv4Addr::LOCALHOST.into());
        known.keep(area(1), &route([10, 9, 3, 1]));
        let met = |known: &Known, interface, ttl| {
            let mut path = Path::new(ttl);
            path.asked(ttl, ttl);
            let from = [10, 9, 3, 1].into();
            path.follow(&[crate::scan::prober::Step { ttl, from, time: None, is_last: false }]);
            known.below(area(interface), &path).is_some()
        };
        assert_eq!((met(&known, 1, 3), met(&known, 1, 4), met(&known, 2, 3)), (true, false, false));
        for number in 0..=u16::MAX {
            let [high, low] = number.to_be_bytes();
            known.keep(Area(1, [10, high, low, 0].into()), &route([10, 8, high, low]));
            assert!(known.routers.len() <= MOST && known.areas.len() <= MOST);
        }
    }
}

//! Hosts on their way, by the time they began: who is slow can be named.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use crate::model::Timestamp;

/// The hosts under way. Clones share them.
#[derive(Clone, Default)]
pub struct UnderWay(Rc<Inner>);

#[derive(Default)]
struct Inner {
    hosts: RefCell<BTreeMap<(Timestamp, u64), IpAddr>>,
    next: Cell<u64>,
}

/// A host's place among them, until it is dropped.
pub struct Place {
    all: UnderWay,
    key: (Timestamp, u64),
}

impl UnderWay {
    /// A host begins.
    #[must_use]
    pub fn begin(&self, addr: IpAddr, now: Timestamp) -> Place {
        let key = (now, self.0.next.get());
        self.0.next.set(key.1 + 1);
        self.0.hosts.borrow_mut().insert(key, addr);
        Place { all: self.clone(), key }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.hosts.borrow().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.hosts.borrow().is_empty()
    }

    /// Those that began first, and when; at most `most`.
    pub fn slowest(&self, most: usize) -> Vec<(IpAddr, Timestamp)> {
        self.0.hosts.borrow().iter().take(most).map(|((began, _), addr)| (*addr, *began)).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.0.hosts.borrow_mut().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_began_first_is_the_slowest() {
        let all = UnderWay::default();
        let addr = |last| IpAddr::from([10, 0, 0, last]);
        let places: Vec<Place> =
            [(1, 30), (2, 10), (3, 10)].map(|(last, at)| all.begin(addr(last), Timestamp(at))).into();
        assert_eq!(all.slowest(2), [(addr(2), Timestamp(10)), (addr(3), Timestamp(10))]);
        drop(places);
        assert!(all.is_empty());
    }
}

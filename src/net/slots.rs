//! Slots for the sockets of scripts: in total, to one host, of one script. FIFO, one wake-up for each freed slot.
//!
//! Limits count sockets, not scripts. Time spent in a queue does not count against the script's own time, except for a
//! script that already holds a socket: it might hold the very one that another such script waits for, and its time-out
//! is what ends that.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::rc::Rc;

use crate::model::Usage;
use crate::runtime::{Clock, Permit, Semaphore};

/// How many sockets scripts may hold at once; unlimited where unset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotLimits {
    /// All scripts together.
    pub total: Option<usize>,
    /// To one host.
    pub per_host: Option<usize>,
    /// All instances of one script.
    pub per_script: Option<usize>,
}

/// The slots of a run; clones share them.
#[derive(Clone)]
pub struct Slots {
    total: Option<Semaphore>,
    hosts: Keyed<IpAddr>,
    scripts: Keyed<Rc<str>>,
}

/// The slots one socket holds; given back on drop.
pub struct Slot {
    _script: Option<KeyedPermit<Rc<str>>>,
    _host: Option<KeyedPermit<IpAddr>>,
    _total: Option<Permit>,
}

impl Slots {
    /// Free slots within `limits`.
    pub fn new(limits: SlotLimits) -> Slots {
        Slots {
            total: limits.total.map(|slots| Semaphore::new(slots.max(1))),
            hosts: Keyed::new(limits.per_host),
            scripts: Keyed::new(limits.per_script),
        }
    }

    /// Waits for a slot of every kind. The scarcest, the total, is taken last, so nobody sits on it while waiting for
    /// another.
    pub async fn acquire(&self, script: &Rc<str>, host: IpAddr, usage: &Rc<Usage>, clock: &Clock) -> Slot {
        let _queueing = (usage.sockets.get() == 0).then(|| Queueing::enter(usage, clock));
        let script = self.scripts.acquire(script).await;
        let host = self.hosts.acquire(&host).await;
        let total = match &self.total {
            Some(total) => Some(total.acquire().await),
            None => None,
        };
        Slot { _script: script, _host: host, _total: total }
    }
}

/// Marks a script as queueing while it lives.
struct Queueing {
    usage: Rc<Usage>,
    clock: Clock,
}

impl Queueing {
    fn enter(usage: &Rc<Usage>, clock: &Clock) -> Queueing {
        usage.begin_queueing(clock.now());
        Queueing { usage: Rc::clone(usage), clock: clock.clone() }
    }
}

impl Drop for Queueing {
    fn drop(&mut self) {
        self.usage.end_queueing(self.clock.now());
    }
}

/// One semaphore for each key in use.
struct Keyed<K> {
    limit: Option<usize>,
    semaphores: Rc<RefCell<HashMap<K, Semaphore>>>,
}

impl<K> Clone for Keyed<K> {
    fn clone(&self) -> Keyed<K> {
        Keyed { limit: self.limit, semaphores: Rc::clone(&self.semaphores) }
    }
}

struct KeyedPermit<K: Hash + Eq> {
    permit: Option<Permit>,
    key: K,
    semaphores: Rc<RefCell<HashMap<K, Semaphore>>>,
    limit: usize,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    fn new(limit: Option<usize>) -> Keyed<K> {
        Keyed { limit: limit.map(|limit| limit.max(1)), semaphores: Rc::default() }
    }

    async fn acquire(&self, key: &K) -> Option<KeyedPermit<K>> {
        let limit = self.limit?;
        let semaphore = {
            let mut semaphores = self.semaphores.borrow_mut();
            semaphores.entry(key.clone()).or_insert_with(|| Semaphore::new(limit)).clone()
        };
        let permit = semaphore.acquire().await;
        let (key, semaphores) = (key.clone(), Rc::clone(&self.semaphores));
        Some(KeyedPermit { permit: Some(permit), key, semaphores, limit })
    }
}

impl<K: Hash + Eq> Drop for KeyedPermit<K> {
    fn drop(&mut self) {
        self.permit = None;
        let mut semaphores = self.semaphores.borrow_mut();
        // Keys nobody uses are forgotten: memory follows what is under way, not what was scanned.
        if semaphores.get(&self.key).is_some_and(|one| one.free() == self.limit && one.waiting() == 0) {
            semaphores.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};
    use std::net::Ipv4Addr;
    use std::pin::pin;

    #[test]
    fn a_host_has_its_own_limit_and_idle_hosts_are_forgotten() {
        block_on(async {
            let slots = Slots::new(SlotLimits { per_host: Some(1), ..SlotLimits::default() });
            let (script, usage, clock) = (Rc::from("s"), Rc::new(Usage::default()), Clock::live());
            let (one, two) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
            let first = slots.acquire(&script, one, &usage, &clock).await;
            let other = slots.acquire(&script, two, &usage, &clock).await;
            let mut second = pin!(slots.acquire(&script, one, &usage, &clock));
            assert!(poll_once(&mut second).await.is_none());
            assert!(usage.queued(clock.now()).is_some());
            drop(first);
            let second = poll_once(&mut second).await;
            assert!(second.is_some());
            drop((second, other));
            assert!(slots.hosts.semaphores.borrow().is_empty());
        });
    }
}

//! Who holds slots and who waits for them.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Waker;

use crate::runtime::{Semaphore, Threads};

/// What a slot is of.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Pool {
    /// One script.
    Script(Rc<str>),
    /// One host.
    Host(IpAddr),
    /// All scripts together.
    Total,
}

/// A wait, by its age: the greater, the younger.
pub type Ticket = u64;

/// The books: pools in use, and the account of every instance that holds or waits.
#[derive(Default)]
pub struct Ledger {
    pools: HashMap<Pool, (Semaphore, usize)>,
    accounts: HashMap<usize, Account>,
    next_ticket: Ticket,
}

struct Account {
    threads: Threads,
    held: HashMap<Pool, usize>,
    waits: Vec<Wait>,
}

struct Wait {
    ticket: Ticket,
    pool: Pool,
    waker: Option<Waker>,
    /// It will never be served, and was told.
    failed: bool,
}

impl Account {
    /// Whether none of its threads can come on without a slot.
    fn waits(&self) -> bool {
        self.threads.all_wait(self.waits.len()) && !self.waits.iter().any(|wait| wait.failed)
    }

    fn wait(&mut self, ticket: Ticket) -> Option<&mut Wait> {
        self.waits.iter_mut().find(|wait| wait.ticket == ticket)
    }
}

impl Ledger {
    /// The semaphore of `pool`, which has `limit` slots, at least one.
    pub fn semaphore(&mut self, pool: &Pool, limit: usize) -> Semaphore {
        let limit = limit.max(1);
        self.pools.entry(pool.clone()).or_insert_with(|| (Semaphore::new(limit), limit)).0.clone()
    }

    fn account(&mut self, threads: &Threads) -> &mut Account {
        let new = || Account { threads: threads.clone(), held: HashMap::new(), waits: Vec::new() };
        self.accounts.entry(threads.id()).or_insert_with(new)
    }

    /// An instance took a slot.
    pub fn hold(&mut self, pool: &Pool, threads: &Threads) {
        *self.account(threads).held.entry(pool.clone()).or_default() += 1;
    }

    /// An instance gives a slot back.
    pub fn give_back(&mut self, pool: &Pool, threads: &Threads) {
        let account = self.account(threads);
        if let Some(count) = account.held.get_mut(pool) {
            *count -= 1;
            if *count == 0 {
                account.held.remove(pool);
            }
        }
        self.forget_idle(threads);
    }

    /// Forgets a pool nobody uses: memory follows what is under way, not what was scanned.
    pub fn tidy(&mut self, pool: &Pool) {
        if self.pools.get(pool).is_some_and(|(one, limit)| one.free() == *limit && one.waiting() == 0) {
            self.pools.remove(pool);
        }
    }

    /// A thread of an instance begins to wait.
    pub fn enter(&mut self, pool: &Pool, threads: &Threads) -> Ticket {
        self.next_ticket += 1;
        let wait = Wait { ticket: self.next_ticket, pool: pool.clone(), waker: None, failed: false };
        self.account(threads).waits.push(wait);
        self.next_ticket
    }

    /// It waits no longer.
    pub fn leave(&mut self, ticket: Ticket, threads: &Threads) {
        self.account(threads).waits.retain(|wait| wait.ticket != ticket);
        self.forget_idle(threads);
    }

    fn forget_idle(&mut self, threads: &Threads) {
        if self.accounts.get(&threads.id()).is_some_and(|account| account.held.is_empty() && account.waits.is_empty()) {
            self.accounts.remove(&threads.id());
        }
    }

    /// Whether a wait was told that it is pointless.
    pub fn has_failed(&mut self, ticket: Ticket, threads: &Threads) -> bool {
        self.account(threads).wait(ticket).is_some_and(|wait| wait.failed)
    }

    /// Looks whether the instance waits for slots that will never be free; if so, the youngest wait in that knot fails,
    /// and its waker is returned. Only one that holds slots can tie a knot.
    pub fn look(&mut self, ticket: Ticket, threads: &Threads, waker: &Waker) -> Option<Waker> {
        let account = self.account(threads);
        if let Some(wait) = account.wait(ticket) {
            wait.waker = Some(waker.clone());
        }
        if account.held.is_empty() || !account.waits() {
            return None;
        }
        let knot = self.knot();
        if !knot.contains(&threads.id()) {
            return None;
        }
        let waits = self.accounts.iter_mut().filter(|(id, _)| knot.contains(id)).flat_map(|(_, one)| &mut one.waits);
        let youngest = waits.max_by_key(|wait| wait.ticket)?;
        youngest.failed = true;
        youngest.waker.clone()
    }

    /// The holders of slots that all wait, and for nothing but slots of each other.
    fn knot(&self) -> HashSet<usize> {
        let holders = self.accounts.iter().filter(|(_, account)| !account.held.is_empty() && account.waits());
        let mut knot: HashSet<usize> = holders.map(|(id, _)| *id).collect();
        loop {
            let held = self.held_by(&knot);
            // A pool that is not all in the hands of the knot will have a free slot: its waiters come on.
            let hopeless = |wait: &Wait| {
                let all = self.pools.get(&wait.pool).map(|(_, limit)| *limit);
                all.is_some() && held.get(&wait.pool).copied() == all
            };
            let before = knot.len();
            knot.retain(|id| self.accounts.get(id).is_some_and(|account| account.waits.iter().all(hopeless)));
            if knot.len() == before {
                return knot;
            }
        }
    }

    fn held_by(&self, knot: &HashSet<usize>) -> HashMap<&Pool, usize> {
        let mut held = HashMap::new();
        for (pool, count) in knot.iter().filter_map(|id| self.accounts.get(id)).flat_map(|account| &account.held) {
            *held.entry(pool).or_default() += count;
        }
        held
    }

    /// Nothing held, nobody waiting.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.pools.is_empty() && self.accounts.is_empty()
    }
}

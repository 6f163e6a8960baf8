//! Mutexes and condition variables by key: FIFO, never lost to a dead waiter, deadlocks named.
//!
//! Owners are threads of scripts, known here by number only. Whoever runs them calls [`Locks::forget`] when one ends, in
//! whatever way: its mutexes go to the next in line, and waiters of condition variables it took part in wake.
//!
//! Who waits for another's end ([`Locks::await_end`]) stands in the same graph as who waits for a mutex, so circles of both
//! kinds are found before anybody waits in them.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Who holds or waits.
pub type Owner = u64;

/// Mutexes and condition variables of a run; clones share them.
pub struct Locks<K>(Rc<RefCell<Table<K>>>);

struct Table<K> {
    mutexes: HashMap<K, Mutex>,
    condvars: HashMap<K, Condvar>,
    /// What each owner waits for: the edges deadlocks are made of.
    waits: HashMap<Owner, For<K>>,
    held: HashMap<Owner, Vec<K>>,
    next_ticket: u64,
}

/// What an owner can wait for that another must bring about.
enum For<K> {
    /// That a mutex is handed over.
    Mutex(K),
    /// That another owner ends.
    End(Owner),
}

#[derive(Default)]
struct Mutex {
    holder: Option<Owner>,
    queue: VecDeque<Waiter>,
}

#[derive(Default)]
struct Condvar {
    queue: VecDeque<Waiter>,
    participants: HashSet<Owner>,
}

struct Waiter {
    ticket: u64,
    owner: Owner,
    waker: Waker,
    /// The lock or signal was handed to this waiter and waits to be picked up.
    granted: bool,
}

/// Why a lock operation is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockError {
    /// Waiting would never end: these owners wait for each other in a circle, the caller first.
    Deadlock(Vec<Owner>),
    /// The caller does not hold the mutex; who does, if anybody.
    NotHeld(Option<Owner>),
}

impl<K> Clone for Locks<K> {
    fn clone(&self) -> Locks<K> {
        Locks(Rc::clone(&self.0))
    }
}

impl<K> Default for Locks<K> {
    fn default() -> Locks<K> {
        Locks(Rc::new(RefCell::new(Table {
            mutexes: HashMap::new(),
            condvars: HashMap::new(),
            waits: HashMap::new(),
            held: HashMap::new(),
            next_ticket: 0,
        })))
    }
}

impl<K: Hash + Eq + Clone> Locks<K> {
    /// Locks the mutex `key` for `owner`, first come, first served. An error when that can never succeed.
    pub fn lock(&self, key: K, owner: Owner) -> Acquire<K> {
        Acquire { locks: self.clone(), key, owner, ticket: None, gives_up: false }
    }

    /// The same for a caller that will give up after a while: it keeps nobody waiting for ever, so it closes no circle.
    /// What it holds itself is refused at once.
    pub fn lock_for_a_while(&self, key: K, owner: Owner) -> Acquire<K> {
        Acquire { locks: self.clone(), key, owner, ticket: None, gives_up: true }
    }

    /// Locks it if it is free and nobody waits.
    pub fn try_lock(&self, key: &K, owner: Owner) -> bool {
        let mut table = self.0.borrow_mut();
        let free = table.mutexes.get(key).is_none_or(|mutex| mutex.holder.is_none());
        if free {
            table.take(key, owner);
        }
        free
    }

    /// Unlocks it; the next in line holds it from now on.
    pub fn unlock(&self, key: &K, owner: Owner) -> Result<(), LockError> {
        let waker = {
            let mut table = self.0.borrow_mut();
            let holder = table.mutexes.get(key).and_then(|mutex| mutex.holder);
            if holder != Some(owner) {
                return Err(LockError::NotHeld(holder));
            }
            table.hand_over(key)
        };
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Who holds it.
    pub fn holder(&self, key: &K) -> Option<Owner> {
        self.0.borrow().mutexes.get(key)?.holder
    }

    /// Waits for a signal on the condition variable `key`. May return without one when a participant ends.
    pub fn wait(&self, key: K, owner: Owner) -> Wait<K> {
        self.0.borrow_mut().condvars.entry(key.clone()).or_default().participants.insert(owner);
        Wait { locks: self.clone(), key, owner, ticket: None }
    }

    /// Wakes the one that waits longest; false when nobody waits.
    pub fn signal(&self, key: &K, owner: Owner) -> bool {
        self.wake(key, owner, 1) > 0
    }

    /// Wakes all that wait; how many.
    pub fn broadcast(&self, key: &K, owner: Owner) -> usize {
        self.wake(key, owner, usize::MAX)
    }

    fn wake(&self, key: &K, owner: Owner, most: usize) -> usize {
        let wakers = {
            let mut table = self.0.borrow_mut();
            let condvar = table.condvars.entry(key.clone()).or_default();
            condvar.participants.insert(owner);
            condvar.grant(most)
        };
        let woken = wakers.len();
        wakers.into_iter().for_each(Waker::wake);
        woken
    }

    /// Says that `owner` waits until `other` has ended, until the returned mark is dropped. An error when `other` waits,
    /// directly or through others, for `owner`.
    pub fn await_end(&self, other: Owner, owner: Owner) -> Result<AwaitsEnd<K>, LockError> {
        let mut table = self.0.borrow_mut();
        if let Some(circle) = table.circle(Some(other), owner) {
            return Err(LockError::Deadlock(circle));
        }
        table.waits.insert(owner, For::End(other));
        Ok(AwaitsEnd { locks: self.clone(), owner })
    }

    /// Forgets an owner that ended: releases what it held, wakes those who may have counted on it.
    pub fn forget(&self, owner: Owner) {
        let wakers: Vec<Waker> = {
            let mut table = self.0.borrow_mut();
            table.waits.remove(&owner);
            let held = table.held.remove(&owner).unwrap_or_default();
            let mut wakers: Vec<Waker> = held.iter().filter_map(|key| table.hand_over(key)).collect();
            table.condvars.retain(|_, condvar| {
                if condvar.participants.remove(&owner) {
                    wakers.extend(condvar.grant(usize::MAX));
                }
                !condvar.participants.is_empty()
            });
            wakers
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Nothing held, nobody waiting: what every run should come to.
    pub fn is_idle(&self) -> bool {
        let table = self.0.borrow();
        table.mutexes.is_empty() && table.condvars.is_empty() && table.waits.is_empty() && table.held.is_empty()
    }
}

impl Condvar {
    fn grant(&mut self, most: usize) -> Vec<Waker> {
        let waiting = self.queue.iter_mut().filter(|waiter| !waiter.granted).take(most);
        waiting
            .map(|waiter| {
                waiter.granted = true;
                waiter.waker.clone()
            })
            .collect()
    }
}

impl<K: Hash + Eq + Clone> Table<K> {
    fn take(&mut self, key: &K, owner: Owner) {
        self.mutexes.entry(key.clone()).or_default().holder = Some(owner);
        self.held.entry(owner).or_default().push(key.clone());
    }

    /// Takes the mutex from its holder and gives it to the next waiter, whose waker is returned.
    fn hand_over(&mut self, key: &K) -> Option<Waker> {
        let mutex = self.mutexes.get_mut(key)?;
        if let Some(holder) = mutex.holder.take()
            && let Some(held) = self.held.get_mut(&holder)
        {
            held.retain(|other| other != key);
            if held.is_empty() {
                self.held.remove(&holder);
            }
        }
        let Some(next) = mutex.queue.iter_mut().find(|waiter| !waiter.granted) else {
            self.mutexes.remove(key);
            return None;
        };
        next.granted = true;
        let (owner, waker) = (next.owner, next.waker.clone());
        self.take(key, owner);
        Some(waker)
    }

    /// Who must act before a wait for `what` is over.
    fn in_the_way(&self, what: &For<K>) -> Option<Owner> {
        match what {
            For::Mutex(key) => self.mutexes.get(key)?.holder,
            For::End(owner) => Some(*owner),
        }
    }

    /// The circle of owners that would close if `owner` waited for something that `first` must bring about.
    fn circle(&self, first: Option<Owner>, owner: Owner) -> Option<Vec<Owner>> {
        let mut circle = vec![owner];
        let mut next = first?;
        // Each step follows one owner's only wait; a path longer than the owners there are cannot exist.
        for _ in 0..=self.waits.len() {
            if next == owner {
                return Some(circle);
            }
            circle.push(next);
            next = self.in_the_way(self.waits.get(&next)?)?;
        }
        None
    }

    fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }
}

/// A place in a mutex's queue.
pub struct Acquire<K: Hash + Eq + Clone> {
    locks: Locks<K>,
    key: K,
    owner: Owner,
    ticket: Option<u64>,
    gives_up: bool,
}

impl<K: Hash + Eq + Clone + Unpin> Future for Acquire<K> {
    type Output = Result<(), LockError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let locks = self.locks.clone();
        let mut guard = locks.0.borrow_mut();
        let table = &mut *guard;
        let Some(ticket) = self.ticket else {
            if table.mutexes.get(&self.key).is_none_or(|mutex| mutex.holder.is_none()) {
                table.take(&self.key, self.owner);
                return Poll::Ready(Ok(()));
            }
            let holder = table.mutexes.get(&self.key).and_then(|mutex| mutex.holder);
            let may_end = self.gives_up && holder != Some(self.owner);
            if let Some(circle) = table.circle(holder, self.owner).filter(|_| !may_end) {
                return Poll::Ready(Err(LockError::Deadlock(circle)));
            }
            let waiter =
                Waiter { ticket: table.ticket(), owner: self.owner, waker: cx.waker().clone(), granted: false };
            self.ticket = Some(waiter.ticket);
            if !self.gives_up {
                table.waits.insert(self.owner, For::Mutex(self.key.clone()));
            }
            table.mutexes.entry(self.key.clone()).or_default().queue.push_back(waiter);
            return Poll::Pending;
        };
        let Some(mutex) = table.mutexes.get_mut(&self.key) else { return Poll::Pending };
        match mutex.queue.iter().position(|waiter| waiter.ticket == ticket) {
            Some(index) if mutex.queue[index].granted => {
                mutex.queue.remove(index);
                table.waits.remove(&self.owner);
                self.ticket = None;
                Poll::Ready(Ok(()))
            }
            Some(index) => {
                mutex.queue[index].waker.clone_from(cx.waker());
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }
}

impl<K: Hash + Eq + Clone> Drop for Acquire<K> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let waker = {
            let mut table = self.locks.0.borrow_mut();
            table.waits.remove(&self.owner);
            let Some(mutex) = table.mutexes.get_mut(&self.key) else { return };
            let index = mutex.queue.iter().position(|waiter| waiter.ticket == ticket);
            let removed = index.and_then(|index| mutex.queue.remove(index));
            // Granted to somebody who died before picking it up: the next in line gets it.
            removed.filter(|waiter| waiter.granted).and_then(|_| table.hand_over(&self.key))
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

/// Says that an owner waits for another's end, while it lives.
pub struct AwaitsEnd<K> {
    locks: Locks<K>,
    owner: Owner,
}

impl<K> Drop for AwaitsEnd<K> {
    fn drop(&mut self) {
        self.locks.0.borrow_mut().waits.remove(&self.owner);
    }
}

/// A place in a condition variable's queue.
pub struct Wait<K: Hash + Eq + Clone> {
    locks: Locks<K>,
    key: K,
    owner: Owner,
    ticket: Option<u64>,
}

impl<K: Hash + Eq + Clone + Unpin> Future for Wait<K> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let locks = self.locks.clone();
        let mut table = locks.0.borrow_mut();
        let Some(ticket) = self.ticket else {
            let waiter =
                Waiter { ticket: table.ticket(), owner: self.owner, waker: cx.waker().clone(), granted: false };
            self.ticket = Some(waiter.ticket);
            table.condvars.entry(self.key.clone()).or_default().queue.push_back(waiter);
            return Poll::Pending;
        };
        let Some(condvar) = table.condvars.get_mut(&self.key) else { return Poll::Ready(()) };
        match condvar.queue.iter().position(|waiter| waiter.ticket == ticket) {
            Some(index) if !condvar.queue[index].granted => {
                condvar.queue[index].waker.clone_from(cx.waker());
                Poll::Pending
            }
            Some(index) => {
                condvar.queue.remove(index);
                self.ticket = None;
                Poll::Ready(())
            }
            None => Poll::Ready(()),
        }
    }
}

impl<K: Hash + Eq + Clone> Drop for Wait<K> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let waker = {
            let mut table = self.locks.0.borrow_mut();
            let Some(condvar) = table.condvars.get_mut(&self.key) else { return };
            let index = condvar.queue.iter().position(|waiter| waiter.ticket == ticket);
            let removed = index.and_then(|index| condvar.queue.remove(index));
            // A signal meant for a dead waiter goes to the next.
            removed.filter(|waiter| waiter.granted).map(|_| condvar.grant(1)).unwrap_or_default()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};

    fn locked(locks: &Locks<&'static str>, owner: Owner) {
        assert_eq!(block_on(poll_once(locks.lock("m", owner))), Some(Ok(())));
    }

    #[test]
    fn a_mutex_is_handed_over_in_order() {
        block_on(async {
            let locks = Locks::default();
            locked(&locks, 1);
            let (mut second, mut third) = (locks.lock("m", 2), locks.lock("m", 3));
            assert!(poll_once(&mut second).await.is_none() && poll_once(&mut third).await.is_none());
            assert_eq!(locks.unlock(&"m", 2), Err(LockError::NotHeld(Some(1))));
            locks.unlock(&"m", 1).unwrap();
            assert_eq!(locks.holder(&"m"), Some(2));
            assert!(poll_once(&mut third).await.is_none());
            assert_eq!(poll_once(&mut second).await, Some(Ok(())));
            locks.forget(2);
            assert_eq!(poll_once(&mut third).await, Some(Ok(())));
            locks.unlock(&"m", 3).unwrap();
            assert!(locks.is_idle());
        });
    }

    #[test]
    fn a_waiter_that_dies_never_gets_the_lock() {
        block_on(async {
            let locks = Locks::default();
            locked(&locks, 1);
            let (mut second, mut third) = (locks.lock("m", 2), locks.lock("m", 3));
            assert!(poll_once(&mut second).await.is_none() && poll_once(&mut third).await.is_none());
            locks.unlock(&"m", 1).unwrap(); // granted to 2, which dies without picking it up
            drop(second);
            locks.forget(2);
            assert_eq!(poll_once(&mut third).await, Some(Ok(())));
        });
    }

    #[test]
    fn circles_are_named() {
        block_on(async {
            let locks = Locks::default();
            assert_eq!(poll_once(locks.lock("a", 1)).await, Some(Ok(())));
            assert_eq!(poll_once(locks.lock("a", 1)).await, Some(Err(LockError::Deadlock(vec![1]))));
            assert_eq!(poll_once(locks.lock("b", 2)).await, Some(Ok(())));
            let mut one = locks.lock("b", 1);
            assert!(poll_once(&mut one).await.is_none());
            assert_eq!(poll_once(locks.lock("a", 2)).await, Some(Err(LockError::Deadlock(vec![2, 1]))));
        });
    }

    #[test]
    fn waiting_for_an_end_closes_circles_too() {
        block_on(async {
            let locks: Locks<&str> = Locks::default();
            let deadlock = |circle: &[Owner]| Some(LockError::Deadlock(circle.to_vec()));
            let one = locks.await_end(2, 1).unwrap();
            assert_eq!(locks.await_end(1, 2).err(), deadlock(&[2, 1]));
            let two = locks.await_end(3, 2).unwrap();
            assert_eq!(locks.await_end(1, 3).err(), deadlock(&[3, 1, 2]));
            assert_eq!(locks.await_end(3, 3).err(), deadlock(&[3]));
            // 3 would wait for a mutex that 1 holds, and 1 waits for 2, which waits for 3.
            assert_eq!(poll_once(locks.lock("m", 1)).await, Some(Ok(())));
            assert_eq!(poll_once(locks.lock("m", 3)).await, Some(Err(LockError::Deadlock(vec![3, 1, 2]))));
            drop(two);
            let mut third = locks.lock("m", 3);
            assert!(poll_once(&mut third).await.is_none());
            assert_eq!(locks.await_end(3, 1).err(), deadlock(&[1, 3]), "an end and a mutex");
            drop(third);
            // One that gives up after a while ends no circle but its own.
            let mut patient = locks.lock_for_a_while("m", 3);
            assert!(poll_once(&mut patient).await.is_none());
            assert!(locks.await_end(3, 1).is_ok());
            assert_eq!(poll_once(locks.lock_for_a_while("m", 1)).await.and_then(Result::err), deadlock(&[1]));
            drop((one, patient));
            locks.forget(1);
            assert!(locks.is_idle());
        });
    }

    #[test]
    fn signals_wake_the_longest_waiter_and_survive_its_death() {
        block_on(async {
            let locks: Locks<&str> = Locks::default();
            let (mut one, mut two) = (locks.wait("c", 1), locks.wait("c", 2));
            assert!(poll_once(&mut one).await.is_none() && poll_once(&mut two).await.is_none());
            assert!(locks.signal(&"c", 3));
            drop(one); // it was signalled and died: the signal goes on
            assert!(poll_once(&mut two).await.is_some());
            let mut again = locks.wait("c", 2);
            assert!(poll_once(&mut again).await.is_none());
            locks.forget(3); // a participant ended: everybody looks again
            assert!(poll_once(&mut again).await.is_some());
            locks.forget(1);
            locks.forget(2);
            assert!(locks.is_idle());
        });
    }
}

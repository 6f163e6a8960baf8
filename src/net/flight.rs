//! One piece of work for many who want the same result at the same time.
//!
//! Nobody spawns anything: whoever waits polls the shared work, and when that one goes away, another carries on. The
//! work ends when the last one leaves.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Work in progress by key.
pub(in crate::net) struct Flights<K, T>(Rc<RefCell<HashMap<K, Weak<Flight<T>>>>>);

struct Flight<T> {
    work: RefCell<Work<T>>,
    waiters: Arc<Waiters>,
}

enum Work<T> {
    Running(Pin<Box<dyn Future<Output = T>>>),
    Done(T),
}

/// Wakes everybody who waits for the work. Behind a mutex because wakers may be called from any thread.
#[derive(Default)]
struct Waiters(Mutex<(u64, BTreeMap<u64, Waker>)>);

impl Waiters {
    fn enter(&self) -> u64 {
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.0 += 1;
        waiters.0
    }

    fn set(&self, id: u64, waker: Option<&Waker>) {
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match waker {
            Some(waker) => waiters.1.insert(id, waker.clone()),
            None => waiters.1.remove(&id),
        };
    }
}

impl Wake for Waiters {
    fn wake(self: Arc<Self>) {
        let wakers = std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).1);
        wakers.into_values().for_each(Waker::wake);
    }
}

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Flights(Rc::default())
    }
}

impl<K: Clone + Eq + Hash, T: Clone> Flights<K, T> {
    /// Joins the work in progress for `key`, or starts it.
    pub fn join<F: Future<Output = T> + 'static>(&self, key: K, start: impl FnOnce() -> F) -> Joined<K, T> {
        let running = self.0.borrow().get(&key).and_then(Weak::upgrade);
        let flight = running.unwrap_or_else(|| {
            let work = RefCell::new(Work::Running(Box::pin(start())));
            let flight = Rc::new(Flight { work, waiters: Arc::default() });
            self.0.borrow_mut().insert(key.clone(), Rc::downgrade(&flight));
            flight
        });
        let id = flight.waiters.enter();
        Joined { flights: Rc::clone(&self.0), key, flight, id }
    }
}

/// One who waits for a piece of work.
pub(in crate::net) struct Joined<K: Eq + Hash, T> {
    flights: Rc<RefCell<HashMap<K, Weak<Flight<T>>>>>,
    key: K,
    flight: Rc<Flight<T>>,
    id: u64,
}

impl<K: Eq + Hash + Unpin, T: Clone> Future for Joined<K, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let flight = &self.flight;
        let mut work = flight.work.borrow_mut();
        let value = match &mut *work {
            Work::Done(value) => return Poll::Ready(value.clone()),
            Work::Running(future) => {
                flight.waiters.set(self.id, Some(cx.waker()));
                let waker = Waker::from(Arc::clone(&flight.waiters));
                match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(value) => value,
                    Poll::Pending => return Poll::Pending,
                }
            }
        };
        *work = Work::Done(value.clone());
        drop(work);
        self.flights.borrow_mut().remove(&self.key);
        Arc::clone(&flight.waiters).wake();
        Poll::Ready(value)
    }
}

impl<K: Eq + Hash, T> Drop for Joined<K, T> {
    fn drop(&mut self) {
        self.flight.waiters.set(self.id, None);
        let mut flights = self.flights.borrow_mut();
        let last = Rc::strong_count(&self.flight) == 1;
        let ours = flights.get(&self.key).is_some_and(|known| std::ptr::eq(known.as_ptr(), Rc::as_ptr(&self.flight)));
        if last && ours {
            flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};
    use std::cell::Cell;

    #[test]
    fn the_work_is_done_once_and_survives_its_first_waiter() {
        block_on(async {
            let flights = Flights::<u8, u32>::default();
            let (started, gate) = (Rc::new(Cell::new(0)), crate::runtime::Semaphore::new(0));
            let join = || {
                let (started, gate) = (Rc::clone(&started), gate.clone());
                flights.join(1, move || async move {
                    started.set(started.get() + 1);
                    let _permit = gate.acquire().await;
                    42
                })
            };
            let (mut first, mut second) = (join(), join());
            assert!(poll_once(&mut first).await.is_none());
            assert!(poll_once(&mut second).await.is_none());
            drop(first);
            assert!(poll_once(&mut second).await.is_none());
            drop(second);
            assert!(flights.0.borrow().is_empty(), "abandoned work is forgotten");
            assert_eq!(started.get(), 1);
        });
    }

    #[test]
    fn everybody_gets_the_result() {
        block_on(async {
            let flights = Flights::<u8, u32>::default();
            let mut first = flights.join(1, || async {
                futures_lite::future::yield_now().await;
                7
            });
            let second = flights.join(1, || async { 8 });
            assert!(poll_once(&mut first).await.is_none());
            assert_eq!(second.await, 7);
            assert_eq!(first.await, 7);
            assert!(flights.0.borrow().is_empty());
        });
    }
}

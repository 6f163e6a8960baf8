//! A counting semaphore: FIFO, one wake-up per freed slot, nothing lost when a waiter dies.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A number of slots; clones share them.
#[derive(Clone)]
pub struct Semaphore(Rc<RefCell<Slots>>);

struct Slots {
    free: usize,
    next_ticket: u64,
    queue: VecDeque<Waiter>,
}

struct Waiter {
    ticket: u64,
    waker: Waker,
    /// The slot was handed to this waiter and waits to be picked up.
    granted: bool,
}

/// One taken slot, given back on drop.
pub struct Permit(Semaphore);

impl Semaphore {
    /// A semaphore with `slots` free slots.
    pub fn new(slots: usize) -> Semaphore {
        Semaphore(Rc::new(RefCell::new(Slots { free: slots, next_ticket: 0, queue: VecDeque::new() })))
    }

    /// Waits for a slot, first come, first served.
    pub fn acquire(&self) -> Acquire {
        Acquire { semaphore: self.clone(), ticket: None }
    }

    /// A slot if one is free and nobody waits for it.
    pub fn try_acquire(&self) -> Option<Permit> {
        let mut slots = self.0.borrow_mut();
        if slots.free == 0 {
            return None;
        }
        slots.free -= 1;
        Some(Permit(self.clone()))
    }

    /// Waiters in the queue.
    pub fn waiting(&self) -> usize {
        self.0.borrow().queue.len()
    }

    /// Free slots.
    pub fn free(&self) -> usize {
        self.0.borrow().free
    }

    fn release(&self) {
        let waker = {
            let mut slots = self.0.borrow_mut();
            if let Some(waiter) = slots.queue.iter_mut().find(|waiter| !waiter.granted) {
                waiter.granted = true;
                Some(waiter.waker.clone())
            } else {
                slots.free += 1;
                None
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Permit {
    /// Whether it is a slot of `semaphore`.
    pub fn is_of(&self, semaphore: &Semaphore) -> bool {
        Rc::ptr_eq(&self.0.0, &semaphore.0)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// A place in the queue.
pub struct Acquire {
    semaphore: Semaphore,
    ticket: Option<u64>,
}

impl Future for Acquire {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        let semaphore = self.semaphore.clone();
        let mut slots = semaphore.0.borrow_mut();
        let Some(ticket) = self.ticket else {
            if slots.free > 0 {
                slots.free -= 1;
                return Poll::Ready(Permit(semaphore.clone()));
            }
            let ticket = slots.next_ticket;
            slots.next_ticket += 1;
            slots.queue.push_back(Waiter { ticket, waker: cx.waker().clone(), granted: false });
            self.ticket = Some(ticket);
            return Poll::Pending;
        };
        match slots.queue.iter().position(|waiter| waiter.ticket == ticket) {
            Some(index) if slots.queue[index].granted => {
                slots.queue.remove(index);
                self.ticket = None;
                Poll::Ready(Permit(semaphore.clone()))
            }
            Some(index) => {
                slots.queue[index].waker.clone_from(cx.waker());
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut slots = self.semaphore.0.borrow_mut();
        let removed =
            slots.queue.iter().position(|waiter| waiter.ticket == ticket).and_then(|index| slots.queue.remove(index));
        drop(slots);
        if removed.is_some_and(|waiter| waiter.granted) {
            self.semaphore.release(); // the slot meant for us goes to the next
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};

    #[test]
    fn slots_are_handed_over_first_come_first_served() {
        block_on(async {
            let semaphore = Semaphore::new(1);
            let held = semaphore.acquire().await;
            let mut first = semaphore.acquire();
            let mut second = semaphore.acquire();
            assert!(poll_once(&mut first).await.is_none());
            assert!(poll_once(&mut second).await.is_none());
            drop(held);
            assert!(poll_once(&mut second).await.is_none());
            let permit = poll_once(&mut first).await;
            assert!(permit.is_some());
            drop(permit);
            assert!(poll_once(&mut second).await.is_some());
        });
    }

    #[test]
    fn a_dead_waiter_loses_no_slot() {
        block_on(async {
            let semaphore = Semaphore::new(1);
            let held = semaphore.acquire().await;
            let mut first = semaphore.acquire();
            assert!(poll_once(&mut first).await.is_none());
            drop(held); // granted to `first`, which dies without picking it up
            drop(first);
            assert_eq!((semaphore.free(), semaphore.waiting()), (1, 0));
        });
    }
}

//! How many questions one server is asked at the same time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::model::Timestamp;
use crate::runtime::{Permit, Semaphore};

const START: usize = 10;
const FLOOR: usize = 10;
const CEILING: usize = 100;
/// Below this a saturated window grows with every reply, above it only with time.
const THRESHOLD: usize = 55;
const STEP: usize = 2;
/// Time without loss after which the window grows.
const CALM: Duration = Duration::from_millis(500);

/// A window that grows with replies and shrinks with loss. Waiters are served in their order.
#[derive(Clone)]
pub(super) struct Window(Rc<Inner>);

struct Inner {
    /// As many slots as the window can ever have; those above the capacity are `held` back.
    slots: Semaphore,
    state: RefCell<State>,
}

struct State {
    capacity: usize,
    held: Vec<Permit>,
    /// Slots to hold back as soon as they come free.
    debt: usize,
    calm_since: Timestamp,
}

/// One question's place in the window.
pub(super) struct Slot {
    window: Window,
    permit: Option<Permit>,
}

impl Window {
    pub fn new(now: Timestamp) -> Window {
        let slots = Semaphore::new(CEILING);
        let held = (START..CEILING).filter_map(|_| slots.try_acquire()).collect();
        let state = State { capacity: START, held, debt: 0, calm_since: now };
        Window(Rc::new(Inner { slots, state: RefCell::new(state) }))
    }

    /// Waits for a place.
    pub async fn acquire(&self) -> Slot {
        let permit = self.0.slots.acquire().await;
        Slot { window: self.clone(), permit: Some(permit) }
    }

    /// Whether a newcomer would have to wait.
    pub fn is_saturated(&self) -> bool {
        self.0.slots.free() == 0
    }

    /// A reply came.
    pub fn replied(&self, now: Timestamp) {
        let (capacity, calm_since) = {
            let state = self.0.state.borrow();
            (state.capacity, state.calm_since)
        };
        if self.is_saturated() && capacity < THRESHOLD {
            self.resize(capacity + STEP);
        } else if now.since(calm_since) >= CALM {
            self.0.state.borrow_mut().calm_since = now;
            self.resize(capacity + STEP);
        }
    }

    /// The first try of a question went unanswered.
    pub fn lost(&self, now: Timestamp) {
        self.shrink(7, now);
    }

    /// All tries of a question went unanswered, and it moved to another server.
    pub fn abandoned(&self, now: Timestamp) {
        self.shrink(4, now);
    }

    fn shrink(&self, tenths: usize, now: Timestamp) {
        let capacity = {
            let mut state = self.0.state.borrow_mut();
            state.calm_since = now;
            state.capacity
        };
        self.resize(capacity * tenths / 10);
    }

    fn resize(&self, capacity: usize) {
        let capacity = capacity.clamp(FLOOR, CEILING);
        let mut freed = Vec::new(); // released after the borrow: a release wakes a waiter
        let mut state = self.0.state.borrow_mut();
        while state.capacity < capacity {
            state.capacity += 1;
            if state.debt > 0 {
                state.debt -= 1;
            } else {
                freed.extend(state.held.pop());
            }
        }
        while state.capacity > capacity {
            state.capacity -= 1;
            match self.0.slots.try_acquire() {
                Some(permit) => state.held.push(permit),
                None => state.debt += 1,
            }
        }
        drop(state);
        drop(freed);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.window.0.state.borrow_mut();
        if state.debt > 0 {
            state.debt -= 1;
            state.held.extend(self.permit.take());
        }
        drop(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};

    fn capacity(window: &Window) -> usize {
        window.0.state.borrow().capacity
    }

    #[test]
    fn a_saturated_window_grows_with_every_reply_and_shrinks_with_loss() {
        let now = Timestamp(0);
        let window = Window::new(now);
        block_on(async {
            let mut slots = Vec::new();
            for _ in 0..START {
                slots.push(window.acquire().await);
            }
            let mut waiter = Box::pin(window.acquire());
            assert!(poll_once(&mut waiter).await.is_none());
            window.replied(now);
            assert_eq!(capacity(&window), 12);
            assert!(poll_once(&mut waiter).await.is_some());
            while capacity(&window) < 40 {
                slots.push(window.acquire().await);
                window.replied(now);
            }
            window.lost(now);
            assert_eq!(capacity(&window), 28);
            window.abandoned(now);
            assert_eq!(capacity(&window), 11);
            slots.clear();
            assert_eq!(window.0.slots.free(), 11);
        });
    }

    #[test]
    fn a_calm_window_grows_with_time_up_to_its_ceiling() {
        let window = Window::new(Timestamp(0));
        window.replied(Timestamp(499_000_000));
        assert_eq!(capacity(&window), 10);
        for half in 1..=60u64 {
            window.replied(Timestamp(half * 500_000_000));
        }
        assert_eq!(capacity(&window), CEILING);
        assert_eq!(window.0.slots.free(), CEILING);
    }
}

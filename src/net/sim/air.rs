//! Packets on their way to us: one queue in the order of time, and one task that hands over what is due.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use crate::capture::{Direction, Dispatcher, Frame};
use crate::model::{Interface, LinkType, Timestamp};
use crate::runtime::{Clock, Sleep};

/// Packets are handed over in batches, as a ring of the kernel hands over its blocks; each bears the time it arrived at.
const BATCH: u64 = 100_000;
/// Packets handed over before others get a turn.
const TURN: usize = 256;

/// What is on its way.
pub struct Air {
    clock: Clock,
    interface: Rc<Interface>,
    /// Who gets it.
    pub dispatcher: Dispatcher,
    coming: RefCell<BinaryHeap<Reverse<Coming>>>,
    sent: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

/// A frame and when it arrives; of those that arrive at once the first sent is the first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Coming {
    at: Timestamp,
    number: u64,
    frame: Vec<u8>,
}

impl Air {
    /// Nothing is on its way to `interface`.
    pub fn new(clock: Clock, interface: Rc<Interface>) -> Air {
        Air {
            clock,
            interface,
            dispatcher: Dispatcher::new(),
            coming: RefCell::default(),
            sent: Cell::default(),
            waker: RefCell::default(),
        }
    }

    /// Lets `frame` arrive at `at`.
    pub fn push(&self, at: Timestamp, frame: Vec<u8>) {
        let number = self.sent.get();
        self.sent.set(number + 1);
        let mut coming = self.coming.borrow_mut();
        let is_first = coming.peek().is_none_or(|Reverse(first)| batch(at) < batch(first.at));
        coming.push(Reverse(Coming { at, number, frame }));
        drop(coming);
        if is_first && let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Shows `frame`, which we sent just now, to whoever wants to see such.
    pub fn show_sent(&self, frame: &[u8]) {
        self.dispatch(self.clock.now(), Direction::Out, frame);
    }

    /// Hands over what is due, for ever.
    pub async fn hand_over(self: Rc<Self>) {
        let mut alarm = None;
        poll_fn(|cx| self.poll_hand_over(cx, &mut alarm)).await;
    }

    fn poll_hand_over(&self, cx: &mut Context<'_>, alarm: &mut Option<(Timestamp, Sleep)>) -> Poll<()> {
        loop {
            if !self.hand_over_due() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            let next = self.coming.borrow().peek().map(|Reverse(first)| batch(first.at));
            let Some(next) = next else { return Poll::Pending };
            let (at, sleep) = alarm.get_or_insert_with(|| (next, self.clock.sleep_until(next)));
            if *at != next {
                (*at, *sleep) = (next, self.clock.sleep_until(next));
            }
            ready!(Pin::new(sleep).poll(cx));
        }
    }

    /// False if there is more than a turn's worth.
    fn hand_over_due(&self) -> bool {
        let now = self.clock.now();
        for _ in 0..TURN {
            let mut coming = self.coming.borrow_mut();
            let Some(first) = coming.peek_mut().filter(|first| batch(first.0.at) <= now) else { return true };
            let Coming { at, frame, .. } = std::collections::binary_heap::PeekMut::pop(first).0;
            drop(coming);
            self.dispatch(at, Direction::In, &frame);
        }
        false
    }

    fn dispatch(&self, at: Timestamp, direction: Direction, frame: &[u8]) {
        self.dispatcher.dispatch(&Frame {
            at,
            interface: &self.interface,
            link: LinkType::Ethernet,
            direction,
            wire_len: frame.len() as u32,
            bytes: frame,
        });
    }
}

/// When what arrives at `at` is handed over.
fn batch(at: Timestamp) -> Timestamp {
    Timestamp(at.0.div_ceil(BATCH) * BATCH)
}

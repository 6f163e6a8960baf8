//! One subscription: a bounded queue of packets, and what became of those that did not get in.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::dispatcher::Dispatcher;
use super::known::KnownFilter;
use super::{Captured, Frame, Interest};
use crate::model::NetError;

/// Bytes a queue holds, whatever number of packets was asked for. One packet always fits.
pub const QUEUE_BYTES: usize = 8 << 20;

/// What became of the packets a subscription wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Put into its queue.
    pub delivered: u64,
    /// Dropped because its queue was full.
    pub dropped: u64,
    /// Lost by the kernel on its interface while it was subscribed, wanted by it or by others.
    pub lost: u64,
}

/// Packets somebody asked for, as they come. Dropping it unsubscribes.
pub struct Subscription {
    shared: Rc<Shared>,
    dispatcher: Dispatcher,
}

impl Subscription {
    pub(super) fn new(shared: Rc<Shared>, dispatcher: Dispatcher) -> Subscription {
        Subscription { shared, dispatcher }
    }

    /// The next packet, waiting for one. An error when there will be none: the interface is gone.
    pub fn next(&self) -> impl Future<Output = Result<Captured, NetError>> + 'static {
        let shared = Rc::clone(&self.shared);
        poll_fn(move |cx| shared.poll(cx, Queue::take))
    }

    /// Up to `most` packets, in order, waiting for the first. Errors as [`Subscription::next`].
    pub fn batch(&self, most: usize) -> impl Future<Output = Result<Vec<Captured>, NetError>> + 'static {
        let shared = Rc::clone(&self.shared);
        poll_fn(move |cx| {
            shared.poll(cx, |queue| {
                let first = queue.take()?;
                let mut packets = Vec::with_capacity(most.min(1 + queue.packets.len()));
                packets.push(first);
                while packets.len() < most {
                    let Some(packet) = queue.take() else { break };
                    packets.push(packet);
                }
                Some(packets)
            })
        })
    }

    /// The next packet if there is one already.
    pub fn try_next(&self) -> Option<Captured> {
        self.shared.queue.borrow_mut().take()
    }

    /// Ends it for all who wait for its packets, with `error`; what is in its queue is gone.
    pub fn close(&self, error: &NetError) {
        let mut woken = Vec::new();
        self.shared.queue.borrow_mut().clear();
        self.shared.end(error, &mut woken);
        woken.into_iter().for_each(Waker::wake);
    }

    /// What became of its packets so far.
    pub fn counters(&self) -> Counters {
        self.dispatcher.collect_losses();
        self.shared.queue.borrow().counters
    }

    /// What it is subscribed to.
    pub fn interest(&self) -> &Interest {
        &self.shared.interest
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.dispatcher.unsubscribe(&self.shared);
    }
}

/// What the dispatcher and the subscriber share.
pub(super) struct Shared {
    /// Ascending in the order of subscription.
    pub(super) id: u64,
    pub(super) interest: Interest,
    /// Number of the last packet looked at: one that names two of its hosts is still one packet.
    pub(super) looked_at: Cell<u64>,
    pub(super) filter: Option<Rc<KnownFilter>>,
    queue: RefCell<Queue>,
}

#[derive(Default)]
struct Queue {
    packets: VecDeque<Captured>,
    bytes: usize,
    counters: Counters,
    /// Woken at every packet. Waiters are few, so each looks for itself.
    waiters: Vec<Waker>,
    ended: Option<NetError>,
}

impl Queue {
    fn clear(&mut self) {
        self.packets = VecDeque::new();
        self.bytes = 0;
    }

    fn take(&mut self) -> Option<Captured> {
        let packet = self.packets.pop_front()?;
        self.bytes = self.bytes.saturating_sub(packet.bytes.len());
        Some(packet)
    }
}

impl Shared {
    pub(super) fn new(id: u64, interest: Interest, filter: Option<Rc<KnownFilter>>) -> Shared {
        Shared { id, interest, looked_at: Cell::new(0), filter, queue: RefCell::default() }
    }

    /// Whether its filter lets `frame` pass.
    pub(super) fn passes(&self, frame: &Frame<'_>) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.passes(frame))
    }

    /// Whether nothing more may be put into its queue.
    pub(super) fn is_ended(&self) -> bool {
        self.queue.borrow().ended.is_some()
    }

    /// Whether another packet of `length` bytes has room; if not, it counts as dropped.
    pub(super) fn has_room(&self, length: usize) -> bool {
        let mut queue = self.queue.borrow_mut();
        let few = queue.packets.len() < self.interest.queue.max(1);
        let small = queue.packets.is_empty() || queue.bytes + length <= QUEUE_BYTES;
        if few && small {
            return true;
        }
        queue.counters.dropped += 1;
        false
    }

    /// Appends `packet` and hands over whom to wake.
    pub(super) fn push(&self, packet: Captured, woken: &mut Vec<Waker>) {
        let mut queue = self.queue.borrow_mut();
        queue.bytes += packet.bytes.len();
        queue.packets.push_back(packet);
        queue.counters.delivered += 1;
        woken.append(&mut queue.waiters);
    }

    /// The kernel lost `packets` where it listens.
    pub(super) fn count_lost(&self, packets: u64) {
        self.queue.borrow_mut().counters.lost += packets;
    }

    /// No more packets will come, because of `error`.
    pub(super) fn end(&self, error: &NetError, woken: &mut Vec<Waker>) {
        let mut queue = self.queue.borrow_mut();
        queue.ended.get_or_insert_with(|| error.clone());
        woken.append(&mut queue.waiters);
    }

    fn poll<T>(&self, cx: &mut Context<'_>, take: impl FnOnce(&mut Queue) -> Option<T>) -> Poll<Result<T, NetError>> {
        let mut queue = self.queue.borrow_mut();
        if let Some(taken) = take(&mut queue) {
            return Poll::Ready(Ok(taken));
        }
        if let Some(error) = &queue.ended {
            return Poll::Ready(Err(error.clone()));
        }
        if !queue.waiters.iter().any(|known| known.will_wake(cx.waker())) {
            queue.waiters.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

//! A bounded queue between threads: FIFO on both sides, one wake-up for each value, closable, nothing lost when a waiter dies.
//!
//! A value that is put while somebody waits for one is set aside for the one that waits longest, and nobody else is
//! woken. A taker that dies before it picks its value up leaves it to the next.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A queue of at most so many values; clones share it.
pub struct Channel<T>(Rc<RefCell<Queue<T>>>);

struct Queue<T> {
    values: VecDeque<T>,
    capacity: usize,
    closed: bool,
    next_ticket: u64,
    takers: VecDeque<Waiter<()>>,
    /// So many takers, from the first on, were woken: a value is there for each.
    called: usize,
    /// With what they want to put.
    putters: VecDeque<Waiter<T>>,
}

/// Somebody in line.
struct Waiter<V> {
    ticket: u64,
    waker: Waker,
    value: V,
}

impl<T> Clone for Channel<T> {
    fn clone(&self) -> Channel<T> {
        Channel(Rc::clone(&self.0))
    }
}

impl<T> Channel<T> {
    /// An empty queue for `capacity` values, at least one.
    pub fn new(capacity: usize) -> Channel<T> {
        Channel(Rc::new(RefCell::new(Queue {
            values: VecDeque::new(),
            capacity: capacity.max(1),
            closed: false,
            next_ticket: 0,
            takers: VecDeque::new(),
            called: 0,
            putters: VecDeque::new(),
        })))
    }

    /// Appends `value`, waiting for room, first come, first served; gives it back when the channel is closed.
    pub fn put(&self, value: T) -> Put<T> {
        Put { channel: self.clone(), value: Some(value), ticket: None }
    }

    /// Takes the first value, waiting for one, first come, first served; none when the channel is closed and empty.
    pub fn take(&self) -> Take<T> {
        Take { channel: self.clone(), ticket: None }
    }

    /// Ends it: what is in it can still be taken, nothing can be put.
    pub fn close(&self) {
        let woken: Vec<Waker> = {
            let mut queue = self.0.borrow_mut();
            queue.closed = true;
            let takers = queue.takers.iter().map(|waiter| waiter.waker.clone());
            takers.chain(queue.putters.iter().map(|waiter| waiter.waker.clone())).collect()
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// Values in it.
    pub fn len(&self) -> usize {
        self.0.borrow().values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Queue<T> {
    fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// Fills the room there is from the line of putters, then calls a taker for each value nobody was called for.
    fn settle(&mut self) -> Vec<Waker> {
        let mut woken = Vec::new();
        while !self.closed
            && self.values.len() < self.capacity
            && let Some(putter) = self.putters.pop_front()
        {
            self.values.push_back(putter.value);
            woken.push(putter.waker);
        }
        while self.called < self.values.len()
            && let Some(taker) = self.takers.get(self.called)
        {
            woken.push(taker.waker.clone());
            self.called += 1;
        }
        woken
    }

    /// Takes a taker out of its line.
    fn leave(&mut self, index: Option<usize>) {
        if let Some(index) = index {
            self.takers.remove(index);
            self.called -= usize::from(index < self.called);
        }
    }
}

/// Where the holder of `ticket` stands in `line`.
fn place<V>(line: &VecDeque<Waiter<V>>, ticket: u64) -> Option<usize> {
    line.iter().position(|waiter| waiter.ticket == ticket)
}

/// A value on its way in.
pub struct Put<T> {
    channel: Channel<T>,
    value: Option<T>,
    ticket: Option<u64>,
}

impl<T: Unpin> Future for Put<T> {
    type Output = Result<(), T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let channel = self.channel.clone();
        let mut queue = channel.0.borrow_mut();
        if let Some(ticket) = self.ticket {
            // Whoever is no longer in line has put its value.
            let Some(index) = place(&queue.putters, ticket) else {
                self.ticket = None;
                return Poll::Ready(Ok(()));
            };
            if !queue.closed {
                queue.putters[index].waker.clone_from(cx.waker());
                return Poll::Pending;
            }
            self.ticket = None;
            return queue.putters.remove(index).map_or(Poll::Pending, |putter| Poll::Ready(Err(putter.value)));
        }
        let Some(value) = self.value.take() else { return Poll::Pending };
        if queue.closed {
            return Poll::Ready(Err(value));
        }
        if queue.values.len() >= queue.capacity {
            let ticket = queue.ticket();
            queue.putters.push_back(Waiter { ticket, waker: cx.waker().clone(), value });
            self.ticket = Some(ticket);
            return Poll::Pending;
        }
        queue.values.push_back(value);
        let woken = queue.settle();
        drop(queue);
        woken.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

impl<T> Drop for Put<T> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let removed = {
            let mut queue = self.channel.0.borrow_mut();
            let index = place(&queue.putters, ticket);
            index.and_then(|index| queue.putters.remove(index))
        };
        drop(removed); // its value may itself hold an end of this channel
    }
}

/// A place in the line for a value.
pub struct Take<T> {
    channel: Channel<T>,
    ticket: Option<u64>,
}

impl<T> Future for Take<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let channel = self.channel.clone();
        let mut queue = channel.0.borrow_mut();
        let index = self.ticket.and_then(|ticket| place(&queue.takers, ticket));
        let called = index.is_some_and(|index| index < queue.called);
        // Who comes anew takes only what nobody was called for.
        let free = index.is_none() && queue.called < queue.values.len();
        if !called && !free && !queue.closed {
            if let Some(index) = index {
                queue.takers[index].waker.clone_from(cx.waker());
            } else {
                let ticket = queue.ticket();
                queue.takers.push_back(Waiter { ticket, waker: cx.waker().clone(), value: () });
                self.ticket = Some(ticket);
            }
            return Poll::Pending;
        }
        self.ticket = None;
        queue.leave(index);
        let value = if called || free { queue.values.pop_front() } else { None };
        let woken = queue.settle();
        drop(queue);
        woken.into_iter().for_each(Waker::wake);
        Poll::Ready(value)
    }
}

impl<T> Drop for Take<T> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let woken = {
            let mut queue = self.channel.0.borrow_mut();
            let index = place(&queue.takers, ticket);
            queue.leave(index);
            queue.settle() // the value it was called for is there for the next
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[test]
    fn values_pass_in_order_and_a_full_channel_makes_wait() {
        block_on(async {
            let channel = Channel::new(1);
            assert_eq!(channel.put(1).await, Ok(()));
            let mut second = channel.put(2);
            assert!(poll_once(&mut second).await.is_none());
            assert_eq!(channel.take().await, Some(1));
            assert_eq!(second.await, Ok(()));
            let mut third = channel.put(3);
            assert!(poll_once(&mut third).await.is_none());
            channel.close();
            assert_eq!((third.await, channel.put(4).await), (Err(3), Err(4)));
            assert_eq!((channel.take().await, channel.take().await), (Some(2), None));
        });
    }

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Polls `future` with a waker that counts.
    fn poll_with<F: Future + Unpin>(future: &mut F, bell: &Arc<Bell>) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(&Waker::from(Arc::clone(bell))))
    }

    #[test]
    fn one_value_wakes_one_taker_the_one_that_waits_longest() {
        let channel = Channel::new(8);
        let bells: Vec<Arc<Bell>> = (0..3).map(|_| Arc::default()).collect();
        let mut takers: Vec<Take<i32>> = (0..3).map(|_| channel.take()).collect();
        for (taker, bell) in takers.iter_mut().zip(&bells) {
            assert!(poll_with(taker, bell).is_pending());
        }
        let rung = || bells.iter().map(|bell| bell.0.load(Ordering::Relaxed)).collect::<Vec<_>>();
        assert_eq!(block_on(channel.put(1)), Ok(()));
        assert_eq!(rung(), [1, 0, 0]);
        // Somebody who comes later does not get what another was woken for.
        assert!(poll_with(&mut channel.take(), &bells[2]).is_pending());
        assert_eq!(block_on(channel.put(2)), Ok(()));
        assert_eq!(rung(), [1, 1, 0]);
        assert_eq!(poll_with(&mut takers[0], &bells[0]), Poll::Ready(Some(1)));
        assert_eq!(poll_with(&mut takers[1], &bells[1]), Poll::Ready(Some(2)));
        assert_eq!(rung(), [1, 1, 0]);
    }

    #[test]
    fn one_room_wakes_one_putter_and_they_come_in_order() {
        let channel = Channel::new(1);
        assert_eq!(block_on(channel.put(0)), Ok(()));
        let bells: Vec<Arc<Bell>> = (0..3).map(|_| Arc::default()).collect();
        let mut putters: Vec<Put<i32>> = (1..4).map(|n| channel.put(n)).collect();
        for (putter, bell) in putters.iter_mut().zip(&bells) {
            assert!(poll_with(putter, bell).is_pending());
        }
        drop(putters.remove(1)); // it dies in line, and its value with it
        let rung = || bells.iter().map(|bell| bell.0.load(Ordering::Relaxed)).collect::<Vec<_>>();
        assert_eq!(block_on(channel.take()), Some(0));
        assert_eq!(rung(), [1, 0, 0]);
        assert_eq!(poll_with(&mut putters[0], &bells[0]), Poll::Ready(Ok(())));
        assert_eq!((block_on(channel.take()), block_on(channel.take())), (Some(1), Some(3)));
        assert_eq!((rung(), channel.len()), (vec![1, 0, 1], 0));
    }

    #[test]
    fn a_taker_that_dies_after_its_wake_up_leaves_the_value_to_the_next() {
        block_on(async {
            let channel = Channel::new(4);
            let (mut first, mut second) = (channel.take(), channel.take());
            assert!(poll_once(&mut first).await.is_none() && poll_once(&mut second).await.is_none());
            assert_eq!((channel.put(1).await, channel.put(2).await), (Ok(()), Ok(())));
            drop(first);
            drop(second);
            assert_eq!((channel.take().await, channel.take().await), (Some(1), Some(2)));
            let mut waiting = channel.take();
            assert!(poll_once(&mut waiting).await.is_none());
            channel.close();
            assert_eq!(waiting.await, None);
        });
    }
}

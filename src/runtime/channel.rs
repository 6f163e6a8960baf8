//! A bounded queue between threads: FIFO, closable, nothing lost when a waiter dies.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A queue of at most so many values; clones share it.
pub struct Channel<T>(Rc<RefCell<Queue<T>>>);

struct Queue<T> {
    values: VecDeque<T>,
    capacity: usize,
    closed: bool,
    /// Woken at every change. Waiters are few, so each looks for itself.
    waiters: Vec<Waker>,
}

impl<T> Clone for Channel<T> {
    fn clone(&self) -> Channel<T> {
        Channel(Rc::clone(&self.0))
    }
}

impl<T: 'static> Channel<T> {
    /// An empty queue for `capacity` values, at least one.
    pub fn new(capacity: usize) -> Channel<T> {
        let queue = Queue { values: VecDeque::new(), capacity: capacity.max(1), closed: false, waiters: Vec::new() };
        Channel(Rc::new(RefCell::new(queue)))
    }

    /// Appends `value`, waiting for room; gives it back when the channel is closed.
    pub fn put(&self, value: T) -> impl Future<Output = Result<(), T>> + 'static {
        let channel = self.clone();
        let mut value = Some(value);
        poll_fn(move |cx| {
            let mut queue = channel.0.borrow_mut();
            if queue.closed {
                return value.take().map_or(Poll::Pending, |value| Poll::Ready(Err(value)));
            }
            if queue.values.len() >= queue.capacity {
                return queue.park(cx);
            }
            queue.values.extend(value.take());
            let woken = std::mem::take(&mut queue.waiters);
            drop(queue);
            woken.into_iter().for_each(Waker::wake);
            Poll::Ready(Ok(()))
        })
    }

    /// Takes the first value, waiting for one; none when the channel is closed and empty.
    pub fn take(&self) -> impl Future<Output = Option<T>> + 'static {
        let channel = self.clone();
        poll_fn(move |cx| {
            let mut queue = channel.0.borrow_mut();
            let value = queue.values.pop_front();
            if value.is_none() && !queue.closed {
                return queue.park(cx);
            }
            let woken = std::mem::take(&mut queue.waiters);
            drop(queue);
            woken.into_iter().for_each(Waker::wake);
            Poll::Ready(value)
        })
    }

    /// Ends it: what is in it can still be taken, nothing can be put.
    pub fn close(&self) {
        let woken = {
            let mut queue = self.0.borrow_mut();
            queue.closed = true;
            std::mem::take(&mut queue.waiters)
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
    fn park<R>(&mut self, cx: &mut Context<'_>) -> Poll<R> {
        if !self.waiters.iter().any(|known| known.will_wake(cx.waker())) {
            self.waiters.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};

    #[test]
    fn values_pass_in_order_and_a_full_channel_makes_wait() {
        block_on(async {
            let channel = Channel::new(1);
            assert_eq!(channel.put(1).await, Ok(()));
            let mut second = channel.put(2);
            assert!(poll_once(&mut second).await.is_none());
            assert_eq!(channel.take().await, Some(1));
            assert_eq!(second.await, Ok(()));
            channel.close();
            assert_eq!(channel.put(3).await, Err(3));
            assert_eq!((channel.take().await, channel.take().await), (Some(2), None));
        });
    }
}

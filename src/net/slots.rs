//! Slots for the sockets of scripts: in total, to one host, of one script. FIFO, one wake-up for each freed slot.
//!
//! Limits count sockets, not scripts. Time spent in a queue does not count against the script's own time, except for a
//! script that already holds a socket.
//!
//! Scripts that hold sockets and wait for more can come to wait for each other for ever. The ledger knows who holds and
//! who waits; when everybody who could free a slot waits for one, the youngest wait fails ([`HoldAndWait`]).

mod ledger;

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use self::ledger::{Ledger, Pool, Ticket};
use crate::model::Usage;
use crate::runtime::{Clock, Permit, Threads};

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
    limits: SlotLimits,
    ledger: Rc<RefCell<Ledger>>,
}

/// The slots one socket holds; given back on drop.
pub struct Slot(#[expect(dead_code, reason = "held for what their drop does")] Vec<Held>);

/// Nobody who could free a slot will: all hold some and wait for more.
#[derive(Debug, PartialEq, Eq)]
pub struct HoldAndWait;

impl Slots {
    /// Free slots within `limits`.
    pub fn new(limits: SlotLimits) -> Slots {
        Slots { limits, ledger: Rc::default() }
    }

    /// Waits for a slot of every kind, for one of the `threads` of an instance. The scarcest, the total, is taken last,
    /// so nobody sits on it while waiting for another.
    pub async fn acquire(
        &self,
        script: &Rc<str>,
        host: IpAddr,
        (usage, threads): (&Rc<Usage>, &Threads),
        clock: &Clock,
    ) -> Result<Slot, HoldAndWait> {
        let _queueing = Queueing::enter(usage, clock);
        let mut held = Vec::new();
        let SlotLimits { total, per_host, per_script } = self.limits;
        if let Some(limit) = per_script {
            held.push(self.take(Pool::Script(Rc::clone(script)), limit, threads).await?);
        }
        if let Some(limit) = per_host {
            held.push(self.take(Pool::Host(host), limit, threads).await?);
        }
        if let Some(limit) = total {
            held.push(self.take(Pool::Total, limit, threads).await?);
        }
        Ok(Slot(held))
    }

    async fn take(&self, pool: Pool, limit: usize, threads: &Threads) -> Result<Held, HoldAndWait> {
        let semaphore = self.ledger.borrow_mut().semaphore(&pool, limit);
        let permit = if let Some(permit) = semaphore.try_acquire() {
            permit
        } else {
            let mut acquire = semaphore.acquire();
            let place = Place::new(self, &pool, threads);
            let served = poll_fn(|cx| match Pin::new(&mut acquire).poll(cx) {
                Poll::Ready(permit) => Poll::Ready(Ok(permit)),
                Poll::Pending => place.look(cx),
            });
            served.await?
        };
        self.ledger.borrow_mut().hold(&pool, threads);
        let (threads, ledger) = (threads.clone(), Rc::clone(&self.ledger));
        Ok(Held { permit: Some(permit), pool, threads, ledger })
    }
}

/// A slot of one kind.
struct Held {
    permit: Option<Permit>,
    pool: Pool,
    threads: Threads,
    ledger: Rc<RefCell<Ledger>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.borrow_mut().give_back(&self.pool, &self.threads);
        self.permit = None; // wakes the next in line
        self.ledger.borrow_mut().tidy(&self.pool);
    }
}

/// A place in the queue of a pool, as the ledger sees it.
struct Place<'a> {
    slots: &'a Slots,
    threads: &'a Threads,
    ticket: Ticket,
}

impl<'a> Place<'a> {
    fn new(slots: &'a Slots, pool: &Pool, threads: &'a Threads) -> Place<'a> {
        let ticket = slots.ledger.borrow_mut().enter(pool, threads);
        Place { slots, threads, ticket }
    }

    /// Whether waiting has become pointless, for this one or for a younger one, which is then told.
    fn look(&self, cx: &std::task::Context<'_>) -> Poll<Result<Permit, HoldAndWait>> {
        self.threads.listen(cx.waker());
        let (failed, told) = {
            let mut ledger = self.slots.ledger.borrow_mut();
            let told = ledger.look(self.ticket, self.threads, cx.waker());
            (ledger.has_failed(self.ticket, self.threads), told)
        };
        told.into_iter().for_each(std::task::Waker::wake);
        if failed { Poll::Ready(Err(HoldAndWait)) } else { Poll::Pending }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.slots.ledger.borrow_mut().leave(self.ticket, self.threads);
    }
}

/// Marks a script as queueing while it lives: that time is not its own.
pub struct Queueing {
    usage: Rc<Usage>,
    clock: Clock,
}

impl Queueing {
    /// Begins to queue; none for a script that holds a socket, which others may wait for.
    pub fn enter(usage: &Rc<Usage>, clock: &Clock) -> Option<Queueing> {
        let is_free = usage.sockets.get() == 0;
        is_free.then(|| {
            usage.begin_queueing(clock.now());
            Queueing { usage: Rc::clone(usage), clock: clock.clone() }
        })
    }
}

impl Drop for Queueing {
    fn drop(&mut self) {
        self.usage.end_queueing(self.clock.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};
    use std::net::Ipv4Addr;
    use std::pin::pin;

    /// One instance with so many threads.
    #[derive(Default)]
    struct Bearer(Rc<Usage>, Threads);

    impl Bearer {
        fn new(threads: usize) -> Bearer {
            let bearer = Bearer::default();
            (0..threads).for_each(|_| bearer.1.begin());
            bearer
        }

        async fn acquire(&self, slots: &Slots, host: u8) -> Result<Slot, HoldAndWait> {
            let host = IpAddr::V4(Ipv4Addr::new(127, 0, 0, host));
            slots.acquire(&Rc::from("s"), host, (&self.0, &self.1), &Clock::live()).await
        }
    }

    #[test]
    fn a_host_has_its_own_limit_and_idle_hosts_are_forgotten() {
        block_on(async {
            let slots = Slots::new(SlotLimits { per_host: Some(1), ..SlotLimits::default() });
            let (holder, waiter, clock) = (Bearer::new(1), Bearer::new(1), Clock::live());
            let first = holder.acquire(&slots, 1).await;
            let other = holder.acquire(&slots, 2).await;
            let mut second = pin!(waiter.acquire(&slots, 1));
            assert!(poll_once(&mut second).await.is_none());
            assert!(waiter.0.queued(clock.now()).is_some());
            drop(first);
            let second = poll_once(&mut second).await;
            assert!(second.is_some_and(|slot| slot.is_ok()));
            drop(other);
            assert!(slots.ledger.borrow().is_empty());
        });
    }

    #[test]
    fn of_holders_that_all_wait_the_youngest_fails() {
        block_on(async {
            let slots = Slots::new(SlotLimits { total: Some(2), ..SlotLimits::default() });
            let (one, two, third) = (Bearer::new(1), Bearer::new(1), Bearer::new(1));
            let (held_by_one, held_by_two) = (one.acquire(&slots, 1).await, two.acquire(&slots, 2).await);
            let mut outside = pin!(third.acquire(&slots, 3));
            assert!(poll_once(&mut outside).await.is_none(), "it holds nothing: it waits like anybody");
            let mut more_of_one = pin!(one.acquire(&slots, 1));
            assert!(poll_once(&mut more_of_one).await.is_none(), "the second holder may still come on");
            {
                let mut more_of_two = pin!(two.acquire(&slots, 2));
                assert_eq!(poll_once(&mut more_of_two).await.map(Result::err), Some(Some(HoldAndWait)));
            }
            assert!(poll_once(&mut more_of_one).await.is_none(), "whoever failed may let go now");
            drop(held_by_two);
            assert!(poll_once(&mut outside).await.is_some_and(|slot| slot.is_ok()), "first come, first served");
            assert!(poll_once(&mut more_of_one).await.is_some_and(|slot| slot.is_ok()));
            drop(held_by_one);
            assert!(slots.ledger.borrow().is_empty());
        });
    }

    #[test]
    fn an_instance_with_a_free_thread_is_not_given_up() {
        block_on(async {
            let slots = Slots::new(SlotLimits { per_host: Some(1), ..SlotLimits::default() });
            let bearer = Bearer::new(2);
            let held = bearer.acquire(&slots, 1).await;
            let mut more = pin!(bearer.acquire(&slots, 1));
            assert!(poll_once(&mut more).await.is_none(), "its other thread may close the first");
            let joining = bearer.1.join();
            assert_eq!(poll_once(&mut more).await.map(Result::err), Some(Some(HoldAndWait)));
            drop((joining, held));
        });
    }

    #[test]
    fn circles_over_two_hosts_are_found() {
        block_on(async {
            let slots = Slots::new(SlotLimits { per_host: Some(1), ..SlotLimits::default() });
            let (one, two) = (Bearer::new(1), Bearer::new(1));
            let held = (one.acquire(&slots, 1).await, two.acquire(&slots, 2).await);
            let mut crossing = pin!(one.acquire(&slots, 2));
            assert!(poll_once(&mut crossing).await.is_none());
            assert_eq!(two.acquire(&slots, 1).await.err(), Some(HoldAndWait));
            drop(held);
            assert!(poll_once(&mut crossing).await.is_some_and(|slot| slot.is_ok()));
        });
    }
}

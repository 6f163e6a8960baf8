//! Time and timers. The only file that reads the machine's clocks.
//!
//! There is one notion of time, [`Timestamp`]: wall-clock time at the start of the run plus monotonic time since, so it
//! never runs backwards and still prints as a date. A virtual clock starts where it is told and moves only when its
//! runtime has nothing else to do.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

/// A handle on the run's time; clones share it.
#[derive(Clone)]
pub struct Clock(Rc<Inner>);

struct Inner {
    source: Source,
    timers: RefCell<BTreeMap<(Timestamp, u64), Waker>>,
    next_id: Cell<u64>,
    /// Woken when a timer becomes the earliest one.
    driver: RefCell<Option<Waker>>,
}

/// Where time comes from.
enum Source {
    /// The machine: monotonic and wall time of the same moment.
    Machine(Instant, Timestamp),
    /// The runtime, which sets it.
    Virtual(Cell<Timestamp>),
}

/// The deadline passed before the work was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl Clock {
    /// A clock on the machine's time.
    pub fn live() -> Clock {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock::on(Source::Machine(Instant::now(), Timestamp(wall.as_nanos() as u64)))
    }

    /// A clock that stands at `start` until its runtime moves it.
    pub(super) fn standing_at(start: Timestamp) -> Clock {
        Clock::on(Source::Virtual(Cell::new(start)))
    }

    fn on(source: Source) -> Clock {
        Clock(Rc::new(Inner { source, timers: RefCell::default(), next_id: Cell::new(0), driver: RefCell::default() }))
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        match &self.0.source {
            Source::Machine(started, wall) => wall.plus(started.elapsed()),
            Source::Virtual(now) => now.get(),
        }
    }

    /// Whether time is the runtime's own, and passes only when there is nothing to do.
    pub fn is_virtual(&self) -> bool {
        matches!(self.0.source, Source::Virtual(_))
    }

    /// Moves a virtual clock forward to `to`; it never goes back, and the machine's time cannot be moved.
    pub(super) fn advance_to(&self, to: Timestamp) {
        if let Source::Virtual(now) = &self.0.source {
            now.set(now.get().max(to));
        }
    }

    /// Resolves at `deadline`.
    pub fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        let id = self.0.next_id.get();
        self.0.next_id.set(id + 1);
        Sleep { clock: self.clone(), key: (deadline, id), armed: false }
    }

    /// Resolves after `duration`.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now().plus(duration))
    }

    /// Runs `work` until `deadline` at the latest; the work is dropped when time is up.
    pub async fn before<T>(&self, deadline: Timestamp, work: impl Future<Output = T>) -> Result<T, Elapsed> {
        let mut work = pin!(work);
        let mut sleep = self.sleep_until(deadline);
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => Pin::new(&mut sleep).poll(cx).map(|()| Err(Elapsed)),
        })
        .await
    }

    /// Runs `work` for at most `duration`.
    pub async fn timeout<T>(&self, duration: Duration, work: impl Future<Output = T>) -> Result<T, Elapsed> {
        self.before(self.now().plus(duration), work).await
    }

    /// The machine time at which `deadline` falls, for the reactor's own timer; none on a virtual clock.
    pub(super) fn instant_of(&self, deadline: Timestamp) -> Option<Instant> {
        match self.0.source {
            Source::Machine(started, wall) => Some(started + deadline.since(wall)),
            Source::Virtual(_) => None,
        }
    }

    /// Wakes everything that is due and returns the next deadline. `driver` is woken when an earlier one appears.
    pub(super) fn fire_due(&self, driver: &Waker) -> Option<Timestamp> {
        let mut timers = self.0.timers.borrow_mut();
        if timers.is_empty() {
            self.set_driver(driver);
            return None;
        }
        let later = timers.split_off(&(self.now(), u64::MAX));
        let due = std::mem::replace(&mut *timers, later);
        let next = timers.first_key_value().map(|((deadline, _), _)| *deadline);
        drop(timers); // collect, release, then wake: a waker may arm another timer
        self.set_driver(driver);
        due.into_values().for_each(Waker::wake);
        next
    }

    fn set_driver(&self, waker: &Waker) {
        let mut driver = self.0.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *driver = Some(waker.clone());
        }
    }

    fn arm(&self, key: (Timestamp, u64), waker: &Waker) {
        let mut timers = self.0.timers.borrow_mut();
        let earliest = timers.first_key_value().is_none_or(|(first, _)| key < *first);
        timers.insert(key, waker.clone());
        drop(timers);
        if earliest && let Some(driver) = self.0.driver.borrow().as_ref() {
            driver.wake_by_ref();
        }
    }
}

/// A pending timer. Dropping it disarms it.
pub struct Sleep {
    clock: Clock,
    key: (Timestamp, u64),
    armed: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.key.0 {
            return Poll::Ready(());
        }
        let (clock, key) = (self.clock.clone(), self.key);
        clock.arm(key, cx.waker());
        self.armed = true;
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if self.armed {
            self.clock.0.timers.borrow_mut().remove(&self.key);
        }
    }
}

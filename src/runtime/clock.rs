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
        let (mut due, mut next) = (Vec::new(), None);
        let mut timers = self.0.timers.borrow_mut();
        if !timers.is_empty() {
            let now = self.now();
            while let Some(first) = timers.first_entry() {
                let (deadline, _) = *first.key();
                if deadline > now {
                    next = Some(deadline);
                    break;
                }
                due.push(first.remove());
            }
        }
        drop(timers); // collect, release, then wake: a waker may arm another timer
        self.set_driver(driver);
        due.into_iter().for_each(Waker::wake);
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

/// Turns stamps of the machine's wall clock, as the kernel puts on packets, into the run's time.
///
/// The two are compared anew for every batch of stamps, so a wall clock that is set, or drifts, while the run lasts does not
/// make a reply older than its probe.
pub struct WallStamps {
    clock: Clock,
    /// Wall time less the run's time, in nanoseconds: at the last comparison and at the one before.
    ahead: (i64, i64),
    compared: Timestamp,
}

impl WallStamps {
    /// Stamps of `clock`'s machine.
    pub fn new(clock: Clock) -> WallStamps {
        let (ahead, compared) = compare(&clock);
        WallStamps { clock, ahead: (ahead, ahead), compared }
    }

    /// Compares the clocks: to be called when stamps arrive, before they are turned.
    pub fn compare(&mut self) {
        let (ahead, compared) = compare(&self.clock);
        (self.ahead, self.compared) = ((ahead, self.ahead.0), compared);
    }

    /// The run's time at which the wall clock showed `wall`, given in nanoseconds since 1970.
    pub fn turn(&self, wall: u64) -> Timestamp {
        turned(wall, self.ahead, self.compared)
    }
}

/// Wall time less the run's time, and the run's time of the comparison.
fn compare(clock: &Clock) -> (i64, Timestamp) {
    // Whoever is interrupted between the two readings compares wrongly, so the closest of three readings counts.
    let readings = (0..3).map(|_| {
        let before = clock.now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as i64;
        let after = clock.now();
        (after.0 - before.0, wall - (before.0 + (after.0 - before.0) / 2) as i64, after)
    });
    let best = readings.min_by_key(|(apart, ..)| *apart);
    best.map_or((0, clock.now()), |(_, ahead, at)| (ahead, at))
}

/// When the wall clock was set between the stamp and the comparison, the old difference holds for the stamp. A wrong one
/// shows: it puts the stamp into the future, or further into the past than the right one.
fn turned(wall: u64, (ahead, before): (i64, i64), now: Timestamp) -> Timestamp {
    let candidates = [ahead, before].map(|ahead| Timestamp(wall.saturating_add_signed(-ahead)));
    candidates.into_iter().filter(|at| *at <= now).max().unwrap_or(now)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_hold_when_the_wall_clock_is_set() {
        const HOUR: i64 = 3_600_000_000_000;
        let now = Timestamp(10_000_000_000_000_000);
        let wall_of = |at: u64, ahead: i64| at.saturating_add_signed(ahead);
        let just_before = now.0 - 5_000;
        for (old, new) in [(0, 0), (0, HOUR), (HOUR, 0), (0, -HOUR), (7, 9)] {
            let after_it_was_set = turned(wall_of(just_before, new), (new, old), now);
            let before_it_was_set = turned(wall_of(just_before, old), (new, old), now);
            for at in [after_it_was_set, before_it_was_set] {
                assert!(at.0.abs_diff(just_before) <= 2, "{at:?} from {old} to {new}");
            }
        }
        assert_eq!(turned(now.0 + 50, (0, 0), now), now, "nothing was seen after now");
    }

    #[test]
    fn a_stamp_of_now_is_now() {
        let clock = Clock::live();
        let mut stamps = WallStamps::new(clock.clone());
        let before = clock.now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
        let after = clock.now();
        stamps.compare();
        let at = stamps.turn(wall);
        // The comparison is good to the time between two readings of the clock, which a busy machine stretches.
        let slack = Duration::from_millis(50);
        assert!(at.plus(slack) >= before && at <= after.plus(slack), "{before:?} {at:?} {after:?}");
    }
}

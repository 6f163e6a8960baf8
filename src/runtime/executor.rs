//! The loop: timers, then tasks, then the reactor, on one thread.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_executor::{LocalExecutor, Task};

use super::Clock;
use crate::model::Timestamp;

/// Longest time tasks run before the reactor is asked for new I/O.
const TURN: Duration = Duration::from_micros(100);
/// Tasks run between two looks at the clock.
const TICKS_PER_LOOK: usize = 8;

/// Tasks run before virtual time passes by a turn although somebody is always runnable: what computes without end must
/// meet its deadline.
const TICKS_PER_VIRTUAL_TURN: usize = 4096;

/// The executor and its clock.
pub struct Runtime {
    clock: Clock,
    executor: Rc<LocalExecutor<'static>>,
}

/// Starts tasks on the runtime's thread.
#[derive(Clone)]
pub struct Spawner(Rc<LocalExecutor<'static>>);

impl Spawner {
    /// Starts `future`; dropping the returned task cancels it.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Task<T> {
        self.0.spawn(future)
    }
}

impl Runtime {
    /// A runtime on the machine's time.
    pub fn live() -> Runtime {
        Runtime { clock: Clock::live(), executor: Rc::new(LocalExecutor::new()) }
    }

    /// A runtime on virtual time that begins at `start`: it jumps to the next deadline whenever nothing is runnable, and
    /// uses no reactor, so nothing but timers and tasks can wake anything.
    pub fn simulated(start: Timestamp) -> Runtime {
        Runtime { clock: Clock::standing_at(start), executor: Rc::new(LocalExecutor::new()) }
    }

    /// The run's clock.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// A handle that starts tasks.
    pub fn spawner(&self) -> Spawner {
        Spawner(Rc::clone(&self.executor))
    }

    /// Runs until `main` is done. Tasks still alive then stay suspended and are dropped with the runtime.
    ///
    /// # Panics
    /// On virtual time, when `main` waits for something that no timer and no task will bring; see
    /// [`Runtime::run_until_stalled`].
    pub fn run<T>(&self, main: impl Future<Output = T>) -> T {
        if self.clock.is_virtual() {
            return self.run_until_stalled(main).expect("the main future waits for what nobody will bring");
        }
        self.run_live(main)
    }

    /// Runs until `main` is done, or on virtual time until nothing is runnable and no timer is left; then it is none.
    pub fn run_until_stalled<T>(&self, main: impl Future<Output = T>) -> Option<T> {
        if !self.clock.is_virtual() {
            return Some(self.run_live(main));
        }
        let mut main = pin!(main);
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&woken));
        loop {
            let next = self.clock.fire_due(&waker);
            let polled = woken.0.swap(false, Ordering::Relaxed);
            if polled && let Poll::Ready(value) = main.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(value);
            }
            let ticks = (0..TICKS_PER_VIRTUAL_TURN).take_while(|_| self.executor.try_tick()).count();
            if ticks == TICKS_PER_VIRTUAL_TURN {
                self.clock.advance_to(self.clock.now().plus(TURN));
            } else if ticks == 0 && !polled && !woken.0.load(Ordering::Relaxed) {
                self.clock.advance_to(next?);
            }
        }
    }

    fn run_live<T>(&self, main: impl Future<Output = T>) -> T {
        let mut main = pin!(main);
        let mut idle = pin!(Idle { executor: &self.executor, tick: None });
        let mut alarm: Option<(Timestamp, async_io::Timer)> = None;
        async_io::block_on(poll_fn(|cx| {
            self.arm_alarm(&mut alarm, cx);
            if let Poll::Ready(value) = main.as_mut().poll(cx) {
                return Poll::Ready(value);
            }
            if self.turn() {
                cx.waker().wake_by_ref(); // more to run: let the reactor look for I/O in between
            } else if idle.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
            self.arm_alarm(&mut alarm, cx);
            Poll::Pending
        }))
    }

    /// Runs tasks for one turn; true when some are still runnable.
    fn turn(&self) -> bool {
        let end = self.clock.now().plus(TURN);
        loop {
            for _ in 0..TICKS_PER_LOOK {
                if !self.executor.try_tick() {
                    return false;
                }
            }
            if self.clock.now() >= end {
                return true;
            }
        }
    }

    /// Fires due timers and has the reactor wake us for the next one.
    fn arm_alarm(&self, alarm: &mut Option<(Timestamp, async_io::Timer)>, cx: &mut Context<'_>) {
        let next = self.clock.fire_due(cx.waker());
        let Some((next, at)) = next.and_then(|next| Some((next, self.clock.instant_of(next)?))) else {
            *alarm = None;
            return;
        };
        match alarm {
            Some((deadline, _)) if *deadline == next => {}
            Some((deadline, timer)) => {
                *deadline = next;
                timer.set_at(at);
            }
            None => *alarm = Some((next, async_io::Timer::at(at))),
        }
        if let Some((_, timer)) = alarm
            && Pin::new(timer).poll(cx).is_ready()
        {
            *alarm = None;
            cx.waker().wake_by_ref();
        }
    }
}

/// Remembers that somebody woke the main future.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Registers for the next runnable task.
struct Idle<'a> {
    executor: &'a LocalExecutor<'static>,
    tick: Option<Pin<Box<dyn Future<Output = ()> + 'a>>>,
}

impl Future for Idle<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let executor = self.executor;
        let tick = self.tick.get_or_insert_with(|| Box::pin(executor.tick()));
        let ready = tick.as_mut().poll(cx);
        if ready.is_ready() {
            self.tick = None;
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn timers_fire_in_order_of_their_deadlines() {
        let runtime = Runtime::live();
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = [30u64, 10, 20]
            .into_iter()
            .map(|ms| {
                let (clock, order) = (runtime.clock(), Rc::clone(&order));
                runtime.spawner().spawn(async move {
                    clock.sleep(Duration::from_millis(ms)).await;
                    order.borrow_mut().push(ms);
                })
            })
            .collect();
        runtime.run(async {
            for task in tasks {
                task.await;
            }
        });
        assert_eq!(*order.borrow(), [10, 20, 30]);
    }

    #[test]
    fn work_is_dropped_at_its_deadline() {
        let runtime = Runtime::live();
        let clock = runtime.clock();
        let result = runtime.run(async { clock.timeout(Duration::from_millis(5), std::future::pending::<()>()).await });
        assert_eq!(result, Err(super::super::Elapsed));
        assert!(clock.fire_due(std::task::Waker::noop()).is_none(), "a timer was left behind");
    }

    #[test]
    fn a_task_that_never_waits_does_not_starve_timers() {
        let runtime = Runtime::live();
        let clock = runtime.clock();
        let busy = runtime.spawner().spawn(async {
            loop {
                futures_lite::future::yield_now().await;
            }
        });
        runtime.run(clock.sleep(Duration::from_millis(5)));
        drop(busy);
    }

    #[test]
    fn virtual_hours_pass_at_once_and_in_order() {
        let runtime = Runtime::simulated(Timestamp(1_000_000_000));
        let clock = runtime.clock();
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = [30u64, 10, 20]
            .into_iter()
            .map(|hours| {
                let (clock, order) = (runtime.clock(), Rc::clone(&order));
                runtime.spawner().spawn(async move {
                    clock.sleep(Duration::from_secs(hours * 3600)).await;
                    order.borrow_mut().push((hours, clock.now().seconds()));
                })
            })
            .collect();
        runtime.run(async {
            for task in tasks {
                task.await;
            }
        });
        assert_eq!(*order.borrow(), [(10, 36_001), (20, 72_001), (30, 108_001)]);
        assert_eq!(clock.now().seconds(), 108_001);
    }

    #[test]
    fn virtual_time_passes_beside_a_task_that_never_waits() {
        let runtime = Runtime::simulated(Timestamp(0));
        let clock = runtime.clock();
        let busy = runtime.spawner().spawn(async {
            loop {
                futures_lite::future::yield_now().await;
            }
        });
        runtime.run(clock.sleep(Duration::from_millis(5)));
        assert_eq!(clock.now(), Timestamp(5_000_000));
        drop(busy);
    }

    #[test]
    fn a_stalled_simulation_ends() {
        let runtime = Runtime::simulated(Timestamp(0));
        assert_eq!(runtime.run_until_stalled(std::future::pending::<()>()), None);
        assert_eq!(runtime.run_until_stalled(async { 1 }), Some(1));
    }
}

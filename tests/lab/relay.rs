//! The wire between two hosts: a thread that carries frames from one interface to the other and, from a seed, delays
//! them, loses some, doubles some, and lets some be overtaken. The kernels of test machines have no netem.
//!
//! Every direction has its own random numbers and draws the same count for each frame, so what happens to the n-th frame of
//! a direction depends on the seed and on nothing else. Frames to groups and ARP are delayed, but neither harmed nor
//! counted: they are the kernels' own chatter.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::packet_socket::PacketSocket;

/// How long a frame that is to be overtaken waits for one that does it.
const HOLD: Duration = Duration::from_millis(50);
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);
/// The type of a frame that holds ARP, and where frames have it.
const ARP: &[u8] = &[0x08, 0x06];
const TYPE_AT: std::ops::Range<usize> = 12..14;

/// What the wire does. Chances are in percent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// How long every frame takes.
    pub delay: Duration,
    /// Chance to be lost.
    pub loss: u8,
    /// Chance to arrive twice.
    pub dup: u8,
    /// Chance to be overtaken by the next frame of the same direction.
    pub reorder: u8,
    /// Of all chances.
    pub seed: u64,
}

/// What happened in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Frames that came.
    pub taken: u64,
    /// Of these, lost on purpose.
    pub lost: u64,
    /// Frames delivered twice.
    pub doubled: u64,
    /// Frames held back for the next to overtake.
    pub held: u64,
    /// Frames delivered, second ones included.
    pub delivered: u64,
    /// Frames the kernel did not take: never, unless a host is gone.
    pub refused: u64,
}

/// The running wire; stopped when dropped.
pub struct Relay {
    shared: Arc<Shared>,
    /// Closing it ends the thread.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    tallies: Mutex<[Tally; 2]>,
    changed: Condvar,
}

impl Shared {
    fn tallies(&self) -> MutexGuard<'_, [Tally; 2]> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, direction: usize, change: impl FnOnce(&mut Tally)) {
        change(&mut self.tallies()[direction]);
        self.changed.notify_all();
    }
}

impl Relay {
    /// Carries frames between the two ends. Direction 0 is from the first to the second.
    pub fn start(ends: [PacketSocket; 2], weather: Weather) -> io::Result<Relay> {
        let (stop, stopped) = UnixStream::pair()?;
        let shared = Arc::new(Shared::default());
        let mut wire = Wire::new(ends, weather, Arc::clone(&shared));
        let thread = thread::Builder::new().name("relay".to_owned()).spawn(move || wire.carry(&stopped))?;
        Ok(Relay { shared, stop: Some(stop), thread: Some(thread) })
    }

    /// What happened so far, by direction.
    pub fn tallies(&self) -> [Tally; 2] {
        *self.shared.tallies()
    }

    /// Waits until `seen` holds of what happened.
    #[track_caller]
    pub fn wait_until(&self, what: &str, seen: impl Fn(&[Tally; 2]) -> bool) -> [Tally; 2] {
        let (tallies, end) = (self.shared.tallies(), Instant::now() + PATIENCE);
        let left = end.saturating_duration_since(Instant::now());
        let waited = self.shared.changed.wait_timeout_while(tallies, left, |tallies| !seen(tallies));
        let (tallies, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(seen(&tallies), "{what} never happened: {tallies:?}");
        *tallies
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A frame under way; ordered by when it is due, then by when it came.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Instant,
    number: u64,
    direction: usize,
    is_counted: bool,
    frame: Vec<u8>,
}

/// What the thread owns.
struct Wire {
    ends: [PacketSocket; 2],
    weather: Weather,
    chances: [Rng; 2],
    held: [Option<Due>; 2],
    queue: BinaryHeap<Reverse<Due>>,
    number: u64,
    shared: Arc<Shared>,
}

impl Wire {
    fn new(ends: [PacketSocket; 2], weather: Weather, shared: Arc<Shared>) -> Wire {
        let chances = [0, 1].map(|direction| Rng::with_seed(weather.seed.wrapping_mul(2).wrapping_add(direction)));
        Wire { ends, weather, chances, held: [None, None], queue: BinaryHeap::new(), number: 0, shared }
    }

    fn carry(&mut self, stopped: &UnixStream) {
        loop {
            let due = self.queue.peek().map(|Reverse(due)| due.at);
            let next = self.held.iter().flatten().map(|held| held.at).chain(due).min();
            let wait = next.map(|next| next.saturating_duration_since(Instant::now()));
            let wait = wait.map(|wait| Timespec::try_from(wait).expect("a short time"));
            let mut ready = [
                PollFd::new(&self.ends[0], PollFlags::IN),
                PollFd::new(&self.ends[1], PollFlags::IN),
                PollFd::new(stopped, PollFlags::IN),
            ];
            let polled = poll(&mut ready, wait.as_ref());
            if !ready[2].revents().is_empty() || matches!(polled, Err(error) if error != rustix::io::Errno::INTR) {
                return;
            }
            for direction in [0, 1] {
                // An end that is gone reports an error once, and is then silent.
                while let Ok(Some(frame)) = self.ends[direction].receive() {
                    self.take(direction, frame);
                }
            }
            self.deliver(Instant::now());
        }
    }

    /// Decides about a frame that came.
    fn take(&mut self, direction: usize, frame: Vec<u8>) {
        let at = Instant::now() + self.weather.delay;
        let is_group = frame.first().is_none_or(|first| first & 1 == 1);
        if is_group || frame.get(TYPE_AT) == Some(ARP) {
            self.push(Due { at, number: 0, direction, is_counted: false, frame });
            return;
        }
        let [is_lost, is_doubled, is_held] = self.draw(direction);
        let is_held = is_held && !is_lost && self.held[direction].is_none();
        self.shared.note(direction, |tally| {
            tally.taken += 1;
            tally.lost += u64::from(is_lost);
            tally.doubled += u64::from(is_doubled && !is_lost);
            tally.held += u64::from(is_held);
        });
        if is_lost {
            return;
        }
        let due = |at, frame| Due { at, number: 0, direction, is_counted: true, frame };
        if is_doubled {
            self.push(due(at, frame.clone()));
        }
        if is_held {
            self.held[direction] = Some(due(at + HOLD, frame));
            return;
        }
        self.push(due(at, frame));
        if let Some(held) = self.held[direction].take() {
            self.push(Due { at, ..held });
        }
    }

    /// The same draws for every frame, whatever comes of them.
    fn draw(&mut self, direction: usize) -> [bool; 3] {
        let Weather { loss, dup, reorder, .. } = self.weather;
        [loss, dup, reorder].map(|chance| self.chances[direction].u8(0..100) < chance)
    }

    fn push(&mut self, due: Due) {
        self.number += 1;
        self.queue.push(Reverse(Due { number: self.number, ..due }));
    }

    /// Hands over what is due.
    fn deliver(&mut self, now: Instant) {
        for direction in [0, 1] {
            if let Some(held) = self.held[direction].take_if(|held| held.at <= now) {
                self.push(held);
            }
        }
        while self.queue.peek().is_some_and(|Reverse(due)| due.at <= now) {
            let Some(Reverse(due)) = self.queue.pop() else { return };
            let sent = self.ends[1 - due.direction].send(&due.frame);
            if due.is_counted {
                self.shared.note(due.direction, |tally| match sent {
                    Ok(()) => tally.delivered += 1,
                    Err(_) => tally.refused += 1,
                });
            }
        }
    }
}

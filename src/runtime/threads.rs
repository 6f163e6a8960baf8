//! How many threads an instance has, and whether any of them can still come on by itself.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

/// The threads of one script instance; clones share the counts.
#[derive(Clone, Default)]
pub struct Threads(Rc<Counts>);

#[derive(Default)]
struct Counts {
    alive: Cell<usize>,
    /// Those that wait for the end of another.
    joining: Cell<usize>,
    /// Woken when one ends or begins to wait for another.
    listeners: RefCell<Vec<Waker>>,
}

/// One thread waits for another of the instance while this lives.
pub struct Joining(Threads);

impl Threads {
    /// A thread begins.
    pub fn begin(&self) {
        self.0.alive.set(self.0.alive.get() + 1);
    }

    /// A thread has ended.
    pub fn end(&self) {
        self.0.alive.set(self.0.alive.get().saturating_sub(1));
        self.tell();
    }

    /// A thread begins to wait for the end of another.
    pub fn join(&self) -> Joining {
        self.0.joining.set(self.0.joining.get() + 1);
        self.tell();
        Joining(self.clone())
    }

    /// Whether every thread waits: `elsewhere` of them for what the caller knows, all others for each other.
    pub fn all_wait(&self, elsewhere: usize) -> bool {
        elsewhere > 0 && self.0.alive.get() <= elsewhere + self.0.joining.get()
    }

    /// Has `waker` woken when a thread ends or begins to wait for another.
    pub fn listen(&self, waker: &Waker) {
        let mut listeners = self.0.listeners.borrow_mut();
        if !listeners.iter().any(|known| known.will_wake(waker)) {
            listeners.push(waker.clone());
        }
    }

    /// What tells it from those of all other instances alive.
    pub fn id(&self) -> usize {
        Rc::as_ptr(&self.0).addr()
    }

    fn tell(&self) {
        let listeners = self.0.listeners.take();
        listeners.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Joining {
    fn drop(&mut self) {
        let joining = &self.0.0.joining;
        joining.set(joining.get().saturating_sub(1));
    }
}

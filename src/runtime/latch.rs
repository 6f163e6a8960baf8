//! A latch: shut until it is opened, and open from then on.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

/// A latch; clones share it.
#[derive(Clone)]
pub struct Latch(Rc<RefCell<State>>);

enum State {
    Shut(Vec<Waker>),
    Open,
}

impl Latch {
    /// A latch, open from the start or not.
    pub fn new(is_open: bool) -> Latch {
        Latch(Rc::new(RefCell::new(if is_open { State::Open } else { State::Shut(Vec::new()) })))
    }

    /// Whether nobody has to wait.
    pub fn is_open(&self) -> bool {
        matches!(*self.0.borrow(), State::Open)
    }

    /// Lets everybody go on who waits, or comes later.
    pub fn open(&self) {
        let before = self.0.replace(State::Open);
        if let State::Shut(waiting) = before {
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// Waits until it is open.
    pub fn opened(&self) -> impl Future<Output = ()> + 'static {
        let latch = self.clone();
        poll_fn(move |cx| match &mut *latch.0.borrow_mut() {
            State::Open => Poll::Ready(()),
            State::Shut(waiting) => {
                if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                    waiting.push(cx.waker().clone());
                }
                Poll::Pending
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once, zip};

    use super::*;

    #[test]
    fn who_waits_goes_on_when_it_opens_and_who_comes_later_does_not_wait() {
        let latch = Latch::new(false);
        assert!(!latch.is_open());
        assert_eq!(block_on(poll_once(latch.opened())), None);
        let (other, opening) = (latch.clone(), latch.clone());
        block_on(zip(zip(latch.opened(), other.opened()), async { opening.open() }));
        assert!(latch.is_open());
        assert_eq!(block_on(poll_once(latch.opened())), Some(()));
        assert!(Latch::new(true).is_open());
    }
}

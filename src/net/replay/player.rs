//! The peer's side of one conversation: what it does next, and when.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::conversation::{Conversation, Event, What};
use super::shelf::{InFlight, Mode, Seat, Shelf};
use crate::model::{NetError, NetErrorKind, Timestamp};
use crate::net::Origin;
use crate::runtime::Sleep;

/// Plays the events of a conversation.
pub(super) struct Player {
    pub shelf: Rc<Shelf>,
    pub seat: Seat,
    pub origin: Origin,
    pub peer: SocketAddr,
    /// What we have sent, as the recording counts it.
    pub sent: usize,
    /// Something was sent or received.
    pub is_touched: bool,
    /// What was done differently: from then on everything fails so.
    pub broken: Option<NetError>,
    next: usize,
    last_step: Timestamp,
    /// The alarm that is set, and for when.
    sleep: Option<(Timestamp, Sleep, InFlight)>,
    waiting: Option<Waker>,
}

impl Player {
    pub fn new(shelf: Rc<Shelf>, seat: Seat, origin: Origin, peer: SocketAddr) -> Player {
        let last_step = shelf.clock.now();
        Player {
            shelf,
            seat,
            origin,
            peer,
            sent: 0,
            is_touched: false,
            broken: None,
            next: 0,
            last_step,
            sleep: None,
            waiting: None,
        }
    }

    pub fn is_strict(&self) -> bool {
        self.shelf.mode == Mode::Strict
    }

    pub fn conversation(&self) -> Option<&Conversation> {
        self.shelf.conversation(&self.seat)
    }

    /// The place in the recording is settled.
    pub fn touch(&mut self) {
        if !self.is_touched {
            self.is_touched = true;
            self.shelf.touch(&self.seat);
        }
    }

    /// Something was sent that the recording has, too.
    pub fn advance(&mut self, to: usize) {
        self.sent = self.sent.max(to);
        self.last_step = self.shelf.clock.now();
        if let Some(event) = self.upcoming().filter(|event| event.after <= self.sent) {
            self.shelf.step(Timestamp(event.at.0.saturating_sub(event.delay.as_nanos() as u64)));
        }
        self.wake();
    }

    pub fn wake(&mut self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    /// How many events are over.
    pub fn played(&self) -> usize {
        self.next
    }

    /// What the peer does next, once it is time for it. Pending for ever where the recording shows nothing more.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<(usize, What)> {
        let due = self.upcoming().map(|event| (event.after, self.due(event), event.at));
        let (index, sent) = (self.next, self.sent);
        match due {
            Some((after, at, _)) if after <= sent => {
                if at > self.shelf.clock.now() {
                    let sleep = match self.sleep.take().filter(|(known, ..)| *known == at) {
                        Some(known) => known,
                        None => (at, self.shelf.clock.sleep_until(at), self.shelf.in_flight()),
                    };
                    let (_, sleep, _) = self.sleep.insert(sleep);
                    if Pin::new(sleep).poll(cx).is_pending() {
                        self.waiting = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                }
                self.sleep = None;
                let what = self.upcoming().map(|event| event.what.clone());
                what.map_or(Poll::Pending, |what| Poll::Ready((index, what)))
            }
            _ => {
                self.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Whether the conversation has broken by now.
    pub fn has_failed(&self) -> Option<(NetErrorKind, String)> {
        let event = self.upcoming()?;
        match &event.what {
            What::Fail(kind, detail) if event.after <= self.sent && self.due(event) <= self.shelf.clock.now() => {
                Some((*kind, detail.clone()))
            }
            _ => None,
        }
    }

    /// The event is over.
    pub fn played_one(&mut self) {
        if let Some(event) = self.upcoming() {
            self.last_step = self.due(event).max(self.last_step);
            self.next += 1;
        }
    }

    pub fn upcoming(&self) -> Option<&Event> {
        self.conversation()?.events.get(self.next)
    }

    fn due(&self, event: &Event) -> Timestamp {
        self.shelf.moment(self.last_step.plus(event.delay), event.at)
    }

    /// What is sent differs: in a strict replay that ends the conversation.
    pub fn differ(&mut self, op: &'static str, what: String) -> NetError {
        let error = NetError::new(NetErrorKind::Replay, op, self.peer).because(what);
        self.shelf.differences.add(format!("{}: {error}", self.origin));
        self.broken = Some(error.clone());
        error
    }

    /// A difference that changes nothing.
    pub fn mention(&self, what: &str) {
        self.shelf.differences.add(format!("{} to {}: {what}", self.origin, self.peer));
    }
}

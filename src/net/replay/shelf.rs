//! The recorded conversations, and who gets which.
//!
//! Strict: each of those recorded for somebody towards a peer is given out once, in the order they began. Where several
//! are open side by side, which one is which shows only when the first byte is sent; until then two may change places.
//! Lenient: whoever asks, the next unused one to that peer, and when all are used, the first again.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use super::conversation::{Conversation, Kind, Listening, Outcome, Recording};
use super::difference::Differences;
use crate::model::{NetError, NetErrorKind, Timestamp};
use crate::net::Origin;
use crate::runtime::Clock;

/// How far the recorded run may have lagged behind a replay, which computes in no time: within this, what is under way
/// side by side keeps to the recorded times, so that it happens in the recorded order.
const LAG: Duration = Duration::from_secs(2);

/// How strictly a replay compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Any difference is an error.
    Strict,
    /// Differences are listed, answers go by state and likeness.
    Lenient,
}

/// Which conversations are meant: kind, for whom (if the recording knows), to whom.
type Key = (Kind, Option<Origin>, SocketAddr);

/// Which conversation a socket plays; two sockets may change places.
pub(super) type Seat = Rc<Cell<usize>>;

/// The conversations of a recording.
pub(super) struct Shelf {
    conversations: Vec<Conversation>,
    listeners: Vec<Listening>,
    pub mode: Mode,
    /// The recording says for whom things were opened.
    is_ours: bool,
    by_key: HashMap<Key, Queue>,
    taken: RefCell<Vec<bool>>,
    next_listener: RefCell<Vec<bool>>,
    /// For each conversation the socket that plays it and has neither sent nor received.
    untouched: RefCell<Vec<Option<Seat>>>,
    pub differences: Differences,
    pub clock: Clock,
    /// Time the recorded run has lost so far by its own work.
    shift: Cell<Duration>,
    /// Answers that are on their way.
    in_flight: Rc<Cell<usize>>,
}

/// Conversations of one kind, for and with the same.
#[derive(Default)]
struct Queue {
    /// In the order they began.
    all: Vec<usize>,
    /// Those before this place are taken.
    next: Cell<usize>,
}

/// An answer on its way.
pub(super) struct InFlight(Rc<Cell<usize>>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Shelf {
    pub fn new(recording: Recording, mode: Mode, differences: Differences, clock: Clock) -> Shelf {
        let is_ours = recording.header.is_some() && mode == Mode::Strict;
        let mut by_key: HashMap<Key, Queue> = HashMap::new();
        for (index, conversation) in recording.conversations.iter().enumerate() {
            let origin = conversation.origin.clone().unwrap_or_default();
            let peer = if conversation.kind == Kind::OpenDatagrams { any_peer() } else { plain(conversation.peer) };
            by_key.entry((conversation.kind, is_ours.then_some(origin), peer)).or_default().all.push(index);
        }
        let taken = RefCell::new(vec![false; recording.conversations.len()]);
        let untouched = RefCell::new(vec![None; recording.conversations.len()]);
        let next_listener = RefCell::new(vec![false; recording.listeners.len()]);
        Shelf {
            conversations: recording.conversations,
            listeners: recording.listeners,
            mode,
            is_ours,
            by_key,
            taken,
            next_listener,
            untouched,
            differences,
            clock,
            shift: Cell::default(),
            in_flight: Rc::default(),
        }
    }

    pub fn conversation(&self, seat: &Seat) -> Option<&Conversation> {
        self.conversations.get(seat.get())
    }

    fn key(&self, kind: Kind, origin: &Origin, peer: SocketAddr) -> Key {
        (kind, self.is_ours.then(|| origin.clone()), plain(peer))
    }

    /// The next conversation recorded for `origin` with `peer`.
    pub fn take(&self, kind: Kind, origin: &Origin, peer: SocketAddr) -> Option<Seat> {
        let queue = self.by_key.get(&self.key(kind, origin, peer))?;
        let mut taken = self.taken.borrow_mut();
        let is_taken = |index: &usize| taken.get(*index).is_none_or(|taken| *taken);
        let free = queue.all.iter().skip(queue.next.get()).position(|index| !is_taken(index));
        queue.next.set(free.map_or(queue.all.len(), |skipped| queue.next.get() + skipped));
        let index = match queue.all.get(queue.next.get()) {
            Some(index) => *index,
            None if self.mode == Mode::Lenient => *queue.all.first()?,
            None => return None,
        };
        if let Some(taken) = taken.get_mut(index) {
            *taken = true;
        }
        let seat = Rc::new(Cell::new(index));
        if let Some(place) = self.untouched.borrow_mut().get_mut(index) {
            *place = Some(Rc::clone(&seat));
        }
        Some(seat)
    }

    /// Takes an accepted connection.
    pub fn take_accepted(&self, index: usize) -> Option<Seat> {
        *self.taken.borrow_mut().get_mut(index)? = true;
        Some(Rc::new(Cell::new(index)))
    }

    /// The socket has sent or received: from now on its place is its own.
    pub fn touch(&self, seat: &Seat) {
        if let Some(place) = self.untouched.borrow_mut().get_mut(seat.get())
            && place.as_ref().is_some_and(|known| Rc::ptr_eq(known, seat))
        {
            *place = None;
        }
    }

    /// Finds a conversation that fits better what an untouched socket sends first, and takes its place. True if done.
    pub fn exchange(&self, seat: &Seat, origin: &Origin, fits: impl Fn(&Conversation) -> bool) -> bool {
        let Some(mine) = self.conversation(seat) else { return false };
        let peer = if mine.kind == Kind::OpenDatagrams { any_peer() } else { mine.peer };
        let Some(queue) = self.by_key.get(&self.key(mine.kind, origin, peer)) else { return false };
        let is_open = |conversation: &Conversation| matches!(conversation.outcome, Outcome::Open(_));
        let mut untouched = self.untouched.borrow_mut();
        let mut taken = self.taken.borrow_mut();
        for index in queue.all.iter().copied().filter(|index| *index != seat.get()) {
            let is_taken = taken.get(index).copied().unwrap_or(true);
            let free = !is_taken || untouched.get(index).is_some_and(Option::is_some);
            if !free || !self.conversations.get(index).is_some_and(|other| is_open(other) && fits(other)) {
                continue;
            }
            let old = seat.replace(index);
            let other = untouched.get_mut(index).and_then(|place| place.replace(Rc::clone(seat)));
            if let Some(other) = &other {
                other.set(old);
            } else {
                if let Some(place) = taken.get_mut(old) {
                    *place = false;
                }
                // The one given back may lie before those given out.
                self.by_key.values().for_each(|queue| queue.next.set(0));
            }
            if let Some(place) = untouched.get_mut(old) {
                *place = other;
            }
            if let Some(place) = taken.get_mut(index) {
                *place = true;
            }
            return true;
        }
        false
    }

    /// All conversations with `peer`, for choosing by likeness.
    pub fn alike(&self, kind: Kind, peer: SocketAddr) -> impl Iterator<Item = (usize, &Conversation)> {
        let list = self.by_key.get(&(kind, None, plain(peer))).map_or(&[][..], |queue| queue.all.as_slice());
        list.iter().filter_map(|index| Some((*index, self.conversations.get(*index)?)))
    }

    /// The next listener of `origin`.
    pub fn listener(&self, origin: &Origin) -> Option<&Listening> {
        let mut used = self.next_listener.borrow_mut();
        let whose = |one: &Listening| !self.is_ours || one.origin.as_ref().unwrap_or(&Origin::SCAN) == origin;
        let index = self
            .listeners
            .iter()
            .enumerate()
            .position(|(index, one)| whose(one) && used.get(index).is_some_and(|used| !used))?;
        *used.get_mut(index)? = true;
        self.listeners.get(index)
    }

    /// When a step recorded at `recorded` happens, that by its cause would happen at `caused`.
    pub fn moment(&self, caused: Timestamp, recorded: Timestamp) -> Timestamp {
        let recorded = Timestamp(recorded.0.saturating_sub(self.shift.get().as_nanos() as u64));
        let lead = recorded.since(caused);
        if self.is_ours && lead <= LAG { recorded.max(caused) } else { caused }
    }

    /// A step of ours is made now that was recorded at `recorded`. While no answer is on its way there is no order to be
    /// kept, and the time the recorded run needed for its own work is left out.
    pub fn step(&self, recorded: Timestamp) {
        let lead = recorded.since(self.clock.now());
        if self.in_flight.get() == 0 && lead <= LAG {
            self.shift.set(lead);
        }
    }

    /// An answer is on its way while what is returned lives.
    pub fn in_flight(&self) -> InFlight {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlight(Rc::clone(&self.in_flight))
    }

    /// The error of something the recording does not hold, noted as a difference.
    pub fn missing(&self, op: &'static str, peer: SocketAddr, what: &str) -> NetError {
        let error = NetError::new(NetErrorKind::Replay, op, peer).because(what);
        self.differences.add(error.to_string());
        error
    }

    /// At the end of a strict run: what was recorded and not asked for.
    pub fn report_unused(&self) {
        if self.mode == Mode::Lenient {
            return;
        }
        let taken = self.taken.borrow();
        for (index, conversation) in self.conversations.iter().enumerate() {
            if taken.get(index).is_some_and(|taken| !taken) {
                let Conversation { packet, peer, origin, .. } = conversation;
                let whose = origin.as_ref().map(|origin| format!(" of {origin}")).unwrap_or_default();
                let what = if conversation.is_datagrams() { "socket" } else { "connection" };
                self.differences.add(format!("packet {packet}: the recorded {what}{whose} to {peer} was not opened"));
            }
        }
    }
}

/// What the peer of an open datagram socket counts as.
pub(super) fn any_peer() -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, 0).into()
}

/// Without what no packet carries: zone and flow label.
fn plain(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip(), addr.port())
}

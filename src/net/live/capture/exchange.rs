//! Where the capture thread and the loop meet: orders one way, packets in batches the other.
//!
//! Bounded by bytes. When the loop does not keep up, the thread leaves blocks in the ring; when that is full too, the kernel
//! drops and counts. So there is one place where packets are lost, and one count.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use rustix::event::{EventfdFlags, eventfd};

use super::block::Raw;
use super::ring::RingSize;
use crate::capture::Direction;
use crate::model::LinkType;

/// Bytes of packets that wait for the loop.
const MOST_WAITING: usize = 16 << 20;
/// A batch is handed on as it is from this size; smaller ones grow while they wait. The loop gives others a turn after each.
const BATCH: usize = 64 << 10;
/// Packets of such a batch.
const BATCH_PACKETS: usize = 1024;
/// Emptied batches kept to be filled again.
const SPARE: usize = 8;

/// What the loop asks of the thread.
pub enum Order {
    /// Give the socket a ring, listen on it, and say how that went.
    Listen(Listen),
    /// Drop a socket here: closing one waits for the kernel, and the loop does not.
    Close(Arc<OwnedFd>),
    /// End.
    Stop,
}

/// A socket to listen on.
pub struct Listen {
    /// The number of the interface.
    pub interface: u32,
    /// How its packets begin.
    pub link: LinkType,
    /// Whether it is the loopback interface, where every packet is seen leaving and arriving.
    pub loopback: bool,
    /// Not bound yet.
    pub socket: Arc<OwnedFd>,
    /// The ring it gets.
    pub size: RingSize,
}

/// What the thread tells the loop.
pub enum News {
    /// It listens on an interface, or why it cannot.
    Listening(u32, io::Result<()>),
    /// Packets.
    Packets(Batch),
    /// An interface is no longer there.
    Gone(u32),
    /// The thread is no longer there.
    Ended,
}

/// Packets of one interface, in the order they came.
#[derive(Default)]
pub struct Batch {
    /// The number of the interface.
    pub interface: u32,
    packets: Vec<Packet>,
    bytes: Vec<u8>,
}

/// What is known of a packet of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Packet {
    /// Wall-clock time of the kernel, nanoseconds since 1970.
    pub wall: u64,
    /// Length on the wire.
    pub wire_len: u32,
    /// Which way it went.
    pub direction: Direction,
    length: usize,
}

impl Batch {
    /// Appends a packet out of the ring.
    pub fn push(&mut self, raw: &Raw<'_>) {
        let length = raw.append_to(&mut self.bytes);
        self.packets.push(Packet { wall: raw.wall, wire_len: raw.wire_len(), direction: raw.direction, length });
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Its packets and their bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&Packet, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.packets.iter().map_while(move |packet| {
            let (bytes, behind) = rest.split_at_checked(packet.length)?;
            rest = behind;
            Some((packet, bytes))
        })
    }

    fn size(&self) -> usize {
        self.bytes.len() + self.packets.len() * size_of::<Packet>()
    }

    fn is_ripe(&self) -> bool {
        self.bytes.len() >= BATCH || self.packets.len() >= BATCH_PACKETS
    }

    fn append(&mut self, other: &mut Batch) {
        self.packets.append(&mut other.packets);
        self.bytes.append(&mut other.bytes);
    }
}

/// The meeting place itself.
pub struct Exchange {
    state: Mutex<State>,
    /// Wakes the thread: it polls this beside its sockets.
    bell: OwnedFd,
}

#[derive(Default)]
struct State {
    orders: Vec<Order>,
    news: VecDeque<News>,
    waiting: usize,
    /// The thread found no room and waits for the bell.
    wants_room: bool,
    spare: Vec<Batch>,
    waker: Option<Waker>,
}

impl Exchange {
    /// An empty one.
    pub fn new() -> io::Result<Exchange> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Exchange { state: Mutex::default(), bell })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; were it to, what is in it is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the loop: asks something of the thread.
    pub fn order(&self, order: Order) {
        self.state().orders.push(order);
        self.ring_bell();
    }

    /// For the loop: the next thing to know, waiting for it.
    pub fn next(self: &Arc<Self>) -> impl Future<Output = News> + 'static {
        let exchange = Arc::clone(self);
        poll_fn(move |cx| {
            let mut state = exchange.state();
            let Some(news) = state.news.pop_front() else {
                if !state.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                    state.waker = Some(cx.waker().clone());
                }
                return Poll::Pending;
            };
            if let News::Packets(batch) = &news {
                state.waiting -= batch.size();
            }
            let ring = state.wants_room && state.waiting < MOST_WAITING / 2;
            state.wants_room &= !ring;
            drop(state);
            if ring {
                exchange.ring_bell();
            }
            Poll::Ready(news)
        })
    }

    /// For the loop: gives an emptied batch back.
    pub fn reuse(&self, mut batch: Batch) {
        batch.packets.clear();
        batch.bytes.clear();
        let mut state = self.state();
        if state.spare.len() < SPARE && batch.bytes.capacity() <= 4 * BATCH {
            state.spare.push(batch);
        }
    }

    /// For the thread: what it is asked to do.
    pub fn take_orders(&self) -> Vec<Order> {
        std::mem::take(&mut self.state().orders)
    }

    /// For the thread: a batch to fill for `interface`; none while too much waits for the loop. The bell rings when there is
    /// room again.
    pub fn empty_batch(&self, interface: u32) -> Option<Batch> {
        let mut state = self.state();
        if state.waiting >= MOST_WAITING {
            state.wants_room = true;
            return None;
        }
        let batch = state.spare.pop().unwrap_or_default();
        Some(Batch { interface, ..batch })
    }

    /// For the thread: hands a batch over and wakes the loop.
    pub fn hand_over(&self, mut batch: Batch) {
        if batch.is_empty() {
            return self.reuse(batch);
        }
        let mut state = self.state();
        state.waiting += batch.size();
        match state.news.back_mut() {
            Some(News::Packets(last)) if last.interface == batch.interface && !last.is_ripe() => {
                last.append(&mut batch);
            }
            _ => state.news.push_back(News::Packets(batch)),
        }
        wake(state);
    }

    /// For the thread: tells the loop something else.
    pub fn tell(&self, news: News) {
        let mut state = self.state();
        state.news.push_back(news);
        wake(state);
    }

    /// For the thread: polled beside the sockets.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// For the thread: makes the bell silent until it rings again.
    pub fn hush(&self) {
        // Nothing to read means it did not ring.
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
    }

    fn ring_bell(&self) {
        // It can fail only when it rang 2^64 - 2 times unheard, and then it rings already.
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

//! The capture thread, the only thread beside the loop: waits for blocks of packets and hands them over.
//!
//! It knows no filters, no subscriptions and no time. Whatever sleeps in the kernel, making a ring and closing a socket,
//! happens here.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::block;
use super::exchange::{Exchange, Listen, News, Order};
use super::ring::{self, Ring};
use crate::capture::Direction;

/// Its stack: it calls nothing deep.
const STACK: usize = 256 << 10;

/// Starts the thread; it ends when it is ordered to.
pub fn start(exchange: Arc<Exchange>) -> io::Result<()> {
    let name = "capture".to_owned();
    thread::Builder::new().name(name).stack_size(STACK).spawn(move || {
        // However it ends, the loop is told: a capture that fell silent must not look like a quiet network.
        let _last_words = LastWords(Arc::clone(&exchange));
        run(&exchange);
    })?;
    Ok(())
}

struct LastWords(Arc<Exchange>);

impl Drop for LastWords {
    fn drop(&mut self) {
        self.0.tell(News::Ended);
    }
}

/// A ring in use.
struct Listening {
    of: Listen,
    ring: Ring,
    /// Its interface went down, which the kernel tells. That it then goes for good it does not.
    is_down: bool,
}

/// Pause between two looks whether an interface that went down is still there.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

fn run(exchange: &Exchange) {
    let mut rings: Vec<Listening> = Vec::new();
    loop {
        for order in exchange.take_orders() {
            match order {
                Order::Listen(of) => {
                    let interface = of.interface;
                    let result = listen(of).map(|listening| rings.push(listening));
                    exchange.tell(News::Listening(interface, result));
                }
                Order::Close(socket) => drop(socket),
                Order::Stop => return,
            }
        }
        let mut has_room = true;
        for listening in &mut rings {
            has_room &= listening.drain(exchange);
        }
        match wait(exchange, if has_room { &rings } else { &[] }) {
            Ok(failed) => failed.into_iter().for_each(|index| note_error(&mut rings, index)),
            Err(_) => return, // poll itself fails: nothing more can be seen
        }
        for index in (0..rings.len()).rev() {
            close_if_gone(&mut rings, index, exchange);
        }
    }
}

fn listen(of: Listen) -> io::Result<Listening> {
    let ring = Ring::map(Arc::clone(&of.socket), of.size)?;
    ring::bind(of.socket.as_fd(), of.interface)?;
    Ok(Listening { of, ring, is_down: false })
}

impl Listening {
    /// Hands over what is in the ring; false when the loop has no room for more.
    fn drain(&mut self, exchange: &Exchange) -> bool {
        // As many as there are, so that one busy ring does not keep the others waiting.
        for _ in 0..self.of.size.blocks {
            if !self.ring.has_block() {
                return true;
            }
            let Some(mut batch) = exchange.empty_batch(self.of.interface) else { return false };
            let Some(block) = self.ring.next_block() else { return true };
            self.is_down = false;
            for raw in block::packets(block.bytes(), self.of.link) {
                if !(self.of.loopback && raw.direction == Direction::Out) {
                    batch.push(&raw);
                }
            }
            drop(block);
            exchange.hand_over(batch);
        }
        true
    }
}

/// Waits for a block, an order or room; returns the rings whose socket has an error.
fn wait(exchange: &Exchange, rings: &[Listening]) -> io::Result<Vec<usize>> {
    let bell = exchange.bell();
    let mut polled = vec![PollFd::from_borrowed_fd(bell, PollFlags::IN)];
    polled.extend(rings.iter().map(|one| PollFd::from_borrowed_fd(one.ring.socket(), PollFlags::IN | PollFlags::ERR)));
    let timeout = rings.iter().any(|one| one.is_down).then_some(&LOOK);
    match poll(&mut polled, timeout) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let has = |fd: &PollFd<'_>, flags| fd.revents().intersects(flags);
    if polled.first().is_some_and(|bell| has(bell, PollFlags::IN)) {
        exchange.hush();
    }
    let failed = polled.iter().skip(1).enumerate().filter(|(_, fd)| has(fd, PollFlags::ERR | PollFlags::HUP));
    Ok(failed.map(|(index, _)| index).collect())
}

/// A socket fails when its interface goes down, and hears again when that comes up.
fn note_error(rings: &mut [Listening], index: usize) {
    let Some(listening) = rings.get_mut(index) else { return };
    // Reading the error takes it off the socket.
    let _ = rustix::net::sockopt::socket_error(listening.ring.socket());
    listening.is_down = true;
}

/// Ends a ring whose interface is gone for good.
fn close_if_gone(rings: &mut Vec<Listening>, index: usize, exchange: &Exchange) {
    let Some(listening) = rings.get_mut(index).filter(|listening| listening.is_down) else { return };
    let interface = listening.of.interface;
    if rustix::net::netdevice::index_to_name_inlined(listening.ring.socket(), interface).is_ok() {
        return;
    }
    listening.drain(exchange);
    rings.swap_remove(index);
    exchange.tell(News::Gone(interface));
}

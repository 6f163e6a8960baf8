//! A connection to a simulated host: what the service says arrives after the link's delay, in order and complete.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncWrite};

use super::link::Way;
use super::talk::{Saying, Talk};
use super::world::World;
use crate::model::Timestamp;
use crate::net::Stream;
use crate::runtime::Sleep;

/// First wait before a lost segment is sent again, doubled each time (the lower bound of RFC 6298 in Linux).
const RETRANSMISSION: Duration = Duration::from_millis(200);
/// Times a segment is sent again before the connection counts as stuck for good.
const RETRANSMISSIONS: u32 = 8;

/// One end of a connection.
pub struct SimStream {
    world: Rc<World>,
    local: SocketAddr,
    peer: SocketAddr,
    talk: Talk,
    /// What arrives, in order.
    coming: VecDeque<(Timestamp, Piece)>,
    alarm: Option<Sleep>,
    reader: Option<Waker>,
    closed: bool,
}

enum Piece {
    Bytes(Vec<u8>),
    End,
    Reset,
}

impl SimStream {
    /// A connection just made.
    pub fn new(world: Rc<World>, local: SocketAddr, peer: SocketAddr, talk: Talk) -> SimStream {
        let mut stream =
            SimStream { world, local, peer, talk, coming: VecDeque::new(), alarm: None, reader: None, closed: false };
        stream.let_talk(Duration::ZERO);
        stream
    }

    /// Queues what the service does, `after` the time our bytes took to reach it.
    fn let_talk(&mut self, after: Duration) {
        for saying in self.talk.go_on() {
            let (wait, piece) = match saying {
                Saying::Text(wait, text) => (wait, Piece::Bytes(text)),
                Saying::End(wait) => (wait, Piece::End),
                Saying::Reset(wait) => (wait, Piece::Reset),
            };
            let Some(back) = self.delivery(Way::Back) else { continue };
            let at = self.world.clock.now().plus(after + wait + back);
            let at = self.coming.back().map_or(at, |(before, _)| at.max(*before));
            self.coming.push_back((at, piece));
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// How long a segment takes, with what is sent again; none when it never arrives.
    fn delivery(&self, way: Way) -> Option<Duration> {
        let mut waited = Duration::ZERO;
        for attempt in 0..=RETRANSMISSIONS {
            if let Some(delay) = self.world.cross(way, self.peer.ip(), self.world.clock.now()).first {
                return Some(waited + delay);
            }
            waited += RETRANSMISSION * 2u32.pow(attempt);
        }
        None
    }
}

impl AsyncRead for SimStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        loop {
            let Some((at, piece)) = this.coming.front_mut() else {
                this.reader = Some(cx.waker().clone());
                return Poll::Pending;
            };
            if *at > this.world.clock.now() {
                let alarm = this.alarm.get_or_insert_with(|| this.world.clock.sleep_until(*at));
                ready!(Pin::new(alarm).poll(cx));
            }
            this.alarm = None;
            match piece {
                Piece::End => return Poll::Ready(Ok(0)),
                Piece::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Piece::Bytes(bytes) => {
                    let count = bytes.len().min(buf.len());
                    buf[..count].copy_from_slice(&bytes[..count]);
                    bytes.drain(..count);
                    if bytes.is_empty() {
                        this.coming.pop_front();
                        if count == 0 && !buf.is_empty() {
                            continue; // a service that says nothing says nothing
                        }
                    }
                    return Poll::Ready(Ok(count));
                }
            }
        }
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if let Some((at, Piece::Reset)) = self.coming.front()
            && *at <= self.world.clock.now()
        {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if let Some(out) = self.delivery(Way::Out) {
            self.talk.hear(buf);
            self.let_talk(out);
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.closed = true;
        Poll::Ready(Ok(()))
    }
}

impl Stream for SimStream {
    fn local(&self) -> SocketAddr {
        self.local
    }

    fn peer(&self) -> SocketAddr {
        self.peer
    }
}

//! A stream whose peer and path misbehave. What we send goes through as it is.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::{AsyncRead, AsyncWrite};

use super::dice::{Dice, Fault};
use crate::net::{Origin, Stream};
use crate::runtime::{Clock, Sleep};

/// Bytes taken from below at once.
const PIECE: usize = 16 << 10;
/// What TCP shows of the faults of a path: order and copies it mends.
const FAULTS: [Fault; 6] = [Fault::Drop, Fault::Delay, Fault::Truncate, Fault::Reset, Fault::Corrupt, Fault::Split];

/// How it goes on after what is held.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Untouched,
    Silence,
    End,
    Reset,
}

/// Another stream, spoilt.
pub(super) struct FaultyStream {
    inner: Box<dyn Stream>,
    dice: Dice,
    clock: Clock,
    /// Taken from below, and how much of it was read.
    held: Vec<u8>,
    read: usize,
    /// Bytes given at once.
    stride: usize,
    late: Option<Sleep>,
    rest: Rest,
}

impl FaultyStream {
    pub fn new(inner: Box<dyn Stream>, dice: Dice, clock: Clock) -> FaultyStream {
        let (held, rest) = (Vec::new(), Rest::Untouched);
        FaultyStream { inner, dice, clock, held, read: 0, stride: usize::MAX, late: None, rest }
    }

    /// Takes the next piece from below and spoils it. Ready with nothing held at the end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut piece = vec![0; PIECE];
        let length = ready!(Pin::new(&mut self.inner).poll_read(cx, &mut piece))?;
        piece.truncate(length);
        self.stride = usize::MAX;
        if length > 0 {
            match self.dice.fault(&FAULTS) {
                Some(Fault::Drop) => (self.rest, piece) = (Rest::Silence, Vec::new()),
                Some(Fault::Delay) => self.late = Some(self.clock.sleep(self.dice.delay())),
                Some(Fault::Truncate) => {
                    self.rest = Rest::End;
                    self.dice.cut(&mut piece);
                }
                Some(Fault::Reset) => {
                    self.rest = Rest::Reset;
                    self.dice.cut(&mut piece);
                }
                Some(Fault::Corrupt) => self.dice.corrupt(&mut piece),
                Some(_) => self.stride = 1 + length / 8,
                None => {}
            }
        } else {
            self.rest = Rest::End;
        }
        (self.held, self.read) = (piece, 0);
        Poll::Ready(Ok(()))
    }

    fn is_reset(&self) -> bool {
        self.rest == Rest::Reset && self.read == self.held.len()
    }
}

impl AsyncRead for FaultyStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            if let Some(late) = &mut this.late {
                ready!(Pin::new(late).poll(cx));
                this.late = None;
            }
            let left = this.held.get(this.read..).unwrap_or_default();
            if !left.is_empty() {
                let length = left.len().min(buf.len()).min(this.stride);
                if let (Some(to), Some(from)) = (buf.get_mut(..length), left.get(..length)) {
                    to.copy_from_slice(from);
                }
                this.read += length;
                return Poll::Ready(Ok(length));
            }
            match this.rest {
                Rest::Untouched => ready!(this.poll_piece(cx))?,
                Rest::Silence => return Poll::Pending, // whoever waits has a limit of its own
                Rest::End => return Poll::Ready(Ok(0)),
                Rest::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
        }
    }
}

impl AsyncWrite for FaultyStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

impl Stream for FaultyStream {
    fn local(&self) -> SocketAddr {
        self.inner.local()
    }

    fn peer(&self) -> SocketAddr {
        self.inner.peer()
    }

    fn may_be_handed_on(&self, to: &Origin) -> bool {
        self.inner.may_be_handed_on(to)
    }

    fn hand_on(&mut self, to: &Origin) {
        self.inner.hand_on(to);
    }
}

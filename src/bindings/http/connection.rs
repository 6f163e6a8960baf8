//! One connection: requests out, answers in, both at the same time.

use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::future::yield_now;

use super::parser::Message;
use super::watch::{TimeUp, Watch};
use super::{Expect, Malformed, Origin, Parser, Truncation};
use crate::model::{NetError, NetErrorKind};
use crate::net::Stream;

/// The operation as errors name it.
const OP: &str = "http";
/// Size of the first read, and of the largest.
const BUFFER: Range<usize> = 4 * 1024..64 * 1024;
/// Reads between two turns of others, when the peer is faster than we are.
const READS_A_TURN: u32 = 32;

/// A connection and what was read from it but not used yet.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    unread: Range<usize>,
    /// It has carried an answer before.
    pub reused: bool,
}

/// Bytes on their way out.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub bytes: Vec<u8>,
    sent: usize,
    flushed: bool,
    failed: Option<io::Error>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// Time is up.
    Time(TimeUp),
    /// The stream failed.
    Io(io::Error),
    /// The peer closed too early.
    Closed,
    /// The peer does not speak HTTP.
    Malformed(Malformed),
}

/// An answer that did not come.
#[derive(Debug)]
pub(super) struct Failed {
    pub broken: Broken,
    /// Not one byte of it arrived.
    pub unanswered: bool,
}

impl Outgoing {
    pub fn new(bytes: Vec<u8>) -> Outgoing {
        Outgoing { bytes, ..Outgoing::default() }
    }

    /// Starts over, for another connection.
    pub fn rewind(&mut self) {
        (self.sent, self.flushed, self.failed) = (0, false, None);
    }

    /// Writes as much as the stream takes. A failure is kept: the peer may have answered before it stopped listening.
    fn poll(&mut self, stream: &mut dyn Stream, cx: &mut Context<'_>) -> bool {
        let before = self.sent;
        while self.failed.is_none() && self.sent < self.bytes.len() {
            let rest = self.bytes.get(self.sent..).unwrap_or_default();
            match Pin::new(&mut *stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => self.failed = Some(io::ErrorKind::BrokenPipe.into()),
                Poll::Ready(Ok(count)) => self.sent += count,
                Poll::Ready(Err(error)) => self.failed = Some(error),
                Poll::Pending => return self.sent > before,
            }
        }
        if self.failed.is_none() && !self.flushed {
            match Pin::new(&mut *stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.flushed = true,
                Poll::Ready(Err(error)) => self.failed = Some(error),
                Poll::Pending => {}
            }
        }
        self.sent > before
    }
}

impl Connection {
    pub fn new(stream: Box<dyn Stream>) -> Connection {
        Connection { stream, buffer: Vec::new(), unread: 0..0, reused: false }
    }

    /// Whether the server neither closed it nor sent something nobody asked for, as far as one look can tell.
    pub fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut cx = Context::from_waker(std::task::Waker::noop());
        self.unread.is_empty() && Pin::new(&mut *self.stream).poll_read(&mut cx, &mut byte).is_pending()
    }

    /// Whether bytes beyond the last answer have arrived.
    pub fn has_surplus(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Reads one answer while writing what is left of `out`.
    pub async fn answer(
        &mut self,
        out: &mut Outgoing,
        expect: Expect,
        body_limit: usize,
        watch: &mut Watch,
    ) -> Result<Message, Failed> {
        let mut parser = Parser::new(expect, body_limit);
        match self.read_into(&mut parser, out, watch).await {
            Ok(()) => Ok(parser.into_message()),
            Err(broken) => Err(Failed { broken, unanswered: !parser.has_begun() }),
        }
    }

    async fn read_into(&mut self, parser: &mut Parser, out: &mut Outgoing, watch: &mut Watch) -> Result<(), Broken> {
        watch.begin();
        let mut reads = 0;
        loop {
            let used = parser.feed(self.buffer.get(self.unread.clone()).unwrap_or_default());
            self.unread.start += used.map_err(Broken::Malformed)?;
            if parser.is_done() {
                return Ok(());
            }
            let broken = match self.fill(out, watch).await {
                Ok(0) => Broken::Closed,
                Ok(_) => {
                    reads += 1;
                    if reads % READS_A_TURN == 0 {
                        yield_now().await;
                        if watch.is_over() {
                            return end(parser, Broken::Time(TimeUp::Deadline));
                        }
                    }
                    continue;
                }
                Err(broken) => broken,
            };
            let broken = match out.failed.take() {
                Some(error) if !parser.has_begun() => Broken::Io(error),
                _ => broken,
            };
            return end(parser, broken);
        }
    }

    /// Reads once into the buffer, which is empty; writes on meanwhile. Zero at the end of the stream.
    async fn fill(&mut self, out: &mut Outgoing, watch: &mut Watch) -> Result<usize, Broken> {
        if self.buffer.is_empty() {
            self.buffer.resize(BUFFER.start, 0);
        } else if self.unread.end == self.buffer.len() && self.buffer.len() < BUFFER.end {
            self.buffer.resize(self.buffer.len() * 4, 0); // the last read filled it: there is more where that came from
        }
        let (stream, buffer) = (&mut *self.stream, self.buffer.as_mut_slice());
        let read = poll_fn(|cx| {
            if out.poll(stream, cx) {
                watch.begin();
            }
            match Pin::new(&mut *stream).poll_read(cx, buffer) {
                Poll::Ready(read) => Poll::Ready(read.map_err(Broken::Io)),
                Poll::Pending => watch.poll(cx).map(|up| Err(Broken::Time(up))),
            }
        });
        let count = read.await?;
        watch.begin();
        self.unread = 0..count.min(self.buffer.len());
        Ok(count)
    }
}

/// The stream is over: makes an answer of what arrived, if it is one.
fn end(parser: &mut Parser, broken: Broken) -> Result<(), Broken> {
    let cause = match &broken {
        Broken::Closed | Broken::Malformed(_) => Truncation::Closed,
        Broken::Time(_) => Truncation::Timeout,
        // A budget or the like ends the script, not just the body.
        Broken::Io(error) if carried(error).is_some() => return Err(broken),
        // TLS closed without close_notify is how many servers end a body.
        Broken::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Truncation::Closed,
        Broken::Io(_) => Truncation::Reset,
    };
    if parser.end(cause).map_err(Broken::Malformed)? { Ok(()) } else { Err(broken) }
}

/// The error a stream passes through an `io::Error`.
fn carried(error: &io::Error) -> Option<&NetError> {
    error.get_ref()?.downcast_ref()
}

impl Broken {
    /// The error the caller sees.
    pub fn into_error(self, origin: &Origin) -> NetError {
        match self {
            Broken::Time(TimeUp::Operation) => NetError::new(NetErrorKind::Timeout, OP, origin),
            Broken::Time(TimeUp::Deadline) => {
                NetError::new(NetErrorKind::Timeout, OP, origin).because("deadline of the request")
            }
            Broken::Closed => NetError::new(NetErrorKind::Closed, OP, origin),
            Broken::Malformed(what) => NetError::new(NetErrorKind::Protocol, OP, origin).because(what),
            Broken::Io(error) => match carried(&error) {
                Some(known) => known.clone(),
                None => NetError::from_io(&error, OP, origin),
            },
        }
    }
}

impl Failed {
    /// The signs of an idle connection the server had already closed.
    pub fn is_stale(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
        self.unanswered
            && match &self.broken {
                Broken::Closed => true,
                Broken::Io(error) => matches!(
                    error.kind(),
                    BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof
                ),
                Broken::Time(_) | Broken::Malformed(_) => false,
            }
    }
}

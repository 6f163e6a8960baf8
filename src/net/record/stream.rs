//! Streams as the packets they were.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::{AsyncRead, AsyncWrite};

use super::label::Label;
use super::{Recorder, local_end, note};
use crate::model::{NetError, NetErrorKind, Timestamp};
use crate::net::{Origin, Stream};
use crate::packet::segment::{self, MAX_PAYLOAD, TcpSegment, Unreachable};

/// A connection being opened. It is written when its outcome is known, or as silence when it is dropped before.
pub(super) struct Opening {
    recorder: Recorder,
    number: u64,
    peer: SocketAddr,
    bind: Option<SocketAddr>,
    label: Label,
    at: Timestamp,
    is_written: bool,
}

impl Opening {
    pub fn new(recorder: Recorder, peer: SocketAddr, bind: Option<SocketAddr>, origin: Origin) -> Opening {
        let (number, at) = (recorder.next_conversation(), recorder.now());
        let label = Label { conversation: Some(number), origin: Some(origin), ..Label::default() };
        Opening { recorder, number, peer, bind, label, at, is_written: false }
    }

    /// The peer accepted.
    pub fn connected(mut self, stream: Box<dyn Stream>, abort_on_close: bool) -> RecordedStream {
        let mut flow = self.flow(stream.local());
        let now = self.recorder.now();
        flow.ours(self.at, Flags::SYN, &self.label);
        flow.theirs(now, Flags::SYN);
        flow.ours(now, Flags::ACK, &Label::default());
        self.is_written = true;
        RecordedStream { inner: stream, flow, abort_on_close }
    }

    /// It came to nothing.
    pub fn failed(mut self, error: &NetError) {
        let mut flow = self.flow(local_end(self.peer, self.bind, self.number));
        let now = self.recorder.now();
        let syn = flow.ours(self.at, Flags::SYN, &self.label);
        self.is_written = true;
        match error.kind {
            NetErrorKind::Timeout => {}
            NetErrorKind::Refused if error.detail.is_empty() => flow.theirs(now, Flags::RST),
            kind @ NetErrorKind::Unreachable(_) if error.detail.is_empty() => {
                let (router, to) = (self.peer.ip(), flow.local.ip());
                let error = Unreachable::of(kind).zip(syn);
                let error = error.and_then(|(what, syn)| segment::unreachable(router, to, what, &syn));
                if let Some(packet) = error {
                    self.recorder.packet(now, &packet, &Label::default());
                }
            }
            _ => flow.note(error.kind, &error.detail),
        }
    }

    fn flow(&self, local: SocketAddr) -> Flow {
        Flow::new(self.recorder.clone(), self.number, local, self.peer)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if !self.is_written {
            self.flow(local_end(self.peer, self.bind, self.number)).ours(self.at, Flags::SYN, &self.label);
        }
    }
}

/// The flags of a segment.
#[derive(Clone, Copy, Default)]
struct Flags {
    syn: bool,
    fin: bool,
    rst: bool,
}

impl Flags {
    const ACK: Flags = Flags { syn: false, fin: false, rst: false };
    const SYN: Flags = Flags { syn: true, ..Flags::ACK };
    const FIN: Flags = Flags { fin: true, ..Flags::ACK };
    const RST: Flags = Flags { rst: true, ..Flags::ACK };
}

/// The two directions of a connection, as sequence numbers.
pub(super) struct Flow {
    recorder: Recorder,
    number: u64,
    local: SocketAddr,
    peer: SocketAddr,
    /// Next number of each side; none until its SYN.
    our_next: Option<u32>,
    their_next: Option<u32>,
    is_closed: bool,
    is_ended: bool,
    handed_to: Option<Origin>,
}

impl Flow {
    fn new(recorder: Recorder, number: u64, local: SocketAddr, peer: SocketAddr) -> Flow {
        Flow {
            recorder,
            number,
            local,
            peer,
            our_next: None,
            their_next: None,
            is_closed: false,
            is_ended: false,
            handed_to: None,
        }
    }

    /// A first sequence number; spread, so that nobody takes two conversations for one.
    fn initial(&self, salt: u64) -> u32 {
        (self.number.wrapping_mul(2).wrapping_add(salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }

    /// Writes a segment of ours without data; the packet.
    fn ours(&mut self, at: Timestamp, flags: Flags, label: &Label) -> Option<Vec<u8>> {
        let seq = self.our_next.unwrap_or_else(|| self.initial(0));
        self.our_next = Some(seq.wrapping_add(u32::from(flags.syn) + u32::from(flags.fin)));
        made((self.local, self.peer), (seq, self.their_next), flags, &[]).inspect(|packet| {
            self.recorder.packet(at, packet, label);
        })
    }

    /// Writes a segment of the peer's without data.
    fn theirs(&mut self, at: Timestamp, flags: Flags) {
        let seq = self.their_next.unwrap_or_else(|| if flags.rst { 0 } else { self.initial(1) });
        self.their_next = Some(seq.wrapping_add(u32::from(flags.syn) + u32::from(flags.fin)));
        if let Some(packet) = made((self.peer, self.local), (seq, self.our_next), flags, &[]) {
            self.recorder.packet(at, &packet, &Label::default());
        }
    }

    fn sent(&mut self, data: &[u8]) {
        let (now, recorder) = (self.recorder.now(), self.recorder.clone());
        for piece in recorder.shown(data).chunks(MAX_PAYLOAD) {
            let seq = self.our_next.unwrap_or(0);
            let label = self.due_label();
            self.our_next = Some(seq.wrapping_add(piece.len() as u32));
            let ends = (self.local, self.peer);
            if let Some(packet) = made(ends, (seq, self.their_next), Flags::ACK, piece) {
                self.recorder.packet(now, &packet, &label);
            }
        }
    }

    fn received(&mut self, data: &[u8]) {
        let (now, recorder) = (self.recorder.now(), self.recorder.clone());
        for piece in recorder.shown(data).chunks(MAX_PAYLOAD) {
            let seq = self.their_next.unwrap_or(0);
            let label = self.due_label();
            self.their_next = Some(seq.wrapping_add(piece.len() as u32));
            let ends = (self.peer, self.local);
            if let Some(packet) = made(ends, (seq, self.our_next), Flags::ACK, piece) {
                self.recorder.packet(now, &packet, &label);
            }
        }
    }

    /// What the next packet has to tell.
    fn due_label(&mut self) -> Label {
        Label { handed_to: self.handed_to.take(), ..Label::default() }
    }

    /// The peer closed its side.
    fn peer_closed(&mut self) {
        if !self.is_ended {
            self.is_ended = true;
            self.theirs(self.recorder.now(), Flags::FIN);
        }
    }

    /// An operation failed.
    fn broke(&mut self, error: &io::Error) {
        if self.is_ended {
            return;
        }
        self.is_ended = true;
        let error = NetError::from_io(error, "", self.peer);
        if error.kind == NetErrorKind::Reset && error.detail.is_empty() {
            self.is_closed = true;
            self.theirs(self.recorder.now(), Flags::RST);
        } else {
            self.note(error.kind, &error.detail);
        }
    }

    /// We closed our side.
    fn closed(&mut self, abort: bool) {
        if !self.is_closed {
            self.is_closed = true;
            let label = self.due_label();
            self.ours(self.recorder.now(), if abort { Flags::RST } else { Flags::FIN }, &label);
        }
    }

    /// Writes an error that no packet shows.
    fn note(&self, kind: NetErrorKind, detail: &str) {
        let error = Some((kind, detail.to_owned()));
        let label = Label { conversation: Some(self.number), error, ..Label::default() };
        note(&self.recorder, self.peer.ip(), &label);
    }
}

/// A segment from one end to the other.
fn made(
    (source, destination): (SocketAddr, SocketAddr),
    (seq, ack): (u32, Option<u32>),
    flags: Flags,
    payload: &[u8],
) -> Option<Vec<u8>> {
    let Flags { syn, fin, rst } = flags;
    segment::tcp(&TcpSegment { source, destination, seq, ack, syn, fin, rst, payload })
}

/// A connection somebody made to a listener of ours.
pub(super) fn accepted(inner: Box<dyn Stream>, recorder: Recorder, listener: u64, origin: Origin) -> RecordedStream {
    let (number, now) = (recorder.next_conversation(), recorder.now());
    let label =
        Label { conversation: Some(number), origin: Some(origin), accepted: Some(listener), ..Label::default() };
    // Their handshake, with the roles turned round.
    let mut flow = Flow::new(recorder, number, inner.peer(), inner.local());
    flow.ours(now, Flags::SYN, &label);
    flow.theirs(now, Flags::SYN);
    flow.ours(now, Flags::ACK, &Label::default());
    (flow.local, flow.peer) = (flow.peer, flow.local);
    (flow.our_next, flow.their_next) = (flow.their_next, flow.our_next);
    RecordedStream { inner, flow, abort_on_close: false }
}

/// A stream whose bytes are written down as they pass.
pub(super) struct RecordedStream {
    inner: Box<dyn Stream>,
    flow: Flow,
    abort_on_close: bool,
}

impl AsyncRead for RecordedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, buf));
        match &read {
            Ok(0) if !buf.is_empty() => self.flow.peer_closed(),
            Ok(length) => self.flow.received(buf.get(..*length).unwrap_or_default()),
            Err(error) => self.flow.broke(error),
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for RecordedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, buf));
        match &written {
            Ok(length) => self.flow.sent(buf.get(..*length).unwrap_or_default()),
            Err(error) => self.flow.broke(error),
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = ready!(Pin::new(&mut self.inner).poll_close(cx));
        if closed.is_ok() {
            self.flow.closed(false);
        }
        Poll::Ready(closed)
    }
}

impl Stream for RecordedStream {
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
        self.abort_on_close = false;
        self.flow.handed_to = Some(to.clone());
        self.inner.hand_on(to);
    }
}

impl Drop for RecordedStream {
    fn drop(&mut self) {
        self.flow.closed(self.abort_on_close);
    }
}

//! A TCP stream out of a recording.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::{AsyncRead, AsyncWrite};

use super::conversation::What;
use super::difference::both;
use super::player::Player;
use crate::model::{NetError, NetErrorKind, Unreached};
use crate::net::{Origin, Stream};

/// Bytes of what was sent that are kept for finding a conversation alike.
const MAX_HISTORY: usize = 1 << 20;

/// A stream whose peer is a recorded one.
pub(super) struct ReplayStream {
    player: Player,
    local: SocketAddr,
    peer: SocketAddr,
    /// Received and not yet read.
    arrived: Vec<u8>,
    read: usize,
    /// Lenient: all that was sent, and whether it departed from the recording since the peer last spoke.
    history: Vec<u8>,
    has_departed: bool,
    is_closed: bool,
}

impl ReplayStream {
    pub fn new(player: Player, local: SocketAddr, peer: SocketAddr) -> ReplayStream {
        ReplayStream {
            player,
            local,
            peer,
            arrived: Vec::new(),
            read: 0,
            history: Vec::new(),
            has_departed: false,
            is_closed: false,
        }
    }

    /// Compares what is sent; the bytes accepted.
    fn send_strictly(&mut self, data: &[u8]) -> io::Result<usize> {
        if let Some((kind, detail)) = self.player.has_failed() {
            return Err(failure(kind, &detail, self.peer));
        }
        let Some(accepted) = self.accepts(data) else {
            let origin = self.player.origin.clone();
            let fits = |sent: &[u8]| !sent.is_empty() && sent.iter().zip(data).all(|(one, other)| one == other);
            let (shelf, seat) = (std::rc::Rc::clone(&self.player.shelf), std::rc::Rc::clone(&self.player.seat));
            if !self.player.is_touched && shelf.exchange(&seat, &origin, |other| fits(&other.sent)) {
                return self.send_strictly(data);
            }
            return Err(io::Error::other(self.difference(data)));
        };
        self.player.touch();
        self.player.advance(self.player.sent + accepted);
        Ok(accepted)
    }

    /// How much of `data` is what the recording has next; none when it departs from it.
    fn accepts(&self, data: &[u8]) -> Option<usize> {
        let recorded = self.player.conversation()?.sent.get(self.player.sent..)?;
        let length = recorded.len().min(data.len());
        let same = recorded.iter().zip(data).take_while(|(one, other)| one == other).count();
        (length > 0 && same == length).then_some(length)
    }

    fn difference(&mut self, data: &[u8]) -> NetError {
        let sent = self.player.sent;
        let what = self.player.conversation().map(|conversation| {
            let recorded = conversation.sent.get(sent..).unwrap_or_default();
            let same = recorded.iter().zip(data).take_while(|(one, other)| one == other).count();
            let (at, packet) = (sent + same, conversation.packet_of(sent + same));
            format!("what is sent differs at byte {at} (packet {packet}): {}", both(recorded, data, same))
        });
        self.player.differ("send", what.unwrap_or_default())
    }

    /// Takes whatever is sent, moves on to the recorded conversation most like it, and lets the peer answer.
    fn send_leniently(&mut self, data: &[u8]) -> usize {
        let room = MAX_HISTORY.saturating_sub(self.history.len());
        self.history.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
        if !self.has_departed {
            match self.accepts(data).filter(|accepted| *accepted == data.len()) {
                Some(accepted) => self.player.advance(self.player.sent + accepted),
                None => self.depart(data),
            }
        }
        self.player.touch();
        data.len()
    }

    fn depart(&mut self, data: &[u8]) {
        let (before, played) = (self.player.seat.get(), self.player.played());
        let likeness = |sent: &[u8]| sent.iter().zip(&self.history).take_while(|(one, other)| one == other).count();
        let mut best = self.player.conversation().map_or(0, |conversation| likeness(&conversation.sent));
        let own = self.player.conversation().and_then(|conversation| conversation.events.get(..played));
        let mut place = before;
        for (index, other) in self.player.shelf.alike(super::conversation::Kind::Stream, self.peer) {
            let same_past = other.events.get(..played).is_some_and(|past| same_events(past, own.unwrap_or_default()));
            if same_past && likeness(&other.sent) > best {
                (best, place) = (likeness(&other.sent), index);
            }
        }
        self.player.seat.set(place);
        if best >= self.history.len() {
            return self.player.advance(best);
        }
        let what = self.player.conversation().map(|conversation| {
            let packet = conversation.packet_of(best);
            let text = both(&conversation.sent, &self.history, best);
            format!("what is sent differs at byte {best} (packet {packet}): {text}")
        });
        self.player.mention(&what.unwrap_or_else(|| format!("{} bytes sent", data.len())));
        // What the peer said when we had said something: now it has heard this instead.
        self.has_departed = true;
        let answered = self.player.upcoming().map_or(self.player.sent, |event| event.after);
        self.player.advance(answered);
    }
}

fn same_events(one: &[super::conversation::Event], other: &[super::conversation::Event]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.what == other.what)
}

/// The error as a socket would give it.
fn failure(kind: NetErrorKind, detail: &str, peer: SocketAddr) -> io::Error {
    use io::ErrorKind as K;
    let plain = match kind {
        NetErrorKind::Refused => Some(K::ConnectionRefused),
        NetErrorKind::Reset => Some(K::ConnectionReset),
        NetErrorKind::Closed => Some(K::UnexpectedEof),
        NetErrorKind::Timeout => Some(K::TimedOut),
        NetErrorKind::Unreachable(Unreached::Host) => Some(K::HostUnreachable),
        NetErrorKind::Unreachable(Unreached::Network) => Some(K::NetworkUnreachable),
        _ => None,
    };
    match plain.filter(|_| detail.is_empty()) {
        Some(kind) => kind.into(),
        None => io::Error::other(NetError::new(kind, "stream", peer).because(detail)),
    }
}

impl AsyncRead for ReplayStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if let Some(error) = &this.player.broken {
            return Poll::Ready(Err(io::Error::other(error.clone())));
        }
        if this.read == this.arrived.len() {
            let (_, what) = ready!(this.player.poll_event(cx));
            this.player.touch();
            match what {
                What::Data(_, data) => {
                    this.player.played_one();
                    (this.arrived, this.read, this.has_departed) = (data, 0, false);
                }
                What::Close => return Poll::Ready(Ok(0)),
                What::Fail(kind, detail) => return Poll::Ready(Err(failure(kind, &detail, this.peer))),
            }
        }
        let rest = this.arrived.get(this.read..).unwrap_or_default();
        let length = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..length), rest.get(..length)) {
            to.copy_from_slice(from);
        }
        this.read += length;
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for ReplayStream {
    fn poll_write(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(error) = &self.player.broken {
            return Poll::Ready(Err(io::Error::other(error.clone())));
        }
        if self.is_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.player.is_strict() {
            return Poll::Ready(self.send_strictly(buf));
        }
        Poll::Ready(Ok(self.send_leniently(buf)))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_closed = true;
        Poll::Ready(Ok(()))
    }
}

impl Stream for ReplayStream {
    fn local(&self) -> SocketAddr {
        self.local
    }

    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn may_be_handed_on(&self, to: &Origin) -> bool {
        let recorded = self.player.conversation().and_then(|conversation| conversation.handed_to.as_ref());
        let is_ours = self.player.conversation().is_some_and(|conversation| conversation.origin.is_some());
        !(is_ours && self.player.is_strict()) || recorded == Some(to)
    }

    fn hand_on(&mut self, to: &Origin) {
        self.player.origin = to.clone();
    }
}

impl Drop for ReplayStream {
    fn drop(&mut self) {
        let all = self.player.conversation().map_or(0, |conversation| conversation.sent.len());
        let sent = self.player.sent;
        if self.player.is_strict() && self.player.broken.is_none() && sent < all {
            self.player.mention(&format!("closed after {sent} bytes were sent; {all} bytes are recorded"));
        }
    }
}

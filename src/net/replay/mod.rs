//! Replay: the door out of a file. No socket, no reactor, no privilege; time is virtual.
//!
//! [`reader`] takes the file apart, [`reassembly`] makes conversations of its packets, and [`Replay`] gives them out to
//! whoever opens a connection. What the peer did is released when what the recording shows as sent before it has been
//! sent, and then as much later as it was recorded: so timing follows cause. A replay computes in no time and is
//! therefore ahead of the recorded run; what is under way side by side still keeps the recorded distances, so that it
//! happens in the recorded order. What is sent is compared, and [`Differences`] collects where it departs.
//!
//! Packets sent and captured raw are a [`Tape`] of their own, played by [`ReplayPackets`].
//!
//! Knows recordings of ours and captures of others; reads no file itself.

pub mod conversation;
mod datagram;
mod difference;
mod direction;
pub mod link;
mod listener;
mod packets;
mod player;
pub mod reader;
pub mod reassembly;
mod shelf;
mod stream;
mod tape;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

pub use conversation::{Recording, What};
pub use difference::Differences;
pub use packets::ReplayPackets;
pub use reader::{MAX_FILE, RecordingError};
pub use reassembly::recording;
pub use shelf::Mode;
pub use tape::Tape;

use conversation::{Kind, Outcome};
use datagram::ReplayDatagram;
use listener::ReplayListener;
use player::Player;
use shelf::{Seat, Shelf, any_peer};
use stream::ReplayStream;

use super::{ConnectOptions, Datagram, Listener, NetFuture, Origin, Stream, Transport};
use crate::model::{NetError, NetErrorKind, Timestamp};
use crate::runtime::Clock;

/// A recording as transport. Clones share the conversations.
#[derive(Clone)]
pub struct Replay {
    shelf: Rc<Shelf>,
    connect_timeout: Duration,
}

impl Replay {
    /// Plays `recording` on `clock`, which is virtual.
    pub fn new(recording: Recording, mode: Mode, clock: Clock, connect_timeout: Duration) -> Replay {
        let shelf = Shelf::new(recording, mode, Differences::default(), clock);
        Replay { shelf: Rc::new(shelf), connect_timeout }
    }

    /// Where the run departed so far.
    pub fn differences(&self) -> Differences {
        self.shelf.differences.clone()
    }

    /// Adds what was recorded and not asked for: to be called at the end.
    pub fn report_unused(&self) {
        self.shelf.report_unused();
    }

    fn player(&self, seat: &Seat, origin: &Origin, peer: SocketAddr) -> Player {
        Player::new(Rc::clone(&self.shelf), Rc::clone(seat), origin.clone(), peer)
    }

    async fn connect(self, peer: SocketAddr, options: ConnectOptions) -> Result<Box<dyn Stream>, NetError> {
        let (clock, origin) = (&self.shelf.clock, options.origin);
        let timeout = options.timeout.unwrap_or(self.connect_timeout);
        let Some(seat) = self.shelf.take(Kind::Stream, &origin, peer) else {
            let what = format!("the recording holds no (more) connection of {origin} to it");
            let error = self.shelf.missing("connect", peer, &what);
            if self.shelf.mode == Mode::Strict {
                return Err(error);
            }
            clock.sleep(timeout).await; // who was never heard of is silent
            return Err(NetError::new(NetErrorKind::Timeout, "connect", peer));
        };
        let Some(conversation) = self.shelf.conversation(&seat) else {
            return Err(NetError::new(NetErrorKind::Replay, "connect", peer));
        };
        let (opened, local, outcome) = (conversation.opened, conversation.own, conversation.outcome.clone());
        self.shelf.step(opened);
        let in_flight = self.shelf.in_flight();
        clock.sleep_until(self.shelf.moment(clock.now(), opened)).await;
        let until = |at: Timestamp| self.shelf.moment(clock.now().plus(at.since(opened)), at);
        match outcome {
            Outcome::Open(at) => {
                clock.sleep_until(until(at)).await;
                Ok(Box::new(ReplayStream::new(self.player(&seat, &origin, peer), local, peer)) as Box<dyn Stream>)
            }
            Outcome::Failed(at, kind, detail) => {
                clock.sleep_until(until(at)).await;
                Err(NetError::new(kind, "connect", peer).because(detail))
            }
            Outcome::Silent => {
                drop(in_flight);
                clock.sleep(timeout).await;
                Err(NetError::new(NetErrorKind::Timeout, "connect", peer))
            }
        }
    }
}

impl Transport for Replay {
    fn connect(&self, peer: SocketAddr, options: ConnectOptions) -> NetFuture<Box<dyn Stream>> {
        Box::pin(self.clone().connect(peer, options))
    }

    fn datagram(
        &self,
        bind: Option<SocketAddr>,
        peer: Option<SocketAddr>,
        origin: Origin,
    ) -> NetFuture<Box<dyn Datagram>> {
        let replay = self.clone();
        Box::pin(async move {
            let seat = match peer {
                // One that was never opened has no port in the recording.
                Some(peer) => {
                    let never_opened = SocketAddr::new(peer.ip(), 0);
                    let take = |peer| replay.shelf.take(Kind::Datagrams, &origin, peer);
                    take(peer).or_else(|| take(never_opened))
                }
                None => replay.shelf.take(Kind::OpenDatagrams, &origin, any_peer()),
            };
            let subject = peer.unwrap_or_else(any_peer);
            let conversation = seat.as_ref().and_then(|seat| replay.shelf.conversation(seat));
            if let Some(Outcome::Failed(_, kind, detail)) = conversation.map(|conversation| &conversation.outcome) {
                return Err(NetError::new(*kind, "udp", subject).because(detail));
            }
            let unbound = match subject {
                SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
            };
            let local = conversation.map_or(bind.unwrap_or(unbound), |conversation| conversation.own);
            let player = seat.map(|seat| replay.player(&seat, &origin, subject));
            let socket = ReplayDatagram::new(Rc::clone(&replay.shelf), player, origin, local, peer);
            Ok(Box::new(socket) as Box<dyn Datagram>)
        })
    }

    fn listen(&self, bind: SocketAddr, origin: Origin) -> NetFuture<Box<dyn Listener>> {
        let replay = self.clone();
        Box::pin(async move {
            let Some(listening) = replay.shelf.listener(&origin) else {
                let what = format!("the recording holds no (more) listener of {origin}");
                return Err(replay.shelf.missing("listen", bind, &what));
            };
            if let Some((kind, detail)) = &listening.error {
                return Err(NetError::new(*kind, "listen", bind).because(detail));
            }
            let (local, accepted) = (listening.local, listening.accepted.clone());
            let listener = ReplayListener::new(Rc::clone(&replay.shelf), origin, local, accepted);
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }
}

#[cfg(test)]
mod tests;

//! A datagram socket out of a recording.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use super::conversation::{Conversation, Kind, What};
use super::difference::both;
use super::player::Player;
use super::shelf::{Shelf, any_peer};
use crate::model::NetError;
use crate::net::{Datagram, LocalNetFuture, Origin};

/// A socket whose peers are recorded ones. Without a recorded conversation it hears nothing, and must not send.
pub(super) struct ReplayDatagram {
    shelf: Rc<Shelf>,
    player: RefCell<Option<Player>>,
    origin: Origin,
    local: SocketAddr,
    peer: Option<SocketAddr>,
}

impl ReplayDatagram {
    pub fn new(
        shelf: Rc<Shelf>,
        player: Option<Player>,
        origin: Origin,
        local: SocketAddr,
        peer: Option<SocketAddr>,
    ) -> ReplayDatagram {
        ReplayDatagram { shelf, player: RefCell::new(player), origin, local, peer }
    }

    fn send_now(&self, data: &[u8], to: SocketAddr) -> Result<usize, NetError> {
        let mut place = self.player.borrow_mut();
        if place.is_none() && self.shelf.mode == super::Mode::Lenient {
            let seat = self.shelf.take(Kind::Datagrams, &self.origin, to);
            *place = seat.map(|seat| Player::new(Rc::clone(&self.shelf), seat, self.origin.clone(), to));
        }
        let Some(player) = place.as_mut() else {
            if self.shelf.mode == super::Mode::Lenient {
                return Ok(data.len()); // into silence
            }
            let what = format!("the recording holds no (more) datagrams of {} to it", self.origin);
            return Err(self.shelf.missing("send", to, &what));
        };
        if let Some(error) = &player.broken {
            return Err(error.clone());
        }
        if player.is_strict() {
            send_strictly(player, data, to)?;
        } else {
            send_leniently(player, data);
        }
        Ok(data.len())
    }
}

fn matches(conversation: &Conversation, index: usize, data: &[u8], to: SocketAddr) -> bool {
    let same_end = |piece: SocketAddr| piece.ip() == to.ip() && piece.port() == to.port();
    conversation.datagram(index).is_some_and(|(recorded, piece)| recorded == data && same_end(piece.to))
}

fn send_strictly(player: &mut Player, data: &[u8], to: SocketAddr) -> Result<(), NetError> {
    let index = player.sent;
    if let Some((kind, detail)) = player.has_failed()
        && !player.conversation().is_some_and(|conversation| matches(conversation, index, data, to))
    {
        player.played_one();
        return Err(NetError::new(kind, "send", to).because(detail));
    }
    let (shelf, seat, origin) = (Rc::clone(&player.shelf), Rc::clone(&player.seat), player.origin.clone());
    let fits = |conversation: &Conversation| matches(conversation, index, data, to);
    if !player.conversation().is_some_and(fits) && (player.is_touched || !shelf.exchange(&seat, &origin, fits)) {
        let what = match player.conversation().and_then(|conversation| conversation.datagram(index)) {
            None => format!("datagram {} is one more than was recorded: {}", index + 1, both(&[], data, 0)),
            Some((recorded, piece)) => {
                let same = recorded.iter().zip(data).take_while(|(one, other)| one == other).count();
                let (number, packet) = (index + 1, piece.packet);
                let aside = if piece.to == to { String::new() } else { format!(" and went to {}", piece.to) };
                let both = both(recorded, data, same);
                format!("datagram {number} differs at byte {same}{aside} (packet {packet}): {both}")
            }
        };
        return Err(player.differ("send", what));
    }
    player.touch();
    player.advance(index + 1);
    Ok(())
}

fn send_leniently(player: &mut Player, data: &[u8]) {
    let index = player.sent;
    let recorded = player.conversation().and_then(|conversation| conversation.datagram(index));
    let difference = match recorded {
        Some((recorded, _)) if recorded == data => None,
        Some((recorded, piece)) => {
            let same = recorded.iter().zip(data).take_while(|(one, other)| one == other).count();
            let both = both(recorded, data, same);
            Some(format!("datagram {} differs at byte {same} (packet {}): {both}", index + 1, piece.packet))
        }
        None => Some(format!("datagram {} is one more than was captured", index + 1)),
    };
    if let Some(what) = difference {
        player.mention(&what);
    }
    player.touch();
    player.advance(index + 1);
}

impl Datagram for ReplayDatagram {
    fn send<'a>(&'a self, data: &'a [u8], peer: Option<SocketAddr>) -> LocalNetFuture<'a, usize> {
        Box::pin(async move { self.send_now(data, self.peer.or(peer).unwrap_or_else(any_peer)) })
    }

    fn receive(&self) -> LocalNetFuture<'_, (Vec<u8>, SocketAddr)> {
        Box::pin(poll_fn(|cx| {
            let mut place = self.player.borrow_mut();
            let Some(player) = place.as_mut() else { return Poll::Pending };
            if let Some(error) = &player.broken {
                return Poll::Ready(Err(error.clone()));
            }
            let (_, what) = std::task::ready!(player.poll_event(cx));
            player.touch();
            player.played_one();
            Poll::Ready(match what {
                What::Data(from, data) => Ok((data, from)),
                What::Fail(kind, detail) => Err(NetError::new(kind, "receive", player.peer).because(detail)),
                What::Close => return Poll::Pending, // datagrams have no end
            })
        }))
    }

    fn local(&self) -> SocketAddr {
        self.local
    }
}

impl Drop for ReplayDatagram {
    fn drop(&mut self) {
        let Some(player) = self.player.get_mut() else { return };
        let all = player.conversation().map_or(0, |conversation| conversation.pieces.len());
        let sent = player.sent;
        if player.is_strict() && player.broken.is_none() && sent < all {
            player.mention(&format!("closed after {sent} datagrams were sent; {all} are recorded"));
        }
    }
}

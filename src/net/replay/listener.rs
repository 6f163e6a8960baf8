//! A listener out of a recording.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use super::player::Player;
use super::shelf::Shelf;
use super::stream::ReplayStream;
use crate::net::{Listener, LocalNetFuture, Origin, Stream};

/// Accepts the recorded connections, each at its recorded time or as soon as it is waited for.
pub(super) struct ReplayListener {
    shelf: Rc<Shelf>,
    origin: Origin,
    local: SocketAddr,
    accepted: Vec<usize>,
    next: Cell<usize>,
}

impl ReplayListener {
    pub fn new(shelf: Rc<Shelf>, origin: Origin, local: SocketAddr, accepted: Vec<usize>) -> ReplayListener {
        ReplayListener { shelf, origin, local, accepted, next: Cell::new(0) }
    }
}

impl Listener for ReplayListener {
    fn accept(&self) -> LocalNetFuture<'_, Box<dyn Stream>> {
        Box::pin(async {
            let Some(index) = self.accepted.get(self.next.get()) else { return std::future::pending().await };
            let Some(seat) = self.shelf.take_accepted(*index) else { return std::future::pending().await };
            if let Some(conversation) = self.shelf.conversation(&seat) {
                let at = self.shelf.moment(self.shelf.clock.now(), conversation.opened);
                self.shelf.clock.sleep_until(at).await;
            }
            self.next.set(self.next.get() + 1);
            let peer = self.shelf.conversation(&seat).map_or(self.local, |conversation| conversation.peer);
            let player = Player::new(Rc::clone(&self.shelf), seat, self.origin.clone(), peer);
            Ok(Box::new(ReplayStream::new(player, self.local, peer)) as Box<dyn Stream>)
        })
    }

    fn local(&self) -> SocketAddr {
        self.local
    }
}

//! Connections a scan has just opened, for the first script that wants one to the same port.
//!
//! It spares the peer, and us, a second handshake a port. A connection is handed over once, within a second of its
//! birth; after that a server may be about to close it, and a fresh one tells no lies.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::{Origin, Stream};
use crate::model::Timestamp;

/// Connections of one host kept at most.
pub const MAX_WARM: usize = 8;
/// Age up to which one is handed over.
const MAX_AGE: Duration = Duration::from_secs(1);

/// The open connections of one host; clones share them. Dropping the last one closes them.
#[derive(Clone, Default)]
pub struct WarmStreams(Rc<RefCell<Vec<Warm>>>);

struct Warm {
    peer: SocketAddr,
    since: Timestamp,
    stream: Box<dyn Stream>,
}

impl WarmStreams {
    /// Keeps an open connection, if there is room.
    pub fn keep(&self, peer: SocketAddr, stream: Box<dyn Stream>, now: Timestamp) {
        let mut streams = self.0.borrow_mut();
        if streams.len() < MAX_WARM {
            streams.push(Warm { peer, since: now, stream });
        }
    }

    /// Keeps only connections to ports that `wanted` says.
    pub fn retain(&self, wanted: impl Fn(u16) -> bool) {
        self.0.borrow_mut().retain(|warm| wanted(warm.peer.port()));
    }

    /// The connection to `peer` for `origin`, if there is a young one that may be handed on.
    pub fn take(&self, peer: SocketAddr, now: Timestamp, origin: &Origin) -> Option<Box<dyn Stream>> {
        let mut streams = self.0.borrow_mut();
        streams.retain(|warm| now.since(warm.since) < MAX_AGE);
        let index = streams.iter().position(|warm| warm.peer == peer && warm.stream.may_be_handed_on(origin))?;
        let mut stream = streams.swap_remove(index).stream;
        stream.hand_on(origin);
        Some(stream)
    }
}

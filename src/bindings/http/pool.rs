//! Idle connections of one script instance.

use std::cell::RefCell;
use std::time::Duration;

use super::Origin;
use super::connection::Connection;
use crate::model::Timestamp;

/// Connections kept unless told otherwise.
const DEFAULT_SIZE: usize = 4;
/// An idle connection this old is closed by most servers anyway.
const MAX_IDLE: Duration = Duration::from_mins(1);

/// A bounded number of idle connections, most recently used first, and one for each lane. Dropping it closes them.
pub struct Pool {
    size: usize,
    idle: RefCell<Vec<Idle>>,
}

struct Idle {
    origin: Origin,
    lane: Option<u8>,
    since: Timestamp,
    connection: Connection,
}

impl Default for Pool {
    fn default() -> Pool {
        Pool::new(DEFAULT_SIZE)
    }
}

impl Pool {
    /// A pool of at most `size` connections, those of lanes apart; 0 turns reuse off.
    pub fn new(size: usize) -> Pool {
        Pool { size, idle: RefCell::default() }
    }

    /// Idle connections.
    pub fn len(&self) -> usize {
        self.idle.borrow().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Closes all idle connections.
    pub fn clear(&self) {
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        drop(idle);
    }

    /// The connection to `origin` used last, of this lane alone if there is one.
    pub(super) fn take(&self, origin: &Origin, lane: Option<u8>, now: Timestamp) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|one| now.since(one.since) < MAX_IDLE);
        let index = idle.iter().rposition(|one| one.origin == *origin && one.lane == lane)?;
        Some(idle.remove(index).connection)
    }

    /// Keeps `connection` for the next request, and closes the one unused for longest when there are too many, or the one
    /// the lane had.
    pub(super) fn put(&self, origin: &Origin, lane: Option<u8>, mut connection: Connection, now: Timestamp) {
        if self.size == 0 || connection.has_surplus() {
            return; // out of step with the server
        }
        connection.reused = true;
        let mut idle = self.idle.borrow_mut();
        let most = if lane.is_some() { 1 } else { self.size };
        if idle.iter().filter(|one| one.lane == lane).count() >= most
            && let Some(oldest) = idle.iter().position(|one| one.lane == lane)
        {
            idle.remove(oldest);
        }
        idle.push(Idle { origin: origin.clone(), lane, since: now, connection });
    }
}

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

/// A bounded number of idle connections, most recently used first. Dropping it closes them.
pub struct Pool {
    size: usize,
    idle: RefCell<Vec<Idle>>,
}

struct Idle {
    origin: Origin,
    since: Timestamp,
    connection: Connection,
}

impl Default for Pool {
    fn default() -> Pool {
        Pool::new(DEFAULT_SIZE)
    }
}

impl Pool {
    /// A pool of at most `size` connections; 0 turns reuse off.
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

    /// The connection to `origin` used last.
    pub(super) fn take(&self, origin: &Origin, now: Timestamp) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|one| now.since(one.since) < MAX_IDLE);
        let index = idle.iter().rposition(|one| one.origin == *origin)?;
        Some(idle.remove(index).connection)
    }

    /// Keeps `connection` for the next request, and closes the one unused for longest when there are too many.
    pub(super) fn put(&self, origin: &Origin, mut connection: Connection, now: Timestamp) {
        if self.size == 0 || connection.has_surplus() {
            return; // out of step with the server
        }
        connection.reused = true;
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= self.size {
            idle.remove(0);
        }
        idle.push(Idle { origin: origin.clone(), since: now, connection });
    }
}

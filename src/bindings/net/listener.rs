//! A script's listening socket.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::{Handle, Owned, Socket};
use crate::model::{NetError, NetErrorKind};
use crate::net::Listener;
use crate::runtime::Clock;

/// A handle scripts hold; clones share the socket.
#[derive(Clone)]
pub struct Acceptor(Rc<Inner>);

struct Inner {
    /// None once it is closed.
    listener: RefCell<Option<Rc<dyn Listener>>>,
    local: SocketAddr,
    /// Time to wait for a connection.
    timeout: Duration,
    clock: Clock,
}

impl Acceptor {
    /// A handle on `listener`.
    pub fn new(listener: Box<dyn Listener>, timeout: Duration, clock: Clock) -> Acceptor {
        let local = listener.local();
        Acceptor(Rc::new(Inner { listener: RefCell::new(Some(listener.into())), local, timeout, clock }))
    }

    /// Where it listens.
    pub fn local(&self) -> SocketAddr {
        self.0.local
    }

    /// Closes it; closing twice is harmless.
    pub fn close(&self) {
        self.0.close();
    }

    /// The next connection.
    pub async fn accept(&self) -> Result<Socket, NetError> {
        let error = |kind| NetError::new(kind, "accept", self.0.local);
        let listener = self.0.listener.borrow().clone();
        let listener =
            listener.ok_or_else(|| error(NetErrorKind::Closed).because("the script closed this listener"))?;
        let accepted = self.0.clock.timeout(self.0.timeout, listener.accept()).await;
        let stream = accepted.unwrap_or_else(|_| Err(error(NetErrorKind::Timeout)))?;
        Ok(Socket::stream(self.0.clock.clone(), stream, None, self.0.timeout))
    }
}

impl Handle for Inner {
    fn close(&self) {
        let listener = self.listener.take();
        drop(listener);
    }
}

impl Owned for Acceptor {
    fn handle(&self) -> Weak<dyn Handle> {
        let inner: Weak<Inner> = Rc::downgrade(&self.0);
        inner
    }
}

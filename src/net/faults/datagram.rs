//! A datagram socket on a bad path. What we send goes through as it is.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::dice::{Dice, Fault};
use crate::model::{NetError, NetErrorKind, Timestamp};
use crate::net::{Datagram, LocalNetFuture};
use crate::runtime::Clock;

/// Datagrams under way at once; more are lost.
const UNDER_WAY: usize = 256;
/// How long one that is overtaken takes: whatever comes within that time is before it.
const OVERTAKEN: Duration = Duration::from_millis(200);
const FAULTS: [Fault; 7] =
    [Fault::Drop, Fault::Delay, Fault::Duplicate, Fault::Truncate, Fault::Reorder, Fault::Reset, Fault::Corrupt];

/// Another socket, spoilt.
pub(super) struct FaultyDatagram {
    inner: Box<dyn Datagram>,
    dice: Dice,
    clock: Clock,
    path: RefCell<Path>,
}

/// Datagrams on their way, by when they arrive.
#[derive(Default)]
struct Path {
    under_way: BTreeMap<(Timestamp, u64), (Vec<u8>, SocketAddr)>,
    entered: u64,
}

impl Path {
    fn enter(&mut self, at: Timestamp, data: Vec<u8>, from: SocketAddr) {
        if self.under_way.len() < UNDER_WAY {
            self.entered += 1;
            self.under_way.insert((at, self.entered), (data, from));
        }
    }
}

impl FaultyDatagram {
    pub fn new(inner: Box<dyn Datagram>, dice: Dice, clock: Clock) -> FaultyDatagram {
        FaultyDatagram { inner, dice, clock, path: RefCell::default() }
    }

    /// Puts a datagram on its way, as it fares.
    fn spoil(&self, mut data: Vec<u8>, from: SocketAddr) -> Result<(), NetError> {
        let (now, mut path) = (self.clock.now(), self.path.borrow_mut());
        let mut at = now;
        match self.dice.fault(&FAULTS) {
            Some(Fault::Drop) => return Ok(()),
            Some(Fault::Reset) => return Err(NetError::new(NetErrorKind::Refused, "receive", from)),
            Some(Fault::Delay) => at = now.plus(self.dice.delay()),
            Some(Fault::Reorder) => at = now.plus(OVERTAKEN),
            Some(Fault::Duplicate) => path.enter(now.plus(self.dice.delay()), data.clone(), from),
            Some(Fault::Truncate) => self.dice.cut(&mut data),
            Some(Fault::Corrupt) => self.dice.corrupt(&mut data),
            Some(Fault::Split) | None => {}
        }
        path.enter(at, data, from);
        Ok(())
    }

    async fn next(&self) -> Result<(Vec<u8>, SocketAddr), NetError> {
        loop {
            let first = self.path.borrow().under_way.first_key_value().map(|(key, _)| *key);
            let received = match first {
                Some(key) if key.0 <= self.clock.now() => {
                    if let Some(arrived) = self.path.borrow_mut().under_way.remove(&key) {
                        return Ok(arrived);
                    }
                    continue;
                }
                Some((at, _)) => self.clock.before(at, self.inner.receive()).await.ok(),
                None => Some(self.inner.receive().await),
            };
            // Whoever gives up waiting loses nothing: what was received is on its way before the next wait.
            if let Some(received) = received {
                let (data, from) = received?;
                self.spoil(data, from)?;
            }
        }
    }
}

impl Datagram for FaultyDatagram {
    fn send<'a>(&'a self, data: &'a [u8], peer: Option<SocketAddr>) -> LocalNetFuture<'a, usize> {
        self.inner.send(data, peer)
    }

    fn receive(&self) -> LocalNetFuture<'_, (Vec<u8>, SocketAddr)> {
        Box::pin(self.next())
    }

    fn local(&self) -> SocketAddr {
        self.inner.local()
    }
}

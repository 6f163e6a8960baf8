//! Faults: a layer over the door that spoils what comes back, for finding out how scripts bear it.
//!
//! Connections are refused, answered late or never; streams fall silent, end early, break, arrive in small pieces or with
//! other bytes; datagrams are lost, late, doubled, cut, overtaken, changed or refused, and so are captured packets, but for
//! the last. Everything follows from one seed and from the order in which conversations and captures are opened, so on a
//! virtual clock the same seed spoils the same bytes.
//!
//! Knows nothing of what lies below it: a recording, a model, or anything else that is a transport or has packets.

mod datagram;
mod dice;
mod packets;
mod stream;

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

pub use dice::Tally;
pub use packets::FaultyPackets;

use datagram::FaultyDatagram;
use dice::{Dice, Fault};
use stream::FaultyStream;

use super::packets::Packets;
use super::{ConnectOptions, Datagram, Listener, LocalNetFuture, NetFuture, Origin, Stream, Transport};
use crate::model::{NetError, NetErrorKind};
use crate::runtime::{Clock, Random, Runtime};

/// Both halves of a door, and how they were spoilt if they were.
pub type Spoilt = (Rc<dyn Transport>, Rc<dyn Packets>, Option<(u64, Tally)>);

/// Both halves of a door, spoilt as the seed has it, with that and the count of what was done; as they are without one.
pub fn spoilt(
    seed: Option<u64>,
    transport: Rc<dyn Transport>,
    packets: Rc<dyn Packets>,
    runtime: &Runtime,
    connect_timeout: Duration,
) -> Spoilt {
    let Some(seed) = seed else { return (transport, packets, None) };
    let random = Random::new(Some(seed));
    let transport = FaultyTransport::new(transport, runtime.clock(), &random, connect_timeout);
    let tally = transport.tally();
    let packets = FaultyPackets::new(packets, runtime.clock(), runtime.spawner(), &random, tally.clone());
    (Rc::new(transport), Rc::new(packets), Some((seed, tally)))
}

/// Another transport, spoilt.
pub struct FaultyTransport {
    inner: Rc<dyn Transport>,
    clock: Clock,
    random: Random,
    connect_timeout: Duration,
    /// Conversations opened so far.
    opened: Rc<Cell<u64>>,
    tally: Tally,
}

impl FaultyTransport {
    /// Spoils what comes out of `inner`, as the seed of `random` has it. A connect that says nothing else waits for
    /// `connect_timeout`.
    pub fn new(inner: Rc<dyn Transport>, clock: Clock, random: &Random, connect_timeout: Duration) -> FaultyTransport {
        let random = random.derive("faults");
        FaultyTransport { inner, clock, random, connect_timeout, opened: Rc::default(), tally: Tally::default() }
    }

    /// What was done so far.
    pub fn tally(&self) -> Tally {
        self.tally.clone()
    }

    fn dice(&self) -> Dice {
        next_dice(&self.opened, &self.random, &self.tally)
    }
}

fn next_dice(opened: &Cell<u64>, random: &Random, tally: &Tally) -> Dice {
    opened.set(opened.get() + 1);
    Dice::new(random.derive(&format!("conversation {}", opened.get())), tally.clone())
}

impl Transport for FaultyTransport {
    fn connect(&self, peer: SocketAddr, options: ConnectOptions) -> NetFuture<Box<dyn Stream>> {
        let (dice, clock) = (self.dice(), self.clock.clone());
        let timeout = options.timeout.unwrap_or(self.connect_timeout);
        let connecting = self.inner.connect(peer, options);
        Box::pin(async move {
            let late = match dice.opening_fault(&[Fault::Drop, Fault::Delay, Fault::Reset]) {
                Some(Fault::Drop) => timeout,
                Some(Fault::Reset) => return Err(NetError::new(NetErrorKind::Refused, "connect", peer)),
                Some(_) => dice.delay(),
                None => Duration::ZERO,
            };
            clock.sleep(late.min(timeout)).await;
            if late >= timeout {
                return Err(NetError::new(NetErrorKind::Timeout, "connect", peer));
            }
            Ok(Box::new(FaultyStream::new(connecting.await?, dice, clock)) as Box<dyn Stream>)
        })
    }

    fn datagram(
        &self,
        bind: Option<SocketAddr>,
        peer: Option<SocketAddr>,
        origin: Origin,
    ) -> NetFuture<Box<dyn Datagram>> {
        let (dice, clock) = (self.dice(), self.clock.clone());
        let opening = self.inner.datagram(bind, peer, origin);
        Box::pin(async move { Ok(Box::new(FaultyDatagram::new(opening.await?, dice, clock)) as Box<dyn Datagram>) })
    }

    fn listen(&self, bind: SocketAddr, origin: Origin) -> NetFuture<Box<dyn Listener>> {
        let opening = self.inner.listen(bind, origin);
        let (clock, random) = (self.clock.clone(), self.random.clone());
        let (opened, tally) = (Rc::clone(&self.opened), self.tally.clone());
        Box::pin(async move {
            let inner = opening.await?;
            Ok(Box::new(FaultyListener { inner, clock, random, opened, tally }) as Box<dyn Listener>)
        })
    }
}

/// A listener whose connections are spoilt.
struct FaultyListener {
    inner: Box<dyn Listener>,
    clock: Clock,
    random: Random,
    opened: Rc<Cell<u64>>,
    tally: Tally,
}

impl Listener for FaultyListener {
    fn accept(&self) -> LocalNetFuture<'_, Box<dyn Stream>> {
        Box::pin(async {
            let inner = self.inner.accept().await?;
            let dice = next_dice(&self.opened, &self.random, &self.tally);
            Ok(Box::new(FaultyStream::new(inner, dice, self.clock.clone())) as Box<dyn Stream>)
        })
    }

    fn local(&self) -> SocketAddr {
        self.inner.local()
    }
}

#[cfg(test)]
mod tests;

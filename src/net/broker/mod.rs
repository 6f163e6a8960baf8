//! The one broker through which every socket and packet of a script passes: capability, fence, budgets, rate, trace.
//!
//! A library cannot get around it: natives hold a [`Broker`], never the bare [`Network`].

mod capture;
mod metered;
mod packets;
mod warrant;

use std::cell::Cell;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

pub use self::capture::Capture;
use self::capture::FilterTexts;
use self::metered::{Metered, MeteredDatagram, MeteredListener};
pub use self::warrant::Warrant;
use super::slots::{HoldAndWait, Slot, Slots};
use super::{ConnectOptions, Datagram, Family, Listener, NetFuture, Network, Origin, Stream};
use crate::model::{Capability, NetError, NetErrorKind, Spent, Timestamp};
use crate::runtime::{Clock, Random};

/// Packets and connections begun at once at most, however high the rate: a millisecond's worth, up to this.
const MAX_BURST: usize = 64;

/// A token bucket over everything that opens a connection, sends a datagram, a packet or a question for a name (`--max-rate`).
#[derive(Clone)]
pub struct Governor {
    clock: Clock,
    interval: Option<Duration>,
    next: Rc<Cell<Timestamp>>,
}

impl Governor {
    /// At most `rate` starts a second; unlimited without one.
    pub fn new(clock: Clock, rate: Option<f64>) -> Governor {
        let interval = rate.filter(|rate| *rate > 0.0).map(|rate| Duration::from_secs_f64(1.0 / rate));
        Governor { clock, interval, next: Rc::default() }
    }

    /// Waits for the next free moment.
    pub async fn pass(&self) {
        self.pass_many(1).await;
    }

    /// Waits for a free moment to begin `count` at once; those after them wait as long as if they came singly.
    pub async fn pass_many(&self, count: usize) {
        let Some(interval) = self.interval else { return };
        let at = self.next.get().max(self.clock.now());
        self.next.set(at.plus(interval * count as u32));
        self.clock.sleep_until(at).await;
    }

    /// When the next may begin; now or earlier, if one may at once.
    pub fn next_start(&self) -> Timestamp {
        if self.interval.is_none() { Timestamp::default() } else { self.next.get() }
    }

    /// `count` begin now, by somebody who looked at [`Governor::next_start`] before.
    pub fn begin(&self, count: usize) {
        if let Some(interval) = self.interval {
            let at = self.next.get().max(self.clock.now());
            self.next.set(at.plus(interval * count as u32));
        }
    }

    /// How many may be begun at once.
    pub fn burst(&self) -> usize {
        self.interval.map_or(usize::MAX, |interval| {
            let in_a_millisecond = Duration::from_millis(1).as_nanos() / interval.as_nanos().max(1);
            (in_a_millisecond as usize).clamp(1, MAX_BURST)
        })
    }
}

/// One traced operation of a script.
pub struct TraceLine<'a> {
    /// Script id.
    pub script: &'a str,
    /// The instance.
    pub origin: &'a Origin,
    /// `connect`, `send`, `receive`, `close`; `packet` for packets sent, `captured` for those seen.
    pub op: &'static str,
    /// The peer.
    pub peer: &'a dyn fmt::Display,
    /// Bytes moved, where there are any.
    pub data: &'a [u8],
}

/// Where traces go.
pub type TraceSink = Rc<dyn Fn(&TraceLine<'_>)>;

/// The door as scripts get it.
#[derive(Clone)]
pub struct Broker {
    network: Network,
    governor: Governor,
    slots: Slots,
    trace: Option<TraceSink>,
    open: Rc<Cell<usize>>,
    filters: FilterTexts,
}

impl Broker {
    /// A broker over `network`.
    pub fn new(network: Network, governor: Governor, slots: Slots, trace: Option<TraceSink>) -> Broker {
        Broker { network, governor, slots, trace, open: Rc::default(), filters: FilterTexts::default() }
    }

    /// Sockets scripts have open now.
    pub fn open_sockets(&self) -> usize {
        self.open.get()
    }

    /// The run's clock.
    pub fn clock(&self) -> &Clock {
        &self.network.clock
    }

    /// The run's randomness.
    pub fn random(&self) -> &Random {
        &self.network.random
    }

    /// Waits for the slots a socket takes.
    async fn slot(&self, warrant: &Warrant, op: &'static str, peer: SocketAddr) -> Result<Slot, NetError> {
        let bearer = (&warrant.usage, &warrant.threads);
        let slot = self.slots.acquire(&warrant.script, peer.ip(), bearer, self.clock()).await;
        slot.map_err(|HoldAndWait| {
            NetError::new(NetErrorKind::Budget(Spent::Slots), op, peer).because(
                "every script that could free a socket slot holds one and waits for another; close sockets first, or raise \
                 --max-parallelism, --max-sockets-per-host or --max-sockets-per-script",
            )
        })
    }

    /// Opens a TCP stream for the bearer of `warrant`.
    pub fn connect(
        &self,
        warrant: &Rc<Warrant>,
        peer: SocketAddr,
        mut options: ConnectOptions,
    ) -> NetFuture<Box<dyn Stream>> {
        options.origin = warrant.origin.clone();
        let admitted = warrant.admit(Capability::Tcp, "connect", peer);
        let (broker, warrant) = (self.clone(), Rc::clone(warrant));
        Box::pin(async move {
            admitted?;
            warrant.check_sockets("connect", peer)?;
            let slot = broker.slot(&warrant, "connect", peer).await?;
            let count = warrant.open_socket("connect", peer, Some(slot), &broker.open)?;
            broker.governor.pass().await;
            let warm = match options.bind {
                Some(_) => None,
                None => warrant.warm.take(peer, broker.clock().now(), &warrant.origin),
            };
            let inner = match warm {
                Some(stream) => stream,
                None => broker.network.transport.connect(peer, options).await?,
            };
            let stream = Metered { inner, count, trace: broker.trace.clone() };
            stream.trace("connect", &[]);
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }

    /// Checks that the bearer may use `capability` towards `peer`: for what runs over a stream it already has.
    pub fn admit(
        &self,
        warrant: &Warrant,
        capability: Capability,
        op: &'static str,
        peer: SocketAddr,
    ) -> Result<(), NetError> {
        warrant.admit(capability, op, peer)
    }

    /// Opens a UDP socket, connected if there is a `peer`.
    pub fn datagram(
        &self,
        warrant: &Rc<Warrant>,
        bind: Option<SocketAddr>,
        peer: Option<SocketAddr>,
    ) -> NetFuture<Box<dyn Datagram>> {
        let admitted = match peer {
            Some(peer) => warrant.admit(Capability::Udp, "udp", peer),
            None => warrant.demand(Capability::Udp, "udp", "any"),
        };
        let (broker, warrant) = (self.clone(), Rc::clone(warrant));
        Box::pin(async move {
            admitted?;
            let label = peer.map_or_else(|| "any".to_owned(), |peer| peer.to_string());
            warrant.check_sockets("udp", &label)?;
            let slot = match peer {
                Some(peer) => Some(broker.slot(&warrant, "udp", peer).await?),
                None => None, // it has no host to count against
            };
            let count = warrant.open_socket("udp", label, slot, &broker.open)?;
            let inner = broker.network.transport.datagram(bind, peer, warrant.origin.clone()).await?;
            Ok(Box::new(MeteredDatagram { inner, count, broker, peer }) as Box<dyn Datagram>)
        })
    }

    /// Accepts connections for the bearer, who must have declared `listen`.
    pub fn listen(&self, warrant: &Rc<Warrant>, bind: SocketAddr) -> NetFuture<Box<dyn Listener>> {
        let admitted = warrant.demand(Capability::Listen, "listen", bind);
        let (broker, warrant) = (self.clone(), Rc::clone(warrant));
        Box::pin(async move {
            admitted?;
            let count = warrant.open_socket("listen", bind, None, &broker.open)?;
            let inner = broker.network.transport.listen(bind, warrant.origin.clone()).await?;
            Ok(Box::new(MeteredListener { inner, count, trace: broker.trace.clone() }) as Box<dyn Listener>)
        })
    }

    /// Addresses of `name`, for bearers who declared `dns`.
    pub fn addresses(&self, warrant: &Warrant, name: &str, family: Family) -> NetFuture<Vec<IpAddr>> {
        match warrant.demand(Capability::Dns, "resolve", name) {
            Ok(()) => self.network.names.addresses(name, family),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    /// Names of `addr`, for bearers who declared `dns`.
    pub fn reverse(&self, warrant: &Warrant, addr: IpAddr) -> NetFuture<Vec<String>> {
        match warrant.demand(Capability::Dns, "reverse", addr) {
            Ok(()) => self.network.names.reverse(addr),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

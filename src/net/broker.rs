//! The one broker through which every socket of a script passes: capability, fence, budgets, rate, trace.
//!
//! A library cannot get around it: natives hold a [`Broker`], never the bare [`Network`].

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncWrite};

use super::slots::{HoldAndWait, Slot, Slots};
use super::warm::WarmStreams;
use super::{ConnectOptions, Datagram, Family, Listener, LocalNetFuture, NetFuture, Network, Stream};
use crate::model::{Capabilities, Capability, Limits, NetError, NetErrorKind, Spent, Timestamp, Usage};
use crate::runtime::{Clock, Random, Threads};

/// What a script instance may do, and what it has used.
pub struct Warrant {
    /// Script id, for messages and traces.
    pub script: Rc<str>,
    /// Declared in its header.
    pub capabilities: Capabilities,
    /// Addresses it was started for; empty for pre- and postrules.
    pub fence: Vec<IpAddr>,
    /// Its budgets.
    pub limits: Limits,
    /// Its counters.
    pub usage: Rc<Usage>,
    /// Its threads.
    pub threads: Threads,
    /// Connections of its host that are open already.
    pub warm: WarmStreams,
}

impl Warrant {
    /// Denied, with the line to add, unless the script declared `capability`.
    pub fn demand(
        &self,
        capability: Capability,
        op: &'static str,
        peer: impl std::fmt::Display, // shown only when refused: most are not
    ) -> Result<(), NetError> {
        if self.capabilities.has(capability) {
            return Ok(());
        }
        let mut all: Vec<_> = self.capabilities.iter().map(|c| format!("\"{c}\"")).collect();
        all.push(format!("\"{capability}\""));
        Err(NetError::new(NetErrorKind::Denied, op, peer).because(format!(
            "{} did not declare it; add `const capabilities = [{}];` to its header",
            self.script,
            all.join(", ")
        )))
    }

    fn check_fence(&self, peer: IpAddr, op: &'static str) -> Result<(), NetError> {
        if self.fence.contains(&peer) { Ok(()) } else { self.demand(Capability::OtherHosts, op, peer) }
    }

    /// Checks capability and fence for talking to `peer`.
    fn admit(&self, capability: Capability, op: &'static str, peer: SocketAddr) -> Result<(), NetError> {
        self.demand(capability, op, peer)?;
        self.check_fence(peer.ip(), op)
    }

    fn check_sockets(&self, op: &'static str, peer: impl std::fmt::Display) -> Result<(), NetError> {
        let limit = self.limits.sockets;
        if self.usage.sockets.get() < limit {
            return Ok(());
        }
        Err(NetError::new(NetErrorKind::Budget(Spent::Sockets), op, peer)
            .because(format!("{limit} sockets are open; close some or raise --script-max-sockets")))
    }

    fn open_socket(
        self: &Rc<Self>,
        op: &'static str,
        peer: impl std::fmt::Display,
        slot: Option<Slot>,
        of_run: &Rc<Cell<usize>>,
    ) -> Result<SocketCount, NetError> {
        self.check_sockets(op, peer)?;
        self.usage.sockets.set(self.usage.sockets.get() + 1);
        of_run.set(of_run.get() + 1);
        Ok(SocketCount { warrant: Rc::clone(self), of_run: Rc::clone(of_run), _slot: slot })
    }

    fn check_bytes(&self, op: &'static str, peer: impl std::fmt::Display) -> Result<(), NetError> {
        if self.usage.bytes() <= self.limits.bytes {
            return Ok(());
        }
        let limit = self.limits.bytes;
        Err(NetError::new(NetErrorKind::Budget(Spent::Bytes), op, peer)
            .because(format!("more than {limit} bytes moved; raise --script-max-bytes")))
    }
}

/// One open socket in the counts of its warrant and of the run.
struct SocketCount {
    warrant: Rc<Warrant>,
    of_run: Rc<Cell<usize>>,
    _slot: Option<Slot>,
}

impl Drop for SocketCount {
    fn drop(&mut self) {
        let open = &self.warrant.usage.sockets;
        open.set(open.get().saturating_sub(1));
        self.of_run.set(self.of_run.get().saturating_sub(1));
    }
}

/// A token bucket over everything that opens a connection or sends a datagram (`--max-rate`).
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
        let Some(interval) = self.interval else { return };
        let at = self.next.get().max(self.clock.now());
        self.next.set(at.plus(interval));
        self.clock.sleep_until(at).await;
    }
}

/// One traced operation of a script.
pub struct TraceLine<'a> {
    /// Script id.
    pub script: &'a str,
    /// `connect`, `send`, `receive`, `close`.
    pub op: &'static str,
    /// The peer.
    pub peer: SocketAddr,
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
}

impl Broker {
    /// A broker over `network`.
    pub fn new(network: Network, governor: Governor, slots: Slots, trace: Option<TraceSink>) -> Broker {
        Broker { network, governor, slots, trace, open: Rc::default() }
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
        options: ConnectOptions,
    ) -> NetFuture<Box<dyn Stream>> {
        let admitted = warrant.admit(Capability::Tcp, "connect", peer);
        let (broker, warrant) = (self.clone(), Rc::clone(warrant));
        Box::pin(async move {
            admitted?;
            warrant.check_sockets("connect", peer)?;
            let slot = broker.slot(&warrant, "connect", peer).await?;
            let count = warrant.open_socket("connect", peer, Some(slot), &broker.open)?;
            broker.governor.pass().await;
            let warm = warrant.warm.take(peer, broker.clock().now()).filter(|_| options.bind.is_none());
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
            let inner = broker.network.transport.datagram(bind, peer).await?;
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
            let inner = broker.network.transport.listen(bind).await?;
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

/// A stream whose bytes are counted and traced.
struct Metered {
    inner: Box<dyn Stream>,
    count: SocketCount,
    trace: Option<TraceSink>,
}

impl Metered {
    fn trace(&self, op: &'static str, data: &[u8]) {
        if let Some(trace) = &self.trace {
            trace(&TraceLine { script: &self.count.warrant.script, op, peer: self.inner.peer(), data });
        }
    }

    fn check_budget(&self, op: &'static str) -> io::Result<()> {
        self.count.warrant.check_bytes(op, self.inner.peer()).map_err(io::Error::other)
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.check_budget("receive")?;
        let read = std::task::ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.count.warrant.usage.add_received(read);
        self.trace("receive", &buf[..read]);
        Poll::Ready(Ok(read))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check_budget("send")?;
        let written = std::task::ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        self.count.warrant.usage.add_sent(written);
        self.trace("send", &buf[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

impl Stream for Metered {
    fn local(&self) -> SocketAddr {
        self.inner.local()
    }

    fn peer(&self) -> SocketAddr {
        self.inner.peer()
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.trace("close", &[]);
    }
}

/// A datagram socket whose peers are fenced and whose bytes are counted.
struct MeteredDatagram {
    inner: Box<dyn Datagram>,
    count: SocketCount,
    broker: Broker,
    peer: Option<SocketAddr>,
}

impl MeteredDatagram {
    fn trace(&self, op: &'static str, peer: SocketAddr, data: &[u8]) {
        if let Some(trace) = &self.broker.trace {
            trace(&TraceLine { script: &self.count.warrant.script, op, peer, data });
        }
    }
}

impl Datagram for MeteredDatagram {
    fn send<'a>(&'a self, data: &'a [u8], peer: Option<SocketAddr>) -> LocalNetFuture<'a, usize> {
        let warrant = &self.count.warrant;
        Box::pin(async move {
            let Some(peer) = self.peer.or(peer) else {
                return Err(NetError::new(NetErrorKind::Local, "send", "nobody").because("name a peer to send to"));
            };
            warrant.check_fence(peer.ip(), "send")?;
            warrant.check_bytes("send", peer)?;
            self.broker.governor.pass().await;
            let sent = self.inner.send(data, Some(peer)).await?;
            warrant.usage.add_sent(sent);
            self.trace("send", peer, data);
            Ok(sent)
        })
    }

    fn receive(&self) -> LocalNetFuture<'_, (Vec<u8>, SocketAddr)> {
        Box::pin(async move {
            self.count.warrant.check_bytes("receive", self.inner.local())?;
            let (data, from) = self.inner.receive().await?;
            self.count.warrant.usage.add_received(data.len());
            self.trace("receive", from, &data);
            Ok((data, from))
        })
    }

    fn local(&self) -> SocketAddr {
        self.inner.local()
    }
}

/// A listener whose connections are counted.
struct MeteredListener {
    inner: Box<dyn Listener>,
    count: SocketCount,
    trace: Option<TraceSink>,
}

impl Listener for MeteredListener {
    fn accept(&self) -> LocalNetFuture<'_, Box<dyn Stream>> {
        Box::pin(async {
            let inner = self.inner.accept().await?;
            let count = self.count.warrant.open_socket("accept", inner.peer(), None, &self.count.of_run)?;
            Ok(Box::new(Metered { inner, count, trace: self.trace.clone() }) as Box<dyn Stream>)
        })
    }

    fn local(&self) -> SocketAddr {
        self.inner.local()
    }
}

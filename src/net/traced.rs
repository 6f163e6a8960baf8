//! `--packet-trace`: every packet and connection shown as it passes, one line each.
//!
//! A layer over the whole door, so it sees the packets of the scan and those of scripts alike, live, simulated and replayed.
//! Changes nothing of what passes through. While it is off it costs one look at a flag for each call.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::packets::{Outgoing, Packets, Ports, ReservedPort, Sent};
use super::{ConnectOptions, Datagram, Listener, NetFuture, Network, Origin, Stream, Transport};
use crate::capture::{Direction, Frame, Interest, Observer, Subscription};
use crate::model::{Interface, LinkType, NetError, PacketTotals, Route, Timestamp};
use crate::packet::Packet;
use crate::runtime::Clock;

/// Where lines go, and whether there are any now. Clones share both.
#[derive(Clone)]
pub struct PacketTrace {
    /// Lines are wanted.
    pub on: Rc<Cell<bool>>,
    /// Takes each.
    pub show: Rc<dyn Fn(&PacketLine)>,
}

/// One packet or connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketLine {
    /// When the kernel took it or saw it; of a connection, when its outcome was known.
    pub at: Timestamp,
    /// What became of it.
    pub passed: Passed,
    /// What it is. Bytes from the wire never appear in it.
    pub text: String,
}

/// How something passed the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// The kernel took the packet.
    Sent,
    /// It did not.
    Failed,
    /// The packet came in, and somebody wanted it.
    Received,
    /// The system was asked to connect.
    Connect,
}

impl Passed {
    /// The word before the line: those people know.
    pub fn word(self) -> &'static str {
        match self {
            Passed::Sent => "SENT",
            Passed::Failed => "FAIL",
            Passed::Received => "RCVD",
            Passed::Connect => "CONN",
        }
    }
}

/// `network` with everything that passes shown by `trace`. Lookups of names have a transport of their own and are not shown.
pub fn traced(network: &Network, trace: &PacketTrace) -> Network {
    let (shown, clock) = (trace.clone(), network.clock.clone());
    network.packets.observe(Rc::new(move |frame, _| shown.received(frame)));
    let layer = Layer { trace: trace.clone(), clock };
    Network {
        transport: Rc::new(TracedTransport { inner: Rc::clone(&network.transport), layer: layer.clone() }),
        packets: Rc::new(TracedPackets { inner: Rc::clone(&network.packets), layer }),
        ..network.clone()
    }
}

impl PacketTrace {
    fn received(&self, frame: &Frame<'_>) {
        // Our own packets are told of when they are sent.
        if self.on.get() && frame.direction == Direction::In {
            let text = Packet::parse(frame.link, frame.bytes).summary();
            (self.show)(&PacketLine { at: frame.at, passed: Passed::Received, text });
        }
    }
}

#[derive(Clone)]
struct Layer {
    trace: PacketTrace,
    clock: Clock,
}

impl Layer {
    fn is_on(&self) -> bool {
        self.trace.on.get()
    }

    fn sent(&self, packet: &Outgoing, outcome: Result<Timestamp, &NetError>, origin: &Origin) {
        let (link, bytes) = match packet {
            Outgoing::Ip { packet, .. } => (LinkType::Ip, packet),
            Outgoing::Frame { frame, .. } => (LinkType::Ethernet, frame),
        };
        let text = format!("{}{}", Packet::parse(link, bytes).summary(), by(origin));
        let (at, passed, text) = match outcome {
            Ok(at) => (at, Passed::Sent, text),
            Err(error) => (self.clock.now(), Passed::Failed, format!("{text} => {error}")),
        };
        (self.trace.show)(&PacketLine { at, passed, text });
    }

    fn connected(&self, peer: SocketAddr, begun: Timestamp, outcome: Result<(), &NetError>, origin: &Origin) {
        let at = self.clock.now();
        let became = outcome.map_or_else(|error| error.kind.name(), |()| "connected");
        let after = at.since(begun).as_secs_f64();
        let text = format!("TCP > {peer} => {became} after {after:.6}s{}", by(origin));
        (self.trace.show)(&PacketLine { at, passed: Passed::Connect, text });
    }
}

/// Whose it is, unless the scan's own.
fn by(origin: &Origin) -> String {
    if *origin == Origin::SCAN { String::new() } else { format!(" by {}", origin.as_str()) }
}

/// Other packets, shown.
struct TracedPackets {
    inner: Rc<dyn Packets>,
    layer: Layer,
}

impl Packets for TracedPackets {
    fn permitted(&self) -> Result<(), NetError> {
        self.inner.permitted()
    }

    fn interfaces(&self) -> NetFuture<Vec<Rc<Interface>>> {
        self.inner.interfaces()
    }

    fn route(&self, to: IpAddr, interface: Option<u32>) -> NetFuture<Route> {
        self.inner.route(to, interface)
    }

    fn send(&self, packets: Vec<Outgoing>, origin: &Origin) -> NetFuture<Vec<Sent>> {
        if !self.layer.is_on() {
            return self.inner.send(packets, origin);
        }
        let (layer, origin, shown) = (self.layer.clone(), origin.clone(), packets.clone());
        let sent = self.inner.send(packets, &origin);
        Box::pin(async move {
            let outcome = sent.await;
            for (index, packet) in shown.iter().enumerate() {
                let of_one = match &outcome {
                    Ok(all) => all.get(index).map(|sent| sent.as_ref().copied()),
                    Err(error) => Some(Err(error)),
                };
                if let Some(of_one) = of_one {
                    layer.sent(packet, of_one, &origin);
                }
            }
            outcome
        })
    }

    fn reserve(&self, ports: Ports, local: IpAddr, origin: &Origin) -> NetFuture<Box<dyn ReservedPort>> {
        self.inner.reserve(ports, local, origin)
    }

    fn capture(&self, interest: Interest, origin: &Origin) -> NetFuture<Subscription> {
        self.inner.capture(interest, origin)
    }

    fn observe(&self, observer: Observer) {
        self.inner.observe(observer);
    }

    fn captured(&self) -> PacketTotals {
        self.inner.captured()
    }
}

/// Another transport whose connections are shown.
struct TracedTransport {
    inner: Rc<dyn Transport>,
    layer: Layer,
}

impl Transport for TracedTransport {
    fn connect(&self, peer: SocketAddr, options: ConnectOptions) -> NetFuture<Box<dyn Stream>> {
        if !self.layer.is_on() {
            return self.inner.connect(peer, options);
        }
        let (layer, origin, begun) = (self.layer.clone(), options.origin.clone(), self.layer.clock.now());
        let connecting = self.inner.connect(peer, options);
        Box::pin(async move {
            let outcome = connecting.await;
            layer.connected(peer, begun, outcome.as_ref().map(drop), &origin);
            outcome
        })
    }

    fn datagram(
        &self,
        bind: Option<SocketAddr>,
        peer: Option<SocketAddr>,
        origin: Origin,
    ) -> NetFuture<Box<dyn Datagram>> {
        self.inner.datagram(bind, peer, origin)
    }

    fn listen(&self, bind: SocketAddr, origin: Origin) -> NetFuture<Box<dyn Listener>> {
        self.inner.listen(bind, origin)
    }
}

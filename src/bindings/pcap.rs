//! The Rhai module `pcap`: packets that go by.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use rhai::plugin::{Dynamic, NativeCallContext, export_module, exported_module};
use rhai::{Array, Blob, Engine, INT, ImmutableString, Map};

use super::fault::{ARGUMENT, Fallible, script_error};
use super::located;
use super::net::{Handle, Owned};
use super::options::{check_options, flag, number, text};
use super::packet::PacketValue;
use super::reach::{Reach, Seconds, seconds, wait_net};
use crate::capture::{Captured, Counters, DEFAULT_QUEUE, Directions, Interest, WHOLE_PACKET};
use crate::model::{NetError, NetErrorKind};
use crate::net::broker::{self, Broker};
use crate::packet::Packet;

/// Packets a queue may be asked to hold, and packets of one batch.
const MOST_PACKETS: INT = 65_536;
/// Options of `pcap::open`.
const OPTIONS: [&str; 6] = ["interface", "filter", "direction", "snaplen", "promiscuous", "queue"];

/// Registers the module and its types.
pub fn register(engine: &mut Engine) {
    engine.register_static_module("pcap", located::module(&natives::RHAI_MANIFEST, exported_module!(natives)).into());
}

/// A capture scripts hold; clones share it.
#[derive(Clone)]
pub struct CaptureValue(Rc<RefCell<State>>);

enum State {
    Open(Rc<broker::Capture>),
    /// What it counted is still known.
    Closed(Counters),
}

impl Handle for RefCell<State> {
    fn close(&self) {
        let open = match &*self.borrow() {
            State::Open(capture) => Rc::clone(capture),
            State::Closed(_) => return,
        };
        *self.borrow_mut() = State::Closed(open.counters());
        open.close();
    }
}

impl Owned for CaptureValue {
    fn handle(&self) -> Weak<dyn Handle> {
        let state: Weak<RefCell<State>> = Rc::downgrade(&self.0);
        state
    }
}

impl CaptureValue {
    fn close(&self) {
        self.0.close();
    }

    fn counters(&self) -> Counters {
        match &*self.0.borrow() {
            State::Open(capture) => capture.counters(),
            State::Closed(counters) => *counters,
        }
    }

    fn get(&self) -> Result<Rc<broker::Capture>, NetError> {
        match &*self.0.borrow() {
            State::Open(capture) => Ok(Rc::clone(capture)),
            State::Closed(_) => {
                let closed = NetError::new(NetErrorKind::Closed, "capture", "packets");
                Err(closed.because("the script closed this capture"))
            }
        }
    }
}

/// Where to listen, before interfaces are known by number.
enum Place {
    /// The interface packets to the script's host leave by.
    ToHost,
    Named(ImmutableString),
    Everywhere,
}

/// What the options of `pcap::open` ask for; the interface is still a name.
fn interest(op: &str, options: &Map, broker: &Broker) -> Fallible<(Place, Interest)> {
    check_options(op, options, &OPTIONS)?;
    let place = match text(op, options, "interface")? {
        None => Place::ToHost,
        Some(name) if name == "any" => Place::Everywhere,
        Some(name) => Place::Named(name),
    };
    let parse = |text: ImmutableString| broker.filter(&text).map_err(|error| script_error(ARGUMENT, op, error));
    let directions = match text(op, options, "direction")?.as_deref() {
        None | Some("both") => Directions::Both,
        Some("in") => Directions::In,
        Some("out") => Directions::Out,
        Some(other) => {
            return Err(script_error(
                ARGUMENT,
                op,
                format!("direction is \"in\", \"out\" or \"both\", not \"{other}\""),
            ));
        }
    };
    let interest = Interest {
        filter: text(op, options, "filter")?.map(parse).transpose()?,
        directions,
        snaplen: number(op, options, "snaplen", 1..=INT::from(WHOLE_PACKET))?
            .map_or(WHOLE_PACKET, |bytes| bytes as u32),
        queue: number(op, options, "queue", 1..=MOST_PACKETS)?.map_or(DEFAULT_QUEUE, |packets| packets as usize),
        promiscuous: flag(op, options, "promiscuous", false)?,
        ..Interest::default()
    };
    Ok((place, interest))
}

async fn index_of(reach: &Reach, place: Place) -> Result<Option<u32>, NetError> {
    let none = |why: &str| NetError::new(NetErrorKind::Local, "capture", "this machine").because(why);
    match place {
        Place::Everywhere => Ok(None),
        Place::Named(name) => reach.interface("capture", &name).await.map(Some),
        Place::ToHost => {
            let host = reach.host.as_ref().ok_or_else(|| none("without a host, name an `interface` (or \"any\")"))?;
            let (addr, scope) = (host.borrow().target.addr, host.borrow().target.scope);
            let route = reach.broker.route(&reach.warrant, addr, (scope > 0).then_some(scope)).await?;
            Ok(Some(route.interface.index))
        }
    }
}

fn open_with(call: &NativeCallContext<'_>, options: &Map) -> Fallible<CaptureValue> {
    const OP: &str = "pcap::open";
    let reach = Reach::of(call)?;
    let (place, interest) = interest(OP, options, &reach.broker)?;
    wait_net(async move {
        let interface = index_of(&reach, place).await?;
        let capture = reach.broker.capture(&reach.warrant, Interest { interface, ..interest }).await?;
        Ok(reach.adopt(CaptureValue(Rc::new(RefCell::new(State::Open(Rc::new(capture)))))))
    })
}

/// The next packet, or unit when `timeout` is over.
fn next_within(call: &NativeCallContext<'_>, capture: &CaptureValue, timeout: Duration) -> Fallible<Dynamic> {
    let clock = Reach::of(call)?.broker.clock().clone();
    let capture = capture.clone();
    let packet = wait_net(async move {
        let capture = capture.get()?;
        clock.timeout(timeout, capture.next()).await.ok().transpose()
    })?;
    Ok(packet.map_or(Dynamic::UNIT, |packet| Dynamic::from(CapturedValue(packet))))
}

/// So many packets, or those that came when `timeout` is over.
fn batch_within(call: &NativeCallContext<'_>, capture: &CaptureValue, n: INT, timeout: Duration) -> Fallible<Array> {
    if !(1..=MOST_PACKETS).contains(&n) {
        return Err(script_error(ARGUMENT, "pcap::batch", format!("{n} is not between 1 and {MOST_PACKETS}")));
    }
    let clock = Reach::of(call)?.broker.clock().clone();
    let (capture, wanted) = (capture.clone(), n as usize);
    let packets = wait_net(async move {
        let capture = capture.get()?;
        let ends_at = clock.now().plus(timeout);
        let mut packets = Vec::new();
        while packets.len() < wanted {
            match clock.before(ends_at, capture.batch(wanted - packets.len())).await {
                Ok(Ok(more)) => packets.extend(more),
                Ok(Err(error)) if packets.is_empty() => return Err(error),
                Ok(Err(_)) | Err(_) => break, // what came is there; the error comes again
            }
        }
        Ok(packets)
    })?;
    Ok(packets.into_iter().map(|packet| Dynamic::from(CapturedValue(packet))).collect())
}

/// A captured packet scripts hold; clones share it.
#[derive(Clone)]
pub struct CapturedValue(Captured);

impl CapturedValue {
    /// The packet.
    pub fn captured(&self) -> &Captured {
        &self.0
    }
}

/// Captures of packets with a filter in tcpdump's language. All captures share one ring in the kernel for each interface, and
/// one program; opening another costs microseconds. Capability `capture`; the process needs `CAP_NET_RAW`. A script sees packets of
/// conversations with its own host, ICMP errors about them included; with the capability `other-hosts` or `broadcast` it
/// sees all.
#[export_module(manifest)]
mod natives {
    /// An open capture, from `pcap::open`. It closes when the script ends.
    pub type Capture = CaptureValue;

    /// A captured packet.
    pub type Captured = CapturedValue;

    /// Captures on the interface packets to the script's host leave by. Errors: `privilege`, `denied`, `budget`. Suspends.
    ///
    /// ```rhai packets
    /// let cap = pcap::open();
    /// net::send(net::udp(host, udp_port), "ping");
    /// assert_eq(pcap::next(cap).interface, "lo");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn open(call: NativeCallContext) -> Fallible<Capture> {
        open_with(&call, &Map::new())
    }

    /// The same with options: `interface` (its name, or `"any"` for all that are up), `filter` (tcpdump's language; an error
    /// `argument` shows the place), `direction` (`"in"`, `"out"`, `"both"`), `snaplen` (bytes kept of each packet),
    /// `promiscuous` (take in what is addressed to others), `queue` (packets that may wait, 1,024; what comes then is
    /// dropped and counted). What goes by after the call is seen. Suspends.
    ///
    /// ```rhai packets
    /// let cap = pcap::open(#{ interface: "lo", filter: `udp dst port ${udp_port}`, snaplen: 96 });
    /// net::send(net::udp(host, udp_port), "ping");
    /// let seen = pcap::next(cap, 5);
    /// assert(bytes::find(seen.bytes(), "ping") > 0);
    /// ```
    #[rhai_fn(name = "open", return_raw)]
    pub fn open_options(call: NativeCallContext, options: Map) -> Fallible<Capture> {
        open_with(&call, &options)
    }

    /// The next packet, or `()` when none came in the time one operation may take. Errors: `closed`; `local` when the
    /// interface is gone. Suspends.
    ///
    /// ```rhai packets
    /// let cap = pcap::open(#{ filter: `udp port ${udp_port}` });
    /// net::send(net::udp(host, udp_port), "ping");
    /// assert_eq(pcap::next(cap).wire_len, 14 + 20 + 8 + 4);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn next(call: NativeCallContext, capture: Capture) -> Fallible<Dynamic> {
        let timeout = Reach::of(&call)?.timeout();
        next_within(&call, &capture, timeout)
    }

    /// The same with a time to wait, in seconds. Suspends.
    ///
    /// ```rhai packets
    /// let cap = pcap::open(#{ filter: `udp port ${udp_port}` });
    /// assert_eq(pcap::next(cap, 0.01), ());
    /// ```
    #[rhai_fn(name = "next", return_raw)]
    pub fn next_timeout(call: NativeCallContext, capture: Capture, timeout: Seconds) -> Fallible<Dynamic> {
        let timeout = seconds("pcap::next", &timeout)?;
        next_within(&call, &capture, timeout)
    }

    /// The next `n` packets in one array, which is shorter when they did not all come in the time one operation may take.
    /// Suspends.
    ///
    /// ```rhai packets
    /// let cap = pcap::open(#{ filter: `udp port ${udp_port}` });
    /// net::send(net::udp(host, udp_port), "ping");
    /// assert_eq(pcap::batch(cap, 2).len(), 2); // there and back
    /// ```
    #[rhai_fn(return_raw)]
    pub fn batch(call: NativeCallContext, capture: Capture, n: INT) -> Fallible<Array> {
        let timeout = Reach::of(&call)?.timeout();
        batch_within(&call, &capture, n, timeout)
    }

    /// The same with a time to wait, in seconds. Suspends.
    ///
    /// ```rhai packets
    /// let cap = pcap::open(#{ filter: `udp dst port ${udp_port}` });
    /// net::send(net::udp(host, udp_port), "ping");
    /// assert_eq(pcap::batch(cap, 100, 0.5).len(), 1);
    /// ```
    #[rhai_fn(name = "batch", return_raw)]
    pub fn batch_timeout(call: NativeCallContext, capture: Capture, n: INT, timeout: Seconds) -> Fallible<Array> {
        let timeout = seconds("pcap::batch", &timeout)?;
        batch_within(&call, &capture, n, timeout)
    }

    /// What became of the packets so far: `#{ delivered, dropped, lost }`, put into the queue, dropped because it was full,
    /// and lost by the kernel on its interfaces.
    ///
    /// ```rhai packets
    /// let cap = pcap::open(#{ filter: `udp port ${udp_port}` });
    /// assert_eq(pcap::stats(cap), #{ delivered: 0, dropped: 0, lost: 0 });
    /// ```
    pub fn stats(capture: Capture) -> Map {
        let Counters { delivered, dropped, lost } = capture.counters();
        let fields = [("delivered", delivered), ("dropped", dropped), ("lost", lost)];
        fields.into_iter().map(|(key, count)| (key.into(), Dynamic::from(count as INT))).collect()
    }

    /// Closes it. Whoever waits for its packets gets an error `closed`; closing twice is harmless.
    ///
    /// ```rhai packets
    /// let cap = pcap::open();
    /// pcap::close(cap);
    /// let kind = "";
    /// try { pcap::next(cap) } catch (error) { kind = error.kind }
    /// assert_eq(kind, "closed");
    /// ```
    pub fn close(capture: Capture) {
        capture.close();
    }

    /// When the kernel saw it, in seconds since 1970, on the clock that also stamps what is sent.
    ///
    /// ```rhai packets
    /// let cap = pcap::open(#{ filter: `udp port ${udp_port}` });
    /// net::send(net::udp(host, udp_port), "ping");
    /// let both = pcap::batch(cap, 2);
    /// assert(both[0].at <= both[1].at);
    /// ```
    #[rhai_fn(get = "at", pure)]
    pub fn at(packet: &mut Captured) -> f64 {
        packet.captured().at.0 as f64 / 1e9
    }

    /// The name of the interface it went by.
    ///
    /// ```rhai packets
    /// let cap = pcap::open(#{ filter: `udp port ${udp_port}` });
    /// net::send(net::udp(host, udp_port), "ping");
    /// assert_eq(pcap::next(cap).interface, "lo");
    /// ```
    #[rhai_fn(get = "interface", pure)]
    pub fn interface(packet: &mut Captured) -> ImmutableString {
        (&*packet.captured().interface.name).into()
    }

    /// `"in"` or `"out"`. What goes over the loopback interface is seen once, coming in.
    ///
    /// ```rhai packets
    /// let cap = pcap::open(#{ filter: `udp port ${udp_port}` });
    /// net::send(net::udp(host, udp_port), "ping");
    /// assert_eq(pcap::next(cap).direction, "in");
    /// ```
    #[rhai_fn(get = "direction", pure)]
    pub fn direction(packet: &mut Captured) -> ImmutableString {
        match packet.captured().direction {
            crate::capture::Direction::In => "in".into(),
            crate::capture::Direction::Out => "out".into(),
        }
    }

    /// How its bytes begin: `"ethernet"` or `"ip"`.
    ///
    /// ```rhai packets
    /// let cap = pcap::open(#{ filter: `udp port ${udp_port}` });
    /// net::send(net::udp(host, udp_port), "ping");
    /// assert_eq(pcap::next(cap).link, "ethernet");
    /// ```
    #[rhai_fn(get = "link", pure)]
    pub fn link(packet: &mut Captured) -> ImmutableString {
        match packet.captured().link {
            crate::model::LinkType::Ethernet => "ethernet".into(),
            crate::model::LinkType::Ip => "ip".into(),
        }
    }

    /// Its length on the wire in bytes; more than `bytes().len()` when `snaplen` cut it.
    ///
    /// ```rhai packets
    /// let cap = pcap::open(#{ filter: `udp port ${udp_port}`, snaplen: 20 });
    /// net::send(net::udp(host, udp_port), "ping");
    /// let packet = pcap::next(cap);
    /// assert_eq([packet.wire_len, packet.bytes().len()], [46, 20]);
    /// ```
    #[rhai_fn(get = "wire_len", pure)]
    pub fn wire_len(packet: &mut Captured) -> INT {
        INT::from(packet.captured().wire_len)
    }

    /// Its bytes from the link header on, as they were on the wire: a VLAN tag the interface took off is back.
    ///
    /// ```rhai packets
    /// let cap = pcap::open(#{ filter: `udp port ${udp_port}` });
    /// net::send(net::udp(host, udp_port), "ping");
    /// assert_eq(bytes::to_text(pcap::next(cap).bytes().extract(42)), "ping");
    /// ```
    #[rhai_fn(global, pure)]
    pub fn bytes(packet: &mut Captured) -> Blob {
        packet.captured().bytes.to_vec()
    }

    /// The packet taken apart, as by `packet::parse`.
    ///
    /// ```rhai packets
    /// let cap = pcap::open(#{ filter: `udp dst port ${udp_port}` });
    /// net::send(net::udp(host, udp_port), "ping");
    /// let p = pcap::next(cap).packet;
    /// assert_eq([p.ip.dst, p.udp.dport], ["127.0.0.1", udp_port]);
    /// ```
    #[rhai_fn(get = "packet", pure)]
    pub fn packet(packet: &mut Captured) -> PacketValue {
        let captured = packet.captured();
        PacketValue::new(Packet::parse(captured.link, &captured.bytes))
    }

    /// One line about what it is.
    ///
    /// ```rhai packets
    /// let cap = pcap::open(#{ filter: `udp dst port ${udp_port}` });
    /// net::send(net::udp(host, udp_port), "ping");
    /// assert(pcap::next(cap).summary().contains("127.0.0.1"));
    /// ```
    #[rhai_fn(global, pure)]
    pub fn summary(packet: &mut Captured) -> String {
        let captured = packet.captured();
        Packet::parse(captured.link, &captured.bytes).summary()
    }
}

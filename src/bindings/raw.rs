//! The Rhai module `raw`: packets sent as they are, and the answer that belongs to one.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use rhai::plugin::{Dynamic, NativeCallContext, export_module, exported_module};
use rhai::{Array, Engine, INT, ImmutableString, Map};

use super::fault::{ARGUMENT, Fallible, script_error};
use super::located;
use super::options::{check_options, number, text};
use super::packet::PacketValue;
use super::reach::{Reach, seconds, wait_net};
use crate::capture::{Captured, Directions, Filter, Interest};
use crate::model::{NetError, NetErrorKind, Protocol, Timestamp};
use crate::net::broker::Capture;
use crate::net::packets::{Outgoing, ReservedPort};
use crate::packet::{FlowKey, Layer, Packet};

/// Ports one script reserves; `raw::port` gives them in turn.
const PORTS: usize = 16;
/// Packets of one `raw::send_all`.
const MOST_PACKETS: usize = 65_536;
/// How long `raw::probe` waits for an answer unless it is told.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How often `raw::probe` sends again unless it is told.
const RETRIES: u32 = 2;
/// Most retries of one probe.
const MOST_RETRIES: INT = 100;

/// Registers the module.
pub fn register(engine: &mut Engine) {
    engine.register_static_module("raw", located::module(&natives::RHAI_MANIFEST, exported_module!(natives)).into());
}

/// The local ports an instance has reserved, given back when it ends.
#[derive(Default)]
pub struct Ports(RefCell<Reserved>);

#[derive(Default)]
struct Reserved {
    ports: Vec<(Protocol, Box<dyn ReservedPort>)>,
    turn: usize,
}

impl Ports {
    /// Gives them all back.
    pub fn close(&self) {
        self.0.borrow_mut().ports.clear();
    }

    /// The port whose turn it is, once all are reserved.
    fn next(&self, protocol: Protocol) -> Option<u16> {
        let mut reserved = self.0.borrow_mut();
        reserved.turn = reserved.turn.wrapping_add(1);
        let turn = reserved.turn;
        let own: Vec<u16> =
            reserved.ports.iter().filter(|(of, _)| *of == protocol).map(|(_, one)| one.port()).collect();
        (own.len() >= PORTS).then(|| own[turn % own.len()])
    }

    fn keep(&self, protocol: Protocol, port: Box<dyn ReservedPort>) -> u16 {
        let number = port.port();
        self.0.borrow_mut().ports.push((protocol, port));
        number
    }
}

async fn reserve(reach: &Reach, protocol: Protocol) -> Result<u16, NetError> {
    if let Some(port) = reach.ports.next(protocol) {
        return Ok(port);
    }
    let Some(host) = reach.host.as_ref() else {
        let error = NetError::new(NetErrorKind::Local, "reserve", "port");
        return Err(error.because("only scripts of a host have ports of their own"));
    };
    let (addr, scope) = (host.borrow().target.addr, host.borrow().target.scope);
    let route = reach.broker.route(&reach.warrant, addr, (scope > 0).then_some(scope)).await?;
    let port = reach.broker.reserve(&reach.warrant, protocol, route.source).await?;
    Ok(reach.ports.keep(protocol, port))
}

/// The number of the interface called so; none when none is named.
async fn index_of(reach: &Reach, name: Option<ImmutableString>) -> Result<Option<u32>, NetError> {
    match name {
        Some(name) => reach.interface("send", &name).await.map(Some),
        None => Ok(None),
    }
}

/// A packet as the door takes it: a frame where it begins with Ethernet, an IP packet otherwise.
fn outgoing(packet: &Packet, interface: Option<u32>) -> Result<Outgoing, NetError> {
    let bytes: Rc<[u8]> = packet.to_bytes().into();
    match (packet.layers.first(), interface) {
        (Some(Layer::Ethernet(_)), Some(interface)) => Ok(Outgoing::Frame { frame: bytes, interface }),
        (Some(Layer::Ethernet(_)), None) => {
            let error = NetError::new(NetErrorKind::Local, "send", "a frame");
            Err(error.because("say where a frame goes out: #{ interface: \"...\" }"))
        }
        _ => Ok(Outgoing::Ip { packet: bytes, interface }),
    }
}

/// Sends `packets`; when each was sent. One that could not be sent is the error of the call.
fn send_them(
    call: &NativeCallContext<'_>,
    op: &'static str,
    packets: Vec<PacketValue>,
    options: &Map,
) -> Fallible<Vec<f64>> {
    check_options(op, options, &["interface"])?;
    let (reach, name) = (Reach::of(call)?, text(op, options, "interface")?);
    wait_net(async move {
        let interface = index_of(&reach, name).await?;
        let out = packets.iter().map(|packet| outgoing(packet.packet(), interface)).collect::<Result<Vec<_>, _>>()?;
        let sent = reach.broker.send(&reach.warrant, out).await?;
        sent.into_iter().map(|sent| sent.map(as_seconds)).collect()
    })
}

fn packets_of(op: &str, list: Array) -> Fallible<Vec<PacketValue>> {
    if list.len() > MOST_PACKETS {
        return Err(script_error(ARGUMENT, op, format!("{} packets; at most {MOST_PACKETS} at once", list.len())));
    }
    let packet = |(index, value): (usize, Dynamic)| {
        let found = value.type_name();
        let wrong = || script_error(ARGUMENT, op, format!("element {index} is no packet but {found}"));
        value.try_cast::<PacketValue>().ok_or_else(wrong)
    };
    list.into_iter().enumerate().map(packet).collect()
}

/// What a probe asks for.
struct Probe {
    packet: PacketValue,
    timeout: Duration,
    tries: u32,
    interface: Option<ImmutableString>,
    filter: Option<Rc<Filter>>,
}

impl Probe {
    fn new(reach: &Reach, packet: PacketValue, options: &Map) -> Fallible<Probe> {
        const OP: &str = "raw::probe";
        check_options(OP, options, &["timeout", "retries", "interface", "filter"])?;
        let timeout = options.get("timeout").map_or(Ok(TIMEOUT), |value| seconds(OP, value))?;
        let retries = number(OP, options, "retries", 0..=MOST_RETRIES)?.map_or(RETRIES, |retries| retries as u32);
        let filter = text(OP, options, "filter")?;
        let filter = filter.map(|text| reach.broker.filter(&text)).transpose();
        let filter = filter.map_err(|error| script_error(ARGUMENT, OP, error))?;
        Ok(Probe { packet, timeout, tries: retries + 1, interface: text(OP, options, "interface")?, filter })
    }

    /// What an answer looks like. The capture is open before the first packet leaves, so no answer is too fast.
    fn interest(&self, out: &Outgoing, interface: Option<u32>) -> Result<Interest, NetError> {
        let key = match (&self.filter, out) {
            (None, Outgoing::Ip { packet, .. }) => FlowKey::of_probe(packet),
            _ => None,
        };
        if self.filter.is_none() && key.is_none() {
            let error = NetError::new(NetErrorKind::Local, "probe", "packet");
            return Err(error.because("what answers it would have cannot be told; give a `filter`"));
        }
        Ok(Interest { interface, filter: self.filter.clone(), key, directions: Directions::In, ..Interest::default() })
    }

    async fn run(self, reach: &Reach) -> Result<Outcome, NetError> {
        let interface = index_of(reach, self.interface.clone()).await?;
        let out = outgoing(self.packet.packet(), interface)?;
        let capture = reach.broker.replies(&reach.warrant, self.interest(&out, interface)?).await?;
        let clock = reach.broker.clock();
        let mut sent: Vec<Timestamp> = Vec::new();
        for _ in 0..self.tries {
            let at = reach.broker.send(&reach.warrant, vec![out.clone()]).await?.pop();
            sent.push(at.unwrap_or_else(|| Err(NetError::new(NetErrorKind::Local, "probe", "packet")))?);
            let deadline = clock.now().plus(self.timeout);
            if let Ok(reply) = clock.before(deadline, other_than(&capture, &out)).await {
                return Ok(Outcome { reply: Some(reply?), sent });
            }
        }
        Ok(Outcome { reply: None, sent })
    }
}

/// The next packet that is not the probe itself, which loopback shows as if it came in.
async fn other_than(capture: &Capture, probe: &Outgoing) -> Result<Captured, NetError> {
    let own = match probe {
        Outgoing::Ip { packet, .. } => packet,
        Outgoing::Frame { frame, .. } => frame,
    };
    loop {
        let seen = capture.next().await?;
        if !seen.bytes.ends_with(own) {
            return Ok(seen);
        }
    }
}

/// What a probe came to.
struct Outcome {
    reply: Option<Captured>,
    sent: Vec<Timestamp>,
}

impl Outcome {
    /// As scripts see it.
    fn into_map(self) -> Map {
        let at = self.reply.as_ref().map(|reply| reply.at);
        // An answer belongs to the last packet sent before it.
        let of = at.and_then(|at| self.sent.iter().rev().find(|sent| **sent <= at)).or(self.sent.first()).copied();
        let rtt = at.zip(of).map(|(at, of)| at.since(of).as_secs_f64());
        let reply = self.reply.map(|seen| PacketValue::new(Packet::parse(seen.link, &seen.bytes)));
        [
            ("reply", reply.map_or(Dynamic::UNIT, Dynamic::from)),
            ("rtt", rtt.map_or(Dynamic::UNIT, Dynamic::from)),
            ("sent", of.map_or(Dynamic::UNIT, |sent| Dynamic::from(as_seconds(sent)))),
            ("tries", Dynamic::from(self.sent.len() as INT)),
        ]
        .into_iter()
        .map(|(key, value)| (key.into(), value))
        .collect()
    }
}

fn as_seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1e9
}

/// Packets sent as they are built, past the kernel's own protocols. Capability `raw`; the process needs `CAP_NET_RAW`. They go
/// to the script's own host; frames, broadcast and multicast take the capability `broadcast`, other hosts `other-hosts`.
#[export_module(manifest)]
mod natives {
    /// Sends one packet and returns when the kernel took it, in seconds since 1970, on the clock captures use. An IP packet
    /// finds its way and its neighbour. Errors: `privilege`, `denied`, `budget`, `unreachable`, `too-large`. Suspends.
    ///
    /// ```rhai packets
    /// let ping = packet::ipv4(#{ src: host.ip, dst: host.ip }) / packet::icmp(#{ id: 7, seq: 1 });
    /// assert(raw::send(ping) > 1_600_000_000.0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn send(call: NativeCallContext, packet: PacketValue) -> Fallible<f64> {
        send_options(call, packet, Map::new())
    }

    /// The same out of the interface named by the option `interface`. A packet that begins with Ethernet needs it. Suspends.
    ///
    /// ```rhai packets
    /// let ping = packet::ipv4(#{ src: host.ip, dst: host.ip }) / packet::icmp(#{ id: 7, seq: 1 });
    /// raw::send(ping, #{ interface: "lo" });
    /// ```
    #[rhai_fn(name = "send", return_raw)]
    pub fn send_options(call: NativeCallContext, packet: PacketValue, options: Map) -> Fallible<f64> {
        Ok(send_them(&call, "raw::send", vec![packet], &options)?.first().copied().unwrap_or_default())
    }

    /// Sends packets in order and returns when each was taken. Suspends.
    ///
    /// ```rhai packets
    /// let ping = |seq| packet::ipv4(#{ src: host.ip, dst: host.ip }) / packet::icmp(#{ id: 7, seq: seq });
    /// let times = raw::send_all([ping.call(1), ping.call(2)]);
    /// assert(times[0] <= times[1]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn send_all(call: NativeCallContext, packets: Array) -> Fallible<Array> {
        send_all_options(call, packets, Map::new())
    }

    /// The same out of the interface named by the option `interface`. Suspends.
    ///
    /// ```rhai packets
    /// let ping = packet::ipv4(#{ src: host.ip, dst: host.ip }) / packet::icmp(#{ id: 7, seq: 1 });
    /// assert_eq(raw::send_all([ping, ping], #{ interface: "lo" }).len(), 2);
    /// ```
    #[rhai_fn(name = "send_all", return_raw)]
    pub fn send_all_options(call: NativeCallContext, packets: Array, options: Map) -> Fallible<Array> {
        const OP: &str = "raw::send_all";
        let sent = send_them(&call, OP, packets_of(OP, packets)?, &options)?;
        Ok(sent.into_iter().map(Dynamic::from).collect())
    }

    /// Sends a packet and waits for what answers it: the first packet of the same conversation that comes back, or an ICMP
    /// error about it. Waits a second and sends twice more. Gives `#{ reply, rtt, sent, tries }`: the packet or `()`, seconds
    /// from the last sending before it, when that was, and how often it was sent. No answer comes too early to be
    /// seen. Errors as `raw::send`. Suspends.
    ///
    /// ```rhai packets
    /// let ping = packet::ipv4(#{ src: host.ip, dst: host.ip }) / packet::icmp(#{ id: 9, seq: 1, data: "abc" });
    /// let answer = raw::probe(ping);
    /// assert_eq([answer.reply.icmp.kind, answer.tries], ["echo-reply", 1]);
    /// assert(answer.rtt < 1.0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn probe(call: NativeCallContext, packet: PacketValue) -> Fallible<Map> {
        probe_options(call, packet, Map::new())
    }

    /// The same with options: `timeout` (seconds for each try), `retries`, `interface`, and `filter` in tcpdump's language,
    /// which then says what an answer is; it takes the capability `capture`. Suspends.
    ///
    /// ```rhai packets
    /// let syn = packet::ipv4(#{ src: host.ip, dst: host.ip }) / packet::tcp(#{ sport: raw::port(), dport: port.number, flags: "S" });
    /// let answer = raw::probe(syn, #{ timeout: 0.5, retries: 1 });
    /// assert_eq(answer.reply.tcp.flags, "SA");
    /// ```
    #[rhai_fn(name = "probe", return_raw)]
    pub fn probe_options(call: NativeCallContext, packet: PacketValue, options: Map) -> Fallible<Map> {
        let reach = Reach::of(&call)?;
        let probe = Probe::new(&reach, packet, &options)?;
        wait_net(async move { probe.run(&reach).await }).map(Outcome::into_map)
    }

    /// A local TCP port for this script alone, until it ends: nobody else gets it, and the kernel neither answers nor resets
    /// what comes to it. Sixteen different ones at most, in turn; each counts as a socket. Suspends.
    ///
    /// ```rhai packets
    /// assert(raw::port() != raw::port());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn port(call: NativeCallContext) -> Fallible<INT> {
        port_of(call, "tcp".into())
    }

    /// The same for `"tcp"`, `"udp"` or `"sctp"`. Suspends.
    ///
    /// ```rhai packets
    /// assert(raw::port("udp") > 0);
    /// ```
    #[rhai_fn(name = "port", return_raw)]
    pub fn port_of(call: NativeCallContext, protocol: ImmutableString) -> Fallible<INT> {
        let known = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
        let found = known.into_iter().find(|known| known.name() == protocol);
        let wrong = || script_error(ARGUMENT, "raw::port", format!("\"{protocol}\" has no ports; tcp, udp, sctp have"));
        let (reach, protocol) = (Reach::of(&call)?, found.ok_or_else(wrong)?);
        wait_net(async move { reserve(&reach, protocol).await }).map(INT::from)
    }
}

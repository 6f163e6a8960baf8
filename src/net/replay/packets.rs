//! Raw packets of a replay: what is sent is compared with the recording, what was captured is handed to whoever wants it now.
//!
//! Unlike a conversation, a packet keeps to the recorded time: it is sent no earlier than it was, and what was captured comes
//! as much later as it did. So times of packets are those of the recorded run.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;

use async_executor::Task;

use super::difference::{Differences, both};
use super::shelf::Mode;
use super::tape::{SentPacket, Step, Tape};
use crate::capture::{Dispatcher, Frame, Interest, Observer, Subscription};
use crate::model::{Interface, LinkType, NetError, NetErrorKind, PacketTotals, Protocol, Route, Timestamp, Unreached};
use crate::net::packets::{Outgoing, Packets, Ports, ReservedPort, Sent};
use crate::net::{NetFuture, Origin};
use crate::packet::Packet;
use crate::runtime::{Clock, Spawner};

/// The first port given out where a lenient replay has none recorded (RFC 6335: dynamic ports).
const DYNAMIC: u16 = 49_152;

/// The packets of a replay.
pub struct ReplayPackets(Rc<Player>);

struct Player {
    tape: Tape,
    mode: Mode,
    clock: Clock,
    spawner: Spawner,
    differences: Differences,
    dispatcher: Dispatcher,
    /// What has been sent or opened again.
    done: RefCell<Vec<bool>>,
    /// Steps that are alike, in their order.
    alike: RefCell<HashMap<Alike, VecDeque<usize>>>,
    /// Ports given out, by origin and protocol.
    ports: RefCell<HashMap<(String, String), usize>>,
    spare_ports: Cell<u16>,
    /// Probes of the scan that were recorded, and that were not.
    probes: Cell<(u64, u64)>,
    /// Captured packets on their way.
    on_the_way: RefCell<Vec<Task<()>>>,
}

/// What steps are recognised by: who, and what was sent where, if it is no capture.
type Alike = (String, Option<(Option<u32>, bool, Vec<u8>)>);

struct Port(u16);

impl ReservedPort for Port {
    fn port(&self) -> u16 {
        self.0
    }
}

/// Without what is our clock's: when an ICMP timestamp request (RFC 792) says it was made, and the checksum over that.
fn comparable(bytes: &[u8], is_frame: bool) -> Vec<u8> {
    const TIMESTAMP: u8 = 13;
    let mut bytes = bytes.to_vec();
    let header = usize::from(bytes.first().copied().unwrap_or(0) & 15) * 4;
    let is_request = !is_frame
        && bytes.first().is_some_and(|first| first >> 4 == 4)
        && bytes.get(9) == Some(&1)
        && bytes.get(header) == Some(&TIMESTAMP);
    if is_request {
        for range in [header + 2..header + 4, header + 8..header + 12] {
            if let Some(part) = bytes.get_mut(range) {
                part.fill(0);
            }
        }
    }
    bytes
}

fn shifted(at: Timestamp, by: i64) -> Timestamp {
    Timestamp(at.0.saturating_add_signed(by))
}

fn summary(bytes: &[u8], is_frame: bool) -> String {
    Packet::parse(if is_frame { LinkType::Ethernet } else { LinkType::Ip }, bytes).summary()
}

/// The last answer from before `now`, or the first there is.
fn answer_at<T: Clone>(answers: &[(Timestamp, T)], now: Timestamp) -> Option<T> {
    let known = answers.partition_point(|(at, _)| *at <= now).saturating_sub(1);
    answers.get(known).map(|(_, answer)| answer.clone())
}

impl ReplayPackets {
    /// Plays the packets of a recording on `clock`, which is virtual.
    pub fn new(tape: Tape, mode: Mode, clock: Clock, spawner: Spawner, differences: Differences) -> ReplayPackets {
        let mut alike: HashMap<Alike, VecDeque<usize>> = HashMap::new();
        for (index, step) in tape.steps.iter().enumerate() {
            let what = step.sent.as_ref();
            let what = what.map(|sent| (sent.interface, sent.is_frame, comparable(&sent.bytes, sent.is_frame)));
            alike.entry((whose(mode, &step.origin), what)).or_default().push_back(index);
        }
        ReplayPackets(Rc::new(Player {
            done: RefCell::new(vec![false; tape.steps.len()]),
            tape,
            mode,
            clock,
            spawner,
            differences,
            dispatcher: Dispatcher::new(),
            alike: RefCell::new(alike),
            ports: RefCell::default(),
            spare_ports: Cell::new(DYNAMIC),
            probes: Cell::default(),
            on_the_way: RefCell::default(),
        }))
    }

    /// Adds what was recorded and not sent: to be called at the end. Which of several questions to a host leaves before the
    /// first is answered is a matter of microseconds, so probes of the scan may be more or fewer; but they must be the same.
    pub fn report_unused(&self) {
        if self.0.mode == Mode::Lenient {
            return;
        }
        let (known, unknown) = self.0.probes.get();
        if known == 0 && unknown > 0 {
            self.0.differences.add(format!("scan: none of its {unknown} probes was recorded"));
        }
        let done = self.0.done.borrow();
        for (step, _) in self.0.tape.steps.iter().zip(done.iter()).filter(|(_, done)| !**done) {
            if let Some(sent) = step.sent.as_ref().filter(|_| step.origin != Origin::SCAN.as_str()) {
                let (number, origin, what) = (step.number, &step.origin, summary(&sent.bytes, sent.is_frame));
                self.0.differences.add(format!("packet {number}: {origin} did not send it: {what}"));
            }
        }
    }
}

/// Lenient replays do not ask who it was.
fn whose(mode: Mode, origin: &str) -> String {
    if mode == Mode::Lenient { String::new() } else { origin.to_owned() }
}

impl Player {
    /// The step recorded for what is done now.
    fn take(&self, origin: &Origin, what: Option<&Outgoing>) -> Option<&Step> {
        let what = what.map(|packet| match packet {
            Outgoing::Ip { packet, interface } => (*interface, false, comparable(packet, false)),
            Outgoing::Frame { frame, interface } => (Some(*interface), true, comparable(frame, true)),
        });
        let key = (whose(self.mode, origin.as_str()), what);
        let index = self.alike.borrow_mut().get_mut(&key)?.pop_front()?;
        if let Some(done) = self.done.borrow_mut().get_mut(index) {
            *done = true;
        }
        self.tape.steps.get(index)
    }

    fn missing(&self, op: &'static str, peer: impl std::fmt::Display, origin: &Origin, what: &str) -> NetError {
        let error = NetError::new(NetErrorKind::Replay, op, peer).because(what);
        self.differences.add(format!("{origin}: {error}"));
        error
    }

    /// Shows a packet beside the one that was recorded in its place.
    fn different(&self, packet: &Outgoing, origin: &Origin) -> NetError {
        let (bytes, is_frame) = match packet {
            Outgoing::Ip { packet, .. } => (packet, false),
            Outgoing::Frame { frame, .. } => (frame, true),
        };
        let now = summary(bytes, is_frame);
        let done = self.done.borrow();
        let mut left = self.tape.steps.iter().zip(done.iter()).filter(|(step, done)| {
            !**done && step.sent.is_some() && whose(self.mode, &step.origin) == whose(self.mode, origin.as_str())
        });
        let what = match left.next() {
            Some((Step { number, sent: Some(SentPacket { bytes: recorded, is_frame: framed, .. }), .. }, _)) => {
                let same = recorded.iter().zip(bytes.iter()).take_while(|(one, other)| one == other).count();
                let (before, both) = (summary(recorded, *framed), both(recorded, bytes, same));
                format!("differs at byte {same} (packet {number}): recorded {before}, now {now}; {both}")
            }
            _ => format!("is one more than was recorded: {now}"),
        };
        self.missing("send", "a packet", origin, &what)
    }

    /// When a step is made that was recorded at `at`, and by how much that is later.
    async fn reach(&self, at: Timestamp) -> i64 {
        if self.mode == Mode::Strict && self.clock.now() < at {
            self.clock.sleep_until(at).await;
        }
        self.later(at)
    }

    /// By how much it is later now than `at`.
    fn later(&self, at: Timestamp) -> i64 {
        self.clock.now().0.wrapping_sub(at.0).cast_signed()
    }

    /// Sends what was captured because of a step on its way.
    fn answer(&self, step: &Step, later: i64) {
        if step.caused.is_empty() {
            return;
        }
        let (clock, dispatcher, packets) = (self.clock.clone(), self.dispatcher.clone(), step.caused.clone());
        let task = self.spawner.spawn(async move {
            for packet in packets {
                clock.sleep_until(shifted(packet.due, later)).await;
                dispatcher.kernel_lost(packet.interface.index, packet.lost);
                dispatcher.dispatch(&Frame {
                    at: shifted(packet.at, later),
                    interface: &packet.interface,
                    link: packet.link,
                    direction: packet.direction,
                    wire_len: packet.wire_len,
                    bytes: &packet.bytes,
                });
            }
        });
        let mut tasks = self.on_the_way.borrow_mut();
        if tasks.len() == tasks.capacity() {
            tasks.retain(|task| !task.is_finished());
            let left = tasks.len();
            tasks.reserve(left.max(4)); // half of it is free now: the next sweep is as far away as this one
        }
        tasks.push(task);
    }

    async fn send(&self, packets: &[Outgoing], origin: &Origin) -> Result<Vec<Sent>, NetError> {
        let mut results = Vec::with_capacity(packets.len());
        let (mut finished, mut is_unheard) = (self.clock.now(), false);
        for packet in packets {
            let step = self.take(origin, Some(packet));
            let is_probe = *origin == Origin::SCAN;
            if is_probe && matches!(packet, Outgoing::Ip { .. }) {
                let (known, unknown) = self.probes.get();
                self.probes.set((known + u64::from(step.is_some()), unknown + u64::from(step.is_none())));
            }
            let Some(step) = step else {
                if is_probe && self.mode == Mode::Strict {
                    results.push(Ok(self.clock.now())); // nobody answered it then
                    continue;
                }
                let error = self.different(packet, origin);
                if self.mode == Mode::Strict {
                    return Err(error);
                }
                results.push(Ok(self.clock.now())); // into silence
                continue;
            };
            // A probe of the scan keeps to its answers, not to the recorded time.
            let later = if is_probe { self.later(step.at) } else { self.reach(step.at).await };
            self.answer(step, later);
            let Some(sent) = &step.sent else { continue };
            let at = shifted(step.at.plus(sent.took), later);
            finished = finished.max(at);
            is_unheard |= sent.is_unheard;
            results.push(step.error.clone().map_or(Ok(at), Err));
        }
        if is_unheard {
            std::future::pending::<()>().await;
        }
        self.clock.sleep_until(finished).await;
        Ok(results)
    }

    async fn open(&self, interest: Interest, origin: &Origin) -> Result<Subscription, NetError> {
        let Some(step) = self.take(origin, None) else {
            let error = self.missing("capture", "packets", origin, "the recording holds no (more) capture of it");
            return if self.mode == Mode::Strict { Err(error) } else { Ok(self.dispatcher.subscribe(interest)) };
        };
        let later = self.reach(step.at).await;
        if let Some(error) = &step.error {
            return Err(error.clone());
        }
        self.answer(step, later);
        Ok(self.dispatcher.subscribe(interest))
    }

    fn port(&self, protocol: Protocol, local: IpAddr, origin: &Origin) -> Result<u16, NetError> {
        let key = (origin.as_str().to_owned(), protocol.name().to_owned());
        let mut given = self.ports.borrow_mut();
        let next = given.entry(key.clone()).or_default();
        *next += 1;
        match self.tape.ports.get(&key).and_then(|list| list.get(*next - 1)) {
            Some(answer) => answer.clone(),
            None if self.mode == Mode::Lenient => {
                let port = self.spare_ports.get();
                self.spare_ports.set(port.checked_add(1).unwrap_or(DYNAMIC));
                Ok(port)
            }
            None => Err(self.missing("reserve", local, origin, "the recording holds no (more) port of it")),
        }
    }
}

impl Packets for ReplayPackets {
    fn permitted(&self) -> Result<(), NetError> {
        let none = || {
            let error = NetError::new(NetErrorKind::Replay, "packets", "a recording");
            Err(error.because("the recording holds none"))
        };
        self.0.tape.permitted.clone().unwrap_or_else(none)
    }

    fn interfaces(&self) -> NetFuture<Vec<Rc<Interface>>> {
        let list = answer_at(&self.0.tape.interfaces, self.0.clock.now()).unwrap_or_default();
        Box::pin(std::future::ready(Ok(list)))
    }

    fn route(&self, to: IpAddr, interface: Option<u32>) -> NetFuture<Route> {
        let answers = self.0.tape.routes.get(&(to, interface));
        let answer = answers.and_then(|answers| answer_at(answers, self.0.clock.now()));
        let unknown = || match self.0.mode {
            Mode::Strict if !self.0.tape.is_empty() => {
                Err(self.0.missing("route", to, &Origin::SCAN, "the recording does not hold the way to it"))
            }
            _ => Err(NetError::new(NetErrorKind::Unreachable(Unreached::NoRoute), "route", to)),
        };
        Box::pin(std::future::ready(answer.unwrap_or_else(unknown)))
    }

    fn send(&self, packets: Vec<Outgoing>, origin: &Origin) -> NetFuture<Vec<Sent>> {
        let (player, origin) = (Rc::clone(&self.0), origin.clone());
        Box::pin(async move { player.send(&packets, &origin).await })
    }

    fn reserve(&self, ports: Ports, local: IpAddr, origin: &Origin) -> NetFuture<Box<dyn ReservedPort>> {
        let port = self.0.port(ports.protocol, local, origin);
        Box::pin(std::future::ready(port.map(|port| Box::new(Port(port)) as Box<dyn ReservedPort>)))
    }

    fn capture(&self, interest: Interest, origin: &Origin) -> NetFuture<Subscription> {
        let (player, origin) = (Rc::clone(&self.0), origin.clone());
        Box::pin(async move { player.open(interest, &origin).await })
    }

    fn observe(&self, observer: Observer) {
        self.0.dispatcher.observe(observer);
    }

    fn captured(&self) -> PacketTotals {
        self.0.dispatcher.totals()
    }
}

#[cfg(test)]
mod tests;

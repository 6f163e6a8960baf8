//! The packets of a recording: what was sent and captured raw, by which ways, and what made each captured one come.
//!
//! A captured packet comes because of the last packet sent before it that it answers; of no known one, because of the last
//! step made before it, by whomever: a packet sent, a capture opened.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use super::reader::{Frame, RecordingError};
use crate::capture::Direction;
use crate::model::{Interface, LinkType, NetError, Route, Timestamp};
use crate::net::record::packet_note::{PacketNote, Told};
use crate::packet::{Answer, Arp, FlowKey, Packet};

/// A packet that a capture has before the kernel says that it is open comes this much later.
const AFTER_OPENING: Duration = Duration::from_micros(1);
/// Link type Ethernet of the registry of tcpdump.org.
const ETHERNET: u32 = 1;

/// Something that changes, each state from its time on.
type Since<T> = Vec<(Timestamp, T)>;

/// What was asked for a way.
type Found = Result<Route, NetError>;

/// What a recording tells of packets.
#[derive(Debug, Clone, Default)]
pub struct Tape {
    /// Whether packets were possible; none if nobody asked.
    pub(super) permitted: Option<Result<(), NetError>>,
    /// The interfaces, each list from its time on.
    pub(super) interfaces: Since<Vec<Rc<Interface>>>,
    /// The ways, each answer from its time on.
    pub(super) routes: HashMap<(IpAddr, Option<u32>), Since<Found>>,
    /// Ports by origin and protocol, in their order.
    pub(super) ports: HashMap<(String, String), Vec<Result<u16, NetError>>>,
    /// What we did, in the order of its beginning.
    pub(super) steps: Vec<Step>,
}

/// One thing we did.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// The packet of the file.
    pub number: u32,
    /// When it began: a call to send, or a capture that was open.
    pub at: Timestamp,
    /// By whom.
    pub origin: String,
    /// Why it failed.
    pub error: Option<NetError>,
    /// What was sent; none when a capture was opened.
    pub sent: Option<SentPacket>,
    /// What was captured because of it, in order.
    pub caused: Vec<CapturedPacket>,
}

/// One packet of ours.
#[derive(Debug, Clone)]
pub(super) struct SentPacket {
    pub interface: Option<u32>,
    pub is_frame: bool,
    pub bytes: Rc<[u8]>,
    /// From the call until the kernel took it.
    pub took: Duration,
    /// The sender did not wait for the outcome.
    pub is_unheard: bool,
}

/// One captured packet.
#[derive(Debug, Clone)]
pub(super) struct CapturedPacket {
    /// When the kernel saw it.
    pub at: Timestamp,
    /// When it is handed on: not before the capture that had it was open.
    pub due: Timestamp,
    pub interface: Rc<Interface>,
    pub link: LinkType,
    pub direction: Direction,
    pub wire_len: u32,
    pub bytes: Rc<[u8]>,
    /// Packets the kernel lost on the interface since the one before.
    pub lost: u64,
}

/// A tape under construction.
#[derive(Default)]
pub(super) struct Taping {
    tape: Tape,
    captured: Vec<CapturedPacket>,
    /// When the last capture was open.
    opened: Timestamp,
    lost: HashMap<u32, u64>,
    told: Told,
}

impl Taping {
    /// Takes a frame that is about packets; true if it was.
    pub fn take(&mut self, frame: &Frame<'_>) -> Result<bool, RecordingError> {
        let Some(note) = frame.comments.iter().find_map(|comment| PacketNote::parse(comment)) else { return Ok(false) };
        let note = note.map_err(|text| RecordingError::at(frame.number, text))?;
        self.note(frame, note)?;
        Ok(true)
    }

    fn note(&mut self, frame: &Frame<'_>, note: PacketNote) -> Result<(), RecordingError> {
        let tape = &mut self.tape;
        match note {
            PacketNote::Permitted { error } => {
                tape.permitted = Some(error.map_or(Ok(()), |error| Err(error.to_error())));
            }
            PacketNote::Interface { first, facts } => {
                if first || tape.interfaces.is_empty() {
                    tape.interfaces.push((frame.at, Vec::new()));
                }
                if let (Some((_, list)), Some(facts)) = (tape.interfaces.last_mut(), facts) {
                    list.push(Rc::new(facts.to_interface()));
                }
            }
            PacketNote::Route { to, interface, answer } => {
                let untold = || RecordingError::at(frame.number, "the interface of a way is not described");
                let answer = match answer {
                    Ok(way) => Ok(way.to_route(&mut self.told).ok_or_else(untold)?),
                    Err(error) => Err(error.to_error()),
                };
                tape.routes.entry((to, interface)).or_default().push((frame.at, answer));
            }
            PacketNote::Reserved { origin, protocol, answer } => {
                let answer = answer.map_err(|error| error.to_error());
                tape.ports.entry((origin, protocol)).or_default().push(answer);
            }
            PacketNote::Opened { origin, error } => {
                self.opened = frame.at;
                let error = error.map(|error| error.to_error());
                let (number, at) = (frame.number, frame.at);
                tape.steps.push(Step { number, at, origin, error, sent: None, caused: Vec::new() });
            }
            PacketNote::Sent { origin, interface, frame: is_frame, took, error, unheard } => {
                let (took, bytes) = (Duration::from_nanos(took), frame.data.into());
                let sent = SentPacket { interface, is_frame, bytes, took, is_unheard: unheard };
                let at = Timestamp(frame.at.0.saturating_sub(took.as_nanos() as u64));
                let (error, number) = (error.map(|error| error.to_error()), frame.number);
                tape.steps.push(Step { number, at, origin, error, sent: Some(sent), caused: Vec::new() });
            }
            PacketNote::Captured { interface, out, lost } => self.captured(frame, interface, out, lost)?,
        }
        Ok(())
    }

    fn captured(&mut self, frame: &Frame<'_>, index: u32, out: bool, lost: u64) -> Result<(), RecordingError> {
        let lists = self.tape.interfaces.iter().rev();
        let known = lists.flat_map(|(_, list)| list).find(|one| one.index == index);
        let unknown = || RecordingError::at(frame.number, "the interface it was captured on is not described");
        let interface = Rc::clone(known.ok_or_else(unknown)?);
        let before = self.lost.insert(index, lost).unwrap_or(0);
        let due = if frame.at > self.opened { frame.at } else { self.opened.plus(AFTER_OPENING) };
        self.captured.push(CapturedPacket {
            at: frame.at,
            due,
            interface,
            link: if frame.link == ETHERNET { LinkType::Ethernet } else { LinkType::Ip },
            direction: if out { Direction::Out } else { Direction::In },
            wire_len: frame.wire_len,
            bytes: frame.data.into(),
            lost: lost.saturating_sub(before),
        });
        Ok(())
    }

    /// Finds for each captured packet what made it come.
    pub fn finish(mut self) -> Tape {
        let steps = &mut self.tape.steps;
        steps.sort_by_key(|step| step.at);
        let mut by_key: HashMap<FlowKey, Vec<(Timestamp, usize)>> = HashMap::new();
        for (index, step) in steps.iter().enumerate() {
            if let Some(key) = step.sent.as_ref().and_then(asked) {
                by_key.entry(key).or_default().push((step.at, index));
            }
        }
        for packet in self.captured {
            let list = answered(&packet).and_then(|key| by_key.get(&key));
            let last_before = |list: &Vec<(Timestamp, usize)>| {
                let before = list.partition_point(|(at, _)| *at <= packet.due);
                before.checked_sub(1).and_then(|last| list.get(last)).map(|(_, index)| *index)
            };
            let answers = list.and_then(last_before);
            let any = || steps.partition_point(|step| step.at <= packet.due).saturating_sub(1);
            let cause = answers.unwrap_or_else(any);
            if let Some(step) = steps.get_mut(cause) {
                step.caused.push(packet);
            }
        }
        self.tape
    }
}

/// What the answer to a packet of ours has in common with it.
fn asked(sent: &SentPacket) -> Option<FlowKey> {
    if !sent.is_frame {
        return FlowKey::of_probe(&sent.bytes);
    }
    let packet = Packet::parse(LinkType::Ethernet, &sent.bytes);
    match packet.get::<Arp>() {
        Some(arp) => Some(of_neighbor(arp.target_ip.into())),
        None => FlowKey::of_probe(&packet.bytes_from(1)),
    }
}

fn answered(packet: &CapturedPacket) -> Option<FlowKey> {
    FlowKey::of_reply(packet.link, &packet.bytes).or_else(|| {
        let answer = Answer::read(packet.link, &packet.bytes)?;
        Some(of_neighbor(answer.from))
    })
}

/// The conversation with a neighbour over ARP.
fn of_neighbor(addr: IpAddr) -> FlowKey {
    FlowKey { protocol: 0, remote: addr, remote_port: 0, local_port: 0 }
}

impl Tape {
    /// Whether there is anything about packets in the recording.
    pub(super) fn is_empty(&self) -> bool {
        self.permitted.is_none() && self.steps.is_empty() && self.interfaces.is_empty() && self.routes.is_empty()
    }
}

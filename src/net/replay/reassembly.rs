//! From packets to conversations.
//!
//! Our side of a conversation is who sent the SYN or the first datagram; where a capture begins in the middle of a
//! connection, it is the one with the higher port. Recordings of ours say more in comments.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::conversation::{Conversation, Event, Kind, Listening, Outcome, Piece, Recording, What};
use super::direction::Direction;
use super::link;
use super::reader::{self, Frame, RecordingError};
use super::tape::Taping;
use crate::model::{NetErrorKind, Timestamp};
use crate::net::record::label::Label;
use crate::packet::segment::{self, Content, Seen, Tcp, Unreachable};

/// Conversations of one file at most: each costs some hundred bytes even when it is empty.
const MAX_CONVERSATIONS: usize = 1 << 20;
/// Remarks kept.
const MAX_REMARKS: usize = 20;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Reads a file.
///
/// # Errors
/// Those of [`reader::read`], and a link type that is not known.
pub fn recording(bytes: &[u8]) -> Result<Recording, RecordingError> {
    let mut assembly = Assembly::default();
    let header = reader::read(bytes, &mut |frame| assembly.frame(frame))?;
    Ok(assembly.finish(header))
}

/// Protocol and both ends, the smaller first: the same for both directions.
type Key = (u8, SocketAddr, SocketAddr);

fn key(protocol: u8, one: SocketAddr, other: SocketAddr) -> Key {
    if one <= other { (protocol, one, other) } else { (protocol, other, one) }
}

/// A conversation under construction.
struct Draft {
    conversation: Conversation,
    ours: Direction,
    theirs: Direction,
    /// When the last step was made, by whomever.
    last_step: Timestamp,
}

#[derive(Default)]
struct Assembly {
    drafts: Vec<Draft>,
    listeners: Vec<Listening>,
    /// The conversation each pair of ends has now.
    current: HashMap<Key, usize>,
    /// Open datagram sockets by their own end.
    open: HashMap<SocketAddr, usize>,
    /// Conversations and listeners by the numbers comments know them by.
    numbered: HashMap<u64, usize>,
    numbered_listeners: HashMap<u64, usize>,
    first: Option<Timestamp>,
    tape: Taping,
    remarks: Vec<String>,
}

/// One packet with what is known about it.
struct Packet<'a> {
    number: u32,
    at: Timestamp,
    source: SocketAddr,
    destination: SocketAddr,
    label: Label,
    missing: usize,
    payload: &'a [u8],
}

impl Assembly {
    fn frame(&mut self, frame: &Frame<'_>) -> Result<(), RecordingError> {
        self.first.get_or_insert(frame.at);
        if self.tape.take(frame)? {
            return Ok(());
        }
        let ip = link::ip_of(frame.link, frame.data).map_err(|link::UnknownLink| {
            let what = format!("its link type {} is not known; known are {}", frame.link, link::KNOWN);
            RecordingError::at(frame.number, what)
        })?;
        let Some(seen) = ip.and_then(segment::read) else { return Ok(()) };
        let label = frame.comments.iter().find_map(|comment| Label::parse(comment)).unwrap_or_default();
        if self.drafts.len() >= MAX_CONVERSATIONS {
            let what = format!("more than {MAX_CONVERSATIONS} conversations; cut the file into several");
            return Err(RecordingError::at(frame.number, what));
        }
        self.seen(frame, &seen, label);
        Ok(())
    }

    fn seen(&mut self, frame: &Frame<'_>, seen: &Seen<'_>, label: Label) {
        let packet = |ports: (u16, u16), payload, label| Packet {
            number: frame.number,
            at: frame.at,
            source: SocketAddr::new(seen.source, ports.0),
            destination: SocketAddr::new(seen.destination, ports.1),
            label,
            missing: seen.missing,
            payload,
        };
        match &seen.content {
            Content::Tcp(tcp) => self.tcp(&packet(tcp.ports, tcp.payload, label), tcp),
            Content::Udp { ports, payload } => self.udp(&packet(*ports, payload, label)),
            Content::Unreachable { what, protocol, source, destination } => {
                self.unreachable(frame.at, *what, key(*protocol, *source, *destination), *source);
            }
            Content::Note => self.note(&packet((0, 0), &[], label)),
            Content::Other => {}
        }
    }

    fn tcp(&mut self, packet: &Packet<'_>, tcp: &Tcp<'_>) {
        let key = key(TCP, packet.source, packet.destination);
        let known = self.current.get(&key).copied();
        if tcp.syn && !tcp.ack {
            let repeats = known.and_then(|index| self.drafts.get(index)).is_some_and(|draft| {
                let from_opener = match draft.conversation.kind {
                    Kind::Accepted => draft.theirs.starts_with(tcp.seq.wrapping_add(1)),
                    _ => draft.ours.starts_with(tcp.seq.wrapping_add(1)),
                };
                from_opener && packet.label.conversation.is_none()
            });
            if !repeats {
                self.open_tcp(packet, tcp, key);
            }
            return;
        }
        let Some(index) = known.or_else(|| self.join_tcp(packet, tcp, key)) else { return };
        let Some(draft) = self.drafts.get_mut(index) else { return };
        if let Some(to) = &packet.label.handed_to {
            draft.conversation.handed_to = Some(to.clone());
        }
        if packet.missing > 0 && !packet.payload.is_empty() {
            let missing = packet.missing;
            self.remark(format!("packet {}: the capture left out {missing} bytes of it", packet.number));
        }
        if let Some(draft) = self.drafts.get_mut(index) {
            draft.tcp(packet, tcp);
        }
    }

    /// A connection begins.
    fn open_tcp(&mut self, packet: &Packet<'_>, tcp: &Tcp<'_>, key: Key) {
        let accepted = packet.label.accepted;
        let (kind, own, peer) = match accepted {
            Some(_) => (Kind::Accepted, packet.destination, packet.source),
            None => (Kind::Stream, packet.source, packet.destination),
        };
        let index = self.begin(kind, packet, own, peer);
        self.current.insert(key, index);
        if let Some(draft) = self.drafts.get_mut(index) {
            let opener = if accepted.is_some() { &mut draft.theirs } else { &mut draft.ours };
            opener.start(tcp.seq.wrapping_add(1));
        }
        let listener = accepted.and_then(|number| self.numbered_listeners.get(&number));
        if let Some(listener) = listener.and_then(|index| self.listeners.get_mut(*index)) {
            listener.accepted.push(index);
        }
    }

    /// A connection that was there before the capture.
    fn join_tcp(&mut self, packet: &Packet<'_>, tcp: &Tcp<'_>, key: Key) -> Option<usize> {
        let answers = tcp.syn && tcp.ack;
        if tcp.rst || (packet.payload.is_empty() && !answers) {
            return None;
        }
        let from_peer = answers || packet.source.port() < packet.destination.port();
        let (own, peer) =
            if from_peer { (packet.destination, packet.source) } else { (packet.source, packet.destination) };
        let index = self.begin(Kind::Stream, packet, own, peer);
        self.current.insert(key, index);
        if let Some(draft) = self.drafts.get_mut(index) {
            draft.conversation.outcome = Outcome::Open(packet.at);
        }
        Some(index)
    }

    fn begin(&mut self, kind: Kind, packet: &Packet<'_>, own: SocketAddr, peer: SocketAddr) -> usize {
        let index = self.drafts.len();
        self.drafts.push(Draft {
            conversation: Conversation {
                kind,
                packet: packet.number,
                own,
                peer,
                origin: packet.label.origin.clone(),
                handed_to: None,
                opened: packet.at,
                outcome: Outcome::Silent,
                sent: Vec::new(),
                pieces: Vec::new(),
                events: Vec::new(),
            },
            ours: Direction::default(),
            theirs: Direction::default(),
            last_step: packet.at,
        });
        if let Some(number) = packet.label.conversation {
            self.numbered.insert(number, index);
        }
        index
    }

    fn udp(&mut self, packet: &Packet<'_>) {
        let key = key(UDP, packet.source, packet.destination);
        let known = || {
            let ends = self.current.get(&key);
            ends.or_else(|| self.open.get(&packet.source)).or_else(|| self.open.get(&packet.destination)).copied()
        };
        let index = match known().filter(|_| packet.label.conversation.is_none()) {
            Some(index) => index,
            None => self.open_udp(packet, key),
        };
        if packet.missing > 0 {
            let missing = packet.missing;
            self.remark(format!("packet {}: the capture left out {missing} bytes of it", packet.number));
        }
        let Some(draft) = self.drafts.get_mut(index) else { return };
        if packet.source == draft.conversation.own {
            draft.sent(packet.payload, packet);
        } else {
            draft.event(packet.at, What::Data(packet.source, packet.payload.to_vec()));
        }
    }

    fn open_udp(&mut self, packet: &Packet<'_>, key: Key) -> usize {
        let kind = if packet.label.any_peer { Kind::OpenDatagrams } else { Kind::Datagrams };
        let (own, peer) = if packet.label.inbound {
            (packet.destination, packet.source)
        } else {
            (packet.source, packet.destination)
        };
        let index = self.begin(kind, packet, own, peer);
        if packet.label.any_peer {
            self.open.insert(own, index);
        } else {
            self.open.remove(&own); // its port went to another socket
            self.current.insert(key, index);
        }
        if let Some(draft) = self.drafts.get_mut(index) {
            draft.conversation.outcome = Outcome::Open(packet.at);
        }
        index
    }

    fn unreachable(&mut self, at: Timestamp, what: Unreachable, key: Key, from: SocketAddr) {
        let index = self.current.get(&key).or_else(|| if key.0 == UDP { self.open.get(&from) } else { None });
        let Some(draft) = index.and_then(|index| self.drafts.get_mut(*index)) else { return };
        let conversation = &draft.conversation;
        let is_open = matches!(conversation.outcome, Outcome::Open(_));
        // RFC 1122 section 4.2.3.9: about an open connection such an error is but a hint.
        if conversation.own != from || is_open && !conversation.is_datagrams() {
            return;
        }
        draft.broke(at, what.kind(), String::new());
    }

    /// What never was a packet: a listener, an error no packet shows.
    fn note(&mut self, packet: &Packet<'_>) {
        let label = &packet.label;
        if let Some(port) = label.listen {
            let local = SocketAddr::new(packet.source.ip(), port);
            if let Some(number) = label.conversation {
                self.numbered_listeners.insert(number, self.listeners.len());
            }
            let (origin, error) = (label.origin.clone(), label.error.clone());
            self.listeners.push(Listening { origin, local, error, accepted: Vec::new() });
            return;
        }
        let Some((kind, detail)) = label.error.clone() else { return };
        let known = label.conversation.and_then(|number| self.numbered.get(&number));
        let index = if let Some(index) = known {
            *index
        } else {
            let kind = if label.any_peer { Kind::OpenDatagrams } else { Kind::Datagrams };
            self.begin(kind, packet, packet.source, packet.source)
        };
        if let Some(draft) = self.drafts.get_mut(index) {
            draft.broke(packet.at, kind, detail);
        }
    }

    fn remark(&mut self, text: String) {
        if self.remarks.len() < MAX_REMARKS {
            self.remarks.push(text);
        }
    }

    fn finish(mut self, header: Option<crate::net::record::Header>) -> Recording {
        let gaps: Vec<String> = self
            .drafts
            .iter()
            .filter(|draft| draft.ours.has_gap() || draft.theirs.has_gap())
            .take(MAX_REMARKS)
            .map(|draft| {
                let Conversation { packet, own, peer, .. } = &draft.conversation;
                format!("packet {packet}: of the connection from {own} to {peer} packets are missing; it ends there")
            })
            .collect();
        for gap in gaps {
            self.remark(gap);
        }
        Recording {
            header,
            first_packet: self.first.unwrap_or_default(),
            conversations: self.drafts.into_iter().map(|draft| draft.conversation).collect(),
            listeners: self.listeners,
            packets: self.tape.finish(),
            remarks: self.remarks,
        }
    }
}

impl Draft {
    fn tcp(&mut self, packet: &Packet<'_>, tcp: &Tcp<'_>) {
        let is_ours = packet.source == self.conversation.own;
        let direction = if is_ours { &mut self.ours } else { &mut self.theirs };
        if direction.is_new() {
            direction.start(tcp.seq.wrapping_add(u32::from(tcp.syn)));
        }
        if tcp.syn {
            return self.opened(packet.at);
        }
        if tcp.rst {
            let refuses = matches!(self.conversation.outcome, Outcome::Silent);
            let kind = if refuses { NetErrorKind::Refused } else { NetErrorKind::Reset };
            if !is_ours {
                self.broke(packet.at, kind, String::new());
            }
            return;
        }
        if matches!(self.conversation.outcome, Outcome::Silent) {
            self.opened(packet.at); // the SYN/ACK was not captured
        }
        let direction = if is_ours { &mut self.ours } else { &mut self.theirs };
        let fresh = direction.take(tcp.seq, packet.payload);
        if tcp.fin {
            direction.finish(tcp.seq.wrapping_add(packet.payload.len() as u32));
        }
        let closes = direction.closes_now();
        if is_ours {
            if !fresh.is_empty() {
                self.sent(&fresh, packet);
            }
            return;
        }
        if !fresh.is_empty() {
            self.event(packet.at, What::Data(packet.source, fresh));
        }
        if closes {
            self.event(packet.at, What::Close);
        }
    }

    fn opened(&mut self, at: Timestamp) {
        if matches!(self.conversation.outcome, Outcome::Silent) {
            self.conversation.outcome = Outcome::Open(at);
            self.last_step = at;
        }
    }

    /// A reset or an error: of the opening while that is not decided, later of the conversation.
    fn broke(&mut self, at: Timestamp, kind: NetErrorKind, detail: String) {
        match self.conversation.outcome {
            Outcome::Silent => self.conversation.outcome = Outcome::Failed(at, kind, detail),
            Outcome::Open(_) => self.event(at, What::Fail(kind, detail)),
            Outcome::Failed(..) => {}
        }
    }

    fn sent(&mut self, data: &[u8], packet: &Packet<'_>) {
        self.conversation.sent.extend_from_slice(data);
        let end = self.conversation.sent.len();
        self.conversation.pieces.push(Piece { end, packet: packet.number, to: packet.destination });
        self.last_step = packet.at;
    }

    fn event(&mut self, at: Timestamp, what: What) {
        let conversation = &mut self.conversation;
        let after = if conversation.is_datagrams() { conversation.pieces.len() } else { conversation.sent.len() };
        conversation.events.push(Event { at, delay: at.since(self.last_step), after, what });
        self.last_step = at;
    }
}

#[cfg(test)]
mod tests;

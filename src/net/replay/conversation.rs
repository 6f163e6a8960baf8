//! What a recording holds: conversations, each with what we sent and what happened then.

use std::net::SocketAddr;
use std::time::Duration;

use super::tape::Tape;
use crate::model::{NetErrorKind, Timestamp};
use crate::net::Origin;
use crate::net::record::Header;

/// Everything a file tells.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// Of the run, when the file is a recording of ours.
    pub header: Option<Header>,
    /// When the first packet was seen.
    pub first_packet: Timestamp,
    /// In the order they began.
    pub conversations: Vec<Conversation>,
    /// In the order they began.
    pub listeners: Vec<Listening>,
    /// What was sent and captured raw.
    pub packets: Tape,
    /// What could not be made use of, for people.
    pub remarks: Vec<String>,
}

/// What kind of conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A TCP connection of ours.
    Stream,
    /// A TCP connection to a listener of ours.
    Accepted,
    /// UDP with one peer.
    Datagrams,
    /// A UDP socket that was not connected.
    OpenDatagrams,
}

/// One conversation, from our side.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// What it is.
    pub kind: Kind,
    /// The packet it begins with.
    pub packet: u32,
    /// Our end.
    pub own: SocketAddr,
    /// The other end; of open datagram sockets the first one.
    pub peer: SocketAddr,
    /// On whose behalf; none in foreign captures.
    pub origin: Option<Origin>,
    /// To whom the connection was handed on.
    pub handed_to: Option<Origin>,
    /// When it was opened.
    pub opened: Timestamp,
    /// What opening it came to.
    pub outcome: Outcome,
    /// Everything we sent, end to end.
    pub sent: Vec<u8>,
    /// Where each piece of it ends.
    pub pieces: Vec<Piece>,
    /// What the peer did.
    pub events: Vec<Event>,
}

/// What opening a conversation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was heard.
    Silent,
    /// It was open from then on.
    Open(Timestamp),
    /// It failed, then and so.
    Failed(Timestamp, NetErrorKind, String),
}

/// One segment or datagram of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where it ends in all that we sent.
    pub end: usize,
    /// The packet.
    pub packet: u32,
    /// To whom.
    pub to: SocketAddr,
}

/// One thing the peer did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// How long after the step before it, whoever made that.
    pub delay: Duration,
    /// What we had sent by then: bytes of a stream, or datagrams.
    pub after: usize,
    /// What.
    pub what: What,
}

/// What a peer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It sends.
    Data(SocketAddr, Vec<u8>),
    /// It closes its side.
    Close,
    /// The conversation breaks.
    Fail(NetErrorKind, String),
}

/// A listening socket.
#[derive(Debug, Clone)]
pub struct Listening {
    /// On whose behalf.
    pub origin: Option<Origin>,
    /// Where.
    pub local: SocketAddr,
    /// Why it could not be opened.
    pub error: Option<(NetErrorKind, String)>,
    /// Its connections, as indices of conversations.
    pub accepted: Vec<usize>,
}

impl Conversation {
    /// Whether it is one of datagrams.
    pub fn is_datagrams(&self) -> bool {
        matches!(self.kind, Kind::Datagrams | Kind::OpenDatagrams)
    }

    /// The datagram we sent as the so-manieth.
    pub fn datagram(&self, index: usize) -> Option<(&[u8], Piece)> {
        let piece = self.pieces.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => self.pieces.get(before)?.end,
            None => 0,
        };
        Some((self.sent.get(start..piece.end)?, *piece))
    }

    /// The packet that carries the byte at `offset` of what we sent, or the last one.
    pub fn packet_of(&self, offset: usize) -> u32 {
        let index = self.pieces.partition_point(|piece| piece.end <= offset);
        self.pieces.get(index).or(self.pieces.last()).map_or(self.packet, |piece| piece.packet)
    }
}

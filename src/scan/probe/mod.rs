//! A probe: what it asks, how it looks on the wire, and how its answer is told from anything else that arrives.

mod cookie;
mod forms;
mod hearing;

pub use cookie::Cookies;
pub use forms::{Address, Forms, Look, SELDOM};
pub use hearing::{Heard, Hearing, Locals, Mark};

use crate::model::{PingKind, ScanKind};
use crate::packet::Tcp;

/// What a probe looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// A segment with these flags.
    Tcp(u8),
    /// A datagram.
    Udp,
    /// SCTP INIT.
    SctpInit,
    /// SCTP COOKIE ECHO.
    SctpCookie,
    /// ICMP or `ICMPv6` echo.
    Echo,
    /// ICMP timestamp.
    Timestamp,
    /// ICMP address mask.
    Mask,
    /// An IP protocol, instead of a port.
    Protocol,
    /// ARP, or a neighbour solicitation.
    Neighbor,
}

/// One question to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Question {
    /// How it is asked.
    pub form: Form,
    /// The port, or the IP protocol; 0 where there is neither.
    pub number: u16,
}

/// What a question is asked for. Each purpose has local ports of its own, so that a target never takes a probe of one for a
/// retransmission of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Is the host there?
    Discovery,
    /// In which state are its ports?
    Ports,
    /// Who is on the way to it?
    Route,
}

/// Local ports of each purpose, in a row.
pub const PURPOSES: [(Purpose, u16); 3] = [(Purpose::Discovery, 16), (Purpose::Ports, 16), (Purpose::Route, 32)];
/// The last try of a purpose is no try: it asks again what was answered before.
pub const TIMING_PING: u8 = 15;

impl Form {
    /// The form of a kind of port scan; the flags are those of `--scanflags` if there are some.
    pub fn of_scan(kind: ScanKind, flags: Option<u8>) -> Form {
        match kind {
            ScanKind::Udp => Form::Udp,
            ScanKind::SctpInit => Form::SctpInit,
            ScanKind::SctpCookie => Form::SctpCookie,
            ScanKind::IpProtocol => Form::Protocol,
            tcp => Form::Tcp(flags.unwrap_or(tcp.flags())),
        }
    }

    /// The form of a kind of ping.
    pub fn of_ping(kind: PingKind) -> Form {
        match kind {
            PingKind::Echo => Form::Echo,
            PingKind::Timestamp => Form::Timestamp,
            PingKind::Mask => Form::Mask,
            PingKind::Syn => Form::Tcp(Tcp::SYN),
            PingKind::Ack => Form::Tcp(Tcp::ACK),
            PingKind::Udp => Form::Udp,
            PingKind::Sctp => Form::SctpInit,
            PingKind::Protocol => Form::Protocol,
        }
    }
}

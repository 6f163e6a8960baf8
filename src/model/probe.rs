//! Kinds of port scans and of pings.

use super::Protocol;

/// A kind of port scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScanKind {
    /// `-sT`: the kernel connects.
    Connect,
    /// `-sS`: SYN.
    Syn,
    /// `-sA`: ACK.
    Ack,
    /// `-sW`: ACK, told apart by the window of the reset.
    Window,
    /// `-sM`: FIN and ACK.
    Maimon,
    /// `-sN`: no flags.
    Null,
    /// `-sF`: FIN.
    Fin,
    /// `-sX`: FIN, PSH and URG.
    Xmas,
    /// `-sU`: datagrams.
    Udp,
    /// `-sO`: IP protocols instead of ports.
    IpProtocol,
    /// `-sY`: SCTP INIT.
    SctpInit,
    /// `-sZ`: SCTP COOKIE ECHO.
    SctpCookie,
}

impl ScanKind {
    /// What its ports are ports of.
    pub fn protocol(self) -> Protocol {
        match self {
            ScanKind::Udp => Protocol::Udp,
            ScanKind::SctpInit | ScanKind::SctpCookie => Protocol::Sctp,
            ScanKind::IpProtocol => Protocol::Ip,
            _ => Protocol::Tcp,
        }
    }

    /// The name of the XML attribute `scaninfo type`.
    pub fn name(self) -> &'static str {
        match self {
            ScanKind::Connect => "connect",
            ScanKind::Syn => "syn",
            ScanKind::Ack => "ack",
            ScanKind::Window => "window",
            ScanKind::Maimon => "maimon",
            ScanKind::Null => "null",
            ScanKind::Fin => "fin",
            ScanKind::Xmas => "xmas",
            ScanKind::Udp => "udp",
            ScanKind::IpProtocol => "ipproto",
            ScanKind::SctpInit => "sctpinit",
            ScanKind::SctpCookie => "sctpcookieecho",
        }
    }
}

/// A kind of ping: how a host is asked whether it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PingKind {
    /// `-PE`: ICMP echo, either family.
    Echo,
    /// `-PP`: ICMP timestamp, IPv4 only.
    Timestamp,
    /// `-PM`: ICMP address mask, IPv4 only.
    Mask,
    /// `-PS`: TCP SYN to ports.
    Syn,
    /// `-PA`: TCP ACK to ports.
    Ack,
    /// `-PU`: a datagram to ports.
    Udp,
    /// `-PY`: SCTP INIT to ports.
    Sctp,
    /// `-PO`: bare IP protocols.
    Protocol,
}

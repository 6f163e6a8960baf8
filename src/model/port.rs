//! Ports and what was learned about them.

use std::fmt;

/// The transport a port belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// IP itself: its ports are protocol numbers.
    Ip,
}

impl Protocol {
    /// The lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
            Protocol::Ip => "ip",
        }
    }

    /// The protocol of that lower-case name.
    pub fn parse(name: &str) -> Option<Protocol> {
        [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Ip].into_iter().find(|p| p.name() == name)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The state of a port, in the field's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PortState {
    /// Something accepts.
    Open,
    /// Nothing listens, and the host says so.
    Closed,
    /// No answer, or a prohibition.
    Filtered,
    /// Reachable, open or closed unknown.
    Unfiltered,
    /// No answer where an open port would be silent too.
    OpenFiltered,
    /// Closed or filtered.
    ClosedFiltered,
}

impl PortState {
    /// The name people know, e.g. `open|filtered`.
    pub fn name(self) -> &'static str {
        match self {
            PortState::Open => "open",
            PortState::Closed => "closed",
            PortState::Filtered => "filtered",
            PortState::Unfiltered => "unfiltered",
            PortState::OpenFiltered => "open|filtered",
            PortState::ClosedFiltered => "closed|filtered",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<PortState> {
        use PortState::{Closed, ClosedFiltered, Filtered, Open, OpenFiltered, Unfiltered};
        [Open, Closed, Filtered, Unfiltered, OpenFiltered, ClosedFiltered].into_iter().find(|s| s.name() == name)
    }
}

impl fmt::Display for PortState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a host or port has its state. The strings are those consumers of the XML know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// A connection was accepted (printed `syn-ack`).
    SynAck,
    /// A connection was refused.
    ConnRefused,
    /// A TCP reset.
    Reset,
    /// Silence.
    NoResponse,
    /// ICMP host unreachable, or the kernel says so.
    HostUnreach,
    /// ICMP network unreachable.
    NetUnreach,
    /// ICMP port unreachable.
    PortUnreach,
    /// ICMP protocol unreachable.
    ProtoUnreach,
    /// ICMP administratively prohibited.
    AdminProhibited,
    /// This machine did not permit the probe.
    PermDenied,
    /// A UDP answer.
    UdpResponse,
    /// A SYN alone in answer to a SYN.
    SplitHandshakeSyn,
    /// An SCTP INIT ACK.
    InitAck,
    /// An SCTP ABORT.
    Abort,
    /// A packet of the protocol asked for.
    ProtoResponse,
    /// ICMP network prohibited.
    NetProhibited,
    /// ICMP host prohibited.
    HostProhibited,
    /// ICMP for IPv6: beyond scope of source address.
    BeyondScope,
    /// ICMP for IPv6: source address failed policy, or reject route.
    RejectRoute,
    /// ICMP time exceeded.
    TimeExceeded,
    /// ICMP parameter problem.
    ParamProblem,
    /// ICMP echo reply.
    EchoReply,
    /// ICMP timestamp reply.
    TimestampReply,
    /// ICMP address mask reply.
    AddressMaskReply,
    /// An ARP reply.
    ArpResponse,
    /// A neighbour advertisement.
    NdResponse,
    /// The user said so (`-Pn`).
    UserSet,
    /// A script said so.
    ScriptSet,
    /// The target is this machine.
    LocalhostResponse,
    /// Nobody asked.
    Unasked,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 30] = [
        Reason::SynAck,
        Reason::ConnRefused,
        Reason::Reset,
        Reason::NoResponse,
        Reason::HostUnreach,
        Reason::NetUnreach,
        Reason::PortUnreach,
        Reason::ProtoUnreach,
        Reason::AdminProhibited,
        Reason::PermDenied,
        Reason::UdpResponse,
        Reason::SplitHandshakeSyn,
        Reason::InitAck,
        Reason::Abort,
        Reason::ProtoResponse,
        Reason::NetProhibited,
        Reason::HostProhibited,
        Reason::BeyondScope,
        Reason::RejectRoute,
        Reason::TimeExceeded,
        Reason::ParamProblem,
        Reason::EchoReply,
        Reason::TimestampReply,
        Reason::AddressMaskReply,
        Reason::ArpResponse,
        Reason::NdResponse,
        Reason::UserSet,
        Reason::ScriptSet,
        Reason::LocalhostResponse,
        Reason::Unasked,
    ];

    /// The reason of that name.
    pub fn parse(name: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// The name people know.
    pub fn name(self) -> &'static str {
        match self {
            Reason::SynAck => "syn-ack",
            Reason::ConnRefused => "conn-refused",
            Reason::Reset => "reset",
            Reason::NoResponse => "no-response",
            Reason::HostUnreach => "host-unreach",
            Reason::NetUnreach => "net-unreach",
            Reason::PortUnreach => "port-unreach",
            Reason::ProtoUnreach => "proto-unreach",
            Reason::AdminProhibited => "admin-prohibited",
            Reason::PermDenied => "perm-denied",
            Reason::UdpResponse => "udp-response",
            Reason::SplitHandshakeSyn => "split-handshake-syn",
            Reason::InitAck => "init-ack",
            Reason::Abort => "abort",
            Reason::ProtoResponse => "proto-response",
            Reason::NetProhibited => "net-prohibited",
            Reason::HostProhibited => "host-prohibited",
            Reason::BeyondScope => "beyond-scope",
            Reason::RejectRoute => "reject-route",
            Reason::TimeExceeded => "time-exceeded",
            Reason::ParamProblem => "param-problem",
            Reason::EchoReply => "echo-reply",
            Reason::TimestampReply => "timestamp-reply",
            Reason::AddressMaskReply => "addressmask-reply",
            Reason::ArpResponse => "arp-response",
            Reason::NdResponse => "nd-response",
            Reason::UserSet => "user-set",
            Reason::ScriptSet => "script-set",
            Reason::LocalhostResponse => "localhost-response",
            Reason::Unasked => "none",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is known of the service behind a port. Empty strings mean unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// Service name, from the port table or from detection.
    pub name: String,
    /// Product, e.g. `nginx`.
    pub product: String,
    /// Version, e.g. `1.22.1`.
    pub version: String,
    /// Anything else worth a parenthesis.
    pub extra: String,
    /// Whether the service is reached through TLS.
    pub tls: bool,
    /// True when found by talking to it, false when looked up by number.
    pub probed: bool,
}

/// A port as a scan leaves it: there may be 65,535 of them on a host, of which few become a [`Port`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScannedPort {
    /// Transport.
    pub protocol: Protocol,
    /// Number.
    pub number: u16,
    /// State.
    pub state: PortState,
    /// Why it has this state.
    pub reason: Reason,
    /// Hops the answer had left; 0 without one.
    pub reason_ttl: u8,
}

/// One port of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Transport.
    pub protocol: Protocol,
    /// Number.
    pub number: u16,
    /// State.
    pub state: PortState,
    /// Why it has this state.
    pub reason: Reason,
    /// TTL of the reply, where seen; 0 is what consumers expect otherwise.
    pub reason_ttl: u8,
    /// The service.
    pub service: Service,
}

/// Ports of one host that share a dull fate, counted instead of kept one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folded {
    /// Transport.
    pub protocol: Protocol,
    /// State.
    pub state: PortState,
    /// Why they have this state.
    pub reason: Reason,
    /// How many they are.
    pub count: usize,
}

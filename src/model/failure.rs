//! What can go wrong between us and a peer.

use std::{fmt, io};

/// Why a network operation failed. The names are what scripts see in `error.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NetErrorKind {
    /// The peer refused the connection (RST, ICMP port unreachable).
    Refused,
    /// The peer reset an established connection.
    Reset,
    /// The peer closed the stream where more was expected.
    Closed,
    /// Nothing arrived in time.
    Timeout,
    /// No route, host or network unreachable, prohibited.
    Unreachable(Unreached),
    /// The name does not resolve.
    Resolve,
    /// The TLS handshake failed.
    Tls,
    /// The peer spoke, but not the protocol.
    Protocol,
    /// The script may not do this: undeclared capability or a host outside its fence.
    Denied,
    /// A budget of the script is used up, or what it waits for will never come.
    Budget(Spent),
    /// The packet is larger than the link carries.
    TooLarge,
    /// It takes a privilege this process lacks.
    Privilege,
    /// This machine refused: address in use, no descriptors, interface gone.
    Local,
    /// What was done differs from the recording that is replayed.
    Replay,
}

/// What could not be reached. Scripts see no difference, port states have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unreached {
    /// The host; also where it is not known whether it was more than the host.
    Host,
    /// The whole network it is in: a router has no way there.
    Network,
    /// Nothing left this machine: no route of its own leads there, or the one that does forbids it.
    NoRoute,
}

/// What recordings call it when no route leads there.
const NO_ROUTE: &str = "no-route";

/// Which budget is used up. The names are what scripts see in `error.budget`, and the class of the failure in reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spent {
    /// Bytes sent and received.
    Bytes,
    /// Packets sent raw.
    Packets,
    /// Sockets open at once.
    Sockets,
    /// Slots for sockets: all who hold some wait for more.
    Slots,
}

impl Spent {
    /// The name scripts and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Spent::Bytes => "bytes",
            Spent::Packets => "packets",
            Spent::Sockets => "sockets",
            Spent::Slots => "slots",
        }
    }
}

impl NetErrorKind {
    /// One of each name.
    pub const ALL: [NetErrorKind; 14] = [
        NetErrorKind::Refused,
        NetErrorKind::Reset,
        NetErrorKind::Closed,
        NetErrorKind::Timeout,
        NetErrorKind::Unreachable(Unreached::Host),
        NetErrorKind::Resolve,
        NetErrorKind::Tls,
        NetErrorKind::Protocol,
        NetErrorKind::Denied,
        NetErrorKind::Budget(Spent::Bytes),
        NetErrorKind::TooLarge,
        NetErrorKind::Privilege,
        NetErrorKind::Local,
        NetErrorKind::Replay,
    ];

    /// The name scripts and reports use.
    pub fn name(self) -> &'static str {
        match self {
            NetErrorKind::Refused => "refused",
            NetErrorKind::Reset => "reset",
            NetErrorKind::Closed => "closed",
            NetErrorKind::Timeout => "timeout",
            NetErrorKind::Unreachable(_) => "unreachable",
            NetErrorKind::Resolve => "resolve",
            NetErrorKind::Tls => "tls",
            NetErrorKind::Protocol => "protocol",
            NetErrorKind::Denied => "denied",
            NetErrorKind::Budget(_) => "budget",
            NetErrorKind::TooLarge => "too-large",
            NetErrorKind::Privilege => "privilege",
            NetErrorKind::Local => "local",
            NetErrorKind::Replay => "replay",
        }
    }

    /// The name that also says what was unreachable, as far as packets do not show it.
    pub fn recorded_name(self) -> &'static str {
        if self == NetErrorKind::Unreachable(Unreached::NoRoute) { NO_ROUTE } else { self.name() }
    }

    /// The kind of that name, for those the door itself gives: a budget is kept above it. What was unreachable is the host,
    /// where the name says no more.
    pub fn by_name(name: &str) -> Option<NetErrorKind> {
        if name == NO_ROUTE {
            return Some(NetErrorKind::Unreachable(Unreached::NoRoute));
        }
        NetErrorKind::ALL.into_iter().find(|kind| kind.name() == name && !matches!(kind, NetErrorKind::Budget(_)))
    }

    /// Whether this is something the peer did, and so an outcome, not a fault of script or machine.
    pub fn is_peer(self) -> bool {
        use NetErrorKind::{Budget, Denied, Local, Privilege, Replay, TooLarge};
        !matches!(self, Denied | Budget(_) | TooLarge | Privilege | Local | Replay)
    }
}

/// A failed network operation: what was being done, to whom, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetError {
    /// The class of the failure.
    pub kind: NetErrorKind,
    /// The operation, e.g. `connect`.
    pub op: &'static str,
    /// The peer, e.g. `10.0.0.7:443`.
    pub peer: String,
    /// What exactly happened; empty where `kind` says it all.
    pub detail: String,
}

impl NetError {
    /// An error without further detail.
    pub fn new(kind: NetErrorKind, op: &'static str, peer: impl fmt::Display) -> NetError {
        NetError { kind, op, peer: peer.to_string(), detail: String::new() }
    }

    /// The same error with `detail`.
    #[must_use]
    pub fn because(mut self, detail: impl fmt::Display) -> NetError {
        self.detail = detail.to_string();
        self
    }

    /// Classifies an error of the operating system. One that carries a `NetError` (from a layer over the socket, such as
    /// TLS) keeps its kind and detail.
    pub fn from_io(error: &io::Error, op: &'static str, peer: impl fmt::Display) -> NetError {
        use io::ErrorKind as K;
        if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<NetError>()) {
            return NetError { op, peer: peer.to_string(), ..inner.clone() };
        }
        let kind = match error.kind() {
            _ if says_host_is_gone(error) => NetErrorKind::Unreachable(Unreached::Host),
            K::ConnectionRefused => NetErrorKind::Refused,
            K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => NetErrorKind::Reset,
            K::UnexpectedEof => NetErrorKind::Closed,
            K::TimedOut => NetErrorKind::Timeout,
            K::HostUnreachable => NetErrorKind::Unreachable(Unreached::Host),
            K::NetworkUnreachable => NetErrorKind::Unreachable(Unreached::Network),
            K::NetworkDown => NetErrorKind::Unreachable(Unreached::NoRoute),
            _ => NetErrorKind::Local,
        };
        let error_text = if kind == NetErrorKind::Local { error.to_string() } else { String::new() };
        NetError::new(kind, op, peer).because(error_text)
    }
}

/// What Linux makes of ICMP errors about an unknown and an isolated host (codes 7 and 8); the standard library knows neither.
fn says_host_is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EHOSTDOWN | libc::ENONET))
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.op, self.peer, self.kind.name())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

impl std::error::Error for NetError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_of_hosts_is_told_from_what_it_says_of_itself() {
        let kind = |errno| NetError::from_io(&io::Error::from_raw_os_error(errno), "connect", "10.0.0.7:443").kind;
        for errno in [libc::EHOSTUNREACH, libc::EHOSTDOWN, libc::ENONET] {
            assert_eq!(kind(errno), NetErrorKind::Unreachable(Unreached::Host), "{errno}");
        }
        assert_eq!(kind(libc::ENETUNREACH), NetErrorKind::Unreachable(Unreached::Network));
        assert_eq!(kind(libc::ENETDOWN), NetErrorKind::Unreachable(Unreached::NoRoute));
        assert_eq!(kind(libc::EACCES), NetErrorKind::Local);
    }

    #[test]
    fn recordings_tell_a_missing_route_from_a_missing_host() {
        let all = NetErrorKind::ALL.into_iter().filter(|kind| !matches!(kind, NetErrorKind::Budget(_)));
        for kind in all.chain([NetErrorKind::Unreachable(Unreached::NoRoute)]) {
            assert_eq!(NetErrorKind::by_name(kind.recorded_name()), Some(kind));
        }
    }
}

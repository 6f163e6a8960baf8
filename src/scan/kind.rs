//! What each kind of port scan sends, and what each answer makes of a port.

use crate::model::{MacAddr, PortState, Protocol, Reason, ScanKind};
use crate::packet::Tcp;

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// A TCP segment from the port.
    Tcp {
        /// Its flags.
        flags: u8,
        /// Its window.
        window: u16,
    },
    /// A datagram from the port.
    Udp,
    /// An SCTP INIT ACK.
    SctpInitAck,
    /// An SCTP ABORT.
    SctpAbort,
    /// A packet of the IP protocol asked for.
    Protocol,
    /// The reply to a query of ICMP; its type.
    Query(u8),
    /// The neighbour says that it is there.
    Neighbor(MacAddr),
    /// An ICMP error that quotes the probe.
    Icmp {
        /// What it says.
        error: IcmpError,
        /// Whether the target itself says so, not a router.
        from_target: bool,
    },
}

/// ICMP errors of both families by what they mean for a probe (RFC 792, RFC 1812, RFC 4443).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IcmpError {
    /// Network unreachable, or no route.
    Net,
    /// Host or address unreachable.
    Host,
    /// Protocol unreachable, or an unknown next header.
    Protocol,
    /// Port unreachable.
    Port,
    /// Network prohibited.
    NetProhibited,
    /// Host prohibited.
    HostProhibited,
    /// Administratively prohibited.
    Admin,
    /// Beyond the scope of the source address.
    BeyondScope,
    /// Policy or a route that rejects.
    RejectRoute,
    /// Time exceeded.
    TimeExceeded,
    /// A header field is wrong.
    Parameter,
}

impl IcmpError {
    /// By type and code of ICMP for IPv4; none for what is no answer to a probe.
    pub fn v4(kind: u8, code: u8) -> Option<IcmpError> {
        Some(match (kind, code) {
            (3, 0) => IcmpError::Net,
            (3, 1) => IcmpError::Host,
            (3, 2) => IcmpError::Protocol,
            (3, 3) => IcmpError::Port,
            (3, 9) => IcmpError::NetProhibited,
            (3, 10) => IcmpError::HostProhibited,
            (3, 13) => IcmpError::Admin,
            (11, _) => IcmpError::TimeExceeded,
            _ => return None,
        })
    }

    /// By type and code of ICMP for IPv6.
    pub fn v6(kind: u8, code: u8) -> Option<IcmpError> {
        Some(match (kind, code) {
            (1, 0) => IcmpError::Net,
            (1, 1) => IcmpError::Admin,
            (1, 2) => IcmpError::BeyondScope,
            (1, 3) => IcmpError::Host,
            (1, 4) => IcmpError::Port,
            (1, 5 | 6) => IcmpError::RejectRoute,
            (3, _) => IcmpError::TimeExceeded,
            (4, 0) => IcmpError::Parameter,
            (4, 1) => IcmpError::Protocol,
            _ => return None,
        })
    }

    /// The reason it gives a port.
    pub fn reason(self) -> Reason {
        match self {
            IcmpError::Net => Reason::NetUnreach,
            IcmpError::Host => Reason::HostUnreach,
            IcmpError::Protocol => Reason::ProtoUnreach,
            IcmpError::Port => Reason::PortUnreach,
            IcmpError::NetProhibited => Reason::NetProhibited,
            IcmpError::HostProhibited => Reason::HostProhibited,
            IcmpError::Admin => Reason::AdminProhibited,
            IcmpError::BeyondScope => Reason::BeyondScope,
            IcmpError::RejectRoute => Reason::RejectRoute,
            IcmpError::TimeExceeded => Reason::TimeExceeded,
            IcmpError::Parameter => Reason::ParamProblem,
        }
    }
}

impl ScanKind {
    /// The flags its TCP probes carry.
    pub fn flags(self) -> u8 {
        match self {
            ScanKind::Syn | ScanKind::Connect => Tcp::SYN,
            ScanKind::Ack | ScanKind::Window => Tcp::ACK,
            ScanKind::Maimon => Tcp::FIN | Tcp::ACK,
            ScanKind::Fin => Tcp::FIN,
            ScanKind::Xmas => Tcp::FIN | Tcp::PSH | Tcp::URG,
            _ => 0,
        }
    }

    /// Whether silence is what an open port would give.
    pub fn silence_may_be_open(self) -> bool {
        use ScanKind::{Fin, IpProtocol, Maimon, Null, Udp, Xmas};
        matches!(self, Null | Fin | Xmas | Maimon | Udp | IpProtocol)
    }

    /// The state of a port that never answers.
    pub fn silent(self) -> PortState {
        if self.silence_may_be_open() || self == ScanKind::SctpCookie {
            PortState::OpenFiltered
        } else {
            PortState::Filtered
        }
    }

    /// What `reply` makes of the port; none if it says nothing about it.
    pub fn judge(self, reply: Reply) -> Option<(PortState, Reason)> {
        match reply {
            Reply::Tcp { flags, window } if self.protocol() == Protocol::Tcp => self.judge_tcp(flags, window),
            Reply::Udp if self == ScanKind::Udp => Some((PortState::Open, Reason::UdpResponse)),
            Reply::SctpInitAck if self == ScanKind::SctpInit => Some((PortState::Open, Reason::InitAck)),
            Reply::SctpAbort if self.protocol() == Protocol::Sctp => Some((PortState::Closed, Reason::Abort)),
            Reply::Protocol if self == ScanKind::IpProtocol => Some((PortState::Open, Reason::ProtoResponse)),
            Reply::Icmp { error, from_target } => Some((self.judge_icmp(error, from_target), error.reason())),
            _ => None,
        }
    }

    fn judge_tcp(self, flags: u8, window: u16) -> Option<(PortState, Reason)> {
        let is_reset = flags & Tcp::RST != 0;
        match self {
            ScanKind::Syn | ScanKind::Connect => match flags & (Tcp::SYN | Tcp::ACK | Tcp::RST) {
                reset if reset & Tcp::RST != 0 => Some((PortState::Closed, Reason::Reset)),
                syn if syn == Tcp::SYN | Tcp::ACK => Some((PortState::Open, Reason::SynAck)),
                // Both ends opened at once (RFC 9293 section 3.5): something there wants to talk.
                syn if syn == Tcp::SYN => Some((PortState::Open, Reason::SplitHandshakeSyn)),
                _ => None,
            },
            ScanKind::Ack if is_reset => Some((PortState::Unfiltered, Reason::Reset)),
            ScanKind::Window if is_reset => {
                Some((if window == 0 { PortState::Closed } else { PortState::Open }, Reason::Reset))
            }
            _ if is_reset => Some((PortState::Closed, Reason::Reset)),
            _ => None,
        }
    }

    fn judge_icmp(self, error: IcmpError, from_target: bool) -> PortState {
        match (self, error) {
            (ScanKind::Udp, IcmpError::Port) | (ScanKind::IpProtocol, IcmpError::Protocol) if from_target => {
                PortState::Closed
            }
            // The target read so far into the packet that it complains of a port or a field: it takes the protocol.
            (ScanKind::IpProtocol, IcmpError::Port | IcmpError::Parameter) if from_target => PortState::Open,
            _ => PortState::Filtered,
        }
    }

    /// Whether an answer that says `new` changes what an earlier one said.
    pub fn supersedes(self, old: PortState, new: PortState) -> bool {
        if old == new {
            return false;
        }
        match old {
            PortState::Open => self.silence_may_be_open(),
            PortState::Closed => !self.silence_may_be_open() && new != PortState::Filtered,
            PortState::Filtered => !(self.silence_may_be_open() && new == PortState::Open),
            PortState::Unfiltered => matches!(new, PortState::Open | PortState::Closed),
            PortState::OpenFiltered | PortState::ClosedFiltered => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PortState::{Closed, Filtered, Open, OpenFiltered, Unfiltered};
    use ScanKind::{Ack, Fin, IpProtocol, Maimon, Null, SctpCookie, SctpInit, Syn, Udp, Window, Xmas};

    const SYN_ACK: Reply = Reply::Tcp { flags: Tcp::SYN | Tcp::ACK, window: 1024 };
    const RST: Reply = Reply::Tcp { flags: Tcp::RST | Tcp::ACK, window: 0 };
    const RST_OPEN: Reply = Reply::Tcp { flags: Tcp::RST, window: 512 };

    fn icmp(error: IcmpError, from_target: bool) -> Reply {
        Reply::Icmp { error, from_target }
    }

    /// What each kind makes of each answer; none where it says nothing.
    #[test]
    fn the_table_of_answers() {
        let port = icmp(IcmpError::Port, true);
        let far = icmp(IcmpError::Port, false);
        let proto = icmp(IcmpError::Protocol, true);
        let admin = icmp(IcmpError::Admin, false);
        let rows = [
            // kind, silence, SYN/ACK, RST, RST with window, port unreachable, from a router, protocol unreachable
            (Syn, Filtered, Some(Open), Some(Closed), Some(Closed), Filtered, Filtered, Filtered),
            (Ack, Filtered, None, Some(Unfiltered), Some(Unfiltered), Filtered, Filtered, Filtered),
            (Window, Filtered, None, Some(Closed), Some(Open), Filtered, Filtered, Filtered),
            (Maimon, OpenFiltered, None, Some(Closed), Some(Closed), Filtered, Filtered, Filtered),
            (Null, OpenFiltered, None, Some(Closed), Some(Closed), Filtered, Filtered, Filtered),
            (Fin, OpenFiltered, None, Some(Closed), Some(Closed), Filtered, Filtered, Filtered),
            (Xmas, OpenFiltered, None, Some(Closed), Some(Closed), Filtered, Filtered, Filtered),
            (Udp, OpenFiltered, None, None, None, Closed, Filtered, Filtered),
            (IpProtocol, OpenFiltered, None, None, None, Open, Filtered, Closed),
            (SctpInit, Filtered, None, None, None, Filtered, Filtered, Filtered),
            (SctpCookie, OpenFiltered, None, None, None, Filtered, Filtered, Filtered),
        ];
        let state = |kind: ScanKind, reply| kind.judge(reply).map(|(state, _)| state);
        for (kind, silent, syn_ack, rst, rst_open, from_target, from_router, protocol) in rows {
            assert_eq!(kind.silent(), silent, "{kind:?}");
            assert_eq!([SYN_ACK, RST, RST_OPEN].map(|reply| state(kind, reply)), [syn_ack, rst, rst_open], "{kind:?}");
            let icmp = [port, far, proto, admin].map(|reply| state(kind, reply));
            assert_eq!(icmp, [from_target, from_router, protocol, Filtered].map(Some), "{kind:?}");
        }
        assert_eq!(state(Udp, Reply::Udp), Some(Open));
        assert_eq!(state(SctpInit, Reply::SctpInitAck), Some(Open));
        assert_eq!([SctpInit, SctpCookie].map(|kind| state(kind, Reply::SctpAbort)), [Some(Closed); 2]);
        assert_eq!(state(IpProtocol, Reply::Protocol), Some(Open));
    }

    #[test]
    fn a_split_handshake_is_open() {
        let syn = Reply::Tcp { flags: Tcp::SYN, window: 0 };
        assert_eq!(Syn.judge(syn), Some((Open, Reason::SplitHandshakeSyn)));
        let ack = Reply::Tcp { flags: Tcp::ACK, window: 0 };
        assert_eq!(Syn.judge(ack), None, "a challenge ACK says nothing");
    }

    #[test]
    fn later_answers_change_what_they_may() {
        assert!(!Syn.supersedes(Open, Closed) && !Syn.supersedes(Open, Filtered));
        assert!(Syn.supersedes(Filtered, Open) && Syn.supersedes(Filtered, Closed));
        assert!(!Syn.supersedes(Closed, Filtered) && Syn.supersedes(Closed, Open));
        assert!(
            Fin.supersedes(OpenFiltered, Closed) && !Fin.supersedes(Filtered, Open) && !Fin.supersedes(Closed, Open)
        );
        assert!(!Ack.supersedes(Unfiltered, Filtered));
    }

    #[test]
    fn icmp_numbers_have_meanings_in_both_families() {
        assert_eq!(IcmpError::v4(3, 13).map(IcmpError::reason), Some(Reason::AdminProhibited));
        assert_eq!(IcmpError::v6(1, 4).map(IcmpError::reason), Some(Reason::PortUnreach));
        assert_eq!((IcmpError::v4(3, 4), IcmpError::v4(8, 0), IcmpError::v6(2, 0)), (None, None, None));
    }
}

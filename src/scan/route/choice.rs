//! What a host is asked while its route is looked for: what it is known to answer.

use crate::model::{PortState, Protocol, Reason, ScanKind, ScannedPort};
use crate::packet::Tcp;
use crate::scan::presence;
use crate::scan::probe::{Form, Question};
use crate::scan::prober::{MOST_HOPS, PortPlan};

/// A question a host will answer, most likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The question.
    pub question: Question,
    /// Hops its answer had left.
    pub left: Option<u8>,
}

type Fits = fn(Form) -> bool;

/// Which protocol's ports a form goes to.
pub(super) const PORTED: [(Fits, Protocol); 3] = [
    (|form| matches!(form, Form::Tcp(_)), Protocol::Tcp),
    (|form| form == Form::Udp, Protocol::Udp),
    (|form| matches!(form, Form::SctpInit | Form::SctpCookie), Protocol::Sctp),
];

/// What a host sends its packets with; what is left of it tells how many routers they have met.
const INITIAL: [u8; 3] = [64, 128, 255];

/// Chooses among the answers of a host. Where probes share one local port (not `has_ports`), only the numbers of an echo tell
/// hops apart.
pub fn choose(found: &presence::Found, ports: &[ScannedPort], scans: &[&PortPlan], has_ports: bool) -> Choice {
    let left = |ttl: u8| (ttl > 0).then_some(ttl);
    let of_port = |port: &ScannedPort| {
        let worth = worth(*port)?;
        let question = Question { form: form(*port, scans)?, number: port.number };
        Some((worth, Choice { question, left: left(port.reason_ttl).or(left(found.ttl)) }))
    };
    let asked = found.answered.filter(|question| !matches!(question.form, Form::Neighbor | Form::Protocol));
    let asked = asked.map(|question| (DISCOVERY, Choice { question, left: left(found.ttl) }));
    let all = ports.iter().filter_map(of_port).chain(asked);
    let best =
        all.filter(|(_, choice)| has_ports || choice.question.form == Form::Echo).min_by_key(|(worth, _)| *worth);
    let echo = Question { form: Form::Echo, number: 0 };
    let any = ports.iter().map(|port| port.reason_ttl).find(|ttl| *ttl > 0 && has_ports);
    best.map_or(Choice { question: echo, left: left(found.ttl).or(any) }, |(_, choice)| choice)
}

/// What showed that the host is there, between ports of TCP and others.
const DISCOVERY: u8 = 2;

/// The lower, the better: a reset costs the host the least, and errors are what hosts limit most. None where it was not the
/// host that answered.
fn worth(port: ScannedPort) -> Option<u8> {
    Some(match (port.protocol, port.reason) {
        (Protocol::Tcp, Reason::Reset | Reason::ConnRefused) => 0,
        (Protocol::Tcp, Reason::SynAck) => 1,
        (Protocol::Sctp, Reason::Abort | Reason::InitAck) => DISCOVERY + 1,
        (Protocol::Udp, Reason::PortUnreach) if port.state == PortState::Closed => DISCOVERY + 2,
        (Protocol::Udp, Reason::UdpResponse) => DISCOVERY + 3,
        _ => return None,
    })
}

/// How the port was asked; a connection begins with a SYN.
fn form(port: ScannedPort, scans: &[&PortPlan]) -> Option<Form> {
    let plan = scans.iter().find(|plan| plan.kind.protocol() == port.protocol);
    match plan {
        Some(plan) => Some(plan.form()),
        None if port.protocol == ScanKind::Connect.protocol() => Some(Form::Tcp(Tcp::SYN)),
        None => None,
    }
}

/// The distance of who sent a packet that has so many hops left: 1 next to us. None if that cannot be.
pub(super) fn distance(left: u8) -> Option<u8> {
    let initial = INITIAL.into_iter().find(|initial| left <= *initial)?;
    Some(initial - left + 1).filter(|distance| *distance <= MOST_HOPS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HostState;

    fn port(protocol: Protocol, number: u16, reason: Reason, reason_ttl: u8) -> ScannedPort {
        let state = if reason == Reason::SynAck { PortState::Open } else { PortState::Closed };
        ScannedPort { protocol, number, state, reason, reason_ttl }
    }

    fn found(answered: Option<Question>, ttl: u8) -> presence::Found {
        let (state, reason) = (Some(HostState::Up), Reason::EchoReply);
        presence::Found { state, reason, ttl, mac: None, rtt: None, way: None, failed: None, answered }
    }

    #[test]
    fn the_hops_left_tell_the_distance() {
        for (left, expected) in
            [(64, Some(1)), (61, Some(4)), (127, Some(2)), (255, Some(1)), (250, Some(6)), (35, Some(30)), (34, None)]
        {
            assert_eq!(distance(left), expected, "{left}");
        }
    }

    #[test]
    fn what_was_answered_is_asked_and_resets_are_best() {
        let syn = PortPlan::new(ScanKind::Syn, None, vec![22, 80], 0);
        let udp = PortPlan::new(ScanKind::Udp, None, vec![53, 9], 0);
        let open = port(Protocol::Tcp, 22, Reason::SynAck, 60);
        let closed = port(Protocol::Tcp, 80, Reason::Reset, 252);
        let filtered = port(Protocol::Tcp, 443, Reason::AdminProhibited, 250);
        let quiet = port(Protocol::Udp, 9, Reason::PortUnreach, 61);
        let echo = Question { form: Form::Echo, number: 0 };
        let by_echo = found(Some(echo), 62);
        let pick = |found: &presence::Found, ports: &[&ScannedPort], has_ports| {
            let ports: Vec<ScannedPort> = ports.iter().map(|port| **port).collect();
            let choice = choose(found, &ports, &[&syn, &udp], has_ports);
            (choice.question.form, choice.question.number, choice.left)
        };
        assert_eq!(pick(&by_echo, &[&open, &closed, &quiet], true), (Form::Tcp(Tcp::SYN), 80, Some(252)));
        assert_eq!(pick(&by_echo, &[&open, &quiet], true), (Form::Tcp(Tcp::SYN), 22, Some(60)));
        assert_eq!(pick(&by_echo, &[&filtered, &quiet], true), (Form::Echo, 0, Some(62)));
        assert_eq!(pick(&found(None, 0), &[&filtered, &quiet], true), (Form::Udp, 9, Some(61)));
        assert_eq!(pick(&by_echo, &[&open], false), (Form::Echo, 0, Some(62)));
        assert_eq!(pick(&found(None, 0), &[], true), (Form::Echo, 0, None));
        let neighbor = Question { form: Form::Neighbor, number: 0 };
        assert_eq!(pick(&found(Some(neighbor), 0), &[], true), (Form::Echo, 0, None));
    }
}

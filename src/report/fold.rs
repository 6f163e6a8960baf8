//! Ports too many and too dull to list one by one.

use std::collections::BTreeMap;

use crate::model::{Folded, Port, PortState, Protocol, Reason, ScannedPort};

/// Splits ports into those to list and those to count.
///
/// A state other than open is counted when more than 25 × (`verbose` + 1) + 20 × `debug` ports of the host have it,
/// whatever their protocol. What is listed keeps its order; what is counted comes per protocol, state and reason,
/// largest count first. Folding changes indices, so it comes before any script result is tied to a port.
pub fn fold(ports: Vec<ScannedPort>, verbose: u8, debug: u8) -> (Vec<ScannedPort>, Vec<Folded>) {
    let limit = 25 * (usize::from(verbose) + 1) + 20 * usize::from(debug);
    let mut by_state: BTreeMap<PortState, usize> = BTreeMap::new();
    for port in &ports {
        *by_state.entry(port.state).or_default() += 1;
    }
    by_state.retain(|state, count| *state != PortState::Open && *count > limit);
    let (dull, listed): (Vec<ScannedPort>, Vec<ScannedPort>) =
        ports.into_iter().partition(|port| by_state.contains_key(&port.state));
    let one = |port: ScannedPort| Folded { protocol: port.protocol, state: port.state, reason: port.reason, count: 1 };
    (listed, sum(dull.into_iter().map(one)))
}

/// A port counted alone.
pub(super) fn one(port: &Port) -> Folded {
    Folded { protocol: port.protocol, state: port.state, reason: port.reason, count: 1 }
}

/// One count for each protocol, state and reason, largest first.
pub(super) fn sum(parts: impl Iterator<Item = Folded>) -> Vec<Folded> {
    let mut counts: BTreeMap<(Protocol, PortState, Reason), usize> = BTreeMap::new();
    for part in parts {
        *counts.entry((part.protocol, part.state, part.reason)).or_default() += part.count;
    }
    let folded = |((protocol, state, reason), count)| Folded { protocol, state, reason, count };
    let mut sums: Vec<Folded> = counts.into_iter().map(folded).collect();
    sums.sort_by_key(|folded| std::cmp::Reverse(folded.count));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(first: u16, count: u16, state: PortState, reason: Reason) -> Vec<ScannedPort> {
        ports_of(Protocol::Tcp, first, count, state, reason)
    }

    fn ports_of(protocol: Protocol, first: u16, count: u16, state: PortState, reason: Reason) -> Vec<ScannedPort> {
        (first..first + count).map(|number| ScannedPort { protocol, number, state, reason, reason_ttl: 0 }).collect()
    }

    fn tcp(state: PortState, reason: Reason, count: usize) -> Folded {
        Folded { protocol: Protocol::Tcp, state, reason, count }
    }

    #[test]
    fn twenty_five_are_listed_and_twenty_six_counted() {
        let (listed, folded) = fold(ports(1, 25, PortState::Closed, Reason::ConnRefused), 0, 0);
        assert_eq!((listed.len(), folded.len()), (25, 0));
        let (listed, folded) = fold(ports(1, 26, PortState::Closed, Reason::ConnRefused), 0, 0);
        assert_eq!((listed.len(), folded), (0, vec![tcp(PortState::Closed, Reason::ConnRefused, 26)]));
    }

    #[test]
    fn open_ports_are_never_counted() {
        let (listed, folded) = fold(ports(1, 5000, PortState::Open, Reason::SynAck), 0, 0);
        assert_eq!((listed.len(), folded.len()), (5000, 0));
    }

    #[test]
    fn verbosity_and_debugging_raise_the_limit() {
        let all = ports(1, 70, PortState::Filtered, Reason::NoResponse);
        assert_eq!(fold(all.clone(), 1, 0).0.len(), 0);
        assert_eq!(fold(all.clone(), 1, 1).0.len(), 70);
        assert_eq!(fold(all, 2, 0).0.len(), 70);
    }

    #[test]
    fn a_state_is_counted_by_reason_and_order_is_kept() {
        let mut all = ports(1, 10, PortState::Filtered, Reason::HostUnreach);
        all.extend(ports(20, 1, PortState::Open, Reason::SynAck));
        all.extend(ports(30, 20, PortState::Filtered, Reason::NoResponse));
        all.extend(ports(60, 2, PortState::Closed, Reason::Reset));
        let (listed, folded) = fold(all, 0, 0);
        assert_eq!(listed.iter().map(|port| port.number).collect::<Vec<_>>(), [20, 60, 61]);
        assert_eq!(
            folded,
            [tcp(PortState::Filtered, Reason::NoResponse, 20), tcp(PortState::Filtered, Reason::HostUnreach, 10)]
        );
    }

    #[test]
    fn a_state_is_counted_by_protocol() {
        let mut all = ports(1, 20, PortState::Closed, Reason::Reset);
        all.extend(ports_of(Protocol::Udp, 1, 6, PortState::Closed, Reason::PortUnreach));
        let (listed, folded) = fold(all, 0, 0);
        assert!(listed.is_empty());
        let udp =
            Folded { protocol: Protocol::Udp, reason: Reason::PortUnreach, ..tcp(PortState::Closed, Reason::Reset, 6) };
        assert_eq!(folded, [tcp(PortState::Closed, Reason::Reset, 20), udp]);
    }
}

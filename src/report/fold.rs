//! Ports too many and too dull to list one by one.

use std::collections::BTreeMap;

use crate::model::{Port, PortState, Reason};

/// Splits ports into those to list and those to count.
///
/// A state other than open is counted when more than 25 × (`verbose` + 1) + 20 × `debug` ports have it. What is listed
/// keeps its order; what is counted comes per state and reason, largest count first. Folding changes indices, so it
/// comes before any script result is tied to a port.
pub fn fold(ports: Vec<Port>, verbose: u8, debug: u8) -> (Vec<Port>, Vec<(PortState, Reason, usize)>) {
    let limit = 25 * (usize::from(verbose) + 1) + 20 * usize::from(debug);
    let mut by_state: BTreeMap<PortState, usize> = BTreeMap::new();
    for port in &ports {
        *by_state.entry(port.state).or_default() += 1;
    }
    let is_dull =
        |port: &Port| port.state != PortState::Open && by_state.get(&port.state).is_some_and(|count| *count > limit);
    let (dull, listed): (Vec<Port>, Vec<Port>) = ports.into_iter().partition(is_dull);

    let mut counts: BTreeMap<(PortState, Reason), usize> = BTreeMap::new();
    for port in &dull {
        *counts.entry((port.state, port.reason)).or_default() += 1;
    }
    let mut folded: Vec<_> = counts.into_iter().map(|((state, reason), count)| (state, reason, count)).collect();
    folded.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
    (listed, folded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Protocol, Service};

    fn ports(first: u16, count: u16, state: PortState, reason: Reason) -> Vec<Port> {
        (first..first + count)
            .map(|number| Port {
                protocol: Protocol::Tcp,
                number,
                state,
                reason,
                reason_ttl: 0,
                service: Service::default(),
            })
            .collect()
    }

    #[test]
    fn twenty_five_are_listed_and_twenty_six_counted() {
        let (listed, folded) = fold(ports(1, 25, PortState::Closed, Reason::ConnRefused), 0, 0);
        assert_eq!((listed.len(), folded.len()), (25, 0));
        let (listed, folded) = fold(ports(1, 26, PortState::Closed, Reason::ConnRefused), 0, 0);
        assert_eq!((listed.len(), folded), (0, vec![(PortState::Closed, Reason::ConnRefused, 26)]));
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
            [(PortState::Filtered, Reason::NoResponse, 20), (PortState::Filtered, Reason::HostUnreach, 10)]
        );
    }
}

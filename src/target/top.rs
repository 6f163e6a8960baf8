//! Which ports to ask first: the default thousand, `-F`, `--top-ports`.
//!
//! Editorial ranking; no measured frequencies; see `data/README.md`. The list in `data/top-ports.txt` was ordered by hand from
//! general knowledge of deployed software, and comes from no other scanner's list. After it follow, by rule, IANA's system
//! ports with a name, ascending, and then every other port with a name, ascending.

use super::ports::PortBits;
use super::services;
use crate::model::Protocol;

/// Ports of a protocol scanned when nothing else is asked for, at most.
pub const DEFAULT: u32 = 1000;

/// Ports of a protocol scanned with `-F`, at most.
pub const FAST: u32 = 100;

static RANKING: &str = include_str!("data/top-ports.txt");

/// The first `count` ports of the ranking among those `allowed`, in rank order; fewer where the ranking has no more.
pub fn top(protocol: Protocol, count: u32, allowed: impl Fn(u16) -> bool) -> Vec<u16> {
    ranking(protocol).filter(|port| allowed(*port)).take(count as usize).collect()
}

/// Every ranked port once, the most interesting first. It is computed as far as it is asked for.
///
/// IP protocols have no ranking: they are all asked, from 0 to 255.
pub fn ranking(protocol: Protocol) -> impl Iterator<Item = u16> {
    let numbers = if protocol == Protocol::Ip { 0..256 } else { 0..0 };
    let by_rule = services::entries().filter(move |entry| entry.protocol == protocol).map(|entry| entry.port);
    let mut given = PortBits::default();
    // The table ascends, so system ports come first by themselves.
    by_hand(protocol).chain(by_rule).chain(numbers).filter(move |port| given.insert(*port))
}

/// The hand-made part: the section of `protocol`.
fn by_hand(protocol: Protocol) -> impl Iterator<Item = u16> {
    let lines = RANKING.lines().map(|line| line.split_once('#').map_or(line, |(ports, _)| ports).trim());
    let section = lines.skip_while(move |line| section_name(line) != Some(protocol.name())).skip(1);
    section
        .take_while(|line| section_name(line).is_none())
        .flat_map(str::split_whitespace)
        .filter_map(|p| p.parse().ok())
}

fn section_name(line: &str) -> Option<&str> {
    line.strip_prefix('[')?.strip_suffix(']')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ALL: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

    #[test]
    fn the_file_is_well_formed() {
        let mut section = None;
        let mut seen = BTreeSet::new();
        for line in RANKING.lines().map(|line| line.split_once('#').map_or(line, |(ports, _)| ports).trim()) {
            if let Some(name) = section_name(line) {
                section = Some(Protocol::parse(name).unwrap());
                continue;
            }
            for word in line.split_whitespace() {
                let port: u16 = word.parse().unwrap();
                assert!(port != 0 && seen.insert((section.unwrap(), port)), "{word} is 0 or twice in {section:?}");
            }
        }
    }

    #[test]
    fn a_ranking_has_no_repeats_and_enough_ports() {
        for protocol in ALL {
            let all: Vec<_> = ranking(protocol).collect();
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
            assert!(protocol == Protocol::Sctp || all.len() > 5000, "{}", all.len());
            let named: BTreeSet<_> = services::entries().filter(|e| e.protocol == protocol).map(|e| e.port).collect();
            assert!(named.iter().all(|port| all.contains(port)));
        }
    }

    #[test]
    fn the_first_are_what_everybody_expects() {
        let fast = top(Protocol::Tcp, FAST, |_| true);
        assert_eq!(fast.len(), 100);
        for port in [
            21, 22, 23, 25, 53, 80, 110, 143, 443, 445, 3306, 3389, 5432, 5900, 6379, 8000, 8080, 8443, 8888, 9090,
            9200,
        ] {
            assert!(fast.contains(&port), "{port}");
        }
        let udp = top(Protocol::Udp, FAST, |_| true);
        assert!([53, 67, 69, 123, 137, 161, 500, 1900, 5353].iter().all(|port| udp.contains(port)));
        assert_eq!(top(Protocol::Tcp, 3, |port| port > 1023), [3389, 8080, 8443]);
        assert_eq!(top(Protocol::Udp, DEFAULT, |_| true).len(), 1000);
    }
}

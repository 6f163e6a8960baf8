//! Service names by protocol and port, and back: the IANA registry, embedded. IP protocols are in it, too, by their number.
//!
//! The table is the text of `data/services.tsv`, sorted by port, and is searched as it lies: no index, so nothing is paid at
//! start-up, and names are slices of it; what was found once is remembered. Source and making are in `data/README.md`.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::model::Protocol;

/// `name TAB port TAB protocol`, sorted by port, protocol, preference. ASCII.
static TABLE: &str = include_str!("data/services.tsv");

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The service name as registered.
    pub name: &'static str,
    /// Its port.
    pub port: u16,
    /// Its transport.
    pub protocol: Protocol,
}

thread_local! {
    /// What was looked for before: a scan asks about the same few ports of every host.
    static KNOWN: RefCell<HashMap<(Protocol, u16), Option<&'static str>>> = RefCell::default();
}

/// The name of a port: the preferred one where several are registered.
pub fn name(protocol: Protocol, port: u16) -> Option<&'static str> {
    KNOWN.with_borrow_mut(|known| *known.entry((protocol, port)).or_insert_with(|| found(protocol, port)))
}

/// The name as the table has it. About 14 steps, no allocation.
fn found(protocol: Protocol, port: u16) -> Option<&'static str> {
    let wanted = (port, protocol);
    // Bytes, since every open port of every host is looked up here and lines are short.
    let is_newline = |byte: &u8| *byte == b'\n';
    // `low` and `high` are always at the beginning of a line, or at the end.
    let (mut low, mut high) = (0, TABLE.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let before = TABLE.as_bytes().get(low..middle)?;
        let start = before.iter().rposition(is_newline).map_or(low, |newline| low + newline + 1);
        let after = TABLE.as_bytes().get(start..)?;
        let line = after.get(..after.iter().position(is_newline).unwrap_or(after.len()))?;
        // The comment at the top comes before everything.
        if port_of(line).is_none_or(|found| found < port || (found == port && protocol_of(line) < Some(protocol))) {
            low = start + line.len() + 1;
        } else {
            high = start;
        }
    }
    let found = entry(TABLE.get(low..)?.split('\n').next()?)?;
    ((found.port, found.protocol) == wanted).then_some(found.name)
}

/// The ports registered under `name`, upper and lower case alike, ascending. Walks the whole table.
pub fn ports(name: &str, protocol: Protocol) -> impl Iterator<Item = u16> {
    entries().filter(move |e| e.protocol == protocol && e.name.eq_ignore_ascii_case(name)).map(|e| e.port)
}

/// The whole table, by port and protocol; several names of one port follow each other, the preferred one first.
pub fn entries() -> impl Iterator<Item = Entry> {
    TABLE.lines().filter_map(entry)
}

/// The second field of a line; none in a comment.
fn port_of(line: &[u8]) -> Option<u16> {
    let from = line.iter().position(|byte| *byte == b'\t')? + 1;
    let mut digits = line.get(from..)?.iter().take_while(|byte| byte.is_ascii_digit());
    digits.try_fold(0u16, |port, digit| port.checked_mul(10)?.checked_add(u16::from(digit - b'0')))
}

/// The third field of a line.
fn protocol_of(line: &[u8]) -> Option<Protocol> {
    let field = line.rsplit(|byte| *byte == b'\t').next()?;
    Protocol::parse(str::from_utf8(field).ok()?)
}

fn entry(line: &'static str) -> Option<Entry> {
    let mut fields = line.split('\t');
    let name = fields.next()?;
    let port = fields.next()?.parse().ok()?;
    let protocol = Protocol::parse(fields.next()?)?;
    Some(Entry { name, port, protocol })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_complete() {
        assert!(TABLE.is_ascii());
        assert!(entries().map(|e| (e.port, e.protocol)).is_sorted());
        let comments = TABLE.lines().take_while(|line| line.starts_with('#')).count();
        assert!(comments > 0);
        assert_eq!(entries().count() + comments, TABLE.lines().count(), "a line is malformed");
        assert!(entries().all(|e| !e.name.is_empty() && e.port != 0));
    }

    #[test]
    fn everyday_names() {
        for (protocol, port, wanted) in [
            (Protocol::Tcp, 22, "ssh"),
            (Protocol::Tcp, 80, "http"),
            (Protocol::Tcp, 443, "https"),
            (Protocol::Udp, 53, "domain"),
            (Protocol::Tcp, 631, "ipp"),
            (Protocol::Tcp, 8080, "http-alt"),
            (Protocol::Tcp, 5900, "rfb"),
            (Protocol::Tcp, 6010, "x11"),
            (Protocol::Udp, 3478, "stun"),
            (Protocol::Sctp, 3868, "diameter"),
            (Protocol::Ip, 1, "icmp"),
            (Protocol::Ip, 89, "ospfigp"),
        ] {
            assert_eq!(name(protocol, port), Some(wanted));
        }
        assert_eq!(name(Protocol::Tcp, 0), None);
        assert_eq!(name(Protocol::Tcp, 65535), None);
        assert_eq!(name(Protocol::Sctp, 23), None);
    }

    #[test]
    fn searching_by_halves_finds_what_walking_finds() {
        let mut first = std::collections::BTreeMap::new();
        for e in entries() {
            first.entry((e.port, e.protocol)).or_insert(e.name);
        }
        for port in 0..=u16::MAX {
            for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Ip] {
                assert_eq!(name(protocol, port), first.get(&(port, protocol)).copied(), "{port}/{protocol}");
            }
        }
    }

    #[test]
    fn names_lead_to_ports() {
        let tcp = |name: &str| ports(name, Protocol::Tcp).collect::<Vec<_>>();
        assert_eq!(tcp("http"), [80]);
        assert_eq!(tcp("WWW"), [80]);
        assert_eq!(tcp("http-alt"), [591, 8008, 8080]);
        assert_eq!(tcp("no such service"), [0; 0]);
    }
}

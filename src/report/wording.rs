//! Phrases several formats share: dates, counts, port ranges, the closing sentence.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::model::{Ending, HostState, Reason, RunEnd, Timestamp};

/// Every `Timestamp` is before the year 2555, well inside what jiff can hold.
fn moment(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or_default()
}

/// In UTC.
fn civil(at: Timestamp) -> jiff::Zoned {
    moment(at).to_zoned(TimeZone::UTC)
}

/// `2026-11-21 05:01 UTC`.
pub(super) fn minute(at: Timestamp) -> String {
    civil(at).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `Sat Nov 21 05:01:00 2026`: what readers of the XML and grepable formats expect, in UTC.
pub(super) fn ctime(at: Timestamp) -> String {
    civil(at).strftime("%a %b %e %H:%M:%S %Y").to_string()
}

/// `2026-11-21T05:01:00.123456Z` (RFC 3339), microseconds.
pub(super) fn rfc3339(at: Timestamp) -> String {
    format!("{:.6}", moment(at))
}

/// `1 host`, `2 hosts`.
pub(super) fn count(number: u64, noun: &str) -> String {
    let ending = match (number, noun.ends_with("ss")) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{number} {noun}{ending}")
}

/// `1-3,80` from ports sorted ascending.
pub fn ranges(ports: &[u16]) -> String {
    let mut out = String::new();
    for run in ports.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
        let comma = if out.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = match run {
            [one] => write!(out, "{comma}{one}"),
            [first, .., last] => write!(out, "{comma}{first}-{last}"),
            [] => Ok(()),
        };
    }
    out
}

/// `2 IP addresses (1 host up) scanned in 1.23 seconds`.
pub(super) fn scanned(end: &RunEnd) -> String {
    let totals = &end.totals;
    format!(
        "{} ({} up) scanned in {:.2} seconds",
        count(totals.up.saturating_add(totals.down).saturating_add(totals.unknown), "IP address"),
        count(totals.up, "host"),
        end.elapsed.as_secs_f64()
    )
}

/// The name of an ending in the machine formats.
pub(super) fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Complete => "complete",
        Ending::Incomplete => "incomplete",
        Ending::Interrupted => "interrupted",
    }
}

/// `up`, `down` or `unknown`.
pub(super) fn host_state(state: HostState) -> &'static str {
    match state {
        HostState::Up => "up",
        HostState::Down => "down",
        HostState::Unknown => "unknown",
    }
}

/// `reset ttl 64`, `host-unreach from 10.0.0.1 ttl 63`; the reason alone where no answer told a TTL.
pub(super) fn reason(reason: Reason, from: Option<&IpAddr>, ttl: u8) -> String {
    let from = from.map(|from| format!(" from {from}")).unwrap_or_default();
    if ttl == 0 { format!("{reason}{from}") } else { format!("{reason}{from} ttl {ttl}") }
}

/// `0.07`, `12.30`: two decimals.
pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

/// Said of a host that stopped answering while its ports were scanned.
pub(super) const DEGRADED: &str =
    "the host stopped answering while it was scanned; ports shown as filtered may be in any state";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_utc() {
        let at = Timestamp(1_795_237_265_123_456_789);
        assert_eq!(minute(at), "2026-11-21 05:01 UTC");
        assert_eq!(ctime(at), "Sat Nov 21 05:01:05 2026");
        assert_eq!(rfc3339(at), "2026-11-21T05:01:05.123456Z");
        assert_eq!(rfc3339(Timestamp(0)), "1970-01-01T00:00:00.000000Z");
        assert!(rfc3339(Timestamp(u64::MAX)).starts_with("2554-"));
    }

    #[test]
    fn ports_collapse_into_ranges() {
        assert_eq!(ranges(&[]), "");
        assert_eq!(ranges(&[80]), "80");
        assert_eq!(ranges(&[1, 2, 3, 80, 65534, 65535]), "1-3,80,65534-65535");
        assert_eq!(ranges(&(0..=65535).collect::<Vec<_>>()), "0-65535");
    }

    #[test]
    fn counts_agree_with_their_noun() {
        assert_eq!(count(1, "IP address"), "1 IP address");
        assert_eq!(count(0, "IP address"), "0 IP addresses");
        assert_eq!(count(2, "host"), "2 hosts");
    }
}

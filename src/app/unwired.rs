//! What the command line can say and the session does not do yet.

use crate::cli::{DiscoveryMode, ScanSettings};
use crate::error::Error;
use crate::model::ScanKind;

/// An error for scans that need more than connections.
pub fn check(scan: &ScanSettings) -> Result<(), Error> {
    let timing = &scan.timing;
    let asked = [
        ("this kind of scan", scan.kinds.iter().any(|kind| *kind != ScanKind::Connect)),
        ("-sn", matches!(scan.discovery.mode, DiscoveryMode::Only | DiscoveryMode::Neither)),
        ("-sL", scan.discovery.mode == DiscoveryMode::List),
        ("-P", !scan.discovery.pings.is_empty() || scan.discovery.ignore_rst),
        ("--traceroute", scan.traceroute),
        ("--packet-trace", scan.packet_trace),
        (
            "the form of packets",
            scan.source_port.is_some() || scan.ttl.is_some() || scan.data_length > 0 || scan.bad_sum,
        ),
        ("--min-rate", timing.min_rate.is_some() || timing.defeat_rst || timing.defeat_icmp),
        ("-e", scan.interface.is_some()),
    ];
    let wanting = asked.iter().find(|(_, given)| *given);
    wanting.map_or(Ok(()), |(what, _)| Err(Error::Usage(format!("{what} is not wired yet"))))
}

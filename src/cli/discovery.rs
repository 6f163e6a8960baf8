//! Which hosts a scan takes for present, and how it asks them.

use crate::model::PingKind;

use super::flags::Flags;
use super::resolve::Typed;
use super::scanning;
use super::settings::{DiscoveryMode, DiscoverySettings, PingSettings};
use super::usage::UsageError;

/// Every ping asked for and its option, in the order of sending.
pub(super) fn asked_for(flags: &Flags) -> impl Iterator<Item = (PingKind, &'static str)> {
    let all = [
        (PingKind::Echo, "--ping-echo", flags.ping_echo),
        (PingKind::Syn, "--ping-syn", flags.ping_syn.is_some()),
        (PingKind::Ack, "--ping-ack", flags.ping_ack.is_some()),
        (PingKind::Timestamp, "--ping-timestamp", flags.ping_timestamp),
        (PingKind::Udp, "--ping-udp", flags.ping_udp.is_some()),
        (PingKind::Sctp, "--ping-sctp", flags.ping_sctp.is_some()),
        (PingKind::Protocol, "--ping-protocol", flags.ping_protocol.is_some()),
        (PingKind::Mask, "--ping-mask", flags.ping_mask),
    ];
    all.into_iter().filter(|(_, _, given)| *given).map(|(kind, long, _)| (kind, long))
}

/// Whether a connection can do what the ping does.
pub(super) fn can_connect(kind: PingKind) -> bool {
    matches!(kind, PingKind::Syn | PingKind::Ack)
}

pub(super) fn discovery(typed: &Typed, flags: &Flags) -> Result<DiscoverySettings, UsageError> {
    typed.not_both(("--ping-arp", flags.ping_arp), ("--disable-arp-ping", flags.disable_arp_ping))?;
    typed.not_both(("--list-only", flags.list_only), ("--ping-only", flags.ping_only))?;
    if let Some((_, long)) = asked_for(flags).next() {
        typed.not_both((long, true), ("--no-ping", flags.no_ping))?;
        typed.not_both((long, true), ("--list-only", flags.list_only))?;
    }
    typed.not_both(("--traceroute", flags.traceroute), ("--list-only", flags.list_only))?;
    for (long, given) in [("--script", !flags.script.is_empty()), ("--script-default", flags.script_default)] {
        typed.not_both((long, given), ("--list-only", flags.list_only))?;
    }
    let ports = |kind| match kind {
        PingKind::Syn => flags.ping_syn.clone(),
        PingKind::Ack => flags.ping_ack.clone(),
        PingKind::Udp => flags.ping_udp.clone(),
        PingKind::Sctp => flags.ping_sctp.clone(),
        PingKind::Protocol => flags.ping_protocol.clone(),
        PingKind::Echo | PingKind::Timestamp | PingKind::Mask => None,
    };
    let ping = |kind| PingSettings { kind, ports: ports(kind).filter(|list| !list.trim().is_empty()) };
    Ok(DiscoverySettings {
        mode: match (flags.list_only, flags.ping_only, flags.no_ping) {
            (true, ..) => DiscoveryMode::List,
            (_, true, true) => DiscoveryMode::Neither,
            (_, true, _) => DiscoveryMode::Only,
            (.., true) => DiscoveryMode::Skip,
            _ => DiscoveryMode::Normal,
        },
        pings: asked_for(flags).map(|(kind, _)| ping(kind)).collect(),
        arp: !flags.disable_arp_ping,
        ignore_rst: flags.discovery_ignore_rst,
    })
}

/// Refuses what is about ports where none is scanned.
pub(super) fn no_ports_asked(typed: &Typed, flags: &Flags) -> Result<(), UsageError> {
    let without = match (flags.list_only, flags.ping_only) {
        (true, _) => "--list-only",
        (_, true) => "--ping-only",
        _ => return Ok(()),
    };
    let about_ports = [
        ("--ports", flags.ports.is_some()),
        ("--fast", flags.fast),
        ("--top-ports", flags.top_ports.is_some()),
        ("--scanflags", flags.scan_flags.is_some()),
    ];
    let kinds = scanning::asked_for(flags).map(|(_, long)| (long, true));
    match kinds.chain(about_ports).find(|(_, given)| *given) {
        Some((long, _)) => {
            let remedy = format!(
                "leave out {} to scan ports, or {} to scan none; -PS<ports> asks for hosts by ports",
                typed.spelled(without),
                typed.spelled(long)
            );
            Err(typed.contradiction(without, long, Some(&remedy)))
        }
        None => Ok(()),
    }
}

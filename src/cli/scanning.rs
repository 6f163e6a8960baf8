//! Which probes a scan sends: kinds of scans, and what their packets look like.

use crate::model::{Protocol, ScanKind};

use super::flags::Flags;
use super::resolve::Typed;
use super::settings::ScanSettings;
use super::timing::{self, Template};
use super::usage::UsageError;
use super::{discovery, tcp_flags, values};

/// Every kind of scan, its option, and whether that was given: in the order kinds are reported in.
pub(super) fn asked_for(flags: &Flags) -> impl Iterator<Item = (ScanKind, &'static str)> {
    let all = [
        (ScanKind::Syn, "--scan-syn", flags.scan_syn),
        (ScanKind::Connect, "--scan-connect", flags.scan_connect),
        (ScanKind::Ack, "--scan-ack", flags.scan_ack),
        (ScanKind::Window, "--scan-window", flags.scan_window),
        (ScanKind::Maimon, "--scan-maimon", flags.scan_maimon),
        (ScanKind::Null, "--scan-null", flags.scan_null),
        (ScanKind::Fin, "--scan-fin", flags.scan_fin),
        (ScanKind::Xmas, "--scan-xmas", flags.scan_xmas),
        (ScanKind::Udp, "--scan-udp", flags.scan_udp),
        (ScanKind::SctpInit, "--scan-sctp-init", flags.scan_sctp_init),
        (ScanKind::SctpCookie, "--scan-sctp-cookie", flags.scan_sctp_cookie),
        (ScanKind::IpProtocol, "--scan-protocols", flags.scan_protocols),
    ];
    all.into_iter().filter(|(_, _, given)| *given).map(|(kind, long, _)| (kind, long))
}

pub(super) fn scan(typed: &Typed, flags: &Flags, template: &Template) -> Result<ScanSettings, UsageError> {
    let (timing, connect_timeout) = timing::timing(typed, flags, template)?;
    let min_parallelism = typed.value("--min-parallelism", flags.min_parallelism.as_ref(), values::positive)?;
    let max_parallelism = typed.value("--max-parallelism", flags.max_parallelism.as_ref(), values::positive)?;
    let max_sockets = typed.value("--max-sockets", flags.max_sockets.as_ref(), values::positive)?;
    typed.in_order(("--min-parallelism", min_parallelism), ("--max-parallelism", max_parallelism))?;
    typed.in_order(("--min-parallelism", min_parallelism), ("--max-sockets", max_sockets))?;
    // The user's lower bound moves the template's upper one.
    let ceiling = template.parallelism.map(|most| most.max(min_parallelism.unwrap_or(0)));
    let sockets = |long, text: &Option<String>| typed.value(long, text.as_ref(), values::positive);
    let (kinds, scan_flags) = kinds(typed, flags)?;
    let discovery = discovery::discovery(typed, flags)?;
    without_packets(typed, flags)?;
    Ok(ScanSettings {
        kinds,
        scan_flags,
        source_port: typed.value("--source-port", flags.source_port.as_ref(), values::port)?,
        ttl: typed.value("--ttl", flags.ttl.as_ref(), values::ttl)?,
        data_length: typed.value("--data-length", flags.data_length.as_ref(), values::data_length)?.unwrap_or(0),
        bad_sum: flags.bad_sum,
        interface: typed.text("--interface", flags.interface.as_ref())?,
        traceroute: flags.traceroute,
        packet_trace: flags.packet_trace,
        connect_timeout,
        max_sockets,
        max_sockets_per_host: sockets("--max-sockets-per-host", &flags.max_sockets_per_host)?,
        max_sockets_per_script: sockets("--max-sockets-per-script", &flags.max_sockets_per_script)?,
        min_parallelism,
        max_parallelism: max_parallelism.or(ceiling),
        host_timeout: typed.time("--host-timeout", flags.host_timeout.as_ref())?.or(template.host),
        timing,
        discovery,
    })
}

/// The kinds of scans, and the flags of their TCP probes if those are not the kind's own.
fn kinds(typed: &Typed, flags: &Flags) -> Result<(Vec<ScanKind>, Option<u8>), UsageError> {
    let asked: Vec<(ScanKind, &str)> = asked_for(flags).collect();
    for (position, (kind, long)) in asked.iter().enumerate() {
        for (other, other_long) in asked.iter().skip(position + 1) {
            let alone = [kind, other].iter().any(|kind| kind.protocol() == Protocol::Ip);
            typed.not_both((long, alone || kind.protocol() == other.protocol()), (other_long, true))?;
        }
    }
    let mut kinds: Vec<ScanKind> = asked.iter().map(|(kind, _)| *kind).collect();
    let scan_flags = typed.value("--scanflags", flags.scan_flags.as_ref(), tcp_flags::parse)?;
    if scan_flags.is_none() {
        return Ok((kinds, None));
    }
    typed.not_both(("--scan-connect", flags.scan_connect), ("--scanflags", true))?;
    if kinds.is_empty() {
        kinds.push(ScanKind::Syn); // answers are read as those of a SYN scan
    } else if kinds.iter().all(|kind| kind.protocol() != Protocol::Tcp) {
        let what = format!("{} is for TCP scans, and none is chosen", typed.spelled("--scanflags"));
        return Err(UsageError::new(what, "add -sS or another TCP scan, or leave it out"));
    }
    Ok((kinds, scan_flags))
}

/// Refuses `--unprivileged` beside what only packets can do.
fn without_packets(typed: &Typed, flags: &Flags) -> Result<(), UsageError> {
    if !flags.unprivileged {
        return Ok(());
    }
    let needs = |long, remedy| Err(typed.contradiction("--unprivileged", long, Some(remedy)));
    if let Some((kind, long)) = asked_for(flags).find(|(kind, _)| *kind != ScanKind::Connect) {
        return match kind.protocol() {
            Protocol::Tcp => needs(long, "use -sT: the connect scan finds open TCP ports without packets"),
            Protocol::Udp => needs(long, "leave out --unprivileged; without packets only TCP ports are scanned (-sT)"),
            Protocol::Sctp | Protocol::Ip => needs(long, "leave out --unprivileged: this scan is made of packets"),
        };
    }
    let options = [
        ("--scanflags", flags.scan_flags.is_some()),
        ("--source-port", flags.source_port.is_some()),
        ("--ttl", flags.ttl.is_some()),
        ("--data-length", flags.data_length.is_some()),
        ("--badsum", flags.bad_sum),
        ("--traceroute", flags.traceroute),
    ];
    if let Some((long, _)) = options.iter().find(|(_, given)| *given) {
        return needs(long, "leave out one of them: without packets the system builds what is sent");
    }
    if let Some((_, long)) = discovery::asked_for(flags).find(|(kind, _)| !discovery::can_connect(*kind)) {
        return needs(long, "use -PS or -PA, which can do with connections, or -Pn");
    }
    Ok(())
}

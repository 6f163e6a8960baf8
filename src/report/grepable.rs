//! Lines for `grep` and `cut`: a host's state, then its ports, fields behind tabs. IP protocols have the field
//! `Protocols` instead of `Ports`. Script results, hardware addresses and routes have no place in this format.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{Format, escape, wording};
use crate::model::{Ending, Event, Host, HostState, Port, PortState, Protocol, RunStart};

/// The grepable report.
#[derive(Debug, Default)]
pub struct Grepable {
    /// Whether hosts that are down have a line.
    is_verbose: bool,
    /// Between `Start` and `End`.
    is_running: bool,
}

impl Format for Grepable {
    fn event(&mut self, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        match event {
            Event::Start(start) => self.start(start, out),
            Event::TargetSkipped { spec, reason } => {
                writeln!(out, "# Skipped target {}: {}", escape::terminal(spec), escape::terminal(reason))
            }
            Event::Host(host) => self.host(host, out),
            Event::Prescan(_) | Event::Postscan(_) => Ok(()),
            Event::End(end) => {
                self.is_running = false;
                let verb = if end.ending == Ending::Interrupted { "interrupted" } else { "done" };
                writeln!(out, "# sonde {verb} at {} -- {}", wording::ctime(end.at), wording::scanned(end))
            }
        }
    }

    fn set_verbosity(&mut self, verbose: u8, debug: u8) {
        self.is_verbose = verbose > 0 || debug > 0;
    }

    fn abort(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if !std::mem::take(&mut self.is_running) {
            return Ok(());
        }
        writeln!(out, "# sonde stopped before the end")
    }
}

impl Grepable {
    /// A grepable report.
    pub fn new() -> Grepable {
        Grepable::default()
    }

    fn start(&mut self, start: &RunStart, out: &mut dyn Write) -> io::Result<()> {
        self.is_running = true;
        self.is_verbose = start.verbose > 0;
        let (at, args) = (wording::ctime(start.at), escape::terminal(&start.args));
        writeln!(out, "# sonde {} scan initiated {at} as: {args}", start.version)?;
        if !self.is_verbose {
            return Ok(());
        }
        write!(out, "# Ports scanned:")?;
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
            let scan = start.scans.iter().find(|scan| scan.protocol == protocol);
            let ports = scan.map(|scan| scan.ports.as_slice()).unwrap_or_default();
            write!(out, " {}({};{})", protocol.name().to_uppercase(), ports.len(), wording::ranges(ports))?;
        }
        let protocols = start.scans.iter().find(|scan| scan.protocol == Protocol::Ip);
        let protocols = protocols.map(|scan| scan.ports.as_slice()).unwrap_or_default();
        writeln!(out, " PROTOCOLS({};{})", protocols.len(), wording::ranges(protocols))
    }

    fn host(&self, host: &Host, out: &mut dyn Write) -> io::Result<()> {
        let status = match (host.timed_out, host.state) {
            (true, _) => "Timeout",
            (false, HostState::Up) => "Up",
            (false, HostState::Unknown) => "Unknown",
            (false, HostState::Down) if self.is_verbose => "Down",
            (false, HostState::Down) => return Ok(()),
        };
        let name = host.target.name.as_ref().or(host.names.first()).map(|name| escape::grepable(name));
        let who = format!("Host: {} ({})", host.target.addr, name.unwrap_or_default());
        writeln!(out, "{who}\tStatus: {status}")?;
        if host.ports.is_empty() && host.folded.is_empty() {
            return Ok(());
        }
        write!(out, "{who}")?;
        let (protocols, ports): (Vec<&Port>, Vec<&Port>) =
            host.ports.iter().partition(|port| port.protocol == Protocol::Ip);
        if !ports.is_empty() || host.folded.iter().any(|folded| folded.protocol != Protocol::Ip) {
            write!(out, "\tPorts: {}", ports.into_iter().map(port).collect::<Vec<_>>().join(", "))?;
        }
        if !protocols.is_empty() || host.folded.iter().any(|folded| folded.protocol == Protocol::Ip) {
            write!(out, "\tProtocols: {}", protocols.into_iter().map(protocol).collect::<Vec<_>>().join(", "))?;
        }
        if let Some((state, count)) = ignored(host) {
            write!(out, "\tIgnored State: {state} ({count})")?;
        }
        writeln!(out)
    }
}

/// `port/state/protocol/owner/service/rpc/version/`.
fn port(port: &Port) -> String {
    let service = &port.service;
    let tunnel = if service.tls { "ssl|" } else { "" };
    let version = [&service.product, &service.version, &service.extra];
    let version: Vec<String> =
        version.iter().filter(|part| !part.is_empty()).map(|part| escape::grepable(part)).collect();
    let name = escape::grepable(&service.name);
    format!("{}/{}/{}//{tunnel}{name}//{}/", port.number, port.state, port.protocol, version.join(" "))
}

/// `number/state/name/`.
fn protocol(port: &Port) -> String {
    format!("{}/{}/{}/", port.number, port.state, escape::grepable(&port.service.name))
}

/// The state most folded ports have: the format can name but one.
fn ignored(host: &Host) -> Option<(PortState, usize)> {
    let mut by_state: BTreeMap<PortState, usize> = BTreeMap::new();
    for folded in &host.folded {
        *by_state.entry(folded.state).or_default() += folded.count;
    }
    by_state.into_iter().max_by_key(|(_, count)| *count)
}

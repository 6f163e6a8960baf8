//! The table of ports, with script output under its ports.

use std::io::{self, Write};
use std::iter;

use super::{TextOptions, scripts};
use crate::model::{Host, Port, PortState, Protocol, ScriptResult, Service};
use crate::report::{escape::terminal, wording};

/// Cells longer than this push the rest of their line aside and leave the other lines alone: names come from peers.
const WIDEST: usize = 32;

/// Writes the ports at the indices `listed`, each with those of its results that are shown.
pub(super) fn write(
    host: &Host,
    listed: &[usize],
    results: &[Vec<&ScriptResult>],
    options: TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    if listed.is_empty() {
        return Ok(());
    }
    let shown = || listed.iter().filter_map(|index| Some((*index, host.ports.get(*index)?)));
    let with_version = shown().any(|(_, port)| !version(&port.service).is_empty());
    let protocols = shown().all(|(_, port)| port.protocol == Protocol::Ip);
    let columns = Columns { protocols, reason: options.reason, version: with_version };
    let mut widths = columns.heading().map(str::len);
    for (_, port) in shown() {
        for (width, cell) in widths.iter_mut().zip(columns.row(host, port)) {
            *width = (*width).max(cell.chars().count().min(WIDEST));
        }
    }
    let heading = line(&columns.heading().map(str::to_owned), widths, None, options);
    writeln!(out, "{}", options.paint(super::BOLD, &heading))?;
    for (index, port) in shown() {
        writeln!(out, "{}", line(&columns.row(host, port), widths, Some(port.state), options))?;
        let of_port = results.get(index).into_iter().flatten().copied();
        scripts::write("", of_port, options, out)?;
    }
    Ok(())
}

/// The optional columns. A cell of a column that is not there is empty.
#[derive(Clone, Copy)]
struct Columns {
    /// Everything listed is a protocol of IP: a scan of those has nothing else.
    protocols: bool,
    reason: bool,
    version: bool,
}

impl Columns {
    fn heading(self) -> [&'static str; 5] {
        let reason = if self.reason { "REASON" } else { "" };
        let version = if self.version { "VERSION" } else { "" };
        let number = if self.protocols { "PROTOCOL" } else { "PORT" };
        [number, "STATE", "SERVICE", reason, version]
    }

    fn row(self, host: &Host, port: &Port) -> [String; 5] {
        let from = host.reason_ips.get(&(port.protocol, port.number));
        let reason = if self.reason { wording::reason(port.reason, from, port.reason_ttl) } else { String::new() };
        let version = if self.version { version(&port.service) } else { String::new() };
        let number =
            if self.protocols { port.number.to_string() } else { format!("{}/{}", port.number, port.protocol) };
        [number, port.state.to_string(), name(&port.service), reason, version]
    }
}

/// `http`, `ssl/http`, `unknown`.
fn name(service: &Service) -> String {
    let name = if service.name.is_empty() { "unknown".into() } else { terminal(&service.name) };
    if service.tls { format!("ssl/{name}") } else { name.into_owned() }
}

/// `nginx 1.22.1 (Debian)`.
fn version(service: &Service) -> String {
    let mut parts = Vec::new();
    for part in [&service.product, &service.version] {
        if !part.is_empty() {
            parts.push(terminal(part).into_owned());
        }
    }
    if !service.extra.is_empty() {
        parts.push(format!("({})", terminal(&service.extra)));
    }
    parts.join(" ")
}

/// One line: cells padded to their columns, empty columns left out, nothing behind the last cell.
fn line(cells: &[String; 5], widths: [usize; 5], state: Option<PortState>, options: TextOptions) -> String {
    let mut out = String::new();
    let mut gap = 0;
    for (place, (cell, width)) in cells.iter().zip(widths).enumerate() {
        if width == 0 {
            continue;
        }
        if !cell.is_empty() {
            out.extend(iter::repeat_n(' ', gap));
            gap = 0;
        }
        match state {
            Some(state) if place == 1 => out.push_str(&options.paint(color(state), cell)),
            _ => out.push_str(cell),
        }
        gap += width.saturating_sub(cell.chars().count()) + 1;
    }
    out
}

/// Green for what is open, red for what is closed, yellow for what is not known.
fn color(state: PortState) -> &'static str {
    match state {
        PortState::Open => "32",
        PortState::Closed => "31",
        _ => "33",
    }
}

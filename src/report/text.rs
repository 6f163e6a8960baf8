//! The layout people know: a block per host with a table of ports, script output under the line it belongs to.

mod route;
mod scripts;
mod table;

use std::io::{self, Write};
use std::time::Duration;

use super::open_only::may_be_open;
use super::{Format, escape::terminal, fold, verdict, wording};
use crate::model::{
    Ending, Event, Folded, Host, HostState, PacketTotals, Port, Protocol, RunEnd, RunStart, ScriptResult, Totals,
};

/// What the text report shows. The default is the plain one.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent flags of the command line")]
pub struct TextOptions {
    /// Lists only ports that may be open, and only hosts that have one; the others stay counted.
    pub open_only: bool,
    /// Says why each host and port has its state.
    pub reason: bool,
    /// From 1: hosts that are down, and instances that a peer failed, were skipped or cancelled.
    pub verbose: u8,
    /// From 1: what `verbose` adds, and instances that returned nothing.
    pub debug: u8,
    /// Colours, as ANSI sequences.
    pub color: bool,
    /// Begins with a line naming program and time.
    pub with_header: bool,
}

impl TextOptions {
    fn is_verbose(self) -> bool {
        self.verbose > 0 || self.debug > 0
    }

    /// `text` in the ANSI style `code`, if colours are wanted.
    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

const BOLD: &str = "1";

/// The text report.
#[derive(Debug, Default)]
pub struct Text {
    options: TextOptions,
    /// Whether the run scans ports.
    with_ports: bool,
    /// Between `Start` and `End`.
    is_running: bool,
}

impl Format for Text {
    fn event(&mut self, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        match event {
            Event::Start(start) => self.start(start, out),
            Event::TargetSkipped { spec, reason } => {
                writeln!(out, "Skipped target {}: {}", terminal(spec), terminal(reason))
            }
            Event::Prescan(results) => self.scripts("Pre-scan script results:", results, out),
            Event::Host(host) => self.host(host, out),
            Event::Postscan(results) => self.scripts("Post-scan script results:", results, out),
            Event::End(end) => self.end(end, out),
        }
    }

    fn set_verbosity(&mut self, verbose: u8, debug: u8) {
        (self.options.verbose, self.options.debug) = (verbose, debug);
    }

    fn abort(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if !std::mem::take(&mut self.is_running) {
            return Ok(());
        }
        writeln!(out, "sonde stopped before the end: this report is incomplete")
    }
}

impl Text {
    /// A text report with `options`.
    pub fn new(options: TextOptions) -> Text {
        Text { options, ..Text::default() }
    }

    fn start(&mut self, start: &RunStart, out: &mut dyn Write) -> io::Result<()> {
        self.with_ports = !start.scans.is_empty();
        self.is_running = true;
        if self.options.with_header {
            writeln!(out, "Starting sonde {} at {}", start.version, wording::minute(start.at))?;
        }
        Ok(())
    }

    /// Results that belong to no host, set off by a blank line.
    fn scripts(&self, title: &str, results: &[ScriptResult], out: &mut dyn Write) -> io::Result<()> {
        if scripts::write(title, results, self.options, out)? { writeln!(out) } else { Ok(()) }
    }

    fn host(&self, host: &Host, out: &mut dyn Write) -> io::Result<()> {
        if host.state == HostState::Down && !host.timed_out {
            return self.down(host, out);
        }
        if host.state == HostState::Unknown {
            return listed(host, out);
        }
        let results = verdict::by_port(host);
        let of_ports = host.ports.iter().zip(&results).enumerate();
        let listed: Vec<usize> =
            of_ports.filter(|(_, (port, results))| self.is_listed(port, results)).map(|(index, _)| index).collect();
        let has_host_lines = || verdict::host_results(host).any(|result| scripts::is_shown(result, self.options));
        if self.options.open_only && listed.is_empty() && !host.timed_out && !has_host_lines() {
            return Ok(());
        }
        let title = format!("sonde scan report for {}", name_and_address(host));
        writeln!(out, "{}", self.options.paint(BOLD, &title))?;
        self.state_line(host, out)?;
        names(host, out)?;
        if host.timed_out {
            writeln!(out, "Host timed out (--host-timeout): what follows is partial.")?;
        }
        if host.degraded {
            writeln!(out, "Warning: {}", wording::DEGRADED)?;
        }
        self.not_listed(host, &listed, out)?;
        table::write(host, &listed, &results, self.options, out)?;
        if let Some(mac) = host.mac {
            writeln!(out, "MAC Address: {}", mac.to_string().to_uppercase())?;
        }
        scripts::write("\nHost script results:", verdict::host_results(host), self.options, out)?;
        if let Some(trace) = &host.trace {
            route::write(trace, host.target.addr, self.options, out)?;
        }
        writeln!(out)
    }

    fn down(&self, host: &Host, out: &mut dyn Write) -> io::Result<()> {
        if !self.options.is_verbose() || self.options.open_only {
            return Ok(());
        }
        writeln!(out, "sonde scan report for {} [host down, {}]", name_and_address(host), host.reason)
    }

    fn state_line(&self, host: &Host, out: &mut dyn Write) -> io::Result<()> {
        let reason = wording::reason(host.reason, None, host.reason_ttl);
        let reason = if self.options.reason { format!(", received {reason}") } else { String::new() };
        let latency = host.srtt.map(|srtt| format!(" ({} latency)", seconds(srtt))).unwrap_or_default();
        writeln!(out, "Host is {}{reason}{latency}.", wording::host_state(host.state))
    }

    /// Whether the table has a line for this port. One whose scripts have something to say has it in any state.
    fn is_listed(&self, port: &Port, results: &[&ScriptResult]) -> bool {
        !self.options.open_only
            || may_be_open(port.state)
            || results.iter().any(|result| scripts::is_shown(result, self.options))
    }

    /// What is counted instead of listed.
    fn not_listed(&self, host: &Host, listed: &[usize], out: &mut dyn Write) -> io::Result<()> {
        let not_shown = not_shown(host, listed);
        match (listed.is_empty(), not_shown.as_slice()) {
            (true, []) if self.with_ports => writeln!(out, "No port has a result."),
            (_, []) => Ok(()),
            (true, [all]) => {
                let (every, verb) = if all.count == 1 { ("", "is") } else { ("All ", "are") };
                writeln!(out, "{every}{} {verb} {} ({}).", count_ports(all, "scanned"), all.state, all.reason)
            }
            (true, _) => writeln!(out, "No port to list: {}", dull(&not_shown)),
            (false, _) => writeln!(out, "Not shown: {}", dull(&not_shown)),
        }
    }

    fn end(&mut self, end: &RunEnd, out: &mut dyn Write) -> io::Result<()> {
        self.is_running = false;
        let verb = if end.ending == Ending::Interrupted { "interrupted" } else { "done" };
        let line = format!("sonde {verb}: {}", wording::scanned(end));
        writeln!(out, "{}", self.options.paint(BOLD, &line))?;
        if end.totals.degraded > 0 {
            let hosts = wording::count(end.totals.degraded, "host");
            writeln!(out, "Warning: {hosts} stopped answering while scanned")?;
        }
        unfinished(&end.totals, out)?;
        missed(end.totals.packets, out)
    }
}

/// `997 closed tcp ports (conn-refused), 3 filtered udp ports (no-response)`.
fn dull(groups: &[Folded]) -> String {
    let phrase = |group: &Folded| format!("{} ({})", count_ports(group, group.state.name()), group.reason);
    groups.iter().map(phrase).collect::<Vec<_>>().join(", ")
}

/// `3 closed tcp ports`, `1 open|filtered ip protocol`.
fn count_ports(group: &Folded, adjective: &str) -> String {
    let noun = if group.protocol == Protocol::Ip { "protocol" } else { "port" };
    let plural = if group.count == 1 { "" } else { "s" };
    format!("{} {adjective} {} {noun}{plural}", group.count, group.protocol)
}

/// `name (address)`, or the address alone.
fn name_and_address(host: &Host) -> String {
    let name = host.target.name.as_ref().or(host.names.first());
    match name {
        Some(name) => format!("{} ({})", terminal(name), address(host)),
        None => address(host),
    }
}

fn address(host: &Host) -> String {
    match host.target.scope {
        0 => host.target.addr.to_string(),
        scope => format!("{}%{scope}", host.target.addr),
    }
}

/// A host nobody asked: there is nothing to say but who it is.
fn listed(host: &Host, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "sonde scan report for {}", name_and_address(host))?;
    names(host, out)
}

/// The names found by reverse lookup that the title does not say.
fn names(host: &Host, out: &mut dyn Write) -> io::Result<()> {
    let title = host.target.name.as_ref().or(host.names.first());
    let others: Vec<_> = host.names.iter().filter(|name| Some(*name) != title).map(|name| terminal(name)).collect();
    if others.is_empty() {
        return Ok(());
    }
    let noun = if others.len() == 1 { "record" } else { "records" };
    writeln!(out, "rDNS {noun} for {}: {}", address(host), others.join(", "))
}

/// What is counted: what came counted, and what the options hide. Largest first.
fn not_shown(host: &Host, listed: &[usize]) -> Vec<Folded> {
    let hidden = host.ports.iter().enumerate().filter(|(index, _)| listed.binary_search(index).is_err());
    fold::sum(host.folded.iter().copied().chain(hidden.map(|(_, port)| fold::one(port))))
}

/// Two significant digits: `0.00012s`, `0.034s`, `1.2s`.
fn seconds(time: Duration) -> String {
    let value = time.as_secs_f64();
    let leading_zeros = (0..6).take_while(|n| value * 10_f64.powi(*n) < 1.0).count();
    format!("{value:.*}s", leading_zeros + 1)
}

/// A line for whatever was planned and did not come to its end.
fn unfinished(totals: &Totals, out: &mut dyn Write) -> io::Result<()> {
    if totals.unresolved > 0 {
        writeln!(out, "Not finished: {} skipped", wording::count(totals.unresolved, "target"))?;
    }
    if totals.unfinished > 0 {
        writeln!(out, "Not finished: {}", wording::count(totals.unfinished, "host"))?;
    }
    for (id, by_outcome) in &totals.scripts {
        let short: Vec<String> = by_outcome
            .iter()
            .filter(|(outcome, count)| !verdict::is_finished(**outcome) && **count > 0)
            .map(|(outcome, count)| format!("{count} {}", verdict::words(*outcome)))
            .collect();
        if !short.is_empty() {
            writeln!(out, "Not finished: {}: {}", terminal(id), short.join(", "))?;
        }
    }
    Ok(())
}

/// A line for captured packets nobody saw.
fn missed(packets: PacketTotals, out: &mut dyn Write) -> io::Result<()> {
    if packets.lost > 0 {
        writeln!(out, "Not seen: {}, lost by the kernel", wording::count(packets.lost, "packet"))?;
    }
    if packets.dropped > 0 {
        writeln!(out, "Not seen: {}, dropped at full queues of scripts", wording::count(packets.dropped, "packet"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_has_two_significant_digits() {
        let shown = |micros| seconds(Duration::from_micros(micros));
        assert_eq!(shown(120), "0.00012s");
        assert_eq!(shown(34_000), "0.034s");
        assert_eq!(shown(500_000), "0.50s");
        assert_eq!(shown(1_230_000), "1.2s");
        assert_eq!(seconds(Duration::ZERO), "0.0000000s");
    }
}

//! The table of a traced route.

use std::io::{self, Write};
use std::net::IpAddr;

use super::TextOptions;
use crate::model::{Hop, Protocol, Trace};
use crate::report::{escape::terminal, wording};

/// Writes the route, with a line for each run of hops that did not answer.
pub(super) fn write(trace: &Trace, host: IpAddr, options: TextOptions, out: &mut dyn Write) -> io::Result<()> {
    if trace.hops.is_empty() {
        return Ok(());
    }
    let lines: Vec<[String; 3]> =
        trace.hops.chunk_by(|a, b| a.addr.is_none() && b.addr.is_none()).filter_map(line).collect();
    let mut widths = ["HOP".len(), "RTT".len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.len());
        }
    }
    // Nothing was asked where the first hop is the host.
    let is_direct = trace.hops.first().is_some_and(|first| first.addr == Some(host));
    let using = if is_direct { String::new() } else { format!(" (using {})", probe(trace)) };
    writeln!(out, "\nTRACEROUTE{using}")?;
    let [hop, rtt] = widths;
    writeln!(out, "{}", options.paint(super::BOLD, &format!("{:hop$} {:rtt$} ADDRESS", "HOP", "RTT")))?;
    for [distance, time, address] in &lines {
        writeln!(out, "{}", format!("{distance:hop$} {time:rtt$} {address}").trim_end())?;
    }
    Ok(())
}

/// `port 80/tcp`, `protocol 47`, `ICMP echo`.
fn probe(trace: &Trace) -> String {
    match trace.probe {
        Some((Protocol::Ip, number)) => format!("protocol {number}"),
        Some((protocol, port)) => format!("port {port}/{protocol}"),
        None => "ICMP echo".to_owned(),
    }
}

/// A hop; or all of those in a row that did not answer, by the first and the last of them.
fn line(hops: &[Hop]) -> Option<[String; 3]> {
    let (first, last) = (hops.first()?, hops.last()?);
    let Some(addr) = first.addr else {
        let until = if first.ttl == last.ttl { String::new() } else { format!(" {}", last.ttl) };
        return Some([first.ttl.to_string(), format!("...{until}"), String::new()]);
    };
    let time = first.rtt.map_or_else(|| "--".to_owned(), |rtt| format!("{} ms", wording::milliseconds(rtt)));
    let address = match &first.name {
        Some(name) => format!("{} ({addr})", terminal(name)),
        None => addr.to_string(),
    };
    Some([first.ttl.to_string(), time, address])
}

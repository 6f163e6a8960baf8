//! The `host` element.

use std::collections::BTreeMap;
use std::io;

use super::{Page, script};
use crate::model::{Host, Port, PortState, ScriptResult, Service};
use crate::report::{verdict, wording};

/// Writes one host. `protocol` is that of the folded ports, where known.
pub(super) fn write(host: &Host, protocol: Option<&str>, page: &mut Page) -> io::Result<()> {
    let (began, ended) = (host.started.seconds().to_string(), host.ended.seconds().to_string());
    let mut attributes = vec![("starttime", began.as_str()), ("endtime", &ended)];
    if host.timed_out {
        attributes.push(("timedout", "true"));
    }
    page.open("host", &attributes)?;
    page.line_end()?;
    let state = wording::host_state(host.state);
    page.empty("status", &[("state", state), ("reason", host.reason.name()), ("reason_ttl", "0")])?;
    let kind = if host.target.addr.is_ipv4() { "ipv4" } else { "ipv6" };
    // Without the zone, which readers do not take for part of an address.
    page.empty("address", &[("addr", &host.target.addr.to_string()), ("addrtype", kind)])?;
    names(host, page)?;
    ports(host, protocol, page)?;
    script::write_all("hostscript", verdict::host_results(host), page)?;
    if let Some(srtt) = host.srtt {
        // The format demands all three; variance and timeout do not outlive the scan, and readers want numbers.
        page.empty("times", &[("srtt", &srtt.as_micros().to_string()), ("rttvar", "0"), ("to", "0")])?;
    }
    page.close("host")
}

fn names(host: &Host, page: &mut Page) -> io::Result<()> {
    page.open("hostnames", &[])?;
    page.line_end()?;
    if let Some(name) = &host.target.name {
        page.empty("hostname", &[("name", name), ("type", "user")])?;
    }
    for name in &host.names {
        page.empty("hostname", &[("name", name), ("type", "PTR")])?;
    }
    page.close("hostnames")
}

/// Folded ports come first: readers of the format rely on it.
fn ports(host: &Host, protocol: Option<&str>, page: &mut Page) -> io::Result<()> {
    if host.ports.is_empty() && host.folded.is_empty() {
        return Ok(());
    }
    page.open("ports", &[])?;
    page.line_end()?;
    let mut by_state: BTreeMap<PortState, Vec<(&str, usize)>> = BTreeMap::new();
    for (state, reason, count) in &host.folded {
        by_state.entry(*state).or_default().push((reason.name(), *count));
    }
    for (state, reasons) in by_state {
        let total: usize = reasons.iter().map(|(_, count)| count).sum();
        page.open("extraports", &[("state", state.name()), ("count", &total.to_string())])?;
        page.line_end()?;
        for (reason, count) in reasons {
            let count = count.to_string();
            let mut attributes = vec![("reason", reason), ("count", count.as_str())];
            attributes.extend(protocol.map(|protocol| ("proto", protocol)));
            page.empty("extrareasons", &attributes)?;
        }
        page.close("extraports")?;
    }
    for (port, results) in host.ports.iter().zip(verdict::by_port(host)) {
        self::port(port, &results, page)?;
    }
    page.close("ports")
}

fn port(port: &Port, results: &[&ScriptResult], page: &mut Page) -> io::Result<()> {
    page.open("port", &[("protocol", port.protocol.name()), ("portid", &port.number.to_string())])?;
    let ttl = port.reason_ttl.to_string();
    page.empty("state", &[("state", port.state.name()), ("reason", port.reason.name()), ("reason_ttl", &ttl)])?;
    service(&port.service, page)?;
    for result in results {
        script::write(result, page)?;
    }
    page.close("port")
}

fn service(service: &Service, page: &mut Page) -> io::Result<()> {
    if *service == Service::default() {
        return Ok(());
    }
    let name = if service.name.is_empty() { "unknown" } else { &service.name };
    let mut attributes = vec![("name", name)];
    for (key, value) in [("product", &service.product), ("version", &service.version), ("extrainfo", &service.extra)] {
        if !value.is_empty() {
            attributes.push((key, value));
        }
    }
    if service.tls {
        attributes.push(("tunnel", "ssl"));
    }
    let (method, confidence) = if service.probed { ("probed", "10") } else { ("table", "3") };
    attributes.extend([("method", method), ("conf", confidence)]);
    page.empty("service", &attributes)
}

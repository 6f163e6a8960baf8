//! The `host` element.

use std::collections::BTreeMap;
use std::io;

use super::{Page, script};
use crate::model::{Folded, Hop, Host, Port, PortState, ScriptResult, Service, Trace};
use crate::report::{verdict, wording};

/// Writes one host.
pub(super) fn write(host: &Host, page: &mut Page) -> io::Result<()> {
    let (began, ended) = (host.started.seconds().to_string(), host.ended.seconds().to_string());
    let mut attributes = vec![("starttime", began.as_str()), ("endtime", &ended)];
    if host.timed_out {
        attributes.push(("timedout", "true"));
    }
    if host.degraded {
        attributes.push(("comment", wording::DEGRADED));
    }
    page.open("host", &attributes)?;
    page.line_end()?;
    let (state, ttl) = (wording::host_state(host.state), host.reason_ttl.to_string());
    page.empty("status", &[("state", state), ("reason", host.reason.name()), ("reason_ttl", &ttl)])?;
    let kind = if host.target.addr.is_ipv4() { "ipv4" } else { "ipv6" };
    // Without the zone, which readers do not take for part of an address.
    page.empty("address", &[("addr", &host.target.addr.to_string()), ("addrtype", kind)])?;
    if let Some(mac) = host.mac {
        page.empty("address", &[("addr", &mac.to_string().to_uppercase()), ("addrtype", "mac")])?;
    }
    names(host, page)?;
    ports(host, page)?;
    script::write_all("hostscript", verdict::host_results(host), page)?;
    if let Some(trace) = &host.trace {
        self::trace(trace, page)?;
    }
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
fn ports(host: &Host, page: &mut Page) -> io::Result<()> {
    if host.ports.is_empty() && host.folded.is_empty() {
        return Ok(());
    }
    page.open("ports", &[])?;
    page.line_end()?;
    let mut by_state: BTreeMap<PortState, Vec<&Folded>> = BTreeMap::new();
    for folded in &host.folded {
        by_state.entry(folded.state).or_default().push(folded);
    }
    for (state, parts) in by_state {
        let total: usize = parts.iter().map(|folded| folded.count).sum();
        page.open("extraports", &[("state", state.name()), ("count", &total.to_string())])?;
        page.line_end()?;
        for Folded { protocol, reason, count, .. } in parts {
            let count = count.to_string();
            page.empty("extrareasons", &[("reason", reason.name()), ("count", &count), ("proto", protocol.name())])?;
        }
        page.close("extraports")?;
    }
    for (port, results) in host.ports.iter().zip(verdict::by_port(host)) {
        self::port(host, port, &results, page)?;
    }
    page.close("ports")
}

fn port(host: &Host, port: &Port, results: &[&ScriptResult], page: &mut Page) -> io::Result<()> {
    page.open("port", &[("protocol", port.protocol.name()), ("portid", &port.number.to_string())])?;
    let ttl = port.reason_ttl.to_string();
    let from = host.reason_ips.get(&(port.protocol, port.number)).map(ToString::to_string);
    let mut state = vec![("state", port.state.name()), ("reason", port.reason.name()), ("reason_ttl", ttl.as_str())];
    state.extend(from.as_deref().map(|from| ("reason_ip", from)));
    page.empty("state", &state)?;
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

/// The route. A hop that did not answer has no element: readers of the format want an address in each.
fn trace(trace: &Trace, page: &mut Page) -> io::Result<()> {
    let port = trace.probe.map(|(_, port)| port.to_string());
    let mut attributes = vec![("proto", trace.probe.map_or("icmp", |(protocol, _)| protocol.name()))];
    attributes.extend(port.as_deref().map(|port| ("port", port)));
    page.open("trace", &attributes)?;
    page.line_end()?;
    trace.hops.iter().try_for_each(|hop| self::hop(hop, page))?;
    page.close("trace")
}

fn hop(hop: &Hop, page: &mut Page) -> io::Result<()> {
    let Some(addr) = hop.addr else { return Ok(()) };
    let (ttl, addr) = (hop.ttl.to_string(), addr.to_string());
    let rtt = hop.rtt.map_or_else(|| "--".to_owned(), wording::milliseconds);
    let mut attributes = vec![("ttl", ttl.as_str()), ("ipaddr", &addr), ("rtt", &rtt)];
    attributes.extend(hop.name.as_deref().map(|name| ("host", name)));
    page.empty("hop", &attributes)
}

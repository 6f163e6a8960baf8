//! The line of a host as serde writes it, straight from what it borrows: in a large scan most of the report is such lines.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value as Json;

use super::SCHEMA_VERSION;
use crate::model::{Failure, Folded, Hop, Host, Port, ScriptOutcome, ScriptResult, Service, Trace};
use crate::report::{verdict, wording};

#[derive(Serialize)]
pub(super) struct HostLine<'a> {
    r#type: &'static str,
    version: u32,
    address: IpAddr,
    scope: u32,
    name: Option<&'a str>,
    names: &'a [String],
    state: &'static str,
    reason: &'static str,
    reason_ttl: u8,
    mac: Option<String>,
    srtt_seconds: Option<f64>,
    started: String,
    ended: String,
    timed_out: bool,
    degraded: bool,
    ports: Vec<PortPart<'a>>,
    folded: Vec<FoldedPart>,
    trace: Option<TracePart<'a>>,
    scripts: Vec<ScriptPart<'a>>,
}

#[derive(Serialize)]
struct PortPart<'a> {
    protocol: &'static str,
    port: u16,
    state: &'static str,
    reason: &'static str,
    reason_ttl: u8,
    service: ServicePart<'a>,
    scripts: Vec<ScriptPart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_ip: Option<IpAddr>,
}

#[derive(Serialize)]
struct ServicePart<'a> {
    name: &'a str,
    product: &'a str,
    version: &'a str,
    extra: &'a str,
    tls: bool,
    probed: bool,
}

#[derive(Serialize)]
struct FoldedPart {
    protocol: &'static str,
    state: &'static str,
    reason: &'static str,
    count: usize,
}

#[derive(Serialize)]
struct TracePart<'a> {
    probe: Option<ProbePart>,
    hops: Vec<HopPart<'a>>,
}

#[derive(Serialize)]
struct ProbePart {
    protocol: &'static str,
    port: u16,
}

#[derive(Serialize)]
struct HopPart<'a> {
    ttl: u8,
    address: Option<IpAddr>,
    name: Option<&'a str>,
    rtt_seconds: Option<f64>,
}

#[derive(Serialize)]
pub(super) struct ScriptPart<'a> {
    id: &'a str,
    rule: &'static str,
    outcome: &'static str,
    started: String,
    duration_seconds: f64,
    sent_bytes: u64,
    received_bytes: u64,
    output: Json,
    failure: Option<FailurePart<'a>>,
}

#[derive(Serialize)]
struct FailurePart<'a> {
    kind: &'static str,
    class: &'a str,
    message: &'a str,
    position: Option<PositionPart<'a>>,
    diagnostic: &'a str,
}

#[derive(Serialize)]
struct PositionPart<'a> {
    file: &'a str,
    line: u32,
    column: u32,
}

impl<'a> From<&'a Host> for HostLine<'a> {
    fn from(host: &'a Host) -> HostLine<'a> {
        let results = verdict::by_port(host);
        HostLine {
            r#type: "host",
            version: SCHEMA_VERSION,
            address: host.target.addr,
            scope: host.target.scope,
            name: host.target.name.as_deref(),
            names: &host.names,
            state: wording::host_state(host.state),
            reason: host.reason.name(),
            reason_ttl: host.reason_ttl,
            mac: host.mac.map(|mac| mac.to_string()),
            srtt_seconds: host.srtt.map(|srtt| srtt.as_secs_f64()),
            started: wording::rfc3339(host.started),
            ended: wording::rfc3339(host.ended),
            timed_out: host.timed_out,
            degraded: host.degraded,
            ports: host.ports.iter().zip(results).map(|(port, results)| PortPart::new(host, port, results)).collect(),
            folded: host.folded.iter().map(FoldedPart::from).collect(),
            trace: host.trace.as_ref().map(TracePart::from),
            scripts: scripts(verdict::host_results(host)),
        }
    }
}

/// Those that have a record: a rule that said no is counted, not told.
pub(super) fn scripts<'a>(results: impl IntoIterator<Item = &'a ScriptResult>) -> Vec<ScriptPart<'a>> {
    results.into_iter().filter(|one| one.outcome != ScriptOutcome::RuleFalse).map(ScriptPart::from).collect()
}

impl<'a> PortPart<'a> {
    fn new(host: &Host, port: &'a Port, results: Vec<&'a ScriptResult>) -> PortPart<'a> {
        PortPart {
            protocol: port.protocol.name(),
            port: port.number,
            state: port.state.name(),
            reason: port.reason.name(),
            reason_ttl: port.reason_ttl,
            service: ServicePart::from(&port.service),
            scripts: scripts(results),
            reason_ip: host.reason_ips.get(&(port.protocol, port.number)).copied(),
        }
    }
}

impl<'a> From<&'a Service> for ServicePart<'a> {
    fn from(service: &'a Service) -> ServicePart<'a> {
        let Service { name, product, version, extra, tls, probed, .. } = service;
        ServicePart { name, product, version, extra, tls: *tls, probed: *probed }
    }
}

impl From<&Folded> for FoldedPart {
    fn from(folded: &Folded) -> FoldedPart {
        FoldedPart {
            protocol: folded.protocol.name(),
            state: folded.state.name(),
            reason: folded.reason.name(),
            count: folded.count,
        }
    }
}

impl<'a> From<&'a Trace> for TracePart<'a> {
    fn from(trace: &'a Trace) -> TracePart<'a> {
        TracePart {
            probe: trace.probe.map(|(protocol, port)| ProbePart { protocol: protocol.name(), port }),
            hops: trace.hops.iter().map(HopPart::from).collect(),
        }
    }
}

impl<'a> From<&'a Hop> for HopPart<'a> {
    fn from(hop: &'a Hop) -> HopPart<'a> {
        HopPart {
            ttl: hop.ttl,
            address: hop.addr,
            name: hop.name.as_deref(),
            rtt_seconds: hop.rtt.map(|rtt| rtt.as_secs_f64()),
        }
    }
}

impl<'a> From<&'a ScriptResult> for ScriptPart<'a> {
    fn from(result: &'a ScriptResult) -> ScriptPart<'a> {
        ScriptPart {
            id: &result.id,
            rule: result.rule.name(),
            outcome: result.outcome.name(),
            started: wording::rfc3339(result.started),
            duration_seconds: result.duration.as_secs_f64(),
            sent_bytes: result.sent,
            received_bytes: result.received,
            output: super::value(&result.output, 0),
            failure: result.failure.as_ref().map(FailurePart::from),
        }
    }
}

impl<'a> From<&'a Failure> for FailurePart<'a> {
    fn from(failure: &'a Failure) -> FailurePart<'a> {
        let position =
            |(file, line, column): &'a (String, u32, u32)| PositionPart { file, line: *line, column: *column };
        FailurePart {
            kind: failure.kind.name(),
            class: &failure.class,
            message: &failure.message,
            position: failure.position.as_ref().map(position),
            diagnostic: &failure.diagnostic,
        }
    }
}

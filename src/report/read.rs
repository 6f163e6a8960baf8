//! JSON Lines read back: the opposite of [`super::jsonl`], for joining reports and for going on with a run.
//!
//! What is read gives the same line again when written. What a line does not carry is lost: the record of an instance
//! whose rule said no, and which scans there could be besides those known here. Fields of a later version that are not
//! known are passed over. Reports from before packet scans lack what only those learn: it reads as not learned, and
//! their folded ports are TCP's.

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde_json::{Map, Value as Json};

use super::SCHEMA_VERSION;
use crate::model::{
    Ending, Event, Failure, FailureKind, Folded, Hop, Host, HostState, MacAddr, PacketTotals, Port, PortState,
    Protocol, Reason, RuleKind, RunEnd, RunStart, ScanInfo, ScriptOutcome, ScriptResult, Service, Shard, Stage, Stages,
    Target, Timestamp, Totals, Trace, Value,
};

/// What is wrong with a line, in words for the user.
type Read<T> = Result<T, String>;

/// The kinds of scan reports know.
const KINDS: [&str; 14] = [
    "syn",
    "ack",
    "bounce",
    "connect",
    "null",
    "xmas",
    "window",
    "maimon",
    "fin",
    "udp",
    "sctpinit",
    "sctpcookieecho",
    "ipproto",
    "idle",
];

/// The event of one line.
pub fn read_line(line: &str) -> Read<Event> {
    let line: Json = serde_json::from_str(line).map_err(|error| format!("no line of JSON ({error})"))?;
    let kind = text(&line, "type")?;
    let version = count(&line, "version")?;
    if version != u64::from(SCHEMA_VERSION) {
        return Err(format!("version {version} of the report, and this program reads version {SCHEMA_VERSION}"));
    }
    match kind.as_str() {
        "run_start" => run_start(&line).map(Event::Start),
        "target_skipped" => Ok(Event::TargetSkipped { spec: text(&line, "target")?, reason: text(&line, "reason")? }),
        "prescript" => scripts(&line).map(Event::Prescan),
        "host" => read_host(&line).map(|host| Event::Host(Box::new(host))),
        "postscript" => scripts(&line).map(Event::Postscan),
        "run_end" => run_end(&line).map(Event::End),
        other => Err(format!("type `{}` is not known", other.escape_debug())),
    }
}

/// The host of a `host` line.
pub fn read_host(line: &Json) -> Read<Host> {
    let target = Target {
        addr: text(line, "address")?.parse().map_err(|_| "address: no address".to_owned())?,
        scope: u32::try_from(count(line, "scope")?).map_err(|_| "scope: too large".to_owned())?,
        name: optional(line, "name", |name| name.as_str().map(str::to_owned))?,
    };
    let mut host = Host {
        names: list(line, "names")?.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        state: named(line, "state", |name| match name {
            "up" => Some(HostState::Up),
            "down" => Some(HostState::Down),
            "unknown" => Some(HostState::Unknown),
            _ => None,
        })?,
        reason: named(line, "reason", Reason::parse)?,
        reason_ttl: later(line, "reason_ttl", small)?.unwrap_or(0),
        mac: later(line, "mac", |line, name| optional(line, name, |mac| MacAddr::parse(mac.as_str()?)))?.flatten(),
        srtt: optional(line, "srtt_seconds", seconds)?,
        ended: time(line, "ended")?,
        folded: list(line, "folded")?.iter().map(folded).collect::<Read<_>>()?,
        scripts: scripts(line)?,
        trace: match line.get("trace") {
            None | Some(Json::Null) => None,
            Some(trace) => Some(self::trace(trace)?),
        },
        timed_out: flag(line, "timed_out")?,
        degraded: later(line, "degraded", flag)?.unwrap_or(false),
        ..Host::new(target, time(line, "started")?)
    };
    for (index, port) in list(line, "ports")?.iter().enumerate() {
        let from = later(port, "reason_ip", |port, name| optional(port, name, |from| from.as_str()?.parse().ok()))?;
        let read = self::port(port)?;
        host.reason_ips.extend(from.flatten().map(|from| ((read.protocol, read.number), from)));
        host.ports.push(read);
        host.port_scripts.extend(scripts(port)?.into_iter().map(|result| (index, result)));
    }
    Ok(host)
}

fn run_start(line: &Json) -> Read<RunStart> {
    Ok(RunStart {
        version: env!("CARGO_PKG_VERSION"),
        args: text(line, "args")?,
        at: time(line, "at")?,
        scans: list(line, "scans")?.iter().map(scan).collect::<Read<_>>()?,
        verbose: small(line, "verbose")?,
        debug: small(line, "debug")?,
        seed: text(line, "seed")?.parse().map_err(|_| "seed: no number".to_owned())?,
        scan: text(line, "scan")?,
        shard: match field(line, "shard")? {
            Json::Null => None,
            shard => Some(Shard { index: small(shard, "index")?, of: small(shard, "of")? }),
        },
    })
}

fn scan(line: &Json) -> Read<ScanInfo> {
    let kind = named(line, "kind", |name| KINDS.into_iter().find(|kind| *kind == name))?;
    let mut ports = Vec::new();
    for range in text(line, "ports")?.split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.parse::<u16>().map_err(|_| "ports: no list of ports".to_owned());
        ports.extend(number(first)?..=number(last)?);
    }
    Ok(ScanInfo { kind, protocol: named(line, "protocol", Protocol::parse)?, ports })
}

fn folded(line: &Json) -> Read<Folded> {
    let protocol = later(line, "protocol", |line, name| named(line, name, Protocol::parse))?;
    Ok(Folded {
        protocol: protocol.unwrap_or(Protocol::Tcp),
        state: named(line, "state", PortState::parse)?,
        reason: named(line, "reason", Reason::parse)?,
        count: small(line, "count")?,
    })
}

fn trace(line: &Json) -> Read<Trace> {
    Ok(Trace {
        probe: match field(line, "probe")? {
            Json::Null => None,
            probe => Some((named(probe, "protocol", Protocol::parse)?, small(probe, "port")?)),
        },
        hops: list(line, "hops")?.iter().map(hop).collect::<Read<_>>()?,
    })
}

fn hop(line: &Json) -> Read<Hop> {
    Ok(Hop {
        ttl: small(line, "ttl")?,
        addr: optional(line, "address", |addr| addr.as_str()?.parse().ok())?,
        name: optional(line, "name", |name| name.as_str().map(str::to_owned))?,
        rtt: optional(line, "rtt_seconds", seconds)?,
    })
}

fn port(line: &Json) -> Read<Port> {
    let service = field(line, "service")?;
    Ok(Port {
        protocol: named(line, "protocol", Protocol::parse)?,
        number: small(line, "port")?,
        state: named(line, "state", PortState::parse)?,
        reason: named(line, "reason", Reason::parse)?,
        reason_ttl: small(line, "reason_ttl")?,
        service: Service {
            name: text(service, "name")?,
            product: text(service, "product")?,
            version: text(service, "version")?,
            extra: text(service, "extra")?,
            tls: flag(service, "tls")?,
            probed: flag(service, "probed")?,
        },
    })
}

fn scripts(line: &Json) -> Read<Vec<ScriptResult>> {
    list(line, "scripts")?.iter().map(script).collect()
}

fn script(line: &Json) -> Read<ScriptResult> {
    let lasted = field(line, "duration_seconds")?.as_f64().and_then(duration);
    Ok(ScriptResult {
        id: text(line, "id")?,
        rule: named(line, "rule", RuleKind::parse)?,
        outcome: named(line, "outcome", ScriptOutcome::parse)?,
        started: time(line, "started")?,
        duration: lasted.ok_or_else(|| "duration_seconds: no duration".to_owned())?,
        sent: count(line, "sent_bytes")?,
        received: count(line, "received_bytes")?,
        output: value(field(line, "output")?),
        failure: match field(line, "failure")? {
            Json::Null => None,
            failure => Some(self::failure(failure)?),
        },
    })
}

fn failure(line: &Json) -> Read<Failure> {
    Ok(Failure {
        kind: named(line, "kind", FailureKind::parse)?,
        class: text(line, "class")?,
        message: text(line, "message")?,
        position: match field(line, "position")? {
            Json::Null => None,
            place => Some((text(place, "file")?, small(place, "line")?, small(place, "column")?)),
        },
        diagnostic: text(line, "diagnostic")?,
    })
}

/// A map of the one key `bytes_hex` is taken for bytes, which it looks like.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Unit,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or(f64::NAN)), Value::Int)
        }
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Object(pairs) => match bytes(pairs) {
            Some(bytes) => Value::Bytes(bytes),
            None => Value::Map(pairs.iter().map(|(key, item)| (key.clone(), value(item))).collect()),
        },
    }
}

fn bytes(pairs: &Map<String, Json>) -> Option<Vec<u8>> {
    let hex = pairs.get("bytes_hex").filter(|_| pairs.len() == 1)?.as_str()?;
    HEXLOWER.decode(hex.as_bytes()).ok()
}

fn run_end(line: &Json) -> Read<RunEnd> {
    let totals = field(line, "totals")?;
    let elapsed = field(line, "elapsed_seconds")?.as_f64().and_then(duration);
    Ok(RunEnd {
        at: time(line, "at")?,
        elapsed: elapsed.ok_or_else(|| "elapsed_seconds: no duration".to_owned())?,
        ending: named(line, "ending", |name| match name {
            "complete" => Some(Ending::Complete),
            "incomplete" => Some(Ending::Incomplete),
            "interrupted" => Some(Ending::Interrupted),
            _ => None,
        })?,
        totals: Totals {
            scripts: script_totals(totals)?,
            up: count(totals, "up")?,
            down: count(totals, "down")?,
            degraded: later(totals, "degraded", count)?.unwrap_or(0),
            unknown: later(totals, "unknown", count)?.unwrap_or(0),
            unresolved: count(totals, "unresolved")?,
            unfinished: count(totals, "unfinished")?,
            ports: count(totals, "ports")?,
            packets: packets(field(totals, "packets")?)?,
            stages: read_stages(field(totals, "stages")?)?,
        },
    })
}

fn packets(line: &Json) -> Read<PacketTotals> {
    Ok(PacketTotals {
        seen: count(line, "seen")?,
        delivered: count(line, "delivered")?,
        dropped: count(line, "dropped")?,
        lost: count(line, "lost")?,
    })
}

fn script_totals(totals: &Json) -> Read<BTreeMap<String, BTreeMap<ScriptOutcome, u64>>> {
    let mut scripts: BTreeMap<String, BTreeMap<ScriptOutcome, u64>> = BTreeMap::new();
    for (id, by_outcome) in object(field(totals, "scripts")?)? {
        let counts = scripts.entry(id.clone()).or_default();
        for outcome in object(by_outcome)?.keys() {
            let known = ScriptOutcome::parse(outcome).ok_or_else(|| format!("outcome `{outcome}` is not known"))?;
            counts.insert(known, count(by_outcome, outcome)?);
        }
    }
    Ok(scripts)
}

/// The stages of a record, as [`super::stages_json`] wrote them.
pub fn read_stages(line: &Json) -> Read<Stages> {
    let mut stages = Stages::default();
    for (name, tally) in object(line)? {
        let stage = Stage::parse(name).ok_or_else(|| format!("stage `{}` is not known", name.escape_debug()))?;
        for ending in object(tally)?.keys().filter(|ending| *ending != "planned") {
            let number = count(tally, ending)?;
            let place = stages.of(stage).ending(ending);
            *place.ok_or_else(|| format!("ending `{}` is not known", ending.escape_debug()))? = number;
        }
    }
    Ok(stages)
}

fn object(json: &Json) -> Read<&Map<String, Json>> {
    json.as_object().ok_or_else(|| "an object is missing".to_owned())
}

fn field<'a>(line: &'a Json, name: &str) -> Read<&'a Json> {
    line.get(name).ok_or_else(|| format!("{name} is missing"))
}

fn text(line: &Json, name: &str) -> Read<String> {
    field(line, name)?.as_str().map(str::to_owned).ok_or_else(|| format!("{name}: no text"))
}

fn count(line: &Json, name: &str) -> Read<u64> {
    field(line, name)?.as_u64().ok_or_else(|| format!("{name}: no count"))
}

fn small<T: TryFrom<u64>>(line: &Json, name: &str) -> Read<T> {
    count(line, name)?.try_into().map_err(|_| format!("{name}: too large"))
}

fn flag(line: &Json, name: &str) -> Read<bool> {
    field(line, name)?.as_bool().ok_or_else(|| format!("{name}: neither true nor false"))
}

fn list<'a>(line: &'a Json, name: &str) -> Read<&'a Vec<Json>> {
    field(line, name)?.as_array().ok_or_else(|| format!("{name}: no list"))
}

fn named<T>(line: &Json, name: &str, parse: impl Fn(&str) -> Option<T>) -> Read<T> {
    let found = text(line, name)?;
    parse(&found).ok_or_else(|| format!("{name}: `{}` is not known", found.escape_debug()))
}

fn optional<T>(line: &Json, name: &str, read: impl Fn(&Json) -> Option<T>) -> Read<Option<T>> {
    match field(line, name)? {
        Json::Null => Ok(None),
        found => read(found).map(Some).ok_or_else(|| format!("{name}: of another type")),
    }
}

/// A field reports have had only from some time on.
fn later<T>(line: &Json, name: &str, read: impl Fn(&Json, &str) -> Read<T>) -> Read<Option<T>> {
    line.get(name).map(|_| read(line, name)).transpose()
}

fn seconds(json: &Json) -> Option<Duration> {
    duration(json.as_f64()?)
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn time(line: &Json, name: &str) -> Read<Timestamp> {
    let at: Option<jiff::Timestamp> = text(line, name)?.parse().ok();
    let nanoseconds = at.and_then(|at| u64::try_from(at.as_nanosecond()).ok());
    nanoseconds.map(Timestamp).ok_or_else(|| format!("{name}: no time"))
}

//! JSON Lines: one object a line, each complete on its own, types kept. `docs/report.schema.json` describes every line.
//!
//! What JSON has no type for: bytes are `{"bytes_hex": "00ff"}`, times RFC 3339 in UTC, durations seconds as a float,
//! and a float that is no number one of the strings `NaN`, `inf`, `-inf`. A report without a `run_end` line did not
//! come to its end.

mod host;

use std::collections::HashMap;
use std::io::{self, Write};

use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use self::host::{HostLine, scripts};
use super::outline::{MAX_DEPTH, TOO_DEEP};
use super::{Format, escape, wording};
use crate::model::{Event, Host, RunEnd, RunStart, ScanInfo, ScriptResult, Stages, Tally, Value};

/// Version of the schema, in the field `version` of every line. It grows when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// The JSON Lines report.
#[derive(Debug, Default)]
pub struct JsonLines;

impl Format for JsonLines {
    fn event(&mut self, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        let fields = match event {
            Event::Host(host) => return line(&HostLine::from(&**host), out),
            Event::Start(start) => run_start(start),
            Event::TargetSkipped { spec, reason } => {
                json!({"type": "target_skipped", "version": SCHEMA_VERSION, "target": spec, "reason": reason})
            }
            Event::Prescan(results) => run_scripts("prescript", results),
            Event::Postscan(results) => run_scripts("postscript", results),
            Event::End(end) => run_end(end),
        };
        line(&fields, out)
    }
}

impl JsonLines {
    /// A JSON Lines report.
    pub fn new() -> JsonLines {
        JsonLines
    }
}

fn line(fields: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut line = escape::json(serde_json::to_string(fields)?);
    line.push('\n');
    out.write_all(line.as_bytes())
}

fn run_start(start: &RunStart) -> Json {
    json!({
        "type": "run_start",
        "version": SCHEMA_VERSION,
        "sonde": start.version,
        "args": start.args,
        "at": wording::rfc3339(start.at),
        "scans": start.scans.iter().map(scan).collect::<Vec<_>>(),
        "verbose": start.verbose,
        "debug": start.debug,
        // A text: readers may take numbers for floats, and a seed must stay exact.
        "seed": start.seed.to_string(),
        "scan": start.scan,
        "shard": start.shard.map(|shard| json!({"index": shard.index, "of": shard.of})),
    })
}

fn scan(scan: &ScanInfo) -> Json {
    json!({
        "kind": scan.kind,
        "protocol": scan.protocol.name(),
        "count": scan.ports.len(),
        "ports": wording::ranges(&scan.ports),
    })
}

fn run_scripts(kind: &str, results: &[ScriptResult]) -> Json {
    json!({"type": kind, "version": SCHEMA_VERSION, "scripts": scripts(results)})
}

/// The line of a host.
pub fn host_json(host: &Host) -> impl Serialize {
    HostLine::from(host)
}

fn value(value: &Value, depth: usize) -> Json {
    match value {
        Value::Unit => Json::Null,
        Value::Bool(flag) => Json::from(*flag),
        Value::Int(number) => Json::from(*number),
        Value::Float(number) if number.is_finite() => Json::from(*number),
        Value::Float(number) => Json::from(number.to_string()),
        Value::Text(text) => Json::from(text.as_str()),
        Value::Bytes(bytes) => json!({"bytes_hex": HEXLOWER.encode(bytes)}),
        Value::List(_) | Value::Map(_) if depth >= MAX_DEPTH => Json::from(TOO_DEEP),
        Value::List(items) => items.iter().map(|item| self::value(item, depth + 1)).collect(),
        Value::Map(pairs) => map(pairs, depth),
    }
}

/// Keys that come again become `key#2`, `key#3`: readers of JSON keep but one of the same name.
fn map(pairs: &[(String, Value)], depth: usize) -> Json {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut out = Map::new();
    for (key, item) in pairs {
        let times = seen.entry(key).or_insert(0);
        let mut name = key.clone();
        while out.contains_key(&name) {
            *times += 1;
            name = format!("{key}#{}", *times + 1);
        }
        out.insert(name, value(item, depth + 1));
    }
    Json::Object(out)
}

/// Stage -> ending -> count, and what was planned.
pub fn stages_json(stages: &Stages) -> Json {
    let tally = |tally: &Tally| {
        let planned = ("planned", tally.planned());
        let counts = std::iter::once(planned).chain(tally.endings().into_iter().filter(|(_, count)| *count > 0));
        counts.map(|(name, count)| (name.to_owned(), Json::from(count))).collect::<Map<String, Json>>()
    };
    Json::Object(stages.iter().map(|(stage, counts)| (stage.name().to_owned(), Json::Object(tally(counts)))).collect())
}

fn run_end(end: &RunEnd) -> Json {
    let totals = &end.totals;
    let mut scripts = Map::new();
    for (id, by_outcome) in &totals.scripts {
        let counts: Map<String, Json> =
            by_outcome.iter().map(|(outcome, count)| (outcome.name().to_owned(), Json::from(*count))).collect();
        scripts.insert(id.clone(), Json::Object(counts));
    }
    json!({
        "type": "run_end",
        "version": SCHEMA_VERSION,
        "at": wording::rfc3339(end.at),
        "elapsed_seconds": end.elapsed.as_secs_f64(),
        "ending": wording::ending(end.ending),
        "totals": {
            "up": totals.up,
            "down": totals.down,
            "degraded": totals.degraded,
            "unknown": totals.unknown,
            "unresolved": totals.unresolved,
            "unfinished": totals.unfinished,
            "ports": totals.ports,
            "packets": {
                "seen": totals.packets.seen,
                "delivered": totals.packets.delivered,
                "dropped": totals.packets.dropped,
                "lost": totals.packets.lost,
            },
            "stages": stages_json(&totals.stages),
            "scripts": scripts,
        },
    })
}

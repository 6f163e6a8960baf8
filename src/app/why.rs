//! `--why`: why a script said nothing. Collected while the run goes on, told at its end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::scripts::Chosen;
use super::{complain, trace};
use crate::error::Error;
use crate::model::{Event, Folded, Host, RuleKind, ScriptOutcome, ScriptResult};
use crate::net::broker::{TraceLine, TraceSink};
use crate::script::Script;
use crate::script::header::Rule;
use crate::script::instance::Context;

/// Cases told; the others are counted.
const MAX_CASES: usize = 50;
/// Bytes shown of what came last.
const SHOWN: usize = 160;

/// What was asked, and what was seen of it.
pub struct Why {
    asked: Vec<Asked>,
    seen: RefCell<Seen>,
}

/// One script, of one host or port or of all.
struct Asked {
    script: Rc<Script>,
    subject: Option<String>,
}

#[derive(Default)]
struct Seen {
    /// By script and subject.
    cases: BTreeMap<String, String>,
    /// Cases beyond those.
    more: usize,
    /// What an instance sent and received last.
    last: BTreeMap<String, [Vec<u8>; 2]>,
}

impl Why {
    /// Prepares to explain what `asked` names; none if nothing is asked.
    pub fn new(asked: &[String], chosen: &Chosen) -> Result<Option<Rc<Why>>, Error> {
        let asked: Vec<Asked> = asked.iter().map(|text| ask(text, chosen)).collect::<Result<_, _>>()?;
        Ok((!asked.is_empty()).then(|| Rc::new(Why { asked, seen: RefCell::default() })))
    }

    fn is_asked(&self, id: &str, subject: &str) -> bool {
        let addr = subject.parse::<SocketAddr>().map(|addr| addr.ip().to_string());
        let is_meant = |wanted: &str| wanted == subject || addr.as_ref().is_ok_and(|addr| wanted == addr);
        self.asked.iter().any(|asked| asked.script.id == id && asked.subject.as_deref().is_none_or(is_meant))
    }

    fn add(&self, key: String, text: String) {
        let mut seen = self.seen.borrow_mut();
        if seen.cases.len() < MAX_CASES || seen.cases.contains_key(&key) {
            seen.cases.entry(key).or_insert(text);
        } else {
            seen.more += 1;
        }
    }

    /// Keeps what instances send and receive last, and hands it on to `next`.
    pub fn trace(self: &Rc<Self>, next: Option<TraceSink>) -> TraceSink {
        let why = Rc::clone(self);
        Rc::new(move |line: &TraceLine<'_>| {
            why.saw(line);
            if let Some(next) = &next {
                next(line);
            }
        })
    }

    fn saw(&self, line: &TraceLine<'_>) {
        let direction = match line.op {
            "send" | "packet" => 0,
            "receive" | "captured" => 1,
            _ => return,
        };
        let origin = line.origin.as_str();
        let is_asked = origin.split_once('@').is_some_and(|(id, subject)| self.is_asked(id, subject));
        if is_asked && !line.data.is_empty() {
            let mut seen = self.seen.borrow_mut();
            if let Some(place) = seen.last.entry(origin.to_owned()).or_default().get_mut(direction) {
                *place = line.data.get(..=SHOWN).unwrap_or(line.data).to_vec();
            }
        }
    }

    /// An instance has ended.
    pub fn ended(&self, context: &Context, record: &ScriptResult) {
        let (script, subject) = (&context.job.script, &context.job.subject);
        if !self.is_asked(&script.id, subject) {
            return;
        }
        let key = format!("{}@{subject}", script.id);
        let rule = record.rule.name();
        let mut text = match record.outcome {
            ScriptOutcome::RuleFalse => format!("its {rule} is a function and returned false"),
            _ if context.job.ask => format!("its {rule} is a function and returned true"),
            _ => format!("its {rule} held"),
        };
        let _ = write!(text, "; arguments: {}", arguments(context));
        match context.place() {
            None => text.push_str("\nit called no native of the engine"),
            Some((file, line)) => drop(write!(text, "\nlast line reached: {file}:{line}")),
        }
        let last = self.seen.borrow_mut().last.remove(&key).unwrap_or_default();
        for (what, count, bytes) in [("sent", record.sent, &last[0]), ("received", record.received, &last[1])] {
            let _ = write!(text, "\n{what} {count} bytes");
            if !bytes.is_empty() {
                let _ = write!(text, ", last {}", trace::shown(bytes, SHOWN));
            }
        }
        let said = if record.output.is_unit() { "no output" } else { "output, which is in the report" };
        let _ = write!(text, "\noutcome: {} with {said}", record.outcome.name());
        if let Some(failure) = &record.failure {
            let _ = write!(text, ": {}: {}", failure.class, failure.message);
        }
        self.add(key, text);
    }

    /// A report says something: hosts tell which rules did not hold.
    pub fn reported(&self, event: &Event) {
        if let Event::Host(host) = event {
            for asked in &self.asked {
                self.judge_rules(&asked.script, host);
            }
        }
    }

    fn judge_rules(&self, script: &Script, host: &Host) {
        let addr: IpAddr = host.target.addr;
        let Some(rule) = script.header.rules.get(&RuleKind::Port) else { return };
        for port in &host.ports {
            let subject = SocketAddr::new(addr, port.number).to_string();
            let key = format!("{}@{subject}", script.id);
            if !self.is_asked(&script.id, &subject) || self.seen.borrow().cases.contains_key(&key) {
                continue;
            }
            let wrong = match rule {
                Rule::Ports(rule) => rule.mismatches(port).join("; "),
                _ => format!("the state is {}, and functions are asked for open ports only", port.state),
            };
            if !wrong.is_empty() {
                self.add(key, format!("its portrule did not hold: {wrong}"));
            }
        }
        let subject = addr.to_string();
        if host.ports.is_empty() && self.is_asked(&script.id, &subject) {
            let count = |folded: &Folded| format!("{} {} {}", folded.count, folded.state, folded.protocol);
            let folded: Vec<String> = host.folded.iter().map(count).collect();
            let ports = if folded.is_empty() { "none scanned".to_owned() } else { folded.join(", ") };
            self.add(format!("{}@{subject}", script.id), format!("its portrule held for no port: {ports}"));
        }
    }

    /// Tells everything.
    pub fn tell(&self) {
        let seen = self.seen.borrow();
        for (key, text) in &seen.cases {
            complain(&format!("why {key}: {}", text.replace('\n', "\n  ")));
        }
        if seen.more > 0 {
            complain(&format!("why: {} further cases; ask for one with SCRIPT@HOST:PORT", seen.more));
        }
        for asked in &self.asked {
            let is_case = |key: &String| {
                key.split_once('@').is_some_and(|(id, _)| id == asked.script.id)
                    && asked.subject.as_ref().is_none_or(|subject| key.contains(subject.as_str()))
            };
            if !seen.cases.keys().any(is_case) {
                let of = asked.subject.as_ref().map(|subject| format!("@{subject}")).unwrap_or_default();
                let id = &asked.script.id;
                complain(&format!(
                    "why {id}{of}: it was not started: the host is down, is no target, or the port was not scanned or is \
                     among those not shown"
                ));
            }
        }
    }
}

/// The script meant by `text`: one that was selected.
fn ask(text: &str, chosen: &Chosen) -> Result<Asked, Error> {
    let (id, subject) = text.split_once('@').map_or((text, None), |(id, subject)| (id, Some(subject)));
    let Some(one) = chosen.selected.iter().find(|one| one.script.id == id) else {
        let id = id.escape_debug();
        return Err(Error::Usage(format!("--why {id}: it is none of the scripts of this run; add --script {id}")));
    };
    let is_subject = |text: &str| text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok();
    if let Some(wrong) = subject.filter(|subject| !is_subject(subject)) {
        let wrong = wrong.escape_debug();
        return Err(Error::Usage(format!(
            "--why {id}@{wrong}: write an address, or an address and a port: 192.0.2.1:80"
        )));
    }
    Ok(Asked { script: Rc::clone(&one.script), subject: subject.map(str::to_owned) })
}

/// Every declared argument with the value it had.
fn arguments(context: &Context) -> String {
    let script = &context.job.script;
    let value = |name: &String| match context.shared.arguments.value(script, name) {
        Ok(value) => format!("{name}={value}"),
        Err(error) => format!("{name} ({error})"),
    };
    let all: Vec<String> = script.header.args.keys().map(value).collect();
    if all.is_empty() { "none declared".to_owned() } else { all.join(", ") }
}

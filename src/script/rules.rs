//! Rules given as data, and the index that finds the scripts of a port without running anything.

use std::collections::HashMap;
use std::rc::Rc;

use rhai::{Dynamic, Map};

use super::catalogue::Script;
use super::header::Rule;
use crate::model::nearest::suggestion;
use crate::model::{Port, PortState, Protocol, RuleKind};

/// A portrule as data: a port matches when its protocol and state do, and its number or its service name is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortMatch {
    /// Protocols; TCP when not given.
    pub protocols: Vec<Protocol>,
    /// Port numbers.
    pub ports: Vec<u16>,
    /// Service names.
    pub services: Vec<String>,
    /// States; open and open|filtered when not given.
    pub states: Vec<PortState>,
    /// No ports and no services listed: every port of the protocol.
    pub any: bool,
}

impl PortMatch {
    const FIELDS: [&'static str; 4] = ["ports", "protocol", "services", "states"];

    /// Reads `#{ protocol: "tcp", ports: [80], services: ["http"], states: ["open"] }`.
    pub fn from_map(fields: Map) -> Result<PortMatch, String> {
        let mut rule = PortMatch {
            protocols: vec![Protocol::Tcp],
            ports: Vec::new(),
            services: Vec::new(),
            states: vec![PortState::Open, PortState::OpenFiltered],
            any: false,
        };
        for (name, value) in fields {
            match name.as_str() {
                "protocol" => rule.protocols = names("protocol", value, Protocol::parse)?,
                "states" => rule.states = names("states", value, PortState::parse)?,
                "services" => rule.services = names("services", value, |name| Some(name.to_lowercase()))?,
                "ports" => rule.ports = ports(value)?,
                other => return Err(format!("portrule: unknown field \"{other}\"{}", suggestion(other, Self::FIELDS))),
            }
        }
        rule.any = rule.ports.is_empty() && rule.services.is_empty();
        Ok(rule)
    }

    /// Which parts of the rule `port` does not fulfil, for people; empty when it matches.
    pub fn mismatches(&self, port: &Port) -> Vec<String> {
        let list = |names: Vec<String>| names.join(", ");
        let mut wrong = Vec::new();
        if !self.protocols.contains(&port.protocol) {
            let wanted = list(self.protocols.iter().map(ToString::to_string).collect());
            wrong.push(format!("the protocol is {}, the rule wants {wanted}", port.protocol));
        }
        if !self.states.contains(&port.state) {
            let wanted = list(self.states.iter().map(ToString::to_string).collect());
            wrong.push(format!("the state is {}, the rule wants {wanted}", port.state));
        }
        if !(self.any || self.ports.contains(&port.number) || self.services.contains(&port.service.name)) {
            let numbers = list(self.ports.iter().map(ToString::to_string).collect());
            let (number, service, services) = (port.number, &port.service.name, list(self.services.clone()));
            let service = if service.is_empty() { "(none)" } else { service };
            wrong.push(format!(
                "neither port {number} nor service {service} is listed: ports [{numbers}], services [{services}]"
            ));
        }
        wrong
    }

    /// Whether `port` matches.
    pub fn matches(&self, port: &Port) -> bool {
        self.protocols.contains(&port.protocol)
            && self.states.contains(&port.state)
            && (self.any || self.ports.contains(&port.number) || self.services.contains(&port.service.name))
    }
}

/// One name or a list of names, each parsed.
fn names<T>(field: &str, value: Dynamic, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    let items = if value.is_array() { value.into_array().unwrap_or_default() } else { vec![value] };
    let parse_one = |item: Dynamic| {
        let name = item.into_string().map_err(|found| format!("portrule.{field} holds text, not {found}"))?;
        parse(&name).ok_or_else(|| format!("portrule.{field}: \"{name}\" is not known"))
    };
    items.into_iter().map(parse_one).collect()
}

/// Numbers from 0 to 65535.
fn ports(value: Dynamic) -> Result<Vec<u16>, String> {
    let items = value.into_array().map_err(|found| format!("portrule.ports is a list of numbers, not {found}"))?;
    let parse_one = |item: Dynamic| {
        let number = item.as_int().map_err(|found| format!("portrule.ports holds numbers, not {found}"))?;
        u16::try_from(number).map_err(|_| format!("portrule.ports: {number} is not a port (0 to 65535)"))
    };
    items.into_iter().map(parse_one).collect()
}

/// A script started for a rule, and whether the rule must first be asked.
#[derive(Clone)]
pub struct Candidate {
    /// The script.
    pub script: Rc<Script>,
    /// The rule is a function: it runs in the instance.
    pub ask: bool,
}

/// The selected scripts, ordered for lookup.
#[derive(Default)]
pub struct RuleIndex {
    by_kind: HashMap<RuleKind, Vec<Candidate>>,
    by_number: HashMap<(Protocol, u16), Vec<usize>>,
    by_service: HashMap<String, Vec<usize>>,
    /// Data rules without ports or services.
    any: Vec<usize>,
    data: Vec<(Rc<Script>, PortMatch)>,
}

impl RuleIndex {
    /// Adds a selected script; `forced` (`+name`) takes its rules as true.
    pub fn add(&mut self, script: &Rc<Script>, forced: bool) {
        for (kind, rule) in &script.header.rules {
            match rule {
                Rule::Ports(rule) if !forced => self.add_data(script, rule),
                Rule::Always | Rule::Ports(_) => self.add_candidate(*kind, script, false),
                Rule::Function(_) => self.add_candidate(*kind, script, !forced),
            }
        }
    }

    fn add_candidate(&mut self, kind: RuleKind, script: &Rc<Script>, ask: bool) {
        self.by_kind.entry(kind).or_default().push(Candidate { script: Rc::clone(script), ask });
    }

    fn add_data(&mut self, script: &Rc<Script>, rule: &PortMatch) {
        let index = self.data.len();
        self.data.push((Rc::clone(script), rule.clone()));
        if rule.any {
            self.any.push(index);
        }
        for protocol in &rule.protocols {
            for number in &rule.ports {
                self.by_number.entry((*protocol, *number)).or_default().push(index);
            }
        }
        for service in &rule.services {
            self.by_service.entry(service.clone()).or_default().push(index);
        }
    }

    /// Whether no script was selected.
    pub fn is_empty(&self) -> bool {
        self.by_kind.is_empty() && self.data.is_empty()
    }

    /// Scripts with a rule of this kind (not port rules given as data).
    pub fn of_kind(&self, kind: RuleKind) -> &[Candidate] {
        self.by_kind.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// Scripts whose portrule is true for `port`, and those that must be asked.
    pub fn for_port(&self, port: &Port) -> Vec<Candidate> {
        let by_number = self.by_number.get(&(port.protocol, port.number));
        let by_service = self.by_service.get(&port.service.name);
        let listed = by_number.into_iter().chain(by_service).flatten().chain(&self.any);
        let mut hits: Vec<usize> = listed.copied().filter(|index| self.data[*index].1.matches(port)).collect();
        hits.sort_unstable();
        hits.dedup();
        let data = hits.into_iter().map(|index| Candidate { script: Rc::clone(&self.data[index].0), ask: false });
        // A function is asked for ports that may be talked to, as scripts expect; closed ones never reach it.
        let askable = matches!(port.state, PortState::Open | PortState::OpenFiltered | PortState::Unfiltered);
        let asked = if askable { self.of_kind(RuleKind::Port) } else { &[] };
        data.chain(asked.iter().cloned()).collect()
    }
}

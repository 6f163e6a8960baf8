//! `--open` in any format: hosts with a port that may be open, and of their ports those alone.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{Format, verdict};
use crate::model::{Event, Folded, Host, HostState, Port, PortState, ScriptResult};

/// Another format, told of what may be open only. Ports it is not told of stay counted.
pub struct OpenOnly(pub Box<dyn Format>);

impl Format for OpenOnly {
    fn event(&mut self, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        let Event::Host(host) = event else { return self.0.event(event, out) };
        match narrowed(host) {
            Some(host) => self.0.event(&Event::Host(Box::new(host)), out),
            None => Ok(()),
        }
    }

    fn set_verbosity(&mut self, verbose: u8, debug: u8) {
        self.0.set_verbosity(verbose, debug);
    }

    fn abort(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.0.abort(out)
    }
}

/// Whether a port of this state may be open.
pub(super) fn may_be_open(state: PortState) -> bool {
    matches!(state, PortState::Open | PortState::OpenFiltered | PortState::Unfiltered)
}

/// The host without ports that are not open; none if nothing is left to say. Hosts nobody asked have no ports to judge by.
fn narrowed(host: &Host) -> Option<Host> {
    if host.state == HostState::Unknown {
        return Some(host.clone());
    }
    let results = verdict::by_port(host);
    let is_kept = |(port, results): (&Port, &Vec<&ScriptResult>)| {
        may_be_open(port.state) || results.iter().any(|result| !result.output.is_unit())
    };
    let kept: Vec<bool> = host.ports.iter().zip(&results).map(is_kept).collect();
    let speaks = verdict::host_results(host).any(|result| !result.output.is_unit());
    let may_have_open = host.folded.iter().any(|folded| may_be_open(folded.state)) || kept.contains(&true);
    if !may_have_open && !speaks && !host.timed_out {
        return None;
    }
    let mut narrowed = host.clone();
    let mut places = BTreeMap::new();
    narrowed.ports.clear();
    for (index, (port, is_kept)) in host.ports.iter().zip(kept).enumerate() {
        if is_kept {
            places.insert(index, narrowed.ports.len());
            narrowed.ports.push(port.clone());
        } else {
            count(&mut narrowed.folded, port);
        }
    }
    // What a script said of a port that is not shown goes with it; it was nothing.
    narrowed.port_scripts.retain(|(index, _)| places.contains_key(index) || *index >= host.ports.len());
    for (index, _) in &mut narrowed.port_scripts {
        *index = places.get(index).copied().unwrap_or(*index);
    }
    Some(narrowed)
}

/// Counts a port among those that are alike.
fn count(folded: &mut Vec<Folded>, port: &Port) {
    let Port { protocol, state, reason, .. } = port;
    let alike = |known: &&mut Folded| (known.protocol, known.state, known.reason) == (*protocol, *state, *reason);
    match folded.iter_mut().find(alike) {
        Some(known) => known.count += 1,
        None => folded.push(Folded { protocol: *protocol, state: *state, reason: *reason, count: 1 }),
    }
}

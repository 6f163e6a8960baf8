//! A service at work: what it says to what it hears.

use std::rc::Rc;
use std::time::Duration;

use super::scenario::{ServiceSpec, Step};

/// Bytes of what was heard that are kept for the next step.
const HEARD: usize = 64 << 10;

/// One conversation with a service.
#[derive(Debug, Default)]
pub struct Talk {
    service: Option<Rc<ServiceSpec>>,
    at: usize,
    heard: Vec<u8>,
}

/// What the service does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saying {
    /// Sends this, after so long.
    Text(Duration, Vec<u8>),
    /// Ends the stream, after so long.
    End(Duration),
    /// Resets it, after so long.
    Reset(Duration),
}

impl Talk {
    /// A conversation that begins.
    pub fn new(service: Option<Rc<ServiceSpec>>) -> Talk {
        Talk { service, ..Talk::default() }
    }

    /// Takes in what the client sent.
    pub fn hear(&mut self, bytes: &[u8]) {
        let room = HEARD.saturating_sub(self.heard.len());
        self.heard.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Everything the service does before it has to hear more.
    pub fn go_on(&mut self) -> Vec<Saying> {
        let mut said = Vec::new();
        let mut waited = Duration::ZERO;
        let Some(service) = self.service.clone() else { return said };
        while let Some(step) = service.talk.get(self.at) {
            match step {
                Step::Hear(wanted) => {
                    let Some(end) = find(&self.heard, wanted.as_bytes()) else { break };
                    self.heard.drain(..end);
                }
                Step::Wait(span) => waited += span.0,
                Step::Say(text) => said.push(Saying::Text(waited, text.as_bytes().to_vec())),
                Step::Close(true) => said.push(Saying::End(waited)),
                Step::Close(false) => said.push(Saying::Reset(waited)),
            }
            self.at += 1;
        }
        said
    }
}

/// Where `wanted` ends in `heard`.
fn find(heard: &[u8], wanted: &[u8]) -> Option<usize> {
    if wanted.is_empty() {
        return Some(0);
    }
    heard.windows(wanted.len()).position(|window| window == wanted).map(|at| at + wanted.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::sim::Scenario;

    #[test]
    fn a_service_speaks_when_it_has_heard() {
        let text = "[services.x]\ntalk = [{ say = \"220\" }, { hear = \"\\n\" }, { wait = \"5ms\" }, { say = \"ok\" }, { close = true }]";
        let service = Scenario::parse(text).unwrap().services.remove("x").map(Rc::new);
        let mut talk = Talk::new(service);
        assert_eq!(talk.go_on(), [Saying::Text(Duration::ZERO, b"220".to_vec())]);
        talk.hear(b"helo");
        assert_eq!(talk.go_on(), []);
        talk.hear(b"\nmore");
        let wait = Duration::from_millis(5);
        assert_eq!(talk.go_on(), [Saying::Text(wait, b"ok".to_vec()), Saying::End(wait)]);
        assert_eq!(talk.go_on(), []);
    }
}

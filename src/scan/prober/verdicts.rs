//! What the questions to one host came to: many ports, few different verdicts.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::model::{PortState, Reason};
use crate::scan::probe::Heard;

/// What a question came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// State of the port.
    pub state: PortState,
    /// Why.
    pub reason: Reason,
    /// Hops the answer had left; 0 without one.
    pub ttl: u8,
    /// Who said so, if it was not the host itself.
    pub from: Option<IpAddr>,
}

impl Verdict {
    /// What `heard` means.
    pub(super) fn new((state, reason): (PortState, Reason), heard: &Heard) -> Verdict {
        Verdict { state, reason, ttl: heard.ttl, from: Some(heard.from).filter(|from| *from != heard.host) }
    }
}

/// The different verdicts on one host; a question keeps a number of one.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    known: Vec<Verdict>,
    /// Places of open ports of which nobody was told yet, if somebody wants to be.
    opened: Option<VecDeque<(usize, Verdict)>>,
}

/// Verdicts kept apart; more of them differ in their hops or in who said so only.
const MOST: usize = 250;

impl Verdicts {
    /// The number of the verdict on the question at `place`.
    pub(super) fn number(&mut self, place: usize, verdict: Verdict) -> u8 {
        if let Some(opened) = self.opened.as_mut().filter(|_| verdict.state == PortState::Open) {
            opened.push_back((place, verdict));
        }
        let known = self.known.iter().position(|known| *known == verdict);
        let number = known.unwrap_or_else(|| {
            if self.known.len() < MOST {
                self.known.push(verdict);
                return self.known.len() - 1;
            }
            let alike = |known: &Verdict| (known.state, known.reason) == (verdict.state, verdict.reason);
            self.known.iter().position(alike).unwrap_or(0)
        });
        number as u8 + 1
    }

    /// The next place found open, in the order they were. From the first time it is asked for on, they are kept.
    pub(super) fn next_open(&mut self) -> Option<(usize, Verdict)> {
        self.opened.get_or_insert_default().pop_front()
    }

    /// Whether somebody wants to know of an open port.
    pub(super) fn is_news(&self) -> bool {
        self.opened.as_ref().is_some_and(|opened| !opened.is_empty())
    }

    /// The verdict of that number; none of 0.
    pub(super) fn get(&self, number: u8) -> Option<Verdict> {
        usize::from(number).checked_sub(1).and_then(|at| self.known.get(at)).copied()
    }
}

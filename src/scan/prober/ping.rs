//! Asking again what was answered before: to hear from a host whose other ports are silent, and to know in the end whether
//! their silence means anything.

use std::time::Duration;

use super::plan::Finding;
use crate::model::{PortState, Timestamp};

/// The timing pings of one host.
#[derive(Debug)]
pub(super) struct Ping {
    /// The place of the question, and how good it is for that. None: nothing was answered, or pings cannot be told apart.
    place: Option<(usize, u8)>,
    is_possible: bool,
    /// When the unanswered one was sent, and how many before it were not answered either.
    out: Option<Timestamp>,
    missed: u8,
    /// Probes since something was heard.
    quiet: u32,
    last_heard: Timestamp,
    doubt: Doubt,
    /// How often the host came back.
    returns: u8,
}

/// What is done about the silence of some ports of a host that answered at others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// Nothing yet.
    None,
    /// Does it still answer what it answered before?
    Asking,
    /// It did not, and is asked once more after a pause.
    LastChance,
    /// Settled.
    Settled,
}

/// What to do when everything was asked and some of it is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// Believe it.
    Believe,
    /// Wait for the answer to a ping.
    Wait,
    /// The host is gone, it seems: pause, and ping once more.
    Pause,
}

/// A quiet host is pinged after so long and so many probes.
const AFTER: (Duration, u32) = (Duration::from_millis(1250), 10);
/// Everything silent is asked anew so often because the host came back.
const RETURNS: u8 = 3;
/// So many unanswered pings in a row: the host that answered is gone.
const GONE: u8 = 3;

impl Ping {
    pub(super) fn new(is_possible: bool, now: Timestamp) -> Ping {
        Ping {
            place: None,
            is_possible,
            out: None,
            missed: 0,
            quiet: 0,
            last_heard: now,
            doubt: Doubt::None,
            returns: 0,
        }
    }

    /// Whether another answer to the question at `place` would be worth more than that to the one pinged with so far: resets
    /// cost a host the least, and what a filter says tells nothing about the host.
    pub(super) fn consider(&mut self, place: usize, finding: Finding) {
        let worth = match finding {
            Finding::Port(PortState::Closed | PortState::Unfiltered, _) => 3,
            Finding::Port(PortState::Open, _) => 2,
            _ => return,
        };
        if self.is_possible && self.place.is_none_or(|(_, best)| worth > best) {
            self.place = Some((place, worth));
        }
    }

    /// The question to ask again now, if one is due. `is_end`: there is nothing else to ask.
    pub(super) fn due(&self, now: Timestamp, is_end: bool) -> Option<usize> {
        let (place, _) = self.place?;
        let is_quiet = now.since(self.last_heard) >= AFTER.0 && self.quiet >= AFTER.1;
        (self.out.is_none() && (is_quiet || is_end && self.has_doubt())).then_some(place)
    }

    /// Whether the end waits for a ping to be sent.
    pub(super) fn has_doubt(&self) -> bool {
        matches!(self.doubt, Doubt::Asking | Doubt::LastChance) && self.out.is_none()
    }

    /// Another probe was sent.
    pub(super) fn probe_sent(&mut self) {
        self.quiet += 1;
    }

    /// The ping was sent.
    pub(super) fn sent(&mut self, at: Timestamp) {
        (self.out, self.quiet) = (Some(at), 0);
    }

    /// How often the host came back from where it was gone.
    pub(super) fn returns(&self) -> u8 {
        self.returns
    }

    /// Something was heard of the host.
    pub(super) fn heard(&mut self, at: Timestamp) {
        (self.quiet, self.last_heard) = (0, at);
    }

    /// The ping was answered: when it had been sent, and whether the host is back from where it was gone.
    pub(super) fn answered(&mut self) -> Option<(Timestamp, bool)> {
        let sent = self.out.take()?;
        self.missed = 0;
        let is_back = self.doubt == Doubt::LastChance;
        self.returns += u8::from(is_back);
        self.doubt = match self.doubt {
            Doubt::LastChance if self.returns < RETURNS => Doubt::None,
            Doubt::Asking | Doubt::LastChance => Doubt::Settled,
            other => other,
        };
        Some((sent, is_back))
    }

    /// Lets time pass: when the ping was sent that is lost now.
    pub(super) fn pass(&mut self, now: Timestamp, timeout: Duration) -> Option<Timestamp> {
        let sent = self.out.filter(|sent| now.since(*sent) >= timeout)?;
        self.out = None;
        self.missed += 1;
        Some(sent)
    }

    /// When the ping counts as lost.
    pub(super) fn deadline(&self, timeout: Duration) -> Option<Timestamp> {
        self.out.map(|sent| sent.plus(timeout))
    }

    /// Whether the host's answers have stopped.
    pub(super) fn is_gone(&self) -> bool {
        self.missed >= GONE
    }

    /// Everything was asked, and some of it is silent. Silence is believed when the host still answers what it answered before.
    pub(super) fn at_the_end(&mut self) -> Silence {
        if self.place.is_none() {
            return Silence::Believe;
        }
        match self.doubt {
            Doubt::None => {
                (self.doubt, self.missed) = (Doubt::Asking, 0);
                Silence::Wait
            }
            Doubt::Asking if self.is_gone() => {
                self.doubt = Doubt::LastChance;
                Silence::Pause
            }
            Doubt::LastChance if self.missed > GONE => {
                self.doubt = Doubt::Settled;
                Silence::Believe
            }
            Doubt::Asking | Doubt::LastChance => Silence::Wait,
            Doubt::Settled => Silence::Believe,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reason;

    const LATER: Timestamp = Timestamp(10_000_000_000);
    const LONG: Duration = Duration::from_millis(100);

    fn pinged() -> Ping {
        let mut ping = Ping::new(true, Timestamp(0));
        ping.consider(7, Finding::Port(PortState::Open, Reason::SynAck));
        ping
    }

    #[test]
    fn resets_are_better_than_open_ports_and_filters_say_nothing() {
        let mut ping = pinged();
        ping.consider(8, Finding::Port(PortState::Filtered, Reason::AdminProhibited));
        ping.consider(9, Finding::Port(PortState::Closed, Reason::Reset));
        (0..10).for_each(|_| ping.probe_sent());
        assert_eq!((ping.due(LATER, false), ping.due(Timestamp(0), false)), (Some(9), None));
        assert_eq!(Ping::new(false, LATER).at_the_end(), Silence::Believe);
    }

    #[test]
    fn silence_is_believed_of_a_host_that_still_answers() {
        let mut ping = pinged();
        assert_eq!(ping.at_the_end(), Silence::Wait);
        assert_eq!(ping.due(LATER, true), Some(7));
        ping.sent(LATER);
        assert_eq!(ping.answered(), Some((LATER, false)));
        assert_eq!(ping.at_the_end(), Silence::Believe);
    }

    #[test]
    fn a_host_that_went_away_gets_a_last_chance() {
        let mut ping = pinged();
        assert_eq!(ping.at_the_end(), Silence::Wait);
        let miss = |ping: &mut Ping| {
            ping.sent(Timestamp(0));
            assert_eq!(ping.pass(LATER, LONG), Some(Timestamp(0)));
        };
        (0..3).for_each(|_| miss(&mut ping));
        assert!(ping.is_gone());
        assert_eq!(ping.at_the_end(), Silence::Pause);
        assert_eq!(ping.at_the_end(), Silence::Wait);
        miss(&mut ping);
        assert_eq!(ping.at_the_end(), Silence::Believe);
    }
}

//! What happens to one packet on a link.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::scenario::LinkSpec;
use crate::model::Timestamp;
use crate::runtime::Random;

/// A link with its two directions.
pub struct Link {
    spec: LinkSpec,
    random: Random,
    packets: Cell<u64>,
    busy_until: RefCell<[Timestamp; 2]>,
}

/// Which way a packet crosses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From us.
    Out = 0,
    /// To us.
    Back = 1,
}

/// How a packet arrives: once, twice, or not at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Delay of the packet; none if it is lost.
    pub first: Option<Duration>,
    /// Delay of its duplicate.
    pub second: Option<Duration>,
}

impl Link {
    /// A link that behaves as `spec` says, with the fate of each packet out of `random`.
    pub fn new(spec: LinkSpec, random: &Random) -> Link {
        Link { spec, random: random.derive("link"), packets: Cell::default(), busy_until: RefCell::default() }
    }

    /// The fate of the next packet, sent at `now`.
    pub fn cross(&self, way: Way, now: Timestamp) -> Arrival {
        let number = self.packets.get();
        self.packets.set(number + 1);
        let Some(queued) = self.queue(way, now) else { return Arrival::default() };
        if self.spec.loss.holds(|| self.random.at(&[number, 0])) {
            return Arrival::default();
        }
        let again = self.spec.duplicate.holds(|| self.random.at(&[number, 1]));
        let first = Some(queued + crossing(&self.spec, &self.random, number));
        Arrival { first, second: first.filter(|_| again).map(|delay| delay + Duration::from_micros(10)) }
    }

    /// The wait for the packet's turn; none when the queue is full.
    fn queue(&self, way: Way, now: Timestamp) -> Option<Duration> {
        if self.spec.rate == 0 {
            return Some(Duration::ZERO);
        }
        let each = Duration::from_secs(1) / self.spec.rate;
        let free = &mut self.busy_until.borrow_mut()[way as usize];
        let wait = free.since(now);
        if wait > each * self.spec.queue {
            return None;
        }
        *free = (*free).max(now).plus(each);
        Some(wait + each)
    }
}

/// The delay of packet `number` over what `spec` describes.
fn crossing(spec: &LinkSpec, random: &Random, number: u64) -> Duration {
    if spec.reorder.holds(|| random.at(&[number, 2])) {
        return Duration::ZERO;
    }
    let added = match spec.jitter.0.as_nanos() as u64 {
        0 => 0,
        jitter => random.at(&[number, 3]) % jitter,
    };
    spec.delay.0 + Duration::from_nanos(added)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::sim::Scenario;

    fn link(text: &str) -> Link {
        let scenario = Scenario::parse(&format!("[link]\n{text}")).unwrap();
        Link::new(scenario.link, &Random::new(Some(1)))
    }

    #[test]
    fn shares_come_out_as_written() {
        let link = link("delay = \"5ms\"\nloss = 0.1\nduplicate = 0.2\nreorder = 0.05");
        let all: Vec<Arrival> = (0..10_000).map(|_| link.cross(Way::Out, Timestamp(0))).collect();
        let share = |is: &dyn Fn(&Arrival) -> bool| all.iter().filter(|arrival| is(arrival)).count() / 100;
        assert_eq!(share(&|arrival| arrival.first.is_none()), 10);
        assert!((17..=19).contains(&share(&|arrival| arrival.second.is_some())), "of the nine tenths that arrive");
        assert_eq!(share(&|arrival| arrival.first == Some(Duration::ZERO)), 4);
    }

    #[test]
    fn a_rate_queues_and_then_loses() {
        let link = link("rate = 1000\nqueue = 3");
        let delays: Vec<_> = (0..6).map(|_| link.cross(Way::Out, Timestamp(0)).first).collect();
        let ms = |count| Some(Duration::from_millis(count));
        assert_eq!(delays, [ms(1), ms(2), ms(3), ms(4), None, None]);
        assert_eq!(link.cross(Way::Back, Timestamp(0)).first, ms(1), "directions do not share");
        assert_eq!(link.cross(Way::Out, Timestamp(4_000_000)).first, ms(1));
    }
}

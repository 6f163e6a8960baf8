//! How far a run is: counted in units, with a rate that was measured and an honest guess of what is left.
//!
//! Nothing is guessed where the amount of work is not known, or where nothing has moved for a while: then it is
//! "unknown", and the items that take long are named instead.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use super::{complain, terminal};
use crate::model::{Stage, Timestamp, Totals};
use crate::report::terminal_lines;
use crate::runtime::Clock;
use crate::scan::pipeline::Summary;
use crate::scan::under_way::UnderWay;
use crate::script::Scheduler;

/// How often progress is looked at, and a drawn line drawn anew.
const TICK: Duration = Duration::from_secs(1);
/// The rate is that of so much time past.
const WINDOW: Duration = Duration::from_secs(30);
/// Less is no basis for a guess.
const SHORTEST: Duration = Duration::from_secs(2);
/// Hosts that must be done before hosts are what is counted on.
const HOSTS_TO_GUESS: u64 = 10;
/// Slow items named in the line.
const NAMED: usize = 2;

/// Everything progress is read off.
pub struct Gauge {
    /// The run's clock.
    pub clock: Clock,
    /// When this run began.
    pub started: Timestamp,
    /// What the pipeline counts.
    pub summary: Rc<RefCell<Summary>>,
    /// Hosts under way.
    pub under_way: UnderWay,
    /// Probes that have ended.
    pub probed: Rc<Cell<u64>>,
    /// Ports of each host.
    pub ports: u64,
    /// Runs scripts.
    pub scheduler: Scheduler,
    /// Instances that have ended.
    pub scripts: Rc<RefCell<Totals>>,
    /// Whether any script is selected.
    pub has_scripts: bool,
    /// What was done when.
    pub past: RefCell<VecDeque<Sample>>,
}

/// What was done at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    at: Timestamp,
    hosts: u64,
    probes: u64,
}

/// One reading.
struct Reading {
    now: Sample,
    /// Hosts in all; none as long as names are unresolved.
    hosts: Option<u128>,
    /// Hosts known so far.
    known: u128,
}

impl Gauge {
    /// Shows progress until it is dropped: drawn in place on a terminal, and as lines `every` so often.
    pub async fn show(&self, drawn: bool, every: Option<Duration>) {
        let tick = every.map_or(TICK, |every| every.min(TICK));
        let mut due = every.map(|every| self.clock.now().plus(every));
        loop {
            self.clock.sleep(tick).await;
            self.sample();
            let now = self.clock.now();
            if let Some(at) = due.filter(|at| now >= *at) {
                complain(&self.line());
                due = every.map(|every| at.plus(every).max(now));
            }
            if drawn {
                let line = terminal_lines(&self.line());
                let width = terminal::width().saturating_sub(1);
                terminal::draw(&line.chars().take(width).collect::<String>());
            }
        }
    }

    /// Remembers how far the run is now.
    fn sample(&self) -> Reading {
        let reading = self.read();
        let mut past = self.past.borrow_mut();
        past.push_back(reading.now);
        while past.front().is_some_and(|sample| reading.now.at.since(sample.at) > WINDOW) {
            past.pop_front();
        }
        reading
    }

    fn read(&self) -> Reading {
        let summary = self.summary.borrow();
        let now = Sample {
            at: self.clock.now(),
            hosts: summary.up + summary.down + summary.unknown,
            probes: self.probed.get(),
        };
        let is_known = summary.names_left == 0;
        Reading { now, hosts: is_known.then_some(summary.planned), known: summary.planned }
    }

    /// One line about everything.
    pub fn line(&self) -> String {
        let reading = self.sample();
        let now = reading.now;
        let elapsed = now.at.since(self.started);
        let more = if reading.hosts.is_none() { "+ (names unresolved)" } else { "" };
        let left = self.left(&reading).map_or_else(|| "unknown".to_owned(), |left| format!("about {}", short(left)));
        // What matters most comes first: a narrow terminal cuts the line off.
        let mut line = format!(
            "{} hosts {}/{}{more}, {} under way; left {left}",
            short(elapsed),
            now.hosts,
            reading.known,
            self.under_way.len()
        );
        let slow = self.slow(now.at);
        if !slow.is_empty() {
            let _ = write!(line, "; slowest {}", slow.join(", "));
        }
        if self.has_scripts {
            let ended: u64 = self.scripts.borrow().scripts.values().flat_map(|by_outcome| by_outcome.values()).sum();
            let (alive, planned) = (self.scheduler.alive(), self.scheduler.planned());
            let _ = write!(line, "; scripts {ended} ended, {alive} alive, {planned} waiting");
        }
        if self.ports > 0 {
            let _ = write!(line, "; probes {}", now.probes);
            if let Some(rate) = rate(&self.past.borrow(), now, |sample| sample.probes) {
                let _ = write!(line, " at {rate:.0}/s");
            }
        }
        line
    }

    /// The oldest hosts and script instances, oldest first.
    fn slow(&self, now: Timestamp) -> Vec<String> {
        let hosts = self.under_way.slowest(NAMED).into_iter().map(|(addr, began)| (began, addr.to_string()));
        let scripts = self.scheduler.slowest(NAMED).into_iter();
        let scripts = scripts.map(|slow| (slow.started, format!("{} {}", slow.script, slow.subject)));
        let mut all: Vec<(Timestamp, String)> = scripts.chain(hosts).collect();
        all.sort_by_key(|(began, _)| *began);
        all.into_iter().take(NAMED).map(|(began, what)| format!("{what} {}", short(now.since(began)))).collect()
    }

    /// What is left, as far as the work is known and moves. With scripts only hosts tell: what they still have to run
    /// shows when their ports are known.
    fn left(&self, reading: &Reading) -> Option<Duration> {
        let (hosts, now, past) = (reading.hosts?, reading.now, self.past.borrow());
        let hosts_left = hosts.saturating_sub(u128::from(now.hosts));
        if now.hosts >= HOSTS_TO_GUESS || self.has_scripts {
            let rate = rate(&past, now, |sample| sample.hosts).filter(|_| now.hosts >= HOSTS_TO_GUESS)?;
            return time_for(hosts_left, rate);
        }
        let planned = hosts.checked_mul(u128::from(self.ports))?;
        let done_before = self.summary.borrow_mut().stages.of(Stage::Ports).planned().max(now.probes);
        time_for(planned.saturating_sub(u128::from(done_before)), rate(&past, now, |sample| sample.probes)?)
    }
}

/// Units a second, over the time past that is remembered. None where too little time went by, or where nothing was done
/// for three times as long as a unit takes: then what is left does not come at that rate.
fn rate(past: &VecDeque<Sample>, now: Sample, count: impl Fn(&Sample) -> u64) -> Option<f64> {
    let first = past.front()?;
    let (time, units) = (now.at.since(first.at), count(&now).saturating_sub(count(first)));
    if time < SHORTEST || units == 0 {
        return None;
    }
    let rate = units as f64 / time.as_secs_f64();
    let latest = past.iter().rev().find(|sample| count(sample) < count(&now))?;
    let idle = now.at.since(latest.at).as_secs_f64();
    (idle <= (3.0 / rate).max(SHORTEST.as_secs_f64())).then_some(rate)
}

/// The time for `units` at `rate`; none beyond ten days, which nobody can foretell.
fn time_for(units: u128, rate: f64) -> Option<Duration> {
    let seconds = units as f64 / rate;
    (seconds < 864_000.0).then(|| Duration::from_secs_f64(seconds))
}

/// `8s`, `1m05s`, `2h03m`.
pub fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hosts done, second by second.
    fn rate_of(done: &[u64]) -> Option<f64> {
        let sample = |(second, hosts): (usize, &u64)| Sample {
            at: Timestamp(second as u64 * 1_000_000_000),
            hosts: *hosts,
            probes: 0,
        };
        let past: VecDeque<Sample> = done.iter().enumerate().map(sample).collect();
        rate(&past, *past.back()?, |sample| sample.hosts)
    }

    #[test]
    fn what_does_not_move_has_no_rate() {
        assert_eq!(rate_of(&[0, 10, 20]), Some(10.0));
        assert_eq!(rate_of(&[0, 1000]), None, "a second is no basis");
        assert_eq!(rate_of(&[0; 20]), None);
        assert_eq!(rate_of(&[0, 10, 20, 20, 20]), None, "a host that is stuck at the end does not count down");
        assert_eq!(rate_of(&[0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2]), Some(0.2), "slow is not stuck");
    }

    #[test]
    fn what_is_left_is_known_or_unknown() {
        assert_eq!(time_for(100, 2.0), Some(Duration::from_secs(50)));
        assert_eq!(time_for(u128::MAX, 1e6), None, "an endless scan");
        assert_eq!(time_for(0, 2.0), Some(Duration::ZERO));
    }

    #[test]
    fn times_are_short() {
        let shown = [0, 59, 65, 3600, 7380].map(|seconds| short(Duration::from_secs(seconds)));
        assert_eq!(shown, ["0s", "59s", "1m05s", "1h00m", "2h03m"]);
    }
}

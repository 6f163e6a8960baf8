//! `--merge`: the JSON Lines of the shards of one scan, joined into one report.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::complain;
use super::outputs::{self, Sink};
use crate::cli::Merge;
use crate::error::{Error, ExitCode};
use crate::model::{Ending, Event, Host, HostState, RunEnd, RunStart, Stage, Timestamp, Totals};
use crate::report::read_line;

/// Joins the files of `merge`.
pub fn run(merge: &Merge) -> Result<ExitCode, Error> {
    let mut starts = Vec::new();
    for path in &merge.files {
        starts.push((path.as_path(), start(path)?));
    }
    let missing = check(&starts)?;
    let Some((_, first)) = starts.first() else { return Err(Error::Usage("--merge: no file".to_owned())) };
    let began = starts.iter().map(|(_, start)| start.at).min().unwrap_or(first.at);
    let sink = Sink::new(outputs::open(&merge.report)?);
    sink.emit(&Event::Start(RunStart { at: began, shard: None, ..first.clone() }));
    let mut joined = Joined { sink, hosts: HashSet::new(), totals: Totals::default(), ended: began, whole: true };
    for path in &merge.files {
        joined.add(path)?;
    }
    if !missing.is_empty() {
        complain(&format!("--merge: no report of shard {}", missing.join(", ")));
        joined.whole = false;
    }
    Ok(joined.finish(began, merge.allow_incomplete))
}

/// The first line of a report.
fn start(path: &Path) -> Result<RunStart, Error> {
    let mut line = String::new();
    reader(path)?.read_line(&mut line).map_err(|error| failed(path, &error.to_string()))?;
    match read_line(&line) {
        Ok(Event::Start(start)) => Ok(start),
        Ok(_) => Err(failed(path, "it does not begin with run_start: a report in JSON Lines (-oJ) is needed")),
        Err(problem) => Err(failed(path, &format!("line 1: {problem}"))),
    }
}

fn reader(path: &Path) -> Result<BufReader<File>, Error> {
    File::open(path).map(BufReader::new).map_err(|error| failed(path, &error.to_string()))
}

fn failed(path: &Path, problem: &str) -> Error {
    Error::Usage(format!("--merge {}: {problem}", path.display()))
}

/// Refuses what does not belong together; returns the shards nobody reports.
fn check(starts: &[(&Path, RunStart)]) -> Result<Vec<String>, Error> {
    let mut shards = HashSet::new();
    let Some(((first_path, first), others)) = starts.split_first() else { return Ok(Vec::new()) };
    shards.insert(first.shard.map_or(1, |shard| shard.index));
    for (path, start) in others {
        let with = format!("{} ({})", first_path.display(), first.args);
        if start.scan != first.scan {
            return Err(failed(path, &format!("it is of another scan ({}) than {with}", start.args)));
        }
        match (first.shard, start.shard) {
            (Some(one), Some(other)) if one.of == other.of => {
                if !shards.insert(other.index) {
                    return Err(failed(path, &format!("shard {other} is there twice")));
                }
            }
            (Some(one), Some(other)) => return Err(failed(path, &format!("it is shard {other}, and {with} is {one}"))),
            _ => return Err(failed(path, &format!("it is no shard of one scan together with {with}"))),
        }
    }
    let of = first.shard.map_or(1, |shard| shard.of);
    Ok((1..=of).filter(|index| !shards.contains(index)).map(|index| format!("{index}/{of}")).collect())
}

/// The report being made.
struct Joined {
    sink: Sink,
    hosts: HashSet<(std::net::IpAddr, u32)>,
    totals: Totals,
    ended: Timestamp,
    /// Nothing planned was left undone, and every report has its end.
    whole: bool,
}

impl Joined {
    fn add(&mut self, path: &Path) -> Result<(), Error> {
        // What the lines tell, for a report without its end.
        let mut told = Totals::default();
        let mut end = None;
        let mut torn: Option<String> = None;
        for (number, line) in reader(path)?.lines().enumerate() {
            if let Some(problem) = torn.take() {
                return Err(failed(path, &problem));
            }
            let line = line.map_err(|error| failed(path, &error.to_string()))?;
            match read_line(&line) {
                Ok(Event::Start(_)) => {}
                Ok(Event::Host(host)) => self.host(*host, &mut told),
                Ok(Event::End(ended)) => end = Some(ended),
                Ok(event) => {
                    told.unresolved += u64::from(matches!(event, Event::TargetSkipped { .. }));
                    self.sink.emit(&event);
                }
                Err(problem) => torn = Some(format!("line {}: {problem}", number + 1)),
            }
        }
        self.close(path, end, told);
        Ok(())
    }

    fn host(&mut self, host: Host, told: &mut Totals) {
        told.count_host(&host);
        let ports = host.ports.len() + host.folded.iter().map(|folded| folded.count).sum::<usize>();
        told.ports += ports as u64;
        told.stages.of(Stage::Ports).done += ports as u64;
        let hosts = told.stages.of(Stage::Hosts);
        *(if host.timed_out { &mut hosts.timed_out } else { &mut hosts.done }) += 1;
        told.unfinished += u64::from(host.timed_out);
        self.ended = self.ended.max(host.ended);
        if !self.hosts.insert((host.target.addr, host.target.scope)) {
            complain(&format!("--merge: {} is in several reports; the first is kept", host.target.addr));
            return;
        }
        match host.state {
            HostState::Up => self.totals.up += 1,
            HostState::Down => self.totals.down += 1,
            HostState::Unknown => self.totals.unknown += 1,
        }
        self.totals.degraded += u64::from(host.degraded);
        self.sink.emit(&Event::Host(Box::new(host)));
    }

    fn close(&mut self, path: &Path, end: Option<RunEnd>, told: Totals) {
        let totals = if let Some(end) = end {
            self.ended = self.ended.max(end.at);
            self.whole &= end.ending == Ending::Complete;
            end.totals
        } else {
            complain(&format!("--merge {}: its run did not come to its end", path.display()));
            self.whole = false;
            told
        };
        self.totals.unresolved += totals.unresolved;
        self.totals.unfinished += totals.unfinished;
        self.totals.ports += totals.ports;
        let (all, packets) = (&mut self.totals.packets, totals.packets);
        all.seen += packets.seen;
        all.delivered += packets.delivered;
        all.dropped += packets.dropped;
        all.lost += packets.lost;
        self.totals.stages.add(&totals.stages);
        for (id, by_outcome) in &totals.scripts {
            for (outcome, count) in by_outcome {
                self.totals.count_many(id, *outcome, *count);
            }
        }
    }

    fn finish(self, began: Timestamp, allow_incomplete: bool) -> ExitCode {
        let ending = if self.whole { Ending::Complete } else { Ending::Incomplete };
        let (at, totals) = (self.ended, self.totals);
        self.sink.emit(&Event::End(RunEnd { at, elapsed: at.since(began), ending, totals }));
        match ending {
            _ if self.sink.has_failed() => ExitCode::Failure,
            Ending::Complete => ExitCode::Complete,
            _ if allow_incomplete => ExitCode::Complete,
            _ => ExitCode::Incomplete,
        }
    }
}

//! The main job: the title of one page from each of 4,096 hosts, whole process.

use std::env;

use super::figures::{Series, Unit};
use super::nginx::TITLE;
use super::process::{self, Program};
use super::table::{Goal, Table};
use super::{Bench, Failure, HOSTS, TARGETS, bare};

const ROUNDS: usize = 9;
const MEMORY_ROUNDS: usize = 3;
/// Fewer hosts under way: in case that suits the anchor better than what sonde has (one window of 4,096 hosts).
const FEW: usize = 256;
const WORK: &str = "http-title, 4,096 hosts";
const MEMORY: &str = "http-title, peak memory";

pub fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let (itself, port) = (env::current_exe()?, bench.port());
    let mut programs = vec![
        bare::program(&itself, &port, HOSTS),
        bare::program(&itself, &port, FEW),
        bench.sonde(["-n", "-Pn", "-sT", "-p", &port, "--script", "http-title", TARGETS]),
    ];
    programs.extend(bench.nmap(["-n", "-Pn", "-sT", "-p", &port, "--script", "http-title", TARGETS]));

    let mut times = vec![Series::new(Unit::Seconds); programs.len()];
    process::interleave(&programs, ROUNDS, bench.folder(), |index, ran| {
        check(&programs[index], &ran.stdout)?;
        times[index].push_time(ran.wall);
        Ok(())
    })?;
    let anchor = usize::from(times[1].median() < times[0].median());
    table.row(WORK, "bare client, 4,096 in flight", &times[0], &Goal::None);
    table.row(WORK, "bare client, 256 in flight", &times[1], &Goal::None);
    table.row(WORK, "sonde", &times[2], &Goal::AtMost(0.25));
    table.row(WORK, "sonde, to the faster bare client", &times[2], &Goal::Times(2.0, &times[anchor]));
    if let Some(nmap) = times.get(3) {
        table.row(WORK, "nmap", nmap, &Goal::None);
        table.ratio(WORK, "nmap, to sonde", nmap, &times[2], None);
    }
    table.remark(WORK, "everybody", "all 4,096 titles equal, in every run");
    peaks(bench, &programs, table)
}

fn peaks(bench: &Bench, programs: &[Program], table: &mut Table) -> Result<(), Failure> {
    for (index, program) in programs.iter().enumerate().filter(|(index, _)| *index != 1) {
        let mut series = Series::new(Unit::Bytes);
        for _ in 0..MEMORY_ROUNDS {
            let (peak, stdout) = program.peak(bench.folder())?;
            check(program, &stdout)?;
            series.push(peak as f64);
        }
        let goal = if index == 2 { Goal::AtMost(50e6) } else { Goal::None };
        table.row(MEMORY, program.who, &series, &goal);
    }
    Ok(())
}

/// Every host's title must be there and right: a figure for anything else would mean nothing.
pub fn check(program: &Program, stdout: &str) -> Result<(), Failure> {
    let line = format!("http-title: {TITLE}");
    let right = match program.who {
        "bare client" => stdout.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0),
        _ => stdout.lines().filter(|printed| printed.ends_with(&line)).count(),
    };
    if right == HOSTS {
        return Ok(());
    }
    Err(format!("{} found {right} right titles, not {HOSTS}", program.who).into())
}

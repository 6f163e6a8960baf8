//! Scans with packets over veths, sonde and nmap in turn. What each run found is compared with what is there.

use super::figures::{Series, Unit};
use super::found::Found;
use super::peers::{ALONE, CROWD, NETWORK, Peers, WALL};
use super::process::Program;
use super::table::{Goal, Table};
use super::{Bench, Failure};

/// A scan and what it has to find.
struct Work {
    name: &'static str,
    words: &'static [&'static str],
    /// Hosts, all alike, and what they are; see [`Found`].
    truth: (usize, &'static str),
    /// Seconds.
    goal: f64,
    rounds: usize,
    /// How many of the rounds nmap takes part in, which may need a minute.
    nmap_rounds: usize,
    /// Whether each run gets machines that were never scanned.
    fresh: bool,
}

const ALL_PORTS: (usize, &str) = (1, "22/open 443/open 50000/open, 65532 closed");

const SCANS: [Work; 5] = [
    Work {
        name: "SYN scan, 65,535 ports of one host",
        words: &["-n", "-Pn", "-sS", "-p-", "-oG", "-", ALONE],
        truth: ALL_PORTS,
        goal: 0.15,
        rounds: 9,
        nmap_rounds: 9,
        fresh: false,
    },
    Work {
        name: "SYN scan, 249 hosts, 1,000 ports each",
        words: &["-n", "-sS", "-p", "1-1000", "-oG", "-", CROWD],
        truth: (249, "22/open 443/open, 998 closed"),
        goal: 0.5,
        rounds: 7,
        nmap_rounds: 7,
        fresh: false,
    },
    Work {
        name: "SYN scan, 65,535 ports, --min-rate 200000",
        words: &["-n", "-Pn", "-sS", "-p-", "--min-rate", "200000", "-oG", "-", ALONE],
        truth: ALL_PORTS,
        goal: 0.4,
        rounds: 7,
        nmap_rounds: 2,
        fresh: false,
    },
    Work {
        name: "discovery of a /20, 250 up",
        words: &["-n", "-sn", "-oG", "-", NETWORK],
        truth: (250, "up"),
        goal: 2.5,
        rounds: 5,
        nmap_rounds: 5,
        fresh: false,
    },
    Work {
        name: "SYN scan, 1,000 ports, 998 dropped",
        words: &["-n", "-sS", "-p", "1-1000", "-oG", "-", WALL],
        truth: (1, "22/open 80/closed, 998 filtered"),
        goal: 2.0,
        rounds: 5,
        nmap_rounds: 5,
        fresh: false,
    },
];

/// The kernel tells of six closed ports at once and then of one a second (`icmp_ratelimit`): 94 s at least, and for
/// whom it has told nothing yet.
const UDP: Work = Work {
    name: "UDP scan, 100 closed ports, one answer a second",
    words: &["-n", "-Pn", "-sU", "-p", "40001-40100", "-oG", "-", ALONE],
    truth: (1, "100 closed"),
    goal: 97.0,
    rounds: 1,
    nmap_rounds: 1,
    fresh: true,
};

pub fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    compare_all(bench, table, &SCANS)
}

/// Minutes, so only by its own word.
pub fn udp(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    compare_all(bench, table, &[UDP])
}

fn compare_all(bench: &Bench, table: &mut Table, works: &[Work]) -> Result<(), Failure> {
    let mut peers = match Peers::new() {
        Ok(peers) => Some(peers),
        Err(failure) => {
            eprintln!("no network namespaces, the rows of scans with packets are left out: {failure}");
            return Ok(());
        }
    };
    let mut wrong = Vec::new();
    for work in works {
        eprintln!("  {} ...", work.name);
        match compare(bench, work, &mut peers) {
            Ok(contenders) if tell(table, work, &contenders) => {}
            Ok(_) => wrong.push(format!("{}: sonde found something else than there is", work.name)),
            Err(failure) => wrong.push(format!("{}: {failure}", work.name)),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// One of those who are compared, and what its runs came to.
struct Contender {
    program: Program,
    rounds: usize,
    times: Series,
    found: Vec<Found>,
}

/// Runs everybody in turn, each round beginning with another one.
fn compare(bench: &Bench, work: &Work, peers: &mut Option<Peers>) -> Result<Vec<Contender>, Failure> {
    let contender =
        |program, rounds| Contender { program, rounds, times: Series::new(Unit::Seconds), found: Vec::new() };
    let mut contenders = vec![contender(bench.sonde(work.words), work.rounds)];
    contenders.extend(bench.nmap(work.words).map(|nmap| contender(nmap, work.nmap_rounds)));
    let count = contenders.len();
    for round in 0..work.rounds {
        for turn in 0..count {
            let Some(contender) = contenders.get_mut((round + turn) % count) else { continue };
            if round >= contender.rounds {
                continue;
            }
            if work.fresh {
                drop(peers.take()); // their names are free before they are given again
                *peers = Some(Peers::new()?);
            }
            let ran = contender.program.run(bench.folder())?;
            contender.times.push_time(ran.wall);
            contender.found.push(Found::read(&ran.stdout));
        }
    }
    Ok(contenders)
}

/// Adds the rows; whether sonde found what there is in all runs.
fn tell(table: &mut Table, work: &Work, contenders: &[Contender]) -> bool {
    for contender in contenders {
        let goal = if contender.program.who == "sonde" { Goal::AtMost(work.goal) } else { Goal::None };
        table.row(work.name, contender.program.who, &contender.times, &goal);
    }
    if let [sonde, nmap] = contenders {
        table.ratio(work.name, "nmap, to sonde", &nmap.times, &sonde.times, None);
    }
    let (hosts, kind) = work.truth;
    let truth = Found::alike(hosts, kind);
    let mut is_right = true;
    for contender in contenders {
        let (who, runs) = (contender.program.who, contender.found.len());
        let errors: Vec<&Found> = contender.found.iter().filter(|found| **found != truth).collect();
        let text = match errors.first() {
            None => format!("right in {runs} of {runs} runs: {truth}"),
            Some(first) => format!("WRONG in {} of {runs} runs: {first}; there is {truth}", errors.len()),
        };
        table.remark(work.name, who, &text);
        is_right &= errors.is_empty() || who != "sonde";
    }
    is_right
}

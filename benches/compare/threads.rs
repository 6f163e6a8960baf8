//! What threads of scripts cost: many that take turns at one mutex, many workers started and joined.

use std::time::Duration;

use super::figures::{Series, Unit};
use super::lab::Lab;
use super::table::{Goal, Table};
use super::{Bench, Failure};

const ROUNDS: usize = 7;
/// Instances that want the mutex; the same number is in the script.
const INSTANCES: usize = 10_000;
/// Workers of one run; the script starts them in crews of 1,000.
const WORKERS: usize = 100_000;

const SCRIPTS: &[(&str, &str)] = &[("mutex.rhai", MUTEX), ("workers.rhai", CREWS)];

/// The first holds it until all have come, so that all others are waiting when it begins to go round.
const MUTEX: &str = "const prerule = true;
fn action() {
    let m = locks::mutex(\"shared\");
    bench::mark();
    locks::lock(m);
    while bench::marks() < 10000 { worker::pause(); }
    locks::done(m);
}
";

const CREWS: &str = "const prerule = true;
fn action() {
    for round in 0..100 {
        let crew = [];
        bench::mark();
        for number in 0..1000 { crew.push(worker::start(|n| n, number)); }
        bench::mark();
        let sum = 0;
        for member in crew { sum += worker::join(member); }
        if sum != 499500 { throw `a worker's result is lost: ${sum}`; }
    }
}
";

pub fn measure(_: &Bench, table: &mut Table) -> Result<(), Failure> {
    let lab = Lab::new(SCRIPTS);
    let [mut whole, mut turns, mut crews, mut start] = [(); 4].map(|()| Series::new(Unit::Seconds));
    for _ in 0..ROUNDS {
        let ran = lab.run("mutex", INSTANCES)?;
        let all_there = ran.marks.last().ok_or("nobody came to the mutex")?;
        whole.push_time(ran.elapsed);
        turns.push_time(ran.ended - *all_there);
        let ran = lab.run("workers", 1)?;
        let starting: Duration = ran.marks.chunks_exact(2).map(|pair| pair[1] - pair[0]).sum();
        crews.push_time(ran.elapsed);
        start.push(starting.as_secs_f64() / WORKERS as f64);
    }
    let work = "10,000 instances take turns at one mutex";
    table.row(work, "sonde, from start to end", &whole, &Goal::AtMost(0.05));
    table.row(work, "sonde, from all waiting to end", &turns, &Goal::None);
    let work = "100,000 workers of one script";
    table.row(work, "sonde, started and joined", &crews, &Goal::None);
    table.row(work, "sonde, one start", &start, &Goal::AtMost(2e-6));
    Ok(())
}

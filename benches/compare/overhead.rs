//! What starting a script costs: one that only returns, on 4,096 hosts, beside the same scan without it.

use super::process::{self, Program};
use super::table::{Goal, Table};
use super::{Bench, Failure, TARGETS, script};

const ROUNDS: usize = 11;
const WORK: &str = "a script that only returns, 4,096 hosts";

pub fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let port = bench.port();
    let mut programs: Vec<Program> = Vec::new();
    for (is_nmap, file) in [(false, "nothing.rhai"), (true, "nothing.nse")] {
        let file = script(file);
        let alone = ["-n", "-Pn", "-sT", "-p", &port, TARGETS];
        let with = ["-n", "-Pn", "-sT", "-p", &port, "--script", &file, TARGETS];
        if is_nmap {
            programs.extend(bench.nmap(alone));
            programs.extend(bench.nmap(with));
        } else {
            programs.extend([bench.sonde(alone), bench.sonde(with)]);
        }
    }
    let times = process::times(&programs, ROUNDS, bench.folder())?;
    for (pair, program) in times.chunks(2).zip(programs.iter().step_by(2)) {
        let [alone, with] = pair else { continue };
        let added = with.minus(alone);
        let goal = if program.who == "sonde" { Goal::AtMost(0.04) } else { Goal::None };
        table.row(WORK, &format!("{}, scan alone", program.who), alone, &Goal::None);
        table.row(WORK, &format!("{}, with the script", program.who), with, &Goal::None);
        table.row(WORK, &format!("{}, added", program.who), &added, &goal);
    }
    Ok(())
}

//! A connect scan of every port of one near host.

use super::table::{Goal, Table};
use super::{Bench, Failure, process};

const ROUNDS: usize = 9;
const WORK: &str = "65,535 ports of 127.0.0.1";

pub fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let mut programs = vec![bench.sonde(["-n", "-Pn", "-sT", "-p-", "127.0.0.1"])];
    programs.extend(bench.nmap(["-n", "-Pn", "-sT", "-p-", "127.0.0.1"]));
    let times = process::times(&programs, ROUNDS, bench.folder())?;
    for (program, series) in programs.iter().zip(&times) {
        let goal = if program.who == "sonde" { Goal::AtMost(0.6) } else { Goal::None };
        table.row(WORK, program.who, series, &goal);
    }
    if let [sonde, nmap] = &times[..] {
        table.ratio(WORK, "nmap, to sonde", nmap, sonde, None);
    }
    Ok(())
}

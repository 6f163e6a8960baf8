//! From nothing to knowing every script: `--script-help all`.

use super::table::{Goal, Table};
use super::{Bench, Failure, process};

const ROUNDS: usize = 15;
const WORK: &str = "start, --script-help all";

pub fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let mut programs = vec![bench.sonde(["--script-help", "all"])];
    programs.extend(bench.nmap(["--script-help", "all"]));
    let times = process::times(&programs, ROUNDS, bench.folder())?;
    for (program, series) in programs.iter().zip(&times) {
        let goal = if program.who == "sonde" { Goal::AtMost(0.03) } else { Goal::None };
        table.row(WORK, program.who, series, &goal);
    }
    Ok(())
}

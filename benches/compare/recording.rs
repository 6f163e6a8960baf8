//! What recording the main job costs, and how long its replay takes, whole process.

use super::figures::{Series, Unit};
use super::process::{self, Program};
use super::table::{Goal, Table};
use super::{Bench, Failure, TARGETS, titles};

const ROUNDS: usize = 11;
const CPU_ROUNDS: usize = 5;
const WORK: &str = "http-title, 4,096 hosts, on record";
const CPU: &str = "http-title, 4,096 hosts, processor time";
const WHO: [&str; 3] = ["sonde, not recorded", "sonde, recorded", "sonde, the replay"];

pub fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let (port, file) = (bench.port(), bench.folder().join("run.pcapng").display().to_string());
    let plain = ["-n", "-Pn", "-sT", "-p", &port, "--script", "http-title", TARGETS];
    let programs = [
        bench.sonde(plain),
        bench.sonde(plain.into_iter().chain(["--record", &file])),
        bench.sonde(["--replay", &file]),
    ];
    let mut times = vec![Series::new(Unit::Seconds); programs.len()];
    process::interleave(&programs, ROUNDS, bench.folder(), |index, ran| {
        titles::check(&programs[index], &ran.stdout)?;
        times[index].push_time(ran.wall);
        Ok(())
    })?;
    let on_core = on_core(bench, &programs)?;
    for (work, series, most) in [(WORK, &times, Some(0.3)), (CPU, &on_core, None)] {
        let [plain, recorded, replayed] = series.as_slice() else { continue };
        table.row(work, WHO[0], plain, &Goal::None);
        table.row(work, WHO[1], recorded, &Goal::Times(1.1, plain));
        table.row(work, WHO[2], replayed, &most.map_or(Goal::Times(1.0, plain), Goal::AtMost));
    }
    Ok(())
}

/// Seconds on a core, in turn.
fn on_core(bench: &Bench, programs: &[Program]) -> Result<Vec<Series>, Failure> {
    let mut series = vec![Series::new(Unit::Seconds); programs.len()];
    for _ in 0..CPU_ROUNDS {
        for (program, series) in programs.iter().zip(&mut series) {
            let (_, seconds, stdout) = program.cost(bench.folder())?;
            titles::check(program, &stdout)?;
            series.push(seconds);
        }
    }
    Ok(series)
}

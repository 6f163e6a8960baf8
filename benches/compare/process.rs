//! Runs a whole program and measures it: wall time, and separately peak memory.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rustix::process::{Resource, getrlimit, setrlimit};

use super::{Failure, figures::Series};

/// How often the kernel's high-water mark is read. Only growth in the last such span of a process's life is missed.
const LOOK_EVERY: Duration = Duration::from_micros(500);

/// A program with its arguments.
pub struct Program {
    pub who: &'static str,
    path: PathBuf,
    words: Vec<String>,
}

/// One finished run.
pub struct Ran {
    pub wall: Duration,
    pub stdout: String,
}

impl Program {
    pub fn new<S: AsRef<str>>(who: &'static str, path: &Path, words: impl IntoIterator<Item = S>) -> Program {
        let words = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
        Program { who, path: path.to_owned(), words }
    }

    /// From its start to its end. Its output goes to a file of `folder`, so that nobody competes with it for a core.
    pub fn run(&self, folder: &Path) -> Result<Ran, Failure> {
        let started = Instant::now();
        let mut child = self.spawn(folder)?;
        let status = child.wait()?;
        let wall = started.elapsed();
        self.check(status, folder)?;
        Ok(Ran { wall, stdout: fs::read_to_string(folder.join("stdout"))? })
    }

    /// The most memory it ever had resident, by the kernel's count, in bytes; and what it printed.
    pub fn peak(&self, folder: &Path) -> Result<(u64, String), Failure> {
        self.cost(folder).map(|(peak, _, stdout)| (peak, stdout))
    }

    /// The same, and the seconds its threads were on a core.
    pub fn cost(&self, folder: &Path) -> Result<(u64, f64, String), Failure> {
        let mut child = self.spawn(folder)?;
        let status_file = format!("/proc/{}/status", child.id());
        let stat_file = format!("/proc/{}/stat", child.id());
        let (mut peak, mut on_core) = (0, 0.0f64);
        let status = loop {
            // Once it has ended the file says nothing of memory; the mark seen last stands.
            let seen = fs::read_to_string(&status_file).ok().and_then(|status| high_water_mark(&status));
            peak = peak.max(seen.unwrap_or(0));
            let seen = fs::read_to_string(&stat_file).ok().and_then(|stat| seconds_on_core(&stat));
            on_core = on_core.max(seen.unwrap_or(0.0));
            if let Some(status) = child.try_wait()? {
                break status;
            }
            thread::sleep(LOOK_EVERY);
        };
        self.check(status, folder)?;
        Ok((peak, on_core, fs::read_to_string(folder.join("stdout"))?))
    }

    fn spawn(&self, folder: &Path) -> Result<Child, Failure> {
        let (stdout, stderr) = (File::create(folder.join("stdout"))?, File::create(folder.join("stderr"))?);
        let mut command = Command::new(&self.path);
        command.args(&self.words).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        command.spawn().map_err(|error| format!("start {}: {error}", self.path.display()).into())
    }

    fn check(&self, status: std::process::ExitStatus, folder: &Path) -> Result<(), Failure> {
        if status.success() {
            return Ok(());
        }
        let said = fs::read_to_string(folder.join("stderr"))?;
        Err(format!("{} {}: {status}\n{said}", self.path.display(), self.words.join(" ")).into())
    }
}

/// The fields `utime` and `stime` of `/proc/<pid>/stat`, which count hundredths of a second (proc(5), `USER_HZ`).
fn seconds_on_core(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// `VmHWM:     5120 kB`, in bytes.
fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Runs all programs once for warmth, then `rounds` times, each round beginning with another one; `record` gets the
/// program's index and what came of it.
pub fn interleave(
    programs: &[Program],
    rounds: usize,
    folder: &Path,
    mut record: impl FnMut(usize, &Ran) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for program in programs {
        program.run(folder)?;
    }
    for round in 0..rounds {
        for turn in 0..programs.len() {
            let index = (round + turn) % programs.len();
            record(index, &programs[index].run(folder)?)?;
        }
    }
    Ok(())
}

/// Wall times of each program, interleaved.
pub fn times(programs: &[Program], rounds: usize, folder: &Path) -> Result<Vec<Series>, Failure> {
    let mut series = vec![Series::new(super::figures::Unit::Seconds); programs.len()];
    interleave(programs, rounds, folder, |index, ran| {
        series[index].push_time(ran.wall);
        Ok(())
    })?;
    Ok(series)
}

/// Where a program is on the search path.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Everybody measured may open as many sockets as this machine grants anyone.
pub fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if setrlimit(Resource::Nofile, limit).is_err() {
        eprintln!("the limit on open files cannot be raised; nginx may run out of connections");
    }
}

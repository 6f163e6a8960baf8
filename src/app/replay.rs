//! `--replay`: from the file to the run it holds, and how they compare.

use std::path::Path;

use super::{complain, inputs, privileges, session};
use crate::cli::{Command, PrivilegeSettings, Replay};
use crate::error::{Error, ExitCode};
use crate::net::faults::Tally;
use crate::net::replay::{self, Differences, Mode};

/// Runs what the recording holds.
pub fn run(asked: &Replay) -> Result<ExitCode, Error> {
    privileges::settle(PrivilegeSettings::default())?; // read as the user who called sudo
    let recording = read(&asked.file)?;
    recording.remarks.iter().for_each(|remark| complain(&format!("{}: {remark}", asked.file.display())));
    let recorded = recording.header.as_ref().map(|header| header.arguments.clone()).unwrap_or_default();
    // An answer that is spoilt changes what follows.
    let mode = if asked.lenient || asked.faults.is_some() { Mode::Lenient } else { Mode::Strict };
    match asked.command(&recorded)? {
        Command::Run(settings) => session::replay(*settings, recording, mode, asked.faults),
        _ => Err(Error::Usage(format!("{}: holds no run to repeat", asked.file.display()))),
    }
}

fn read(path: &Path) -> Result<replay::Recording, Error> {
    let bytes = inputs::read_file(path, replay::MAX_FILE)?;
    replay::recording(&bytes).map_err(|error| Error::Usage(format!("replay {}: {error}", path.display())))
}

/// Tells where the run departed from the recording. A strict one has then failed; one with faults had to depart.
pub fn judge(differences: &Differences, mode: Mode, faults: Option<(u64, Tally)>, code: ExitCode) -> ExitCode {
    if let Some((seed, tally)) = faults {
        complain(&format!(
            "replay: faults of seed {seed}: {tally}; differences that followed: {}",
            differences.count()
        ));
        return code;
    }
    let (lines, count) = (differences.lines(), differences.count());
    for line in &lines {
        complain(&format!("replay: {line}"));
    }
    if count > lines.len() {
        complain(&format!("replay: {} further differences", count - lines.len()));
    }
    if count > 0 && mode == Mode::Strict { ExitCode::Different } else { code }
}

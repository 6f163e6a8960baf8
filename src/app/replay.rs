//! `--replay`: from the file to the run it holds, and how they compare.

use std::path::Path;

use super::{complain, inputs, privileges, session};
use crate::cli::{Command, PrivilegeSettings, Replay};
use crate::error::{Error, ExitCode};
use crate::net::faults::Tally;
use crate::net::replay::{self, Differences, Mode};

/// What a replay came to.
pub struct Replayed {
    /// As a run of its own.
    pub code: ExitCode,
    /// Where it departed from the recording.
    pub differences: Differences,
    /// The seed of the faults and what they spoilt, where some were asked for.
    pub faults: Option<(u64, Tally)>,
}

/// Runs what the recording holds.
pub fn run(asked: &Replay) -> Result<ExitCode, Error> {
    privileges::settle(PrivilegeSettings::default())?; // read as the user who called sudo
    let recording = read(&asked.file)?;
    recording.remarks.iter().for_each(|remark| complain(&format!("{}: {remark}", asked.file.display())));
    let recorded = recording.header.as_ref().map(|header| header.arguments.clone()).unwrap_or_default();
    // An answer that is spoilt changes what follows.
    let mode = if asked.lenient || asked.faults.is_some() { Mode::Lenient } else { Mode::Strict };
    match asked.command(&recorded)? {
        Command::Run(settings) => {
            session::replay(*settings, recording, mode, None, asked.faults).map(|replayed| judge(replayed, mode))
        }
        _ => Err(Error::Usage(format!("{}: holds no run to repeat", asked.file.display()))),
    }
}

/// The recording in the file at `path`.
pub fn read(path: &Path) -> Result<replay::Recording, Error> {
    let bytes = inputs::read_file(path, replay::MAX_FILE)?;
    replay::recording(&bytes).map_err(|error| Error::Usage(format!("replay {}: {error}", path.display())))
}

/// Tells where the run departed from the recording. A strict one has then failed; one with faults had to depart.
fn judge(replayed: Replayed, mode: Mode) -> ExitCode {
    let Replayed { code, differences, faults } = replayed;
    if let Some((seed, tally)) = faults {
        complain(&format!(
            "replay: faults of seed {seed}: {tally}; differences that followed: {}",
            differences.count()
        ));
        return code;
    }
    for line in told(&differences) {
        complain(&format!("replay: {line}"));
    }
    if differences.count() > 0 && mode == Mode::Strict { ExitCode::Different } else { code }
}

/// The differences, a line each, as many as were kept.
pub fn told(differences: &Differences) -> Vec<String> {
    let mut lines = differences.lines();
    if differences.count() > lines.len() {
        lines.push(format!("{} further differences", differences.count() - lines.len()));
    }
    lines
}

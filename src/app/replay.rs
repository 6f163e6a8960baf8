//! `--replay`: from the file to the run it holds, and how they compare.

use std::path::Path;

use super::{complain, inputs, privileges, session};
use crate::cli::{Command, PrivilegeSettings, Replay};
use crate::error::{Error, ExitCode};
use crate::net::replay::{self, Differences, Mode};

/// Runs what the recording holds.
pub fn run(asked: &Replay) -> Result<ExitCode, Error> {
    privileges::settle(PrivilegeSettings::default())?; // read as the user who called sudo
    let recording = read(&asked.file)?;
    recording.remarks.iter().for_each(|remark| complain(&format!("{}: {remark}", asked.file.display())));
    let recorded = recording.header.as_ref().map(|header| header.arguments.clone()).unwrap_or_default();
    let mode = if asked.lenient { Mode::Lenient } else { Mode::Strict };
    match asked.command(&recorded)? {
        Command::Run(settings) => {
            let (code, differences) = session::replay(*settings, recording, mode, None)?;
            Ok(judge(&differences, mode, code))
        }
        _ => Err(Error::Usage(format!("{}: holds no run to repeat", asked.file.display()))),
    }
}

/// The recording in the file at `path`.
pub fn read(path: &Path) -> Result<replay::Recording, Error> {
    let bytes = inputs::read_file(path, replay::MAX_FILE)?;
    replay::recording(&bytes).map_err(|error| Error::Usage(format!("replay {}: {error}", path.display())))
}

/// Tells where the run departed from the recording. A strict one has then failed.
fn judge(differences: &Differences, mode: Mode, code: ExitCode) -> ExitCode {
    for line in told(differences) {
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

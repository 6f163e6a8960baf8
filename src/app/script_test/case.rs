//! One case: a folder with the recording of a run, what made it, and what its reports shall say.
//!
//! ```toml
//! shows = "the title of the page behind one redirect"
//! arguments = ["-n", "-p", "8080", "--script", "+http-title", "127.0.0.1"]
//! server = "nginx"
//! version = "1.26.3"
//! made = "make record-case SCRIPT=http-title CASE=found TARGET=127.0.0.1 PORT=8080"
//! redacted = "nothing"
//! ```

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::super::replay::Replayed;
use super::super::{inputs, outputs, replay, session};
use super::difference;
use crate::cli::{self, Command, ScriptTest};
use crate::error::{Error, ExitCode};
use crate::net::replay::Mode;

/// Longest file beside the recording.
const MAX_FILE: u64 = 16 << 20;

/// Where a case is.
pub struct Case {
    /// The script it belongs to.
    pub script: String,
    /// Its own name.
    pub name: String,
    /// The folder of all cases.
    pub folder: PathBuf,
}

/// What came of a case.
pub enum Outcome {
    /// It said what it shall say.
    Same,
    /// What it said was written down.
    Accepted,
    /// It did not: lines for the user.
    Different(Vec<String>),
}

/// `case.toml`: strict, unknown keys refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    /// What the case shows, one sentence.
    shows: String,
    /// The words of the command line, without the program's name.
    arguments: Vec<String>,
    /// The program that answered.
    server: String,
    /// Its version.
    version: String,
    /// How the recording was made, so that it can be made again.
    made: String,
    /// What was taken out of it.
    redacted: String,
    /// Whether the recording is another program's: differences in what is sent are no faults then.
    #[serde(default)]
    lenient: bool,
}

impl Description {
    fn read(path: &Path) -> Result<Description, Error> {
        let text = text(path)?;
        let wrong = |error: &dyn std::fmt::Display| Error::Usage(format!("{}: {error}", path.display()));
        let read: Description = toml::from_str(&text).map_err(|error| wrong(&error))?;
        let said = [
            ("shows", &read.shows),
            ("server", &read.server),
            ("version", &read.version),
            ("made", &read.made),
            ("redacted", &read.redacted),
        ];
        match said.iter().find(|(_, value)| value.trim().is_empty()) {
            Some((key, _)) => Err(wrong(&format!("{key} says nothing"))),
            None => Ok(read),
        }
    }
}

impl Case {
    /// Replays it and compares.
    pub fn run(&self, request: &ScriptTest) -> Result<Outcome, Error> {
        let folder = self.folder.join(&self.script).join(&self.name);
        let description = Description::read(&folder.join("case.toml"))?;
        let said = replayed(&folder, &description, request)?;
        if !said.differences.is_empty() {
            return Ok(Outcome::Different(said.differences)); // what such a run says is not what the script says
        }
        let mut lines = Vec::new();
        for (name, now) in [("expected.txt", said.text), ("expected.jsonl", said.lines)] {
            let path = folder.join(name);
            if request.accept {
                outputs::rewrite(&path, now.as_bytes())?;
            } else {
                lines.extend(difference::of(name, &text(&path)?, &now));
            }
        }
        Ok(match (lines.is_empty(), request.accept) {
            (true, true) => Outcome::Accepted,
            (true, false) => Outcome::Same,
            (false, _) => Outcome::Different(lines),
        })
    }
}

/// What a case said.
struct Said {
    text: String,
    lines: String,
    /// Where it departed from the recording.
    differences: Vec<String>,
}

fn replayed(folder: &Path, description: &Description, request: &ScriptTest) -> Result<Said, Error> {
    let recording = replay::read(&folder.join("wire.pcapng"))?;
    let words: Vec<OsString> = description.arguments.iter().map(OsString::from).collect();
    let Command::Run(mut settings) = cli::parse(&words)? else {
        return Err(Error::Usage("case.toml: arguments are no scan".to_owned()));
    };
    settings.record = None;
    settings.scripts.dirs.extend(request.dirs.iter().cloned());
    let (reports, text, lines) = outputs::in_memory(&settings.report);
    let mode = if description.lenient { Mode::Lenient } else { Mode::Strict };
    let Replayed { code, differences, .. } = session::replay(*settings, recording, mode, Some(reports), None)?;
    let mut differences = if description.lenient { Vec::new() } else { replay::told(&differences) };
    if code == ExitCode::Different {
        differences.push("the replay stood still: somebody waits for what the recording does not hold".to_owned());
    }
    Ok(Said { text: text.text(), lines: without_start(&lines.text()), differences })
}

/// The first line tells version and command line, which may change without any change of a script.
fn without_start(lines: &str) -> String {
    let kept = lines.split_inclusive('\n').filter(|line| !line.starts_with("{\"type\":\"run_start\""));
    kept.collect()
}

fn text(path: &Path) -> Result<String, Error> {
    let bytes = inputs::read_file(path, MAX_FILE)?;
    String::from_utf8(bytes).map_err(|_| Error::Usage(format!("{}: not UTF-8", path.display())))
}

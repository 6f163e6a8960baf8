//! The composition root: the only place that sees every room. Wires, decides nothing else.

mod course;
mod door;
mod embedded;
mod identity;
mod inputs;
mod interface_list;
mod interrupt;
mod journal;
mod keys;
mod merge;
mod outputs;
mod privileges;
mod probing;
mod progress;
mod replay;
mod script_help;
mod script_test;
mod scripts;
mod session;
mod simulation;
mod surroundings;
mod terminal;
mod trace;
mod why;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use crate::cli::{self, Command, RunSettings};
use crate::error::{Error, ExitCode};
use crate::report;

pub use scripts::Engine;

/// From the words of the command line (without the program's name) to the exit code. Results go to stdout, all else to
/// stderr.
pub fn run(arguments: &[OsString]) -> ExitCode {
    match dispatch(arguments) {
        Ok(code) => code,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(&error)
        }
    }
}

fn dispatch(arguments: &[OsString]) -> Result<ExitCode, Error> {
    match cli::parse(arguments)? {
        Command::Help(text) | Command::Version(text) | Command::Notice(text) => print(&text),
        Command::ScriptHelp(request) => script_help::run(&request).and_then(|text| print(&text)),
        Command::InterfaceList => interface_list::run().and_then(|text| print(&text)),
        Command::Merge(request) => merge::run(&request),
        Command::Resume { journal, keys } => resume(&journal, keys),
        Command::Run(settings) => session::run(*settings),
        Command::ScriptTest(request) => script_test::run(&request),
        Command::Replay(asked) => replay::run(&asked),
    }
}

/// Goes on with the run of a journal, by the command line in it.
fn resume(path: &Path, keys: bool) -> Result<ExitCode, Error> {
    let words: Vec<OsString> = journal::Head::read(path)?.words.into_iter().map(OsString::from).collect();
    match cli::parse(&words)? {
        Command::Run(mut settings) => {
            settings.run = RunSettings { journal: Some(path.to_owned()), resume: true, ..settings.run };
            settings.run.keys &= keys;
            if settings.record.take().is_some() {
                complain("--record has no effect: the recording of a run cannot go on with it");
            }
            session::run(*settings)
        }
        _ => Err(Error::Usage(format!("--resume {}: its command line is no scan", path.display()))),
    }
}

/// Writes `text` to stdout; a reader that has gone is no error.
fn print(text: &str) -> Result<ExitCode, Error> {
    let mut stdout = io::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    match write!(stdout, "{text}{newline}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::File(format!("write stdout: {error}"))),
        _ => Ok(ExitCode::Complete),
    }
}

/// One message for the user, on stderr. It may quote a peer, so a terminal gets nothing it would act on. Nobody is left
/// to tell if stderr itself fails.
fn complain(text: &str) {
    terminal::erase();
    let _ = writeln!(io::stderr().lock(), "sonde: {}", report::terminal_lines(text.trim_end()));
}

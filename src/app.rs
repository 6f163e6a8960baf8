//! The composition root: the only place that sees every room. Wires, decides nothing else.

mod embedded;
mod inputs;
mod interrupt;
mod outputs;
mod privileges;
mod replay;
mod script_help;
mod scripts;
mod session;
mod simulation;
mod surroundings;
mod trace;
mod why;

use std::ffi::OsString;
use std::io::{self, Write};

use crate::cli::{self, Command};
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
        Command::Run(settings) => session::run(*settings, arguments),
        Command::Replay(asked) => replay::run(&asked),
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
    let _ = writeln!(io::stderr().lock(), "sonde: {}", report::terminal_lines(text.trim_end()));
}

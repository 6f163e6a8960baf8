//! Errors by who is at fault, and the exit code each leads to.

use std::fmt;

/// Why a run could not do what was asked.
#[derive(Debug)]
pub enum Error {
    /// The command line, a list file or an argument is wrong.
    Usage(String),
    /// A script asked for by name is wrong; the text carries file, line and caret.
    Script(String),
    /// What was asked for needs a privilege this process lacks.
    Privilege(String),
    /// A file could not be read or written: path and cause.
    File(String),
    /// This program is wrong.
    Internal(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(text) | Error::Script(text) | Error::Privilege(text) | Error::File(text) => f.write_str(text),
            Error::Internal(text) => write!(f, "internal error: {text}"),
        }
    }
}

impl std::error::Error for Error {}

/// What the shell sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// Everything planned was done.
    Complete = 0,
    /// The program itself failed, or a file could not be written.
    Failure = 1,
    /// Wrong usage, including a broken script asked for by name.
    Usage = 2,
    /// Something planned was not done.
    Incomplete = 3,
    /// A privilege is missing for what was asked.
    Privilege = 4,
    /// A replay departed from its recording, or a case of a script from what is expected.
    Different = 5,
    /// Interrupted, with valid output.
    Interrupted = 130,
}

impl From<&Error> for ExitCode {
    fn from(error: &Error) -> ExitCode {
        match error {
            Error::Usage(_) | Error::Script(_) => ExitCode::Usage,
            Error::Privilege(_) => ExitCode::Privilege,
            Error::File(_) | Error::Internal(_) => ExitCode::Failure,
        }
    }
}

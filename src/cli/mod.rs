//! The command line: from the words typed to typed settings, in two stages.
//!
//! [`normalise`] rewrites nmap's habits into long options, argh reads them into [`flags::Flags`] (what was typed), and
//! the second stage makes [`Settings`] of them (what it means, resolved once): one small struct for each room.
//!
//! Never here: reading a file, the clock or the environment; opening anything; target, port or script expressions (they
//! stay text, their rooms read them); printing and exiting.

mod discovery;
pub mod flags;
mod help;
pub mod normalise;
mod operation;
mod refused;
mod replay;
mod resolve;
mod scanning;
pub mod settings;
mod spelling;
mod tcp_flags;
mod timing;
mod usage;
mod values;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;

use argh::FromArgs;

pub use replay::Replay;
pub use settings::{
    Color, Destination, DiscoveryMode, DiscoverySettings, Family, Format, NameSettings, PingSettings, PortSettings,
    PrivilegeSettings, ReportSettings, RunSettings, ScanSettings, ScriptSettings, Settings, Source, TargetSettings,
    TimingSettings,
};
pub use usage::UsageError;

use flags::Flags;
use normalise::{Role, Word};

/// What the user asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Print this and end well.
    Help(String),
    /// Print this and end well.
    Version(String),
    /// Nothing to do: print this and end well (`--script-updatedb` alone).
    Notice(String),
    /// Describe scripts.
    ScriptHelp(ScriptHelp),
    /// List the interfaces of this machine, and its routes.
    InterfaceList,
    /// Join reports.
    Merge(Merge),
    /// Go on with the scan of a journal, which holds the command line.
    Resume {
        /// The journal.
        journal: PathBuf,
        /// Whether keys are read.
        keys: bool,
    },
    /// Run the recorded cases of scripts.
    ScriptTest(ScriptTest),
    /// Scan.
    Run(Box<Settings>),
    /// Run again what was recorded: the rest of the command line is in the file.
    Replay(Replay),
}

/// `--script-help`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptHelp {
    /// Selection expressions, at least one.
    pub select: Vec<String>,
    /// Directories with further scripts.
    pub dirs: Vec<PathBuf>,
    /// JSON instead of text.
    pub json: bool,
}

/// `--merge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// JSON Lines reports of the shards, at least one.
    pub files: Vec<PathBuf>,
    /// What to write, and where.
    pub report: ReportSettings,
    /// Exit code 0 even if something planned was not done.
    pub allow_incomplete: bool,
}

/// `--script-test`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptTest {
    /// Selection expressions; every case if there are none.
    pub select: Vec<String>,
    /// Where the cases are: a folder for each script, in it one for each case.
    pub cases: PathBuf,
    /// Directories with further scripts.
    pub dirs: Vec<PathBuf>,
    /// What the cases say now becomes what is expected.
    pub accept: bool,
}

/// Reads a command line, without the program's name.
pub fn parse(args: &[OsString]) -> Result<Command, UsageError> {
    let words = normalise::normalise(args)?;
    if let Some(last) = words.last().filter(|last| last.role == Role::Option) {
        match last.text.as_str() {
            "--help" => return Ok(Command::Help(help::TEXT.to_owned())),
            "--version" => return Ok(Command::Version(format!("sonde {}\n", env!("CARGO_PKG_VERSION")))),
            _ => {}
        }
    }
    if let Some(replay) = Replay::of(&words, &args_line(args))? {
        return Ok(Command::Replay(replay));
    }
    let flags = read(&words)?;
    let mut command = resolve::resolve(&words, &flags, args_line(args))?;
    if let Command::Run(settings) = &mut command {
        settings.run.words = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    }
    Ok(command)
}

/// Hands the words to argh, targets last, so that none can be taken for an option.
fn read(words: &[Word]) -> Result<Flags, UsageError> {
    let text = |word: &&Word, target: bool| (word.role == Role::Target) == target;
    let options = words.iter().filter(|word| text(word, false));
    let targets = words.iter().filter(|word| text(word, true));
    let args: Vec<&str> =
        options.map(|word| word.text.as_str()).chain(["--"]).chain(targets.map(|word| word.text.as_str())).collect();
    Flags::from_args(&["sonde"], &args).map_err(|exit| {
        let what = exit.output.lines().next().unwrap_or("the command line cannot be read");
        UsageError::new(usage::quote(what), "compare the command line with the help")
    })
}

/// The command line as a shell would read it again: words that need it are in single quotes.
fn args_line(args: &[OsString]) -> String {
    let mut line = String::from("sonde");
    for arg in args {
        let arg = arg.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
        line.push(' ');
        if !arg.is_empty() && arg.chars().all(plain) {
            line.push_str(&arg);
        } else {
            line.push('\'');
            line.push_str(&arg.replace('\'', r"'\''"));
            line.push('\'');
        }
    }
    line
}

//! `--replay`: the recorded command line, with what was typed now in its place.

use std::ffi::OsString;
use std::path::PathBuf;

use super::normalise::{self, Role, Word};
use super::operation::DESTINATIONS;
use super::resolve::file;
use super::usage::{UsageError, quote};
use super::{Command, read, resolve, values};

/// Options that say one thing together: typed now, one of them takes the place of all that were recorded.
const GROUPS: [&[&str]; 9] = [
    &SCAN_KINDS,
    &["--no-ping", "--ping-only", "--list-only"],
    &PINGS,
    &["--ports", "--fast", "--top-ports", "--exclude-ports"],
    &["--ipv4", "--ipv6"],
    &["--no-reverse", "--reverse-all"],
    &["--script", "--script-default"],
    &["--script-args", "--script-args-file"],
    &["--exclude", "--excludefile"],
];

/// Kinds of scans.
const SCAN_KINDS: [&str; 12] = [
    "--scan-syn",
    "--scan-connect",
    "--scan-udp",
    "--scan-ack",
    "--scan-window",
    "--scan-maimon",
    "--scan-null",
    "--scan-fin",
    "--scan-xmas",
    "--scan-protocols",
    "--scan-sctp-init",
    "--scan-sctp-cookie",
];

/// Kinds of pings.
const PINGS: [&str; 8] = [
    "--ping-echo",
    "--ping-timestamp",
    "--ping-mask",
    "--ping-syn",
    "--ping-ack",
    "--ping-udp",
    "--ping-sctp",
    "--ping-protocol",
];

/// What belongs to the recorded run alone, beside [`DESTINATIONS`]: where it wrote to.
const LEFT_OUT: [&str; 5] = ["--record", "--record-redact", "--replay", "--replay-lenient", "--replay-faults"];

/// A replay, before its file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The recording.
    pub file: PathBuf,
    /// Differences are listed and do not end anything.
    pub lenient: bool,
    /// What comes back is spoilt, as this seed has it; then differences are no errors either.
    pub faults: Option<u64>,
    words: Vec<Word>,
    args_line: String,
}

impl Replay {
    /// The replay the words ask for, if they do.
    pub(super) fn of(words: &[Word], args_line: &str) -> Result<Option<Replay>, UsageError> {
        let Some(at) = words.iter().position(|word| is_option(word, "--replay")) else { return Ok(None) };
        let typed = words.get(at + 1).map(|word| word.text.clone()).unwrap_or_default();
        let file = file(&typed)
            .map_err(|fault| UsageError::new(format!("--replay {}: {}", quote(&typed), fault.problem), fault.remedy))?;
        for other in ["--record", "--simulate"] {
            if words.iter().any(|word| is_option(word, other)) {
                let both = format!("{other} and --replay contradict each other");
                return Err(UsageError::new(both, "leave out one of them"));
            }
        }
        let lenient = words.iter().any(|word| is_option(word, "--replay-lenient"));
        let faults = words.iter().rposition(|word| is_option(word, "--replay-faults"));
        let faults = faults.map(|at| {
            let typed = words.get(at + 1).map(|word| word.text.clone()).unwrap_or_default();
            let wrong = |fault: values::Fault| {
                UsageError::new(format!("--replay-faults {}: {}", quote(&typed), fault.problem), fault.remedy)
            };
            values::seed(&typed).map_err(wrong)
        });
        let faults = faults.transpose()?;
        Ok(Some(Replay { file, lenient, faults, words: words.to_vec(), args_line: args_line.to_owned() }))
    }

    /// What to run: the recorded command line, without the program's name, changed by what was typed now.
    pub fn command(&self, recorded: &[String]) -> Result<Command, UsageError> {
        let recorded: Vec<OsString> = recorded.iter().map(OsString::from).collect();
        let recorded = normalise::normalise(&recorded)?;
        let typed = options(&self.words);
        let has_targets = self.words.iter().any(|word| word.role == Role::Target || is_option(word, "--input-list"));
        let kept = options(&recorded).into_iter().filter(|option| {
            let Some(first) = option.first() else { return false };
            if first.role == Role::Target || first.text == "--input-list" {
                return !has_targets;
            }
            let is_left_out = LEFT_OUT.iter().chain(&DESTINATIONS).any(|left_out| *left_out == first.text);
            !is_left_out && !typed.iter().any(|other| replaces(other, &first.text))
        });
        let now = typed.iter().filter(|option| option.first().is_none_or(|word| !is_replay(word))).cloned();
        let words: Vec<Word> = kept.chain(now).flatten().collect();
        resolve::resolve(&words, &read(&words)?, self.args_line.clone())
    }
}

fn is_option(word: &Word, long: &str) -> bool {
    word.role == Role::Option && word.text == long
}

fn is_replay(word: &Word) -> bool {
    ["--replay", "--replay-lenient", "--replay-faults"].iter().any(|long| is_option(word, long))
}

/// Each option with its value, each target alone.
fn options(words: &[Word]) -> Vec<Vec<Word>> {
    let mut options: Vec<Vec<Word>> = Vec::new();
    for word in words {
        match options.last_mut() {
            Some(last) if word.role == Role::Value => last.push(word.clone()),
            _ => options.push(vec![word.clone()]),
        }
    }
    options
}

/// Whether `typed` takes the place of the recorded option `long`.
fn replaces(typed: &[Word], long: &str) -> bool {
    let Some(first) = typed.first().filter(|word| word.role == Role::Option) else { return false };
    let together = |group: &&[&str]| group.contains(&first.text.as_str()) && group.contains(&long);
    first.text == long || GROUPS.iter().any(together)
}

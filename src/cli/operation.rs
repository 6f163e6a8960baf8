//! Options about the run itself: its journal, going on from one, progress, joining shards.

use std::path::PathBuf;

use super::flags::Flags;
use super::normalise::Role;
use super::resolve::{Typed, report};
use super::settings::{Destination, ReportSettings, RunSettings};
use super::usage::{UsageError, quote};
use super::{Command, Merge};

/// Options that say where reports go.
pub(super) const DESTINATIONS: [&str; 6] =
    ["--output-normal", "--output-xml", "--output-grepable", "--output-json", "--output-all", "--json"];

/// Options `--merge` knows what to do with, beside [`DESTINATIONS`].
const OF_MERGE: [&str; 7] = ["--merge", "--open", "--reason", "--verbose", "--debug", "--color", "--allow-incomplete"];

/// The run itself. `report` is asked for the files it will write.
pub(super) fn run(typed: &Typed, flags: &Flags, report: &ReportSettings) -> Result<RunSettings, UsageError> {
    typed.not_both(("--journal", flags.journal.is_some()), ("--resume", flags.resume.is_some()))?;
    typed.not_both(("--record", flags.record.is_some()), ("--resume", flags.resume.is_some()))?;
    let long = if flags.resume.is_some() { "--resume" } else { "--journal" };
    let names: Vec<String> = flags.journal.iter().chain(&flags.resume).cloned().collect();
    let journal = typed.files(long, &names)?.pop();
    let shared = |path: &PathBuf| report.outputs.iter().any(|(_, to)| *to == Destination::File(path.clone()));
    if let Some(path) = journal.as_ref().filter(|path| shared(path)) {
        return Err(UsageError::new(
            format!("the journal and a report go to the file {}", quote(&path.to_string_lossy())),
            "give each a file of its own",
        ));
    }
    Ok(RunSettings {
        journal,
        resume: flags.resume.is_some(),
        stats_every: typed.time("--stats-every", flags.stats_every.as_ref())?,
        keys: !flags.noninteractive,
        words: Vec::new(),
    })
}

/// `--resume FILE` with nothing else: the command line is in the journal.
pub(super) fn resume(typed: &Typed, flags: &Flags) -> Result<Option<Command>, UsageError> {
    let alone = |text: &str| matches!(text, "--resume" | "--noninteractive");
    if flags.resume.is_none() || !typed.words.iter().all(|word| word.role == Role::Value || alone(&word.text)) {
        return Ok(None);
    }
    let names: Vec<String> = flags.resume.iter().cloned().collect();
    let journal = typed.files("--resume", &names)?.pop();
    Ok(journal.map(|journal| Command::Resume { journal, keys: !flags.noninteractive }))
}

/// `--merge FILE...`
pub(super) fn merge(typed: &Typed, flags: &Flags) -> Result<Merge, UsageError> {
    let foreign = |text: &str| !OF_MERGE.contains(&text) && !DESTINATIONS.contains(&text);
    if let Some(word) = typed.words.iter().find(|word| word.role == Role::Option && foreign(&word.text)) {
        return Err(UsageError::new(
            format!("{} and {} do not go together", typed.spelled("--merge"), word.typed),
            "joining reports scans nothing: name JSON Lines files, and where the result goes (-oN, -oX, -oG, -oJ, -oA)",
        ));
    }
    if flags.targets.is_empty() {
        let what = format!("{} needs files", typed.spelled("--merge"));
        return Err(UsageError::new(what, "name the JSON Lines reports of all shards (-oJ)"));
    }
    let report = report(typed, flags)?;
    let files: Vec<PathBuf> = flags.targets.iter().map(PathBuf::from).collect();
    let input = |(_, to): &&(_, Destination)| matches!(to, Destination::File(path) if files.contains(path));
    if let Some((_, Destination::File(path))) = report.outputs.iter().find(input) {
        return Err(UsageError::new(
            format!("{} would be overwritten while it is read", quote(&path.to_string_lossy())),
            "write the result to another file",
        ));
    }
    Ok(Merge { files, report, allow_incomplete: flags.allow_incomplete })
}

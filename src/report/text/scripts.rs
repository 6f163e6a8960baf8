//! Script results as lines behind `|`, the last behind `|_`.

use std::io::{self, Write};

use super::TextOptions;
use crate::model::{FailureKind, ScriptOutcome, ScriptResult};
use crate::report::escape::terminal;
use crate::report::outline::{Outline, outline};
use crate::report::verdict::shortfall;

/// Whether a result has lines: output always, a bug, a denial or a breach always, what a peer or the run did on demand.
pub(super) fn is_shown(result: &ScriptResult, options: TextOptions) -> bool {
    let has_output = !result.output.is_unit();
    match result.outcome {
        ScriptOutcome::RuleFalse => false,
        ScriptOutcome::Done => has_output || options.debug > 0,
        ScriptOutcome::TimedOut | ScriptOutcome::OverBudget => true,
        ScriptOutcome::Failed => {
            let by_peer = result.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Peer);
            has_output || !by_peer || options.is_verbose()
        }
        ScriptOutcome::Cancelled | ScriptOutcome::Skipped => has_output || options.is_verbose(),
    }
}

/// Writes the results that are shown, under `title` unless it is empty. Says whether there were any.
pub(super) fn write<'a>(
    title: &str,
    results: impl IntoIterator<Item = &'a ScriptResult>,
    options: TextOptions,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let mut any = false;
    for result in results.into_iter().filter(|result| is_shown(result, options)) {
        if !any && !title.is_empty() {
            writeln!(out, "{title}")?;
        }
        any = true;
        let lines = lines(result);
        for (place, line) in lines.iter().enumerate() {
            // Everything below the first line is indented, so no output can pose as another script's.
            let bar = if place + 1 == lines.len() { "|_" } else { "| " };
            let indent = if place == 0 { "" } else { "  " };
            writeln!(out, "{}", format_args!("{bar}{indent}{}", terminal(line)).to_string().trim_end())?;
        }
    }
    Ok(any)
}

/// The lines of one result, without bars.
fn lines(result: &ScriptResult) -> Vec<String> {
    let id = &result.id;
    let output = (!result.output.is_unit()).then(|| outline(&result.output));
    let Some(verdict) = shortfall(result) else {
        return match output {
            None => vec![format!("{id}: done, nothing to report")],
            Some(Outline::Beside(text)) => vec![format!("{id}: {text}")],
            Some(Outline::Below(below)) => [vec![format!("{id}:")], below].concat(),
        };
    };
    let mut lines = vec![format!("{id}: {verdict}")];
    if let Some(failure) = &result.failure {
        lines.extend(failure.diagnostic.lines().map(str::to_owned));
    }
    if let Some(output) = output {
        lines.push("partial output:".to_owned());
        match output {
            Outline::Beside(text) => lines.push(format!("  {text}")),
            Outline::Below(below) => lines.extend(below.into_iter().map(|line| format!("  {line}"))),
        }
    }
    lines
}

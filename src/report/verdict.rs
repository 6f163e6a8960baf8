//! What to say of script instances: which have a record worth keeping, and how to tell an ending in one line.

use crate::model::{Failure, Host, ScriptOutcome, ScriptResult};

/// Whether a record has something to show. Rules that said no, and actions that found nothing, have not.
pub(super) fn has_something_to_say(result: &ScriptResult) -> bool {
    match result.outcome {
        ScriptOutcome::RuleFalse => false,
        ScriptOutcome::Done => !result.output.is_unit(),
        _ => true,
    }
}

/// The ending in words.
pub(super) fn words(outcome: ScriptOutcome) -> &'static str {
    match outcome {
        ScriptOutcome::Done => "done",
        ScriptOutcome::RuleFalse => "rule false",
        ScriptOutcome::Failed => "failed",
        ScriptOutcome::TimedOut => "timed out",
        ScriptOutcome::OverBudget => "over budget",
        ScriptOutcome::Cancelled => "cancelled",
        ScriptOutcome::Skipped => "skipped",
    }
}

/// Whether the instance came to its own end.
pub(super) fn is_finished(outcome: ScriptOutcome) -> bool {
    matches!(outcome, ScriptOutcome::Done | ScriptOutcome::RuleFalse)
}

/// `failed: connect 10.0.0.7:443: refused`; nothing for an instance that came to its own end.
pub(super) fn shortfall(result: &ScriptResult) -> Option<String> {
    if is_finished(result.outcome) {
        return None;
    }
    let words = words(result.outcome);
    Some(match &result.failure {
        Some(failure) if !failure.message.is_empty() => format!("{words}: {}{}", failure.message, place(failure)),
        Some(failure) => format!("{words}{}", place(failure)),
        None => words.to_owned(),
    })
}

/// ` (file:line:column)`, unless the diagnostic says it.
fn place(failure: &Failure) -> String {
    match &failure.position {
        Some((file, line, column)) if failure.diagnostic.is_empty() => format!(" ({file}:{line}:{column})"),
        _ => String::new(),
    }
}

/// The results of port rules, port by port, in the order of `host.ports`.
pub(super) fn by_port(host: &Host) -> Vec<Vec<&ScriptResult>> {
    let mut results = vec![Vec::new(); host.ports.len()];
    for (index, result) in &host.port_scripts {
        if let Some(of_port) = results.get_mut(*index) {
            of_port.push(result);
        }
    }
    results
}

/// The results of host rules, and those of ports that are not listed: a result is never lost.
pub(super) fn host_results(host: &Host) -> impl Iterator<Item = &ScriptResult> {
    let unlisted = host.port_scripts.iter().filter(|(at, _)| *at >= host.ports.len()).map(|(_, result)| result);
    host.scripts.iter().chain(unlisted)
}

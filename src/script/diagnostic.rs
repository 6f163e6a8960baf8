//! Errors of scripts as people read them: file, line, caret, call stack; and as records: who is at fault.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use rhai::{Dynamic, EvalAltResult, Map, Position};

use super::coroutine::Stop;
use super::departure::Departure;
use crate::model::{Failure, FailureKind, NetErrorKind, ScriptOutcome};

/// `kind` of an error about a budget that is used up.
const BUDGET: &str = "budget";

/// A file's text by its name, for carets: scripts and library modules.
pub type Sources<'a> = &'a dyn Fn(&str) -> Option<std::rc::Rc<str>>;

/// `message` with the line of `source` it is about, a caret under the token, and the calls that led there.
pub fn render(message: &str, path: &str, source: &str, position: Position, calls: &[String]) -> String {
    let mut text = match byte_span(source, position) {
        Some(span) => {
            let snippet = Snippet::source(source).path(path).annotation(AnnotationKind::Primary.span(span));
            let report = [Level::ERROR.primary_title(message).element(snippet)];
            Renderer::plain().render(&report)
        }
        None => format!("error: {message}\n --> {path}"),
    };
    for call in calls {
        let _ = write!(text, "\n  called from {call}");
    }
    text
}

/// The bytes of the token at `position` (1-based line and character).
fn byte_span(source: &str, position: Position) -> Option<std::ops::Range<usize>> {
    let line = position.line()?.checked_sub(1)?;
    let column = position.position().unwrap_or(1).saturating_sub(1);
    let start_of_line: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    let text = source.get(start_of_line..)?.lines().next().unwrap_or_default();
    let offset = text.char_indices().nth(column).map_or(text.len(), |(offset, _)| offset);
    let token = &text[offset..];
    let word = token.chars().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum::<usize>();
    let length = if word > 0 { word } else { token.chars().next().map_or(0, char::len_utf8) };
    Some(start_of_line + offset..start_of_line + offset + length)
}

/// What a failed run of a script means: its outcome and its record.
pub fn classify(error: EvalAltResult, path: &str, sources: Sources<'_>) -> (ScriptOutcome, Failure) {
    if let Some(departure) = Departure::of(&error) {
        return (ScriptOutcome::Failed, departed(&departure, path, error.position(), sources));
    }
    let mut calls = Vec::new();
    let (inner, file) = unwrap(error, path, &mut calls);
    let position = inner.position();
    let place = place_of(&file, position);
    let failure = |kind, class: &str, message: String| Failure {
        kind,
        class: class.to_owned(),
        message,
        position: place.clone(),
        diagnostic: String::new(),
    };
    match inner {
        EvalAltResult::ErrorTerminated(token, _) => stopped(token.try_cast::<Stop>(), failure),
        EvalAltResult::ErrorTooManyOperations(_) => stopped(Some(Stop::Operations), failure),
        EvalAltResult::ErrorStackOverflow(_) => stopped(Some(Stop::Stack), failure),
        EvalAltResult::ErrorDataTooLarge(what, _) => {
            (ScriptOutcome::OverBudget, failure(FailureKind::Limit, "memory", format!("{what} is too large")))
        }
        EvalAltResult::ErrorRuntime(ref value, _) if fault(value).is_some() => {
            let (kind, class, message) = fault(value).unwrap_or_default();
            thrown(&kind, &class, message, failure)
        }
        other => {
            let message = message(&other);
            let source = sources(&file).unwrap_or_else(|| "".into());
            let diagnostic = render(&message, &file, &source, position, &calls);
            let failure = Failure { diagnostic, ..failure(FailureKind::Script, "runtime", message) };
            (ScriptOutcome::Failed, failure)
        }
    }
}

/// The record of a departure from the recording: both sides, with the line that did it, or at least the one at `around`.
pub fn departed(departure: &Departure, path: &str, around: Position, sources: Sources<'_>) -> Failure {
    let (file, position) = departure.place().unwrap_or((None, around));
    let file = file.unwrap_or(path);
    let source = sources(file).unwrap_or_else(|| "".into());
    Failure {
        kind: FailureKind::Script,
        class: NetErrorKind::Replay.name().to_owned(),
        message: departure.text().to_owned(),
        position: place_of(file, position),
        diagnostic: render(departure.text(), file, &source, position, &[]),
    }
}

/// File, line and column.
fn place_of(file: &str, position: Position) -> Option<(String, u32, u32)> {
    position.line().map(|line| (file.to_owned(), line as u32, position.position().unwrap_or(1) as u32))
}

/// Innermost error and the file it happened in; the calls around it are collected from the inside out.
fn unwrap(error: EvalAltResult, path: &str, calls: &mut Vec<String>) -> (EvalAltResult, String) {
    let mut file = path.to_owned();
    let mut error = error;
    loop {
        match error {
            EvalAltResult::ErrorInFunctionCall(name, source, inner, at) => {
                calls.insert(0, format!("{name}() at {file}:{at}", at = place(at)));
                if !source.is_empty() {
                    file = source;
                }
                error = *inner;
            }
            EvalAltResult::ErrorInModule(name, inner, at) => {
                calls.insert(0, format!("module {name} at {file}:{at}", at = place(at)));
                error = *inner;
            }
            inner => return (inner, file),
        }
    }
}

fn place(at: Position) -> String {
    at.line().map_or_else(|| "?".to_owned(), |line| format!("{line}:{}", at.position().unwrap_or(1)))
}

fn message(error: &EvalAltResult) -> String {
    let mut bare = match error {
        EvalAltResult::ErrorRuntime(value, _) if value.is_string() => return format!("thrown: {value}"),
        EvalAltResult::ErrorRuntime(value, _) => {
            let argument =
                value.read_lock::<Map>().and_then(|map| Some(format!("{}: {}", map.get("op")?, map.get("message")?)));
            return argument.unwrap_or_else(|| format!("thrown: {value:?}"));
        }
        other => other.to_string(),
    };
    // Rhai appends the position, which the caret shows better.
    if let Some(at) = bare.rfind(" (line ") {
        bare.truncate(at);
    }
    bare
}

/// Kind, class and message of an error a native threw: a map with `kind` and `message`. The class is the kind, or the
/// `budget` that is used up.
fn fault(value: &Dynamic) -> Option<(String, String, String)> {
    let map = value.read_lock::<Map>()?;
    let field = |name: &str| map.get(name).and_then(|value| value.clone().into_string().ok());
    let (kind, message) = (field("kind")?, field("message")?);
    // What a script passed wrongly, or a bug of its worker, is its bug, and a bug is shown with its line.
    let class = field("budget").filter(|_| kind == BUDGET).unwrap_or_else(|| kind.clone());
    let is_bug = matches!(kind.as_str(), "argument" | "script" | "deadlock");
    (!is_bug).then_some((kind, class, message))
}

fn thrown(
    kind: &str,
    class: &str,
    message: String,
    failure: impl Fn(FailureKind, &str, String) -> Failure,
) -> (ScriptOutcome, Failure) {
    let known = |known: NetErrorKind| kind == known.name();
    // "limit": more than a native does in one call. Nobody else would tell the user that something was left undone.
    let (outcome, at_fault) = if kind == BUDGET || kind == "limit" {
        (ScriptOutcome::OverBudget, FailureKind::Limit)
    } else if known(NetErrorKind::Denied) || known(NetErrorKind::Privilege) {
        (ScriptOutcome::Failed, FailureKind::Denied)
    } else if known(NetErrorKind::Local) || known(NetErrorKind::TooLarge) {
        (ScriptOutcome::Failed, FailureKind::Internal)
    } else {
        (ScriptOutcome::Failed, FailureKind::Peer)
    };
    (outcome, failure(at_fault, class, message))
}

fn stopped(stop: Option<Stop>, failure: impl Fn(FailureKind, &str, String) -> Failure) -> (ScriptOutcome, Failure) {
    let limit = FailureKind::Limit;
    match stop {
        Some(Stop::Wall) => {
            (ScriptOutcome::TimedOut, failure(limit, "wall", "its time is up (--script-timeout)".into()))
        }
        Some(Stop::HostTimeout) => {
            (ScriptOutcome::TimedOut, failure(limit, "host-timeout", "the host's time is up (--host-timeout)".into()))
        }
        Some(Stop::Operations) => (
            ScriptOutcome::OverBudget,
            failure(limit, "operations", "it computed too long (--script-max-operations)".into()),
        ),
        Some(Stop::Memory) => (
            ScriptOutcome::OverBudget,
            failure(limit, "memory", "it holds too much memory (--script-max-memory)".into()),
        ),
        Some(Stop::Stack) => {
            (ScriptOutcome::OverBudget, failure(limit, "stack", "its calls are nested too deeply".into()))
        }
        Some(Stop::Cancelled) | None => {
            (ScriptOutcome::Cancelled, failure(limit, "cancelled", "the run was interrupted".into()))
        }
    }
}

/// The record of a script whose values are nested too deeply to be copied or freed.
pub fn overflowed(path: &str) -> (ScriptOutcome, Failure) {
    let failure = Failure {
        kind: FailureKind::Limit,
        class: "stack".to_owned(),
        message: format!("{path}: its values are nested too deeply"),
        position: None,
        diagnostic: String::new(),
    };
    (ScriptOutcome::OverBudget, failure)
}

/// The record of a native that panicked: sonde's fault, not the script's.
pub fn panicked(text: &str) -> (ScriptOutcome, Failure) {
    let failure = Failure {
        kind: FailureKind::Internal,
        class: "panic".to_owned(),
        message: format!("a native function panicked: {text}; please report it"),
        position: None,
        diagnostic: String::new(),
    };
    (ScriptOutcome::Failed, failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_token() {
        let text = render("no such thing", "a.rhai", "let x = 1;\nlet y = frob(x);\n", Position::new(2, 9), &[]);
        assert!(text.contains("a.rhai:2:9") && text.contains("^^^^"), "{text}");
    }

    fn judged(code: &str) -> (ScriptOutcome, FailureKind, String) {
        let mut engine = rhai::Engine::new();
        engine.set_max_call_levels(8);
        let error = engine.run(code).expect_err("it fails");
        let (outcome, failure) = classify(*error, "a.rhai", &|_| None);
        (outcome, failure.kind, failure.class)
    }

    #[test]
    fn too_deep_is_a_breach_whichever_guard_says_so() {
        let expected = (ScriptOutcome::OverBudget, FailureKind::Limit, "stack".to_owned());
        assert_eq!(judged("fn deeper(n) { deeper(n + 1) } deeper(0)"), expected);
    }

    #[test]
    fn kinds_say_who_is_at_fault() {
        let of = |kind: &str| judged(&format!("throw #{{ kind: \"{kind}\", op: \"x\", peer: \"\", message: \"m\" }};"));
        for (kind, outcome, fault) in [
            ("refused", ScriptOutcome::Failed, FailureKind::Peer),
            ("protocol", ScriptOutcome::Failed, FailureKind::Peer),
            ("argument", ScriptOutcome::Failed, FailureKind::Script),
            ("denied", ScriptOutcome::Failed, FailureKind::Denied),
            ("local", ScriptOutcome::Failed, FailureKind::Internal),
            ("budget", ScriptOutcome::OverBudget, FailureKind::Limit),
            ("deadlock", ScriptOutcome::Failed, FailureKind::Script),
            ("limit", ScriptOutcome::OverBudget, FailureKind::Limit),
        ] {
            assert_eq!((of(kind).0, of(kind).1), (outcome, fault), "{kind}");
        }
    }

    #[test]
    fn a_position_beyond_the_text_is_harmless() {
        assert!(render("m", "a", "x\n", Position::new(9, 9), &["f() at a:1:1".into()]).contains("called from f()"));
        assert!(render("m", "a", "", Position::NONE, &[]).contains("--> a"));
    }
}

//! The `script` element: flat text in `output`, structure as `table` and `elem`.

use std::io;

use super::Page;
use crate::model::{ScriptResult, Value};
use crate::report::outline::{MAX_DEPTH, Outline, TOO_DEEP, outline, plain};
use crate::report::verdict;

/// Writes the results worth keeping inside `element`; nothing if there are none.
pub(super) fn write_all<'a>(
    element: &str,
    results: impl Iterator<Item = &'a ScriptResult>,
    page: &mut Page,
) -> io::Result<()> {
    let mut results = results.filter(|result| verdict::has_something_to_say(result)).peekable();
    if results.peek().is_none() {
        return Ok(());
    }
    page.open(element, &[])?;
    for result in results {
        write(result, page)?;
    }
    page.close(element)
}

/// Writes one result, unless it is not worth keeping.
pub(super) fn write(result: &ScriptResult, page: &mut Page) -> io::Result<()> {
    if !verdict::has_something_to_say(result) {
        return Ok(());
    }
    page.open("script", &[("id", &result.id), ("output", &output(result))])?;
    structure(&result.output, 0, page)?;
    if !verdict::is_finished(result.outcome) {
        shortfall(result, page)?;
    }
    page.close("script")
}

/// The flat text. An instance that ended short begins with `ERROR:`, which is what readers know to look for.
fn output(result: &ScriptResult) -> String {
    let text = if result.output.is_unit() { String::new() } else { flat(&result.output) };
    match verdict::shortfall(result) {
        None => text,
        Some(verdict) if text.is_empty() => format!("ERROR: {verdict}"),
        Some(verdict) => format!("ERROR: {verdict}\n{text}"),
    }
}

/// Text as the script gave it; structure as indented lines below an empty one.
fn flat(value: &Value) -> String {
    match (value, outline(value)) {
        (Value::Text(_) | Value::Bytes(_), _) => plain(value),
        (_, Outline::Beside(text)) => text,
        (_, Outline::Below(lines)) => lines.iter().flat_map(|line| ["\n  ", line.as_str()]).collect(),
    }
}

/// The children of a list or map. A scalar is in `output` and has none.
fn structure(value: &Value, depth: usize, page: &mut Page) -> io::Result<()> {
    match value {
        Value::Map(pairs) => pairs.iter().try_for_each(|(key, item)| child(&[("key", key)], item, depth, page)),
        Value::List(items) => items.iter().try_for_each(|item| child(&[], item, depth, page)),
        _ => Ok(()),
    }
}

fn child(key: &[(&str, &str)], value: &Value, depth: usize, page: &mut Page) -> io::Result<()> {
    match value {
        Value::List(_) | Value::Map(_) if depth + 1 < MAX_DEPTH => {
            page.open("table", key)?;
            structure(value, depth + 1, page)?;
            page.close("table")
        }
        Value::List(_) | Value::Map(_) => elem(key, TOO_DEEP, page),
        _ => elem(key, &plain(value), page),
    }
}

fn elem(key: &[(&str, &str)], text: &str, page: &mut Page) -> io::Result<()> {
    page.open("elem", key)?;
    page.text(text)?;
    page.close("elem")
}

/// How the instance ended short, in the one place where every reader expects the unexpected.
fn shortfall(result: &ScriptResult, page: &mut Page) -> io::Result<()> {
    page.open("table", &[("key", "sonde")])?;
    elem(&[("key", "outcome")], result.outcome.name(), page)?;
    if let Some(failure) = &result.failure {
        elem(&[("key", "kind")], failure.kind.name(), page)?;
        elem(&[("key", "class")], &failure.class, page)?;
        elem(&[("key", "message")], &failure.message, page)?;
        if let Some((file, line, column)) = &failure.position {
            elem(&[("key", "position")], &format!("{file}:{line}:{column}"), page)?;
        }
    }
    elem(&[("key", "seconds")], &format!("{:.6}", result.duration.as_secs_f64()), page)?;
    elem(&[("key", "sent")], &result.sent.to_string(), page)?;
    elem(&[("key", "received")], &result.received.to_string(), page)?;
    page.close("table")
}

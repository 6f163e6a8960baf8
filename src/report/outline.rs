//! Script output as indented lines: what text shows and what XML keeps beside the structure.

use super::escape;
use crate::model::Value;

/// How deep any format follows nested output. Readers of JSON and XML have limits of their own (libxml2: 256).
pub(super) const MAX_DEPTH: usize = 64;

/// What stands in place of output nested deeper than [`MAX_DEPTH`].
pub(super) const TOO_DEEP: &str = "(nested too deep to show)";

/// What stands in place of output that is there and holds nothing.
const EMPTY: &str = "(empty)";

/// Script output laid out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outline {
    /// Nothing but this: it fits beside the script's id.
    Beside(String),
    /// Lines, nested ones indented by two spaces a level. None holds a line end.
    Below(Vec<String>),
}

/// Lays out what a script returned. Hazards are still in it; the formats escape.
pub(super) fn outline(value: &Value) -> Outline {
    if let Some(text) = scalar(value) {
        return Outline::Beside(text);
    }
    let mut lines = Vec::new();
    nested(value, "", "", 0, &mut lines);
    Outline::Below(lines)
}

/// The value as it is shown where it fits one line.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Unit => Some("(none)".to_owned()),
        Value::List(items) if items.is_empty() => Some(EMPTY.to_owned()),
        Value::Map(pairs) if pairs.is_empty() => Some(EMPTY.to_owned()),
        Value::List(_) | Value::Map(_) => None,
        _ => {
            let text = plain(value);
            if text.lines().all(str::is_empty) {
                return Some(EMPTY.to_owned());
            }
            let mut lines = text.lines();
            let first = lines.next().unwrap_or_default();
            lines.next().is_none().then(|| first.to_owned())
        }
    }
}

/// A value that is neither list nor map, as text that may have lines. Empty for anything else.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => escape::bytes(bytes),
        Value::Unit | Value::List(_) | Value::Map(_) => String::new(),
    }
}

/// Appends the lines of a value too large for one. `first` goes before the first line, `rest` before the others.
fn nested(value: &Value, first: &str, rest: &str, depth: usize, lines: &mut Vec<String>) {
    let lead = |lines: &[String], start: usize| if lines.len() == start { first.to_owned() } else { rest.to_owned() };
    let start = lines.len();
    if depth >= MAX_DEPTH {
        lines.push(format!("{first}{TOO_DEEP}"));
        return;
    }
    match value {
        Value::Map(pairs) => {
            for (key, item) in pairs {
                let lead = lead(lines, start);
                let key = key.replace('\n', "\\x0a");
                if let Some(text) = scalar(item) {
                    lines.push(format!("{lead}{key}: {text}"));
                } else {
                    lines.push(format!("{lead}{key}:"));
                    let inner = format!("{rest}  ");
                    nested(item, &inner, &inner, depth + 1, lines);
                }
            }
        }
        Value::List(items) => {
            for item in items {
                let lead = lead(lines, start);
                if let Some(text) = scalar(item) {
                    lines.push(format!("{lead}{text}"));
                } else {
                    // The dash tells one item from the next.
                    nested(item, &format!("{lead}- "), &format!("{rest}  "), depth + 1, lines);
                }
            }
        }
        _ => {
            for line in plain(value).lines() {
                let lead = lead(lines, start);
                lines.push(format!("{lead}{line}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn map(pairs: &[(&str, Value)]) -> Value {
        Value::Map(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    }

    #[test]
    fn small_values_stand_beside() {
        assert_eq!(outline(&text("hello\r\n")), Outline::Beside("hello".to_owned()));
        assert_eq!(outline(&text("")), Outline::Beside("(empty)".to_owned()));
        assert_eq!(outline(&Value::Int(-3)), Outline::Beside("-3".to_owned()));
        assert_eq!(outline(&Value::Bytes(vec![b'a', 0xff])), Outline::Beside("a\\xff".to_owned()));
        assert_eq!(outline(&Value::List(Vec::new())), Outline::Beside("(empty)".to_owned()));
    }

    #[test]
    fn structure_is_indented_by_two() {
        let value = map(&[
            ("subject", map(&[("cn", text("a")), ("alt", Value::List(vec![text("x"), text("y")]))])),
            ("banner", text("one\ntwo")),
            ("users", Value::List(vec![map(&[("n", Value::Int(1)), ("m", Value::Unit)]), text("z")])),
        ]);
        let expected = [
            "subject:",
            "  cn: a",
            "  alt:",
            "    x",
            "    y",
            "banner:",
            "  one",
            "  two",
            "users:",
            "  - n: 1",
            "    m: (none)",
            "  z",
        ];
        assert_eq!(outline(&value), Outline::Below(expected.map(str::to_owned).to_vec()));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = (0..1000).fold(text("bottom"), |inner, _| Value::List(vec![inner]));
        let Outline::Below(lines) = outline(&deep) else { panic!("a list has lines") };
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with(TOO_DEEP));
    }
}

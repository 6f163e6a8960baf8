//! What a wrong command line is answered with.

use std::fmt;

use crate::error::Error;

/// Longest piece of the user's own text repeated in a message, in characters.
const QUOTED_CHARACTERS: usize = 60;

/// A command line that cannot be obeyed. Both texts are one line; the user's own words in them are quoted, with
/// control characters escaped and long ones cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError {
    /// What is wrong, with the option as the user spelled it.
    pub what: String,
    /// What to write instead.
    pub remedy: String,
}

impl UsageError {
    /// An error of these two lines.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> UsageError {
        UsageError { what: what.into(), remedy: remedy.into() }
    }
}

/// Three lines: what, remedy, where to read more. No newline at the end.
impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\nsee sonde -h", self.what, self.remedy)
    }
}

impl std::error::Error for UsageError {}

impl From<UsageError> for Error {
    fn from(error: UsageError) -> Error {
        Error::Usage(error.to_string())
    }
}

/// `text` in single quotes, fit for one line of a terminal.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("'");
    for (position, character) in text.chars().enumerate() {
        if position == QUOTED_CHARACTERS {
            quoted.push('…');
            break;
        }
        match character {
            '\'' | '"' | '\\' => quoted.push(character),
            other => quoted.extend(other.escape_debug()),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_three_lines() {
        let error = UsageError::new("'-p' needs a value", "write -p <ports>");
        assert_eq!(error.to_string(), "'-p' needs a value\nwrite -p <ports>\nsee sonde -h");
        assert!(matches!(Error::from(error), Error::Usage(text) if text.starts_with("'-p'")));
    }

    #[test]
    fn quoted_text_stays_on_one_line_and_short() {
        assert_eq!(quote("a\nb\u{1b}[31m"), "'a\\nb\\u{1b}[31m'");
        assert_eq!(quote(&"x".repeat(1000)).chars().count(), QUOTED_CHARACTERS + 3);
        assert_eq!(quote("it's"), "'it's'");
    }
}

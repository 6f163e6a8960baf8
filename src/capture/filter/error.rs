//! What is wrong with a filter, and where.

use std::fmt;

/// A filter that cannot be read, or that the link cannot have. The author of the filter is at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Byte offset into the text.
    pub at: usize,
    /// The text.
    pub text: String,
}

impl fmt::Display for FilterError {
    /// The message; below it the line of the text and a caret under the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let before = self.text.get(..self.at).unwrap_or(&self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        if line.is_empty() {
            return Ok(());
        }
        let indent: String =
            before.get(start..).unwrap_or_default().chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        write!(f, "\n  {line}\n  {indent}^")
    }
}

impl std::error::Error for FilterError {}

/// A fault on its way to the one who has the text.
#[derive(Debug)]
pub(super) struct Fault {
    pub message: String,
    pub at: usize,
}

impl Fault {
    pub fn new(at: usize, message: impl Into<String>) -> Fault {
        Fault { message: message.into(), at }
    }

    pub fn of(self, text: &str) -> FilterError {
        FilterError { message: self.message, at: self.at, text: text.to_owned() }
    }
}

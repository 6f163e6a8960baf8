//! List files: `-iL`, `--excludefile`.

use std::fmt;

use super::{Spec, SpecError};
use crate::error::Error;

/// A list that cannot be used: where, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListError {
    /// The file as the user named it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong there and how to write it.
    pub problem: ListProblem,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListProblem {
    /// It is not UTF-8.
    Encoding,
    /// A word is no target.
    Spec {
        /// The word.
        word: String,
        /// Why not.
        error: SpecError,
    },
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}: ", self.file, self.line)?;
        match &self.problem {
            ListProblem::Encoding => f.write_str("bytes that are not UTF-8; save the list as plain UTF-8 text"),
            // The error quotes the word.
            ListProblem::Spec { error, .. } => error.fmt(f),
        }
    }
}

impl std::error::Error for ListError {}

impl From<ListError> for Error {
    fn from(error: ListError) -> Error {
        Error::Usage(error.to_string())
    }
}

/// Reads the targets in `content`: separated by blanks, tabs and line ends; `#` begins a comment that runs to the line's end.
///
/// `file` is only for messages, `interface` turns the interface name of an IPv6 zone into its number.
pub fn parse(content: &[u8], file: &str, interface: &dyn Fn(&str) -> Option<u32>) -> Result<Vec<Spec>, ListError> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut specs = Vec::new();
    for (number, line) in content.split(|byte| *byte == b'\n').enumerate() {
        let fail = |problem| ListError { file: file.to_owned(), line: number + 1, problem };
        let line = str::from_utf8(line).map_err(|_| fail(ListProblem::Encoding))?;
        // A lone CR ends a line too, and so a comment; for counting, editors agree on LF.
        for part in line.split('\r') {
            let text = part.split_once('#').map_or(part, |(text, _)| text);
            for word in text.split([' ', '\t']).filter(|word| !word.is_empty()) {
                let spec = Spec::parse_with(word, interface);
                specs.push(spec.map_err(|error| fail(ListProblem::Spec { word: word.to_owned(), error }))?);
            }
        }
    }
    Ok(specs)
}

/// Reads the comma list of `--exclude a,b,c`.
///
/// A comma also separates items inside an IPv4 octet. It is taken as that where the text before it has not all four octets
/// yet (`10.0.1,5.7`) or what follows is a bare number or range (`10.0.0.1,9`); otherwise a new target begins.
pub fn parse_commas(text: &str, interface: &dyn Fn(&str) -> Option<u32>) -> Result<Vec<Spec>, SpecError> {
    let mut words: Vec<String> = Vec::new();
    for piece in text.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
        let item = piece.split_once('/').map_or(piece, |(item, _)| item);
        let bare = item.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-'));
        match words.last_mut() {
            Some(word) if bare || lacks_octets(word) => {
                word.push(',');
                word.push_str(piece);
            }
            _ => words.push(piece.to_owned()),
        }
    }
    words.iter().map(|word| Spec::parse_with(word, interface)).collect()
}

/// Whether `word` can only be the beginning of an IPv4 expression.
fn lacks_octets(word: &str) -> bool {
    let octets = word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b',' | b'-' | b'*'));
    octets && word.matches('.').count() < 3
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(content: &[u8]) -> Result<Vec<String>, String> {
        let specs = parse(content, "hosts.txt", &|_| None).map_err(|error| error.to_string())?;
        Ok(specs.iter().map(Spec::to_string).collect())
    }

    fn commas(text: &str) -> Vec<String> {
        parse_commas(text, &|_| None).unwrap().iter().map(Spec::to_string).collect()
    }

    #[test]
    fn every_separator_and_comments() {
        let text = b"10.0.0.1 10.0.0.2\t::1\r\n# all of it\r\na.example#glued # twice\n\n \r10.0.0.0/24";
        assert_eq!(read(text).unwrap(), ["10.0.0.1", "10.0.0.2", "::1", "a.example", "10.0.0.0/24"]);
        assert_eq!(read(b"").unwrap(), [""; 0]);
        assert_eq!(read(b"\xef\xbb\xbf10.0.0.1").unwrap(), ["10.0.0.1"]);
    }

    #[test]
    fn errors_name_file_line_and_word() {
        let error = read(b"10.0.0.1\n#\n 10.0.0.2 10.0.0.256\n").unwrap_err();
        assert!(error.starts_with("hosts.txt, line 3: ") && error.contains("`10.0.0.256`"), "{error}");
        let error = read(b"10.0.0.1\nm\xfcller\n").unwrap_err();
        assert!(error.starts_with("hosts.txt, line 2: ") && error.contains("UTF-8"), "{error}");
    }

    #[test]
    fn commas_between_targets_and_inside_octets() {
        assert_eq!(commas("10.0.0.1,10.0.0.2, a.example,::1,"), ["10.0.0.1", "10.0.0.2", "a.example", "::1"]);
        assert_eq!(commas("10.0.0.1,9,b.example"), ["10.0.0.1,9", "b.example"]);
        assert_eq!(commas("10.0.1,5.7,10.0.0.0/24"), ["10.0.1,5.7", "10.0.0.0/24"]);
        assert_eq!(commas("10.0.0.1,9/28,10.0.0-1,3.2"), ["10.0.0.0/28", "10.0.0-1,3.2"]);
        let error = parse_commas("10.0.0.256,10.0.0.1", &|_| None).unwrap_err();
        assert!(error.to_string().contains("octet 4 of `10.0.0.256`"), "{error}");
    }

    proptest! {
        #![proptest_config(crate::target::fixed_seed())]

        #[test]
        fn arbitrary_bytes_never_panic(content in prop::collection::vec(any::<u8>(), 0..80), text in ".{0,40}") {
            let _ = parse(&content, "f", &|_| None);
            let _ = parse_commas(&text, &|_| Some(1));
        }
    }
}

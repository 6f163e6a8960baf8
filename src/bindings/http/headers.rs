//! Header fields as sent: names keep their case, order and repetitions are kept, clones are free.

use std::borrow::Cow;
use std::fmt;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::rc::Rc;

/// Header lines kept of one message.
pub const MAX_HEADERS: usize = 256;
/// httparse takes its lenient switches only together with a status line, so it is given one.
const STATUS_LINE: &[u8] = b"HTTP/1.1 200\r\n";

/// An ordered list of header fields. Clones share it.
#[derive(Clone, Default)]
pub struct Headers(Option<Rc<Fields>>);

struct Fields {
    /// Start line and header lines as received.
    raw: Vec<u8>,
    /// The header lines with what is not allowed in a value replaced by spaces.
    clean: Vec<u8>,
    /// Where each field lies in `clean`.
    places: Vec<Place>,
}

/// Name and value of a field.
type Place = (Range<usize>, Range<usize>);

/// The header block cannot be told apart into fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadersError {
    /// More than [`MAX_HEADERS`] fields.
    TooMany,
    /// Anything else.
    Unreadable,
}

impl Headers {
    /// Reads the header lines of `raw` from offset `start` on, up to the empty line that ends it (which may be left
    /// out). Lines that are no header fields are skipped; [`Headers::raw`] still has them.
    pub(super) fn parse(raw: Vec<u8>, start: usize) -> Result<Headers, HeadersError> {
        if raw.is_empty() {
            return Ok(Headers::default());
        }
        let lines = raw.get(start..).unwrap_or_default();
        let mut clean = Vec::with_capacity(STATUS_LINE.len() + lines.len() + 4);
        clean.extend_from_slice(STATUS_LINE);
        clean.extend_from_slice(lines);
        replace_forbidden(clean.get_mut(STATUS_LINE.len()..).unwrap_or_default());
        if !ends_with_empty_line(&clean) {
            clean.extend_from_slice(b"\r\n\r\n"); // a peer that closed in its headers
        }
        let places = split(&clean)?;
        Ok(Headers(Some(Rc::new(Fields { raw, clean, places }))))
    }

    /// Name and value of each field, in the order received.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields().map(|(name, value)| (str::from_utf8(name).unwrap_or_default(), value))
    }

    /// The same with names as bytes, for lookups: most compare many names and keep one.
    fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let fields = self.0.as_deref();
        fields.into_iter().flat_map(|all| {
            let bytes = |range: &Range<usize>| all.clean.get(range.clone()).unwrap_or_default();
            all.places.iter().map(move |(name, value)| (bytes(name), bytes(value)))
        })
    }

    /// Values of all fields of that name, ignoring case.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields().filter(move |(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The first value of that name, ignoring case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.fields().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The first value of that name as text; what is not UTF-8 is replaced.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(String::from_utf8_lossy)
    }

    /// Whether a comma-separated list under `name` holds `token`, ignoring case.
    pub(super) fn lists(&self, name: &str, token: &str) -> bool {
        self.get_all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Start line and header lines exactly as received.
    pub fn raw(&self) -> &[u8] {
        self.0.as_deref().map(|all| all.raw.as_slice()).unwrap_or_default()
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.0.as_deref().map_or(0, |all| all.places.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory held, roughly, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.0.as_deref().map_or(0, |all| all.raw.len() + all.clean.len() + all.places.len() * 32)
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Headers) -> bool {
        self.raw() == other.raw() && self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)))).finish()
    }
}

/// Replaces by spaces what has no place in a value: line folds, lone CR and NUL (RFC 9112, 5.2; RFC 9110, 5.5), and
/// other control characters, for which httparse would drop the field.
fn replace_forbidden(lines: &mut [u8]) {
    for at in 0..lines.len() {
        let next = lines.get(at + 1).copied();
        let after_next = lines.get(at + 2).copied();
        let Some(byte) = lines.get_mut(at) else { return };
        let is_blank = |byte: Option<u8>| matches!(byte, Some(b' ' | b'\t'));
        let forbidden = match *byte {
            b'\r' => next != Some(b'\n') || is_blank(after_next),
            b'\n' => is_blank(next),
            b'\t' => false,
            other => other < b' ' || other == 0x7f,
        };
        if forbidden {
            *byte = b' ';
        }
    }
}

fn ends_with_empty_line(block: &[u8]) -> bool {
    block.ends_with(b"\n\n") || block.ends_with(b"\n\r\n")
}

fn split(clean: &[u8]) -> Result<Vec<Place>, HeadersError> {
    let mut slots = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .allow_spaces_after_header_name_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .allow_space_before_first_header_name(true)
        .ignore_invalid_headers_in_responses(true)
        .parse_response_with_uninit_headers(&mut response, clean, &mut slots);
    match parsed {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(HeadersError::TooMany),
        Ok(httparse::Status::Partial) | Err(_) => return Err(HeadersError::Unreadable),
    }
    let base = clean.as_ptr() as usize;
    let range = |part: &[u8]| {
        let from = if part.is_empty() { 0 } else { part.as_ptr() as usize - base };
        from..from + part.len()
    };
    Ok(response.headers.iter().map(|header| (range(header.name.as_bytes()), range(header.value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let headers = Headers::parse(text.as_bytes().to_vec(), 0).unwrap();
        headers.iter().map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(value).into_owned())).collect()
    }

    #[test]
    fn sloppy_lines_are_read_and_nonsense_is_skipped() {
        let text =
            " First : 1\r\nno colon\nFolded: a\r\n\tb\nNul: a\0b\rc\x01\r\nEmpty:\r\nBad Name: x\r\nLast:z\r\n\r\n";
        let expected = [("First", "1"), ("Folded", "a  \tb"), ("Nul", "a b c"), ("Empty", ""), ("Last", "z")];
        let read = pairs(text);
        let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.replace("   ", "  "))).collect();
        let expected: Vec<_> = expected.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn names_are_found_whatever_their_case() {
        let headers = Headers::parse(b"Set-Cookie: a\r\nX: 1\r\nset-cookie: b\r\n\r\n".to_vec(), 0).unwrap();
        assert_eq!(headers.get_all("SET-COOKIE").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(headers.get("x"), Some(b"1".as_slice()));
        assert_eq!((headers.get("y"), headers.len()), (None, 3));
    }

    #[test]
    fn a_flood_of_headers_is_refused() {
        let flood = "A: b\r\n".repeat(MAX_HEADERS + 1) + "\r\n";
        assert_eq!(Headers::parse(flood.into_bytes(), 0).unwrap_err(), HeadersError::TooMany);
    }
}

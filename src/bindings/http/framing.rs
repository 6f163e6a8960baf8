//! Where a body ends (RFC 9112, 6 and 7), for servers that do not read RFCs.

use super::{Expect, Headers, Truncation};

/// Longest chunk-size line, extensions included.
const MAX_SIZE_LINE: usize = 4096;
/// Longest trailer section.
const MAX_TRAILERS: usize = 16 * 1024;
/// Body space set aside on the word of a Content-Length.
const MAX_RESERVE: u64 = 64 * 1024;

/// How the end of a body is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    None,
    /// So many bytes are still to come.
    Length(u64),
    /// Chunks.
    Chunked(Chunks),
    /// It ends with the connection.
    UntilClose,
}

/// Where a body stands after some input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// More input is needed.
    More,
    /// The body is complete.
    Done,
    /// It ends here, incomplete.
    Cut(Truncation),
}

impl Framing {
    /// Chooses the framing of an answer, and says whether the connection is in step with the server after it.
    ///
    /// Beyond the RFC: of conflicting Content-Lengths the first readable one counts and the connection is not used
    /// again; an unreadable one (negative, over 64 bits) is as good as none; RTSP without one has no body (RFC 2326, 4.4).
    pub(super) fn choose(version: &str, status: u16, headers: &Headers, expect: Expect) -> (Framing, bool) {
        let bodiless = matches!(status, 100..=199 | 204 | 304)
            || expect == Expect::Head
            || (expect == Expect::Tunnel && (200..300).contains(&status));
        if bodiless {
            return (Framing::None, true);
        }
        if headers.get("Transfer-Encoding").is_some() {
            let chunked = headers.lists("Transfer-Encoding", "chunked");
            return if chunked { (Framing::Chunked(Chunks::default()), true) } else { (Framing::UntilClose, false) };
        }
        match content_length(headers) {
            (Some(length), consistent) => (Framing::Length(length), consistent),
            (None, _) if version.starts_with("RTSP/") => (Framing::None, true),
            (None, _) => (Framing::UntilClose, false),
        }
    }

    /// Space worth setting aside for the body.
    pub(super) fn reserve(&self) -> usize {
        if let Framing::Length(length) = self { (*length).min(MAX_RESERVE) as usize } else { 0 }
    }

    /// Takes body bytes from `input` into `body`, which stays within `limit`; returns how many were consumed.
    pub(super) fn feed(&mut self, input: &[u8], body: &mut Vec<u8>, limit: usize) -> (usize, Progress) {
        match self {
            Framing::None => (0, Progress::Done),
            Framing::Length(remaining) => {
                let taken = take(input, *remaining, body, limit);
                *remaining -= taken as u64;
                let progress = match *remaining {
                    0 => Progress::Done,
                    _ if body.len() >= limit => Progress::Cut(Truncation::Limit),
                    _ => Progress::More,
                };
                (taken, progress)
            }
            Framing::UntilClose => {
                let taken = take(input, u64::MAX, body, limit);
                let progress = if taken < input.len() { Progress::Cut(Truncation::Limit) } else { Progress::More };
                (taken, progress)
            }
            Framing::Chunked(chunks) => chunks.feed(input, body, limit),
        }
    }

    /// What it means that the stream ends here because of `cause`: nothing, or a body cut short.
    pub(super) fn end(&self, cause: Truncation) -> Option<Truncation> {
        let complete = match self {
            Framing::None => true,
            Framing::Length(remaining) => *remaining == 0,
            Framing::UntilClose => cause == Truncation::Closed,
            // The last chunk was seen; a missing empty line after it costs nothing.
            Framing::Chunked(chunks) => chunks.step == Step::Trailers,
        };
        (!complete).then_some(cause)
    }

    /// The trailer section, if there was one.
    pub(super) fn trailers(&mut self) -> Vec<u8> {
        if let Framing::Chunked(chunks) = self { std::mem::take(&mut chunks.trailers) } else { Vec::new() }
    }
}

fn take(input: &[u8], wanted: u64, body: &mut Vec<u8>, limit: usize) -> usize {
    let room = limit.saturating_sub(body.len());
    let count = input.len().min(room).min(usize::try_from(wanted).unwrap_or(usize::MAX));
    body.extend_from_slice(input.get(..count).unwrap_or_default());
    count
}

/// The length all fields agree on, or the first readable one and false.
fn content_length(headers: &Headers) -> (Option<u64>, bool) {
    let mut length = None;
    let mut consistent = true;
    for item in headers.get_all("Content-Length").flat_map(|value| value.split(|byte| *byte == b',')) {
        let item = item.trim_ascii();
        let digits = !item.is_empty() && item.iter().all(u8::is_ascii_digit);
        match (digits.then(|| str::from_utf8(item).ok()?.parse::<u64>().ok()).flatten(), length) {
            (Some(value), None) => length = Some(value),
            (Some(value), Some(first)) => consistent &= value == first,
            (None, _) => consistent = false,
        }
    }
    (length, consistent)
}

/// The chunked coding, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Chunks {
    step: Step,
    line: Vec<u8>,
    trailers: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Step {
    /// In a size line.
    #[default]
    Size,
    /// So many bytes of the chunk are missing.
    Data(u64),
    /// At the line break after a chunk; true once its CR was seen.
    Break(bool),
    /// After the last chunk.
    Trailers,
}

impl Chunks {
    fn feed(&mut self, input: &[u8], body: &mut Vec<u8>, limit: usize) -> (usize, Progress) {
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            if let Step::Data(remaining) = self.step {
                let taken = take(rest, remaining, body, limit);
                at += taken;
                let remaining = remaining - taken as u64;
                self.step = if remaining == 0 { Step::Break(false) } else { Step::Data(remaining) };
                if remaining > 0 {
                    let full = body.len() >= limit;
                    return (at, if full { Progress::Cut(Truncation::Limit) } else { Progress::More });
                }
                continue;
            }
            if rest.is_empty() {
                return (at, Progress::More);
            }
            let (used, progress) = self.feed_line(rest);
            at += used;
            if progress != Progress::More {
                return (at, progress);
            }
        }
    }

    /// Everything that is not chunk data. `rest` is not empty.
    fn feed_line(&mut self, rest: &[u8]) -> (usize, Progress) {
        let malformed = Progress::Cut(Truncation::Malformed);
        if let Step::Break(seen_cr) = self.step {
            self.step = match rest.first() {
                Some(b'\r') if !seen_cr => Step::Break(true),
                Some(b'\n') => Step::Size,
                _ => return (0, malformed),
            };
            return (1, Progress::More);
        }
        let line_end = rest.iter().position(|byte| *byte == b'\n');
        let used = line_end.map_or(rest.len(), |end| end + 1);
        let room = if self.step == Step::Size { MAX_SIZE_LINE } else { MAX_TRAILERS - self.trailers.len() };
        if self.line.len() + used > room {
            return (used, malformed);
        }
        self.line.extend_from_slice(rest.get(..used).unwrap_or_default());
        if line_end.is_none() {
            return (used, Progress::More);
        }
        let progress = if self.step == Step::Size { self.end_size() } else { self.end_trailer() };
        self.line.clear();
        (used, progress)
    }

    fn end_size(&mut self) -> Progress {
        let size = self.line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let hex = (1..=16).contains(&size.len()) && size.iter().all(u8::is_ascii_hexdigit);
        let size = hex.then(|| u64::from_str_radix(str::from_utf8(size).ok()?, 16).ok()).flatten();
        self.step = match size {
            None => return Progress::Cut(Truncation::Malformed),
            Some(0) => Step::Trailers,
            Some(size) => Step::Data(size),
        };
        Progress::More
    }

    fn end_trailer(&mut self) -> Progress {
        self.trailers.extend_from_slice(&self.line);
        if self.line.trim_ascii().is_empty() { Progress::Done } else { Progress::More }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunked(input: &[u8], limit: usize) -> (Vec<u8>, usize, Progress) {
        let mut body = Vec::new();
        let (used, progress) = Framing::Chunked(Chunks::default()).feed(input, &mut body, limit);
        (body, used, progress)
    }

    #[test]
    fn chunks_with_extensions_and_trailers_are_joined() {
        let input = b"3;x=y\r\nabc\r\n 02 \r\nde\n0\r\nA: b\r\n\r\nNEXT";
        assert_eq!(chunked(input, 99), (b"abcde".to_vec(), input.len() - 4, Progress::Done));
    }

    #[test]
    fn what_is_no_chunk_ends_the_body() {
        let malformed = Progress::Cut(Truncation::Malformed);
        for bad in ["-1\r\nx", "0x5\r\nabcde", "10000000000000000\r\nx", "\r\n", "zz\r\n"] {
            assert_eq!(chunked(format!("3\r\nabc\r\n{bad}").as_bytes(), 99).2, malformed, "{bad}");
        }
        assert_eq!(chunked(b"3\r\nabcX", 99), (b"abc".to_vec(), 6, malformed));
        assert_eq!(chunked(&[b'1'; 5000], 99).2, malformed);
        assert_eq!(chunked(&[b"0\r\n".as_slice(), &vec![b'x'; 20_000]].concat(), 99).2, malformed);
    }

    #[test]
    fn a_chunk_of_any_size_stays_within_the_limit() {
        let input = [b"ffffffffffffffff\r\n".as_slice(), &[7; 100]].concat();
        assert_eq!(chunked(&input, 10), (vec![7; 10], 28, Progress::Cut(Truncation::Limit)));
    }

    #[test]
    fn content_lengths_are_read_sensibly() {
        let read = |lines: &str| content_length(&Headers::parse(format!("{lines}\r\n\r\n").into_bytes(), 0).unwrap());
        assert_eq!(read("Content-Length: 5"), (Some(5), true));
        assert_eq!(read("Content-Length: 5, 5\r\ncontent-length: 5"), (Some(5), true));
        assert_eq!(read("Content-Length: 5\r\nContent-Length: 6"), (Some(5), false));
        assert_eq!(read("Content-Length: -5"), (None, false));
        assert_eq!(read("Content-Length: 99999999999999999999"), (None, false));
        assert_eq!(read("X: y"), (None, true));
    }
}

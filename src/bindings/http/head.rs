//! The first line of an answer: a status line of the HTTP family, or something else altogether.

use std::borrow::Cow;

/// A status line, tolerantly read: `HTTP/1.1 200`, `ICY 200 OK`, `RTSP/1.0 200 OK`, `HTTP/2 200`, `HTTP/1.1 7`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StatusLine {
    pub version: Cow<'static, str>,
    pub status: u16,
    pub reason: String,
}

/// What the first bytes of an answer announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// Too few bytes to say.
    Undecided,
    /// A status line that starts at this offset.
    Status(usize),
    /// No status line: an HTTP/0.9 answer, or no HTTP at all.
    Bare,
}

/// Line breaks some servers leave before a status line; more than this many are content.
const MAX_BLANK: usize = 16;

pub(super) fn opening(bytes: &[u8]) -> Opening {
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    if blank > MAX_BLANK {
        return Opening::Bare;
    }
    let line = bytes.get(blank..).unwrap_or_default();
    let mut decision = Opening::Bare;
    for name in [b"HTTP/".as_slice(), b"ICY ", b"RTSP/"] {
        if line.iter().zip(name).all(|(byte, expected)| byte.eq_ignore_ascii_case(expected)) {
            decision = if line.len() >= name.len() { Opening::Status(blank) } else { Opening::Undecided };
        }
    }
    decision
}

/// Reads `line`, its line break included or not.
pub(super) fn status_line(line: &[u8]) -> Option<StatusLine> {
    let line = line.trim_ascii();
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t'))?;
    let (version, rest) = line.split_at_checked(end)?;
    let rest = rest.trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (code, reason) = rest.split_at_checked(digits)?;
    let status = str::from_utf8(code).ok()?.parse().ok()?;
    let version = match version {
        b"HTTP/1.1" => Cow::Borrowed("HTTP/1.1"),
        b"HTTP/1.0" => Cow::Borrowed("HTTP/1.0"),
        other => Cow::Owned(String::from_utf8_lossy(other).into_owned()),
    };
    Some(StatusLine { version, status, reason: String::from_utf8_lossy(reason.trim_ascii_start()).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_status_lines_are_read() {
        let read = |line: &str| status_line(line.as_bytes()).map(|s| (s.version.into_owned(), s.status, s.reason));
        let some = |version: &str, status, reason: &str| Some((version.to_owned(), status, reason.to_owned()));
        assert_eq!(read("HTTP/1.1 200 OK\r\n"), some("HTTP/1.1", 200, "OK"));
        assert_eq!(read("HTTP/1.1 200"), some("HTTP/1.1", 200, ""));
        assert_eq!(read("HTTP/1.0  404   Not  Found \n"), some("HTTP/1.0", 404, "Not  Found"));
        assert_eq!(read("ICY 200 OK"), some("ICY", 200, "OK"));
        assert_eq!(read("RTSP/1.0 454 Session Not Found"), some("RTSP/1.0", 454, "Session Not Found"));
        assert_eq!(read("HTTP/2 200 "), some("HTTP/2", 200, ""));
        assert_eq!(read("HTTP/1.1 7 low"), some("HTTP/1.1", 7, "low"));
        assert_eq!(read("HTTP/1.1 99999999999999999999 x"), None);
        assert_eq!(read("HTTP/1.1 -1 x"), None);
        assert_eq!(read("HTTP/1.1"), None);
    }

    #[test]
    fn the_opening_is_decided_as_soon_as_it_can_be() {
        assert_eq!(opening(b""), Opening::Undecided);
        assert_eq!(opening(b"\r\nHT"), Opening::Undecided);
        assert_eq!(opening(b"\r\nhttp/"), Opening::Status(2));
        assert_eq!(opening(b"ICY "), Opening::Status(0));
        assert_eq!(opening(b"SSH-2.0"), Opening::Bare);
        assert_eq!(opening(b"<"), Opening::Bare);
        assert_eq!(opening(&[b'\n'; 17]), Opening::Bare);
    }
}

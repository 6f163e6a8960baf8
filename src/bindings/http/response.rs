//! Answers, as scripts get them.

use std::borrow::Cow;
use std::rc::Rc;

use super::{Cookie, Headers, Stopped};

/// Why a body (or, for `Closed`, the header section) ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truncation {
    /// It reached the body limit of the request; nothing more was read.
    Limit,
    /// The server closed the connection.
    Closed,
    /// The server reset the connection.
    Reset,
    /// The server went silent, or the deadline came.
    Timeout,
    /// The chunked coding is broken from here on.
    Malformed,
    /// The content coding (gzip, deflate) is broken or incomplete from here on, or nested too deeply.
    Coding,
}

impl Truncation {
    /// The name scripts see.
    pub fn name(self) -> &'static str {
        match self {
            Truncation::Limit => "limit",
            Truncation::Closed => "closed",
            Truncation::Reset => "reset",
            Truncation::Timeout => "timeout",
            Truncation::Malformed => "malformed",
            Truncation::Coding => "coding",
        }
    }

    /// Whether asking again might well give more: not a property of the resource but of this connection.
    pub(super) fn is_transient(self) -> bool {
        matches!(self, Truncation::Closed | Truncation::Reset | Truncation::Timeout)
    }
}

/// An answer. Clones share everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The status code; 0 for an answer without a status line (HTTP/0.9, or not HTTP).
    pub status: u16,
    /// The reason phrase; empty when the server gave none.
    pub reason: Rc<str>,
    /// The version as sent: `HTTP/1.1`, `ICY`, `RTSP/1.0`; `HTTP/0.9` when there was no status line.
    pub version: Cow<'static, str>,
    /// The header fields; [`Headers::raw`] has the whole head as received.
    pub headers: Headers,
    /// Fields sent after a chunked body.
    pub trailers: Headers,
    /// The body, content codings removed unless `encoded`.
    pub body: Rc<[u8]>,
    /// The body still has a content coding: unknown (such as `br`), broken from the start, or not asked to be removed.
    pub encoded: bool,
    /// Set when this is not the whole answer.
    pub truncated: Option<Truncation>,
    /// It came through TLS.
    pub ssl: bool,
    /// The absolute URL that answered.
    pub url: Rc<str>,
    /// The redirects followed on the way here, as absolute URLs; the last one equals `url`.
    pub locations: Rc<[String]>,
    /// Why a redirect in this answer was not followed.
    pub stopped: Option<Stopped>,
}

impl Response {
    /// The first header of that name as text, ignoring case.
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers.text(name)
    }

    /// The cookies this answer sets, as sent.
    pub fn cookies(&self) -> impl Iterator<Item = Cookie> {
        self.headers.get_all("Set-Cookie").filter_map(|value| Cookie::parse(&String::from_utf8_lossy(value)))
    }

    /// Memory held, roughly, in bytes.
    pub(super) fn weight(&self) -> usize {
        256 + self.body.len() + self.headers.weight() + self.trailers.weight() + self.reason.len() + self.url.len()
    }
}

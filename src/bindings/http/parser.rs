//! The sans-IO parser of answers: bytes in whatever pieces, one message out.

use std::borrow::Cow;
use std::fmt;

use super::framing::{Framing, Progress};
use super::head::{Opening, StatusLine, opening, status_line};
use super::headers::{HeadersError, MAX_HEADERS};
use super::{Headers, Truncation};

/// Longest head of an answer, status line included, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// Interim answers (1xx) skipped before the final one.
const MAX_INTERIM: usize = 16;

/// What the request means for the body of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expect {
    /// The headers say whether there is a body.
    #[default]
    Body,
    /// HEAD: no body, whatever the headers say.
    Head,
    /// CONNECT: no body after a success.
    Tunnel,
}

impl Expect {
    /// What `method` means for the answer.
    pub fn of(method: &str) -> Expect {
        match method {
            "HEAD" => Expect::Head,
            "CONNECT" => Expect::Tunnel,
            _ => Expect::Body,
        }
    }
}

/// The peer does not speak HTTP within reason; nothing of the answer is worth keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The head is over 64 KiB.
    LongHead,
    /// More than 256 header fields.
    ManyHeaders,
    /// More than 16 interim answers.
    ManyInterim,
    /// The header lines cannot be read.
    Unreadable,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::LongHead => write!(f, "response head over {} KiB", MAX_HEAD / 1024),
            Malformed::ManyHeaders => write!(f, "more than {MAX_HEADERS} response headers"),
            Malformed::ManyInterim => write!(f, "more than {MAX_INTERIM} interim responses"),
            Malformed::Unreadable => f.write_str("unreadable response headers"),
        }
    }
}

/// One answer as it was on the wire, content codings still on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub status: u16,
    pub reason: String,
    pub version: Cow<'static, str>,
    pub headers: Headers,
    pub trailers: Headers,
    pub body: Vec<u8>,
    pub truncated: Option<Truncation>,
    /// The connection can carry another request.
    pub reusable: bool,
}

/// Reads one answer. The result does not depend on how the bytes are split over [`Parser::feed`].
#[derive(Debug)]
pub struct Parser {
    expect: Expect,
    body_limit: usize,
    stage: Stage,
    /// Bytes of the head so far.
    head: Vec<u8>,
    /// Bytes of `head` already searched for its end.
    searched: usize,
    interim: usize,
    line: Option<StatusLine>,
    headers: Headers,
    body: Vec<u8>,
    truncated: Option<Truncation>,
    /// The framing leaves the connection in step.
    in_step: bool,
}

#[derive(Debug)]
enum Stage {
    Head,
    Body(Framing),
    Done(Framing),
}

impl Parser {
    /// A parser of one answer that keeps at most `body_limit` bytes of its body.
    pub fn new(expect: Expect, body_limit: usize) -> Parser {
        Parser {
            expect,
            body_limit,
            stage: Stage::Head,
            head: Vec::new(),
            searched: 0,
            interim: 0,
            line: None,
            headers: Headers::default(),
            body: Vec::new(),
            truncated: None,
            in_step: true,
        }
    }

    /// Takes what belongs to this answer from `input` and returns how many bytes that were. Everything is taken
    /// until the answer is done; what is left then belongs to the next one.
    pub fn feed(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        let mut used = 0;
        while matches!(self.stage, Stage::Head) {
            let rest = input.get(used..).unwrap_or_default();
            match self.feed_head(rest)? {
                Some(taken) => used += taken,
                None => return Ok(input.len()),
            }
        }
        let rest = input.get(used..).unwrap_or_default();
        Ok(used + self.feed_body(rest))
    }

    /// Whether the answer is complete (or cut at a limit): nothing more should be read.
    pub fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done(_))
    }

    /// Whether any byte of the answer arrived.
    pub fn has_begun(&self) -> bool {
        !matches!(self.stage, Stage::Head) || !self.head.is_empty() || self.interim > 0
    }

    /// Ends the stream because of `cause`. True when what arrived makes an answer, if a truncated one.
    ///
    /// A server that closes after its status line has said something; one that goes silent there may have more to say.
    pub fn end(&mut self, cause: Truncation) -> Result<bool, Malformed> {
        if matches!(self.stage, Stage::Head) {
            if self.head.is_empty() {
                return Ok(false);
            }
            match opening(&self.head) {
                Opening::Status(_) if self.line.is_some() && cause == Truncation::Closed => {
                    self.truncated = Some(cause);
                    self.finish_head()?;
                    self.feed_body(&[]);
                }
                Opening::Status(_) => return Ok(false),
                Opening::Undecided | Opening::Bare => self.become_bare(),
            }
        }
        if let Stage::Body(framing) = &self.stage {
            self.truncated = self.truncated.or(framing.end(cause));
            self.in_step = false;
            self.done();
        }
        Ok(self.is_done())
    }

    /// The answer. To be called once [`Parser::is_done`] or [`Parser::end`] said true.
    pub(super) fn into_message(mut self) -> Message {
        let trailers = match &mut self.stage {
            Stage::Done(framing) => Headers::parse(framing.trailers(), 0).unwrap_or_default(),
            _ => Headers::default(),
        };
        let reusable = self.in_step && self.truncated.is_none() && self.stays_open();
        let line = self.line.unwrap_or_else(|| StatusLine {
            version: Cow::Borrowed("HTTP/0.9"),
            status: 0,
            reason: String::new(),
        });
        Message {
            status: line.status,
            reason: line.reason,
            version: line.version,
            headers: self.headers,
            trailers,
            body: self.body,
            truncated: self.truncated,
            reusable,
        }
    }

    /// Takes head bytes; how many of `input` belong to the head once it is complete.
    fn feed_head(&mut self, input: &[u8]) -> Result<Option<usize>, Malformed> {
        let before = self.head.len();
        let room = (MAX_HEAD - before).min(input.len());
        self.head.extend_from_slice(input.get(..room).unwrap_or_default());
        let start = match opening(&self.head) {
            Opening::Undecided => return Ok(None),
            Opening::Bare => {
                self.become_bare();
                return Ok(Some(room));
            }
            Opening::Status(start) => start,
        };
        if self.line.is_none()
            && let Some(line) = first_line(&self.head, start)
        {
            self.line = status_line(line);
            if self.line.is_none() {
                self.become_bare();
                return Ok(Some(room));
            }
        }
        if let Some(end) = head_end(&self.head, self.searched.max(start)) {
            self.head.truncate(end);
            self.finish_head()?;
            return Ok(Some(end - before));
        }
        // The end may lie across the next piece: search the last bytes again.
        self.searched = self.head.len().saturating_sub(3);
        if self.head.len() >= MAX_HEAD { Err(Malformed::LongHead) } else { Ok(None) }
    }

    /// All header bytes are in `head`: reads them, and goes on to the body or to the next head.
    fn finish_head(&mut self) -> Result<(), Malformed> {
        let start = self.head.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let mut raw = std::mem::take(&mut self.head);
        raw.drain(..start);
        raw.shrink_to_fit(); // it lives as long as the response
        let lines = raw.iter().position(|byte| *byte == b'\n').map_or(raw.len(), |end| end + 1);
        self.searched = 0;
        let (status, version) = match &self.line {
            Some(line) => (line.status, line.version.clone()),
            None => (0, Cow::Borrowed("")),
        };
        if (100..200).contains(&status) && status != 101 {
            self.line = None;
            self.interim += 1;
            return if self.interim > MAX_INTERIM { Err(Malformed::ManyInterim) } else { Ok(()) };
        }
        self.headers = Headers::parse(raw, lines).map_err(|error| match error {
            HeadersError::TooMany => Malformed::ManyHeaders,
            HeadersError::Unreadable => Malformed::Unreadable,
        })?;
        let (framing, in_step) = Framing::choose(&version, status, &self.headers, self.expect);
        self.in_step = in_step && status != 101 && self.expect != Expect::Tunnel;
        self.body.reserve(framing.reserve().min(self.body_limit));
        self.stage = Stage::Body(framing);
        Ok(())
    }

    /// There is no status line: everything is body, up to the end of the stream.
    fn become_bare(&mut self) {
        self.line = None;
        self.in_step = false;
        let mut framing = Framing::UntilClose;
        let head = std::mem::take(&mut self.head);
        let (_, progress) = framing.feed(&head, &mut self.body, self.body_limit);
        self.stage = Stage::Body(framing);
        self.note(progress);
    }

    fn feed_body(&mut self, input: &[u8]) -> usize {
        let Stage::Body(framing) = &mut self.stage else { return 0 };
        let (used, progress) = framing.feed(input, &mut self.body, self.body_limit);
        self.note(progress);
        used
    }

    fn note(&mut self, progress: Progress) {
        match progress {
            Progress::More => {}
            Progress::Done => self.done(),
            Progress::Cut(cause) => {
                self.truncated = Some(cause);
                self.done();
            }
        }
    }

    fn done(&mut self) {
        if let Stage::Body(framing) = std::mem::replace(&mut self.stage, Stage::Head) {
            self.stage = Stage::Done(framing);
        }
    }

    /// Whether both versions and `Connection` agree to go on (RFC 9112, 9.3).
    fn stays_open(&self) -> bool {
        let Some(line) = &self.line else { return false };
        match &*line.version {
            "HTTP/1.1" => !self.headers.lists("Connection", "close"),
            "HTTP/1.0" => self.headers.lists("Connection", "keep-alive"),
            _ => false,
        }
    }
}

/// The line at `start`, once its line break arrived.
fn first_line(head: &[u8], start: usize) -> Option<&[u8]> {
    let line = head.get(start..)?.split_inclusive(|byte| *byte == b'\n').next()?;
    line.ends_with(b"\n").then_some(line)
}

/// Offset after the empty line that ends the head, searching from `from` on.
fn head_end(head: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = head.get(at..)?;
        at += rest.iter().position(|byte| *byte == b'\n')? + 1;
        match head.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

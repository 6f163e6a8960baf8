//! Requests, and the bytes they become (RFC 9112).

use std::fmt;

use super::Origin;

/// What we call ourselves unless the caller says otherwise.
pub const USER_AGENT: &str = "Mozilla/5.0 (compatible; sonde)";

/// The protocol version a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Version {
    /// `HTTP/1.0`.
    Http10,
    /// `HTTP/1.1`.
    #[default]
    Http11,
}

/// One request. The path is sent as it is: no encoding, no dot removal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// The method, e.g. `GET`.
    pub method: String,
    /// The request target, usually path and query; `/` when empty.
    pub path: Vec<u8>,
    /// Headers in the order they are sent. One of these replaces the default header of the same name.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Names of default headers (`Host` included) not to send.
    pub omit: Vec<String>,
    /// The body; `Content-Length` is set for it.
    pub body: Vec<u8>,
    /// The version named in the request line.
    pub version: Version,
}

/// A request that is not sent, because it would become something else on the wire. The caller is at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// The method is empty or holds a space or control character.
    Method(String),
    /// The path holds a line break or NUL.
    Path,
    /// The host name is empty or holds a space or control character.
    Host(String),
    /// A header name is empty or holds a colon, space or control character.
    HeaderName(String),
    /// The value of the named header holds a line break or NUL.
    HeaderValue(String),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::Method(method) => write!(f, "the method {method:?} is not one word: use a name like GET"),
            RequestError::Path => f.write_str("the path holds a line break or NUL: percent-encode it (%0D%0A, %00)"),
            RequestError::Host(host) => write!(f, "the host {host:?} cannot stand in a Host header"),
            RequestError::HeaderName(name) => write!(f, "the header name {name:?} is not one word"),
            RequestError::HeaderValue(name) => {
                write!(
                    f,
                    "the value of header {name:?} holds a line break or NUL: remove it, or send raw bytes with net::send"
                )
            }
        }
    }
}

impl std::error::Error for RequestError {}

impl Request {
    /// A request without headers and body of its own.
    pub fn new(method: &str, path: impl Into<Vec<u8>>) -> Request {
        Request {
            method: method.to_owned(),
            path: path.into(),
            headers: Vec::new(),
            omit: Vec::new(),
            body: Vec::new(),
            version: Version::default(),
        }
    }

    /// A GET of `path`.
    pub fn get(path: impl Into<Vec<u8>>) -> Request {
        Request::new("GET", path)
    }

    /// The same request with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Request {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same request with `body`.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    /// Whether the caller gave a header of that name.
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// Whether sending it twice does what sending it once does (RFC 9110, 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
    }

    /// Path and query as sent.
    pub fn target(&self) -> &[u8] {
        if self.path.is_empty() { b"/" } else { &self.path }
    }

    /// Refuses what would not arrive as the one request it looks like (header injection, request splitting).
    pub fn check(&self) -> Result<(), RequestError> {
        if !is_word(self.method.as_bytes()) {
            return Err(RequestError::Method(self.method.clone()));
        }
        if breaks_line(&self.path) {
            return Err(RequestError::Path);
        }
        for (name, value) in &self.headers {
            if !is_word(name.as_bytes()) || name.contains(':') {
                return Err(RequestError::HeaderName(name.clone()));
            }
            if breaks_line(value) {
                return Err(RequestError::HeaderValue(name.clone()));
            }
        }
        Ok(())
    }

    /// Appends the bytes of this request to `out`. `extra` headers (cookies, authorization) stand back behind the
    /// caller's own of the same name.
    pub fn encode(&self, origin: &Origin, extra: &[(&str, String)], out: &mut Vec<u8>) -> Result<(), RequestError> {
        self.check()?;
        if !is_word(origin.host.as_bytes()) {
            return Err(RequestError::Host(origin.host.to_string()));
        }
        out.reserve(192 + self.path.len() + self.headers.len() * 48 + self.body.len());
        out.extend_from_slice(self.method.as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.target());
        out.extend_from_slice(if self.version == Version::Http10 { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" });
        if self.wants("Host") {
            push_header(out, "Host", origin.authority().as_bytes());
        }
        let defaults: [(&str, &[u8]); 4] = [
            ("User-Agent", USER_AGENT.as_bytes()),
            ("Accept", b"*/*"),
            ("Accept-Encoding", b"gzip, deflate"),
            ("Connection", b"keep-alive"),
        ];
        for (name, value) in defaults {
            if self.wants(name) {
                push_header(out, name, value);
            }
        }
        for (name, value) in extra {
            if self.wants(name) {
                if breaks_line(value.as_bytes()) {
                    return Err(RequestError::HeaderValue((*name).to_owned()));
                }
                push_header(out, name, value.as_bytes());
            }
        }
        for (name, value) in &self.headers {
            push_header(out, name, value);
        }
        let carries_body = !self.body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        if carries_body && self.wants("Content-Length") && !self.has_header("Transfer-Encoding") {
            push_header(out, "Content-Length", self.body.len().to_string().as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        Ok(())
    }

    /// Whether the default header `name` is to be sent.
    fn wants(&self, name: &str) -> bool {
        !self.has_header(name) && !self.omit.iter().any(|omitted| omitted.eq_ignore_ascii_case(name))
    }
}

fn push_header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn is_word(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
}

fn breaks_line(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(request: &Request) -> String {
        let mut out = Vec::new();
        request.encode(&Origin::new(false, "::1", 8080), &[("Cookie", "a=b".into())], &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn defaults_are_sent_in_order() {
        assert_eq!(
            text(&Request::get("/a b?%2e")),
            "GET /a b?%2e HTTP/1.1\r\nHost: [::1]:8080\r\nUser-Agent: Mozilla/5.0 (compatible; sonde)\r\n\
             Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nCookie: a=b\r\n\r\n"
        );
    }

    #[test]
    fn a_callers_header_replaces_the_default_and_defaults_can_be_left_out() {
        let mut request = Request::new("POST", "").with_header("host", "x").with_header("COOKIE", "c").with_body("hi");
        request.omit = ["user-agent", "accept", "accept-encoding", "connection"].map(str::to_owned).to_vec();
        request.version = Version::Http10;
        assert_eq!(text(&request), "POST / HTTP/1.0\r\nhost: x\r\nCOOKIE: c\r\nContent-Length: 2\r\n\r\nhi");
    }

    #[test]
    fn injection_is_refused() {
        let refuses = |request: Request| {
            let mut out = Vec::new();
            request.encode(&Origin::new(false, "h", 80), &[], &mut out).unwrap_err()
        };
        assert_eq!(refuses(Request::get("/ HTTP/1.1\r\nX: y")), RequestError::Path);
        assert_eq!(refuses(Request::get("/").with_header("X", "a\nb: c")), RequestError::HeaderValue("X".into()));
        assert_eq!(refuses(Request::get("/").with_header("X:y", "")), RequestError::HeaderName("X:y".into()));
        assert_eq!(refuses(Request::new("GET /x", "/")), RequestError::Method("GET /x".into()));
        let evil = Origin::new(false, "a\r\nb", 80);
        assert!(matches!(Request::get("/").encode(&evil, &[], &mut Vec::new()), Err(RequestError::Host(_))));
    }
}

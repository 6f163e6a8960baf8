//! What scripts read of a [`Response`](super::Response).

use rhai::plugin::{Dynamic, export_module, exported_module};
use rhai::{Array, Blob, INT, Module};

/// The members of the type, for the global namespace.
pub(super) fn module() -> Module {
    exported_module!(natives)
}

fn record<const N: usize>(fields: [(&str, Dynamic); N]) -> Dynamic {
    Dynamic::from_map(fields.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// The members of the type. None of them suspends: a response is there in whole.
#[export_module]
mod natives {
    /// An answer of an HTTP server, from `http::get` and its kin.
    pub type Response = crate::bindings::http::Response;

    /// The status code; 0 when the answer had no status line (HTTP/0.9, or not HTTP at all).
    ///
    /// ```rhai
    /// assert_eq(http::get(host, http_port, "/").status, 200);
    /// ```
    #[rhai_fn(get = "status", pure)]
    pub fn status(response: &mut Response) -> INT {
        INT::from(response.status)
    }

    /// The reason phrase; empty when the server gave none.
    ///
    /// ```rhai
    /// assert_eq(http::get(host, http_port, "/").reason, "OK");
    /// ```
    #[rhai_fn(get = "reason", pure)]
    pub fn reason(response: &mut Response) -> String {
        response.reason.to_string()
    }

    /// The version as sent: `HTTP/1.1`, `ICY`…; `HTTP/0.9` when there was no status line.
    ///
    /// ```rhai
    /// assert_eq(http::get(host, http_port, "/").version, "HTTP/1.1");
    /// ```
    #[rhai_fn(get = "version", pure)]
    pub fn version(response: &mut Response) -> String {
        response.version.to_string()
    }

    /// The body, with transfer and content codings undone. Bytes: `bytes::to_text` and the `html` module make text of it.
    ///
    /// ```rhai
    /// let page = http::get(host, http_port, "/");
    /// assert_eq(type_of(page.body), "blob");
    /// assert_eq(bytes::to_text(page.body), "<title>Example</title>");
    /// ```
    #[rhai_fn(get = "body", pure)]
    pub fn body(response: &mut Response) -> Blob {
        response.body.to_vec()
    }

    /// The header fields in the order received: a list of `#{ name, value }`.
    ///
    /// ```rhai
    /// let page = http::get(host, http_port, "/");
    /// assert_eq(page.headers[0].name, "Content-Type");
    /// assert_eq(page.headers[0].value, "text/html");
    /// ```
    #[rhai_fn(get = "headers", pure)]
    pub fn headers(response: &mut Response) -> Array {
        let field = |(name, value): (&str, &[u8])| {
            let value = String::from_utf8_lossy(value).into_owned();
            record([("name", name.to_owned().into()), ("value", value.into())])
        };
        response.headers.iter().map(field).collect()
    }

    /// The first header field of that name in any case; `()` when there is none.
    ///
    /// ```rhai
    /// let page = http::get(host, http_port, "/");
    /// assert_eq(page.header("content-type"), "text/html");
    /// assert_eq(page.header("server"), ());
    /// ```
    #[rhai_fn(global, pure)]
    pub fn header(response: &mut Response, name: &str) -> Dynamic {
        response.header(name).map_or(Dynamic::UNIT, |value| value.into_owned().into())
    }

    /// The whole head exactly as received.
    ///
    /// ```rhai
    /// let page = http::get(host, http_port, "/");
    /// assert(bytes::starts_with(page.raw_headers, "HTTP/1.1 200 OK\r\n"));
    /// ```
    #[rhai_fn(get = "raw_headers", pure)]
    pub fn raw_headers(response: &mut Response) -> Blob {
        response.headers.raw().to_vec()
    }

    /// The absolute URL that answered, after redirects.
    ///
    /// ```rhai
    /// assert_eq(http::get(host, http_port, "/a").url, `http://${host}:${http_port}/a`);
    /// ```
    #[rhai_fn(get = "url", pure)]
    pub fn url(response: &mut Response) -> String {
        response.url.to_string()
    }

    /// Whether it came through TLS.
    ///
    /// ```rhai
    /// assert(!http::get(host, http_port, "/").ssl);
    /// ```
    #[rhai_fn(get = "ssl", pure)]
    pub fn ssl(response: &mut Response) -> bool {
        response.ssl
    }

    /// Why this is not the whole answer: `"limit"` (`max_body`), `"closed"`, `"reset"`, `"timeout"`, `"malformed"`
    /// (chunked coding), `"coding"` (gzip, deflate); `()` when it is whole.
    ///
    /// ```rhai
    /// assert_eq(http::get(host, http_port, "/").truncated, ());
    /// assert_eq(http::get(host, http_port, "/", #{ max_body: 7 }).truncated, "limit");
    /// ```
    #[rhai_fn(get = "truncated", pure)]
    pub fn truncated(response: &mut Response) -> Dynamic {
        response.truncated.map_or(Dynamic::UNIT, |truncated| truncated.name().into())
    }

    /// The redirects followed on the way here, as absolute URLs; the last one equals `url`.
    ///
    /// ```rhai
    /// assert_eq(http::get(host, http_port, "/").locations, []);
    /// ```
    #[rhai_fn(get = "locations", pure)]
    pub fn locations(response: &mut Response) -> Array {
        response.locations.iter().cloned().map(Dynamic::from).collect()
    }

    /// Why the redirect this answer asks for was not followed; `()` when it asks for none or was not to be followed.
    ///
    /// ```rhai
    /// assert_eq(http::get(host, http_port, "/").stopped, ());
    /// ```
    #[rhai_fn(get = "stopped", pure)]
    pub fn stopped(response: &mut Response) -> Dynamic {
        response.stopped.as_ref().map_or(Dynamic::UNIT, |stopped| stopped.name().into())
    }

    /// The cookies this answer sets: a list of `#{ name, value, secure, http_only }`.
    ///
    /// ```rhai
    /// assert_eq(http::get(host, http_port, "/").cookies, []);
    /// ```
    #[rhai_fn(get = "cookies", pure)]
    pub fn cookies(response: &mut Response) -> Array {
        let cookie = |cookie: crate::bindings::http::Cookie| {
            record([
                ("name", cookie.name.into()),
                ("value", cookie.value.into()),
                ("secure", cookie.secure.into()),
                ("http_only", cookie.http_only.into()),
            ])
        };
        response.cookies().map(cookie).collect()
    }
}

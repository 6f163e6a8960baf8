//! The Rhai module `url`.

pub mod reference;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode, percent_encode};
use rhai::plugin::{export_module, exported_module};
use rhai::{Array, Blob, Dynamic, INT, Map};

use self::reference::{Reference, authority};
use crate::bindings::data::{Data, MAX_RESULT, fits, text, view};
use crate::bindings::fault::{ARGUMENT, Fallible, PROTOCOL, script_error};
use crate::bindings::located;

/// Everything but the unreserved characters (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What cannot stand in a request target at all.
const UNSENDABLE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'#');
/// Bytes of a URL.
const MAX_URL: usize = 64 << 10;
/// Pairs of a query.
const MAX_PAIRS: usize = 10_000;

/// The static module `url`.
pub fn module() -> rhai::Module {
    located::module(&natives::RHAI_MANIFEST, exported_module!(natives))
}

fn url_text(op: &str, data: &Data) -> Fallible<String> {
    let text = text(op, data)?;
    fits(op, text.len(), MAX_URL)?;
    Ok(text)
}

fn part(value: Option<&str>) -> Dynamic {
    value.map_or(Dynamic::UNIT, |text| text.to_owned().into())
}

/// The text or number `key` holds in `map`; `None` where it is absent or `()`.
fn field(op: &str, map: &Map, key: &str) -> Fallible<Option<String>> {
    match map.get(key) {
        None => Ok(None),
        Some(value) if value.is_unit() => Ok(None),
        Some(value) if value.is_int() => Ok(Some(value.to_string())),
        Some(value) => text(op, value).map(Some),
    }
}

fn built(op: &str, map: &Map) -> Fallible<String> {
    let known = ["scheme", "user", "host", "port", "path", "query", "fragment"];
    if let Some(stranger) = map.keys().find(|key| !known.contains(&key.as_str())) {
        let message = format!("unknown part `{stranger}`: there are {}", known.join(", "));
        return Err(script_error(ARGUMENT, op, message));
    }
    let field = |key| field(op, map, key);
    let authority = match field("host")? {
        None => None,
        Some(host) => {
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            let user = field("user")?.map_or(String::new(), |user| user + "@");
            let port = field("port")?.map_or(String::new(), |port| format!(":{port}"));
            Some(format!("{user}{host}{port}"))
        }
    };
    let (scheme, path, query, fragment) = (field("scheme")?, field("path")?, field("query")?, field("fragment")?);
    let reference = Reference {
        scheme: scheme.as_deref(),
        authority: authority.as_deref(),
        path: path.as_deref().unwrap_or_default(),
        query: query.as_deref(),
        fragment: fragment.as_deref(),
    };
    Ok(reference.write())
}

fn encoded(op: &str, data: &[u8], set: &'static AsciiSet) -> Fallible<String> {
    fits(op, data.len().saturating_mul(3), MAX_RESULT)?;
    Ok(percent_encode(data, set).to_string())
}

/// One side of a query pair: `+` is a space, then percent-decoding.
fn query_text(part: &str) -> Dynamic {
    let spaced = part.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned().into()
}

fn query_pair(op: &str, name: &Dynamic, value: &Dynamic) -> Fallible<String> {
    let side = |side: &Dynamic| match view(op, side) {
        Ok(view) => encoded(op, &view, RESERVED),
        Err(_) => encoded(op, side.to_string().as_bytes(), RESERVED),
    };
    if value.is_unit() { side(name) } else { Ok(format!("{}={}", side(name)?, side(value)?)) }
}

fn query(op: &str, pairs: impl Iterator<Item = Fallible<String>>) -> Fallible<String> {
    let mut out = String::new();
    for pair in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(&pair?);
        fits(op, out.len(), MAX_RESULT)?;
    }
    Ok(out)
}

/// URLs as RFC 3986 cuts them. Parts come exactly as written: nothing is decoded, sorted, lower-cased or removed behind the
/// script's back, so odd URLs can be sent as they are.
#[export_module(manifest)]
mod natives {
    /// The parts `#{scheme, user, host, port, path, query, fragment}`. What is absent is `()`, except the path, which may be
    /// empty; the port is an INT; an IPv6 host comes without brackets. A relative reference has no scheme or host. A port
    /// that is none, or a bracket left open, is an error `protocol`.
    ///
    /// ```rhai
    /// let u = url::parse("http://me@[::1]:8080/a%20b?x=1#top");
    /// assert_eq([u.scheme, u.user, u.host, u.port], ["http", "me", "::1", 8080]);
    /// assert_eq([u.path, u.query, u.fragment], ["/a%20b", "x=1", "top"]);
    /// assert_eq(url::parse("/a/../b").path, "/a/../b");
    /// assert_eq(url::parse("/a").host, ());
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn parse(text: &mut Data) -> Fallible<Map> {
        const OP: &str = "url::parse";
        let text = url_text(OP, text)?;
        let reference = Reference::parse(&text);
        let (user, host, port) = match reference.authority {
            None => (None, None, None),
            Some(written) => {
                let wrong = || script_error(PROTOCOL, OP, format!("`{}` is not host and port", written.escape_debug()));
                let (user, host, port) = authority(written).ok_or_else(wrong)?;
                (user, Some(host), port)
            }
        };
        let port = port.map_or(Dynamic::UNIT, |port| Dynamic::from_int(INT::from(port)));
        Ok([
            ("scheme".into(), part(reference.scheme)),
            ("user".into(), part(user)),
            ("host".into(), part(host)),
            ("port".into(), port),
            ("path".into(), part(Some(reference.path))),
            ("query".into(), part(reference.query)),
            ("fragment".into(), part(reference.fragment)),
        ]
        .into())
    }

    /// A URL out of the parts `parse` gives, any of which may be missing. They are put together as they are.
    ///
    /// ```rhai
    /// assert_eq(url::build(#{scheme: "http", host: "::1", port: 81, path: "/x", query: "a=b"}), "http://[::1]:81/x?a=b");
    /// assert_eq(url::build(url::parse("//h/a/./b?#")), "//h/a/./b?#");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn build(parts: Map) -> Fallible<String> {
        built("url::build", &parts)
    }

    /// The target of a reference found at `base` (RFC 3986 section 5): the one place where `.` and `..` are removed.
    ///
    /// ```rhai
    /// assert_eq(url::resolve("http://h/a/b?q", "../c"), "http://h/c");
    /// assert_eq(url::resolve("http://h/a/b?q", "//other/"), "http://other/");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn resolve(base: &mut Data, reference: Data) -> Fallible<String> {
        const OP: &str = "url::resolve";
        Ok(reference::resolve(&url_text(OP, base)?, &url_text(OP, &reference)?))
    }

    /// Percent-encodes every byte that is not a letter, a digit or one of `-._~`.
    ///
    /// ```rhai
    /// assert_eq(url::encode("a b/ü"), "a%20b%2F%C3%BC");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn encode(data: &mut Data) -> Fallible<String> {
        encoded("url::encode", &view("url::encode", data)?, RESERVED)
    }

    /// Percent-encodes only what cannot stand in a request target (spaces, controls, `"<>#` and the backquote, bytes above
    /// 127); `/`, `?`, `&` and `%` stay.
    ///
    /// ```rhai
    /// assert_eq(url::encode_path("/a b?x=%41"), "/a%20b?x=%41");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn encode_path(data: &mut Data) -> Fallible<String> {
        encoded("url::encode_path", &view("url::encode_path", data)?, UNSENDABLE)
    }

    /// Percent-decodes to text; what is not UTF-8 then becomes U+FFFD. A `%` without two digits stays as it is.
    ///
    /// ```rhai
    /// assert_eq(url::decode("a%20b%2f%C3%BC%zz"), "a b/ü%zz");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn decode(data: &mut Data) -> Fallible<String> {
        Ok(percent_decode(&view("url::decode", data)?).decode_utf8_lossy().into_owned())
    }

    /// Percent-decodes to bytes.
    ///
    /// ```rhai
    /// assert_eq(hex::encode(url::decode_bytes("%00%ff")), "00ff");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn decode_bytes(data: &mut Data) -> Fallible<Blob> {
        Ok(percent_decode(&view("url::decode_bytes", data)?).collect())
    }

    /// The pairs of a query (or of a form body) as `[name, value]` in their order, decoded; `+` is a space, and the value is
    /// `()` where there is no `=`. More than 10 000 pairs are an error `limit`.
    ///
    /// ```rhai
    /// assert_eq(url::parse_query("a=1&b=x+y&a=%26&c"), [["a", "1"], ["b", "x y"], ["a", "&"], ["c", ()]]);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn parse_query(data: &mut Data) -> Fallible<Array> {
        const OP: &str = "url::parse_query";
        let text = text(OP, data)?;
        let mut pairs = Array::new();
        for written in text.split('&').filter(|pair| !pair.is_empty()) {
            fits(OP, pairs.len() + 1, MAX_PAIRS)?;
            let (name, value) = written.split_once('=').map_or((written, None), |(name, value)| (name, Some(value)));
            pairs.push(vec![query_text(name), value.map_or(Dynamic::UNIT, query_text)].into());
        }
        Ok(pairs)
    }

    /// A query out of `[name, value]` pairs, in their order, percent-encoded; a value of `()` leaves out the `=`.
    ///
    /// ```rhai
    /// assert_eq(url::build_query([["q", "a b"], ["n", 1], ["flag", ()]]), "q=a%20b&n=1&flag");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn build_query(pairs: Array) -> Fallible<String> {
        const OP: &str = "url::build_query";
        let pair = |pair: &Dynamic| match pair.read_lock::<Array>().as_deref().map(Vec::as_slice) {
            Some([name, value]) => query_pair(OP, name, value),
            _ => Err(script_error(ARGUMENT, OP, "an item is not an array of name and value")),
        };
        query(OP, pairs.iter().map(pair))
    }

    /// A query out of a map, in the order of its keys.
    ///
    /// ```rhai
    /// assert_eq(url::build_query(#{b: "2", a: 1}), "a=1&b=2");
    /// ```
    #[rhai_fn(name = "build_query", return_raw)]
    pub fn build_query_of_map(pairs: Map) -> Fallible<String> {
        const OP: &str = "url::build_query";
        query(OP, pairs.iter().map(|(name, value)| query_pair(OP, &name.to_string().into(), value)))
    }
}

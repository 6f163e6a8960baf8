//! URI references as RFC 3986 cuts them. Nothing is decoded, encoded or normalised on the way: a scanner sends what it was
//! told to send.

/// The five parts of a reference (RFC 3986 appendix B), as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Before the first colon, if that is a scheme.
    pub scheme: Option<&'a str>,
    /// After `//`.
    pub authority: Option<&'a str>,
    /// Up to `?` or `#`; may be empty.
    pub path: &'a str,
    /// After `?`.
    pub query: Option<&'a str>,
    /// After `#`.
    pub fragment: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Cuts `text`; every text is some reference.
    pub fn parse(text: &'a str) -> Reference<'a> {
        let (rest, fragment) = cut(text, '#');
        let (rest, query) = cut(rest, '?');
        let (scheme, rest) = match rest.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, rest),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                (Some(authority), path)
            }
            None => (None, rest),
        };
        Reference { scheme, authority, path, query, fragment }
    }

    /// The parts put together again (RFC 3986 section 5.3).
    pub fn write(&self) -> String {
        let mut out = String::new();
        if let Some(scheme) = self.scheme {
            out.push_str(scheme);
            out.push(':');
        }
        if let Some(authority) = self.authority {
            out.push_str("//");
            out.push_str(authority);
        }
        out.push_str(self.path);
        for (mark, part) in [('?', self.query), ('#', self.fragment)] {
            if let Some(part) = part {
                out.push(mark);
                out.push_str(part);
            }
        }
        out
    }
}

/// User, host and port of an authority; a host in brackets comes without them. `None` if the port is none.
pub fn authority(text: &str) -> Option<(Option<&str>, &str, Option<u16>)> {
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, text),
    };
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None | Some("") => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
    };
    Some((user, host, port))
}

/// The target of `reference` as seen from `base` (RFC 3986 section 5.2).
pub fn resolve(base: &str, reference: &str) -> String {
    let base = Reference::parse(base);
    let target = Reference::parse(reference);
    let path;
    if target.scheme.is_some() || target.authority.is_some() {
        path = remove_dot_segments(target.path);
        let scheme = target.scheme.or(base.scheme);
        return Reference { scheme, path: &path, ..target }.write();
    }
    let mut query = target.query;
    if target.path.is_empty() {
        path = base.path.to_owned();
        query = query.or(base.query);
    } else if target.path.starts_with('/') {
        path = remove_dot_segments(target.path);
    } else {
        path = remove_dot_segments(&merge(&base, target.path));
    }
    Reference { path: &path, query, fragment: target.fragment, ..base }.write()
}

/// RFC 3986 section 5.2.3.
fn merge(base: &Reference, path: &str) -> String {
    if base.authority.is_some() && base.path.is_empty() {
        return format!("/{path}");
    }
    let directory = base.path.rfind('/').and_then(|end| base.path.get(..=end)).unwrap_or_default();
    format!("{directory}{path}")
}

/// RFC 3986 section 5.2.4, segment by segment.
fn remove_dot_segments(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    let joined = kept.join("/");
    if absolute { format!("/{joined}") } else { joined }
}

fn cut(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The examples of RFC 3986 section 5.4, from `http://a/b/c/d;p?q`.
    const EXAMPLES: [(&str, &str); 42] = [
        ("g:h", "g:h"),
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q#s"),
        ("g#s", "http://a/b/c/g#s"),
        ("g?y#s", "http://a/b/c/g?y#s"),
        (";x", "http://a/b/c/;x"),
        ("g;x", "http://a/b/c/g;x"),
        ("g;x?y#s", "http://a/b/c/g;x?y#s"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../", "http://a/"),
        ("../../g", "http://a/g"),
        ("../../../g", "http://a/g"),
        ("../../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        (".g", "http://a/b/c/.g"),
        ("g..", "http://a/b/c/g.."),
        ("..g", "http://a/b/c/..g"),
        ("./../g", "http://a/b/g"),
        ("./g/.", "http://a/b/c/g/"),
        ("g/./h", "http://a/b/c/g/h"),
        ("g/../h", "http://a/b/c/h"),
        ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/./x", "http://a/b/c/g?y/./x"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("g#s/./x", "http://a/b/c/g#s/./x"),
        ("g#s/../x", "http://a/b/c/g#s/../x"),
        ("http:g", "http:g"),
    ];

    #[test]
    fn resolves_as_the_rfc_says() {
        for (reference, expected) in EXAMPLES {
            assert_eq!(resolve("http://a/b/c/d;p?q", reference), expected, "{reference}");
        }
        assert_eq!(resolve("http://a", "g"), "http://a/g");
    }

    #[test]
    fn authorities() {
        assert_eq!(authority("u:p@h:80"), Some((Some("u:p"), "h", Some(80))));
        assert_eq!(authority("[::1]:443"), Some((None, "::1", Some(443))));
        assert_eq!(authority("[::1]"), Some((None, "::1", None)));
        assert_eq!(authority("h:"), Some((None, "h", None)));
        for wrong in ["h:x", "h:65536", "h:+80", "[::1", "[::1]80"] {
            assert_eq!(authority(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "\\PC{0,40}") {
            prop_assert_eq!(Reference::parse(&text).write(), text);
        }

        #[test]
        fn resolving_never_panics(base in "[a:/.?#]{0,12}", reference in "[a:/.?#]{0,12}") {
            let _ = resolve(&base, &reference);
        }
    }
}

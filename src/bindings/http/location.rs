//! Where a `Location` points: reference resolution (RFC 3986, 5) for http and https.

use super::Origin;

/// A place to ask: origin and request target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Whom to ask. On the same host it keeps the address of the base.
    pub origin: Origin,
    /// Path and query, ready to be sent; the fragment is gone.
    pub path: Vec<u8>,
}

/// Resolves `reference` as found in an answer of `base` for `base_path`. `None` when it is no http or https URL.
///
/// Paths that come out of it have no dot segments, and bytes that cannot stand in a request line are percent-encoded.
pub fn resolve(base: &Origin, base_path: &[u8], reference: &[u8]) -> Option<Location> {
    let reference = reference.trim_ascii();
    let reference = reference.split(|byte| *byte == b'#').next().unwrap_or_default();
    let (scheme, rest) = split_scheme(reference);
    let tls = match scheme {
        None => base.tls,
        Some(name) if name.eq_ignore_ascii_case(b"http") => false,
        Some(name) if name.eq_ignore_ascii_case(b"https") => true,
        Some(_) => return None,
    };
    if let Some(hierarchy) = rest.strip_prefix(b"//") {
        let end = hierarchy.iter().position(|byte| matches!(byte, b'/' | b'?' | b'\\')).unwrap_or(hierarchy.len());
        let (authority, path) = hierarchy.split_at_checked(end)?;
        return Some(Location { origin: parse_authority(base, tls, authority)?, path: tidy(path) });
    }
    if scheme.is_some() && tls != base.tls {
        return None; // `https:path`: nothing says which host and port
    }
    let path = match rest {
        [] => return Some(Location { origin: base.clone(), path: tidy(base_path) }),
        [b'/', ..] => rest.to_vec(),
        [b'?', ..] => [before_query(base_path), rest].concat(),
        _ => {
            let directory = before_query(base_path);
            let end = directory.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
            [directory.get(..end).unwrap_or_default(), rest].concat()
        }
    };
    Some(Location { origin: base.clone(), path: tidy(&path) })
}

/// The scheme and what follows it.
fn split_scheme(reference: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let colon = reference.iter().position(|byte| matches!(byte, b':' | b'/' | b'?'));
    match colon.and_then(|at| reference.split_at_checked(at)) {
        Some((name, [b':', rest @ ..])) if is_scheme(name) => (Some(name), rest),
        _ => (None, reference),
    }
}

fn is_scheme(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// `[userinfo@]host[:port]`. The user information is dropped: a server does not choose our credentials.
fn parse_authority(base: &Origin, tls: bool, authority: &[u8]) -> Option<Origin> {
    let text = str::from_utf8(authority).ok()?;
    let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let (host, port) = match text.rfind(']') {
        Some(bracket) => text.split_at_checked(bracket + 1)?,
        None => text.find(':').and_then(|colon| text.split_at_checked(colon)).unwrap_or((text, "")),
    };
    let port = match port.strip_prefix(':').unwrap_or(port) {
        "" if tls => 443,
        "" => 80,
        digits => digits.parse().ok().filter(|port| *port > 0)?,
    };
    if host.is_empty() || host.len() > 255 || !host.bytes().all(|byte| byte > b' ' && byte != 0x7f && byte != b'%') {
        return None;
    }
    let mut origin = Origin::new(tls, host, port);
    if host.contains([':', '[']) && !origin.addr.is_some_and(|addr| addr.is_ipv6()) {
        return None;
    }
    if base.host.eq_ignore_ascii_case(&origin.host) {
        (origin.host, origin.addr, origin.scope) = (base.host.clone(), base.addr, base.scope);
    } else if origin.addr.is_some() && origin.addr == base.addr {
        origin.scope = base.scope;
    }
    Some(origin)
}

fn before_query(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'?').next().unwrap_or_default()
}

/// Removes dot segments (RFC 3986, 5.2.4) and encodes what would break the request line.
fn tidy(path_and_query: &[u8]) -> Vec<u8> {
    let path = before_query(path_and_query);
    let query = path_and_query.get(path.len()..).unwrap_or_default();
    let mut segments: Vec<&[u8]> = Vec::new();
    let inner = path.strip_prefix(b"/").unwrap_or(path);
    let mut ends_in_directory = false;
    for segment in inner.split(|byte| *byte == b'/') {
        ends_in_directory = matches!(segment, b"." | b"..");
        match segment {
            b"." => {}
            b".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    if ends_in_directory {
        segments.push(b"");
    }
    let mut tidied = vec![b'/'];
    for byte in segments.join(&b'/').into_iter().chain(query.iter().copied()) {
        if byte <= b' ' || byte >= 0x7f {
            tidied.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            tidied.push(byte);
        }
    }
    tidied
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3986, 5.4, as far as http references go (paths without parameters' special cases).
    #[test]
    fn the_examples_of_the_rfc_hold() {
        let base = Origin::new(false, "a", 80);
        let cases = [
            ("g", "/b/c/g"),
            ("./g", "/b/c/g"),
            ("g/", "/b/c/g/"),
            ("/g", "/g"),
            ("?y", "/b/c/d;p?y"),
            ("g?y", "/b/c/g?y"),
            ("#s", "/b/c/d;p?q"),
            ("g#s", "/b/c/g"),
            ("g?y#s", "/b/c/g?y"),
            (";x", "/b/c/;x"),
            ("", "/b/c/d;p?q"),
            (".", "/b/c/"),
            ("./", "/b/c/"),
            ("..", "/b/"),
            ("../", "/b/"),
            ("../g", "/b/g"),
            ("../..", "/"),
            ("../../g", "/g"),
            ("../../../g", "/g"),
            ("/./g", "/g"),
            ("/../g", "/g"),
            ("g.", "/b/c/g."),
            (".g", "/b/c/.g"),
            ("g..", "/b/c/g.."),
            ("./../g", "/b/g"),
            ("./g/.", "/b/c/g/"),
            ("g/../h", "/b/c/h"),
            ("g?y/../x", "/b/c/g?y/../x"),
            ("http:g", "/b/c/g"),
            (" /a b\u{e9} ", "/a%20b%C3%A9"),
        ];
        for (reference, expected) in cases {
            let found = resolve(&base, b"/b/c/d;p?q", reference.as_bytes()).unwrap();
            assert_eq!(
                (String::from_utf8_lossy(&found.path).as_ref(), &found.origin),
                (expected, &base),
                "{reference}"
            );
        }
    }

    #[test]
    fn authorities_are_taken_apart() {
        let base = Origin::at(false, "example.com", "192.0.2.1:80".parse().unwrap());
        let go = |reference: &str| resolve(&base, b"/", reference.as_bytes()).map(|found| found.origin);
        let same = go("https://user:pw@EXAMPLE.com").unwrap();
        assert_eq!((same.tls, same.port, same.addr), (true, 443, base.addr));
        assert_eq!(go("//other:81/x").unwrap(), Origin::new(false, "other", 81));
        assert_eq!(go("http://[2001:db8::1]:8080?q").unwrap(), Origin::new(false, "2001:db8::1", 8080));
        for nonsense in
            ["ftp://x/", "javascript:alert(1)", "http://", "http://x:99999", "http://a b/", "http://[zz]/", "https:g"]
        {
            assert_eq!(go(nonsense), None, "{nonsense}");
        }
        assert!(resolve(&base, b"/", b"http://\xff/").is_none());
    }
}

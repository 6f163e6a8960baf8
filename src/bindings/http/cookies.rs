//! A small cookie jar (RFC 6265). It knows no public suffixes, so it takes no cookie for a single-label domain.

use std::net::IpAddr;

use super::Origin;
use crate::model::Timestamp;

/// Cookies kept; the oldest go first.
const MAX_COOKIES: usize = 64;
/// Longest name and value together.
const MAX_COOKIE: usize = 4096;
/// Longest `Cookie` header made.
const MAX_HEADER: usize = 16 * 1024;

/// A `Set-Cookie` field taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// The name.
    pub name: String,
    /// The value as sent, quotes included.
    pub value: String,
    /// `Domain`, lower case, without a leading dot.
    pub domain: Option<String>,
    /// `Path`, if it starts with a slash.
    pub path: Option<String>,
    /// `Expires`, in seconds since 1970.
    pub expires: Option<i64>,
    /// `Max-Age`, in seconds.
    pub max_age: Option<i64>,
    /// `Secure`.
    pub secure: bool,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `SameSite` as sent.
    pub same_site: Option<String>,
}

impl Cookie {
    /// Reads a `Set-Cookie` value (RFC 6265, 5.2); `None` when it has no name or is too long.
    pub fn parse(field: &str) -> Option<Cookie> {
        let mut parts = field.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.len() + value.len() > MAX_COOKIE {
            return None;
        }
        let mut cookie = Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: None,
            path: None,
            expires: None,
            max_age: None,
            secure: false,
            http_only: false,
            same_site: None,
        };
        for part in parts.take(16) {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            cookie.set(attribute.trim(), value.trim());
        }
        Some(cookie)
    }

    fn set(&mut self, attribute: &str, value: &str) {
        match attribute.to_ascii_lowercase().as_str() {
            "domain" => {
                let domain = value.strip_prefix('.').unwrap_or(value);
                self.domain = (!domain.is_empty()).then(|| domain.to_ascii_lowercase());
            }
            "path" => self.path = value.starts_with('/').then(|| value.to_owned()),
            "expires" => self.expires = parse_date(value).or(self.expires),
            "max-age" => self.max_age = value.parse().ok().or(self.max_age),
            "secure" => self.secure = true,
            "httponly" => self.http_only = true,
            "samesite" => self.same_site = Some(value.to_owned()),
            _ => {}
        }
    }
}

/// Cookies of one script instance.
#[derive(Debug, Clone, Default)]
pub struct Jar {
    stored: Vec<Stored>,
}

#[derive(Debug, Clone)]
struct Stored {
    name: String,
    value: String,
    domain: String,
    /// Only for exactly this host.
    host_only: bool,
    path: String,
    /// Seconds since 1970.
    expires: Option<i64>,
    secure: bool,
}

impl Jar {
    /// Keeps `cookie`, set by `origin` in the answer for `path`; a cookie for a foreign domain is ignored, an expired
    /// one is removed.
    pub fn store(&mut self, origin: &Origin, path: &[u8], cookie: Cookie, now: Timestamp) {
        let host = origin.host.to_ascii_lowercase();
        let (domain, host_only) = match cookie.domain {
            Some(domain) if domain == host => (domain, false),
            Some(domain) if domain.contains('.') && domain_matches(&host, &domain) => (domain, false),
            Some(_) => return,
            None => (host, true),
        };
        let path = cookie.path.unwrap_or_else(|| default_path(path));
        self.stored.retain(|known| (&known.name, &known.domain, &known.path) != (&cookie.name, &domain, &path));
        let expires = cookie.max_age.map(|age| now.seconds().saturating_add(age.max(0))).or(cookie.expires);
        if expires.is_some_and(|at| at <= now.seconds()) {
            return;
        }
        if self.stored.len() >= MAX_COOKIES {
            self.stored.remove(0);
        }
        let Cookie { name, value, secure, .. } = cookie;
        self.stored.push(Stored { name, value, domain, host_only, path, expires, secure });
    }

    /// The `Cookie` value for a request to `path` on `origin`, longer paths first; `None` when there is none.
    pub fn header(&self, origin: &Origin, path: &[u8], now: Timestamp) -> Option<String> {
        if self.stored.is_empty() {
            return None;
        }
        let host = origin.host.to_ascii_lowercase();
        let path = String::from_utf8_lossy(path);
        let path = path.split('?').next().unwrap_or("/");
        let mut fitting: Vec<&Stored> = self
            .stored
            .iter()
            .filter(|cookie| cookie.domain == host || (!cookie.host_only && domain_matches(&host, &cookie.domain)))
            .filter(|cookie| path_matches(path, &cookie.path) && (!cookie.secure || origin.tls))
            .filter(|cookie| cookie.expires.is_none_or(|at| at > now.seconds()))
            .collect();
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let mut header = String::new();
        for cookie in fitting {
            if header.len() + cookie.name.len() + cookie.value.len() + 3 > MAX_HEADER {
                break;
            }
            if !header.is_empty() {
                header.push_str("; ");
            }
            header.extend([&cookie.name, "=", &cookie.value]);
        }
        (!header.is_empty()).then_some(header)
    }

    /// Cookies held.
    pub fn len(&self) -> usize {
        self.stored.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.stored.is_empty()
    }
}

/// RFC 6265, 5.1.3: the host lies under the domain and is a name.
fn domain_matches(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')) && host.parse::<IpAddr>().is_err()
}

/// RFC 6265, 5.1.4.
fn path_matches(path: &str, cookie_path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
}

/// RFC 6265, 5.1.4: the directory of the request.
fn default_path(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path);
    let path = path.split('?').next().unwrap_or_default();
    match path.rfind('/') {
        Some(slash) if slash > 0 && path.starts_with('/') => path.get(..slash).unwrap_or("/").to_owned(),
        _ => "/".to_owned(),
    }
}

/// RFC 6265, 5.1.1: whatever looks like a time, a day, a month and a year, in any order.
fn parse_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let separates = |c: char| !(c.is_ascii_alphanumeric() || c == ':');
    for token in text.split(separates).filter(|token| !token.is_empty()).take(16) {
        let number = token.parse::<i16>().ok();
        if time.is_none() && token.contains(':') {
            let mut fields = token.split(':').map(|field| field.parse::<i8>().ok());
            time = Some((fields.next()??, fields.next()??, fields.next()??));
        } else if let (None, Some(value), true) = (day, number, token.len() <= 2) {
            day = Some(value as i8);
        } else if let (None, Some(index)) =
            (month, MONTHS.iter().position(|name| token.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(name))))
        {
            month = Some(index as i8 + 1);
        } else if let (None, Some(value), true) = (year, number, (2..=4).contains(&token.len())) {
            year = Some(match value {
                0..=69 => value + 2000,
                70..=99 => value + 1900,
                full => full,
            });
        }
    }
    let ((hour, minute, second), year) = (time?, year.filter(|year| *year >= 1601)?);
    let civil = jiff::civil::DateTime::new(year, month?, day?, hour, minute, second, 0).ok()?;
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

    fn jar(host: &str, path: &str, fields: &[&str]) -> Jar {
        let mut jar = Jar::default();
        for field in fields {
            jar.store(&Origin::new(false, host, 80), path.as_bytes(), Cookie::parse(field).unwrap(), NOW);
        }
        jar
    }

    fn sent(jar: &Jar, tls: bool, host: &str, path: &str) -> String {
        jar.header(&Origin::new(tls, host, 80), path.as_bytes(), NOW).unwrap_or_default()
    }

    #[test]
    fn cookies_go_back_where_they_belong() {
        let jar = jar(
            "www.example.com",
            "/a/b?x",
            &[
                "h=1",
                "d=2; Domain=.Example.com; path=/",
                "s=3; Secure; Path=/",
                "x=4; domain=other.com",
                "t=5; domain=com",
            ],
        );
        assert_eq!(jar.len(), 3);
        assert_eq!(sent(&jar, false, "WWW.example.com", "/a/c?y"), "h=1; d=2");
        assert_eq!(sent(&jar, true, "www.example.com", "/ab"), "d=2; s=3");
        assert_eq!(sent(&jar, false, "api.example.com", "/a"), "d=2");
        assert_eq!(sent(&jar, false, "badexample.com", "/a"), "");
    }

    #[test]
    fn cookies_are_replaced_and_expire() {
        let jar = jar(
            "h",
            "/",
            &[
                "a=1",
                "a=2",
                "b=1; Max-Age=0",
                "c=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT",
                "d=1; Max-Age=5; Expires=x",
            ],
        );
        assert_eq!(sent(&jar, false, "h", "/"), "a=2; d=1");
        let later = NOW.plus(std::time::Duration::from_secs(6));
        assert_eq!(jar.header(&Origin::new(false, "h", 80), b"/", later).unwrap(), "a=2");
    }

    #[test]
    fn dates_are_read_as_browsers_do() {
        assert_eq!(parse_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(parse_date("Sunday, 06-Nov-94 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(parse_date("Sun Nov  6 08:49:37 1994"), Some(784_111_777));
        for nonsense in
            ["", "99 99 99", "06 Nov 1994 25:00:00", "1:2 3 jan 2000", "31 feb 2020 00:00:00", "x\u{e9}\u{e9}y 1"]
        {
            assert_eq!(parse_date(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_jar_is_bounded() {
        let mut jar = Jar::default();
        for number in 0..200 {
            let cookie = Cookie::parse(&format!("c{number}={}", "x".repeat(4000))).unwrap();
            jar.store(&Origin::new(false, "h", 80), b"/", cookie, NOW);
        }
        assert_eq!(jar.len(), MAX_COOKIES);
        assert!(sent(&jar, false, "h", "/").len() <= MAX_HEADER);
        assert!(Cookie::parse(&format!("a={}", "x".repeat(5000))).is_none());
        assert!(Cookie::parse("no pair").is_none());
    }
}

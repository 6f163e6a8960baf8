//! When a redirect is followed, and as what (RFC 9110, 15.4).

use crate::model::NetError;

use super::{Location, Origin, Request, Response, resolve};

/// What the caller allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Redirects {
    /// Redirects followed in a row; 0 for none.
    pub max: u8,
    /// Follow to other hosts too. Without it only other ports and schemes of the same host.
    pub other_hosts: bool,
}

impl Default for Redirects {
    fn default() -> Redirects {
        Redirects { max: 5, other_hosts: false }
    }
}

/// Why a redirect was not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// The limit is reached.
    TooMany,
    /// It leads to another host, which the caller or the script's capabilities do not allow.
    OtherHost,
    /// It leads to a place already asked.
    Loop,
    /// `Location` is no http or https URL.
    BadLocation,
    /// The place it leads to gave no answer.
    Failed(NetError),
}

impl Stopped {
    /// The name scripts see.
    pub fn name(&self) -> &'static str {
        match self {
            Stopped::TooMany => "too-many",
            Stopped::OtherHost => "other-host",
            Stopped::Loop => "loop",
            Stopped::BadLocation => "bad-location",
            Stopped::Failed(_) => "failed",
        }
    }
}

/// One request on its way through redirects.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub origin: Origin,
    pub request: Request,
    /// The origin is the one the caller named: credentials may be shown to it.
    pub trusted: bool,
}

/// The redirects followed so far.
#[derive(Debug, Default)]
pub(super) struct Trail {
    pub locations: Vec<String>,
    /// Method, URL and cookies of what was asked.
    asked: Vec<String>,
}

impl Trail {
    /// The next hop after `response` to `hop`, which was asked with these cookies; or why there is none, if the
    /// response redirects at all.
    pub fn next(
        &mut self,
        hop: &Hop,
        cookies: &str,
        response: &Response,
        rules: Redirects,
    ) -> Result<Hop, Option<Stopped>> {
        if !matches!(response.status, 301 | 302 | 303 | 307 | 308) || rules.max == 0 {
            return Err(None);
        }
        let reference = response.headers.get("Location").ok_or(None)?;
        let target = resolve(&hop.origin, hop.request.target(), reference).ok_or(Some(Stopped::BadLocation))?;
        if !rules.other_hosts && !hop.origin.same_host(&target.origin) {
            return Err(Some(Stopped::OtherHost));
        }
        // With a new cookie the same place may answer differently.
        self.asked.push(format!("{} {} {cookies}", hop.request.method, hop.origin.url(hop.request.target())));
        let next = follow(hop, target, response.status);
        let url = next.origin.url(next.request.target());
        let sets_cookie = response.headers.get("Set-Cookie").is_some();
        if !sets_cookie && self.asked.contains(&format!("{} {url} {cookies}", next.request.method)) {
            return Err(Some(Stopped::Loop));
        }
        if self.locations.len() >= usize::from(rules.max) {
            return Err(Some(Stopped::TooMany));
        }
        self.locations.push(url);
        Ok(next)
    }
}

/// The request a redirect of `status` asks for. 303 becomes GET, and so does POST after 301 and 302 as everywhere;
/// credentials do not travel to another origin.
fn follow(hop: &Hop, target: Location, status: u16) -> Hop {
    let mut request = hop.request.clone();
    request.path = target.path;
    let to_get = match status {
        303 => !matches!(request.method.as_str(), "GET" | "HEAD"),
        301 | 302 => request.method == "POST",
        _ => false,
    };
    if to_get {
        request.method = String::from("GET");
        request.body.clear();
        request.headers.retain(|(name, _)| {
            !name.to_ascii_lowercase().starts_with("content-") && !name.eq_ignore_ascii_case("transfer-encoding")
        });
    }
    let trusted = hop.trusted && target.origin == hop.origin;
    if target.origin != hop.origin {
        let private = ["authorization", "cookie", "proxy-authorization", "host"];
        request.headers.retain(|(name, _)| !private.iter().any(|known| name.eq_ignore_ascii_case(known)));
    }
    Hop { origin: target.origin, request, trusted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_change_as_in_browsers_and_secrets_stay_home() {
        let origin = Origin::new(false, "h", 80);
        let request = Request::new("POST", "/form")
            .with_header("Content-Type", "x")
            .with_header("Authorization", "secret")
            .with_body("b");
        let hop = Hop { origin: origin.clone(), request, trusted: true };
        let go = |status, reference: &[u8]| follow(&hop, resolve(&origin, b"/form", reference).unwrap(), status);
        let got = go(302, b"/done");
        assert_eq!((got.request.method.as_str(), got.request.body.len(), got.trusted), ("GET", 0, true));
        assert!(got.request.has_header("authorization") && !got.request.has_header("content-type"));
        let kept = go(307, b"https://h/done");
        assert_eq!(
            (kept.request.method.as_str(), kept.request.body.as_slice(), kept.trusted),
            ("POST", b"b".as_slice(), false)
        );
        assert!(!kept.request.has_header("authorization"));
    }
}

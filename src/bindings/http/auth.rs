//! Basic (RFC 7617) and Digest (RFC 7616) credentials.

use std::fmt::Write;

use data_encoding::{BASE64, HEXLOWER};
use md5::Md5;
use sha2::Sha256;
use sha2::digest::Digest as Hash;

use super::Headers;
use crate::runtime::Random;

/// Challenges looked at in one answer.
const MAX_CHALLENGES: usize = 16;

/// Credentials for one request and its redirects within the same origin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Auth {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
    /// Wait for a Digest challenge; otherwise Basic credentials are sent at once.
    pub digest: bool,
}

/// The `Authorization` value of Basic credentials.
pub fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{username}:{password}").as_bytes()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Md5Session,
    Sha256,
    Sha256Session,
}

impl Algorithm {
    const ALL: [(&'static str, Algorithm); 4] = [
        ("MD5", Algorithm::Md5),
        ("MD5-sess", Algorithm::Md5Session),
        ("SHA-256", Algorithm::Sha256),
        ("SHA-256-sess", Algorithm::Sha256Session),
    ];

    fn parse(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, algorithm)| algorithm)
    }

    fn name(self) -> &'static str {
        Algorithm::ALL.into_iter().find(|(_, algorithm)| *algorithm == self).map_or("MD5", |(name, _)| name)
    }

    fn is_session(self) -> bool {
        matches!(self, Algorithm::Md5Session | Algorithm::Sha256Session)
    }

    /// The hex digest of `parts` joined by colons.
    fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Algorithm::Md5 | Algorithm::Md5Session => HEXLOWER.encode(&Md5::digest(text.as_bytes())),
            Algorithm::Sha256 | Algorithm::Sha256Session => HEXLOWER.encode(&Sha256::digest(text.as_bytes())),
        }
    }
}

/// A Digest challenge we can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The protection space.
    pub realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Option<Algorithm>,
    /// `qop=auth` is offered; otherwise none is.
    qop: bool,
    userhash: bool,
}

impl Challenge {
    /// The strongest Digest challenge in the `WWW-Authenticate` fields that we can answer: MD5, MD5-sess, SHA-256 or
    /// SHA-256-sess, with quality of protection `auth` or none.
    pub fn strongest(headers: &Headers) -> Option<Challenge> {
        headers
            .get_all("WWW-Authenticate")
            .flat_map(|value| challenges(&String::from_utf8_lossy(value)))
            .take(MAX_CHALLENGES)
            .filter_map(|(scheme, params)| if scheme == "digest" { Challenge::from_params(&params) } else { None })
            .max_by_key(|challenge| challenge.algorithm)
    }

    fn from_params(params: &[(String, String)]) -> Option<Challenge> {
        let get = |name: &str| params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let algorithm = match get("algorithm") {
            Some(name) => Some(Algorithm::parse(name)?),
            None => None,
        };
        let qop = match get("qop") {
            Some(offered) => {
                if !offered.split(',').any(|item| item.trim().eq_ignore_ascii_case("auth")) {
                    return None; // auth-int alone
                }
                true
            }
            None => false,
        };
        Some(Challenge {
            realm: get("realm")?.to_owned(),
            nonce: get("nonce")?.to_owned(),
            opaque: get("opaque").map(str::to_owned),
            algorithm,
            qop,
            userhash: get("userhash").is_some_and(|flag| flag.eq_ignore_ascii_case("true")),
        })
    }
}

/// A challenge being answered, request after request, with its nonce count.
#[derive(Debug, Clone)]
pub struct Digest {
    challenge: Challenge,
    cnonce: String,
    count: u32,
}

impl Digest {
    /// Answers `challenge` with a client nonce drawn from `random`.
    pub fn new(challenge: Challenge, random: &Random) -> Digest {
        let mut nonce = [0; 16];
        random.fill(&mut nonce);
        Digest { challenge, cnonce: HEXLOWER.encode(&nonce), count: 0 }
    }

    /// The challenge it answers.
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// The `Authorization` value for the next request.
    pub fn authorize(&mut self, auth: &Auth, method: &str, target: &str) -> String {
        self.count = self.count.wrapping_add(1);
        let Challenge { realm, nonce, .. } = &self.challenge;
        let algorithm = self.challenge.algorithm.unwrap_or(Algorithm::Md5);
        let count = format!("{:08x}", self.count);
        let mut secret = algorithm.hash(&[&auth.username, realm, &auth.password]);
        if algorithm.is_session() {
            secret = algorithm.hash(&[&secret, nonce, &self.cnonce]);
        }
        let action = algorithm.hash(&[method, target]);
        let answer = if self.challenge.qop {
            algorithm.hash(&[&secret, nonce, &count, &self.cnonce, "auth", &action])
        } else {
            algorithm.hash(&[&secret, nonce, &action])
        };
        let username =
            if self.challenge.userhash { algorithm.hash(&[&auth.username, realm]) } else { auth.username.clone() };
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}",
            quoted(&username),
            quoted(realm),
            quoted(nonce),
            quoted(target)
        );
        if self.challenge.algorithm.is_some() {
            let _ = write!(value, ", algorithm={}", algorithm.name());
        }
        if self.challenge.qop {
            let _ = write!(value, ", qop=auth, nc={count}");
        }
        if self.challenge.qop || algorithm.is_session() {
            let _ = write!(value, ", cnonce={}", quoted(&self.cnonce));
        }
        let _ = write!(value, ", response=\"{answer}\"");
        if let Some(opaque) = &self.challenge.opaque {
            let _ = write!(value, ", opaque={}", quoted(opaque));
        }
        if self.challenge.userhash {
            value.push_str(", userhash=true");
        }
        value
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The challenges of one field: lower-case scheme, parameters with lower-case names (RFC 9110, 11.6.1).
fn challenges(value: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for item in split_outside_quotes(value) {
        let (name, parameter) = match item.split_once('=') {
            Some((name, parameter)) => (name.trim(), Some(parameter.trim())),
            None => (item.trim(), None),
        };
        let (scheme, name) = match name.split_once([' ', '\t']) {
            Some((scheme, name)) => (Some(scheme), name.trim()),
            None if parameter.is_none() => (Some(name), ""),
            None => (None, name),
        };
        if let Some(scheme) = scheme.filter(|scheme| !scheme.is_empty()) {
            found.push((scheme.to_ascii_lowercase(), Vec::new()));
        }
        if let (Some(parameter), Some((_, params))) = (parameter, found.last_mut()) {
            params.push((name.to_ascii_lowercase(), unquoted(parameter)));
        }
    }
    found
}

fn split_outside_quotes(value: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(|character| {
            let separates = character == ',' && !quoted;
            if character == '"' && !escaped {
                quoted = !quoted;
            }
            escaped = quoted && character == '\\' && !escaped;
            separates
        })
        .collect()
}

fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"') else { return text.to_owned() };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut plain = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        plain.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(field: &str, cnonce: &str, password: &str) -> String {
        let headers = Headers::parse(format!("WWW-Authenticate: {field}\r\n\r\n").into_bytes(), 0).unwrap();
        let challenge = Challenge::strongest(&headers).unwrap();
        let mut digest = Digest { challenge, cnonce: cnonce.to_owned(), count: 0 };
        let auth = Auth { username: "Mufasa".into(), password: password.into(), digest: true };
        digest.authorize(&auth, "GET", "/dir/index.html")
    }

    const RFC7616: &str = "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
        nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    #[test]
    fn basic_of_rfc_7617() {
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    /// RFC 7616, 3.9.1.
    #[test]
    fn md5_and_sha256_of_rfc_7616() {
        let md5 = answer(&format!("Digest {RFC7616}, algorithm=MD5"), CNONCE, "Circle of Life");
        assert!(md5.contains("response=\"8ca523f5e9506fed4657c9700eebdbec\""), "{md5}");
        assert!(md5.contains("algorithm=MD5, qop=auth, nc=00000001, cnonce="), "{md5}");
        let both =
            format!("Digest {RFC7616}, algorithm=MD5, Basic realm=\"x, y\", Digest {RFC7616}, algorithm=SHA-256");
        let sha = answer(&both, CNONCE, "Circle of Life");
        assert!(sha.contains("753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"), "{sha}");
    }

    /// RFC 2617, 3.5, and the same challenge without quality of protection (RFC 2069 style).
    #[test]
    fn older_challenges_are_answered() {
        let field = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        let qop = answer(&format!("{field}, qop=auth"), "0a4f113b", "Circle Of Life");
        assert!(qop.contains("6629fae49393a05397450978507c4ef1"), "{qop}");
        let plain = answer(field, "0a4f113b", "Circle Of Life");
        assert!(plain.ends_with("response=\"670fd8c2df070c60b045671b8b24ff02\""), "{plain}");
        assert!(!plain.contains("qop") && !plain.contains("algorithm"), "{plain}");
    }

    /// Values computed with Python's hashlib from the formulas of RFC 7616, 3.4.
    #[test]
    fn sessions_and_user_hashes() {
        let md5 = answer(&format!("Digest {RFC7616}, algorithm=MD5-sess"), CNONCE, "Circle of Life");
        assert!(md5.contains("response=\"e783283f46242139c486a698fec7211d\""), "{md5}");
        let sha = answer(&format!("Digest {RFC7616}, algorithm=SHA-256-sess, userhash=true"), CNONCE, "Circle of Life");
        assert!(
            sha.contains("response=\"2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7\"")
                && sha.contains("username=\"a947aad205e80e429958a387394944c6b496301e79f89d35a4cc23b6ee12b5b6\""),
            "{sha}"
        );
    }

    #[test]
    fn the_nonce_count_grows_and_auth_int_alone_is_not_answered() {
        let headers =
            |field: &str| Headers::parse(format!("WWW-Authenticate: {field}\r\n\r\n").into_bytes(), 0).unwrap();
        let challenge = Challenge::strongest(&headers(&format!("Negotiate, Digest {RFC7616}"))).unwrap();
        let mut digest = Digest::new(challenge, &Random::new(Some(1)));
        let auth = Auth { username: "a\"b".into(), password: String::new(), digest: true };
        assert!(digest.authorize(&auth, "GET", "/").contains("nc=00000001"));
        let second = digest.authorize(&auth, "GET", "/");
        assert!(second.contains("nc=00000002") && second.contains("username=\"a\\\"b\""), "{second}");
        assert!(Challenge::strongest(&headers("Digest realm=x, nonce=y, qop=auth-int")).is_none());
        assert!(Challenge::strongest(&headers("Digest realm=x, nonce=y, algorithm=SHA-512-256")).is_none());
    }
}

//! Secrets that do not go into a recording: `x` stands in their place, as often as they have bytes, so lengths stay.
//!
//! Replaced wherever they stand: as they are, and inside Base64 (RFC 4648), as Basic credentials of HTTP are sent. So a replay,
//! which gets the `x` as argument, sends what is recorded. Not found is what a script made a digest of, encrypted, or sent
//! or received in pieces.

use std::borrow::Cow;

use data_encoding::BASE64;

use super::Header;

/// Shorter ones stand for themselves everywhere by chance.
pub const SHORTEST: usize = 4;
/// Base64 that may hold a secret has at least so many characters.
const SHORTEST_CODED: usize = 8;

/// What is to be replaced.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    /// The longest first, so that one inside another does not spoil it.
    secrets: Vec<Vec<u8>>,
}

impl Redaction {
    /// Hides these, but for those shorter than [`SHORTEST`].
    pub fn of(secrets: impl IntoIterator<Item = String>) -> Redaction {
        let long = secrets.into_iter().map(String::into_bytes).filter(|secret| secret.len() >= SHORTEST);
        let mut secrets: Vec<Vec<u8>> = long.collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Redaction { secrets }
    }

    /// `data` without them.
    pub(super) fn bytes<'a>(&self, data: &'a [u8]) -> Cow<'a, [u8]> {
        if self.secrets.is_empty() {
            return Cow::Borrowed(data);
        }
        let mut hidden = data.to_vec();
        self.hide(&mut hidden);
        for coded in hidden.split_mut(|byte| !is_base64(*byte)) {
            self.hide_coded(coded);
        }
        Cow::Owned(hidden)
    }

    /// `header` without them: its command line and its files.
    pub(super) fn header(&self, header: &Header) -> Header {
        let text = |text: &String| String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned();
        Header {
            arguments: header.arguments.iter().map(text).collect(),
            files: header.files.iter().map(|(name, content)| (name.clone(), text(content))).collect(),
            ..header.clone()
        }
    }

    /// Whether there was any.
    fn hide(&self, data: &mut [u8]) -> bool {
        let mut found = false;
        for secret in &self.secrets {
            let mut rest = &mut *data;
            while let Some(at) = rest.windows(secret.len()).position(|window| window == secret) {
                let (place, behind) = rest.split_at_mut(at + secret.len());
                place.iter_mut().skip(at).for_each(|byte| *byte = b'x');
                (rest, found) = (behind, true);
            }
        }
        found
    }

    fn hide_coded(&self, coded: &mut [u8]) {
        if coded.len() < SHORTEST_CODED {
            return;
        }
        let Ok(mut plain) = BASE64.decode(coded) else { return };
        if self.hide(&mut plain) {
            coded.copy_from_slice(BASE64.encode(&plain).as_bytes());
        }
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hidden(data: &str) -> String {
        let redaction = Redaction::of(["hunter22", "hunt", "abc"].map(str::to_owned));
        String::from_utf8(redaction.bytes(data.as_bytes()).into_owned()).expect("text stays text")
    }

    #[test]
    fn secrets_are_replaced_as_they_are_and_inside_base64() {
        assert_eq!(hidden("PASS hunter22\r\nhunthunt"), "PASS xxxxxxxx\r\nxxxxxxxx");
        assert_eq!(hidden("abc and hun"), "abc and hun", "too short to be found, and none");
        let coded = |text: &str| format!("Authorization: Basic {}\r\n", BASE64.encode(text.as_bytes()));
        for user in ["a", "ab", "abc", "root"] {
            let (given, wanted) = (coded(&format!("{user}:hunter22")), coded(&format!("{user}:xxxxxxxx")));
            assert_eq!(hidden(&given), wanted, "{user}");
        }
        assert_eq!(hidden(&coded("root:other")), coded("root:other"));
    }

    #[test]
    fn the_header_loses_them_too() {
        let words = ["--script-args", "a.password=hunter22,a.user=me"].map(str::to_owned);
        let files = [("args".to_owned(), "password=hunter22".to_owned())].into();
        let header = Header { arguments: words.into(), files, seed: 7, ..Header::default() };
        let found = Redaction::of(["hunter22".to_owned()]).header(&header);
        assert_eq!(found.arguments, ["--script-args", "a.password=xxxxxxxx,a.user=me"]);
        assert_eq!((found.files["args"].as_str(), found.seed), ("password=xxxxxxxx", 7));
        assert_eq!(Redaction::default().header(&header), header);
    }

    proptest! {
        #[test]
        fn lengths_stay_and_nothing_is_left(before in "[ -~]{0,40}", secret in "[b-w0-9]{4,12}", after in "[ -~]{0,40}") {
            let data = format!("{before}{secret}{after}");
            let found = Redaction::of([secret.clone()]).bytes(data.as_bytes()).into_owned();
            prop_assert_eq!(found.len(), data.len());
            prop_assert!(!found.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }
}

//! The line with which both sides begin (RFC 4253 section 4.2).

/// What we say of ourselves.
pub const OURS: &str = "SSH-2.0-sonde";

/// Bytes a server may send up to the end of its identification.
const MAX_BYTES: usize = 16 << 10;
/// Bytes of what is no identification that a message shows.
const SHOWN: usize = 60;

/// A server's identification.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identification {
    /// Lines the server sent in front of it.
    pub preface: Vec<String>,
    /// The line without its end, as it came: both sides' lines are hashed in the key exchange.
    pub line: Vec<u8>,
}

impl Identification {
    /// The line as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.line).into_owned()
    }

    /// Protocol version, software, and the comment if there is one.
    pub fn parts(&self) -> (String, String, Option<String>) {
        let text = self.text();
        let rest = text.strip_prefix("SSH-").unwrap_or(&text);
        let (version, rest) = rest.split_once('-').unwrap_or((rest, ""));
        let (software, comment) = match rest.split_once(' ') {
            Some((software, comment)) => (software, Some(comment.to_owned())),
            None => (rest, None),
        };
        (version.to_owned(), software.to_owned(), comment)
    }

    /// Whether the server speaks version 2; 1.99 is a server of both.
    pub fn is_version_2(&self) -> bool {
        let version = self.parts().0;
        version == "1.99" || version == "2" || version.starts_with("2.")
    }
}

/// The identification at the beginning of `bytes` and how many bytes it takes; none while it has not ended.
pub fn parse(bytes: &[u8]) -> Result<Option<(Identification, usize)>, String> {
    let mut found = Identification::default();
    let mut start = 0;
    while let Some(length) = bytes[start..].iter().position(|byte| *byte == b'\n') {
        let line = &bytes[start..start + length];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        start += length + 1;
        if line.starts_with(b"SSH-") {
            found.line = line.to_vec();
            return Ok(Some((found, start)));
        }
        found.preface.push(String::from_utf8_lossy(line).into_owned());
    }
    if bytes.len() > MAX_BYTES { Err(not_ssh(bytes)) } else { Ok(None) }
}

/// Says what a peer sent that is no SSH server.
pub fn not_ssh(bytes: &[u8]) -> String {
    let shown = bytes[..bytes.len().min(SHOWN)].escape_ascii();
    let what = "the peer does not identify itself as an SSH server";
    if bytes.is_empty() { what.to_owned() } else { format!("{what}, it says \"{shown}\"") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    #[test]
    fn lines_in_front_are_kept() {
        let bytes = b"Warning: keep out\r\n\nSSH-2.0-OpenSSH_9.2p1 Debian-2\r\n\0\0";
        let (found, used) = parse(bytes).expect("it is one").expect("it is complete");
        assert_eq!(found.preface, ["Warning: keep out", ""]);
        assert_eq!(found.parts(), ("2.0".into(), "OpenSSH_9.2p1".into(), Some("Debian-2".into())));
        assert!(found.is_version_2());
        assert_eq!(used, bytes.len() - 2);
    }

    #[test]
    fn odd_lines_are_taken_apart() {
        for (line, version, software, current) in [
            ("SSH-1.5-1.2.27", "1.5", "1.2.27", false),
            ("SSH-1.99-Cisco-1.25", "1.99", "Cisco-1.25", true),
            ("SSH-2.0", "2.0", "", true),
            ("SSH-", "", "", false),
        ] {
            let (found, _) = parse(format!("{line}\n").as_bytes()).expect("it is one").expect("it is complete");
            let (found_version, found_software, _) = found.parts();
            assert_eq!((found_version.as_str(), found_software.as_str()), (version, software));
            assert_eq!(found.is_version_2(), current, "{line}");
        }
    }

    #[test]
    fn what_does_not_end_is_refused() {
        assert_eq!(parse(b"SSH-2.0-x"), Ok(None));
        assert!(parse(&vec![b'x'; MAX_BYTES + 1]).is_err());
        assert!(parse(&b"HTTP\n".repeat(MAX_BYTES)).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(8), failure_persistence: None, ..Default::default() })]

        #[test]
        fn hostile_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for bytes in [bytes.clone(), [b"SSH-", bytes.as_slice(), b"\n"].concat()] {
                if let Ok(Some((found, used))) = parse(&bytes) {
                    prop_assert!(used <= bytes.len());
                    let _ = (found.text(), found.parts(), found.is_version_2());
                }
                let _ = not_ssh(&bytes);
            }
        }
    }
}

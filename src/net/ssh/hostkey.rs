//! Host keys as people know them: type, size, fingerprint.

use std::fmt::Write as _;

use data_encoding::{BASE64, BASE64_NOPAD};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::wire::{Malformed, Reader};

/// A server's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// The format's name, e.g. `ssh-ed25519`.
    pub algorithm: String,
    /// Size in bits, where the type is known.
    pub bits: Option<u64>,
    /// The key as it travels.
    pub blob: Vec<u8>,
}

impl HostKey {
    /// Reads a key as it travels (RFC 4253 section 6.6).
    pub fn parse(blob: &[u8]) -> Result<HostKey, Malformed> {
        let mut reader = Reader::new(blob);
        let algorithm = reader.text()?;
        let bits = match algorithm.as_str() {
            "ssh-rsa" => {
                reader.string()?; // the exponent
                Some(bits_of(reader.string()?))
            }
            "ssh-dss" => Some(bits_of(reader.string()?)),
            "ssh-ed25519" | "sk-ssh-ed25519@openssh.com" | "sk-ecdsa-sha2-nistp256@openssh.com" => Some(256),
            "ssh-ed448" => Some(456),
            name => name.strip_prefix("ecdsa-sha2-nistp").and_then(|bits| bits.parse().ok()),
        };
        Ok(HostKey { algorithm, bits, blob: blob.to_vec() })
    }

    /// The type as `ssh-keygen` prints it, e.g. `ED25519`; the format's name where it has none.
    pub fn name(&self) -> &str {
        match self.algorithm.as_str() {
            "ssh-rsa" => "RSA",
            "ssh-dss" => "DSA",
            "ssh-ed25519" => "ED25519",
            "ssh-ed448" => "ED448",
            "sk-ssh-ed25519@openssh.com" => "ED25519-SK",
            "sk-ecdsa-sha2-nistp256@openssh.com" => "ECDSA-SK",
            name if name.starts_with("ecdsa-sha2-nistp") => "ECDSA",
            name => name,
        }
    }

    /// `SHA256:` and Base64 without padding.
    pub fn sha256(&self) -> String {
        format!("SHA256:{}", BASE64_NOPAD.encode(&Sha256::digest(&self.blob)))
    }

    /// Pairs of hexadecimal digits with colons between them.
    pub fn md5(&self) -> String {
        let mut text = String::new();
        for byte in Md5::digest(&self.blob) {
            let colon = if text.is_empty() { "" } else { ":" };
            let _ = write!(text, "{colon}{byte:02x}");
        }
        text
    }

    /// The key as a line of `known_hosts` has it, without the host's name.
    pub fn line(&self) -> String {
        format!("{} {}", self.algorithm, BASE64.encode(&self.blob))
    }
}

/// The format of the key that signs by `algorithm`: RSA keys sign by several.
pub fn format_of(algorithm: &str) -> &str {
    match algorithm {
        "rsa-sha2-256" | "rsa-sha2-512" | "ssh-rsa-sha256@ssh.com" => "ssh-rsa",
        other => other,
    }
}

/// Significant bits of a number that is not negative.
fn bits_of(number: &[u8]) -> u64 {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let significant = &number[start..];
    let zeros = significant.first().map_or(0, |byte| u64::from(byte.leading_zeros()));
    significant.len() as u64 * 8 - zeros
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::net::ssh::wire::Writer;

    #[test]
    fn keys_look_as_ssh_keygen_prints_them() {
        let cases = [
            (
                "AAAAC3NzaC1lZDI1NTE5AAAAIJdMk71OzZ90zxCtB8Md5NaoIhASGQWNIhSk6005c58K",
                256,
                "SHA256:EfSWF2pKctM7BTq9Ez6I/s4ucfQfK92VDUFns0jDpP8",
                "84:26:bc:3b:2d:ba:40:0b:df:fe:59:03:d5:9f:85:c8",
                "ED25519",
            ),
            (
                "AAAAB3NzaC1yc2EAAAADAQABAAAAgQDD+cp8UggWDg7uAPiK9qNSv6IitbDC6eP6315dlVZRdnIqJpXDzMH4tWFHoojN1dw4dSHk\
                 JuqJPF7N1dmbzpehaiPbN0TM6z8DONObPIVLR2eCZQLfoePsQq2iZSf3KVkYLp2ac36OOfUAVW2FFUomiWMa8aSr4+Q1ny2JJg+y\
                 xQ==",
                1024,
                "SHA256:E0FNYm3fBkgUmbKAMuoXttNG/YSRtt4l0G0taaFfcoQ",
                "f5:ac:95:81:55:78:48:c4:2a:cd:b1:39:bd:fe:3f:92",
                "RSA",
            ),
            (
                "AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAHG/U6369GJRJ9rjPBPkScsrpsXhYImRJQE4ec6V2ouH1ab\
                 e/m4TSOCn/Ou8mW82S2dGa/umPV5hfWS4RquH9w9ZQDf+cHA45dk401EaLv667nK5altJZZviHLb8QfCnZwRJHFOY7Cnt34ckVat\
                 0uXbKnKnnkfyloLbsaoZbdRz4comyA==",
                521,
                "SHA256:8Va88Op2QLNBaUmr4emKoFUIF/FeiAtf/0fFXb0nI7Y",
                "ee:c4:66:a1:36:c2:a0:c6:18:fa:74:b7:3b:ea:f6:8a",
                "ECDSA",
            ),
        ];
        for (line, bits, sha256, md5, name) in cases {
            let key = HostKey::parse(&BASE64.decode(line.as_bytes()).expect("it is Base64")).expect("it is a key");
            assert_eq!((key.bits, key.name()), (Some(bits), name));
            assert_eq!((key.sha256().as_str(), key.md5().as_str()), (sha256, md5));
            assert_eq!(key.line(), format!("{} {line}", key.algorithm));
        }
    }

    #[test]
    fn sizes_do_not_count_leading_zeros() {
        assert_eq!([bits_of(&[]), bits_of(&[0, 0]), bits_of(&[0, 0x80, 0]), bits_of(&[1, 0])], [0, 0, 16, 9]);
    }

    #[test]
    fn a_cut_key_is_refused() {
        assert!(HostKey::parse(b"\0\0\0\x07ssh-rsa\0\0\0\x01").is_err());
        assert!(HostKey::parse(b"").is_err());
    }

    #[test]
    fn formats_without_a_number_of_their_own_are_named() {
        let key =
            HostKey::parse(&Writer::default().string("ssh-dss").integer(&[1; 128]).finish()).expect("it is a key");
        assert_eq!((key.name(), key.bits), ("DSA", Some(1017)));
        let key = HostKey::parse(&Writer::default().string("x@y").finish()).expect("it is a key");
        assert_eq!((key.name(), key.bits), ("x@y", None));
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..Default::default() })]

        #[test]
        fn hostile_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..100), format in 0usize..4) {
            let name = ["ssh-rsa", "ssh-dss", "ecdsa-sha2-nistp99999999999", "\u{1}"][format];
            for blob in [bytes.clone(), Writer::default().string(name).bytes(&bytes).finish()] {
                if let Ok(key) = HostKey::parse(&blob) {
                    let _ = (key.name(), key.sha256(), key.md5(), key.line());
                }
            }
        }
    }
}

//! Private keys as `ssh-keygen` writes them (OpenSSH's `PROTOCOL.key`), not encrypted.

use std::fmt;

use data_encoding::BASE64;
use sunset::SignKey;

use super::wire::{Malformed, Reader};

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
/// Bytes with which the content begins.
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// A key that can sign: Ed25519, or ECDSA over P-256.
#[derive(Clone)]
pub struct PrivateKey(pub(super) SignKey);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

impl PrivateKey {
    /// Reads the text of a key file.
    ///
    /// # Errors
    /// Says what is wrong with it, or why this kind cannot be used, without repeating any of it.
    pub fn parse(text: &str) -> Result<PrivateKey, String> {
        let body = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(body, _)| body);
        let body = body.ok_or_else(|| format!("it is not a private key in OpenSSH's format: no \"{BEGIN}\""))?;
        let packed: String = body.split_whitespace().collect();
        let bytes = BASE64.decode(packed.as_bytes()).map_err(|_| "its Base64 is damaged".to_owned())?;
        read(&bytes).unwrap_or_else(|Malformed(what)| Err(format!("it is damaged: {what}")))
    }
}

/// The key in the content of a file. The outer error is damage, the inner one a key of a kind that cannot be used.
fn read(bytes: &[u8]) -> Result<Result<PrivateKey, String>, Malformed> {
    const OTHER: Malformed = Malformed("its parts do not fit together");
    let mut reader = Reader::new(bytes);
    if reader.bytes(MAGIC.len())? != MAGIC {
        return Err(OTHER);
    }
    if reader.text()? != "none" {
        return Ok(Err("it is protected by a passphrase: store a copy without one".to_owned()));
    }
    reader.string()?; // how a key is made from the passphrase
    reader.string()?; // its options
    reader.number()?; // keys in the file; the first is taken
    reader.string()?; // the public key
    let mut secret = Reader::new(reader.string()?);
    if secret.number()? != secret.number()? {
        return Err(OTHER);
    }
    match secret.text()?.as_str() {
        "ssh-ed25519" => {
            let public = secret.string()?;
            let (seed, rest) = secret.string()?.split_first_chunk::<32>().ok_or(OTHER)?;
            let key = sunset::ed25519_dalek::SigningKey::from_bytes(seed);
            let is_whole = rest == public && key.verifying_key().as_bytes() == public;
            is_whole.then(|| Ok(PrivateKey(SignKey::Ed25519(key)))).ok_or(OTHER)
        }
        "ecdsa-sha2-nistp256" => {
            secret.string()?; // the curve
            secret.string()?; // the public key
            let scalar = secret.string()?;
            let scalar = scalar.strip_prefix(&[0]).unwrap_or(scalar);
            let padded: Vec<u8> =
                std::iter::repeat_n(0, 32usize.saturating_sub(scalar.len())).chain(scalar.to_vec()).collect();
            let key = sunset::ecdsa::SigningKey::from_slice(&padded).map_err(|_| OTHER)?;
            Ok(Ok(PrivateKey(SignKey::ECDSA256(key))))
        }
        other => Ok(Err(format!("keys of the kind {other} cannot be used: ssh-ed25519 and ecdsa-sha2-nistp256 can"))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::net::ssh::wire::Writer;

    /// A key file's content with these fields in its secret part.
    fn content(cipher: &str, kind: &str, fields: &[&[u8]]) -> Vec<u8> {
        let secret = Writer::default().number(7).number(7).string(kind);
        let secret = fields.iter().fold(secret, Writer::string).finish();
        let outer = Writer::default().bytes(MAGIC).string(cipher).string("none").string("").number(1);
        outer.string("public").string(secret).finish()
    }

    fn message(content: &[u8]) -> String {
        let text = format!("{BEGIN}\n{}\n{END}\n", BASE64.encode(content));
        PrivateKey::parse(&text).err().unwrap_or_default()
    }

    #[test]
    fn keys_are_read() {
        let public = sunset::ed25519_dalek::SigningKey::from_bytes(&[9; 32]).verifying_key().to_bytes();
        let pair = [[9; 32], public].concat();
        assert_eq!(message(&content("none", "ssh-ed25519", &[&public, &pair])), "");
        for scalar in [vec![1], vec![0x7f; 32], [&[0][..], &[0x80; 32]].concat()] {
            assert_eq!(message(&content("none", "ecdsa-sha2-nistp256", &[b"nistp256", b"", &scalar])), "");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        assert!(message(&content("aes256-ctr", "ssh-ed25519", &[])).contains("passphrase"));
        assert!(message(&content("none", "ssh-rsa", &[])).contains("kind ssh-rsa cannot be used"));
        assert!(message(&content("none", "ssh-ed25519", &[&[1; 32], &[2; 64]])).contains("do not fit"));
        assert!(message(&content("none", "ssh-ed25519", &[&[1; 32]])).contains("ends too early"));
        assert!(message(&content("none", "ecdsa-sha2-nistp256", &[b"nistp256", b"", &[0]])).contains("do not fit"));
        assert!(message(b"").contains("ends too early"));
        assert!(PrivateKey::parse("ssh-ed25519 AAAA").is_err_and(|message| message.contains("not a private key")));
        assert!(PrivateKey::parse(&format!("{BEGIN}%{END}")).is_err_and(|message| message.contains("Base64")));
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = PrivateKey(SignKey::Ed25519(sunset::ed25519_dalek::SigningKey::from_bytes(&[9; 32])));
        assert_eq!(format!("{key:?}"), "PrivateKey(…)");
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(9), failure_persistence: None, ..Default::default() })]

        #[test]
        fn hostile_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..100), kind in 0usize..3) {
            let kind = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"][kind];
            let _ = message(&bytes);
            let _ = message(&content("none", kind, &[&bytes, &bytes, &bytes]));
        }
    }
}

//! The Rhai module `digest`.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use rhai::plugin::{export_module, exported_module};
use rhai::{Blob, INT};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::bindings::data::{Data, view};
use crate::bindings::fault::{ARGUMENT, Fallible, script_error};
use crate::bindings::located;

/// The static module `digest`.
pub fn module() -> rhai::Module {
    located::module(&natives::RHAI_MANIFEST, exported_module!(natives))
}

/// The digests by the names scripts use.
#[derive(Debug, Clone, Copy)]
enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    fn named(op: &str, name: &str) -> Fallible<Algorithm> {
        match name.to_ascii_lowercase().replace('-', "").as_str() {
            "md5" => Ok(Algorithm::Md5),
            "sha1" => Ok(Algorithm::Sha1),
            "sha256" => Ok(Algorithm::Sha256),
            "sha384" => Ok(Algorithm::Sha384),
            "sha512" => Ok(Algorithm::Sha512),
            _ => {
                let message = format!("unknown algorithm `{name}`: there are md5, sha1, sha256, sha384, sha512");
                Err(script_error(ARGUMENT, op, message))
            }
        }
    }

    fn hash(self, data: &[u8]) -> Blob {
        match self {
            Algorithm::Md5 => Md5::digest(data).to_vec(),
            Algorithm::Sha1 => Sha1::digest(data).to_vec(),
            Algorithm::Sha256 => Sha256::digest(data).to_vec(),
            Algorithm::Sha384 => Sha384::digest(data).to_vec(),
            Algorithm::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    fn authenticate(self, key: &[u8], data: &[u8]) -> Option<Blob> {
        fn code<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Option<Blob> {
            let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
            mac.update(data);
            Some(mac.finalize().into_bytes().to_vec())
        }
        match self {
            Algorithm::Md5 => code::<Hmac<Md5>>(key, data),
            Algorithm::Sha1 => code::<Hmac<Sha1>>(key, data),
            Algorithm::Sha256 => code::<Hmac<Sha256>>(key, data),
            Algorithm::Sha384 => code::<Hmac<Sha384>>(key, data),
            Algorithm::Sha512 => code::<Hmac<Sha512>>(key, data),
        }
    }
}

/// Digests and checksums. Algorithms are named `md5`, `sha1`, `sha256`, `sha384`, `sha512`; results are BLOBs.
#[export_module(manifest)]
mod natives {
    /// The MD5 digest (RFC 1321), 16 bytes.
    ///
    /// ```rhai
    /// assert_eq(hex::encode(digest::md5("abc")), "900150983cd24fb0d6963f7d28e17f72");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn md5(data: &mut Data) -> Fallible<Blob> {
        Ok(Algorithm::Md5.hash(&view("digest::md5", data)?))
    }

    /// The SHA-1 digest, 20 bytes.
    ///
    /// ```rhai
    /// assert_eq(hex::encode(digest::sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn sha1(data: &mut Data) -> Fallible<Blob> {
        Ok(Algorithm::Sha1.hash(&view("digest::sha1", data)?))
    }

    /// The SHA-256 digest, 32 bytes.
    ///
    /// ```rhai
    /// assert(hex::encode(digest::sha256("abc")).starts_with("ba7816bf8f01cfea"));
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn sha256(data: &mut Data) -> Fallible<Blob> {
        Ok(Algorithm::Sha256.hash(&view("digest::sha256", data)?))
    }

    /// The SHA-384 digest, 48 bytes.
    ///
    /// ```rhai
    /// assert(hex::encode(digest::sha384("abc")).starts_with("cb00753f45a35e8b"));
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn sha384(data: &mut Data) -> Fallible<Blob> {
        Ok(Algorithm::Sha384.hash(&view("digest::sha384", data)?))
    }

    /// The SHA-512 digest, 64 bytes.
    ///
    /// ```rhai
    /// assert(hex::encode(digest::sha512("abc")).starts_with("ddaf35a193617aba"));
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn sha512(data: &mut Data) -> Fallible<Blob> {
        Ok(Algorithm::Sha512.hash(&view("digest::sha512", data)?))
    }

    /// The digest of an algorithm given by name; an unknown name is an error `argument`.
    ///
    /// ```rhai
    /// assert_eq(digest::hash("sha1", "abc"), digest::sha1("abc"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn hash(algorithm: &str, data: Data) -> Fallible<Blob> {
        Ok(Algorithm::named("digest::hash", algorithm)?.hash(&view("digest::hash", &data)?))
    }

    /// The digest of an algorithm given by name, as lower-case hexadecimal digits.
    ///
    /// ```rhai
    /// assert_eq(digest::hex("md5", ""), "d41d8cd98f00b204e9800998ecf8427e");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn hex(algorithm: &str, data: Data) -> Fallible<String> {
        let hash = Algorithm::named("digest::hex", algorithm)?.hash(&view("digest::hex", &data)?);
        Ok(data_encoding::HEXLOWER.encode(&hash))
    }

    /// The keyed digest HMAC (RFC 2104).
    ///
    /// ```rhai
    /// let code = digest::hmac("md5", "Jefe", "what do ya want for nothing?");
    /// assert_eq(hex::encode(code), "750c783e6ab0b503eaa86e310a5db738");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn hmac(algorithm: &str, key: Data, data: Data) -> Fallible<Blob> {
        const OP: &str = "digest::hmac";
        let (algorithm, key) = (Algorithm::named(OP, algorithm)?, view(OP, &key)?);
        algorithm.authenticate(&key, &view(OP, &data)?).ok_or_else(|| script_error(ARGUMENT, OP, "unusable key"))
    }

    /// The checksum CRC-32 of zip, gzip and Ethernet.
    ///
    /// ```rhai
    /// assert_eq(digest::crc32("123456789"), 0xCBF43926);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn crc32(data: &mut Data) -> Fallible<INT> {
        let mut crc = flate2::Crc::new();
        crc.update(&view("digest::crc32", data)?);
        Ok(INT::from(crc.sum()))
    }
}

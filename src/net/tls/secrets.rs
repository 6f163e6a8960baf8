//! Key exchange and randomness for rustls out of the run's own source, so that a recorded conversation can be replayed.
//!
//! The library asks static objects for randomness, so the source of the connection at work stands in a cell of the
//! thread while its session runs. Nothing suspends in between.

use std::cell::RefCell;
use std::fmt;

use p256::elliptic_curve::sec1::ToSec1Point as _;
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret, SupportedKxGroup,
};
use rustls::{Error, NamedGroup, PeerMisbehaved};

use crate::runtime::Random;

thread_local! {
    static SOURCE: RefCell<Option<Random>> = const { RefCell::new(None) };
}

/// Draws for a scalar before giving up; one in 2^32 is not below the order of its group.
const DRAWS: usize = 4;

/// Everything rustls draws while `work` runs comes out of `random`.
pub(super) fn drawing_from<T>(random: &Random, work: impl FnOnce() -> T) -> T {
    let _restored = Restore(SOURCE.replace(Some(random.clone())));
    work()
}

/// Puts the source back that was there before, also when the work panics.
struct Restore(Option<Random>);

impl Drop for Restore {
    fn drop(&mut self) {
        SOURCE.set(self.0.take());
    }
}

/// ring's suites and signatures with our key exchange.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider {
        kx_groups: vec![&Group::X25519, &Group::P256, &Group::P384],
        secure_random: &Source,
        ..rustls::crypto::ring::default_provider()
    }
}

/// The randomness of [`drawing_from`].
#[derive(Debug)]
struct Source;

impl SecureRandom for Source {
    fn fill(&self, buf: &mut [u8]) -> Result<(), GetRandomFailed> {
        SOURCE.with_borrow(|source| match source {
            Some(random) => random.secret(buf).map_err(|_| GetRandomFailed),
            None => Err(GetRandomFailed),
        })
    }
}

/// The groups rustls is offered.
#[derive(Debug)]
enum Group {
    /// RFC 7748.
    X25519,
    /// SP 800-186.
    P256,
    /// SP 800-186.
    P384,
}

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let (secret, public) = match self {
            Group::X25519 => {
                let mut secret = [0; 32];
                Source.fill(&mut secret)?;
                let public = x25519_dalek::x25519(secret, x25519_dalek::X25519_BASEPOINT_BYTES);
                (Secret::X25519(secret), public.to_vec())
            }
            Group::P256 => {
                let secret = scalar(|bytes: &[u8; 32]| p256::SecretKey::from_slice(bytes).ok())?;
                let public = secret.public_key().to_sec1_point(false).as_bytes().to_vec();
                (Secret::P256(Box::new(secret)), public)
            }
            Group::P384 => {
                let secret = scalar(|bytes: &[u8; 48]| p384::SecretKey::from_slice(bytes).ok())?;
                let public = secret.public_key().to_sec1_point(false).as_bytes().to_vec();
                (Secret::P384(Box::new(secret)), public)
            }
        };
        Ok(Box::new(Half { group: self.name(), secret, public }))
    }

    fn name(&self) -> NamedGroup {
        match self {
            Group::X25519 => NamedGroup::X25519,
            Group::P256 => NamedGroup::secp256r1,
            Group::P384 => NamedGroup::secp384r1,
        }
    }
}

/// A scalar of a group: bytes are drawn until `read` takes them.
fn scalar<const N: usize, T>(read: impl Fn(&[u8; N]) -> Option<T>) -> Result<T, Error> {
    for _ in 0..DRAWS {
        let mut bytes = [0; N];
        Source.fill(&mut bytes)?;
        if let Some(secret) = read(&bytes) {
            return Ok(secret);
        }
    }
    Err(GetRandomFailed.into())
}

/// Our half of an exchange.
struct Half {
    group: NamedGroup,
    secret: Secret,
    public: Vec<u8>,
}

/// What only we know.
enum Secret {
    X25519([u8; 32]),
    P256(Box<p256::SecretKey>),
    P384(Box<p384::SecretKey>),
}

impl fmt::Debug for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Half({:?})", self.group) // never the secret
    }
}

impl ActiveKeyExchange for Half {
    fn complete(self: Box<Self>, theirs: &[u8]) -> Result<SharedSecret, Error> {
        let bad = || Error::from(PeerMisbehaved::InvalidKeyShare);
        match self.secret {
            Secret::X25519(secret) => {
                let theirs: [u8; 32] = theirs.try_into().map_err(|_| bad())?;
                let shared = x25519_dalek::x25519(secret, theirs);
                // A point of small order makes nothing secret (RFC 8446 section 7.4.2).
                if shared == [0; 32] { Err(bad()) } else { Ok(shared.as_slice().into()) }
            }
            Secret::P256(secret) => {
                let theirs = uncompressed(theirs).and_then(|bytes| p256::PublicKey::from_sec1_bytes(bytes).ok());
                let theirs = theirs.ok_or_else(bad)?;
                let shared = p256::ecdh::diffie_hellman(secret.to_nonzero_scalar(), theirs.as_affine());
                Ok(shared.raw_secret_bytes().as_slice().into())
            }
            Secret::P384(secret) => {
                let theirs = uncompressed(theirs).and_then(|bytes| p384::PublicKey::from_sec1_bytes(bytes).ok());
                let theirs = theirs.ok_or_else(bad)?;
                let shared = p384::ecdh::diffie_hellman(secret.to_nonzero_scalar(), theirs.as_affine());
                Ok(shared.raw_secret_bytes().as_slice().into())
            }
        }
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        self.group
    }
}

/// TLS allows points in one form only (RFC 8446 section 4.2.8.2).
fn uncompressed(point: &[u8]) -> Option<&[u8]> {
    (point.first() == Some(&4)).then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: [Group; 3] = [Group::X25519, Group::P256, Group::P384];

    fn start(seed: u64, group: &Group) -> Box<dyn ActiveKeyExchange> {
        drawing_from(&Random::new(Some(seed)), || group.start().unwrap())
    }

    #[test]
    fn both_halves_share_a_secret_that_follows_the_seeds() {
        for group in &GROUPS {
            let shared = |ours, theirs| {
                let theirs = start(theirs, group);
                start(ours, group).complete(theirs.pub_key()).unwrap().secret_bytes().to_vec()
            };
            assert_eq!(shared(1, 2), shared(2, 1), "{group:?}");
            assert_ne!(shared(1, 2), shared(1, 3), "{group:?}");
        }
    }

    #[test]
    fn we_agree_with_the_librarys_own_groups() {
        let theirs = [
            rustls::crypto::ring::kx_group::X25519,
            rustls::crypto::ring::kx_group::SECP256R1,
            rustls::crypto::ring::kx_group::SECP384R1,
        ];
        for (group, other) in GROUPS.iter().zip(theirs) {
            let (ours, other) = (start(1, group), other.start().unwrap());
            let (our_key, other_key) = (ours.pub_key().to_vec(), other.pub_key().to_vec());
            let shared = ours.complete(&other_key).unwrap();
            assert_eq!(shared.secret_bytes(), other.complete(&our_key).unwrap().secret_bytes(), "{group:?}");
        }
    }

    #[test]
    fn nonsense_from_the_peer_is_its_fault() {
        for group in &GROUPS {
            let right = start(2, group).pub_key().len();
            let bad = [vec![], vec![4], vec![0; right], vec![2; right], vec![0xff; right + 1]];
            for point in bad.iter().filter(|point| !(matches!(group, Group::X25519) && **point == vec![2; 32])) {
                let failed = start(1, group).complete(point).err();
                assert!(matches!(failed, Some(Error::PeerMisbehaved(_))), "{group:?} {point:02x?}");
            }
        }
    }

    #[test]
    fn without_a_source_nothing_is_drawn() {
        assert!(Group::X25519.start().is_err());
        drawing_from(&Random::new(None), || Group::X25519.start().unwrap());
        assert!(Group::X25519.start().is_err(), "the source stays behind");
    }
}

//! Key exchange: our half, the server's answer, the secret both then share.
//!
//! Good for looking at servers, and for nothing else: the server's signature is not checked, so a key seen here is a key
//! somebody showed. What carries a secret goes through [`super::exec`], which does check.

use futures_lite::future::yield_now;
use num_bigint::BigUint;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::groups;
use super::wire::{Malformed, Reader, Writer};
use crate::runtime::Random;

/// `SSH_MSG_KEXDH_INIT` and `SSH_MSG_KEX_ECDH_INIT`.
const INIT: u8 = 30;
/// Their answers.
const REPLY: u8 = 31;
/// `SSH_MSG_KEX_DH_GEX_GROUP` (RFC 4419), with the number of [`REPLY`].
const GROUP: u8 = 31;
/// `SSH_MSG_KEX_DH_GEX_INIT`.
const GROUP_INIT: u8 = 32;
/// Its answer.
const GROUP_REPLY: u8 = 33;
/// `SSH_MSG_KEX_DH_GEX_REQUEST`.
const GROUP_REQUEST: u8 = 34;

/// Least, wanted and greatest bits of a group the server chooses.
const GROUP_BITS: [u32; 3] = [1024, 2048, 8192];
/// Bits of our secret exponent, twice the strength of the ciphers it is used for.
const EXPONENT_BYTES: usize = 32;

/// Methods in our order of preference: the cheap ones first, the weak ones last.
pub const METHODS: [&str; 9] = [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group14-sha1",
    "diffie-hellman-group-exchange-sha1",
    "diffie-hellman-group1-sha1",
];

/// The digest of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// The digest of `data`.
    pub fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => Sha1::digest(data).to_vec(),
            Hash::Sha256 => Sha256::digest(data).to_vec(),
            Hash::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    fn of(method: &str) -> Hash {
        match method {
            name if name.ends_with("-sha1") => Hash::Sha1,
            name if name.ends_with("-sha512") => Hash::Sha512,
            _ => Hash::Sha256,
        }
    }
}

/// A key exchange under way.
pub struct Exchange {
    /// The digest of its method.
    pub hash: Hash,
    half: Half,
    /// The request for a group, and the group, as they are hashed.
    group: Vec<u8>,
}

/// Our half.
enum Half {
    /// Curve25519 (RFC 8731).
    Curve25519 { secret: [u8; 32], public: [u8; 32] },
    /// The curve P-256 (RFC 5656).
    P256(Box<p256::SecretKey>),
    /// A group (RFC 4253 section 8), known or sent by the server; `public` is 0 before it is needed.
    Group { modulus: BigUint, generator: BigUint, exponent: BigUint, public: BigUint },
    /// A group the server has yet to choose (RFC 4419).
    Unknown,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its host key as it travels.
    pub host_key: Vec<u8>,
    /// Its half.
    pub public: Vec<u8>,
}

impl Exchange {
    /// Begins an exchange by one of [`METHODS`].
    pub fn new(method: &str, random: &Random) -> Result<Exchange, Malformed> {
        let mut secret = [0; 32];
        random.fill(&mut secret);
        let half = match method {
            name if name.starts_with("curve25519") => {
                let public = x25519_dalek::x25519(secret, x25519_dalek::X25519_BASEPOINT_BYTES);
                Half::Curve25519 { secret, public }
            }
            "ecdh-sha2-nistp256" => {
                secret[0] &= 0x7f; // below the order of the group
                let secret = p256::SecretKey::from_slice(&secret).map_err(|_| Malformed("no secret could be drawn"))?;
                Half::P256(Box::new(secret))
            }
            name if name.contains("group-exchange") => Half::Unknown,
            name => {
                let modulus = if name.contains("group16") {
                    groups::MODP_4096
                } else if name.contains("group14") {
                    groups::MODP_2048
                } else {
                    groups::OAKLEY_2
                };
                let modulus = BigUint::parse_bytes(modulus.as_bytes(), 16).ok_or(Malformed("no such group"))?;
                Half::in_group(modulus, BigUint::from(2u8), random)
            }
        };
        Ok(Exchange { hash: Hash::of(method), half, group: Vec::new() })
    }

    /// The request for a group, where the method has one.
    pub fn request(&self) -> Option<Vec<u8>> {
        let Half::Unknown = self.half else { return None };
        let request = Writer::message(GROUP_REQUEST);
        Some(GROUP_BITS.iter().fold(request, |writer, bits| writer.number(*bits)).finish())
    }

    /// Takes the group the server chose.
    pub fn take_group(&mut self, payload: &[u8], random: &Random) -> Result<(), Malformed> {
        let mut reader = Reader::new(payload);
        if reader.byte()? != GROUP {
            return Err(Malformed("the server answers the request for a group with something else"));
        }
        let (modulus_bytes, generator_bytes) = (reader.string()?, reader.string()?);
        let (modulus, generator) = (positive(modulus_bytes)?, positive(generator_bytes)?);
        let one = BigUint::from(1u8);
        let sizes = u64::from(GROUP_BITS[0])..=u64::from(GROUP_BITS[2]);
        if !sizes.contains(&modulus.bits()) || !modulus.bit(0) || generator <= one || generator >= &modulus - &one {
            return Err(Malformed("the server's group is no group"));
        }
        let request = GROUP_BITS.iter().fold(Writer::default(), |writer, bits| writer.number(*bits));
        self.group = request.integer(modulus_bytes).integer(generator_bytes).finish();
        self.half = Half::in_group(modulus, generator, random);
        Ok(())
    }

    /// Our half, ready to be sent. Gives way to others while it computes.
    pub async fn init(&mut self) -> Vec<u8> {
        if let Half::Group { modulus, generator, exponent, public } = &mut self.half {
            *public = power(generator, exponent, modulus).await;
        }
        let number = if self.group.is_empty() { INIT } else { GROUP_INIT };
        self.put_public(Writer::message(number)).finish()
    }

    fn put_public(&self, writer: Writer) -> Writer {
        match &self.half {
            Half::Curve25519 { public, .. } => writer.string(public),
            Half::P256(secret) => writer.string(secret.public_key().to_sec1_point(false)),
            Half::Group { public, .. } => writer.integer(&public.to_bytes_be()),
            Half::Unknown => writer.string(""),
        }
    }

    /// Reads the server's answer.
    pub fn answer(&self, payload: &[u8]) -> Result<Answer, Malformed> {
        let mut reader = Reader::new(payload);
        let number = reader.byte()?;
        if number != if self.group.is_empty() { REPLY } else { GROUP_REPLY } {
            return Err(Malformed("the server answers the key exchange with something else"));
        }
        Ok(Answer { host_key: reader.string()?.to_vec(), public: reader.string()?.to_vec() })
    }

    /// The secret shared with the server that sent `answer`, as the number it is hashed as. Gives way to others while it
    /// computes.
    pub async fn shared(&self, answer: &Answer) -> Result<Vec<u8>, Malformed> {
        const BAD: Malformed = Malformed("the server's half of the key exchange is none");
        let shared = match &self.half {
            Half::Curve25519 { secret, .. } => {
                let theirs: [u8; 32] = answer.public.as_slice().try_into().map_err(|_| BAD)?;
                x25519_dalek::x25519(*secret, theirs).to_vec()
            }
            Half::P256(secret) => {
                let theirs = p256::PublicKey::from_sec1_bytes(&answer.public).map_err(|_| BAD)?;
                p256::ecdh::diffie_hellman(secret.to_nonzero_scalar(), theirs.as_affine()).raw_secret_bytes().to_vec()
            }
            Half::Group { modulus, exponent, .. } => {
                let theirs = positive(&answer.public)?;
                let one = BigUint::from(1u8);
                if theirs <= one || theirs >= modulus - &one {
                    return Err(BAD);
                }
                power(&theirs, exponent, modulus).await.to_bytes_be()
            }
            Half::Unknown => return Err(BAD),
        };
        if shared.iter().all(|byte| *byte == 0) { Err(BAD) } else { Ok(Writer::default().integer(&shared).finish()) }
    }

    /// The hash of the exchange. `head` is both identifications and both KEXINIT payloads, client first.
    pub fn digest(&self, head: [&[u8]; 4], answer: &Answer, shared: &[u8]) -> Vec<u8> {
        let head = head.iter().fold(Writer::default(), Writer::string);
        let mut data = self.put_public(head.string(&answer.host_key).bytes(&self.group));
        data = match self.half {
            Half::Group { .. } => data.integer(&answer.public),
            _ => data.string(&answer.public),
        };
        self.hash.digest(&data.bytes(shared).finish())
    }
}

impl Half {
    fn in_group(modulus: BigUint, generator: BigUint, random: &Random) -> Half {
        let mut exponent = [0; EXPONENT_BYTES];
        random.fill(&mut exponent);
        exponent[0] |= 0x80; // of full length
        Half::Group { modulus, generator, exponent: BigUint::from_bytes_be(&exponent), public: BigUint::ZERO }
    }
}

/// A number that is not negative and of bounded length.
fn positive(bytes: &[u8]) -> Result<BigUint, Malformed> {
    let greatest = GROUP_BITS[2] as usize / 8 + 1;
    if bytes.len() > greatest || bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
        return Err(Malformed("a number of the key exchange is negative or too long"));
    }
    Ok(BigUint::from_bytes_be(bytes))
}

/// `base` to the power of `exponent`, modulo `modulus`. A group of 4,096 bits takes several milliseconds, so others have
/// their turn after every 32 bits of the exponent.
async fn power(base: &BigUint, exponent: &BigUint, modulus: &BigUint) -> BigUint {
    let step = BigUint::from(1u64 << 32);
    let mut result = BigUint::from(1u8);
    for digit in exponent.to_u32_digits().into_iter().rev() {
        result = result.modpow(&step, modulus) * base.modpow(&BigUint::from(digit), modulus) % modulus;
        yield_now().await;
    }
    result
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    #[test]
    fn powers_in_steps_are_powers() {
        let modulus = BigUint::parse_bytes(groups::OAKLEY_2.as_bytes(), 16).expect("a number");
        let exponent = BigUint::from_bytes_be(&[0x9c; EXPONENT_BYTES]);
        let base = BigUint::from(3u8);
        assert_eq!(block_on(power(&base, &exponent, &modulus)), base.modpow(&exponent, &modulus));
    }

    #[test]
    fn a_group_must_be_one() {
        let random = Random::new(Some(3));
        let mut exchange = Exchange::new("diffie-hellman-group-exchange-sha256", &random).expect("it is known");
        let ones = [&[0u8][..], &[0xff; 128]].concat();
        let even = [&ones[..128], &[0xfe]].concat();
        for (modulus, generator) in
            [(&[][..], &[2][..]), (&[0, 0][..], &[2]), (&ones, &[1]), (&even, &[2]), (&ones, &ones)]
        {
            let payload = Writer::message(GROUP).string(modulus).string(generator).finish();
            assert!(exchange.take_group(&payload, &random).is_err());
        }
        let payload = Writer::message(GROUP).string(&ones).string([2]).finish();
        assert_eq!(exchange.take_group(&payload, &random), Ok(()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(3), failure_persistence: None, ..Default::default() })]

        #[test]
        fn hostile_answers_do_no_harm(public in prop::collection::vec(any::<u8>(), 0..140), method in 0usize..9, raw in prop::collection::vec(any::<u8>(), 0..200)) {
            let random = Random::new(Some(3));
            let mut exchange = Exchange::new(METHODS[method], &random).expect("it is known");
            let _ = exchange.take_group(&raw, &random);
            let _ = exchange.take_group(&Writer::message(GROUP).string(&raw).string(&public).finish(), &random);
            let _ = exchange.answer(&raw);
            let _ = block_on(exchange.shared(&Answer { host_key: raw, public }));
        }
    }
}

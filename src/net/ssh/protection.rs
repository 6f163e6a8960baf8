//! Ciphers and message authentication of packets (RFC 4253 sections 6.3 and 6.4, RFC 4344, RFC 6668, and the encrypt-then-MAC
//! and ChaCha20-Poly1305 modes of OpenSSH's `PROTOCOL`).

use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use ring::aead::chacha20_poly1305_openssh::{OpeningKey, SealingKey, TAG_LEN};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::exchange::Hash;
use super::wire::Malformed;

/// The cipher that authenticates by itself.
pub const CHACHA20_POLY1305: &str = "chacha20-poly1305@openssh.com";

/// Ciphers in our order of preference.
pub const CIPHERS: [&str; 7] =
    ["aes128-ctr", "aes192-ctr", "aes256-ctr", CHACHA20_POLY1305, "aes128-cbc", "aes192-cbc", "aes256-cbc"];

/// Message authentication in our order of preference.
pub const MACS: [&str; 7] = [
    "hmac-sha2-256",
    "hmac-sha2-512",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha1",
    "hmac-sha1-etm@openssh.com",
    "hmac-md5",
];

/// Bytes of a block; packets are padded to it.
pub const BLOCK: usize = 16;

/// What both sides know after a key exchange: the secret as hashed, the exchange hash, the id of the session.
pub struct Secrets<'a> {
    /// The digest of the method.
    pub hash: Hash,
    /// The secret, as a number of the wire.
    pub shared: &'a [u8],
    /// The hash of this exchange.
    pub digest: &'a [u8],
    /// The hash of the first exchange.
    pub session: &'a [u8],
}

impl Secrets<'_> {
    /// Key material number `letter` (RFC 4253 section 7.2).
    fn derive(&self, letter: u8, length: usize) -> Vec<u8> {
        let mut key = self.hash.digest(&[self.shared, self.digest, &[letter], self.session].concat());
        while key.len() < length {
            let more = self.hash.digest(&[self.shared, self.digest, &key].concat());
            key.extend(more);
        }
        key.truncate(length);
        key
    }
}

/// Which way packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From us.
    ToServer,
    /// To us.
    ToClient,
}

/// Protects the packets of one direction. Numbers of packets are counted by the caller.
pub enum Protection {
    /// A block cipher beside a MAC.
    Separate(Separate),
    /// ChaCha20-Poly1305: what seals and what opens.
    ChaCha(Box<(SealingKey, OpeningKey)>),
}

impl Protection {
    /// The protection that cipher and MAC of these names give, keyed for one direction.
    pub fn new(names: &(String, String), secrets: &Secrets<'_>, way: Direction) -> Result<Protection, Malformed> {
        const UNKNOWN: Malformed = Malformed("a cipher was agreed on that we do not have");
        let letters = if way == Direction::ToServer { [b'A', b'C', b'E'] } else { [b'B', b'D', b'F'] };
        let [iv, key, mac] = letters;
        if names.0 == CHACHA20_POLY1305 {
            let key: [u8; 64] = secrets.derive(key, 64).try_into().map_err(|_| UNKNOWN)?;
            return Ok(Protection::ChaCha(Box::new((SealingKey::new(&key), OpeningKey::new(&key)))));
        }
        let (bits, mode) = names.0.strip_prefix("aes").and_then(|name| name.split_once('-')).ok_or(UNKNOWN)?;
        let bits: usize = bits.parse().map_err(|_| UNKNOWN)?;
        let mode = if mode == "ctr" { Mode::Counter } else { Mode::Chained };
        let iv: [u8; BLOCK] = secrets.derive(iv, BLOCK).try_into().map_err(|_| UNKNOWN)?;
        let authentication = Authentication::new(&names.1).ok_or(UNKNOWN)?;
        let key = Aes::new(&secrets.derive(key, bits / 8)).ok_or(UNKNOWN)?;
        let mac_key = secrets.derive(mac, authentication.key_length());
        Ok(Protection::Separate(Separate { key, mode, iv, authentication, mac_key }))
    }

    /// Whether the length is not part of what is padded to blocks: it travels in the clear or under a key of its own.
    pub fn is_length_apart(&self) -> bool {
        match self {
            Protection::Separate(separate) => separate.authentication.etm,
            Protection::ChaCha(_) => true,
        }
    }

    /// Bytes that follow a packet.
    pub fn tag_length(&self) -> usize {
        match self {
            Protection::Separate(separate) => separate.authentication.length(),
            Protection::ChaCha(_) => TAG_LEN,
        }
    }

    /// Encrypts a whole packet and appends its tag.
    pub fn seal(&mut self, number: u32, packet: &mut Vec<u8>) {
        match self {
            Protection::ChaCha(keys) => {
                let mut tag = [0; TAG_LEN];
                keys.0.seal_in_place(number, packet, &mut tag);
                packet.extend(tag);
            }
            Protection::Separate(separate) => {
                let tag = if separate.authentication.etm {
                    separate.encrypt(&mut packet[4..]);
                    separate.tag(number, packet)
                } else {
                    let tag = separate.tag(number, packet);
                    separate.encrypt(packet);
                    tag
                };
                packet.extend(tag);
            }
        }
    }

    /// Bytes needed before [`Protection::length`] can say how long the packet is.
    pub fn head_length(&self) -> usize {
        if self.is_length_apart() { 4 } else { BLOCK }
    }

    /// The length field of a packet from its first [`Protection::head_length`] bytes; decrypts them where they do not
    /// travel in the clear, once for each packet.
    pub fn length(&mut self, number: u32, head: &mut [u8]) -> u32 {
        let field = |head: &[u8]| head.iter().take(4).fold(0, |length, byte| length << 8 | u32::from(*byte));
        match self {
            Protection::ChaCha(keys) => {
                let first: [u8; 4] = std::array::from_fn(|at| head.get(at).copied().unwrap_or_default());
                field(&keys.1.decrypt_packet_length(number, first))
            }
            Protection::Separate(separate) if separate.authentication.etm => field(head),
            Protection::Separate(separate) => {
                separate.decrypt(head);
                field(head)
            }
        }
    }

    /// Decrypts the rest of a packet, whose head went through [`Protection::length`], and checks its tag.
    pub fn open(&mut self, number: u32, packet: &mut [u8], tag: &[u8]) -> Result<(), Malformed> {
        const FORGED: Malformed = Malformed("a packet's authentication is wrong");
        match self {
            Protection::ChaCha(keys) => {
                let tag: &[u8; TAG_LEN] = tag.try_into().map_err(|_| FORGED)?;
                keys.1.open_in_place(number, packet, tag).map(|_| ()).map_err(|_| FORGED)
            }
            Protection::Separate(separate) if separate.authentication.etm => {
                let is_right = separate.tag(number, packet) == tag;
                separate.decrypt(packet.get_mut(4..).unwrap_or_default());
                is_right.then_some(()).ok_or(FORGED)
            }
            Protection::Separate(separate) => {
                separate.decrypt(packet.get_mut(BLOCK..).unwrap_or_default());
                (separate.tag(number, packet) == tag).then_some(()).ok_or(FORGED)
            }
        }
    }
}

/// A block cipher and a MAC.
pub struct Separate {
    key: Aes,
    mode: Mode,
    /// The counter, or the block before.
    iv: [u8; BLOCK],
    authentication: Authentication,
    mac_key: Vec<u8>,
}

/// What a block cipher makes of more than one block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// CTR.
    Counter,
    /// CBC.
    Chained,
}

impl Separate {
    fn encrypt(&mut self, data: &mut [u8]) {
        for block in data.chunks_mut(BLOCK) {
            if self.mode == Mode::Counter {
                self.xor_next(block);
            } else if let Ok(block) = <&mut [u8; BLOCK]>::try_from(block) {
                xor(block, &self.iv);
                self.key.encrypt(block);
                self.iv = *block;
            }
        }
    }

    fn decrypt(&mut self, data: &mut [u8]) {
        for block in data.chunks_mut(BLOCK) {
            if self.mode == Mode::Counter {
                self.xor_next(block);
            } else if let Ok(block) = <&mut [u8; BLOCK]>::try_from(block) {
                let next = *block;
                self.key.decrypt(block);
                xor(block, &self.iv);
                self.iv = next;
            }
        }
    }

    fn xor_next(&mut self, block: &mut [u8]) {
        let mut stream = self.iv;
        self.key.encrypt(&mut stream);
        xor(block, &stream);
        self.iv = u128::from_be_bytes(self.iv).wrapping_add(1).to_be_bytes();
    }

    fn tag(&self, number: u32, packet: &[u8]) -> Vec<u8> {
        self.authentication.tag(&self.mac_key, number, packet)
    }
}

fn xor(data: &mut [u8], with: &[u8; BLOCK]) {
    data.iter_mut().zip(with).for_each(|(byte, other)| *byte ^= other);
}

/// AES with its three lengths of keys.
enum Aes {
    K128(Box<aes::Aes128>),
    K192(Box<aes::Aes192>),
    K256(Box<aes::Aes256>),
}

impl Aes {
    fn new(key: &[u8]) -> Option<Aes> {
        match key.len() {
            16 => aes::Aes128::new_from_slice(key).ok().map(|key| Aes::K128(Box::new(key))),
            24 => aes::Aes192::new_from_slice(key).ok().map(|key| Aes::K192(Box::new(key))),
            32 => aes::Aes256::new_from_slice(key).ok().map(|key| Aes::K256(Box::new(key))),
            _ => None,
        }
    }

    fn encrypt(&self, block: &mut [u8; BLOCK]) {
        let mut array = Array::from(*block);
        match self {
            Aes::K128(key) => key.encrypt_block(&mut array),
            Aes::K192(key) => key.encrypt_block(&mut array),
            Aes::K256(key) => key.encrypt_block(&mut array),
        }
        *block = array.into();
    }

    fn decrypt(&self, block: &mut [u8; BLOCK]) {
        let mut array = Array::from(*block);
        match self {
            Aes::K128(key) => key.decrypt_block(&mut array),
            Aes::K192(key) => key.decrypt_block(&mut array),
            Aes::K256(key) => key.decrypt_block(&mut array),
        }
        *block = array.into();
    }
}

/// An HMAC, over the packet as it is or as it travels.
#[derive(Clone, Copy)]
struct Authentication {
    digest: Digest,
    /// Whether it covers the encrypted packet.
    etm: bool,
}

#[derive(Clone, Copy)]
enum Digest {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Authentication {
    fn new(name: &str) -> Option<Authentication> {
        let plain = name.strip_suffix("-etm@openssh.com");
        let digest = match plain.unwrap_or(name) {
            "hmac-md5" => Digest::Md5,
            "hmac-sha1" => Digest::Sha1,
            "hmac-sha2-256" => Digest::Sha256,
            "hmac-sha2-512" => Digest::Sha512,
            _ => return None,
        };
        Some(Authentication { digest, etm: plain.is_some() })
    }

    fn length(self) -> usize {
        match self.digest {
            Digest::Md5 => 16,
            Digest::Sha1 => 20,
            Digest::Sha256 => 32,
            Digest::Sha512 => 64,
        }
    }

    /// Keys are as long as tags in all of them.
    fn key_length(self) -> usize {
        self.length()
    }

    fn tag(self, key: &[u8], number: u32, packet: &[u8]) -> Vec<u8> {
        match self.digest {
            Digest::Md5 => tag::<Hmac<Md5>>(key, number, packet),
            Digest::Sha1 => tag::<Hmac<Sha1>>(key, number, packet),
            Digest::Sha256 => tag::<Hmac<Sha256>>(key, number, packet),
            Digest::Sha512 => tag::<Hmac<Sha512>>(key, number, packet),
        }
    }
}

fn tag<M: Mac + KeyInit>(key: &[u8], number: u32, packet: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length.
    let Ok(mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
    mac.chain_update(number.to_be_bytes()).chain_update(packet).finalize().into_bytes().to_vec()
}

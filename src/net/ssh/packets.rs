//! Binary packets (RFC 4253 section 6) in both directions, without I/O.

use super::identification::{self, Identification};
use super::protection::{BLOCK, Protection};
use super::wire::{Malformed, Writer};
use crate::runtime::Random;

/// Longest packet accepted. The standard asks for 35,000 bytes.
const MAX_PACKET: usize = 64 << 10;
/// Least padding.
const MIN_PADDING: usize = 4;

/// Packets as they come in.
#[derive(Default)]
pub struct Incoming {
    buffer: Vec<u8>,
    number: u32,
    protection: Option<Protection>,
    /// The length of the packet that is coming in, once its head has been read.
    length: Option<usize>,
}

impl Incoming {
    /// Takes bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// What came and was not read yet.
    pub fn unread(&self) -> &[u8] {
        &self.buffer
    }

    /// The server's identification, once it is there.
    pub fn identification(&mut self) -> Result<Option<Identification>, String> {
        let Some((found, used)) = identification::parse(&self.buffer)? else { return Ok(None) };
        self.buffer.drain(..used);
        Ok(Some(found))
    }

    /// All that follows is protected.
    pub fn protect(&mut self, protection: Protection) {
        self.protection = Some(protection);
    }

    /// The payload of the next packet, once it is there.
    pub fn next_packet(&mut self) -> Result<Option<Vec<u8>>, Malformed> {
        let Some(length) = self.read_length()? else { return Ok(None) };
        let tag_length = self.protection.as_ref().map_or(0, Protection::tag_length);
        let end = 4 + length;
        if self.buffer.len() < end + tag_length {
            return Ok(None);
        }
        let mut packet: Vec<u8> = self.buffer.drain(..end + tag_length).collect();
        let tag = packet.split_off(end);
        if let Some(protection) = &mut self.protection {
            protection.open(self.number, &mut packet, &tag)?;
        }
        self.number = self.number.wrapping_add(1);
        self.length = None;
        let padding = usize::from(packet.get(4).copied().unwrap_or_default());
        let payload = end.checked_sub(padding).and_then(|end| packet.get(5..end));
        let payload = payload.filter(|payload| !payload.is_empty());
        payload.map(|payload| Some(payload.to_vec())).ok_or(Malformed("a packet is all padding"))
    }

    fn read_length(&mut self) -> Result<Option<usize>, Malformed> {
        if self.length.is_some() {
            return Ok(self.length);
        }
        let head_length = self.protection.as_ref().map_or(4, Protection::head_length);
        let Some(head) = self.buffer.get_mut(..head_length) else { return Ok(None) };
        let field = match &mut self.protection {
            Some(protection) => protection.length(self.number, head),
            None => head.iter().fold(0, |length, byte| length << 8 | u32::from(*byte)),
        };
        let length = usize::try_from(field).unwrap_or(usize::MAX);
        let apart = self.protection.as_ref().is_some_and(Protection::is_length_apart);
        let is_whole = match (&self.protection, apart) {
            (None, _) => true, // the padding of a first packet is not worth a quarrel
            (_, true) => length % 8 == 0,
            (_, false) => (length + 4) % BLOCK == 0,
        };
        if !(2..=MAX_PACKET).contains(&length) || length + 4 < head_length || !is_whole {
            return Err(Malformed("a packet has an impossible length"));
        }
        self.length = Some(length);
        Ok(self.length)
    }
}

/// Packets as they go out.
#[derive(Default)]
pub struct Outgoing {
    number: u32,
    protection: Option<Protection>,
}

impl Outgoing {
    /// All that follows is protected.
    pub fn protect(&mut self, protection: Protection) {
        self.protection = Some(protection);
    }

    /// The bytes that carry `payload`.
    pub fn packet(&mut self, payload: &[u8], random: &Random) -> Vec<u8> {
        let apart = self.protection.as_ref().is_some_and(Protection::is_length_apart);
        let padded = 1 + payload.len() + if apart { 0 } else { 4 };
        let mut padding = BLOCK - padded % BLOCK;
        if padding < MIN_PADDING {
            padding += BLOCK;
        }
        let mut filling = vec![0; padding];
        random.fill(&mut filling);
        let length = (1 + payload.len() + padding) as u32;
        let writer = Writer::default().number(length).bytes(&[padding as u8]);
        let mut packet = writer.bytes(payload).bytes(&filling).finish();
        if let Some(protection) = &mut self.protection {
            protection.seal(self.number, &mut packet);
        }
        self.number = self.number.wrapping_add(1);
        packet
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::super::exchange::Hash;
    use super::super::protection::{CIPHERS, Direction, MACS, Secrets};
    use super::*;

    fn protection(cipher: usize, mac: usize) -> Protection {
        let secrets = Secrets { hash: Hash::Sha1, shared: &[0, 0, 0, 1, 7], digest: &[1; 20], session: &[2; 20] };
        let names = (CIPHERS[cipher].to_owned(), MACS[mac].to_owned());
        Protection::new(&names, &secrets, Direction::ToServer).expect("all of them are known")
    }

    #[test]
    fn packets_come_out_as_they_went_in_under_every_protection() {
        let random = Random::new(Some(4));
        for (cipher, mac) in (0..CIPHERS.len()).flat_map(|cipher| (0..MACS.len()).map(move |mac| (cipher, mac))) {
            let (mut out, mut into) = (Outgoing::default(), Incoming::default());
            into.push(&out.packet(b"first", &random));
            out.protect(protection(cipher, mac));
            let payloads: Vec<Vec<u8>> = (1..60).map(|length| vec![length as u8; length]).collect();
            for payload in &payloads {
                into.push(&out.packet(payload, &random));
            }
            assert_eq!(into.next_packet(), Ok(Some(b"first".to_vec())));
            into.protect(protection(cipher, mac));
            for payload in payloads {
                assert_eq!(into.next_packet(), Ok(Some(payload)), "{} {}", CIPHERS[cipher], MACS[mac]);
            }
            assert_eq!(into.next_packet(), Ok(None));
        }
    }

    #[test]
    fn a_forged_packet_is_refused() {
        let random = Random::new(Some(5));
        for (cipher, mac) in (0..CIPHERS.len()).flat_map(|cipher| (0..MACS.len()).map(move |mac| (cipher, mac))) {
            let (mut out, mut into) = (Outgoing::default(), Incoming::default());
            out.protect(protection(cipher, mac));
            into.protect(protection(cipher, mac));
            let mut packet = out.packet(b"a payload", &random);
            *packet.last_mut().expect("it is not empty") ^= 1;
            into.push(&packet);
            assert_eq!(into.next_packet(), Err(Malformed("a packet's authentication is wrong")));
        }
    }

    #[test]
    fn lengths_are_bounded() {
        for length in [0u32, 1, MAX_PACKET as u32 + 1, u32::MAX] {
            let mut into = Incoming::default();
            into.push(&length.to_be_bytes());
            assert!(into.next_packet().is_err(), "{length}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(5), failure_persistence: None, ..Default::default() })]

        #[test]
        fn hostile_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..600), length in 0u32..600, which in 0usize..8, mac in 0usize..7) {
            let mut into = Incoming::default();
            if which < CIPHERS.len() {
                into.protect(protection(which, mac));
            }
            into.push(&length.to_be_bytes());
            for chunk in bytes.chunks(7) {
                into.push(chunk);
                for _ in 0..100 {
                    if !matches!(into.next_packet(), Ok(Some(_))) {
                        break;
                    }
                }
            }
            let _ = into.identification();
        }
    }
}

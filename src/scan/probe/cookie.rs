//! Numbers in probes that only we can know, so that an answer proves that its sender saw the probe.

use std::hash::Hasher;
use std::io;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;

use super::Purpose;
use crate::runtime::Random;

/// The key of a run.
#[derive(Debug, Clone, Copy)]
pub struct Cookies([u8; 16]);

impl Cookies {
    /// A key nobody may guess; it follows from the seed only if the user gave one.
    pub fn new(random: &Random) -> io::Result<Cookies> {
        let mut key = [0; 16];
        random.secret(&mut key)?;
        Ok(Cookies(key))
    }

    /// The number that belongs to a question to `host`. Tries share it: with a local port of its own each is a connection
    /// of its own, and with a fixed one a true retransmission.
    pub fn of(&self, host: IpAddr, number: u16, purpose: Purpose) -> u32 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        match host {
            IpAddr::V4(addr) => hasher.write_u32(addr.to_bits()),
            IpAddr::V6(addr) => hasher.write_u128(addr.to_bits()),
        }
        hasher.write_u32(u32::from(number) << 8 | purpose as u32);
        hasher.finish() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_has_its_own_and_keeps_it() {
        let of = |seed, host: [u8; 4], number, purpose| {
            Cookies::new(&Random::new(Some(seed))).unwrap().of(host.into(), number, purpose)
        };
        let first = of(1, [10, 0, 0, 1], 80, Purpose::Ports);
        assert_eq!(first, of(1, [10, 0, 0, 1], 80, Purpose::Ports));
        for other in [
            of(2, [10, 0, 0, 1], 80, Purpose::Ports),
            of(1, [10, 0, 0, 2], 80, Purpose::Ports),
            of(1, [10, 0, 0, 1], 81, Purpose::Ports),
            of(1, [10, 0, 0, 1], 80, Purpose::Discovery),
        ] {
            assert_ne!(first, other);
        }
    }
}

//! `SSH_MSG_KEXINIT` (RFC 4253 section 7.1): what a side can do, and what both agree on.

use super::protection::CHACHA20_POLY1305;
use super::wire::{Malformed, Reader, Writer};
use crate::runtime::Random;

/// The number of the message.
pub const KEXINIT: u8 = 20;

/// The ten name-lists in their order, by their names in the standard.
pub const LISTS: [&str; 10] = [
    "kex_algorithms",
    "server_host_key_algorithms",
    "encryption_algorithms_client_to_server",
    "encryption_algorithms_server_to_client",
    "mac_algorithms_client_to_server",
    "mac_algorithms_server_to_client",
    "compression_algorithms_client_to_server",
    "compression_algorithms_server_to_client",
    "languages_client_to_server",
    "languages_server_to_client",
];

/// What one side offers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Algorithms {
    /// Names in the side's order of preference, in the order of [`LISTS`].
    pub lists: [Vec<String>; 10],
    /// Whether the side's guess at the next packet follows at once.
    pub guess_follows: bool,
}

impl Algorithms {
    /// Reads the payload of a packet.
    pub fn parse(payload: &[u8]) -> Result<Algorithms, Malformed> {
        let mut reader = Reader::new(payload);
        if reader.byte()? != KEXINIT {
            return Err(Malformed("the first packet is no KEXINIT"));
        }
        reader.bytes(16)?; // the cookie
        let mut algorithms = Algorithms::default();
        for list in &mut algorithms.lists {
            *list = reader.names()?;
        }
        algorithms.guess_follows = reader.byte()? != 0;
        Ok(algorithms)
    }

    /// The payload of a packet, with a cookie of its own.
    pub fn write(&self, random: &Random) -> Vec<u8> {
        let mut cookie = [0; 16];
        random.fill(&mut cookie);
        let mut writer = Writer::message(KEXINIT).bytes(&cookie);
        for list in &self.lists {
            writer = writer.names(list);
        }
        writer.bytes(&[u8::from(self.guess_follows)]).number(0).finish()
    }

    /// Names of key exchange methods.
    pub fn exchange(&self) -> &[String] {
        &self.lists[0]
    }

    /// Names of signature algorithms of host keys.
    pub fn host_key(&self) -> &[String] {
        &self.lists[1]
    }
}

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// Key exchange method.
    pub exchange: String,
    /// Signature algorithm of the host key.
    pub host_key: String,
    /// Cipher and message authentication towards the server.
    pub to_server: (String, String),
    /// The same from the server.
    pub to_client: (String, String),
    /// Whether the server guessed wrong, so that its next packet is to be ignored.
    pub ignore_guess: bool,
}

/// Finds, list by list, the first name of the client that the server has too.
///
/// # Errors
/// The name of the first list without one, and what the server has there.
pub fn agree(client: &Algorithms, server: &Algorithms) -> Result<Agreed, String> {
    let choose = |list: usize| -> Result<String, String> {
        let theirs = &server.lists[list];
        client.lists[list].iter().find(|name| theirs.contains(name)).cloned().ok_or_else(|| {
            let mut offered = theirs.join(", ");
            offered.truncate(offered.floor_char_boundary(200));
            format!("nothing in common in {}: the server has {offered}", LISTS[list])
        })
    };
    let protection = |cipher: usize, mac: usize| -> Result<(String, String), String> {
        let cipher = choose(cipher)?;
        // This cipher authenticates by itself, so the other list does not matter.
        let mac = if cipher == CHACHA20_POLY1305 { String::new() } else { choose(mac)? };
        Ok((cipher, mac))
    };
    let agreed = Agreed {
        exchange: choose(0)?,
        host_key: choose(1)?,
        to_server: protection(2, 4)?,
        to_client: protection(3, 5)?,
        ignore_guess: false,
    };
    choose(6).and(choose(7))?; // "none", the only compression we have
    let guessed = |list: usize| client.lists[list].first() == server.lists[list].first();
    Ok(Agreed { ignore_guess: server.guess_follows && !(guessed(0) && guessed(1)), ..agreed })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn lists(exchange: &str, host_key: &str) -> Algorithms {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut algorithms = Algorithms { lists: std::array::from_fn(|_| names("x")), guess_follows: false };
        (algorithms.lists[0], algorithms.lists[1]) = (names(exchange), names(host_key));
        algorithms
    }

    #[test]
    fn the_clients_order_decides() {
        let agreed = agree(&lists("a b c", "k l"), &lists("c b", "l k")).expect("there is one");
        assert_eq!((agreed.exchange.as_str(), agreed.host_key.as_str(), agreed.ignore_guess), ("b", "k", false));
        let error = agree(&lists("a", "k"), &lists("a", "l m")).expect_err("there is none");
        assert_eq!(error, "nothing in common in server_host_key_algorithms: the server has l, m");
    }

    #[test]
    fn only_a_wrong_guess_is_ignored() {
        let server = Algorithms { guess_follows: true, ..lists("a b", "k") };
        assert!(!agree(&lists("a", "k"), &server).expect("there is one").ignore_guess);
        assert!(agree(&lists("b a", "k"), &server).expect("there is one").ignore_guess);
    }

    #[test]
    fn what_was_written_is_read() {
        let written = Algorithms { guess_follows: true, ..lists("a b", "k") };
        let random = Random::new(Some(1));
        assert_eq!(Algorithms::parse(&written.write(&random)), Ok(written));
        assert!(Algorithms::parse(&[21; 100]).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(6), failure_persistence: None, ..Default::default() })]

        #[test]
        fn hostile_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400), names in ".{0,300}") {
            let _ = Algorithms::parse(&[&[KEXINIT], bytes.as_slice()].concat());
            let writer = (0..10).fold(Writer::message(KEXINIT).bytes(&[0; 16]), |writer, _| writer.string(&names));
            let read = Algorithms::parse(&writer.bytes(&[1]).finish());
            let read = read.expect("ten strings and a byte");
            let _ = agree(&lists("a", "b"), &read);
        }
    }
}

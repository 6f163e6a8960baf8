//! Addresses as filters write them: short IPv4 networks, masks, prefixes, hardware addresses.

use std::net::Ipv6Addr;

use super::ast::Net;
use super::error::Fault;
use super::lexer::{self, Token};
use super::parser::Parser;

impl Parser<'_> {
    /// An IPv4 address or network that begins with `word`: `10.1`, `10.0.0.0/8`, `10.0.0.0 mask 255.0.0.0`.
    pub(super) fn address4(&mut self, word: Token<'_>, is_net: bool) -> Result<Net<u32>, Fault> {
        let (bits, own_mask) = match octets(word.text) {
            Some(Ok(dotted)) => dotted,
            Some(Err(message)) => return Err(Fault::new(word.at, message)),
            None => number(word, is_net)?,
        };
        let mask = match self.prefix(word, is_net, 32)? {
            Some(length) => u32::MAX.checked_shl(32 - length).unwrap_or(0),
            None if is_net && self.take("mask") => self.mask()?,
            None => own_mask,
        };
        if bits & !mask != 0 {
            return Err(Fault::new(word.at, format!("`{}` has bits outside its mask", word.text)));
        }
        Ok(Net { bits, mask })
    }

    /// An IPv6 address or network that begins with `word`.
    pub(super) fn address6(&mut self, word: Token<'_>, is_net: bool) -> Result<Net<[u32; 4]>, Fault> {
        let address: Ipv6Addr =
            word.text.parse().map_err(|_| Fault::new(word.at, format!("`{}` is no IPv6 address", word.text)))?;
        let length = self.prefix(word, is_net, 128)?.unwrap_or(128);
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        let bits = address.to_bits();
        if bits & !mask != 0 {
            return Err(Fault::new(word.at, format!("`{}` has bits outside its /{length}", word.text)));
        }
        Ok(Net { bits: words(bits), mask: words(mask) })
    }

    /// `/24`, if it comes next.
    fn prefix(&mut self, word: Token<'_>, is_net: bool, most: u32) -> Result<Option<u32>, Fault> {
        let Some(slash) = self.peek().filter(|token| token.text == "/") else { return Ok(None) };
        if !is_net {
            return Err(Fault::new(slash.at, format!("a prefix is for networks; say `net {}/…`", word.text)));
        }
        self.advance();
        let length = self.word("the length of a prefix")?;
        match lexer::number(length.text) {
            Some(Ok(number)) if number <= most => Ok(Some(number)),
            _ => Err(Fault::new(length.at, format!("a prefix has a length of 0 to {most}"))),
        }
    }

    fn mask(&mut self) -> Result<u32, Fault> {
        let word = self.word("a mask")?;
        match octets(word.text) {
            Some(Ok((bits, _))) => Ok(bits),
            _ => Err(Fault::new(word.at, format!("`{}` is no mask", word.text))),
        }
    }
}

pub(super) fn words(bits: u128) -> [u32; 4] {
    [(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32]
}

/// Two to four decimal octets: the address, and a mask over as many of them. None for what is no dotted number.
fn octets(word: &str) -> Option<Result<(u32, u32), String>> {
    let parts: Vec<&str> = word.split('.').collect();
    let are_digits = parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    if !are_digits || !(2..=4).contains(&parts.len()) {
        return None;
    }
    let mut bits = 0u32;
    for part in &parts {
        match part.parse::<u8>() {
            Ok(octet) => bits = bits << 8 | u32::from(octet),
            Err(_) => return Some(Err(format!("`{word}` is no IPv4 address: {part} is above 255"))),
        }
    }
    let missing = 8 * (4 - parts.len() as u32);
    Some(Ok((bits << missing, u32::MAX << missing)))
}

/// A network written as one number: `10` is 10.0.0.0/8.
fn number(word: Token<'_>, is_net: bool) -> Result<(u32, u32), Fault> {
    match lexer::number(word.text) {
        Some(Ok(number)) if is_net => {
            let empty = number.leading_zeros() / 8 % 4;
            Ok((number << (8 * empty), u32::MAX << (8 * empty)))
        }
        Some(Ok(_)) => Err(Fault::new(word.at, format!("`{}` is a number, not an address", word.text))),
        Some(Err(message)) => Err(Fault::new(word.at, message)),
        None if hardware(word.text).is_some() && !word.text.contains('.') => {
            Err(Fault::new(word.at, format!("`{}` is a hardware address; say `ether host {0}`", word.text)))
        }
        None => Err(Fault::new(
            word.at,
            format!("`{}` is no address; a name must be resolved before it is put into a filter", word.text),
        )),
    }
}

/// Six octets in hexadecimal, parted by `:`, `-` or `.`; three pairs of them parted by `.`; or all in one.
pub(super) fn hardware(word: &str) -> Option<[u8; 6]> {
    let hex = |part: &str, most: usize| {
        let fits = (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| u64::from_str_radix(part, 16).ok()).flatten()
    };
    let parts: Vec<&str> = word.split([':', '-', '.']).collect();
    let (bits_each, most) = match parts.len() {
        1 if word.len() == 12 => (48, 12),
        3 if parts.iter().all(|part| part.len() == 4) => (16, 4),
        6 => (8, 2),
        _ => return None,
    };
    let bits = parts.iter().try_fold(0u64, |bits, part| Some(bits << bits_each | hex(part, most)?))?;
    let [_, _, octets @ ..] = bits.to_be_bytes();
    Some(octets)
}

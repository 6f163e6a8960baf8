//! One target expression: what a user types for a host or a network.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::{Block, Octets, Pattern, quoted};
use crate::error::Error;

/// Longest expression accepted, in bytes.
const LONGEST: usize = 1023;

/// A parsed target expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// Addresses, written out.
    Addresses(Pattern),
    /// A host name, to be resolved.
    Name(Name),
}

/// A host name with an optional prefix that widens each of its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name as typed.
    pub name: String,
    /// What followed `/`.
    pub prefix: Option<u8>,
}

/// A target expression that means nothing. The text says what is wrong with it and how to write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError(String);

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SpecError {}

impl From<SpecError> for Error {
    fn from(error: SpecError) -> Error {
        Error::Usage(error.to_string())
    }
}

impl Spec {
    /// Reads one expression; a zone of an IPv6 address must be an interface number.
    ///
    /// See [`Spec::parse_with`] for the grammar.
    pub fn parse(text: &str) -> Result<Spec, SpecError> {
        Spec::parse_with(text, &|_| None)
    }

    /// Reads one expression.
    ///
    /// - IPv4 octets, `10.0.0-3.*`: each of the four is `*` or a comma list of `N`, `N-M`, `-M` (from 0), `N-` (to 255), `-`.
    ///   Numbers are decimal, also with leading zeros. `/n` closes each octet under its host bits.
    /// - IPv6, `fe80::1%eth0/64`: the zone is an interface number, or a name that `interface` turns into one.
    /// - Anything else of letters, digits, `-`, `_` and dots is a host name, `/n` widens what it resolves to. What consists
    ///   only of digits, dots, commas, dashes and stars is IPv4 or wrong, never a name.
    pub fn parse_with(text: &str, interface: &dyn Fn(&str) -> Option<u32>) -> Result<Spec, SpecError> {
        if text.is_empty() {
            return Err(SpecError("an empty target; write an address, a network or a host name".to_owned()));
        }
        if text.len() > LONGEST {
            return Err(wrong(text, format!("is longer than {LONGEST} characters; split it")));
        }
        if text.chars().any(char::is_whitespace) {
            return Err(wrong(text, "has a blank inside; give each target as a word of its own"));
        }
        if text.contains("://") {
            return Err(wrong(text, "is a URL; write only its host name or address"));
        }
        let (base, prefix) = match text.rsplit_once('/') {
            Some((base, prefix)) => (base, Some(read_prefix(text, prefix)?)),
            None => (text, None),
        };
        if base.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b',' | b'-' | b'*')) {
            read_v4(text, base, prefix)
        } else if base.contains(':') {
            read_v6(text, base, prefix, interface)
        } else {
            read_name(text, base, prefix)
        }
    }
}

impl fmt::Display for Spec {
    /// The expression in its shortest usual form; parsed again it gives the same value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spec::Addresses(pattern) => pattern.fmt(f),
            Spec::Name(name) => name.fmt(f),
        }
    }
}

impl Name {
    /// Each of `addrs` with the block around it. Addresses whose family is too narrow for the prefix are left out; none left
    /// is an error.
    pub(super) fn blocks(&self, addrs: &[IpAddr]) -> Result<Vec<(Block, IpAddr)>, SpecError> {
        let around = |addr: IpAddr| match self.prefix {
            Some(prefix) => Block::new(addr, prefix, 0),
            None => Some(Block::single(addr, 0)),
        };
        let canonical = addrs.iter().map(IpAddr::to_canonical);
        let blocks: Vec<_> = canonical.filter_map(|addr| around(addr).map(|block| (block, addr))).collect();
        match addrs.first() {
            Some(addr) if blocks.is_empty() => {
                let problem = "whose prefix is 0 to 32; write a shorter one";
                Err(wrong(&self.to_string(), format!("resolves to the IPv4 address {addr}, {problem}")))
            }
            _ => Ok(blocks),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.prefix.map_or(Ok(()), |prefix| write!(f, "/{prefix}"))
    }
}

fn wrong(text: &str, problem: impl fmt::Display) -> SpecError {
    SpecError(format!("target {} {problem}", quoted(text)))
}

/// The number after `/`, up to the 128 of the widest family.
fn read_prefix(text: &str, prefix: &str) -> Result<u8, SpecError> {
    let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        let remedy = "the prefix after `/` is a number of bits, as in 10.0.0.0/24";
        return Err(wrong(text, format!("has {} after `/`; {remedy}", quoted(prefix))));
    }
    let bits = prefix.parse().ok().filter(|bits| *bits <= 128);
    bits.ok_or_else(|| wrong(text, format!("has the prefix /{prefix}; it is 0 to 32 for IPv4, 0 to 128 for IPv6")))
}

fn read_v4(text: &str, base: &str, prefix: Option<u8>) -> Result<Spec, SpecError> {
    if let Some(bits) = prefix.filter(|bits| *bits > 32) {
        return Err(wrong(text, format!("has the prefix /{bits}, and an IPv4 prefix is 0 to 32")));
    }
    let parts: Vec<&str> = base.split('.').collect();
    let Ok(parts) = <[&str; 4]>::try_from(parts.as_slice()) else {
        let remedy = if parts.len() < 4 {
            "write all four, as in 10.0.0.1, 10.0.0.* or 10.0.0.0/24"
        } else {
            "a range or list is written inside one octet, as in 10.0.0.1-9; separate targets are separate words"
        };
        let count = parts.len();
        return Err(wrong(text, format!("has {count} octets where an IPv4 address has 4; {remedy}")));
    };
    let mut ranges: [Vec<(u8, u8)>; 4] = Default::default();
    for (position, (part, ranges)) in parts.iter().zip(&mut ranges).enumerate() {
        *ranges = read_octet(part)
            .map_err(|problem| SpecError(format!("octet {} of {}, {problem}", position + 1, quoted(text))))?;
    }
    let octets = Octets::new(&ranges).ok_or_else(|| wrong(text, "has an empty octet"))?;
    Ok(Spec::Addresses(Pattern::from_octets(octets.closed(prefix.unwrap_or(32)))))
}

/// The ranges of one octet, or what is wrong with it.
fn read_octet(part: &str) -> Result<Vec<(u8, u8)>, String> {
    if part == "*" {
        return Ok(vec![(0, 255)]);
    }
    part.split(',').map(|item| read_octet_item(part, item)).collect()
}

fn read_octet_item(part: &str, item: &str) -> Result<(u8, u8), String> {
    if item.is_empty() {
        return Err(if part.is_empty() {
            "nothing is written; write a number, a range or `*`".to_owned()
        } else {
            format!("{} has an empty item; a list is 1,2,5-9, and separate targets are separate words", quoted(part))
        });
    }
    if item.contains('*') {
        return Err(format!("`*` stands alone in an octet, not inside {}; write 0-255", quoted(part)));
    }
    let Some((first, last)) = item.split_once('-') else {
        let value = octet_number(item)?;
        return Ok((value, value));
    };
    if last.contains('-') {
        return Err(format!("{} has two dashes; a range is N-M", quoted(item)));
    }
    let first = if first.is_empty() { 0 } else { octet_number(first)? };
    let last = if last.is_empty() { 255 } else { octet_number(last)? };
    if first > last {
        return Err(format!("the range {item} runs backwards; write {last}-{first}"));
    }
    Ok((first, last))
}

fn octet_number(digits: &str) -> Result<u8, String> {
    digits.parse().map_err(|_| format!("{} is above 255", digits.trim_start_matches('0')))
}

fn read_v6(
    text: &str,
    base: &str,
    prefix: Option<u8>,
    interface: &dyn Fn(&str) -> Option<u32>,
) -> Result<Spec, SpecError> {
    if base.starts_with('[') {
        return Err(wrong(text, "is in brackets; write the IPv6 address without them, ports with -p"));
    }
    let (addr, zone) = match base.split_once('%') {
        Some((addr, zone)) => (addr, Some(zone)),
        None => (base, None),
    };
    let addr: Ipv6Addr = addr.parse().map_err(|_| {
        let port = addr.split_once(':').is_some_and(|(_, port)| !port.contains(':'));
        let remedy = if port { "a port is given with -p" } else { "one is written like 2001:db8::1 or fe80::1%eth0" };
        wrong(text, format!("is no IPv6 address; {remedy}"))
    })?;
    let scope = match zone {
        Some(zone) => read_zone(text, zone, interface)?,
        None => 0,
    };
    let block = Block::new(addr.into(), prefix.unwrap_or(128), scope);
    block.map(|block| Spec::Addresses(block.into())).ok_or_else(|| wrong(text, "has a prefix above 128"))
}

fn read_zone(text: &str, zone: &str, interface: &dyn Fn(&str) -> Option<u32>) -> Result<u32, SpecError> {
    let number = if !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_digit()) {
        zone.parse().ok().filter(|index| *index != 0)
    } else {
        interface(zone)
    };
    number.ok_or_else(|| {
        let remedy = "after `%` write an interface of this machine, by name or number";
        wrong(text, format!("names the interface {}, which is not known; {remedy}", quoted(zone)))
    })
}

fn read_name(text: &str, base: &str, prefix: Option<u8>) -> Result<Spec, SpecError> {
    if let Some(odd) = base.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
        let remedy = match odd {
            '%' => "only an IPv6 address has a zone",
            '/' => "only one `/` may follow an address or name",
            ',' => "targets are separated by blanks",
            c if !c.is_ascii() => "write the ASCII form of the name (xn--…)",
            _ => "a host name has letters, digits, `-`, `_` and dots",
        };
        return Err(wrong(text, format!("has the character {}; {remedy}", quoted(odd.encode_utf8(&mut [0; 4])))));
    }
    let labels = base.strip_suffix('.').unwrap_or(base);
    if labels.len() > 253 {
        return Err(wrong(text, "is longer than the 253 characters a host name can have"));
    }
    if labels.split('.').any(|label| label.is_empty() || label.len() > 63) {
        return Err(wrong(text, "has a part that is empty or longer than 63 characters between its dots"));
    }
    Ok(Spec::Name(Name { name: base.to_owned(), prefix }))
}

#[cfg(test)]
mod tests;

//! The port list of `-p`, `--exclude-ports` and the ping flags.
//!
//! A comma list, blanks allowed, one trailing comma too. `T:`, `U:`, `S:` hold until the next or until their bracket closes;
//! before any, an item counts for every protocol scanned. An item is `N`, `N-M`, `-M` (from 1), `N-` (to 65535), `-` (1 to
//! 65535) or a service name, in which `*` and `?` are wildcards and case is ignored. `[…]` keeps, of what is inside, only the
//! ports that have a service name.

use super::{PortBits, PortError};
use crate::model::Protocol;
use crate::model::nearest::nearest;
use crate::target::services;

/// Longest item accepted, in bytes. The longest service names have some thirty.
const LONGEST: usize = 64;

/// The highest number an IP header has room for.
const HIGHEST_PROTOCOL: u16 = 255;

/// What a list chose, of each protocol.
#[derive(Debug, Clone, Default)]
pub(super) struct Chosen {
    tcp: PortBits,
    udp: PortBits,
    sctp: PortBits,
    ip: PortBits,
}

impl Chosen {
    pub(super) fn of(&self, protocol: Protocol) -> &PortBits {
        match protocol {
            Protocol::Tcp => &self.tcp,
            Protocol::Udp => &self.udp,
            Protocol::Sctp => &self.sctp,
            Protocol::Ip => &self.ip,
        }
    }

    fn of_mut(&mut self, protocol: Protocol) -> &mut PortBits {
        match protocol {
            Protocol::Tcp => &mut self.tcp,
            Protocol::Udp => &mut self.udp,
            Protocol::Sctp => &mut self.sctp,
            Protocol::Ip => &mut self.ip,
        }
    }
}

/// Reads `text`. `strict` refuses a qualifier of a protocol that is not among `protocols`; otherwise its items do nothing.
pub(super) fn parse(text: &str, flag: &'static str, protocols: &[Protocol], strict: bool) -> Result<Chosen, PortError> {
    Reader::new(flag, protocols, true, strict).read(text)
}

/// Reads `text`, which must have no qualifiers.
pub(super) fn parse_unqualified(text: &str, flag: &'static str, protocol: Protocol) -> Result<Chosen, PortError> {
    Reader::new(flag, &[protocol], false, true).read(text)
}

struct Reader<'a> {
    flag: &'static str,
    protocols: &'a [Protocol],
    qualifiers: bool,
    strict: bool,
    /// The qualifier in force.
    qualifier: Option<Protocol>,
    /// Inside brackets: what to return to.
    bracket: Option<Outside>,
    chosen: Chosen,
}

/// What was in force before a bracket.
struct Outside {
    qualifier: Option<Protocol>,
}

/// One item between commas.
enum Item<'t> {
    Range(u16, u16),
    Name(&'t str),
}

impl<'a> Reader<'a> {
    fn new(flag: &'static str, protocols: &'a [Protocol], qualifiers: bool, strict: bool) -> Reader<'a> {
        Reader { flag, protocols, qualifiers, strict, qualifier: None, bracket: None, chosen: Chosen::default() }
    }

    fn read(mut self, text: &str) -> Result<Chosen, PortError> {
        let list = text.trim();
        let list = list.strip_suffix(',').unwrap_or(list);
        for piece in list.split(',') {
            self.read_piece(piece.trim())?;
        }
        if self.bracket.is_some() {
            return Err(self.wrong(text, "a `[` is not closed; write `]` behind the last port it is for"));
        }
        Ok(self.chosen)
    }

    /// Qualifiers and an opening bracket, then an item, then a closing bracket.
    fn read_piece(&mut self, piece: &str) -> Result<(), PortError> {
        let mut rest = piece;
        loop {
            if let Some(inside) = rest.strip_prefix('[') {
                if self.bracket.is_some() {
                    return Err(self.wrong(piece, "brackets do not nest; one `[…]` is enough"));
                }
                self.bracket = Some(Outside { qualifier: self.qualifier });
                rest = inside.trim_start();
            } else if let Some((letter, after)) = qualifier(rest) {
                self.qualifier = Some(self.read_qualifier(piece, letter)?);
                rest = after.trim_start();
            } else {
                break;
            }
        }
        let (item, closes) = match rest.strip_suffix(']') {
            Some(inside) => (inside.trim_end(), true),
            None => (rest, false),
        };
        // `[1-100,]`: a trailing comma is allowed inside a bracket as well.
        let trailing = closes && item.is_empty() && rest == piece && self.bracket.is_some();
        if !trailing {
            self.read_item(piece, item)?;
        }
        if closes {
            let outside = self.bracket.take();
            let outside = outside.ok_or_else(|| self.wrong(piece, "a `]` without a `[` before it"))?;
            self.qualifier = outside.qualifier;
        }
        Ok(())
    }

    fn read_qualifier(&self, piece: &str, letter: char) -> Result<Protocol, PortError> {
        if !self.qualifiers {
            return Err(self.wrong(piece, "this list has one protocol; write the ports without a qualifier"));
        }
        let protocol = match letter {
            'T' => Protocol::Tcp,
            'U' => Protocol::Udp,
            'S' => Protocol::Sctp,
            'P' => Protocol::Ip,
            _ => {
                return Err(self.wrong(
                    piece,
                    "qualifiers are `T:` (TCP), `U:` (UDP), `S:` (SCTP) and `P:` (IP protocols), in upper case",
                ));
            }
        };
        if self.strict && !self.protocols.contains(&protocol) {
            return Err(PortError::NotScanned { flag: self.flag, protocol });
        }
        Ok(protocol)
    }

    fn read_item(&mut self, piece: &str, item: &str) -> Result<(), PortError> {
        match self.parse_item(piece, item)? {
            Item::Range(first, last) => self.add_range(first, last),
            Item::Name(pattern) => self.add_named(pattern)?,
        }
        Ok(())
    }

    fn parse_item<'t>(&self, piece: &str, item: &'t str) -> Result<Item<'t>, PortError> {
        if item.len() > LONGEST {
            return Err(self.wrong(item, &format!("longer than {LONGEST} characters; no port and no service name is")));
        }
        let wildcard = item.contains(['*', '?']);
        if item.is_empty() {
            return Err(self.wrong(piece, "nothing stands here; write a port, a range or a service name"));
        }
        if let Some(odd) = item.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.+/*?".contains(*c))) {
            let problem =
                format!("`{}` has no place in a port or service name; separate items by commas", odd.escape_debug());
            return Err(self.wrong(item, &problem));
        }
        if item.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
            return self.parse_range(item);
        }
        if item.starts_with(|c: char| c.is_ascii_alphabetic()) || (wildcard && !item.starts_with('-')) {
            return Ok(Item::Name(item));
        }
        let problem = format!("no port; a service name that begins with a digit needs a wildcard, as in {item}*");
        Err(self.wrong(item, if item.starts_with('-') { "neither a range nor a service name" } else { &problem }))
    }

    fn parse_range<'t>(&self, item: &str) -> Result<Item<'t>, PortError> {
        let Some((first, last)) = item.split_once('-') else {
            let port = self.port(item, item)?;
            return Ok(Item::Range(port, port));
        };
        if last.contains('-') {
            return Err(self.wrong(item, "two dashes; a range is N-M"));
        }
        let first = if first.is_empty() { 1 } else { self.port(item, first)? };
        let last = if last.is_empty() { self.highest() } else { self.port(item, last)? };
        if first > last {
            return Err(self.wrong(item, &format!("the range runs backwards; write {last}-{first}")));
        }
        Ok(Item::Range(first, last))
    }

    fn port(&self, item: &str, digits: &str) -> Result<u16, PortError> {
        let port = digits.parse().map_err(|_| self.wrong(item, "a port is a number from 0 to 65535"))?;
        if port > self.highest() {
            return Err(self.wrong(item, "an IP protocol is a number from 0 to 255"));
        }
        Ok(port)
    }

    /// The highest number there is where only IP protocols are meant.
    fn highest(&self) -> u16 {
        let is_only_ip = match self.qualifier {
            Some(protocol) => protocol == Protocol::Ip,
            None => self.protocols.iter().all(|protocol| *protocol == Protocol::Ip) && !self.protocols.is_empty(),
        };
        if is_only_ip { HIGHEST_PROTOCOL } else { u16::MAX }
    }

    /// The protocols the next item counts for. Those not scanned are harmless: nobody asks for their ports.
    fn for_protocols(&self) -> Vec<Protocol> {
        self.qualifier.map_or_else(|| self.protocols.to_vec(), |protocol| vec![protocol])
    }

    fn add_range(&mut self, first: u16, last: u16) {
        for protocol in self.for_protocols() {
            let bits = self.chosen.of_mut(protocol);
            if self.bracket.is_none() {
                let last = if protocol == Protocol::Ip { last.min(HIGHEST_PROTOCOL) } else { last };
                for port in first..=last {
                    bits.insert(port);
                }
            } else {
                let named = services::entries().filter(|e| e.protocol == protocol && (first..=last).contains(&e.port));
                for entry in named {
                    bits.insert(entry.port);
                }
            }
        }
    }

    fn add_named(&mut self, pattern: &str) -> Result<(), PortError> {
        let protocols = self.for_protocols();
        let mut found = false;
        for entry in services::entries().filter(|entry| protocols.contains(&entry.protocol)) {
            if matches(pattern.as_bytes(), entry.name.as_bytes()) {
                self.chosen.of_mut(entry.protocol).insert(entry.port);
                found = true;
            }
        }
        if found || protocols.is_empty() { Ok(()) } else { Err(self.unknown_name(pattern, &protocols)) }
    }

    fn unknown_name(&self, pattern: &str, protocols: &[Protocol]) -> PortError {
        let of = match protocols {
            [Protocol::Ip] => "IP protocol".to_owned(),
            _ => format!("{} service", protocols.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ")),
        };
        let names = services::entries().filter(|entry| protocols.contains(&entry.protocol)).map(|entry| entry.name);
        let problem = match nearest(pattern, names) {
            Some(name) => format!("no {of} has this name; did you mean `{name}`?"),
            None => format!("no {of} has this name; write the number, or a pattern such as http*"),
        };
        self.wrong(pattern, &problem)
    }

    fn wrong(&self, item: &str, problem: &str) -> PortError {
        PortError::Item { flag: self.flag, item: item.to_owned(), problem: problem.to_owned() }
    }
}

/// A letter and a colon at the beginning, and what follows.
fn qualifier(text: &str) -> Option<(char, &str)> {
    let letter = text.chars().next().filter(char::is_ascii_alphabetic)?;
    Some((letter, text.get(1..)?.strip_prefix(':')?))
}

/// Whether `name` fits `pattern`, in which `*` stands for any text and `?` for one character. Case is ignored.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on after a mismatch: the last star, and how much of the name it has swallowed.
    let mut star = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == b'?' || c.eq_ignore_ascii_case(&name[n])) {
            p += 1;
            n += 1;
        } else if let Some((at, swallowed)) = star {
            star = Some((at, swallowed + 1));
            p = at + 1;
            n = swallowed + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        let fits = |pattern: &str, name: &str| matches(pattern.as_bytes(), name.as_bytes());
        assert!(fits("http*", "http") && fits("HTTP*", "https") && fits("*http*", "www-http"));
        assert!(fits("h??p", "http") && !fits("h?p", "http") && !fits("http", "https"));
        assert!(fits("*a*b", "aXbXab") && !fits("*a*b", "aXbXa") && fits("**", ""));
    }
}

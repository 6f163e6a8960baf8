//! Single conditions: qualifiers, and the address, port or protocol they qualify.

use super::address;
use super::ast::{Arithmetic, Direction, Expr, Family, Place, Relation, Scope, Test};
use super::error::Fault;
use super::lexer::{self, Kind, Token};
use super::names::{self, ARP, IP, IP6, RARP, SCTP, TCP, UDP};
use super::parser::Parser;
use crate::model::Protocol;
use crate::target::services;

/// What stands before an address or a number, and is taken over by bare ones after it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Qualifiers {
    protocol: Option<&'static str>,
    direction: Option<Direction>,
    kind: What,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum What {
    #[default]
    Host,
    Net,
    Port,
    PortRange,
    Protocol,
}

/// Words a condition may begin with as its protocol.
const PROTOCOLS: &[&str] = &[
    "ether", "link", "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "igrp", "pim", "vrrp",
    "carp", "ah", "esp", "decnet", "lat", "moprc", "mopdl", "sca", "stp", "iso", "netbeui",
];

type Condition = Result<(Expr, Option<Qualifiers>), Fault>;

impl Parser<'_> {
    /// A condition that begins with the word `first`, and the qualifiers it leaves.
    pub(super) fn condition(&mut self, first: Token<'_>, before: Option<Qualifiers>) -> Condition {
        let whole = |test| Ok((Expr::Test(test), None));
        match first.text {
            "vlan" => whole(self.vlan()?),
            "less" | "greater" => whole(self.length()?),
            "broadcast" | "multicast" => {
                self.advance();
                whole(self.cast(first, None)?)
            }
            "and" | "or" => Err(Fault::new(first.at, format!("expected a condition before `{}`", first.text))),
            word if names::refused(word).is_some() => Err(refusal(first)),
            word => match PROTOCOLS.iter().find(|protocol| **protocol == word) {
                Some(protocol) => {
                    self.advance();
                    self.of_protocol(first, protocol)
                }
                None if matches!(word, "src" | "dst" | "host" | "net" | "port" | "portrange" | "proto") => {
                    self.qualified(None)
                }
                None => Ok((self.identifier(before)?, before)),
            },
        }
    }

    /// What comes after `tcp`, `ip`, `ether`…: qualifiers, or nothing, and then it is a condition of its own.
    fn of_protocol(&mut self, first: Token<'_>, protocol: &'static str) -> Condition {
        let next = self.peek().filter(|token| token.kind == Kind::Word);
        match next {
            Some(Token { text: "src" | "dst" | "host" | "net" | "port" | "portrange" | "proto", .. }) => {
                self.qualified(Some(protocol))
            }
            Some(token @ Token { text: "broadcast" | "multicast", .. }) => {
                self.advance();
                Ok((Expr::Test(self.cast(token, Some(protocol))?), None))
            }
            Some(token @ Token { text: "protochain", .. }) => Err(refusal(token)),
            _ => Ok((Expr::Test(self.abbreviation(first, protocol)?), None)),
        }
    }

    /// Qualifiers behind the protocol, then what they qualify.
    fn qualified(&mut self, protocol: Option<&'static str>) -> Condition {
        let direction = self.direction()?;
        let kinds = [
            ("host", What::Host),
            ("net", What::Net),
            ("port", What::Port),
            ("portrange", What::PortRange),
            ("proto", What::Protocol),
        ];
        let at = self.peek().map_or(0, |token| token.at);
        let kind = kinds.into_iter().find(|(word, _)| self.take(word)).map(|(_, kind)| kind).unwrap_or_default();
        if kind == What::Protocol && direction.is_some() {
            return Err(Fault::new(at, "a protocol has no direction"));
        }
        let qualifiers = Qualifiers { protocol, direction, kind };
        Ok((self.identifiers(qualifiers)?, Some(qualifiers)))
    }

    /// `src`, `dst`, `src or dst`, `src and dst`, or none of them.
    fn direction(&mut self) -> Result<Option<Direction>, Fault> {
        let (one, other, direction) = if self.take("src") {
            ("src", "dst", Direction::Source)
        } else if self.take("dst") {
            ("dst", "src", Direction::Destination)
        } else {
            return Ok(None);
        };
        let is_pair = self.peek_second().is_some_and(|token| token.text == other && token.kind == Kind::Word);
        if !is_pair {
            return Ok(Some(direction));
        }
        let joint = self.joint();
        let Some(joint) = joint else {
            let at = self.peek().map_or(0, |token| token.at);
            return Err(Fault::new(at, format!("expected `and {other}` or `or {other}` after `{one}`")));
        };
        self.advance();
        Ok(Some(if joint == super::ast::Joint::And { Direction::Both } else { Direction::Either }))
    }

    /// One identifier, or several in parentheses: `port (80 or 443)`.
    fn identifiers(&mut self, qualifiers: Qualifiers) -> Result<Expr, Fault> {
        let negated = self.negations();
        let open = self.peek().filter(|token| token.text == "(");
        let expr = if let Some(open) = open {
            self.advance();
            let inner = self.nested(|parser| {
                let mut expr = parser.identifiers(qualifiers)?;
                while let Some(joint) = parser.joint() {
                    expr = expr.join(joint, parser.identifiers(qualifiers)?);
                }
                Ok(expr)
            })?;
            self.close(open)?;
            inner
        } else {
            self.identifier(Some(qualifiers))?
        };
        Ok(if negated { expr.negate() } else { expr })
    }

    /// An address, port or protocol.
    pub(super) fn identifier(&mut self, qualifiers: Option<Qualifiers>) -> Result<Expr, Fault> {
        let Some(qualifiers) = qualifiers else {
            let word = self.word("a condition")?;
            let reason = if word.text.starts_with(|c: char| c.is_ascii_digit()) || word.text.contains(':') {
                format!("`{}` needs a word before it that says what it is: host, net, port, proto", word.text)
            } else {
                format!("`{}` is no word of the filter language", word.text)
            };
            return Err(Fault::new(word.at, reason));
        };
        let word = self.word(match qualifiers.kind {
            What::Host | What::Net => "an address",
            What::Port | What::PortRange => "a port",
            What::Protocol => "a protocol",
        })?;
        let test = match (qualifiers.kind, qualifiers.protocol) {
            (What::Host, Some("ether" | "link")) => Self::ether(word, qualifiers)?,
            (What::Host | What::Net, _) => self.host(word, qualifiers)?,
            (What::Port, _) => self.port(word, qualifiers)?,
            (What::PortRange, _) => self.port_range(word, qualifiers)?,
            (What::Protocol, _) => self.protocol(word, qualifiers)?,
        };
        Ok(Expr::Test(test))
    }

    fn ether(word: Token<'_>, qualifiers: Qualifiers) -> Result<Test, Fault> {
        let address = address::hardware(word.text)
            .ok_or_else(|| Fault::new(word.at, format!("`{}` is no hardware address", word.text)))?;
        let direction = qualifiers.direction.unwrap_or(Direction::Either);
        Ok(Test::Ether { place: Place(word.at), direction, address })
    }

    fn host(&mut self, word: Token<'_>, qualifiers: Qualifiers) -> Result<Test, Fault> {
        let tags = self.tags;
        let direction = qualifiers.direction.unwrap_or(Direction::Either);
        let scope = match qualifiers.protocol {
            None => None,
            Some("ip") => Some(IP),
            Some("ip6") => Some(IP6),
            Some("arp") => Some(ARP),
            Some("rarp") => Some(RARP),
            Some(other) => return Err(Fault::new(word.at, format!("`{other}` cannot qualify an address"))),
        };
        let is_net = qualifiers.kind == What::Net;
        if word.text.contains(':') {
            let net = self.address6(word, is_net)?;
            return match scope {
                None | Some(IP6) => Ok(Test::Host6 { tags, direction, nets: vec![net] }),
                Some(_) => Err(Fault::new(word.at, "this is an IPv6 address; only `ip6` can qualify it")),
            };
        }
        let net = self.address4(word, is_net)?;
        match scope {
            Some(IP6) => Err(Fault::new(word.at, "this is an IPv4 address; `ip6` cannot qualify it")),
            scope => {
                let scope = scope.map_or(Scope::All, Scope::One);
                Ok(Test::Host4 { tags, scope, direction, nets: vec![net] })
            }
        }
    }

    fn port(&mut self, word: Token<'_>, qualifiers: Qualifiers) -> Result<Test, Fault> {
        let protocols = transports(word, qualifiers)?;
        let (protocols, port) = port(word, word.text, &protocols)?;
        let direction = qualifiers.direction.unwrap_or(Direction::Either);
        Ok(Test::Port { tags: self.tags, protocols, direction, ranges: vec![(port, port)] })
    }

    fn port_range(&mut self, word: Token<'_>, qualifiers: Qualifiers) -> Result<Test, Fault> {
        let protocols = transports(word, qualifiers)?;
        // A service may have a hyphen in its name: the first one that parts two ports does.
        let hyphens =
            word.text.match_indices('-').filter_map(|(at, _)| Some((word.text.get(..at)?, word.text.get(at + 1..)?)));
        let both = |(low, high)| Some((port(word, low, &protocols).ok()?.1, port(word, high, &protocols).ok()?.1));
        let whole = || port(word, word.text, &protocols).map(|(_, port)| (port, port));
        let (one, other) = match hyphens.into_iter().find_map(both) {
            Some(pair) => pair,
            None => whole()?,
        };
        let direction = qualifiers.direction.unwrap_or(Direction::Either);
        Ok(Test::Port { tags: self.tags, protocols, direction, ranges: vec![(one.min(other), one.max(other))] })
    }

    fn protocol(&mut self, word: Token<'_>, qualifiers: Qualifiers) -> Result<Test, Fault> {
        let tags = self.tags;
        let known = |table: fn(&str) -> Option<u32>| match lexer::number(word.text) {
            Some(number) => number.map_err(|message| Fault::new(word.at, message)),
            None => table(word.text)
                .ok_or_else(|| Fault::new(word.at, format!("no protocol here is called `{}`", word.text))),
        };
        let family = match qualifiers.protocol {
            None => Family::Both,
            Some("ip") => Family::V4,
            Some("ip6") => Family::V6,
            Some("ether" | "link") => return self.ether_type(word, known(names::ether_type)?),
            Some(other) => return Err(Fault::new(word.at, format!("`{other}` carries no protocol of a known number"))),
        };
        Ok(Test::Protocol { tags, family, number: known(names::protocol)? })
    }

    fn ether_type(&mut self, word: Token<'_>, value: u32) -> Result<Test, Fault> {
        // AppleTalk, its ARP and IPX come in three encapsulations, and a test for one would not be what was meant.
        if matches!(value, 0xe0 | 0x809b | 0x80f3 | 0x8137) {
            return Err(Fault::new(word.at, "this protocol comes in several encapsulations; say `ether[12:2] = …`"));
        }
        Ok(Test::EtherType { tags: self.tags, value })
    }

    fn abbreviation(&mut self, word: Token<'_>, protocol: &'static str) -> Result<Test, Fault> {
        let tags = self.tags;
        let family = match protocol {
            "icmp" | "igmp" | "igrp" | "vrrp" | "carp" => Family::V4,
            "icmp6" => Family::V6,
            "tcp" | "udp" | "sctp" | "pim" | "ah" | "esp" => Family::Both,
            _ => {
                let value = names::ether_type(protocol)
                    .ok_or_else(|| Fault::new(word.at, format!("`{protocol}` needs more: an address, `proto`, `[`")))?;
                return Ok(Test::EtherType { tags, value });
            }
        };
        let number = names::protocol(protocol).ok_or_else(|| Fault::new(word.at, "no such protocol"))?;
        Ok(Test::Protocol { tags, family, number })
    }

    fn cast(&mut self, word: Token<'_>, protocol: Option<&'static str>) -> Result<Test, Fault> {
        let (place, tags) = (Place(word.at), self.tags);
        match (word.text, protocol) {
            ("broadcast", None | Some("ether" | "link")) => {
                Ok(Test::Ether { place, direction: Direction::Destination, address: [0xff; 6] })
            }
            ("multicast", None | Some("ether" | "link")) => Ok(Test::LinkMulticast { place }),
            ("broadcast", Some("ip")) => Ok(Test::IpBroadcast { tags }),
            ("multicast", Some("ip")) => Ok(Test::IpMulticast { tags }),
            ("multicast", Some("ip6")) => Ok(Test::Ip6Multicast { tags }),
            (cast, Some(protocol)) => Err(Fault::new(word.at, format!("`{protocol}` has no {cast}"))),
            (cast, None) => Err(Fault::new(word.at, format!("`{cast}` needs a protocol"))),
        }
    }

    fn vlan(&mut self) -> Result<Test, Fault> {
        let place = Place(self.peek().map_or(0, |token| token.at));
        self.advance();
        let open = self.peek().filter(|token| token.text == "(");
        if open.is_some() {
            self.advance();
        }
        let id = match self.peek().filter(|token| token.kind == Kind::Word).and_then(|t| lexer::number(t.text)) {
            Some(number) => {
                let word = self.word("a VLAN")?;
                let id = number.map_err(|message| Fault::new(word.at, message))?;
                if id > 4095 {
                    return Err(Fault::new(word.at, "a VLAN has a number up to 4095"));
                }
                Some(id)
            }
            None if open.is_some() => self.word("the number of a VLAN").and_then(|word| {
                Err(Fault::new(word.at, format!("expected the number of a VLAN, not `{}`", word.text)))
            })?,
            None => None,
        };
        if let Some(open) = open {
            self.close(open)?;
        }
        let tags = self.tags;
        self.tags += 1;
        Ok(Test::Vlan { place, tags, id })
    }

    /// `less N` and `greater N`.
    fn length(&mut self) -> Result<Test, Fault> {
        let first = self.word("a comparison")?;
        let word = self.word("a length")?;
        let length = match lexer::number(word.text) {
            Some(number) => number.map_err(|message| Fault::new(word.at, message))?,
            None => return Err(Fault::new(word.at, format!("expected a length, not `{}`", word.text))),
        };
        let relation = if first.text == "less" { Relation::AtMost } else { Relation::AtLeast };
        Ok(Test::Relation { tags: self.tags, left: Arithmetic::Length, relation, right: Arithmetic::Number(length) })
    }
}

fn refusal(word: Token<'_>) -> Fault {
    Fault::new(word.at, format!("`{}` {}", word.text, names::refused(word.text).unwrap_or("is not offered")))
}

/// Protocols with ports that the qualifiers allow.
fn transports(word: Token<'_>, qualifiers: Qualifiers) -> Result<Vec<u32>, Fault> {
    match qualifiers.protocol {
        None => Ok(vec![SCTP, TCP, UDP]),
        Some("tcp") => Ok(vec![TCP]),
        Some("udp") => Ok(vec![UDP]),
        Some("sctp") => Ok(vec![SCTP]),
        Some(other) => Err(Fault::new(word.at, format!("`{other}` has no ports"))),
    }
}

/// The port `text` says, and of which of `protocols`: all, unless it is the name of a service that fewer have.
fn port(word: Token<'_>, text: &str, protocols: &[u32]) -> Result<(Vec<u32>, u16), Fault> {
    if let Some(number) = lexer::number(text) {
        let number = number.map_err(|message| Fault::new(word.at, message))?;
        let port = u16::try_from(number).map_err(|_| Fault::new(word.at, format!("port {number} is above 65535")))?;
        return Ok((protocols.to_vec(), port));
    }
    let all = [(TCP, Protocol::Tcp), (UDP, Protocol::Udp), (SCTP, Protocol::Sctp)];
    let registered: Vec<(u32, u16)> = all
        .into_iter()
        .filter(|(number, _)| protocols.contains(number))
        .filter_map(|(number, protocol)| Some((number, services::ports(text, protocol).next()?)))
        .collect();
    let Some((_, port)) = registered.first().copied() else {
        let reason = if text.contains('.') { "is no port" } else { "is no port and no service with a port" };
        return Err(Fault::new(word.at, format!("`{text}` {reason}")));
    };
    let same: Vec<u32> = registered.iter().filter(|(_, other)| *other == port).map(|(number, _)| *number).collect();
    // Registered for TCP and for UDP alike: then only the number counts, as in libpcap.
    let is_ambiguous = same.contains(&TCP) && same.contains(&UDP);
    Ok((if is_ambiguous { protocols.to_vec() } else { same }, port))
}

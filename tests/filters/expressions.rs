//! Filters at random, from the whole language.

use std::net::{Ipv4Addr, Ipv6Addr};

use fastrand::Rng;

use super::packets::{ADDRESSES4, ADDRESSES6, MACS, PORTS, PROTOCOLS, VLANS, pick};

/// What kind of link the filter is for, and how far `vlan` may change what follows.
pub struct Generator<'a> {
    pub rng: &'a mut Rng,
    pub has_ethernet: bool,
}

impl Generator<'_> {
    /// A filter of up to `terms` terms, parentheses and negations included.
    pub fn filter(&mut self, terms: usize) -> String {
        let count = 1 + self.rng.usize(..terms);
        self.joined(count, 2)
    }

    fn joined(&mut self, count: usize, depth: u32) -> String {
        let mut text = String::new();
        for number in 0..count {
            if number > 0 {
                text.push_str(pick(self.rng, &[" and ", " or ", " && ", " || "]));
            }
            if self.rng.u8(..) < 50 {
                text.push_str(pick(self.rng, &["not ", "!", "! not not "]));
            }
            if depth > 0 && self.rng.u8(..) < 60 {
                let inner = 1 + self.rng.usize(..3);
                text.extend(["(", &self.joined(inner, depth - 1), ")"]);
            } else {
                text.push_str(&self.primitive());
            }
        }
        text
    }

    fn primitive(&mut self) -> String {
        match self.rng.u8(..if self.has_ethernet { 18 } else { 13 }) {
            0 | 1 => self.hosts(),
            2 | 3 => self.net(),
            4..=6 => self.ports(),
            7 => pick(
                self.rng,
                &[
                    "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "igrp", "pim", "ah",
                    "esp", "vrrp", "carp", "decnet", "lat", "moprc", "mopdl", "sca", "stp", "iso", "netbeui",
                ],
            )
            .to_owned(),
            8 => self.protocol(),
            9 => self.length(),
            10..=12 => self.relation(),
            13 => self.ether(),
            14 => pick(
                self.rng,
                &[
                    "broadcast",
                    "multicast",
                    "ether broadcast",
                    "ether multicast",
                    "ip multicast",
                    "ip6 multicast",
                    "ip broadcast",
                ],
            )
            .to_owned(),
            15 => format!(
                "ether proto {}",
                pick(self.rng, &["0x800", "0x86dd", "\\arp", "\\rarp", "3", "0x42", "6", "1500", "34525", "0x10000"])
            ),
            16 => "vlan".to_owned(),
            _ => format!("vlan {}", pick(self.rng, &VLANS)),
        }
    }

    fn direction(&mut self) -> &'static str {
        pick(self.rng, &["", "", "src ", "dst ", "src or dst ", "dst or src ", "src and dst ", "dst and src "])
    }

    fn hosts(&mut self) -> String {
        let is_v6 = self.rng.bool();
        let scope = pick(self.rng, if is_v6 { &["", "ip6 "] } else { &["", "", "ip ", "arp ", "rarp "] });
        let direction = self.direction();
        // Without `host`, a direction must be there.
        let word = if direction.is_empty() || self.rng.bool() { "host " } else { "" };
        let address = |me: &mut Self| if is_v6 { me.address6() } else { me.address4() };
        let first = address(self);
        match self.rng.u8(..6) {
            0 if !word.is_empty() => format!("{scope}{direction}{word}({first} or {})", address(self)),
            1 => format!("{scope}{direction}{word}{first} or {}", address(self)),
            2 => format!("{scope}{direction}{word}{first} and not {}", address(self)),
            _ => format!("{scope}{direction}{word}{first}"),
        }
    }

    fn address4(&mut self) -> String {
        Ipv4Addr::from(pick(self.rng, &ADDRESSES4)).to_string()
    }

    fn address6(&mut self) -> String {
        Ipv6Addr::from(pick(self.rng, &ADDRESSES6)).to_string()
    }

    fn net(&mut self) -> String {
        let direction = self.direction();
        let nets4 = [
            "10",
            "10.0",
            "10.0.0",
            "10.1.2.3",
            "192.168",
            "10.0.0.0/8",
            "10.0.0.0/31",
            "192.168.1.64/26",
            "0.0.0.0/0",
            "10.0.0.0 mask 255.0.255.0",
            "10.0.0.1 mask 255.255.255.255",
            "224.0.0.0/4",
            "256",
            "0",
            "10.0/16",
        ];
        let nets6 =
            ["2001:db8::/32", "2001:db8::/63", "2001:db8::1", "::/0", "::1/128", "ff00::/8", "2001:db8:0:1::/64"];
        if self.rng.bool() {
            format!("{}{direction}net {}", pick(self.rng, &["", "", "ip ", "arp "]), pick(self.rng, &nets4))
        } else {
            format!("{}{direction}net {}", pick(self.rng, &["", "ip6 "]), pick(self.rng, &nets6))
        }
    }

    fn ports(&mut self) -> String {
        let protocol = pick(self.rng, &["", "", "tcp ", "udp ", "sctp "]);
        let direction = self.direction();
        let (one, other) = (pick(self.rng, &PORTS), pick(self.rng, &PORTS));
        match self.rng.u8(..8) {
            0 | 1 => format!("{protocol}{direction}portrange {one}-{other}"),
            2 => format!("{protocol}{direction}port {one} or {other}"),
            3 => format!("{protocol}{direction}port ({one} or {other})"),
            4 => format!("{protocol}{direction}port not {one}"),
            5 => format!("{protocol}{direction}port {one:#x}"),
            _ => format!("{protocol}{direction}port {one}"),
        }
    }

    fn protocol(&mut self) -> String {
        let number = pick(self.rng, &PROTOCOLS);
        let scope = pick(self.rng, &["", "ip ", "ip6 "]);
        match self.rng.u8(..4) {
            0 => format!("{scope}proto {}", pick(self.rng, &["\\tcp", "\\udp", "\\icmp", "ospf", "gre", "300"])),
            1 => format!("{scope}proto ({number} or \\tcp)"),
            _ => format!("{scope}proto {number}"),
        }
    }

    fn length(&mut self) -> String {
        let length = pick(self.rng, &[0, 14, 42, 54, 60, 74, 100, 1500]);
        match self.rng.u8(..3) {
            0 => format!("less {length}"),
            1 => format!("greater {length}"),
            _ => format!("len {} {length}", pick(self.rng, &["=", "!=", "<", ">", "<=", ">="])),
        }
    }

    fn ether(&mut self) -> String {
        let mac = pick(self.rng, &MACS);
        let direction = self.direction();
        let host = if direction.is_empty() || self.rng.bool() { "host " } else { "" };
        let address = match self.rng.u8(..3) {
            0 => mac.chunks(2).map(|pair| format!("{:02x}{:02x}", pair[0], pair[1])).collect::<Vec<_>>().join("."),
            1 => mac.map(|octet| format!("{octet:x}")).join("-"),
            _ => mac.map(|octet| format!("{octet:X}")).join(":"),
        };
        format!("ether {direction}{host}{address}")
    }

    fn relation(&mut self) -> String {
        let left = self.arithmetic(2);
        let relation = pick(self.rng, &["=", "==", "!=", "<", ">", "<=", ">="]);
        let right = if self.rng.u8(..4) == 0 { self.arithmetic(1) } else { self.number() };
        format!("{left} {relation} {right}")
    }

    fn number(&mut self) -> String {
        match self.rng.u8(..6) {
            0 => format!("{:#x}", self.rng.u32(..)),
            1 => pick(
                self.rng,
                &["tcp-syn", "tcp-ack", "icmp-echo", "icmp6-echoreply", "017", "-1", "tcp-push", "icmptype"],
            )
            .to_owned(),
            _ => pick(self.rng, &[0, 1, 2, 5, 6, 17, 20, 64, 69, 80, 128, 255, 443, 0x0800, 0xffff]).to_string(),
        }
    }

    /// Something that is read from the packet somewhere; constants alone are for libpcap's optimiser to refuse.
    fn arithmetic(&mut self, depth: u32) -> String {
        if depth == 0 || self.rng.u8(..3) == 0 {
            return self.load(depth);
        }
        let operator = pick(self.rng, &["+", "-", "*", "/", "%", "&", "&", "&", "|", "^", "<<", ">>"]);
        let left = self.arithmetic(depth - 1);
        let right = match operator {
            "<<" | ">>" => pick(self.rng, &["0", "1", "2", "8", "31"]).to_owned(),
            "/" | "%" => pick(self.rng, &["1", "2", "3", "7", "256"]).to_owned(),
            _ if self.rng.u8(..3) == 0 => self.arithmetic(depth - 1),
            _ => self.number(),
        };
        match self.rng.u8(..4) {
            0 => format!("({left} {operator} {right})"),
            1 => format!("({left}) {operator} ({right})"),
            _ => format!("{left} {operator} {right}"),
        }
    }

    fn load(&mut self, depth: u32) -> String {
        let headers = [
            "ether", "link", "ip", "ip", "ip6", "ip6", "tcp", "tcp", "tcp", "udp", "icmp", "icmp6", "sctp", "igmp",
            "arp", "rarp", "pim", "vrrp", "decnet",
        ];
        let header = pick(self.rng, &headers);
        let size = pick(self.rng, &["", "", ":1", ":2", ":4"]);
        match self.rng.u8(..8) {
            0 => "len".to_owned(),
            1 if depth > 0 => format!("{header}[{}{size}]", self.arithmetic(depth - 1)),
            2 => pick(
                self.rng,
                &[
                    "tcp[tcpflags]",
                    "icmp[icmptype]",
                    "icmp6[icmp6type]",
                    "icmp[icmpcode]",
                    "tcp[((tcp[12:1] & 0xf0) >> 2):4]",
                ],
            )
            .to_owned(),
            _ => format!("{header}[{}{size}]", self.rng.u8(..24)),
        }
    }
}

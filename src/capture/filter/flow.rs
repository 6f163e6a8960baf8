//! Filters for one conversation, written so that thousands of them share what they have in common: the address first, then
//! both ports as one number.

use std::net::IpAddr;

use super::Filter;
use super::address;
use super::ast::{Arithmetic, Direction, Expr, Family, Header, Joint, Net, Place, Relation, Scope, Test};
use super::names::{IP, IP6, SCTP, TCP, UDP};
use crate::packet::FlowKey;

/// Offset of the next header's number in IPv6's header.
const NEXT_HEADER: u32 = 6;
/// Length of IPv6's fixed header.
const IP6_HEADER: u32 = 40;

pub(super) fn of(key: &FlowKey) -> Filter {
    let number = u32::from(key.protocol);
    let name = match number {
        TCP => Some("tcp"),
        UDP => Some("udp"),
        SCTP => Some("sctp"),
        _ => None,
    };
    let ports = u32::from(key.remote_port) << 16 | u32::from(key.local_port);
    let remote = key.remote;
    let (version, scope, family) = match remote {
        IpAddr::V4(_) => ("ip", IP, Family::V4),
        IpAddr::V6(_) => ("ip6", IP6, Family::V6),
    };
    let from = Expr::Test(host(remote, Scope::One(scope), Direction::Source));
    let (rest, text) = match (name, remote) {
        (None, _) => (vec![Test::Protocol { tags: 0, family, number }], format!("{version} proto {number}")),
        (Some(name), IpAddr::V4(_)) => {
            (vec![equals(Header::Transport(number), 0, 4, ports)], format!("{name}[0:4] = {ports:#010x}"))
        }
        (Some(_), IpAddr::V6(_)) => {
            let next = equals(Header::Network(IP6), NEXT_HEADER, 1, number);
            let both = equals(Header::Network(IP6), IP6_HEADER, 4, ports);
            (vec![next, both], format!("ip6[{NEXT_HEADER}] = {number} and ip6[{IP6_HEADER}:4] = {ports:#010x}"))
        }
    };
    let expr = rest.into_iter().fold(from, |expr, test| expr.join(Joint::And, Expr::Test(test)));
    Filter { text: format!("{version} src host {remote} and {text}"), expr }
}

fn equals(header: Header, index: u32, size: u32, number: u32) -> Test {
    let index = Box::new(Arithmetic::Number(index));
    let left = Arithmetic::Load { place: Place(0), header, index, size };
    Test::Relation { tags: 0, left, relation: Relation::Equal, right: Arithmetic::Number(number) }
}

/// An address; the scope is for IPv4.
pub(super) fn host(addr: IpAddr, scope: Scope, direction: Direction) -> Test {
    match addr {
        IpAddr::V4(v4) => {
            let nets = vec![Net { bits: v4.to_bits(), mask: u32::MAX }];
            Test::Host4 { tags: 0, scope, direction, nets }
        }
        IpAddr::V6(v6) => {
            let nets = vec![Net { bits: address::words(v6.to_bits()), mask: [u32::MAX; 4] }];
            Test::Host6 { tags: 0, direction, nets }
        }
    }
}

//! Filters for one conversation, written so that hundreds of them share what they have in common: both ports as one
//! number, then the address.

use std::net::IpAddr;

use super::Filter;
use super::address;
use super::ast::{Direction, Expr, Family, Joint, Net, Scope, Test};
use super::names::{IP, IP6, SCTP, TCP, UDP};
use crate::packet::FlowKey;

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
    let from = format!("{version} src host {remote}");
    let Some(name) = name else {
        let protocol = Expr::Test(Test::Protocol { tags: 0, family, number });
        let source = Expr::Test(host(remote, Scope::One(scope), Direction::Source));
        let text = format!("{version} proto {number} and {from}");
        return Filter { text, expr: protocol.join(Joint::And, source) };
    };
    let text = match family {
        Family::V6 => format!("ip6[6] = {number} and ip6[40:4] = {ports:#010x} and {from}"),
        _ => format!("{name}[0:4] = {ports:#010x} and {from}"),
    };
    Filter { text, expr: Expr::Test(Test::Flow { family, protocol: number, members: vec![(ports, remote)] }) }
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

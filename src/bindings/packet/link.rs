//! Fields of Ethernet, VLAN tags and ARP.

use super::field::{Field, address, auto, flag, number};
use crate::packet::{Arp, Ethernet, Vlan};

/// Fields of Ethernet.
pub const ETHERNET: &[Field<Ethernet>] =
    &[address!("src", mac, source), address!("dst", mac, destination), auto!("type", 0xffff, ether_type, 12..14)];

/// Fields of a VLAN tag.
pub const VLAN: &[Field<Vlan>] = &[
    number!("id", 0xfff, id),
    number!("priority", 7, priority),
    flag!("drop_eligible", drop_eligible),
    auto!("type", 0xffff, ether_type, 2..4),
];

/// Fields of ARP.
pub const ARP: &[Field<Arp>] = &[
    number!("op", 0xffff, operation),
    address!("sender_mac", mac, sender_mac),
    address!("sender_ip", v4, sender_ip),
    address!("target_mac", mac, target_mac),
    address!("target_ip", v4, target_ip),
    number!("hardware", 0xffff, hardware),
    number!("protocol", 0xffff, protocol),
    number!("hardware_len", 0xff, hardware_len),
    number!("protocol_len", 0xff, protocol_len),
];

//! Packets for tests, byte by byte.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An Ethernet frame between two made-up stations.
pub fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `frame` with a VLAN tag in front of its type.
pub fn tagged(vlan: u16, frame: &[u8]) -> Vec<u8> {
    let mut tagged = frame[..12].to_vec();
    tagged.extend(0x8100u16.to_be_bytes());
    tagged.extend(vlan.to_be_bytes());
    tagged.extend(&frame[12..]);
    tagged
}

/// An IPv4 packet; checksum zero.
pub fn ipv4(source: &str, destination: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
    packet[2..4].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
    for addr in [source, destination] {
        packet.extend(addr.parse::<Ipv4Addr>().expect("an IPv4 address").octets());
    }
    packet.extend(payload);
    packet
}

/// An IPv6 packet.
pub fn ipv6(source: &str, destination: &str, next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, next, 64];
    packet[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    for addr in [source, destination] {
        packet.extend(addr.parse::<Ipv6Addr>().expect("an IPv6 address").octets());
    }
    packet.extend(payload);
    packet
}

/// Ports, length and no checksum: the start of UDP, enough of TCP for what looks at ports.
pub fn ports(source: u16, destination: u16) -> Vec<u8> {
    let mut header = [source.to_be_bytes(), destination.to_be_bytes(), 20u16.to_be_bytes(), [0; 2]].concat();
    header.resize(20, 0);
    header
}

/// An ICMP port unreachable about `quoted`.
pub fn icmp_error(source: &str, destination: &str, quoted: &[u8]) -> Vec<u8> {
    let mut message = vec![3, 3, 0, 0, 0, 0, 0, 0];
    message.extend(quoted);
    ipv4(source, destination, 1, &message)
}

/// An ARP reply that says where `sender` is.
pub fn arp(sender: &str, target: &str) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 2];
    for addr in [sender, target] {
        packet.extend([2, 0, 0, 0, 0, 9]);
        packet.extend(addr.parse::<Ipv4Addr>().expect("an IPv4 address").octets());
    }
    ethernet(0x0806, &packet)
}

//! Who answers on our own link: ARP (RFC 826) and neighbour solicitations (RFC 4861).

use std::net::IpAddr;

use super::probe::Probe;
use super::world::World;
use super::wrap::{Envelope, OURS};
use crate::model::{LinkType, Timestamp};
use crate::packet::number::ICMPV6;
use crate::packet::{Arp, Ethernet, Icmpv6, Icmpv6Body, NeighborOption, Packet};

const REQUEST: u16 = 1;
const REPLY: u16 = 2;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// An advertisement that was asked for, of the one address it is about.
const SOLICITED_OVERRIDE: u32 = 0x6000_0000;

/// Who `frame`, an ARP request, asks for, and the reply that host gives.
pub fn arp(world: &World, frame: &[u8], at: Timestamp) -> Option<(IpAddr, Vec<u8>)> {
    let asked = Packet::parse(LinkType::Ethernet, frame);
    let request = asked.get::<Arp>().filter(|message| message.operation == REQUEST)?;
    let target = IpAddr::V4(request.target_ip);
    if !is_neighbour(world, target, at) {
        return None;
    }
    let mac = world.mac(target);
    let reply = Arp {
        operation: REPLY,
        sender_mac: mac,
        sender_ip: request.target_ip,
        target_mac: request.sender_mac,
        target_ip: request.sender_ip,
        ..Arp::default()
    };
    let link = Ethernet { destination: OURS, source: mac, ether_type: None };
    Some((target, Packet::new([link.into(), reply.into()]).to_bytes()))
}

/// The address `probe` asks for, if it is a neighbour solicitation.
pub fn solicited(probe: &Probe<'_>) -> Option<IpAddr> {
    if probe.protocol != ICMPV6 || probe.content.first() != Some(&SOLICITATION) {
        return None;
    }
    let target = probe.content.get(8..)?.first_chunk::<16>()?;
    Some(IpAddr::from(*target))
}

/// What the host at `target` answers to the solicitation `probe`.
pub fn advertisement(world: &World, probe: &Probe<'_>, target: IpAddr, at: Timestamp) -> Option<Vec<u8>> {
    let IpAddr::V6(address) = target else { return None };
    // What a router forwarded is no neighbour's question.
    if probe.ttl != u8::MAX || !is_neighbour(world, target, at) {
        return None;
    }
    let mac = world.mac(target);
    let body = Icmpv6Body::Neighbor {
        flags: SOLICITED_OVERRIDE,
        target: address,
        options: vec![NeighborOption::TargetLink(mac)],
    };
    let envelope = Envelope { from: target, to: probe.source, ttl: u8::MAX, id: 0, mac };
    Some(envelope.around([Icmpv6::new(ADVERTISEMENT, 0, body).into()]))
}

/// Whether somebody with that address is on our link: a host, or the router that forwards our packets.
pub fn is_neighbour(world: &World, addr: IpAddr, at: Timestamp) -> bool {
    if world.is_on_link() { world.host_at(addr, at).is_some() } else { addr == world.gateway(addr) }
}

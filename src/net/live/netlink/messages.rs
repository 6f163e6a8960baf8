//! Requests to the kernel as messages, and its messages as plain values.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::model::{Interface, InterfaceAddr, LinkKind, LinkType, MacAddr, NetworkRoute};

/// One message of the kernel's.
pub(in crate::net::live) type Answer = RouteNetlinkMessage;

/// Where a packet would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net::live) struct Reached {
    /// Number of the interface it would leave by.
    pub interface: u32,
    /// Our address on it.
    pub source: Option<IpAddr>,
    /// The next router.
    pub gateway: Option<IpAddr>,
    /// Everybody on the link gets it.
    pub is_broadcast: bool,
}

/// A network some route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::net::live) struct Prefix {
    /// Its first address.
    pub network: IpAddr,
    /// Bits all its addresses share.
    pub length: u8,
}

fn family(v6: bool) -> AddressFamily {
    if v6 { AddressFamily::Inet6 } else { AddressFamily::Inet }
}

pub(super) fn links() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetLink(LinkMessage::default())
}

pub(super) fn addresses() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetAddress(AddressMessage::default())
}

pub(super) fn routes(v6: bool) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(v6);
    RouteNetlinkMessage::GetRoute(message)
}

pub(super) fn route(to: IpAddr, interface: Option<u32>) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(to.is_ipv6());
    message.header.destination_prefix_length = if to.is_ipv6() { 128 } else { 32 };
    message.attributes.push(RouteAttribute::Destination(to.into()));
    message.attributes.extend(interface.map(RouteAttribute::Oif));
    RouteNetlinkMessage::GetRoute(message)
}

pub(super) fn neighbour(interface: u32, addr: IpAddr) -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(addr.is_ipv6());
    message.header.ifindex = interface;
    let addr = match addr {
        IpAddr::V4(addr) => NeighbourAddress::Inet(addr),
        IpAddr::V6(addr) => NeighbourAddress::Inet6(addr),
    };
    message.attributes.push(NeighbourAttribute::Destination(addr));
    RouteNetlinkMessage::GetNeighbour(message)
}

/// The way a route leads; none for routes that lead nowhere.
pub(super) fn reached(answer: Answer) -> Option<Reached> {
    let RouteNetlinkMessage::NewRoute(message) = answer else { return None };
    let gateway = gateway(&message.attributes);
    let (mut interface, mut source) = (None, None);
    for attribute in message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interface = Some(index),
            RouteAttribute::PrefSource(addr) => source = address(&addr),
            _ => {}
        }
    }
    let kind = message.header.kind;
    if !matches!(
        kind,
        RouteType::Unicast | RouteType::Local | RouteType::Broadcast | RouteType::Multicast | RouteType::Anycast
    ) {
        return None;
    }
    Some(Reached { interface: interface?, source, gateway, is_broadcast: kind == RouteType::Broadcast })
}

/// The network a route leads to.
pub(super) fn prefix(answer: Answer) -> Option<Prefix> {
    let RouteNetlinkMessage::NewRoute(message) = answer else { return None };
    let is_v6 = message.header.address_family == AddressFamily::Inet6;
    let network = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(addr) => address(addr),
        _ => None,
    });
    let any = if is_v6 { IpAddr::V6([0; 16].into()) } else { IpAddr::V4([0; 4].into()) };
    Some(Prefix { network: network.unwrap_or(any), length: message.header.destination_prefix_length })
}

/// The ways to a network by one entry of a routing table: several, where it shares the load. None of those that lead
/// nowhere, or to this machine itself.
pub(super) fn network_routes(answer: Answer) -> Vec<NetworkRoute> {
    let RouteNetlinkMessage::NewRoute(message) = &answer else { return Vec::new() };
    if message.header.kind != RouteType::Unicast {
        return Vec::new();
    }
    let (mut metric, mut table) = (0, u32::from(message.header.table));
    let mut hops: Vec<(u32, &[RouteAttribute])> = Vec::new();
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => hops.push((*index, &message.attributes)),
            RouteAttribute::MultiPath(several) => {
                hops.extend(several.iter().map(|hop| (hop.interface_index, hop.attributes.as_slice())));
            }
            RouteAttribute::Priority(number) => metric = *number,
            RouteAttribute::Table(number) => table = *number, // the header has room for 255 only
            _ => {}
        }
    }
    let Some(Prefix { network, length }) = prefix(answer.clone()) else { return Vec::new() };
    let route = |(interface, attributes)| {
        let gateway = gateway(attributes);
        NetworkRoute { network, prefix: length, interface, gateway, metric, table }
    };
    hops.into_iter().map(route).collect()
}

/// The next router.
fn gateway(attributes: &[RouteAttribute]) -> Option<IpAddr> {
    attributes.iter().rev().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(addr) => address(addr),
        // An IPv4 network behind an IPv6 router (RFC 5549).
        RouteAttribute::Via(RouteVia::Inet(addr)) => Some((*addr).into()),
        RouteAttribute::Via(RouteVia::Inet6(addr)) => Some((*addr).into()),
        _ => None,
    })
}

fn address(addr: &RouteAddress) -> Option<IpAddr> {
    match addr {
        RouteAddress::Inet(addr) => Some((*addr).into()),
        RouteAddress::Inet6(addr) => Some((*addr).into()),
        _ => None,
    }
}

/// The hardware address of a neighbour the kernel is sure of. A stale one may have moved, so it is asked for anew.
pub(super) fn neighbour_mac(answer: Answer) -> Option<MacAddr> {
    let RouteNetlinkMessage::NewNeighbour(message) = answer else { return None };
    let sure = matches!(
        message.header.state,
        NeighbourState::Reachable | NeighbourState::Permanent | NeighbourState::Delay | NeighbourState::Probe
    );
    message.attributes.iter().filter(|_| sure).find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(bytes) => <[u8; 6]>::try_from(bytes.as_slice()).ok().map(MacAddr),
        _ => None,
    })
}

/// Collects interfaces from links and addresses.
#[derive(Default)]
pub(super) struct Interfaces {
    order: Vec<u32>,
    found: BTreeMap<u32, Interface>,
}

impl Interfaces {
    pub(super) fn add(&mut self, answer: Answer) {
        match answer {
            RouteNetlinkMessage::NewLink(message) => self.add_link(&message),
            RouteNetlinkMessage::NewAddress(message) => self.add_address(&message),
            _ => {}
        }
    }

    fn add_link(&mut self, message: &LinkMessage) {
        let index = message.header.index;
        let mut interface = Interface {
            index,
            name: "".into(),
            kind: LinkKind::Other,
            link: LinkType::Ip,
            mac: None,
            mtu: 0,
            // The carrier itself; IFF_RUNNING comes up to a second after it.
            up: message.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
            addrs: Vec::new(),
        };
        (interface.kind, interface.link) = link_of(message.header.link_layer_type);
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => interface.name = name.as_str().into(),
                LinkAttribute::Mtu(mtu) => interface.mtu = *mtu,
                LinkAttribute::Address(bytes) if interface.link == LinkType::Ethernet => {
                    interface.mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(MacAddr);
                }
                _ => {}
            }
        }
        if self.found.insert(index, interface).is_none() {
            self.order.push(index);
        }
    }

    fn add_address(&mut self, message: &AddressMessage) {
        let Some(interface) = self.found.get_mut(&message.header.index) else { return };
        let own = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(wanted);
        // On a point-to-point link `Address` is the other end's.
        let local = own(|attribute| match attribute {
            AddressAttribute::Local(addr) => Some(*addr),
            _ => None,
        });
        let any = own(|attribute| match attribute {
            AddressAttribute::Address(addr) => Some(*addr),
            _ => None,
        });
        interface.addrs.extend(local.or(any).map(|addr| InterfaceAddr { addr, prefix: message.header.prefix_len }));
    }

    /// The interfaces, IPv4 addresses first.
    pub(super) fn finish(mut self) -> Vec<Interface> {
        let ordered = self.order.iter().filter_map(|index| self.found.remove(index));
        ordered
            .map(|mut interface| {
                interface.addrs.sort_by_key(|one| one.addr.is_ipv6()); // stable: the kernel's order within each
                interface
            })
            .collect()
    }
}

/// What kind of link that is and how its packets begin.
fn link_of(layer: LinkLayerType) -> (LinkKind, LinkType) {
    use LinkLayerType as L;
    match layer {
        L::Ether => (LinkKind::Ethernet, LinkType::Ethernet),
        L::Loopback => (LinkKind::Loopback, LinkType::Ethernet),
        L::None | L::Ppp | L::Tunnel | L::Tunnel6 | L::Sit | L::Ipgre | L::Rawip | L::Slip => {
            (LinkKind::PointToPoint, LinkType::Ip)
        }
        _ => (LinkKind::Other, LinkType::Ip),
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::route::RouteNextHop;

    use super::*;

    fn link(index: u32, layer: LinkLayerType, attributes: Vec<LinkAttribute>) -> Answer {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.link_layer_type = layer;
        message.header.flags = LinkFlags::Up | LinkFlags::LowerUp;
        message.attributes = attributes;
        RouteNetlinkMessage::NewLink(message)
    }

    fn addr(index: u32, prefix: u8, attributes: Vec<AddressAttribute>) -> Answer {
        let mut message = AddressMessage::default();
        message.header.index = index;
        message.header.prefix_len = prefix;
        message.attributes = attributes;
        RouteNetlinkMessage::NewAddress(message)
    }

    #[test]
    fn links_and_addresses_make_interfaces() {
        let mut found = Interfaces::default();
        let mac = vec![2, 0, 0, 0, 0, 1];
        found.add(link(7, LinkLayerType::Ether, vec![LinkAttribute::IfName("e".into()), LinkAttribute::Address(mac)]));
        found.add(link(3, LinkLayerType::None, vec![LinkAttribute::Mtu(1420), LinkAttribute::Address(vec![1; 4])]));
        let v6: IpAddr = "fd00::1".parse().unwrap();
        let (ours, theirs): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        found.add(addr(7, 64, vec![AddressAttribute::Address(v6)]));
        found.add(addr(7, 32, vec![AddressAttribute::Address(theirs), AddressAttribute::Local(ours)]));
        found.add(addr(9, 32, vec![AddressAttribute::Address(theirs)]));
        let interfaces = found.finish();
        assert_eq!(interfaces.iter().map(|one| one.index).collect::<Vec<_>>(), [7, 3]);
        assert_eq!(interfaces[0].mac, Some(MacAddr([2, 0, 0, 0, 0, 1])));
        assert_eq!(
            interfaces[0].addrs,
            [InterfaceAddr { addr: ours, prefix: 32 }, InterfaceAddr { addr: v6, prefix: 64 }]
        );
        assert_eq!((interfaces[1].kind, interfaces[1].link), (LinkKind::PointToPoint, LinkType::Ip));
        assert_eq!((interfaces[1].mac, interfaces[1].mtu), (None, 1420));
    }

    #[test]
    fn routes_that_lead_nowhere_are_none() {
        let mut message = RouteMessage::default();
        message.attributes.push(RouteAttribute::Oif(2));
        let of_kind = |kind| {
            let mut message = message.clone();
            message.header.kind = kind;
            reached(RouteNetlinkMessage::NewRoute(message))
        };
        assert_eq!(of_kind(RouteType::Unreachable), None);
        assert_eq!(of_kind(RouteType::BlackHole), None);
        assert_eq!(of_kind(RouteType::Unicast).map(|way| way.interface), Some(2));
        assert!(of_kind(RouteType::Broadcast).is_some_and(|way| way.is_broadcast));
    }

    #[test]
    fn entries_of_tables_are_networks_and_their_routers() {
        let network: IpAddr = "192.0.2.0".parse().unwrap();
        let (one, two): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.kind = RouteType::Unicast;
        message.header.destination_prefix_length = 24;
        message.attributes.push(RouteAttribute::Destination(network.into()));
        message.attributes.push(RouteAttribute::Priority(100));
        message.attributes.push(RouteAttribute::Table(1000));
        let mut single = message.clone();
        single.attributes.push(RouteAttribute::Oif(2));
        let expected = NetworkRoute { network, prefix: 24, interface: 2, gateway: None, metric: 100, table: 1000 };
        assert_eq!(network_routes(RouteNetlinkMessage::NewRoute(single.clone())), std::slice::from_ref(&expected));
        let hop = |interface_index, router: IpAddr| {
            let mut hop = RouteNextHop::default();
            hop.interface_index = interface_index;
            hop.attributes.push(RouteAttribute::Gateway(router.into()));
            hop
        };
        message.attributes.push(RouteAttribute::MultiPath(vec![hop(2, one), hop(3, two)]));
        let shared = network_routes(RouteNetlinkMessage::NewRoute(message));
        let through = |interface, router| NetworkRoute { interface, gateway: Some(router), ..expected.clone() };
        assert_eq!(shared, [through(2, one), through(3, two)]);
        single.header.kind = RouteType::Local;
        assert_eq!(network_routes(RouteNetlinkMessage::NewRoute(single)), []);
    }

    #[test]
    fn only_what_the_kernel_is_sure_of_counts() {
        let entry = |state| {
            let mut message = NeighbourMessage::default();
            message.header.state = state;
            message.attributes.push(NeighbourAttribute::LinkLayerAddress(vec![2, 0, 0, 0, 0, 9]));
            neighbour_mac(RouteNetlinkMessage::NewNeighbour(message))
        };
        assert_eq!(entry(NeighbourState::Reachable), Some(MacAddr([2, 0, 0, 0, 0, 9])));
        assert_eq!(entry(NeighbourState::Stale), None);
        assert_eq!(entry(NeighbourState::Failed), None);
    }
}

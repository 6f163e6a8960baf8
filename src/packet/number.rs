//! Numbers of the registries (IANA protocol numbers, IEEE ether types) that headers name each other by.

/// Ether type of IPv4.
pub const IPV4: u16 = 0x0800;
/// Ether type of ARP.
pub const ARP: u16 = 0x0806;
/// Ether type of an 802.1Q tag.
pub const VLAN: u16 = 0x8100;
/// Ether type of an 802.1ad outer tag.
pub const QINQ: u16 = 0x88a8;
/// Ether type of IPv6.
pub const IPV6: u16 = 0x86dd;
/// Ether type written where nothing says better; reserved.
pub const NO_ETHER_TYPE: u16 = 0xffff;

/// IPv6 hop-by-hop options.
pub const HOP_BY_HOP: u8 = 0;
/// ICMP for IPv4.
pub const ICMP: u8 = 1;
/// IGMP.
pub const IGMP: u8 = 2;
/// IPv4 in IP.
pub const IPV4_IN_IP: u8 = 4;
/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// IPv6 in IP.
pub const IPV6_IN_IP: u8 = 41;
/// IPv6 routing header.
pub const ROUTING: u8 = 43;
/// IPv6 fragment header.
pub const FRAGMENT: u8 = 44;
/// IP authentication header.
pub const AUTHENTICATION: u8 = 51;
/// ICMP for IPv6.
pub const ICMPV6: u8 = 58;
/// Nothing follows, in IPv6.
pub const NO_NEXT_HEADER: u8 = 59;
/// IPv6 destination options.
pub const DESTINATION_OPTIONS: u8 = 60;
/// SCTP.
pub const SCTP: u8 = 132;
/// IPv6 mobility header.
pub const MOBILITY: u8 = 135;
/// Host identity protocol.
pub const HIP: u8 = 139;
/// Shim6.
pub const SHIM6: u8 = 140;
/// Written in IPv4 where nothing says better; reserved.
pub const RESERVED: u8 = 255;

//! Words that stand for numbers: pcap-filter(7), and the registries of IANA behind them.

/// Protocols of IP.
const PROTOCOLS: &[(&str, u32)] = &[
    ("ip", 0),
    ("hopopt", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ggp", 3),
    ("ipencap", 4),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("igrp", 9),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("icmp6", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("eigrp", 88),
    ("ospf", 89),
    ("ipip", 94),
    ("pim", 103),
    ("vrrp", 112),
    ("carp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
    ("mptcp", 262),
];

/// `EtherType`s, and the SAP of the spanning tree.
const ETHER_TYPES: &[(&str, u32)] = &[
    ("ip", IP),
    ("ip6", IP6),
    ("arp", ARP),
    ("rarp", RARP),
    ("decnet", 0x6003),
    ("lat", 0x6004),
    ("moprc", 0x6002),
    ("mopdl", 0x6001),
    ("sca", 0x6007),
    ("loopback", 0x9000),
    ("stp", 0x42),
    ("iso", 0xfe),
    ("netbeui", 0xf0),
];

/// Offsets of fields, and values of fields.
const CONSTANTS: &[(&str, u32)] = &[
    ("icmptype", 0),
    ("icmpcode", 1),
    ("icmp6type", 0),
    ("icmp6code", 1),
    ("tcpflags", 13),
    ("tcp-fin", 1),
    ("tcp-syn", 2),
    ("tcp-rst", 4),
    ("tcp-push", 8),
    ("tcp-ack", 16),
    ("tcp-urg", 32),
    ("tcp-ece", 64),
    ("tcp-cwr", 128),
    ("icmp-echoreply", 0),
    ("icmp-unreach", 3),
    ("icmp-sourcequench", 4),
    ("icmp-redirect", 5),
    ("icmp-echo", 8),
    ("icmp-routeradvert", 9),
    ("icmp-routersolicit", 10),
    ("icmp-timxceed", 11),
    ("icmp-paramprob", 12),
    ("icmp-tstamp", 13),
    ("icmp-tstampreply", 14),
    ("icmp-ireq", 15),
    ("icmp-ireqreply", 16),
    ("icmp-maskreq", 17),
    ("icmp-maskreply", 18),
    ("icmp6-destinationunreach", 1),
    ("icmp6-packettoobig", 2),
    ("icmp6-timeexceeded", 3),
    ("icmp6-parameterproblem", 4),
    ("icmp6-echo", 128),
    ("icmp6-echoreply", 129),
    ("icmp6-multicastlistenerquery", 130),
    ("icmp6-multicastlistenerreportv1", 131),
    ("icmp6-multicastlistenerdone", 132),
    ("icmp6-routersolicit", 133),
    ("icmp6-routeradvert", 134),
    ("icmp6-neighborsolicit", 135),
    ("icmp6-neighboradvert", 136),
    ("icmp6-redirect", 137),
    ("icmp6-routerrenum", 138),
    ("icmp6-nodeinformationquery", 139),
    ("icmp6-nodeinformationresponse", 140),
    ("icmp6-ineighbordiscoverysolicit", 141),
    ("icmp6-ineighbordiscoveryadvert", 142),
    ("icmp6-multicastlistenerreportv2", 143),
    ("icmp6-homeagentdiscoveryrequest", 144),
    ("icmp6-homeagentdiscoveryreply", 145),
    ("icmp6-mobileprefixsolicit", 146),
    ("icmp6-mobileprefixadvert", 147),
    ("icmp6-certpathsolicit", 148),
    ("icmp6-certpathadvert", 149),
    ("icmp6-multicastrouteradvert", 151),
    ("icmp6-multicastroutersolicit", 152),
    ("icmp6-multicastrouterterm", 153),
];

/// What libpcap offers and this does not, and why.
const REFUSED: &[(&str, &str)] = &[
    ("protochain", "needs a loop, which BPF has not; say `ip6[6] == N` or `ip6[40] == N`"),
    ("gateway", "needs names; say `ether host MAC and not host ADDRESS`"),
    ("inbound", "is not in the packet"),
    ("outbound", "is not in the packet"),
    ("ifname", "is not in the packet"),
    ("mpls", "is not offered; say `ether proto 0x8847`"),
    ("pppoed", "is not offered; say `ether proto 0x8863`"),
    ("pppoes", "is not offered; say `ether proto 0x8864`"),
    ("geneve", "is not offered; say `udp dst port 6081`"),
    ("atalk", "is not offered; say `ether[12:2] = 0x809b`"),
    ("aarp", "is not offered; say `ether[12:2] = 0x80f3`"),
    ("ipx", "is not offered; say `ether[12:2] = 0x8137`"),
    ("clnp", "is not offered"),
    ("esis", "is not offered"),
    ("isis", "is not offered"),
    ("wlan", "is for 802.11, which no link here is"),
    ("fddi", "is for FDDI, which no link here is"),
    ("tr", "is for token ring, which no link here is"),
    ("ppp", "is for PPP, which no link here is"),
    ("slip", "is for SLIP, which no link here is"),
    ("radio", "is for 802.11, which no link here is"),
    ("type", "is for 802.11, which no link here is"),
];

pub(super) const IP: u32 = 0x0800;
pub(super) const ARP: u32 = 0x0806;
pub(super) const RARP: u32 = 0x8035;
pub(super) const IP6: u32 = 0x86dd;
pub(super) const TCP: u32 = 6;
pub(super) const UDP: u32 = 17;
pub(super) const ICMP6: u32 = 58;
pub(super) const SCTP: u32 = 132;

pub(super) fn protocol(name: &str) -> Option<u32> {
    find(PROTOCOLS, name)
}

pub(super) fn ether_type(name: &str) -> Option<u32> {
    find(ETHER_TYPES, name)
}

pub(super) fn constant(name: &str) -> Option<u32> {
    find(CONSTANTS, name)
}

pub(super) fn refused(name: &str) -> Option<&'static str> {
    find(REFUSED, name)
}

fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(one, _)| *one == name).map(|(_, value)| *value)
}

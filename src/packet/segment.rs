//! Packets of conversations the kernel had for us, made as they must have looked; and any packet read back as far as
//! conversations need it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use etherparse::{
    Icmpv4Type, Icmpv6Type, IpFragOffset, IpNumber, LaxNetSlice, LaxSlicedPacket, PacketBuilder, PacketBuilderStep,
    TcpHeader, TransportSlice, icmpv4, icmpv6,
};

use crate::model::{NetErrorKind, Unreached};

/// Hops a made packet may take: what Linux starts with.
const HOPS: u8 = 64;
/// IP protocol "for experimentation" (RFC 3692): carries what never was a packet.
pub const NOTE_PROTOCOL: u8 = 253;

/// One TCP segment.
#[derive(Debug, Clone, Copy)]
pub struct TcpSegment<'a> {
    /// Who sends it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number, if the flag is set.
    pub ack: Option<u32>,
    /// Opens a connection.
    pub syn: bool,
    /// No more data follows.
    pub fin: bool,
    /// Ends the connection at once.
    pub rst: bool,
    /// At most [`MAX_PAYLOAD`] bytes.
    pub payload: &'a [u8],
}

/// Most bytes a made segment or datagram carries.
pub const MAX_PAYLOAD: usize = 65_400;

/// What an ICMP error says about the packet it quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// Nobody listens on the port.
    Port,
    /// The host or the way to it is missing or forbidden.
    Host,
    /// The network is missing or forbidden.
    Network,
}

impl Unreachable {
    /// What a router would have said where a socket fails so; none where no such error makes it fail.
    pub fn of(kind: NetErrorKind) -> Option<Unreachable> {
        match kind {
            NetErrorKind::Refused => Some(Unreachable::Port),
            NetErrorKind::Unreachable(Unreached::Host) => Some(Unreachable::Host),
            NetErrorKind::Unreachable(Unreached::Network) => Some(Unreachable::Network),
            _ => None,
        }
    }

    /// How a socket fails that hears it.
    pub fn kind(self) -> NetErrorKind {
        match self {
            Unreachable::Port => NetErrorKind::Refused,
            Unreachable::Host => NetErrorKind::Unreachable(Unreached::Host),
            Unreachable::Network => NetErrorKind::Unreachable(Unreached::Network),
        }
    }

    /// By the code of an ICMP error of type 3 (RFC 792, RFC 1122 section 3.2.2.1): the network does not exist, is not known,
    /// is prohibited, has no such service.
    fn by_code_v4(code: u8) -> Unreachable {
        match code {
            0 | 6 | 9 | 11 => Unreachable::Network,
            3 => Unreachable::Port,
            _ => Unreachable::Host,
        }
    }

    /// By the code of an `ICMPv6` error of type 1 (RFC 4443 section 3.1).
    fn by_code_v6(code: u8) -> Unreachable {
        match code {
            0 => Unreachable::Network,
            4 => Unreachable::Port,
            _ => Unreachable::Host,
        }
    }
}

/// One packet, as far as conversations need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// What it carries.
    pub content: Content<'a>,
    /// Bytes of it the capture left out.
    pub missing: usize,
}

/// What a packet carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'a> {
    /// A TCP segment.
    Tcp(Tcp<'a>),
    /// A UDP datagram.
    Udp {
        /// Source and destination port.
        ports: (u16, u16),
        /// Its bytes.
        payload: &'a [u8],
    },
    /// An ICMP error about a packet.
    Unreachable {
        /// What it says.
        what: Unreachable,
        /// Protocol of the quoted packet.
        protocol: u8,
        /// Its sender.
        source: SocketAddr,
        /// Its receiver.
        destination: SocketAddr,
    },
    /// What never was a packet.
    Note,
    /// Anything else.
    Other,
}

/// A TCP segment as seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of the header")]
pub struct Tcp<'a> {
    /// Source and destination port.
    pub ports: (u16, u16),
    /// Sequence number.
    pub seq: u32,
    /// Flags.
    pub syn: bool,
    /// Flags.
    pub ack: bool,
    /// Flags.
    pub fin: bool,
    /// Flags.
    pub rst: bool,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// Makes a TCP segment with right checksums. None when the addresses are of two families or the payload too long.
pub fn tcp(segment: &TcpSegment<'_>) -> Option<Vec<u8>> {
    let mut header = TcpHeader::new(segment.source.port(), segment.destination.port(), segment.seq, u16::MAX);
    (header.syn, header.fin, header.rst) = (segment.syn, segment.fin, segment.rst);
    header.psh = !segment.payload.is_empty();
    header.ack = segment.ack.is_some();
    header.acknowledgment_number = segment.ack.unwrap_or(0);
    let step = ip(segment.source.ip(), segment.destination.ip())?.tcp_header(header);
    let mut packet = Vec::with_capacity(step.size(segment.payload.len()));
    step.write(&mut packet, segment.payload).ok()?;
    Some(packet)
}

/// Makes a UDP datagram with right checksums. None when the addresses are of two families or the payload too long.
pub fn udp(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Option<Vec<u8>> {
    let step = ip(source.ip(), destination.ip())?.udp(source.port(), destination.port());
    let mut packet = Vec::with_capacity(step.size(payload.len()));
    step.write(&mut packet, payload).ok()?;
    Some(packet)
}

/// Makes the ICMP error that `router` answers the packet `quoted` of `to` with.
pub fn unreachable(router: IpAddr, to: IpAddr, what: Unreachable, quoted: &[u8]) -> Option<Vec<u8>> {
    // RFC 1812 and RFC 4443: as much of the packet as fits into the smallest MTU.
    let quoted = quoted.get(..quoted.len().min(500))?;
    let step = ip(router, to)?;
    let mut packet = Vec::new();
    if router.is_ipv4() {
        let header = match what {
            Unreachable::Port => icmpv4::DestUnreachableHeader::Port,
            Unreachable::Host => icmpv4::DestUnreachableHeader::Host,
            Unreachable::Network => icmpv4::DestUnreachableHeader::Network,
        };
        step.icmpv4(Icmpv4Type::DestinationUnreachable(header)).write(&mut packet, quoted).ok()?;
    } else {
        let code = match what {
            Unreachable::Port => icmpv6::DestUnreachableCode::Port,
            Unreachable::Host => icmpv6::DestUnreachableCode::Address,
            Unreachable::Network => icmpv6::DestUnreachableCode::NoRoute,
        };
        step.icmpv6(Icmpv6Type::DestinationUnreachable(code)).write(&mut packet, quoted).ok()?;
    }
    Some(packet)
}

/// Makes a packet that stands for something that never was one; a comment beside it says what.
pub fn note(addr: IpAddr) -> Option<Vec<u8>> {
    let mut packet = Vec::new();
    ip(addr, addr)?.write(&mut packet, IpNumber(NOTE_PROTOCOL), &[]).ok()?;
    Some(packet)
}

fn ip(source: IpAddr, destination: IpAddr) -> Option<PacketBuilderStep<etherparse::IpHeaders>> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            Some(PacketBuilder::ipv4(source.octets(), destination.octets(), HOPS))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            Some(PacketBuilder::ipv6(source.octets(), destination.octets(), HOPS))
        }
        _ => None,
    }
}

/// Reads an IP packet. None when it is none, or a later fragment of one.
pub fn read(packet: &[u8]) -> Option<Seen<'_>> {
    let sliced = LaxSlicedPacket::from_ip(packet).ok()?;
    let (source, destination, declared, protocol): (IpAddr, IpAddr, usize, IpNumber) = match sliced.net.as_ref()? {
        LaxNetSlice::Ipv4(v4) => {
            let header = v4.header();
            if header.fragments_offset() != IpFragOffset::ZERO {
                return None;
            }
            let (source, destination): (Ipv4Addr, Ipv4Addr) = (header.source_addr(), header.destination_addr());
            (source.into(), destination.into(), usize::from(header.total_len()), v4.payload().ip_number)
        }
        LaxNetSlice::Ipv6(v6) => {
            let header = v6.header();
            let (source, destination): (Ipv6Addr, Ipv6Addr) = (header.source_addr(), header.destination_addr());
            let length = match usize::from(header.payload_length()) {
                0 => 0, // a jumbogram, or cut by the card into segments later
                length => 40 + length,
            };
            (source.into(), destination.into(), length, v6.payload().ip_number)
        }
        LaxNetSlice::Arp(_) => return None,
    };
    let missing = declared.saturating_sub(packet.len());
    let content = match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => Content::Tcp(Tcp {
            ports: (tcp.source_port(), tcp.destination_port()),
            seq: tcp.sequence_number(),
            syn: tcp.syn(),
            ack: tcp.ack(),
            fin: tcp.fin(),
            rst: tcp.rst(),
            payload: tcp.payload(),
        }),
        Some(TransportSlice::Udp(udp)) => {
            Content::Udp { ports: (udp.source_port(), udp.destination_port()), payload: udp.payload() }
        }
        Some(TransportSlice::Icmpv4(icmp)) if icmp.type_u8() == 3 => {
            about(Unreachable::by_code_v4(icmp.code_u8()), icmp.payload())
        }
        Some(TransportSlice::Icmpv6(icmp)) if icmp.type_u8() == 1 => {
            about(Unreachable::by_code_v6(icmp.code_u8()), icmp.payload())
        }
        _ if protocol == IpNumber(NOTE_PROTOCOL) => Content::Note,
        _ => Content::Other,
    };
    Some(Seen { source, destination, content, missing })
}

/// The error about the packet quoted after the ICMP header. A quote may end after eight bytes of the transport header:
/// enough for the ports.
fn about(what: Unreachable, quoted: &[u8]) -> Content<'_> {
    let read = || {
        let (ip, _) = etherparse::LaxIpSlice::from_slice(quoted).ok()?;
        let payload = ip.payload();
        let port_at = |at: usize| Some(u16::from_be_bytes([*payload.payload.get(at)?, *payload.payload.get(at + 1)?]));
        let source = SocketAddr::new(ip.source_addr(), port_at(0)?);
        let destination = SocketAddr::new(ip.destination_addr(), port_at(2)?);
        Some(Content::Unreachable { what, protocol: payload.ip_number.0, source, destination })
    };
    read().unwrap_or(Content::Other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn addrs(six: bool) -> (SocketAddr, SocketAddr) {
        if six {
            ("[2001:db8::1]:4000".parse().expect("literal"), "[2001:db8::2]:80".parse().expect("literal"))
        } else {
            ("192.0.2.1:4000".parse().expect("literal"), "192.0.2.2:80".parse().expect("literal"))
        }
    }

    #[test]
    fn what_is_made_reads_back() {
        for six in [false, true] {
            let (source, destination) = addrs(six);
            let plain = TcpSegment {
                source,
                destination,
                seq: 7,
                ack: Some(9),
                syn: true,
                fin: false,
                rst: false,
                payload: b"hi",
            };
            let packet = tcp(&plain).expect("one family");
            let seen = read(&packet).expect("an IP packet");
            assert_eq!((seen.source, seen.destination, seen.missing), (source.ip(), destination.ip(), 0));
            let expected =
                Tcp { ports: (4000, 80), seq: 7, syn: true, ack: true, fin: false, rst: false, payload: b"hi" };
            assert_eq!(seen.content, Content::Tcp(expected));
            let datagram = udp(source, destination, b"question").expect("one family");
            let seen = read(&datagram).expect("an IP packet");
            assert_eq!(seen.content, Content::Udp { ports: (4000, 80), payload: b"question" });
            for what in [Unreachable::Port, Unreachable::Host, Unreachable::Network] {
                let error = unreachable(destination.ip(), source.ip(), what, &datagram).expect("one family");
                let expected = Content::Unreachable { what, protocol: 17, source, destination };
                assert_eq!(read(&error).expect("an IP packet").content, expected);
            }
            assert_eq!(read(&note(source.ip()).expect("made")).expect("an IP packet").content, Content::Note);
        }
    }

    #[test]
    fn a_cut_packet_says_how_much_is_missing() {
        let (source, destination) = addrs(false);
        let packet = udp(source, destination, &[0; 100]).expect("made");
        assert_eq!(read(&packet[..60]).expect("an IP packet").missing, packet.len() - 60);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }

        #[test]
        fn mutated_packets_are_read_or_refused(at in 0usize..120, byte: u8, cut in 0usize..120, six: bool) {
            let (source, destination) = addrs(six);
            let inner = udp(source, destination, b"question").expect("made");
            let mut packet = unreachable(destination.ip(), source.ip(), Unreachable::Port, &inner).expect("made");
            if let Some(place) = packet.get_mut(at) {
                *place = byte;
            }
            packet.truncate(cut.max(1));
            let _ = read(&packet);
        }
    }
}

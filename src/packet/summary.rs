//! One line that says what a packet is.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use super::{
    Arp, Extension, ExtensionBody, Icmpv4, Icmpv4Body, Icmpv6, Icmpv6Body, Igmp, IgmpBody, Ipv4Option, Layer, Packet,
    Sctp, Tcp, TcpOption,
};

/// Quotes within quotes that are written out.
const MAX_QUOTES: usize = 2;

impl Packet {
    /// One line, the transport first, then what IP says:
    /// `TCP 10.0.0.1:4444 > 10.0.0.2:80 S seq=1 win=1024 <mss 1460> ttl=64 id=1 len=44`.
    /// ICMP errors have what they quote in brackets. Bytes from the wire never appear in it.
    pub fn summary(&self) -> String {
        let mut line = String::new();
        // Writing into a String does not fail.
        let _ = self.write(&mut line, MAX_QUOTES);
        line
    }

    fn write(&self, out: &mut String, quotes_left: usize) -> fmt::Result {
        let inner = self.layers.iter().rposition(|layer| matches!(layer, Layer::Ipv4(_) | Layer::Ipv6(_)));
        for layer in &self.layers {
            if let Layer::Vlan(tag) = layer {
                write!(out, "vlan {} ", tag.id)?;
            }
        }
        match inner {
            None => self.write_link(out)?,
            Some(at) => {
                self.write_transport(at, out, quotes_left)?;
                self.write_ip(at, out)?;
            }
        }
        if let Some(malformed) = self.malformed() {
            write!(out, " [{}, {} bytes]", malformed.reason, malformed.bytes.len())?;
        }
        Ok(())
    }

    /// A packet without IP.
    fn write_link(&self, out: &mut String) -> fmt::Result {
        if let Some(message) = self.get::<Arp>() {
            return write_arp(message, out);
        }
        match self.layers.first() {
            Some(Layer::Ethernet(frame)) => {
                write!(out, "Ethernet {} > {}", frame.source, frame.destination)?;
                frame.ether_type.map_or(Ok(()), |number| write!(out, " type=0x{number:04x}"))?;
            }
            _ => out.write_str("no IP")?,
        }
        self.write_payload(out)
    }

    fn write_payload(&self, out: &mut String) -> fmt::Result {
        self.payload().map_or(Ok(()), |payload| write!(out, " data={}", payload.len()))
    }

    fn ends(&self, at: usize) -> Option<(IpAddr, IpAddr)> {
        match self.layers.get(at)? {
            Layer::Ipv4(ip) => Some((ip.source.into(), ip.destination.into())),
            Layer::Ipv6(ip) => Some((ip.source.into(), ip.destination.into())),
            _ => None,
        }
    }

    /// What the innermost IP packet, the `at`th layer, carries.
    fn write_transport(&self, at: usize, out: &mut String, quotes_left: usize) -> fmt::Result {
        let Some((source, destination)) = self.ends(at) else { return Ok(()) };
        let ports = |out: &mut String, name: &str, from: u16, to: u16| {
            write!(out, "{name} {} > {}", end(source, from), end(destination, to))
        };
        let carried = self.layers.iter().skip(at + 1).find(|layer| !matches!(layer, Layer::Extension(_)));
        match carried {
            Some(Layer::Tcp(segment)) => {
                ports(out, "TCP", segment.source, segment.destination)?;
                write_tcp(segment, out)?;
            }
            Some(Layer::Udp(datagram)) => ports(out, "UDP", datagram.source, datagram.destination)?,
            Some(Layer::Sctp(packet)) => {
                ports(out, "SCTP", packet.source, packet.destination)?;
                write_sctp(packet, out)?;
            }
            Some(Layer::Stub(stub)) => {
                let name = match stub.protocol {
                    super::number::TCP => "TCP",
                    super::number::UDP => "UDP",
                    _ => "SCTP",
                };
                ports(out, name, stub.source, stub.destination)?;
                stub.word().map_or(Ok(()), |word| write!(out, " seq={word}"))?;
            }
            Some(Layer::Icmpv4(message)) => {
                write!(out, "ICMP {source} > {destination} ")?;
                write_icmpv4(message, out)?;
            }
            Some(Layer::Icmpv6(message)) => {
                write!(out, "ICMPv6 {source} > {destination} ")?;
                write_icmpv6(message, out)?;
            }
            Some(Layer::Igmp(message)) => {
                write!(out, "IGMP {source} > {destination} ")?;
                write_igmp(message, out)?;
            }
            _ => write!(out, "IP {source} > {destination}")?,
        }
        match self.quoted() {
            Some(quoted) if quotes_left > 0 => {
                out.write_str(" [")?;
                quoted.write(out, quotes_left - 1)?;
                out.write_char(']')?;
            }
            _ => {}
        }
        self.write_payload(out)
    }

    /// What the headers of IP say, the outermost last.
    fn write_ip(&self, at: usize, out: &mut String) -> fmt::Result {
        for (number, layer) in self.layers.iter().enumerate().take(at + 1).rev() {
            let length = |told: Option<u16>| told.map_or_else(|| self.ip_length(number), usize::from);
            match layer {
                Layer::Ipv4(ip) => {
                    write!(out, " ttl={} id={}", ip.ttl, ip.id)?;
                    let flags = [(ip.dont_fragment, " DF"), (ip.more_fragments, " MF"), (ip.reserved, " evil")];
                    flags.iter().filter(|(set, _)| *set).try_for_each(|(_, name)| out.write_str(name))?;
                    if ip.fragment_offset != 0 {
                        write!(out, " offset={}", u32::from(ip.fragment_offset) * 8)?;
                    }
                    write_protocol(self.layers.get(number + 1), ip.protocol, out)?;
                    write!(out, " len={}", length(ip.total_length))?;
                    ip.options.iter().try_for_each(|option| write_ipv4_option(option, out))?;
                }
                Layer::Ipv6(ip) => {
                    write!(out, " hlim={}", ip.hop_limit)?;
                    write_protocol(self.layers.get(number + 1), ip.next_header, out)?;
                    let len = ip.payload_length.map_or_else(|| self.ip_length(number), |told| usize::from(told) + 40);
                    write!(out, " len={len}")?;
                }
                _ => continue,
            }
            if number != at {
                let (source, destination) = self.ends(number).unwrap_or((IpAddr::from([0; 4]), IpAddr::from([0; 4])));
                write!(out, " in {source} > {destination}")?;
            }
        }
        let extensions = self.layers.iter().filter_map(|layer| match layer {
            Layer::Extension(extension) => Some(extension),
            _ => None,
        });
        extensions.into_iter().try_for_each(|extension| write_extension(extension, out))
    }

    /// Bytes of the IP packet whose header is the `at`th layer.
    fn ip_length(&self, at: usize) -> usize {
        let behind = |layer: &Layer| if let Layer::Trailer(bytes) = layer { bytes.len() } else { 0 };
        self.bytes_from(at).len().saturating_sub(self.layers.iter().map(behind).sum())
    }
}

/// `10.0.0.1:80`, `[::1]:80`.
fn end(address: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

/// The protocol where no layer shows it.
fn write_protocol(next: Option<&Layer>, told: Option<u8>, out: &mut String) -> fmt::Result {
    match told {
        Some(number) if next.and_then(Layer::protocol) != told => write!(out, " proto={number}"),
        _ => Ok(()),
    }
}

fn write_arp(message: &Arp, out: &mut String) -> fmt::Result {
    match message.operation {
        1 => write!(out, "ARP who-has {} tell {} ({})", message.target_ip, message.sender_ip, message.sender_mac),
        2 => write!(out, "ARP reply {} is-at {}", message.sender_ip, message.sender_mac),
        other => write!(out, "ARP op={other} {} > {}", message.sender_ip, message.target_ip),
    }
}

fn write_tcp(segment: &Tcp, out: &mut String) -> fmt::Result {
    write!(out, " {} seq={}", Tcp::flag_letters(segment.flags), segment.sequence)?;
    if segment.acknowledgment != 0 {
        write!(out, " ack={}", segment.acknowledgment)?;
    }
    write!(out, " win={}", segment.window)?;
    if segment.urgent != 0 {
        write!(out, " urp={}", segment.urgent)?;
    }
    if segment.reserved != 0 {
        write!(out, " res={}", segment.reserved)?;
    }
    if segment.options.is_empty() {
        return Ok(());
    }
    let options: Vec<String> = segment.options.iter().map(tcp_option).collect();
    write!(out, " <{}>", options.join(","))
}

fn tcp_option(option: &TcpOption) -> String {
    match option {
        TcpOption::End => "eol".to_owned(),
        TcpOption::Nop => "nop".to_owned(),
        TcpOption::Mss(size) => format!("mss {size}"),
        TcpOption::WindowScale(shift) => format!("wscale {shift}"),
        TcpOption::SackPermitted => "sackOK".to_owned(),
        TcpOption::Sack(blocks) => {
            blocks.iter().fold("sack".to_owned(), |text, (from, to)| format!("{text} {from}-{to}"))
        }
        TcpOption::Timestamps { value, echo } => format!("TS val {value} ecr {echo}"),
        TcpOption::Other { kind, data } => format!("opt-{kind} {} bytes", data.len()),
        TcpOption::Raw(bytes) => format!("raw {} bytes", bytes.len()),
    }
}

fn write_sctp(packet: &Sctp, out: &mut String) -> fmt::Result {
    write!(out, " tag={}", packet.tag)?;
    for chunk in &packet.chunks {
        match chunk.kind() {
            Some(1) => out.write_str(" INIT")?,
            Some(2) => out.write_str(" INIT-ACK")?,
            Some(6) => out.write_str(" ABORT")?,
            Some(10) => out.write_str(" COOKIE-ECHO")?,
            Some(11) => out.write_str(" COOKIE-ACK")?,
            Some(kind) => write!(out, " chunk-{kind}")?,
            None => out.write_str(" raw")?,
        }
    }
    Ok(())
}

fn write_icmpv4(message: &Icmpv4, out: &mut String) -> fmt::Result {
    let name = match message.kind {
        0 => "echo-reply",
        3 => "unreachable",
        5 => "redirect",
        8 => "echo",
        11 => "time-exceeded",
        12 => "parameter-problem",
        13 => "timestamp",
        14 => "timestamp-reply",
        17 => "mask",
        18 => "mask-reply",
        _ => "",
    };
    write_kind(name, message.kind, message.code, out)?;
    match &message.body {
        Icmpv4Body::Echo { id, sequence } => write!(out, " id={id} seq={sequence}"),
        Icmpv4Body::Timestamp { id, sequence, originate, receive, transmit } => {
            write!(out, " id={id} seq={sequence} orig={originate} recv={receive} xmit={transmit}")
        }
        Icmpv4Body::Mask { id, sequence, mask } => write!(out, " id={id} seq={sequence} mask={mask}"),
        Icmpv4Body::Unreachable { mtu, .. } if *mtu != 0 => write!(out, " mtu={mtu}"),
        Icmpv4Body::Redirect { gateway } => write!(out, " to={gateway}"),
        Icmpv4Body::ParameterProblem { pointer, .. } => write!(out, " pointer={pointer}"),
        Icmpv4Body::Unreachable { .. } | Icmpv4Body::Other(_) => Ok(()),
    }
}

fn write_icmpv6(message: &Icmpv6, out: &mut String) -> fmt::Result {
    let name = match message.kind {
        1 => "unreachable",
        2 => "too-big",
        3 => "time-exceeded",
        4 => "parameter-problem",
        128 => "echo",
        129 => "echo-reply",
        130 => "listener-query",
        131 | 143 => "listener-report",
        132 => "listener-done",
        133 => "router-solicitation",
        134 => "router-advertisement",
        135 => "neighbor-solicitation",
        136 => "neighbor-advertisement",
        137 => "redirect",
        _ => "",
    };
    write_kind(name, message.kind, message.code, out)?;
    match &message.body {
        Icmpv6Body::Echo { id, sequence } => write!(out, " id={id} seq={sequence}"),
        Icmpv6Body::TooBig { mtu } => write!(out, " mtu={mtu}"),
        Icmpv6Body::ParameterProblem { pointer } => write!(out, " pointer={pointer}"),
        Icmpv6Body::Neighbor { target, .. } | Icmpv6Body::Redirect { target, .. } => write!(out, " target={target}"),
        Icmpv6Body::Listener { group, .. } => write!(out, " group={group}"),
        Icmpv6Body::ListenerReport { records, .. } => write!(out, " groups={}", records.len()),
        _ => Ok(()),
    }
}

fn write_kind(name: &str, kind: u8, code: u8, out: &mut String) -> fmt::Result {
    if name.is_empty() { write!(out, "type={kind}") } else { out.write_str(name) }?;
    if code == 0 { Ok(()) } else { write!(out, " code={code}") }
}

fn write_igmp(message: &Igmp, out: &mut String) -> fmt::Result {
    write!(out, "type=0x{:02x}", message.kind)?;
    match &message.body {
        IgmpBody::Group(group) | IgmpBody::Query { group, .. } => write!(out, " group={group}"),
        IgmpBody::Report { records, .. } => write!(out, " groups={}", records.len()),
    }
}

fn write_ipv4_option(option: &Ipv4Option, out: &mut String) -> fmt::Result {
    let route = |out: &mut String, name: &str, route: &super::Route| {
        let used: Vec<String> = route.used().iter().map(ToString::to_string).collect();
        write!(out, " {name}={}/{}", used.join(","), route.slots.len())
    };
    match option {
        Ipv4Option::End | Ipv4Option::Nop => Ok(()),
        Ipv4Option::RecordRoute(slots) => route(out, "rr", slots),
        Ipv4Option::LooseSource(slots) => route(out, "lsrr", slots),
        Ipv4Option::StrictSource(slots) => route(out, "ssrr", slots),
        Ipv4Option::Timestamp(times) => write!(out, " ts={}", times.entries.len()),
        Ipv4Option::RouterAlert(_) => out.write_str(" ra"),
        Ipv4Option::Other { kind, .. } => write!(out, " ipopt-{kind}"),
        Ipv4Option::Raw(bytes) => write!(out, " ipopt-raw={}", bytes.len()),
    }
}

fn write_extension(extension: &Extension, out: &mut String) -> fmt::Result {
    match &extension.body {
        ExtensionBody::HopByHop(_) => out.write_str(" hbh"),
        ExtensionBody::Destination(_) => out.write_str(" dst"),
        ExtensionBody::Routing { kind, segments_left, .. } => write!(out, " rt{kind}={segments_left}"),
        ExtensionBody::Fragment { offset, more, id, .. } => {
            write!(out, " frag={}{} id={id}", u32::from(*offset) * 8, if *more { "+" } else { "" })
        }
        ExtensionBody::Other { kind, .. } => write!(out, " ext-{kind}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::LinkType;
    use crate::packet::{Ipv4, Layer, Packet, Tcp, TcpOption, Vlan};

    fn syn() -> [Layer; 2] {
        let ip = Ipv4 { source: [10, 0, 0, 1].into(), destination: [10, 0, 0, 2].into(), id: 1, ..Ipv4::default() };
        let options = vec![TcpOption::Mss(1460)];
        let segment =
            Tcp { source: 4444, destination: 80, sequence: 1, flags: Tcp::SYN, window: 1024, ..Tcp::default() };
        [ip.into(), Tcp { options, ..segment }.into()]
    }

    #[test]
    fn one_line_for_a_packet() {
        let line = "TCP 10.0.0.1:4444 > 10.0.0.2:80 S seq=1 win=1024 <mss 1460> ttl=64 id=1 len=44";
        assert_eq!(Packet::new(syn()).summary(), line);
        let tag = Layer::from(Vlan { id: 7, ..Vlan::default() });
        let padded = [vec![tag], syn().to_vec(), vec![Layer::Trailer(vec![0; 9])]].concat();
        assert_eq!(Packet::new(padded).summary(), format!("vlan 7 {line}"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        let cut = |bytes: usize| Packet::parse(LinkType::Ip, &Packet::new(syn()).to_bytes()[..bytes]).summary();
        assert_eq!(cut(28), "TCP 10.0.0.1:4444 > 10.0.0.2:80 seq=1 ttl=64 id=1 len=44");
        assert_eq!(cut(22), "IP 10.0.0.1 > 10.0.0.2 ttl=64 id=1 proto=6 len=44 [TCP header cut short, 2 bytes]");
        assert_eq!(cut(3), "no IP [IPv4 header cut short, 3 bytes]");
        assert_eq!(cut(0), "no IP");
    }
}

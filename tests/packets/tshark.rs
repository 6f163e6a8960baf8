//! Wireshark reads our packets as they were meant: same fields, same checksums.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value as Json;
use sonde::packet::{
    Chunk, ChunkBody, ExtensionBody, Icmpv4Body, Icmpv6Body, IgmpBody, Ipv4Option, Layer, Packet, TcpOption,
};

use super::corpus;
use crate::support::cannot_run;
use crate::support::dir::Dir;

/// A capture file (draft-ietf-opsawg-pcap) of Ethernet frames.
fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let header = [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 0x4_0000, 1];
    let mut file: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
    for (at, frame) in frames.iter().enumerate() {
        let record = [at as u32, 0, frame.len() as u32, frame.len() as u32];
        file.extend(record.iter().flat_map(|word| word.to_be_bytes()));
        file.extend(frame);
    }
    file
}

/// The values of every field of a packet, however deep.
pub type Fields = BTreeMap<String, Vec<String>>;

fn collect(value: &Json, name: &str, fields: &mut Fields) {
    match value {
        Json::Object(members) => members.iter().for_each(|(name, value)| collect(value, name, fields)),
        Json::Array(items) => items.iter().for_each(|item| collect(item, name, fields)),
        Json::String(text) => fields.entry(name.to_owned()).or_default().push(text.clone()),
        _ => {}
    }
}

/// What tshark makes of the frames; none where there is no tshark.
pub fn dissected(frames: &[Vec<u8>]) -> Option<Vec<Fields>> {
    let dir = Dir::new();
    let file = dir.write("corpus.pcap", pcap(frames));
    let mut tshark = Command::new("tshark");
    // Ports mean nothing here: what they carry is not what they are known for.
    tshark.args(["-n", "-T", "json", "--no-duplicate-keys", "-r"]).arg(&file).env("HOME", dir.path());
    for preference in ["ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE"] {
        tshark.args(["-o", preference]);
    }
    tshark.args(["-o", "sctp.checksum:CRC-32C", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"]);
    let output = match tshark.output() {
        Ok(output) => output,
        Err(error) => {
            cannot_run(&format!("tshark: {error}"));
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let packets: Vec<Json> = serde_json::from_slice(&output.stdout).expect("tshark writes JSON");
    let fields = |packet: &Json| {
        let mut fields = Fields::new();
        collect(packet, "", &mut fields);
        fields
    };
    Some(packets.iter().map(fields).collect())
}

/// What tshark should say of a packet: field and value, numbers in decimal.
struct Expected(Vec<(&'static str, String)>);

impl Expected {
    fn of(packet: &Packet) -> Expected {
        let mut expected = Expected(Vec::new());
        packet.layers.iter().for_each(|layer| expected.layer(layer));
        if let Some((source, destination)) = packet.quoted().and_then(Packet::addresses) {
            let v4 = source.is_ipv4();
            expected.put(if v4 { "ip.src" } else { "ipv6.src" }, source);
            expected.put(if v4 { "ip.dst" } else { "ipv6.dst" }, destination);
        }
        expected
    }

    fn put(&mut self, field: &'static str, value: impl ToString) {
        self.0.push((field, value.to_string()));
    }

    fn layer(&mut self, layer: &Layer) {
        match layer {
            Layer::Ethernet(frame) => {
                self.put("eth.src", frame.source);
                self.put("eth.dst", frame.destination);
            }
            Layer::Arp(message) => {
                self.put("arp.opcode", message.operation);
                self.put("arp.src.hw_mac", message.sender_mac);
                self.put("arp.dst.hw_mac", message.target_mac);
                self.put("arp.src.proto_ipv4", message.sender_ip);
                self.put("arp.dst.proto_ipv4", message.target_ip);
            }
            Layer::Ipv4(ip) => {
                let flags = [(ip.reserved, 4), (ip.dont_fragment, 2), (ip.more_fragments, 1)];
                self.put("ip.src", ip.source);
                self.put("ip.id", ip.id);
                self.put("ip.ttl", ip.ttl);
                self.put("ip.dsfield", ip.tos);
                self.put("ip.flags", flags.iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum::<u8>());
                self.put("ip.frag_offset", ip.fragment_offset);
                self.put("ip.checksum.status", 1);
                ip.options.iter().for_each(|option| self.ipv4_option(option));
            }
            Layer::Ipv6(ip) => {
                self.put("ipv6.src", ip.source);
                self.put("ipv6.dst", ip.destination);
                self.put("ipv6.hlim", ip.hop_limit);
                self.put("ipv6.flow", ip.flow_label);
                self.put("ipv6.tclass", ip.traffic_class);
            }
            Layer::Extension(extension) => self.extension(&extension.body),
            Layer::Tcp(segment) => {
                self.put("tcp.srcport", segment.source);
                self.put("tcp.dstport", segment.destination);
                self.put("tcp.seq_raw", segment.sequence);
                self.put("tcp.ack_raw", segment.acknowledgment);
                self.put("tcp.flags", u16::from(segment.reserved) << 8 | u16::from(segment.flags));
                self.put("tcp.window_size_value", segment.window);
                self.put("tcp.urgent_pointer", segment.urgent);
                self.put("tcp.checksum.status", 1);
                segment.options.iter().for_each(|option| self.tcp_option(option));
            }
            Layer::Udp(datagram) => {
                self.put("udp.srcport", datagram.source);
                self.put("udp.dstport", datagram.destination);
                // 3: there is none.
                self.put("udp.checksum.status", if datagram.checksum == Some(0) { 3 } else { 1 });
            }
            Layer::Icmpv4(message) => {
                self.put("icmp.type", message.kind);
                self.put("icmp.code", message.code);
                self.put("icmp.checksum.status", 1);
                self.icmpv4(&message.body);
            }
            Layer::Icmpv6(message) => {
                self.put("icmpv6.type", message.kind);
                self.put("icmpv6.code", message.code);
                self.put("icmpv6.checksum.status", 1);
                self.icmpv6(&message.body);
            }
            Layer::Sctp(packet) => {
                self.put("sctp.srcport", packet.source);
                self.put("sctp.dstport", packet.destination);
                self.put("sctp.verification_tag", packet.tag);
                self.put("sctp.checksum.status", 1);
                packet.chunks.iter().for_each(|chunk| self.chunk(chunk));
            }
            Layer::Igmp(message) => {
                self.put("igmp.type", message.kind);
                self.put("igmp.checksum.status", 1);
                self.igmp(&message.body);
            }
            _ => {}
        }
    }

    fn ipv4_option(&mut self, option: &Ipv4Option) {
        match option {
            Ipv4Option::RecordRoute(route) => {
                self.put("ip.opt.type", 7);
                route.used().iter().for_each(|slot| self.put("ip.rec_rt", slot));
            }
            Ipv4Option::LooseSource(_) => self.put("ip.opt.type", 131),
            Ipv4Option::StrictSource(_) => self.put("ip.opt.type", 137),
            Ipv4Option::Timestamp(times) => {
                self.put("ip.opt.flag", times.flag);
                self.put("ip.opt.overflow", times.overflow);
                for (address, time) in &times.entries {
                    self.put("ip.opt.time_stamp", time);
                    if let Some(address) = address {
                        self.put("ip.opt.time_stamp_addr", address);
                    }
                }
            }
            Ipv4Option::RouterAlert(value) => self.put("ip.opt.ra", value),
            _ => {}
        }
    }

    fn extension(&mut self, body: &ExtensionBody) {
        match body {
            ExtensionBody::Routing { kind, segments_left, .. } => {
                self.put("ipv6.routing.type", kind);
                self.put("ipv6.routing.segleft", segments_left);
            }
            ExtensionBody::Fragment { offset, more, id, .. } => {
                self.put("ipv6.fraghdr.offset", offset);
                self.put("ipv6.fraghdr.more", u8::from(*more));
                self.put("ipv6.fraghdr.ident", id);
            }
            ExtensionBody::HopByHop(_) => self.put("ipv6.hopopts.nxt", ""),
            ExtensionBody::Destination(_) => self.put("ipv6.dstopts.nxt", ""),
            ExtensionBody::Other { .. } => self.put("ah.spi", 0),
        }
    }

    fn tcp_option(&mut self, option: &TcpOption) {
        match option {
            TcpOption::Mss(size) => self.put("tcp.options.mss_val", size),
            TcpOption::WindowScale(shift) => self.put("tcp.options.wscale.shift", shift),
            TcpOption::SackPermitted => self.put("tcp.option_kind", 4),
            TcpOption::Timestamps { value, echo } => {
                self.put("tcp.options.timestamp.tsval", value);
                self.put("tcp.options.timestamp.tsecr", echo);
            }
            TcpOption::Sack(blocks) => {
                for (from, to) in blocks {
                    self.put("tcp.options.sack_le", from);
                    self.put("tcp.options.sack_re", to);
                }
            }
            TcpOption::Other { kind, .. } => self.put("tcp.option_kind", kind),
            TcpOption::Nop => self.put("tcp.option_kind", 1),
            TcpOption::End => self.put("tcp.option_kind", 0),
            TcpOption::Raw(_) => {}
        }
    }

    fn icmpv4(&mut self, body: &Icmpv4Body) {
        match body {
            Icmpv4Body::Echo { id, sequence } => {
                self.put("icmp.ident", id);
                self.put("icmp.seq", sequence);
            }
            Icmpv4Body::Timestamp { id, originate, receive, transmit, .. } => {
                self.put("icmp.ident", id);
                self.put("icmp.originate_timestamp", originate);
                self.put("icmp.receive_timestamp", receive);
                self.put("icmp.transmit_timestamp", transmit);
            }
            Icmpv4Body::Mask { id, mask, .. } => {
                self.put("icmp.ident", id);
                self.put("icmp.address_mask", mask);
            }
            Icmpv4Body::Unreachable { mtu: 1.., .. } => self.put("icmp.mtu", 1280),
            Icmpv4Body::Redirect { gateway } => self.put("icmp.redir_gw", gateway),
            Icmpv4Body::ParameterProblem { pointer, .. } => self.put("icmp.pointer", pointer),
            _ => {}
        }
    }

    fn icmpv6(&mut self, body: &Icmpv6Body) {
        match body {
            Icmpv6Body::Echo { id, sequence } => {
                self.put("icmpv6.echo.identifier", id);
                self.put("icmpv6.echo.sequence_number", sequence);
            }
            Icmpv6Body::TooBig { mtu } => self.put("icmpv6.mtu", mtu),
            Icmpv6Body::ParameterProblem { pointer } => self.put("icmpv6.pointer", pointer),
            Icmpv6Body::RouterSolicitation { .. } => self.put("icmpv6.opt.src_linkaddr", "02:00:00:00:00:01"),
            Icmpv6Body::RouterAdvertisement { hop_limit, lifetime, .. } => {
                self.put("icmpv6.nd.ra.cur_hop_limit", hop_limit);
                self.put("icmpv6.nd.ra.router_lifetime", lifetime);
                self.put("icmpv6.opt.mtu", 1500);
                self.put("icmpv6.opt.prefix.length", 64);
                self.put("icmpv6.opt.prefix.valid_lifetime", 86400);
                self.put("icmpv6.opt.prefix.preferred_lifetime", 14400);
                self.put("icmpv6.opt.type", 25);
            }
            Icmpv6Body::Neighbor { flags: 0, target, .. } => self.put("icmpv6.nd.ns.target_address", target),
            Icmpv6Body::Neighbor { flags, target, .. } => {
                self.put("icmpv6.nd.na.flag", flags);
                self.put("icmpv6.nd.na.target_address", target);
            }
            Icmpv6Body::Redirect { target, destination, .. } => {
                self.put("icmpv6.nd.rd.target_address", target);
                self.put("icmpv6.rd.na.destination_address", destination);
                self.put("icmpv6.opt.target_linkaddr", "02:00:00:00:00:01");
            }
            Icmpv6Body::Listener { delay, group, .. } => {
                self.put("icmpv6.mld.maximum_response_delay", delay);
                self.put("icmpv6.mld.multicast_address", group);
            }
            Icmpv6Body::ListenerReport { records, .. } => {
                self.put("icmpv6.mldr.nb_mcast_records", records.len());
                for record in records {
                    self.put("icmpv6.mldr.mar.record_type", record.kind);
                    self.put("icmpv6.mldr.mar.multicast_address", record.group);
                    record.sources.iter().for_each(|source| self.put("icmpv6.mldr.mar.source_address", source));
                }
            }
            Icmpv6Body::Other(_) => {}
        }
    }

    fn chunk(&mut self, chunk: &Chunk) {
        self.put("sctp.chunk_type", chunk.kind().expect("the corpus has no raw chunks"));
        match &chunk.body {
            ChunkBody::Init(init) => {
                self.put("sctp.init_initiate_tag", init.tag);
                self.put("sctp.init_credit", init.window);
                self.put("sctp.init_nr_out_streams", init.outbound);
                self.put("sctp.init_nr_in_streams", init.inbound);
                self.put("sctp.init_initial_tsn", init.sequence);
            }
            ChunkBody::InitAck(init) => {
                self.put("sctp.initack_initiate_tag", init.tag);
                self.put("sctp.parameter_state_cookie", hex(init.cookie().expect("it has a cookie")));
            }
            ChunkBody::CookieEcho(cookie) => self.put("sctp.cookie", hex(cookie)),
            _ => {}
        }
    }

    fn igmp(&mut self, body: &IgmpBody) {
        match body {
            IgmpBody::Group(group) => self.put("igmp.maddr", group),
            IgmpBody::Query { group, interval, sources, .. } => {
                self.put("igmp.maddr", group);
                self.put("igmp.qqic", interval);
                for source in sources {
                    self.put("igmp.saddr", source);
                }
            }
            IgmpBody::Report { records, .. } => {
                self.put("igmp.num_grp_recs", records.len());
                for record in records {
                    self.put("igmp.record_type", record.kind);
                    self.put("igmp.maddr", record.group);
                    record.sources.iter().for_each(|source| self.put("igmp.saddr", source));
                }
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// Numbers in decimal, whatever base tshark shows them in.
fn plain(value: &str) -> String {
    let number = value.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.map_or(value.to_owned(), |number| number.to_string())
}

/// Whether tshark shows `field` with `value`; an empty value asks for the field only.
pub fn shows(fields: &Fields, field: &str, value: &str) -> bool {
    fields.get(field).is_some_and(|found| value.is_empty() || found.iter().any(|found| plain(found) == value))
}

#[test]
fn tshark_sees_what_was_built() {
    let corpus: Vec<(String, Packet)> =
        corpus::all().into_iter().filter(|(name, _)| !name.starts_with("odd")).collect();
    let frames: Vec<Vec<u8>> = corpus.iter().map(|(_, packet)| packet.to_bytes()).collect();
    let Some(seen) = dissected(&frames) else { return };
    assert_eq!(seen.len(), corpus.len());
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for ((name, packet), fields) in corpus.iter().zip(&seen) {
        let expected = Expected::of(packet).0;
        compared += expected.len();
        for (field, value) in expected.iter().filter(|(field, value)| !shows(fields, field, value)) {
            wrong.push(format!("{name}: {field} is {:?}, not {value}", fields.get(*field)));
        }
        // Wireshark checks what is quoted in full, and one quote was cut within its payload.
        let bad =
            fields.iter().any(|(field, values)| field.ends_with("checksum.status") && values.contains(&"0".into()));
        if bad && name != "icmpv4 12" {
            wrong.push(format!("{name}: a checksum is wrong"));
        }
        if fields.contains_key("_ws.malformed") {
            wrong.push(format!("{name}: malformed"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 1000, "only {compared} fields were compared: the test has lost its grip");
}

#[test]
fn tshark_sees_what_is_wrong_on_purpose() {
    let corpus: Vec<(String, Packet)> = corpus::all().into_iter().filter(|(name, _)| name.starts_with("odd")).collect();
    let frames: Vec<Vec<u8>> = corpus.iter().map(|(_, packet)| packet.to_bytes()).collect();
    let Some(seen) = dissected(&frames) else { return };
    let expected = [
        ("odd 0", "tcp.checksum.status", "0"),
        ("odd 1", "tcp.hdr_len", "60"),
        ("odd 2", "tcp.hdr_len", "16"),
        ("odd 3", "ip.checksum.status", "0"),
        ("odd 4", "ip.len", "9999"),
        ("odd 5", "ip.len", "3"),
        ("odd 6", "ipv6.plen", "9999"),
        ("odd 7", "udp.checksum.status", "0"),
        ("odd 8", "udp.length", "9"),
        ("odd 9", "udp.length", "2"),
        ("odd 10", "sctp.checksum.status", "0"),
    ];
    assert_eq!(corpus.len(), expected.len());
    for (((name, _), fields), (wanted, field, value)) in corpus.iter().zip(&seen).zip(expected) {
        assert_eq!(name, wanted);
        assert!(shows(fields, field, value), "{name}: {field} is {:?}, not {value}", fields.get(field));
    }
}

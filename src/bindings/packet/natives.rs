//! The natives of `packet` and their documentation.

use rhai::plugin::{export_module, exported_module};
use rhai::{Blob, Dynamic, INT, Map, Module};

use super::field::Given;
use super::layer::{LayerValue, built};
use super::value::PacketValue;
use super::{icmp, icmp6, igmp};
use crate::bindings::data::{Data, MAX_INPUT, fits, view};
use crate::bindings::fault::{ARGUMENT, Fallible, script_error};
use crate::bindings::located;
use crate::model::LinkType;
use crate::packet::{
    Arp, Ethernet, Extension, ExtensionBody, Ipv4, Ipv6, Layer, Packet, Sctp, Tcp, Udp, Vlan, checksum,
};
use crate::script::coroutine::charge;

/// Bytes of the largest packet that is taken apart; IP allows 65,535.
const MAX_PACKET: usize = 1 << 17;
/// Bytes a packet is read or written at, at the price of one operation.
const BYTES_PER_OPERATION: usize = 64;

/// The static module `packet`.
pub fn module() -> Module {
    located::module(&natives::RHAI_MANIFEST, exported_module!(natives))
}

/// A packet of one layer made from a map, and of `data` behind it where the map has that.
fn one(op: &str, layer: impl Into<Layer>, fields: &Map, first: &[&str]) -> Fallible<PacketValue> {
    Ok(PacketValue::new(Packet::new([built(op, layer.into(), fields, first)?])))
}

/// The same for a layer that may carry `data`.
fn carrying(op: &str, layer: impl Into<Layer>, mut fields: Map, first: &[&str]) -> Fallible<PacketValue> {
    let data = fields.remove("data");
    let packet = one(op, layer, &fields, first)?;
    let Some(value) = data else { return Ok(packet) };
    let bytes = Given { op, field: "data", value: &value }.bytes()?;
    if bytes.is_empty() { Ok(packet) } else { packet.joined(&[Layer::Payload(bytes)]) }
}

fn link_type(name: &str) -> Fallible<LinkType> {
    match name {
        "ethernet" => Ok(LinkType::Ethernet),
        "ip" => Ok(LinkType::Ip),
        _ => {
            let why = format!("a link is \"ip\" or \"ethernet\", not \"{}\"", name.escape_debug());
            Err(script_error(ARGUMENT, "packet::parse", why))
        }
    }
}

fn parsed(link: LinkType, data: &Data) -> Fallible<PacketValue> {
    let bytes = view("packet::parse", data)?;
    fits("packet::parse", bytes.len(), MAX_PACKET)?;
    Ok(PacketValue::new(Packet::parse(link, &bytes)))
}

fn written(packet: &PacketValue) -> Vec<u8> {
    let bytes = packet.packet().to_bytes();
    charge(bytes.len() / BYTES_PER_OPERATION);
    bytes
}

/// Packets, built layer by layer, taken apart, changed, and written to the byte.
///
/// Each builder takes a map of fields and gives a packet of one layer; `/` joins packets, and text or a BLOB behind `/` is
/// payload. Fields that follow from the rest (lengths, checksums, the number of the next protocol) are computed when the
/// packet is written, unless they are set: then they are written as told, however wrong. `()` has them computed again.
/// Addresses are text. A field that does not exist or a value out of range is an error `argument` that names the field.
///
/// | layer | fields |
/// |---|---|
/// | `ethernet` | `src` `dst` `type`* |
/// | `vlan` | `id` `priority` `drop_eligible` `type`* |
/// | `arp` | `op` (1 request, 2 reply) `sender_mac` `sender_ip` `target_mac` `target_ip` `hardware` `protocol` `hardware_len` `protocol_len` |
/// | `ipv4` | `src` `dst` `ttl` (64) `id` `tos` `flags` (`"DF,MF,evil"`) `df` `mf` `evil` `offset` (bytes) `options` `protocol`* `length`* `header_length`* (words) `checksum`*; read only: `route`, the addresses recorded |
/// | `ipv6` | `src` `dst` `hop_limit` (64, also `ttl`) `traffic_class` (also `tos`) `flow_label` `length`* `next_header`* (also `protocol`*) |
/// | `extension` | `kind` (`"hop-by-hop"` `"destination"` `"routing"` `"fragment"` or a number) `next_header`* `options` `routing_type` `segments_left` `data` `offset` (bytes) `more` `id` |
/// | `tcp` | `sport` `dport` `seq` `ack` `flags` (letters `FSRPAUEC` or a number) `window` (1024) `urgent` `reserved` `options` `data_offset`* (words) `checksum`*; out of the options: `mss` `wscale` `sack_ok` `tsval` `tsecr`; read only: `layout`, as `"mss,sok,ts,nop,ws"` |
/// | `udp` | `sport` `dport` `length`* `checksum`* |
/// | `icmp` | `kind` (`"echo"` `"echo-reply"` `"unreachable"` `"redirect"` `"time-exceeded"` `"parameter-problem"` `"timestamp"` `"timestamp-reply"` `"mask"` `"mask-reply"`) `type` `code` `checksum`* `id` `seq` `originate` `receive` `transmit` `mask` `mtu` `gateway` `pointer` `quoted` (a packet) `rest` (bytes 4 to 7 as a number) |
/// | `icmp6` | `kind` (`"echo"` `"echo-reply"` `"unreachable"` `"too-big"` `"time-exceeded"` `"parameter-problem"` `"router-solicitation"` `"router-advertisement"` `"neighbor-solicitation"` `"neighbor-advertisement"` `"redirect"` `"listener-query"` `"listener-report"` `"listener-done"` `"listener-report-2"`) `type` `code` `checksum`* `id` `seq` `mtu` `pointer` `target` `destination` `router` `solicited` `override` `hop_limit` `flags` `lifetime` `reachable` `retransmit` `delay` `group` `records` `options` `quoted` `rest` |
/// | `sctp` | `sport` `dport` `tag` `chunks` `checksum`* |
/// | `igmp` | `kind` (`"query"` `"report-1"` `"report-2"` `"leave"` `"report-3"`) `type` `code` `group` `sources` `interval` `flags` `records` `checksum`* |
///
/// \* is computed where it is not set. A field of another kind of message is `()`.
///
/// - Options of IPv4: `"nop"`, `"eol"`, `#{record_route: 9}` (slots, or a list of addresses, and `pointer`), `#{lsrr: [..]}`,
///   `#{ssrr: [..]}`, `#{timestamp: 4, flag: 0}` (entries, or a list of `[address or (), time]`), `#{router_alert: 0}`.
/// - Options of TCP: `"nop"`, `"eol"`, `"sack_ok"`, `#{mss: 1460}`, `#{wscale: 7}`, `#{ts: [value, echo]}`, `#{sack: [[from, to]]}`.
/// - Options of IPv6 headers: `"pad1"`, `#{padn: data}`, `#{router_alert: 0}`, `#{jumbo: length}`.
/// - Options of neighbour discovery: `#{source_link: mac}`, `#{target_link: mac}`, `#{mtu: 1500}`,
///   `#{prefix: "fd00::", length, flags, valid, preferred}`.
/// - Any other option is `#{kind, data}`, and `#{raw: data}` writes bytes as they are. Lists are filled up as their header
///   demands.
/// - Chunks of SCTP: `#{kind: "init"}` and `"init-ack"` with `tag` `window` `outbound` `inbound` `tsn` `parameters` (read also
///   `cookie`), `#{kind: "cookie-echo", cookie}`, `"cookie-ack"`, `"abort"` with `data`, or a number with `data`; all with
///   `flags` and `length`.
/// - Records of groups (`report-3`, `listener-report-2`): `#{kind, group, sources, data}`.
#[export_module(manifest)]
mod natives {
    /// A packet: its layers by name, as `p.ip.ttl`, `p.tcp.flags = "SA"`, `p.icmp.quoted.ip.dst`.
    ///
    /// `ethernet` `vlan` `arp` `ipv4` `ipv6` `extension` `tcp` `udp` `icmp` `icmp6` `sctp` `igmp` are the first layer of that
    /// name, `ip` the outer IP header of either family, `payload` the bytes carried, `layers` all of them in order, `trailer`
    /// what lies behind the IP packet, and `malformed` (`reason`, `data`) what made no sense. What a packet does not have is
    /// `()`: write `p.tcp?.flags` where that may be. Assigning copies it, like any map.
    pub type Packet = PacketValue;

    /// One layer of a packet; its fields are in the table of the module `packet`, and `layer` is its name. Computed fields
    /// can be read as long as the layer is as it was in its packet.
    pub type Layer = LayerValue;

    /// An Ethernet II header.
    ///
    /// ```rhai
    /// let frame = packet::ethernet(#{src: "02:00:00:00:00:01", dst: "ff:ff:ff:ff:ff:fe"}) / packet::arp(#{op: 1});
    /// assert_eq([frame.ethernet.dst, frame.ethernet.type], ["ff:ff:ff:ff:ff:fe", 0x0806]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ethernet(fields: Map) -> Fallible<Packet> {
        one("packet::ethernet", Ethernet::default(), &fields, &[])
    }

    /// A VLAN tag; several may follow each other.
    ///
    /// ```rhai
    /// let frame = packet::ethernet(#{}) / packet::vlan(#{id: 7, priority: 5}) / packet::ipv4(#{});
    /// assert_eq([frame.vlan.id, frame.ethernet.type, frame.vlan.type], [7, 0x8100, 0x0800]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn vlan(fields: Map) -> Fallible<Packet> {
        one("packet::vlan", Vlan::default(), &fields, &[])
    }

    /// An ARP message about Ethernet and IPv4 addresses.
    ///
    /// ```rhai
    /// let who = packet::arp(#{op: 1, sender_mac: "02:00:00:00:00:01", sender_ip: "192.0.2.1", target_ip: "192.0.2.2"});
    /// assert_eq(who.summary(), "ARP who-has 192.0.2.2 tell 192.0.2.1 (02:00:00:00:00:01)");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn arp(fields: Map) -> Fallible<Packet> {
        one("packet::arp", Arp::default(), &fields, &[])
    }

    /// An IPv4 header.
    ///
    /// ```rhai
    /// let p = packet::ipv4(#{src: "192.0.2.1", dst: "192.0.2.2", ttl: 3, flags: "DF", options: [#{record_route: 9}]})
    ///     / packet::icmp(#{kind: "echo", id: 1, seq: 1});
    /// assert_eq([p.ip.ttl, p.ip.df, p.ip.length, p.ip.header_length], [3, true, 68, 15]);
    /// assert_eq(p.ip.route, []);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ipv4(fields: Map) -> Fallible<Packet> {
        one("packet::ipv4", Ipv4::default(), &fields, &["flags"])
    }

    /// An IPv6 header.
    ///
    /// ```rhai
    /// let p = packet::ipv6(#{src: "fd00::1", dst: "fd00::2", hop_limit: 1}) / packet::udp(#{sport: 40000, dport: 53});
    /// assert_eq([p.ip.ttl, p.ip.next_header, p.ip.length], [1, 17, 8]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ipv6(fields: Map) -> Fallible<Packet> {
        one("packet::ipv6", Ipv6::default(), &fields, &[])
    }

    /// An IPv6 extension header, in any order and number.
    ///
    /// ```rhai
    /// let p = packet::ipv6(#{src: "fd00::1", dst: "fd00::2"})
    ///     / packet::extension(#{kind: "hop-by-hop", options: [#{router_alert: 0}, #{padn: ""}]})
    ///     / packet::extension(#{kind: "fragment", id: 7, more: true})
    ///     / packet::icmp6(#{kind: "echo", data: "x"});
    /// assert_eq([p.ip.next_header, p.extension.next_header, p.layers[2].id], [0, 44, 7]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn extension(fields: Map) -> Fallible<Packet> {
        let layer = Extension { next_header: None, body: ExtensionBody::Destination(Vec::new()) };
        one("packet::extension", layer, &fields, &["kind"])
    }

    /// A TCP header, and `data` behind it.
    ///
    /// ```rhai
    /// let p = packet::ipv4(#{src: "192.0.2.1", dst: "192.0.2.2", id: 1})
    ///     / packet::tcp(#{sport: 4444, dport: 80, flags: "S", seq: 1, options: [#{mss: 1460}, "sack_ok", "nop", "nop"]});
    /// assert_eq([p.tcp.mss, p.tcp.sack_ok, p.tcp.wscale, p.tcp.layout], [1460, true, (), "mss,sok,nop,nop"]);
    /// p.tcp.flags = "SA";
    /// p.tcp.mss = 536;
    /// p.tcp.checksum = 0xdead;
    /// let seen = packet::parse(p.bytes());
    /// assert_eq([seen.tcp.flags, seen.tcp.mss, seen.tcp.checksum], ["SA", 536, 0xdead]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn tcp(fields: Map) -> Fallible<Packet> {
        carrying("packet::tcp", Tcp { window: 1024, ..Tcp::default() }, fields, &["options"])
    }

    /// A UDP header, and `data` behind it.
    ///
    /// ```rhai
    /// let p = packet::ipv4(#{dst: "192.0.2.2"}) / packet::udp(#{sport: 40000, dport: 53, data: "question"});
    /// assert_eq([p.udp.length, p.payload], [16, bytes::from_text("question")]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn udp(fields: Map) -> Fallible<Packet> {
        carrying("packet::udp", Udp::default(), fields, &[])
    }

    /// An ICMP message, and `data` behind it; an echo unless `kind` or `type` says otherwise.
    ///
    /// ```rhai
    /// let p = packet::ipv4(#{dst: "192.0.2.2"}) / packet::icmp(#{kind: "echo", id: 7, seq: 1, code: 9, data: blob(120)});
    /// assert_eq([p.icmp.type, p.icmp.code, p.payload.len()], [8, 9, 120]);
    /// let lost = packet::icmp(#{kind: "unreachable", code: 4, mtu: 1280, quoted: p});
    /// assert_eq([lost.icmp.quoted.ip.dst, lost.icmp.mtu, lost.icmp.id], ["192.0.2.2", 1280, ()]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn icmp(fields: Map) -> Fallible<Packet> {
        carrying("packet::icmp", icmp::echo(), fields, &["kind", "type"])
    }

    /// An `ICMPv6` message, and `data` behind it; an echo unless `kind` or `type` says otherwise.
    ///
    /// ```rhai
    /// let ask = packet::ipv6(#{src: "fe80::1", dst: "ff02::1:ff00:2", ttl: 255})
    ///     / packet::icmp6(#{kind: "neighbor-solicitation", target: "fe80::2",
    ///                       options: [#{source_link: "02:00:00:00:00:01"}]});
    /// let seen = packet::parse(ask.bytes());
    /// assert_eq([seen.icmp6.kind, seen.icmp6.target], ["neighbor-solicitation", "fe80::2"]);
    /// assert_eq(seen.icmp6.options[0].source_link, "02:00:00:00:00:01");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn icmp6(fields: Map) -> Fallible<Packet> {
        carrying("packet::icmp6", icmp6::echo(), fields, &["kind", "type"])
    }

    /// An SCTP packet with its chunks.
    ///
    /// ```rhai
    /// let p = packet::ipv4(#{dst: "192.0.2.2"}) / packet::sctp(#{sport: 5000, dport: 36412, chunks: [#{kind: "init", tag: 9}]});
    /// let seen = packet::parse(p.bytes());
    /// assert_eq([seen.sctp.dport, seen.sctp.chunks[0].kind, seen.sctp.chunks[0].tag], [36412, "init", 9]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn sctp(fields: Map) -> Fallible<Packet> {
        one("packet::sctp", Sctp::default(), &fields, &[])
    }

    /// An IGMP message, and `data` behind it; a general query unless `kind` or `type` says otherwise.
    ///
    /// ```rhai
    /// let join = packet::igmp(#{kind: "report-3", records: [#{kind: 4, group: "224.0.0.251"}]});
    /// assert_eq([join.igmp.type, join.igmp.records[0].group], [0x22, "224.0.0.251"]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn igmp(fields: Map) -> Fallible<Packet> {
        carrying("packet::igmp", igmp::query(), fields, &["kind", "type"])
    }

    /// Bytes carried; behind `/` text or a BLOB does the same.
    ///
    /// ```rhai
    /// let p = packet::ipv4(#{protocol: 253}) / packet::payload("x");
    /// assert_eq(p.layers[1].layer, "payload");
    /// assert_eq(p.bytes(), (packet::ipv4(#{protocol: 253}) / "x").bytes());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn payload(data: Data) -> Fallible<Packet> {
        let bytes = Given { op: "packet::payload", field: "data", value: &data }.bytes()?;
        Ok(PacketValue::new(super::Packet::new([super::Layer::Payload(bytes)])))
    }

    /// Bytes behind the end of the IP packet, which no length counts and no checksum covers: padding of the link.
    ///
    /// ```rhai
    /// let p = packet::ipv4(#{}) / packet::udp(#{}) / packet::trailer(blob(18));
    /// assert_eq([p.ip.length, p.bytes().len()], [28, 46]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn trailer(data: Data) -> Fallible<Packet> {
        let bytes = Given { op: "packet::trailer", field: "data", value: &data }.bytes()?;
        Ok(PacketValue::new(super::Packet::new([super::Layer::Trailer(bytes)])))
    }

    /// The packet in these bytes, which begin with an IP header. Nothing is refused: what makes no sense is in `malformed`,
    /// and `bytes()` gives back what was parsed.
    ///
    /// ```rhai
    /// let p = packet::parse(hex::decode("4500001c000700004011f6c6c0000201c00002029c4000350008df64"));
    /// assert_eq(p.summary(), "UDP 192.0.2.1:40000 > 192.0.2.2:53 ttl=64 id=7 len=28");
    /// assert_eq([p.tcp, p.tcp?.flags, p.malformed], [(), (), ()]);
    /// assert_eq(packet::parse("E").malformed.reason, "IPv4 header cut short");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn parse(data: &mut Data) -> Fallible<Packet> {
        parsed(LinkType::Ip, data)
    }

    /// The packet in these bytes, which begin as the link says: `"ethernet"` or `"ip"`.
    ///
    /// ```rhai
    /// let frame = packet::ethernet(#{dst: "02:00:00:00:00:02"}) / packet::ipv6(#{dst: "fd00::2"});
    /// assert_eq(packet::parse(frame.bytes(), "ethernet").ip.dst, "fd00::2");
    /// ```
    #[rhai_fn(name = "parse", return_raw, pure)]
    pub fn parse_link(data: &mut Data, link: &str) -> Fallible<Packet> {
        parsed(link_type(link)?, data)
    }

    /// The Internet checksum of some bytes (RFC 1071): what belongs into a checksum field that is zero in them.
    ///
    /// ```rhai
    /// assert_eq(packet::checksum(hex::decode("0001f203f4f5f6f7")), 0x220d);
    /// ```
    #[rhai_fn(name = "checksum", return_raw, pure)]
    pub fn internet_checksum(data: &mut Data) -> Fallible<INT> {
        let bytes = view("packet::checksum", data)?;
        fits("packet::checksum", bytes.len(), MAX_INPUT)?;
        Ok(checksum::internet(&bytes).into())
    }

    /// A packet with the layers of both.
    ///
    /// ```rhai
    /// let p = packet::ipv4(#{dst: "192.0.2.2"}) / packet::udp(#{dport: 53}) / "data";
    /// assert_eq(p.layers.map(|l| l.layer), ["ipv4", "udp", "payload"]);
    /// ```
    #[rhai_fn(name = "/", global, return_raw)]
    pub fn join(packet: Packet, inner: Packet) -> Fallible<Packet> {
        packet.joined(&inner.packet().layers)
    }

    /// A packet with text behind its layers.
    #[rhai_fn(name = "/", global, return_raw)]
    pub fn join_text(packet: Packet, data: &str) -> Fallible<Packet> {
        packet.joined(&payload(data.to_owned().into())?.packet().layers)
    }

    /// A packet with bytes behind its layers.
    #[rhai_fn(name = "/", global, return_raw)]
    pub fn join_bytes(packet: Packet, data: Blob) -> Fallible<Packet> {
        packet.joined(&payload(Dynamic::from_blob(data))?.packet().layers)
    }

    /// The first layer of that name; `()` where there is none. Also written `packet.name`.
    ///
    /// ```rhai
    /// let p = packet::ipv4(#{dst: "192.0.2.2"}) / packet::udp(#{});
    /// assert_eq([p.ip.dst, p["udp"].sport, p.arp], ["192.0.2.2", 0, ()]);
    /// ```
    #[rhai_fn(index_get, return_raw, pure)]
    pub fn get_layer(packet: &mut Packet, name: &str) -> Fallible<Dynamic> {
        packet.get(name)
    }

    /// Replaces the first layer of that name, the payload, or all layers; `()` takes it out.
    ///
    /// ```rhai
    /// let p = packet::ipv4(#{}) / packet::udp(#{});
    /// p.ip.ttl = 5;
    /// p.payload = "data";
    /// p.udp = packet::tcp(#{dport: 80});
    /// assert_eq([p.ip.ttl, p.ip.protocol, p.tcp.dport, p.udp], [5, 6, 80, ()]);
    /// p.payload = ();
    /// assert_eq(p.layers.len(), 2);
    /// ```
    #[rhai_fn(index_set, return_raw)]
    pub fn set_layer(packet: &mut Packet, name: &str, value: Dynamic) -> Fallible<()> {
        packet.set(name, &value)
    }

    /// A field of the layer. Also written `layer.field`.
    ///
    /// ```rhai
    /// let p = packet::ipv4(#{id: 9});
    /// assert_eq([p.ip.layer, p.ip.id, p.ip["ttl"], p.ip.length], ["ipv4", 9, 64, 20]);
    /// ```
    #[rhai_fn(index_get, return_raw, pure)]
    pub fn get_field(layer: &mut Layer, name: &str) -> Fallible<Dynamic> {
        layer.get(name)
    }

    /// Sets a field of the layer; `()` has a computed one computed again.
    ///
    /// ```rhai
    /// let p = packet::ipv4(#{checksum: 1});
    /// assert_eq(p.ip.checksum, 1);
    /// p.ip.checksum = ();
    /// assert_eq(p.ip.checksum, packet::parse(p.bytes()).ip.checksum);
    /// let caught = ();
    /// try { p.ip.ttl = 256 } catch (e) { caught = e.message }
    /// assert_eq(caught, "ttl: 256 is not from 0 to 255");
    /// ```
    #[rhai_fn(index_set, return_raw)]
    pub fn set_field(layer: &mut Layer, name: &str, value: Dynamic) -> Fallible<()> {
        layer.set(name, &value)
    }

    /// The packet as it goes over the wire.
    ///
    /// ```rhai
    /// let p = packet::ipv4(#{src: "192.0.2.1", dst: "192.0.2.2", id: 7}) / packet::udp(#{sport: 40000, dport: 53});
    /// assert_eq(hex::encode(p.bytes()), "4500001c000700004011f6c6c0000201c00002029c4000350008df64");
    /// ```
    #[rhai_fn(global, pure)]
    pub fn bytes(packet: &mut Packet) -> Blob {
        written(packet)
    }

    /// One line that says what the packet is.
    ///
    /// ```rhai
    /// let p = packet::ipv4(#{src: "10.0.0.1", dst: "10.0.0.2", id: 1})
    ///     / packet::tcp(#{sport: 4444, dport: 80, flags: "S", seq: 1, options: [#{mss: 1460}]});
    /// assert_eq(p.summary(), "TCP 10.0.0.1:4444 > 10.0.0.2:80 S seq=1 win=1024 <mss 1460> ttl=64 id=1 len=44");
    /// ```
    #[rhai_fn(global, pure, name = "summary", name = "to_string", name = "to_debug")]
    pub fn summary(packet: &mut Packet) -> String {
        packet.packet().summary()
    }

    /// The layer's name and what it holds, for looking at.
    ///
    /// ```rhai
    /// assert(packet::udp(#{dport: 53}).udp.to_string().contains("destination: 53"));
    /// ```
    #[rhai_fn(global, pure, name = "to_string", name = "to_debug")]
    pub fn show(layer: &mut Layer) -> String {
        format!("{:?}", layer.layer())
    }
}

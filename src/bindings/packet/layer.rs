//! One layer as a value of scripts: its fields by name, whatever kind it is.

use std::rc::Rc;

use rhai::{Dynamic, Map};

use super::field::{Field, Given, Written, blob};
use super::{icmp, icmp6, igmp, ip, link, sctp, tcp};
use crate::bindings::fault::{ARGUMENT, Fallible, script_error};
use crate::model::nearest::suggestion;
use crate::packet::number::{SCTP, TCP, UDP};
use crate::packet::{Layer, Packet};

/// One layer, with the packet it was taken from until it is changed: computed fields stand in that packet's bytes.
#[derive(Debug, Clone)]
pub struct LayerValue {
    layer: Layer,
    home: Option<(Rc<Packet>, usize)>,
}

impl LayerValue {
    /// The `at`th layer of `packet`.
    pub fn of(packet: &Rc<Packet>, at: usize) -> Option<LayerValue> {
        packet.layers.get(at).map(|layer| LayerValue { layer: layer.clone(), home: Some((Rc::clone(packet), at)) })
    }

    /// The layer itself.
    pub fn layer(&self) -> &Layer {
        &self.layer
    }

    /// The field `name`; `layer` says what kind of layer it is.
    pub fn get(&self, name: &str) -> Fallible<Dynamic> {
        if name == "layer" {
            return Ok(layer_name(&self.layer).into());
        }
        let bytes = || self.home.as_ref().map(|(packet, at)| packet.bytes_from(*at));
        get(&self.layer, name, &Written(&bytes))
    }

    /// Sets the field `name`.
    pub fn set(&mut self, name: &str, value: &Dynamic) -> Fallible<()> {
        self.home = None;
        let op = layer_name(&self.layer);
        set(&mut self.layer, &Given { op, field: name, value })
    }
}

/// A layer of a native's map: fields named in `first` are set before the others, because those depend on them.
pub fn built(op: &str, mut layer: Layer, fields: &Map, first: &[&str]) -> Fallible<Layer> {
    let early = first.iter().filter_map(|name| fields.get_key_value(*name));
    let late = fields.iter().filter(|(name, _)| !first.contains(&name.as_str()));
    for (name, value) in early.chain(late) {
        set(&mut layer, &Given { op, field: name, value })?;
    }
    Ok(layer)
}

/// What scripts call a layer. A header that was cut has the name of its protocol.
pub fn layer_name(layer: &Layer) -> &'static str {
    match layer {
        Layer::Ethernet(_) => "ethernet",
        Layer::Vlan(_) => "vlan",
        Layer::Arp(_) => "arp",
        Layer::Ipv4(_) => "ipv4",
        Layer::Ipv6(_) => "ipv6",
        Layer::Extension(_) => "extension",
        Layer::Tcp(_) => "tcp",
        Layer::Udp(_) => "udp",
        Layer::Icmpv4(_) => "icmp",
        Layer::Icmpv6(_) => "icmp6",
        Layer::Sctp(_) => "sctp",
        Layer::Igmp(_) => "igmp",
        Layer::Stub(stub) => match stub.protocol {
            TCP => "tcp",
            UDP => "udp",
            SCTP => "sctp",
            _ => "stub",
        },
        Layer::Payload(_) => "payload",
        Layer::Trailer(_) => "trailer",
        Layer::Malformed(_) => "malformed",
    }
}

/// Hands a layer and its table to one of two generic functions.
macro_rules! by_kind {
    ($layer:expr, $bytes:pat => $of_bytes:expr, ($content:ident, $table:ident) => $of_header:expr) => {{
        macro_rules! with {
            ($found:expr, $fields:expr) => {{
                let ($content, $table) = ($found, $fields);
                $of_header
            }};
        }
        match $layer {
            Layer::Ethernet(found) => with!(found, link::ETHERNET),
            Layer::Vlan(found) => with!(found, link::VLAN),
            Layer::Arp(found) => with!(found, link::ARP),
            Layer::Ipv4(found) => with!(found, ip::IPV4),
            Layer::Ipv6(found) => with!(found, ip::IPV6),
            Layer::Extension(found) => with!(found, ip::EXTENSION),
            Layer::Tcp(found) => with!(found, tcp::TCP),
            Layer::Udp(found) => with!(found, tcp::UDP),
            Layer::Stub(found) => with!(found, tcp::STUB),
            Layer::Icmpv4(found) => with!(found, icmp::ICMP),
            Layer::Icmpv6(found) => with!(found, icmp6::ICMP6),
            Layer::Sctp(found) => with!(found, sctp::SCTP),
            Layer::Igmp(found) => with!(found, igmp::IGMP),
            $bytes => $of_bytes,
        }
    }};
}

fn get(layer: &Layer, name: &str, written: &Written) -> Fallible<Dynamic> {
    by_kind!(layer, bytes => get_bytes(bytes, name), (content, table) => {
        match table.iter().find(|field| field.name == name) {
            Some(field) => Ok((field.get)(content, written)),
            // What was cut off is missing, not misspelt.
            None if matches!(layer, Layer::Stub(_)) => Ok(Dynamic::UNIT),
            None => Err(unknown(layer_name(layer), layer_name(layer), name, table)),
        }
    })
}

fn set(layer: &mut Layer, given: &Given) -> Fallible<()> {
    let kind = layer_name(layer);
    by_kind!(layer, bytes => set_bytes(bytes, given), (content, table) => {
        match table.iter().find(|field| field.name == given.field) {
            Some(field) => (field.set)(content, given),
            None => Err(unknown(given.op, kind, given.field, table)),
        }
    })
}

fn unknown<T>(op: &str, kind: &str, name: &str, table: &[Field<T>]) -> Box<rhai::EvalAltResult> {
    let hint = suggestion(name, table.iter().map(|field| field.name));
    script_error(ARGUMENT, op, format!("{kind} has no field \"{}\"{hint}", name.escape_debug()))
}

/// Layers that are bytes have `data`, and `reason` where they are malformed.
fn get_bytes(layer: &Layer, name: &str) -> Fallible<Dynamic> {
    match (layer, name) {
        (Layer::Payload(bytes) | Layer::Trailer(bytes), "data") => Ok(blob(bytes)),
        (Layer::Malformed(malformed), "data") => Ok(blob(&malformed.bytes)),
        (Layer::Malformed(malformed), "reason") => Ok(malformed.reason.into()),
        _ => Err(no_field(layer, name)),
    }
}

fn set_bytes(layer: &mut Layer, given: &Given) -> Fallible<()> {
    match layer {
        Layer::Payload(bytes) | Layer::Trailer(bytes) if given.field == "data" => {
            given.bytes().map(|found| *bytes = found)
        }
        Layer::Malformed(malformed) if given.field == "data" => given.bytes().map(|found| malformed.bytes = found),
        _ => Err(no_field(layer, given.field)),
    }
}

fn no_field(layer: &Layer, name: &str) -> Box<rhai::EvalAltResult> {
    let kind = layer_name(layer);
    script_error(ARGUMENT, kind, format!("{kind} has no field \"{}\": its bytes are `data`", name.escape_debug()))
}

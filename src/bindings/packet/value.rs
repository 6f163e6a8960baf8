//! A packet as a value of scripts.

use std::rc::Rc;

use rhai::{Array, Dynamic};

use super::field::{Given, blob};
use super::layer::{LayerValue, layer_name};
use crate::bindings::data::fits;
use crate::bindings::fault::{ARGUMENT, Fallible, LIMIT, script_error};
use crate::model::nearest::suggestion;
use crate::packet::{Layer, Packet};

/// Layers one packet may be joined of.
const MAX_LAYERS: usize = 64;
/// Bytes of one packet: more than IP and any link allow.
const MAX_BYTES: usize = 1 << 17;
/// Quotes within quotes, which are walked by recursion.
const MAX_QUOTES: usize = 4;

/// Layers by the name scripts use. `ip` is the outer IP header of either family.
const NAMES: [&str; 15] = [
    "ethernet",
    "vlan",
    "arp",
    "ip",
    "ipv4",
    "ipv6",
    "extension",
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "sctp",
    "igmp",
    "trailer",
    "malformed",
];
/// What else a packet has.
const OTHERS: [&str; 2] = ["layers", "payload"];

/// A packet; copies share their layers until one is changed.
#[derive(Debug, Clone)]
pub struct PacketValue(Rc<Packet>);

impl PacketValue {
    /// A value of `packet`.
    pub fn new(packet: Packet) -> PacketValue {
        PacketValue(Rc::new(packet))
    }

    /// The packet.
    pub fn packet(&self) -> &Packet {
        &self.0
    }

    /// A packet, or `()` where there is none.
    pub(super) fn optional(packet: Option<&Packet>) -> Dynamic {
        packet.map_or(Dynamic::UNIT, |packet| Dynamic::from(PacketValue::new(packet.clone())))
    }

    /// The packet a script gave for a field; `()` for none.
    pub(super) fn given(given: &Given) -> Fallible<Option<Box<Packet>>> {
        if given.value.is_unit() {
            return Ok(None);
        }
        let Some(packet) = given.value.read_lock::<PacketValue>() else {
            return Err(given.wrong("it takes a packet"));
        };
        if quotes_within(packet.packet(), MAX_QUOTES) {
            fits(given.op, packet.packet().to_bytes().len(), MAX_BYTES)?;
            return Ok(Some(Box::new(packet.packet().clone())));
        }
        Err(given.wrong(format!("quotes within quotes go at most {MAX_QUOTES} deep")))
    }

    /// This packet with the layers of another behind its own.
    pub(super) fn joined(&self, other: &[Layer]) -> Fallible<PacketValue> {
        let layers = [self.0.layers.as_slice(), other].concat();
        if layers.len() > MAX_LAYERS {
            return Err(script_error(LIMIT, "packet", format!("a packet has at most {MAX_LAYERS} layers")));
        }
        let packet = Packet { layers };
        fits("packet", packet.to_bytes().len(), MAX_BYTES)?;
        Ok(PacketValue::new(packet))
    }

    /// The place of the first layer scripts call `name`.
    fn place(&self, name: &str) -> Option<usize> {
        self.0.layers.iter().position(|layer| match layer_name(layer) {
            "ipv4" | "ipv6" if name == "ip" => true,
            known => known == name,
        })
    }

    /// A layer by name, the payload, or all layers; `()` where the packet has none of that name.
    pub(super) fn get(&self, name: &str) -> Fallible<Dynamic> {
        match name {
            "payload" => Ok(self.0.payload().map_or(Dynamic::UNIT, blob)),
            "layers" => {
                let all = (0..self.0.layers.len()).filter_map(|at| LayerValue::of(&self.0, at));
                Ok(all.map(Dynamic::from).collect::<Array>().into())
            }
            name if NAMES.contains(&name) => {
                let found = self.place(name).and_then(|at| LayerValue::of(&self.0, at));
                Ok(found.map_or(Dynamic::UNIT, Dynamic::from))
            }
            name => Err(unknown(name)),
        }
    }

    /// Replaces what [`PacketValue::get`] gives; `()` takes it out.
    pub(super) fn set(&mut self, name: &str, value: &Dynamic) -> Fallible<()> {
        let given = Given { op: "packet", field: name, value };
        match name {
            "payload" => self.set_payload(&given),
            "layers" => {
                let layers = given.list()?.iter().map(|item| layer_of(&given.part(item))).collect::<Fallible<_>>()?;
                *self = PacketValue::new(Packet::default()).joined(&Vec::from_iter::<Vec<Layer>>(layers))?;
                Ok(())
            }
            name if NAMES.contains(&name) => self.set_layer(&given),
            name => Err(unknown(name)),
        }
    }

    fn set_payload(&mut self, given: &Given) -> Fallible<()> {
        let bytes = if given.value.is_unit() { Vec::new() } else { given.bytes()? };
        let layers = &mut Rc::make_mut(&mut self.0).layers;
        let place = layers.iter().position(|layer| matches!(layer, Layer::Payload(_)));
        match place {
            Some(at) if bytes.is_empty() => {
                layers.remove(at);
            }
            Some(at) => {
                if let Some(layer) = layers.get_mut(at) {
                    *layer = Layer::Payload(bytes);
                }
            }
            None if bytes.is_empty() => {}
            None => {
                // Trailers follow the packet whose payload this is.
                let end = layers.iter().position(|layer| matches!(layer, Layer::Trailer(_))).unwrap_or(layers.len());
                layers.insert(end, Layer::Payload(bytes));
            }
        }
        Ok(())
    }

    fn set_layer(&mut self, given: &Given) -> Fallible<()> {
        let Some(at) = self.place(given.field) else {
            if given.value.is_unit() {
                return Ok(());
            }
            return Err(given.wrong("the packet has no such layer: join it with `/`, or set `layers`"));
        };
        let layer = if given.value.is_unit() { None } else { Some(layer_of(given)?) };
        let layers = &mut Rc::make_mut(&mut self.0).layers;
        match (layer, layers.get_mut(at)) {
            (None, _) => {
                layers.remove(at);
            }
            (Some(layer), Some(known)) => *known = layer,
            (Some(_), None) => {}
        }
        Ok(())
    }
}

/// Whether no quote of the packet lies deeper than `left`.
fn quotes_within(packet: &Packet, left: usize) -> bool {
    let quotes = packet.layers.iter().filter_map(|layer| match layer {
        Layer::Icmpv4(message) => message.quoted.as_deref(),
        Layer::Icmpv6(message) => message.quoted.as_deref(),
        _ => None,
    });
    let mut quotes = quotes.peekable();
    quotes.peek().is_none() || left > 1 && quotes.all(|quoted| quotes_within(quoted, left - 1))
}

/// The layer a script gave: a layer, or a packet of one layer.
fn layer_of(given: &Given) -> Fallible<Layer> {
    if let Some(layer) = given.value.read_lock::<LayerValue>() {
        return Ok(layer.layer().clone());
    }
    let packet = given.value.read_lock::<PacketValue>();
    match packet.as_deref().map(|packet| packet.packet().layers.as_slice()) {
        Some([layer]) => Ok(layer.clone()),
        _ => Err(given.wrong("it takes a layer, or a packet of one layer")),
    }
}

fn unknown(name: &str) -> Box<rhai::EvalAltResult> {
    let hint = suggestion(name, NAMES.into_iter().chain(OTHERS));
    script_error(ARGUMENT, "packet", format!("a packet has no \"{}\"{hint}", name.escape_debug()))
}

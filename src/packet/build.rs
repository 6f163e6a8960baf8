//! Layers to bytes, from the innermost out: a header knows what it carries.

use super::checksum::Pseudo;
use super::{Layer, Packet};

impl Packet {
    /// The bytes of the packet: what is `None` computed, everything else as told.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes_from(0)
    }

    /// The bytes from the `first`th layer on, with checksums that cover the addresses of the layers before it.
    pub fn bytes_from(&self, first: usize) -> Vec<u8> {
        let mut trailers = self.layers.iter().filter_map(|layer| match layer {
            Layer::Trailer(bytes) => Some(bytes),
            _ => None,
        });
        let mut out = Vec::new();
        for (at, layer) in self.layers.iter().enumerate().skip(first).rev() {
            let mut bytes = self.header(at, layer, &out);
            bytes.append(&mut out);
            out = bytes;
            if matches!(layer, Layer::Arp(_) | Layer::Ipv4(_) | Layer::Ipv6(_)) {
                out.extend(trailers.next().into_iter().flatten());
            }
        }
        out.extend(trailers.flatten());
        out
    }

    /// The `at`th layer in front of `body`.
    fn header(&self, at: usize, layer: &Layer, body: &[u8]) -> Vec<u8> {
        let next = || self.layer_after(at).and_then(Layer::protocol);
        let pseudo = || self.pseudo_before(at);
        match layer {
            Layer::Ethernet(frame) => frame.write(self.ether_type_after(at)),
            Layer::Vlan(tag) => tag.write(self.ether_type_after(at)),
            Layer::Arp(message) => message.write(),
            Layer::Ipv4(ip) => ip.write(next(), body.len()),
            Layer::Ipv6(ip) => ip.write(next(), body.len()),
            Layer::Extension(extension) => extension.write(next()),
            Layer::Tcp(segment) => segment.write(pseudo(), body),
            Layer::Udp(datagram) => datagram.write(pseudo(), body),
            Layer::Icmpv4(message) => message.write(body),
            Layer::Icmpv6(message) => message.write(pseudo(), body),
            Layer::Sctp(packet) => packet.write(body),
            Layer::Igmp(message) => message.write(body),
            Layer::Stub(stub) => stub.write(),
            Layer::Payload(bytes) => bytes.clone(),
            Layer::Malformed(malformed) => malformed.bytes.clone(),
            // Written behind the header whose packet it follows.
            Layer::Trailer(_) => Vec::new(),
        }
    }

    /// The layer the `at`th announces.
    fn layer_after(&self, at: usize) -> Option<&Layer> {
        self.layers.get(at + 1)
    }

    /// The ether type the `at`th layer announces, where the next one has any.
    pub(super) fn ether_type_after(&self, at: usize) -> Option<u16> {
        self.layer_after(at)?.ether_type(self.layer_after(at + 1))
    }

    /// The protocol number the `at`th layer announces, where the next one has any.
    pub(super) fn protocol_after(&self, at: usize) -> Option<u8> {
        self.layer_after(at)?.protocol()
    }

    /// The addresses a transport checksum of the `at`th layer covers.
    fn pseudo_before(&self, at: usize) -> Option<Pseudo> {
        self.layers.iter().take(at).fold(None, |pseudo, layer| match layer {
            Layer::Ipv4(ip) => Some(ip.pseudo()),
            Layer::Ipv6(ip) => Some(ip.pseudo()),
            Layer::Extension(extension) => extension.pseudo(pseudo),
            _ => pseudo,
        })
    }
}

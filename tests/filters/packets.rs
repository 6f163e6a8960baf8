//! Packets that take every branch of a filter: all protocols the language knows, whole, cut short, and damaged.

use fastrand::Rng;

/// What a capture keeps of a packet.
#[derive(Debug, Clone)]
pub struct Packet {
    pub bytes: Vec<u8>,
    pub wire_len: u32,
}

pub const MACS: [[u8; 6]; 4] =
    [[2, 0, 0x5e, 0x10, 0, 1], [2, 0, 0x5e, 0x10, 0, 2], [0xff; 6], [0x33, 0x33, 0, 0, 0, 1]];
pub const ADDRESSES4: [[u8; 4]; 7] =
    [[10, 0, 0, 1], [10, 0, 0, 2], [10, 1, 2, 3], [192, 168, 1, 77], [224, 0, 0, 5], [255; 4], [0; 4]];
pub const ADDRESSES6: [[u16; 8]; 4] = [
    [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1],
    [0x2001, 0xdb8, 0, 1, 0, 0, 0, 2],
    [0, 0, 0, 0, 0, 0, 0, 1],
    [0xff02, 0, 0, 0, 0, 0, 0, 1],
];
pub const PORTS: [u16; 7] = [53, 80, 81, 443, 1024, 8080, 65535];
pub const VLANS: [u16; 4] = [0, 5, 100, 4095];
pub const PROTOCOLS: [u8; 16] = [0, 1, 2, 6, 6, 17, 17, 132, 58, 44, 50, 51, 9, 103, 112, 89];

pub fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

/// A packet on Ethernet, or without a link header.
pub fn packet(rng: &mut Rng, has_ethernet: bool) -> Packet {
    let ether_type = if rng.bool() { 0x0800 } else { 0x86dd };
    let mut bytes = if has_ethernet { frame(rng) } else { network(rng, ether_type) };
    if rng.u8(..) < 10 {
        bytes = (0..rng.usize(..80)).map(|_| rng.u8(..)).collect();
    }
    if rng.u8(..) < 40 && !bytes.is_empty() {
        let at = rng.usize(..bytes.len());
        bytes[at] = rng.u8(..);
    }
    let whole = bytes.len() as u32;
    if rng.u8(..) < 70 {
        bytes.truncate(rng.usize(..=bytes.len()));
    }
    let wire_len = if rng.bool() { whole.max(1) } else { (bytes.len() as u32).max(1) };
    Packet { bytes, wire_len }
}

fn frame(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(pick(rng, &MACS));
    bytes.extend(pick(rng, &MACS));
    for _ in 0..pick(rng, &[0, 0, 0, 0, 0, 1, 1, 2, 3]) {
        bytes.extend(pick(rng, &[0x8100u16, 0x8100, 0x88a8, 0x9100]).to_be_bytes());
        bytes.extend((pick(rng, &VLANS) | rng.u16(..8) << 13).to_be_bytes());
    }
    let ether_type = pick(
        rng,
        &[
            0x0800, 0x0800, 0x0800, 0x0800, 0x86dd, 0x86dd, 0x86dd, 0x0806, 0x8035, 0x6003, 0x8847, 60, 1500, 1501,
            0x05ff,
        ],
    );
    bytes.extend(u16::to_be_bytes(ether_type));
    bytes.extend(network(rng, ether_type));
    bytes
}

fn network(rng: &mut Rng, ether_type: u16) -> Vec<u8> {
    match ether_type {
        0x0800 => ipv4(rng),
        0x86dd => ipv6(rng),
        0x0806 | 0x8035 => {
            let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, rng.u8(1..5)];
            bytes.extend(pick(rng, &MACS));
            bytes.extend(pick(rng, &ADDRESSES4));
            bytes.extend(pick(rng, &MACS));
            bytes.extend(pick(rng, &ADDRESSES4));
            bytes
        }
        // 802.2: spanning tree, NetBEUI, ISO, IP.
        _ => [pick(rng, &[[0x42, 0x42], [0xf0, 0xf0], [0xfe, 0xfe], [6, 6], [0xaa, 0xaa]]), [3, rng.u8(..)]].concat(),
    }
}

fn ipv4(rng: &mut Rng) -> Vec<u8> {
    let protocol = pick(rng, &PROTOCOLS);
    let words = pick(rng, &[0u8, 0, 0, 1, 3, 10]);
    let payload = transport(rng, protocol);
    let fragment = pick(rng, &[0u16, 0, 0, 0x4000, 0x2000, 0x2001, 0x1fff, 0x00b9]);
    let length = 20 + u16::from(words) * 4 + payload.len() as u16;
    let mut bytes = vec![0x45 + words, pick(rng, &[0, 0x10, 0xb8])];
    bytes.extend(length.to_be_bytes());
    bytes.extend(rng.u16(..).to_be_bytes());
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([pick(rng, &[1, 64, 128, 255]), protocol, 0, 0]);
    bytes.extend(pick(rng, &ADDRESSES4));
    bytes.extend(pick(rng, &ADDRESSES4));
    bytes.extend((0..words * 4).map(|at| if at == 0 { 7 } else { 0 }));
    bytes.extend(payload);
    bytes
}

fn ipv6(rng: &mut Rng) -> Vec<u8> {
    let protocol = pick(rng, &PROTOCOLS);
    let mut payload = transport(rng, protocol);
    let mut next = protocol;
    for _ in 0..pick(rng, &[0, 0, 0, 1, 2]) {
        // Hop-by-hop, routing, destination options and fragment headers of eight bytes.
        let header = pick(rng, &[0u8, 43, 44, 44, 60]);
        payload = [vec![next, 0, 0, pick(rng, &[0, 1, 8]), 0, 0, 0, 1], payload].concat();
        next = header;
    }
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend([next, 64]);
    for _ in 0..2 {
        bytes.extend(pick(rng, &ADDRESSES6).into_iter().flat_map(u16::to_be_bytes));
    }
    bytes.extend(payload);
    bytes
}

fn transport(rng: &mut Rng, protocol: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    match protocol {
        6 | 17 | 132 => {
            bytes.extend(pick(rng, &PORTS).to_be_bytes());
            bytes.extend(pick(rng, &PORTS).to_be_bytes());
            if protocol == 6 {
                bytes.extend(rng.u64(..).to_be_bytes());
                bytes.extend([pick(rng, &[0x50, 0x60, 0xf0]), pick(rng, &[2, 0x12, 0x10, 0x11, 4, 0, 0xff])]);
                bytes.extend([4, 0, 0, 0, 0, 0]);
            }
        }
        1 | 58 => bytes.extend([pick(rng, &[0, 3, 8, 11, 128, 129, 135]), rng.u8(..4), 0, 0, 0, 1, 0, 2]),
        2 => bytes.extend([pick(rng, &[0x11, 0x16]), 0, 0, 0, 224, 0, 0, 1]),
        _ => {}
    }
    bytes.extend((0..pick(rng, &[0usize, 4, 20, 60])).map(|_| rng.u8(..8)));
    bytes
}

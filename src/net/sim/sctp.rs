//! What SCTP answers to a packet of no association (RFC 9260 sections 5.1 and 8.4).

use super::answer::Visit;
use super::probe::{long, word};
use crate::packet::number::SCTP;
use crate::packet::{Chunk, ChunkBody, Init, Sctp};

const INIT: u8 = 1;
const ABORT: u8 = 6;
const SHUTDOWN_ACK: u8 = 8;
const SHUTDOWN_COMPLETE: u8 = 14;
const COOKIE_ECHO: u8 = 10;
/// The tag is the one of the packet that is answered.
const REFLECTED: u8 = 1;
/// Parameter of an INIT ACK: the state cookie, of 32 bytes.
const COOKIE: [u8; 4] = [0, 7, 0, 36];

/// An INIT gets its answer; a cookie that was never given out, or not remembered, is dropped without a word.
pub fn at_open_port(visit: &Visit<'_>) -> Option<Sctp> {
    match *visit.probe.content.get(12)? {
        INIT => {
            let content = visit.probe.content;
            let ports = u64::from(long(content, 0)?) << 16 | u64::from(SCTP);
            let drawn = [0u64, 1, 2, 3].map(|part| visit.world.draw(visit.probe.destination, ports ^ part << 60));
            let cookie = drawn.iter().flat_map(|number| number.to_be_bytes());
            let init = Init {
                tag: (drawn.first().copied()? as u32).max(1),
                window: 106_496,
                outbound: word(content, 24)?.min(10),
                inbound: 10,
                sequence: (drawn.first().copied()? >> 32) as u32,
                parameters: COOKIE.into_iter().chain(cookie).collect(),
            };
            packet(visit, long(content, 16)?, Chunk::new(ChunkBody::InitAck(init)))
        }
        COOKIE_ECHO => None,
        _ => out_of_the_blue(visit),
    }
}

/// Everything is aborted but what ends an association anyway.
pub fn at_closed_port(visit: &Visit<'_>) -> Option<Sctp> {
    match *visit.probe.content.get(12)? {
        INIT => packet(visit, long(visit.probe.content, 16)?, abort(0)),
        _ => out_of_the_blue(visit),
    }
}

fn out_of_the_blue(visit: &Visit<'_>) -> Option<Sctp> {
    let tag = long(visit.probe.content, 4)?;
    match *visit.probe.content.get(12)? {
        ABORT | SHUTDOWN_COMPLETE => None,
        SHUTDOWN_ACK => {
            let body = ChunkBody::Other { kind: SHUTDOWN_COMPLETE, data: Vec::new() };
            packet(visit, tag, Chunk { flags: REFLECTED, ..Chunk::new(body) })
        }
        _ => packet(visit, tag, abort(REFLECTED)),
    }
}

fn abort(flags: u8) -> Chunk {
    Chunk { flags, ..Chunk::new(ChunkBody::Abort { causes: Vec::new() }) }
}

fn packet(visit: &Visit<'_>, tag: u32, chunk: Chunk) -> Option<Sctp> {
    let content = visit.probe.content;
    let (source, destination) = (word(content, 2)?, word(content, 0)?);
    Some(Sctp { source, destination, tag, checksum: None, chunks: vec![chunk] })
}

//! Fields of SCTP, and its chunks.

use rhai::{Array, Dynamic, Map};

use super::field::{Field, Given, as_bytes, auto, blob, int, map, number};
use super::kind::{kind_of, name_of};
use crate::bindings::fault::Fallible;
use crate::packet::{Chunk, ChunkBody, Init, Sctp};

/// Names of the kinds scripts meet.
const KINDS: [(&str, u8); 5] = [("init", 1), ("init-ack", 2), ("abort", 6), ("cookie-echo", 10), ("cookie-ack", 11)];

/// Fields of SCTP.
pub const SCTP: &[Field<Sctp>] = &[
    number!("sport", 0xffff, source),
    number!("dport", 0xffff, destination),
    number!("tag", 0xffff_ffff, tag),
    auto!("checksum", 0xffff_ffff, checksum, 8..12),
    Field {
        name: "chunks",
        get: |packet, _| packet.chunks.iter().map(chunk).collect::<Array>().into(),
        set: |packet, given| {
            packet.chunks = given.list()?.iter().map(|item| to_chunk(&given.part(item))).collect::<Fallible<_>>()?;
            Ok(())
        },
    },
];

/// A chunk for scripts: `#{kind, flags, …}`.
fn chunk(chunk: &Chunk) -> Dynamic {
    let flags = ("flags", int(chunk.flags));
    let kind = ("kind", chunk.kind().map_or(Dynamic::UNIT, |kind| name_of(&KINDS, kind)));
    match &chunk.body {
        ChunkBody::Init(init) | ChunkBody::InitAck(init) => map([
            kind,
            flags,
            ("tag", int(init.tag)),
            ("window", int(init.window)),
            ("outbound", int(init.outbound)),
            ("inbound", int(init.inbound)),
            ("tsn", int(init.sequence)),
            ("parameters", blob(&init.parameters)),
            ("cookie", init.cookie().map_or(Dynamic::UNIT, blob)),
        ]),
        ChunkBody::CookieAck => map([kind, flags]),
        ChunkBody::CookieEcho(cookie) => map([kind, flags, ("cookie", blob(cookie))]),
        ChunkBody::Raw(bytes) => map([("raw", blob(bytes))]),
        ChunkBody::Abort { causes: data } | ChunkBody::Other { data, .. } => map([kind, flags, ("data", blob(data))]),
    }
}

/// A chunk out of a script.
fn to_chunk(given: &Given) -> Fallible<Chunk> {
    let fields = given.map(&[
        "kind",
        "flags",
        "length",
        "tag",
        "window",
        "outbound",
        "inbound",
        "tsn",
        "parameters",
        "cookie",
        "data",
        "raw",
    ])?;
    if fields.contains_key("raw") {
        return given.member(&fields, "raw", Vec::new(), as_bytes).map(|bytes| Chunk::new(ChunkBody::Raw(bytes)));
    }
    let Some(kind) = fields.get("kind") else {
        return Err(given.wrong("a chunk names its kind"));
    };
    let data = |name| given.member(&fields, name, Vec::new(), as_bytes);
    let body = match kind_of(&KINDS, &given.part(kind))? {
        1 if !fields.contains_key("data") => ChunkBody::Init(init(given, &fields)?),
        2 if !fields.contains_key("data") => ChunkBody::InitAck(init(given, &fields)?),
        10 if fields.contains_key("cookie") => ChunkBody::CookieEcho(data("cookie")?),
        kind => Chunk::of(kind, &data("data")?),
    };
    Ok(Chunk {
        flags: given.member(&fields, "flags", 0, |given| given.number(0xff))?,
        length: given.member(&fields, "length", None, |given| given.auto(0xffff))?,
        ..Chunk::new(body)
    })
}

fn init(given: &Given, fields: &Map) -> Fallible<Init> {
    Ok(Init {
        tag: given.member(fields, "tag", 1, |given| given.number(0xffff_ffff))?,
        window: given.member(fields, "window", 32768, |given| given.number(0xffff_ffff))?,
        outbound: given.member(fields, "outbound", 10, |given| given.number(0xffff))?,
        inbound: given.member(fields, "inbound", 2048, |given| given.number(0xffff))?,
        sequence: given.member(fields, "tsn", 1, |given| given.number(0xffff_ffff))?,
        parameters: given.member(fields, "parameters", Vec::new(), as_bytes)?,
    })
}

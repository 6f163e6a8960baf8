//! SCTP (RFC 9260): the common header and its chunks.

use super::checksum::crc32c;
use super::reader::Reader;

/// Bytes of the common header.
const COMMON: usize = 12;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const ABORT: u8 = 6;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
/// The parameter of an INIT ACK that has to come back in a COOKIE ECHO.
const STATE_COOKIE: u16 = 7;

/// An SCTP packet. A field of `None` is written as it should be; `Some` as told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sctp {
    /// Port of the sender.
    pub source: u16,
    /// Port of the receiver.
    pub destination: u16,
    /// Verification tag.
    pub tag: u32,
    /// `CRC32c` as the four bytes on the wire, first byte highest.
    pub checksum: Option<u32>,
    /// Everything else.
    pub chunks: Vec<Chunk>,
}

/// One chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Flags, by kind.
    pub flags: u8,
    /// Length without padding; none: as it is.
    pub length: Option<u16>,
    /// Bytes up to the next multiple of four; none: as many zeros as it takes.
    pub padding: Option<Vec<u8>>,
    /// What it is.
    pub body: ChunkBody,
}

/// The kinds of chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkBody {
    /// Asks for an association.
    Init(Init),
    /// Answers it.
    InitAck(Init),
    /// Ends the association.
    Abort {
        /// Error causes, undecoded.
        causes: Vec<u8>,
    },
    /// Brings the cookie back.
    CookieEcho(Vec<u8>),
    /// The association stands.
    CookieAck,
    /// Any other kind.
    Other {
        /// Its number.
        kind: u8,
        /// What follows the length.
        data: Vec<u8>,
    },
    /// Bytes that are no chunk, to the end of the packet; flags and length do not apply.
    Raw(Vec<u8>),
}

/// What INIT and INIT ACK say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Init {
    /// Tag the other side has to use.
    pub tag: u32,
    /// Receiver window.
    pub window: u32,
    /// Streams towards the other side.
    pub outbound: u16,
    /// Streams accepted from it.
    pub inbound: u16,
    /// First sequence number.
    pub sequence: u32,
    /// Parameters, undecoded.
    pub parameters: Vec<u8>,
}

impl Init {
    /// The value of the first parameter of this kind.
    pub fn parameter(&self, kind: u16) -> Option<&[u8]> {
        let mut reader = Reader(&self.parameters);
        loop {
            let (found, length) = (reader.u16()?, usize::from(reader.u16()?));
            let value = reader.take(length.checked_sub(4)?)?;
            if found == kind {
                return Some(value);
            }
            reader.take(length.next_multiple_of(4) - length)?;
        }
    }

    /// The state cookie of an INIT ACK.
    pub fn cookie(&self) -> Option<&[u8]> {
        self.parameter(STATE_COOKIE)
    }

    fn parse(value: &[u8]) -> Option<Init> {
        let mut reader = Reader(value);
        Some(Init {
            tag: reader.u32()?,
            window: reader.u32()?,
            outbound: reader.u16()?,
            inbound: reader.u16()?,
            sequence: reader.u32()?,
            parameters: reader.rest().to_vec(),
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.parameters.len());
        out.extend(self.tag.to_be_bytes());
        out.extend(self.window.to_be_bytes());
        out.extend(self.outbound.to_be_bytes());
        out.extend(self.inbound.to_be_bytes());
        out.extend(self.sequence.to_be_bytes());
        out.extend(&self.parameters);
        out
    }
}

impl Chunk {
    /// A chunk without flags, its length computed.
    pub fn new(body: ChunkBody) -> Chunk {
        Chunk { flags: 0, length: None, padding: None, body }
    }

    /// Its number; none for raw bytes.
    pub fn kind(&self) -> Option<u8> {
        Some(match &self.body {
            ChunkBody::Init(_) => INIT,
            ChunkBody::InitAck(_) => INIT_ACK,
            ChunkBody::Abort { .. } => ABORT,
            ChunkBody::CookieEcho(_) => COOKIE_ECHO,
            ChunkBody::CookieAck => COOKIE_ACK,
            ChunkBody::Other { kind, .. } => *kind,
            ChunkBody::Raw(_) => return None,
        })
    }

    /// The value of a chunk as bytes.
    pub fn value(&self) -> Vec<u8> {
        match &self.body {
            ChunkBody::Init(init) | ChunkBody::InitAck(init) => init.bytes(),
            ChunkBody::CookieAck => Vec::new(),
            ChunkBody::Abort { causes: data }
            | ChunkBody::CookieEcho(data)
            | ChunkBody::Other { data, .. }
            | ChunkBody::Raw(data) => data.clone(),
        }
    }

    /// The chunk of this kind with this value, typed where the value fits the kind.
    pub fn of(kind: u8, value: &[u8]) -> ChunkBody {
        let known = match kind {
            INIT => Init::parse(value).map(ChunkBody::Init),
            INIT_ACK => Init::parse(value).map(ChunkBody::InitAck),
            ABORT => Some(ChunkBody::Abort { causes: value.to_vec() }),
            COOKIE_ECHO => Some(ChunkBody::CookieEcho(value.to_vec())),
            COOKIE_ACK if value.is_empty() => Some(ChunkBody::CookieAck),
            _ => None,
        };
        known.unwrap_or_else(|| ChunkBody::Other { kind, data: value.to_vec() })
    }

    fn parse(reader: &mut Reader<'_>) -> Option<Chunk> {
        let (kind, flags, length) = (reader.u8()?, reader.u8()?, usize::from(reader.u16()?));
        let value = reader.take(length.checked_sub(4)?)?;
        let missing = length.next_multiple_of(4) - length;
        let found = reader.take(missing.min(reader.0.len()))?;
        let usual = found.len() == missing && found.iter().all(|byte| *byte == 0);
        let padding = (!usual).then(|| found.to_vec());
        Some(Chunk { flags, length: None, padding, body: Chunk::of(kind, value) })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let value = self.value();
        let Some(kind) = self.kind() else {
            out.extend(value);
            return;
        };
        let length = value.len() + 4;
        out.extend([kind, self.flags]);
        out.extend(self.length.unwrap_or(length as u16).to_be_bytes());
        out.extend(value);
        match &self.padding {
            Some(padding) => out.extend(padding),
            None => out.resize(out.len() + length.next_multiple_of(4) - length, 0),
        }
    }
}

impl Sctp {
    pub(super) fn parse(bytes: &[u8]) -> Result<(Sctp, usize), &'static str> {
        let (common, chunks) = bytes.split_first_chunk::<COMMON>().ok_or("SCTP header cut short")?;
        let long = |at: usize| u32::from_be_bytes([common[at], common[at + 1], common[at + 2], common[at + 3]]);
        let (head, _) = common.split_at(8);
        let computed = crc32c(&[head, &[0; 4], chunks]).swap_bytes();
        let packet = Sctp {
            source: u16::from_be_bytes([common[0], common[1]]),
            destination: u16::from_be_bytes([common[2], common[3]]),
            tag: long(4),
            checksum: Some(long(8)).filter(|told| *told != computed),
            chunks: parse_chunks(chunks),
        };
        Ok((packet, bytes.len()))
    }

    pub(super) fn write(&self, body: &[u8]) -> Vec<u8> {
        let mut out = [self.source.to_be_bytes(), self.destination.to_be_bytes()].concat();
        out.extend(self.tag.to_be_bytes());
        out.extend([0; 4]);
        for chunk in &self.chunks {
            chunk.write(&mut out);
        }
        let checksum = self.checksum.unwrap_or_else(|| crc32c(&[&out, body]).swap_bytes());
        out.get_mut(8..COMMON).unwrap_or_default().copy_from_slice(&checksum.to_be_bytes());
        out
    }
}

fn parse_chunks(bytes: &[u8]) -> Vec<Chunk> {
    let mut reader = Reader(bytes);
    let mut chunks = Vec::new();
    while !reader.0.is_empty() {
        let mut ahead = reader;
        let Some(chunk) = Chunk::parse(&mut ahead) else {
            chunks.push(Chunk::new(ChunkBody::Raw(reader.rest().to_vec())));
            break;
        };
        reader = ahead;
        chunks.push(chunk);
    }
    chunks
}

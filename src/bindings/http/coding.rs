//! Content codings: gzip and deflate removed, within bounds (a few KiB can unpack to gigabytes).

use std::io::{ErrorKind, Read};

use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use futures_lite::future::yield_now;

use super::{Headers, Truncation};

/// Codings undone one after the other; more are left on.
const MAX_LAYERS: usize = 4;
/// Output produced between two turns of others, about a millisecond of work.
const SLICE: usize = 256 * 1024;

/// A body with its content codings removed as far as possible.
#[derive(Debug, PartialEq)]
pub(super) struct Decoded {
    pub body: Vec<u8>,
    /// A coding is still on.
    pub encoded: bool,
    /// The coding was broken or incomplete, or the output was cut at the limit.
    pub truncated: Option<Truncation>,
}

/// How unpacking ended.
enum Ending {
    Complete,
    /// More than the limit came out.
    Limit,
    Broken,
}

/// Removes the codings `headers` name from `body`; no layer grows over `limit` bytes.
pub(super) async fn decode(headers: &Headers, body: Vec<u8>, limit: usize) -> Decoded {
    let mut layers = Vec::new();
    for value in headers.get_all("Content-Encoding") {
        layers.extend(value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()));
    }
    layers.retain(|name| !name.eq_ignore_ascii_case(b"identity"));
    let mut decoded = Decoded { body, encoded: false, truncated: None };
    if decoded.body.is_empty() || layers.is_empty() {
        return decoded;
    }
    if layers.len() > MAX_LAYERS {
        return Decoded { encoded: true, truncated: Some(Truncation::Coding), ..decoded };
    }
    // The last coding named was applied last (RFC 9110, 8.4).
    for name in layers.into_iter().rev() {
        let Some((output, ending)) = undo(name, &decoded.body, limit).await else {
            decoded.encoded = true; // br, zstd, …: for the caller to see
            return decoded;
        };
        match ending {
            Ending::Complete => {}
            Ending::Limit => decoded.truncated = decoded.truncated.or(Some(Truncation::Limit)),
            Ending::Broken => decoded.truncated = decoded.truncated.or(Some(Truncation::Coding)),
        }
        if output.is_empty() && matches!(ending, Ending::Broken) {
            decoded.encoded = true; // what was sent says more than nothing
            return decoded;
        }
        decoded.body = output;
    }
    decoded
}

/// Removes one coding; `None` when it is not known.
async fn undo(name: &[u8], body: &[u8], limit: usize) -> Option<(Vec<u8>, Ending)> {
    if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
        return Some(gunzip(body, limit).await);
    }
    if !name.eq_ignore_ascii_case(b"deflate") {
        return None;
    }
    let mut output = Vec::new();
    let mut ending = Ending::Broken;
    if looks_like_zlib(body) {
        ending = pump(&mut ZlibDecoder::new(body), &mut output, limit).await;
    }
    if output.is_empty() && matches!(ending, Ending::Broken) {
        ending = pump(&mut DeflateDecoder::new(body), &mut output, limit).await; // what many servers mean by it
    }
    Some((output, ending))
}

/// Unpacks all members; what follows them and is none is ignored.
async fn gunzip(body: &[u8], limit: usize) -> (Vec<u8>, Ending) {
    let mut output = Vec::new();
    let mut rest = body;
    loop {
        let mut member = GzDecoder::new(rest);
        let ending = pump(&mut member, &mut output, limit).await;
        rest = member.into_inner();
        if !matches!(ending, Ending::Complete) || !rest.starts_with(&[0x1f, 0x8b]) {
            return (output, ending);
        }
    }
}

/// RFC 1950, 2.2: method 8 and a check value over the first two bytes.
fn looks_like_zlib(body: &[u8]) -> bool {
    matches!(body, [cmf, flags, ..] if cmf & 0x0f == 8 && u16::from_be_bytes([*cmf, *flags]).is_multiple_of(31))
}

async fn pump(decoder: &mut impl Read, output: &mut Vec<u8>, limit: usize) -> Ending {
    let mut buffer = [0; 8192];
    let mut since_pause = 0;
    loop {
        let count = match decoder.read(&mut buffer) {
            Ok(0) => return Ending::Complete,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return Ending::Broken,
        };
        let room = limit.saturating_sub(output.len()).min(count);
        output.extend_from_slice(buffer.get(..room).unwrap_or_default());
        if room < count {
            return Ending::Limit;
        }
        since_pause += count;
        if since_pause >= SLICE {
            since_pause = 0;
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn run(codings: &str, body: Vec<u8>, limit: usize) -> Decoded {
        let headers = Headers::parse(format!("Content-Encoding: {codings}\r\n\r\n").into_bytes(), 0).unwrap();
        futures_lite::future::block_on(decode(&headers, body, limit))
    }

    fn plain(body: &[u8]) -> Decoded {
        Decoded { body: body.to_vec(), encoded: false, truncated: None }
    }

    #[test]
    fn both_deflates_gzip_and_chains_are_undone() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(b"hello").unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(b"hello").unwrap();
        let zlib = zlib.finish().unwrap();
        assert_eq!(run("deflate", zlib.clone(), 99), plain(b"hello"));
        assert_eq!(run("Deflate", raw.finish().unwrap(), 99), plain(b"hello"));
        assert_eq!(run("deflate, identity, X-GZIP", gzip(&zlib), 99), plain(b"hello"));
        let members = [gzip(b"hel"), gzip(b"lo"), b"\0\0junk".to_vec()].concat();
        assert_eq!(run("gzip", members, 99), plain(b"hello"));
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&gzip(&vec![0; 8 << 20]));
        let out = run("gzip, gzip", bomb, 100_000);
        assert_eq!((out.body.len(), out.truncated), (100_000, Some(Truncation::Limit)));
    }

    #[test]
    fn broken_codings_keep_what_there_is() {
        let mut cut = gzip(b"hello hello hello");
        cut.truncate(cut.len() - 6);
        let out = run("gzip", cut, 99);
        assert_eq!(out, Decoded { truncated: Some(Truncation::Coding), ..plain(b"hello hello hello") });
        let out = run("gzip", b"not gzip".to_vec(), 99);
        assert_eq!(out, Decoded { body: b"not gzip".to_vec(), encoded: true, truncated: Some(Truncation::Coding) });
        let out = run("br", b"xyz".to_vec(), 99);
        assert_eq!(out, Decoded { encoded: true, ..plain(b"xyz") });
        assert!(run("gzip,gzip,gzip,gzip,gzip", b"xyz".to_vec(), 99).encoded);
    }
}

//! Which charset a page is in, in the order browsers look: byte order mark, header, `meta`, and then a guess.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Bytes in which a `meta` must stand (<https://html.spec.whatwg.org/#prescan-a-byte-stream-to-determine-its-encoding>).
const PRESCAN: usize = 1024;

/// `body` as text. `content_type` is the header's value, empty where there is none. Bytes the charset does not know become
/// U+FFFD; what names no charset is UTF-8 where it can be, else windows-1252.
pub fn decode<'a>(body: &'a [u8], content_type: &str) -> Cow<'a, str> {
    if let Some((charset, mark)) = Encoding::for_bom(body) {
        return charset.decode_without_bom_handling(body.get(mark..).unwrap_or_default()).0;
    }
    let named = from_header(content_type).or_else(|| from_meta(body));
    let charset = named.unwrap_or_else(|| if std::str::from_utf8(body).is_ok() { UTF_8 } else { WINDOWS_1252 });
    charset.decode_without_bom_handling(body).0
}

/// The charset of a header such as `text/html; charset=koi8-r`.
fn from_header(content_type: &str) -> Option<&'static Encoding> {
    labelled(content_type.as_bytes())
}

/// The charset a `meta` names. What could be read to find it is ASCII, so it is not UTF-16, whatever it says.
fn from_meta(body: &[u8]) -> Option<&'static Encoding> {
    let head = body.get(..PRESCAN).unwrap_or(body).to_ascii_lowercase();
    let mut rest = head.as_slice();
    while let Some(at) = rest.windows(5).position(|window| window == b"<meta") {
        rest = rest.get(at + 5..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b'>').unwrap_or(rest.len());
        if let Some(charset) = labelled(rest.get(..end).unwrap_or_default()) {
            return Some(if charset == UTF_16BE || charset == UTF_16LE { UTF_8 } else { charset });
        }
    }
    None
}

/// The charset after the first `charset=` in `text`.
fn labelled(text: &[u8]) -> Option<&'static Encoding> {
    let lower = text.to_ascii_lowercase();
    let at = lower.windows(7).position(|window| window == b"charset")?;
    let rest = lower.get(at + 7..)?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let rest = rest.strip_prefix(b"\"").or(rest.strip_prefix(b"'")).unwrap_or(rest);
    let is_end = |byte: &u8| matches!(byte, b'"' | b'\'' | b';' | b'/' | b'>') || byte.is_ascii_whitespace();
    let end = rest.iter().position(is_end).unwrap_or(rest.len());
    Encoding::for_label(rest.get(..end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_mark_header_meta_guess() {
        assert_eq!(decode(b"\xef\xbb\xbfa\xc3\xa9", "text/html; charset=latin1"), "aé");
        assert_eq!(decode(b"\xff\xfea\x00", ""), "a");
        assert_eq!(decode(b"<meta charset=utf-8>\xe9", "text/html; Charset=\"iso-8859-1\""), "<meta charset=utf-8>é");
        let meta = b"<META http-equiv=Content-Type content='text/html; charset=windows-1251'>\xcf";
        assert!(decode(meta, "text/html").ends_with('П'));
        assert_eq!(decode(b"\xe9", ""), "é");
        assert_eq!(decode(b"\xc3\xa9", "charset=nonsense"), "é");
        assert_eq!(decode(b"<meta charset=utf-16>a", ""), "<meta charset=utf-16>a");
    }
}

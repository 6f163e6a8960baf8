//! Text in the charsets of the wire.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

use crate::bindings::fault::{ARGUMENT, Fallible, script_error};

/// The charset of that label (<https://encoding.spec.whatwg.org/#names-and-labels>).
fn charset(op: &str, label: &str) -> Fallible<&'static Encoding> {
    Encoding::for_label(label.as_bytes())
        .ok_or_else(|| script_error(ARGUMENT, op, format!("unknown charset `{label}`")))
}

/// `bytes` decoded; what the charset does not know becomes U+FFFD. A byte order mark is kept as a character.
pub fn decode(op: &str, bytes: &[u8], label: &str) -> Fallible<String> {
    Ok(charset(op, label)?.decode_without_bom_handling(bytes).0.into_owned())
}

/// `text` encoded; a character the charset lacks is an error `argument`.
pub fn encode(op: &str, text: &str, label: &str) -> Fallible<Vec<u8>> {
    let charset = charset(op, label)?;
    // The encoding standard writes no UTF-16; SMB and NTLM do.
    if charset == UTF_16LE {
        return Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    }
    if charset == UTF_16BE {
        return Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    }
    let (bytes, _, lossy) = charset.encode(text);
    if lossy {
        return Err(script_error(ARGUMENT, op, format!("the text has characters that {} lacks", charset.name())));
    }
    Ok(bytes.into_owned())
}

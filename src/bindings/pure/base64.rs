//! The Rhai module `base64`.

use data_encoding::{BASE64, BASE64URL_NOPAD, Encoding};
use rhai::Blob;
use rhai::plugin::{export_module, exported_module};

use crate::bindings::data::{Data, view};
use crate::bindings::fault::{Fallible, PROTOCOL, script_error};
use crate::bindings::located;

/// The static module `base64`.
pub fn module() -> rhai::Module {
    located::module(&natives::RHAI_MANIFEST, exported_module!(natives))
}

/// Decodes with or without padding and line ends, as mail and web servers send it.
fn decoded(op: &str, text: &Data, encoding: &Encoding) -> Fallible<Blob> {
    let view = view(op, text)?;
    let packed: Vec<u8> = view.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').collect();
    encoding.decode(&packed).map_err(|error| script_error(PROTOCOL, op, error))
}

/// Base64 (RFC 4648) in the usual and in the URL-safe alphabet.
#[export_module(manifest)]
mod natives {
    /// The usual alphabet, with padding.
    ///
    /// ```rhai
    /// assert_eq(base64::encode("hello"), "aGVsbG8=");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn encode(data: &mut Data) -> Fallible<String> {
        Ok(BASE64.encode(&view("base64::encode", data)?))
    }

    /// The bytes of Base64 text. White space and padding are optional; any other stranger is an error `protocol`.
    ///
    /// ```rhai
    /// assert_eq(bytes::to_text(base64::decode("aGVs\r\nbG8")), "hello");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn decode(text: &mut Data) -> Fallible<Blob> {
        decoded("base64::decode", text, &data_encoding::BASE64_NOPAD)
    }

    /// The URL-safe alphabet (`-` and `_`), without padding, as in JSON Web Tokens.
    ///
    /// ```rhai
    /// assert_eq(base64::encode_url(hex::decode("fbff")), "-_8");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn encode_url(data: &mut Data) -> Fallible<String> {
        Ok(BASE64URL_NOPAD.encode(&view("base64::encode_url", data)?))
    }

    /// The bytes of Base64 text in the URL-safe alphabet; as lenient as `decode`.
    ///
    /// ```rhai
    /// assert_eq(hex::encode(base64::decode_url("-_8=")), "fbff");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn decode_url(text: &mut Data) -> Fallible<Blob> {
        decoded("base64::decode_url", text, &BASE64URL_NOPAD)
    }
}

//! The Rhai module `hex`.

use data_encoding::HEXLOWER_PERMISSIVE;
use rhai::Blob;
use rhai::plugin::{export_module, exported_module};

use crate::bindings::data::{Data, MAX_RESULT, fits, view};
use crate::bindings::fault::{Fallible, PROTOCOL, script_error};
use crate::bindings::located;

/// The static module `hex`.
pub fn module() -> rhai::Module {
    located::module(&natives::RHAI_MANIFEST, exported_module!(natives))
}

/// Bytes as hexadecimal digits and back.
#[export_module(manifest)]
mod natives {
    /// Two lower-case digits per byte.
    ///
    /// ```rhai
    /// assert_eq(hex::encode("hi"), "6869");
    /// assert_eq(hex::encode(blob(2, 255)), "ffff");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn encode(data: &mut Data) -> Fallible<String> {
        Ok(HEXLOWER_PERMISSIVE.encode(&view("hex::encode", data)?))
    }

    /// Two lower-case digits per byte, with `separator` between the bytes (at most 8 bytes long).
    ///
    /// ```rhai
    /// assert_eq(hex::encode(hex::decode("00a0c914c829"), ":"), "00:a0:c9:14:c8:29");
    /// ```
    #[rhai_fn(name = "encode", return_raw, pure)]
    pub fn encode_separated(data: &mut Data, separator: &str) -> Fallible<String> {
        fits("hex::encode", separator.len(), 8)?;
        let view = view("hex::encode", data)?;
        fits("hex::encode", view.len() * (2 + separator.len()), MAX_RESULT)?;
        let digits: Vec<String> = view.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(digits.join(separator))
    }

    /// The bytes of hexadecimal digits in either case. White space, `:` and `-` between digits are ignored. Anything
    /// else, or an odd number of digits, is an error `protocol`.
    ///
    /// ```rhai
    /// assert_eq(hex::decode("DE:AD be-ef").len(), 4);
    /// assert_eq(hex::encode(hex::decode("0a FF")), "0aff");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn decode(digits: &mut Data) -> Fallible<Blob> {
        let view = view("hex::decode", digits)?;
        let is_filler = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b':' | b'-');
        let packed: Vec<u8> = view.iter().copied().filter(|byte| !is_filler(byte)).collect();
        HEXLOWER_PERMISSIVE.decode(&packed).map_err(|error| script_error(PROTOCOL, "hex::decode", error))
    }
}

//! Arguments that may be BLOB or text: bytes from the network and literals of a script mix freely.

use std::borrow::Cow;
use std::ops::Deref;

use rhai::{Blob, Dynamic, EvalAltResult, INT, ImmutableString, Position};

use crate::bindings::fault::{ARGUMENT, Fallible, LIMIT, script_error};
use crate::script::coroutine::charge;

/// A BLOB or a string. The name is what the reference prints for such a parameter.
pub type Data = Dynamic;

/// Bytes, a pattern or a function: what a read waits for.
pub type Wanted = Dynamic;

/// Bytes one native looks at in one call; larger input is refused, so that no call holds the loop for long.
pub const MAX_INPUT: usize = 8 << 20;
/// Bytes one native returns at most.
pub const MAX_RESULT: usize = 16 << 20;

/// Bytes a native gets through in about the time of one Rhai operation: what it is charged for looking at them, so that
/// natives count against slices and budgets as script code does.
const BYTES_PER_OPERATION: usize = 64;

/// Borrowed bytes of a [`Data`].
pub enum View<'a> {
    /// Of a BLOB.
    Blob(rhai::DynamicReadLock<'a, Blob>),
    /// Of a string.
    Text(rhai::DynamicReadLock<'a, ImmutableString>),
}

impl Deref for View<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            View::Blob(blob) => blob,
            View::Text(text) => text.as_bytes(),
        }
    }
}

impl View<'_> {
    /// The bytes as text; what is not UTF-8 becomes U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            View::Blob(blob) => String::from_utf8_lossy(blob),
            View::Text(text) => Cow::Borrowed(text.as_str()),
        }
    }

    /// `bytes` as the kind of value this view came from.
    pub fn same_kind(&self, bytes: &[u8]) -> Dynamic {
        match self {
            View::Blob(_) => Dynamic::from_blob(bytes.to_vec()),
            View::Text(_) => String::from_utf8_lossy(bytes).into_owned().into(),
        }
    }
}

/// The bytes of `data` for the native `op`; any other type is Rhai's ordinary type error.
pub fn view<'a>(op: &str, data: &'a Dynamic) -> Fallible<View<'a>> {
    let seen = if data.is_blob() {
        data.read_lock::<Blob>().map(View::Blob)
    } else {
        data.read_lock::<ImmutableString>().map(View::Text)
    };
    let Some(seen) = seen else {
        return Err(mismatch("blob or string", data).into());
    };
    fits(op, seen.len(), MAX_INPUT)?;
    charge(seen.len() / BYTES_PER_OPERATION);
    Ok(seen)
}

/// Rhai's ordinary type error: `wanted` and what `found` is.
pub fn mismatch(wanted: &str, found: &Dynamic) -> EvalAltResult {
    let name = found.type_name().rsplit("::").next().unwrap_or_default();
    EvalAltResult::ErrorMismatchDataType(wanted.to_owned(), name.to_owned(), Position::NONE)
}

/// The owned text of `data`, lossily decoded.
pub fn text(op: &str, data: &Dynamic) -> Fallible<String> {
    Ok(view(op, data)?.text().into_owned())
}

/// Refuses `size` above `limit` bytes or elements.
pub fn fits(op: &str, size: usize, limit: usize) -> Fallible<()> {
    if size <= limit {
        return Ok(());
    }
    Err(script_error(LIMIT, op, format!("size {size} is over the limit of {limit}: work on a part of it")))
}

/// A length, count or offset a script passed; negative numbers are its mistake.
pub fn index(op: &str, what: &str, value: INT) -> Fallible<usize> {
    usize::try_from(value).map_err(|_| script_error(ARGUMENT, op, format!("{what} {value} is negative")))
}

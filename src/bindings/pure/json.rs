//! The Rhai module `json`.

use rhai::plugin::{export_module, exported_module};
use rhai::{Array, Dynamic, Map};
use serde_json::{Number, Value as Json};

use crate::bindings::data::{Data, fits, view};
use crate::bindings::fault::{ARGUMENT, Fallible, LIMIT, PROTOCOL, script_error};
use crate::bindings::located;
use crate::bindings::output::to_value;
use crate::model::Value;

/// Bytes of a document.
const MAX_DOCUMENT: usize = 4 << 20;
/// Values of a document; each takes far more memory than the byte or two it may be written in.
const MAX_VALUES: usize = 100_000;

/// The static module `json`.
pub fn module() -> rhai::Module {
    located::module(&natives::RHAI_MANIFEST, exported_module!(natives))
}

/// An upper bound of the values in `document`: one, and one more for each separator outside strings.
fn values_at_most(document: &[u8]) -> usize {
    let mut count = 1;
    let mut in_string = false;
    let mut escaped = false;
    for byte in document {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b',' | b'[' | b'{') => count += 1,
            _ => {}
        }
    }
    count
}

fn to_dynamic(value: Json) -> Dynamic {
    match value {
        Json::Null => Dynamic::UNIT,
        Json::Bool(flag) => flag.into(),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => int.into(),
            (None, float) => float.unwrap_or(f64::NAN).into(),
        },
        Json::String(text) => text.into(),
        Json::Array(items) => items.into_iter().map(to_dynamic).collect::<Array>().into(),
        Json::Object(pairs) => {
            pairs.into_iter().map(|(key, item)| (key.into(), to_dynamic(item))).collect::<Map>().into()
        }
    }
}

fn from_value(value: Value) -> Json {
    match value {
        Value::Unit => Json::Null,
        Value::Bool(flag) => Json::Bool(flag),
        Value::Int(number) => Json::Number(number.into()),
        Value::Float(number) => Number::from_f64(number).map_or(Json::Null, Json::Number),
        Value::Text(text) => Json::String(text),
        Value::Bytes(bytes) => Json::String(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => data_encoding::HEXLOWER.encode(error.as_bytes()),
        }),
        Value::List(items) => Json::Array(items.into_iter().map(from_value).collect()),
        Value::Map(pairs) => Json::Object(pairs.into_iter().map(|(key, item)| (key, from_value(item))).collect()),
    }
}

fn written(value: &Dynamic, pretty: bool) -> Fallible<String> {
    let value = from_value(to_value(value));
    let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
    text.map_err(|error| script_error(ARGUMENT, "json::stringify", error))
}

/// JSON (RFC 8259).
#[export_module(manifest)]
mod natives {
    /// The value of a document: objects come as maps, `null` as `()`, whole numbers as INT where they fit and as FLOAT
    /// otherwise. Malformed text, or nesting deeper than 127, is an error `protocol` with line and column; more than
    /// 4 MiB or 100 000 values is an error `limit`.
    ///
    /// ```rhai
    /// let v = json::parse(`{"name": "x", "list": [1, 2.5, null]}`);
    /// assert_eq(v.name, "x");
    /// assert_eq(v.list, [1, 2.5, ()]);
    /// let text = "";
    /// try { json::parse("{\n  1}") } catch (e) { text = e.message }
    /// assert(text.contains("line 2 column 3"));
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn parse(document: &mut Data) -> Fallible<Dynamic> {
        const OP: &str = "json::parse";
        let view = view(OP, document)?;
        fits(OP, view.len(), MAX_DOCUMENT)?;
        if values_at_most(&view) > MAX_VALUES {
            return Err(script_error(LIMIT, OP, format!("more than {MAX_VALUES} values")));
        }
        let value: Json = serde_json::from_slice(&view).map_err(|error| script_error(PROTOCOL, OP, error))?;
        Ok(to_dynamic(value))
    }

    /// A value as JSON on one line. Maps come sorted by key, tables in their order; a BLOB becomes text where it is UTF-8
    /// and hexadecimal digits otherwise; numbers JSON lacks become `null`. Nesting deeper than 32 is cut off.
    ///
    /// ```rhai
    /// assert_eq(json::stringify(#{b: [1, ()], a: "x\n"}), `{"a":"x\n","b":[1,null]}`);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn stringify(value: Dynamic) -> Fallible<String> {
        written(&value, false)
    }

    /// The same, over indented lines if `pretty`.
    ///
    /// ```rhai
    /// assert_eq(json::stringify([1], true), "[\n  1\n]");
    /// ```
    #[rhai_fn(name = "stringify", return_raw)]
    pub fn stringify_pretty(value: Dynamic, pretty: bool) -> Fallible<String> {
        written(&value, pretty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Fallible<Dynamic> {
        natives::parse(&mut text.to_owned().into())
    }

    #[test]
    fn hostile_documents_are_errors() {
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"[".repeat(1000)).is_err());
        assert!(parse(&format!("[{}1]", "1,".repeat(MAX_VALUES))).is_err());
        assert!(parse("").is_err());
        assert!(parse("{} x").is_err());
    }

    #[test]
    fn commas_in_strings_do_not_count() {
        assert_eq!(values_at_most(br#"["a,b\",c", 1]"#), 3);
    }

    #[test]
    fn large_numbers_become_floats() {
        let value = parse("[9223372036854775808, 1e400]").map(|value| format!("{value:?}"));
        assert!(value.is_err() || value.is_ok_and(|text| text.contains("9.223372036854776e18")));
    }
}

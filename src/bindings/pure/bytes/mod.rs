//! The Rhai module `bytes`, and iteration over BLOBs.
//!
//! Network data is a BLOB. What is read out of it comes as INT or BLOB; a read beyond the end is an error, never padding.

pub mod charset;
mod pack;
mod search;

use std::any::TypeId;

use rhai::plugin::{export_module, exported_module};
use rhai::{
    Array, Blob, Dynamic, Engine, FuncRegistration, INT, ImmutableString, Map, Module, NativeCallContext, RhaiFunc,
    Shared,
};

use crate::bindings::data::{Data, MAX_RESULT, fits, index, text, view};
use crate::bindings::fault::{ARGUMENT, Fallible, script_error};
use crate::bindings::located;

/// Values one call of `pack` takes outside an array.
const MAX_VALUES: usize = 16;

/// The static module `bytes`.
pub fn module() -> Module {
    let mut module = located::module(&natives::RHAI_MANIFEST, exported_module!(natives));
    // A native has a fixed number of parameters: one registration per count, all documented as one.
    for count in 1..=MAX_VALUES {
        let mut types = vec![TypeId::of::<Dynamic>(); count + 1];
        types[0] = TypeId::of::<ImmutableString>();
        let more = std::iter::repeat_n("…", count - 1);
        let params = ["format: &str", "values…: Dynamic"].into_iter().chain(more).chain(["Blob"]);
        FuncRegistration::new("pack").with_params_info(params).with_comments([PACK_DOC]).set_into_module_raw(
            &mut module,
            types,
            RhaiFunc::Pure { func: Shared::new(pack_values), has_context: false, is_pure: true, is_volatile: false },
        );
    }
    module
}

fn pack_values(_: Option<NativeCallContext>, args: &mut [&mut Dynamic]) -> Fallible<Dynamic> {
    let Some((format, values)) = args.split_first() else { return Ok(Dynamic::UNIT) };
    let values: Vec<Dynamic> = match values {
        [list] if list.is_array() => list.read_lock::<Array>().map(|list| list.to_vec()).unwrap_or_default(),
        values => values.iter().map(|value| (**value).clone()).collect(),
    };
    let format = format.read_lock::<ImmutableString>().map(|text| text.clone()).unwrap_or_default();
    pack::pack(&format, &values).map(Dynamic::from_blob)
}

/// Makes `for byte in blob` yield INT. Rhai yields `u8`, which does not even add to an INT.
pub fn register_iterator(engine: &mut Engine) {
    let mut module = Module::new();
    module.set_iter(TypeId::of::<Blob>(), |blob| {
        let bytes = blob.try_cast::<Blob>().unwrap_or_default();
        Box::new(bytes.into_iter().map(|byte| Dynamic::from_int(INT::from(byte))))
    });
    engine.register_global_module(module.into());
}

const PACK_DOC: &str = r#"/// Binary data out of values, one per letter of the format (or all of them in one array; at most 16 otherwise).
///
/// Letters, read left to right, spaces ignored: `>` big-endian from here on (the default), `<` little-endian from here on;
/// `B H T I L Q` unsigned integers of 1, 2, 3, 4, 4, 8 bytes and `b h i l q` signed ones of 1, 2, 4, 4, 8; `f d` floats of
/// 4 and 8; `s1 s2 s3 s4` data after its length in that many bytes; `z` data and a zero byte; `c<n>` data in exactly n
/// bytes, padded with zeros; `c` data as it is; `x<n>` n zero bytes without a value. `Q` takes the bits of an INT as they
/// are. A value that does not fit, a wrong count and an unknown letter are errors `argument`.
///
/// ```rhai
/// assert_eq(hex::encode(bytes::pack(">H s1 B", 258, "ab", 7)), "0102" + "026162" + "07");
/// assert_eq(hex::encode(bytes::pack("<I z c4 x2", [1, "hi", "x"])), "01000000" + "686900" + "78000000" + "0000");
/// ```"#;

fn read(op: &str, data: &Dynamic, offset: INT, size: usize, little: bool) -> Fallible<INT> {
    let offset = index(op, "offset", offset)?;
    Ok(pack::read_int(pack::part(op, &view(op, data)?, offset, size)?, false, little))
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn find_in(data: &Dynamic, needle: &Dynamic, from: INT) -> Fallible<Dynamic> {
    const OP: &str = "bytes::find";
    let (data, needle, from) = (view(OP, data)?, view(OP, needle)?, index(OP, "offset", from)?);
    let found = data.get(from..).and_then(|rest| search::find(rest, &needle));
    Ok(found.map_or(Dynamic::UNIT, |at| Dynamic::from_int((from + at) as INT)))
}

fn joined(op: &str, parts: &[Dynamic]) -> Fallible<Blob> {
    let mut out = Blob::new();
    for part in parts {
        let part = view(op, part)?;
        fits(op, out.len() + part.len(), MAX_RESULT)?;
        out.extend_from_slice(&part);
    }
    Ok(out)
}

/// Binary data. What comes from the network is a BLOB; every function takes text as well, as its UTF-8 bytes. Offsets and
/// lengths are in bytes, and reading beyond the end is an error `protocol`, never padding. `for byte in blob` yields INT.
#[export_module(manifest)]
mod natives {
    /// The values of a format (see `pack`) at the start of the data, as an array. Data behind them is ignored. Letters `s`,
    /// `z` and `c` give BLOBs; `Q` above 2^63-1 comes as a negative number with the same bits. Too little data is an error
    /// `protocol`.
    ///
    /// ```rhai
    /// let v = bytes::unpack(">H s1 B", hex::decode("0102 026162 07"));
    /// assert_eq(v[0], 258);
    /// assert_eq(bytes::to_text(v[1]), "ab");
    /// assert_eq(v[2], 7);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn unpack(format: &str, data: Data) -> Fallible<Array> {
        Ok(pack::unpack(format, &view("bytes::unpack", &data)?, 0)?.0)
    }

    /// The same from an offset on.
    ///
    /// ```rhai
    /// assert_eq(bytes::unpack("<H", hex::decode("ff 0201"), 1), [258]);
    /// ```
    #[rhai_fn(name = "unpack", return_raw)]
    pub fn unpack_from(format: &str, data: Data, offset: INT) -> Fallible<Array> {
        let offset = index("bytes::unpack", "offset", offset)?;
        Ok(pack::unpack(format, &view("bytes::unpack", &data)?, offset)?.0)
    }

    /// The same as a map `#{values, next}`, where `next` is the offset behind what was read: for data of changing length.
    ///
    /// ```rhai
    /// let first = bytes::unpack_next("s1", "\x02abz", 0);
    /// assert_eq(first.next, 3);
    /// assert_eq(bytes::unpack("B", "\x02abz", first.next), [122]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn unpack_next(format: &str, data: Data, offset: INT) -> Fallible<Map> {
        let offset = index("bytes::unpack", "offset", offset)?;
        let (values, next) = pack::unpack(format, &view("bytes::unpack", &data)?, offset)?;
        Ok([("values".into(), values.into()), ("next".into(), Dynamic::from_int(next as INT))].into())
    }

    /// The byte at an offset.
    ///
    /// ```rhai
    /// assert_eq(bytes::u8("abc", 1), 98);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn u8(data: &mut Data, offset: INT) -> Fallible<INT> {
        read("bytes::u8", data, offset, 1, false)
    }

    /// Two bytes at an offset, big-endian.
    ///
    /// ```rhai
    /// assert_eq(bytes::u16be(hex::decode("0050"), 0), 80);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn u16be(data: &mut Data, offset: INT) -> Fallible<INT> {
        read("bytes::u16be", data, offset, 2, false)
    }

    /// Two bytes at an offset, little-endian.
    ///
    /// ```rhai
    /// assert_eq(bytes::u16le(hex::decode("5000"), 0), 80);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn u16le(data: &mut Data, offset: INT) -> Fallible<INT> {
        read("bytes::u16le", data, offset, 2, true)
    }

    /// Three bytes at an offset, big-endian, as TLS counts.
    ///
    /// ```rhai
    /// assert_eq(bytes::u24be(hex::decode("010000"), 0), 65536);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn u24be(data: &mut Data, offset: INT) -> Fallible<INT> {
        read("bytes::u24be", data, offset, 3, false)
    }

    /// Three bytes at an offset, little-endian, as `MySQL` counts.
    ///
    /// ```rhai
    /// assert_eq(bytes::u24le(hex::decode("010000"), 0), 1);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn u24le(data: &mut Data, offset: INT) -> Fallible<INT> {
        read("bytes::u24le", data, offset, 3, true)
    }

    /// Four bytes at an offset, big-endian.
    ///
    /// ```rhai
    /// assert_eq(bytes::u32be(hex::decode("ffffffff"), 0), 4294967295);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn u32be(data: &mut Data, offset: INT) -> Fallible<INT> {
        read("bytes::u32be", data, offset, 4, false)
    }

    /// Four bytes at an offset, little-endian.
    ///
    /// ```rhai
    /// let short = false;
    /// try { bytes::u32le("abc", 0) } catch (e) { short = e.kind == "protocol" }
    /// assert(short);
    /// assert_eq(bytes::u32le(hex::decode("01000000"), 0), 1);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn u32le(data: &mut Data, offset: INT) -> Fallible<INT> {
        read("bytes::u32le", data, offset, 4, true)
    }

    /// Eight bytes at an offset, big-endian; above 2^63-1 a negative number with the same bits.
    ///
    /// ```rhai
    /// assert_eq(bytes::u64be(hex::decode("0000000100000000"), 0), 4294967296);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn u64be(data: &mut Data, offset: INT) -> Fallible<INT> {
        read("bytes::u64be", data, offset, 8, false)
    }

    /// Eight bytes at an offset, little-endian; above 2^63-1 a negative number with the same bits.
    ///
    /// ```rhai
    /// assert_eq(bytes::u64le(hex::decode("ffffffffffffffff"), 0), -1);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn u64le(data: &mut Data, offset: INT) -> Fallible<INT> {
        read("bytes::u64le", data, offset, 8, true)
    }

    /// `length` bytes from an offset on, as a BLOB. All of them must be there.
    ///
    /// ```rhai
    /// assert_eq(bytes::to_text(bytes::slice("abcdef", 1, 3)), "bcd");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn slice(data: &mut Data, from: INT, length: INT) -> Fallible<Blob> {
        const OP: &str = "bytes::slice";
        let (from, length) = (index(OP, "offset", from)?, index(OP, "length", length)?);
        Ok(pack::part(OP, &view(OP, data)?, from, length)?.to_vec())
    }

    /// All bytes from an offset on, as a BLOB; an offset beyond the end is an error.
    ///
    /// ```rhai
    /// assert_eq(bytes::to_text(bytes::slice("abcdef", 4)), "ef");
    /// assert_eq(bytes::slice("abc", 3), blob());
    /// ```
    #[rhai_fn(name = "slice", return_raw, pure)]
    pub fn slice_from(data: &mut Data, from: INT) -> Fallible<Blob> {
        const OP: &str = "bytes::slice";
        let (view, from) = (view(OP, data)?, index(OP, "offset", from)?);
        Ok(pack::part(OP, &view, from, view.len().saturating_sub(from))?.to_vec())
    }

    /// Offset of the first occurrence of `needle`; `()` where there is none.
    ///
    /// ```rhai
    /// assert_eq(bytes::find("GET / HTTP/1.0\r\n\r\n", "\r\n"), 14);
    /// assert_eq(bytes::find("abc", "x"), ());
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn find(data: &mut Data, needle: Data) -> Fallible<Dynamic> {
        find_in(data, &needle, 0)
    }

    /// Offset of the first occurrence of `needle` at or after an offset; `()` where there is none.
    ///
    /// ```rhai
    /// assert_eq(bytes::find("abcabc", "b", 2), 4);
    /// assert_eq(bytes::find("abc", "a", 99), ());
    /// ```
    #[rhai_fn(name = "find", return_raw, pure)]
    pub fn find_from(data: &mut Data, needle: Data, from: INT) -> Fallible<Dynamic> {
        find_in(data, &needle, from)
    }

    /// The UTF-8 bytes of a text.
    ///
    /// ```rhai
    /// assert_eq(bytes::from_text("é").len(), 2);
    /// ```
    pub fn from_text(text: &str) -> Blob {
        text.as_bytes().to_vec()
    }

    /// A text in a charset such as `latin1`, `utf-16le`, `shift_jis`. An unknown charset, or a character it lacks, is an
    /// error `argument`.
    ///
    /// ```rhai
    /// assert_eq(hex::encode(bytes::from_text("hé", "latin1")), "68e9");
    /// assert_eq(hex::encode(bytes::from_text("hi", "utf-16le")), "68006900");
    /// ```
    #[rhai_fn(name = "from_text", return_raw)]
    pub fn from_text_in(text: &str, charset: &str) -> Fallible<Blob> {
        fits("bytes::from_text", text.len(), MAX_RESULT / 2)?;
        charset::encode("bytes::from_text", text, charset)
    }

    /// The data as text; what is not UTF-8 becomes U+FFFD.
    ///
    /// ```rhai
    /// assert_eq(bytes::to_text(hex::decode("6869")), "hi");
    /// assert_eq(bytes::to_text(hex::decode("68ff")), "h\uFFFD");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn to_text(data: &mut Data) -> Fallible<String> {
        text("bytes::to_text", data)
    }

    /// The data as text in a charset; what the charset does not know becomes U+FFFD. `latin1` is windows-1252, as on the
    /// web. An unknown charset is an error `argument`.
    ///
    /// ```rhai
    /// assert_eq(bytes::to_text(hex::decode("68e9"), "latin1"), "hé");
    /// ```
    #[rhai_fn(name = "to_text", return_raw, pure)]
    pub fn to_text_in(data: &mut Data, charset: &str) -> Fallible<String> {
        charset::decode("bytes::to_text", &view("bytes::to_text", data)?, charset)
    }

    /// Whether the data is well-formed UTF-8.
    ///
    /// ```rhai
    /// assert(bytes::is_utf8("é"));
    /// assert(!bytes::is_utf8(hex::decode("ff")));
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn is_utf8(data: &mut Data) -> Fallible<bool> {
        Ok(std::str::from_utf8(&view("bytes::is_utf8", data)?).is_ok())
    }

    /// All parts of an array in one BLOB.
    ///
    /// ```rhai
    /// assert_eq(bytes::concat(["a", blob(2, 0x62), "c"]), bytes::from_text("abbc"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn concat(parts: Array) -> Fallible<Blob> {
        joined("bytes::concat", &parts)
    }

    /// Two parts in one BLOB.
    ///
    /// ```rhai
    /// assert_eq(bytes::concat("a", "b"), bytes::from_text("ab"));
    /// ```
    #[rhai_fn(name = "concat", return_raw)]
    pub fn concat_two(first: Data, second: Data) -> Fallible<Blob> {
        joined("bytes::concat", &[first, second])
    }

    /// The data combined by exclusive or with a key, which is repeated as needed. An empty key is an error `argument`.
    ///
    /// ```rhai
    /// assert_eq(hex::encode(bytes::xor(hex::decode("000102"), hex::decode("ff"))), "fffefd");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn xor(data: &mut Data, key: Data) -> Fallible<Blob> {
        let (data, key) = (view("bytes::xor", data)?, view("bytes::xor", &key)?);
        if key.is_empty() {
            return Err(script_error(ARGUMENT, "bytes::xor", "the key is empty"));
        }
        Ok(data.iter().zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect())
    }

    /// Whether the data begins with a prefix.
    ///
    /// ```rhai
    /// assert(bytes::starts_with(hex::decode("160301"), hex::decode("1603")));
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn starts_with(data: &mut Data, prefix: Data) -> Fallible<bool> {
        Ok(view("bytes::starts_with", data)?.starts_with(&view("bytes::starts_with", &prefix)?))
    }

    /// Whether the data ends with a suffix.
    ///
    /// ```rhai
    /// assert(bytes::ends_with("250 ok\r\n", "\r\n"));
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn ends_with(data: &mut Data, suffix: Data) -> Fallible<bool> {
        Ok(view("bytes::ends_with", data)?.ends_with(&view("bytes::ends_with", &suffix)?))
    }

    /// The data without white space at both ends, as the kind of value it came as.
    ///
    /// ```rhai
    /// assert_eq(bytes::trim(" ok\r\n"), "ok");
    /// assert_eq(bytes::trim(blob(3, 0x20)), blob());
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn trim(data: &mut Data) -> Fallible<Dynamic> {
        let view = view("bytes::trim", data)?;
        let start = view.iter().position(|byte| !is_blank(*byte)).unwrap_or(view.len());
        let end = view.iter().rposition(|byte| !is_blank(*byte)).map_or(start, |last| last + 1);
        Ok(view.same_kind(view.get(start..end).unwrap_or_default()))
    }

    /// A printable form: ASCII as it is, `\r \n \t \\` and `\xNN` for everything else.
    ///
    /// ```rhai
    /// assert_eq(bytes::escape(hex::decode("48690d0a00ff")), "Hi\\r\\n\\x00\\xff");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn escape(data: &mut Data) -> Fallible<String> {
        let view = view("bytes::escape", data)?;
        fits("bytes::escape", view.len() * 4, MAX_RESULT)?;
        let mut text = String::with_capacity(view.len());
        for byte in view.iter() {
            match byte {
                b'"' | b'\'' => text.push(char::from(*byte)),
                other => text.extend(std::ascii::escape_default(*other).map(char::from)),
            }
        }
        Ok(text)
    }

    /// Whether both hold the same bytes, be they BLOB or text.
    ///
    /// ```rhai
    /// assert(bytes::equal("ab", hex::decode("6162")));
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn equal(data: &mut Data, other: Data) -> Fallible<bool> {
        Ok(view("bytes::equal", data)?[..] == view("bytes::equal", &other)?[..])
    }

    /// The number of bytes, of text as well.
    ///
    /// ```rhai
    /// assert_eq(bytes::len("é"), 2);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn len(data: &mut Data) -> Fallible<INT> {
        Ok(view("bytes::len", data)?.len() as INT)
    }

    /// The parts between separators, as the kind of value the data came as. An empty separator, and more than 100 000
    /// parts, are errors.
    ///
    /// ```rhai
    /// assert_eq(bytes::split("a\x00b\x00", "\x00"), ["a", "b", ""]);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn split(data: &mut Data, separator: Data) -> Fallible<Array> {
        const OP: &str = "bytes::split";
        let (view, separator) = (view(OP, data)?, view(OP, &separator)?);
        if separator.is_empty() {
            return Err(script_error(ARGUMENT, OP, "the separator is empty"));
        }
        let mut parts = Array::new();
        let mut rest: &[u8] = &view;
        while let Some(at) = search::find(rest, &separator) {
            fits(OP, parts.len(), 100_000)?;
            parts.push(view.same_kind(rest.get(..at).unwrap_or_default()));
            rest = rest.get(at + separator.len()..).unwrap_or_default();
        }
        parts.push(view.same_kind(rest));
        Ok(parts)
    }
}

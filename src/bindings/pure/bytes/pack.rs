//! The format language of `bytes::pack` and `bytes::unpack`.
//!
//! One letter a value, read left to right; spaces are ignored:
//! `>` big-endian from here (the default), `<` little-endian from here; `B H T I L Q` unsigned of 1, 2, 3, 4, 4, 8 bytes,
//! `b h i l q` signed of 1, 2, 4, 4, 8; `f d` IEEE floats of 4 and 8; `s1 s2 s3 s4` bytes after their length in that many
//! bytes; `z` bytes up to a zero; `c<n>` exactly n bytes, `c` all the rest; `x<n>` n zero bytes (one without a number) that
//! have no value.

use rhai::{Dynamic, INT};

use crate::bindings::data::{MAX_RESULT, fits, mismatch, view};
use crate::bindings::fault::{ARGUMENT, Fallible, PROTOCOL, script_error};

/// Letters in one format.
const MAX_FORMAT: usize = 4096;

/// One thing a format asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Field {
    /// An integer of so many bytes.
    Int { size: usize, signed: bool, little: bool },
    /// A float of 4 or 8 bytes.
    Float { size: usize, little: bool },
    /// Bytes after a length of so many bytes.
    Prefixed { size: usize, little: bool },
    /// Bytes up to a zero.
    ZeroEnded,
    /// Exactly so many bytes.
    Fixed(usize),
    /// All the rest.
    Rest,
    /// So many zero bytes without a value.
    Padding(usize),
}

/// Reads `format`; what is wrong in it is the script's mistake.
fn fields(op: &str, format: &str) -> Fallible<Vec<Field>> {
    fits(op, format.len(), MAX_FORMAT)?;
    let mut list = Vec::new();
    let mut little = false;
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut number = None;
        if matches!(letter, 'c' | 's' | 'x') {
            while let Some(digit) = letters.peek().and_then(|c| c.to_digit(10)) {
                number = Some(number.unwrap_or(0_usize).saturating_mul(10).saturating_add(digit as usize));
                letters.next();
            }
        }
        let int = |size, signed| Field::Int { size, signed, little };
        list.push(match (letter, number) {
            ('>' | '<', _) => {
                little = letter == '<';
                continue;
            }
            (space, _) if space.is_whitespace() => continue,
            ('B', _) => int(1, false),
            ('H', _) => int(2, false),
            ('T', _) => int(3, false),
            ('I' | 'L', _) => int(4, false),
            ('Q', _) => int(8, false),
            ('b', _) => int(1, true),
            ('h', _) => int(2, true),
            ('i' | 'l', _) => int(4, true),
            ('q', _) => int(8, true),
            ('f', _) => Field::Float { size: 4, little },
            ('d', _) => Field::Float { size: 8, little },
            ('s', Some(size @ 1..=4)) => Field::Prefixed { size, little },
            ('z', _) => Field::ZeroEnded,
            ('c', Some(size)) => Field::Fixed(size),
            ('c', None) => Field::Rest,
            ('x', size) => Field::Padding(size.unwrap_or(1)),
            ('s', _) => return Err(script_error(ARGUMENT, op, "`s` needs the size of its length: s1, s2, s3 or s4")),
            (other, _) => return Err(script_error(ARGUMENT, op, format!("unknown letter `{other}` in the format"))),
        });
    }
    Ok(list)
}

/// The bytes of `values` as `format` demands.
pub fn pack(format: &str, values: &[Dynamic]) -> Fallible<Vec<u8>> {
    const OP: &str = "bytes::pack";
    let list = fields(OP, format)?;
    let wanted = list.iter().filter(|field| !matches!(field, Field::Padding(_))).count();
    if wanted != values.len() {
        let message = format!("the format takes {wanted} values, {} are given", values.len());
        return Err(script_error(ARGUMENT, OP, message));
    }
    let mut values = values.iter();
    let mut out = Vec::new();
    for field in list {
        if let Field::Padding(size) = field {
            fits(OP, out.len().saturating_add(size), MAX_RESULT)?;
            out.resize(out.len() + size, 0);
        } else if let Some(value) = values.next() {
            put(OP, field, value, &mut out)?;
        }
        fits(OP, out.len(), MAX_RESULT)?;
    }
    Ok(out)
}

fn put(op: &str, field: Field, value: &Dynamic, out: &mut Vec<u8>) -> Fallible<()> {
    match field {
        Field::Int { size, signed, little } => {
            let number = value.as_int().map_err(|_| mismatch("i64", value))?;
            put_int(op, number, size, signed, little, out)
        }
        Field::Float { size, little } => {
            let number = value.as_float().map_err(|_| mismatch("f64", value))?;
            let bytes = if size == 4 { (number as f32).to_be_bytes().to_vec() } else { number.to_be_bytes().to_vec() };
            put_ordered(&bytes, little, out);
            Ok(())
        }
        Field::Prefixed { size, little } => {
            let bytes = view(op, value)?;
            put_int(op, bytes.len() as INT, size, false, little, out)?;
            out.extend_from_slice(&bytes);
            Ok(())
        }
        Field::ZeroEnded => {
            let bytes = view(op, value)?;
            if bytes.contains(&0) {
                return Err(script_error(ARGUMENT, op, "a value for `z` holds a zero byte"));
            }
            out.extend_from_slice(&bytes);
            out.push(0);
            Ok(())
        }
        Field::Fixed(size) => {
            let bytes = view(op, value)?;
            if bytes.len() > size {
                return Err(script_error(ARGUMENT, op, format!("{} bytes do not fit into `c{size}`", bytes.len())));
            }
            fits(op, out.len().saturating_add(size), MAX_RESULT)?;
            out.extend_from_slice(&bytes);
            out.resize(out.len() + size - bytes.len(), 0);
            Ok(())
        }
        Field::Rest => {
            out.extend_from_slice(&view(op, value)?);
            Ok(())
        }
        Field::Padding(_) => Ok(()),
    }
}

fn put_ordered(big: &[u8], little: bool, out: &mut Vec<u8>) {
    if little { out.extend(big.iter().rev()) } else { out.extend_from_slice(big) }
}

fn put_int(op: &str, number: INT, size: usize, signed: bool, little: bool, out: &mut Vec<u8>) -> Fallible<()> {
    // Eight bytes hold every INT; `Q` takes the bits as they are, since INT has no larger unsigned form.
    let bits = 8 * size as u32;
    let holds = match (size, signed) {
        (8, _) => true,
        (_, true) => (-(1_i64 << (bits - 1))..1_i64 << (bits - 1)).contains(&number),
        (_, false) => (0..1_i64 << bits).contains(&number),
    };
    if !holds {
        let sign = if signed { "signed" } else { "unsigned" };
        return Err(script_error(ARGUMENT, op, format!("{number} does not fit into {size} {sign} bytes")));
    }
    let big = number.to_be_bytes();
    put_ordered(big.get(8 - size..).unwrap_or_default(), little, out);
    Ok(())
}

/// The values `format` finds in `data` from `offset` on, and the offset behind them.
pub fn unpack(format: &str, data: &[u8], offset: usize) -> Fallible<(Vec<Dynamic>, usize)> {
    const OP: &str = "bytes::unpack";
    let mut cursor = Cursor { data, at: offset };
    let mut values = Vec::new();
    for field in fields(OP, format)? {
        match field {
            Field::Int { size, signed, little } => {
                values.push(Dynamic::from_int(read_int(cursor.take(OP, size)?, signed, little)));
            }
            Field::Float { size, little } => {
                let bits = read_int(cursor.take(OP, size)?, false, little) as u64;
                let number = if size == 4 { f64::from(f32::from_bits(bits as u32)) } else { f64::from_bits(bits) };
                values.push(Dynamic::from_float(number));
            }
            Field::Prefixed { size, little } => {
                let length = read_int(cursor.take(OP, size)?, false, little) as usize;
                values.push(Dynamic::from_blob(cursor.take(OP, length)?.to_vec()));
            }
            Field::ZeroEnded => {
                let rest = data.get(cursor.at..).unwrap_or_default();
                let Some(end) = rest.iter().position(|byte| *byte == 0) else {
                    return Err(script_error(PROTOCOL, OP, format!("no zero byte after offset {}", cursor.at)));
                };
                values.push(Dynamic::from_blob(cursor.take(OP, end)?.to_vec()));
                cursor.take(OP, 1)?;
            }
            Field::Fixed(size) => values.push(Dynamic::from_blob(cursor.take(OP, size)?.to_vec())),
            Field::Rest => {
                let rest = data.len().saturating_sub(cursor.at);
                values.push(Dynamic::from_blob(cursor.take(OP, rest)?.to_vec()));
            }
            Field::Padding(size) => {
                cursor.take(OP, size)?;
            }
        }
    }
    Ok((values, cursor.at))
}

/// An integer of at most eight bytes; eight unsigned bytes above the largest INT come as a negative number.
pub fn read_int(bytes: &[u8], signed: bool, little: bool) -> INT {
    let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    let number = if little { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) };
    let unused = 64_u32.saturating_sub(8 * bytes.len() as u32);
    if signed && unused < 64 { (number << unused) as i64 >> unused } else { number as i64 }
}

/// The `size` bytes at `offset`, or an error that says what is missing.
pub fn part<'a>(op: &str, data: &'a [u8], offset: usize, size: usize) -> Fallible<&'a [u8]> {
    offset.checked_add(size).and_then(|end| data.get(offset..end)).ok_or_else(|| {
        let message = format!("{size} bytes at offset {offset} are beyond the end: there are {}", data.len());
        script_error(PROTOCOL, op, message)
    })
}

struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, op: &str, size: usize) -> Fallible<&'a [u8]> {
        let bytes = part(op, self.data, self.at, size)?;
        self.at += size;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(format: &str, values: &[Dynamic]) -> Vec<u8> {
        pack(format, values).expect("packs")
    }

    #[test]
    fn orders_sizes_and_signs() {
        let values = [Dynamic::from(1_i64), Dynamic::from(-2_i64), Dynamic::from(0x01_02_03_i64)];
        assert_eq!(packed(">HhT", &values), [0, 1, 255, 254, 1, 2, 3]);
        assert_eq!(packed("<HhT", &values), [1, 0, 254, 255, 3, 2, 1]);
        assert_eq!(packed("B<H >H x2", &[1_i64.into(), 1_i64.into(), 1_i64.into()]), [1, 1, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (format, value) in [("B", 256_i64), ("B", -1), ("b", 128), ("b", -129), ("H", 65536), ("I", 1 << 32)] {
            assert!(pack(format, &[value.into()]).is_err(), "{format} {value}");
        }
        assert!(pack("s1", &[Dynamic::from_blob(vec![0; 256])]).is_err());
        assert!(pack("x99999999999999999999", &[]).is_err());
        assert!(pack("s9", &["x".into()]).is_err());
        assert!(pack("B", &[]).is_err());
    }

    #[test]
    fn a_lying_length_is_an_error() {
        assert!(unpack("s4", &[255, 255, 255, 255, 1], 0).is_err());
        assert!(unpack("H", &[1], 0).is_err());
        assert!(unpack("B", &[1], usize::MAX).is_err());
        assert!(unpack("c", &[1], 5).is_err());
    }

    proptest! {
        #[test]
        fn what_was_packed_unpacks(a in any::<i64>(), b in any::<u16>(), c in proptest::collection::vec(any::<u8>(), 0..40)) {
            let values = [Dynamic::from(a), Dynamic::from(i64::from(b)), Dynamic::from_blob(c)];
            for format in ["qHs2", "<qHs4", "QHc"] {
                let bytes = packed(format, &values);
                let (back, end) = unpack(format, &bytes, 0).expect("unpacks");
                prop_assert_eq!(format!("{back:?}"), format!("{values:?}"));
                prop_assert_eq!(end, bytes.len());
            }
        }

        #[test]
        fn nothing_panics(format in "[><BHTILQbhilqfdszcx0-9 ]{0,12}", data in proptest::collection::vec(any::<u8>(), 0..40), at in 0_usize..50) {
            let _ = unpack(&format, &data, at);
        }
    }
}

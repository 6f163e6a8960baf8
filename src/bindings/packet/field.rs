//! Fields of layers by name: one table for each layer says how a field is read, set and checked.

use std::fmt::Display;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::str::FromStr;

use rhai::{Array, Blob, Dynamic, EvalAltResult, INT, ImmutableString, Map};

use crate::bindings::data;
use crate::bindings::fault::{ARGUMENT, Fallible, LIMIT, script_error};
use crate::model::MacAddr;
use crate::model::nearest::suggestion;

/// Bytes of one field; no packet carries more.
const MAX_BYTES: usize = 0xffff;
/// Elements of one list: options, chunks, records.
const MAX_LIST: usize = 1024;

/// One field of a layer `T`.
pub struct Field<T: 'static> {
    /// As scripts call it.
    pub name: &'static str,
    /// Reads it; computed values come out of the header as it is written.
    pub get: fn(&T, &Written) -> Dynamic,
    /// Sets it.
    pub set: fn(&mut T, &Given) -> Fallible<()>,
}

/// The header as `to_bytes` writes it, made when a computed field is asked for. None outside of a packet.
pub struct Written<'a>(pub &'a dyn Fn() -> Option<Vec<u8>>);

impl Written<'_> {
    /// The big-endian number in these bytes; `()` where there is no such header.
    pub fn number(&self, bytes: Range<usize>) -> Dynamic {
        let whole = (self.0)();
        let part = whole.as_deref().and_then(|whole| whole.get(bytes));
        part.map_or(Dynamic::UNIT, |part| {
            Dynamic::from_int(part.iter().fold(0, |number, byte| number << 8 | INT::from(*byte)))
        })
    }

    /// The number in these bits of one byte.
    pub fn bits(&self, at: usize, shift: u32, mask: u8) -> Dynamic {
        let whole = (self.0)();
        let byte = whole.as_deref().and_then(|whole| whole.get(at));
        byte.map_or(Dynamic::UNIT, |byte| Dynamic::from_int(INT::from(byte >> shift & mask)))
    }
}

/// What a script gave for a field.
pub struct Given<'a> {
    /// The native or layer it was given to.
    pub op: &'a str,
    /// The field.
    pub field: &'a str,
    /// The value.
    pub value: &'a Dynamic,
}

impl Given<'_> {
    /// The error that this field cannot be that.
    pub fn wrong(&self, why: impl Display) -> Box<EvalAltResult> {
        script_error(ARGUMENT, self.op, format!("{}: {why}", self.field))
    }

    /// The error that it takes `wanted`.
    fn mismatch(&self, wanted: &str) -> Box<EvalAltResult> {
        let found = self.value.type_name().rsplit("::").next().unwrap_or_default().to_owned();
        self.wrong(format!("it takes {wanted}, not {found}"))
    }

    /// Another value of the same field: an element of its list.
    pub fn part<'b>(&'b self, value: &'b Dynamic) -> Given<'b> {
        Given { op: self.op, field: self.field, value }
    }

    /// A number from 0 to `max`.
    pub fn number<T: TryFrom<INT>>(&self, max: INT) -> Fallible<T> {
        let number = self.value.as_int().map_err(|_| self.mismatch(&format!("a number from 0 to {max}")))?;
        let fitting = T::try_from(number).ok().filter(|_| (0..=max).contains(&number));
        fitting.ok_or_else(|| self.wrong(format!("{number} is not from 0 to {max}")))
    }

    /// A number, or `()` for the one that is right.
    pub fn auto<T: TryFrom<INT>>(&self, max: INT) -> Fallible<Option<T>> {
        if self.value.is_unit() { Ok(None) } else { self.number(max).map(Some) }
    }

    /// True or false.
    pub fn flag(&self) -> Fallible<bool> {
        self.value.as_bool().map_err(|_| self.mismatch("true or false"))
    }

    /// Text.
    pub fn text(&self) -> Fallible<ImmutableString> {
        self.value.as_immutable_string_ref().map(|text| text.clone()).map_err(|_| self.mismatch("text"))
    }

    fn parsed<T: FromStr>(&self, what: &str) -> Fallible<T> {
        let text = self.value.as_immutable_string_ref().map_err(|_| self.mismatch(what))?;
        text.trim().parse().map_err(|_| self.wrong(format!("\"{}\" is not {what}", text.escape_debug())))
    }

    /// An IPv4 address as text.
    pub fn v4(&self) -> Fallible<Ipv4Addr> {
        self.parsed("an IPv4 address")
    }

    /// An IPv6 address as text.
    pub fn v6(&self) -> Fallible<Ipv6Addr> {
        self.parsed("an IPv6 address")
    }

    /// A hardware address as text: `02:00:5e:10:00:01`.
    pub fn mac(&self) -> Fallible<MacAddr> {
        const WHAT: &str = "a hardware address";
        let text = self.value.as_immutable_string_ref().map_err(|_| self.mismatch(WHAT))?;
        let mut octets = text.split([':', '-']).map(|digits| {
            let hex = (1..=2).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            u8::from_str_radix(digits, 16).ok().filter(|_| hex)
        });
        let mut mac = MacAddr::default();
        let complete = mac.0.iter_mut().all(|octet| octets.next().flatten().map(|found| *octet = found).is_some());
        if complete && octets.next().is_none() {
            return Ok(mac);
        }
        Err(self.wrong(format!("\"{}\" is not {WHAT}", text.escape_debug())))
    }

    /// Bytes: a BLOB or text.
    pub fn bytes(&self) -> Fallible<Vec<u8>> {
        if !self.value.is_blob() && !self.value.is_string() {
            return Err(self.mismatch("a blob or text"));
        }
        let view = data::view(self.op, self.value)?;
        self.fits(view.len(), MAX_BYTES)?;
        Ok(view.to_vec())
    }

    /// The elements of an array.
    pub fn list(&self) -> Fallible<Array> {
        let Some(list) = self.value.read_lock::<Array>() else {
            return Err(self.mismatch("an array"));
        };
        self.fits(list.len(), MAX_LIST)?;
        Ok(list.clone())
    }

    fn fits(&self, size: usize, limit: usize) -> Fallible<()> {
        if size <= limit {
            return Ok(());
        }
        Err(script_error(LIMIT, self.op, format!("{}: size {size} is over the limit of {limit}", self.field)))
    }

    /// The fields of a map, of which only `known` are allowed.
    pub fn map(&self, known: &[&str]) -> Fallible<Map> {
        let Some(map) = self.value.read_lock::<Map>() else {
            return Err(self.mismatch("a map"));
        };
        match map.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(map.clone()),
            Some(key) => {
                let hint = suggestion(key, known.iter().copied());
                Err(self.wrong(format!("unknown field \"{}\"{hint}", key.escape_debug())))
            }
        }
    }

    /// The value of `key` in `map` as `read` takes it, or what it is without.
    pub fn member<T>(&self, map: &Map, key: &str, without: T, read: fn(&Given) -> Fallible<T>) -> Fallible<T> {
        let Some(value) = map.get(key) else { return Ok(without) };
        let name = format!("{}.{key}", self.field);
        read(&Given { op: self.op, field: &name, value })
    }
}

/// [`Given::bytes`] for [`Given::member`].
pub fn as_bytes(given: &Given) -> Fallible<Vec<u8>> {
    given.bytes()
}

/// [`Given::mac`] for [`Given::member`].
pub fn as_mac(given: &Given) -> Fallible<MacAddr> {
    given.mac()
}

/// [`Given::v6`] for [`Given::member`].
pub fn as_v6(given: &Given) -> Fallible<Ipv6Addr> {
    given.v6()
}

/// An IP or hardware address, or another value with a text form.
pub fn text(value: impl Display) -> Dynamic {
    value.to_string().into()
}

/// Bytes as scripts know them.
pub fn blob(bytes: &[u8]) -> Dynamic {
    Dynamic::from_blob(Blob::from(bytes))
}

/// A number.
pub fn int(number: impl Into<INT>) -> Dynamic {
    Dynamic::from_int(number.into())
}

/// A map of a few members.
pub fn map<const N: usize>(members: [(&str, Dynamic); N]) -> Dynamic {
    Dynamic::from_map(members.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// A field that is a number from 0 to a maximum.
macro_rules! number {
    ($name:literal, $max:expr, $field:ident) => {
        $crate::bindings::packet::field::Field {
            name: $name,
            get: |layer, _| $crate::bindings::packet::field::int(layer.$field),
            set: |layer, given| {
                layer.$field = given.number($max)?;
                Ok(())
            },
        }
    };
}

/// A field that is computed where it is not told, and the bytes of the header it stands in.
macro_rules! auto {
    ($name:literal, $max:expr, $field:ident, $bytes:expr) => {
        $crate::bindings::packet::field::Field {
            name: $name,
            get: |layer, written| {
                layer.$field.map_or_else(|| written.number($bytes), $crate::bindings::packet::field::int)
            },
            set: |layer, given| {
                layer.$field = given.auto($max)?;
                Ok(())
            },
        }
    };
}

/// A field that is true or false.
macro_rules! flag {
    ($name:literal, $field:ident) => {
        $crate::bindings::packet::field::Field {
            name: $name,
            get: |layer, _| layer.$field.into(),
            set: |layer, given| {
                layer.$field = given.flag()?;
                Ok(())
            },
        }
    };
}

/// A field that has a text form, read by one method of [`Given`].
macro_rules! address {
    ($name:literal, $read:ident, $field:ident) => {
        $crate::bindings::packet::field::Field {
            name: $name,
            get: |layer, _| $crate::bindings::packet::field::text(layer.$field),
            set: |layer, given| {
                layer.$field = given.$read()?;
                Ok(())
            },
        }
    };
}

pub(super) use {address, auto, flag, number};

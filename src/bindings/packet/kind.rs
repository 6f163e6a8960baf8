//! The kind of a message, which scripts know by name and by number.

use rhai::Dynamic;

use super::field::{Given, int};
use crate::bindings::fault::Fallible;

/// The name of a kind, or its number.
pub fn name_of(kinds: &[(&'static str, u8)], number: u8) -> Dynamic {
    kinds.iter().find(|(_, known)| *known == number).map_or_else(|| int(number), |(name, _)| (*name).into())
}

/// The number of a kind given by name or number.
pub fn kind_of(kinds: &[(&str, u8)], given: &Given) -> Fallible<u8> {
    if given.value.is_int() {
        return given.number(0xff);
    }
    let name = given.text()?;
    kinds.iter().find(|(known, _)| *known == name.as_str()).map(|(_, number)| *number).ok_or_else(|| {
        let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
        given.wrong(format!("\"{}\" is none of {}, nor a number", name.escape_debug(), names.join(", ")))
    })
}

/// The field `kind` of a message: a name of this table, or a number. It is set by this function, which fits the body to it.
macro_rules! kind {
    ($kinds:ident, $set:ident) => {
        $crate::bindings::packet::field::Field {
            name: "kind",
            get: |message, _| $crate::bindings::packet::kind::name_of(&$kinds, message.kind),
            set: |message, given| {
                $crate::bindings::packet::kind::kind_of(&$kinds, given).map(|kind| $set(message, kind))
            },
        }
    };
}

/// The field `type` of a message: its kind as the number it is on the wire.
macro_rules! kind_number {
    ($set:ident) => {
        $crate::bindings::packet::field::Field {
            name: "type",
            get: |message, _| $crate::bindings::packet::field::int(message.kind),
            set: |message, given| given.number(0xff).map(|kind| $set(message, kind)),
        }
    };
}

pub(super) use {kind, kind_number};

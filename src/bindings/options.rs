//! Options of natives: the map a script may give as the last argument.

use std::ops::RangeInclusive;

use rhai::{Dynamic, INT, ImmutableString, Map};

use super::fault::{ARGUMENT, Fallible, script_error};
use crate::model::nearest::suggestion;

/// Refuses options that do not exist: a misspelt one must not silently do nothing.
pub fn check_options(op: &str, options: &Map, known: &[&str]) -> Fallible<()> {
    match options.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let hint = suggestion(unknown, known.iter().copied());
            Err(script_error(ARGUMENT, op, format!("unknown option \"{unknown}\"{hint}")))
        }
    }
}

/// An option that is true or false.
pub fn flag(op: &str, options: &Map, name: &str, default: bool) -> Fallible<bool> {
    match options.get(name).map(Dynamic::as_bool) {
        None => Ok(default),
        Some(Ok(value)) => Ok(value),
        Some(Err(found)) => Err(script_error(ARGUMENT, op, format!("{name} is true or false, not {found}"))),
    }
}

/// An option that is text.
pub fn text(op: &str, options: &Map, name: &str) -> Fallible<Option<ImmutableString>> {
    let value = options.get(name).cloned().map(Dynamic::into_immutable_string).transpose();
    value.map_err(|found| script_error(ARGUMENT, op, format!("{name} is text, not {found}")))
}

/// An option that is a whole number within `range`.
pub fn number(op: &str, options: &Map, name: &str, range: RangeInclusive<INT>) -> Fallible<Option<INT>> {
    let Some(value) = options.get(name) else { return Ok(None) };
    let number = value.as_int().ok().filter(|number| range.contains(number));
    let (least, most) = range.into_inner();
    let wrong = || script_error(ARGUMENT, op, format!("{name} is a number from {least} to {most}, not {value}"));
    number.map(Some).ok_or_else(wrong)
}

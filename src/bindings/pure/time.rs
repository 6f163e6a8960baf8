//! The Rhai module `time`: notations of points in time. The clock is not read here.

use jiff::Timestamp;
use jiff::fmt::{rfc2822, strtime};
use jiff::tz::Offset;
use rhai::INT;
use rhai::plugin::{export_module, exported_module};

use crate::bindings::data::{Data, fits, text};
use crate::bindings::fault::{ARGUMENT, Fallible, PROTOCOL, script_error};
use crate::bindings::located;

/// Seconds from 1900-01-01, the epoch of RFC 868 and NTP, to 1970-01-01.
const EPOCH_1900: INT = 2_208_988_800;
/// Seconds from 1601-01-01, the epoch of Windows, to 1970-01-01.
const EPOCH_1601: INT = 11_644_473_600;
/// Ticks of Windows in a second.
const TICKS: INT = 10_000_000;
/// Bytes of a date.
const MAX_DATE: usize = 128;

/// The static module `time`.
pub fn module() -> rhai::Module {
    located::module(&natives::RHAI_MANIFEST, exported_module!(natives))
}

fn date_text(op: &str, data: &Data) -> Fallible<String> {
    let text = text(op, data)?;
    fits(op, text.len(), MAX_DATE)?;
    Ok(text.trim().to_owned())
}

/// The seconds found in `text`, or an error that says it is not `form`.
fn known(op: &str, seconds: Option<INT>, text: &str, form: &str) -> Fallible<INT> {
    seconds.ok_or_else(|| script_error(PROTOCOL, op, format!("`{}` is not {form}", text.escape_debug())))
}

fn timestamp(op: &str, seconds: INT) -> Fallible<Timestamp> {
    Timestamp::from_second(seconds)
        .map_err(|_| script_error(ARGUMENT, op, format!("{seconds} seconds is out of the years -9999 to 9999")))
}

fn rfc3339_seconds(text: &str) -> Option<INT> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// The three forms of RFC 9110 section 5.6.7.
fn http_seconds(text: &str) -> Option<INT> {
    let recent = rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    let obsolete = || {
        ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"].into_iter().find_map(|form| {
            let civil = strtime::parse(form, text).ok()?.to_datetime().ok()?;
            Offset::UTC.to_timestamp(civil).ok()
        })
    };
    recent.or_else(obsolete).map(Timestamp::as_second)
}

/// `1d2h3m4s` without its zero parts; `0s` for none at all.
fn duration(seconds: u64) -> String {
    let parts = [(seconds / 86_400, 'd'), (seconds / 3600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let shown: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if shown.is_empty() { "0s".to_owned() } else { shown.concat() }
}

fn shifted(op: &str, seconds: INT, by: INT) -> Fallible<INT> {
    seconds.checked_add(by).ok_or_else(|| script_error(ARGUMENT, op, format!("{seconds} is out of range")))
}

/// Points in time, as INT seconds since 1970-01-01T00:00:00Z. A date a peer sent that is none is an error `protocol`.
#[export_module(manifest)]
mod natives {
    /// The time of a date in any form the other functions know: RFC 3339, or one of HTTP and mail.
    ///
    /// ```rhai
    /// assert_eq(time::parse("1994-11-06T08:49:37Z"), 784111777);
    /// assert_eq(time::parse("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn parse(date: &mut Data) -> Fallible<INT> {
        let text = date_text("time::parse", date)?;
        let seconds = rfc3339_seconds(&text).or_else(|| http_seconds(&text));
        known("time::parse", seconds, &text, "a date of RFC 3339, HTTP or mail")
    }

    /// The time of a date as in RFC 3339; fractions are cut off.
    ///
    /// ```rhai
    /// assert_eq(time::parse_rfc3339("1970-01-01T01:00:00.5+01:00"), 0);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn parse_rfc3339(date: &mut Data) -> Fallible<INT> {
        let text = date_text("time::parse_rfc3339", date)?;
        known("time::parse_rfc3339", rfc3339_seconds(&text), &text, "a date of RFC 3339")
    }

    /// The time of a date as HTTP and mail write it (RFC 1123), or in one of its two older forms (RFC 850, asctime).
    ///
    /// ```rhai
    /// assert_eq(time::parse_http("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
    /// assert_eq(time::parse_http("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
    /// assert_eq(time::parse_http("Sun Nov  6 08:49:37 1994"), 784111777);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn parse_http(date: &mut Data) -> Fallible<INT> {
        let text = date_text("time::parse_http", date)?;
        known("time::parse_http", http_seconds(&text), &text, "an HTTP date")
    }

    /// A time as in RFC 3339, in UTC.
    ///
    /// ```rhai
    /// assert_eq(time::rfc3339(784111777), "1994-11-06T08:49:37Z");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn rfc3339(seconds: INT) -> Fallible<String> {
        Ok(timestamp("time::rfc3339", seconds)?.to_string())
    }

    /// A time as HTTP writes it (RFC 1123).
    ///
    /// ```rhai
    /// assert_eq(time::http(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn http(seconds: INT) -> Fallible<String> {
        let timestamp = timestamp("time::http", seconds)?;
        rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&timestamp)
            .map_err(|error| script_error(ARGUMENT, "time::http", error))
    }

    /// The time of a count of seconds since 1900, as in RFC 868 and in the upper half of an NTP timestamp.
    ///
    /// ```rhai
    /// assert_eq(time::from_rfc868(2208988800), 0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn from_rfc868(seconds: INT) -> Fallible<INT> {
        shifted("time::from_rfc868", seconds, -EPOCH_1900)
    }

    /// A time as a count of seconds since 1900.
    ///
    /// ```rhai
    /// assert_eq(time::to_rfc868(0), 2208988800);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn to_rfc868(seconds: INT) -> Fallible<INT> {
        shifted("time::to_rfc868", seconds, EPOCH_1900)
    }

    /// The time of a Windows timestamp: units of 100 ns since 1601, as in SMB and NTLM.
    ///
    /// ```rhai
    /// assert_eq(time::from_filetime(116444736000000000), 0);
    /// ```
    pub fn from_filetime(ticks: INT) -> INT {
        ticks.div_euclid(TICKS) - EPOCH_1601
    }

    /// How far the first time is from the second, with its sign, for people.
    ///
    /// ```rhai
    /// assert_eq(time::diff(3600, 0), "+1h");
    /// assert_eq(time::diff(0, 90), "-1m30s");
    /// assert_eq(time::diff(5, 5), "0s");
    /// ```
    pub fn diff(first: INT, second: INT) -> String {
        let sign = match first.cmp(&second) {
            std::cmp::Ordering::Less => "-",
            std::cmp::Ordering::Equal => "",
            std::cmp::Ordering::Greater => "+",
        };
        format!("{sign}{}", duration(first.abs_diff(second)))
    }

    /// A length of time for people: days, hours, minutes, seconds, without the zero ones.
    ///
    /// ```rhai
    /// assert_eq(time::format(93784), "1d2h3m4s");
    /// assert_eq(time::format(-60), "-1m");
    /// ```
    pub fn format(seconds: INT) -> String {
        let sign = if seconds < 0 { "-" } else { "" };
        format!("{sign}{}", duration(seconds.unsigned_abs()))
    }
}

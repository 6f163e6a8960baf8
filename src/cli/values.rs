//! Values of options: text in, typed value or the reason out.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::model::Shard;

/// Longest time an option may give: a year. What is longer is a slip, and would overflow sums of times.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// Most bytes added to a probe: with all headers they stay below the 1500 of an Ethernet frame.
const MOST_DATA: u16 = 1400;

/// Why a value is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    /// Completes "`--option 'value'`: …".
    pub(super) problem: &'static str,
    /// What to write.
    pub(super) remedy: &'static str,
}

const NOT_A_TIME: Fault =
    Fault { problem: "not a time", remedy: "write a time such as 500ms, 30s, 5m or 1h; a bare number is seconds" };
const TOO_LONG: Fault = Fault { problem: "longer than a year", remedy: "write a time such as 500ms, 30s, 5m or 1h" };
const ZERO_TIME: Fault =
    Fault { problem: "zero is not a usable time", remedy: "write a longer time such as 500ms or 30s" };
const NOT_A_SIZE: Fault = Fault { problem: "not a size", remedy: "write bytes, or a size such as 64k, 16m or 1g" };
const NOT_A_NUMBER: Fault = Fault { problem: "not a whole number", remedy: "write digits only, such as 100" };
const ZERO: Fault = Fault { problem: "zero is not usable", remedy: "write at least 1" };
const TOO_LARGE: Fault = Fault { problem: "too large", remedy: "write a smaller number" };
const NOT_A_RATE: Fault = Fault { problem: "not a rate", remedy: "write a number per second such as 100 or 0.5" };
const NOT_A_SERVER: Fault = Fault {
    problem: "not a list of name servers",
    remedy: "write addresses such as 192.0.2.53 or [2001:db8::53]:5353",
};
const NOT_A_SEED: Fault =
    Fault { problem: "not a seed", remedy: "write a number below 2^64, decimal or 0x and hexadecimal" };

/// A time, zero included: `500ms`, `30s`, `5m`, `1h`, `1.5` (seconds).
pub(super) fn time(text: &str) -> Result<Duration, Fault> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match text.get(digits.len()..) {
        Some("ms") => 0.001,
        Some("" | "s") => 1.0,
        Some("m") => 60.0,
        Some("h") => 3600.0,
        _ => return Err(NOT_A_TIME),
    };
    let number = decimal(digits).ok_or(NOT_A_TIME)?;
    match Duration::try_from_secs_f64(number * seconds) {
        Ok(time) if time <= LONGEST => Ok(time),
        _ => Err(TOO_LONG),
    }
}

/// A time above zero.
pub(super) fn positive_time(text: &str) -> Result<Duration, Fault> {
    time(text).and_then(|time| if time.is_zero() { Err(ZERO_TIME) } else { Ok(time) })
}

/// Bytes above zero; `k`, `m`, `g` are powers of 1024.
pub(super) fn size(text: &str) -> Result<u64, Fault> {
    scaled(text, 1024, NOT_A_SIZE)
}

/// A count above zero; `k`, `m`, `g` are powers of 1000.
pub(super) fn count(text: &str) -> Result<u64, Fault> {
    scaled(text, 1000, NOT_A_NUMBER)
}

/// A whole number, zero included.
pub(super) fn number(text: &str) -> Result<u32, Fault> {
    match digits(text)? {
        Some(number) => u32::try_from(number).map_err(|_| TOO_LARGE),
        None => Err(NOT_A_NUMBER),
    }
}

/// A whole number above zero.
pub(super) fn positive(text: &str) -> Result<u32, Fault> {
    number(text).and_then(|number| if number == 0 { Err(ZERO) } else { Ok(number) })
}

/// A number of ports, 1 to 65535.
pub(super) fn port_count(text: &str) -> Result<u16, Fault> {
    let too_many = Fault { problem: "more than there are ports", remedy: "write 1 to 65535" };
    positive(text).and_then(|number| u16::try_from(number).map_err(|_| too_many))
}

/// A port, 1 to 65535.
pub(super) fn port(text: &str) -> Result<u16, Fault> {
    let fault = Fault { problem: "not a port", remedy: "write a number from 1 to 65535" };
    positive(text).ok().and_then(|number| u16::try_from(number).ok()).ok_or(fault)
}

/// A time to live or hop limit, 1 to 255.
pub(super) fn ttl(text: &str) -> Result<u8, Fault> {
    let fault = Fault { problem: "not a time to live", remedy: "write a number from 1 to 255" };
    positive(text).ok().and_then(|number| u8::try_from(number).ok()).ok_or(fault)
}

/// Bytes added to a probe, which has to stay within one packet.
pub(super) fn data_length(text: &str) -> Result<u16, Fault> {
    let too_long = Fault { problem: "more than one packet holds", remedy: "write a number from 0 to 1400" };
    number(text).and_then(|number| u16::try_from(number).ok().filter(|bytes| *bytes <= MOST_DATA).ok_or(too_long))
}

/// Events per second, fractions allowed, above zero.
pub(super) fn rate(text: &str) -> Result<f64, Fault> {
    match decimal(text) {
        None => Err(NOT_A_RATE),
        Some(rate) if rate > 1e9 => Err(TOO_LARGE),
        Some(rate) if rate < 1e-6 => Err(Fault { problem: "zero is not a usable rate", ..NOT_A_RATE }),
        Some(rate) => Ok(rate),
    }
}

/// A seed, decimal or `0x`.
pub(super) fn seed(text: &str) -> Result<u64, Fault> {
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |digits| (digits, 16));
    // `from_str_radix` would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(NOT_A_SEED);
    }
    u64::from_str_radix(digits, radix).map_err(|_| NOT_A_SEED)
}

/// One part of several: `2/5`.
pub(super) fn shard(text: &str) -> Result<Shard, Fault> {
    let fault = Fault { problem: "not a shard", remedy: "write which of how many, as in 1/4 to 4/4" };
    let (index, of) = text.split_once('/').ok_or(fault)?;
    let (index, of) = (number(index).map_err(|_| fault)?, number(of).map_err(|_| fault)?);
    if index == 0 || index > of {
        return Err(Fault { problem: "there is no such part", ..fault });
    }
    Ok(Shard { index, of })
}

/// Name servers, `address` (port 53), `address:port` or `[address]:port`, separated by commas.
pub(super) fn servers(text: &str) -> Result<Vec<SocketAddr>, Fault> {
    text.split(',')
        .map(|server| {
            let server = server.trim();
            let alone = server.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
            alone.or_else(|_| server.parse()).map_err(|_| NOT_A_SERVER)
        })
        .collect()
}

/// Digits with at most one point: no sign, exponent, infinity or NaN.
fn decimal(text: &str) -> Option<f64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    text.parse().ok()
}

/// `None` if the text is not digits.
fn digits(text: &str) -> Result<Option<u64>, Fault> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| TOO_LARGE)
}

fn scaled(text: &str, base: u64, fault: Fault) -> Result<u64, Fault> {
    let (head, power) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (text.get(..at), 1),
        Some((at, 'm' | 'M')) => (text.get(..at), 2),
        Some((at, 'g' | 'G')) => (text.get(..at), 3),
        _ => (Some(text), 0),
    };
    let number = digits(head.unwrap_or_default())?.ok_or(fault)?;
    match number.checked_mul(base.pow(power)) {
        Some(0) => Err(ZERO),
        Some(scaled) => Ok(scaled),
        None => Err(TOO_LARGE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_suffixes() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("2", 2_000),
            ("1.5", 1_500),
            ("0", 0),
            (".5s", 500),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "1d", "-1", "+1", "1e3", "inf", "nan", "1 s", "1..2", "5sm", "1µs", "."] {
            assert_eq!(time(text), Err(NOT_A_TIME), "{text}");
        }
        assert_eq!(time("99999999999999999999999999h"), Err(TOO_LONG));
        assert_eq!(positive_time("0ms"), Err(ZERO_TIME));
    }

    #[test]
    fn sizes_and_counts_have_suffixes() {
        assert_eq!(size("64k"), Ok(65_536));
        assert_eq!(size("1G"), Ok(1 << 30));
        assert_eq!(count("200m"), Ok(200_000_000));
        assert_eq!(count("7"), Ok(7));
        assert_eq!(size("0k"), Err(ZERO));
        assert_eq!(size("k"), Err(NOT_A_SIZE));
        assert_eq!(size("1t"), Err(NOT_A_SIZE));
        assert_eq!(size("1é"), Err(NOT_A_SIZE));
        assert_eq!(size("18446744073709551615k"), Err(TOO_LARGE));
        assert_eq!(size("99999999999999999999"), Err(TOO_LARGE));
    }

    #[test]
    fn numbers_are_plain_digits() {
        assert_eq!(number("0"), Ok(0));
        assert_eq!(number("4294967296"), Err(TOO_LARGE));
        assert_eq!(number("+1"), Err(NOT_A_NUMBER));
        assert_eq!(positive("0"), Err(ZERO));
        assert_eq!(port_count("65535"), Ok(65_535));
        assert!(port_count("65536").is_err());
        assert_eq!((port("1"), port("65535"), ttl("255")), (Ok(1), Ok(65_535), Ok(255)));
        assert_eq!((data_length("0"), data_length("1400")), (Ok(0), Ok(1400)));
        assert!(port("0").is_err() && port("65536").is_err() && ttl("0").is_err() && ttl("256").is_err());
        assert!(data_length("1401").is_err() && data_length("-1").is_err());
        assert_eq!(seed("0xff"), Ok(255));
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(seed("+5"), Err(NOT_A_SEED));
        assert_eq!(seed("0x"), Err(NOT_A_SEED));
        assert!(rate("0.5").is_ok_and(|rate| (rate - 0.5).abs() < 1e-9));
        assert_eq!(rate("1e3"), Err(NOT_A_RATE));
        assert!(rate("0").is_err());
    }

    #[test]
    fn servers_have_ports() {
        let found = servers("192.0.2.53,127.0.0.1:5353,[::1]:54,2001:db8::1").unwrap_or_default();
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["192.0.2.53:53", "127.0.0.1:5353", "[::1]:54", "[2001:db8::1]:53"]);
        assert_eq!(servers("ns.example"), Err(NOT_A_SERVER));
        assert_eq!(servers(""), Err(NOT_A_SERVER));
    }
}

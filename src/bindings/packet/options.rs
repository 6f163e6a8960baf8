//! Options of IPv4, IPv6 and TCP as scripts see them: a word, or a map named by its first key.

use std::net::Ipv4Addr;

use rhai::{Array, Dynamic, Map};

use super::field::{Given, as_bytes, blob, int, map, text};
use crate::bindings::fault::Fallible;
use crate::packet::{Ipv4Option, Ipv6Option, Route, TcpOption, Timestamps};

/// Slots for addresses in one header.
const MAX_SLOTS: i64 = 9;

/// The word of an option that has no parts; none for a map.
fn word(given: &Given) -> Fallible<Option<String>> {
    if given.value.is_map() { Ok(None) } else { Ok(Some(given.text()?.to_lowercase())) }
}

/// Kind and data of an option nobody knows, or bytes as they are.
enum Plain {
    Other(u8, Vec<u8>),
    Raw(Vec<u8>),
}

fn plain(given: &Given, fields: &Map) -> Fallible<Plain> {
    if fields.contains_key("raw") {
        return Ok(Plain::Raw(given.member(fields, "raw", Vec::new(), as_bytes)?));
    }
    if !fields.contains_key("kind") {
        return Err(given.wrong("an option is a word or a map that names it: see the reference of packet"));
    }
    let kind = given.member(fields, "kind", 0, |given| given.number(0xff))?;
    Ok(Plain::Other(kind, given.member(fields, "data", Vec::new(), as_bytes)?))
}

fn other(kind: u8, data: &[u8]) -> Dynamic {
    map([("kind", int(kind)), ("data", blob(data))])
}

fn raw(bytes: &[u8]) -> Dynamic {
    map([("raw", blob(bytes))])
}

/// An IPv4 option for scripts.
pub fn ipv4(option: &Ipv4Option) -> Dynamic {
    let route = |name: &str, route: &Route| {
        let slots: Array = route.slots.iter().map(text).collect();
        map([(name, slots.into()), ("pointer", int(route.pointer))])
    };
    match option {
        Ipv4Option::End => "eol".into(),
        Ipv4Option::Nop => "nop".into(),
        Ipv4Option::RecordRoute(slots) => route("record_route", slots),
        Ipv4Option::LooseSource(slots) => route("lsrr", slots),
        Ipv4Option::StrictSource(slots) => route("ssrr", slots),
        Ipv4Option::Timestamp(times) => timestamps(times),
        Ipv4Option::RouterAlert(value) => map([("router_alert", int(*value))]),
        Ipv4Option::Other { kind, data } => other(*kind, data),
        Ipv4Option::Raw(bytes) => raw(bytes),
    }
}

fn timestamps(times: &Timestamps) -> Dynamic {
    let entry = |(address, time): &(Option<Ipv4Addr>, u32)| -> Dynamic {
        let pair: Array = vec![address.map_or(Dynamic::UNIT, text), int(*time)];
        pair.into()
    };
    let entries: Array = times.entries.iter().map(entry).collect();
    map([
        ("timestamp", entries.into()),
        ("flag", int(times.flag)),
        ("pointer", int(times.pointer)),
        ("overflow", int(times.overflow)),
    ])
}

/// An IPv4 option out of a script.
pub fn to_ipv4(given: &Given) -> Fallible<Ipv4Option> {
    match word(given)?.as_deref() {
        Some("eol") => return Ok(Ipv4Option::End),
        Some("nop") => return Ok(Ipv4Option::Nop),
        Some(_) => return Err(given.wrong("the only options without a map are nop and eol")),
        None => {}
    }
    let known = [
        "record_route",
        "lsrr",
        "ssrr",
        "timestamp",
        "router_alert",
        "pointer",
        "flag",
        "overflow",
        "kind",
        "data",
        "raw",
    ];
    let fields = given.map(&known)?;
    for (name, kind) in [
        ("record_route", Ipv4Option::RecordRoute as fn(Route) -> Ipv4Option),
        ("lsrr", Ipv4Option::LooseSource),
        ("ssrr", Ipv4Option::StrictSource),
    ] {
        if fields.contains_key(name) {
            let slots = given.member(&fields, name, Vec::new(), slots)?;
            let pointer = given.member(&fields, "pointer", 4, |given| given.number(0xff))?;
            return Ok(kind(Route { pointer, slots }));
        }
    }
    if fields.contains_key("timestamp") {
        return Ok(Ipv4Option::Timestamp(to_timestamps(given, &fields)?));
    }
    if fields.contains_key("router_alert") {
        let value = given.member(&fields, "router_alert", 0, |given| given.number(0xffff))?;
        return Ok(Ipv4Option::RouterAlert(value));
    }
    Ok(match plain(given, &fields)? {
        Plain::Other(kind, data) => Ipv4Option::Other { kind, data },
        Plain::Raw(bytes) => Ipv4Option::Raw(bytes),
    })
}

/// A count of empty slots, or the addresses in them.
fn slots(given: &Given) -> Fallible<Vec<Ipv4Addr>> {
    if given.value.is_int() {
        let count: usize = given.number(MAX_SLOTS)?;
        return Ok(vec![Ipv4Addr::UNSPECIFIED; count]);
    }
    given.list()?.iter().map(|slot| given.part(slot).v4()).collect()
}

fn to_timestamps(given: &Given, fields: &Map) -> Fallible<Timestamps> {
    fn entries(given: &Given) -> Fallible<Vec<(Option<Ipv4Addr>, u32)>> {
        if given.value.is_int() {
            let count: usize = given.number(MAX_SLOTS)?;
            return Ok(vec![(None, 0); count]);
        }
        given.list()?.iter().map(|item| entry(&given.part(item))).collect()
    }
    fn entry(given: &Given) -> Fallible<(Option<Ipv4Addr>, u32)> {
        let [address, time] = given.list()?.try_into().map_err(|_| given.wrong("an entry is [address or (), time]"))?;
        let address = if address.is_unit() { None } else { Some(given.part(&address).v4()?) };
        Ok((address, given.part(&time).number(0xffff_ffff)?))
    }
    Ok(Timestamps {
        entries: given.member(fields, "timestamp", Vec::new(), entries)?,
        flag: given.member(fields, "flag", 0, |given| given.number(15))?,
        pointer: given.member(fields, "pointer", 5, |given| given.number(0xff))?,
        overflow: given.member(fields, "overflow", 0, |given| given.number(15))?,
    })
}

/// An IPv6 option for scripts.
pub fn ipv6(option: &Ipv6Option) -> Dynamic {
    match option {
        Ipv6Option::Pad1 => "pad1".into(),
        Ipv6Option::PadN(data) => map([("padn", blob(data))]),
        Ipv6Option::RouterAlert(value) => map([("router_alert", int(*value))]),
        Ipv6Option::Jumbo(length) => map([("jumbo", int(*length))]),
        Ipv6Option::Other { kind, data } => other(*kind, data),
        Ipv6Option::Raw(bytes) => raw(bytes),
    }
}

/// An IPv6 option out of a script.
pub fn to_ipv6(given: &Given) -> Fallible<Ipv6Option> {
    match word(given)?.as_deref() {
        Some("pad1") => return Ok(Ipv6Option::Pad1),
        Some(_) => return Err(given.wrong("the only option without a map is pad1")),
        None => {}
    }
    let fields = given.map(&["padn", "router_alert", "jumbo", "kind", "data", "raw"])?;
    if fields.contains_key("padn") {
        return given.member(&fields, "padn", Vec::new(), as_bytes).map(Ipv6Option::PadN);
    }
    if fields.contains_key("router_alert") {
        let value = given.member(&fields, "router_alert", 0, |given| given.number(0xffff))?;
        return Ok(Ipv6Option::RouterAlert(value));
    }
    if fields.contains_key("jumbo") {
        return given.member(&fields, "jumbo", 0, |given| given.number(0xffff_ffff)).map(Ipv6Option::Jumbo);
    }
    Ok(match plain(given, &fields)? {
        Plain::Other(kind, data) => Ipv6Option::Other { kind, data },
        Plain::Raw(bytes) => Ipv6Option::Raw(bytes),
    })
}

/// A TCP option for scripts.
pub fn tcp(option: &TcpOption) -> Dynamic {
    let pair = |(first, second): (u32, u32)| -> Dynamic { vec![int(first), int(second)].into() };
    match option {
        TcpOption::End => "eol".into(),
        TcpOption::Nop => "nop".into(),
        TcpOption::SackPermitted => "sack_ok".into(),
        TcpOption::Mss(size) => map([("mss", int(*size))]),
        TcpOption::WindowScale(shift) => map([("wscale", int(*shift))]),
        TcpOption::Timestamps { value, echo } => map([("ts", pair((*value, *echo)))]),
        TcpOption::Sack(blocks) => map([("sack", blocks.iter().copied().map(pair).collect::<Array>().into())]),
        TcpOption::Other { kind, data } => other(*kind, data),
        TcpOption::Raw(bytes) => raw(bytes),
    }
}

/// A TCP option out of a script.
pub fn to_tcp(given: &Given) -> Fallible<TcpOption> {
    match word(given)?.as_deref() {
        Some("eol") => return Ok(TcpOption::End),
        Some("nop") => return Ok(TcpOption::Nop),
        Some("sack_ok") => return Ok(TcpOption::SackPermitted),
        Some(_) => return Err(given.wrong("the only options without a map are nop, eol and sack_ok")),
        None => {}
    }
    let fields = given.map(&["mss", "wscale", "ts", "sack", "kind", "data", "raw"])?;
    if fields.contains_key("mss") {
        return given.member(&fields, "mss", 0, |given| given.number(0xffff)).map(TcpOption::Mss);
    }
    if fields.contains_key("wscale") {
        return given.member(&fields, "wscale", 0, |given| given.number(0xff)).map(TcpOption::WindowScale);
    }
    if fields.contains_key("ts") {
        let (value, echo) = given.member(&fields, "ts", (0, 0), pair)?;
        return Ok(TcpOption::Timestamps { value, echo });
    }
    if fields.contains_key("sack") {
        let blocks = |given: &Given| given.list()?.iter().map(|block| pair(&given.part(block))).collect();
        return given.member(&fields, "sack", Vec::new(), blocks).map(TcpOption::Sack);
    }
    Ok(match plain(given, &fields)? {
        Plain::Other(kind, data) => TcpOption::Other { kind, data },
        Plain::Raw(bytes) => TcpOption::Raw(bytes),
    })
}

/// An array of two numbers.
fn pair(given: &Given) -> Fallible<(u32, u32)> {
    let [first, second] = given.list()?.try_into().map_err(|_| given.wrong("it takes an array of two numbers"))?;
    Ok((given.part(&first).number(0xffff_ffff)?, given.part(&second).number(0xffff_ffff)?))
}

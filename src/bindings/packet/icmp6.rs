//! Fields of ICMP for IPv6, neighbour and listener discovery among them.

use std::net::Ipv6Addr;

use rhai::{Array, Dynamic};

use super::PacketValue;
use super::field::{Field, Given, as_bytes, as_mac, as_v6, auto, blob, int, map, number, text};
use super::igmp::{records, to_records};
use super::kind::{kind, kind_number};
use crate::bindings::fault::Fallible;
use crate::model::MacAddr;
use crate::packet::{Icmpv6, Icmpv6Body, NeighborOption};

/// Names of the kinds scripts meet.
const KINDS: [(&str, u8); 15] = [
    ("unreachable", 1),
    ("too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo", 128),
    ("echo-reply", 129),
    ("listener-query", 130),
    ("listener-report", 131),
    ("listener-done", 132),
    ("router-solicitation", 133),
    ("router-advertisement", 134),
    ("neighbor-solicitation", 135),
    ("neighbor-advertisement", 136),
    ("redirect", 137),
    ("listener-report-2", 143),
];

/// A number in the body of some kinds: a field that is `()` in all others.
macro_rules! body_number {
    ($name:literal, $max:expr, $only:literal, $($pattern:pat_param)|+ => $field:ident) => {
        Field {
            name: $name,
            get: |message, _| match &message.body {
                $($pattern)|+ => int(*$field),
                _ => Dynamic::UNIT,
            },
            set: |message, given| match &mut message.body {
                $($pattern)|+ => given.number($max).map(|number| *$field = number),
                _ => Err(given.wrong(concat!("only ", $only, " has it"))),
            },
        }
    };
}

/// An address in the body of some kinds.
macro_rules! body_address {
    ($name:literal, $only:literal, $($pattern:pat_param)|+ => $field:ident) => {
        Field {
            name: $name,
            get: |message, _| match &message.body {
                $($pattern)|+ => text($field),
                _ => Dynamic::UNIT,
            },
            set: |message, given| match &mut message.body {
                $($pattern)|+ => given.v6().map(|address| *$field = address),
                _ => Err(given.wrong(concat!("only ", $only, " has it"))),
            },
        }
    };
}

/// Fields of `ICMPv6`. A field of another kind of message is `()`.
pub const ICMP6: &[Field<Icmpv6>] = &[
    kind!(KINDS, set_kind),
    kind_number!(set_kind),
    number!("code", 0xff, code),
    auto!("checksum", 0xffff, checksum, 2..4),
    body_number!("id", 0xffff, "an echo", Icmpv6Body::Echo { id, .. } => id),
    body_number!("seq", 0xffff, "an echo", Icmpv6Body::Echo { sequence, .. } => sequence),
    body_number!("mtu", 0xffff_ffff, "too-big", Icmpv6Body::TooBig { mtu } => mtu),
    body_number!("pointer", 0xffff_ffff, "parameter-problem", Icmpv6Body::ParameterProblem { pointer } => pointer),
    body_address!("target", "a neighbor message or a redirect",
        Icmpv6Body::Neighbor { target, .. } | Icmpv6Body::Redirect { target, .. } => target),
    body_address!("destination", "redirect", Icmpv6Body::Redirect { destination, .. } => destination),
    neighbor_flag("router", |message, _| flag(message, ROUTER), |message, given| set_flag(message, given, ROUTER)),
    neighbor_flag(
        "solicited",
        |message, _| flag(message, SOLICITED),
        |message, given| set_flag(message, given, SOLICITED),
    ),
    neighbor_flag(
        "override",
        |message, _| flag(message, OVERRIDE),
        |message, given| set_flag(message, given, OVERRIDE),
    ),
    body_number!("hop_limit", 0xff, "router-advertisement",
        Icmpv6Body::RouterAdvertisement { hop_limit, .. } => hop_limit),
    body_number!("flags", 0xff, "router-advertisement", Icmpv6Body::RouterAdvertisement { flags, .. } => flags),
    body_number!("lifetime", 0xffff, "router-advertisement",
        Icmpv6Body::RouterAdvertisement { lifetime, .. } => lifetime),
    body_number!("reachable", 0xffff_ffff, "router-advertisement",
        Icmpv6Body::RouterAdvertisement { reachable, .. } => reachable),
    body_number!("retransmit", 0xffff_ffff, "router-advertisement",
        Icmpv6Body::RouterAdvertisement { retransmit, .. } => retransmit),
    body_number!("delay", 0xffff, "a listener message", Icmpv6Body::Listener { delay, .. } => delay),
    body_address!("group", "a listener message", Icmpv6Body::Listener { group, .. } => group),
    Field {
        name: "records",
        get: |message, _| match &message.body {
            Icmpv6Body::ListenerReport { records: list, .. } => records(list),
            _ => Dynamic::UNIT,
        },
        set: |message, given| match &mut message.body {
            Icmpv6Body::ListenerReport { records: list, .. } => {
                to_records(given, |given| given.v6().map(Into::into)).map(|records| *list = records)
            }
            _ => Err(given.wrong("only listener-report-2 has it")),
        },
    },
    Field {
        name: "options",
        get: |message, _| match options(&message.body) {
            Some(list) => list.iter().map(option).collect::<Array>().into(),
            None => Dynamic::UNIT,
        },
        set: set_options,
    },
    Field {
        name: "rest",
        get: |_, written| written.number(4..8),
        set: |message, given| match &mut message.body {
            Icmpv6Body::Other(rest) => given.number(0xffff_ffff).map(|number: u32| *rest = number.to_be_bytes()),
            _ => Err(given.wrong("this kind has fields of its own there")),
        },
    },
    Field {
        name: "quoted",
        get: |message, _| PacketValue::optional(message.quoted.as_deref()),
        set: |message, given| PacketValue::given(given).map(|quoted| message.quoted = quoted),
    },
];

const ROUTER: u32 = 0x8000_0000;
const SOLICITED: u32 = 0x4000_0000;
const OVERRIDE: u32 = 0x2000_0000;

/// A flag of neighbour advertisements.
const fn neighbor_flag(
    name: &'static str,
    get: fn(&Icmpv6, &super::field::Written) -> Dynamic,
    set: fn(&mut Icmpv6, &Given) -> Fallible<()>,
) -> Field<Icmpv6> {
    Field { name, get, set }
}

fn flag(message: &Icmpv6, bit: u32) -> Dynamic {
    match message.body {
        Icmpv6Body::Neighbor { flags, .. } => (flags & bit != 0).into(),
        _ => Dynamic::UNIT,
    }
}

fn set_flag(message: &mut Icmpv6, given: &Given, bit: u32) -> Fallible<()> {
    match &mut message.body {
        Icmpv6Body::Neighbor { flags, .. } => {
            given.flag().map(|set| *flags = if set { *flags | bit } else { *flags & !bit })
        }
        _ => Err(given.wrong("only a neighbor message has it")),
    }
}

/// An echo request, for a builder to start from.
pub fn echo() -> Icmpv6 {
    Icmpv6::new(128, 0, Icmpv6Body::Echo { id: 0, sequence: 0 })
}

/// Another kind begins empty, unless its fields are those of the kind before.
fn set_kind(message: &mut Icmpv6, kind: u8) {
    message.kind = kind;
    let (zero, options) = (Ipv6Addr::UNSPECIFIED, Vec::new());
    let empty = match kind {
        2 => Icmpv6Body::TooBig { mtu: 0 },
        4 => Icmpv6Body::ParameterProblem { pointer: 0 },
        128 | 129 => Icmpv6Body::Echo { id: 0, sequence: 0 },
        130..=132 => Icmpv6Body::Listener { delay: 0, reserved: 0, group: zero },
        133 => Icmpv6Body::RouterSolicitation { reserved: 0, options },
        134 => Icmpv6Body::RouterAdvertisement {
            hop_limit: 64,
            flags: 0,
            lifetime: 0,
            reachable: 0,
            retransmit: 0,
            options,
        },
        135 | 136 => Icmpv6Body::Neighbor { flags: 0, target: zero, options },
        137 => Icmpv6Body::Redirect { reserved: 0, target: zero, destination: zero, options },
        143 => Icmpv6Body::ListenerReport { reserved: 0, count: None, records: Vec::new() },
        _ => Icmpv6Body::Other([0; 4]),
    };
    if std::mem::discriminant(&empty) != std::mem::discriminant(&message.body) {
        message.body = empty;
    }
}

fn options(body: &Icmpv6Body) -> Option<&Vec<NeighborOption>> {
    match body {
        Icmpv6Body::RouterSolicitation { options, .. }
        | Icmpv6Body::RouterAdvertisement { options, .. }
        | Icmpv6Body::Neighbor { options, .. }
        | Icmpv6Body::Redirect { options, .. } => Some(options),
        _ => None,
    }
}

fn set_options(message: &mut Icmpv6, given: &Given) -> Fallible<()> {
    match &mut message.body {
        Icmpv6Body::RouterSolicitation { options, .. }
        | Icmpv6Body::RouterAdvertisement { options, .. }
        | Icmpv6Body::Neighbor { options, .. }
        | Icmpv6Body::Redirect { options, .. } => {
            *options = given.list()?.iter().map(|item| to_option(&given.part(item))).collect::<Fallible<_>>()?;
            Ok(())
        }
        _ => Err(given.wrong("only router and neighbor messages and redirects have it")),
    }
}

fn option(option: &NeighborOption) -> Dynamic {
    match option {
        NeighborOption::SourceLink(mac) => map([("source_link", text(mac))]),
        NeighborOption::TargetLink(mac) => map([("target_link", text(mac))]),
        NeighborOption::Prefix { length, flags, valid, preferred, prefix, .. } => map([
            ("prefix", text(prefix)),
            ("length", int(*length)),
            ("flags", int(*flags)),
            ("valid", int(*valid)),
            ("preferred", int(*preferred)),
        ]),
        NeighborOption::Mtu { mtu, .. } => map([("mtu", int(*mtu))]),
        NeighborOption::Other { kind, data } => map([("kind", int(*kind)), ("data", blob(data))]),
        NeighborOption::Raw(bytes) => map([("raw", blob(bytes))]),
    }
}

fn to_option(given: &Given) -> Fallible<NeighborOption> {
    let fields = given.map(&[
        "source_link",
        "target_link",
        "prefix",
        "length",
        "flags",
        "valid",
        "preferred",
        "mtu",
        "kind",
        "data",
        "raw",
    ])?;
    let has = |key: &str| fields.contains_key(key);
    if has("source_link") {
        return given.member(&fields, "source_link", MacAddr::default(), as_mac).map(NeighborOption::SourceLink);
    }
    if has("target_link") {
        return given.member(&fields, "target_link", MacAddr::default(), as_mac).map(NeighborOption::TargetLink);
    }
    if has("prefix") {
        return Ok(NeighborOption::Prefix {
            prefix: given.member(&fields, "prefix", Ipv6Addr::UNSPECIFIED, as_v6)?,
            length: given.member(&fields, "length", 64, |given| given.number(0xff))?,
            flags: given.member(&fields, "flags", 0, |given| given.number(0xff))?,
            valid: given.member(&fields, "valid", 0, |given| given.number(0xffff_ffff))?,
            preferred: given.member(&fields, "preferred", 0, |given| given.number(0xffff_ffff))?,
            reserved: 0,
        });
    }
    if has("mtu") {
        let mtu = given.member(&fields, "mtu", 0, |given| given.number(0xffff_ffff))?;
        return Ok(NeighborOption::Mtu { reserved: 0, mtu });
    }
    if has("raw") {
        return given.member(&fields, "raw", Vec::new(), as_bytes).map(NeighborOption::Raw);
    }
    if !has("kind") {
        return Err(given.wrong("an option is a map that names it: see the reference of packet"));
    }
    let kind = given.member(&fields, "kind", 0, |given| given.number(0xff))?;
    Ok(NeighborOption::Other { kind, data: given.member(&fields, "data", Vec::new(), as_bytes)? })
}

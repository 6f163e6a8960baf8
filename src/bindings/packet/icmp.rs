//! Fields of ICMP for IPv4.

use std::net::Ipv4Addr;

use rhai::{Dynamic, INT};

use super::PacketValue;
use super::field::{Field, Given, auto, int, number, text};
use super::kind::{kind, kind_number};
use crate::bindings::fault::Fallible;
use crate::packet::{Icmpv4, Icmpv4Body};

/// Names of the kinds scripts meet.
const KINDS: [(&str, u8); 10] = [
    ("echo-reply", 0),
    ("unreachable", 3),
    ("redirect", 5),
    ("echo", 8),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp", 13),
    ("timestamp-reply", 14),
    ("mask", 17),
    ("mask-reply", 18),
];

/// Fields of ICMP. A field of another kind of message is `()`.
pub const ICMP: &[Field<Icmpv4>] = &[
    kind!(KINDS, set_kind),
    kind_number!(set_kind),
    number!("code", 0xff, code),
    auto!("checksum", 0xffff, checksum, 2..4),
    Field {
        name: "id",
        get: |message, _| query(&message.body).map_or(Dynamic::UNIT, |(id, _)| int(id)),
        set: |message, given| set_query(message, given, |id, _| id),
    },
    Field {
        name: "seq",
        get: |message, _| query(&message.body).map_or(Dynamic::UNIT, |(_, sequence)| int(sequence)),
        set: |message, given| set_query(message, given, |_, sequence| sequence),
    },
    Field {
        name: "originate",
        get: |message, _| time(message, |[originate, _, _]| originate),
        set: |message, given| set_time(message, given, |[originate, _, _]| originate),
    },
    Field {
        name: "receive",
        get: |message, _| time(message, |[_, receive, _]| receive),
        set: |message, given| set_time(message, given, |[_, receive, _]| receive),
    },
    Field {
        name: "transmit",
        get: |message, _| time(message, |[_, _, transmit]| transmit),
        set: |message, given| set_time(message, given, |[_, _, transmit]| transmit),
    },
    Field {
        name: "mask",
        get: |message, _| match message.body {
            Icmpv4Body::Mask { mask, .. } => text(mask),
            _ => Dynamic::UNIT,
        },
        set: |message, given| match &mut message.body {
            Icmpv4Body::Mask { mask, .. } => given.v4().map(|address| *mask = address),
            _ => Err(given.wrong("only mask and mask-reply have it")),
        },
    },
    Field {
        name: "mtu",
        get: |message, _| match message.body {
            Icmpv4Body::Unreachable { mtu, .. } => int(mtu),
            _ => Dynamic::UNIT,
        },
        set: |message, given| match &mut message.body {
            Icmpv4Body::Unreachable { mtu, .. } => given.number(0xffff).map(|number| *mtu = number),
            _ => Err(given.wrong("only unreachable has it")),
        },
    },
    Field {
        name: "gateway",
        get: |message, _| match message.body {
            Icmpv4Body::Redirect { gateway } => text(gateway),
            _ => Dynamic::UNIT,
        },
        set: |message, given| match &mut message.body {
            Icmpv4Body::Redirect { gateway } => given.v4().map(|address| *gateway = address),
            _ => Err(given.wrong("only redirect has it")),
        },
    },
    Field {
        name: "pointer",
        get: |message, _| match message.body {
            Icmpv4Body::ParameterProblem { pointer, .. } => int(pointer),
            _ => Dynamic::UNIT,
        },
        set: |message, given| match &mut message.body {
            Icmpv4Body::ParameterProblem { pointer, .. } => given.number(0xff).map(|number| *pointer = number),
            _ => Err(given.wrong("only parameter-problem has it")),
        },
    },
    Field { name: "rest", get: |_, written| written.number(4..8), set: set_rest },
    Field {
        name: "quoted",
        get: |message, _| PacketValue::optional(message.quoted.as_deref()),
        set: |message, given| PacketValue::given(given).map(|quoted| message.quoted = quoted),
    },
];

/// An echo request, for a builder to start from.
pub fn echo() -> Icmpv4 {
    Icmpv4::new(8, 0, Icmpv4Body::Echo { id: 0, sequence: 0 })
}

/// Another kind begins empty, unless its fields are those of the kind before.
fn set_kind(message: &mut Icmpv4, kind: u8) {
    message.kind = kind;
    let (id, sequence) = query(&message.body).unwrap_or_default();
    let empty = match kind {
        0 | 8 | 15 | 16 => Icmpv4Body::Echo { id, sequence },
        13 | 14 => Icmpv4Body::Timestamp { id, sequence, originate: 0, receive: 0, transmit: 0 },
        17 | 18 => Icmpv4Body::Mask { id, sequence, mask: Ipv4Addr::UNSPECIFIED },
        3 => Icmpv4Body::Unreachable { unused: 0, mtu: 0 },
        5 => Icmpv4Body::Redirect { gateway: Ipv4Addr::UNSPECIFIED },
        12 => Icmpv4Body::ParameterProblem { pointer: 0, unused: [0; 3] },
        _ => Icmpv4Body::Other([0; 4]),
    };
    if std::mem::discriminant(&empty) != std::mem::discriminant(&message.body) {
        message.body = empty;
    }
}

fn query(body: &Icmpv4Body) -> Option<(u16, u16)> {
    match body {
        Icmpv4Body::Echo { id, sequence }
        | Icmpv4Body::Timestamp { id, sequence, .. }
        | Icmpv4Body::Mask { id, sequence, .. } => Some((*id, *sequence)),
        _ => None,
    }
}

fn set_query(
    message: &mut Icmpv4,
    given: &Given,
    choose: for<'a> fn(&'a mut u16, &'a mut u16) -> &'a mut u16,
) -> Fallible<()> {
    match &mut message.body {
        Icmpv4Body::Echo { id, sequence }
        | Icmpv4Body::Timestamp { id, sequence, .. }
        | Icmpv4Body::Mask { id, sequence, .. } => given.number(0xffff).map(|number| *choose(id, sequence) = number),
        _ => Err(given.wrong("only echo, timestamp, mask and their replies have it")),
    }
}

fn time(message: &Icmpv4, choose: fn([u32; 3]) -> u32) -> Dynamic {
    match message.body {
        Icmpv4Body::Timestamp { originate, receive, transmit, .. } => int(choose([originate, receive, transmit])),
        _ => Dynamic::UNIT,
    }
}

fn set_time(message: &mut Icmpv4, given: &Given, choose: for<'a> fn([&'a mut u32; 3]) -> &'a mut u32) -> Fallible<()> {
    match &mut message.body {
        Icmpv4Body::Timestamp { originate, receive, transmit, .. } => {
            given.number(0xffff_ffff).map(|number| *choose([originate, receive, transmit]) = number)
        }
        _ => Err(given.wrong("only timestamp and timestamp-reply have it")),
    }
}

/// The four bytes after the checksum as one number.
fn set_rest(message: &mut Icmpv4, given: &Given) -> Fallible<()> {
    let number: INT = given.number(0xffff_ffff)?;
    let bytes = (number as u32).to_be_bytes();
    let [a, b, c, d] = bytes;
    let pairs = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    match &mut message.body {
        Icmpv4Body::Echo { id, sequence }
        | Icmpv4Body::Timestamp { id, sequence, .. }
        | Icmpv4Body::Mask { id, sequence, .. } => (*id, *sequence) = pairs,
        Icmpv4Body::Unreachable { unused, mtu } => (*unused, *mtu) = pairs,
        Icmpv4Body::Redirect { gateway } => *gateway = bytes.into(),
        Icmpv4Body::ParameterProblem { pointer, unused } => (*pointer, *unused) = (a, [b, c, d]),
        Icmpv4Body::Other(rest) => *rest = bytes,
    }
    Ok(())
}

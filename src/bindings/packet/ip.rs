//! Fields of IPv4, IPv6 and its extension headers.

use rhai::{Array, Dynamic};

use super::field::{Field, Given, address, auto, blob, flag, int, number, text};
use super::options;
use crate::bindings::fault::Fallible;
use crate::packet::{Extension, ExtensionBody, Ipv4, Ipv4Option, Ipv6};

/// Fields of IPv4.
pub const IPV4: &[Field<Ipv4>] = &[
    address!("src", v4, source),
    address!("dst", v4, destination),
    number!("ttl", 0xff, ttl),
    number!("id", 0xffff, id),
    number!("tos", 0xff, tos),
    Field { name: "flags", get: |ip, _| flags(ip), set: set_flags },
    flag!("df", dont_fragment),
    flag!("mf", more_fragments),
    flag!("evil", reserved),
    Field {
        name: "offset",
        get: |ip, _| int(u32::from(ip.fragment_offset) * 8),
        set: |ip, given| {
            ip.fragment_offset = given.offset()?;
            Ok(())
        },
    },
    auto!("protocol", 0xff, protocol, 9..10),
    auto!("length", 0xffff, total_length, 2..4),
    Field {
        name: "header_length",
        get: |ip, written| ip.header_length.map_or_else(|| written.bits(0, 0, 15), int),
        set: |ip, given| {
            ip.header_length = given.auto(15)?;
            Ok(())
        },
    },
    auto!("checksum", 0xffff, checksum, 10..12),
    Field {
        name: "options",
        get: |ip, _| ip.options.iter().map(options::ipv4).collect::<Array>().into(),
        set: |ip, given| {
            ip.options =
                given.list()?.iter().map(|item| options::to_ipv4(&given.part(item))).collect::<Fallible<_>>()?;
            Ok(())
        },
    },
    Field {
        name: "route",
        get: |ip, _| route(ip),
        set: |_, given| Err(given.wrong("it can only be read: set options")),
    },
];

/// Fields of IPv6. `ttl`, `tos` and `protocol` are other names, so that either family is read alike.
pub const IPV6: &[Field<Ipv6>] = &[
    address!("src", v6, source),
    address!("dst", v6, destination),
    number!("hop_limit", 0xff, hop_limit),
    number!("ttl", 0xff, hop_limit),
    number!("traffic_class", 0xff, traffic_class),
    number!("tos", 0xff, traffic_class),
    number!("flow_label", 0xf_ffff, flow_label),
    auto!("length", 0xffff, payload_length, 4..6),
    auto!("next_header", 0xff, next_header, 6..7),
    auto!("protocol", 0xff, next_header, 6..7),
];

/// Fields of an IPv6 extension header. A field of another kind of header is `()`.
pub const EXTENSION: &[Field<Extension>] = &[
    Field { name: "kind", get: |header, _| extension_kind(header), set: set_extension_kind },
    auto!("next_header", 0xff, next_header, 0..1),
    Field {
        name: "options",
        get: |header, _| match &header.body {
            ExtensionBody::HopByHop(list) | ExtensionBody::Destination(list) => {
                list.iter().map(options::ipv6).collect::<Array>().into()
            }
            _ => Dynamic::UNIT,
        },
        set: |header, given| match &mut header.body {
            ExtensionBody::HopByHop(list) | ExtensionBody::Destination(list) => {
                *list =
                    given.list()?.iter().map(|item| options::to_ipv6(&given.part(item))).collect::<Fallible<_>>()?;
                Ok(())
            }
            _ => Err(given.wrong("only hop-by-hop and destination headers have it")),
        },
    },
    Field {
        name: "routing_type",
        get: |header, _| match header.body {
            ExtensionBody::Routing { kind, .. } => int(kind),
            _ => Dynamic::UNIT,
        },
        set: |header, given| match &mut header.body {
            ExtensionBody::Routing { kind, .. } => given.number(0xff).map(|number| *kind = number),
            _ => Err(given.wrong("only a routing header has it")),
        },
    },
    Field {
        name: "segments_left",
        get: |header, _| match header.body {
            ExtensionBody::Routing { segments_left, .. } => int(segments_left),
            _ => Dynamic::UNIT,
        },
        set: |header, given| match &mut header.body {
            ExtensionBody::Routing { segments_left, .. } => given.number(0xff).map(|number| *segments_left = number),
            _ => Err(given.wrong("only a routing header has it")),
        },
    },
    Field {
        name: "data",
        get: |header, _| match &header.body {
            ExtensionBody::Routing { data, .. } | ExtensionBody::Other { data, .. } => blob(data),
            _ => Dynamic::UNIT,
        },
        set: |header, given| match &mut header.body {
            ExtensionBody::Routing { data, .. } | ExtensionBody::Other { data, .. } => {
                given.bytes().map(|bytes| *data = bytes)
            }
            _ => Err(given.wrong("this kind of header has options or fields of its own instead")),
        },
    },
    Field {
        name: "offset",
        get: |header, _| match header.body {
            ExtensionBody::Fragment { offset, .. } => int(u32::from(offset) * 8),
            _ => Dynamic::UNIT,
        },
        set: |header, given| match &mut header.body {
            ExtensionBody::Fragment { offset, .. } => given.offset().map(|units| *offset = units),
            _ => Err(given.wrong("only a fragment header has it")),
        },
    },
    Field {
        name: "more",
        get: |header, _| match header.body {
            ExtensionBody::Fragment { more, .. } => more.into(),
            _ => Dynamic::UNIT,
        },
        set: |header, given| match &mut header.body {
            ExtensionBody::Fragment { more, .. } => given.flag().map(|flag| *more = flag),
            _ => Err(given.wrong("only a fragment header has it")),
        },
    },
    Field {
        name: "id",
        get: |header, _| match header.body {
            ExtensionBody::Fragment { id, .. } => int(id),
            _ => Dynamic::UNIT,
        },
        set: |header, given| match &mut header.body {
            ExtensionBody::Fragment { id, .. } => given.number(0xffff_ffff).map(|number| *id = number),
            _ => Err(given.wrong("only a fragment header has it")),
        },
    },
];

impl Given<'_> {
    /// A fragment's offset in bytes, in units of eight.
    fn offset(&self) -> Fallible<u16> {
        let bytes: u16 = self.number(0xfff8)?;
        if bytes.is_multiple_of(8) { Ok(bytes / 8) } else { Err(self.wrong(format!("{bytes} is not a multiple of 8"))) }
    }
}

/// `"DF"`, `"DF,MF"`, `""`.
fn flags(ip: &Ipv4) -> Dynamic {
    let flags = [(ip.reserved, "evil"), (ip.dont_fragment, "DF"), (ip.more_fragments, "MF")];
    let set: Vec<&str> = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
    set.join(",").into()
}

fn set_flags(ip: &mut Ipv4, given: &Given) -> Fallible<()> {
    let text = given.text()?;
    (ip.reserved, ip.dont_fragment, ip.more_fragments) = (false, false, false);
    for name in text.split([',', ' ']).filter(|name| !name.is_empty()) {
        match name.to_ascii_lowercase().as_str() {
            "evil" => ip.reserved = true,
            "df" => ip.dont_fragment = true,
            "mf" => ip.more_fragments = true,
            _ => return Err(given.wrong(format!("\"{}\" is none of DF, MF, evil", name.escape_debug()))),
        }
    }
    Ok(())
}

/// The addresses recorded so far; `()` without the option.
fn route(ip: &Ipv4) -> Dynamic {
    let recorded = ip.options.iter().find_map(|option| match option {
        Ipv4Option::RecordRoute(route) => Some(route.used()),
        _ => None,
    });
    recorded.map_or(Dynamic::UNIT, |used| used.iter().map(text).collect::<Array>().into())
}

fn extension_kind(header: &Extension) -> Dynamic {
    match header.body {
        ExtensionBody::HopByHop(_) => "hop-by-hop".into(),
        ExtensionBody::Destination(_) => "destination".into(),
        ExtensionBody::Routing { .. } => "routing".into(),
        ExtensionBody::Fragment { .. } => "fragment".into(),
        ExtensionBody::Other { kind, .. } => int(kind),
    }
}

/// Another kind begins with nothing in it.
fn set_extension_kind(header: &mut Extension, given: &Given) -> Fallible<()> {
    header.body = if given.value.is_int() {
        ExtensionBody::Other { kind: given.number(0xff)?, data: Vec::new() }
    } else {
        match given.text()?.as_str() {
            "hop-by-hop" => ExtensionBody::HopByHop(Vec::new()),
            "destination" => ExtensionBody::Destination(Vec::new()),
            "routing" => ExtensionBody::Routing { kind: 0, segments_left: 0, data: Vec::new() },
            "fragment" => ExtensionBody::Fragment { reserved: 0, offset: 0, reserved_bits: 0, more: false, id: 0 },
            _ => return Err(given.wrong("it is hop-by-hop, destination, routing, fragment, or a number")),
        }
    };
    Ok(())
}

//! Fields of TCP, UDP, and of transport headers that were cut.

use rhai::{Array, Dynamic};

use super::field::{Field, Given, auto, int, number};
use super::options;
use crate::bindings::fault::Fallible;
use crate::packet::{Stub, Tcp, TcpOption, Udp};

/// Fields of TCP.
pub const TCP: &[Field<Tcp>] = &[
    number!("sport", 0xffff, source),
    number!("dport", 0xffff, destination),
    number!("seq", 0xffff_ffff, sequence),
    number!("ack", 0xffff_ffff, acknowledgment),
    Field { name: "flags", get: |segment, _| Tcp::flag_letters(segment.flags).into(), set: set_flags },
    number!("window", 0xffff, window),
    number!("urgent", 0xffff, urgent),
    number!("reserved", 15, reserved),
    Field {
        name: "data_offset",
        get: |segment, written| segment.data_offset.map_or_else(|| written.bits(12, 4, 15), int),
        set: |segment, given| {
            segment.data_offset = given.auto(15)?;
            Ok(())
        },
    },
    auto!("checksum", 0xffff, checksum, 16..18),
    Field {
        name: "options",
        get: |segment, _| segment.options.iter().map(options::tcp).collect::<Array>().into(),
        set: |segment, given| {
            segment.options =
                given.list()?.iter().map(|item| options::to_tcp(&given.part(item))).collect::<Fallible<_>>()?;
            Ok(())
        },
    },
    Field {
        name: "mss",
        get: |segment, _| segment.mss().map_or(Dynamic::UNIT, int),
        set: |segment, given| {
            let option = given.auto(0xffff)?.map(TcpOption::Mss);
            replace(segment, |known| matches!(known, TcpOption::Mss(_)), option);
            Ok(())
        },
    },
    Field {
        name: "wscale",
        get: |segment, _| segment.window_scale().map_or(Dynamic::UNIT, int),
        set: |segment, given| {
            let option = given.auto(0xff)?.map(TcpOption::WindowScale);
            replace(segment, |known| matches!(known, TcpOption::WindowScale(_)), option);
            Ok(())
        },
    },
    Field {
        name: "sack_ok",
        get: |segment, _| segment.sack_permitted().into(),
        set: |segment, given| {
            let option = given.flag()?.then_some(TcpOption::SackPermitted);
            replace(segment, |known| *known == TcpOption::SackPermitted, option);
            Ok(())
        },
    },
    Field {
        name: "tsval",
        get: |segment, _| segment.timestamps().map_or(Dynamic::UNIT, |(value, _)| int(value)),
        set: |segment, given| {
            let echo = segment.timestamps().unwrap_or_default().1;
            let option = given.auto(0xffff_ffff)?.map(|value| TcpOption::Timestamps { value, echo });
            replace(segment, |known| matches!(known, TcpOption::Timestamps { .. }), option);
            Ok(())
        },
    },
    Field {
        name: "tsecr",
        get: |segment, _| segment.timestamps().map_or(Dynamic::UNIT, |(_, echo)| int(echo)),
        set: |segment, given| {
            let value = segment.timestamps().unwrap_or_default().0;
            let option = given.auto(0xffff_ffff)?.map(|echo| TcpOption::Timestamps { value, echo });
            replace(segment, |known| matches!(known, TcpOption::Timestamps { .. }), option);
            Ok(())
        },
    },
    Field {
        name: "layout",
        get: |segment, _| layout(&segment.options).into(),
        set: |_, given| Err(given.wrong("it can only be read: set options")),
    },
];

/// Fields of UDP.
pub const UDP: &[Field<Udp>] = &[
    number!("sport", 0xffff, source),
    number!("dport", 0xffff, destination),
    auto!("length", 0xffff, length, 4..6),
    auto!("checksum", 0xffff, checksum, 6..8),
];

/// Fields of a header that was cut after the ports.
pub const STUB: &[Field<Stub>] = &[
    number!("sport", 0xffff, source),
    number!("dport", 0xffff, destination),
    Field {
        name: "seq",
        get: |stub, _| stub.word().map_or(Dynamic::UNIT, int),
        set: |_, given| Err(given.wrong("it can only be read in a header that was cut")),
    },
    Field {
        name: "tag",
        get: |stub, _| stub.word().map_or(Dynamic::UNIT, int),
        set: |_, given| Err(given.wrong("it can only be read in a header that was cut")),
    },
];

/// Letters as tcpdump and nmap write them, or the byte itself.
fn set_flags(segment: &mut Tcp, given: &Given) -> Fallible<()> {
    segment.flags = if given.value.is_int() {
        given.number(0xff)?
    } else {
        Tcp::flags_of(&given.text()?)
            .map_err(|letter| given.wrong(format!("'{}' is none of F S R P A U E C", letter.escape_debug())))?
    };
    Ok(())
}

/// Puts `option` in the place of the first that is like it, or at the end; none takes it out.
fn replace(segment: &mut Tcp, like: fn(&TcpOption) -> bool, option: Option<TcpOption>) {
    let place = segment.options.iter().position(like);
    match (place, option) {
        (Some(at), Some(option)) => {
            if let Some(known) = segment.options.get_mut(at) {
                *known = option;
            }
        }
        (None, Some(option)) => segment.options.push(option),
        (_, None) => segment.options.retain(|known| !like(known)),
    }
}

/// The kinds in their order: `mss,nop,ws,sok,ts,sack,eol+n,?kind`.
fn layout(options: &[TcpOption]) -> String {
    let ends = options.iter().filter(|option| **option == TcpOption::End).count();
    let mut words: Vec<String> = Vec::new();
    for option in options {
        words.push(match option {
            TcpOption::End => {
                // Whatever follows the end is padding.
                words.push(format!("eol+{}", ends - 1));
                break;
            }
            TcpOption::Nop => "nop".to_owned(),
            TcpOption::Mss(_) => "mss".to_owned(),
            TcpOption::WindowScale(_) => "ws".to_owned(),
            TcpOption::SackPermitted => "sok".to_owned(),
            TcpOption::Sack(_) => "sack".to_owned(),
            TcpOption::Timestamps { .. } => "ts".to_owned(),
            TcpOption::Other { kind, .. } => format!("?{kind}"),
            TcpOption::Raw(_) => "?raw".to_owned(),
        });
    }
    words.join(",")
}

//! Fields of IGMP, and group records.

use std::net::{IpAddr, Ipv4Addr};

use rhai::{Array, Dynamic};

use super::field::{Field, Given, as_bytes, auto, blob, int, map, number, text};
use super::kind::{kind, kind_number};
use crate::bindings::fault::Fallible;
use crate::packet::{GroupRecord, Igmp, IgmpBody};

/// Names of the kinds scripts meet.
const KINDS: [(&str, u8); 5] =
    [("query", 0x11), ("report-1", 0x12), ("report-2", 0x16), ("leave", 0x17), ("report-3", 0x22)];

/// Fields of IGMP. A field of another kind of message is `()`.
pub const IGMP: &[Field<Igmp>] = &[
    kind!(KINDS, set_kind),
    kind_number!(set_kind),
    number!("code", 0xff, code),
    auto!("checksum", 0xffff, checksum, 2..4),
    Field {
        name: "group",
        get: |message, _| match &message.body {
            IgmpBody::Group(group) | IgmpBody::Query { group, .. } => text(group),
            IgmpBody::Report { .. } => Dynamic::UNIT,
        },
        set: |message, given| match &mut message.body {
            IgmpBody::Group(group) | IgmpBody::Query { group, .. } => given.v4().map(|address| *group = address),
            IgmpBody::Report { .. } => Err(given.wrong("report-3 has records instead")),
        },
    },
    Field {
        name: "sources",
        get: |message, _| match &message.body {
            IgmpBody::Query { sources, .. } => sources.iter().map(text).collect::<Array>().into(),
            _ => Dynamic::UNIT,
        },
        set: |message, given| {
            let list = given.list()?.iter().map(|item| given.part(item).v4()).collect::<Fallible<_>>()?;
            query_3(message, given)?.3.clone_from(&list);
            Ok(())
        },
    },
    Field {
        name: "flags",
        get: |message, _| match message.body {
            IgmpBody::Query { flags, .. } => int(flags),
            _ => Dynamic::UNIT,
        },
        set: |message, given| {
            let number = given.number(0xff)?;
            *query_3(message, given)?.1 = number;
            Ok(())
        },
    },
    Field {
        name: "interval",
        get: |message, _| match message.body {
            IgmpBody::Query { interval, .. } => int(interval),
            _ => Dynamic::UNIT,
        },
        set: |message, given| {
            let number = given.number(0xff)?;
            *query_3(message, given)?.2 = number;
            Ok(())
        },
    },
    Field {
        name: "records",
        get: |message, _| match &message.body {
            IgmpBody::Report { records: list, .. } => records(list),
            _ => Dynamic::UNIT,
        },
        set: |message, given| match &mut message.body {
            IgmpBody::Report { records: list, .. } => {
                to_records(given, |given| given.v4().map(Into::into)).map(|records| *list = records)
            }
            _ => Err(given.wrong("only report-3 has it")),
        },
    },
];

/// A general query of version 2, for a builder to start from.
pub fn query() -> Igmp {
    Igmp { kind: 0x11, code: 100, checksum: None, body: IgmpBody::Group(Ipv4Addr::UNSPECIFIED) }
}

/// Another kind begins empty, unless its fields are those of the kind before.
fn set_kind(message: &mut Igmp, kind: u8) {
    message.kind = kind;
    let is_report = matches!(message.body, IgmpBody::Report { .. });
    match kind {
        0x22 if !is_report => message.body = IgmpBody::Report { reserved: 0, count: None, records: Vec::new() },
        0x22 => {}
        0x11 if !is_report => {}
        _ => {
            if !matches!(message.body, IgmpBody::Group(_)) {
                message.body = IgmpBody::Group(Ipv4Addr::UNSPECIFIED);
            }
        }
    }
}

/// What only a query of version 3 has.
type Query3<'a> = (&'a mut Ipv4Addr, &'a mut u8, &'a mut u8, &'a mut Vec<Ipv4Addr>);

/// The message as a query of version 3, which it becomes when it was one of an older version.
fn query_3<'a>(message: &'a mut Igmp, given: &Given) -> Fallible<Query3<'a>> {
    if let (0x11, IgmpBody::Group(group)) = (message.kind, &message.body) {
        message.body = IgmpBody::Query { group: *group, flags: 2, interval: 125, count: None, sources: Vec::new() };
    }
    match &mut message.body {
        IgmpBody::Query { group, flags, interval, sources, .. } => Ok((group, flags, interval, sources)),
        _ => Err(given.wrong("only a query has it")),
    }
}

/// Group records for scripts: `#{kind, group, sources, data}`.
pub fn records(list: &[GroupRecord]) -> Dynamic {
    let record = |record: &GroupRecord| {
        let sources: Array = record.sources.iter().map(text).collect();
        map([
            ("kind", int(record.kind)),
            ("group", text(record.group)),
            ("sources", sources.into()),
            ("data", blob(&record.auxiliary)),
        ])
    };
    list.iter().map(record).collect::<Array>().into()
}

/// Group records out of a script; `address` reads one of the family.
pub fn to_records(given: &Given, address: fn(&Given) -> Fallible<IpAddr>) -> Fallible<Vec<GroupRecord>> {
    let record = |item: &Dynamic| {
        let part = given.part(item);
        let fields = part.map(&["kind", "group", "sources", "data"])?;
        let group = fields.get("group").ok_or_else(|| part.wrong("a record names its group"))?;
        let no_sources = Dynamic::from_array(Array::new());
        let sources = part.part(fields.get("sources").unwrap_or(&no_sources)).list()?;
        Ok(GroupRecord {
            kind: part.member(&fields, "kind", 4, |given| given.number(0xff))?,
            group: address(&part.part(group))?,
            sources: sources.iter().map(|source| address(&part.part(source))).collect::<Fallible<_>>()?,
            auxiliary: part.member(&fields, "data", Vec::new(), as_bytes)?,
        })
    };
    given.list()?.iter().map(record).collect()
}

//! IGMP (RFC 1112, RFC 2236, RFC 3376).

use std::net::Ipv4Addr;

use super::checksum::{differing, internet, sealed};
use super::group::{self, GroupRecord};
use super::reader::Reader;

/// An IGMP message. Whatever else follows is the next layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Igmp {
    /// 0x11 query, 0x12 report v1, 0x16 report v2, 0x17 leave, 0x22 report v3, …
    pub kind: u8,
    /// Longest delay of an answer in tenths of a second; by kind.
    pub code: u8,
    /// Checksum; none: as it should be.
    pub checksum: Option<u16>,
    /// The bytes after the checksum. Written as they are, whatever the kind.
    pub body: IgmpBody,
}

/// What an IGMP message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IgmpBody {
    /// Versions 1 and 2, and the first four bytes of any other kind.
    Group(Ipv4Addr),
    /// Query of version 3.
    Query {
        /// The group, or all zeros.
        group: Ipv4Addr,
        /// Suppress flag and robustness.
        flags: u8,
        /// Code of the interval between queries.
        interval: u8,
        /// Count of sources; none: as many as there are.
        count: Option<u16>,
        /// Senders it is about.
        sources: Vec<Ipv4Addr>,
    },
    /// Report of version 3.
    Report {
        /// Must be zero.
        reserved: u16,
        /// Count of records; none: as many as there are.
        count: Option<u16>,
        /// The groups.
        records: Vec<GroupRecord>,
    },
}

const QUERY: u8 = 0x11;
const REPORT_3: u8 = 0x22;

impl Igmp {
    pub(super) fn parse(bytes: &[u8]) -> Result<(Igmp, usize), &'static str> {
        let mut reader = Reader(bytes);
        let [kind, code, _, _] = reader.array().ok_or("IGMP message cut short")?;
        let body = read_body(kind, &mut reader).ok_or("IGMP message cut short")?;
        let checksum = differing(bytes, internet);
        Ok((Igmp { kind, code, checksum, body }, bytes.len() - reader.0.len()))
    }

    pub(super) fn write(&self, body: &[u8]) -> Vec<u8> {
        let mut out = vec![self.kind, self.code, 0, 0];
        write_body(&self.body, &mut out);
        sealed(out, body, self.checksum, internet)
    }
}

fn read_body(kind: u8, reader: &mut Reader<'_>) -> Option<IgmpBody> {
    if kind == REPORT_3 {
        let (reserved, told) = (reader.u16()?, reader.u16()?);
        let records = group::parse::<4>(told, reader);
        let count = Some(told).filter(|told| usize::from(*told) != records.len());
        return Some(IgmpBody::Report { reserved, count, records });
    }
    let is_query_3 = kind == QUERY && reader.0.len() >= 8;
    let group = Ipv4Addr::from(reader.array::<4>()?);
    if !is_query_3 {
        return Some(IgmpBody::Group(group));
    }
    let (flags, interval, told) = (reader.u8()?, reader.u8()?, reader.u16()?);
    let mut sources = Vec::new();
    while sources.len() < usize::from(told)
        && let Some(source) = reader.array::<4>()
    {
        sources.push(Ipv4Addr::from(source));
    }
    let count = Some(told).filter(|told| usize::from(*told) != sources.len());
    Some(IgmpBody::Query { group, flags, interval, count, sources })
}

fn write_body(body: &IgmpBody, out: &mut Vec<u8>) {
    match body {
        IgmpBody::Group(group) => out.extend(group.octets()),
        IgmpBody::Query { group, flags, interval, count, sources } => {
            out.extend(group.octets());
            out.extend([*flags, *interval]);
            out.extend(count.unwrap_or(sources.len() as u16).to_be_bytes());
            out.extend(sources.iter().flat_map(Ipv4Addr::octets));
        }
        IgmpBody::Report { reserved, count, records } => {
            out.extend(reserved.to_be_bytes());
            out.extend(count.unwrap_or(records.len() as u16).to_be_bytes());
            group::write(records, out);
        }
    }
}

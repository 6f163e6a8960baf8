//! Group records, which IGMP version 3 (RFC 3376) and listener reports version 2 (RFC 3810) share.

use std::net::IpAddr;

use super::reader::Reader;

/// What a host listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRecord {
    /// 1 includes, 2 excludes the sources; 3 to 6 are changes.
    pub kind: u8,
    /// The group.
    pub group: IpAddr,
    /// Senders it is about.
    pub sources: Vec<IpAddr>,
    /// Further data, filled up with zeros to a multiple of four bytes.
    pub auxiliary: Vec<u8>,
}

/// `count` records with addresses of `N` bytes, or those that are complete.
pub(super) fn parse<const N: usize>(count: u16, reader: &mut Reader<'_>) -> Vec<GroupRecord>
where
    IpAddr: From<[u8; N]>,
{
    let mut records = Vec::new();
    for _ in 0..count {
        let mut ahead = *reader;
        let Some(record) = record(&mut ahead) else { break };
        *reader = ahead;
        records.push(record);
    }
    records
}

fn record<const N: usize>(reader: &mut Reader<'_>) -> Option<GroupRecord>
where
    IpAddr: From<[u8; N]>,
{
    let (kind, words, count) = (reader.u8()?, reader.u8()?, reader.u16()?);
    let group = IpAddr::from(reader.array::<N>()?);
    let (sources, _) = reader.take(usize::from(count) * N)?.as_chunks::<N>();
    let sources = sources.iter().map(|source| IpAddr::from(*source)).collect();
    Some(GroupRecord { kind, group, sources, auxiliary: reader.take(usize::from(words) * 4)?.to_vec() })
}

pub(super) fn write(records: &[GroupRecord], out: &mut Vec<u8>) {
    for record in records {
        out.extend([record.kind, record.auxiliary.len().div_ceil(4) as u8]);
        out.extend((record.sources.len() as u16).to_be_bytes());
        for address in std::iter::once(&record.group).chain(&record.sources) {
            write_address(*address, out);
        }
        out.extend(&record.auxiliary);
        out.resize(out.len() + record.auxiliary.len().next_multiple_of(4) - record.auxiliary.len(), 0);
    }
}

fn write_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(v4) => out.extend(v4.octets()),
        IpAddr::V6(v6) => out.extend(v6.octets()),
    }
}

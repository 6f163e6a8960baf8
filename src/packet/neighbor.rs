//! Options of neighbour discovery (RFC 4861 section 4.6).

use std::net::Ipv6Addr;

use super::reader::{Reader, pad};
use crate::model::MacAddr;

const SOURCE_LINK: u8 = 1;
const TARGET_LINK: u8 = 2;
const PREFIX: u8 = 3;
const MTU: u8 = 5;

/// One option. What does not have the shape its kind demands comes as [`NeighborOption::Other`] or, without a usable
/// length, as [`NeighborOption::Raw`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NeighborOption {
    /// Hardware address of the sender.
    SourceLink(MacAddr),
    /// Hardware address of the target.
    TargetLink(MacAddr),
    /// A prefix of the link.
    Prefix {
        /// Bits that count.
        length: u8,
        /// On-link, autonomous, and further flags.
        flags: u8,
        /// Seconds it is valid.
        valid: u32,
        /// Seconds addresses of it are preferred.
        preferred: u32,
        /// Must be zero.
        reserved: u32,
        /// The prefix.
        prefix: Ipv6Addr,
    },
    /// Largest packet of the link.
    Mtu {
        /// Must be zero.
        reserved: u16,
        /// In bytes.
        mtu: u32,
    },
    /// Any other kind, filled up with zeros to a multiple of eight bytes.
    Other {
        /// Its number.
        kind: u8,
        /// Bytes after kind and length.
        data: Vec<u8>,
    },
    /// Bytes as they are, to the end of the message.
    Raw(Vec<u8>),
}

pub(super) fn parse(mut rest: &[u8]) -> Vec<NeighborOption> {
    let mut options = Vec::new();
    while let Some(kind) = rest.first() {
        let units = rest.get(1).copied().filter(|units| *units != 0);
        let split = units.and_then(|units| rest.split_at_checked(usize::from(units) * 8));
        let Some((option, after)) = split else {
            options.push(NeighborOption::Raw(rest.to_vec()));
            break;
        };
        let data = option.get(2..).unwrap_or_default();
        let known = typed(*kind, data);
        options.push(known.unwrap_or_else(|| NeighborOption::Other { kind: *kind, data: data.to_vec() }));
        rest = after;
    }
    options
}

fn typed(kind: u8, data: &[u8]) -> Option<NeighborOption> {
    let mut reader = Reader(data);
    let option = match kind {
        SOURCE_LINK => NeighborOption::SourceLink(MacAddr(reader.array()?)),
        TARGET_LINK => NeighborOption::TargetLink(MacAddr(reader.array()?)),
        PREFIX => NeighborOption::Prefix {
            length: reader.u8()?,
            flags: reader.u8()?,
            valid: reader.u32()?,
            preferred: reader.u32()?,
            reserved: reader.u32()?,
            prefix: reader.array::<16>()?.into(),
        },
        MTU => NeighborOption::Mtu { reserved: reader.u16()?, mtu: reader.u32()? },
        _ => return None,
    };
    reader.0.is_empty().then_some(option)
}

pub(super) fn write(options: &[NeighborOption], out: &mut Vec<u8>) {
    for option in options {
        let (kind, data) = match option {
            NeighborOption::Raw(bytes) => {
                out.extend(bytes);
                continue;
            }
            NeighborOption::SourceLink(mac) => (SOURCE_LINK, mac.0.to_vec()),
            NeighborOption::TargetLink(mac) => (TARGET_LINK, mac.0.to_vec()),
            NeighborOption::Prefix { length, flags, valid, preferred, reserved, prefix } => {
                let mut data = vec![*length, *flags];
                data.extend([valid, preferred, reserved].iter().flat_map(|word| word.to_be_bytes()));
                data.extend(prefix.octets());
                (PREFIX, data)
            }
            NeighborOption::Mtu { reserved, mtu } => {
                let mut data = reserved.to_be_bytes().to_vec();
                data.extend(mtu.to_be_bytes());
                (MTU, data)
            }
            NeighborOption::Other { kind, data } => (*kind, data.clone()),
        };
        let mut bytes = vec![kind, 0];
        bytes.extend(data);
        pad(&mut bytes, 8);
        let units = bytes.len() / 8;
        if let Some(length) = bytes.get_mut(1) {
            *length = units as u8;
        }
        out.extend(bytes);
    }
}

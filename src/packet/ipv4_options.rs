//! Options of IPv4 (RFC 791, RFC 2113).

use std::net::Ipv4Addr;

use super::reader::Reader;

const END: u8 = 0;
const NOP: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const LOOSE_SOURCE: u8 = 131;
const STRICT_SOURCE: u8 = 137;
const ROUTER_ALERT: u8 = 148;

/// One option. What does not have the shape its kind demands comes as [`Ipv4Option::Other`] or, without a usable length, as
/// [`Ipv4Option::Raw`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ipv4Option {
    /// End of the list; one for each byte of padding.
    End,
    /// No operation.
    Nop,
    /// Routers write their addresses.
    RecordRoute(Route),
    /// By way of these addresses, and others between.
    LooseSource(Route),
    /// By way of these addresses only.
    StrictSource(Route),
    /// Routers write the time.
    Timestamp(Timestamps),
    /// Routers shall look at the packet.
    RouterAlert(u16),
    /// Any other kind with its data, the length byte not counted.
    Other {
        /// Its number, with the copy flag and the class.
        kind: u8,
        /// Bytes after kind and length.
        data: Vec<u8>,
    },
    /// Bytes as they are, to the end of the header.
    Raw(Vec<u8>),
}

/// Addresses of a recorded route or of a source route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where the next address is read or written, counted from 1 at the option's kind; 4 is the first slot.
    pub pointer: u8,
    /// The slots, used or not.
    pub slots: Vec<Ipv4Addr>,
}

impl Route {
    /// The slots before the pointer: what was recorded, or already travelled.
    pub fn used(&self) -> &[Ipv4Addr] {
        let count = usize::from(self.pointer.saturating_sub(4)) / 4;
        self.slots.get(..count).unwrap_or(&self.slots)
    }

    fn parse(data: &[u8]) -> Option<Route> {
        let (pointer, slots) = data.split_first()?;
        let (slots, []) = slots.as_chunks::<4>() else {
            return None;
        };
        Some(Route { pointer: *pointer, slots: slots.iter().map(|slot| Ipv4Addr::from(*slot)).collect() })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut data = vec![self.pointer];
        data.extend(self.slots.iter().flat_map(Ipv4Addr::octets));
        data
    }
}

/// The timestamp option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamps {
    /// Where the next entry is written, counted from 1 at the option's kind; 5 is the first.
    pub pointer: u8,
    /// Routers that found no room, 4 bits.
    pub overflow: u8,
    /// 0 times only, 1 with addresses, 3 at these addresses only; 4 bits.
    pub flag: u8,
    /// The entries, used or not; each has an address unless the flag is 0.
    pub entries: Vec<(Option<Ipv4Addr>, u32)>,
}

impl Timestamps {
    fn parse(data: &[u8]) -> Option<Timestamps> {
        let mut reader = Reader(data);
        let (pointer, word) = (reader.u8()?, reader.u8()?);
        let flag = word & 15;
        let mut entries = Vec::new();
        while !reader.0.is_empty() {
            let address = if flag == 0 { None } else { Some(Ipv4Addr::from(reader.array::<4>()?)) };
            entries.push((address, reader.u32()?));
        }
        Some(Timestamps { pointer, overflow: word >> 4, flag, entries })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut data = vec![self.pointer, self.overflow << 4 | (self.flag & 15)];
        for (address, time) in &self.entries {
            if self.flag != 0 {
                data.extend(address.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
            }
            data.extend(time.to_be_bytes());
        }
        data
    }
}

impl Ipv4Option {
    /// A recorded route with room for `slots` addresses; nine fit into a header.
    pub fn record_route(slots: usize) -> Ipv4Option {
        Ipv4Option::RecordRoute(Route { pointer: 4, slots: vec![Ipv4Addr::UNSPECIFIED; slots] })
    }

    /// Where a source route that is not used up ends.
    pub(super) fn final_destination(&self) -> Option<Ipv4Addr> {
        match self {
            Ipv4Option::LooseSource(route) | Ipv4Option::StrictSource(route) => {
                route.slots.last().filter(|_| route.used().len() < route.slots.len()).copied()
            }
            _ => None,
        }
    }

    fn typed(kind: u8, data: &[u8]) -> Ipv4Option {
        let known = match kind {
            RECORD_ROUTE => Route::parse(data).map(Ipv4Option::RecordRoute),
            LOOSE_SOURCE => Route::parse(data).map(Ipv4Option::LooseSource),
            STRICT_SOURCE => Route::parse(data).map(Ipv4Option::StrictSource),
            TIMESTAMP => Timestamps::parse(data).map(Ipv4Option::Timestamp),
            ROUTER_ALERT => data.try_into().ok().map(|value| Ipv4Option::RouterAlert(u16::from_be_bytes(value))),
            _ => None,
        };
        known.unwrap_or_else(|| Ipv4Option::Other { kind, data: data.to_vec() })
    }
}

pub(super) fn parse(bytes: &[u8]) -> Vec<Ipv4Option> {
    let mut options = Vec::new();
    let mut rest = bytes;
    let mut ended = false;
    while let Some((kind, after)) = rest.split_first() {
        let (option, after) = match (*kind, after) {
            (END, after) => (Ipv4Option::End, after),
            (NOP, after) if !ended => (Ipv4Option::Nop, after),
            (kind, [len @ 2..=255, after @ ..]) if !ended && usize::from(*len) - 2 <= after.len() => {
                let (data, after) = after.split_at(usize::from(*len) - 2);
                (Ipv4Option::typed(kind, data), after)
            }
            _ => (Ipv4Option::Raw(rest.to_vec()), &[][..]),
        };
        ended |= option == Ipv4Option::End;
        options.push(option);
        rest = after;
    }
    options
}

pub(super) fn write(options: &[Ipv4Option]) -> Vec<u8> {
    let mut out = Vec::new();
    for option in options {
        let (kind, data) = match option {
            Ipv4Option::End => {
                out.push(END);
                continue;
            }
            Ipv4Option::Nop => {
                out.push(NOP);
                continue;
            }
            Ipv4Option::Raw(bytes) => {
                out.extend(bytes);
                continue;
            }
            Ipv4Option::RecordRoute(route) => (RECORD_ROUTE, route.bytes()),
            Ipv4Option::LooseSource(route) => (LOOSE_SOURCE, route.bytes()),
            Ipv4Option::StrictSource(route) => (STRICT_SOURCE, route.bytes()),
            Ipv4Option::Timestamp(times) => (TIMESTAMP, times.bytes()),
            Ipv4Option::RouterAlert(value) => (ROUTER_ALERT, value.to_be_bytes().to_vec()),
            Ipv4Option::Other { kind, data } => (*kind, data.clone()),
        };
        out.extend([kind, (data.len() + 2) as u8]);
        out.extend(data);
    }
    out
}

//! What TCP answers to a segment out of the blue (RFC 9293 section 3.10.7).

use std::net::IpAddr;

use super::answer::Visit;
use super::probe::{Probe, long, word};
use crate::packet::{Tcp, TcpOption};

/// Window of a SYN/ACK.
const WINDOW: u16 = 64_240;
/// Shift of windows, where the other side offers one.
const SHIFT: u8 = 7;

/// A segment of ours.
pub struct Segment<'a> {
    probe: &'a Probe<'a>,
    source: u16,
    destination: u16,
    sequence: u32,
    acknowledgment: u32,
    flags: u8,
    /// Sequence numbers it takes up.
    length: u32,
    options: &'a [u8],
}

/// A segment of theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer(Tcp);

impl Answer {
    /// Whether it resets.
    pub fn is_reset(&self) -> bool {
        self.0.flags & Tcp::RST != 0
    }
}

impl From<Answer> for crate::packet::Layer {
    fn from(answer: Answer) -> crate::packet::Layer {
        answer.0.into()
    }
}

impl<'a> Segment<'a> {
    /// The segment in `probe`; none if its header is cut.
    pub fn read(probe: &'a Probe<'a>) -> Option<Segment<'a>> {
        let content = probe.content;
        let header = usize::from(*content.get(12)? >> 4) * 4;
        let (head, data) = content.split_at_checked(header)?;
        let flags = *head.get(13)?;
        let phantom = [Tcp::SYN, Tcp::FIN].iter().filter(|bit| flags & **bit != 0).count();
        Some(Segment {
            probe,
            source: word(head, 0)?,
            destination: word(head, 2)?,
            sequence: long(head, 4)?,
            acknowledgment: long(head, 8)?,
            flags,
            length: (data.len() + phantom) as u32,
            options: head.get(20..)?,
        })
    }

    /// In the state CLOSED: everything but a reset is reset (section 3.10.7.1).
    pub fn at_closed_port(&self) -> Option<Answer> {
        if self.has(Tcp::RST) {
            return None;
        }
        if self.has(Tcp::ACK) {
            return Some(self.reset());
        }
        let acknowledgment = self.sequence.wrapping_add(self.length);
        Some(self.answer(Tcp { acknowledgment, flags: Tcp::RST | Tcp::ACK, ..Tcp::default() }))
    }

    /// In the state LISTEN, at the host `addr` (section 3.10.7.2).
    pub fn at_open_port(&self, visit: &Visit<'_>, addr: IpAddr) -> Option<Answer> {
        if self.has(Tcp::RST) {
            return None;
        }
        if self.has(Tcp::ACK) {
            return Some(self.reset());
        }
        let conversation = u64::from(self.source) << 32 | u64::from(self.destination) << 16 | 6;
        let hour = visit.at.0 / 3_600_000_000_000; // it does not stay the same for ever (RFC 6528)
        let drawn = visit.world.draw(addr, conversation ^ hour << 48);
        self.has(Tcp::SYN).then(|| {
            self.answer(Tcp {
                sequence: drawn as u32,
                acknowledgment: self.sequence.wrapping_add(1),
                flags: Tcp::SYN | Tcp::ACK,
                window: WINDOW,
                options: self.agreed(visit, addr),
                ..Tcp::default()
            })
        })
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn reset(&self) -> Answer {
        self.answer(Tcp { sequence: self.acknowledgment, flags: Tcp::RST, ..Tcp::default() })
    }

    fn answer(&self, header: Tcp) -> Answer {
        Answer(Tcp { source: self.destination, destination: self.source, ..header })
    }

    /// The segment size, and of the other options those that were offered.
    fn agreed(&self, visit: &Visit<'_>, addr: IpAddr) -> Vec<TcpOption> {
        let offered = Offered::read(self.options);
        let mut options = Vec::with_capacity(5);
        options.push(TcpOption::Mss(if self.probe.destination.is_ipv4() { 1460 } else { 1440 }));
        if offered.selective {
            options.push(TcpOption::SackPermitted);
        }
        if let Some(echo) = offered.timestamp {
            if !offered.selective {
                options.extend([TcpOption::Nop, TcpOption::Nop]);
            }
            let booted = visit.world.draw(addr, u64::from(u32::MAX)) as u32;
            let value = booted.wrapping_add((visit.at.0 / 1_000_000) as u32);
            options.push(TcpOption::Timestamps { value, echo });
        } else if offered.selective {
            options.extend([TcpOption::Nop, TcpOption::Nop]);
        }
        if offered.scale {
            options.extend([TcpOption::Nop, TcpOption::WindowScale(SHIFT)]);
        }
        options
    }
}

/// Options of a SYN that need an answer.
#[derive(Default)]
struct Offered {
    selective: bool,
    scale: bool,
    timestamp: Option<u32>,
}

impl Offered {
    fn read(mut rest: &[u8]) -> Offered {
        let mut offered = Offered::default();
        while let Some(kind) = rest.first() {
            let length = match kind {
                0 => break,
                1 => 1,
                _ => rest.get(1).map_or(0, |length| usize::from(*length)).max(2),
            };
            match (kind, length) {
                (3, 3) => offered.scale = true,
                (4, 2) => offered.selective = true,
                (8, 10) => offered.timestamp = long(rest, 2),
                _ => {}
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        offered
    }
}

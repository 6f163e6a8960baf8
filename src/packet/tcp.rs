//! TCP (RFC 9293) and its options (RFC 7323, RFC 2018).

use etherparse::TcpHeader;

use super::checksum::{Pseudo, transport};
use super::number::TCP;
use super::reader::{Reader, pad};

/// Bytes of the header without options.
const FIXED: usize = 20;

/// A TCP header. A field of `None` is written as it should be; `Some` as told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tcp {
    /// Port of the sender.
    pub source: u16,
    /// Port of the receiver.
    pub destination: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// Length of the header in units of four bytes.
    pub data_offset: Option<u8>,
    /// The four reserved bits; the lowest was NS and is AE.
    pub reserved: u8,
    /// The eight flags, as [`Tcp::FIN`] and its siblings.
    pub flags: u8,
    /// Window, unscaled.
    pub window: u16,
    /// Checksum.
    pub checksum: Option<u16>,
    /// Urgent pointer.
    pub urgent: u16,
    /// Options in their order, filled up with ends of list to a multiple of four bytes.
    pub options: Vec<TcpOption>,
}

impl Tcp {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgment number counts.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer counts.
    pub const URG: u8 = 0x20;
    /// ECN echo.
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced.
    pub const CWR: u8 = 0x80;

    pub(super) fn parse(bytes: &[u8], pseudo: Option<Pseudo>) -> Result<(Tcp, usize), &'static str> {
        let fixed: &[u8; FIXED] = bytes.first_chunk().ok_or("TCP header cut short")?;
        let told = fixed[12] >> 4;
        let wanted = usize::from(told) * 4;
        let header_len = wanted.clamp(FIXED, bytes.len());
        let (head, body) = bytes.split_at_checked(header_len).unwrap_or((bytes, &[]));
        let mut zeroed = head.to_vec();
        zeroed.get_mut(16..18).unwrap_or_default().fill(0);
        let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let long = |at: usize| u32::from(word(at)) << 16 | u32::from(word(at + 2));
        let header = Tcp {
            source: word(0),
            destination: word(2),
            sequence: long(4),
            acknowledgment: long(8),
            data_offset: (wanted != header_len).then_some(told),
            reserved: fixed[12] & 15,
            flags: fixed[13],
            window: word(14),
            checksum: Some(word(16)).filter(|told| *told != transport(pseudo, TCP, &zeroed, body)),
            urgent: word(18),
            options: parse_options(head.get(FIXED..).unwrap_or_default()),
        };
        Ok((header, header_len))
    }

    pub(super) fn write(&self, pseudo: Option<Pseudo>, body: &[u8]) -> Vec<u8> {
        let mut header = TcpHeader::new(self.source, self.destination, self.sequence, self.window);
        header.acknowledgment_number = self.acknowledgment;
        header.urgent_pointer = self.urgent;
        let mut out = header.to_bytes().to_vec();
        write_options(&self.options, &mut out);
        // Options cut off by the end of a quote are left as they are.
        if self.data_offset.is_none_or(|told| usize::from(told) * 4 <= out.len()) {
            pad(&mut out, 4);
        }
        // What etherparse would not write: lengths as told, reserved bits, any set of flags.
        let words = self.data_offset.unwrap_or((out.len() / 4) as u8);
        out.get_mut(12..14).unwrap_or_default().copy_from_slice(&[words << 4 | (self.reserved & 15), self.flags]);
        let checksum = self.checksum.unwrap_or_else(|| transport(pseudo, TCP, &out, body));
        out.get_mut(16..18).unwrap_or_default().copy_from_slice(&checksum.to_be_bytes());
        out
    }

    /// The flags as letters in the order tcpdump knows them by: `S`, `SA`, `FPU`; `.` where none is set.
    pub fn flag_letters(flags: u8) -> String {
        let set: String = FLAG_LETTERS.iter().filter(|(_, bit)| flags & bit != 0).map(|(letter, _)| *letter).collect();
        if set.is_empty() { ".".to_owned() } else { set }
    }

    /// The flags of letters in any order, as [`Tcp::flag_letters`] writes them; the first letter that is none is the
    /// error.
    pub fn flags_of(letters: &str) -> Result<u8, char> {
        letters.chars().filter(|letter| *letter != '.').try_fold(0, |flags, letter| {
            let known = FLAG_LETTERS.iter().find(|(known, _)| *known == letter.to_ascii_uppercase());
            known.map(|(_, bit)| flags | bit).ok_or(letter)
        })
    }

    /// The maximum segment size offered.
    pub fn mss(&self) -> Option<u16> {
        self.options.iter().find_map(|option| match option {
            TcpOption::Mss(size) => Some(*size),
            _ => None,
        })
    }

    /// The shift of the window offered.
    pub fn window_scale(&self) -> Option<u8> {
        self.options.iter().find_map(|option| match option {
            TcpOption::WindowScale(shift) => Some(*shift),
            _ => None,
        })
    }

    /// Time stamp value and echo.
    pub fn timestamps(&self) -> Option<(u32, u32)> {
        self.options.iter().find_map(|option| match option {
            TcpOption::Timestamps { value, echo } => Some((*value, *echo)),
            _ => None,
        })
    }

    /// Whether selective acknowledgments are offered.
    pub fn sack_permitted(&self) -> bool {
        self.options.contains(&TcpOption::SackPermitted)
    }
}

const FLAG_LETTERS: [(char, u8); 8] = [
    ('F', Tcp::FIN),
    ('S', Tcp::SYN),
    ('R', Tcp::RST),
    ('P', Tcp::PSH),
    ('A', Tcp::ACK),
    ('U', Tcp::URG),
    ('E', Tcp::ECE),
    ('C', Tcp::CWR),
];

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// One option. What does not have the shape its kind demands comes as [`TcpOption::Other`] or, without a usable length, as
/// [`TcpOption::Raw`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TcpOption {
    /// End of the list; one for each byte of padding.
    End,
    /// No operation.
    Nop,
    /// Maximum segment size.
    Mss(u16),
    /// Shift of the window.
    WindowScale(u8),
    /// Selective acknowledgments are welcome.
    SackPermitted,
    /// Blocks received, from and to.
    Sack(Vec<(u32, u32)>),
    /// Time stamps.
    Timestamps {
        /// The sender's clock.
        value: u32,
        /// The receiver's clock as the sender saw it last.
        echo: u32,
    },
    /// Any other kind.
    Other {
        /// Its number.
        kind: u8,
        /// Bytes after kind and length.
        data: Vec<u8>,
    },
    /// Bytes as they are, to the end of the header.
    Raw(Vec<u8>),
}

impl TcpOption {
    fn typed(kind: u8, data: &[u8]) -> TcpOption {
        match (kind, data) {
            (MSS, [a, b]) => TcpOption::Mss(u16::from_be_bytes([*a, *b])),
            (WINDOW_SCALE, [shift]) => TcpOption::WindowScale(*shift),
            (SACK_PERMITTED, []) => TcpOption::SackPermitted,
            (TIMESTAMPS, [a, b, c, d, rest @ ..]) if rest.len() == 4 => TcpOption::Timestamps {
                value: u32::from_be_bytes([*a, *b, *c, *d]),
                echo: Reader(rest).u32().unwrap_or_default(),
            },
            (SACK, data) if data.len() % 8 == 0 && !data.is_empty() => {
                let mut reader = Reader(data);
                let blocks = std::iter::from_fn(|| Some((reader.u32()?, reader.u32()?)));
                TcpOption::Sack(blocks.collect())
            }
            (kind, data) => TcpOption::Other { kind, data: data.to_vec() },
        }
    }
}

fn parse_options(bytes: &[u8]) -> Vec<TcpOption> {
    let mut options = Vec::new();
    let mut rest = bytes;
    let mut ended = false;
    while let Some((kind, after)) = rest.split_first() {
        let (option, after) = match (*kind, after) {
            (END, after) => (TcpOption::End, after),
            (NOP, after) if !ended => (TcpOption::Nop, after),
            (kind, [len @ 2..=255, after @ ..]) if !ended && usize::from(*len) - 2 <= after.len() => {
                let (data, after) = after.split_at(usize::from(*len) - 2);
                (TcpOption::typed(kind, data), after)
            }
            _ => (TcpOption::Raw(rest.to_vec()), &[][..]),
        };
        ended |= option == TcpOption::End;
        options.push(option);
        rest = after;
    }
    options
}

fn write_options(options: &[TcpOption], out: &mut Vec<u8>) {
    for option in options {
        let (kind, data) = match option {
            TcpOption::End => {
                out.push(END);
                continue;
            }
            TcpOption::Nop => {
                out.push(NOP);
                continue;
            }
            TcpOption::Raw(bytes) => {
                out.extend(bytes);
                continue;
            }
            TcpOption::Mss(size) => (MSS, size.to_be_bytes().to_vec()),
            TcpOption::WindowScale(shift) => (WINDOW_SCALE, vec![*shift]),
            TcpOption::SackPermitted => (SACK_PERMITTED, Vec::new()),
            TcpOption::Sack(blocks) => {
                let bounds = blocks.iter().flat_map(|(from, to)| [from.to_be_bytes(), to.to_be_bytes()]);
                (SACK, bounds.flatten().collect())
            }
            TcpOption::Timestamps { value, echo } => (TIMESTAMPS, [value.to_be_bytes(), echo.to_be_bytes()].concat()),
            TcpOption::Other { kind, data } => (*kind, data.clone()),
        };
        out.extend([kind, (data.len() + 2) as u8]);
        out.extend(data);
    }
}

//! The file: pcapng and classic pcap, micro- or nanoseconds, either byte order, as one sequence of frames.

use std::fmt;
use std::time::Duration;

use pcap_file::pcap::{PcapParseError, PcapParser, PcapTsResolution};
use pcap_file::pcapng::PcapNgParseError;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::section_header::SectionHeaderOption;
use pcap_file::pcapng::{Block, PcapNgParser};

use crate::model::Timestamp;
use crate::net::record::Header;

/// Longest file read, in bytes.
pub const MAX_FILE: u64 = 512 << 20;

/// Why a file cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingError {
    /// The packet it is about, counted from 1 as Wireshark does.
    pub packet: Option<u32>,
    /// What is wrong.
    pub text: String,
}

impl RecordingError {
    pub(super) fn new(text: impl Into<String>) -> RecordingError {
        RecordingError { packet: None, text: text.into() }
    }

    pub(super) fn at(packet: u32, text: impl Into<String>) -> RecordingError {
        RecordingError { packet: Some(packet), text: text.into() }
    }
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.packet {
            Some(number) => write!(f, "packet {number}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for RecordingError {}

/// One captured frame.
pub struct Frame<'a> {
    /// Counted from 1.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// Link type, by the registry.
    pub link: u32,
    /// Its bytes.
    pub data: &'a [u8],
    /// How many it had on the wire.
    pub wire_len: u32,
    /// Its comments.
    pub comments: Vec<&'a str>,
}

/// Receives frames in the order of the file.
pub type Each<'f> = &'f mut dyn FnMut(&Frame<'_>) -> Result<(), RecordingError>;

/// Reads a whole file. The header is there when it is a recording of ours.
///
/// # Errors
/// It is no capture, broken, cut off, or written by a newer version; or what `each` returns.
pub fn read(bytes: &[u8], each: Each<'_>) -> Result<Option<Header>, RecordingError> {
    match bytes.get(..4) {
        None if bytes.is_empty() => Err(RecordingError::new("the file is empty")),
        Some([0x0a, 0x0d, 0x0d, 0x0a]) => read_pcapng(bytes, each),
        Some(
            [0xa1, 0xb2, 0xc3, 0xd4] | [0xd4, 0xc3, 0xb2, 0xa1] | [0xa1, 0xb2, 0x3c, 0x4d] | [0x4d, 0x3c, 0xb2, 0xa1],
        ) => read_pcap(bytes, each).map(|()| None),
        _ => Err(RecordingError::new("the file is no capture: neither pcapng nor pcap")),
    }
}

fn read_pcapng(bytes: &[u8], each: Each<'_>) -> Result<Option<Header>, RecordingError> {
    let (mut rest, mut parser) =
        PcapNgParser::new(bytes).map_err(|error| RecordingError::new(format!("its first block is broken: {error}")))?;
    let comments: Vec<String> = parser
        .section()
        .options
        .iter()
        .filter_map(|option| match option {
            SectionHeaderOption::Common(CommonOption::Comment(text)) => Some(text.clone().into_owned()),
            _ => None,
        })
        .collect();
    let header = Header::from_comments(&comments).map_err(RecordingError::new)?;
    let (mut number, mut last) = (0u32, Timestamp(0));
    while !rest.is_empty() {
        let (left, block) = parser.next_block(rest).map_err(|error| broken(number, &error))?;
        rest = left;
        let (interface, at, wire_len, data, comments) = match &block {
            Block::EnhancedPacket(packet) => {
                let comments = packet.options.iter().filter_map(|option| match option {
                    EnhancedPacketOption::Common(CommonOption::Comment(text)) => Some(text.as_ref()),
                    _ => None,
                });
                let wire_len = packet.original_len;
                (packet.interface_id, timestamp(packet.timestamp), wire_len, &packet.data, comments.collect())
            }
            Block::Packet(packet) => {
                let wire_len = packet.original_len;
                (u32::from(packet.interface_id), timestamp(packet.timestamp), wire_len, &packet.data, Vec::new())
            }
            Block::SimplePacket(packet) => (0, last, packet.original_len, &packet.data, Vec::new()),
            _ => continue,
        };
        number = number.saturating_add(1);
        last = at;
        let link = parser.interfaces().get(interface as usize).map(|interface| u32::from(interface.linktype));
        let link = link.ok_or_else(|| RecordingError::at(number, "its interface is not described"))?;
        each(&Frame { number, at, link, data, wire_len, comments })?;
    }
    Ok(header)
}

fn broken(number: u32, error: &PcapNgParseError) -> RecordingError {
    use PcapNgParseError as E;
    let next = number.saturating_add(1);
    match error {
        E::IncompleteBuffer(..) => RecordingError::at(next, "the file ends inside it: it was cut off"),
        other => RecordingError::at(next, format!("what comes here is broken: {other}")),
    }
}

fn timestamp(since_epoch: Duration) -> Timestamp {
    Timestamp(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
}

fn read_pcap(bytes: &[u8], each: Each<'_>) -> Result<(), RecordingError> {
    let (mut rest, parser) =
        PcapParser::new(bytes).map_err(|error| RecordingError::new(format!("its header is broken: {error}")))?;
    let header = parser.header();
    let mut number = 0u32;
    while !rest.is_empty() {
        number = number.saturating_add(1);
        let (left, packet) = parser.next_raw_packet(rest).map_err(|error| match error {
            PcapParseError::IncompleteBuffer(..) => {
                RecordingError::at(number, "the file ends inside it: it was cut off")
            }
            other @ PcapParseError::Validation(_) => RecordingError::at(number, format!("it is broken: {other}")),
        })?;
        rest = left;
        let fraction = match header.ts_resolution {
            PcapTsResolution::MicroSecond => u64::from(packet.ts_frac) * 1000,
            PcapTsResolution::NanoSecond => u64::from(packet.ts_frac),
        };
        let at = Timestamp(u64::from(packet.ts_sec) * 1_000_000_000 + fraction);
        // The upper bits tell the length of frame check sequences.
        let link = u32::from(header.datalink) & 0xffff;
        let wire_len = packet.orig_len;
        each(&Frame { number, at, link, data: &packet.data, wire_len, comments: Vec::new() })?;
    }
    Ok(())
}

//! The file: pcapng blocks, written whole, through a bounded buffer.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::blocks::unknown::UnknownBlock;
use pcap_file::pcapng::{Block, PcapNgWriter};
use pcap_file::{DataLink, Endianness};

use super::header::Header;
use super::label::Label;
use super::redaction::Redaction;
use crate::capture::{Direction, Frame};
use crate::model::{Interface, LinkType, Timestamp};
use crate::runtime::Clock;

/// Bytes kept back before they are written: small enough to be copied into the page cache in about 0.1 ms.
const BUFFER: usize = 256 << 10;
/// Bytes kept back at most this long, so that a crash loses little.
const FLUSH: Duration = Duration::from_secs(1);
/// Directions in the flags of a packet (pcapng draft, section 4.3.1).
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;
/// Block type of decryption secrets, and the type of secrets that is a TLS key log (pcapng draft, section 4.7).
const SECRETS_BLOCK: u32 = 0x0000_000a;
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// Writes one recording. Clones write the same.
///
/// A file that cannot be written any more is given up and the run goes on; [`Recorder::finish`] says so.
#[derive(Clone)]
pub struct Recorder(Rc<Inner>);

struct Inner {
    clock: Clock,
    redaction: Redaction,
    conversations: Cell<u64>,
    /// Interfaces described so far, by their number on this machine.
    interfaces: RefCell<HashMap<u32, u32>>,
    output: RefCell<Output>,
}

struct Output {
    /// Whole blocks wait in its vector.
    blocks: PcapNgWriter<Vec<u8>>,
    file: Box<dyn Write>,
    failed: Option<io::Error>,
}

impl Recorder {
    /// A recording into `file`, which gets its header at once.
    ///
    /// # Errors
    /// The file cannot be written, or the header does not fit the format.
    pub fn new(file: Box<dyn Write>, header: &Header, clock: Clock) -> io::Result<Recorder> {
        Recorder::redacting(file, header, Redaction::default(), clock)
    }

    /// The same without what `redaction` hides: not in the header, and not in streams and datagrams. Raw packets go in as
    /// they are.
    ///
    /// # Errors
    /// As [`Recorder::new`].
    pub fn redacting(
        file: Box<dyn Write>,
        header: &Header,
        redaction: Redaction,
        clock: Clock,
    ) -> io::Result<Recorder> {
        let header = redaction.header(header);
        let comments = header.to_comments().into_iter().map(|text| CommonOption::Comment(Cow::Owned(text)));
        let mut options: Vec<_> = comments.map(SectionHeaderOption::Common).collect();
        options.push(SectionHeaderOption::UserApplication(Cow::Owned(format!("sonde {}", header.sonde))));
        let section = SectionHeaderBlock { endianness: Endianness::Little, options, ..SectionHeaderBlock::default() };
        let mut blocks = PcapNgWriter::with_section_header(Vec::new(), section).map_err(io::Error::other)?;
        let interface = InterfaceDescriptionBlock {
            linktype: DataLink::RAW,
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Borrowed("conversations")),
                InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
            ],
        };
        blocks.write_pcapng_block(interface).map_err(io::Error::other)?;
        let output = RefCell::new(Output { blocks, file, failed: None });
        let (conversations, interfaces) = (Cell::new(0), RefCell::default());
        let recorder = Recorder(Rc::new(Inner { clock, redaction, conversations, interfaces, output }));
        recorder.flush();
        match recorder.0.output.borrow_mut().failed.take() {
            Some(error) => Err(error),
            None => Ok(recorder.clone()),
        }
    }

    /// The time now.
    pub(super) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// `data` as it may be written.
    pub(super) fn shown<'a>(&self, data: &'a [u8]) -> Cow<'a, [u8]> {
        self.0.redaction.bytes(data)
    }

    /// The number of a new conversation.
    pub(super) fn next_conversation(&self) -> u64 {
        let number = self.0.conversations.get() + 1;
        self.0.conversations.set(number);
        number
    }

    /// Writes one IP packet, and beside it what `label` tells.
    pub(super) fn packet(&self, at: Timestamp, packet: &[u8], label: &Label) {
        let comment = label.to_comment();
        self.enhanced(0, at, (packet, packet.len() as u32), comment.as_deref(), Vec::new());
    }

    /// Writes one IP packet with this comment.
    pub(super) fn commented(&self, at: Timestamp, packet: &[u8], comment: &str) {
        self.enhanced(0, at, (packet, packet.len() as u32), Some(comment), Vec::new());
    }

    /// Writes a frame that was sent out of the interface of that number; without a link, where there is none.
    pub(super) fn frame(&self, at: Timestamp, frame: &[u8], interface: u32, comment: &str) {
        let id = self.0.interfaces.borrow().get(&interface).copied().unwrap_or(0);
        let flags = EnhancedPacketOption::Flags(OUTBOUND);
        self.enhanced(id, at, (frame, frame.len() as u32), Some(comment), vec![flags]);
    }

    /// Writes a packet as it was captured; `lost` were lost on its interface since the one before it.
    pub(super) fn captured(&self, frame: &Frame<'_>, lost: u64, comment: &str) {
        let id = self.interface(frame.interface);
        let flags = if frame.direction == Direction::Out { OUTBOUND } else { INBOUND };
        let mut options = vec![EnhancedPacketOption::Flags(flags)];
        if lost > 0 {
            options.push(EnhancedPacketOption::DropCount(lost));
        }
        self.enhanced(id, frame.at, (frame.bytes, frame.wire_len), Some(comment), options);
    }

    fn enhanced<'a>(
        &self,
        interface_id: u32,
        at: Timestamp,
        (data, original_len): (&[u8], u32),
        comment: Option<&'a str>,
        mut options: Vec<EnhancedPacketOption<'a>>,
    ) {
        let comment = comment.map(|text| EnhancedPacketOption::Common(CommonOption::Comment(Cow::Borrowed(text))));
        options.extend(comment);
        let (timestamp, data) = (Duration::from_nanos(at.0), Cow::Borrowed(data));
        let block = EnhancedPacketBlock { interface_id, timestamp, original_len, data, options };
        self.block(&Block::EnhancedPacket(block));
    }

    /// The block number of an interface, which is described when it is first asked for.
    pub(super) fn interface(&self, interface: &Interface) -> u32 {
        if let Some(id) = self.0.interfaces.borrow().get(&interface.index) {
            return *id;
        }
        let id = self.0.interfaces.borrow().len() as u32 + 1; // the conversations' is the first
        self.0.interfaces.borrow_mut().insert(interface.index, id);
        let mut options = vec![
            InterfaceDescriptionOption::IfName(Cow::Borrowed(&*interface.name)),
            InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
        ];
        if let Some(mac) = &interface.mac {
            options.push(InterfaceDescriptionOption::IfMacAddr(Cow::Borrowed(&mac.0)));
        }
        let is_ethernet = interface.link == LinkType::Ethernet;
        let linktype = if is_ethernet { DataLink::ETHERNET } else { DataLink::RAW };
        self.block(&Block::InterfaceDescription(InterfaceDescriptionBlock { linktype, snaplen: 0, options }));
        id
    }

    /// Writes one line of a TLS key log, with which others can read what was encrypted.
    pub fn secrets(&self, line: &str) {
        let text = format!("{}\n", line.trim_end());
        let mut body = TLS_KEY_LOG.to_le_bytes().to_vec();
        body.extend((text.len() as u32).to_le_bytes());
        body.extend(text.as_bytes());
        self.block(&Block::Unknown(UnknownBlock::new(SECRETS_BLOCK, body.len() as u32, &body)));
    }

    fn block(&self, block: &Block<'_>) {
        let mut output = self.0.output.borrow_mut();
        if output.failed.is_some() {
            return;
        }
        if let Err(error) = output.blocks.write_block(block) {
            output.failed = Some(io::Error::other(error));
        }
        if output.blocks.get_ref().len() >= BUFFER {
            output.flush();
        }
    }

    /// Writes out what waits.
    pub fn flush(&self) {
        self.0.output.borrow_mut().flush();
    }

    /// Writes out what waits, every second, for ever.
    pub async fn keep_flushing(self) {
        loop {
            self.0.clock.sleep(FLUSH).await;
            self.flush();
        }
    }

    /// Writes out the rest.
    ///
    /// # Errors
    /// The file could not be written, now or earlier: what follows the failure is missing.
    pub fn finish(&self) -> io::Result<()> {
        let mut output = self.0.output.borrow_mut();
        output.flush();
        output.failed.take().map_or(Ok(()), Err)
    }
}

impl Output {
    fn flush(&mut self) {
        if self.failed.is_none()
            && let Err(error) = self.file.write_all(self.blocks.get_ref()).and_then(|()| self.file.flush())
        {
            self.failed = Some(error);
        }
        self.blocks.get_mut().clear();
    }
}

//! Files of all kinds, and packets in every disorder.

use std::borrow::Cow;
use std::time::Duration;

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapTsResolution, PcapWriter};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::{DataLink, Endianness};
use proptest::prelude::*;

use super::*;
use crate::model::Unreached;
use crate::packet::segment::{TcpSegment, tcp, udp, unreachable};

/// Link type, bytes, comment; a millisecond apart.
type Given = (u32, Vec<u8>, Option<&'static str>);

fn pcapng(endianness: Endianness, frames: &[Given]) -> Vec<u8> {
    let mut writer = PcapNgWriter::with_endianness(Vec::new(), endianness).expect("memory");
    let mut links: Vec<u32> = frames.iter().map(|(link, ..)| *link).collect();
    links.dedup();
    for link in &links {
        let mut interface = InterfaceDescriptionBlock::new(DataLink::from(*link), 0);
        interface.options.push(InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO));
        writer.write_pcapng_block(interface).expect("memory");
    }
    for (number, (link, data, comment)) in frames.iter().enumerate() {
        let comment = comment.map(|text| EnhancedPacketOption::Common(CommonOption::Comment(Cow::Borrowed(text))));
        let block = EnhancedPacketBlock {
            interface_id: links.iter().position(|known| known == link).expect("listed") as u32,
            timestamp: Duration::from_millis(1_000 + number as u64),
            original_len: data.len() as u32,
            data: Cow::Borrowed(data),
            options: comment.into_iter().collect(),
        };
        writer.write_pcapng_block(block).expect("memory");
    }
    writer.into_inner()
}

fn pcap(endianness: Endianness, ts_resolution: PcapTsResolution, link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let header = PcapHeader {
        endianness,
        ts_resolution,
        datalink: DataLink::from(link),
        snaplen: 65_535,
        ..PcapHeader::default()
    };
    let mut writer = PcapWriter::with_header(Vec::new(), header).expect("memory");
    for (number, data) in frames.iter().enumerate() {
        let at = Duration::from_millis(1_000 + number as u64);
        let packet = PcapPacket::new(at, data.len() as u32, Cow::Borrowed(data.as_slice())).expect("it is proper");
        writer.write_packet(&packet).expect("memory");
    }
    writer.into_inner()
}

fn client() -> SocketAddr {
    "192.0.2.200:4000".parse().expect("literal")
}

fn server() -> SocketAddr {
    "192.0.2.1:80".parse().expect("literal")
}

/// `>` is ours, `<` the server's; then S, F, R, a number relative to the start, and data.
fn segment_of(text: &str) -> Vec<u8> {
    let (head, payload) = text.split_once(' ').unwrap_or((text, ""));
    let ours = head.starts_with('>');
    let has = |flag| head.contains(flag);
    let relative: u32 = head.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0);
    let base: u32 = if ours { u32::MAX - 2 } else { 5_000 }; // ours wraps round
    let (source, destination) = if ours { (client(), server()) } else { (server(), client()) };
    tcp(&TcpSegment {
        source,
        destination,
        seq: base.wrapping_add(relative),
        ack: (!(ours && has('S'))).then_some(1),
        syn: has('S'),
        fin: has('F'),
        rst: has('R'),
        payload: payload.as_bytes(),
    })
    .expect("one family")
}

fn raw(segments: &[&str]) -> Vec<Given> {
    segments.iter().map(|text| (101, segment_of(text), None)).collect()
}

fn of(segments: &[&str]) -> Recording {
    recording(&pcapng(Endianness::Little, &raw(segments))).expect("it is proper")
}

/// What the peer said, and how it ended.
fn heard(conversation: &Conversation) -> String {
    let told = conversation.events.iter().map(|event| match &event.what {
        What::Data(_, data) => String::from_utf8_lossy(data).into_owned(),
        What::Close => "|closed".to_owned(),
        What::Fail(kind, _) => format!("|{}", kind.name()),
    });
    told.collect()
}

const HANDSHAKE: [&str; 3] = [">S0", "<S0", ">1"];

fn after_handshake(segments: &[&str]) -> Recording {
    of(&[&HANDSHAKE[..], segments].concat())
}

#[test]
fn a_plain_connection() {
    let all = after_handshake(&[">1 GET /", "<1 page", "<F5", ">F6"]);
    assert_eq!(all.conversations.len(), 1);
    let talk = &all.conversations[0];
    assert_eq!((talk.own, talk.peer, talk.kind), (client(), server(), Kind::Stream));
    assert_eq!(talk.outcome, Outcome::Open(Timestamp(1_001_000_000)));
    assert_eq!((talk.sent.as_slice(), heard(talk).as_str()), (&b"GET /"[..], "page|closed"));
    let answer = &talk.events[0];
    assert_eq!((answer.after, answer.delay), (5, Duration::from_millis(1)));
    assert_eq!(talk.packet_of(0), 4);
    assert!(all.remarks.is_empty() && all.header.is_none());
}

#[test]
fn repeated_overlapping_and_disordered_segments() {
    for segments in [
        &[">1 GET /", ">1 GET /", "<1 page", "<1 page"][..],
        &[">1 GET", ">2 ET /", "<3 ge", "<1 pag"][..],
        &[">4  /", ">1 GET", "<4 e", "<1 pa", "<2 ag"][..],
        &[">S0", "<S0", ">1 GET /", "<0 x", "<1 page"][..],
    ] {
        let all = after_handshake(segments);
        assert_eq!(all.conversations.len(), 1, "{segments:?}");
        let talk = &all.conversations[0];
        assert_eq!((talk.sent.as_slice(), heard(talk).as_str()), (&b"GET /"[..], "page"), "{segments:?}");
    }
}

#[test]
fn what_was_not_captured_ends_the_connection_and_is_told() {
    let all = after_handshake(&[">1 GET /", "<1 pa", "<9 lost before"]);
    assert_eq!(heard(&all.conversations[0]), "pa");
    assert!(all.remarks[0].contains("packet 1: of the connection from 192.0.2.200:4000"), "{:?}", all.remarks);
    let mut frames = raw(&HANDSHAKE);
    let cut = segment_of("<1 a long answer");
    frames.push((101, cut[..cut.len() - 4].to_vec(), None));
    let all = recording(&pcapng(Endianness::Little, &frames)).expect("it is proper");
    assert_eq!(heard(&all.conversations[0]), "a long an");
    assert!(all.remarks[0].contains("packet 4: the capture left out 4 bytes"), "{:?}", all.remarks);
}

#[test]
fn captures_that_begin_in_the_middle() {
    for segments in
        [&[">1 GET /", "<1 page"][..], &["<S0", ">1 GET /", "<1 page"][..], &[">S0", ">1 GET /", "<1 page"][..]]
    {
        let all = of(segments);
        let talk = &all.conversations[0];
        assert_eq!((talk.own, heard(talk).as_str()), (client(), "page"), "{segments:?}");
        assert!(matches!(talk.outcome, Outcome::Open(_)), "{segments:?}");
    }
    assert!(of(&[">1", "<R1", "<F1"]).conversations.is_empty());
}

#[test]
fn refused_reset_silent_unreachable() {
    let outcome = |segments: &[&str]| of(segments).conversations[0].outcome.clone();
    assert_eq!(
        outcome(&[">S0", "<R0"]),
        Outcome::Failed(Timestamp(1_001_000_000), NetErrorKind::Refused, String::new())
    );
    assert_eq!(outcome(&[">S0", ">S0", ">S0"]), Outcome::Silent);
    assert_eq!(of(&[">S0", ">S0", ">S0"]).conversations.len(), 1);
    assert_eq!(of(&[">S0", "<R0", ">S7", "<R0"]).conversations.len(), 2);
    assert_eq!(heard(&after_handshake(&[">1 x", "<R1"]).conversations[0]), "|reset");
    let mut frames = raw(&[">S0"]);
    let error = unreachable("192.0.2.77".parse().expect("literal"), client().ip(), Unreachable::Host, &frames[0].1);
    frames.push((101, error.expect("made"), None));
    let all = recording(&pcapng(Endianness::Little, &frames)).expect("it is proper");
    let expected = Outcome::Failed(Timestamp(1_001_000_000), NetErrorKind::Unreachable(Unreached::Host), String::new());
    assert_eq!(all.conversations[0].outcome, expected);
}

#[test]
fn datagrams_and_their_errors() {
    let question = udp(client(), server(), b"question").expect("made");
    let answer = udp(server(), client(), b"answer").expect("made");
    let refusal = unreachable(server().ip(), client().ip(), Unreachable::Port, &question).expect("made");
    let frames: Vec<Given> = [question, answer, refusal].into_iter().map(|packet| (101, packet, None)).collect();
    let all = recording(&pcapng(Endianness::Little, &frames)).expect("it is proper");
    let talk = &all.conversations[0];
    assert_eq!((talk.kind, talk.own), (Kind::Datagrams, client()));
    assert_eq!(talk.datagram(0).map(|(data, piece)| (data, piece.to)), Some((&b"question"[..], server())));
    assert_eq!((talk.datagram(1), heard(talk).as_str()), (None, "answer|refused"));
}

/// The packets of one conversation, as frames of `link`.
fn framed(link: u32) -> Vec<Vec<u8>> {
    let head: Vec<u8> = match link {
        1 => [[0; 12].as_slice(), &[0x81, 0, 0, 5, 8, 0]].concat(),
        0 => vec![2, 0, 0, 0],
        108 => vec![0, 0, 0, 2],
        113 => [[0; 14].as_slice(), &[8, 0]].concat(),
        276 => [[8, 0].as_slice(), &[0; 18]].concat(),
        _ => Vec::new(),
    };
    let segments = [">S0", "<S0", ">1", ">1 GET /", "<1 page"];
    segments.iter().map(|text| [head.as_slice(), &segment_of(text)].concat()).collect()
}

#[test]
fn every_format_and_link_type() {
    let mut files = Vec::new();
    for link in [0, 1, 12, 101, 108, 113, 228, 276] {
        for endianness in [Endianness::Little, Endianness::Big] {
            for resolution in [PcapTsResolution::MicroSecond, PcapTsResolution::NanoSecond] {
                files.push((link, pcap(endianness, resolution, link, &framed(link))));
            }
            let frames: Vec<Given> = framed(link).into_iter().map(|frame| (link, frame, None)).collect();
            files.push((link, pcapng(endianness, &frames)));
        }
    }
    for (link, file) in files {
        let all = recording(&file).expect("it is proper");
        let talk = &all.conversations[0];
        assert_eq!((talk.sent.as_slice(), heard(talk).as_str()), (&b"GET /"[..], "page"), "link type {link}");
        assert_eq!(talk.events[0].at, Timestamp(1_004_000_000), "link type {link}");
    }
}

#[test]
fn several_interfaces_in_one_file() {
    let links = [1, 101, 113, 0, 276];
    let frames: Vec<Given> =
        links.iter().enumerate().map(|(at, link)| (*link, framed(*link).swap_remove(at), None)).collect();
    let all = recording(&pcapng(Endianness::Little, &frames)).expect("it is proper");
    assert_eq!(heard(&all.conversations[0]), "page");
}

#[test]
fn sections_one_after_the_other() {
    // Each section numbers its interfaces anew, and may have a byte order of its own.
    let frames = |link: u32, numbers: std::ops::Range<usize>| -> Vec<Given> {
        framed(link).drain(numbers).map(|frame| (link, frame, None)).collect()
    };
    let first = pcapng(Endianness::Little, &frames(1, 0..3));
    let second = pcapng(Endianness::Big, &frames(113, 3..5));
    let all = recording(&[first, second].concat()).expect("it is proper");
    assert_eq!(heard(&all.conversations[0]), "page");
}

fn refusal(bytes: &[u8]) -> String {
    recording(bytes).expect_err("it is refused").to_string()
}

#[test]
fn files_that_are_refused() {
    assert_eq!(refusal(b""), "the file is empty");
    assert_eq!(refusal(b"<?xml version"), "the file is no capture: neither pcapng nor pcap");
    assert_eq!(refusal(b"\x1f\x8b"), "the file is no capture: neither pcapng nor pcap");
    assert!(refusal(&[0x0a, 0x0d, 0x0d, 0x0a, 0, 0]).contains("its first block is broken"));
    assert!(refusal(&[0xd4, 0xc3, 0xb2, 0xa1, 0]).contains("its header is broken"));
    let whole = pcap(Endianness::Little, PcapTsResolution::MicroSecond, 101, &framed(101));
    assert_eq!(refusal(&whole[..whole.len() - 1]), "packet 5: the file ends inside it: it was cut off");
    let frames: Vec<Given> = framed(101).into_iter().map(|frame| (101, frame, None)).collect();
    let whole = pcapng(Endianness::Little, &frames);
    assert_eq!(refusal(&whole[..whole.len() - 1]), "packet 5: the file ends inside it: it was cut off");
    let unknown = pcapng(Endianness::Little, &[(127, vec![0; 20], None)]);
    assert!(refusal(&unknown).contains("packet 1: its link type 127 is not known"), "{}", refusal(&unknown));
}

#[test]
fn a_file_cut_anywhere_is_refused_or_read() {
    let frames: Vec<Given> = framed(1).into_iter().map(|frame| (1, frame, Some("sonde: conv=1 origin=a"))).collect();
    for file in [
        pcapng(Endianness::Little, &frames),
        pcapng(Endianness::Big, &frames),
        pcap(Endianness::Big, PcapTsResolution::NanoSecond, 1, &framed(1)),
    ] {
        for end in 0..file.len() {
            let _ = recording(&file[..end]);
        }
    }
}

/// Bytes a recording may need in memory for each byte of the file.
fn weight(recording: &Recording) -> usize {
    let of = |talk: &Conversation| {
        let said = talk.events.iter().map(|event| match &event.what {
            What::Data(_, data) => data.len(),
            _ => 0,
        });
        talk.sent.len() + said.sum::<usize>()
    };
    recording.conversations.iter().map(of).sum()
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0usize..5) {
        let magic: &[u8] = [
            &[][..],
            &[0x0a, 0x0d, 0x0d, 0x0a],
            &[0xd4, 0xc3, 0xb2, 0xa1],
            &[0xa1, 0xb2, 0x3c, 0x4d],
            &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0],
        ][kind];
        let _ = recording(&[magic, &bytes].concat());
    }

    #[test]
    fn mutated_files_are_refused_or_read(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        big: bool,
        classic: bool,
        link in prop::sample::select(vec![0u32, 1, 101, 113, 276]),
    ) {
        let endianness = if big { Endianness::Big } else { Endianness::Little };
        let labels = [Some("sonde: conv=1 origin=a@b"), None, Some("sonde: to=c error=reset"), None, None];
        let frames: Vec<Given> = framed(link).into_iter().zip(labels).map(|(frame, text)| (link, frame, text)).collect();
        let mut file = if classic {
            pcap(endianness, PcapTsResolution::MicroSecond, link, &framed(link))
        } else {
            pcapng(endianness, &frames)
        };
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Ok(read) = recording(&file) {
            prop_assert!(weight(&read) <= file.len());
        }
    }

    /// Segments with any numbers and flags: nothing is delivered twice, nothing grows beyond what came.
    #[test]
    fn any_segments_make_conversations(
        segments in proptest::collection::vec((any::<bool>(), 0u32..60, 0u8..16, 0usize..20), 0..60),
    ) {
        let texts: Vec<String> = segments
            .iter()
            .map(|(ours, number, flags, length)| {
                let side = if *ours { '>' } else { '<' };
                let flag = |bit: u8, name| if flags & bit != 0 { name } else { "" };
                let flags = [flag(1, "S"), flag(2, "F"), if flags & 0b1100 == 0b1100 { "R" } else { "" }].concat();
                format!("{side}{flags}{number} {}", "x".repeat(*length))
            })
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let file = pcapng(Endianness::Little, &raw(&texts));
        let read = recording(&file).expect("the file is proper");
        prop_assert!(weight(&read) <= file.len());
        for talk in &read.conversations {
            prop_assert!(talk.pieces.windows(2).all(|pair| pair[0].end <= pair[1].end));
            prop_assert!(talk.events.iter().all(|event| event.after <= talk.sent.len()));
        }
    }
}

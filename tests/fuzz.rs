//! Parsers of what comes from outside, fed with what is almost right: real bytes with a few changes. None of them may panic,
//! hang, or hold more than it was given.
//!
//! A run of all tests tries a few thousand of each; `make fuzz` tries `SONDE_FUZZ_ITERATIONS` of each. Everything follows
//! from `SONDE_FUZZ_SEED`, and an input that does harm is kept in a file that the failure names.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_lite::future::block_on;
use futures_lite::{AsyncRead, AsyncWrite};
use pcap_file::pcapng::{Block, PcapNgParser};
use sonde::capture::Filter;
use sonde::model::LinkType;
use sonde::net::Stream;
use sonde::net::replay::recording;
use sonde::net::resolver::message::{Query, Question, RecordKind};
use sonde::net::resolver::name::DomainName;
use sonde::net::sim::Scenario;
use sonde::net::tls::{Certificate, ClientHello, TlsVersion, probe};
use sonde::net::{packets, replay};
use sonde::packet::{FlowKey, Packet, segment};
use sonde::runtime::Random;

/// Inputs tried unless `SONDE_FUZZ_ITERATIONS` says otherwise.
const BRIEF: u64 = 2_000;
/// No input here takes a hundredth of it; one that does is as good as a hang.
const PATIENCE: Duration = Duration::from_secs(20);
/// Numbers at which lengths and counts go wrong.
const EDGES: [u32; 12] = [0, 1, 3, 4, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// Changes a few things about `bytes`; `others` are where strange parts come from. Half of the time all stays in its place, so
/// that what lies behind lengths and counts is reached.
fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    let in_place = rng.bool();
    for _ in 0..=rng.usize(..6) {
        let at = rng.usize(..=bytes.len());
        let length = rng.usize(..=(bytes.len() - at).min(64));
        let part = match rng.u8(..8) {
            0 if !in_place => {
                bytes.truncate(at);
                continue;
            }
            1 if !in_place => Vec::new(),
            2 => {
                let from = rng.usize(..=bytes.len() - length);
                bytes[from..from + length].to_vec()
            }
            3 => {
                let other = rng.choice(others).expect("there is a first");
                let from = rng.usize(..=other.len());
                other[from..from + rng.usize(..=(other.len() - from).min(200))].to_vec()
            }
            4 => {
                let edge = rng.choice(EDGES).expect("there is one");
                let size = [1, 2, 4][rng.usize(..3)];
                if rng.bool() { edge.to_be_bytes()[4 - size..].to_vec() } else { edge.to_le_bytes()[..size].to_vec() }
            }
            5 => (0..rng.u8(..9)).map(|_| rng.u8(..)).collect(),
            _ => bytes.get(at).map_or(vec![0], |byte| vec![byte ^ 1 << rng.u8(..8)]),
        };
        if in_place {
            bytes[at..].iter_mut().zip(part).for_each(|(byte, new)| *byte = new);
        } else {
            let replaced = if part.is_empty() { length } else { length.min(part.len()) };
            bytes.splice(at..at + replaced, part);
        }
    }
}

/// Gives `parse` everything in `corpus` as it is, then so many changed inputs.
fn fuzz(name: &str, corpus: &[Vec<u8>], parse: impl Fn(&[u8])) {
    assert!(!corpus.is_empty(), "{name}: nothing to begin with");
    let (iterations, seed) = (number("SONDE_FUZZ_ITERATIONS", BRIEF), number("SONDE_FUZZ_SEED", 1));
    let began = Instant::now();
    let tried = |input: &[u8], which: &str| {
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| parse(input)));
        if outcome.is_err() || start.elapsed() > PATIENCE {
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
            std::fs::write(&file, input).expect("the build folder is writable");
            panic!("{name}: {which} of seed {seed} does harm: {}", file.display());
        }
    };
    corpus.iter().enumerate().for_each(|(at, input)| tried(input, &format!("unchanged input {at}")));
    let mut rng = Rng::with_seed(seed);
    for number in 0..iterations {
        let mut input = rng.choice(corpus).expect("there is a first").clone();
        mutate(&mut rng, &mut input, corpus);
        tried(&input, &format!("input {number}"));
    }
    println!("{name}: {iterations} inputs from {} in {:.1} s", corpus.len(), began.elapsed().as_secs_f64());
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The recordings of the shipped cases, in order.
fn recordings() -> Vec<Vec<u8>> {
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    };
    let scripts = folders(&root().join("testdata/scripts"));
    let mut files: Vec<PathBuf> =
        scripts.iter().flat_map(|script| folders(script)).map(|case| case.join("wire.pcapng")).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("a recording")).collect()
}

/// Bytes of conversations in a recording.
fn weight(read: &replay::Recording) -> usize {
    let said = |what: &replay::What| if let replay::What::Data(_, data) = what { data.len() } else { 0 };
    let talks = read.conversations.iter();
    talks.map(|talk| talk.sent.len() + talk.events.iter().map(|event| said(&event.what)).sum::<usize>()).sum()
}

#[test]
fn recordings_in_pcapng() {
    fuzz("recordings", &recordings(), |bytes| {
        if let Ok(read) = recording(bytes) {
            assert!(weight(&read) <= bytes.len(), "it holds more than the file");
        }
    });
}

/// Every packet of the shipped cases, once.
fn frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for file in recordings() {
        let (mut rest, mut parser) = PcapNgParser::new(&file).expect("it is proper");
        while !rest.is_empty() {
            let (left, block) = parser.next_block(rest).expect("it is proper");
            rest = left;
            if let Block::EnhancedPacket(packet) = block {
                frames.push(packet.data.into_owned());
            }
        }
    }
    frames.sort();
    frames.dedup();
    frames
}

#[test]
fn packets_of_every_kind() {
    fuzz("packets", &frames(), |bytes| {
        for link in [LinkType::Ethernet, LinkType::Ip] {
            let packet = Packet::parse(link, bytes);
            assert!(packet.summary().len() < 1000 + 100 * bytes.len());
            FlowKey::of_reply(link, bytes);
        }
        FlowKey::of_probe(bytes);
        segment::read(bytes);
        packets::destination(bytes);
        packets::is_source_routed(bytes);
    });
}

const FILTERS: [&str; 16] = [
    "tcp port 80 and host 192.0.2.1",
    "src host 10.0.0.1 and tcp src port 22 and tcp[13] & 0x12 = 0x12 or icmp[0] = 11",
    "ether multicast and not ether src 02:4c:41:42:00:01",
    "ip6 and (udp portrange 1000-2000 or icmp6)",
    "vlan 7 and ip proto 47 or ip6 proto 58",
    "net 10.0.0.0/8 or net 192.168.0.0 mask 255.255.0.0",
    "len >= 100 and greater 50 or less 1500",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 127.0.0.0/8",
    "ip[6:2] & 0x1fff != 0 && ip[0] & 0xf > 5",
    "dst host 2001:db8::1 and dst port 53",
    "arp or rarp or ether proto 0x88cc",
    "sctp or udp[4:2] > 8 or ether[12:2] = 0x0800",
    "broadcast or ip broadcast or ip multicast",
    "icmp[icmptype] = icmp-echo or icmp[icmpcode] = 4",
    "port http or port domain",
    "((((tcp))))",
];

#[test]
fn filters_in_words() {
    let packets = frames();
    let corpus = FILTERS.map(|text| text.as_bytes().to_vec());
    fuzz("filters", &corpus, |bytes| {
        let Ok(filter) = Filter::parse(&String::from_utf8_lossy(bytes)) else { return };
        for link in [LinkType::Ethernet, LinkType::Ip] {
            let Ok(program) = filter.compile(link) else { continue };
            for packet in packets.iter().step_by(97) {
                program.run(packet, packet.len() as u32);
            }
        }
        assert!(Filter::parse(&filter.to_string()).is_ok(), "what it says of itself is no filter");
    });
}

/// An answer to `query` with some records behind the question.
fn answer(query: &[u8], records: &[(u16, &[u8])]) -> Vec<u8> {
    let mut message = query.to_vec();
    message[2] |= 0x80;
    message[7] = records.len() as u8;
    for (kind, data) in records {
        message.extend([0xc0, 12]); // the name asked for
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 60]);
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(*data);
    }
    message
}

#[test]
fn answers_of_name_servers() {
    const ALIAS: &[u8] = b"\x05other\x07example\x00";
    let name = DomainName::parse("www.a.example").expect("a name");
    let asked = |kind| {
        let question = Question { name: name.clone(), kind };
        Query::new(question, &Random::new(Some(5))).expect("it fits")
    };
    for kind in [RecordKind::A, RecordKind::Aaaa, RecordKind::Ptr] {
        let query = asked(kind);
        let wire = query.wire();
        let corpus = [
            answer(wire, &[(1, &[192, 0, 2, 1]), (1, &[192, 0, 2, 2])]),
            answer(wire, &[(28, &[0x20; 16]), (5, ALIAS)]),
            answer(wire, &[(5, ALIAS), (1, &[192, 0, 2, 1]), (12, ALIAS), (12, &[0xc0, 12])]),
            answer(wire, &[(16, b"\x04text"), (41, &[]), (6, ALIAS)]),
            answer(wire, &[]),
        ];
        // What is not for this query is thrown away at once: the number stays.
        let id: [u8; 2] = [wire[0], wire[1]];
        fuzz("answers", &corpus, |bytes| {
            let mut bytes = bytes.to_vec();
            bytes.iter_mut().zip(id).for_each(|(byte, wanted)| *byte = wanted);
            query.judge(&bytes);
        });
    }
}

/// A peer that says this, whatever it hears.
struct Says<'a>(&'a [u8]);

impl AsyncRead for Says<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Says<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Stream for Says<'_> {
    fn local(&self) -> SocketAddr {
        ([127, 0, 0, 1], 1).into()
    }

    fn peer(&self) -> SocketAddr {
        ([127, 0, 0, 1], 443).into()
    }
}

#[test]
fn first_flights_of_tls() {
    let mut corpus = Vec::new();
    for talk in recordings().iter().filter_map(|file| recording(file).ok()).flat_map(|read| read.conversations) {
        let said = talk.events.iter().filter_map(|event| match &event.what {
            replay::What::Data(_, data) => Some(data.as_slice()),
            _ => None,
        });
        let said: Vec<&[u8]> = said.collect();
        let said = said.concat();
        if [21, 22].contains(said.first().unwrap_or(&0)) && said.get(1) == Some(&3) {
            corpus.push(said);
        }
    }
    assert!(corpus.len() > 2, "the recordings hold {} conversations of TLS", corpus.len());
    let hello = ClientHello::new(TlsVersion::TLS12, &Random::new(Some(3)));
    fuzz("flights", &corpus, |bytes| {
        if let Ok(flight) = block_on(probe(&mut Says(bytes), &hello)) {
            let _ = flight.info();
            for der in &flight.chain {
                let _ = Certificate::parse(der);
            }
        }
    });
}

#[test]
fn scenarios_in_toml() {
    let mut corpus = vec![std::fs::read(root().join("testdata/simulation/campus.toml")).expect("a scenario")];
    let guide = std::fs::read_to_string(root().join("docs/SIMULATION.md")).expect("the guide");
    corpus
        .extend(guide.split("```").filter_map(|part| part.strip_prefix("toml\n")).map(|text| text.as_bytes().to_vec()));
    fuzz("scenarios", &corpus, |bytes| {
        let _ = Scenario::parse(&String::from_utf8_lossy(bytes));
    });
}

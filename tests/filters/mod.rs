//! The filter language against libpcap, and programs against the kernel.

mod expressions;
mod kernel;
mod libpcap;
mod packets;

use fastrand::Rng;
use sonde::capture::bpf::Program;
use sonde::capture::filter::Filter;
use sonde::model::LinkType;

use crate::support::cannot_run;
use expressions::Generator;
use libpcap::Mode;
use packets::Packet;

/// Filters compared in each test run; `SONDE_FILTERS` asks for more.
const FILTERS: usize = 1200;
const PACKETS: usize = 600;
/// What a change of the generator must not lose: of so many filters, at least one in three takes some packets and not all.
const SELECTIVE: usize = 3;

/// What libpcap compiles and we refuse, each by the message it is refused with.
const REFUSED: &[&str] = &[
    // The kernel takes such offsets for ancillary data.
    "no packet has anything at this offset",
    // libpcap looks at one literal only, and then divides by zero for every packet.
    "this divides by zero",
    "this shifts by more than 31 bits",
];

fn count() -> usize {
    std::env::var("SONDE_FILTERS").ok().and_then(|count| count.parse().ok()).unwrap_or(FILTERS)
}

fn seed() -> u64 {
    std::env::var("SONDE_FILTER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_121)
}

fn has_tcpdump() -> bool {
    let found = std::process::Command::new("tcpdump").arg("--version").output().is_ok();
    if !found {
        cannot_run("tcpdump is not installed");
    }
    found
}

fn generated(rng: &mut Rng, link: LinkType, filters: usize) -> Vec<String> {
    let mut generator = Generator { rng, has_ethernet: link == LinkType::Ethernet };
    (0..filters).map(|_| generator.filter(4)).collect()
}

fn some_packets(rng: &mut Rng, link: LinkType, packets: usize) -> Vec<Packet> {
    (0..packets).map(|_| packets::packet(rng, link == LinkType::Ethernet)).collect()
}

fn takes(program: &Program, packet: &Packet) -> bool {
    program.run(&packet.bytes, packet.wire_len) > 0
}

/// Ours, or nothing where we refuse what libpcap takes for a listed reason.
fn ours(text: &str, link: LinkType) -> Option<Program> {
    match Filter::parse(text).and_then(|filter| filter.compile(link)) {
        Ok(program) => Some(program),
        Err(error) if REFUSED.contains(&error.message.as_str()) => None,
        Err(error) => panic!("libpcap compiles it: {error}"),
    }
}

fn compare(link: LinkType, filters: usize, rng: &mut Rng) {
    let texts = generated(rng, link, filters);
    let packets = some_packets(rng, link, PACKETS);
    let mut selective = 0;
    let theirs = libpcap::programs(link, Mode::Plain, &texts);
    assert_eq!(theirs.len(), texts.len());
    for (text, theirs) in texts.iter().zip(theirs) {
        let theirs = match theirs {
            Ok(program) => program,
            Err(error) => panic!("libpcap refuses {text}: {error}"),
        };
        let Some(ours) = ours(text, link) else { continue };
        let taken = packets.iter().filter(|packet| {
            let verdict = takes(&theirs, packet);
            assert_eq!(takes(&ours, packet), verdict, "{link:?} {text:?}\n{packet:?}\n{ours}{theirs}");
            verdict
        });
        selective += usize::from((1..packets.len()).contains(&taken.count()));
    }
    assert!(selective * SELECTIVE > filters, "only {selective} of {filters} filters take some packets and not others");
}

#[test]
fn verdicts_are_those_of_libpcap_on_ethernet() {
    if has_tcpdump() {
        compare(LinkType::Ethernet, count() * 2 / 3, &mut Rng::with_seed(seed()));
    }
}

#[test]
fn verdicts_are_those_of_libpcap_without_ethernet() {
    if has_tcpdump() {
        compare(LinkType::Ip, count() / 3, &mut Rng::with_seed(seed() + 1));
    }
}

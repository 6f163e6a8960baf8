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
const FILTERS: usize = 900;
const PACKETS: usize = 500;
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

/// libpcap's optimiser leaves out reads it finds useless and asks in another order, so a packet that is too short for what the
/// expression says may pass. Ours does what the expression says; where nothing is too short, all three agree.
#[test]
fn libpcaps_optimiser_differs_on_short_packets_only() {
    if !has_tcpdump() {
        return;
    }
    let link = LinkType::Ethernet;
    let mut rng = Rng::with_seed(seed() + 4);
    let texts = generated(&mut rng, link, count() / 6);
    let mut packets = some_packets(&mut rng, link, PACKETS);
    let theirs = libpcap::programs(link, Mode::Optimised, &texts);
    for packet in &mut packets {
        // Longer than any offset a byte and an IPv4 header lead to; `len` stays what it was.
        packet.bytes.resize(packet.bytes.len() + 1024, 0);
    }
    let mut compared = 0;
    for (text, theirs) in texts.iter().zip(theirs) {
        let Some(ours) = ours(text, link) else { continue };
        let never = match &theirs {
            Ok(_) => false,
            Err(error) if error.ends_with("expression rejects all packets") => true,
            Err(error) => panic!("libpcap refuses {text}: {error}"),
        };
        for packet in &packets {
            let far = ours_reads_far(text);
            let verdict = theirs.as_ref().is_ok_and(|program| takes(program, packet));
            assert!(far || takes(&ours, packet) == verdict, "{text:?} never: {never}\n{packet:?}\n{ours}");
            compared += usize::from(!far);
        }
    }
    assert!(compared > PACKETS * texts.len() / 2, "{compared}");
}

/// Whether an offset is computed from more than small constants, so that no packet is long enough.
fn ours_reads_far(text: &str) -> bool {
    let mut depth = 0;
    text.chars().any(|c| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        depth > 1 || depth == 1 && !(c == '[' || c == ':' || c.is_ascii_digit())
    })
}

/// The interpreter: tcpdump runs libpcap's over the same packets.
#[test]
fn tcpdump_takes_the_packets_our_interpreter_takes() {
    if !has_tcpdump() {
        return;
    }
    for link in [LinkType::Ethernet, LinkType::Ip] {
        let mut rng = Rng::with_seed(seed() + 5);
        let texts = generated(&mut rng, link, 40);
        let packets: Vec<Packet> =
            some_packets(&mut rng, link, 2000).into_iter().filter(|packet| !packet.bytes.is_empty()).collect();
        for text in &texts {
            let Some(ours) = ours(text, link) else { continue };
            let verdicts: Vec<bool> = packets.iter().map(|packet| takes(&ours, packet)).collect();
            assert!(libpcap::accepted(link, Mode::Plain, &packets, text) == verdicts, "{text}");
        }
    }
}

#[test]
fn a_union_takes_what_any_of_its_filters_takes() {
    let mut rng = Rng::with_seed(seed() + 6);
    for link in [LinkType::Ethernet, LinkType::Ip] {
        let texts = generated(&mut rng, link, 300);
        let filters: Vec<Filter> = texts.iter().filter_map(|text| Filter::parse(text).ok()).collect();
        let mut packets = some_packets(&mut rng, link, 200);
        for packet in &mut packets {
            packet.wire_len = packet.bytes.len() as u32;
        }
        for some in filters.chunks(rng.usize(2..12)) {
            let programs: Vec<Program> = some.iter().filter_map(|filter| filter.compile(link).ok()).collect();
            if programs.len() < some.len() {
                continue;
            }
            let union = Filter::any_of(&some.iter().collect::<Vec<_>>());
            let all = union.compile(link).unwrap_or_else(|error| panic!("{error}"));
            for packet in &packets {
                let verdict = programs.iter().any(|program| takes(program, packet));
                assert_eq!(takes(&all, packet), verdict, "{union}\n{packet:?}");
            }
        }
    }
}

/// What both must refuse, and what we take or refuse otherwise than libpcap: the list `docs/FILTERS.md` explains.
#[test]
fn what_is_no_filter_for_libpcap_is_none_for_us_but_for_a_list() {
    if !has_tcpdump() {
        return;
    }
    let (neither, ours_alone, theirs_alone) = (lines(NEITHER), lines(OURS_ALONE), lines(THEIRS_ALONE));
    let all: Vec<String> = [neither.clone(), ours_alone.clone(), theirs_alone.clone()].concat();
    let compiled = libpcap::programs(LinkType::Ethernet, Mode::Plain, &all);
    for (text, theirs) in all.iter().zip(compiled) {
        let ours = Filter::parse(text).and_then(|filter| filter.compile(LinkType::Ethernet));
        assert_eq!(ours.is_ok(), ours_alone.contains(text), "{text}: {ours:?}");
        assert_eq!(theirs.is_ok(), theirs_alone.contains(text), "{text}: {theirs:?}");
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

const NEITHER: &str = "
    1.2.3.4
    6
    tcp host 1.2.3.4
    tcp net 10.0
    udp 53
    (port 80) or 443
    tcp or 80
    port 80 or tcp or 443
    vlan 5 or 6
    broadcast or 80
    not 80
    net 2001:db8::/0
    net 10.1 mask 255.0.0.0
    net 10.0.0.0/33
    net 2001::/129
    net 1.2.3.4/24
    dst src port 80
    src ether 00:11:22:33:44:55
    host 00:11:22:33:44:55
    port nosuchservice
    port 80-90
    port 70000
    port 080
    port 1.2.3.4
    ip port 80
    icmp port 80
    ether port 80
    less 40+2
    greater (40)
    tcp[12:3]=1
    ip[0]/0=1
    ip[0]%0=1
    ip[0]<<33=1
    ip[0]<>5
    ip[0]=0xg
    99999999999=1
    1 = 1 = 1
    len
    len[0]=5
    tcp[0]
    ip[0=1
    tcp proto 6
    arp proto 6
    ip6 broadcast
    arp broadcast
    tcp multicast
    vlan 4096
    ip and
    and ip
    ip ip
    (ip
    ip)
    ip and ()
    not
    tcp port
    src
    host
    net
    TCP
    gateway 1.2.3.4
    ip6 protochain 6
    host 256.1.1.1
    host 1.2.3.4/32
    host 1..2
    ip host ::1
    ip6 host 1.2.3.4
    arp host ::1
    ip 1.2.3.4
    src not host 1.1.1.1
    host src 1.1.1.1
    port (80 or port 81)
    port (tcp)
    10-2=8
    ip[2:len]=5
";

const OURS_ALONE: &str = "
    net 10/8
    net 10 mask 255.0.0.0
    proto tcp
    ip proto udp
    port ((80 or 81))
    port 80 or (81 and tcp)
";

const THEIRS_ALONE: &str = "
    dst 80
    host localhost
    host ::1/128
    mpls
    pppoes
    atalk
    ipx
    ether[-1] = 0
    ip[4294967295] = 1
    1 << (30 + 2) = 0
";

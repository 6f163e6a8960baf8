//! The language, unions, bounds. What packets a filter takes is compared with libpcap in `tests/filters`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::{Filter, FilterError};
use crate::capture::bpf::Program;
use crate::model::LinkType;
use crate::packet::FlowKey;

fn program(text: &str) -> Program {
    compile(text).unwrap_or_else(|error| panic!("{error}"))
}

fn compile(text: &str) -> Result<Program, FilterError> {
    Filter::parse(text)?.compile(LinkType::Ethernet)
}

fn complaint(text: &str) -> String {
    compile(text).expect_err(text).to_string()
}

/// An Ethernet frame with IPv4 and the beginning of a header with ports.
fn frame(protocol: u8, from: ([u8; 4], u16), to: ([u8; 4], u16)) -> Vec<u8> {
    let mut bytes = vec![0; 12];
    bytes.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, protocol, 0, 0]);
    bytes.extend([from.0, to.0].concat());
    bytes.extend([from.1.to_be_bytes(), to.1.to_be_bytes()].concat());
    bytes.extend([0; 16]);
    bytes
}

fn takes(filter: &Filter, bytes: &[u8]) -> bool {
    filter.compile(LinkType::Ethernet).unwrap_or_else(|error| panic!("{error}")).run(bytes, bytes.len() as u32) > 0
}

#[test]
fn the_caret_is_under_the_place() {
    assert_eq!(
        complaint("tcp port 80 or 70000"),
        "port 70000 is above 65535\n  tcp port 80 or 70000\n                 ^"
    );
    assert_eq!(complaint("ip and"), "expected a condition; the filter ends here\n  ip and\n        ^");
    assert_eq!(complaint("(ip or tcp"), "this `(` is not closed\n  (ip or tcp\n  ^");
    assert_eq!(complaint("ip)"), "this parenthesis closes nothing\n  ip)\n    ^");
    assert_eq!(
        complaint("ip and\n\thost localhost"),
        "`localhost` is no address; a name must be resolved before it is put into a filter\n  \thost localhost\n  \t     ^"
    );
    assert_eq!(complaint("tcp ä"), "'ä' means nothing here\n  tcp ä\n      ^");
    for (text, at) in [("dst 80", 4), ("udp 53", 4), ("tcp[13] & 2", 11), ("tcp[0:3] = 1", 6), ("ip[0] / 0 = 1", 6)] {
        assert_eq!(compile(text).expect_err(text).at, at, "{text}");
    }
}

#[test]
fn a_link_without_ethernet_has_no_ethernet() {
    for (text, at) in
        [("ip and vlan 5", 7), ("ether host 02:00:5e:10:00:01", 11), ("ip or broadcast", 6), ("multicast", 0)]
    {
        let error = Filter::parse(text).and_then(|filter| filter.compile(LinkType::Ip)).expect_err(text);
        assert_eq!((error.at, error.message.starts_with("a link without Ethernet has")), (at, true), "{error}");
    }
}

#[test]
fn qualifiers_are_taken_over_and_names_are_ports() {
    for (short, long) in [
        ("port 80 or 443", "port 80 or port 443"),
        ("tcp dst port 80 or 81 and not 82", "tcp dst port 80 or tcp dst port 81 and not tcp dst port 82"),
        ("host 10.0.0.1 or (10.0.0.2)", "host 10.0.0.1 or host 10.0.0.2"),
        ("src net (10 or 11.0)", "src net 10.0.0.0/8 or src net 11.0.0.0/16"),
        ("udp port domain", "udp port 53"),
        ("port domain", "port 53"),
        ("portrange ssh-domain", "portrange 22-53"),
        ("tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "tcp[13] & 3 != 0"),
        ("proto tcp", "tcp"),
        ("net 10 mask 255.0.0.0", "net 10.0.0.0/8"),
    ] {
        assert_eq!(program(short), program(long), "{short}");
    }
}

#[test]
fn a_filter_prints_text_that_means_the_same() {
    let flow = FlowKey { protocol: 6, remote: [10, 0, 0, 2].into(), remote_port: 80, local_port: 4000 };
    let parts = [
        Filter::parse(" port 80 or 443 ").expect("good"),
        Filter::everything(),
        Filter::of_flow(&flow),
        Filter::of_flow(&FlowKey { protocol: 58, remote: Ipv6Addr::LOCALHOST.into(), remote_port: 0, local_port: 7 }),
        Filter::of_flow(&FlowKey { remote: Ipv6Addr::LOCALHOST.into(), ..flow }),
        Filter::of_host(Ipv4Addr::LOCALHOST.into()),
        Filter::parse("arp").expect("good").and(Filter::parse("port 80").expect("good").not()),
    ];
    for part in &parts {
        let again = Filter::parse(&part.to_string()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.compile(LinkType::Ethernet), part.compile(LinkType::Ethernet), "{part}");
    }
    assert_eq!(parts[0].to_string(), "port 80 or 443");
    assert_eq!(parts[2].to_string(), "tcp[0:4] = 0x00500fa0 and ip src host 10.0.0.2");
    assert_eq!(Filter::any_of(&[]).compile(LinkType::Ethernet), Ok(Program::reject_all()));
    assert_eq!(Filter::everything().compile(LinkType::Ip), Ok(Program::accept_all()));
}

#[test]
fn a_flow_takes_its_replies_only() {
    let key = FlowKey { protocol: 6, remote: [10, 0, 0, 2].into(), remote_port: 80, local_port: 4000 };
    let filter = Filter::of_flow(&key);
    let (here, there) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    assert!(takes(&filter, &frame(6, (there, 80), (here, 4000))));
    assert!(!takes(&filter, &frame(6, (here, 4000), (there, 80))));
    assert!(!takes(&filter, &frame(6, (there, 80), (here, 4001))));
    assert!(!takes(&filter, &frame(17, (there, 80), (here, 4000))));
}

#[test]
fn a_short_packet_spoils_no_other_filter_of_a_union() {
    let deep = Filter::parse("ether[100] = 1").expect("good");
    let tcp = Filter::parse("tcp").expect("good");
    let packet = frame(6, ([10, 0, 0, 1], 1), ([10, 0, 0, 2], 2));
    assert!(takes(&Filter::any_of(&[&deep, &tcp]), &packet));
    assert!(!takes(&Filter::parse("ether[100] = 1 or tcp").expect("good"), &packet));
    // A VLAN in one says nothing about the others.
    let vlan = Filter::parse("vlan 5").expect("good");
    assert!(takes(&Filter::any_of(&[&vlan, &tcp]), &packet));
    assert!(!takes(&vlan.and(tcp), &packet));
}

/// Instructions of a union of `count` filters, or what is said where it does not fit.
fn union_of(count: u32, one: impl Fn(u32) -> Filter) -> Result<usize, FilterError> {
    let filters: Vec<Filter> = (0..count).map(one).collect();
    let union = Filter::any_of(&filters.iter().collect::<Vec<_>>());
    union.compile(LinkType::Ethernet).map(|program| program.instructions().len())
}

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + number).into()
}

#[test]
fn unions_share_what_they_have_in_common() {
    let port = |number: u32| Filter::parse(&format!("port {}", number * 3 + 1)).expect("good");
    let host = |number: u32| Filter::of_host(address(number));
    let flow = |number: u32| {
        let key = FlowKey {
            protocol: 6,
            remote: address(number / 4),
            remote_port: 80 + number as u16 % 4,
            local_port: 40_000,
        };
        Filter::of_flow(&key)
    };
    let stranger = |number: u32| {
        let key = FlowKey { protocol: 17, remote: address(number), remote_port: 53, local_port: number as u16 };
        Filter::of_flow(&key)
    };
    let sizes = [union_of(900, port), union_of(900, host), union_of(300, flow), union_of(900, stranger)];
    let [ports, hosts, flows, strangers] = sizes.map(|size| size.unwrap_or_else(|error| panic!("{error}")));
    assert!(ports <= 900 * 4 + 80, "{ports}");
    assert!(hosts <= 900 * 4 + 80, "{hosts}");
    assert!(flows <= 300, "{flows}");
    assert!(strangers <= 900 * 4 + 80, "{strangers}");
    let error = union_of(5000, host).expect_err("too many");
    assert!(error.message.contains("instructions; the kernel takes 4096"), "{error}");
}

#[test]
fn what_is_too_large_or_too_deep_is_refused() {
    for text in [
        format!("{}ip{}", "(".repeat(5000), ")".repeat(5000)),
        format!("{}1 = 1", "-".repeat(9000)),
        format!("ip[0]{} = 1", " + ip[0]".repeat(3000)),
        format!("{}0{} = 1", "ip[".repeat(3000), "]".repeat(3000)),
        format!("ip {}", "or tcp ".repeat(20_000)),
        format!("ip[0] % {} 2 = 1", "ip[0] % ".repeat(200)),
        format!("{}ip[0]{} = 1", "ip[0] - (".repeat(40), ")".repeat(40)),
    ] {
        assert!(compile(&text).is_err(), "{}", text.get(..40).unwrap_or(&text));
    }
    assert!(compile(&format!("{}ip", "not ".repeat(10_000))).is_ok());
    // More conditions than fit, each a good one.
    let many: Vec<String> = (0..3000).map(|number| format!("ip[{number}] = {}", number % 256)).collect();
    assert!(complaint(&many.join(" or ")).contains("instructions; the kernel takes 4096"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = compile(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn any_words_are_read_or_refused(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "tcp", "ip", "ip6", "ether", "host", "net", "port", "portrange", "proto", "src", "dst", "and", "or", "not", "!",
                "(", ")", "[", "]", ":", "=", ">", "&", "|", "-", "%", "<<", "/", "10", "1.2.3.4", "::1", "0x10", "1-2", "vlan",
                "len", "less", "mask", "broadcast", "multicast", "\\tcp", "tcp-syn", "02:00:5e:10:00:01", "http", "4294967295",
            ]),
            0..25,
        ),
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        for text in [words.join(" "), words.concat()] {
            if let Ok(filter) = Filter::parse(&text) {
                for link in [LinkType::Ethernet, LinkType::Ip] {
                    let _ = filter.compile(link).map(|program| program.run(&bytes, bytes.len() as u32));
                }
                prop_assert!(Filter::parse(&filter.to_string()).is_ok());
            }
        }
    }
}

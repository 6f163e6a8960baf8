use proptest::prelude::*;

use super::*;
use crate::target::services;

const TCP: &[Protocol] = &[Protocol::Tcp];
const BOTH: &[Protocol] = &[Protocol::Tcp, Protocol::Udp];

fn choice(expression: &str) -> PortChoice {
    PortChoice { expression: Some(expression.to_owned()), ..PortChoice::default() }
}

fn tcp(expression: &str) -> Vec<u16> {
    choice(expression).resolve(TCP).unwrap_or_else(|error| panic!("{expression}: {error}")).tcp
}

fn both(expression: &str) -> (Vec<u16>, Vec<u16>) {
    let set = choice(expression).resolve(BOTH).unwrap_or_else(|error| panic!("{expression}: {error}"));
    (set.tcp, set.udp)
}

fn error(expression: &str) -> String {
    choice(expression).resolve(TCP).expect_err(expression).to_string()
}

#[test]
fn numbers_and_ranges() {
    assert_eq!(tcp("80, 22 ,443,80,22-23,"), [22, 23, 80, 443]);
    assert_eq!(tcp("-3"), [1, 2, 3]);
    assert_eq!(tcp("65534-"), [65534, 65535]);
    assert_eq!(tcp("-").len(), 65535);
    assert_eq!(tcp("-")[0], 1);
    assert_eq!(tcp("0"), [0]);
    assert_eq!(tcp("0-1"), [0, 1]);
    assert_eq!(tcp("00080"), [80]);
}

#[test]
fn qualifiers_stick() {
    assert_eq!(both("53,T:80,443,U:161"), (vec![53, 80, 443], vec![53, 161]));
    assert_eq!(both("U: 53,T:80"), (vec![80], vec![53]));
    assert_eq!(both("T:80"), (vec![80], vec![]));
    // A bracket gives back the qualifier it found.
    assert_eq!(both("U:[T:80-81],67"), (vec![80], vec![67]));
    assert_eq!(both("[T:80,U:53],7"), (vec![7, 80], vec![7, 53]));
    let all = choice("S:22,T:80").resolve(&[Protocol::Tcp, Protocol::Udp, Protocol::Sctp]).unwrap();
    assert_eq!((all.tcp, all.udp, all.sctp), (vec![80], vec![], vec![22]));
}

#[test]
fn names_and_wildcards() {
    assert_eq!(tcp("http"), [80]);
    assert_eq!(tcp("HTTPS,ssh"), [22, 443]);
    let http = tcp("http*");
    assert!([80, 443, 8008, 8080].iter().all(|port| http.contains(port)) && !http.contains(&22));
    assert_eq!(both("snmp"), (vec![161], vec![161]));
    assert!(tcp("3com*").len() > 3);
    assert!(tcp("?mtp").contains(&25));
    // Known for one of the protocols is known.
    assert_eq!(both("U:syslog").1, [514]);
    assert_eq!(both("syslog"), (vec![], vec![514]));
}

#[test]
fn brackets_keep_named_ports() {
    assert_eq!(tcp("[1-9]"), [1, 5, 7, 9]);
    assert_eq!(tcp("[ 1-9 ],4"), [1, 4, 5, 7, 9]);
    assert_eq!(tcp("[1-3,7-9,]"), [1, 7, 9]);
    assert_eq!(tcp("[80]"), [80]);
    assert!(tcp("[-]").iter().all(|port| services::name(Protocol::Tcp, *port).is_some()));
    assert!(tcp("[60000-],80") == [80]);
}

#[test]
fn wrong_items_say_how_to_write_them() {
    assert!(error("100-20").contains("write 20-100"));
    assert!(error("-0").contains("backwards"));
    assert!(error("65536").contains("0 to 65535"));
    assert!(error("99999999999999999999").contains("0 to 65535"));
    assert!(error("1-2-3").contains("two dashes"));
    assert!(error("80,,443").contains("nothing stands here"));
    assert!(error("").contains("nothing stands here"));
    assert!(error("T:").contains("nothing stands here"));
    assert!(error("[]").contains("nothing stands here"));
    assert!(error("80 443").contains("commas"));
    assert!(error("-http").contains("neither"));
    assert!(error("3com-tsmux").contains("3com-tsmux*"));
    assert!(error("[[80]]").contains("nest"));
    assert!(error("[80").contains("not closed"));
    assert!(error("80]").contains("without a `[`"));
    assert!(error("P:6").contains("IP protocols are not scanned; add -sO"));
    assert!(error("t:80").contains("upper case"));
    assert!(error("80\u{1b}").contains("\\u{1b}"));
    assert_eq!(error("htps"), "-p: `htps`: no tcp service has this name; did you mean `https`?");
    assert!(error(&"*a".repeat(100)).contains("longer than 64"));
    assert!(error("zzzzzzzzzz").contains("http*"));
}

#[test]
fn a_qualifier_of_what_is_not_scanned() {
    assert!(error("T:80,U:53").contains("add -sU"));
    let choice = PortChoice { exclude: Some("U:53,T:81".to_owned()), ..choice("80-82") };
    assert_eq!(choice.resolve(TCP).unwrap().tcp, [80, 82]);
    assert!(choice.resolve(&[]).unwrap().is_empty());
}

#[test]
fn the_default_fast_and_top() {
    let count = |choice: PortChoice| choice.resolve(BOTH).map(|set| (set.tcp.len(), set.udp.len()));
    assert_eq!(count(PortChoice::default()), Ok((1000, 1000)));
    assert_eq!(count(PortChoice { fast: true, ..PortChoice::default() }), Ok((100, 100)));
    assert_eq!(count(PortChoice { top: Some(7), ..PortChoice::default() }), Ok((7, 7)));
    let within = PortChoice { top: Some(2), ..choice("1-100") }.resolve(TCP).unwrap();
    assert_eq!(within.tcp, [22, 80]);
    assert!(PortChoice::default().resolve(BOTH).unwrap().tcp.is_sorted());
    assert_eq!(PortChoice::default().resolve(TCP).unwrap().of(Protocol::Udp), [0; 0]);
}

#[test]
fn exclusion_comes_before_counting() {
    let choice = PortChoice { exclude: Some("80,ssh".to_owned()), top: Some(2), ..choice("1-100") };
    assert_eq!(choice.resolve(TCP).unwrap().tcp, [25, 53]);
    let default = PortChoice { exclude: Some("-".to_owned()), ..PortChoice::default() };
    assert!(default.resolve(TCP).unwrap_err().to_string().contains("--exclude-ports"));
    let default = PortChoice { exclude: Some("443".to_owned()), ..PortChoice::default() };
    assert_eq!(default.resolve(TCP).unwrap().count(), 1000);
}

#[test]
fn contradictions_and_bad_counts() {
    let fails = |choice: PortChoice| choice.resolve(TCP).unwrap_err().to_string();
    assert!(fails(PortChoice { fast: true, top: Some(5), ..PortChoice::default() }).contains("-F and --top-ports"));
    assert!(fails(PortChoice { fast: true, ..choice("80") }).contains("-F chooses"));
    assert!(fails(PortChoice { top: Some(0), ..PortChoice::default() }).contains("1 to 65535"));
    assert!(fails(PortChoice { top: Some(65536), ..PortChoice::default() }).contains("1 to 65535"));
    assert!(fails(PortChoice { top: Some(5), ..choice("60001-60009") }).contains("known service"));
    assert!(PortError::NoRatios.to_string().contains("--top-ports"));
}

#[test]
fn ping_lists_have_no_qualifiers() {
    let left = |exclude| without(vec![22, 80, 443], exclude, Protocol::Tcp).unwrap();
    assert_eq!((left(None), left(Some("80,U:443"))), (vec![22, 80, 443], vec![22, 443]));
    assert_eq!(left(Some("http*")), [22]);
    assert_eq!(probe_ports("443,80,22-23", "-PS", Protocol::Tcp).unwrap(), [22, 23, 80, 443]);
    let error = probe_ports("U:53", "-PU", Protocol::Udp).unwrap_err().to_string();
    assert_eq!(probe_ports("icmp,4,SCTP", "-PO", Protocol::Ip).unwrap(), [1, 4, 132]);
    assert_eq!(
        probe_ports("igmpp", "-PO", Protocol::Ip).unwrap_err().to_string(),
        "-PO: `igmpp`: no IP protocol has this name; did you mean `igmp`?"
    );
    assert!(error.starts_with("-PU: ") && error.contains("without a qualifier"), "{error}");
}

proptest! {
    #![proptest_config(crate::target::fixed_seed())]

    #[test]
    fn arbitrary_text_never_panics(text in ".{0,40}", near in "[TUSP:0-9a-c,*?\\[\\] -]{0,24}") {
        for text in [text, near] {
            if let Ok(set) = choice(&text).resolve(BOTH) {
                for ports in [&set.tcp, &set.udp] {
                    prop_assert!(ports.is_sorted_by(|a, b| a < b));
                }
            }
        }
    }

    #[test]
    fn a_list_is_the_union_of_its_items(ranges in prop::collection::vec((any::<u16>(), 0_u16..50), 1..6)) {
        let ranges: Vec<_> = ranges.into_iter().map(|(first, more)| (first, first.saturating_add(more))).collect();
        let text = ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect::<Vec<_>>().join(", ");
        let wanted: std::collections::BTreeSet<u16> = ranges.iter().flat_map(|(first, last)| *first..=*last).collect();
        prop_assert_eq!(tcp(&text), wanted.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn ip_protocols_end_at_255() {
    const IP: &[Protocol] = &[Protocol::Ip];
    let all = PortChoice::default().resolve(IP).unwrap();
    assert_eq!((all.ip.len(), all.ip[255], all.count()), (256, 255, 256));
    assert_eq!(choice("6,P:250-").resolve(IP).unwrap().ip, [6, 250, 251, 252, 253, 254, 255]);
    assert_eq!(choice("250-260").resolve(&[Protocol::Tcp, Protocol::Ip]).unwrap().ip, [250, 251, 252, 253, 254, 255]);
    for bad in ["256", "P:300", "1-256"] {
        let error = choice(bad).resolve(IP).unwrap_err().to_string();
        assert!(error.contains("an IP protocol is a number from 0 to 255"), "{bad}: {error}");
    }
}

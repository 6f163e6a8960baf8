use proptest::prelude::*;

use super::*;

fn canonical(text: &str) -> String {
    Spec::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
}

fn error(text: &str) -> String {
    Spec::parse(text).expect_err(text).to_string()
}

#[test]
fn octets_take_every_form() {
    for (text, wanted) in [
        ("10.0.0.1", "10.0.0.1"),
        ("010.000.0.01", "10.0.0.1"),
        ("10.0.0.*", "10.0.0.0/24"),
        ("10.0.0.-", "10.0.0.0/24"),
        ("10.0.0.0-", "10.0.0.0/24"),
        ("10.0.0.1-", "10.0.0.1-255"),
        ("10.0.0.-4", "10.0.0.0-4"),
        ("10.0.0.-3", "10.0.0.0/30"),
        ("10.0.0.1,2,3,9-12,10", "10.0.0.1-3,9-12"),
        ("10.0,2.*.7", "10.0,2.*.7"),
        ("*.*.*.*", "0.0.0.0/0"),
        ("10.-.1-2.5", "10.*.1-2.5"),
    ] {
        assert_eq!(canonical(text), wanted, "{text}");
    }
}

#[test]
fn a_prefix_widens_octets() {
    assert_eq!(canonical("10.0.0.77/24"), "10.0.0.0/24");
    assert_eq!(canonical("10.0.0.77/0"), "0.0.0.0/0");
    assert_eq!(canonical("10.0.0.77/32"), "10.0.0.77");
    assert_eq!(canonical("10.0.1,5.7/23"), "10.0.0-1,4-5.*");
}

#[test]
fn wrong_octets_say_which_and_why() {
    assert!(error("10.0.0.256").contains("octet 4 of `10.0.0.256`, 256 is above 255"), "{}", error("10.0.0.256"));
    assert!(error("10.0.0.9-3").contains("runs backwards; write 3-9"));
    assert!(error("10..0.1").contains("octet 2"));
    assert!(error("10.0.0.1,").contains("empty item"));
    assert!(error("10.0.0.*,3").contains("stands alone"));
    assert!(error("10.0.0.1-2-3").contains("two dashes"));
    assert!(error("10.0.0").contains("3 octets"));
    assert!(error("10.0.0.1-10.0.0.9").contains("inside one octet"));
    assert!(error("10.0.0.1,10.0.0.2").contains("separate words"));
    assert!(error("99999999999999999999.0.0.1").contains("above 255"));
}

#[test]
fn looking_like_ipv4_is_never_a_name() {
    for text in ["8080", "1.2.3", "1.2.3.4.5", "-", "...", "1-2", "*", ","] {
        assert!(Spec::parse(text).is_err(), "{text}");
    }
}

#[test]
fn wrong_prefixes_are_errors() {
    assert!(error("10.0.0.0/33").contains("/33"));
    assert!(error("10.0.0.0/").contains("after `/`"));
    assert!(error("10.0.0.0/-1").contains("after `/`"));
    assert!(error("10.0.0.0/255.255.255.0").contains("number of bits"));
    assert!(error("::1/129").contains("0 to 128"));
    assert!(error("10.0.0.0/8/8").contains("only one `/`"));
}

#[test]
fn ipv6_with_zone_and_prefix() {
    let interface = |name: &str| (name == "eth0").then_some(4);
    let parse = |text: &str| Spec::parse_with(text, &interface).map(|spec| spec.to_string());
    assert_eq!(parse("2001:DB8::1").unwrap(), "2001:db8::1");
    assert_eq!(parse("2001:db8::1/64").unwrap(), "2001:db8::/64");
    assert_eq!(parse("fe80::1%eth0").unwrap(), "fe80::1%4");
    assert_eq!(parse("fe80::1%7/120").unwrap(), "fe80::%7/120");
    assert_eq!(parse("::ffff:10.0.0.1").unwrap(), "10.0.0.1");
    for text in ["fe80::1%eth9", "fe80::1%", "fe80::1%0"] {
        assert!(parse(text).unwrap_err().to_string().contains("interface"), "{text}");
    }
    assert!(error("[::1]").contains("brackets"));
    assert!(error("host:80").contains("-p"));
    assert!(error("1:2:3").contains("no IPv6 address"));
}

#[test]
fn names() {
    let spec = Spec::parse("Scan_me.example.org./28").unwrap();
    assert_eq!(spec, Spec::Name(Name { name: "Scan_me.example.org.".to_owned(), prefix: Some(28) }));
    assert_eq!(canonical("10.0.0.1a"), "10.0.0.1a");
    assert!(error("").contains("empty"));
    assert!(error("http://example.org/").contains("URL"));
    assert!(error("a b").contains("blank"));
    assert!(error("a,b").contains("blanks"));
    assert!(error("a..b").contains("empty"));
    assert!(error("müller.example").contains("xn--"));
    assert!(error(&"a".repeat(64)).contains("63"));
    assert!(error(&"a.".repeat(128)).contains("253"));
    assert!(error(&"a".repeat(2000)).len() < 200);
    assert!(error("a\u{1b}[31m").contains("\\u{1b}"));
}

#[test]
fn a_name_widens_what_it_resolves_to() {
    let v4: IpAddr = "192.0.2.9".parse().unwrap();
    let v6: IpAddr = "2001:db8::9".parse().unwrap();
    let name = |prefix| Name { name: "a".to_owned(), prefix };
    assert_eq!(name(None).blocks(&[v4]).unwrap()[0].0.to_string(), "192.0.2.9");
    assert_eq!(name(Some(24)).blocks(&[v4]).unwrap()[0].0.to_string(), "192.0.2.0/24");
    assert_eq!(name(Some(64)).blocks(&[v4, v6]).unwrap()[0].0.to_string(), "2001:db8::/64");
    assert!(name(Some(64)).blocks(&[v4]).unwrap_err().to_string().contains("IPv4"));
    assert!(name(Some(64)).blocks(&[]).unwrap().is_empty());
}

proptest! {
    #![proptest_config(crate::target::fixed_seed())]

    #[test]
    fn arbitrary_text_never_panics(text in ".{0,40}") {
        let _ = Spec::parse(&text);
    }

    #[test]
    fn nearly_right_text_never_panics(text in "[0-9a-f:.,*/%-]{0,24}") {
        if let Ok(spec) = Spec::parse(&text) {
            prop_assert_eq!(Spec::parse(&spec.to_string()), Ok(spec));
        }
    }

    #[test]
    fn membership_is_expansion(
        octets in prop::array::uniform4(prop::collection::btree_set(0_u8..=255, 1..4)),
        prefix in 26_u8..=32,
        probe: [u8; 4],
    ) {
        let list = |set: &std::collections::BTreeSet<u8>| set.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        let text = format!("{}/{prefix}", octets.each_ref().map(list).join("."));
        let Ok(Spec::Addresses(pattern)) = Spec::parse(&text) else { panic!("{text}") };
        let all: Vec<IpAddr> = (0..=pattern.last_index()).map(|index| pattern.nth(index)).collect();
        prop_assert_eq!(all.len() as u128, pattern.count());
        prop_assert!(all.is_sorted());
        for (index, addr) in all.iter().enumerate() {
            prop_assert!(pattern.contains(*addr));
            prop_assert_eq!(pattern.index_from(*addr), Some(index as u128));
        }
        // A neighbour of a member is the likeliest mistake, a random address the second.
        let near = (u32::from_be_bytes(octets.map(|set| set.first().copied().unwrap_or(0)))).wrapping_add(1).to_be_bytes();
        for candidate in [IpAddr::from(probe), IpAddr::from(near)] {
            prop_assert_eq!(pattern.contains(candidate), all.contains(&candidate));
            prop_assert_eq!(pattern.index_from(candidate), all.iter().position(|a| *a >= candidate).map(|i| i as u128));
        }
    }
}

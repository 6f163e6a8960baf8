use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::target::Block;

fn specs(texts: &[&str]) -> Vec<Spec> {
    texts.iter().map(|text| Spec::parse(text).unwrap()).collect()
}

fn targets(texts: &[&str], exclude: &[&str]) -> Targets {
    Targets::new(specs(texts), Exclude::new(specs(exclude)).0)
}

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What is handed out next, as text; a name in angle brackets.
fn show(item: Item) -> String {
    match item {
        Item::Address(Target { addr, scope: 0, name: None }) => addr.to_string(),
        Item::Address(Target { addr, scope: 0, name: Some(name) }) => format!("{addr}={name}"),
        Item::Address(Target { addr, scope, .. }) => format!("{addr}%{scope}"),
        Item::Name { spec, .. } => format!("<{spec}>"),
        Item::Pause => unreachable!("nothing was spread"),
    }
}

fn walk(texts: &[&str], exclude: &[&str]) -> Vec<String> {
    targets(texts, exclude).map(show).collect()
}

#[test]
fn both_families_in_the_order_typed() {
    assert_eq!(walk(&["::2/127", "10.0.0-1.1-2"], &[]), ["::2", "::3", "10.0.0.1", "10.0.0.2", "10.0.1.1", "10.0.1.2"]);
}

#[test]
fn addresses_added_on_the_way_go_through_the_same_fences() {
    let mut targets = targets(&["10.0.0.1"], &["10.0.0.9"]);
    let walked: Vec<String> = targets.by_ref().map(show).collect();
    assert_eq!(walked, ["10.0.0.1"]);
    for text in ["10.0.0.1", "10.0.0.9", "10.0.0.2", "fe80::1", "10.0.0.2"] {
        targets.push_address(addr(text), 3);
    }
    assert_eq!(targets.map(show).collect::<Vec<_>>(), ["10.0.0.2", "fe80::1%3"]);
}

#[test]
fn excluded_addresses_are_left_out_and_counted() {
    let mut targets = targets(&["10.0.0.0/29", "2001:db8::/126"], &["10.0.0.2-3", "10.0.0.7", "2001:db8::1"]);
    assert_eq!(targets.planned(), 12);
    let all: Vec<_> = targets.by_ref().map(show).collect();
    let wanted =
        ["10.0.0.0", "10.0.0.1", "10.0.0.4", "10.0.0.5", "10.0.0.6", "2001:db8::", "2001:db8::2", "2001:db8::3"];
    assert_eq!(all, wanted);
    assert_eq!((targets.planned(), targets.excluded(), targets.repeated()), (8, 4, 0));
}

#[test]
fn overlaps_are_handed_out_once() {
    let texts = ["10.0.0.1", "10.0.0.0/30", "10.0.0.2-5", "10.0.0.1", "::1", "::1%3"];
    let mut once = targets(&texts, &[]);
    let all: Vec<_> = once.by_ref().map(show).collect();
    assert_eq!(all, ["10.0.0.1", "10.0.0.0", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "::1", "::1%3"]);
    assert_eq!((once.planned(), once.repeated()), (8, 4));
    assert_eq!(targets(&texts, &[]).unique(false).count(), 12);
}

#[test]
fn huge_ranges_cost_nothing() {
    let mut wide = targets(&["0.0.0.0/0", "::/0"], &["0.0.0.0/1", "::/1", "*.*.*.0-250"]);
    assert_eq!(wide.planned(), u128::MAX);
    assert_eq!(wide.next().map(show).unwrap(), "128.0.0.251");
    // All of one, all of the other: leaps, not steps.
    assert_eq!(walk(&["::/0"], &["::/0"]), [""; 0]);
    assert_eq!(
        walk(&["10.0.0.0/8", "10.*.0-9.*", "10.0.0.0/8", "11.0.0.0"], &["10.0-254.*.*", "10.255.0.0/16"]),
        ["11.0.0.0"]
    );
}

#[test]
fn the_last_addresses_of_all_end_the_walk() {
    assert_eq!(walk(&["255.255.255.254-255"], &[]), ["255.255.255.254", "255.255.255.255"]);
    assert_eq!(walk(&["255.255.255.254-255"], &["255.255.255.255"]), ["255.255.255.254"]);
    let last = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127";
    assert_eq!(
        walk(&[last], &["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]),
        ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"]
    );
}

#[test]
fn an_ipv4_exclude_sees_mapped_addresses() {
    assert_eq!(walk(&["::ffff:10.0.0.1", "::ffff:10.0.1.1"], &["10.0.0.0/24"]), ["10.0.1.1"]);
    // A block wide enough to hold all mapped addresses and more.
    let mut wide = targets(&["::fffe:0:0/95"], &["0.0.0.0/0", "::fffe:0:0/96"]);
    assert_eq!(wide.next(), None);
    assert_eq!(wide.excluded(), 1 << 33);
}

#[test]
fn a_resolved_name_comes_next_and_bears_its_name() {
    let mut targets = targets(&["10.0.0.0/30", "a.example/31", "10.9.9.9"], &["192.0.2.1"]);
    assert_eq!(targets.names_waiting(), 1);
    let mut all = Vec::new();
    while let Some(item) = targets.next() {
        if let Item::Name { name, prefix, .. } = &item {
            targets.push_resolved(name, *prefix, &[addr("192.0.2.0"), addr("192.0.2.6")]).unwrap();
        }
        all.push(show(item));
    }
    let name = ["192.0.2.0=a.example", "192.0.2.6=a.example", "192.0.2.7"];
    assert_eq!(
        all,
        [&["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "<a.example/31>"], &name[..], &["10.9.9.9"]].concat()
    );
    assert_eq!(targets.planned(), 8);
}

#[test]
fn a_late_name_interrupts_and_nothing_is_lost_or_repeated() {
    let mut targets = targets(&["a.example", "10.0.0.0/29"], &[]);
    let mut next = || targets.next().map(show);
    assert_eq!(next().unwrap(), "<a.example>");
    assert_eq!([next().unwrap(), next().unwrap()], ["10.0.0.0", "10.0.0.1"]);
    // One address the block has passed, one it has still ahead.
    targets.push_resolved("a.example", Some(32), &[addr("10.0.0.1"), addr("10.0.0.4")]).unwrap();
    let rest: Vec<_> = targets.by_ref().map(show).collect();
    assert_eq!(rest, ["10.0.0.4=a.example", "10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.6", "10.0.0.7"]);
    assert_eq!((targets.planned(), targets.repeated()), (8, 2));
}

#[test]
fn the_walk_goes_on_after_its_end() {
    let mut targets = targets(&["10.0.0.1"], &[]);
    assert_eq!(targets.by_ref().count(), 1);
    targets.push(Spec::parse("10.0.0.1-2").unwrap());
    assert_eq!(targets.by_ref().map(show).collect::<Vec<_>>(), ["10.0.0.2"]);
    assert!(targets.push_resolved("a", Some(64), &[addr("10.0.0.9")]).is_err());
    assert_eq!(targets.next(), None);
}

#[test]
fn link_local_takes_the_interface_of_the_run() {
    let targets =
        targets(&["fe80::1", "fe80::1%2", "fe80::1%7", "2001:db8::1", "fe80::9"], &["fe80::9%7"]).link_scope(7);
    assert_eq!(targets.map(show).collect::<Vec<_>>(), ["fe80::1%7", "fe80::1%2", "2001:db8::1"]);
}

fn octet() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_u8..8).prop_map(|n| n.to_string()),
        (0_u8..4, 4_u8..8).prop_map(|(a, b)| format!("{a}-{b}")),
        (0_u8..3, 5_u8..8).prop_map(|(a, b)| format!("{a},{b}")),
        (250_u8..=255).prop_map(|n| format!("{n}-")),
    ]
}

fn small_spec() -> impl Strategy<Value = Spec> {
    let v4 = (octet(), octet(), 28_u8..=32).prop_map(|(c, d, prefix)| format!("10.0.{c}.{d}/{prefix}"));
    let v6 = (0_u8..16, 124_u8..=128, 0_u8..3).prop_map(|(last, prefix, zone)| match zone {
        0 => format!("2001:db8::{last:x}/{prefix}"),
        zone => format!("2001:db8::{last:x}%{zone}/{prefix}"),
    });
    prop_oneof![v4, v6].prop_map(|text| Spec::parse(&text).unwrap())
}

/// Every address of `specs` in order, the slow way.
fn plain(specs: &[Spec]) -> Vec<(IpAddr, u32)> {
    let patterns = specs.iter().filter_map(|spec| match spec {
        Spec::Addresses(pattern) => Some(pattern),
        Spec::Name(_) => None,
    });
    patterns.flat_map(|p| (0..=p.last_index()).map(move |index| (p.nth(index), p.scope()))).collect()
}

proptest! {
    #![proptest_config(crate::target::fixed_seed())]

    #[test]
    fn the_walk_is_the_plain_list_less_excluded_and_repeated(
        list in prop::collection::vec(small_spec(), 0..5),
        out in prop::collection::vec(small_spec(), 0..3),
    ) {
        let exclude = Exclude::new(out).0;
        let mut seen = BTreeSet::new();
        let mut wanted = plain(&list);
        wanted.retain(|(addr, scope)| !exclude.contains(*addr, *scope) && seen.insert((*addr, *scope)));

        let mut targets = Targets::new(list.clone(), exclude);
        let before = targets.planned();
        prop_assert_eq!(before, plain(&list).len() as u128);
        let all: Vec<_> = targets.by_ref().map(|item| match item {
            Item::Address(target) => (target.addr, target.scope),
            Item::Name { .. } | Item::Pause => panic!("neither names nor an order were given"),
        }).collect();
        prop_assert_eq!(targets.planned(), all.len() as u128);
        prop_assert_eq!(targets.planned() + targets.excluded() + targets.repeated(), before);
        prop_assert_eq!(all, wanted);
    }

    #[test]
    fn names_resolved_at_any_moment_lose_and_repeat_nothing(
        list in prop::collection::vec(small_spec(), 1..4),
        late in prop::collection::vec((0_usize..12, 0_u8..8, 28_u8..=32), 0..4),
    ) {
        let mut wanted: BTreeSet<_> = plain(&list).into_iter().collect();
        let mut targets = Targets::new(list, Exclude::default());
        let mut all = Vec::new();
        for step in 0..12 {
            for (_, last, prefix) in late.iter().filter(|(at, ..)| *at == step) {
                let resolved = IpAddr::from([10, 0, 0, *last]);
                targets.push_resolved("n", Some(*prefix), &[resolved]).unwrap();
                wanted.extend(plain(&[Spec::Addresses(Block::new(resolved, *prefix, 0).unwrap().into())]));
            }
            all.extend(targets.next());
        }
        all.extend(targets.by_ref());
        let got: BTreeSet<_> = all.iter().map(|item| match item {
            Item::Address(target) => (target.addr, target.scope),
            Item::Name { .. } | Item::Pause => panic!("neither names nor an order were given"),
        }).collect();
        prop_assert_eq!(got.len(), all.len());
        prop_assert_eq!(targets.planned(), all.len() as u128);
        prop_assert_eq!(got, wanted);
    }
}

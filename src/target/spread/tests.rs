use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::target::{Item, Spec, Targets};

/// Every address the walk hands out, names resolved by `resolve`.
fn walk(specs: &[String], excluded: &[String], order: Order, resolve: &dyn Fn(&str) -> Vec<IpAddr>) -> Vec<Target> {
    let parse = |texts: &[String]| texts.iter().map(|text| Spec::parse(text).unwrap()).collect::<Vec<_>>();
    let mut targets = Targets::new(parse(specs), Exclude::new(parse(excluded)).0).in_order(order);
    let mut found = Vec::new();
    while let Some(item) = targets.next() {
        match item {
            Item::Address(target) => found.push(target),
            Item::Name { name, prefix, .. } => targets.push_resolved(&name, prefix, &resolve(&name)).unwrap(),
            Item::Pause => {}
        }
        assert!(found.len() < 1 << 20, "the walk does not end");
    }
    found
}

fn addresses(found: &[Target]) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = found.iter().map(|target| target.addr).collect();
    found.sort_unstable();
    found
}

fn nobody(_: &str) -> Vec<IpAddr> {
    Vec::new()
}

/// Texts of targets that cover few addresses: lists, prefixes, ranges, scattered octets, both families, many overlaps.
fn spec() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_u8..4, any::<u8>()).prop_map(|(c, d)| format!("10.0.{c}.{d}")),
        (0_u8..4, any::<u8>(), 24_u8..=32).prop_map(|(c, d, prefix)| format!("10.0.{c}.{d}/{prefix}")),
        (0_u8..4, 0_u8..100, 100_u8..=255).prop_map(|(c, from, to)| format!("10.0.{c}.{from}-{to}")),
        (0_u8..2, 0_u8..9).prop_map(|(c, d)| format!("10.{c},9.0-200.{d},77")),
        (any::<u8>(), 120_u8..=128).prop_map(|(d, prefix)| format!("2001:db8::{d:x}/{prefix}")),
        any::<u8>().prop_map(|d| format!("::ffff:10.0.1.{d}")),
    ]
}

fn specs(most: usize) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(spec(), 0..most)
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 64, ..crate::target::fixed_seed() })]

    #[test]
    fn shards_cover_everything_exactly_once(
        specs in specs(9), excluded in specs(4), of in 1_u32..9, keys in prop::collection::vec(any::<Option<u64>>(), 9),
    ) {
        let whole = addresses(&walk(&specs, &excluded, Order::default(), &nobody));
        let mut parts = Vec::new();
        for index in 1..=of {
            // Each machine with a seed of its own.
            let order = Order { key: keys[index as usize], shard: Some(Shard { index, of }) };
            parts.push(walk(&specs, &excluded, order, &nobody));
        }
        prop_assert_eq!(addresses(&parts.concat()), whole);
    }

    #[test]
    fn a_random_order_is_another_order_of_the_same(specs in specs(9), excluded in specs(4), key in any::<u64>()) {
        let order = Order { key: Some(key), shard: None };
        let found = walk(&specs, &excluded, order, &nobody);
        prop_assert_eq!(addresses(&found), addresses(&walk(&specs, &excluded, Order::default(), &nobody)));
        prop_assert_eq!(found, walk(&specs, &excluded, order, &nobody));
    }
}

fn texts(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn shards_are_of_one_size() {
    let size = |index| {
        walk(&texts("10.0.0.0/16"), &[], Order { key: None, shard: Some(Shard { index, of: 7 }) }, &nobody).len()
    };
    assert!((1..=7).all(|index| [9362, 9363].contains(&size(index))));
}

#[test]
fn a_random_order_leaves_no_stretch_together() {
    let order = Order { key: Some(1), shard: None };
    let found = walk(&texts("10.0.0.0/20"), &[], order, &nobody);
    let mut by_net: BTreeMap<u8, usize> = BTreeMap::new();
    for target in found.iter().take(256) {
        let IpAddr::V4(addr) = target.addr else { panic!("{target:?}") };
        *by_net.entry(addr.octets()[2]).or_default() += 1;
    }
    assert_eq!(by_net.len(), 16, "the first 256 come from all 16 networks");
    assert!(by_net.values().all(|count| *count < 40), "{by_net:?}");
}

#[test]
fn a_whole_internet_costs_nothing_until_it_is_walked() {
    let specs = vec![Spec::parse("0.0.0.0/0").unwrap(), Spec::parse("::/0").unwrap()];
    let exclude = Exclude::new(vec![Spec::parse("10.0.0.0/8").unwrap()]).0;
    let order = Order { key: Some(9), shard: Some(Shard { index: 3, of: 1000 }) };
    let targets = Targets::new(specs, exclude).in_order(order);
    assert!(targets.planned() > u128::from(u64::MAX));
    assert_eq!(targets.take(1000).filter(|item| matches!(item, Item::Address(_))).count(), 1000);
}

#[test]
fn a_walk_that_finds_nothing_pauses() {
    let specs = vec![Spec::parse("10.0.0.0/8").unwrap()];
    // Scattered, and all of it: only a walk can tell.
    let exclude = Exclude::new(vec![Spec::parse("*.*.*.0-254").unwrap(), Spec::parse("*.*.*.1-255").unwrap()]).0;
    let mut targets = Targets::new(specs, exclude).in_order(Order { key: Some(1), shard: None });
    assert_eq!(targets.next(), Some(Item::Pause));
}

#[test]
fn a_name_belongs_to_one_shard_and_bears_its_host() {
    let specs = texts("a.example b.example c.example d.example 10.0.0.0/30");
    let resolve = |name: &str| -> Vec<IpAddr> {
        let last = if name == "a.example" { 1 } else { name.as_bytes()[0] }; // a.example is written out as well
        vec![IpAddr::from([10, 0, 0, last])]
    };
    let mut found = Vec::new();
    for index in 1..=3 {
        found.extend(walk(&specs, &[], Order { key: None, shard: Some(Shard { index, of: 3 }) }, &resolve));
    }
    assert_eq!(addresses(&found), addresses(&walk(&specs, &[], Order::default(), &resolve)));
    let named = |found: &[Target]| found.iter().filter(|target| target.name.is_some()).count();
    assert_eq!(named(&found), 3, "the address that is written out bears no name in a shard");
    let whole = walk(&specs, &[], Order { key: Some(5), shard: None }, &resolve);
    assert_eq!((named(&whole), whole.len()), (4, 7), "in a whole run it does");
}

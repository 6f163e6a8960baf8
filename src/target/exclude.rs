//! What must not be touched: `--exclude`, `--excludefile`.

use std::net::IpAddr;

use super::addresses::AddressSet;
use super::{Block, Name, Spec, SpecError};

/// A set of excluded addresses. Asking costs the logarithm of its size, plus one test for each widely scattered octet
/// pattern in it.
#[derive(Debug, Clone, Default)]
pub struct Exclude(AddressSet);

impl Exclude {
    /// The addresses of `specs`, and the names among them: the caller resolves each and hands the addresses to
    /// [`Exclude::add_resolved`]. A name that does not resolve should end the run: what it stood for would be scanned.
    #[must_use]
    pub fn new(specs: Vec<Spec>) -> (Exclude, Vec<Name>) {
        let mut exclude = Exclude::default();
        let mut names = Vec::new();
        for spec in specs {
            match spec {
                Spec::Addresses(pattern) => exclude.0.insert(&pattern),
                Spec::Name(name) => names.push(name),
            }
        }
        (exclude, names)
    }

    /// Adds what `name` resolved to: all its addresses, each widened by the name's prefix.
    ///
    /// Addresses of a family too narrow for the prefix are an error only where none is left.
    pub fn add_resolved(&mut self, name: &Name, addrs: &[IpAddr]) -> Result<(), SpecError> {
        for (block, _) in name.blocks(addrs)? {
            self.0.insert(&block.into());
        }
        Ok(())
    }

    /// Adds one address, whatever its zone.
    pub fn add(&mut self, addr: IpAddr) {
        self.0.insert(&Block::single(addr, 0).into());
    }

    /// Whether `addr` is excluded. `scope` is the zone of an IPv6 address; 0, on either side, stands for any zone, so that
    /// doubt falls on the side of leaving a host alone. An IPv4-mapped address counts as the IPv4 address.
    pub fn contains(&self, addr: IpAddr, scope: u32) -> bool {
        self.run_end(addr.to_canonical(), scope).is_some()
    }

    /// The run of excluded numbers that holds `value`, cut off before it, or the first one above it. Scattered octet patterns
    /// are left aside.
    pub(super) fn next_run(&self, is_v4: bool, value: u128, scope: u32) -> Option<(u128, u128)> {
        self.0.next_run(is_v4, value, |zone| zone == 0 || scope == 0 || zone == scope)
    }

    /// If the canonical `addr` is excluded: the last address of a run of excluded ones that begins at it.
    pub(super) fn run_end(&self, addr: IpAddr, scope: u32) -> Option<IpAddr> {
        self.0.run_end(addr, |zone| zone == 0 || scope == 0 || zone == scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exclude(texts: &[&str]) -> Exclude {
        let specs = texts.iter().map(|text| Spec::parse(text).unwrap()).collect();
        Exclude::new(specs).0
    }

    fn excluded(set: &Exclude, addr: &str) -> bool {
        set.contains(addr.parse().unwrap(), 0)
    }

    #[test]
    fn holds_blocks_patterns_and_both_families() {
        let set = exclude(&["10.0.0.0/8", "*.*.*.255", "192.168.0,2.1-3", "2001:db8::/32"]);
        for inside in ["10.9.8.7", "1.2.3.255", "192.168.2.3", "2001:db8:1::1", "::ffff:10.0.0.1"] {
            assert!(excluded(&set, inside), "{inside}");
        }
        for outside in ["11.0.0.0", "1.2.3.254", "192.168.1.3", "192.168.2.4", "2001:db9::", "::1"] {
            assert!(!excluded(&set, outside), "{outside}");
        }
    }

    #[test]
    fn a_missing_zone_means_any() {
        let set = exclude(&["fe80::1%2", "fe80::9"]);
        let inside = |addr: &str, scope| set.contains(addr.parse().unwrap(), scope);
        assert!(inside("fe80::1", 2) && inside("fe80::1", 0) && !inside("fe80::1", 3));
        assert!(inside("fe80::9", 7));
    }

    #[test]
    fn names_come_back_to_be_resolved() {
        let specs = vec![Spec::parse("db.example/24").unwrap(), Spec::parse("10.0.0.1").unwrap()];
        let (mut set, names) = Exclude::new(specs);
        assert_eq!(names.len(), 1);
        assert!(!excluded(&set, "192.0.2.77"));
        set.add_resolved(&names[0], &["192.0.2.5".parse().unwrap()]).unwrap();
        assert!(excluded(&set, "192.0.2.77"));
        set.add("192.0.9.1".parse().unwrap());
        assert!(excluded(&set, "192.0.9.1"));
    }
}

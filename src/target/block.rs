//! An aligned range of addresses: network and prefix, either family.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All addresses that share the first `prefix` bits of `network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    network: IpAddr,
    prefix: u8,
    scope: u32,
}

impl Block {
    /// The block around `addr`; host bits of `addr` are cleared. `None` where `prefix` exceeds the family's width.
    ///
    /// An IPv4-mapped IPv6 block (`::ffff:10.0.0.1`) becomes the IPv4 block it stands for: the kernel sends such packets
    /// over IPv4, and an exclude written as IPv4 must see them.
    pub fn new(addr: IpAddr, prefix: u8, scope: u32) -> Option<Block> {
        match addr {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32_u32.checked_sub(u32::from(prefix))?).unwrap_or(0);
                Some(Block { network: Ipv4Addr::from(u32::from(v4) & mask).into(), prefix, scope: 0 })
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128_u32.checked_sub(u32::from(prefix))?).unwrap_or(0);
                match v6.to_ipv4_mapped() {
                    Some(v4) if prefix >= 96 => Block::new(v4.into(), prefix - 96, 0),
                    _ => Some(Block { network: Ipv6Addr::from(u128::from(v6) & mask).into(), prefix, scope }),
                }
            }
        }
    }

    /// The block of this address alone.
    pub fn single(addr: IpAddr, scope: u32) -> Block {
        let addr = addr.to_canonical();
        let scope = if addr.is_ipv4() { 0 } else { scope };
        Block { network: addr, prefix: if addr.is_ipv4() { 32 } else { 128 }, scope }
    }

    /// The IPv4 block from `first` to `last`, if that range is aligned.
    pub(super) fn from_run(first: u32, last: u32) -> Option<Block> {
        let host = last.checked_sub(first)?;
        let aligned = host.checked_add(1).is_none_or(u32::is_power_of_two) && first & host == 0;
        aligned.then(|| Block { network: Ipv4Addr::from(first).into(), prefix: host.leading_zeros() as u8, scope: 0 })
    }

    /// The first address.
    pub fn network(&self) -> IpAddr {
        self.network
    }

    /// Zone of an IPv6 block as interface index, 0 for none.
    pub fn scope(&self) -> u32 {
        self.scope
    }

    /// The block with the zone `scope`, if it is link-local (RFC 4291, 2.5.6: `fe80::/10`) and has none.
    #[must_use]
    pub(super) fn on_link(self, scope: u32) -> Block {
        let local = matches!(self.network, IpAddr::V6(v6) if v6.is_unicast_link_local()) && self.prefix >= 10;
        if local && self.scope == 0 { Block { scope, ..self } } else { self }
    }

    /// Number of addresses minus one; so that `::/0` fits.
    pub fn last_index(&self) -> u128 {
        match self.network {
            IpAddr::V4(_) => u128::from(u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0)),
            IpAddr::V6(_) => u128::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0),
        }
    }

    /// The address at `index` in ascending order; the index must not exceed [`Block::last_index`].
    pub fn nth(&self, index: u128) -> IpAddr {
        match self.network {
            IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4).wrapping_add(index as u32)).into(),
            IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6).wrapping_add(index)).into(),
        }
    }

    /// First and last address as numbers.
    pub(super) fn bounds(&self) -> (u128, u128) {
        let first = number(self.network);
        (first, first.saturating_add(self.last_index()))
    }

    /// Whether `addr` is one of them, the zone left aside.
    pub fn contains(&self, addr: IpAddr) -> bool {
        let (first, last) = self.bounds();
        addr.is_ipv4() == self.network.is_ipv4() && (first..=last).contains(&number(addr))
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.network)?;
        if self.scope != 0 {
            write!(f, "%{}", self.scope)?;
        }
        if self.last_index() == 0 { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

/// The address as a number of its family.
pub(super) fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(addr: &str, prefix: u8) -> Block {
        Block::new(addr.parse().unwrap(), prefix, 0).unwrap()
    }

    #[test]
    fn host_bits_are_cleared() {
        assert_eq!(block("10.0.0.77", 24).to_string(), "10.0.0.0/24");
        assert_eq!(block("10.0.0.77", 0).to_string(), "0.0.0.0/0");
        assert_eq!(block("2001:db8::7", 64).to_string(), "2001:db8::/64");
        assert_eq!(block("2001:db8::7", 0).last_index(), u128::MAX);
    }

    #[test]
    fn too_long_a_prefix_is_none() {
        assert_eq!(Block::new("10.0.0.1".parse().unwrap(), 33, 0), None);
        assert_eq!(Block::new("::1".parse().unwrap(), 129, 0), None);
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        assert_eq!(block("::ffff:10.0.0.1", 128).to_string(), "10.0.0.1");
        assert_eq!(block("::ffff:10.0.0.1", 120).to_string(), "10.0.0.0/24");
        assert_eq!(Block::single("::ffff:10.0.0.1".parse().unwrap(), 3).to_string(), "10.0.0.1");
    }

    #[test]
    fn only_aligned_runs_are_blocks() {
        assert_eq!(Block::from_run(0, u32::MAX).unwrap().to_string(), "0.0.0.0/0");
        assert_eq!(Block::from_run(4, 7).unwrap().to_string(), "0.0.0.4/30");
        assert_eq!(Block::from_run(2, 5), None);
        assert_eq!(Block::from_run(0, 2), None);
    }
}

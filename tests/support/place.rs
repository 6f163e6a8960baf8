//! Addresses and ports of loopback that no other test uses.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// An address of 127/8 for the caller alone. Connections come from 127.0.0.1, so no source port is ever in the way.
pub fn address() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // The lowest 2^14 addresses are left to tests that scan prefixes.
    let place = ((std::process::id() << 8) + number) & 0x007f_ffff;
    IpAddr::V4(Ipv4Addr::from(0x7f00_0000 | (place | 0x4000)))
}

/// A port free on every IPv4 and IPv6 address, below the range source ports are taken from.
pub fn port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(61);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = (FIRST + start.wrapping_add(step) % COUNT) as u16;
        let free = |addr: IpAddr| TcpListener::bind(SocketAddr::new(addr, port)).is_ok();
        if free(Ipv4Addr::UNSPECIFIED.into()) && free(Ipv6Addr::LOCALHOST.into()) {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}

/// The ports of `addr` that take a connection now: those of servers that were there before the test.
pub fn open_ports(addr: IpAddr, ports: RangeInclusive<u16>) -> Vec<u16> {
    ports.filter(|port| TcpStream::connect(SocketAddr::new(addr, *port)).is_ok()).collect()
}

/// Tests with servers on every address hold it shared, tests that must know every open port alone.
static WILDCARDS: RwLock<()> = RwLock::new(());

/// While it lives, a server may listen on every address.
pub fn with_wildcard_server() -> RwLockReadGuard<'static, ()> {
    WILDCARDS.read().unwrap_or_else(PoisonError::into_inner)
}

/// While it lives, no test of this process has a server on every address.
pub fn without_wildcard_servers() -> RwLockWriteGuard<'static, ()> {
    WILDCARDS.write().unwrap_or_else(PoisonError::into_inner)
}

/// The TCP ports somebody listens on at `addr` or at every address, by the kernel's own list.
pub fn listening(addr: IpAddr) -> BTreeSet<u16> {
    const LISTEN: &str = "0A";
    let mut ports = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        for fields in text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>()) {
            let (Some(local), Some(&LISTEN)) = (fields.get(1), fields.get(3)) else { continue };
            let Some((at, port)) = local.split_once(':') else { continue };
            let everywhere = at.bytes().all(|digit| digit == b'0');
            if everywhere || at.eq_ignore_ascii_case(&kernel_hex(addr)) {
                ports.extend(u16::from_str_radix(port, 16).ok());
            }
        }
    }
    ports
}

/// Whether somebody has this port of UDP at this very IPv4 address, by the kernel's list for the namespace of this thread.
pub fn is_bound(address: SocketAddr) -> bool {
    let text = std::fs::read_to_string("/proc/thread-self/net/udp").unwrap_or_default();
    let wanted = format!("{}:{:04X}", kernel_hex(address.ip()), address.port());
    text.lines().skip(1).any(|line| line.split_whitespace().nth(1) == Some(&wanted))
}

/// An address as the kernel's tables write it: words of four bytes, each in the machine's order.
fn kernel_hex(addr: IpAddr) -> String {
    let octets = match addr {
        IpAddr::V4(addr) => addr.octets().to_vec(),
        IpAddr::V6(addr) => addr.octets().to_vec(),
    };
    let words = octets.chunks_exact(4).filter_map(|word| word.try_into().ok()).map(u32::from_ne_bytes);
    words.map(|word| format!("{word:08X}")).collect::<Vec<_>>().concat()
}

//! Addresses and ports of loopback that no other test uses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32, Ordering};

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

//! Which conversation a packet belongs to.

use std::net::IpAddr;

/// One conversation, seen from this machine: what a reply to a probe of ours has in common with the probe.
///
/// An ICMP error belongs to the conversation of the packet it quotes, so whoever waits for a reply also gets the
/// unreachable or the time-exceeded that came instead of it, from whatever router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// IP protocol number of the probe: 6 TCP, 17 UDP, 132 SCTP, 1 and 58 ICMP, …
    pub protocol: u8,
    /// Where the probe went: source of the reply, destination of a quoted packet.
    pub remote: IpAddr,
    /// Port there; 0 for protocols without ports.
    pub remote_port: u16,
    /// Our port; the identifier of ICMP queries (echo, timestamp, mask), 0 for protocols without ports.
    pub local_port: u16,
}

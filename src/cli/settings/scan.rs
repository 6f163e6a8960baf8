//! How to scan: with which probes, at which pace, after which discovery.

use std::time::Duration;

use crate::model::{PingKind, ScanKind};

/// How to scan. Times and counts have passed `-T` and the user's own options.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanSettings {
    /// Kinds asked for, at most one for each protocol, and IP protocols alone. Empty: SYN where packets are possible,
    /// connect otherwise; none of them where [`DiscoveryMode`] has no ports.
    pub kinds: Vec<ScanKind>,
    /// Flags of TCP probes in the place of those of their kind (RFC 9293, CWR the highest bit, FIN the lowest). Some TCP
    /// kind other than connect is then among `kinds`.
    pub scan_flags: Option<u8>,
    /// Port that probes come from, not zero.
    pub source_port: Option<u16>,
    /// Time to live (IPv4) or hop limit (IPv6) of probes, not zero.
    pub ttl: Option<u8>,
    /// Random bytes behind the header of probes, or behind their payload.
    pub data_length: u16,
    /// Probes carry wrong transport checksums: whoever answers is no host.
    pub bad_sum: bool,
    /// Name of the interface for targets whose address does not say (link-local ones), and for routes.
    pub interface: Option<String>,
    /// Find the route to each host that is up.
    pub traceroute: bool,
    /// Show every packet sent and received.
    pub packet_trace: bool,
    /// Wait for a connection to be made: by connect scans, and by scripts that set no time of their own.
    pub connect_timeout: Duration,
    /// Sockets open at once at most; none: as the system allows.
    pub max_sockets: Option<u32>,
    /// Sockets of scripts to one host at most.
    pub max_sockets_per_host: Option<u32>,
    /// Sockets of all instances of one script at most.
    pub max_sockets_per_script: Option<u32>,
    /// Probes kept under way at least.
    pub min_parallelism: Option<u32>,
    /// Probes under way at most; none: as the scan finds right.
    pub max_parallelism: Option<u32>,
    /// Time for one host.
    pub host_timeout: Option<Duration>,
    /// How long to wait, how often to try, how fast to send.
    pub timing: TimingSettings,
    /// How to find out which hosts are there.
    pub discovery: DiscoverySettings,
}

/// How long to wait, how often to try, how fast to send. `min_rtt <= initial_rtt <= max_rtt`,
/// `scan_delay <= max_scan_delay_tcp`, `scan_delay <= max_scan_delay_udp` and `min_rate <= max_rate` hold.
#[derive(Debug, Clone, PartialEq)]
pub struct TimingSettings {
    /// Number of the template, 0 to 5.
    pub template: u8,
    /// Wait for an answer while nothing is known of a host's round trip time.
    pub initial_rtt: Duration,
    /// Shortest wait the measured round trip time may lead to.
    pub min_rtt: Duration,
    /// Longest wait the measured round trip time may lead to.
    pub max_rtt: Duration,
    /// Tries after the first.
    pub max_retries: u32,
    /// Pause between two probes of one host.
    pub scan_delay: Duration,
    /// Longest pause that losses may lead to, of TCP and SCTP.
    pub max_scan_delay_tcp: Duration,
    /// Longest pause that losses may lead to, of UDP.
    pub max_scan_delay_udp: Duration,
    /// Probes and connections begun per second at least, above zero.
    pub min_rate: Option<f64>,
    /// Probes and connections begun per second at most, above zero.
    pub max_rate: Option<f64>,
    /// Do not slow down for hosts that limit their resets: ports that stay silent count as unanswered, not as closed.
    pub defeat_rst: bool,
    /// Do not slow down for hosts that limit their ICMP errors: likewise, of UDP ports.
    pub defeat_icmp: bool,
}

/// How to find out which hosts are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoverySettings {
    /// What discovery is for.
    pub mode: DiscoveryMode,
    /// What to ask with, in the order of sending, each kind once; empty: the usual ones. Empty where nothing is asked.
    pub pings: Vec<PingSettings>,
    /// Ask hosts on a local link by ARP or neighbour solicitation, in the place of `pings`.
    pub arp: bool,
    /// A reset does not show that a host is up.
    pub ignore_rst: bool,
}

/// What discovery is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscoveryMode {
    /// And then ports.
    Normal,
    /// `-Pn`: every target counts as up.
    Skip,
    /// `-sn`: no ports.
    Only,
    /// `-Pn -sn`: every target counts as up, and no ports: for scripts and routes.
    Neither,
    /// `-sL`: targets are listed, nothing is sent to them.
    List,
}

/// One kind of ping asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingSettings {
    /// How to ask.
    pub kind: PingKind,
    /// As typed, in `target`'s grammar; none: the kind's default.
    pub ports: Option<String>,
}

//! Machines to scan: namespaces of their own, each at the other end of a veth, and what is open, closed or filtered there.

use std::net::TcpListener;

use super::Failure;
use super::namespaces::{self, Namespaces, ip};

/// One machine.
pub const ALONE: &str = "10.77.0.2";
/// 249 addresses of one machine.
pub const CROWD: &str = "10.78.0.2-250";
/// The network they are in. The scanner has the address `.1` in it: 250 of 4,096 addresses are up.
pub const NETWORK: &str = "10.78.0.0/20";
/// A machine that drops what comes to any TCP port but two.
pub const WALL: &str = "10.77.1.2";
/// Ports that are open on all of them; on the wall the first only.
pub const OPEN: [u16; 3] = [22, 443, 50_000];

/// The machines, with this thread in the namespace they are scanned from; gone when dropped.
pub struct Peers {
    _listeners: Vec<TcpListener>,
    _namespaces: Namespaces<4>,
}

impl Peers {
    /// New ones, so that their kernels remember nothing of earlier scans.
    pub fn new() -> Result<Peers, Failure> {
        let namespaces = Namespaces::new(["scanner", "alone", "crowd", "wall"])?;
        let [scanner, alone, crowd, wall] = &namespaces.names;
        for (interface, own, peer, address) in [
            ("alone", "10.77.0.1/24", alone, "10.77.0.2/24"),
            ("crowd", "10.78.0.1/20", crowd, "10.78.0.2/20"),
            ("wall", "10.77.1.1/24", wall, "10.77.1.2/24"),
        ] {
            ip(&format!("link add {interface} netns {scanner} type veth peer name veth netns {peer}"))?;
            ip(&format!("-n {scanner} addr add {own} dev {interface}"))?;
            ip(&format!("-n {peer} addr add {address} dev veth"))?;
            ip(&format!("-n {scanner} link set {interface} up"))?;
            ip(&format!("-n {peer} link set veth up"))?;
        }
        ip(&format!("-n {scanner} link set lo up"))?; // the scanner's own address is in the network, too
        for host in 3..=250 {
            ip(&format!("-n {crowd} addr add 10.78.0.{host}/20 dev veth"))?;
        }
        for rule in [
            "add table ip wall",
            "add chain ip wall input { type filter hook input priority 0 ; }",
            "add rule ip wall input tcp dport != { 22, 80 } drop",
        ] {
            ip(&format!("netns exec {wall} nft {rule}"))?;
        }
        let mut listeners = Vec::new();
        for peer in [alone, crowd, wall] {
            listeners.extend(namespaces::listen(peer, &OPEN)?);
        }
        namespaces.enter()?;
        Ok(Peers { _listeners: listeners, _namespaces: namespaces })
    }
}

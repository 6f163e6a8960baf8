//! What this machine knows about names: the only reader of `resolv.conf` and the hosts file.

use std::fs::File;
use std::io::Read;

use crate::net::resolver::{Hosts, ResolverConfig};

/// Longest file read; block lists in hosts files reach some ten megabytes.
const MAX_FILE: u64 = 32 << 20;

/// Name servers and search list.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Names known without asking.
pub const HOSTS: &str = "/etc/hosts";

/// The resolver's configuration out of the texts of the two files. `interface` gives the number of one.
pub fn config(resolv_conf: &str, hosts: &str, interface: &dyn Fn(&str) -> Option<u32>) -> ResolverConfig {
    let mut config = ResolverConfig::from_resolv_conf(resolv_conf, interface);
    config.hosts = Hosts::parse(hosts);
    config
}

/// The text of one of them; a missing or unreadable file counts as empty.
pub fn text_of(path: &str) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    if read.is_ok() { String::from_utf8_lossy(&bytes).into_owned() } else { String::new() }
}

/// The kernel's index of an interface, for zones such as `%eth0`.
pub fn interface_index(name: &str) -> Option<u32> {
    let plain = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
    plain.then(|| text_of(&format!("/sys/class/net/{name}/ifindex")))?.trim().parse().ok()
}

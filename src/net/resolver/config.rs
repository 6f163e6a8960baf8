//! Where the resolver asks and what it knows beforehand: `resolv.conf`, the hosts file, `--dns-servers`. Pure text in,
//! values out; who reads the files is `live`'s business.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use crate::error::Error;

/// The port of DNS.
const PORT: u16 = 53;
/// Entries kept of each kind; what a longer file adds is ignored, as the C library does (there: 3 servers, 6 domains).
const MAX_SERVERS: usize = 8;
const MAX_SEARCH: usize = 8;
/// Addresses kept of a name in the hosts file, and names of an address.
const MAX_PER_HOST: usize = 64;
/// Servers one question is put to.
pub(super) const SERVERS_PER_QUESTION: usize = 3;

/// Everything the resolver is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolverConfig {
    /// Name servers in order of preference.
    pub servers: Vec<SocketAddr>,
    /// Domains appended to names with fewer than `ndots` dots.
    pub search: Vec<String>,
    /// Dots from which on a name is taken as complete.
    pub ndots: usize,
    /// Wait of each try, instead of the built-in ones.
    pub timeout: Option<Duration>,
    /// Tries for each server, instead of the built-in ones.
    pub attempts: Option<usize>,
    /// Names known without asking.
    pub hosts: Hosts,
}

impl Default for ResolverConfig {
    fn default() -> ResolverConfig {
        let hosts = Hosts::default();
        ResolverConfig { servers: Vec::new(), search: Vec::new(), ndots: 1, timeout: None, attempts: None, hosts }
    }
}

impl ResolverConfig {
    /// Reads the text of a `resolv.conf`; lines it does not know are ignored. `scope_index` turns the zone of an IPv6
    /// address (`fe80::1%eth0`) into an interface index.
    pub fn from_resolv_conf(text: &str, scope_index: &dyn Fn(&str) -> Option<u32>) -> ResolverConfig {
        let mut config = ResolverConfig::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let server = words.next().and_then(|word| scoped_address(word, scope_index));
                    if config.servers.len() < MAX_SERVERS {
                        config.servers.extend(server);
                    }
                }
                Some("search" | "domain") => {
                    config.search = words.map(str::to_owned).take(MAX_SEARCH).collect();
                }
                Some("options") => words.for_each(|word| config.option(word)),
                _ => {}
            }
        }
        config
    }

    /// One word of an `options` line, with the C library's bounds.
    fn option(&mut self, word: &str) {
        let Some((name, number)) = word.split_once(':') else { return };
        let Ok(number) = number.parse::<usize>() else { return };
        match name {
            "ndots" => self.ndots = number.min(15),
            "timeout" => self.timeout = Some(Duration::from_secs(number.clamp(1, 30) as u64)),
            "attempts" => self.attempts = Some(number.clamp(1, 5)),
            _ => {}
        }
    }

    /// How long each try with one server waits. Few servers get long waits, many get short ones, unless told otherwise.
    pub fn tries(&self) -> Vec<Duration> {
        let built_in: &[u64] = match self.servers.len() {
            0 | 1 => &[1000, 1500, 2000],
            2 => &[1000, 1000],
            _ => &[500, 1000],
        };
        let count = self.attempts.unwrap_or(built_in.len()).max(1);
        let waits = built_in.iter().chain(std::iter::repeat(built_in.last().unwrap_or(&1000)));
        waits.take(count).map(|ms| self.timeout.unwrap_or(Duration::from_millis(*ms))).collect()
    }
}

/// An IP address, an IPv6 one perhaps with a zone, on the DNS port.
fn scoped_address(text: &str, scope_index: &dyn Fn(&str) -> Option<u32>) -> Option<SocketAddr> {
    let Some((address, zone)) = text.split_once('%') else {
        return Some(SocketAddr::new(text.parse().ok()?, PORT));
    };
    let address: Ipv6Addr = address.parse().ok()?;
    let scope = zone.parse().ok().or_else(|| scope_index(zone))?;
    Some(SocketAddr::V6(SocketAddrV6::new(address, PORT, 0, scope)))
}

/// Reads the list of `--dns-servers`: addresses separated by commas, each with an optional port: `9.9.9.9`,
/// `127.0.0.1:5353`, `2620:fe::fe`, `[::1]:5353`.
///
/// # Errors
/// A usage error that names the entry.
pub fn parse_servers(text: &str) -> Result<Vec<SocketAddr>, Error> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let servers = entries.map(parse_server).collect::<Result<Vec<_>, _>>()?;
    if servers.is_empty() {
        return Err(Error::Usage(
            "--dns-servers names no server; give addresses such as 9.9.9.9,[::1]:5353".to_owned(),
        ));
    }
    Ok(servers)
}

fn parse_server(entry: &str) -> Result<SocketAddr, Error> {
    let bracketed = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let plain = bracketed.unwrap_or(entry).parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT));
    let server = plain.ok().or_else(|| entry.parse().ok()).filter(|server| server.port() != 0);
    server.ok_or_else(|| {
        Error::Usage(format!("--dns-servers: `{entry}` is no server address; write ip, ip:port or [ipv6]:port"))
    })
}

/// The hosts file, both ways. Names are kept in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    forward: HashMap<String, Vec<IpAddr>>,
    reverse: HashMap<IpAddr, Vec<String>>,
}

impl Hosts {
    /// Reads the text of a hosts file; lines that do not start with an address are ignored.
    pub fn parse(text: &str) -> Hosts {
        let mut hosts = Hosts::default();
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
            for name in words {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                push_new(hosts.forward.entry(name.clone()).or_default(), address);
                push_new(hosts.reverse.entry(address).or_default(), name);
            }
        }
        hosts
    }

    /// Addresses of `name` (lower case, no trailing dot), in the file's order.
    pub fn addresses(&self, name: &str) -> &[IpAddr] {
        self.forward.get(name).map_or(&[], Vec::as_slice)
    }

    /// Names of `address`, in the file's order.
    pub fn names(&self, address: IpAddr) -> &[String] {
        self.reverse.get(&address).map_or(&[], Vec::as_slice)
    }
}

/// Adds `item` unless it is there or the list is full: block lists give one address to half a million names.
fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if list.len() < MAX_PER_HOST && !list.contains(&item) {
        list.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_is_read_leniently() {
        let text = "# comment\nnameserver 192.0.2.1 ; trailing\nnameserver fe80::1%eth7\nnameserver fe80::2%3\n\
                    nameserver fe80::3%nope\nnameserver junk\nsearch a.example b.example\nunknown x\n\
                    options ndots:99 timeout:0 attempts:9 rotate bad:x\n";
        let config = ResolverConfig::from_resolv_conf(text, &|zone| (zone == "eth7").then_some(7));
        let servers: Vec<String> = config.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.1:53", "[fe80::1%7]:53", "[fe80::2%3]:53"]);
        assert_eq!(config.search, ["a.example", "b.example"]);
        assert_eq!((config.ndots, config.timeout, config.attempts), (15, Some(Duration::from_secs(1)), Some(5)));
    }

    #[test]
    fn waits_follow_the_number_of_servers() {
        let of = |servers: usize| {
            let config =
                ResolverConfig { servers: vec![([127, 0, 0, 1], 53).into(); servers], ..ResolverConfig::default() };
            config.tries().iter().map(Duration::as_millis).collect::<Vec<_>>()
        };
        assert_eq!(of(1), [1000, 1500, 2000]);
        assert_eq!(of(2), [1000, 1000]);
        assert_eq!(of(3), [500, 1000]);
        let own = ResolverConfig { attempts: Some(4), ..ResolverConfig::default() };
        assert_eq!(own.tries().len(), 4);
    }

    #[test]
    fn server_lists_name_what_is_wrong() {
        let servers = parse_servers("127.0.0.1, 127.0.0.1:5353,::1,[::1],[::1]:54").unwrap();
        let texts: Vec<String> = servers.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["127.0.0.1:53", "127.0.0.1:5353", "[::1]:53", "[::1]:53", "[::1]:54"]);
        for bad in ["", "dns.example", "127.0.0.1:0", "127.0.0.1:99999", "[::1", "1.2.3"] {
            assert!(matches!(parse_servers(bad), Err(Error::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn hosts_work_both_ways() {
        let hosts =
            Hosts::parse("127.0.0.1 localhost\n10.0.0.1\tGate gate.example. # router\n10.0.0.2 gate\nbad line\n");
        assert_eq!(hosts.addresses("gate"), ["10.0.0.1".parse::<IpAddr>().unwrap(), "10.0.0.2".parse().unwrap()]);
        assert_eq!(hosts.names("10.0.0.1".parse().unwrap()), ["gate", "gate.example"]);
        assert!(hosts.addresses("bad").is_empty());
        let blocked: String =
            (0..100_000).map(|index| format!("0.0.0.0 ad{index}.example\n")).collect::<Vec<_>>().concat();
        let hosts = Hosts::parse(&blocked);
        assert_eq!(hosts.addresses("ad99999.example").len(), 1);
        assert_eq!(hosts.names("0.0.0.0".parse().unwrap()).len(), MAX_PER_HOST);
    }
}

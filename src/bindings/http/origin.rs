//! Who is talked to, and how a connection to it comes about.

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::rc::Rc;

use crate::model::NetError;
use crate::net::{NetFuture, Stream};

/// Scheme, host and port of a server, with the address to connect to where it is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// `https`.
    pub tls: bool,
    /// Name or address literal as it goes into `Host` and SNI: no brackets, no zone.
    pub host: Rc<str>,
    /// Where to connect; when unset, [`Dial`] looks `host` up.
    pub addr: Option<IpAddr>,
    /// IPv6 zone as the interface index; 0 where there is none.
    pub scope: u32,
    /// The port.
    pub port: u16,
}

/// Opens connections on behalf of a script: capability, fence, budgets, name lookup and TLS are its business.
///
/// Errors of its streams may carry a [`NetError`] as the source of the `io::Error` (`io::Error::other(net_error)`);
/// it then reaches the caller unchanged.
pub trait Dial {
    /// Whether the script may talk to `origin` at all. Asked before a cached answer or an idle connection is used, so
    /// that neither leads around the fence. The default trusts [`Dial::dial`] alone.
    fn permit(&self, _origin: &Origin) -> Result<(), NetError> {
        Ok(())
    }

    /// Opens a connection to `origin`, through TLS (ALPN `http/1.1`) if its scheme says so.
    fn dial(&self, origin: &Origin) -> NetFuture<Box<dyn Stream>>;
}

impl Origin {
    /// The origin named `host` (name or address literal, brackets and zone allowed), its address known only if literal.
    pub fn new(tls: bool, host: &str, port: u16) -> Origin {
        let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        let literal = bare.split('%').next().unwrap_or(bare);
        match literal.parse::<IpAddr>() {
            Ok(addr) => Origin { tls, host: literal.into(), addr: Some(addr), scope: 0, port },
            Err(_) => Origin { tls, host: bare.into(), addr: None, scope: 0, port },
        }
    }

    /// The origin named `host` that is reached at `addr`.
    pub fn at(tls: bool, host: &str, addr: SocketAddr) -> Origin {
        let scope = if let SocketAddr::V6(v6) = addr { v6.scope_id() } else { 0 };
        Origin { addr: Some(addr.ip()), scope, ..Origin::new(tls, host, addr.port()) }
    }

    /// The socket address to connect to, if the address is known.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        Some(match self.addr? {
            IpAddr::V4(v4) => SocketAddr::from((v4, self.port)),
            IpAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(v6, self.port, 0, self.scope)),
        })
    }

    /// The value of `Host`: an IPv6 literal in brackets, the port unless it is the default of the scheme.
    pub fn authority(&self) -> String {
        let default = if self.tls { 443 } else { 80 };
        match (self.host.contains(':'), self.port == default) {
            (true, true) => format!("[{}]", self.host),
            (true, false) => format!("[{}]:{}", self.host, self.port),
            (false, true) => self.host.to_string(),
            (false, false) => format!("{}:{}", self.host, self.port),
        }
    }

    /// The absolute URL of `path` on this origin; bytes of `path` that are not UTF-8 are replaced.
    pub fn url(&self, path: &[u8]) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority(), String::from_utf8_lossy(path))
    }

    /// Whether both mean the same machine: the same name, or the same known address. Ports may differ.
    pub fn same_host(&self, other: &Origin) -> bool {
        self.host.eq_ignore_ascii_case(&other.host)
            || (self.addr.is_some() && self.addr == other.addr && self.scope == other.scope)
    }
}

/// The peer as errors name it: `10.0.0.7:443`, or the name while no address is known.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.socket_addr() {
            Some(addr) => write!(f, "{addr}"),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_header_brackets_ipv6_and_hides_default_ports() {
        assert_eq!(Origin::new(false, "example.com", 80).authority(), "example.com");
        assert_eq!(Origin::new(true, "example.com", 80).authority(), "example.com:80");
        assert_eq!(Origin::new(true, "::1", 443).authority(), "[::1]");
        assert_eq!(Origin::new(false, "[fe80::1%eth0]", 8080).authority(), "[fe80::1]:8080");
    }

    #[test]
    fn the_same_host_is_the_same_name_or_address() {
        let by_name = Origin::at(false, "www.example.com", "192.0.2.1:80".parse().unwrap());
        assert!(by_name.same_host(&Origin::new(true, "WWW.example.com", 8443)));
        assert!(by_name.same_host(&Origin::new(false, "192.0.2.1", 81)));
        assert!(!by_name.same_host(&Origin::new(false, "192.0.2.2", 80)));
        assert!(!by_name.same_host(&Origin::new(false, "example.com", 80)));
    }
}

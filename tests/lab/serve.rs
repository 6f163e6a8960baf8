//! Real servers on the hosts of a lab: child processes of the test, inside the host's namespace, stopped by their id.

use std::net::{IpAddr, SocketAddr};

use super::topology::Host;
use crate::support::dir::Dir;
use crate::support::servers::{
    Server, chronyd_at, dnsmasq_on, nginx_at, openssl_at, openssl_dtls_at, snmpd_at, sshd_at,
};

impl Host {
    /// nginx on this port.
    pub fn nginx(&self, port: u16) -> Option<Server> {
        self.space.inside(|| nginx_at(self.at(port), "", ""))
    }

    /// `openssl s_server` on this port.
    pub fn openssl(&self, port: u16) -> Option<Server> {
        self.space.inside(|| openssl_at(self.at(port), &[]))
    }

    /// `sshd` on this port.
    pub fn sshd(&self, port: u16) -> Option<Server> {
        self.space.inside(|| sshd_at(self.at(port), &["ed25519"], ""))
    }

    /// DTLS by `openssl s_server` on this port.
    pub fn dtls(&self, port: u16) -> Option<Server> {
        self.space.inside(|| openssl_dtls_at(self.at(port)))
    }

    /// dnsmasq: DNS (53) and TFTP (69).
    pub fn dnsmasq(&self) -> Option<Server> {
        self.space.inside(|| dnsmasq_on(self.addr.into()))
    }

    /// `snmpd` on its port, 161.
    pub fn snmpd(&self) -> Option<Server> {
        self.space.inside(|| snmpd_at(self.at(161)))
    }

    /// `chronyd` on the port of NTP, 123.
    pub fn chronyd(&self) -> Option<Server> {
        self.space.inside(|| chronyd_at(self.at(123)))
    }

    /// inetd's own echo (7) and discard (9), over TCP and UDP.
    pub fn inetd(&self) -> Option<Server> {
        let (dir, ip) = (Dir::new(), self.addr);
        let lines = ["echo", "discard"].map(|service| {
            format!("{ip}:{service} stream tcp nowait root internal\n{ip}:{service} dgram udp wait root internal\n")
        });
        let path = dir.write("inetd.conf", lines.concat()).display().to_string();
        let pid = format!("-p{}", dir.join("pid").display());
        let arguments = ["-d", &pid, &path];
        self.space.inside(|| Server::start("inetutils-inetd", "inetutils-inetd", &arguments, self.at(7), dir))
    }

    fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.addr), port)
    }
}

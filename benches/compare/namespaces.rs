//! Network namespaces of a measurement, gone at its end.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;
use std::process::Command;
use std::{io, thread};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::Failure;

/// Some network namespaces. Dropped, they are removed, and this thread is back where it was.
pub struct Namespaces<const COUNT: usize> {
    /// As `ip` knows them.
    pub names: [String; COUNT],
    home: File,
}

impl<const COUNT: usize> Namespaces<COUNT> {
    /// One for each role.
    pub fn new(roles: [&str; COUNT]) -> Result<Namespaces<COUNT>, Failure> {
        let home = File::open("/proc/thread-self/ns/net")?;
        let names = roles.map(|role| format!("sonde-bench-{role}-{}", std::process::id()));
        let namespaces = Namespaces { names, home };
        for name in &namespaces.names {
            ip(&format!("netns add {name}"))?;
        }
        Ok(namespaces)
    }

    /// Moves this thread, and those it starts, into the first.
    pub fn enter(&self) -> Result<(), Failure> {
        let name = self.names.first().ok_or("no namespace to enter")?;
        Ok(enter(name)?)
    }
}

/// Moves this thread, and those it starts, into the namespace of this name.
fn enter(name: &str) -> io::Result<()> {
    let inside = File::open(format!("/run/netns/{name}"))?;
    Ok(move_into_link_name_space(inside.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// Listens on these TCP ports of all addresses of the namespace of this name. Nobody accepts: the kernel answers SYNs alone.
pub fn listen(name: &str, ports: &[u16]) -> Result<Vec<TcpListener>, Failure> {
    let open = || -> io::Result<Vec<TcpListener>> {
        enter(name)?;
        ports.iter().map(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port))).collect()
    };
    // A thread of its own: a socket belongs to the namespace it was made in, whoever holds it.
    let opened = thread::scope(|scope| scope.spawn(open).join());
    Ok(opened.map_err(|_| "the thread that listens panicked")??)
}

impl<const COUNT: usize> Drop for Namespaces<COUNT> {
    fn drop(&mut self) {
        let _ = move_into_link_name_space(self.home.as_fd(), Some(LinkNameSpaceType::Network));
        for name in &self.names {
            if let Err(error) = ip(&format!("netns del {name}")) {
                eprintln!("bench: {name} is left behind: {error}");
            }
        }
    }
}

/// Runs `ip` with these words.
pub fn ip(words: &str) -> Result<(), Failure> {
    let done = Command::new("ip").args(words.split(' ')).output()?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned().into()) }
}

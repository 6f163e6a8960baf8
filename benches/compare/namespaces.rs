//! Network namespaces of a measurement, gone at its end.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;

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
        let inside = File::open(format!("/run/netns/{name}"))?;
        Ok(move_into_link_name_space(inside.as_fd(), Some(LinkNameSpaceType::Network))?)
    }
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

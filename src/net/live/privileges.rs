//! What packets take of the kernel, `CAP_NET_RAW`: tried for, held back while not needed, given up where it can be.
//!
//! Nobody asks who we are. A file capability in the permitted set is enough (`setcap cap_net_raw+p sonde`): it becomes
//! effective while a socket is opened and at no other time. Capabilities belong to a thread; there is one.

use std::io;

use rustix::process::{Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use crate::model::{NetError, NetErrorKind};

/// What opening a packet socket takes.
const NEEDED: CapabilitySet = CapabilitySet::NET_RAW;

/// The right to try for packets.
#[derive(Debug, Clone, Copy)]
pub struct Privileges {
    allowed: bool,
}

impl Privileges {
    /// With `allowed` false nothing is even tried.
    pub fn new(allowed: bool) -> Privileges {
        Privileges { allowed }
    }

    /// Opens something that takes `CAP_NET_RAW`; a `privilege` error if this process may not.
    pub fn open<T>(self, op: &'static str, open: impl FnOnce() -> io::Result<T>) -> Result<T, NetError> {
        let refused = |why: &str| NetError::new(NetErrorKind::Privilege, op, "this machine").because(why);
        if !self.allowed {
            return Err(refused("--unprivileged was given"));
        }
        let _raised = Raised::raise();
        open().map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => refused("it takes CAP_NET_RAW"),
            _ => NetError::from_io(&error, op, "this machine"),
        })
    }
}

/// The capability is effective while this lives.
struct Raised {
    before: Option<CapabilitySets>,
}

impl Raised {
    /// Raises it if that is possible; whoever needs it finds out whether it was.
    fn raise() -> Raised {
        let Ok(before) = capabilities(None) else { return Raised { before: None } };
        if before.effective.contains(NEEDED) || !before.permitted.contains(NEEDED) {
            return Raised { before: None };
        }
        let raised = CapabilitySets { effective: before.effective | NEEDED, ..before };
        Raised { before: set_capabilities(None, raised).ok().map(|()| before) }
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // Lowering a capability one has is always permitted.
            let _ = set_capabilities(None, before);
        }
    }
}

/// Whether this process acts as root, who alone can become somebody else.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Takes `CAP_NET_RAW` out of the effective set until it is needed; out of reach for good if it must never be.
pub fn hold_back(for_good: bool) -> io::Result<()> {
    let mut sets = capabilities(None)?;
    sets.effective.remove(NEEDED);
    if for_good {
        sets.permitted.remove(NEEDED);
        sets.inheritable.remove(NEEDED);
    }
    Ok(set_capabilities(None, sets)?)
}

/// Becomes the user who called sudo, with nothing left of root but what later captures take. Must run before any other
/// thread exists: user, group and capabilities are each thread's own. Supplementary groups are given up, because looking
/// them up could ask a directory server.
pub fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let had = capabilities(None)?.permitted;
    rustix::thread::set_keep_capabilities(true)?;
    rustix::thread::set_thread_groups(&[gid])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    rustix::thread::set_keep_capabilities(false)?;
    let nothing = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: nothing, permitted: had & NEEDED, inheritable: nothing })?;
    // A process that could get root back has dropped nothing.
    if rustix::thread::set_thread_uid(Uid::ROOT).is_ok() {
        return Err(io::Error::other("root could be had back"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketType, socket};

    fn packet_socket() -> io::Result<()> {
        Ok(socket(AddressFamily::PACKET, SocketType::RAW, None).map(drop)?)
    }

    /// Capabilities are a thread's own: what a test gives up, no other test misses.
    fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::spawn(work).join().expect("the thread ends well")
    }

    fn is_root(test: &str) -> bool {
        let root = rustix::process::geteuid().is_root() && packet_socket().is_ok();
        assert!(root || std::env::var_os("CI").is_none(), "{test} needs root");
        if !root {
            eprintln!("CANNOT RUN {test}: it needs root");
        }
        root
    }

    #[test]
    fn without_the_capability_it_is_a_named_error() {
        on_a_thread(|| {
            hold_back(true).unwrap();
            let error = Privileges::new(true).open("send", packet_socket).unwrap_err();
            assert_eq!(error.to_string(), "send this machine: privilege (it takes CAP_NET_RAW)");
        });
        let error = Privileges::new(false).open("send", || Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "send this machine: privilege (--unprivileged was given)");
    }

    #[test]
    fn it_is_effective_only_while_something_is_opened() {
        if !is_root("it_is_effective_only_while_something_is_opened") {
            return;
        }
        on_a_thread(|| {
            hold_back(false).unwrap();
            assert!(packet_socket().is_err());
            assert!(Privileges::new(true).open("send", packet_socket).is_ok());
            assert!(packet_socket().is_err());
        });
    }

    #[test]
    fn the_user_of_sudo_keeps_captures_and_nothing_else() {
        if !is_root("the_user_of_sudo_keeps_captures_and_nothing_else") {
            return;
        }
        on_a_thread(|| {
            become_user(65_534, 65_534).unwrap();
            let sets = capabilities(None).unwrap();
            assert_eq!((sets.permitted, sets.effective), (NEEDED, CapabilitySet::empty()));
            assert!(std::fs::read("/etc/shadow").is_err());
            assert!(packet_socket().is_err());
            assert!(Privileges::new(true).open("capture", packet_socket).is_ok());
        });
    }
}

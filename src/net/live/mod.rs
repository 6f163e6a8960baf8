//! The machine's own network: sockets through the reactor.
//!
//! Every socket takes a slot first, so the process runs out of slots, where it waits, before it runs out of
//! descriptors, where it would fail.

pub mod capture;
#[cfg(test)]
mod lab;
mod link_address;
pub mod names;
mod neighbours;
mod netlink;
mod packets;
pub mod privileges;
mod recent;
mod reserve;
mod send;
mod tcp;
mod udp;
mod ways;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use async_io::Async;

pub use packets::LivePackets;
pub use privileges::Privileges;

use super::{ConnectOptions, Datagram, Listener, NetFuture, Origin, Stream, Transport};
use crate::model::{NetError, NetErrorKind};
use crate::runtime::{Clock, Semaphore};

/// Descriptors kept free for files, the reactor and up to 128 sockets of the resolver.
const RESERVED_DESCRIPTORS: u64 = 192;

/// Sockets of this machine.
pub struct LiveTransport {
    shared: Rc<Shared>,
}

/// What every operation needs.
struct Shared {
    clock: Clock,
    slots: Semaphore,
    connect_timeout: Duration,
}

impl LiveTransport {
    /// A transport with at most `sockets` open at once.
    pub fn new(clock: Clock, sockets: usize, connect_timeout: Duration) -> LiveTransport {
        LiveTransport { shared: Rc::new(Shared { clock, slots: Semaphore::new(sockets.max(1)), connect_timeout }) }
    }
}

/// Raises the soft limit on descriptors to the hard one and returns how many sockets may be open at once.
pub fn raise_descriptor_limit() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let current = limit.current;
    limit.current = limit.maximum;
    let granted = if setrlimit(Resource::Nofile, limit).is_ok() { limit.maximum } else { current };
    // No limit at all still means a table of the kernel's default size.
    (granted.unwrap_or(1 << 20).saturating_sub(RESERVED_DESCRIPTORS)).clamp(16, 1 << 20) as usize
}

impl Transport for LiveTransport {
    fn connect(&self, peer: SocketAddr, options: ConnectOptions) -> NetFuture<Box<dyn Stream>> {
        Box::pin(tcp::connect(Rc::clone(&self.shared), peer, options))
    }

    fn datagram(
        &self,
        bind: Option<SocketAddr>,
        peer: Option<SocketAddr>,
        _origin: Origin,
    ) -> NetFuture<Box<dyn Datagram>> {
        Box::pin(udp::open(Rc::clone(&self.shared), bind, peer))
    }

    fn listen(&self, bind: SocketAddr, _origin: Origin) -> NetFuture<Box<dyn Listener>> {
        Box::pin(tcp::listen(Rc::clone(&self.shared), bind))
    }
}

/// First and longest pause while the machine has no descriptors, ports or buffers to give.
const EXHAUSTED_PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));

/// Repeats `open` while the machine itself is exhausted: that is a reason to wait, never a port state.
async fn while_exhausted<T>(
    shared: &Shared,
    op: &'static str,
    peer: SocketAddr,
    mut open: impl FnMut() -> std::io::Result<T>,
) -> Result<T, NetError> {
    let give_up = shared.clock.now().plus(shared.connect_timeout.max(Duration::from_secs(30)));
    let mut pause = EXHAUSTED_PAUSE.0;
    loop {
        match open() {
            Err(error) if is_exhaustion(&error) && shared.clock.now() < give_up => {
                shared.clock.sleep(pause).await;
                pause = (pause * 2).min(EXHAUSTED_PAUSE.1);
            }
            Err(error) if is_exhaustion(&error) => {
                return Err(NetError::new(NetErrorKind::Local, op, peer).because(error));
            }
            result => return result.map_err(|error| NetError::from_io(&error, op, peer)),
        }
    }
}

fn is_exhaustion(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    Errno::from_io_error(error).is_some_and(|errno| {
        [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL].contains(&errno)
    })
}

/// Puts a non-blocking socket under the reactor.
fn register<T: std::os::fd::AsFd>(socket: T, op: &'static str, peer: SocketAddr) -> Result<Async<T>, NetError> {
    Async::new_nonblocking(socket).map_err(|error| NetError::from_io(&error, op, peer))
}

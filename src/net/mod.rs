//! The door: everything a run knows of the outside comes through the [`Network`] bundle.
//!
//! `live` is the machine's network. A recording or a model can stand in its place, so nothing above this room opens a
//! socket, looks up a name, reads a clock or draws a random number in any other way. Knows no scripts and no stages.

pub mod broker;
pub mod faults;
mod flight;
pub mod live;
#[cfg(test)]
mod loopback;
mod origin;
pub mod packets;
pub mod record;
pub mod replay;
pub mod resolver;
pub mod sim;
pub mod slots;
pub mod ssh;
pub mod tls;
pub mod traced;
pub mod warm;

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncWrite};

pub use origin::Origin;

use crate::model::{NetError, NetErrorKind};
use crate::runtime::{Clock, Random};

/// What every operation of the door returns.
pub type NetFuture<T> = Pin<Box<dyn Future<Output = Result<T, NetError>>>>;

/// The bundle handed to everything that deals with the outside. Clones share it.
#[derive(Clone)]
pub struct Network {
    /// Time and timers.
    pub clock: Clock,
    /// Seeded randomness.
    pub random: Random,
    /// Streams and datagrams.
    pub transport: Rc<dyn Transport>,
    /// Name lookup.
    pub names: Rc<dyn Names>,
    /// Packets.
    pub packets: Rc<dyn packets::Packets>,
}

/// How a stream is opened.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// Local address to bind to.
    pub bind: Option<SocketAddr>,
    /// Longest time to wait for the connection; the door's default when unset.
    pub timeout: Option<Duration>,
    /// Close with a reset, leaving no TIME-WAIT behind: for probes that only ask whether somebody accepts.
    pub abort_on_close: bool,
    /// On whose behalf.
    pub origin: Origin,
}

/// Opens streams and datagram sockets.
pub trait Transport {
    /// Opens a TCP stream. A connection to oneself (same local and remote address) counts as refused.
    fn connect(&self, peer: SocketAddr, options: ConnectOptions) -> NetFuture<Box<dyn Stream>>;

    /// Opens a UDP socket, connected to `peer` if there is one, so that ICMP errors are seen.
    fn datagram(
        &self,
        bind: Option<SocketAddr>,
        peer: Option<SocketAddr>,
        origin: Origin,
    ) -> NetFuture<Box<dyn Datagram>>;

    /// Accepts TCP connections on `bind`.
    fn listen(&self, bind: SocketAddr, origin: Origin) -> NetFuture<Box<dyn Listener>>;
}

/// A connected byte stream. Dropping it closes it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Our end.
    fn local(&self) -> SocketAddr;
    /// The other end.
    fn peer(&self) -> SocketAddr;
    /// Whether the one who opened it may hand it on to `_to`.
    fn may_be_handed_on(&self, _to: &Origin) -> bool {
        true
    }
    /// It is `to`'s from now on: it closes as streams do, even if it was opened with [`ConnectOptions::abort_on_close`].
    fn hand_on(&mut self, _to: &Origin) {}
}

/// A datagram socket.
pub trait Datagram {
    /// Sends one datagram; `peer` may be left out on a connected socket.
    fn send<'a>(&'a self, data: &'a [u8], peer: Option<SocketAddr>) -> LocalNetFuture<'a, usize>;
    /// Receives one datagram of at most 65,535 bytes.
    fn receive(&self) -> LocalNetFuture<'_, (Vec<u8>, SocketAddr)>;
    /// Our end.
    fn local(&self) -> SocketAddr;
}

/// An operation that borrows its socket.
pub type LocalNetFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, NetError>> + 'a>>;

/// A listening socket.
pub trait Listener {
    /// The next connection.
    fn accept(&self) -> LocalNetFuture<'_, Box<dyn Stream>>;
    /// Where it listens.
    fn local(&self) -> SocketAddr;
}

/// Which addresses a lookup asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// A and AAAA.
    Any,
    /// A only.
    V4,
    /// AAAA only.
    V6,
}

/// Looks up names without blocking anything else.
pub trait Names {
    /// Addresses of `name`; an error of kind `resolve` when there are none.
    fn addresses(&self, name: &str, family: Family) -> NetFuture<Vec<IpAddr>>;
    /// Names of `addr` (PTR, hosts file); empty when there are none.
    fn reverse(&self, addr: IpAddr) -> NetFuture<Vec<String>>;

    /// From now on each question that leaves this machine passes `governor`, where any leave.
    fn pace(&self, _governor: &broker::Governor) {}
}

/// The randomness of one conversation: bound to its two ends, so that a replay of it draws the same whatever else runs
/// beside it.
pub fn random_of(stream: &dyn Stream, random: &Random) -> Random {
    random.derive(&format!("{} {}", stream.local(), stream.peer()))
}

/// Runs `work` for at most `limit`; then it is a timeout of `op` towards `peer`.
pub async fn within<T>(
    clock: &Clock,
    limit: Duration,
    op: &'static str,
    peer: impl fmt::Display,
    work: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    let result = clock.timeout(limit, work).await;
    result.unwrap_or_else(|_| Err(NetError::new(NetErrorKind::Timeout, op, peer)))
}

//! A script's socket: a stream or a datagram socket, its leftovers, its timeouts.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::{Handle, Owned};
use crate::model::{NetError, NetErrorKind, Timestamp};
use crate::net::tls::{TlsInfo, TlsOptions, TlsStream};
use crate::net::{Datagram, Stream};
use crate::runtime::{Clock, Random};

/// Bytes asked of a stream at once.
const CHUNK: usize = 8 << 10;

/// A handle scripts hold; clones share the socket.
#[derive(Clone)]
pub struct Socket(Rc<Inner>);

struct Inner {
    clock: Clock,
    channel: RefCell<Channel>,
    /// Received and not yet asked for.
    leftover: RefCell<Vec<u8>>,
    timeout: Cell<Duration>,
    deadline: Cell<Option<Timestamp>>,
    local: SocketAddr,
    peer: Option<SocketAddr>,
    name: Option<String>,
    tls: RefCell<Option<TlsInfo>>,
}

/// What the socket is made of.
enum Channel {
    Stream(Box<dyn Stream>),
    Datagram(Rc<dyn Datagram>),
    /// An operation is using it.
    Busy,
    Closed,
}

impl Socket {
    /// A socket over a connected stream; `name` is what the peer is called in SNI.
    pub fn stream(clock: Clock, stream: Box<dyn Stream>, name: Option<String>, timeout: Duration) -> Socket {
        let (local, peer) = (stream.local(), Some(stream.peer()));
        Socket::new(clock, Channel::Stream(stream), (local, peer), name, timeout)
    }

    /// A socket over datagrams; with a `peer` it hears nobody else.
    pub fn datagram(clock: Clock, datagram: Rc<dyn Datagram>, peer: Option<SocketAddr>, timeout: Duration) -> Socket {
        let local = datagram.local();
        Socket::new(clock, Channel::Datagram(datagram), (local, peer), None, timeout)
    }

    fn new(
        clock: Clock,
        channel: Channel,
        (local, peer): (SocketAddr, Option<SocketAddr>),
        name: Option<String>,
        timeout: Duration,
    ) -> Socket {
        Socket(Rc::new(Inner {
            clock,
            channel: RefCell::new(channel),
            leftover: RefCell::default(),
            timeout: Cell::new(timeout),
            deadline: Cell::new(None),
            local,
            peer,
            name,
            tls: RefCell::default(),
        }))
    }

    /// Our end.
    pub fn local(&self) -> SocketAddr {
        self.0.local
    }

    /// The other end, if there is one.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.0.peer
    }

    /// The name the peer was connected by.
    pub fn name(&self) -> Option<String> {
        self.0.name.clone()
    }

    /// What the TLS handshake told, after one.
    pub fn tls(&self) -> Option<TlsInfo> {
        self.0.tls.borrow().clone()
    }

    /// Time one operation may take from now on.
    pub fn set_timeout(&self, timeout: Duration) {
        self.0.timeout.set(timeout);
    }

    /// A moment all further operations together must not pass; none lifts it.
    pub fn set_deadline(&self, deadline: Option<Timestamp>) {
        self.0.deadline.set(deadline);
    }

    /// Closes it; closing twice is harmless.
    pub fn close(&self) {
        Handle::close(&*self.0);
    }

    fn label(&self) -> String {
        self.0.peer.unwrap_or(self.0.local).to_string()
    }

    fn error(&self, kind: NetErrorKind, op: &'static str) -> NetError {
        NetError::new(kind, op, self.label())
    }

    fn ends_at(&self) -> Timestamp {
        let by_timeout = self.0.clock.now().plus(self.0.timeout.get());
        self.0.deadline.get().map_or(by_timeout, |deadline| deadline.min(by_timeout))
    }

    /// Takes the channel for one operation. Two workers must not use one socket at once.
    fn take(&self, op: &'static str) -> Result<Taken<'_>, NetError> {
        let mut channel = self.0.channel.borrow_mut();
        match *channel {
            Channel::Closed => Err(self.error(NetErrorKind::Closed, op).because("the script closed this socket")),
            Channel::Busy => Err(self.error(NetErrorKind::Local, op).because("another operation is using this socket")),
            _ => Ok(Taken { socket: self, channel: std::mem::replace(&mut *channel, Channel::Busy) }),
        }
    }

    /// Sends everything.
    pub async fn send(&self, data: &[u8]) -> Result<(), NetError> {
        let mut taken = self.take("send")?;
        let ends_at = self.ends_at();
        let work = async {
            match &mut taken.channel {
                Channel::Stream(stream) => {
                    let sent = async {
                        stream.write_all(data).await?;
                        stream.flush().await
                    };
                    sent.await.map_err(|error| NetError::from_io(&error, "send", self.label()))
                }
                Channel::Datagram(datagram) => datagram.send(data, None).await.map(drop),
                Channel::Busy | Channel::Closed => Err(self.error(NetErrorKind::Closed, "send")),
            }
        };
        self.0.clock.before(ends_at, work).await.unwrap_or_else(|_| Err(self.error(NetErrorKind::Timeout, "send")))
    }

    /// Sends one datagram to `peer` from an unconnected socket.
    pub async fn send_to(&self, data: &[u8], peer: SocketAddr) -> Result<(), NetError> {
        let datagram = self.as_datagram("send")?;
        let sent = self.0.clock.before(self.ends_at(), datagram.send(data, Some(peer))).await;
        sent.unwrap_or_else(|_| Err(self.error(NetErrorKind::Timeout, "send"))).map(drop)
    }

    /// Receives one datagram and who sent it.
    pub async fn receive_from(&self) -> Result<(Vec<u8>, SocketAddr), NetError> {
        let datagram = self.as_datagram("receive")?;
        let received = self.0.clock.before(self.ends_at(), datagram.receive()).await;
        received.unwrap_or_else(|_| Err(self.error(NetErrorKind::Timeout, "receive")))
    }

    fn as_datagram(&self, op: &'static str) -> Result<Rc<dyn Datagram>, NetError> {
        match &*self.0.channel.borrow() {
            Channel::Datagram(datagram) => Ok(Rc::clone(datagram)),
            _ => Err(self.error(NetErrorKind::Local, op).because("this is not an open UDP socket")),
        }
    }

    /// Whatever is there: leftovers first, else what arrives next. A closed stream is an error.
    pub async fn receive(&self) -> Result<Vec<u8>, NetError> {
        if self.0.leftover.borrow().is_empty() {
            self.fill(self.ends_at()).await?;
        }
        Ok(self.0.leftover.take())
    }

    /// Reads until `enough` finds the length of what is wanted; the rest stays for later. Beyond `limit` bytes without a
    /// find, or when the stream ends or time is up, it is an error and everything read stays for later.
    pub async fn receive_until(
        &self,
        limit: usize,
        mut enough: impl FnMut(&[u8]) -> Option<usize>,
    ) -> Result<Vec<u8>, NetError> {
        let ends_at = self.ends_at();
        loop {
            let found = enough(&self.0.leftover.borrow());
            if let Some(length) = found {
                return Ok(self.take_leftover(length));
            }
            if self.0.leftover.borrow().len() >= limit {
                let detail = format!("{limit} bytes came without what was waited for");
                return Err(self.error(NetErrorKind::Protocol, "receive").because(detail));
            }
            self.fill(ends_at).await?;
        }
    }

    /// Received and not yet asked for.
    pub fn leftover(&self) -> Vec<u8> {
        self.0.leftover.borrow().clone()
    }

    /// Takes the first `length` bytes of it.
    pub fn take_leftover(&self, length: usize) -> Vec<u8> {
        let mut leftover = self.0.leftover.borrow_mut();
        let length = length.min(leftover.len());
        let rest = leftover.split_off(length);
        std::mem::replace(&mut *leftover, rest)
    }

    /// Waits for more to arrive, and adds it to what is left over.
    pub async fn receive_more(&self) -> Result<(), NetError> {
        self.fill(self.ends_at()).await
    }

    /// Appends what arrives next to the leftovers.
    async fn fill(&self, ends_at: Timestamp) -> Result<(), NetError> {
        let mut taken = self.take("receive")?;
        let work = async {
            match &mut taken.channel {
                Channel::Stream(stream) => {
                    let mut chunk = vec![0; CHUNK];
                    let read = stream.read(&mut chunk).await;
                    let read = read.map_err(|error| NetError::from_io(&error, "receive", self.label()))?;
                    if read == 0 {
                        return Err(self.error(NetErrorKind::Closed, "receive"));
                    }
                    self.0.leftover.borrow_mut().extend_from_slice(&chunk[..read]);
                    Ok(())
                }
                Channel::Datagram(datagram) => {
                    let (data, _) = datagram.receive().await?;
                    self.0.leftover.borrow_mut().extend_from_slice(&data);
                    Ok(())
                }
                Channel::Busy | Channel::Closed => Err(self.error(NetErrorKind::Closed, "receive")),
            }
        };
        let done = self.0.clock.before(ends_at, work).await;
        done.unwrap_or_else(|_| Err(self.error(NetErrorKind::Timeout, "receive")))
    }

    /// Puts TLS over the stream. Bytes received before and not yet asked for would be lost, so they are an error.
    pub async fn start_tls(&self, options: &TlsOptions, random: &Random) -> Result<(), NetError> {
        if !self.0.leftover.borrow().is_empty() {
            let detail = "bytes received before the handshake were not read";
            return Err(self.error(NetErrorKind::Protocol, "start_tls").because(detail));
        }
        let mut taken = self.take("start_tls")?;
        let channel = std::mem::replace(&mut taken.channel, Channel::Closed); // a failed handshake ends the stream
        let Channel::Stream(stream) = channel else {
            taken.channel = channel;
            return Err(self.error(NetErrorKind::Local, "start_tls").because("TLS runs over TCP streams"));
        };
        let done = self.0.clock.before(self.ends_at(), TlsStream::handshake(stream, options, random)).await;
        let stream = done.unwrap_or_else(|_| Err(self.error(NetErrorKind::Timeout, "start_tls")))?;
        let info = stream.info().clone();
        taken.channel = Channel::Stream(Box::new(stream));
        *self.0.tls.borrow_mut() = Some(info);
        Ok(())
    }
}

impl Handle for Inner {
    fn close(&self) {
        let channel = self.channel.replace(Channel::Closed);
        drop(channel);
    }
}

impl Owned for Socket {
    fn handle(&self) -> Weak<dyn Handle> {
        let inner: Weak<Inner> = Rc::downgrade(&self.0);
        inner
    }
}

/// The channel while an operation uses it; put back when the operation ends in whatever way.
struct Taken<'a> {
    socket: &'a Socket,
    channel: Channel,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut place = self.socket.0.channel.borrow_mut();
        // Closed meanwhile stays closed.
        if matches!(*place, Channel::Busy) {
            *place = std::mem::replace(&mut self.channel, Channel::Closed);
        }
    }
}

//! TCP streams and listeners.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Async;
use futures_lite::{AsyncRead, AsyncWrite};
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use super::{Shared, register, while_exhausted};
use crate::model::{NetError, NetErrorKind, Unreached};
use crate::net::{ConnectOptions, Listener, LocalNetFuture, Origin, Stream};
use crate::runtime::Permit;

/// Opens a connection. Time spent waiting for a socket slot does not count against the timeout.
pub(super) async fn connect(
    shared: Rc<Shared>,
    peer: SocketAddr,
    options: ConnectOptions,
) -> Result<Box<dyn Stream>, NetError> {
    let permit = shared.slots.acquire().await;
    let socket = while_exhausted(&shared, "connect", peer, || start(peer, options.bind)).await?;
    // Loopback and very near peers have often answered already: a second look spares the reactor three system calls.
    let io = match socket.connect(&peer.into()) {
        Ok(()) => Io::Direct(Some(socket.into())),
        Err(error) if in_progress(&error) => {
            let timeout = options.timeout.unwrap_or(shared.connect_timeout);
            let wait = established(socket.into(), peer);
            let timed = shared.clock.timeout(timeout, wait).await;
            Io::Reactor(timed.map_err(|_| NetError::new(NetErrorKind::Timeout, "connect", peer))??)
        }
        Err(error) => return Err(NetError::from_io(&error, "connect", peer)),
    };
    let local = io.socket().and_then(TcpStream::local_addr).map_err(|e| NetError::from_io(&e, "connect", peer))?;
    if local == peer {
        // The kernel connected the socket to its own ephemeral port (simultaneous open): nobody listens there.
        return Err(NetError::new(NetErrorKind::Refused, "connect", peer));
    }
    Ok(Box::new(LiveStream { io, local, peer, abort_on_close: options.abort_on_close, _permit: permit }))
}

/// Creates the socket and sends the SYN.
fn start(peer: SocketAddr, bind: Option<SocketAddr>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(peer), Type::STREAM.nonblocking().cloexec(), None)?;
    if let Some(bind) = bind {
        socket.set_reuse_address(true)?;
        socket.bind(&bind.into())?;
    }
    match socket.connect(&peer.into()) {
        Err(error) if !in_progress(&error) => Err(unless_no_route(error, peer)),
        _ => Ok(socket),
    }
}

/// What the kernel says at once it says of its own routes; what routers and hosts say comes later.
fn unless_no_route(error: io::Error, peer: SocketAddr) -> io::Error {
    use io::ErrorKind as K;
    match error.kind() {
        K::NetworkUnreachable | K::HostUnreachable | K::NetworkDown => {
            let no_route = NetErrorKind::Unreachable(Unreached::NoRoute);
            io::Error::other(NetError::new(no_route, "connect", peer).because("no route leads there"))
        }
        _ => error,
    }
}

fn in_progress(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| [Errno::INPROGRESS, Errno::ALREADY].contains(&errno))
}

async fn established(stream: TcpStream, peer: SocketAddr) -> Result<Async<TcpStream>, NetError> {
    let stream = register(stream, "connect", peer)?;
    let failed = |error: &io::Error| NetError::from_io(error, "connect", peer);
    stream.writable().await.map_err(|error| failed(&error))?;
    match stream.get_ref().take_error() {
        Ok(None) => Ok(stream),
        Ok(Some(error)) | Err(error) => Err(failed(&error)),
    }
}

/// A TCP stream that enters the reactor only when it first has to wait.
struct LiveStream {
    io: Io,
    local: SocketAddr,
    peer: SocketAddr,
    abort_on_close: bool,
    _permit: Permit,
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        if self.abort_on_close
            && let Ok(socket) = self.io.socket()
        {
            // Where it cannot be set, the connection closes in order: the peer sees no difference that matters.
            let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
        }
    }
}

enum Io {
    /// Not yet registered; `None` only while moving into the reactor.
    Direct(Option<TcpStream>),
    Reactor(Async<TcpStream>),
}

impl Io {
    fn socket(&self) -> io::Result<&TcpStream> {
        match self {
            Io::Direct(Some(stream)) => Ok(stream),
            Io::Direct(None) => Err(io::ErrorKind::NotConnected.into()),
            Io::Reactor(stream) => Ok(stream.get_ref()),
        }
    }

    /// The stream under the reactor, or the result of `attempt` if it did not have to wait.
    fn poll_with<T>(
        &mut self,
        attempt: impl FnOnce(&mut TcpStream) -> io::Result<T>,
        poll: impl FnOnce(Pin<&mut Async<TcpStream>>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Io::Direct(direct) = self {
            let Some(mut stream) = direct.take() else {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            };
            match attempt(&mut stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    *self = Io::Reactor(Async::new_nonblocking(stream)?);
                }
                result => {
                    *direct = Some(stream);
                    return Poll::Ready(result);
                }
            }
        }
        match self {
            Io::Reactor(stream) => poll(Pin::new(stream)),
            Io::Direct(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for LiveStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Io::Reactor(stream) = &mut self.io {
            return Pin::new(stream).poll_read(cx, buf);
        }
        // The closures cannot share the buffer, so the first attempt is made here.
        let attempt = match &mut self.io {
            Io::Direct(Some(stream)) => stream.read(buf),
            _ => Err(io::ErrorKind::NotConnected.into()),
        };
        match attempt {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.io.poll_with(|_| Err(io::ErrorKind::WouldBlock.into()), |stream| stream.poll_read(cx, buf))
            }
            result => Poll::Ready(result),
        }
    }
}

impl AsyncWrite for LiveStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io.poll_with(|stream| stream.write(buf), |stream| stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.io.socket()?.shutdown(Shutdown::Write))
    }
}

impl Stream for LiveStream {
    fn local(&self) -> SocketAddr {
        self.local
    }

    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn hand_on(&mut self, _to: &Origin) {
        self.abort_on_close = false;
    }
}

/// Accepts connections on `bind`.
pub(super) async fn listen(shared: Rc<Shared>, bind: SocketAddr) -> Result<Box<dyn Listener>, NetError> {
    let permit = shared.slots.acquire().await;
    let listener = while_exhausted(&shared, "listen", bind, || Async::<TcpListener>::bind(bind)).await?;
    let local = listener.get_ref().local_addr().map_err(|error| NetError::from_io(&error, "listen", bind))?;
    Ok(Box::new(LiveListener { listener, local, shared, _permit: permit }))
}

struct LiveListener {
    listener: Async<TcpListener>,
    local: SocketAddr,
    shared: Rc<Shared>,
    _permit: Permit,
}

impl Listener for LiveListener {
    fn accept(&self) -> LocalNetFuture<'_, Box<dyn Stream>> {
        Box::pin(async {
            let permit = self.shared.slots.acquire().await;
            let accepted = self.listener.accept().await;
            let (stream, peer) = accepted.map_err(|error| NetError::from_io(&error, "accept", self.local))?;
            let local = stream.get_ref().local_addr().unwrap_or(self.local);
            let stream: Box<dyn Stream> =
                Box::new(LiveStream { io: Io::Reactor(stream), local, peer, abort_on_close: false, _permit: permit });
            Ok(stream)
        })
    }

    fn local(&self) -> SocketAddr {
        self.local
    }
}

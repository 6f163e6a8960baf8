//! A transport for tests: plain sockets, loopback only.

use std::io;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::pin::Pin;
use std::task::{Context, Poll};

use async_io::Async;
use futures_lite::{AsyncRead, AsyncWrite};

use super::{ConnectOptions, Datagram, Listener, LocalNetFuture, NetFuture, Origin, Stream, Transport};
use crate::model::{NetError, NetErrorKind};

pub(crate) struct Loopback;

impl Transport for Loopback {
    fn connect(&self, peer: SocketAddr, _options: ConnectOptions) -> NetFuture<Box<dyn Stream>> {
        assert!(peer.ip().is_loopback(), "tests stay on loopback");
        Box::pin(async move {
            let stream = Async::<TcpStream>::connect(peer).await;
            let stream = stream.map_err(|error| NetError::from_io(&error, "connect", peer))?;
            let local = stream.get_ref().local_addr().map_err(|error| NetError::from_io(&error, "connect", peer))?;
            Ok(Box::new(Connection { stream, local, peer }) as Box<dyn Stream>)
        })
    }

    fn datagram(
        &self,
        _bind: Option<SocketAddr>,
        peer: Option<SocketAddr>,
        _origin: Origin,
    ) -> NetFuture<Box<dyn Datagram>> {
        Box::pin(async move {
            let peer = peer.filter(|peer| peer.ip().is_loopback()).expect("tests stay on loopback");
            let open = || {
                let any = if peer.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
                let socket = UdpSocket::bind(any)?;
                socket.connect(peer)?;
                Async::new(socket)
            };
            let socket = open().map_err(|error| NetError::from_io(&error, "bind", peer))?;
            Ok(Box::new(Socket { socket, peer }) as Box<dyn Datagram>)
        })
    }

    fn listen(&self, bind: SocketAddr, _origin: Origin) -> NetFuture<Box<dyn Listener>> {
        Box::pin(async move { Err(NetError::new(NetErrorKind::Local, "listen", bind)) })
    }
}

struct Connection {
    stream: Async<TcpStream>,
    local: SocketAddr,
    peer: SocketAddr,
}

impl Stream for Connection {
    fn local(&self) -> SocketAddr {
        self.local
    }

    fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

struct Socket {
    socket: Async<UdpSocket>,
    peer: SocketAddr,
}

impl Datagram for Socket {
    fn send<'a>(&'a self, data: &'a [u8], _peer: Option<SocketAddr>) -> LocalNetFuture<'a, usize> {
        Box::pin(
            async move { self.socket.send(data).await.map_err(|error| NetError::from_io(&error, "send", self.peer)) },
        )
    }

    fn receive(&self) -> LocalNetFuture<'_, (Vec<u8>, SocketAddr)> {
        Box::pin(async move {
            let mut buffer = vec![0; 65_535];
            let received = self.socket.recv(&mut buffer).await;
            let length = received.map_err(|error| NetError::from_io(&error, "receive", self.peer))?;
            buffer.truncate(length);
            Ok((buffer, self.peer))
        })
    }

    fn local(&self) -> SocketAddr {
        self.socket.get_ref().local_addr().expect("a bound socket")
    }
}

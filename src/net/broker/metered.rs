//! Sockets whose bytes are counted, traced and fenced.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};

use super::warrant::SocketCount;
use super::{Broker, TraceLine, TraceSink};
use crate::model::{NetError, NetErrorKind};
use crate::net::{Datagram, Listener, LocalNetFuture, Stream};

/// A stream whose bytes are counted and traced.
pub(super) struct Metered {
    pub(super) inner: Box<dyn Stream>,
    pub(super) count: SocketCount,
    pub(super) trace: Option<TraceSink>,
}

impl Metered {
    pub(super) fn trace(&self, op: &'static str, data: &[u8]) {
        if let Some(trace) = &self.trace {
            trace(&TraceLine {
                script: &self.count.warrant.script,
                origin: &self.count.warrant.origin,
                op,
                peer: &self.inner.peer(),
                data,
            });
        }
    }

    fn check_budget(&self, op: &'static str) -> io::Result<()> {
        self.count.warrant.check_bytes(op, self.inner.peer()).map_err(io::Error::other)
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.check_budget("receive")?;
        let read = std::task::ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.count.warrant.usage.add_received(read);
        self.trace("receive", &buf[..read]);
        Poll::Ready(Ok(read))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check_budget("send")?;
        let written = std::task::ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        self.count.warrant.usage.add_sent(written);
        self.trace("send", &buf[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

impl Stream for Metered {
    fn local(&self) -> SocketAddr {
        self.inner.local()
    }

    fn peer(&self) -> SocketAddr {
        self.inner.peer()
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.trace("close", &[]);
    }
}

/// A datagram socket whose peers are fenced and whose bytes are counted.
pub(super) struct MeteredDatagram {
    pub(super) inner: Box<dyn Datagram>,
    pub(super) count: SocketCount,
    pub(super) broker: Broker,
    pub(super) peer: Option<SocketAddr>,
}

impl MeteredDatagram {
    fn trace(&self, op: &'static str, peer: SocketAddr, data: &[u8]) {
        if let Some(trace) = &self.broker.trace {
            trace(&TraceLine {
                script: &self.count.warrant.script,
                origin: &self.count.warrant.origin,
                op,
                peer: &peer,
                data,
            });
        }
    }
}

impl Datagram for MeteredDatagram {
    fn send<'a>(&'a self, data: &'a [u8], peer: Option<SocketAddr>) -> LocalNetFuture<'a, usize> {
        let warrant = &self.count.warrant;
        Box::pin(async move {
            let Some(peer) = self.peer.or(peer) else {
                return Err(NetError::new(NetErrorKind::Local, "send", "nobody").because("name a peer to send to"));
            };
            warrant.check_fence(peer.ip(), "send")?;
            warrant.check_bytes("send", peer)?;
            self.broker.governor.pass().await;
            let sent = self.inner.send(data, Some(peer)).await?;
            warrant.usage.add_sent(sent);
            self.trace("send", peer, data);
            Ok(sent)
        })
    }

    fn receive(&self) -> LocalNetFuture<'_, (Vec<u8>, SocketAddr)> {
        Box::pin(async move {
            self.count.warrant.check_bytes("receive", self.inner.local())?;
            let (data, from) = self.inner.receive().await?;
            self.count.warrant.usage.add_received(data.len());
            self.trace("receive", from, &data);
            Ok((data, from))
        })
    }

    fn local(&self) -> SocketAddr {
        self.inner.local()
    }
}

/// A listener whose connections are counted.
pub(super) struct MeteredListener {
    pub(super) inner: Box<dyn Listener>,
    pub(super) count: SocketCount,
    pub(super) trace: Option<TraceSink>,
}

impl Listener for MeteredListener {
    fn accept(&self) -> LocalNetFuture<'_, Box<dyn Stream>> {
        Box::pin(async {
            let inner = self.inner.accept().await?;
            let count = self.count.warrant.open_socket("accept", inner.peer(), None, &self.count.of_run)?;
            Ok(Box::new(Metered { inner, count, trace: self.trace.clone() }) as Box<dyn Stream>)
        })
    }

    fn local(&self) -> SocketAddr {
        self.inner.local()
    }
}

//! UDP sockets.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::rc::Rc;

use async_io::Async;

use super::{Shared, while_exhausted};
use crate::model::NetError;
use crate::net::{Datagram, LocalNetFuture};
use crate::runtime::Permit;

/// Largest datagram there is.
const MAX_DATAGRAM: usize = 65_535;

/// Opens a socket. A connected one reports ICMP errors of its peer and hears nobody else.
pub(super) async fn open(
    shared: Rc<Shared>,
    bind: Option<SocketAddr>,
    peer: Option<SocketAddr>,
) -> Result<Box<dyn Datagram>, NetError> {
    let permit = shared.slots.acquire().await;
    let any = match peer {
        Some(SocketAddr::V6(_)) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        _ => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
    };
    let bind = bind.unwrap_or(any);
    let subject = peer.unwrap_or(bind);
    let socket = while_exhausted(&shared, "udp", subject, || {
        let socket = Async::<UdpSocket>::bind(bind)?;
        peer.map_or(Ok(()), |peer| socket.get_ref().connect(peer))?;
        Ok(socket)
    })
    .await?;
    let local = socket.get_ref().local_addr().map_err(|error| NetError::from_io(&error, "udp", subject))?;
    Ok(Box::new(LiveDatagram { socket, local, peer, _permit: permit }))
}

struct LiveDatagram {
    socket: Async<UdpSocket>,
    local: SocketAddr,
    peer: Option<SocketAddr>,
    _permit: Permit,
}

impl LiveDatagram {
    fn failed(&self, error: &std::io::Error, op: &'static str, peer: Option<SocketAddr>) -> NetError {
        NetError::from_io(error, op, peer.or(self.peer).unwrap_or(self.local))
    }
}

impl Datagram for LiveDatagram {
    fn send<'a>(&'a self, data: &'a [u8], peer: Option<SocketAddr>) -> LocalNetFuture<'a, usize> {
        Box::pin(async move {
            let sent = match peer {
                Some(peer) if self.peer.is_none() => self.socket.send_to(data, peer).await,
                _ => self.socket.send(data).await,
            };
            sent.map_err(|error| self.failed(&error, "send", peer))
        })
    }

    fn receive(&self) -> LocalNetFuture<'_, (Vec<u8>, SocketAddr)> {
        Box::pin(async {
            let mut buffer = vec![0; MAX_DATAGRAM];
            let received = self.socket.recv_from(&mut buffer).await;
            let (length, from) = received.map_err(|error| self.failed(&error, "receive", None))?;
            buffer.truncate(length);
            buffer.shrink_to_fit();
            Ok((buffer, from))
        })
    }

    fn local(&self) -> SocketAddr {
        self.local
    }
}

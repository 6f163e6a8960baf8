//! Local ports for raw probes: nobody else gets one, and the kernel leaves what arrives there alone.
//!
//! Without this a SYN/ACK to a port no socket has is answered with a reset by our own kernel. A listening socket whose
//! filter drops everything takes such segments instead: tcp(7) runs the filter before it answers. So with UDP, where the
//! answer would be an ICMP error. SCTP is the same where the kernel has it; where it has not, a raw socket keeps it from
//! answering that the protocol is unknown. Packet sockets see everything all the same.
//!
//! A socket that is bound and does not listen keeps the port too, and then the kernel resets ([`Kernel::Resets`]).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use socket2::{Domain, SockAddr, SockFilter, Socket, Type};

use super::privileges::Privileges;
use crate::model::{NetError, NetErrorKind, Protocol};
use crate::net::packets::{Kernel, ReservedPort};
use crate::runtime::Random;

/// Ports of which one is taken where no socket can reserve it (RFC 6335: dynamic ports).
const DYNAMIC: (u16, u16) = (49_152, 65_535);

/// A reserved port and the socket that holds it.
struct Reserved {
    port: u16,
    _socket: OwnedFd,
}

impl ReservedPort for Reserved {
    fn port(&self) -> u16 {
        self.port
    }
}

/// Reserves a port of `local`.
pub(super) fn reserve(
    protocol: Protocol,
    kernel: Kernel,
    local: IpAddr,
    privileges: Privileges,
    random: &Random,
) -> Result<Box<dyn ReservedPort>, NetError> {
    let listens = kernel == Kernel::Silent;
    let held = match protocol {
        Protocol::Ip => {
            let error = NetError::new(NetErrorKind::Local, "reserve", local);
            return Err(error.because("IP protocols have no ports"));
        }
        Protocol::Tcp => hold(Type::STREAM, socket2::Protocol::TCP, local, listens),
        Protocol::Udp => hold(Type::DGRAM, socket2::Protocol::UDP, local, false),
        Protocol::Sctp => hold(Type::STREAM, socket2::Protocol::from(libc::IPPROTO_SCTP), local, listens),
    };
    let failed = |error: io::Error| {
        NetError::new(NetErrorKind::Local, "reserve", local).because(format_args!("no {protocol} port: {error}"))
    };
    let reserved = match held {
        Err(error) if protocol == Protocol::Sctp && is_unknown_protocol(&error) => {
            let socket = privileges.open("reserve", || silence(local))?;
            let port = DYNAMIC.0 + random.below(u64::from(DYNAMIC.1 - DYNAMIC.0) + 1) as u16;
            Reserved { port, _socket: socket.into() }
        }
        held => held.and_then(named).map_err(failed)?,
    };
    Ok(Box::new(reserved))
}

fn named(socket: Socket) -> io::Result<Reserved> {
    let port = socket.local_addr()?.as_socket().map_or(0, |addr| addr.port());
    Ok(Reserved { port, _socket: socket.into() })
}

/// A socket with a port of the kernel's choice that drops everything, and did so before it could hear anything.
fn hold(kind: Type, protocol: socket2::Protocol, local: IpAddr, is_listening: bool) -> io::Result<Socket> {
    let addr = SocketAddr::new(local, 0);
    let socket = Socket::new(Domain::for_address(addr), kind.nonblocking().cloexec(), Some(protocol))?;
    drop_everything(&socket)?;
    socket.bind(&addr.into())?;
    if is_listening {
        socket.listen(1)?;
    }
    Ok(socket)
}

/// A raw SCTP socket: the protocol is then not unknown.
fn silence(local: IpAddr) -> io::Result<Socket> {
    let addr = SocketAddr::new(local, 0);
    let protocol = socket2::Protocol::from(libc::IPPROTO_SCTP);
    let socket = Socket::new(Domain::for_address(addr), Type::RAW.nonblocking().cloexec(), Some(protocol))?;
    drop_everything(&socket)?;
    socket.bind(&SockAddr::from(addr))?;
    Ok(socket)
}

fn drop_everything(socket: &Socket) -> io::Result<()> {
    socket.attach_filter(&[SockFilter::new(0x06, 0, 0, 0)]) // return 0
}

fn is_unknown_protocol(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPROTONOSUPPORT | libc::ESOCKTNOSUPPORT))
}

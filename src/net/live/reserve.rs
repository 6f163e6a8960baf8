//! Local ports for raw probes: nobody else gets one, and the kernel leaves what arrives there alone.
//!
//! Without this a SYN/ACK to a port no socket has is answered with a reset by our own kernel. A listening socket whose
//! filter drops everything takes such segments instead: tcp(7) runs the filter before it answers. So with UDP, where the
//! answer would be an ICMP error. SCTP is the same where the kernel has it; where it has not, a raw socket keeps it from
//! answering that the protocol is unknown. Packet sockets see everything all the same.
//!
//! A socket that is bound and does not listen keeps the port too, and then the kernel resets ([`Kernel::Resets`]).

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use socket2::{Domain, SockAddr, SockFilter, Socket, Type};

use super::privileges::Privileges;
use crate::model::{NetError, NetErrorKind, Protocol};
use crate::net::packets::{Kernel, Ports, ReservedPort};
use crate::runtime::Random;

/// Ports of which some are taken where no socket chooses them (RFC 6335: dynamic ports).
const DYNAMIC: (u16, u16) = (49_152, 65_535);
/// Places tried for several ports in a row.
const PLACES: usize = 64;

/// Reserved ports and the sockets that hold them.
struct Reserved {
    port: u16,
    _sockets: Vec<OwnedFd>,
}

impl ReservedPort for Reserved {
    fn port(&self) -> u16 {
        self.port
    }
}

/// Reserves ports of `local`.
pub(super) fn reserve(
    ports: Ports,
    local: IpAddr,
    privileges: Privileges,
    random: &Random,
) -> Result<Box<dyn ReservedPort>, NetError> {
    let protocol = ports.protocol;
    if protocol == Protocol::Ip {
        return Err(NetError::new(NetErrorKind::Local, "reserve", local).because("IP protocols have no ports"));
    }
    let somewhere = || DYNAMIC.0 + random.below(u64::from(DYNAMIC.1 - DYNAMIC.0 - ports.count)) as u16;
    let held = match ports.count {
        0 | 1 => hold(ports, local, 0).and_then(named),
        count => {
            let in_a_row = |first: u16| {
                let sockets = (first..first + count).map(|port| hold(ports, local, port).map(OwnedFd::from));
                Ok(Reserved { port: first, _sockets: sockets.collect::<io::Result<_>>()? })
            };
            let taken = |held: &io::Result<_>| matches!(held, Err(error) if error.kind() == io::ErrorKind::AddrInUse);
            let mut tries = (0..PLACES).map(|_| in_a_row(somewhere())).skip_while(taken);
            tries.next().unwrap_or_else(|| Err(io::ErrorKind::AddrInUse.into()))
        }
    };
    let failed = |error: io::Error| {
        NetError::new(NetErrorKind::Local, "reserve", local).because(format_args!("no {protocol} port: {error}"))
    };
    let reserved = match held {
        Err(error) if protocol == Protocol::Sctp && is_unknown_protocol(&error) => {
            let socket = privileges.open("reserve", || silence(local))?;
            Reserved { port: somewhere(), _sockets: vec![socket.into()] }
        }
        held => held.map_err(failed)?,
    };
    Ok(Box::new(reserved))
}

fn named(socket: Socket) -> io::Result<Reserved> {
    let port = socket.local_addr()?.as_socket().map_or(0, |addr| addr.port());
    Ok(Reserved { port, _sockets: vec![socket.into()] })
}

/// A socket with that port, or one of the kernel's choice, that keeps nothing of what arrives. If it is to be silent, it
/// drops everything, and did so before it could hear anything.
fn hold(ports: Ports, local: IpAddr, port: u16) -> io::Result<Socket> {
    let (kind, protocol) = match ports.protocol {
        Protocol::Udp => (Type::DGRAM, socket2::Protocol::UDP),
        Protocol::Sctp => (Type::STREAM, socket2::Protocol::from(libc::IPPROTO_SCTP)),
        Protocol::Tcp | Protocol::Ip => (Type::STREAM, socket2::Protocol::TCP),
    };
    let addr = SocketAddr::new(local, port);
    let socket = Socket::new(Domain::for_address(addr), kind.nonblocking().cloexec(), Some(protocol))?;
    match (ports.kernel, ports.protocol) {
        // A filter for each of many sockets may be more memory than an ordinary user has for such.
        (Kernel::Resets, Protocol::Udp) => socket.set_recv_buffer_size(0)?,
        (Kernel::Resets, _) => {}
        (Kernel::Silent, _) => drop_everything(&socket)?,
    }
    if local == IpAddr::from(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    socket.bind(&addr.into())?;
    if ports.kernel == Kernel::Silent && ports.protocol != Protocol::Udp {
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

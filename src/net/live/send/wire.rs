//! The sockets packets leave by, and one system call for many of them.
//!
//! | lane | socket | for |
//! |---|---|---|
//! | frame | `AF_PACKET`, raw | Ethernet: byte-exact from the link header on |
//! | cooked | `AF_PACKET`, datagram | links that begin with the IP packet: byte-exact |
//! | ip4, ip6 | raw IP with the header included | loopback and our own addresses |
//!
//! What `AF_PACKET` sends towards ourselves comes back as a martian and is dropped, so such packets go by raw IP. There the
//! kernel fills in the IPv4 total length and checksum always, the identification and the source where they are 0
//! (raw(7)); an IPv6 packet goes as it is. The packet sockets have protocol 0, so nothing is ever received on them.

use std::cell::OnceCell;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use crate::model::Interface;
use rustix::net::{
    AddressFamily, MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, SocketFlags, SocketType, sendmmsg,
    socket_with,
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::model::NetError;
use crate::net::live::privileges::Privileges;

/// Packets handed to the kernel by one system call at most.
pub(super) const BATCH: usize = 64;

/// Which socket a packet leaves by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net::live) enum Lane {
    /// A whole frame.
    Frame,
    /// An IP packet on a link without link headers.
    Cooked,
    /// An IPv4 packet to ourselves.
    Ip4,
    /// An IPv6 packet to ourselves.
    Ip6,
}

/// A packet ready to go.
#[derive(Debug, Clone)]
pub(in crate::net::live) struct Load {
    /// The socket it leaves by.
    pub lane: Lane,
    /// Where the kernel shall send it: an interface, or an address of ours.
    pub to: Rc<SocketAddrAny>,
    /// The interface it leaves by.
    pub by: Rc<Interface>,
    /// The Ethernet header put before it; its first `header_len` bytes count.
    pub header: [u8; 14],
    /// 14 or 0.
    pub header_len: u8,
    /// The rest.
    pub bytes: Rc<[u8]>,
}

/// Takes packets from the queue to the network. A trait so that a test can be a network in distress.
pub(super) trait Wire {
    /// Sends `loads`, at most [`BATCH`], all of one lane; how many of them the kernel took, counted from the first. An
    /// error is that of the first.
    fn send(&self, loads: &[&Load]) -> io::Result<usize>;
}

/// The sockets themselves. Closing a packet socket waits for the kernel's other processors (`synchronize_net`, some
/// milliseconds), so they stay open as long as the run, and the one for links without headers is opened when there is one.
pub(in crate::net::live) struct Sockets {
    privileges: Privileges,
    frame: OwnedFd,
    cooked: OnceCell<OwnedFd>,
    ip4: OwnedFd,
    ip6: Option<OwnedFd>,
}

impl Sockets {
    /// Opens them, which shows whether it is permitted.
    pub(in crate::net::live) fn open(privileges: Privileges) -> Result<Sockets, NetError> {
        privileges.open("send", || Sockets::open_permitted(privileges))
    }

    fn open_permitted(privileges: Privileges) -> io::Result<Sockets> {
        let raw_ip =
            |domain| Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(Protocol::from(libc::IPPROTO_RAW)));
        let ip4 = raw_ip(Domain::IPV4)?;
        ip4.set_header_included_v4(true)?;
        ip4.set_broadcast(true)?;
        let ip6 = raw_ip(Domain::IPV6).ok(); // a machine may have no IPv6
        let ip6 = ip6.filter(|socket| socket.set_header_included_v6(true).is_ok());
        Ok(Sockets {
            privileges,
            frame: packet(SocketType::RAW)?,
            cooked: OnceCell::new(),
            ip4: ip4.into(),
            ip6: ip6.map(OwnedFd::from),
        })
    }

    fn cooked(&self) -> io::Result<&OwnedFd> {
        if let Some(open) = self.cooked.get() {
            return Ok(open);
        }
        let opened = self.privileges.open("send", || packet(SocketType::DGRAM)).map_err(io::Error::other)?;
        Ok(self.cooked.get_or_init(|| opened))
    }

    fn lane(&self, lane: Lane) -> io::Result<&OwnedFd> {
        match lane {
            Lane::Frame => Ok(&self.frame),
            Lane::Cooked => self.cooked(),
            Lane::Ip4 => Ok(&self.ip4),
            Lane::Ip6 => self.ip6.as_ref().ok_or_else(|| io::Error::other("this machine has no IPv6")),
        }
    }
}

/// A packet socket that hears nothing.
fn packet(kind: SocketType) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(socket_with(AddressFamily::PACKET, kind, flags, None)?)
}

impl Wire for Sockets {
    fn send(&self, loads: &[&Load]) -> io::Result<usize> {
        let Some(first) = loads.first() else { return Ok(0) };
        let socket = self.lane(first.lane)?;
        let pieces: Vec<[IoSlice<'_>; 2]> = loads
            .iter()
            .map(|load| {
                let header = load.header.get(..usize::from(load.header_len)).unwrap_or_default();
                [IoSlice::new(header), IoSlice::new(&load.bytes)]
            })
            .collect();
        let mut controls: Vec<SendAncillaryBuffer<'_, '_, '_>> =
            loads.iter().map(|_| SendAncillaryBuffer::default()).collect();
        let mut messages: Vec<MMsgHdr<'_>> = loads
            .iter()
            .zip(&pieces)
            .zip(&mut controls)
            .map(|((load, pieces), control)| MMsgHdr::new_with_addr(&load.to, pieces, control))
            .collect();
        Ok(sendmmsg(socket, &mut messages, SendFlags::DONTWAIT)?)
    }
}

//! A socket for whole frames of one interface (packet(7)), for the relay: what arrives, and not what was sent.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Room for what arrives while the relay's thread does not run; too little would lose frames nobody counted.
const ROOM: usize = 64 << 20;
/// Every kind of packet (`ETH_P_ALL`).
const EVERY_KIND: u16 = 3;
/// Sent by this machine (`PACKET_OUTGOING`).
const SENT: u8 = 4;

/// An open socket, bound to one interface.
pub struct PacketSocket(Socket);

impl PacketSocket {
    /// Opens one in the namespace this thread is in.
    pub fn open(interface: u32) -> io::Result<PacketSocket> {
        let kind = i32::from(EVERY_KIND.to_be());
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(kind)))?;
        set_socket_recv_buffer_size_force(&socket, ROOM)?;
        socket.bind(&link_address(interface)?)?;
        socket.set_nonblocking(true)?;
        Ok(PacketSocket(socket))
    }

    /// The next frame that arrived; none if there is no further one now.
    pub fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut frame = Vec::with_capacity(65_536);
        loop {
            frame.clear();
            let (length, from) = match self.0.recv_from(frame.spare_capacity_mut()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                received => received?,
            };
            // SAFETY: the kernel wrote `length` bytes at the start of the spare capacity, which is at least that large.
            unsafe { frame.set_len(length) };
            if packet_type(&from) != SENT {
                return Ok(Some(frame));
            }
        }
    }

    /// Sends a whole frame.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.0.send(frame).map(|_| ())
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The address that binds a socket to an interface: the number is all that counts.
fn link_address(interface: u32) -> io::Result<SockAddr> {
    // SAFETY: `storage` is zeroed, aligned and large enough for every kind of address, `sockaddr_ll` included, of which
    // zeroes are a valid value; the length is that of what was written.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let link = &mut *storage.cast::<libc::sockaddr_ll>();
            link.sll_family = libc::AF_PACKET as u16;
            link.sll_protocol = EVERY_KIND.to_be();
            link.sll_ifindex = interface as i32;
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })?
    };
    Ok(address)
}

fn packet_type(from: &SockAddr) -> u8 {
    // SAFETY: a packet socket fills in nothing but a `sockaddr_ll`, and the storage behind the pointer is larger.
    unsafe { (*from.as_ptr().cast::<libc::sockaddr_ll>()).sll_pkttype }
}

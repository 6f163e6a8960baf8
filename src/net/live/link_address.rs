//! Addresses of packet sockets (packet(7)), which no crate makes without `unsafe`.

use std::mem::size_of;

use rustix::net::SocketAddrAny;

/// `EtherType` of IPv4.
pub(super) const IPV4: u16 = 0x0800;
/// `EtherType` of ARP.
pub(super) const ARP: u16 = 0x0806;
/// `EtherType` of IPv6.
pub(super) const IPV6: u16 = 0x86dd;

/// As much room, and as aligned, as any socket address.
#[repr(C, align(8))]
struct Aligned(libc::sockaddr_ll);

/// The address of an interface on a packet socket: bound to, the socket receives packets of `protocol` (an `EtherType`; 0:
/// none) from there; sent to, the packet leaves there and is said to be of `protocol`.
#[expect(unsafe_code, reason = "argued below; this file is in the table of tests/tidy/owners.rs")]
pub(super) fn link_address(interface: u32, protocol: u16) -> SocketAddrAny {
    let address = Aligned(libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: protocol.to_be(),
        sll_ifindex: interface.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    });
    // SAFETY: `read` wants a pointer to a valid socket address of which `len` bytes are initialised. `address` lives
    // through the call, is aligned as the storage is, begins with a family, and `len` is the size of its only field, a
    // `sockaddr_ll` without padding (20 bytes: 2+2+4+2+1+1+8), all of which was just written. The bytes are copied.
    unsafe { SocketAddrAny::read((&raw const address.0).cast(), size_of::<libc::sockaddr_ll>() as u32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_kernel_wants() {
        assert_eq!(size_of::<libc::sockaddr_ll>(), 2 + 2 + 4 + 2 + 1 + 1 + 8);
        let address = link_address(7, 0x0806);
        assert_eq!(address.address_family(), rustix::net::AddressFamily::PACKET);
        assert_eq!(address.addr_len() as usize, size_of::<libc::sockaddr_ll>());
        assert_eq!(address, link_address(7, 0x0806));
        assert_ne!(address, link_address(8, 0x0806));
    }
}

//! The packet socket and the ring it shares with the kernel: all that takes `unsafe`, and nothing else.
//!
//! `packet(7)` and the kernel's `Documentation/networking/packet_mmap.rst` describe both. The ring is `TPACKET_V3`: blocks of
//! packets that belong to the kernel or to us, by a status word in each. What is in a block is read elsewhere, by safe code.
#![allow(unsafe_code)]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::net::live::link_address::link_address;

/// Offset of the status word in a block: behind version and offset to private data.
const STATUS_AT: usize = 8;
/// Offset of what follows it; that is what [`Block::bytes`] begins with.
pub const BODY_AT: usize = 12;
/// Space for one packet by the kernel's count; of no consequence in this version but to be a divisor of the block's size.
const FRAME: usize = 2048;

/// How large a ring is.
#[derive(Debug, Clone, Copy)]
pub struct RingSize {
    /// Bytes of a block: a power of two of pages, larger than the largest packet.
    pub block: usize,
    /// Blocks.
    pub blocks: usize,
    /// Longest time a packet waits in a block that is not full, in milliseconds.
    pub retire: u32,
}

/// What the kernel counted since it was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Packets the program let through, lost ones included.
    pub packets: u32,
    /// Of these, lost because the ring was full.
    pub drops: u32,
}

/// A packet socket that hears nothing yet. `cooked` takes away whatever link header there is.
pub fn open(cooked: bool) -> io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let kind = if cooked { SocketType::DGRAM } else { SocketType::RAW };
    Ok(socket_with(AddressFamily::PACKET, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?)
}

/// Begins to hear what goes by on an interface: everything the attached program lets through.
pub fn bind(socket: BorrowedFd<'_>, interface: u32) -> io::Result<()> {
    Ok(rustix::net::bind(socket, &link_address(interface, libc::ETH_P_ALL as u16))?)
}

/// Whether packets this machine sends are kept from the socket. Kernels before 4.20 do not know this option.
pub fn ignore_outgoing(socket: BorrowedFd<'_>, ignore: bool) -> io::Result<()> {
    set(socket, libc::PACKET_IGNORE_OUTGOING, &i32::from(ignore))
}

/// Has the interface take in what is addressed to others, or no longer; the kernel counts who asked.
pub fn promiscuous(socket: BorrowedFd<'_>, interface: u32, on: bool) -> io::Result<()> {
    let index = i32::try_from(interface).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let request = libc::packet_mreq {
        mr_ifindex: index,
        mr_type: libc::PACKET_MR_PROMISC as u16,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set(socket, if on { libc::PACKET_ADD_MEMBERSHIP } else { libc::PACKET_DROP_MEMBERSHIP }, &request)
}

/// Reads the kernel's counts, which start again from zero.
pub fn statistics(socket: BorrowedFd<'_>) -> io::Result<Statistics> {
    let mut counts = [0u32; 3]; // tpacket_stats_v3: packets, drops, freezes of the queue
    let mut length = size_of::<[u32; 3]>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of `counts`; any bytes make valid u32. Both live
    // until the call returns. The descriptor is borrowed, so it is open.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            counts.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(Statistics { packets: counts[0], drops: counts[1] }) } else { Err(io::Error::last_os_error()) }
}

/// What the kernel takes as an option's value.
///
/// # Safety
///
/// A plain C value of the kernel's ABI: no pointers, no bytes that are not initialised.
unsafe trait OptionValue {}

// SAFETY: a plain number.
unsafe impl OptionValue for i32 {}
// SAFETY: three integers and eight bytes, 4 + 2 + 2 + 8, without padding between them.
unsafe impl OptionValue for libc::packet_mreq {}
// SAFETY: seven 32-bit integers, without padding between them.
unsafe impl OptionValue for [u32; 7] {}

fn set<T: OptionValue>(socket: BorrowedFd<'_>, option: i32, value: &T) -> io::Result<()> {
    // SAFETY: `value` is readable for the size given and, by the trait's contract, initialised throughout; the kernel only
    // reads it, before the call returns. The descriptor is borrowed, so it is open.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A ring mapped into our memory, and whose turn it is.
pub struct Ring {
    socket: Arc<OwnedFd>,
    memory: NonNull<u8>,
    size: RingSize,
    /// The block the kernel fills next.
    next: usize,
}

// SAFETY: the mapping belongs to this value alone, is not tied to a thread, and goes with it. `&mut self` is needed to get at
// a block, so there is no access from two threads at once.
unsafe impl Send for Ring {}

impl Ring {
    /// Gives `socket` a ring and maps it. Sleeps for some milliseconds inside the kernel.
    pub fn map(socket: Arc<OwnedFd>, size: RingSize) -> io::Result<Ring> {
        set(socket.as_fd(), libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V3 as i32))?;
        let number = |value: usize| u32::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
        let total = size.block.checked_mul(size.blocks).ok_or(io::ErrorKind::InvalidInput)?;
        // tpacket_req3: block size, blocks, frame size, frames, retire time, size of private data, features.
        let request: [u32; 7] =
            [number(size.block)?, number(size.blocks)?, FRAME as u32, number(total / FRAME)?, size.retire, 0, 0];
        set(socket.as_fd(), libc::PACKET_RX_RING, &request)?;
        // SAFETY: a fresh shared mapping at an address of the kernel's choice touches no memory of ours. The kernel refuses
        // it unless `total` is exactly the size of the ring just made.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                total,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Ring { socket, memory, size, next: 0 })
    }

    /// The socket, to be polled.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether there is a block the kernel is done with.
    pub fn has_block(&self) -> bool {
        status(self.next_base()).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }

    /// The next block, if the kernel is done with it. Blocks are handed back in the order they came.
    pub fn next_block(&mut self) -> Option<Block<'_>> {
        if self.has_block() { Some(Block { ring: self }) } else { None }
    }

    fn next_base(&self) -> NonNull<u8> {
        // SAFETY: `next` is below `blocks`, so the block begins inside the mapping of `block * blocks` bytes, which lives as
        // long as `self`.
        unsafe { self.memory.add(self.next * self.size.block) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `map`, once, and no block of it is borrowed any more. It cannot fail.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.size.block * self.size.blocks) };
    }
}

/// The status word of a block, which we and the kernel change.
fn status<'a>(block: NonNull<u8>) -> &'a AtomicU32 {
    // SAFETY: blocks are at least a page and begin at a page, so the word lies inside and is aligned. It is only ever
    // accessed as an atomic from our side: `Block::bytes` begins behind it. The callers hold a `Ring`, whose mapping outlives
    // the reference they use at once.
    unsafe { block.add(STATUS_AT).cast::<AtomicU32>().as_ref() }
}

/// A block of packets that is ours until it is dropped.
pub struct Block<'a> {
    ring: &'a mut Ring,
}

impl Block<'_> {
    /// All of the block behind its status word ([`BODY_AT`]).
    pub fn bytes(&self) -> &[u8] {
        let body = self.ring.size.block - BODY_AT;
        // SAFETY: the bytes lie inside the block and so inside the mapping, which lives as long as the ring borrowed here.
        // The kernel gave the block to us (`has_block` saw that with acquire ordering) and does not write to it before it
        // is given back, which happens when this value is dropped and no borrow of it is left.
        unsafe { std::slice::from_raw_parts(self.ring.next_base().add(BODY_AT).as_ptr(), body) }
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        // Release: what was read of the block was read before the kernel may write it again.
        status(self.ring.next_base()).store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.ring.next = (self.ring.next + 1) % self.ring.size.blocks;
    }
}

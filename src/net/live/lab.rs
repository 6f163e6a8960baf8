//! A link for tests: two network namespaces with a veth pair between them, and an ear at the far end.

use std::cell::Cell;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_io::Async;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::link_address::link_address;
use super::{LivePackets, Privileges};
use crate::runtime::{Random, Runtime};

/// Two namespaces, `near` and `far`, joined by one link on which they are 10.77.0.1/24 and 10.77.0.2/24, `fd00:77::1/64`
/// and `fd00:77::2/64`, with the hardware addresses 02:00:00:00:77:01 and 02:00:00:00:77:02. Gone when dropped.
pub(super) struct Link {
    near: String,
    far: String,
    home: File,
}

/// How often it is looked whether a link is up; a look takes milliseconds.
const LOOKS: usize = 5000;

/// Whether the test can make namespaces; says loudly if it cannot, which in CI is a failure.
pub(super) fn is_possible(test: &str) -> bool {
    let possible = rustix::process::geteuid().is_root() && run("ip", &["netns", "list"]).is_ok();
    assert!(possible || std::env::var_os("CI").is_none(), "{test} needs root and ip(8)");
    if !possible {
        eprintln!("CANNOT RUN {test}: it needs root and ip(8)");
    }
    possible
}

/// What a program printed.
fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let shown = format!("{program} {}", arguments.join(" "));
    let done = Command::new(program).args(arguments).output().map_err(|error| format!("{shown}: {error}"))?;
    let printed = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.success() { Ok(printed) } else { Err(format!("{shown}: {}", String::from_utf8_lossy(&done.stderr))) }
}

/// Runs ip(8) with these words; what it printed.
pub(super) fn ip(words: &str) -> String {
    run("ip", &words.split_whitespace().collect::<Vec<_>>()).expect("ip(8) does it")
}

impl Link {
    /// Makes it. The calling thread is still where it was.
    pub(super) fn new() -> Link {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sonde-send-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let home = File::open("/proc/thread-self/ns/net").expect("/proc is there");
        let link = Link { near: format!("{name}-a"), far: format!("{name}-b"), home };
        let (near, far) = (&link.near, &link.far);
        for (side, number) in [(near, 1), (far, 2)] {
            ip(&format!("netns add {side}"));
            if number == 2 {
                ip(&format!(
                    "-n {near} link add v0 address 02:00:00:00:77:01 type veth peer name v0 address 02:00:00:00:77:02 netns {far}"
                ));
            }
        }
        for (side, number) in [(near, 1), (far, 2)] {
            ip(&format!("-n {side} link set lo up"));
            ip(&format!("-n {side} addr add 10.77.0.{number}/24 dev v0"));
            ip(&format!("-n {side} addr add fd00:77::{number}/64 dev v0 nodad"));
            // An address that the kernel makes and tries out by itself would be news a second later.
            ip(&format!("-n {side} link set v0 addrgenmode none up"));
        }
        // Whoever watches the links is told when the kernel has settled their state, and forgets what it knew.
        let is_up = |side: &String| ip(&format!("-n {side} -br link show v0")).split_whitespace().nth(1) == Some("UP");
        assert!((0..LOOKS).any(|_| is_up(near) && is_up(far)), "{near} or {far} does not come up");
        link
    }

    /// The name of the near namespace.
    pub(super) fn near(&self) -> &str {
        &self.near
    }

    /// Moves the calling thread into the near namespace.
    pub(super) fn enter_near(&self) {
        enter(&self.near);
    }

    /// Moves the calling thread into the far namespace.
    pub(super) fn enter_far(&self) {
        enter(&self.far);
    }

    /// Everything that arrives at or leaves the far end from now on. The calling thread ends up near.
    pub(super) fn ear(&self) -> Ear {
        self.enter_far();
        let ear = Ear::on("v0");
        self.enter_near();
        ear
    }
}

fn enter(namespace: &str) {
    let file = File::open(format!("/run/netns/{namespace}")).expect("the namespace is there");
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may enter it");
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = move_into_link_name_space(self.home.as_fd(), Some(LinkNameSpaceType::Network));
        for side in [&self.near, &self.far] {
            let _ = run("ip", &["netns", "del", side]);
        }
    }
}

/// Hears every frame of one interface.
pub(super) struct Ear(Async<OwnedFd>);

impl Ear {
    /// On an interface of the thread's namespace.
    pub(super) fn on(interface: &str) -> Ear {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None).expect("root may capture");
        let index = rustix::net::netdevice::name_to_index(&socket, interface).expect("the interface is there");
        bind(&socket, &link_address(index, 3)).expect("ETH_P_ALL can be bound to"); // 3: every protocol
        Ear(Async::new_nonblocking(socket).expect("the reactor takes it"))
    }

    /// The next frame of which `wanted` is true, within ten seconds of real time.
    pub(super) async fn next(&self, mut wanted: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
        let mut frame = vec![0; 65_600];
        let heard = async {
            for _ in 0..100_000 {
                let read = |socket: &OwnedFd| Ok(recv(socket, &mut frame[..], RecvFlags::DONTWAIT)?.1);
                let length = self.0.read_with(read).await.expect("the link stays");
                if wanted(&frame[..length]) {
                    return frame[..length].to_vec();
                }
            }
            panic!("too many other frames");
        };
        let patience = async {
            async_io::Timer::after(Duration::from_secs(10)).await;
            panic!("nothing of that kind was heard");
        };
        futures_lite::future::or(heard, patience).await
    }

    /// What was heard up to now.
    pub(super) fn so_far(&self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut frame = vec![0; 65_600];
        while let Ok((_, length)) = recv(self.0.get_ref(), &mut frame[..], RecvFlags::DONTWAIT) {
            frames.push(frame[..length].to_vec());
        }
        frames
    }
}

/// Packets of the thread's namespace.
pub(super) fn packets(runtime: &Runtime) -> LivePackets {
    LivePackets::new(runtime.clock(), Random::new(Some(7)), runtime.spawner(), Privileges::new(true))
}

thread_local! {
    static IDENT: Cell<u16> = const { Cell::new(0x4400) };
}

/// An IPv4 packet with a good header checksum and an identification of its own.
pub(super) fn ipv4(from: [u8; 4], to: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let ident = IDENT.replace(IDENT.get() + 1);
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
    packet.extend(from.into_iter().chain(to));
    packet[2..4].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
    packet[4..6].copy_from_slice(&ident.to_be_bytes());
    let sum = internet_checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(payload);
    packet
}

/// A bare TCP segment from `from` to `to` with these flags.
pub(super) fn tcp(from: ([u8; 4], u16), to: ([u8; 4], u16), flags: u8) -> Vec<u8> {
    let mut segment = vec![0; 20];
    segment[..2].copy_from_slice(&from.1.to_be_bytes());
    segment[2..4].copy_from_slice(&to.1.to_be_bytes());
    segment[4..8].copy_from_slice(&[1, 2, 3, 4]);
    segment[8..12].copy_from_slice(&[5, 6, 7, 8]);
    segment[12..14].copy_from_slice(&[0x50, flags]);
    segment[14..16].copy_from_slice(&[0x20, 0]);
    let pseudo = [&from.0[..], &to.0, &[0, 6, 0, 20], &segment].concat();
    let sum = internet_checksum(&pseudo);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    ipv4(from.0, to.0, 6, &segment)
}

/// The ones' complement sum of RFC 1071.
pub(super) fn internet_checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

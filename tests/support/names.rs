//! A name server on loopback that knows what a test tells it, or says nothing at all.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use super::place;

/// A UDP name server, stopped when dropped.
pub struct NameServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// Knows the addresses of `zone`; of every other name it says that it does not exist.
    pub fn knowing(zone: &[(&str, IpAddr)]) -> NameServer {
        let zone: Vec<(String, IpAddr)> = zone.iter().map(|(name, addr)| (name.to_lowercase(), *addr)).collect();
        NameServer::start(move |query| answer(query, &zone))
    }

    /// Says of every name that it does not exist.
    pub fn ignorant() -> NameServer {
        NameServer::knowing(&[])
    }

    /// Takes every question and answers none.
    pub fn silent() -> NameServer {
        NameServer::start(|_| None)
    }

    fn start(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> NameServer {
        let socket = UdpSocket::bind((place::address(), 0)).expect("a free port on loopback");
        let address = socket.local_addr().expect("it is bound");
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&asked));
        let thread = thread::spawn(move || {
            let mut query = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                if let Some(reply) = answer(&query[..length]) {
                    let _ = socket.send_to(&reply, from);
                }
            }
        });
        NameServer { address, stop, asked, thread: Some(thread) }
    }

    /// The value for `--dns-servers`.
    pub fn server(&self) -> String {
        self.address.to_string()
    }

    /// Questions received so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // An empty datagram wakes the thread, which then sees the flag.
        let woken = UdpSocket::bind((self.address.ip(), 0)).and_then(|socket| socket.send_to(&[], self.address));
        if woken.is_ok() {
            self.thread.take().map(JoinHandle::join);
        }
    }
}

/// The answer to `query` (RFC 1035, section 4): the addresses of its one name, or that there is no such name.
fn answer(query: &[u8], zone: &[(String, IpAddr)]) -> Option<Vec<u8>> {
    const TYPES: [u16; 2] = [1, 28]; // A, AAAA
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let length = usize::from(*query.get(at)?);
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at + 1..=at + length)?).to_lowercase());
        at += 1 + length;
    }
    let end = at + 5;
    let kind = u16::from_be_bytes([*query.get(at + 1)?, *query.get(at + 2)?]);
    let name = labels.join(".");
    let known: Vec<IpAddr> = zone.iter().filter(|(known, _)| *known == name).map(|(_, addr)| *addr).collect();
    let right: Vec<&IpAddr> = known.iter().filter(|addr| kind == TYPES[usize::from(addr.is_ipv6())]).collect();
    let code = if known.is_empty() { 3 } else { 0 }; // NXDOMAIN
    let mut reply = query.get(..end)?.to_vec();
    reply[2] = 0x81; // an answer; recursion desired
    reply[3] = 0x80 | code; // recursion available
    reply[4..12].copy_from_slice(&[0, 1, 0, u8::try_from(right.len()).ok()?, 0, 0, 0, 0]);
    for addr in right {
        reply.extend([0xc0, 12]); // the name of the question
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 60]);
        match addr {
            IpAddr::V4(addr) => reply.extend([0, 4].into_iter().chain(addr.octets())),
            IpAddr::V6(addr) => reply.extend([0, 16].into_iter().chain(addr.octets())),
        }
    }
    Some(reply)
}

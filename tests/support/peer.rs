//! Peers that behave badly, each on an address of its own, stopped when dropped. What they do is bounded.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::place;

/// Bytes of a body without end.
const ENDLESS: usize = 256 << 20;
/// Pause between two bytes of a trickle.
const TRICKLE: Duration = Duration::from_millis(100);
/// Bytes of a trickle.
const MAX_TRICKLE: usize = 1200;
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);
/// Longest request read.
const MAX_REQUEST: usize = 64 << 10;

/// A TCP peer.
pub struct Peer {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
    /// Sockets of peers that never accept.
    held: Vec<Socket>,
}

/// What the threads of one peer share.
#[derive(Default)]
struct State {
    is_stopped: AtomicBool,
    accepted: AtomicUsize,
    /// A second handle of each open connection, by its number, to end it from outside.
    streams: Mutex<HashMap<usize, TcpStream>>,
    pause: Condvar,
}

impl State {
    fn streams(&self) -> MutexGuard<'_, HashMap<usize, TcpStream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a handle of a new connection; false if the peer was stopped meanwhile.
    fn remember(&self, number: usize, stream: &TcpStream) -> bool {
        let mut streams = self.streams();
        let copy = stream.try_clone().ok().filter(|_| !self.is_stopped.load(Ordering::SeqCst));
        copy.map(|copy| streams.insert(number, copy)).is_some()
    }

    /// Ends every connection, now and later.
    fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.streams().values().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        self.pause.notify_all();
    }
}

/// One connection of a peer, as its behaviour sees it.
pub struct Talk {
    /// The stream.
    pub stream: TcpStream,
    state: Arc<State>,
}

impl Talk {
    /// Reads up to the empty line after a request's head, or its end.
    pub fn read_request(&mut self) -> Vec<u8> {
        let mut request = Vec::new();
        let mut byte = [0];
        while request.len() < MAX_REQUEST && !request.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => request.push(byte[0]),
                _ => break,
            }
        }
        request
    }

    /// Writes all, says that no more comes, and waits for the other side to close, so that no reset can overtake it.
    pub fn finish(&mut self, data: &[u8]) {
        let _ = self.stream.write_all(data);
        let _ = self.stream.shutdown(Shutdown::Write);
        self.drain();
    }

    /// Takes what comes until the other side closes or the peer is stopped.
    pub fn drain(&mut self) {
        let mut buffer = [0; 4096];
        while matches!(self.stream.read(&mut buffer), Ok(count) if count > 0) {}
    }

    /// Waits; false once the peer is stopped.
    pub fn pause(&self, time: Duration) -> bool {
        let streams = self.state.streams();
        if !self.state.is_stopped.load(Ordering::SeqCst) {
            drop(self.state.pause.wait_timeout(streams, time));
        }
        !self.state.is_stopped.load(Ordering::SeqCst)
    }
}

impl Peer {
    /// Does `behaviour` with every connection, each on a thread of its own.
    pub fn start(behaviour: impl Fn(&mut Talk) + Send + Sync + 'static) -> Peer {
        let listener = TcpListener::bind((place::address(), 0)).expect("a free port on loopback");
        Peer::serve(listener, Arc::new(behaviour))
    }

    fn serve(listener: TcpListener, behaviour: Arc<dyn Fn(&mut Talk) + Send + Sync>) -> Peer {
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = thread::spawn(move || {
            let mut threads = Vec::new();
            while let Ok((stream, _)) = listener.accept() {
                if shared.is_stopped.load(Ordering::SeqCst) {
                    break;
                }
                let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
                if shared.remember(number, &stream) {
                    let (behaviour, state) = (Arc::clone(&behaviour), Arc::clone(&shared));
                    threads.push(thread::spawn(move || {
                        behaviour(&mut Talk { stream, state: Arc::clone(&state) });
                        // The last handle: only now does the other side see the end.
                        state.streams().remove(&number);
                    }));
                }
            }
            for thread in threads {
                let _ = thread.join();
            }
        });
        Peer { address, state, thread: Some(thread), held: Vec::new() }
    }

    /// Reads a request, then answers with `answer` and closes.
    pub fn answering(answer: impl Into<Vec<u8>>) -> Peer {
        let answer = answer.into();
        Peer::start(move |talk| {
            talk.read_request();
            talk.finish(&answer);
        })
    }

    /// Says `greeting` at once and closes.
    pub fn greeting(greeting: impl Into<Vec<u8>>) -> Peer {
        let greeting = greeting.into();
        Peer::start(move |talk| talk.finish(&greeting))
    }

    /// Sends back whatever it gets.
    pub fn echo() -> Peer {
        Peer::start(|talk| {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = talk.stream.read(&mut buffer) {
                if talk.stream.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
        })
    }

    /// Takes no connection and refuses none: its queue is full, so what further ones send is dropped.
    pub fn saturated() -> Peer {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::new(place::address(), 0).into()).expect("a free port on loopback");
        socket.listen(0).expect("it is bound");
        let address = socket.local_addr().ok().and_then(|addr| addr.as_socket()).expect("it is bound");
        // A queue of none holds one; the others wait for ever.
        let fillers = (0..3).map(|_| {
            let filler = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            filler.set_nonblocking(true).expect("it is open");
            let _ = filler.connect(&address.into());
            filler
        });
        let held = fillers.chain([socket]).collect();
        Peer { address, state: Arc::default(), thread: None, held }
    }

    /// Refuses: the port is taken, but nobody listens.
    pub fn refusing() -> Peer {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::new(place::address(), 0).into()).expect("a free port on loopback");
        let address = socket.local_addr().ok().and_then(|addr| addr.as_socket()).expect("it is bound");
        Peer { address, state: Arc::default(), thread: None, held: vec![socket] }
    }

    /// Resets every connection as soon as the request is there, or at once if `at_once`.
    pub fn resetting(at_once: bool) -> Peer {
        Peer::start(move |talk| {
            if !at_once {
                talk.read_request();
            }
            let socket = socket2::SockRef::from(&talk.stream);
            let _ = socket.set_linger(Some(Duration::ZERO));
        })
    }

    /// Accepts and says nothing.
    pub fn silent() -> Peer {
        Peer::start(Talk::drain)
    }

    /// Says `start`, then one byte after the other, slowly.
    pub fn trickling(start: &str) -> Peer {
        let start = start.to_owned();
        Peer::start(move |talk| {
            let _ = talk.stream.write_all(start.as_bytes());
            for _ in 0..MAX_TRICKLE {
                if !talk.pause(TRICKLE) || talk.stream.write_all(b"x").is_err() {
                    return;
                }
            }
        })
    }

    /// Says `start`, then sends without end, as fast as it is taken.
    pub fn endless(start: &str) -> Peer {
        let start = start.to_owned();
        Peer::start(move |talk| {
            let _ = talk.stream.write_all(start.as_bytes());
            let block = vec![b'y'; 64 << 10];
            for _ in 0..ENDLESS / block.len() {
                if talk.stream.write_all(&block).is_err() {
                    return;
                }
            }
        })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port, as `-p` wants it.
    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// Its address, as a target.
    pub fn ip(&self) -> String {
        self.address.ip().to_string()
    }

    /// Waits until that many connections have been accepted.
    pub fn wait_for_connections(&self, count: usize) {
        let end = Instant::now() + PATIENCE;
        while self.accepted() < count {
            assert!(Instant::now() < end, "{} of {count} connections came", self.accepted());
            thread::yield_now();
        }
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.held.clear();
        self.state.stop();
        let Some(thread) = self.thread.take() else { return };
        // Wakes the thread out of accept.
        if TcpStream::connect(self.address).is_ok() {
            let _ = thread.join();
        }
    }
}

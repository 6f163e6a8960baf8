//! A WHOIS server that counts: what it was asked, and how many asked at once.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::place;

/// One line in, a text out, closed. Every connection has a thread of its own, so nothing but the clients' manners keeps
/// two from being there at once.
pub struct Whois {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    is_stopped: AtomicBool,
    now: AtomicUsize,
    most: AtomicUsize,
    asked: Mutex<Vec<String>>,
}

impl State {
    fn serve(&self, mut stream: TcpStream, answer: &dyn Fn(&str) -> String) {
        let mut question = String::new();
        if BufReader::new(&stream).read_line(&mut question).is_ok_and(|length| length > 0) {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            let question = question.trim_end().to_owned();
            let text = answer(&question);
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(question);
            // Counted out before the client can know that this one is over.
            thread::yield_now();
            self.now.fetch_sub(1, Ordering::SeqCst);
            let _ = stream.write_all(text.as_bytes());
        }
    }
}

impl Whois {
    /// Listens on a new address.
    pub fn start(port: u16, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Whois {
        let listener = TcpListener::bind((place::address(), port)).expect("a free port on loopback");
        let address = listener.local_addr().expect("it is bound");
        let (state, answer) = (Arc::new(State::default()), Arc::new(answer));
        let shared = Arc::clone(&state);
        let thread = thread::spawn(move || {
            let mut talks = Vec::new();
            while let Ok((stream, _)) = listener.accept() {
                if shared.is_stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (state, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                talks.push(thread::spawn(move || state.serve(stream, &*answer)));
            }
            for talk in talks {
                drop(talk.join());
            }
        });
        Whois { address, state, thread: Some(thread) }
    }

    /// Questions so far.
    pub fn asked(&self) -> usize {
        self.state.asked.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The most questions under way at once.
    pub fn most_at_once(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }
}

impl Drop for Whois {
    fn drop(&mut self) {
        self.state.is_stopped.store(true, Ordering::SeqCst);
        if TcpStream::connect(self.address).is_ok() {
            self.thread.take().map(JoinHandle::join);
        }
    }
}

//! Tests of the room over in-memory peers that do what they are told, and over a real nginx.

mod cache;
mod client;
mod hostile;
mod nginx;
mod parser;
mod pipeline;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncWrite};

use super::*;
use crate::model::{NetError, NetErrorKind};
use crate::net::{NetFuture, Stream};
use crate::runtime::{Random, Runtime};

/// What a peer does next on a connection.
#[derive(Debug, Clone)]
enum Act {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Waits until so many bytes with empty lines (request heads) arrived in all.
    Await(usize),
    /// Sends bytes over and over.
    Forever(&'static [u8]),
    /// Sends one byte at a time, over and over, giving others a turn in between.
    Trickle(u8),
    /// Gives others a turn.
    Pause,
    /// Closes.
    Close,
    /// Resets.
    Reset,
    /// Fails with an error of the dialler's own.
    Fail(NetError),
    /// Does nothing, for ever.
    Silent,
}

fn send(text: impl AsRef<[u8]>) -> Act {
    Act::Send(text.as_ref().to_vec())
}

/// A peer: one list of acts per connection, in order; connections beyond the list are refused.
#[derive(Default)]
struct Peer {
    scripts: RefCell<VecDeque<Vec<Act>>>,
    /// What was written, per connection.
    heard: RefCell<Vec<Rc<RefCell<Vec<u8>>>>>,
    forbidden: Cell<Option<&'static str>>,
}

impl Peer {
    fn new(scripts: impl IntoIterator<Item = Vec<Act>>) -> Rc<Peer> {
        Rc::new(Peer { scripts: RefCell::new(scripts.into_iter().collect()), ..Peer::default() })
    }

    fn client(self: &Rc<Peer>, runtime: &Runtime, cache: Option<Cache>) -> Client {
        let random = Random::new(Some(7));
        Client::new(Rc::clone(self) as Rc<dyn Dial>, runtime.clock(), random, cache, Pool::default())
    }

    fn dials(&self) -> usize {
        self.heard.borrow().len()
    }

    /// What was written on connection `index`.
    fn heard(&self, index: usize) -> String {
        String::from_utf8_lossy(&self.heard.borrow()[index].borrow()).into_owned()
    }
}

impl Dial for Peer {
    fn permit(&self, origin: &Origin) -> Result<(), NetError> {
        match self.forbidden.get() {
            Some(host) if *origin.host == *host => Err(NetError::new(NetErrorKind::Denied, "connect", origin)),
            _ => Ok(()),
        }
    }

    fn dial(&self, origin: &Origin) -> NetFuture<Box<dyn Stream>> {
        let Some(acts) = self.scripts.borrow_mut().pop_front() else {
            let refused = NetError::new(NetErrorKind::Refused, "connect", origin);
            return Box::pin(std::future::ready(Err(refused)));
        };
        let heard = Rc::new(RefCell::new(Vec::new()));
        self.heard.borrow_mut().push(Rc::clone(&heard));
        let stream: Box<dyn Stream> = Box::new(Scripted { acts: acts.into(), heard, paused: false });
        Box::pin(std::future::ready(Ok(stream)))
    }
}

/// A stream whose other end follows a list of acts, then closes.
struct Scripted {
    acts: VecDeque<Act>,
    heard: Rc<RefCell<Vec<u8>>>,
    paused: bool,
}

impl AsyncRead for Scripted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let heads = self.heard.borrow().windows(4).filter(|window| window == b"\r\n\r\n").count();
            let paused = self.paused;
            match self.acts.front_mut() {
                None | Some(Act::Close) => return Poll::Ready(Ok(0)),
                Some(Act::Reset) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Some(Act::Fail(error)) => return Poll::Ready(Err(io::Error::other(error.clone()))),
                Some(Act::Silent) => return Poll::Pending,
                Some(Act::Pause) => {
                    self.acts.pop_front();
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Act::Await(count)) if heads < *count => return Poll::Pending,
                Some(Act::Await(_)) => drop(self.acts.pop_front()),
                Some(Act::Send(bytes)) if bytes.is_empty() => drop(self.acts.pop_front()),
                Some(Act::Send(bytes)) => {
                    let count = bytes.len().min(buffer.len());
                    buffer[..count].copy_from_slice(&bytes[..count]);
                    bytes.drain(..count);
                    return Poll::Ready(Ok(count));
                }
                Some(Act::Forever(bytes)) => {
                    let count = bytes.len().min(buffer.len());
                    buffer[..count].copy_from_slice(&bytes[..count]);
                    return Poll::Ready(Ok(count));
                }
                Some(Act::Trickle(byte)) => {
                    buffer[0] = *byte;
                    self.paused = !paused;
                    if paused {
                        return Poll::Ready(Ok(1));
                    }
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.heard.borrow_mut().extend_from_slice(buffer);
        Poll::Ready(Ok(buffer.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Stream for Scripted {
    fn local(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 1))
    }

    fn peer(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 80))
    }
}

fn origin() -> Origin {
    Origin::at(false, "h", SocketAddr::from(([127, 0, 0, 1], 80)))
}

/// Runs `work` with a client of `peer`, without a cache.
fn with_client<T, F: Future<Output = T>>(peer: &Rc<Peer>, work: impl FnOnce(Client) -> F) -> T {
    let runtime = Runtime::live();
    let client = peer.client(&runtime, None);
    runtime.run(work(client))
}

/// One GET of `/` from a peer that acts so on its first connection.
fn get(acts: Vec<Act>) -> Result<Response, NetError> {
    let options = Options { operation_timeout: Duration::from_millis(20), ..Options::default() };
    with_client(&Peer::new([acts]), async |client| client.fetch(&origin(), Request::get("/"), &options).await)
}

fn answer(body: &str) -> Act {
    send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

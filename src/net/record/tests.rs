//! What passes through the layer comes back out of the file: the same script of operations, once against a model and
//! recorded, once against the replay, sees the same at the same times.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::*;
use crate::model::{NetErrorKind, Timestamp, Unreached};
use crate::net::LocalNetFuture;
use crate::net::replay::{Mode, Replay, recording};
use crate::runtime::{Clock, Runtime, Sleep};

/// A file in memory.
#[derive(Clone, Default)]
pub(crate) struct Memory(pub Rc<RefCell<Vec<u8>>>);

impl io::Write for Memory {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const START: Timestamp = Timestamp(1_700_000_000_000_000_000);

pub(crate) fn header() -> Header {
    Header { sonde: "0".to_owned(), started: START, ..Header::default() }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("literal")
}

/// A model of peers: what they do depends on their port.
struct Model(Clock);

impl Transport for Model {
    fn connect(&self, peer: SocketAddr, options: ConnectOptions) -> NetFuture<Box<dyn Stream>> {
        let clock = self.0.clone();
        let failed = move |kind| Err(NetError::new(kind, "connect", peer));
        Box::pin(async move {
            clock.sleep(ms(3)).await;
            match peer.port() {
                1 => failed(NetErrorKind::Refused),
                2 => failed(NetErrorKind::Unreachable(Unreached::Host)),
                3 => {
                    clock.sleep(options.timeout.unwrap_or_default().saturating_sub(ms(3))).await;
                    failed(NetErrorKind::Timeout)
                }
                4 => Err(NetError::new(NetErrorKind::Local, "connect", peer).because("no buffers: 5 %")),
                5 => failed(NetErrorKind::Reset),
                _ => Ok(Box::new(Host::new(clock, peer)) as Box<dyn Stream>),
            }
        })
    }

    fn datagram(
        &self,
        _bind: Option<SocketAddr>,
        peer: Option<SocketAddr>,
        _origin: Origin,
    ) -> NetFuture<Box<dyn Datagram>> {
        let clock = self.0.clone();
        Box::pin(async move {
            match peer.map(|peer| peer.port()) {
                Some(4) => Err(NetError::new(NetErrorKind::Local, "udp", addr("192.0.2.1:4")).because("none left")),
                _ => Ok(Box::new(Echo { clock, peer, heard: RefCell::default() }) as Box<dyn Datagram>),
            }
        })
    }

    fn listen(&self, bind: SocketAddr, _origin: Origin) -> NetFuture<Box<dyn Listener>> {
        let clock = self.0.clone();
        Box::pin(async move {
            match bind.port() {
                4 => Err(NetError::new(NetErrorKind::Local, "listen", bind).because("in use")),
                _ => Ok(Box::new(Door(clock)) as Box<dyn Listener>),
            }
        })
    }
}

/// Greets, answers each piece with twice as much a little later, and ends as its port says.
struct Host {
    clock: Clock,
    peer: SocketAddr,
    answers: VecDeque<io::Result<Vec<u8>>>,
    sleep: Option<Sleep>,
}

impl Host {
    fn new(clock: Clock, peer: SocketAddr) -> Host {
        let answers = VecDeque::from([Ok(b"hello".to_vec())]);
        Host { clock, peer, answers, sleep: None }
    }
}

impl AsyncRead for Host {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.answers.is_empty() {
            return Poll::Pending;
        }
        let clock = &this.clock;
        let sleep = this.sleep.get_or_insert_with(|| clock.sleep(ms(7)));
        std::task::ready!(Pin::new(sleep).poll(cx));
        this.sleep = None;
        match this.answers.pop_front() {
            Some(Ok(answer)) => {
                let length = answer.len().min(buf.len());
                buf[..length].copy_from_slice(&answer[..length]);
                if length < answer.len() {
                    this.answers.push_front(Ok(answer[length..].to_vec()));
                }
                Poll::Ready(Ok(length))
            }
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => Poll::Pending,
        }
    }
}

impl AsyncWrite for Host {
    fn poll_write(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let answer = match buf {
            b"quit" => Ok(Vec::new()),
            b"crash" => Err(io::ErrorKind::ConnectionReset.into()),
            b"odd" => Err(io::Error::other(NetError::new(NetErrorKind::Protocol, "", "").because("odd"))),
            other => Ok(other.repeat(2)),
        };
        self.answers.push_back(answer);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Stream for Host {
    fn local(&self) -> SocketAddr {
        let ip: IpAddr = if self.peer.is_ipv4() { [192, 0, 2, 200].into() } else { addr("[2001:db8::200]:0").ip() };
        SocketAddr::new(ip, 40_000)
    }

    fn peer(&self) -> SocketAddr {
        self.peer
    }
}

struct Echo {
    clock: Clock,
    peer: Option<SocketAddr>,
    heard: RefCell<VecDeque<(Vec<u8>, SocketAddr)>>,
}

impl Datagram for Echo {
    fn send<'a>(&'a self, data: &'a [u8], peer: Option<SocketAddr>) -> LocalNetFuture<'a, usize> {
        let to = self.peer.or(peer).expect("a peer");
        self.heard.borrow_mut().push_back((data.to_vec(), to));
        Box::pin(async move { Ok(data.len()) })
    }

    fn receive(&self) -> LocalNetFuture<'_, (Vec<u8>, SocketAddr)> {
        Box::pin(async move {
            self.clock.sleep(ms(5)).await;
            let heard = self.heard.borrow_mut().pop_front();
            match heard {
                Some((_, to)) if to.port() == 1 => Err(NetError::new(NetErrorKind::Refused, "receive", to)),
                Some((_, to)) if to.port() == 2 => {
                    Err(NetError::new(NetErrorKind::Unreachable(Unreached::Host), "receive", to))
                }
                Some((data, to)) => Ok((data, to)),
                None => std::future::pending().await,
            }
        })
    }

    fn local(&self) -> SocketAddr {
        let unbound = addr(if self.peer.is_some() { "192.0.2.200:5000" } else { "0.0.0.0:5001" });
        match self.peer {
            Some(SocketAddr::V6(_)) => addr("[2001:db8::200]:5000"),
            _ => unbound,
        }
    }
}

struct Door(Clock);

impl Listener for Door {
    fn accept(&self) -> LocalNetFuture<'_, Box<dyn Stream>> {
        Box::pin(async move {
            self.0.sleep(ms(20)).await;
            Ok(Box::new(Host::new(self.0.clone(), addr("192.0.2.9:9999"))) as Box<dyn Stream>)
        })
    }

    fn local(&self) -> SocketAddr {
        addr("192.0.2.200:2121")
    }
}

/// What a script saw, with the time of each thing.
type Log = Rc<RefCell<Vec<String>>>;

struct Script {
    transport: Rc<dyn Transport>,
    clock: Clock,
    log: Log,
}

impl Script {
    fn saw(&self, what: impl std::fmt::Display) {
        let at = self.clock.now().since(START).as_micros();
        self.log.borrow_mut().push(format!("{at} {what}"));
    }

    async fn stream(&self, peer: &str, talk: &[&str], origin: &str) {
        let options = ConnectOptions {
            timeout: Some(ms(100)),
            abort_on_close: talk.is_empty(),
            origin: Origin::new(origin),
            ..ConnectOptions::default()
        };
        match self.transport.connect(addr(peer), options).await {
            Err(error) => self.saw(error),
            Ok(mut stream) => {
                self.saw(format!("{} {}", stream.local(), stream.peer()));
                self.talk(&mut *stream, talk).await;
            }
        }
    }

    async fn talk(&self, stream: &mut dyn Stream, talk: &[&str]) {
        let mut buffer = [0; 64];
        for piece in [""].iter().chain(talk) {
            if !piece.is_empty() {
                stream.write_all(piece.as_bytes()).await.expect("it takes everything");
            }
            match stream.read(&mut buffer).await {
                Ok(length) => self.saw(buffer[..length].escape_ascii()),
                Err(error) => self.saw(NetError::from_io(&error, "read", stream.peer())),
            }
        }
    }

    async fn datagrams(&self, peer: &str, connected: bool) {
        let to = addr(peer);
        let socket = self.transport.datagram(None, connected.then_some(to), Origin::new("udp")).await;
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => return self.saw(error),
        };
        self.saw(socket.local());
        for data in ["one", "two"] {
            socket.send(data.as_bytes(), Some(to)).await.expect("it takes everything");
            match socket.receive().await {
                Ok((data, from)) => self.saw(format!("{from} {}", data.escape_ascii())),
                Err(error) => self.saw(error),
            }
        }
    }

    async fn listen(&self, bind: &str) {
        match self.transport.listen(addr(bind), Origin::new("ftp")).await {
            Err(error) => self.saw(error),
            Ok(listener) => {
                self.saw(listener.local());
                let mut stream = listener.accept().await.expect("somebody comes");
                self.saw(format!("accepted {}", stream.peer()));
                self.talk(&mut *stream, &["STOR", "quit"]).await;
            }
        }
    }

    async fn run(self) {
        for port in 1..=5 {
            self.stream(&format!("192.0.2.1:{port}"), &[], "scan").await;
        }
        self.stream("[2001:db8::1]:1", &[], "scan").await;
        self.stream("[2001:db8::1]:2", &[], "scan").await;
        self.stream("192.0.2.1:80", &[], "scan").await;
        self.stream("192.0.2.1:80", &["GET /", "GET /x", "quit"], "a@b").await;
        self.stream("[2001:db8::1]:80", &["abc", "crash"], "a@b").await;
        self.stream("192.0.2.1:80", &["abc", "odd"], "a@b").await;
        self.datagrams("192.0.2.1:53", true).await;
        self.datagrams("[2001:db8::1]:53", true).await;
        self.datagrams("192.0.2.1:1", true).await;
        self.datagrams("192.0.2.1:2", true).await;
        self.datagrams("192.0.2.1:4", true).await;
        self.datagrams("192.0.2.1:53", false).await;
        self.listen("0.0.0.0:0").await;
        self.listen("0.0.0.0:4").await;
    }
}

fn play(transport: impl FnOnce(&Runtime) -> Rc<dyn Transport>) -> Vec<String> {
    let runtime = Runtime::simulated(START);
    let log = Log::default();
    let script = Script { transport: transport(&runtime), clock: runtime.clock(), log: Rc::clone(&log) };
    runtime.run_until_stalled(script.run()).expect("it comes to its end");
    log.take()
}

fn recorded() -> (Vec<String>, Vec<u8>) {
    let file = Memory::default();
    let mut kept = None;
    let log = play(|runtime| {
        let recorder = Recorder::new(Box::new(file.clone()), &header(), runtime.clock()).expect("memory");
        kept = Some(recorder.clone());
        Rc::new(RecordedTransport::new(Rc::new(Model(runtime.clock())), recorder))
    });
    kept.expect("it was made").finish().expect("memory");
    (log, file.0.take())
}

#[test]
fn a_replay_sees_what_was_recorded_at_the_same_times() {
    let (log, file) = recorded();
    assert!(log.len() > 30, "{log:#?}");
    let mut kept = None;
    let again = play(|runtime| {
        let replay = Replay::new(recording(&file).expect("ours"), Mode::Strict, runtime.clock(), ms(100));
        kept = Some(replay.clone());
        Rc::new(replay)
    });
    assert_eq!(again, log);
    let replay = kept.expect("it was made");
    replay.report_unused();
    assert_eq!(replay.differences().lines(), Vec::<String>::new());
}

#[test]
fn a_file_cut_at_any_block_is_still_a_recording() {
    let (_, file) = recorded();
    let mut at = 0;
    while let Some(length) = file.get(at + 4..at + 8) {
        at += u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
        assert!(recording(&file[..at]).is_ok_and(|recording| recording.header == Some(header())), "cut at {at}");
    }
    assert_eq!(at, file.len());
}

#[test]
fn a_file_that_cannot_be_written_is_told_at_the_end() {
    struct Full(usize);
    impl io::Write for Full {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(data.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(data.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let clock = Runtime::simulated(START).clock();
    assert!(Recorder::new(Box::new(Full(10)), &header(), clock.clone()).is_err());
    let recorder = Recorder::new(Box::new(Full(1000)), &header(), clock).expect("the header fits");
    recorder.secrets(&"x".repeat(2000));
    recorder.flush();
    recorder.secrets("CLIENT_RANDOM 00 11");
    assert_eq!(recorder.finish().map_err(|error| error.kind()), Err(io::ErrorKind::StorageFull));
}

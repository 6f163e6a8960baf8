//! One question, put to one server after another until one answers.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt, future};

use super::config::{ResolverConfig, SERVERS_PER_QUESTION};
use super::message::{Answer, Query, Question, Verdict};
use super::window::Window;
use crate::model::{NetError, NetErrorKind, Timestamp};
use crate::net::broker::Governor;
use crate::net::{ConnectOptions, Datagram, Origin, Transport};
use crate::runtime::{Clock, Random};

/// A server that let all tries of a question pass is asked last for this long.
const SHUN: Duration = Duration::from_secs(10);
/// What the door knows the resolver by: questions are shared, so they belong to no script.
const ORIGIN: &str = "resolver";

pub(super) struct Client {
    transport: Rc<dyn Transport>,
    clock: Clock,
    random: Random,
    servers: Vec<Server>,
    tries: Vec<Duration>,
    /// `--max-rate`, once the run has begun.
    governor: RefCell<Option<Governor>>,
}

struct Server {
    addr: SocketAddr,
    window: Window,
    shunned_until: Cell<Timestamp>,
}

/// Why a server was of no use.
enum Complaint {
    /// It said so, or could not be reached.
    Spoken(String),
    /// Nothing came.
    Silent,
}

impl Client {
    pub fn new(config: &ResolverConfig, transport: Rc<dyn Transport>, clock: Clock, random: Random) -> Client {
        let now = clock.now();
        let server = |addr: &SocketAddr| Server {
            addr: *addr,
            window: Window::new(now),
            shunned_until: Cell::new(Timestamp::default()),
        };
        let servers = config.servers.iter().map(server).collect();
        Client { transport, clock, random, servers, tries: config.tries(), governor: RefCell::default() }
    }

    /// From now on every question waits for its turn.
    pub fn pace(&self, governor: Governor) {
        *self.governor.borrow_mut() = Some(governor);
    }

    async fn turn(&self) {
        let governor = self.governor.borrow().clone();
        if let Some(governor) = governor {
            governor.pass().await;
        }
    }

    /// Asks up to three servers.
    pub async fn ask(&self, question: &Question) -> Result<Answer, NetError> {
        let error = NetError::new(NetErrorKind::Resolve, "resolve", &question.name);
        if self.servers.is_empty() {
            return Err(error.because("no DNS server is configured: name one with --dns-servers or in resolv.conf"));
        }
        let mut complaints = Vec::new();
        for server in self.in_order().into_iter().take(SERVERS_PER_QUESTION) {
            let slot = server.window.acquire().await;
            let complaint = match self.ask_one(server, question).await {
                Ok(answer) => return Ok(answer),
                Err(Complaint::Spoken(text)) => text,
                Err(Complaint::Silent) => {
                    let now = self.clock.now();
                    server.window.abandoned(now);
                    server.shunned_until.set(now.plus(SHUN));
                    format!("is silent after {} tries", self.tries.len())
                }
            };
            drop(slot);
            complaints.push(format!("{} {complaint}", server.addr));
        }
        Err(error.because(format_args!("no DNS server could tell: {}", complaints.join(", "))))
    }

    /// Servers in the configured order; those that were silent of late last, and before them those with a full window.
    fn in_order(&self) -> Vec<&Server> {
        let now = self.clock.now();
        let mut servers: Vec<&Server> = self.servers.iter().collect();
        servers.sort_by_key(|server| (now < server.shunned_until.get(), server.window.is_saturated()));
        servers
    }

    /// All tries with one server. One socket, so one random port (the kernel draws it), id and spelling for all of
    /// them: a slow answer to the first try still counts, and one that comes after the last finds the port closed.
    async fn ask_one(&self, server: &Server, question: &Question) -> Result<Answer, Complaint> {
        // Of its own, so that a replay asks the same whatever was asked before; a second server is asked anew.
        let random = self.random.derive(&format!("{} {question:?}", server.addr));
        let query = Query::new(question.clone(), &random)
            .ok_or_else(|| Complaint::Spoken("was not asked: the name does not fit a query".to_owned()))?;
        let socket =
            self.transport.datagram(None, Some(server.addr), Origin::new(ORIGIN)).await.map_err(Complaint::from)?;
        for (index, wait) in self.tries.iter().enumerate() {
            self.turn().await;
            socket.send(query.wire(), None).await?;
            match self.clock.timeout(*wait, listen(socket.as_ref(), server.addr, &query)).await {
                Ok(verdict) => {
                    let answer = self.settle(verdict?, server, &query).await;
                    server.window.replied(self.clock.now());
                    server.shunned_until.set(Timestamp::default());
                    return answer;
                }
                Err(_) if index == 0 => server.window.lost(self.clock.now()),
                Err(_) => {}
            }
        }
        Err(Complaint::Silent)
    }

    /// Turns what came by datagram into an answer, over TCP where it must be.
    async fn settle(&self, verdict: Verdict, server: &Server, query: &Query) -> Result<Answer, Complaint> {
        let unsure = match verdict {
            Verdict::Answer { answer, exact: true } => return Ok(answer),
            Verdict::Failed(text) => return Err(Complaint::Spoken(text)),
            // Some servers change the spelling; so may a forger. TCP tells; without it the answer is taken as it is.
            Verdict::Answer { answer, exact: false } => Some(answer),
            Verdict::Truncated | Verdict::NotOurs => None,
        };
        match (self.over_tcp(server.addr, query).await, unsure) {
            (Ok(Verdict::Answer { answer, .. }), _) | (_, Some(answer)) => Ok(answer),
            (Ok(Verdict::Failed(text)), None) => Err(Complaint::Spoken(text)),
            (Ok(Verdict::Truncated | Verdict::NotOurs), None) => {
                Err(Complaint::Spoken("sends garbage over TCP".to_owned()))
            }
            (Err(error), None) => Err(Complaint::Spoken(format!("truncates, and over TCP: {error}"))),
        }
    }

    /// The same question over TCP (RFC 7766), with as much time as all datagram tries have together.
    async fn over_tcp(&self, addr: SocketAddr, query: &Query) -> Result<Verdict, NetError> {
        let limit = self.tries.iter().sum();
        self.turn().await;
        let exchange = async {
            let options =
                ConnectOptions { timeout: Some(limit), origin: Origin::new(ORIGIN), ..ConnectOptions::default() };
            let mut stream = self.transport.connect(addr, options).await?;
            let failed = |error: std::io::Error| NetError::from_io(&error, "receive", addr);
            let wire = query.wire();
            let framed = [&(wire.len() as u16).to_be_bytes(), wire].concat();
            stream.write_all(&framed).await.map_err(failed)?;
            stream.flush().await.map_err(failed)?;
            let mut length = [0; 2];
            stream.read_exact(&mut length).await.map_err(failed)?;
            let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut answer).await.map_err(failed)?;
            Ok(query.judge(&answer))
        };
        let result = self.clock.timeout(limit, exchange).await;
        result.unwrap_or_else(|_| Err(NetError::new(NetErrorKind::Timeout, "receive", addr)))
    }
}

/// Waits for a datagram that answers `query`, however many others come.
async fn listen(socket: &dyn Datagram, server: SocketAddr, query: &Query) -> Result<Verdict, NetError> {
    loop {
        let (bytes, from) = socket.receive().await?;
        if from.ip() == server.ip() && from.port() == server.port() {
            match query.judge(&bytes) {
                Verdict::NotOurs => {}
                verdict => return Ok(verdict),
            }
        }
        future::yield_now().await; // a flood must not keep the deadline from being looked at
    }
}

impl From<NetError> for Complaint {
    fn from(error: NetError) -> Complaint {
        Complaint::Spoken(match error.detail.as_str() {
            "" => format!("cannot be asked ({})", error.kind.name()),
            detail => format!("cannot be asked: {detail}"),
        })
    }
}

//! A connection to a server being looked at: identification, negotiation, key exchange, and messages after it.

use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::exchange::{Answer, Exchange, METHODS};
use super::identification::{self, Identification};
use super::kexinit::{Agreed, Algorithms, agree};
use super::packets::{Incoming, Outgoing};
use super::protection::{CIPHERS, Direction, MACS, Protection, Secrets};
use super::wire::{Malformed, Reader};
use crate::model::{NetError, NetErrorKind};
use crate::net::{Stream, random_of};
use crate::runtime::Random;

/// The operation errors name.
pub const OP: &str = "ssh";

const DISCONNECT: u8 = 1;
const IGNORE: u8 = 2;
const UNIMPLEMENTED: u8 = 3;
const DEBUG: u8 = 4;
const EXT_INFO: u8 = 7;
const NEWKEYS: u8 = 21;

/// Messages without meaning for us that a server may send between two that have one.
const MAX_IDLE_MESSAGES: usize = 100;

/// A connection of which both identifications are known.
pub struct Connection {
    stream: Box<dyn Stream>,
    random: Random,
    incoming: Incoming,
    outgoing: Outgoing,
    buffer: Vec<u8>,
    /// Who the server says it is.
    pub server: Identification,
}

/// Both KEXINIT messages and what came of them.
pub struct Negotiation {
    /// What the server offers.
    pub server: Algorithms,
    /// What both agreed on, or why they could not.
    pub agreed: Result<Agreed, String>,
    /// Payloads as they are hashed, ours first.
    payloads: [Vec<u8>; 2],
}

impl Connection {
    /// Identifies us and waits for the server to do so.
    pub async fn open(stream: Box<dyn Stream>, random: &Random) -> Result<Connection, NetError> {
        let random = random_of(stream.as_ref(), random);
        let mut connection = Connection {
            stream,
            random,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            buffer: vec![0; 4096],
            server: Identification::default(),
        };
        connection.write(format!("{}\r\n", identification::OURS).as_bytes()).await?;
        loop {
            let found = connection.incoming.identification();
            if let Some(found) = found.map_err(|message| connection.error(NetErrorKind::Protocol).because(message))? {
                connection.server = found;
                return Ok(connection);
            }
            if !connection.read().await? {
                let unread = connection.incoming.unread();
                // One that says nothing went away; one that talks, talks something else.
                let kind = if unread.is_empty() { NetErrorKind::Closed } else { NetErrorKind::Protocol };
                return Err(connection.error(kind).because(identification::not_ssh(unread)));
            }
        }
    }

    /// Exchanges KEXINIT messages; ours asks for a host key that signs by one of `host_keys`.
    pub async fn negotiate(&mut self, host_keys: &[String]) -> Result<Negotiation, NetError> {
        if !self.server.is_version_2() {
            let message = format!("the server speaks only another version: {}", self.server.text());
            return Err(self.error(NetErrorKind::Protocol).because(message));
        }
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut ours = Algorithms::default();
        for (at, list) in ours.lists.iter_mut().enumerate() {
            *list = match at {
                0 => owned(&METHODS),
                1 => host_keys.to_vec(),
                2 | 3 => owned(&CIPHERS),
                4 | 5 => owned(&MACS),
                6 | 7 => owned(&["none"]),
                _ => Vec::new(),
            };
        }
        let sent = ours.write(&self.random);
        self.send(&sent).await?;
        let received = self.receive().await?;
        let server = self.check(Algorithms::parse(&received))?;
        let agreed = agree(&ours, &server);
        Ok(Negotiation { server, agreed, payloads: [sent, received] })
    }

    /// Exchanges keys as far as the server's answer, which holds its host key.
    pub async fn exchange(&mut self, agreed: &Agreed) -> Result<(Exchange, Answer), NetError> {
        let mut exchange = self.check(Exchange::new(&agreed.exchange, &self.random))?;
        let mut ignore = usize::from(agreed.ignore_guess);
        if let Some(request) = exchange.request() {
            self.send(&request).await?;
            let group = self.receive_after(&mut ignore).await?;
            self.check(exchange.take_group(&group, &self.random))?;
        }
        let init = exchange.init().await;
        self.send(&init).await?;
        let reply = self.receive_after(&mut ignore).await?;
        let answer = self.check(exchange.answer(&reply))?;
        Ok((exchange, answer))
    }

    /// Finishes a key exchange: from here on all is encrypted.
    pub async fn protect(
        &mut self,
        negotiation: &Negotiation,
        agreed: &Agreed,
        exchange: &Exchange,
        answer: &Answer,
    ) -> Result<(), NetError> {
        let shared = exchange.shared(answer).await;
        let shared = self.check(shared)?;
        let [ours, theirs] = &negotiation.payloads;
        let head = [identification::OURS.as_bytes(), &self.server.line, ours, theirs];
        let digest = exchange.digest(head, answer, &shared);
        let secrets = Secrets { hash: exchange.hash, shared: &shared, digest: &digest, session: &digest };
        self.send(&[NEWKEYS]).await?;
        let to_server = Protection::new(&agreed.to_server, &secrets, Direction::ToServer);
        self.outgoing.protect(self.check(to_server)?);
        let received = self.receive().await?;
        if received != [NEWKEYS] {
            return Err(self.malformed(&Malformed("the server does not finish the key exchange")));
        }
        let to_client = Protection::new(&agreed.to_client, &secrets, Direction::ToClient);
        self.incoming.protect(self.check(to_client)?);
        Ok(())
    }

    /// Sends one message.
    pub async fn send(&mut self, payload: &[u8]) -> Result<(), NetError> {
        let packet = self.outgoing.packet(payload, &self.random);
        self.write(&packet).await
    }

    /// The next message that means something.
    ///
    /// # Errors
    /// `Closed` when the server goes away, with the reason if it gives one; `Protocol` when it sends what is no packet.
    pub async fn receive(&mut self) -> Result<Vec<u8>, NetError> {
        let mut idle = 0;
        loop {
            while let Some(payload) = self.incoming.next_packet().map_err(|error| self.malformed(&error))? {
                match payload.first() {
                    Some(&DISCONNECT) => return Err(self.disconnected(&payload)),
                    Some(&(IGNORE | UNIMPLEMENTED | DEBUG | EXT_INFO)) if idle < MAX_IDLE_MESSAGES => idle += 1,
                    Some(&(IGNORE | UNIMPLEMENTED | DEBUG | EXT_INFO)) => {
                        return Err(self.malformed(&Malformed("the server sends nothing but fillers")));
                    }
                    _ => return Ok(payload),
                }
            }
            if !self.read().await? {
                return Err(self.error(NetErrorKind::Closed).because("the server hangs up in the middle of it"));
            }
        }
    }

    /// The same, but for a packet that the server guessed wrong.
    async fn receive_after(&mut self, ignore: &mut usize) -> Result<Vec<u8>, NetError> {
        while *ignore > 0 {
            *ignore -= 1;
            self.receive().await?;
        }
        self.receive().await
    }

    /// Reads what is there; false at the end of the stream.
    async fn read(&mut self) -> Result<bool, NetError> {
        let count = self.stream.read(&mut self.buffer).await.map_err(|error| self.io(&error))?;
        self.incoming.push(&self.buffer[..count]);
        // A peer that never stops must not keep a deadline from being looked at.
        futures_lite::future::yield_now().await;
        Ok(count > 0)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), NetError> {
        let written = match self.stream.write_all(bytes).await {
            Ok(()) => self.stream.flush().await,
            error => error,
        };
        written.map_err(|error| self.io(&error))
    }

    fn io(&self, error: &std::io::Error) -> NetError {
        NetError::from_io(error, OP, self.stream.peer())
    }

    /// An error about this peer.
    pub fn error(&self, kind: NetErrorKind) -> NetError {
        NetError::new(kind, OP, self.stream.peer())
    }

    /// The error of a peer that breaks the protocol.
    pub fn malformed(&self, malformed: &Malformed) -> NetError {
        self.error(NetErrorKind::Protocol).because(malformed)
    }

    /// Turns a peer's breach of the protocol into the error that names it.
    pub fn check<T>(&self, result: Result<T, Malformed>) -> Result<T, NetError> {
        result.map_err(|malformed| self.malformed(&malformed))
    }

    fn disconnected(&self, payload: &[u8]) -> NetError {
        let mut reader = Reader::new(payload.get(5..).unwrap_or_default());
        let reason = reader.text().unwrap_or_default();
        let reason: String = reason.chars().filter(|letter| !letter.is_control()).take(200).collect();
        self.error(NetErrorKind::Closed).because(format!("the server disconnects: {reason}"))
    }
}

//! What a server shows to anybody: its identification, its algorithms, its host keys, its authentication methods.

use std::time::Duration;

use super::connection::{Connection, Negotiation, OP};
use super::hostkey::{HostKey, format_of};
use super::identification::Identification;
use super::kexinit::{Agreed, Algorithms};
use super::wire::{Malformed, Reader, Writer};
use crate::model::{NetError, NetErrorKind};
use crate::net::{NetFuture, Stream, within};
use crate::runtime::{Clock, Random};

/// Signature algorithms of host keys we ask for, one of each format after the other.
const HOST_KEYS: [&str; 10] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-rsa",
    "ssh-dss",
    "ssh-ed448",
    "sk-ssh-ed25519@openssh.com",
];
/// Keys fetched from one server at most, each by a connection of its own.
const MAX_KEYS: usize = 12;
/// Banners a server may send before it answers the request for authentication.
const MAX_BANNERS: usize = 20;

const SERVICE_REQUEST: u8 = 5;
const SERVICE_ACCEPT: u8 = 6;
const USERAUTH_REQUEST: u8 = 50;
const USERAUTH_FAILURE: u8 = 51;
const USERAUTH_SUCCESS: u8 = 52;
const USERAUTH_BANNER: u8 = 53;

/// How the server is reached, and how long each connection to it may take.
pub struct Inspection<'a, D: Fn() -> NetFuture<Box<dyn Stream>>> {
    /// Opens a connection.
    pub dial: D,
    /// Time for each connection with all that is said on it.
    pub limit: Duration,
    /// The run's clock.
    pub clock: &'a Clock,
    /// The run's randomness.
    pub random: &'a Random,
}

/// How a user may prove who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthMethods {
    /// Names of methods that can continue; `none` alone if the user was let in without any.
    pub methods: Vec<String>,
    /// The text shown before authentication.
    pub banner: String,
}

impl<D: Fn() -> NetFuture<Box<dyn Stream>>> Inspection<'_, D> {
    /// Who the server says it is.
    ///
    /// # Errors
    /// Those of all functions here: what the dialler reports, `Timeout`, `Closed` when the server hangs up, `Protocol` when
    /// the peer is no SSH server or breaks the protocol.
    pub async fn identification(&self) -> Result<Identification, NetError> {
        self.on_connection(async |connection| Ok(connection.server)).await
    }

    /// What it offers, list by list.
    pub async fn algorithms(&self) -> Result<Algorithms, NetError> {
        self.on_connection(async |mut connection| Ok(connection.negotiate(&known()).await?.server)).await
    }

    /// Its host keys in the order it offers them, those whose format `wanted` names. Each takes a connection of its own. The
    /// server's signature is not checked: a key seen here is one the server shows.
    pub async fn host_keys(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<HostKey>, NetError> {
        let ask: Vec<String> = known().into_iter().filter(|name| wanted(format_of(name))).collect();
        let (server, first) = self.on_connection(async |connection| key(connection, &ask).await).await?;
        let mut formats: Vec<&str> = Vec::new();
        for name in server.host_key() {
            let format = format_of(name);
            // A certificate holds a key that is also shown without it.
            if wanted(format) && !format.contains("-cert-v0") && !formats.contains(&format) {
                formats.push(format);
            }
        }
        let mut keys = Vec::new();
        for format in formats.into_iter().take(MAX_KEYS) {
            let key = match &first {
                Some(first) if first.algorithm == format => Some(first.clone()),
                _ => {
                    let ask: Vec<String> =
                        server.host_key().iter().filter(|name| format_of(name) == format).cloned().collect();
                    self.on_connection(async |connection| key(connection, &ask).await).await?.1
                }
            };
            keys.extend(key);
        }
        Ok(keys)
    }

    /// How `user` may prove who they are, by asking for the method `none`.
    pub async fn auth_methods(&self, user: &str) -> Result<AuthMethods, NetError> {
        self.on_connection(async |connection| ask_methods(connection, user).await).await
    }

    /// Does `work` on a new connection. The limit begins when it is there: dialling has its own, and may queue for a slot
    /// before.
    async fn on_connection<T>(&self, work: impl AsyncFnOnce(Connection) -> Result<T, NetError>) -> Result<T, NetError> {
        let stream = (self.dial)().await?;
        let peer = stream.peer();
        // On the heap: a host may have thousands of these under way, each within several others.
        let work = Box::pin(async { work(Connection::open(stream, self.random).await?).await });
        within(self.clock, self.limit, OP, peer, work).await
    }
}

/// What the server offers, and the key it uses for one of the algorithms asked for; none if it has none of them.
async fn key(mut connection: Connection, ask: &[String]) -> Result<(Algorithms, Option<HostKey>), NetError> {
    let negotiation = connection.negotiate(ask).await?;
    if !negotiation.server.host_key().iter().any(|name| ask.contains(name)) {
        return Ok((negotiation.server, None));
    }
    let agreed = agreed(&connection, &negotiation)?;
    let (_, answer) = connection.exchange(&agreed).await?;
    let key = connection.check(HostKey::parse(&answer.host_key))?;
    Ok((negotiation.server, Some(key)))
}

async fn ask_methods(mut connection: Connection, user: &str) -> Result<AuthMethods, NetError> {
    let negotiation = connection.negotiate(&known()).await?;
    let agreed = agreed(&connection, &negotiation)?;
    let (exchange, answer) = connection.exchange(&agreed).await?;
    connection.protect(&negotiation, &agreed, &exchange, &answer).await?;
    connection.send(&Writer::message(SERVICE_REQUEST).string("ssh-userauth").finish()).await?;
    if connection.receive().await?.first() != Some(&SERVICE_ACCEPT) {
        return Err(connection.malformed(&Malformed("the server has no service for authentication")));
    }
    let request = Writer::message(USERAUTH_REQUEST).string(user).string("ssh-connection").string("none");
    connection.send(&request.finish()).await?;
    let mut banner = String::new();
    for _ in 0..MAX_BANNERS {
        let payload = connection.receive().await?;
        let mut reader = Reader::new(payload.get(1..).unwrap_or_default());
        match payload.first() {
            Some(&USERAUTH_BANNER) => banner.push_str(&connection.check(reader.text())?),
            Some(&USERAUTH_FAILURE) => {
                return Ok(AuthMethods { methods: connection.check(reader.names())?, banner });
            }
            Some(&USERAUTH_SUCCESS) => return Ok(AuthMethods { methods: vec!["none".to_owned()], banner }),
            _ => break,
        }
    }
    Err(connection.malformed(&Malformed("the server does not say how to authenticate")))
}

fn known() -> Vec<String> {
    HOST_KEYS.iter().map(|name| (*name).to_owned()).collect()
}

fn agreed(connection: &Connection, negotiation: &Negotiation) -> Result<Agreed, NetError> {
    let agreed = negotiation.agreed.clone();
    agreed.map_err(|message| connection.error(NetErrorKind::Protocol).because(message))
}

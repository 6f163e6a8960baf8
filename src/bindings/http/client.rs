//! The client a script instance owns: one request with everything around it.

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::auth::basic;
use super::cache::{Key, Turn};
use super::coding::{Decoded, decode};
use super::connection::{Broken, Connection, Outgoing};
use super::parser::Message;
use super::redirect::{Hop, Trail};
use super::watch::{TimeUp, Watch};
use super::{
    Auth, Cache, Challenge, Dial, Digest, Expect, Jar, Origin, Pool, Redirects, Request, Response, Stopped, Truncation,
};
use crate::model::{NetError, NetErrorKind, Spent, Timestamp};
use crate::runtime::{Clock, Random};

/// Digest sessions remembered.
const MAX_DIGESTS: usize = 8;

/// How a request is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of one request")]
pub struct Options {
    /// Longest time without progress: connecting, sending, receiving.
    pub operation_timeout: Duration,
    /// When everything ends, redirects included.
    pub deadline: Option<Timestamp>,
    /// Bytes of a body kept, on the wire and unpacked each; at the limit reading stops.
    pub body_limit: usize,
    /// Remove content codings.
    pub decode: bool,
    /// Which redirects are followed.
    pub redirects: Redirects,
    /// Credentials for the origin named.
    pub auth: Option<Auth>,
    /// Keep cookies in the client's jar and send them back.
    pub cookies: bool,
    /// Share answers to plain GET and HEAD requests with the rest of the run.
    pub cache: bool,
    /// Use and keep idle connections.
    pub keep_alive: bool,
    /// Of these, use and keep the one of this number alone, which nobody else gets: then which request goes over which
    /// connection does not depend on what is answered first.
    pub lane: Option<u8>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            operation_timeout: Duration::from_secs(10),
            deadline: None,
            body_limit: 1 << 20,
            decode: true,
            redirects: Redirects::default(),
            auth: None,
            cookies: false,
            cache: true,
            keep_alive: true,
            lane: None,
        }
    }
}

/// An HTTP client with its idle connections, cookies and Digest sessions. Clones share them.
#[derive(Clone)]
pub struct Client(Rc<Session>);

struct Session {
    dial: Rc<dyn Dial>,
    clock: Clock,
    random: Random,
    cache: Option<Cache>,
    pool: Pool,
    jar: RefCell<Jar>,
    digests: RefCell<Vec<(Origin, Digest)>>,
}

impl Client {
    /// A client that connects through `dial`; `cache` is the run's.
    pub fn new(dial: Rc<dyn Dial>, clock: Clock, random: Random, cache: Option<Cache>, pool: Pool) -> Client {
        let (jar, digests) = (RefCell::default(), RefCell::default());
        Client(Rc::new(Session { dial, clock, random, cache, pool, jar, digests }))
    }

    /// Idle connections; clear them to give their sockets back.
    pub fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// The cookies kept.
    pub fn jar(&self) -> Ref<'_, Jar> {
        self.0.jar.borrow()
    }

    /// Asks `origin`, follows redirects, and returns the last answer.
    ///
    /// An error means that the first server gave no answer ([`NetErrorKind`] says why: the dialler's kinds, `timeout`,
    /// `reset`, `closed`, `protocol`), or that the request itself is refused (`denied`). When a later hop fails the
    /// redirect is returned with [`Response::stopped`] set.
    pub async fn fetch(&self, origin: &Origin, request: Request, options: &Options) -> Result<Response, NetError> {
        let mut watch = self.watch(options);
        let mut hop = Hop { origin: origin.clone(), request, trusted: true };
        let mut trail = Trail::default();
        let mut last: Option<Response> = None;
        self.0.dial.permit(origin)?;
        loop {
            let cookies = self.cookies_for(&hop.origin, &hop.request, options);
            let asked = self.ask(&hop, cookies.as_deref(), options, &mut watch).await;
            let response = match (asked, last.take()) {
                (Ok(response), _) => response,
                (Err(error), Some(redirect)) if error.kind.is_peer() => {
                    trail.locations.pop();
                    return Ok(finished(redirect, trail, Some(Stopped::Failed(error))));
                }
                (Err(error), _) => return Err(error),
            };
            let next = trail.next(&hop, cookies.as_deref().unwrap_or_default(), &response, options.redirects);
            match next {
                Err(stopped) => return Ok(finished(response, trail, stopped)),
                Ok(next) if self.0.dial.permit(&next.origin).is_err() => {
                    trail.locations.pop();
                    return Ok(finished(response, trail, Some(Stopped::OtherHost)));
                }
                Ok(next) => {
                    last = Some(response);
                    hop = next;
                }
            }
        }
    }

    pub(super) fn watch(&self, options: &Options) -> Watch {
        Watch::new(&self.0.clock, options.operation_timeout, options.deadline)
    }

    /// Whether the script may talk to `origin`.
    pub(super) fn permit(&self, origin: &Origin) -> Result<(), NetError> {
        self.0.dial.permit(origin)
    }

    /// The cookies to send.
    pub(super) fn cookies_for(&self, origin: &Origin, request: &Request, options: &Options) -> Option<String> {
        if !options.cookies {
            return None;
        }
        self.0.jar.borrow().header(origin, request.target(), self.0.clock.now())
    }

    /// One hop: answers a Digest challenge, adds Basic credentials, goes through the cache.
    pub(super) async fn ask(
        &self,
        hop: &Hop,
        cookies: Option<&str>,
        options: &Options,
        watch: &mut Watch,
    ) -> Result<Response, NetError> {
        let mut extra = Vec::new();
        extra.extend(cookies.map(|cookies| ("Cookie", cookies.to_owned())));
        let own = hop.request.has_header("Authorization");
        let response = match options.auth.as_ref().filter(|_| hop.trusted && !own) {
            Some(auth) if auth.digest => Box::pin(self.ask_digest(hop, auth, extra, options, watch)).await?,
            Some(auth) => {
                extra.push(("Authorization", basic(&auth.username, &auth.password)));
                self.exchange(hop, &extra, options, watch).await?
            }
            None if extra.is_empty() => self.ask_cached(hop, options, watch).await?,
            None => self.exchange(hop, &extra, options, watch).await?,
        };
        self.store_cookies(&hop.origin, &hop.request, &response, options);
        Ok(response)
    }

    pub(super) fn store_cookies(&self, origin: &Origin, request: &Request, response: &Response, options: &Options) {
        if options.cookies {
            let now = self.0.clock.now();
            let mut jar = self.0.jar.borrow_mut();
            for cookie in response.cookies() {
                jar.store(origin, request.target(), cookie, now);
            }
        }
    }

    async fn ask_cached(&self, hop: &Hop, options: &Options, watch: &mut Watch) -> Result<Response, NetError> {
        let request = &hop.request;
        let plain = matches!(request.method.as_str(), "GET" | "HEAD")
            && request.body.is_empty()
            && !["Authorization", "Cookie", "Proxy-Authorization"].iter().any(|name| request.has_header(name));
        let Some(cache) = self.0.cache.as_ref().filter(|_| options.cache && plain) else {
            return self.exchange(hop, &[], options, watch).await;
        };
        let key = Key {
            origin: hop.origin.clone(),
            request: request.clone(),
            body_limit: options.body_limit,
            decode: options.decode,
        };
        match watch.until_deadline(cache.turn(key)).await {
            Err(up) => Err(Broken::Time(up).into_error(&hop.origin)),
            Ok(Turn::Answered(result)) => result,
            Ok(Turn::Lead(lead)) => {
                let result = self.exchange(hop, &[], options, watch).await;
                // Our own end (budget, fence, deadline) is nobody else's: whoever waits tries for themselves.
                let ours = match &result {
                    Ok(response) => response.truncated == Some(Truncation::Timeout) && watch.is_over(),
                    Err(error) => !error.kind.is_peer() || watch.is_over(),
                };
                if !ours {
                    lead.land(&result);
                }
                result
            }
        }
    }

    async fn ask_digest(
        &self,
        hop: &Hop,
        auth: &Auth,
        mut extra: Vec<(&'static str, String)>,
        options: &Options,
        watch: &mut Watch,
    ) -> Result<Response, NetError> {
        let (method, target) = (&hop.request.method, String::from_utf8_lossy(hop.request.target()));
        let known = self.next_authorization(&hop.origin, auth, method, &target);
        let before = extra.len();
        extra.extend(known.map(|value| ("Authorization", value)));
        let response = self.exchange(hop, &extra, options, watch).await?;
        if response.status != 401 {
            return Ok(response);
        }
        let Some(challenge) = Challenge::strongest(&response.headers) else { return Ok(response) };
        extra.truncate(before);
        if self.was_answered(&hop.origin, &challenge) {
            return Ok(response); // the credentials are wrong, not the nonce
        }
        self.remember(&hop.origin, Digest::new(challenge, &self.0.random));
        extra.extend(self.next_authorization(&hop.origin, auth, method, &target).map(|value| ("Authorization", value)));
        self.exchange(hop, &extra, options, watch).await
    }

    fn next_authorization(&self, origin: &Origin, auth: &Auth, method: &str, target: &str) -> Option<String> {
        let mut digests = self.0.digests.borrow_mut();
        let (_, digest) = digests.iter_mut().find(|(known, _)| known == origin)?;
        Some(digest.authorize(auth, method, target))
    }

    fn was_answered(&self, origin: &Origin, challenge: &Challenge) -> bool {
        let digests = self.0.digests.borrow();
        digests.iter().any(|(known, digest)| known == origin && digest.challenge() == challenge)
    }

    fn remember(&self, origin: &Origin, digest: Digest) {
        let mut digests = self.0.digests.borrow_mut();
        digests.retain(|(known, _)| known != origin);
        if digests.len() >= MAX_DIGESTS {
            digests.remove(0);
        }
        digests.push((origin.clone(), digest));
    }

    /// One request, one answer.
    async fn exchange(
        &self,
        hop: &Hop,
        extra: &[(&str, String)],
        options: &Options,
        watch: &mut Watch,
    ) -> Result<Response, NetError> {
        let mut bytes = Vec::new();
        hop.request
            .encode(&hop.origin, extra, &mut bytes)
            .map_err(|error| NetError::new(NetErrorKind::Denied, "http", &hop.origin).because(error))?;
        let message = self.talk(hop, Outgoing::new(bytes), options, watch).await?;
        Ok(self.respond(&hop.origin, &hop.request, message, options).await)
    }

    /// Sends on an idle connection, or on a fresh one if there is none or it turns out to be stale.
    async fn talk(
        &self,
        hop: &Hop,
        mut out: Outgoing,
        options: &Options,
        watch: &mut Watch,
    ) -> Result<Message, NetError> {
        if watch.is_over() {
            return Err(Broken::Time(TimeUp::Deadline).into_error(&hop.origin));
        }
        let expect = Expect::of(&hop.request.method);
        let mut idle = self.idle(&hop.origin, options);
        loop {
            let mut connection = match idle.take() {
                Some(connection) => connection,
                None => self.dial(&hop.origin, watch).await?,
            };
            match connection.answer(&mut out, expect, options.body_limit, watch).await {
                Ok(message) => {
                    if message.reusable {
                        self.keep(&hop.origin, connection, options);
                    }
                    return Ok(message);
                }
                Err(failed) if connection.reused && failed.is_stale() && hop.request.is_idempotent() => out.rewind(),
                Err(failed) => return Err(failed.broken.into_error(&hop.origin)),
            }
        }
    }

    /// An idle connection the server still holds, as far as one look can tell.
    pub(super) fn idle(&self, origin: &Origin, options: &Options) -> Option<Connection> {
        if !options.keep_alive {
            return None;
        }
        let now = self.0.clock.now();
        std::iter::from_fn(|| self.0.pool.take(origin, options.lane, now))
            .find_map(|mut idle| idle.is_quiet().then_some(idle))
    }

    pub(super) async fn dial(&self, origin: &Origin, watch: &mut Watch) -> Result<Connection, NetError> {
        let mut dialled = watch.guard(self.0.dial.dial(origin)).await;
        // The slots it waited for in vain may be held by our own idle connections.
        if matches!(&dialled, Ok(Err(error)) if error.kind == NetErrorKind::Budget(Spent::Slots)) && self.let_go() {
            dialled = watch.guard(self.0.dial.dial(origin)).await;
        }
        match dialled {
            Ok(stream) => stream.map(Connection::new),
            Err(TimeUp::Operation) => Err(NetError::new(NetErrorKind::Timeout, "connect", origin)),
            Err(TimeUp::Deadline) => {
                Err(NetError::new(NetErrorKind::Timeout, "connect", origin).because("deadline of the request"))
            }
        }
    }

    /// Closes idle connections; whether there were any.
    pub fn let_go(&self) -> bool {
        let had_some = !self.0.pool.is_empty();
        self.0.pool.clear();
        had_some
    }

    /// Keeps a connection for the next request.
    pub(super) fn keep(&self, origin: &Origin, connection: Connection, options: &Options) {
        if options.keep_alive {
            self.0.pool.put(origin, options.lane, connection, self.0.clock.now());
        }
    }

    /// Makes the answer scripts see out of what was on the wire.
    pub(super) async fn respond(
        &self,
        origin: &Origin,
        request: &Request,
        message: Message,
        options: &Options,
    ) -> Response {
        let coded = message.headers.get("Content-Encoding").is_some() && !message.body.is_empty();
        // A range of a coded body is not a coded body.
        let decoded = if coded && options.decode && message.status != 206 {
            Box::pin(decode(&message.headers, message.body, options.body_limit)).await // large, and rare on small pages
        } else {
            Decoded { body: message.body, encoded: coded, truncated: None }
        };
        Response {
            status: message.status,
            reason: message.reason.into(),
            version: message.version,
            headers: message.headers,
            trailers: message.trailers,
            body: decoded.body.into(),
            encoded: decoded.encoded,
            truncated: message.truncated.or(decoded.truncated),
            ssl: origin.tls,
            url: origin.url(request.target()).into(),
            locations: Rc::default(),
            stopped: None,
        }
    }
}

fn finished(mut response: Response, trail: Trail, stopped: Option<Stopped>) -> Response {
    response.locations = trail.locations.into();
    response.stopped = stopped;
    response
}

//! Many requests to one origin over as few connections and round trips as the server allows (RFC 9112, 9.3.2).

use super::auth::basic;
use super::connection::{Broken, Outgoing};
use super::redirect::Hop;
use super::watch::{TimeUp, Watch};
use super::{Client, Expect, Options, Origin, Request, Response};
use crate::model::{NetError, NetErrorKind};

/// Requests under way at once.
const MAX_WIDTH: usize = 32;
/// Requests in a row that may run into the operation timeout before the rest is given up.
const MAX_SILENT: usize = 2;

/// What became of requests sent together.
struct Volley {
    answers: Vec<Response>,
    /// The connection had been idle and turned out to be closed.
    stale: bool,
}

impl Client {
    /// Sends `requests` to `origin` and returns one result for each, in their order. Redirects are not followed.
    ///
    /// They are sent together; the unanswered rest goes out again when the server closes, in smaller groups, in the
    /// end one by one, which is also how requests that are not idempotent are sent. When the server cannot be reached
    /// any more, the rest shares the error.
    pub async fn pipeline(
        &self,
        origin: &Origin,
        requests: &[Request],
        options: &Options,
    ) -> Vec<Result<Response, NetError>> {
        let mut watch = self.watch(options);
        let mut results = Vec::with_capacity(requests.len());
        // A Digest answer depends on the challenge before it.
        let mut width = if options.auth.as_ref().is_some_and(|auth| auth.digest) { 1 } else { MAX_WIDTH };
        let mut silent = 0;
        let mut fatal = self.permit(origin).err();
        while let Some(rest) = requests.get(results.len()..).filter(|rest| !rest.is_empty()) {
            if watch.is_over() {
                fatal.get_or_insert_with(|| Broken::Time(TimeUp::Deadline).into_error(origin));
            }
            if let Some(error) = &fatal {
                results.resize(requests.len(), Err(error.clone()));
                break;
            }
            let together = rest.iter().take(width).take_while(|r| r.is_idempotent() && r.check().is_ok()).count();
            match rest.split_first() {
                Some((first, _)) if together < 2 => {
                    let result = self.alone(origin, first, options, &mut watch).await;
                    if let Err(error) = &result {
                        silent = if error.kind == NetErrorKind::Timeout { silent + 1 } else { 0 };
                        fatal = (is_hopeless(error) || silent >= MAX_SILENT).then(|| error.clone());
                    } else {
                        silent = 0;
                    }
                    results.push(result);
                }
                _ => match self.volley(origin, rest.get(..together).unwrap_or_default(), options, &mut watch).await {
                    Ok(volley) => {
                        let count = volley.answers.len();
                        if count < together && !volley.stale {
                            width = count.max(1);
                        }
                        results.extend(volley.answers.into_iter().map(Ok));
                    }
                    Err(error) => fatal = Some(error),
                },
            }
        }
        results
    }

    /// One request for itself.
    async fn alone(
        &self,
        origin: &Origin,
        request: &Request,
        options: &Options,
        watch: &mut Watch,
    ) -> Result<Response, NetError> {
        let hop = Hop { origin: origin.clone(), request: request.clone(), trusted: true };
        let cookies = self.cookies_for(origin, request, options);
        self.ask(&hop, cookies.as_deref(), options, watch).await
    }

    /// Sends `batch` at once and reads answers until one fails to come or the server wants to close. An error only
    /// when there is no connection.
    async fn volley(
        &self,
        origin: &Origin,
        batch: &[Request],
        options: &Options,
        watch: &mut Watch,
    ) -> Result<Volley, NetError> {
        let mut out = Outgoing::new(self.encode_all(origin, batch, options)?);
        let mut connection = match self.idle(origin, options) {
            Some(connection) => connection,
            None => self.dial(origin, watch).await?,
        };
        let mut volley = Volley { answers: Vec::with_capacity(batch.len()), stale: false };
        for request in batch {
            let expect = Expect::of(&request.method);
            match connection.answer(&mut out, expect, options.body_limit, watch).await {
                Ok(message) => {
                    let reusable = message.reusable;
                    let response = self.respond(origin, request, message, options).await;
                    self.store_cookies(origin, request, &response, options);
                    volley.answers.push(response);
                    if !reusable {
                        return Ok(volley);
                    }
                }
                Err(failed) => {
                    volley.stale = connection.reused && volley.answers.is_empty() && failed.is_stale();
                    return Ok(volley);
                }
            }
        }
        self.keep(origin, connection, options);
        Ok(volley)
    }

    fn encode_all(&self, origin: &Origin, batch: &[Request], options: &Options) -> Result<Vec<u8>, NetError> {
        let mut bytes = Vec::new();
        for request in batch {
            let extra = self.extra_for(origin, request, options);
            request
                .encode(origin, &extra, &mut bytes)
                .map_err(|error| NetError::new(NetErrorKind::Denied, "http", origin).because(error))?;
        }
        Ok(bytes)
    }

    /// Cookies and Basic credentials.
    fn extra_for(&self, origin: &Origin, request: &Request, options: &Options) -> Vec<(&'static str, String)> {
        let cookies = self.cookies_for(origin, request, options).map(|cookies| ("Cookie", cookies));
        let auth = options.auth.as_ref().filter(|auth| !auth.digest);
        let auth = auth.map(|auth| ("Authorization", basic(&auth.username, &auth.password)));
        cookies.into_iter().chain(auth).collect()
    }
}

/// Whether another connection would fail the same way.
fn is_hopeless(error: &NetError) -> bool {
    use NetErrorKind::{Budget, Denied, Local, Refused, Resolve, Tls, Unreachable};
    let unsendable = error.op == "http" && error.kind == Denied; // this request only
    !unsendable && matches!(error.kind, Budget(_) | Denied | Local | Refused | Resolve | Tls | Unreachable(_))
}

//! The functions of the Rhai module `http`.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use rhai::plugin::{Dynamic, ImmutableString, NativeCallContext, export_module, exported_module};
use rhai::{Array, Engine, Map, Module};

use super::lanes::in_lanes;
use super::{Auth, Client, Options, Origin, Redirects, Request, Response, Version};
use crate::bindings::data::Data;
use crate::bindings::fault::{ARGUMENT, Fallible, net_error, script_error};
use crate::bindings::host::PortValue;
use crate::bindings::located;
use crate::bindings::options::{check_options, flag};
use crate::bindings::reach::{AnyHost, AnyPort, Peer, Reach, bytes_of, port_number, seconds, wait_net};
use crate::model::{NetError, NetErrorKind};
use crate::script::arguments::LibraryArgument;
use crate::script::{ArgumentSpec, ArgumentType, Context, wait};

/// Requests sent through one pipeline call.
const MAX_PIPELINE: usize = 1000;
/// Paths fetched through one call.
const MAX_MANY: usize = 10_000;
/// Connections of one such call, unless told otherwise and at most.
const DEFAULT_CONNECTIONS: usize = 8;
const MAX_CONNECTIONS: i64 = 64;
/// Ports where TLS is tried first.
const TLS_PORTS: [u16; 8] = [443, 832, 981, 1311, 4443, 8443, 9443, 10443];

/// Lanes a script may have.
const LANES: u8 = 32;

const KNOWN: [&str; 14] = [
    "auth",
    "body",
    "cache",
    "cookies",
    "decode",
    "follow",
    "headers",
    "keep_alive",
    "lane",
    "max_body",
    "other_hosts",
    "timeout",
    "tls",
    "version",
];

/// `http.useragent`, `http.timeout`, `http.max-body`: what every script's client starts from.
pub fn arguments() -> Vec<LibraryArgument> {
    let argument = |name, kind, default: Dynamic, help: &str| LibraryArgument {
        name,
        spec: ArgumentSpec { kind, default, help: help.to_owned() },
    };
    vec![
        argument("http.useragent", ArgumentType::Text, Dynamic::UNIT, "what to send as User-Agent"),
        argument("http.timeout", ArgumentType::Duration, Dynamic::UNIT, "time for one operation"),
        argument("http.max-body", ArgumentType::Int, Dynamic::UNIT, "bytes of a body kept"),
    ]
}

/// Options as `--script-args` sets them for every request of the run.
fn defaults(context: &Context, reach: &Reach) -> Fallible<(Options, Option<String>)> {
    let mut options = Options { operation_timeout: reach.timeout(), ..Options::default() };
    let mut useragent = None;
    for argument in &context.shared.library_arguments {
        let value = context.shared.arguments.library_value(argument);
        let value = value.map_err(|message| script_error(ARGUMENT, "http", message))?;
        match argument.name {
            _ if value.is_unit() => {}
            "http.useragent" => useragent = Some(value.to_string()),
            "http.timeout" => options.operation_timeout = seconds("http.timeout", &value)?,
            "http.max-body" => {
                let limit = value.as_int().ok().and_then(|limit| usize::try_from(limit).ok());
                options.body_limit = limit.unwrap_or(options.body_limit);
            }
            _ => {}
        }
    }
    Ok((options, useragent))
}

/// Registers the module and the response type.
pub fn register(engine: &mut Engine) {
    engine.register_global_module(super::fields::module().into());
    let module: Module = located::module(&natives::RHAI_MANIFEST, exported_module!(natives));
    engine.register_static_module("http", module.into());
}

/// The scripts' words for how a request is made.
struct Wishes {
    options: Options,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    tls: Option<bool>,
    version: Version,
}

fn wrong<T>(op: &str, message: String) -> Fallible<T> {
    Err(script_error(ARGUMENT, op, message))
}

fn lane_of(op: &str, lane: &Dynamic) -> Fallible<u8> {
    let number = lane.as_int().ok().and_then(|number| u8::try_from(number).ok()).filter(|number| *number < LANES);
    number.ok_or(()).or_else(|()| wrong(op, format!("lane is a number from 0 to {}", LANES - 1)))
}

impl Wishes {
    fn read(op: &str, given: &Map, call: &NativeCallContext<'_>, reach: &Reach) -> Fallible<Wishes> {
        check_options(op, given, &KNOWN)?;
        let (mut options, useragent) = defaults(&*Context::of(call)?, reach)?;
        if let Some(time) = given.get("timeout") {
            let time: Duration = seconds(op, time)?;
            options.deadline = Some(reach.broker.clock().now().plus(time));
            options.operation_timeout = time;
        }
        options.redirects = redirects(op, given)?;
        options.decode = flag(op, given, "decode", true)?;
        options.cookies = flag(op, given, "cookies", false)?;
        options.cache = flag(op, given, "cache", true)?;
        options.keep_alive = flag(op, given, "keep_alive", true)?;
        options.lane = given.get("lane").map(|lane| lane_of(op, lane)).transpose()?;
        if let Some(limit) = given.get("max_body") {
            let limit = limit.as_int().ok().and_then(|limit| usize::try_from(limit).ok());
            let Some(limit) = limit else { return wrong(op, "max_body is a number of bytes".into()) };
            options.body_limit = limit;
        }
        options.auth = given.get("auth").map(|auth| credentials(op, auth)).transpose()?;
        let version = match given.get("version").map(ToString::to_string).as_deref() {
            None | Some("1.1") => Version::Http11,
            Some("1.0") => Version::Http10,
            Some(other) => return wrong(op, format!("version is \"1.0\" or \"1.1\", not \"{other}\"")),
        };
        let mut headers = given.get("headers").map_or(Ok(Vec::new()), |headers| header_fields(op, headers))?;
        if let Some(useragent) = useragent
            && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent"))
        {
            headers.push(("User-Agent".to_owned(), useragent.into_bytes()));
        }
        Ok(Wishes {
            options,
            headers,
            body: given.get("body").map_or(Ok(Vec::new()), |body| bytes_of(op, body))?,
            tls: given.get("tls").map(|_| flag(op, given, "tls", false)).transpose()?,
            version,
        })
    }

    fn request(&self, method: &str, path: &str) -> Request {
        let mut request = Request::new(method, path.as_bytes());
        request.headers.clone_from(&self.headers);
        request.body.clone_from(&self.body);
        request.version = self.version;
        request
    }
}

fn redirects(op: &str, given: &Map) -> Fallible<Redirects> {
    let mut redirects = Redirects { other_hosts: flag(op, given, "other_hosts", false)?, ..Redirects::default() };
    match given.get("follow") {
        None => {}
        Some(value) if value.as_bool() == Ok(true) => {}
        Some(value) if value.as_bool() == Ok(false) => redirects.max = 0,
        Some(value) => match value.as_int().ok().and_then(|max| u8::try_from(max).ok()) {
            Some(max) => redirects.max = max,
            None => return wrong(op, "follow is true, false or a number of redirects".into()),
        },
    }
    Ok(redirects)
}

fn credentials(op: &str, auth: &Dynamic) -> Fallible<Auth> {
    let Some(map) = auth.read_lock::<Map>() else {
        return wrong(op, "auth is a map: #{ username, password, digest }".into());
    };
    check_options(op, &map, &["username", "password", "digest"])?;
    let text = |name: &str| map.get(name).map(ToString::to_string).unwrap_or_default();
    let digest = flag(op, &map, "digest", false)?;
    Ok(Auth { username: text("username"), password: text("password"), digest })
}

/// A map of names and values, or a list of `[name, value]` where order or repetition matters.
fn header_fields(op: &str, headers: &Dynamic) -> Fallible<Vec<(String, Vec<u8>)>> {
    if let Some(map) = headers.read_lock::<Map>() {
        return map.iter().map(|(name, value)| Ok((name.to_string(), bytes_of(op, value)?))).collect();
    }
    let Some(list) = headers.read_lock::<Array>() else {
        return wrong(op, "headers is a map, or a list of [name, value]".into());
    };
    let pair = |item: &Dynamic| match item.read_lock::<Array>().as_deref().map(Vec::as_slice) {
        Some([name, value]) => Ok((name.to_string(), bytes_of(op, value)?)),
        _ => wrong(op, "each header is [name, value]".into()),
    };
    list.iter().map(pair).collect()
}

/// Whether the port most likely speaks TLS, when the script does not say.
fn guess_tls(port: &Dynamic, number: u16) -> bool {
    let by_service = port.read_lock::<PortValue>().is_some_and(|port| port.speaks_tls());
    by_service || TLS_PORTS.contains(&number)
}

/// One request: whom to ask, and what.
struct Asked {
    reach: Rc<Reach>,
    client: Client,
    peer: Peer,
    port: u16,
    wishes: Wishes,
    /// TLS first; without it if the peer turns out not to speak TLS and the script left the choice to us.
    tls: bool,
    may_fall_back: bool,
}

impl Asked {
    fn new(op: &str, call: &NativeCallContext<'_>, host: &Dynamic, port: &Dynamic, given: &Map) -> Fallible<Asked> {
        let reach = Reach::of(call)?;
        let peer = Peer::from_script(op, host)?;
        let number = port_number(op, port)?;
        let wishes = Wishes::read(op, given, call, &reach)?;
        let tls = wishes.tls.unwrap_or_else(|| guess_tls(port, number));
        let may_fall_back = wishes.tls.is_none() && tls;
        Ok(Asked { client: reach.client(), reach, peer, port: number, wishes, tls, may_fall_back })
    }

    async fn origin(&self, tls: bool) -> Result<Origin, NetError> {
        let addr: SocketAddr = self.peer.resolve(&self.reach, self.port).await?;
        let host = self.peer.name().map_or_else(|| addr.ip().to_string(), str::to_owned);
        Ok(Origin::at(tls, &host, addr))
    }

    async fn fetch(&self, request: Request) -> Result<Response, NetError> {
        let origin = self.origin(self.tls).await?;
        let answer = self.client.fetch(&origin, request.clone(), &self.wishes.options).await;
        let not_tls = |error: &NetError| matches!(error.kind, NetErrorKind::Tls | NetErrorKind::Protocol);
        match answer {
            Err(error) if self.may_fall_back && not_tls(&error) => {
                let plain = self.origin(false).await?;
                self.client.fetch(&plain, request, &self.wishes.options).await
            }
            answer => answer,
        }
    }
}

fn ask(
    call: &NativeCallContext<'_>,
    method: &str,
    (host, port): (&Dynamic, &Dynamic),
    path: &str,
    given: &Map,
) -> Fallible<Response> {
    let asked = Asked::new("http::request", call, host, port, given)?;
    let request = asked.wishes.request(method, path);
    wait_net(async move { asked.fetch(request).await })
}

fn ask_url(call: &NativeCallContext<'_>, url: &str, given: &Map) -> Fallible<Response> {
    const OP: &str = "http::get_url";
    let base = Origin::new(false, "", 80);
    let Some(target) = super::resolve(&base, b"/", url.as_bytes()).filter(|target| !target.origin.host.is_empty())
    else {
        return wrong(OP, format!("\"{url}\" is not an absolute http or https URL"));
    };
    let reach = Reach::of(call)?;
    let wishes = Wishes::read(OP, given, call, &reach)?;
    let client = reach.client();
    let mut request = wishes.request("GET", "");
    request.path = target.path;
    wait_net(async move { client.fetch(&target.origin, request, &wishes.options).await })
}

fn pipeline_with(
    call: &NativeCallContext<'_>,
    (host, port): (&Dynamic, &Dynamic),
    requests: Array,
    given: &Map,
) -> Fallible<Array> {
    const OP: &str = "http::pipeline";
    if requests.len() > MAX_PIPELINE {
        return wrong(OP, format!("at most {MAX_PIPELINE} requests at once, not {}", requests.len()));
    }
    let asked = Asked::new(OP, call, host, port, given)?;
    let planned: Vec<Request> = requests
        .into_iter()
        .map(|item| match item.read_lock::<Map>() {
            Some(map) => {
                let text = |name: &str| map.get(name).map(ToString::to_string);
                let method = text("method").unwrap_or_else(|| "GET".to_owned());
                Ok(asked.wishes.request(&method, &text("path").unwrap_or_else(|| "/".to_owned())))
            }
            None => match item.clone().into_immutable_string() {
                Ok(path) => Ok(asked.wishes.request("GET", &path)),
                Err(found) => wrong(OP, format!("a request is a path or #{{ method, path }}, not {found}")),
            },
        })
        .collect::<Fallible<_>>()?;
    let results = wait_net(async move {
        let origin = asked.origin(asked.tls).await?;
        Ok(asked.client.pipeline(&origin, &planned, &asked.wishes.options).await)
    })?;
    Ok(results.into_iter().map(as_value).collect())
}

/// A response, or the error as `catch` would see it.
fn as_value(result: Result<Response, NetError>) -> Dynamic {
    match result {
        Ok(response) => Dynamic::from::<Response>(response),
        Err(error) => match *net_error(&error) {
            rhai::EvalAltResult::ErrorRuntime(value, _) => value,
            other => other.to_string().into(),
        },
    }
}

fn get_many_with(
    call: &NativeCallContext<'_>,
    (host, port): (&Dynamic, &Dynamic),
    paths: Array,
    mut given: Map,
) -> Fallible<Array> {
    const OP: &str = "http::get_many";
    if paths.len() > MAX_MANY {
        return wrong(OP, format!("at most {MAX_MANY} paths at once, not {}", paths.len()));
    }
    let width = match given.remove("connections").map(|width| width.as_int()) {
        None => DEFAULT_CONNECTIONS,
        Some(Ok(width @ 1..=MAX_CONNECTIONS)) => width as usize,
        Some(_) => return wrong(OP, format!("connections is a number from 1 to {MAX_CONNECTIONS}")),
    };
    let asked = Asked::new(OP, call, host, port, &given)?;
    let request = |path: Dynamic| match path.into_immutable_string() {
        Ok(path) => Ok(asked.wishes.request("GET", &path)),
        Err(found) => wrong(OP, format!("a path is text, not {found}")),
    };
    let requests: Vec<Request> = paths.into_iter().map(request).collect::<Fallible<_>>()?;
    let results = wait(async move { in_lanes(requests, width, |request| asked.fetch(request)).await })?;
    Ok(results.into_iter().map(as_value).collect())
}

/// An HTTP/1 client: redirects, chunked and compressed bodies, cookies, Basic and Digest credentials, keep-alive and
/// pipelining, and a cache that all scripts of the run share. Capability `tcp`, for https also `tls`.
///
/// Options of every function: `timeout` (seconds for everything), `headers` (map, or list of `[name, value]`), `body`,
/// `follow` (redirects: true, false or how many; 5 by default), `other_hosts` (follow them elsewhere), `tls` (true or
/// false; guessed from the port), `auth` (`#{ username, password, digest }`), `cookies` (keep and send them), `cache`,
/// `keep_alive`, `lane` (a number up to 31: requests with it share a kept connection with nobody else, so that which goes over
/// which does not depend on what is answered first), `decode` (content codings), `max_body` (bytes; 1 MiB), `version` (`"1.0"`).
///
/// A response has `status`, `reason`, `version`, `header(name)`, `headers`, `raw_headers`, `body` (BLOB), `url`,
/// `locations`, `stopped`, `ssl`, `truncated`, `cookies`.
#[export_module(manifest)]
mod natives {
    /// Fetches a path. Errors: those of `net::connect`, `tls`, `timeout`, `closed`, `reset`, `protocol`. Suspends.
    ///
    /// ```rhai
    /// let page = http::get(host, http_port, "/");
    /// assert_eq(page.status, 200);
    /// assert_eq(html::title(page.body), "Example");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn get(call: NativeCallContext, host: AnyHost, port: AnyPort, path: &str) -> Fallible<Response> {
        ask(&call, "GET", (&host, &port), path, &Map::new())
    }

    /// The same with options. Suspends.
    ///
    /// ```rhai
    /// let page = http::get(host, http_port, "/", #{ follow: false, headers: #{ "X-Test": "1" } });
    /// assert_eq(page.header("content-type"), "text/html");
    /// ```
    #[rhai_fn(name = "get", return_raw)]
    pub fn get_options(
        call: NativeCallContext,
        host: AnyHost,
        port: AnyPort,
        path: &str,
        options: Map,
    ) -> Fallible<Response> {
        ask(&call, "GET", (&host, &port), path, &options)
    }

    /// Fetches the head of a path. Suspends.
    ///
    /// ```rhai
    /// assert_eq(http::head(host, http_port, "/").body.len(), 0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn head(call: NativeCallContext, host: AnyHost, port: AnyPort, path: &str) -> Fallible<Response> {
        ask(&call, "HEAD", (&host, &port), path, &Map::new())
    }

    /// The same with options. Suspends.
    ///
    /// ```rhai
    /// assert_eq(http::head(host, http_port, "/", #{ timeout: 5 }).status, 200);
    /// ```
    #[rhai_fn(name = "head", return_raw)]
    pub fn head_options(
        call: NativeCallContext,
        host: AnyHost,
        port: AnyPort,
        path: &str,
        options: Map,
    ) -> Fallible<Response> {
        ask(&call, "HEAD", (&host, &port), path, &options)
    }

    /// Sends a body (BLOB or text) to a path. Suspends.
    ///
    /// ```rhai
    /// assert_eq(http::post(host, http_port, "/", "a=b").status, 200);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn post(call: NativeCallContext, host: AnyHost, port: AnyPort, path: &str, body: Data) -> Fallible<Response> {
        post_options(call, host, port, path, body, Map::new())
    }

    /// The same with options. Suspends.
    ///
    /// ```rhai
    /// let type = #{ "Content-Type": "application/json" };
    /// assert_eq(http::post(host, http_port, "/", "{}", #{ headers: type }).status, 200);
    /// ```
    #[rhai_fn(name = "post", return_raw)]
    pub fn post_options(
        call: NativeCallContext,
        host: AnyHost,
        port: AnyPort,
        path: &str,
        body: Data,
        mut options: Map,
    ) -> Fallible<Response> {
        options.insert("body".into(), body);
        ask(&call, "POST", (&host, &port), path, &options)
    }

    /// Any method. Suspends.
    ///
    /// ```rhai
    /// assert_eq(http::request("OPTIONS", host, http_port, "/").status, 200);
    /// ```
    #[rhai_fn(name = "request", return_raw)]
    pub fn request_plain(
        call: NativeCallContext,
        method: ImmutableString,
        host: AnyHost,
        port: AnyPort,
        path: &str,
    ) -> Fallible<Response> {
        ask(&call, &method, (&host, &port), path, &Map::new())
    }

    /// The same with options. Suspends.
    ///
    /// ```rhai
    /// assert_eq(http::request("PUT", host, http_port, "/", #{ body: "a" }).status, 200);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn request(
        call: NativeCallContext,
        method: ImmutableString,
        host: AnyHost,
        port: AnyPort,
        path: &str,
        options: Map,
    ) -> Fallible<Response> {
        ask(&call, &method, (&host, &port), path, &options)
    }

    /// Fetches an absolute URL. Another host takes the capability `other-hosts`, a name also `dns`. Suspends.
    ///
    /// ```rhai
    /// assert_eq(http::get_url(`http://${host}:${http_port}/`).status, 200);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn get_url(call: NativeCallContext, url: &str) -> Fallible<Response> {
        ask_url(&call, url, &Map::new())
    }

    /// The same with options. Suspends.
    ///
    /// ```rhai
    /// assert_eq(http::get_url(`http://${host}:${http_port}/`, #{ follow: false }).status, 200);
    /// ```
    #[rhai_fn(name = "get_url", return_raw)]
    pub fn get_url_options(call: NativeCallContext, url: &str, options: Map) -> Fallible<Response> {
        ask_url(&call, url, &options)
    }

    /// Sends many requests over few connections and returns one result for each, in order: a response, or the error
    /// `#{ kind, op, peer, message }`. A request is a path or `#{ method, path }`. Redirects are not followed. Suspends.
    ///
    /// ```rhai
    /// let pages = http::pipeline(host, http_port, ["/", #{ method: "HEAD", path: "/" }]);
    /// assert_eq(pages.map(|page| page.status), [200, 200]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn pipeline(call: NativeCallContext, host: AnyHost, port: AnyPort, requests: Array) -> Fallible<Array> {
        pipeline_with(&call, (&host, &port), requests, &Map::new())
    }

    /// The same with options. Suspends.
    ///
    /// ```rhai
    /// let pages = http::pipeline(host, http_port, ["/a", "/b"], #{ headers: #{ "X-Test": "1" } });
    /// assert_eq(pages.len(), 2);
    /// ```
    #[rhai_fn(name = "pipeline", return_raw)]
    pub fn pipeline_options(
        call: NativeCallContext,
        host: AnyHost,
        port: AnyPort,
        requests: Array,
        options: Map,
    ) -> Fallible<Array> {
        pipeline_with(&call, (&host, &port), requests, &options)
    }

    /// Fetches many paths side by side, over 8 connections or as many as the option `connections` says (64 at most), and
    /// returns one result for each, in their order: a response, or the error `#{ kind, op, peer, message }`. `timeout`
    /// is for all together. At most 10 000 paths. Suspends.
    ///
    /// ```rhai
    /// let pages = http::get_many(host, http_port, ["/", "/", "/"], #{ connections: 2 });
    /// assert_eq(pages.map(|page| page.status), [200, 200, 200]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn get_many(
        call: NativeCallContext,
        host: Dynamic,
        port: Dynamic,
        paths: Array,
        options: Map,
    ) -> Fallible<Array> {
        get_many_with(&call, (&host, &port), paths, options)
    }
}

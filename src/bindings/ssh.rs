//! The Rhai module `ssh`: what SSH servers show, and commands run on them.

use rhai::plugin::{Dynamic, NativeCallContext, export_module, exported_module};
use rhai::{Array, Engine, INT, Map, Module};

use super::fault::{ARGUMENT, Fallible, LIMIT, net_error, script_error, script_error_with};
use super::options::{check_options, text};
use super::reach::{AnyHost, AnyPort, Peer, Reach, port_number, seconds, wait_net};
use crate::bindings::located;
use crate::model::NetError;
use crate::net::ssh::exec::{self, ExecError, Finished, Login, Proof};
use crate::net::ssh::inspect::Inspection;
use crate::net::ssh::{HostKey, Identification, LISTS, PrivateKey};
use crate::net::{ConnectOptions, NetFuture, Stream, within};

/// `kind` of the error when a server does not let a user in.
const AUTH: &str = "auth";

/// Registers the module.
pub fn register(engine: &mut Engine) {
    let module: Module = located::module(&natives::RHAI_MANIFEST, exported_module!(natives));
    engine.register_static_module("ssh", module.into());
}

fn map(fields: impl IntoIterator<Item = (&'static str, Dynamic)>) -> Map {
    fields.into_iter().map(|(key, value)| (key.into(), value)).collect()
}

fn texts(items: impl IntoIterator<Item = String>) -> Dynamic {
    Dynamic::from_array(items.into_iter().map(Dynamic::from).collect())
}

fn identification_map(found: &Identification) -> Map {
    let (protocol, software, comment) = found.parts();
    map([
        ("line", found.text().into()),
        ("protocol", protocol.into()),
        ("software", software.into()),
        ("comment", comment.map_or(Dynamic::UNIT, Dynamic::from)),
        ("preface", texts(found.preface.iter().cloned())),
    ])
}

fn key_map(key: &HostKey) -> Map {
    map([
        ("type", key.name().to_owned().into()),
        ("algorithm", key.algorithm.clone().into()),
        ("bits", key.bits.map_or(Dynamic::UNIT, |bits| Dynamic::from(bits as INT))),
        ("sha256", key.sha256().into()),
        ("md5", key.md5().into()),
        ("line", key.line().into()),
        ("key", Dynamic::from_blob(key.blob.clone())),
    ])
}

fn finished_map(finished: Finished) -> Map {
    map([
        ("stdout", Dynamic::from_blob(finished.stdout)),
        ("stderr", Dynamic::from_blob(finished.stderr)),
        ("status", finished.status.map_or(Dynamic::UNIT, |status| Dynamic::from(INT::from(status)))),
        ("signal", finished.signal.map_or(Dynamic::UNIT, Dynamic::from)),
        ("host_key", finished.host_key.map_or(Dynamic::UNIT, |key| Dynamic::from_map(key_map(&key)))),
    ])
}

/// Looks at a server through the broker; every connection of it is admitted, counted and limited as any other.
fn look<
    T: 'static,
    F: AsyncFnOnce(&Inspection<'_, &dyn Fn() -> NetFuture<Box<dyn Stream>>>) -> Result<T, NetError> + 'static,
>(
    call: &NativeCallContext<'_>,
    op: &str,
    host: &Dynamic,
    port: &Dynamic,
    look: F,
) -> Fallible<T> {
    let reach = Reach::of(call)?;
    let (peer, port) = (Peer::from_script(op, host)?, port_number(op, port)?);
    wait_net(async move {
        let addr = peer.resolve(&reach, port).await?;
        let limit = reach.timeout();
        let connect = ConnectOptions { timeout: Some(limit), ..ConnectOptions::default() };
        let dial = || reach.broker.connect(&reach.warrant, addr, connect.clone());
        let (clock, random) = (reach.broker.clock(), reach.broker.random());
        look(&Inspection { dial: &dial, limit, clock, random }).await
    })
}

/// Whether a key of this format was asked for: by its name or by its type.
fn is_wanted(types: &[String], format: &str) -> bool {
    types.is_empty() || types.iter().any(|name| name == format || type_of(format).eq_ignore_ascii_case(name))
}

fn type_of(format: &str) -> &str {
    match format {
        "ssh-rsa" => "rsa",
        "ssh-dss" => "dsa",
        name if name.starts_with("ecdsa-") => "ecdsa",
        name => name.strip_prefix("ssh-").unwrap_or(name),
    }
}

fn host_keys_of(call: &NativeCallContext<'_>, host: &Dynamic, port: &Dynamic, types: &Array) -> Fallible<Array> {
    const OP: &str = "ssh::host_keys";
    let names = types.iter().map(|name| {
        let name = name.clone().into_string();
        name.map_err(|found| script_error(ARGUMENT, OP, format!("types are a list of text, not {found}")))
    });
    let types: Vec<String> = names.collect::<Fallible<_>>()?;
    let wanted = move |format: &str| is_wanted(&types, format);
    let keys = look(call, OP, host, port, async move |server| server.host_keys(&wanted).await)?;
    Ok(keys.iter().map(|key| Dynamic::from_map(key_map(key))).collect())
}

/// Text of an option, none where it is not given.
fn option(op: &str, options: &Map, name: &str, limit: usize) -> Fallible<Option<String>> {
    let Some(text) = text(op, options, name)? else { return Ok(None) };
    if text.len() > limit {
        return Err(script_error(ARGUMENT, op, format!("{name} is longer than {limit} bytes")));
    }
    Ok(Some(text.into_owned()))
}

fn login_from(op: &str, options: &Map) -> Fallible<Login> {
    check_options(op, options, &["user", "password", "key", "timeout"])?;
    let user = option(op, options, "user", exec::MAX_USER)?;
    let user = user.ok_or_else(|| script_error(ARGUMENT, op, "user is missing"))?;
    let password = option(op, options, "password", exec::MAX_TEXT)?;
    let key = option(op, options, "key", exec::MAX_TEXT)?;
    let proof = match (password, key) {
        (Some(password), None) => Proof::Password(password),
        (None, Some(key)) => {
            let key = PrivateKey::parse(&key);
            Proof::Key(Box::new(key.map_err(|message| script_error(ARGUMENT, op, format!("key: {message}")))?))
        }
        _ => return Err(script_error(ARGUMENT, op, "give either password or key")),
    };
    Ok(Login { user, proof })
}

fn exec_on(
    call: &NativeCallContext<'_>,
    host: &Dynamic,
    port: &Dynamic,
    options: &Map,
    command: &str,
) -> Fallible<Finished> {
    const OP: &str = "ssh::exec";
    let reach = Reach::of(call)?;
    let (peer, port) = (Peer::from_script(OP, host)?, port_number(OP, port)?);
    let login = login_from(OP, options)?;
    let limit = options.get("timeout").map_or(Ok(reach.timeout()), |value| seconds(OP, value))?;
    if command.len() > exec::MAX_TEXT {
        return Err(script_error(ARGUMENT, OP, format!("the command is longer than {} bytes", exec::MAX_TEXT)));
    }
    let command = command.to_owned();
    let ran = wait_net(async move {
        let addr = peer.resolve(&reach, port).await?;
        let connect = ConnectOptions { timeout: Some(limit), ..ConnectOptions::default() };
        let stream = reach.broker.connect(&reach.warrant, addr, connect).await?;
        let clock = reach.broker.clock();
        // What is no error of the network travels as a value.
        within(clock, limit, "ssh", addr, async { Ok((addr, exec::exec(stream, login, &command).await)) }).await
    })?;
    let (addr, result) = ran;
    result.map_err(|error| match error {
        ExecError::Refused(message) => script_error_with(AUTH, "ssh", &addr.to_string(), message),
        ExecError::TooLong(message) => script_error_with(LIMIT, "ssh", &addr.to_string(), message),
        ExecError::Net(error) => net_error(&error),
    })
}

/// SSH servers: what they show to anybody, and commands run on them by users they know. Every connection needs the
/// capability `tcp` and may take the usual time of an operation.
#[export_module(manifest)]
mod natives {
    /// How a server identifies itself: `#{ line, protocol, software, comment, preface }`. `line` is all of it, `comment`
    /// is unit where there is none, `preface` lists the lines sent in front. Errors: those of `net::connect`,
    /// `protocol` when the peer is no SSH server, `closed`, `timeout`. Suspends.
    ///
    /// ```rhai
    /// // The port of these examples only echoes, so what comes back is our own line.
    /// assert_eq(ssh::banner(host, port).protocol, "2.0");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn banner(call: NativeCallContext, host: AnyHost, port: AnyPort) -> Fallible<Map> {
        let found = look(&call, "ssh::banner", &host, &port, async move |server| server.identification().await);
        found.map(|found| identification_map(&found))
    }

    /// What a server offers, as a map of lists in its order of preference, by the names of the standard:
    /// `kex_algorithms`, `server_host_key_algorithms`, and for each direction (`_client_to_server`,
    /// `_server_to_client`) `encryption_algorithms`, `mac_algorithms`, `compression_algorithms`, `languages`. Errors as
    /// those of `ssh::banner`. Suspends.
    ///
    /// ```rhai
    /// // The port of these examples only echoes, so these are our own algorithms.
    /// let offered = ssh::algorithms(host, port);
    /// assert_eq(offered.kex_algorithms[0], "curve25519-sha256");
    /// assert_eq(offered.compression_algorithms_client_to_server, ["none"]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn algorithms(call: NativeCallContext, host: AnyHost, port: AnyPort) -> Fallible<Map> {
        let offered = look(&call, "ssh::algorithms", &host, &port, async move |server| server.algorithms().await)?;
        Ok(map(LISTS.into_iter().zip(offered.lists.into_iter().map(texts))))
    }

    /// A server's host keys in the order it offers them, each a map: `type` (`RSA`, `ECDSA`, `ED25519`, …), `algorithm`
    /// (`ssh-rsa`, …), `bits` (unit where unknown), `sha256` and `md5` (fingerprints as OpenSSH prints them), `line` (as in
    /// `known_hosts`), `key` (BLOB). Each key takes a connection of its own. They are what the server shows: that it holds
    /// the private halves is not proven. Errors as those of `ssh::banner`. Suspends.
    ///
    /// ```rhai
    /// // The port of these examples only echoes.
    /// let kind = "";
    /// try { ssh::host_keys(host, port) } catch (error) { kind = error.kind }
    /// assert_eq(kind, "protocol");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn host_keys(call: NativeCallContext, host: AnyHost, port: AnyPort) -> Fallible<Array> {
        host_keys_of(&call, &host, &port, &Array::new())
    }

    /// The same for certain types only: `"rsa"`, `"dsa"`, `"ecdsa"`, `"ed25519"`, or names such as `"ssh-rsa"`. Suspends.
    ///
    /// ```rhai
    /// let kind = "";
    /// try { ssh::host_keys(host, port, ["ed25519"]) } catch (error) { kind = error.kind }
    /// assert_eq(kind, "protocol");
    /// ```
    #[rhai_fn(name = "host_keys", return_raw)]
    pub fn host_keys_of_types(call: NativeCallContext, host: AnyHost, port: AnyPort, types: Array) -> Fallible<Array> {
        host_keys_of(&call, &host, &port, &types)
    }

    /// How a user may prove who they are: `#{ methods, banner }`. `methods` lists names such as `publickey`, `password`,
    /// `keyboard-interactive`, or `none` alone if the user was let in just like that; `banner` is the text shown before.
    /// Asks for the method `none`, which servers log as a failed attempt. Errors as those of `ssh::banner`. Suspends.
    ///
    /// ```rhai
    /// // The port of these examples only echoes.
    /// let kind = "";
    /// try { ssh::auth_methods(host, port, "root") } catch (error) { kind = error.kind }
    /// assert_eq(kind, "protocol");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn auth_methods(call: NativeCallContext, host: AnyHost, port: AnyPort, user: &str) -> Fallible<Map> {
        const OP: &str = "ssh::auth_methods";
        if user.len() > exec::MAX_TEXT {
            return Err(script_error(ARGUMENT, OP, format!("user is longer than {} bytes", exec::MAX_TEXT)));
        }
        let user = user.to_owned();
        let found = look(&call, OP, &host, &port, async move |server| server.auth_methods(&user).await)?;
        Ok(map([("methods", texts(found.methods)), ("banner", found.banner.into())]))
    }

    /// Logs in, runs a command, and returns `#{ stdout, stderr, status, signal, host_key }`: BLOBs, the exit status (unit
    /// when a signal ended it, which `signal` then names), and the host key as `ssh::host_keys` describes it, here
    /// proven. Options: `user`; `password`, or `key`, the text of a private key in OpenSSH's format without passphrase
    /// (Ed25519, or ECDSA over P-256); `timeout` in seconds for all of it. Wants a server with an Ed25519 host key and modern
    /// algorithms; others are an error `protocol`. At most 1 MiB of output. Errors: `auth` when the server does not let
    /// the user in, `limit`, `argument`, else as those of `ssh::banner`. Suspends.
    ///
    /// ```rhai
    /// // The port of these examples only echoes.
    /// let kind = "";
    /// try { ssh::exec(host, port, #{ user: "root", password: "secret" }, "uname -r") } catch (error) { kind = error.kind }
    /// assert_eq(kind, "protocol");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn exec(call: NativeCallContext, host: AnyHost, port: AnyPort, options: Map, command: &str) -> Fallible<Map> {
        exec_on(&call, &host, &port, &options, command).map(finished_map)
    }
}

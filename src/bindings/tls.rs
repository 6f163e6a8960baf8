//! The Rhai module `tls`: what a server presents, and certificates as values.

use rhai::plugin::{Dynamic, NativeCallContext, export_module, exported_module};
use rhai::{Array, Blob, Engine, INT, Map, Module};

use super::fault::{ARGUMENT, Fallible, PROTOCOL, script_error};
use super::options::check_options;
use super::output::Table;
use super::reach::{AnyHost, AnyPort, Peer, Reach, bytes_of, port_number, seconds, wait_net};
use crate::bindings::located;
use crate::model::Capability;
use crate::net::ConnectOptions;
use crate::net::tls::certificate::DistinguishedName;
use crate::net::tls::fetch::inspect as inspect_server;
use crate::net::tls::{Certificate, TlsInfo, TlsOptions};

/// Registers the module.
pub fn register(engine: &mut Engine) {
    let module: Module = located::module(&natives::RHAI_MANIFEST, exported_module!(natives));
    engine.register_static_module("tls", module.into());
}

/// Reads `server_name` (text, or false for none) and `alpn` (list of text); `name` is presented by default.
pub fn options_from(op: &str, options: &Map, name: Option<&str>) -> Fallible<TlsOptions> {
    let server_name = match options.get("server_name") {
        None => name.map(str::to_owned),
        Some(value) if value.as_bool() == Ok(false) => None,
        Some(value) => Some(
            value
                .clone()
                .into_string()
                .map_err(|found| script_error(ARGUMENT, op, format!("server_name is text or false, not {found}")))?,
        ),
    };
    let alpn = match options.get("alpn") {
        None => Vec::new(),
        Some(value) => {
            let names = value.clone().into_array();
            let names = names.map_err(|found| script_error(ARGUMENT, op, format!("alpn is a list, not {found}")))?;
            names.iter().map(|name| bytes_of(op, name)).collect::<Fallible<_>>()?
        }
    };
    Ok(TlsOptions { server_name, alpn, versions: Vec::new() })
}

fn map(fields: impl IntoIterator<Item = (&'static str, Dynamic)>) -> Map {
    fields.into_iter().map(|(key, value)| (key.into(), value)).collect()
}

/// A handshake's facts as scripts see them.
pub fn info_map(info: &TlsInfo) -> Map {
    let text = |bytes: &Vec<u8>| Dynamic::from(String::from_utf8_lossy(bytes).into_owned());
    map([
        ("version", info.version.to_string().into()),
        ("cipher", info.cipher_suite.clone().into()),
        ("alpn", info.alpn.as_ref().map_or(Dynamic::UNIT, text)),
        ("group", info.group.clone().map_or(Dynamic::UNIT, Dynamic::from)),
        ("chain", Dynamic::from_array(info.chain.iter().cloned().map(Dynamic::from_blob).collect())),
    ])
}

fn name_table(name: &DistinguishedName) -> Dynamic {
    let mut table = Table::default();
    for (key, value) in &name.attributes {
        // A repeated attribute (several OUs) becomes one line, in order.
        let value = match table.get(key) {
            Some(earlier) => format!("{earlier}, {value}"),
            None => value.clone(),
        };
        table.set(key, value.into());
    }
    Dynamic::from(table)
}

fn certificate_map(certificate: &Certificate) -> Map {
    let texts = |items: &[String]| Dynamic::from_array(items.iter().cloned().map(Dynamic::from).collect());
    let usages: Array = certificate.key_usage.iter().map(|usage| Dynamic::from(*usage)).collect();
    let names: Array =
        certificate.alternative_names.iter().map(|(kind, value)| format!("{kind}:{value}").into()).collect();
    let key = &certificate.public_key;
    map([
        ("version", INT::from(certificate.version).into()),
        ("serial", certificate.serial.clone().into()),
        ("subject", name_table(&certificate.subject)),
        ("subject_text", certificate.subject.text.clone().into()),
        ("issuer", name_table(&certificate.issuer)),
        ("issuer_text", certificate.issuer.text.clone().into()),
        ("not_before", certificate.not_before.into()),
        ("not_after", certificate.not_after.into()),
        ("key_type", key.algorithm.clone().into()),
        ("key_bits", (key.bits as INT).into()),
        ("key_curve", key.curve.clone().map_or(Dynamic::UNIT, Dynamic::from)),
        ("signature_algorithm", certificate.signature_algorithm.clone().into()),
        ("alternative_names", Dynamic::from_array(names)),
        ("key_usage", Dynamic::from_array(usages)),
        ("extended_key_usage", texts(&certificate.extended_key_usage)),
        ("is_ca", certificate.basic_constraints.is_some_and(|(ca, _)| ca).into()),
        ("self_signed", certificate.self_signed.into()),
        ("md5", certificate.md5.clone().into()),
        ("sha1", certificate.sha1.clone().into()),
        ("sha256", certificate.sha256.clone().into()),
        ("pem", certificate.pem.clone().into()),
    ])
}

fn inspect_with(call: &NativeCallContext<'_>, host: &Dynamic, port: &Dynamic, options: &Map) -> Fallible<Map> {
    const OP: &str = "tls::inspect";
    check_options(OP, options, &["server_name", "alpn", "timeout"])?;
    let reach = Reach::of(call)?;
    let peer = Peer::from_script(OP, host)?;
    let port = port_number(OP, port)?;
    let tls = options_from(OP, options, peer.name())?;
    let limit = options.get("timeout").map_or(Ok(reach.timeout()), |value| seconds(OP, value))?;
    let info = wait_net(async move {
        let addr = peer.resolve(&reach, port).await?;
        reach.broker.admit(&reach.warrant, Capability::Tls, "tls", addr)?;
        let dial = || {
            let connect = ConnectOptions { timeout: Some(limit), ..ConnectOptions::default() };
            reach.broker.connect(&reach.warrant, addr, connect)
        };
        inspect_server(dial, &tls, limit, reach.broker.clock(), reach.broker.random()).await
    })?;
    Ok(info_map(&info))
}

/// What TLS servers present. Nothing is verified: scanners report certificates, they do not refuse them.
#[export_module(manifest)]
mod natives {
    /// Shakes hands with a server and returns `#{ version, cipher, alpn, group, chain }`; the chain holds DER BLOBs,
    /// the server's own certificate first. Old servers (TLS 1.0, RSA key exchange, CBC) are asked by our own prober.
    /// Capabilities `tcp` and `tls`. Errors: those of `net::connect`, `tls`, `protocol`. Suspends.
    ///
    /// ```rhai
    /// // The port of these examples only echoes.
    /// let kind = "";
    /// try { tls::inspect(host, port) } catch (error) { kind = error.kind }
    /// assert_eq(kind, "protocol");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn inspect(call: NativeCallContext, host: AnyHost, port: AnyPort) -> Fallible<Map> {
        inspect_with(&call, &host, &port, &Map::new())
    }

    /// The same with options: `server_name` (text, or false for none), `alpn` (list), `timeout` (seconds, for each
    /// connection and handshake). Suspends.
    ///
    /// ```rhai
    /// let kind = "";
    /// try { tls::inspect(host, port, #{ server_name: false, timeout: 2 }) } catch (error) { kind = error.kind }
    /// assert_eq(kind, "protocol");
    /// ```
    #[rhai_fn(name = "inspect", return_raw)]
    pub fn inspect_options(call: NativeCallContext, host: AnyHost, port: AnyPort, options: Map) -> Fallible<Map> {
        inspect_with(&call, &host, &port, &options)
    }

    /// A certificate (DER) as a map: `version`, `serial`, `subject` and `issuer` (tables) and their `_text`,
    /// `not_before` and `not_after` (seconds since 1970), `key_type`, `key_bits`, `key_curve`, `signature_algorithm`,
    /// `alternative_names`, `key_usage`, `extended_key_usage`, `is_ca`, `self_signed`, `md5`, `sha1`, `sha256`, `pem`.
    /// Anything else is an error `protocol`.
    ///
    /// ```rhai
    /// let kind = "";
    /// try { tls::certificate(bytes::from_text("nonsense")) } catch (error) { kind = error.kind }
    /// assert_eq(kind, "protocol");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn certificate(der: Blob) -> Fallible<Map> {
        let parsed = Certificate::parse(&der);
        parsed
            .map(|certificate| certificate_map(&certificate))
            .map_err(|message| script_error(PROTOCOL, "tls::certificate", message))
    }
}

//! What a server presents, whatever its age: the client first, the prober where that fails.

use std::time::Duration;

use super::{ClientHello, TlsInfo, TlsOptions, TlsStream, TlsVersion, probe};
use crate::model::{NetError, NetErrorKind};
use crate::net::{NetFuture, Stream, random_of, within};
use crate::runtime::{Clock, Random};

/// What errors say was being done.
const OP: &str = "tls handshake";

/// Hellos the prober sends in turn. The first gets an answer from every server that negotiates; the others are for
/// those that hang up on a version they do not know.
const PROBED: [TlsVersion; 4] = [TlsVersion::TLS12, TlsVersion::TLS11, TlsVersion::TLS10, TlsVersion::SSL3];

/// Version, suite and certificates of the server that `dial` reaches.
///
/// `dial` is called once for the client, and once for each hello of the prober when the client fails for reasons of TLS:
/// by alert, or because the server hangs up on it. Each connection and handshake may take `limit`.
///
/// # Errors
/// `Timeout` when the peer is silent, `Protocol` when it speaks, but no TLS, `Tls` when it refuses every hello, and
/// whatever `dial` reports.
pub async fn inspect(
    dial: impl Fn() -> NetFuture<Box<dyn Stream>>,
    options: &TlsOptions,
    limit: Duration,
    clock: &Clock,
    random: &Random,
) -> Result<TlsInfo, NetError> {
    let wanted = |version: TlsVersion| options.versions.is_empty() || options.versions.contains(&version);
    let mut failure = None;
    if wanted(TlsVersion::TLS12) || wanted(TlsVersion::TLS13) {
        let stream = within(clock, limit, OP, "server", dial()).await?;
        let peer = stream.peer();
        match within(clock, limit, OP, peer, TlsStream::handshake(stream, options, random)).await {
            Ok(tls) => return Ok(tls.info().clone()),
            Err(error) if is_refusal(&error) => failure = Some(error),
            Err(error) => return Err(error),
        }
    }
    for version in PROBED.into_iter().filter(|version| wanted(*version)) {
        let stream = within(clock, limit, OP, "server", dial()).await?;
        let mut hello = ClientHello::new(version, &random_of(stream.as_ref(), random));
        hello.server_name.clone_from(&options.server_name);
        hello.alpn.clone_from(&options.alpn);
        let peer = stream.peer();
        match within(clock, limit, OP, peer, probe_once(stream, &hello)).await {
            Ok(info) => return Ok(info),
            Err(error) if is_refusal(&error) => _ = failure.get_or_insert(error),
            Err(error) => return Err(error),
        }
    }
    Err(failure.unwrap_or_else(|| {
        let error = NetError::new(NetErrorKind::Local, OP, "server");
        error.because("no version is left to try among those allowed")
    }))
}

async fn probe_once(mut stream: Box<dyn Stream>, hello: &ClientHello) -> Result<TlsInfo, NetError> {
    let flight = probe(stream.as_mut(), hello).await?;
    flight.info().ok_or_else(|| {
        let error = NetError::new(NetErrorKind::Tls, OP, stream.peer());
        match flight.alert {
            Some(alert) => error.because(alert),
            None => error.because("the server sends encrypted data without a hello"),
        }
    })
}

/// Whether another hello may fare better.
fn is_refusal(error: &NetError) -> bool {
    matches!(error.kind, NetErrorKind::Tls | NetErrorKind::Closed | NetErrorKind::Reset)
}

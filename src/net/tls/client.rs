//! Data connections: rustls, driven without I/O of its own over any stream of the door.
//!
//! Certificates are reported, never refused. What is drawn comes from the module `secrets`.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_lite::{AsyncRead, AsyncWrite, future};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, InvalidMessage, SignatureScheme};

use super::secrets::{self, drawing_from};
use super::{SeenBy, TlsInfo, TlsVersion, suites};
use crate::model::{NetError, NetErrorKind};
use crate::net::{Stream, random_of};
use crate::runtime::Random;

/// Reads from the peer in one poll before others get a turn: a peer may send records without end that carry no data.
const READS_PER_POLL: usize = 16;

/// What a handshake offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Host name for server name indication; none is sent when unset or an IP address.
    pub server_name: Option<String>,
    /// Application protocols in order of preference.
    pub alpn: Vec<Vec<u8>>,
    /// Versions allowed; all when empty. Data connections know TLS 1.2 and 1.3 only.
    pub versions: Vec<TlsVersion>,
}

/// A TLS connection over another stream. Reads and writes lose nothing when their futures are dropped.
///
/// Errors of the TLS layer come as `io::Error`s that carry a [`NetError`], which [`NetError::from_io`] gives back. The end
/// of the stream without the peer's `close_notify` is an `UnexpectedEof`, so `Closed`. Closing sends ours.
pub struct TlsStream {
    link: Link,
    info: TlsInfo,
}

impl TlsStream {
    /// Shakes hands over `stream`, drawing from what `random` gives for it. Takes as long as the peer likes: put a deadline around it.
    ///
    /// # Errors
    /// `Tls` when the peer refuses or has nothing in common with us, `Protocol` when it does not speak TLS, `Closed` or
    /// `Reset` when it goes away.
    pub async fn handshake(
        stream: Box<dyn Stream>,
        options: &TlsOptions,
        random: &Random,
    ) -> Result<TlsStream, NetError> {
        let peer = stream.peer();
        let random = random_of(stream.as_ref(), random);
        let session = drawing_from(&random, || session(options, peer))?;
        let mut link = Link { session, inner: stream, random };
        let done = future::poll_fn(|cx| link.poll_handshake(cx)).await;
        done.map_err(|error| NetError::from_io(&error, "tls handshake", peer))?;
        let info = info(&link.session);
        Ok(TlsStream { link, info })
    }

    /// What was negotiated.
    pub fn info(&self) -> &TlsInfo {
        &self.info
    }
}

fn info(session: &ClientConnection) -> TlsInfo {
    let cipher_id = session.negotiated_cipher_suite().map_or(0, |suite| u16::from(suite.suite()));
    let group = session.negotiated_key_exchange_group().map(|group| u16::from(group.name()));
    let chain = session.peer_certificates().unwrap_or_default();
    TlsInfo {
        version: TlsVersion(session.protocol_version().map_or(0, u16::from)),
        cipher_id,
        cipher_suite: suites::cipher_name(cipher_id),
        alpn: session.alpn_protocol().map(<[u8]>::to_vec),
        group: group.map(suites::group_name),
        chain: chain.iter().map(|certificate| certificate.as_ref().to_vec()).collect(),
        seen_by: SeenBy::Client,
    }
}

/// rustls and the stream it talks over.
struct Link {
    inner: Box<dyn Stream>,
    session: ClientConnection,
    random: Random,
}

impl Link {
    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..READS_PER_POLL {
            ready!(self.push_out(cx))?;
            if !self.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.pull_in(cx))? == 0 {
                let error = NetError::new(NetErrorKind::Closed, "tls handshake", self.inner.peer());
                let error = error.because("the peer closed the connection during the handshake");
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what rustls has for the peer.
    fn push_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let written = self.session.write_tls(&mut Blocking { stream: self.inner.as_mut(), cx });
            if ready!(pending_when_blocked(written))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Pin::new(self.inner.as_mut()).poll_flush(cx)
    }

    /// Reads once from the peer into rustls; the number of bytes, zero at the end.
    fn pull_in(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = self.session.read_tls(&mut Blocking { stream: self.inner.as_mut(), cx });
        let length = ready!(pending_when_blocked(read))?;
        if let Err(error) = drawing_from(&self.random, || self.session.process_new_packets()) {
            let _alert_sent_if_it_goes_out_at_once = self.push_out(cx);
            let error = net_error(&error, self.inner.peer());
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        Poll::Ready(Ok(length))
    }
}

impl Stream for TlsStream {
    fn local(&self) -> SocketAddr {
        self.link.inner.local()
    }

    fn peer(&self) -> SocketAddr {
        self.link.inner.peer()
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut self.get_mut().link;
        for _ in 0..READS_PER_POLL {
            match this.session.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    let error = NetError::new(NetErrorKind::Closed, "receive", this.inner.peer());
                    let error = error.because("the peer closed the connection without close_notify");
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)));
                }
                result => return Poll::Ready(result),
            }
            // Answers to the peer (key updates) go along; if they cannot, reading goes on.
            if let Poll::Ready(Err(error)) = this.push_out(cx) {
                return Poll::Ready(Err(error));
            }
            ready!(this.pull_in(cx))?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut self.get_mut().link;
        loop {
            let accepted = this.session.writer().write(buf)?;
            let blocked = match this.push_out(cx) {
                Poll::Ready(result) => {
                    result?;
                    false
                }
                Poll::Pending => true,
            };
            // Accepted bytes are reported even when they wait in rustls: they will not be handed in again.
            if accepted > 0 || buf.is_empty() {
                return Poll::Ready(Ok(accepted));
            }
            if blocked {
                return Poll::Pending;
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().link.push_out(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut self.get_mut().link;
        this.session.send_close_notify(); // does nothing the second time
        ready!(this.push_out(cx))?;
        Pin::new(this.inner.as_mut()).poll_close(cx)
    }
}

/// A stream in the terms of `std::io`: not ready is `WouldBlock`.
struct Blocking<'a, 'b> {
    stream: &'a mut dyn Stream,
    cx: &'a mut Context<'b>,
}

fn blocked_when_pending(poll: Poll<io::Result<usize>>) -> io::Result<usize> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

fn pending_when_blocked(result: io::Result<usize>) -> Poll<io::Result<usize>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

impl io::Read for Blocking<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        blocked_when_pending(Pin::new(&mut *self.stream).poll_read(self.cx, buf))
    }
}

impl io::Write for Blocking<'_, '_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        blocked_when_pending(Pin::new(&mut *self.stream).poll_write(self.cx, buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn session(options: &TlsOptions, peer: SocketAddr) -> Result<ClientConnection, NetError> {
    let failed = |detail: String| NetError::new(NetErrorKind::Local, "tls handshake", peer).because(detail);
    let all = options.versions.is_empty();
    let versions: Vec<_> = [(&rustls::version::TLS13, TlsVersion::TLS13), (&rustls::version::TLS12, TlsVersion::TLS12)]
        .into_iter()
        .filter(|(_, version)| all || options.versions.contains(version))
        .map(|(supported, _)| supported)
        .collect();
    let provider = Arc::new(secrets::provider());
    let config = ClientConfig::builder_with_details(provider, Arc::new(NoClock))
        .with_protocol_versions(&versions)
        .map_err(|_| failed("data connections need TLS 1.2 or 1.3 among the versions".to_owned()))?;
    let verifier = Arc::new(ReportOnly);
    let mut config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols.clone_from(&options.alpn);
    config.resumption = Resumption::disabled();
    let name = match options.server_name.as_deref().map(|name| name.trim_end_matches('.')) {
        Some(name) => ServerName::try_from(name.to_owned())
            .map_err(|_| failed(format!("`{}` is no server name", name.escape_default())))?,
        None => ServerName::IpAddress(peer.ip().into()),
    };
    ClientConnection::new(Arc::new(config), name).map_err(|error| failed(error.to_string()))
}

/// Says whether the peer spoke TLS badly or not at all.
fn net_error(error: &rustls::Error, peer: SocketAddr) -> NetError {
    let kind = match error {
        rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge,
        )
        | rustls::Error::PeerSentOversizedRecord => NetErrorKind::Protocol,
        _ => NetErrorKind::Tls,
    };
    NetError::new(kind, "tls handshake", peer).because(error)
}

/// rustls asks for the time only to judge certificates and tickets; neither is done here, so it gets a constant.
#[derive(Debug)]
struct NoClock;

impl TimeProvider for NoClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::ZERO))
    }
}

/// Accepts every certificate and signature: a scanner reports them.
#[derive(Debug)]
struct ReportOnly;

impl ServerCertVerifier for ReportOnly {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        suites::SCHEMES.iter().map(|number| SignatureScheme::from(*number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seeded_hello_is_the_same_again_and_others_are_not() {
        let hello = |random: Random| {
            let peer = SocketAddr::from(([127, 0, 0, 1], 443));
            let mut session = drawing_from(&random, || session(&TlsOptions::default(), peer)).unwrap();
            let mut bytes = Vec::new();
            session.write_tls(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(hello(Random::new(Some(1))), hello(Random::new(Some(1))));
        assert_ne!(hello(Random::new(Some(1))), hello(Random::new(Some(2))));
        assert_ne!(hello(Random::new(None)), hello(Random::new(None)));
    }
}

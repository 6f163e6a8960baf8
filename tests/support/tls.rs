//! Peers that behave badly, or just so, behind a real TLS handshake.

use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::peer::Peer;

/// A connection after its handshake, which happens with the first byte.
pub type TlsTalk = StreamOwned<ServerConnection, TcpStream>;

/// A TLS server with a certificate for `localhost` that does `behaviour` with every connection and then waits for the
/// other side to close.
pub fn peer(behaviour: impl Fn(&mut TlsTalk) + Send + Sync + 'static) -> Peer {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .expect("a key that fits");
    let config = Arc::new(config);
    Peer::start(move |talk| {
        let (Ok(connection), Ok(stream)) = (ServerConnection::new(Arc::clone(&config)), talk.stream.try_clone()) else {
            return;
        };
        let mut tls = StreamOwned::new(connection, stream);
        behaviour(&mut tls);
        tls.conn.send_close_notify();
        let _ = std::io::Write::flush(&mut tls);
        talk.finish(b"");
    })
}

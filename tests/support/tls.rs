//! Peers that behave badly, or just so, behind a real TLS handshake.

use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::peer::Peer;

/// A connection after its handshake.
pub type TlsTalk = StreamOwned<ServerConnection, TcpStream>;

/// A TLS server with a certificate for `localhost` that does `behaviour` with every connection and then waits for the
/// other side to close.
pub fn peer(behaviour: impl Fn(&mut TlsTalk) + Send + Sync + 'static) -> Peer {
    peers(1, behaviour).remove(0)
}

/// Several of them, each on an address of its own, with one certificate.
pub fn peers(count: usize, behaviour: impl Fn(&mut TlsTalk) + Send + Sync + 'static) -> Vec<Peer> {
    let (config, behaviour) = (Arc::new(config()), Arc::new(behaviour));
    let start = |_| {
        let (config, behaviour) = (Arc::clone(&config), Arc::clone(&behaviour));
        Peer::start(move |talk| {
            let (Ok(connection), Ok(stream)) = (ServerConnection::new(Arc::clone(&config)), talk.stream.try_clone())
            else {
                return;
            };
            let mut tls = StreamOwned::new(connection, stream);
            while tls.conn.is_handshaking() && tls.conn.complete_io(&mut tls.sock).is_ok_and(|moved| moved != (0, 0)) {}
            behaviour(&mut tls);
            tls.conn.send_close_notify();
            let _ = std::io::Write::flush(&mut tls);
            talk.finish(b"");
        })
    };
    (0..count).map(start).collect()
}

/// A self-signed certificate for `localhost` and everything rustls can do.
fn config() -> ServerConfig {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .expect("a key that fits")
}

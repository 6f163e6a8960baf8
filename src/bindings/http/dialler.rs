//! How the client's connections come about: through the broker, with TLS where the scheme says so.

use std::rc::Rc;
use std::time::Duration;

use super::{Dial, Origin};
use crate::bindings::host::HostValue;
use crate::model::{Capability, NetError, NetErrorKind};
use crate::net::broker::{Broker, Warrant};
use crate::net::tls::{TlsOptions, TlsStream};
use crate::net::{ConnectOptions, Family, NetFuture, Stream};

/// Dials for one script instance.
pub struct Dialler {
    /// The door.
    pub broker: Broker,
    /// What the instance may do.
    pub warrant: Rc<Warrant>,
    /// Its host, whose name needs no lookup.
    pub host: Option<HostValue>,
}

impl Dialler {
    /// The origin with its address, as far as it is known without asking anybody.
    fn known(&self, origin: &Origin) -> Origin {
        let mut origin = origin.clone();
        if origin.addr.is_none()
            && let Some(host) = &self.host
        {
            let host = host.borrow();
            let is_own = host.target.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(&origin.host));
            if is_own {
                origin.addr = Some(host.target.addr);
                origin.scope = host.target.scope;
            }
        }
        origin
    }

    fn limit(&self) -> Duration {
        self.warrant.limits.operation_timeout
    }
}

impl Dial for Dialler {
    fn permit(&self, origin: &Origin) -> Result<(), NetError> {
        let Some(addr) = self.known(origin).socket_addr() else { return Ok(()) }; // a foreign name: dialling asks
        self.broker.admit(&self.warrant, Capability::Tcp, "http", addr)?;
        if origin.tls { self.broker.admit(&self.warrant, Capability::Tls, "https", addr) } else { Ok(()) }
    }

    fn dial(&self, origin: &Origin) -> NetFuture<Box<dyn Stream>> {
        let (broker, warrant, limit) = (self.broker.clone(), Rc::clone(&self.warrant), self.limit());
        let mut origin = self.known(origin);
        Box::pin(async move {
            if origin.addr.is_none() {
                let found = broker.addresses(&warrant, &origin.host, Family::Any).await?;
                origin.addr = found.first().copied();
            }
            let addr = origin.socket_addr();
            let addr = addr.ok_or_else(|| NetError::new(NetErrorKind::Resolve, "resolve", &origin.host))?;
            let connect = ConnectOptions { timeout: Some(limit), ..ConnectOptions::default() };
            let stream = broker.connect(&warrant, addr, connect).await?;
            if !origin.tls {
                return Ok(stream);
            }
            broker.admit(&warrant, Capability::Tls, "https", addr)?;
            let options = TlsOptions {
                server_name: Some(origin.host.to_string()), // an address literal is not sent
                alpn: vec![b"http/1.1".to_vec()],
                versions: Vec::new(),
            };
            let handshake = TlsStream::handshake(stream, &options, broker.random());
            let handshake = broker.clock().timeout(limit, handshake).await;
            let stream = handshake.unwrap_or_else(|_| Err(NetError::new(NetErrorKind::Timeout, "tls", addr)))?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

//! The machine's own network: sockets through the reactor, TLS, the resolver.

pub mod names;

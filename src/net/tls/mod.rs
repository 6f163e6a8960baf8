//! TLS in two halves: data connections with rustls ([`client`]), which speaks TLS 1.2 and 1.3 with modern suites only, and
//! our own handshake prober ([`prober`]), which shows what any server from SSL 3.0 on presents, but carries no data.
//! [`fetch`] joins them, [`certificate`] reads what both deliver. `docs/TLS.md` says what is reachable with which.
//!
//! A scanner reports certificates; nothing here refuses one. Never opens a socket (streams come in) and never reads the
//! clock. All randomness follows the run's seed where one was given, bound to the connection's two ends, so a recorded
//! conversation replays byte for byte; without a seed secrets come from the machine (`secrets`).

pub mod certificate;
pub mod client;
pub mod fetch;
pub mod hello;
pub mod prober;
pub mod records;
mod secrets;
pub mod suites;

use std::fmt;

pub use certificate::Certificate;
pub use client::{TlsOptions, TlsStream};
pub use fetch::inspect;
pub use hello::ClientHello;
pub use prober::{ServerFlight, ServerHello, probe};
pub use records::Alert;

/// A protocol version by its number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlsVersion(pub u16);

impl TlsVersion {
    /// SSL 3.0 (RFC 6101).
    pub const SSL3: TlsVersion = TlsVersion(0x0300);
    /// TLS 1.0 (RFC 2246).
    pub const TLS10: TlsVersion = TlsVersion(0x0301);
    /// TLS 1.1 (RFC 4346).
    pub const TLS11: TlsVersion = TlsVersion(0x0302);
    /// TLS 1.2 (RFC 5246).
    pub const TLS12: TlsVersion = TlsVersion(0x0303);
    /// TLS 1.3 (RFC 8446).
    pub const TLS13: TlsVersion = TlsVersion(0x0304);
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            TlsVersion::SSL3 => f.write_str("SSLv3"),
            TlsVersion::TLS10 => f.write_str("TLSv1.0"),
            TlsVersion::TLS11 => f.write_str("TLSv1.1"),
            TlsVersion::TLS12 => f.write_str("TLSv1.2"),
            TlsVersion::TLS13 => f.write_str("TLSv1.3"),
            TlsVersion(other) => write!(f, "0x{other:04x}"),
        }
    }
}

/// Which half saw what a [`TlsInfo`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenBy {
    /// A full handshake: data can be exchanged with this server.
    Client,
    /// The prober: only the server's first flight was seen.
    Prober,
}

/// What a handshake negotiated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsInfo {
    /// Protocol version.
    pub version: TlsVersion,
    /// IANA number of the cipher suite.
    pub cipher_id: u16,
    /// IANA name of the cipher suite, or its number in hex.
    pub cipher_suite: String,
    /// Application protocol the server chose.
    pub alpn: Option<Vec<u8>>,
    /// Key exchange group, e.g. `X25519`, where the handshake has one and shows it.
    pub group: Option<String>,
    /// Certificates as sent, the server's own first, DER. Nothing about them has been verified.
    pub chain: Vec<Vec<u8>>,
    /// How far this was seen.
    pub seen_by: SeenBy,
}

#[cfg(test)]
mod tests;

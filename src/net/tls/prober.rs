//! Sends a hand-made hello and reads the server's first flight: version, suite, certificates, key exchange. No keys are
//! computed, so nothing encrypted is seen: of TLS 1.3 that leaves the `ServerHello`.

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use tls_parser::{TlsMessage, TlsMessageHandshake, TlsServerHelloContents};

use super::hello::{ClientHello, TooLong};
use super::records::{Alert, Malformed, Message, RecordReader};
use super::{SeenBy, TlsInfo, TlsVersion, suites};
use crate::model::{NetError, NetErrorKind};
use crate::net::Stream;

/// The random value that makes a `ServerHello` a request to try again (RFC 8446 section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What the server chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHello {
    /// The version, from the extension where there is one.
    pub version: TlsVersion,
    /// Server random.
    pub random: [u8; 32],
    /// Session id; empty when sessions are not kept.
    pub session_id: Vec<u8>,
    /// IANA number of the cipher suite.
    pub cipher: u16,
    /// Compression method, 0 for none.
    pub compression: u8,
    /// Extensions, number and raw body, in the server's order.
    pub extensions: Vec<(u16, Vec<u8>)>,
    /// Whether this only asks for another key share.
    pub retry: bool,
}

impl ServerHello {
    /// The body of an extension.
    pub fn extension(&self, number: u16) -> Option<&[u8]> {
        self.extensions.iter().find(|(known, _)| *known == number).map(|(_, body)| body.as_slice())
    }

    /// The application protocol chosen (RFC 7301 section 3.1).
    pub fn alpn(&self) -> Option<&[u8]> {
        let [_, _, length, name @ ..] = self.extension(16)? else { return None };
        name.get(..usize::from(*length))
    }
}

/// The server's first flight, as far as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFlight {
    /// What the server chose; none when it refused.
    pub hello: Option<ServerHello>,
    /// Certificates as sent, the server's own first, DER.
    pub chain: Vec<Vec<u8>>,
    /// The raw body of `ServerKeyExchange` (DHE, ECDHE).
    pub server_key_exchange: Option<Vec<u8>>,
    /// Whether the server asks for a client certificate.
    pub certificate_requested: bool,
    /// The last alert.
    pub alert: Option<Alert>,
    /// Whether the flight ended as it should.
    pub complete: bool,
}

impl ServerFlight {
    /// Takes one message; true when nothing more is to be expected.
    fn take(&mut self, message: Message) -> Result<bool, Malformed> {
        match message {
            Message::Alert(alert) => {
                self.alert = Some(alert);
                Ok(alert.is_fatal())
            }
            Message::Encrypted => Ok(true),
            Message::Handshake(bytes) => self.take_handshake(&bytes),
        }
    }

    fn take_handshake(&mut self, bytes: &[u8]) -> Result<bool, Malformed> {
        let kind = bytes.first().copied().unwrap_or_default();
        if kind == 1 {
            return Err(Malformed::ClientHello); // an echo service would be waited for until time is up
        }
        if !matches!(kind, 2 | 11 | 12 | 13 | 14) {
            return Ok(false); // tickets, status and what is yet to be invented
        }
        if kind == 13 {
            self.certificate_requested = true;
            return Ok(false);
        }
        let Ok((_, TlsMessage::Handshake(message))) = tls_parser::parse_tls_message_handshake(bytes) else {
            return Err(Malformed::Undecodable(kind));
        };
        match message {
            TlsMessageHandshake::ServerHello(read) => {
                let hello = server_hello(&read).ok_or(Malformed::Undecodable(kind))?;
                let ends = hello.version >= TlsVersion::TLS13; // the rest is encrypted
                self.hello = Some(hello);
                self.complete = ends;
                Ok(ends)
            }
            TlsMessageHandshake::Certificate(read) => {
                self.chain = read.cert_chain.iter().map(|certificate| certificate.data.to_vec()).collect();
                Ok(false)
            }
            TlsMessageHandshake::ServerKeyExchange(read) => {
                self.server_key_exchange = Some(read.parameters.to_vec());
                Ok(false)
            }
            TlsMessageHandshake::ServerDone(_) => {
                self.complete = self.hello.is_some();
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// What was negotiated; none when the server refused.
    pub fn info(&self) -> Option<TlsInfo> {
        let hello = self.hello.as_ref()?;
        Some(TlsInfo {
            version: hello.version,
            cipher_id: hello.cipher,
            cipher_suite: suites::cipher_name(hello.cipher),
            alpn: hello.alpn().map(<[u8]>::to_vec),
            group: self.group(hello).map(suites::group_name),
            chain: self.chain.clone(),
            seen_by: SeenBy::Prober,
        })
    }

    /// The group out of the key share, or out of an ECDHE key exchange that names its curve (RFC 8422 section 5.4).
    fn group(&self, hello: &ServerHello) -> Option<u16> {
        let elliptic = tls_parser::TlsCipherSuite::from_id(hello.cipher)
            .is_some_and(|suite| matches!(suite.kx, tls_parser::TlsCipherKx::Ecdhe | tls_parser::TlsCipherKx::Ecdh));
        match (hello.extension(51), self.server_key_exchange.as_deref()) {
            (Some([high, low, ..]), _) => Some(u16::from_be_bytes([*high, *low])),
            (_, Some([3, high, low, ..])) if elliptic => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }
}

fn server_hello(read: &TlsServerHelloContents<'_>) -> Option<ServerHello> {
    let extensions = extensions(read.ext.unwrap_or_default())?;
    let random: [u8; 32] = read.random.try_into().ok()?;
    let chosen = extensions.iter().find_map(|(number, body)| match (number, body.as_slice()) {
        (43, [high, low]) => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    });
    Some(ServerHello {
        version: TlsVersion(chosen.unwrap_or(read.version.0)),
        random,
        session_id: read.session_id.unwrap_or_default().to_vec(),
        cipher: read.cipher.0,
        compression: read.compression.0,
        extensions,
        retry: random == RETRY,
    })
}

/// Numbers and bodies; `None` when lengths do not add up.
fn extensions(mut bytes: &[u8]) -> Option<Vec<(u16, Vec<u8>)>> {
    let mut list = Vec::new();
    while let [number_high, number_low, high, low, rest @ ..] = bytes {
        let (body, later) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        list.push((u16::from_be_bytes([*number_high, *number_low]), body.to_vec()));
        bytes = later;
    }
    bytes.is_empty().then_some(list)
}

/// Sends `hello` and reads until the flight ends. Takes as long as the peer likes: put a deadline around it.
///
/// A refusal by alert is a result, not an error. A peer that goes away after its `ServerHello` yields what came.
///
/// # Errors
/// `Protocol` when the answer is not TLS or has no end, `Closed` or `Reset` when the peer goes away without an answer,
/// `Local` when the hello cannot be built.
pub async fn probe(stream: &mut dyn Stream, hello: &ClientHello) -> Result<ServerFlight, NetError> {
    let peer = stream.peer();
    let error = |kind| NetError::new(kind, "tls handshake", peer);
    let wire = hello.records().map_err(|TooLong(what)| {
        error(NetErrorKind::Local).because(format_args!("the {what} of the client hello are too long"))
    })?;
    stream.write_all(&wire).await.map_err(|cause| NetError::from_io(&cause, "tls handshake", peer))?;
    stream.flush().await.map_err(|cause| NetError::from_io(&cause, "tls handshake", peer))?;
    let (mut reader, mut flight) = (RecordReader::default(), ServerFlight::default());
    let mut buffer = vec![0; 4096];
    loop {
        match stream.read(&mut buffer).await {
            Ok(length) if length > 0 => reader.push(buffer.get(..length).unwrap_or_default()),
            _ if flight.hello.is_some() => return Ok(flight),
            Ok(_) => {
                return Err(error(NetErrorKind::Closed).because("the peer closed the connection during the handshake"));
            }
            Err(cause) => return Err(NetError::from_io(&cause, "tls handshake", peer)),
        }
        let malformed = |cause: Malformed| error(NetErrorKind::Protocol).because(cause);
        while let Some(message) = reader.next_message().map_err(malformed)? {
            if flight.take(message).map_err(malformed)? {
                return Ok(flight);
            }
        }
        futures_lite::future::yield_now().await; // a peer that never stops must not keep a deadline from being looked at
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    /// Reads a recorded flight.
    pub fn read(bytes: &[u8]) -> Result<ServerFlight, Malformed> {
        let (mut reader, mut flight) = (RecordReader::default(), ServerFlight::default());
        reader.push(bytes);
        while let Some(message) = reader.next_message()? {
            if flight.take(message)? {
                break;
            }
        }
        flight.info();
        Ok(flight)
    }

    #[test]
    fn an_echoed_hello_is_no_answer() {
        let echoed = [22, 3, 1, 0, 8, 1, 0, 0, 4, 3, 3, 0, 0];
        assert_eq!(read(&echoed).err(), Some(Malformed::ClientHello));
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(2), failure_persistence: None, ..Default::default() })]

        #[test]
        fn hostile_bytes_do_no_harm(body in prop::collection::vec(any::<u8>(), 0..600), kind in 0u8..26, message in 0u8..26) {
            let _ = read(&body);
            let length = body.len() as u16;
            let [high, low] = length.to_be_bytes();
            let header = [22, 3, 3, (length + 4).to_be_bytes()[0], (length + 4).to_be_bytes()[1], message, 0, high, low];
            let _ = read(&[header.as_slice(), &body].concat());
            let _ = read(&[&[kind, 3, 1, high, low], body.as_slice()].concat());
        }
    }
}

//! Builds a client hello of any version with any list (RFC 6101, 2246, 4346, 5246, 8446 section 4.1.2).

use super::{TlsVersion, suites};
use crate::runtime::Random;

/// Largest fragment of a record (RFC 8446 section 5.1).
const MAX_FRAGMENT: usize = 1 << 14;

/// Extension numbers (IANA "TLS `ExtensionType` Values").
mod extension {
    pub const SERVER_NAME: u16 = 0;
    pub const SUPPORTED_GROUPS: u16 = 10;
    pub const POINT_FORMATS: u16 = 11;
    pub const SIGNATURE_ALGORITHMS: u16 = 13;
    pub const ALPN: u16 = 16;
    pub const SUPPORTED_VERSIONS: u16 = 43;
    pub const KEY_SHARE: u16 = 51;
}

/// What a hello offers. All fields are free, wrong combinations included: the server's reaction is the finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// Highest version offered. TLS 1.3 goes out as TLS 1.2 with the extension that says so.
    pub version: TlsVersion,
    /// Client random.
    pub random: [u8; 32],
    /// Session id, at most 32 bytes.
    pub session_id: Vec<u8>,
    /// Cipher suites in order of preference.
    pub suites: Vec<u16>,
    /// Compression methods.
    pub compressions: Vec<u8>,
    /// Host name for server name indication; none is sent for an IP address.
    pub server_name: Option<String>,
    /// Application protocols in order of preference.
    pub alpn: Vec<Vec<u8>>,
    /// Key exchange groups.
    pub groups: Vec<u16>,
    /// Signature schemes (TLS 1.2 and later).
    pub schemes: Vec<u16>,
    /// Public keys by group (TLS 1.3).
    pub key_shares: Vec<(u16, Vec<u8>)>,
    /// Further extensions, raw, at the end.
    pub extra: Vec<(u16, Vec<u8>)>,
}

/// A list is longer than its length field can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong(pub &'static str);

impl ClientHello {
    /// A hello that offers everything `version` has.
    pub fn new(version: TlsVersion, random: &Random) -> ClientHello {
        let mut client_random = [0; 32];
        random.fill(&mut client_random);
        let mut hello = ClientHello {
            version,
            random: client_random,
            session_id: Vec::new(),
            suites: suites::LEGACY.iter().copied().chain([suites::RENEGOTIATION_SCSV]).collect(),
            compressions: vec![0],
            server_name: None,
            alpn: Vec::new(),
            groups: suites::GROUPS.to_vec(),
            schemes: suites::SCHEMES.to_vec(),
            key_shares: Vec::new(),
            extra: Vec::new(),
        };
        if version == TlsVersion::TLS13 {
            hello.suites = suites::TLS13.to_vec();
            let mut bytes = [0; 64];
            random.fill(&mut bytes);
            let (session, point) = bytes.split_at(32);
            hello.session_id = session.to_vec(); // middleboxes want one (RFC 8446 appendix D.4)
            hello.key_shares = vec![(0x001d, point.to_vec())]; // any 32 bytes are a point of x25519 (RFC 7748)
        }
        hello
    }

    /// The handshake message, header included.
    ///
    /// # Errors
    /// The name of the list that does not fit.
    pub fn message(&self) -> Result<Vec<u8>, TooLong> {
        let mut body = self.version.min(TlsVersion::TLS12).0.to_be_bytes().to_vec();
        body.extend(self.random);
        body.extend(short(&self.session_id, "session id")?);
        body.extend(long(&numbers(&self.suites), "cipher suites")?);
        body.extend(short(&self.compressions, "compression methods")?);
        let extensions = self.extensions()?;
        if !extensions.is_empty() {
            body.extend(long(&extensions, "extensions")?);
        }
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
        let [0, high, middle, low] = length else { return Err(TooLong("hello")) };
        Ok([&[1, high, middle, low], body.as_slice()].concat())
    }

    /// The message in as many records as it needs.
    ///
    /// # Errors
    /// The name of the list that does not fit.
    pub fn records(&self) -> Result<Vec<u8>, TooLong> {
        // Servers of all ages take 3.1 here whatever the hello offers (RFC 8446 section 5.1).
        let [major, minor] = self.version.min(TlsVersion::TLS10).0.to_be_bytes();
        let mut bytes = Vec::new();
        for fragment in self.message()?.chunks(MAX_FRAGMENT) {
            bytes.extend([22, major, minor]);
            bytes.extend(long(fragment, "record")?);
        }
        Ok(bytes)
    }

    fn extensions(&self) -> Result<Vec<u8>, TooLong> {
        let mut out = Vec::new();
        let mut add = |number: u16, body: &[u8]| -> Result<(), TooLong> {
            out.extend(number.to_be_bytes());
            out.extend(long(body, "extension")?);
            Ok(())
        };
        // SSL 3.0 has no extensions; what the caller adds is sent all the same.
        if self.version > TlsVersion::SSL3 {
            if let Some(name) = self.server_name.as_deref().filter(|name| name.parse::<std::net::IpAddr>().is_err()) {
                let entry = [&[0], long(name.as_bytes(), "server name")?.as_slice()].concat();
                add(extension::SERVER_NAME, &long(&entry, "server name")?)?;
            }
            if !self.groups.is_empty() {
                add(extension::SUPPORTED_GROUPS, &long(&numbers(&self.groups), "groups")?)?;
                add(extension::POINT_FORMATS, &[1, 0])?;
            }
            if !self.alpn.is_empty() {
                let names = self.alpn.iter().map(|name| short(name, "ALPN name")).collect::<Result<Vec<_>, _>>()?;
                add(extension::ALPN, &long(&names.concat(), "ALPN names")?)?;
            }
        }
        if self.version >= TlsVersion::TLS12 && !self.schemes.is_empty() {
            add(extension::SIGNATURE_ALGORITHMS, &long(&numbers(&self.schemes), "signature schemes")?)?;
        }
        if self.version >= TlsVersion::TLS13 {
            add(extension::SUPPORTED_VERSIONS, &short(&self.version.0.to_be_bytes(), "versions")?)?;
            let mut shares = Vec::new();
            for (group, key) in &self.key_shares {
                shares.extend(group.to_be_bytes());
                shares.extend(long(key, "key share")?);
            }
            add(extension::KEY_SHARE, &long(&shares, "key shares")?)?;
        }
        for (number, body) in &self.extra {
            add(*number, body)?;
        }
        Ok(out)
    }
}

fn numbers(list: &[u16]) -> Vec<u8> {
    list.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// `bytes` behind a length of one byte.
fn short(bytes: &[u8], what: &'static str) -> Result<Vec<u8>, TooLong> {
    let length = u8::try_from(bytes.len()).map_err(|_| TooLong(what))?;
    Ok([&[length], bytes].concat())
}

/// `bytes` behind a length of two bytes.
fn long(bytes: &[u8], what: &'static str) -> Result<Vec<u8>, TooLong> {
    let length = u16::try_from(bytes.len()).map_err(|_| TooLong(what))?;
    Ok([length.to_be_bytes().as_slice(), bytes].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tls_parser::{TlsExtension, TlsMessage, TlsMessageHandshake, parse_tls_client_hello_extensions};

    fn parsed(hello: &ClientHello) -> (u16, usize, Vec<u16>) {
        let message = hello.message().unwrap();
        let Ok((rest, TlsMessage::Handshake(TlsMessageHandshake::ClientHello(read)))) =
            tls_parser::parse_tls_message_handshake(&message)
        else {
            panic!("unreadable hello")
        };
        assert!(rest.is_empty());
        let extensions = read.ext.map(|bytes| parse_tls_client_hello_extensions(bytes).unwrap().1).unwrap_or_default();
        let numbers = extensions.iter().map(|ext: &TlsExtension<'_>| tls_parser::TlsExtensionType::from(ext).0);
        (read.version.0, read.ciphers.len(), numbers.collect())
    }

    #[test]
    fn hellos_of_all_versions_read_back() {
        let random = Random::new(Some(3));
        let legacy = suites::LEGACY.len() + 1;
        let mut hello = ClientHello::new(TlsVersion::SSL3, &random);
        assert_eq!(parsed(&hello), (0x0300, legacy, vec![]));
        hello.version = TlsVersion::TLS10;
        hello.server_name = Some("host.example".to_owned());
        assert_eq!(parsed(&hello), (0x0301, legacy, vec![0, 10, 11]));
        hello.version = TlsVersion::TLS12;
        hello.alpn = vec![b"h2".to_vec()];
        hello.server_name = Some("192.0.2.1".to_owned());
        assert_eq!(parsed(&hello), (0x0303, legacy, vec![10, 11, 16, 13]));
        let hello = ClientHello::new(TlsVersion::TLS13, &random);
        assert_eq!(parsed(&hello), (0x0303, 5, vec![10, 11, 13, 43, 51]));
        assert_eq!(ClientHello::new(TlsVersion::TLS12, &Random::new(Some(3))).random.len(), 32);
    }

    #[test]
    fn the_client_random_follows_the_seed() {
        let hello = || ClientHello::new(TlsVersion::TLS12, &Random::new(Some(9))).records().unwrap();
        assert_eq!(hello(), hello());
    }

    #[test]
    fn long_hellos_are_split_and_impossible_ones_refused() {
        let mut hello = ClientHello::new(TlsVersion::TLS12, &Random::new(Some(3)));
        hello.suites = (0..20_000).collect();
        let records = hello.records().unwrap();
        assert_eq!(records.len(), hello.message().unwrap().len() + 3 * 5);
        hello.suites = vec![0; 40_000];
        assert_eq!(hello.records(), Err(TooLong("cipher suites")));
    }
}

//! Cipher suites, groups and signature schemes by their IANA numbers ("TLS Parameters" registry).

/// Suites of SSL 3.0 to TLS 1.2 that come with a certificate, from the strongest to the export ones. A server picks one
/// it can; which one is not the question when the certificate is wanted.
#[rustfmt::skip]
pub const LEGACY: &[u16] = &[
    // ECDHE and DHE with AEAD
    0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca9, 0xcca8, 0xccaa, 0x009e, 0x009f, 0x00a2, 0x00a3, 0xc0ac, 0xc0ad, 0xc0ae,
    0xc0af, 0xc09e, 0xc09f, 0xc0a2, 0xc0a3, 0xc05c, 0xc05d, 0xc060, 0xc061,
    // ECDHE and DHE with CBC
    0xc023, 0xc024, 0xc027, 0xc028, 0xc009, 0xc00a, 0xc013, 0xc014, 0x0067, 0x006b, 0x0033, 0x0039, 0x0040, 0x006a,
    0x0032, 0x0038,
    // static RSA
    0x009c, 0x009d, 0xc09c, 0xc09d, 0xc0a0, 0xc0a1, 0xc050, 0xc051, 0x003c, 0x003d, 0x002f, 0x0035,
    // static ECDH
    0xc02d, 0xc02e, 0xc031, 0xc032, 0xc004, 0xc005, 0xc00e, 0xc00f,
    // Camellia, SEED, IDEA
    0xc072, 0xc073, 0xc076, 0xc077, 0x00be, 0x00c4, 0x00ba, 0x00c0, 0x0045, 0x0088, 0x0041, 0x0084, 0x009a, 0x0096,
    0x0007,
    // 3DES, RC4, single DES
    0xc008, 0xc012, 0x0016, 0x0013, 0x000a, 0xc007, 0xc011, 0x0005, 0x0004, 0x0015, 0x0012, 0x0009,
    // no encryption, export grade
    0xc006, 0xc010, 0x003b, 0x0002, 0x0001, 0x0014, 0x0011, 0x0008, 0x0006, 0x0003,
];

/// Says that renegotiation is safe (RFC 5746 section 3.3); some servers hang up without it.
pub const RENEGOTIATION_SCSV: u16 = 0x00ff;

/// Suites of TLS 1.3 (RFC 8446 appendix B.4).
pub const TLS13: &[u16] = &[0x1301, 0x1302, 0x1303, 0x1304, 0x1305];

/// Key exchange groups: x25519, the NIST curves, x448, secp256k1, the Brainpool curves.
pub const GROUPS: &[u16] = &[0x001d, 0x0017, 0x0018, 0x0019, 0x001e, 0x0016, 0x001a, 0x001b, 0x001c];

/// Signature schemes: PSS, ECDSA, `EdDSA`, PKCS#1, then DSA, SHA-1 and MD5 for old servers.
pub const SCHEMES: &[u16] = &[
    0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0401, 0x0501, 0x0601,
    0x0402, 0x0301, 0x0303, 0x0302, 0x0201, 0x0203, 0x0202, 0x0101,
];

/// The IANA name of a suite, or its number in hex.
pub fn cipher_name(id: u16) -> String {
    match tls_parser::TlsCipherSuite::from_id(id) {
        Some(suite) => suite.name.to_owned(),
        None => format!("0x{id:04x}"),
    }
}

/// The IANA name of a group, or its number in hex.
pub fn group_name(id: u16) -> String {
    let name = match id {
        0x0016 => "secp256k1",
        0x0017 => "secp256r1",
        0x0018 => "secp384r1",
        0x0019 => "secp521r1",
        0x001a => "brainpoolP256r1",
        0x001b => "brainpoolP384r1",
        0x001c => "brainpoolP512r1",
        0x001d => "x25519",
        0x001e => "x448",
        0x0100 => "ffdhe2048",
        0x0101 => "ffdhe3072",
        0x0102 => "ffdhe4096",
        0x11ec => "X25519MLKEM768",
        _ => return format!("0x{id:04x}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_offered_is_registered_and_offered_once() {
        let mut seen = std::collections::HashSet::new();
        for id in LEGACY.iter().chain(TLS13) {
            let name = cipher_name(*id);
            assert!(name.starts_with("TLS_"), "{name}");
            assert!(!name.contains("anon") && !name.contains("PSK"), "{name} comes without a certificate");
            assert!(seen.insert(id), "{name} twice");
        }
    }
}

//! Tunnels and who guards them: IKE, L2TP, `OpenVPN`, RADIUS.

use super::pieces::{big_endian, datagram};

/// ISAKMP's header (RFC 2408 section 3.1, RFC 7296 section 3.1) around payloads, the length counted in.
macro_rules! isakmp {
    ($next:expr, $version:expr, $exchange:expr, $flags:expr, $($payload:expr),* $(,)?) => {{
        const PAYLOADS: &[u8] = datagram!($($payload),*);
        const LENGTH: [u8; 4] = big_endian(28 + PAYLOADS.len());
        datagram!(
            b"sondeike",  // initiator's cookie
            &[0; 8],      // responder's cookie: not known yet
            &[$next, $version, $exchange, $flags],
            &[0; 4],      // message id
            &LENGTH,
            PAYLOADS,
        )
    }};
}

/// What all payloads of ISAKMP begin with (RFC 2408 section 3.2): the kind of the next one, and a length that counts itself.
macro_rules! payload {
    ($next:expr; $($piece:expr),* $(,)?) => {{
        const BODY: &[u8] = datagram!($($piece),*);
        const LENGTH: [u8; 2] = big_endian(4 + BODY.len());
        datagram!(&[$next, 0], &LENGTH, BODY)
    }};
}

/// A transform of IKE's phase 1, version 1 (RFC 2409 appendix A): a cipher with its attributes, hash, pre-shared key, group,
/// 8 hours.
macro_rules! phase_one {
    ($next:expr, $number:expr, $cipher:expr, $hash:expr, $group:expr) => {
        payload!(
            $next;
            &[$number, 1, 0, 0],          // KEY_IKE
            $cipher,
            &[0x80, 2, 0, $hash],
            &[0x80, 3, 0, 1],             // pre-shared key
            &[0x80, 4, 0, $group],
            &[0x80, 11, 0, 1],            // lifetime in seconds
            &[0x80, 12, 0x70, 0x80],      // 28800
        )
    };
}

/// Attributes of IKE, version 1: the cipher, and for AES the bits of its key (RFC 3602 section 5.3).
const AES_256: &[u8] = &[0x80, 1, 0, 7, 0x80, 14, 1, 0];
const AES_128: &[u8] = &[0x80, 1, 0, 7, 0x80, 14, 0, 128];
const TRIPLE_DES: &[u8] = &[0x80, 1, 0, 5];

/// IKE, version 1: the first message of main mode (RFC 2409 section 5.4). What suits nobody is refused by a notification.
pub(super) const IKE_V1: &[u8] = isakmp!(
    1,    // an SA comes first
    0x10, // version 1.0
    2,    // identity protection
    0,
    payload!(
        0;
        &[0, 0, 0, 1], // the domain of IPsec (RFC 2407 section 4.2)
        &[0, 0, 0, 1], // SIT_IDENTITY_ONLY
        payload!(
            0;
            &[1, 1, 0, 4], // proposal 1: ISAKMP, no SPI, four transforms
            phase_one!(3, 1, AES_256, 4, 14), // SHA-256, MODP 2048
            phase_one!(3, 2, AES_128, 2, 14), // SHA-1, MODP 2048
            phase_one!(3, 3, AES_128, 2, 2),  // SHA-1, MODP 1024
            phase_one!(0, 4, TRIPLE_DES, 2, 2),
        ),
    ),
);

/// A transform of IKE, version 2 (RFC 7296 section 3.3.2): its type, its id, attributes.
macro_rules! transform {
    ($next:expr, $kind:expr, $id:expr, $attributes:expr) => {
        payload!($next; &[$kind, 0, 0, $id], $attributes)
    };
}

/// IKE, version 2: `IKE_SA_INIT` (RFC 7296 section 1.2) with a key for Curve25519 (RFC 8031), the shortest there is. Who
/// wants another group says which.
pub(super) const IKE_V2: &[u8] = isakmp!(
    33,   // an SA comes first
    0x20, // version 2.0
    34,   // IKE_SA_INIT
    0x08, // from the initiator
    payload!(
        34; // then a key
        payload!(
            0;
            &[1, 1, 0, 7], // proposal 1: IKE, no SPI, seven transforms
            transform!(3, 1, 12, &[0x80, 14, 1, 0]),   // AES-CBC, 256 bits
            transform!(3, 1, 12, &[0x80, 14, 0, 128]), // AES-CBC, 128 bits
            transform!(3, 2, 5, &[]),                  // PRF: HMAC-SHA-256
            transform!(3, 3, 12, &[]),                 // integrity: HMAC-SHA-256-128
            transform!(3, 4, 31, &[]),                 // Curve25519
            transform!(3, 4, 14, &[]),                 // MODP 2048
            transform!(0, 4, 19, &[]),                 // NIST P-256
        ),
    ),
    payload!(40; &[0, 31, 0, 0], &[9], &[0; 31]), // the curve's base point serves as a key; then a nonce
    payload!(0; b"sonde asks who answers here"),
);

/// Marks what is IKE and not ESP on port 4500 (RFC 3948 section 2.2).
const NO_ESP: &[u8] = &[0; 4];
/// [`IKE_V1`] for port 4500.
pub(super) const IKE_V1_BESIDE_ESP: &[u8] = datagram!(NO_ESP, IKE_V1);
/// [`IKE_V2`] for port 4500.
pub(super) const IKE_V2_BESIDE_ESP: &[u8] = datagram!(NO_ESP, IKE_V2);

/// An attribute-value pair of L2TP (RFC 2661 section 4.1): mandatory, of the IETF, its length counted in.
macro_rules! pair {
    ($kind:expr, $($piece:expr),* $(,)?) => {{
        const BODY: &[u8] = datagram!(&[0, 0], &[0, $kind], $($piece),*);
        datagram!(&[0x80, (2 + BODY.len()) as u8], BODY)
    }};
}

/// What of L2TP's header follows its length (RFC 2661 section 3.1), and the pairs of a request for a control connection.
const SCCRQ: &[u8] = datagram!(
    &[0, 0],                 // tunnel: none yet
    &[0, 0],                 // session
    &[0, 0, 0, 0],           // Ns, Nr
    pair!(0, &[0, 1]),       // message type: SCCRQ
    pair!(2, &[1, 0]),       // protocol version 1.0
    pair!(3, &[0, 0, 0, 3]), // framing: either
    pair!(7, b"sonde"),      // host name
    pair!(9, b"so"),         // tunnel id for answers
);

/// L2TP: Start-Control-Connection-Request (RFC 2661 section 6.1).
pub(super) const L2TP: &[u8] = {
    const LENGTH: [u8; 2] = big_endian(4 + SCCRQ.len());
    // A control message with length and sequence numbers, version 2.
    datagram!(&[0xc8, 0x02], &LENGTH, SCCRQ)
};

/// `OpenVPN`: the client's hard reset, by key method 2 (the draft on its wire protocol, section on the control channel).
/// Servers with `tls-auth` or `tls-crypt` are silent to strangers.
pub(super) const OPENVPN: &[u8] = datagram!(
    &[7 << 3],     // P_CONTROL_HARD_RESET_CLIENT_V2, key 0
    b"sondeask",   // our session's id
    &[0],          // nothing acknowledged
    &[0, 0, 0, 0], // message packet id
);

/// RADIUS: the smallest Access-Request (RFC 2865 section 4.1), of a user who cannot be. A Status-Server (RFC 5997) would do
/// less, but must be signed with a secret that we do not have. Servers answer clients they know.
pub(super) const RADIUS: &[u8] = {
    const ATTRIBUTES: &[u8] = datagram!(
        &[1, 2 + 13],
        b"sonde.invalid", // User-Name
        &[2, 2 + 16],
        b"nobody's secret.", // User-Password, hidden under no secret of theirs
        &[32, 2 + 5],
        b"sonde", // NAS-Identifier
    );
    const LENGTH: [u8; 2] = big_endian(20 + ATTRIBUTES.len());
    datagram!(
        &[1, b's'], // Access-Request, identifier
        &LENGTH,
        b"sonde asks: who?", // request authenticator
        ATTRIBUTES,
    )
};

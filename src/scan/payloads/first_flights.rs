//! What begins encrypted conversations: DTLS and QUIC.

use super::pieces::{big_endian, counted, datagram};

/// Extensions of the hello: what elliptic curves and signatures may be like.
const EXTENSIONS: &[u8] = datagram!(
    &[0, 10], // supported_groups (RFC 8422 section 5.1.1): P-256, P-384, X25519
    counted!(2; counted!(2; &[0, 23, 0, 24, 0, 29])),
    &[0, 11], // ec_point_formats: uncompressed
    counted!(2; counted!(1; &[0])),
    &[0, 13], // signature_algorithms (RFC 8446 section 4.2.3): ECDSA, RSA-PSS and RSA, with SHA-256; RSA with SHA-1
    counted!(2; counted!(2; &[4, 3, 8, 4, 4, 1, 2, 1])),
);

/// A `ClientHello` of DTLS 1.2 (RFC 6347 section 4.3.2) without a cookie.
const HELLO: &[u8] = datagram!(
    &[0xfe, 0xfd],                       // DTLS 1.2
    b"sonde asks who answers here. ok?", // random
    &[0],                                // no session
    &[0],                                // no cookie
    counted!(
        2;
        &[0xc0, 0x2b], // ECDHE-ECDSA with AES-128-GCM (RFC 5289)
        &[0xc0, 0x2f], // ECDHE-RSA with AES-128-GCM
        &[0xc0, 0xae], // ECDHE-ECDSA with AES-128-CCM-8, CoAP's (RFC 7251)
        &[0xc0, 0xa8], // PSK with AES-128-CCM-8, CoAP's (RFC 6655)
        &[0xc0, 0x14], // ECDHE-RSA with AES-256-CBC (RFC 8422)
        &[0x00, 0x9c], // RSA with AES-128-GCM (RFC 5288)
        &[0x00, 0x2f], // RSA with AES-128-CBC, which every server of DTLS 1.2 has (RFC 5246 section 9)
    ),
    counted!(1; &[0]), // no compression
    counted!(2; EXTENSIONS),
);

/// DTLS: a client's first flight (RFC 6347 section 4.2). The usual answer, a request to come back with a cookie, is shorter.
pub(super) const DTLS: &[u8] = {
    const WHOLE_HELLO: [u8; 3] = big_endian(HELLO.len());
    datagram!(
        &[22],         // handshake
        &[0xfe, 0xff], // DTLS 1.0, as long as no version is agreed on
        &[0; 2 + 6],   // epoch, sequence number
        counted!(
            2;
            &[1],      // ClientHello
            &WHOLE_HELLO,
            &[0, 0],   // message 0
            &[0, 0, 0], // all of it, from its beginning
            &WHOLE_HELLO,   // to its end
            HELLO,
        ),
    )
};

/// The head of a long header as all versions of QUIC have it (RFC 8999 section 5.1), for a version that is reserved to be
/// unknown (RFC 9000 section 15); the rest is version 1's Initial (section 17.2.2), which middleboxes know.
const INITIAL: &[u8] = datagram!(
    &[0xc0], // a long header, Initial, a packet number of one byte
    &[0x1a, 0x2a, 0x3a, 0x4a],
    counted!(1; b"sondeask"), // destination's connection id
    counted!(1; b"sondehas"), // ours
    &[0],                     // no token
);

/// What a server demands of the first datagram (RFC 9000 section 14.1).
const QUIC_MINIMUM: usize = 1200;

/// QUIC: whoever speaks it lists the versions it has (RFC 9000 section 6.1), which is far shorter than what asked.
pub(super) const QUIC: &[u8] = {
    const CONTENT: usize = QUIC_MINIMUM - INITIAL.len() - 2;
    // A number of two bytes says so in its first bits (RFC 9000 section 16).
    const LENGTH: [u8; 2] = big_endian(0x4000 | CONTENT);
    datagram!(INITIAL, &LENGTH, &[0; CONTENT])
};

//! Datagrams out of pieces, put together by the compiler: lengths are counted, never typed.
//!
//! Constants inside macros are seen by the pieces passed in: a piece called as one of those does not compile.

/// The pieces one after the other, as `&'static [u8]`.
macro_rules! datagram {
    ($($piece:expr),* $(,)?) => {{
        const PIECES: &[&[u8]] = &[$($piece),*];
        const BYTES: [u8; $crate::scan::payloads::pieces::length(PIECES)] = $crate::scan::payloads::pieces::joined(PIECES);
        const WHOLE: &[u8] = &BYTES;
        WHOLE
    }};
}

/// The pieces behind their length, a big-endian number of so many bytes.
macro_rules! counted {
    ($width:literal; $($piece:expr),* $(,)?) => {{
        const BODY: &[u8] = datagram!($($piece),*);
        const LENGTH: [u8; $width] = $crate::scan::payloads::pieces::big_endian(BODY.len());
        datagram!(&LENGTH, BODY)
    }};
}

/// One value of ASN.1's DER (X.690 section 8.1): its tag, then the length of the pieces, then the pieces.
macro_rules! der {
    ($tag:expr $(, $piece:expr)* $(,)?) => {{
        const BODY: &[u8] = datagram!($($piece),*);
        const LONG: bool = BODY.len() > 0x7f;
        const LENGTH: [u8; 1] = $crate::scan::payloads::pieces::big_endian(BODY.len());
        datagram!(&[$tag], if LONG { &[0x81] } else { &[] }, &LENGTH, BODY)
    }};
}

pub(super) use {counted, datagram, der};

/// How long the pieces are together.
pub(super) const fn length(pieces: &[&[u8]]) -> usize {
    let (mut total, mut at) = (0, 0);
    while at < pieces.len() {
        total += pieces[at].len();
        at += 1;
    }
    total
}

/// The pieces in one array, which must be as long as they are.
pub(super) const fn joined<const N: usize>(pieces: &[&[u8]]) -> [u8; N] {
    let mut bytes = [0; N];
    let (mut filled, mut at) = (0, 0);
    while at < pieces.len() {
        let piece = pieces[at];
        let mut byte = 0;
        while byte < piece.len() {
            bytes[filled] = piece[byte];
            filled += 1;
            byte += 1;
        }
        at += 1;
    }
    assert!(filled == N, "the array is as long as the pieces");
    bytes
}

/// A length as a big-endian number of `N` bytes; one that does not fit does not compile.
pub(super) const fn big_endian<const N: usize>(length: usize) -> [u8; N] {
    let mut bytes = [0; N];
    let (mut rest, mut at) = (length, N);
    while at > 0 {
        at -= 1;
        bytes[at] = (rest & 0xff) as u8;
        rest >>= 8;
    }
    assert!(rest == 0, "the length fits");
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn lengths_are_counted() {
        assert_eq!(datagram!(b"ab", &[1], b""), b"ab\x01");
        assert_eq!(counted!(2; b"abc"), b"\0\x03abc");
        assert_eq!(der!(0x04, b"a", b"b"), b"\x04\x02ab");
        let long = der!(0x04, &[7; 200]);
        assert_eq!((&long[..3], long.len()), (&[0x04, 0x81, 200][..], 203));
    }
}

//! The data types of RFC 4251 section 5, read from bytes of a peer and written for it.

use std::fmt;

/// A peer's bytes are not what the protocol says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Reads one value after the other.
#[derive(Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads `bytes` from their beginning.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// So many bytes as they are.
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (read, rest) = self.0.split_at_checked(length).ok_or(Malformed("a packet ends too early"))?;
        self.0 = rest;
        Ok(read)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        self.bytes(1).map(|read| read[0])
    }

    /// A number.
    pub fn number(&mut self) -> Result<u32, Malformed> {
        let read = self.bytes(4)?;
        Ok(u32::from_be_bytes([read[0], read[1], read[2], read[3]]))
    }

    /// A string, which may hold any bytes.
    pub fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.number()?;
        self.bytes(usize::try_from(length).map_err(|_| Malformed("a string is too long"))?)
    }

    /// A string that is meant to be read by people.
    pub fn text(&mut self) -> Result<String, Malformed> {
        self.string().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Names separated by commas.
    pub fn names(&mut self) -> Result<Vec<String>, Malformed> {
        let text = self.text()?;
        Ok(text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }
}

/// Builds a packet's payload.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// A payload that begins with the number of its message.
    pub fn message(number: u8) -> Writer {
        Writer(vec![number])
    }

    /// Bytes as they are.
    pub fn bytes(mut self, bytes: &[u8]) -> Writer {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A number.
    pub fn number(self, number: u32) -> Writer {
        self.bytes(&number.to_be_bytes())
    }

    /// A string.
    pub fn string(self, bytes: impl AsRef<[u8]>) -> Writer {
        let bytes = bytes.as_ref();
        self.number(bytes.len() as u32).bytes(bytes)
    }

    /// A whole number that is not negative, from its big-endian bytes: without leading zeros, but with one where the
    /// first bit would say that it is negative.
    pub fn integer(self, bytes: &[u8]) -> Writer {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
        let significant = &bytes[start..];
        if significant.first().is_some_and(|byte| byte & 0x80 != 0) {
            return self.number(significant.len() as u32 + 1).bytes(&[0]).bytes(significant);
        }
        self.string(significant)
    }

    /// Names separated by commas.
    pub fn names<S: AsRef<str>>(self, names: &[S]) -> Writer {
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        self.string(names.join(","))
    }

    /// The bytes.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_those_of_the_standard() {
        // RFC 4251 section 5.
        let cases: [(&[u8], &[u8]); 4] = [
            (&[0], &[0, 0, 0, 0]),
            (&[0x09, 0xa3, 0x78], &[0, 0, 0, 3, 0x09, 0xa3, 0x78]),
            (&[0x80], &[0, 0, 0, 2, 0, 0x80]),
            (&[0, 0, 1], &[0, 0, 0, 1, 1]),
        ];
        for (number, wire) in cases {
            assert_eq!(Writer::default().integer(number).finish(), wire);
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let wire = Writer::message(7).names(&["a", "b"]).string("").number(9).finish();
        let mut reader = Reader::new(&wire);
        assert_eq!(reader.byte(), Ok(7));
        assert_eq!(reader.names(), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(reader.names(), Ok(vec![]));
        assert_eq!(reader.number(), Ok(9));
        assert!(reader.byte().is_err());
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 1]).string().is_err());
    }
}

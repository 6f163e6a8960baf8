//! The record layer of an unencrypted handshake: bytes in, whole handshake messages and alerts out (RFC 5246 section 6.2).
//! Bounded, and suspicious of every byte.

use std::fmt;

/// Records read from one peer.
const MAX_RECORDS: usize = 100;
/// Bytes of handshake messages read from one peer.
const MAX_HANDSHAKE: usize = 64 * 1024;
/// Largest record body, with the slack that compressed and encrypted ones may have.
const MAX_RECORD: usize = (1 << 14) + 2048;

/// An alert (RFC 8446 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alert {
    /// 1 warning, 2 fatal.
    pub level: u8,
    /// IANA number of the description.
    pub description: u8,
}

impl Alert {
    /// Whether the peer gives up with this.
    pub fn is_fatal(self) -> bool {
        self.level != 1 || self.description == 0
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.level == 1 { "warning" } else { "fatal" };
        write!(f, "{level} alert {}", self.description)?;
        match rustls::AlertDescription::from(self.description) {
            rustls::AlertDescription::Unknown(_) => Ok(()),
            name => write!(f, " ({name:?})"),
        }
    }
}

/// One thing the peer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A whole handshake message, its four-byte header included.
    Handshake(Vec<u8>),
    /// An alert.
    Alert(Alert),
    /// From here on everything is encrypted.
    Encrypted,
}

/// Why the peer's bytes are no handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// The bytes do not start a TLS record; the first of them, printable.
    NotTls(String),
    /// A record says it is longer than records may be.
    RecordTooLong(usize),
    /// More than 100 records and no end.
    TooManyRecords,
    /// More than 64 KiB of handshake.
    TooMuchHandshake,
    /// An alert that is not two bytes long.
    OddAlert(usize),
    /// A message that cannot be decoded; its type.
    Undecodable(u8),
    /// A client's hello where a server's is due: an echo, or another client.
    ClientHello,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::NotTls(start) => write!(f, "the answer is not TLS; it starts with \"{start}\""),
            Malformed::RecordTooLong(length) => write!(f, "a record of {length} bytes is longer than TLS allows"),
            Malformed::TooManyRecords => write!(f, "more than {MAX_RECORDS} records without an end of the handshake"),
            Malformed::TooMuchHandshake => write!(f, "the handshake is longer than {MAX_HANDSHAKE} bytes"),
            Malformed::OddAlert(length) => write!(f, "an alert of {length} bytes"),
            Malformed::ClientHello => f.write_str("the peer sends a client's hello: it is no TLS server"),
            Malformed::Undecodable(kind) => write!(f, "handshake message of type {kind} cannot be decoded"),
        }
    }
}

/// Cuts a stream of bytes into messages.
#[derive(Default)]
pub struct RecordReader {
    /// Bytes that are no whole record yet.
    input: Vec<u8>,
    /// Handshake bytes that are no whole message yet.
    handshake: Vec<u8>,
    records: usize,
    handshake_bytes: usize,
}

impl RecordReader {
    /// Takes bytes as they arrive.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next message; `None` when more bytes are needed.
    pub fn next_message(&mut self) -> Result<Option<Message>, Malformed> {
        loop {
            if let Some(message) = self.whole_handshake_message()? {
                return Ok(Some(message));
            }
            let Some((kind, body)) = self.next_record()? else { return Ok(None) };
            match kind {
                22 => {
                    self.handshake_bytes += body.len();
                    if self.handshake_bytes > MAX_HANDSHAKE {
                        return Err(Malformed::TooMuchHandshake);
                    }
                    self.handshake.extend(body);
                }
                21 => {
                    let [level, description] = body.as_slice() else { return Err(Malformed::OddAlert(body.len())) };
                    return Ok(Some(Message::Alert(Alert { level: *level, description: *description })));
                }
                24 => {} // heartbeats mean nothing here
                _ => return Ok(Some(Message::Encrypted)),
            }
        }
    }

    /// Type and body of the next record.
    fn next_record(&mut self) -> Result<Option<(u8, Vec<u8>)>, Malformed> {
        let input = self.input.as_slice();
        let kind_fits = input.first().is_none_or(|kind| (20..=24).contains(kind));
        let version_fits = input.get(1).is_none_or(|major| *major == 3);
        if !(kind_fits && version_fits) {
            let start = input.iter().take(32).copied().flat_map(std::ascii::escape_default).map(char::from);
            return Err(Malformed::NotTls(start.collect()));
        }
        let [kind, _, _, high, low, rest @ ..] = input else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length > MAX_RECORD {
            return Err(Malformed::RecordTooLong(length));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let record = (*kind, body.to_vec());
        self.records += 1;
        if self.records > MAX_RECORDS {
            return Err(Malformed::TooManyRecords);
        }
        self.input.drain(..5 + length);
        Ok(Some(record))
    }

    fn whole_handshake_message(&mut self) -> Result<Option<Message>, Malformed> {
        let [_, high, middle, low, rest @ ..] = self.handshake.as_slice() else { return Ok(None) };
        let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        if length > MAX_HANDSHAKE {
            return Err(Malformed::TooMuchHandshake);
        }
        if rest.len() < length {
            return Ok(None);
        }
        let later = self.handshake.split_off(4 + length);
        Ok(Some(Message::Handshake(std::mem::replace(&mut self.handshake, later))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind, 3, 3], (body.len() as u16).to_be_bytes().as_slice(), body].concat()
    }

    #[test]
    fn messages_are_put_together_over_records_and_reads() {
        let first = [2, 0, 0, 3, 1, 2, 3];
        let second = [14, 0, 0, 0];
        let mut wire = Vec::new();
        for piece in [&first[..1], &first[1..2], &[], &[&first[2..], &second[..2]].concat(), &second[2..]] {
            wire.extend(record(22, piece));
        }
        wire.extend(record(21, &[2, 40]));
        let mut reader = RecordReader::default();
        let mut messages = Vec::new();
        for byte in wire {
            reader.push(&[byte]);
            while let Some(message) = reader.next_message().unwrap() {
                messages.push(message);
            }
        }
        let alert = Alert { level: 2, description: 40 };
        let expected = [Message::Handshake(first.to_vec()), Message::Handshake(second.to_vec()), Message::Alert(alert)];
        assert_eq!(messages, expected);
        assert_eq!(alert.to_string(), "fatal alert 40 (HandshakeFailure)");
    }

    #[test]
    fn everything_is_bounded() {
        let fails = |bytes: &[u8]| {
            let mut reader = RecordReader::default();
            reader.push(bytes);
            loop {
                match reader.next_message() {
                    Ok(Some(_)) => {}
                    Ok(None) => return None,
                    Err(error) => return Some(error),
                }
            }
        };
        assert_eq!(fails(b"2"), Some(Malformed::NotTls("2".to_owned())));
        assert_eq!(fails(b"\x16\x02"), Some(Malformed::NotTls("\\x16\\x02".to_owned())));
        assert_eq!(fails(&[22, 3, 1, 0xff, 0xff]), Some(Malformed::RecordTooLong(0xffff)));
        assert_eq!(fails(&record(21, &[1])), Some(Malformed::OddAlert(1)));
        assert_eq!(fails(&record(22, &[11, 1, 0, 1])), Some(Malformed::TooMuchHandshake));
        assert_eq!(fails(&record(22, &[]).repeat(100)), None);
        assert_eq!(fails(&record(22, &[]).repeat(101)), Some(Malformed::TooManyRecords));
        let large = record(22, &[&[0, 0, 0x3f, 0xfc], [0; 0x3ffc].as_slice()].concat());
        assert_eq!(fails(&large.repeat(4)), None);
        assert_eq!(fails(&large.repeat(5)), Some(Malformed::TooMuchHandshake));
    }
}

//! What a packet's comment tells: `sonde: conv=17 origin=http-title@127.0.0.1:80`.
//!
//! The word `sonde:` and then `key=value` pairs, separated by spaces. In values, spaces, control characters, `%` and
//! everything beyond ASCII are written as `%xx`, byte by byte. Unknown keys are skipped, so later versions may add some.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::model::NetErrorKind;
use crate::net::Origin;

/// What comments of ours begin with.
const MARK: &str = "sonde:";

/// The fields of a comment. All unset: no comment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label {
    /// `conv`: a conversation begins with this packet, the so-manieth of the recording.
    pub conversation: Option<u64>,
    /// `origin`: on whose behalf it was opened; the scan itself where it is not said.
    pub origin: Option<Origin>,
    /// `accepted`: the listener that accepted the connection, as number of its own conversation.
    pub accepted: Option<u64>,
    /// `listen`: a listening socket was opened; its address is the packet's sender, its port this.
    pub listen: Option<u16>,
    /// `udp=any`: a datagram socket that was not connected to one peer.
    pub any_peer: bool,
    /// `dir=in`: the first datagram was received, not sent.
    pub inbound: bool,
    /// `to`: the connection was handed on to this one.
    pub handed_to: Option<Origin>,
    /// `error` and `detail`: what opening it came to, where the packets do not show that.
    pub error: Option<(NetErrorKind, String)>,
}

impl Label {
    /// The comment; none when there is nothing to tell.
    pub fn to_comment(&self) -> Option<String> {
        let mut text = MARK.to_owned();
        let mut add = |key: &str, value: &str| {
            text.push(' ');
            text.push_str(key);
            text.push('=');
            escape(value, &mut text);
        };
        if let Some(number) = self.conversation {
            add("conv", &number.to_string());
        }
        if let Some(origin) = &self.origin {
            add("origin", origin.as_str());
        }
        if let Some(number) = self.accepted {
            add("accepted", &number.to_string());
        }
        if let Some(port) = self.listen {
            add("listen", &port.to_string());
        }
        if self.any_peer {
            add("udp", "any");
        }
        if self.inbound {
            add("dir", "in");
        }
        if let Some(origin) = &self.handed_to {
            add("to", origin.as_str());
        }
        if let Some((kind, detail)) = &self.error {
            add("error", kind.recorded_name());
            if !detail.is_empty() {
                add("detail", detail);
            }
        }
        (text.len() > MARK.len()).then_some(text)
    }

    /// Reads a comment; none when it is somebody else's.
    pub fn parse(comment: &str) -> Option<Label> {
        let mut label = Label::default();
        let (mut kind, mut detail) = (None, String::new());
        for pair in comment.strip_prefix(MARK)?.split_ascii_whitespace() {
            let Some((key, value)) = pair.split_once('=') else { continue };
            let value = unescape(value);
            match key {
                "conv" => label.conversation = value.parse().ok(),
                "origin" => label.origin = Some(Origin::new(&value)),
                "accepted" => label.accepted = value.parse().ok(),
                "listen" => label.listen = value.parse().ok(),
                "udp" => label.any_peer = value == "any",
                "dir" => label.inbound = value == "in",
                "to" => label.handed_to = Some(Origin::new(&value)),
                "error" => kind = NetErrorKind::by_name(&value),
                "detail" => detail = value.into_owned(),
                _ => {}
            }
        }
        label.error = kind.map(|kind| (kind, detail));
        Some(label)
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'%'
}

fn escape(value: &str, out: &mut String) {
    if value.bytes().all(is_plain) {
        return out.push_str(value);
    }
    for byte in value.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02x}");
        }
    }
}

fn unescape(value: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(value).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_comment_reads_as_documented() {
        let label = Label {
            conversation: Some(17),
            origin: Some(Origin::new("http-title@127.0.0.1:80")),
            error: Some((NetErrorKind::Local, "no room: 5 % left".to_owned())),
            ..Label::default()
        };
        let expected = "sonde: conv=17 origin=http-title@127.0.0.1:80 error=local detail=no%20room:%205%20%25%20left";
        assert_eq!(label.to_comment().as_deref(), Some(expected));
        assert_eq!(Label::default().to_comment(), None);
        assert_eq!(Label::parse("seen at the door"), None);
        assert_eq!(Label::parse("sonde: conv=x new=1 conv"), Some(Label::default()));
    }

    proptest! {
        #[test]
        fn every_label_reads_back(origin: String, to: String, detail: String, number: u64, any_peer: bool) {
            let label = Label {
                conversation: Some(number),
                origin: Some(Origin::new(&origin)),
                accepted: Some(number / 2),
                listen: Some(number as u16),
                any_peer,
                inbound: !any_peer,
                handed_to: Some(Origin::new(&to)),
                error: Some((NetErrorKind::Reset, detail)),
            };
            prop_assert_eq!(Label::parse(&label.to_comment().expect("it has fields")), Some(label));
        }

        #[test]
        fn any_comment_is_read(text: String) {
            let _ = Label::parse(&format!("sonde: {text}"));
        }
    }
}

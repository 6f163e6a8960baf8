//! Domain names as the resolver compares them.

use std::fmt;
use std::net::IpAddr;

use simple_dns::{Label, Name};

/// Longest label and longest name in wire form (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 255;

/// A name in lower-case wire form: length-prefixed labels, without the root's zero. Equal names are equal values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DomainName(Vec<u8>);

impl DomainName {
    /// Reads a host name: letters, digits, `-` and `_` in labels of 1 to 63; a trailing dot is allowed.
    ///
    /// # Errors
    /// A text that says what is wrong with the name.
    pub fn parse(text: &str) -> Result<DomainName, String> {
        let bare = text.strip_suffix('.').unwrap_or(text);
        if bare.is_empty() {
            return Err("the name is empty".to_owned());
        }
        let mut wire = Vec::with_capacity(bare.len() + 1);
        for label in bare.split('.') {
            match label.len() {
                0 => return Err("the name has an empty label (two dots in a row)".to_owned()),
                1..=MAX_LABEL => wire.push(label.len() as u8),
                long => return Err(format!("a label of the name has {long} bytes; {MAX_LABEL} are allowed")),
            }
            if let Some(odd) = label.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))) {
                let remedy = if odd.is_ascii() { "" } else { "; write it in its xn-- form" };
                return Err(format!("{odd:?} cannot be part of a host name{remedy}"));
            }
            wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        if wire.len() >= MAX_NAME {
            return Err(format!("the name has {} bytes; {} are allowed", bare.len(), MAX_NAME - 2));
        }
        let last = bare.rsplit('.').next().unwrap_or_default();
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("a name cannot end in a number, and this is no IP address".to_owned());
        }
        Ok(DomainName(wire))
    }

    /// The name that holds the PTR records of `address` (RFC 1035 section 3.5, RFC 3596 section 2.5).
    pub fn reverse(address: IpAddr) -> DomainName {
        let labels: Vec<String> = match address {
            IpAddr::V4(v4) => {
                let octets = v4.octets().into_iter().rev().map(|octet| octet.to_string());
                octets.chain(["in-addr".to_owned(), "arpa".to_owned()]).collect()
            }
            IpAddr::V6(v6) => {
                let nibbles = v6.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
                let digits = nibbles.map(|nibble| format!("{nibble:x}"));
                digits.chain(["ip6".to_owned(), "arpa".to_owned()]).collect()
            }
        };
        DomainName(labels.iter().flat_map(|label| std::iter::once(label.len() as u8).chain(label.bytes())).collect())
    }

    /// The name read from a message.
    pub fn from_message(name: &Name<'_>) -> DomainName {
        let mut wire = Vec::new();
        for label in name.as_bytes() {
            wire.push(label.len() as u8); // the parser refuses labels above 63
            wire.extend(label.iter().map(u8::to_ascii_lowercase));
        }
        DomainName(wire)
    }

    /// The name for a message, with the case of each letter changed where `upper` says so.
    pub fn to_message(&self, mut upper: impl FnMut() -> bool) -> Name<'static> {
        let labels: Vec<Label<'static>> = self
            .labels()
            .map(|label| {
                let mixed = label.iter().map(|byte| match byte {
                    b'a'..=b'z' if upper() => byte.to_ascii_uppercase(),
                    _ => *byte,
                });
                Label::new_unchecked(mixed.collect::<Vec<u8>>())
            })
            .collect();
        Name::new_with_labels(&labels)
    }

    /// The labels, from the host to the top.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (length, tail) = rest.split_first()?;
            let (label, tail) = tail.split_at_checked(usize::from(*length))?;
            rest = tail;
            Some(label)
        })
    }

    /// Whether this is `localhost` or a name below it (RFC 6761 section 6.3).
    pub fn is_localhost(&self) -> bool {
        self.labels().last() == Some(b"localhost")
    }
}

/// Presentation form (RFC 1035 section 5.1): dots and backslashes inside labels, and bytes that are no printable ASCII,
/// are escaped, so a hostile name cannot forge a line of a report.
impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            for byte in label {
                match byte {
                    b'.' | b'\\' => write!(f, "\\{}", char::from(*byte))?,
                    0x21..=0x7e => write!(f, "{}", char::from(*byte))?,
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(DomainName::parse("WWW.Example.").unwrap().to_string(), "www.example");
        assert!(DomainName::parse("_sip._tcp.example").is_ok());
        let long = "a".repeat(64);
        let deep = "abcdefg.".repeat(32) + "example";
        for bad in ["", ".", "a..b", "a b", "nul\0", "bücher.example", "10.0.0.256", "a:b", &long, &deep] {
            assert!(DomainName::parse(bad).is_err(), "{bad}");
        }
        assert!(DomainName::parse("bücher.example").unwrap_err().contains("xn--"));
    }

    #[test]
    fn reverse_names_follow_the_rfcs() {
        let v4 = DomainName::reverse("192.0.2.7".parse().unwrap());
        assert_eq!(v4.to_string(), "7.2.0.192.in-addr.arpa");
        let v6 = DomainName::reverse("2001:db8::567:89ab".parse().unwrap()).to_string();
        assert_eq!(v6, "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    }

    #[test]
    fn odd_bytes_are_escaped() {
        let label = Label::new_unchecked(&b"a.b\\\n\xff"[..]);
        let name = DomainName::from_message(&Name::new_with_labels(&[label]));
        assert_eq!(name.to_string(), "a\\.b\\\\\\010\\255");
    }
}

//! What of a hostile string may enter which document.
//!
//! Three documents take back what they were given: XML attributes and text (but for characters XML 1.0 has no way to
//! hold) and JSON. The two plain ones are for terminals and `cut`, and mark what they keep out as `\xHH` or
//! `\u{hhhh}`.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal may act on `c`, or show what follows as something else: C0, DEL, C1, line separators,
/// bidirectional overrides and isolates (UAX #9), interlinear annotation, tags, byte order mark, noncharacters.
fn is_hazard(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            | '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || c as u32 & 0xfffe == 0xfffe
}

/// Whether XML 1.0 can hold `c` at all (production 2, `Char`).
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// Appends `c` as `\xHH`, or `\u{hhhh}` beyond ASCII.
fn push_marked(out: &mut String, c: char) {
    // Writing to a String cannot fail.
    let _ = if c.is_ascii() { write!(out, "\\x{:02x}", c as u32) } else { write!(out, "\\u{{{:x}}}", c as u32) };
}

/// One line for a terminal: hazards marked, printable characters of every script passed.
pub(super) fn terminal(text: &str) -> Cow<'_, str> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~')); // nearly always, and quickly seen
    if is_plain || !text.contains(is_hazard) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_hazard(c) { push_marked(&mut out, c) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Lines for a terminal: as `terminal`, with line ends left as they are.
pub fn terminal_lines(text: &str) -> String {
    text.split('\n').map(terminal).collect::<Vec<_>>().join("\n")
}

/// One field of a grepable line: a line for a terminal in which `/` separates fields and so becomes `|`.
pub(super) fn grepable(text: &str) -> String {
    terminal(text).replace('/', "|")
}

/// The value of an XML attribute. Line ends and tabs are references, which attribute-value normalization leaves alone
/// (XML 1.0, 3.3.3).
pub(super) fn xml_attribute(text: &str) -> String {
    xml(text, false)
}

/// XML character data: line ends stay.
pub(super) fn xml_text(text: &str) -> String {
    xml(text, true)
}

/// Hazards XML can hold become references: readers get them back, a terminal showing the document does not get them.
fn xml(text: &str, keeps_line_ends: bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' if keeps_line_ends => out.push(c),
            _ if !is_xml_char(c) => push_marked(&mut out, c),
            _ if is_hazard(c) => {
                let _ = write!(out, "&#x{:x};", c as u32);
            }
            _ => out.push(c),
        }
    }
    out
}

/// A serialized JSON text with hazards as `\uXXXX`: beyond ASCII they occur only inside its strings, where the escape
/// means the same.
pub(super) fn json(serialized: String) -> String {
    // Most lines are plain ASCII, which is told faster; control characters below DEL have been escaped already.
    let is_plain = serialized.is_ascii() && !serialized.as_bytes().contains(&0x7f);
    if is_plain || !serialized.contains(is_hazard) {
        return serialized;
    }
    let mut out = String::with_capacity(serialized.len() + 8);
    for c in serialized.chars() {
        if is_hazard(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Bytes as one line of text: what is UTF-8 and no control character passes, every other byte is `\xHH`.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_ascii_control() { push_marked(&mut out, c) } else { out.push(c) }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\x1b[31m\u{9b}\u{202e}\u{0}\r\n\t<&>\"'é漢\u{ffff}";

    #[test]
    fn a_terminal_gets_no_hazard() {
        let seen = terminal(HOSTILE);
        assert_eq!(seen, "a\\x1b[31m\\u{9b}\\u{202e}\\x00\\x0d\\x0a\\x09<&>\"'é漢\\u{ffff}");
        assert!(!seen.contains(is_hazard));
    }

    #[test]
    fn printable_text_is_not_copied() {
        assert!(matches!(terminal("Grüße, 世界 👩‍💻"), Cow::Borrowed(_)));
    }

    #[test]
    fn xml_keeps_what_it_can_hold() {
        assert_eq!(xml_attribute("\n\t\r\u{9b}\u{1}\u{ffff}"), "&#xa;&#x9;&#xd;&#x9b;\\x01\\u{ffff}");
        assert_eq!(xml_text("\n\t\r<"), "\n&#x9;&#xd;&lt;");
        assert!(!xml_attribute(HOSTILE).contains(is_hazard));
    }

    #[test]
    fn json_means_the_same_after_escaping() {
        let value = serde_json::Value::String(format!("{HOSTILE}\u{e0041}"));
        let escaped = json(value.to_string());
        assert!(!escaped.contains(is_hazard));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
    }

    #[test]
    fn every_character_is_safe_in_every_document() {
        let all: String = ('\0'..=char::MAX).collect();
        assert!(!terminal(&all).contains(is_hazard));
        assert!(!grepable(&all).contains(|c| is_hazard(c) || c == '/'));
        assert!(xml_attribute(&all).chars().all(|c| is_xml_char(c) && !is_hazard(c) && !matches!(c, '<' | '"')));
        assert!(xml_text(&all).chars().all(|c| is_xml_char(c) && (c == '\n' || !is_hazard(c)) && c != '<'));
        let value = serde_json::Value::String(all);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json(value.to_string())).unwrap(), value);
    }

    #[test]
    fn grepable_fields_hold_no_separator() {
        assert_eq!(grepable("a/b\tc"), "a|b\\x09c");
    }

    #[test]
    fn bytes_show_what_is_text() {
        assert_eq!(bytes(b"ok\n\xff\xc3\xa9"), "ok\\x0a\\xffé");
    }
}

//! `--script-trace`: what scripts send and receive, on stderr.

use std::fmt::Write as _;

use super::complain;
use crate::net::broker::TraceLine;

/// Bytes of each operation shown.
const SHOWN: usize = 512;

/// Prints one operation: who, what, to whom, and the bytes; as text where nearly all of them are.
pub fn line(line: &TraceLine<'_>) {
    let mut text = format!("trace {} {} {}", line.script, line.op, line.peer);
    if !line.data.is_empty() {
        let shown = line.data.get(..SHOWN).unwrap_or(line.data);
        let printable = shown.iter().filter(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()).count();
        let _ = write!(text, " {} bytes: ", line.data.len());
        if printable * 20 >= shown.len() * 19 {
            let _ = write!(text, "\"{}\"", shown.escape_ascii());
        } else {
            text.push_str(&data_encoding::HEXLOWER.encode(shown));
        }
        if shown.len() < line.data.len() {
            text.push('…');
        }
    }
    complain(&text);
}

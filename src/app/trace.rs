//! `--script-trace` and `--packet-trace`: what scripts send and receive, and every packet, on stderr.

use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use super::complain;
use crate::net::broker::{TraceLine, TraceSink};
use crate::net::traced::PacketLine;
use crate::runtime::Clock;

/// Bytes of each operation shown.
const SHOWN: usize = 512;

/// Prints each operation; on a virtual clock with the time since `clock` stood where it stands now.
pub fn sink(clock: Clock) -> TraceSink {
    let started = clock.now();
    Rc::new(move |line| {
        let time = clock.is_virtual().then(|| clock.now().since(started));
        print(time, line);
    })
}

/// Prints each packet, with the time since `clock` stood where it stands now.
pub fn packets(clock: &Clock) -> Rc<dyn Fn(&PacketLine)> {
    let started = clock.now();
    Rc::new(move |line| {
        let time = line.at.since(started).as_secs_f64();
        complain(&format!("{} ({time:.6}s) {}", line.passed.word(), line.text));
    })
}

/// Who, what, to whom, and the bytes.
fn print(time: Option<Duration>, line: &TraceLine<'_>) {
    let time = time.map(|time| format!("+{:.6} ", time.as_secs_f64())).unwrap_or_default();
    let mut text = format!("trace {time}{} {} {}", line.script, line.op, line.peer);
    if !line.data.is_empty() {
        let _ = write!(text, " {} bytes: {}", line.data.len(), shown(line.data, SHOWN));
    }
    complain(&text);
}

/// The first of some bytes: as text where nearly all of them are.
pub fn shown(data: &[u8], most: usize) -> String {
    let shown = data.get(..most).unwrap_or(data);
    let printable = shown.iter().filter(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()).count();
    let mut text = if printable * 20 >= shown.len() * 19 {
        format!("\"{}\"", shown.escape_ascii())
    } else {
        data_encoding::HEXLOWER.encode(shown)
    };
    if shown.len() < data.len() {
        text.push('…');
    }
    text
}

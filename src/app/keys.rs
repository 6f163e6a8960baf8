//! Keys while a run lasts, read from the terminal through the loop.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::rc::Rc;
use std::time::Duration;

use async_io::Async;

use super::complain;
use super::outputs::Sink;
use super::progress::{Gauge, short};
use super::terminal::{self, Raw};
use crate::runtime::Clock;
use crate::script::scheduler::Slow;

/// Script instances `s` shows.
const SLOWEST: usize = 10;
/// The highest level of `-v` and `-d`, as on the command line.
const HIGHEST: u8 = 10;
/// How often a process in the background looks whether it is in front again.
const BACKGROUND: Duration = Duration::from_secs(1);

/// What `?` answers.
const HELP: &str = "keys: v/V more/less detail, d/D more/less debugging, p/P traces on/off,\n\
                    s slowest scripts and where they stand, ? this help, any other: how far the run is";

/// What keys change and ask.
pub struct Controls {
    /// `-v` and `-d`.
    pub verbosity: Rc<Cell<(u8, u8)>>,
    /// What scripts send and receive is shown, and every packet.
    pub traces: [Rc<Cell<bool>>; 2],
    /// The reports.
    pub sink: Sink,
    /// How far the run is.
    pub gauge: Rc<Gauge>,
}

/// The terminal, key by key.
pub struct Keys {
    tty: Async<File>,
    /// Held for its end.
    _raw: Raw,
}

impl Keys {
    /// Begins to read keys where that is possible: stdin is a terminal, and this process is in front of it.
    pub fn open() -> Option<Keys> {
        if !std::io::stdin().is_terminal() || !terminal::in_foreground() {
            return None;
        }
        // Opened anew: what is set on stdin itself, as not to block, the shell would inherit.
        let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
        let tty = OpenOptions::new().read(true).custom_flags(flags).open("/dev/tty").ok()?;
        Some(Keys { tty: Async::new(tty).ok()?, _raw: Raw::enter().ok()? })
    }

    /// Obeys keys until it is dropped.
    pub async fn obey(self, controls: Controls, clock: Clock) {
        let mut buffer = [0; 64];
        while self.tty.readable().await.is_ok() {
            if !terminal::in_foreground() {
                clock.sleep(BACKGROUND).await; // to read now would stop the process
                continue;
            }
            Raw::again();
            match self.tty.get_ref().read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => buffer.get(..count).into_iter().for_each(|keys| controls.press(keys)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

impl Controls {
    /// What came in one read. An arrow or function key is one key, though it sends several bytes.
    fn press(&self, keys: &[u8]) {
        match keys {
            [0x1b, ..] => self.key(0x1b),
            keys => keys.iter().for_each(|key| self.key(*key)),
        }
    }

    fn key(&self, key: u8) {
        match key {
            b'v' | b'V' | b'd' | b'D' => self.change_verbosity(key),
            b'p' | b'P' => {
                self.traces.iter().for_each(|trace| trace.set(key == b'p'));
                complain(if key == b'p' {
                    "traces of scripts and packets: on"
                } else {
                    "traces of scripts and packets: off"
                });
            }
            b's' => complain(&slowest(&self.gauge)),
            b'?' => complain(HELP),
            _ => complain(&self.gauge.line()),
        }
    }

    fn change_verbosity(&self, key: u8) {
        let (verbose, debug) = self.verbosity.get();
        let more = |level: u8| level.saturating_add(1).min(HIGHEST);
        let (verbose, debug) = match key {
            b'v' => (more(verbose), debug),
            b'V' => (verbose.saturating_sub(1), debug),
            b'd' => (verbose, more(debug)),
            _ => (verbose, debug.saturating_sub(1)),
        };
        self.verbosity.set((verbose, debug));
        self.sink.set_verbosity(verbose, debug);
        complain(&format!("detail: {verbose}, debugging: {debug}"));
    }
}

fn slowest(gauge: &Gauge) -> String {
    let now = gauge.clock.now();
    let slow = gauge.scheduler.slowest(SLOWEST);
    if slow.is_empty() {
        return "no script is running".to_owned();
    }
    let line = |slow: &Slow| {
        let state = if slow.waits { "waits" } else { "computes" };
        let place = slow.place.as_ref().map_or_else(
            || "before its first call of a native".to_owned(),
            |(file, line)| if slow.waits { format!("at {file}:{line}") } else { format!("since {file}:{line}") },
        );
        format!("{} {} {} {state} {place}", short(now.since(slow.started)), slow.script, slow.subject)
    };
    let lines: Vec<String> = slow.iter().map(line).collect();
    format!("slowest scripts:\n{}", lines.join("\n"))
}

//! A terminal of the test's own, with sonde in front of it: started by a shell that stays, as a user's shell does.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::sonde::PROGRAM;

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_mins(2);

/// What the shell does: keep what is written when a key interrupts, run sonde, tell how it ended and the modes it left the terminal in. Ctrl-C is sonde's business.
const SHELL: &str =
    "stty noflsh; trap : INT; \"$@\"; code=$?; trap '' INT; echo \"code $code\" >&2; stty -a >&2; echo the end >&2";

/// A terminal, and what runs in it.
pub struct Terminal {
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    child: Child,
    end: Instant,
}

impl Terminal {
    /// Starts sonde with these arguments: stdin and stderr are the terminal, stdout is `stdout`.
    pub fn start(arguments: &[&str], folder: &std::path::Path, stdout: Stdio) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name").into_string().expect("in ASCII");
        let slave = || File::options().read(true).write(true).open(&name).expect("the other end");
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait", "sh", "-c", SHELL, "sh", PROGRAM]).args(arguments).current_dir(folder);
        command.env_clear().env("TERM", "xterm").envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        let child = command.stdin(slave()).stderr(slave()).stdout(stdout).spawn().expect("setsid and sh");
        let keyboard = File::from(master);
        let mut source = keyboard.try_clone().expect("another handle");
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end is an error: nobody has the other end open any more.
            while let Ok(count) = source.read(&mut buffer) {
                if count == 0 || sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal { keyboard, screen, seen: String::new(), child, end: Instant::now() + PATIENCE }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Waits until the screen has shown `text`, and returns all it has shown since the last such wait.
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let left = self.end.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout) => panic!("{text:?} never came; seen: {:?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended without {text:?}; seen: {:?}", self.seen),
            }
        }
    }

    /// Waits until keys come one by one: sonde has changed the terminal's mode.
    pub fn wait_for_raw(&self) {
        let is_raw = || tcgetattr(&self.keyboard).is_ok_and(|mode| !mode.local_modes.contains(LocalModes::ICANON));
        while !is_raw() {
            assert!(Instant::now() < self.end, "keys are never read; seen: {:?}", self.seen);
            thread::yield_now();
        }
    }

    /// Presses a key again and again, until sonde has ended.
    pub fn press_until_it_ends(&mut self, key: &str) {
        while !self.seen.contains("code ") {
            assert!(Instant::now() < self.end, "it never ends; seen: {:?}", self.seen);
            self.press(key);
            // A moment to obey in; the signals of two keys pressed at once are one.
            if let Ok(bytes) = self.screen.recv_timeout(Duration::from_millis(10)) {
                self.seen.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    }

    /// Waits for the end; the exit code, and whether the terminal echoes and reads lines as it did before.
    pub fn finish(mut self) -> (String, bool) {
        self.wait_for("code ");
        let told = self.wait_for("the end");
        let code = told.lines().next().unwrap_or_default().trim().to_owned();
        let modes: Vec<&str> = told.split(|c: char| c.is_whitespace() || c == ';').collect();
        (code, modes.contains(&"icanon") && modes.contains(&"echo"))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Harmless once it has ended. What it started is in front of a terminal that goes now, and is told so.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

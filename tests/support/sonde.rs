//! The built program as a child process: an environment of nothing but `PATH` and `HOME`, everything captured, and a
//! watchdog that ends a child which hangs.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// No run in these tests comes near it.
const WATCHDOG: Duration = Duration::from_secs(150);

/// The path of the built program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_sonde");

/// A run to be started.
pub struct Sonde {
    command: Command,
    stdin: Option<Vec<u8>>,
    shown: Vec<OsString>,
}

/// sonde with these arguments.
pub fn sonde<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Sonde {
    Sonde::command(PROGRAM).args(arguments)
}

/// A scan without reverse names, reported as JSON Lines on stdout.
pub fn scan<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Sonde {
    sonde(["-n", "--json"]).args(arguments)
}

impl Sonde {
    /// Another program in the same conditions: a shell that sets a limit and becomes sonde.
    pub fn command(program: &str) -> Sonde {
        let mut command = Command::new(program);
        command.env_clear();
        for name in ["PATH", "HOME"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        Sonde { command, stdin: None, shown: vec![program.into()] }
    }

    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Sonde {
        for argument in arguments {
            self.shown.push(argument.as_ref().to_owned());
            self.command.arg(argument);
        }
        self
    }

    /// What it reads from stdin; nothing unless said.
    pub fn stdin(mut self, content: impl Into<Vec<u8>>) -> Sonde {
        self.stdin = Some(content.into());
        self
    }

    /// The folder it runs in.
    pub fn within(mut self, folder: &Path) -> Sonde {
        self.command.current_dir(folder);
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Run {
        self.start().finish()
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        let shown = self.shown.join(OsStr::new(" ")).to_string_lossy().into_owned();
        let stdin = if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        let spawned = self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{shown}: {error}"));
        if let (Some(pipe), Some(content)) = (child.stdin.take(), self.stdin) {
            feed(pipe, content);
        }
        let (sender, output) = channel();
        let (stdout, stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let errors = sender.clone();
        thread::spawn(move || pump(stdout, |chunk| sender.send(Chunk::Out(chunk)).is_ok()));
        thread::spawn(move || pump(stderr, |chunk| errors.send(Chunk::Err(chunk)).is_ok()));
        let end = Instant::now() + WATCHDOG;
        Running { child, output, shown, end, stdout: Vec::new(), stderr: Vec::new(), is_closed: false }
    }
}

fn feed(mut pipe: ChildStdin, content: Vec<u8>) {
    // A child that does not read all of it is no failure here.
    thread::spawn(move || pipe.write_all(&content).ok());
}

/// Hands on what is read until the other end closes or nobody wants more; then closes this end.
fn pump(mut source: impl Read, mut give: impl FnMut(Vec<u8>) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = source.read(&mut buffer) {
        if count == 0 || !give(buffer[..count].to_vec()) {
            return;
        }
    }
}

enum Chunk {
    Out(Vec<u8>),
    Err(Vec<u8>),
}

/// A run under way; killed if dropped.
pub struct Running {
    child: Child,
    output: Receiver<Chunk>,
    shown: String,
    end: Instant,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    is_closed: bool,
}

impl Running {
    /// Waits until `seen` holds of its stdout so far.
    pub fn wait_for_output(&mut self, what: &str, seen: impl Fn(&str) -> bool) {
        while !seen(&String::from_utf8_lossy(&self.stdout)) {
            self.take_chunk();
            assert!(!self.is_closed, "{}: ended without {what}\n{}", self.shown, self.so_far());
        }
    }

    /// Waits until `seen` holds of its stderr so far.
    pub fn wait_for_errors(&mut self, what: &str, seen: impl Fn(&str) -> bool) {
        while !seen(&String::from_utf8_lossy(&self.stderr)) {
            self.take_chunk();
            assert!(!self.is_closed, "{}: ended without {what}\n{}", self.shown, self.so_far());
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        // Not yet waited for, so the id is still this child's.
        kill_process(Pid::from_child(&self.child), signal).unwrap_or_else(|error| panic!("{}: {error}", self.shown));
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Run {
        while !self.is_closed {
            self.take_chunk();
        }
        let status = self.child.wait().expect("it is our child");
        Run {
            code: status.code(),
            stdout: std::mem::take(&mut self.stdout),
            stderr: String::from_utf8_lossy(&self.stderr).into_owned(),
            shown: std::mem::take(&mut self.shown),
        }
    }

    fn take_chunk(&mut self) {
        let left = self.end.saturating_duration_since(Instant::now());
        match self.output.recv_timeout(left) {
            Ok(Chunk::Out(bytes)) => self.stdout.extend(bytes),
            Ok(Chunk::Err(bytes)) => self.stderr.extend(bytes),
            Err(RecvTimeoutError::Disconnected) => self.is_closed = true,
            Err(RecvTimeoutError::Timeout) => {
                panic!("{}: hangs, killed by the watchdog\n{}", self.shown, self.so_far())
            }
        }
    }

    fn so_far(&self) -> String {
        let (stdout, stderr) = (String::from_utf8_lossy(&self.stdout), String::from_utf8_lossy(&self.stderr));
        format!("--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Harmless once it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came of a run.
pub struct Run {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Bytes of stdout.
    pub stdout: Vec<u8>,
    /// Text of stderr.
    pub stderr: String,
    shown: String,
}

impl Run {
    /// Fails unless it ended with `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Run {
        assert_eq!(self.code, Some(code), "exit code of {self}");
        self
    }

    /// Fails unless stderr holds every one of `parts`.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Run {
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in the stderr of {self}");
        }
        self
    }

    /// Stdout as text.
    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap_or_else(|error| panic!("stdout: {error}: {self}"))
    }

    /// Stdout as a report in JSON Lines.
    #[track_caller]
    pub fn report(&self) -> Report {
        Report::parse(&self.text())
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stdout = String::from_utf8_lossy(&self.stdout);
        write!(f, "{}\n--- stdout\n{stdout}\n--- stderr\n{}", self.shown, self.stderr)
    }
}

/// A report in JSON Lines.
pub struct Report {
    /// Its lines in order.
    pub lines: Vec<Value>,
}

impl Report {
    /// Every line of `text` must be an object.
    #[track_caller]
    pub fn parse(text: &str) -> Report {
        let line = |line: &str| -> Value {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON: {error}: {line}"))
        };
        Report { lines: text.lines().map(line).collect() }
    }

    /// Reads the file at `path`.
    #[track_caller]
    pub fn read(path: impl Into<PathBuf>) -> Report {
        let path = path.into();
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
        Report::parse(&text)
    }

    /// Lines of one type.
    pub fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines.iter().filter(move |line| line["type"] == kind)
    }

    /// Lines of hosts.
    pub fn hosts(&self) -> Vec<&Value> {
        self.of_type("host").collect()
    }

    /// The line of one host.
    #[track_caller]
    pub fn host(&self, address: &str) -> &Value {
        let found: Vec<&Value> = self.of_type("host").filter(|host| host["address"] == address).collect();
        assert_eq!(found.len(), 1, "lines about {address}");
        found[0]
    }

    /// The records of a script that have something to say: not those that ended well and found nothing.
    pub fn scripts(&self, id: &str) -> Vec<&Value> {
        let quiet = |record: &&Value| record["outcome"] == "done" && record["output"].is_null();
        self.records(id).into_iter().filter(|record| !quiet(record)).collect()
    }

    /// Every record of a script.
    pub fn records(&self, id: &str) -> Vec<&Value> {
        let mut found = Vec::new();
        for line in &self.lines {
            let ports = line["ports"].as_array().into_iter().flatten();
            let lists = ports.map(|port| &port["scripts"]).chain([&line["scripts"]]);
            found.extend(lists.filter_map(Value::as_array).flatten().filter(|script| script["id"] == id));
        }
        found
    }

    /// The only record of a script.
    #[track_caller]
    pub fn script(&self, id: &str) -> &Value {
        let found = self.scripts(id);
        assert_eq!(found.len(), 1, "records of {id} in {:#?}", self.lines);
        found[0]
    }

    /// The open ports of a host's line.
    pub fn open_ports(host: &Value) -> Vec<u16> {
        let ports = host["ports"].as_array().into_iter().flatten();
        let open = ports.filter(|port| port["state"] == "open");
        open.filter_map(|port| port["port"].as_u64()?.try_into().ok()).collect()
    }

    /// The last line, which every run that came to its end has.
    #[track_caller]
    pub fn end(&self) -> &Value {
        let end = self.lines.last().expect("an empty report");
        assert_eq!(end["type"], "run_end", "the last line");
        end
    }

    /// How often the instances of a script ended so, by the totals.
    #[track_caller]
    pub fn count(&self, id: &str, outcome: &str) -> u64 {
        self.end()["totals"]["scripts"][id][outcome].as_u64().unwrap_or(0)
    }
}

//! Debian's `openssl` as certificate maker and as server of every age it still knows.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder for keys and certificates, removed with its last file.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sonde-tls-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Runs `openssl` in the folder.
    pub fn openssl(&self, arguments: &str) {
        let run = Command::new("openssl").args(arguments.split_whitespace()).current_dir(&self.0).output();
        let run = run.expect("these tests need the openssl program");
        assert!(run.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&run.stderr));
    }

    /// Makes a self-signed certificate `NAME.pem` with its key `NAME.key`.
    pub fn certificate(&self, name: &str, key: &str, extra: &str) {
        self.openssl(&format!(
            "req -x509 -nodes -days 30 -newkey {key} -keyout {name}.key -out {name}.pem -subj /C=XX/O=Lab/CN={name} {extra}"
        ));
    }

    /// The DER form of `NAME.pem`.
    pub fn der(&self, name: &str) -> Vec<u8> {
        self.openssl(&format!("x509 -in {name}.pem -outform DER -out {name}.der"));
        fs::read(self.0.join(format!("{name}.der"))).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running `openssl s_server` that sends every line back reversed.
pub struct Server {
    child: Child,
    pub addr: SocketAddr,
}

impl Server {
    /// Serves the certificate `NAME` on a free port of loopback.
    pub fn start(folder: &Folder, name: &str, options: &str) -> Server {
        let arguments = format!("s_server -accept 127.0.0.1:0 -rev -key {name}.key -cert {name}.pem {options}");
        let mut child = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(&folder.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need the openssl program");
        let output = BufReader::new(child.stdout.take().unwrap());
        let ready = output.lines().map_while(Result::ok).find_map(|line| line.strip_prefix("ACCEPT ")?.parse().ok());
        Server { addr: ready.unwrap_or_else(|| panic!("openssl {arguments} does not start")), child }
    }

    /// Stops it as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

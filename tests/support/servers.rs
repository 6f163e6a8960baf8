//! Real servers from Debian packages: each in a folder of its own, in the foreground, on loopback, stopped by its id.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::RwLockReadGuard;
use std::thread;
use std::time::{Duration, Instant};

use super::dir::Dir;
use super::{cannot_run, place};

/// How long a server may take to listen. Only one that never does comes near it.
const READY: Duration = Duration::from_secs(30);

/// A server that listens.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its files.
    pub dir: Dir,
    /// Held by a server on every address.
    wildcard: Option<RwLockReadGuard<'static, ()>>,
}

impl Server {
    /// Starts `program` of Debian's `package` and waits until it listens on `address`. None, said loudly, if it is not
    /// installed.
    pub fn start(program: &str, package: &str, arguments: &[&str], address: SocketAddr, dir: Dir) -> Option<Server> {
        Server::start_and_wait(program, package, arguments, address, dir, |at| TcpStream::connect(at).is_ok())
    }

    /// The same for one that has its port of UDP only.
    pub fn start_udp(
        program: &str,
        package: &str,
        arguments: &[&str],
        address: SocketAddr,
        dir: Dir,
    ) -> Option<Server> {
        Server::start_and_wait(program, package, arguments, address, dir, place::is_bound)
    }

    fn start_and_wait(
        program: &str,
        package: &str,
        arguments: &[&str],
        address: SocketAddr,
        dir: Dir,
        is_ready: fn(SocketAddr) -> bool,
    ) -> Option<Server> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null());
        // A daemon may live where only root's PATH looks.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin")).stderr(Stdio::piped());
        match command.spawn() {
            Ok(child) => {
                let mut server = Server { child, address, dir, wildcard: None };
                server.wait_until_ready(program, is_ready);
                Some(server)
            }
            Err(error) => {
                cannot_run(&format!("{program} does not start ({error}): install the Debian package {package}"));
                None
            }
        }
    }

    fn wait_until_ready(&mut self, program: &str, is_ready: fn(SocketAddr) -> bool) {
        let end = Instant::now() + READY;
        while !is_ready(self.address) {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("{program} ended at once ({status}): {}", self.complaint());
            }
            assert!(Instant::now() < end, "{program} does not listen on {}", self.address);
            thread::yield_now();
        }
        // From here on nobody reads what it says; drained so that it cannot block on it.
        if let Some(mut stderr) = self.child.stderr.take() {
            thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        }
    }

    fn complaint(&mut self) -> String {
        let mut text = String::new();
        let _ = self.child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut text));
        text
    }

    /// Its port, as `-p` wants it.
    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// Its address, as a target.
    pub fn ip(&self) -> String {
        self.address.ip().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// nginx on an address of its own, with `locations` as the body of its one server block.
pub fn nginx(locations: &str) -> Option<Server> {
    nginx_on(place::address(), locations)
}

/// nginx on every address of 127/8.
pub fn nginx_everywhere(locations: &str) -> Option<Server> {
    let wildcard = place::with_wildcard_server();
    let mut server = nginx_on(Ipv4Addr::UNSPECIFIED.into(), locations)?;
    server.wildcard = Some(wildcard);
    Some(server)
}

/// nginx on `ip`: one process, no daemon, `www/` in its folder as its root.
pub fn nginx_on(ip: IpAddr, locations: &str) -> Option<Server> {
    nginx_at(SocketAddr::new(ip, place::port()), "", locations)
}

/// nginx with TLS, with a certificate of its own for `localhost`.
pub fn nginx_tls(locations: &str) -> Option<Server> {
    nginx_at(SocketAddr::new(place::address(), place::port()), " ssl", locations)
}

/// nginx on `address`; `tls` is " ssl" or nothing.
pub fn nginx_at(address: SocketAddr, tls: &str, locations: &str) -> Option<Server> {
    let dir = Dir::new();
    let root = dir.path().display();
    dir.write("www/index.html", "<html><head><title>A real server</title></head><body>hello</body></html>");
    let certificate = if tls.is_empty() {
        String::new()
    } else {
        write_certificate(&dir);
        format!("ssl_certificate {root}/tls.crt; ssl_certificate_key {root}/tls.key;")
    };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {root}/{name};"))
        .join("\n");
    let configuration = format!(
        "daemon off; master_process off; worker_processes 1; pid {root}/nginx.pid; error_log stderr;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; {temporary}\n types {{ text/html html; }}\n\
         server {{ listen {address}{tls} backlog=4096; {certificate} root {root}/www;\n{locations}\n}} }}\n"
    );
    let path = dir.write("nginx.conf", configuration).display().to_string();
    let prefix = dir.path().display().to_string();
    // The error log of its start-up would go to a folder of root's otherwise.
    let arguments = ["-c", &path, "-p", &prefix, "-e", "stderr"];
    let server = Server::start("nginx", "nginx-light", &arguments, reachable(address), dir)?;
    Some(server)
}

/// `openssl s_server` with `arguments`, its certificate for `localhost`; it answers HTTP requests with a status page.
pub fn openssl(arguments: &[&str]) -> Option<Server> {
    openssl_at(SocketAddr::new(place::address(), place::port()), arguments)
}

/// The same on `address`.
pub fn openssl_at(address: SocketAddr, arguments: &[&str]) -> Option<Server> {
    let dir = Dir::new();
    write_certificate(&dir);
    let accept = address.to_string();
    let mut all = vec!["s_server", "-accept", &accept, "-cert", "tls.crt", "-key", "tls.key", "-www", "-quiet"];
    all.extend(arguments);
    Server::start("openssl", "openssl", &all, address, dir)
}

/// `openssl s_server` for DTLS on `address`.
pub fn openssl_dtls_at(address: SocketAddr) -> Option<Server> {
    let dir = Dir::new();
    write_certificate(&dir);
    let accept = address.to_string();
    let arguments =
        ["s_server", "-dtls", "-listen", "-accept", &accept, "-cert", "tls.crt", "-key", "tls.key", "-quiet"];
    Server::start_udp("openssl", "openssl", &arguments, address, dir)
}

/// dnsmasq on `ip`: DNS that knows nothing and asks nobody, TFTP without files.
pub fn dnsmasq_on(ip: IpAddr) -> Option<Server> {
    let dir = Dir::new();
    let (listen, root) = (format!("--listen-address={ip}"), format!("--tftp-root={}", dir.path().display()));
    let quiet = ["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=", "--user=root"];
    let arguments = [&quiet[..], &["--bind-interfaces", &listen, "--enable-tftp", &root]].concat();
    Server::start("dnsmasq", "dnsmasq-base", &arguments, SocketAddr::new(ip, 53), dir)
}

/// `snmpd` on `address`, which lets the community `public` read.
pub fn snmpd_at(address: SocketAddr) -> Option<Server> {
    let dir = Dir::new();
    let keep = dir.path().display();
    let path =
        dir.write("snmpd.conf", format!("rocommunity public\n[snmp] persistentDir {keep}\n")).display().to_string();
    let (udp, tcp) = (format!("udp:{address}"), format!("tcp:{address}"));
    Server::start("snmpd", "snmpd", &["-f", "-C", "-c", &path, "-Le", "-p", "pid", &udp, &tcp], address, dir)
}

/// `chronyd` on `address`: it tells the machine's time, and neither asks others nor sets a clock.
pub fn chronyd_at(address: SocketAddr) -> Option<Server> {
    let dir = Dir::new();
    let (ip, port, pid) = (address.ip(), address.port(), dir.join("pid").display().to_string());
    let text =
        format!("bindaddress {ip}\nport {port}\nallow\nlocal stratum 10\ncmdport 0\nbindcmdaddress /\npidfile {pid}\n");
    let path = dir.write("chrony.conf", text).display().to_string();
    Server::start_udp("chronyd", "chrony", &["-d", "-x", "-u", "root", "-f", &path], address, dir)
}

/// `tls.crt` and `tls.key`, signed by itself, for `localhost`.
pub fn write_certificate(dir: &Dir) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    dir.write("tls.crt", made.cert.pem());
    dir.write("tls.key", made.signing_key.serialize_pem());
}

/// Where a server that listens on `address` can be reached.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { (Ipv4Addr::LOCALHOST, address.port()).into() } else { address }
}

/// `sshd` with host keys of these types, made for it (`host_rsa`, …), `configuration`, and a key `user` that lets in whoever
/// runs the tests.
pub fn sshd(types: &[&str], configuration: &str) -> Option<Server> {
    sshd_at(SocketAddr::new(place::address(), place::port()), types, configuration)
}

/// The same on `address`.
pub fn sshd_at(address: SocketAddr, types: &[&str], configuration: &str) -> Option<Server> {
    const PROGRAM: &str = "/usr/sbin/sshd"; // it wants to be called by its whole path
    if let Err(error) = std::fs::create_dir_all("/run/sshd") {
        cannot_run(&format!("sshd wants a folder /run/sshd: {error}"));
        return None;
    }
    let dir = Dir::new();
    let mut lines = Vec::new();
    for kind in types {
        lines.push(format!("HostKey {}\n", make_ssh_key(&dir, kind, &format!("host_{kind}"))?));
    }
    let lines = lines.concat();
    let user = make_ssh_key(&dir, "ed25519", "user")?;
    let text = format!(
        "ListenAddress {address}\n{lines}AuthorizedKeysFile {user}.pub\nStrictModes no\nUsePAM no\nPidFile none\n\
         PermitRootLogin prohibit-password\nMaxStartups 500\n{configuration}\n"
    );
    let path = dir.write("sshd_config", text).display().to_string();
    Server::start(PROGRAM, "openssh-server", &["-D", "-e", "-f", &path], address, dir)
}

/// Makes a key without passphrase; returns its path.
pub fn make_ssh_key(dir: &Dir, kind: &str, name: &str) -> Option<String> {
    let path = dir.join(name).display().to_string();
    let made = Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", "", "-f", &path]).output();
    match made {
        Ok(made) if made.status.success() => Some(path),
        Ok(made) => panic!("ssh-keygen -t {kind}: {}", String::from_utf8_lossy(&made.stderr)),
        Err(error) => {
            cannot_run(&format!("ssh-keygen does not start ({error}): install the Debian package openssh-client"));
            None
        }
    }
}

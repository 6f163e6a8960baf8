//! The web server everybody is measured against: nginx from Debian, one worker.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use super::{Failure, process};

/// Title of its page.
pub const TITLE: &str = "Title of the bench page";
/// Ports that sonde and nmap both take for a web server without being told. The first free one is used.
const PORTS: [u16; 4] = [8080, 8000, 8088, 7080];
/// How often, and with which pauses, the server is asked whether it listens.
const LOOKS: (u32, Duration) = (250, Duration::from_millis(20));

/// A running server; it is ended by its pid when this is dropped.
pub struct Nginx {
    process: Child,
    port: u16,
}

impl Nginx {
    /// Starts one that serves a single small page and writes no log, with all its files in `folder`.
    pub fn start(folder: &Path) -> Result<Nginx, Failure> {
        let folder = folder.join("nginx");
        fs::create_dir_all(folder.join("www"))?;
        fs::write(folder.join("www/index.html"), page())?;
        Nginx::serve(&folder, "off")
    }

    /// Starts one that serves `www` of `folder`; its `access.log` has the status and the path of each request.
    pub fn start_logging(folder: &Path) -> Result<Nginx, Failure> {
        Nginx::serve(folder, "access.log brief")
    }

    fn serve(folder: &Path, log: &str) -> Result<Nginx, Failure> {
        // Debian keeps it where only root's search path looks.
        let usual = || Some(PathBuf::from("/usr/sbin/nginx")).filter(|path| path.is_file());
        let program = process::find("nginx").or_else(usual);
        let program = program.ok_or("nginx is not installed; it is in Debian's package nginx-light")?;
        let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok();
        let port = PORTS.into_iter().find(is_free).ok_or_else(|| format!("none of the ports {PORTS:?} is free"))?;
        fs::write(folder.join("nginx.conf"), configuration(port, log))?;
        let mut command = Command::new(program);
        command.args(["-e", "error.log", "-c", "nginx.conf", "-p"]).arg(folder).stdin(Stdio::null());
        let mut nginx = Nginx { process: command.spawn()?, port };
        nginx.wait_until_it_listens()?;
        Ok(nginx)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    fn wait_until_it_listens(&mut self) -> Result<(), Failure> {
        let (looks, pause) = LOOKS;
        for _ in 0..looks {
            if TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("nginx ended at once: {status}").into());
            }
            thread::sleep(pause);
        }
        Err(format!("nginx does not listen on port {} after {:?}", self.port, pause * looks).into())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody left to tell either way.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A small page: nmap's cache of pages holds 1 MB, and finding out which of 4,096 larger ones to forget takes it five
/// times as long as the scan.
fn page() -> String {
    format!("<html><head><title>{TITLE}</title></head><body>hi</body></html>\n")
}

/// One process that is its own worker. All of 127.0.0.0/20 can be listened on only with the wildcard address, so peers
/// from elsewhere are refused by rule.
fn configuration(port: u16, log: &str) -> String {
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {name};"));
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log error.log;
         events {{ worker_connections 16384; multi_accept on; }}
         http {{ {} log_format brief '$status $uri'; access_log {log}; default_type text/html; types {{ }} open_file_cache max=16;
           server {{ listen {port} backlog=4096; root www; allow 127.0.0.0/8; deny all; }} }}\n",
        temporary.join(" ")
    )
}

//! `ssl-cert` of 16 hosts that take half a second for a TLS handshake: whether they are waited for side by side.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection};

use super::figures::Series;
use super::table::{Goal, Table};
use super::{Bench, Failure, process};

const ROUNDS: usize = 5;
const HOSTS: u8 = 16;
const TARGETS: &str = "127.0.0.1-16";
/// From the client's hello to the server's.
const DELAY: Duration = Duration::from_millis(500);
const WORK: &str = "ssl-cert of 16 hosts, 0.5 s a handshake";
/// In the name of the certificate, which both print.
const NAME: &str = "slow.bench";

pub fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let port = start()?.to_string();
    let arguments = ["-n", "-Pn", "-sT", "-p", &port, "--script", "+ssl-cert", TARGETS]; // past its rule: any port
    let mut programs = vec![bench.sonde(arguments)];
    programs.extend(bench.nmap(arguments.into_iter().chain(["-sT"])));
    let mut times = vec![Series::new(super::figures::Unit::Seconds); programs.len()];
    process::interleave(&programs, ROUNDS, bench.folder(), |index, ran| {
        let certificates = ran.stdout.matches("ssl-cert").count();
        if certificates != usize::from(HOSTS) || !ran.stdout.contains(NAME) {
            return Err(format!("{} got {certificates} certificates", programs[index].who).into());
        }
        times[index].push_time(ran.wall);
        Ok(())
    })?;
    for (program, series) in programs.iter().zip(&times) {
        let goal = if program.who == "sonde" { Goal::AtMost(0.6) } else { Goal::None };
        table.row(WORK, program.who, series, &goal);
    }
    Ok(())
}

/// Starts the server on 16 addresses and one port. It lasts as long as the bench.
fn start() -> Result<u16, Failure> {
    let config = Arc::new(configuration()?);
    let mut port = 0;
    for host in 1..=HOSTS {
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, host), port))?;
        port = listener.local_addr()?.port();
        let config = Arc::clone(&config);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let config = Arc::clone(&config);
                // A client that hangs up ends its own connection and nothing else.
                thread::spawn(move || shake_hands(stream, config));
            }
        });
    }
    Ok(port)
}

fn shake_hands(mut stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<()> {
    if stream.peek(&mut [0])? == 0 {
        return Ok(()); // a port scan
    }
    thread::sleep(DELAY);
    let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
    while connection.complete_io(&mut stream)? != (0, 0) {}
    Ok(())
}

fn configuration() -> Result<ServerConfig, Failure> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    Ok(builder.with_single_cert(vec![made.cert.der().clone()], key.into())?)
}

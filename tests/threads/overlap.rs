//! No library holds the others up: sixteen slow TLS handshakes are under way at once.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::leaves_nothing;
use crate::support::peer::{Peer, Talk};
use crate::support::sonde::scan;
use crate::support::tls;

const HOSTS: usize = 16;
/// Time a handshake takes at least.
const SLOW: Duration = Duration::from_millis(500);

/// Counts handshakes that have begun, and opens once all have.
#[derive(Default)]
struct Gate {
    begun: Mutex<usize>,
    all: Condvar,
}

impl Gate {
    /// Waits until every host's handshake has begun. One that comes alone is let through after a while, and the test fails.
    fn pass(&self) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        *begun += 1;
        self.all.notify_all();
        drop(self.all.wait_timeout_while(begun, Duration::from_secs(20), |begun| *begun < HOSTS));
    }
}

/// Hands everything on to `server`, the client's hello only after the gate and the delay.
fn relay(talk: &mut Talk, server: std::net::SocketAddr, gate: &Gate) {
    let mut hello = vec![0; 16 << 10];
    let Ok(length @ 1..) = talk.stream.read(&mut hello) else { return }; // the port scan says nothing
    gate.pass();
    if !talk.pause(SLOW) {
        return;
    }
    let Ok(mut upstream) = TcpStream::connect(server) else { return };
    if upstream.write_all(&hello[..length]).is_err() {
        return;
    }
    let (Ok(mut from), Ok(mut to)) = (talk.stream.try_clone(), upstream.try_clone()) else { return };
    let up = thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut upstream, &mut talk.stream);
    let _ = talk.stream.shutdown(Shutdown::Both);
    let _ = up.join();
}

#[test]
fn sixteen_slow_certificates_are_fetched_at_once() {
    let server = tls::peer(|_| ());
    let (address, gate) = (server.address(), Arc::new(Gate::default()));
    let proxies: Vec<Peer> = (0..HOSTS)
        .map(|_| {
            let gate = Arc::clone(&gate);
            Peer::start(move |talk| relay(talk, address, &gate))
        })
        .collect();
    let ports: Vec<String> = proxies.iter().map(Peer::port).collect();
    let addresses: Vec<String> = proxies.iter().map(Peer::ip).collect();
    // Past its rule: the ports are whatever was free.
    let run = scan(["-d", "--script", "+ssl-cert", "-p", &ports.join(",")]).args(&addresses).run();
    let report = leaves_nothing(run).report();
    let records: Vec<_> = report.scripts("ssl-cert").into_iter().filter(|record| record["outcome"] == "done").collect();
    assert_eq!(records.len(), HOSTS, "{:#?}", report.lines);
    let times: Vec<(f64, f64)> = records
        .iter()
        .map(|record| {
            let started = seconds(record["started"].as_str().expect("a time"));
            (started, started + record["duration_seconds"].as_f64().expect("a duration"))
        })
        .collect();
    let last_start = times.iter().map(|(start, _)| *start).fold(f64::MIN, f64::max);
    let first_end = times.iter().map(|(_, end)| *end).fold(f64::MAX, f64::min);
    assert!(last_start < first_end, "not all at once: {times:?}");
    assert!(times.iter().all(|(start, end)| end - start < 20.0), "somebody came alone: {times:?}");
}

/// Seconds of the day of an RFC 3339 time, which is enough to compare times of one run.
fn seconds(time: &str) -> f64 {
    let clock = time.split('T').nth(1).expect("a time of day").trim_end_matches('Z');
    clock.split(':').fold(0.0, |total, part| total * 60.0 + part.parse::<f64>().expect("a number"))
}

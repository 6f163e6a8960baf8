//! Real servers answer what the UDP scan says to their ports.

use std::net::UdpSocket;
use std::time::Duration;

use sonde::scan::payloads::payloads;

use super::topology::{Host, Lab};

/// How long an answer may take. Only one that never comes does.
const PATIENCE: Duration = Duration::from_secs(30);

/// What each payload for this port gets from `to`, each asked from a port of its own.
#[track_caller]
fn answers(from: &Host, to: &Host, port: u16) -> Vec<Vec<u8>> {
    let answer = |(number, payload): (usize, &&[u8])| {
        let socket = from.space.inside(|| UdpSocket::bind((from.addr, 0))).expect("a free port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket takes a time limit");
        socket.send_to(payload, (to.addr, port)).expect("a way there");
        let mut room = [0; 2048];
        let got = socket.recv_from(&mut room);
        let (length, who) = got.unwrap_or_else(|error| panic!("payload {number} of port {port}: {error}"));
        assert_eq!(who.ip(), to.addr);
        room[..length].to_vec()
    };
    payloads(port).iter().enumerate().map(answer).collect()
}

/// The only answer.
#[track_caller]
fn answer(from: &Host, to: &Host, port: u16) -> Vec<u8> {
    let [answer] = answers(from, to, port).try_into().expect("the port has one payload");
    answer
}

fn holds(answer: &[u8], part: &[u8]) -> bool {
    answer.windows(part.len()).any(|window| window == part)
}

#[test]
fn dns_and_tftp() {
    let Some(lab) = Lab::flat(2) else { return };
    let (a, b) = (lab.host("a"), lab.host("b"));
    let Some(_server) = b.dnsmasq() else { return };
    let dns = answer(a, b, 53);
    // Our id, an answer, refused (RFC 1035 section 4.1.1): it has nobody to ask.
    assert_eq!((&dns[..2], dns[2] >> 7, dns[3] & 0x0f), (&b"so"[..], 1, 5), "{dns:?}");
    // An error: no such file (RFC 1350 section 5).
    assert_eq!(answer(a, b, 69)[..4], [0, 5, 0, 1]);
}

#[test]
fn snmp() {
    let Some(lab) = Lab::flat(2) else { return };
    let Some(_server) = lab.host("b").snmpd() else { return };
    let [v1, v3] = answers(lab.host("a"), lab.host("b"), 161).try_into().expect("two payloads");
    assert!(holds(&v1, b"public") && holds(&v1, b"Linux "), "{v1:?}");
    // A report (RFC 3416 section 3) on usmStatsUnknownEngineIDs (RFC 3414 section 5).
    assert!(holds(&v3, &[0x2b, 6, 1, 6, 3, 15, 1, 1, 4, 0]) && v3.contains(&0xa8), "{v3:?}");
}

#[test]
fn ntp() {
    let Some(lab) = Lab::flat(2) else { return };
    let Some(_server) = lab.host("b").chronyd() else { return };
    let time = answer(lab.host("a"), lab.host("b"), 123);
    // Version 4, a server, and what we sent as our time comes back (RFC 5905 section 7.3).
    assert_eq!((time.len(), time[0] & 0x3f, &time[24..32]), (48, 4 << 3 | 4, &b"sondeask"[..]), "{time:?}");
}

#[test]
fn dtls() {
    let Some(lab) = Lab::flat(2) else { return };
    let Some(_server) = lab.host("b").dtls(5684) else { return };
    let hello = answer(lab.host("a"), lab.host("b"), 5684);
    // A handshake: come back with this cookie (RFC 6347 section 4.2.1).
    assert_eq!((hello[0], hello[13]), (22, 3), "{hello:?}");
}

#[test]
fn ports_of_no_known_service() {
    let Some(lab) = Lab::flat(2) else { return };
    let Some(_server) = lab.host("b").inetd() else { return };
    assert_eq!(answer(lab.host("a"), lab.host("b"), 7), b"", "an echo of nothing");
}

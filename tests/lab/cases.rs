//! The recorded cases of the scripts that send and capture packets, made anew in networks of their own. Each run of the tests
//! makes all of them, so that they can be made, and throws them away; with `SONDE_RECORD_LAB=1` (`make record-lab-cases`) they
//! take the place of those in `testdata/scripts`.

use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::relay::Weather;
use super::topology::Lab;
use crate::support::dir::Dir;
use crate::support::sonde::{PROGRAM, Report, Sonde};

/// What the script has to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Says {
    Something,
    Nothing,
    /// That the peer would not have it.
    Refusal,
}

/// What a case is made of, as `make record-case` takes it.
struct Case {
    script: &'static str,
    name: &'static str,
    /// What it shows.
    shows: &'static str,
    ports: &'static str,
    target: &'static str,
    /// More words of the command line.
    words: &'static str,
    says: Says,
}

/// Version and the like of the kernel that answers: no more than its first two numbers, so nothing of the machine.
fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("Linux tells its release");
    release.split(['.', '-', '\n']).take(2).collect::<Vec<_>>().join(".")
}

/// Records a case on `a`: by the script that records all others, so with all it checks. The scan itself sends no packets of
/// its own making, so those in the file are the script's.
#[track_caller]
fn record(lab: &Lab, case: &Case) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = Dir::new();
    let is_kept = std::env::var_os("SONDE_RECORD_LAB").is_some_and(|value| value == "1");
    let cases = if is_kept { root.join("testdata/scripts") } else { dir.path().to_owned() };
    let Case { script, name, shows, ports, target, words, says } = case;
    let line = "MADE=\"make record-lab-cases, on $(date -u +%F)\" exec tests/shell/record-case.sh \"$0\"";
    let place = format!("CASES={}", cases.display());
    let run = Sonde::command("ip")
        .args(["netns", "exec", lab.host("a").space.name(), "env", "QUIET=1", "FORCE="])
        .args([place, format!("SCRIPT={script}"), format!("CASE={name}"), format!("SHOWS={shows}")])
        .args([format!("PORT={ports}"), format!("TARGET={target}"), format!("ARGS=-sT -Pn {words}")])
        .args(["SERVER=Linux, in a network of tests/lab".to_owned(), format!("VERSION={}", kernel())])
        .args(["bash", "-c", line, PROGRAM])
        .within(root)
        .run()
        .expect(0);
    let report = Report::read(cases.join(script).join(name).join("expected.jsonl"));
    let records = report.records(script);
    let spoke = match records.iter().find(|record| record["outcome"] != "done") {
        Some(failed) if failed["failure"]["kind"] == "peer" => Says::Refusal,
        Some(failed) => panic!("{failed:#}\n{run}"),
        None if report.scripts(script).is_empty() => Says::Nothing,
        None => Says::Something,
    };
    assert_eq!(spoke, *says, "{script}/{name}: {records:#?}\n{run}");
}

const FOUND: Case =
    Case { script: "", name: "found", shows: "", ports: "80", target: "10.66.0.2", words: "", says: Says::Something };
const SILENT: Case = Case { name: "silent", words: "-v", says: Says::Nothing, ..FOUND };

/// `a` and `b`, whose port 80 is open, and which answers so many SYNs and no more.
fn tired_host(answers: u8) -> Option<(Lab, TcpListener)> {
    let lab = Lab::flat(2)?;
    let rule = format!("tcp flags syn limit rate over 1/day burst {answers} packets drop");
    lab.host("b").filter(&rule).ok()?;
    let port = lab.host("b").listen(80);
    Some((lab, port))
}

/// `a` on a link that has room for fourteen hosts: all of them are asked, and all of that is in the file.
fn small_link(count: u8) -> Option<Lab> {
    let lab = Lab::flat(count)?;
    let narrowed = lab.host("a").space.ip("addr del 10.66.0.1/24 dev e0\naddr add 10.66.0.1/28 broadcast + dev e0");
    narrowed.ok().map(|()| lab)
}

#[test]
fn arp_discover() {
    let Some(lab) = small_link(4) else { return };
    record(&lab, &Case { script: "arp-discover", shows: "three hosts on the link", ..FOUND });
    let Some(alone) = small_link(1) else { return };
    let shows = "a link with nobody else on it";
    record(&alone, &Case { script: "arp-discover", shows, target: "10.66.0.1", ..SILENT });
}

#[test]
fn broadcast_listener() {
    let Some(lab) = Lab::flat(2) else { return };
    let b = lab.host("b");
    let socket = b.space.inside(|| UdpSocket::bind((b.addr, 0))).expect("a free port");
    let Ok(()) = b.space.ip("route add 224.0.0.0/4 dev e0") else { return };
    let (stop, stopped) = channel::<()>();
    // It says the same until somebody has heard it.
    let speaker = std::thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout) {
            socket.send_to(b"M-SEARCH * HTTP/1.1\r\n\r\n", "239.255.255.250:1900").expect("it is sent");
        }
    });
    let words = "--script-args broadcast-listener.timeout=60s,broadcast-listener.most=1";
    let shows = "a search of SSDP to everybody";
    record(&lab, &Case { script: "broadcast-listener", shows, words, ..FOUND });
    drop(stop);
    speaker.join().expect("it spoke");
    let Some(alone) = Lab::flat(1) else { return };
    let words = "-v --script-args broadcast-listener.timeout=1s";
    let shows = "a link with nobody else on it";
    record(&alone, &Case { script: "broadcast-listener", shows, words, target: "10.66.0.1", ..SILENT });
}

#[test]
fn firewalk() {
    let Some(lab) = Lab::path_behind_firewall(80) else { return };
    let _port = lab.host("z").listen(80);
    let words = "--script-args firewalk.ports={80,81},firewalk.timeout=200ms";
    let shows = "a firewall on the way that lets one of two ports through";
    record(&lab, &Case { script: "firewalk", shows, words, target: "10.67.4.2", ..FOUND });
    let Some(near) = Lab::flat(2) else { return };
    let _port = near.host("b").listen(80);
    let words = "-v --script-args firewalk.ports={80,81},firewalk.timeout=200ms";
    record(&near, &Case { script: "firewalk", shows: "a host on our link: nobody is between", words, ..SILENT });
}

#[test]
fn icmp_timestamp() {
    let Some(lab) = Lab::flat(2) else { return };
    record(&lab, &Case { script: "icmp-timestamp", shows: "a clock", ..FOUND });
    let Ok(()) = lab.host("b").filter("icmp type timestamp-request drop") else { return };
    let words = "-v --script-args icmp-timestamp.timeout=200ms";
    record(&lab, &Case { script: "icmp-timestamp", shows: "a host that keeps its clock to itself", words, ..SILENT });
}

#[test]
fn ipidseq() {
    let Some(lab) = Lab::flat(2) else { return };
    record(&lab, &Case { script: "ipidseq", shows: "identifiers of resets and of echo replies", ..FOUND });
    let Ok(()) = lab.host("b").filter("icmp type echo-request drop\ntcp dport 81 drop") else { return };
    let words = "-v --connect-timeout 500ms --script-args ipidseq.timeout=100ms,ipidseq.probes=2";
    let shows = "a host that answers neither";
    record(&lab, &Case { script: "ipidseq", shows, words, ports: "81", ..SILENT });
}

#[test]
fn otrace() {
    let Some(lab) = Lab::path_behind_firewall(80) else { return };
    let _port = lab.host("z").listen(80);
    let shows = "routers behind a firewall that lets the connection through";
    record(&lab, &Case { script: "otrace", shows, target: "10.67.4.2", ..FOUND });
    let Some((tired, _port)) = tired_host(1) else { return };
    let shows = "a host that lets one connection in and no other";
    let words = "-v --script-operation-timeout 1s --script-args otrace.timeout=500ms";
    record(&tired, &Case { script: "otrace", shows, words, says: Says::Refusal, ..SILENT });
}

#[test]
fn p0f() {
    let Some(lab) = Lab::nat() else { return };
    let ports = [("x1", 80), ("x2", 22), ("x3", 23)].map(|(role, port)| lab.host(role).listen(port));
    let shows = "three systems behind one address";
    record(&lab, &Case { script: "p0f", shows, ports: "22,23,80", target: "10.68.0.1", ..FOUND });
    drop(ports);
    let Some((tired, _port)) = tired_host(1) else { return };
    record(&tired, &Case { script: "p0f", shows: "a host that lets one connection in and no other", ..SILENT });
}

#[test]
fn path_mtu() {
    let Some(lab) = Lab::path() else { return };
    let (Ok(()), Ok(())) =
        (lab.host("r1").space.ip("link set e1 mtu 1400"), lab.host("r3").space.ip("link set e1 mtu 1300"))
    else {
        return;
    };
    let shows = "two narrow links, whose routers say so";
    record(&lab, &Case { script: "path-mtu", shows, target: "10.67.4.2", ..FOUND });
    let Ok(()) = lab.host("z").filter("icmp type echo-request drop") else { return };
    let words = "-v --script-args path-mtu.timeout=100ms";
    let shows = "a host that answers no echo request";
    record(&lab, &Case { script: "path-mtu", shows, words, target: "10.67.4.2", ..SILENT });
}

#[test]
fn qscan() {
    let far = Weather { delay: Duration::from_millis(8), ..Weather::default() };
    let Some(lab) = Lab::nat_with_a_far_host(far) else { return };
    let ports = [("x1", 80), ("x2", 22), ("x3", 23)].map(|(role, port)| lab.host(role).listen(port));
    let shows = "one of three ports lives farther away";
    record(&lab, &Case { script: "qscan", shows, ports: "22,23,80", target: "10.68.0.1", ..FOUND });
    drop(ports);
    let Some((tired, _port)) = tired_host(2) else { return };
    let shows = "a host that answers each port once, and no more";
    let words = "-v --script-args qscan.rounds=2";
    record(&tired, &Case { script: "qscan", shows, ports: "80,81", words, ..SILENT });
}

#[test]
fn record_route() {
    let Some(lab) = Lab::path() else { return };
    let shows = "the way to a host and back over three routers";
    record(&lab, &Case { script: "record-route", shows, target: "10.67.4.2", ..FOUND });
    let Ok(()) = lab.host("z").filter("icmp type echo-request drop") else { return };
    let shows = "a host that answers no echo request";
    let words = "-v --script-args record-route.timeout=200ms";
    record(&lab, &Case { script: "record-route", shows, words, target: "10.67.4.2", ..SILENT });
}

#[test]
fn sniffer_detect() {
    let Some(lab) = Lab::macvlan() else { return };
    let words = "--script-args sniffer-detect.timeout=200ms";
    let shows = "a host that listens to everything";
    record(&lab, &Case { script: "sniffer-detect", shows, words, target: "10.70.0.3", ..FOUND });
    let shows = "a host that listens to what is meant for it";
    record(&lab, &Case { script: "sniffer-detect", name: "quiet", shows, words, target: "10.70.0.2", ..FOUND });
}

#[test]
fn tcp_timestamps() {
    let Some(lab) = Lab::nat() else { return };
    let ports = [("x1", 80), ("x2", 22), ("x3", 23)].map(|(role, port)| lab.host(role).listen(port));
    let shows = "one of three ports sends timestamps";
    record(&lab, &Case { script: "tcp-timestamps", shows, ports: "22,23,80", target: "10.68.0.1", ..FOUND });
    let shows = "a host that sends no timestamps";
    record(&lab, &Case { script: "tcp-timestamps", name: "nothing", shows, target: "10.68.0.1", ..SILENT });
    drop(ports);
}

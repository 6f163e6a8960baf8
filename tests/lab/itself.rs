//! The lab is what it says it is.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::packet_socket::PacketSocket;
use super::relay::{Tally, Weather};
use super::space;
use super::topology::{Host, Lab};
use crate::support::cannot_run;
use crate::support::sonde::Report;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens a connection from a host.
fn connect(from: &Host, to: &str, port: u16) -> std::io::Result<TcpStream> {
    let to = SocketAddr::new(to.parse().expect("an address"), port);
    from.space.inside(|| TcpStream::connect(to))
}

/// A raw socket of a host for one protocol over IPv4: it gets a copy of all that arrives, IP header first.
fn raw(host: &Host, protocol: Protocol) -> Socket {
    let socket = host.space.inside(|| Socket::new(Domain::IPV4, Type::RAW, Some(protocol))).expect("root opens it");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time");
    socket
}

fn next(mut socket: &Socket) -> Vec<u8> {
    let mut packet = vec![0; 2048];
    let length = socket.read(&mut packet).expect("a packet within reason");
    packet.truncate(length);
    packet
}

/// Sends an echo request (RFC 792) with this number and TTL.
fn ping(socket: &Socket, to: Ipv4Addr, ttl: u32, number: u8) {
    let mut request = [8, 0, 0, 0, 0x4c, 0x41, 0, number];
    let sum = request.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum::<u32>();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    request[2..4].copy_from_slice(&sum.to_be_bytes());
    socket.set_ttl_v4(ttl).expect("a TTL");
    socket.send_to(&request, &SocketAddr::from((to, 0)).into()).expect("it is sent");
}

/// The ICMP messages that arrive up to the echo reply with this number, as source and type.
fn heard(socket: &Socket, last: u8) -> Vec<(Ipv4Addr, u8)> {
    let mut heard = Vec::new();
    loop {
        let packet = next(socket);
        let source = Ipv4Addr::from(u32::from_be_bytes(packet[12..16].try_into().expect("four bytes")));
        heard.push((source, packet[20]));
        if packet[20] == 0 && packet[27] == last {
            return heard;
        }
    }
}

#[test]
fn hosts_on_a_switch_reach_each_other() {
    let Some(lab) = Lab::flat(3) else { return };
    for from in ["a", "b", "c"] {
        let _port = lab.host(from).listen(80);
        for to in ["a", "b", "c"].map(|role| lab.host(role)).into_iter().filter(|to| to.addr != lab.host(from).addr) {
            for addr in [lab.host(from).ip(), lab.host(from).ip6()] {
                connect(to, &addr, 80).unwrap_or_else(|error| panic!("{addr}: {error}"));
                let closed = connect(to, &addr, 81).expect_err("nobody listens");
                assert_eq!(closed.kind(), ErrorKind::ConnectionRefused, "{addr}");
            }
        }
    }
}

#[test]
fn the_program_runs_on_a_host() {
    let Some(lab) = Lab::flat(2) else { return };
    let _port = lab.host("b").listen(80);
    let report = lab.scan("a", &["-p", "79-81", &lab.host("b").ip()]).run().expect(0).report();
    assert_eq!(Report::open_ports(report.host("10.66.0.2")), [80]);
    let report = lab.scan("a", &["-6", "-p", "79-81", &lab.host("b").ip6()]).run().expect(0).report();
    assert_eq!(Report::open_ports(report.host("fd66::2")), [80]);
}

/// Codes of "destination unreachable" (RFC 792, RFC 1122, RFC 1812) with the names nftables has for them.
const REFUSALS: [(&str, u8); 7] = [
    ("net-unreachable", 0),
    ("host-unreachable", 1),
    ("prot-unreachable", 2),
    ("port-unreachable", 3),
    ("net-prohibited", 9),
    ("host-prohibited", 10),
    ("admin-prohibited", 13),
];

#[test]
fn a_host_refuses_in_every_way() {
    let Some(lab) = Lab::flat(2) else { return };
    let (a, b) = (lab.host("a"), lab.host("b"));
    let rules =
        REFUSALS.map(|(name, code)| format!("udp dport {} reject with icmp type {name}\n", 9000 + u16::from(code)));
    let more =
        "tcp dport 8000 reject with tcp reset\nicmp type echo-request limit rate over 1/hour burst 3 packets drop";
    if let Err(space::Unable(why)) = b.filter(&format!("{}{more}", rules.concat())) {
        return cannot_run(&why);
    }
    let heard = raw(a, Protocol::ICMPV4);
    let udp = a.space.inside(|| UdpSocket::bind((a.addr, 0))).expect("a free port");
    for (name, code) in REFUSALS {
        udp.send_to(&[], (b.addr, 9000 + u16::from(code))).expect("it is sent");
        let packet = next(&heard);
        assert_eq!((packet[20], packet[21]), (3, code), "{name}");
    }
    let _port = b.listen(8000);
    let refused = connect(a, &b.ip(), 8000).expect_err("it is reset");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    (1..=10).for_each(|number| ping(&heard, b.addr, 64, number));
    udp.send_to(&[], (b.addr, 9003)).expect("it is sent");
    // The refusal comes after all answers.
    let types: Vec<u8> = std::iter::repeat_with(|| next(&heard)[20]).take_while(|kind| *kind == 0).collect();
    assert_eq!(types.len(), 3);
}

#[test]
fn servers_live_on_a_host() {
    let Some(lab) = Lab::flat(2) else { return };
    let b = lab.host("b");
    let servers = (b.nginx(80), b.sshd(22), b.openssl(443), b.inetd());
    let (Some(_), Some(_), Some(_), Some(_)) = &servers else { return };
    let report = lab.scan("a", &["-p", "1-500", &b.ip()]).run().expect(0).report();
    assert_eq!(Report::open_ports(report.host("10.66.0.2")), [7, 9, 22, 80, 443]);
    let mut echo = connect(lab.host("a"), &b.ip(), 7).expect("it listens");
    let mut said = [0; 5];
    echo.write_all(b"hello").and_then(|()| echo.read_exact(&mut said)).expect("an echo");
    assert_eq!(&said, b"hello");
    drop(servers);
    let stopped = connect(lab.host("a"), &b.ip(), 80).expect_err("it was stopped");
    assert_eq!(stopped.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_path_has_three_routers_and_one_is_silent() {
    let Some(lab) = Lab::path() else { return };
    let (a, z) = (lab.host("a"), lab.host("z"));
    let _port = z.listen(80);
    for addr in [z.ip(), z.ip6()] {
        connect(a, &addr, 80).unwrap_or_else(|error| panic!("{addr}: {error}"));
    }
    let socket = raw(a, Protocol::ICMPV4);
    for ttl in [1, 2, 3, 64] {
        ping(&socket, z.addr, ttl, ttl as u8);
    }
    let over = 11; // time exceeded
    assert_eq!(heard(&socket, 64), [(lab.host("r1").addr, over), (lab.host("r3").addr, over), (z.addr, 0)]);
}

#[test]
fn a_firewall_lets_one_port_through() {
    let Some(lab) = Lab::path_behind_firewall(80) else { return };
    let (a, z) = (lab.host("a"), lab.host("z"));
    let (_open, _hidden) = (z.listen(80), z.listen(81));
    let socket = raw(a, Protocol::ICMPV4);
    ping(&socket, z.addr, 64, 1);
    let hidden = begin_to_connect(a, z.addr, 81);
    connect(a, &z.ip(), 80).expect("it passes");
    // The router itself answers, and last.
    ping(&socket, lab.host("r1").addr, 64, 2);
    assert_eq!(heard(&socket, 2), [(lab.host("r1").addr, 0)]);
    assert!(hidden.peer_addr().is_err(), "port 81 is behind the firewall");
}

/// Begins to connect, and does not wait.
fn begin_to_connect(from: &Host, to: Ipv4Addr, port: u16) -> Socket {
    let socket = from.space.inside(|| Socket::new(Domain::IPV4, Type::STREAM, None)).expect("a socket");
    socket.set_nonblocking(true).expect("it can be");
    let begun = socket.connect(&SocketAddr::from((to, port)).into());
    assert!(begun.is_err_and(|error| error.raw_os_error() == Some(libc::EINPROGRESS)));
    socket
}

/// What tells one machine from another in a SYN+ACK: TTL, window, kinds of options.
fn fingerprint(packet: &[u8]) -> (u8, u16, Vec<u8>) {
    let header = usize::from(packet[0] & 0xf) * 4;
    let tcp = &packet[header..];
    let options = &tcp[20..usize::from(tcp[12] >> 4) * 4];
    let (mut kinds, mut at) = (Vec::new(), 0);
    while at < options.len() {
        kinds.push(options[at]);
        at += if options[at] <= 1 { 1 } else { usize::from(options[at + 1]).max(2) };
    }
    (packet[8], u16::from_be_bytes([tcp[14], tcp[15]]), kinds)
}

#[test]
fn forwarded_ports_live_on_different_machines() {
    let Some(lab) = Lab::nat() else { return };
    let _ports = [("x1", 80), ("x2", 22), ("x3", 23)].map(|(role, port)| lab.host(role).listen(port));
    let socket = raw(lab.host("a"), Protocol::TCP);
    let [web, shell, terminal] = [80, 22, 23].map(|port| {
        connect(lab.host("a"), "10.68.0.1", port).unwrap_or_else(|error| panic!("{port}: {error}"));
        loop {
            let packet = next(&socket);
            let from = u16::from_be_bytes([packet[20], packet[21]]);
            if from == port && packet[33] & 0x12 == 0x12 {
                break fingerprint(&packet);
            }
        }
    });
    let (mss, nop, scale, sack, stamp) = (2, 1, 3, 4, 8);
    assert_eq!((web.0, web.2), (127, vec![mss, nop, nop, sack, nop, scale]));
    assert_eq!((shell.0, shell.2), (63, vec![mss, sack, stamp, nop, scale]));
    assert_eq!((terminal.0, terminal.2), (254, vec![mss]));
    assert!(terminal.1 <= 4096 && web.1 > terminal.1, "windows {} and {}", web.1, terminal.1);
}

#[test]
fn a_forwarded_port_can_be_far_away() {
    let delay = Duration::from_millis(20);
    let Some(lab) = Lab::nat_with_a_far_host(Weather { delay, ..Weather::default() }) else { return };
    let _ports = [("x1", 80), ("x2", 22)].map(|(role, port)| lab.host(role).listen(port));
    let began = Instant::now();
    connect(lab.host("a"), "10.68.0.1", 22).expect("it is forwarded");
    assert!(began.elapsed() >= 2 * delay);
    let [there, back] = lab.relay().tallies();
    assert!(there.taken >= 1 && back.taken >= 1, "{there:?} {back:?}");
    connect(lab.host("a"), "10.68.0.1", 80).expect("it is forwarded");
}

/// An Ethernet frame with an ARP request (RFC 826) of 10.70.0.1 for 10.70.0.`last`, to any hardware address.
fn arp_request(to: [u8; 6], from: [u8; 6], last: u8) -> Vec<u8> {
    let head = [&to[..], &from, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]].concat();
    [&head[..], &from, &[10, 70, 0, 1], &[0; 6], &[10, 70, 0, last]].concat()
}

#[test]
fn only_the_promiscuous_host_takes_what_is_not_for_it() {
    let Some(lab) = Lab::macvlan() else { return };
    let a = lab.host("a");
    let own = a.space.ask(&["-br", "link", "show", "e0"]);
    let own: Vec<&str> = own.split_whitespace().nth(2).expect("a hardware address").split(':').collect();
    let own = [0, 1, 2, 3, 4, 5].map(|at| u8::from_str_radix(own[at], 16).expect("hex"));
    let index = a.space.ask(&["-o", "link", "show", "e0"]);
    let index = index.split(':').next().and_then(|number| number.parse().ok()).expect("a number");
    let socket = a.space.inside(|| PacketSocket::open(index)).expect("root opens it");
    // Nobody's group; then, for the end, everybody.
    for (last, to) in
        [(2, [0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]), (3, [0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]), (2, [0xff; 6])]
    {
        socket.send(&arp_request(to, own, last)).expect("it is sent");
    }
    let (mut answered, end) = (Vec::new(), Instant::now() + PATIENCE);
    while answered.last() != Some(&2) {
        assert!(Instant::now() < end, "only {answered:?} answered");
        if let Some(frame) = socket.receive().expect("it lives")
            && frame[12..14] == [8, 6]
            && frame[20..22] == [0, 2]
        {
            answered.push(frame[31]);
        }
    }
    assert_eq!(answered, [3, 2]);
}

/// Sends numbered datagrams over the wire; the numbers in the order in which they arrive, and what the relay counted.
fn datagrams(weather: Weather, count: u8) -> Option<(Vec<u8>, Tally)> {
    let lab = Lab::wire(weather)?;
    let bound = |role: &str| {
        let host = lab.host(role);
        host.space.inside(|| UdpSocket::bind((host.addr, 7000))).expect("a free port")
    };
    let (from, to) = (bound("a"), bound("b"));
    to.set_read_timeout(Some(PATIENCE)).expect("a time");
    for number in 0..count {
        from.send_to(&[number], to.local_addr().expect("it is bound")).expect("it is sent");
    }
    let all = |tally: &Tally| tally.taken == u64::from(count) && tally.delivered == count_delivered(tally);
    let [there, back] = lab.relay().wait_until("all datagrams", |[there, _]| all(there));
    assert_eq!((there.refused, back), (0, Tally::default()));
    let mut number = [0];
    let arrived = (0..there.delivered).map(|_| to.recv(&mut number).map(|_| number[0]).expect("it was delivered"));
    Some((arrived.collect(), there))
}

fn count_delivered(tally: &Tally) -> u64 {
    tally.taken - tally.lost + tally.doubled
}

#[test]
fn a_good_wire_carries_everything_in_order() {
    let Some((arrived, tally)) = datagrams(Weather::default(), 100) else { return };
    assert_eq!(arrived, (0..100).collect::<Vec<u8>>());
    assert_eq!(tally, Tally { taken: 100, delivered: 100, ..Tally::default() });
}

#[test]
fn a_bad_wire_is_bad_by_its_seed() {
    let weather = Weather { loss: 20, dup: 10, reorder: 15, seed: 7, ..Weather::default() };
    let runs = [7, 7, 8].map(|seed| datagrams(Weather { seed, ..weather }, 100));
    let [Some(first), Some(again), Some(other)] = runs else { return };
    assert_eq!(first, again);
    assert_ne!(first.0, other.0);
    for (arrived, tally) in [first, other] {
        let mut seen: Vec<u8> = arrived.clone();
        seen.sort_unstable();
        assert_ne!(arrived, seen, "nothing was overtaken");
        seen.dedup();
        assert_eq!(seen.len() as u64, 100 - tally.lost, "{tally:?}");
        assert!((10..35).contains(&tally.lost) && (2..20).contains(&tally.doubled) && tally.held > 3, "{tally:?}");
    }
}

#[test]
fn a_long_wire_takes_its_time() {
    let delay = Duration::from_millis(30);
    let Some(lab) = Lab::wire(Weather { delay, ..Weather::default() }) else { return };
    let socket = raw(lab.host("a"), Protocol::ICMPV4);
    let began = Instant::now();
    ping(&socket, lab.host("b").addr, 64, 1);
    assert_eq!(heard(&socket, 1), [(lab.host("b").addr, 0)]);
    // Never faster, whatever the load: no upper limit is asserted.
    assert!(began.elapsed() >= 2 * delay);
    // Counted a moment after it was handed over.
    lab.relay().wait_until("two packets", |tallies| tallies.iter().all(|tally| tally.delivered == 1));
}

#[test]
fn streams_survive_a_bad_wire() {
    let weather = Weather { loss: 5, dup: 5, reorder: 5, seed: 3, ..Weather::default() };
    let Some(lab) = Lab::wire(weather) else { return };
    let Some(_server) = lab.host("b").inetd() else { return };
    let mut echo = connect(lab.host("a"), "10.69.0.2", 7).expect("it listens");
    let (sent, mut got) = (vec![0x5a; 40_000], vec![0; 40_000]);
    echo.write_all(&sent).and_then(|()| echo.read_exact(&mut got)).expect("an echo");
    assert_eq!(sent, got);
    let [there, back] = lab.relay().tallies();
    assert!(there.lost + back.lost > 0, "{there:?} {back:?}");
}

#[test]
fn nothing_is_left() {
    let Some(lab) = Lab::wire(Weather::default()) else { return };
    let names = lab.spaces();
    let is_there = |name: &String| space::all().iter().any(|(there, _)| there == name);
    assert!(names.len() == 3 && names.iter().all(is_there));
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        lab.host("nobody");
    }));
    assert!(failed.is_err());
    assert!(!names.iter().any(is_there), "{:?}", space::all());
}

#[test]
fn what_a_killed_process_left_is_swept() {
    let Some(lab) = Lab::flat(1) else { return };
    // No process ever has a number that large.
    let stale = "sonde-lab-99999999-0-a";
    let made = std::process::Command::new("ip").args(["netns", "add", stale]).status();
    assert!(made.is_ok_and(|status| status.success()));
    space::sweep();
    let left: Vec<String> = space::all().into_iter().map(|(name, _)| name).collect();
    assert!(!left.contains(&stale.to_owned()) && left.contains(&lab.spaces()[0]), "{left:?}");
}

#[test]
fn a_thread_comes_home() {
    let Some(lab) = Lab::flat(1) else { return };
    let here = || std::fs::read_link("/proc/thread-self/ns/net").expect("a link");
    let (home, there) = (here(), lab.host("a").space.inside(here));
    assert_ne!(home, there);
    let failed =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| lab.host("a").space.inside(|| panic!("there"))));
    assert!(failed.is_err());
    assert_eq!(here(), home);
}

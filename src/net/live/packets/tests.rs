//! Packets in network namespaces of the test: nothing leaves them.

use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Stdio};

use super::*;
use crate::model::{Protocol, Timestamp, Unreached};
use crate::net::live::lab::{Ear, Link, ip, ipv4, is_possible, packets, tcp};
use crate::runtime::Runtime;

const NEAR: [u8; 4] = [10, 77, 0, 1];
const FAR: [u8; 4] = [10, 77, 0, 2];
const HEADER: [u8; 12] = [2, 0, 0, 0, 0x77, 2, 2, 0, 0, 0, 0x77, 1];
const SYN_ACK: u8 = 0x12;
const RST: u8 = 0x04;

fn packet(bytes: &[u8]) -> Outgoing {
    Outgoing::Ip { packet: bytes.into(), interface: None }
}

/// Sends one packet.
async fn send_one(packets: &LivePackets, one: Outgoing) -> Result<Timestamp, NetError> {
    packets.send(vec![one], &Origin::SCAN).await.expect("packets are possible").pop().expect("one went in")
}

fn is_arp(frame: &[u8]) -> bool {
    frame[12..14] == [0x08, 0x06]
}

#[test]
fn a_packet_arrives_as_it_was_built_to_the_last_bit() {
    if !is_possible("a_packet_arrives_as_it_was_built_to_the_last_bit") {
        return;
    }
    let (link, runtime) = (Link::new(), Runtime::live());
    let ear = link.ear();
    let packets = packets(&runtime);
    // Reserved flag set, total length too small, checksum wrong, TTL 1, an unknown protocol, odd length.
    let mut odd4 = ipv4(NEAR, FAR, 253, b"to the last bit");
    odd4[1..4].copy_from_slice(&[0xff, 0, 21]);
    odd4[6..9].copy_from_slice(&[0x80, 0, 1]);
    odd4[10..12].copy_from_slice(&[0xde, 0xad]);
    // Payload length 0 with payload, hop limit 255, next header 59 (none).
    let mut odd6 = vec![0x6f, 0xff, 0xff, 0xff, 0, 0, 59, 255];
    for last in [1, 2] {
        odd6.extend([0xfd, 0, 0, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    odd6.extend(b"six");
    runtime.run(async {
        let before = runtime.clock().now();
        let at = send_one(&packets, packet(&odd4)).await.expect("it goes");
        assert!(at >= before && at <= runtime.clock().now());
        let frame = ear.next(|frame| frame[12..14] == [0x08, 0x00]).await;
        assert_eq!(frame, [&HEADER[..], &[0x08, 0x00], &odd4].concat());
        send_one(&packets, packet(&odd6)).await.expect("it goes");
        let frame = ear.next(|frame| frame[12..14] == [0x86, 0xdd] && frame[20] == 59).await;
        assert_eq!(frame, [&HEADER[..], &[0x86, 0xdd], &odd6].concat());
        // A frame of a protocol nobody knows, shorter than Ethernet allows: veth does not pad.
        let whole = [&HEADER[..], &[0x88, 0xb5, 1, 2, 3]].concat();
        let interface = packets.interfaces().await.unwrap().iter().find(|one| &*one.name == "v0").unwrap().index;
        send_one(&packets, Outgoing::Frame { frame: whole.as_slice().into(), interface }).await.expect("it goes");
        assert_eq!(ear.next(|frame| frame[12..14] == [0x88, 0xb5]).await, whole);
    });
}

#[test]
fn a_thousand_keep_their_order_and_ask_for_the_neighbour_once() {
    if !is_possible("a_thousand_keep_their_order_and_ask_for_the_neighbour_once") {
        return;
    }
    let (link, runtime) = (Link::new(), Runtime::live());
    let ear = link.ear();
    let packets = packets(&runtime);
    runtime.run(async {
        for round in 0..10_u8 {
            let names = (0..100).map(|name| ipv4(NEAR, FAR, 253, &[round, name]));
            let sent = packets.send(names.map(|bytes| packet(&bytes)).collect(), &Origin::SCAN).await.unwrap();
            assert!(sent.iter().all(Result::is_ok), "{sent:?}");
            let mut questions = 0;
            for name in 0..100 {
                let frame = ear
                    .next(|frame| {
                        // Ours: the other kernel may ask for us, too.
                        questions += usize::from(is_arp(frame) && frame[21] == 1 && frame[28..32] == NEAR);
                        frame[12..14] == [0x08, 0x00] && frame[26..30] == NEAR
                    })
                    .await;
                assert_eq!(frame[34..], [round, name]);
            }
            assert_eq!(questions, usize::from(round == 0));
        }
    });
}

#[test]
fn a_neighbour_that_never_answers_is_unreachable_after_three_questions() {
    if !is_possible("a_neighbour_that_never_answers_is_unreachable_after_three_questions") {
        return;
    }
    let (link, runtime) = (Link::new(), Runtime::simulated(Timestamp(1_000_000_000)));
    let ear = link.ear();
    let packets = packets(&runtime);
    let nobody = [10, 77, 0, 99];
    runtime.run(async {
        let all = (0..300).map(|_| packet(&ipv4(NEAR, nobody, 253, b"x"))).collect();
        for sent in packets.send(all, &Origin::SCAN).await.unwrap() {
            let error = sent.expect_err("nobody is there");
            assert_eq!(error.to_string(), "neighbour 10.77.0.99: unreachable (it does not answer on its link)");
        }
        assert_eq!(runtime.clock().now().0, 4_000_000_000); // virtual seconds
        // It is known to be silent, so the next one costs nothing.
        send_one(&packets, packet(&ipv4(NEAR, nobody, 253, b"x"))).await.expect_err("nobody is there");
        assert_eq!(runtime.clock().now().0, 4_000_000_000);
    });
    let asked = ear.so_far().into_iter().filter(|frame| is_arp(frame) && frame[38..42] == nobody).count();
    assert_eq!(asked, 3);
}

#[test]
fn what_cannot_go_says_why_and_holds_nobody_up() {
    if !is_possible("what_cannot_go_says_why_and_holds_nobody_up") {
        return;
    }
    let (link, runtime) = (Link::new(), Runtime::simulated(Timestamp(1_000_000_000)));
    let _ear = link.ear();
    let packets = packets(&runtime);
    runtime.run(async {
        let sent = packets.send(
            vec![
                packet(&ipv4(NEAR, [10, 77, 0, 98], 253, b"nobody")),
                packet(&ipv4(NEAR, FAR, 253, &[0; 1481])),
                packet(&ipv4(NEAR, [203, 0, 113, 9], 253, b"no route")),
                packet(b"E"),
                Outgoing::Frame { frame: [0; 60].as_slice().into(), interface: 4242 },
                packet(&ipv4(NEAR, [127, 0, 0, 1], 253, b"to myself")),
            ],
            &Origin::SCAN,
        );
        let sent = sent.await.unwrap();
        let said: Vec<String> = sent.iter().filter_map(|one| one.as_ref().err().map(ToString::to_string)).collect();
        assert_eq!(
            said,
            [
                "neighbour 10.77.0.98: unreachable (it does not answer on its link)",
                "send 10.77.0.2: too-large (1501 bytes; v0 carries 1500)",
                "route 203.0.113.9: unreachable (no route leads there)",
                "send a packet: local (it has no whole IPv4 or IPv6 header)",
                "send interface 4242: local (there is no such interface)",
            ]
        );
        assert_eq!(sent[5], Ok(Timestamp(1_000_000_000)), "it did not wait for the neighbour of the first");
    });
}

#[test]
fn links_that_change_are_noticed() {
    if !is_possible("links_that_change_are_noticed") {
        return;
    }
    let (link, runtime) = (Link::new(), Runtime::live());
    link.enter_near();
    let packets = packets(&runtime);
    let to: IpAddr = [192, 0, 2, 1].into();
    runtime.run(async {
        assert_eq!(packets.route(to, None).await.unwrap_err().kind, NetErrorKind::Unreachable(Unreached::NoRoute));
        ip(&format!("-n {} route add 192.0.2.0/24 via 10.77.0.2", link.near()));
        let way = packets.route(to, None).await.unwrap();
        assert_eq!((way.gateway, way.source, &*way.interface.name), (Some(FAR.into()), NEAR.into(), "v0"));
        assert_eq!(way.interface.mac.unwrap().to_string(), "02:00:00:00:77:01");
        assert_eq!((way.interface.mtu, way.interface.up, way.interface.kind), (1500, true, LinkKind::Ethernet));
        send_one(&packets, packet(&ipv4(NEAR, [192, 0, 2, 7], 253, b"by way of the other"))).await.expect("it goes");
        ip(&format!("-n {} link set v0 down", link.near()));
        assert_eq!(packets.route(to, None).await.unwrap_err().kind, NetErrorKind::Unreachable(Unreached::NoRoute));
        ip(&format!("-n {} link del v0", link.near()));
        assert_eq!(packets.interfaces().await.unwrap().len(), 1);
    });
}

#[test]
fn packets_to_ourselves_arrive() {
    if !is_possible("packets_to_ourselves_arrive") {
        return;
    }
    let (link, runtime) = (Link::new(), Runtime::live());
    link.enter_near();
    let packets = packets(&runtime);
    let udp = |payload: &[u8], port: u16| {
        let length = 8 + payload.len() as u16;
        [&4000_u16.to_be_bytes()[..], &port.to_be_bytes(), &length.to_be_bytes(), &[0, 0], payload].concat()
    };
    runtime.run(async {
        for address in ["127.0.0.1", "127.9.9.9", "10.77.0.1"] {
            let socket = UdpSocket::bind((address, 0)).unwrap();
            let to: std::net::Ipv4Addr = address.parse().unwrap();
            let datagram = udp(b"hi", socket.local_addr().unwrap().port());
            send_one(&packets, packet(&ipv4([127, 0, 0, 1], to.octets(), 17, &datagram))).await.expect("it goes");
            let mut buffer = [0; 16];
            let socket = async_io::Async::new(socket).unwrap();
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..length], from.to_string().as_str()), (&b"hi"[..], "127.0.0.1:4000"));
        }
        // IPv6 wants UDP checksums, so what shows that it arrived is the capture.
        let ear = Ear::on("lo");
        let mut six = vec![0x60, 0, 0, 0, 0, 4, 59, 9];
        six.extend([0; 15].into_iter().chain([1]).chain([0; 15]).chain([1]));
        six.extend(b"self");
        send_one(&packets, packet(&six)).await.expect("it goes");
        assert_eq!(ear.next(|frame| frame[12..14] == [0x86, 0xdd]).await[14..], six);
    });
}

#[test]
fn a_link_without_link_headers_gets_bare_packets() {
    const READ: &str = "import fcntl, os, struct\n\
        tun = os.open('/dev/net/tun', os.O_RDWR)\n\
        fcntl.ioctl(tun, 0x400454ca, struct.pack('16sH', b't0', 0x1001))\n\
        print('ready', flush=True)\n\
        while True:\n    packet = os.read(tun, 4096)\n    if packet[9] == 253: break\n\
        print(packet.hex(), flush=True)\n";
    if !is_possible("a_link_without_link_headers_gets_bare_packets") {
        return;
    }
    let (link, runtime) = (Link::new(), Runtime::live());
    let near = link.near();
    ip(&format!("-n {near} tuntap add t0 mode tun"));
    let mut reader = Command::new("ip")
        .args(["netns", "exec", near, "python3", "-c", READ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("ip and python3 are there");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(reader.stdout.take().unwrap()));
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    ip(&format!("-n {near} addr add 10.78.0.1/24 dev t0"));
    ip(&format!("-n {near} link set t0 up"));
    link.enter_near();
    let packets = packets(&runtime);
    let mut odd = ipv4([10, 78, 0, 1], [10, 78, 0, 9], 253, b"bare");
    odd[10..12].copy_from_slice(&[0, 1]);
    runtime.run(async {
        send_one(&packets, packet(&odd)).await.expect("it goes");
        let way = packets.route([10, 78, 0, 9].into(), None).await.unwrap();
        assert_eq!((way.interface.kind, way.interface.link), (LinkKind::PointToPoint, LinkType::Ip));
    });
    assert_eq!(lines.next().unwrap().unwrap(), data_encoding::HEXLOWER.encode(&odd));
    reader.wait().expect("it ends by itself");
}

#[test]
fn a_reserved_port_answers_nothing_and_is_nobody_elses() {
    if !is_possible("a_reserved_port_answers_nothing_and_is_nobody_elses") {
        return;
    }
    let (link, runtime) = (Link::new(), Runtime::live());
    let ear = link.ear();
    let near = packets(&runtime);
    runtime.run(async {
        let port = near.reserve(Ports::one(Protocol::Tcp), NEAR.into(), &Origin::SCAN).await.unwrap();
        assert!(TcpListener::bind((std::net::Ipv4Addr::from(NEAR), port.port())).is_err());
        let udp_port = near.reserve(Ports::one(Protocol::Udp), NEAR.into(), &Origin::SCAN).await.unwrap();
        assert!(UdpSocket::bind((std::net::Ipv4Addr::from(NEAR), udp_port.port())).is_err());
        let free = TcpListener::bind("10.77.0.1:0").unwrap().local_addr().unwrap().port();
        link.enter_far();
        let far = packets(&runtime);
        let probe = |port: u16, flags| packet(&tcp((FAR, 80), (NEAR, port), flags));
        let datagram = [&[0, 80][..], &udp_port.port().to_be_bytes(), &[0, 8, 0, 0]].concat();
        let sent = far.send(
            vec![
                probe(port.port(), SYN_ACK),
                probe(port.port(), 0x02),
                probe(port.port(), 0x10),
                packet(&ipv4(FAR, NEAR, 17, &datagram)),
                probe(free, SYN_ACK), // nobody's: the kernel resets it
            ],
            &Origin::SCAN,
        );
        assert!(sent.await.unwrap().iter().all(Result::is_ok));
        let is_ours = |frame: &[u8]| frame[12..14] == [0x08, 0x00] && frame[26..30] == NEAR;
        let frame = ear.next(is_ours).await;
        assert_eq!((frame[23], &frame[34..36], frame[47]), (6, &free.to_be_bytes()[..], RST));
        drop(port);
        far.send(vec![probe(free, SYN_ACK)], &Origin::SCAN).await.unwrap();
        assert_eq!(ear.next(is_ours).await[34..36], free.to_be_bytes());
    });
}

#[test]
fn a_reserved_sctp_port_answers_nothing() {
    if !is_possible("a_reserved_sctp_port_answers_nothing") {
        return;
    }
    let (link, runtime) = (Link::new(), Runtime::live());
    let ear = link.ear();
    let near = packets(&runtime);
    runtime.run(async {
        let port = near.reserve(Ports::one(Protocol::Sctp), NEAR.into(), &Origin::SCAN).await.unwrap();
        link.enter_far();
        let far = packets(&runtime);
        let chunk = [&[0, 80][..], &port.port().to_be_bytes(), &[0; 8]].concat();
        let probe = |last| packet(&ipv4(FAR, NEAR, 132, &[&chunk[..], &[last]].concat()));
        assert!(far.send(vec![probe(1)], &Origin::SCAN).await.unwrap()[0].is_ok());
        // Packets are taken in order, so this is heard after all the first could have caused.
        assert!(far.send(vec![packet(&tcp((FAR, 80), (NEAR, 9), SYN_ACK))], &Origin::SCAN).await.unwrap()[0].is_ok());
        let is_ours = |frame: &[u8]| frame[12..14] == [0x08, 0x00] && frame[26..30] == NEAR;
        let frame = ear.next(is_ours).await;
        assert_eq!((frame[23], frame[47]), (6, RST), "the kernel answered the SCTP packet");
        drop(port);
        assert!(far.send(vec![probe(2)], &Origin::SCAN).await.unwrap()[0].is_ok());
        assert!([1, 132].contains(&ear.next(is_ours).await[23]), "without the reservation it answers");
    });
}

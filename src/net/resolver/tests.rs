//! The resolver against small DNS servers on loopback.

use std::cell::Cell;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_io::Async;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use simple_dns::rdata::{A, AAAA, CNAME, PTR, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};

use super::*;
use crate::model::Timestamp;
use crate::net::loopback::Loopback;
use crate::net::{ConnectOptions, Datagram, Listener, LocalNetFuture, Origin, Stream};
use crate::runtime::Runtime;

/// What a test server sends back for one query.
type Replies = Vec<Vec<u8>>;

/// A DNS server on its own loopback address, which runs on the test's loop.
struct Server {
    addr: SocketAddr,
    asked: Rc<Cell<usize>>,
    _tasks: Vec<async_executor::Task<()>>,
}

/// Addresses of their own, so that a UDP and a TCP port of the same number are always free.
fn own_address() -> [u8; 4] {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    [127, 77, (std::process::id() % 251) as u8, NEXT.fetch_add(1, Ordering::Relaxed)]
}

impl Server {
    /// `answer` gets the query and whether it came over TCP.
    fn start(runtime: &Runtime, answer: impl Fn(&[u8], bool) -> Replies + 'static) -> Server {
        let listener = Async::<TcpListener>::bind((own_address(), 0)).unwrap();
        let addr = listener.get_ref().local_addr().unwrap();
        let socket = Async::<UdpSocket>::bind(addr).unwrap();
        let asked = Rc::new(Cell::new(0));
        let answer = Rc::new(answer);
        let (count, answer_udp) = (Rc::clone(&asked), Rc::clone(&answer));
        let udp = runtime.spawner().spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                count.set(count.get() + 1);
                for reply in answer_udp(&buffer[..length], false) {
                    let _ = socket.send_to(&reply, from).await;
                }
            }
        });
        let tcp = runtime.spawner().spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut length = [0; 2];
                stream.read_exact(&mut length).await.unwrap();
                let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut query).await.unwrap();
                for reply in answer(&query, true) {
                    stream.write_all(&(reply.len() as u16).to_be_bytes()).await.unwrap();
                    stream.write_all(&reply).await.unwrap();
                }
            }
        });
        Server { addr, asked, _tasks: vec![udp, tcp] }
    }

    fn asked(&self) -> usize {
        self.asked.get()
    }
}

/// Answers out of a small zone.
fn zone(query: &[u8]) -> Packet<'_> {
    let mut packet = Packet::parse(query).unwrap().into_reply();
    let question = packet.questions[0].clone();
    let QTYPE::TYPE(kind) = question.qtype else { panic!("only plain types are asked") };
    let mut add = |name: &'static str, rdata: RData<'static>| {
        packet.answers.push(ResourceRecord::new(Name::new(name).unwrap(), CLASS::IN, 60, rdata));
    };
    match (question.qname.to_string().to_ascii_lowercase().as_str(), kind) {
        ("both.example", TYPE::A) => add("both.example", RData::A(A { address: 0x0a00_0001 })),
        ("both.example", TYPE::AAAA) => add("both.example", RData::AAAA(AAAA { address: 1 << 112 })),
        ("www.example", TYPE::A) => {
            add("www.example", RData::CNAME(CNAME(Name::new("both.example").unwrap())));
            add("both.example", RData::A(A { address: 0x0a00_0001 }));
        }
        ("open.example", _) => add("open.example", RData::CNAME(CNAME(Name::new("both.example").unwrap()))),
        ("a.circle", _) => add("a.circle", RData::CNAME(CNAME(Name::new("b.circle").unwrap()))),
        ("b.circle", _) => add("b.circle", RData::CNAME(CNAME(Name::new("a.circle").unwrap()))),
        ("empty.example", _) => {}
        ("1.0.0.10.in-addr.arpa", TYPE::PTR) => {
            add("1.0.0.10.in-addr.arpa", RData::PTR(PTR(Name::new("gate.example").unwrap())));
        }
        _ => *packet.rcode_mut() = RCODE::NameError,
    }
    packet
}

fn serve(query: &[u8], _tcp: bool) -> Replies {
    vec![zone(query).build_bytes_vec_compressed().unwrap()]
}

fn failing(query: &[u8], _tcp: bool) -> Replies {
    let mut packet = zone(query);
    *packet.rcode_mut() = RCODE::ServerFailure;
    vec![packet.build_bytes_vec().unwrap()]
}

fn resolver(runtime: &Runtime, servers: &[&Server]) -> Resolver {
    with(runtime, servers, |_| {})
}

fn with(runtime: &Runtime, servers: &[&Server], change: impl FnOnce(&mut ResolverConfig)) -> Resolver {
    let servers = servers.iter().map(|server| server.addr).collect();
    let mut config = ResolverConfig { servers, ..ResolverConfig::default() };
    change(&mut config);
    Resolver::new(config, Rc::new(Loopback), runtime.clock(), Random::new(Some(7)))
}

/// Short waits, for tests in which somebody is silent; three of them, so that a stalled test machine costs one.
fn impatient(config: &mut ResolverConfig) {
    config.timeout = Some(Duration::from_millis(60));
    config.attempts = Some(3);
}

fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

#[test]
fn names_addresses_and_aliases_resolve() {
    let runtime = Runtime::live();
    let server = Server::start(&runtime, serve);
    let names = resolver(&runtime, &[&server]);
    runtime.run(async {
        let both = names.addresses("Both.Example", Family::Any).await.unwrap();
        assert_eq!(texts(&both), ["10.0.0.1", "1::"]);
        assert_eq!(texts(&names.addresses("both.example.", Family::V6).await.unwrap()), ["1::"]);
        assert_eq!(texts(&names.addresses("www.example", Family::V4).await.unwrap()), ["10.0.0.1"]);
        assert_eq!(texts(&names.addresses("open.example", Family::V4).await.unwrap()), ["10.0.0.1"]);
        assert_eq!(names.reverse("10.0.0.1".parse().unwrap()).await.unwrap(), ["gate.example"]);
        assert!(names.reverse("10.0.0.2".parse().unwrap()).await.unwrap().is_empty());
    });
}

#[test]
fn negative_answers_say_what_is_missing() {
    let runtime = Runtime::live();
    let server = Server::start(&runtime, serve);
    let names = resolver(&runtime, &[&server]);
    runtime.run(async {
        for (name, family, detail) in [
            ("none.example", Family::Any, "no such name"),
            ("empty.example", Family::Any, "no address of this family"),
            ("a.circle", Family::V4, "leads nowhere"),
        ] {
            let error = names.addresses(name, family).await.unwrap_err();
            assert_eq!(error.kind, NetErrorKind::Resolve);
            assert!(error.detail.contains(detail), "{error}");
        }
    });
}

#[test]
fn what_is_known_is_not_asked() {
    let runtime = Runtime::live();
    let names = with(&runtime, &[], |config| config.hosts = Hosts::parse("10.9.9.9 gate\n"));
    runtime.run(async {
        for (name, family, expected) in [
            ("192.0.2.1", Family::Any, "192.0.2.1"),
            ("::1", Family::V6, "::1"),
            ("localhost", Family::V4, "127.0.0.1"),
            ("deep.LOCALHOST.", Family::V6, "::1"),
            ("Gate", Family::Any, "10.9.9.9"),
        ] {
            assert_eq!(texts(&names.addresses(name, family).await.unwrap()), [expected], "{name}");
        }
        assert_eq!(names.reverse("10.9.9.9".parse().unwrap()).await.unwrap(), ["gate"]);
        for (name, family, detail) in [
            ("other.example", Family::Any, "no DNS server is configured"),
            ("192.0.2.1", Family::V6, "other family"),
            ("with space", Family::Any, "' ' cannot be part"),
            ("nul\0.example", Family::Any, "cannot be part"),
        ] {
            let error = names.addresses(name, family).await.unwrap_err();
            assert!(error.kind == NetErrorKind::Resolve && error.detail.contains(detail), "{error}");
            assert!(!error.to_string().contains('\0'));
        }
    });
}

#[test]
fn short_names_are_searched() {
    let runtime = Runtime::live();
    let server = Server::start(&runtime, serve);
    let search = vec!["nowhere.example".to_owned(), "example".to_owned()];
    let names = with(&runtime, &[&server], |config| config.search = search);
    runtime.run(async {
        assert_eq!(texts(&names.addresses("both", Family::V4).await.unwrap()), ["10.0.0.1"]);
        assert!(names.addresses("both.", Family::V4).await.is_err());
    });
    assert_eq!(server.asked(), 3, "both.nowhere.example, both.example, both.");
}

#[test]
fn a_failing_server_hands_over_to_the_next() {
    let runtime = Runtime::live();
    let (bad, good) = (Server::start(&runtime, failing), Server::start(&runtime, serve));
    let names = resolver(&runtime, &[&bad, &good]);
    let only_bad = resolver(&runtime, &[&bad]);
    runtime.run(async {
        assert_eq!(texts(&names.addresses("both.example", Family::V4).await.unwrap()), ["10.0.0.1"]);
        let error = only_bad.addresses("both.example", Family::V4).await.unwrap_err();
        assert!(error.detail.contains("ServerFailure"), "{error}");
    });
    assert_eq!((bad.asked(), good.asked()), (2, 1));
}

#[test]
fn a_closed_port_hands_over_to_the_next() {
    let runtime = Runtime::live();
    let gone_addr = UdpSocket::bind((IpAddr::from(own_address()), 0)).and_then(|socket| socket.local_addr()).unwrap();
    let good = Server::start(&runtime, serve);
    let names = with(&runtime, &[&good], |config| config.servers.insert(0, gone_addr));
    let started = runtime.clock().now();
    let addresses = runtime.run(names.addresses("both.example", Family::V4)).unwrap();
    assert_eq!(texts(&addresses), ["10.0.0.1"]);
    assert!(runtime.clock().now().since(started) < Duration::from_secs(1), "the ICMP error was not used");
}

#[test]
fn a_silent_server_hands_over_to_the_next_and_is_asked_last_for_a_while() {
    let runtime = Runtime::live();
    let silent = Server::start(&runtime, |_, _| Vec::new());
    let good = Server::start(&runtime, serve);
    let names = with(&runtime, &[&silent, &good], impatient);
    runtime.run(async {
        assert_eq!(texts(&names.addresses("both.example", Family::V4).await.unwrap()), ["10.0.0.1"]);
        assert_eq!(silent.asked(), 3);
        names.addresses("www.example", Family::V4).await.unwrap();
        assert_eq!(silent.asked(), 3);
    });
}

#[test]
fn silence_everywhere_is_an_error_that_names_the_servers() {
    let runtime = Runtime::live();
    let silent = Server::start(&runtime, |_, _| Vec::new());
    let names = with(&runtime, &[&silent], |config| {
        config.timeout = Some(Duration::from_millis(1));
        config.attempts = Some(2);
    });
    let error = runtime.run(names.addresses("both.example", Family::V4)).unwrap_err();
    assert_eq!(error.detail, format!("no DNS server could tell: {} is silent after 2 tries", silent.addr));
}

#[test]
fn truncated_answers_are_fetched_over_tcp() {
    let runtime = Runtime::live();
    let server = Server::start(&runtime, |query, tcp| {
        let mut packet = zone(query);
        if !tcp {
            packet.answers.clear();
            packet.set_flags(PacketFlag::TRUNCATION);
        }
        vec![packet.build_bytes_vec().unwrap()]
    });
    let names = resolver(&runtime, &[&server]);
    let addresses = runtime.run(names.addresses("both.example", Family::V4)).unwrap();
    assert_eq!(texts(&addresses), ["10.0.0.1"]);
}

#[test]
fn forged_answers_and_garbage_are_passed_over() {
    let runtime = Runtime::live();
    let server = Server::start(&runtime, |query, tcp| {
        let truth = serve(query, tcp).remove(0);
        let mut lie = zone(query);
        lie.set_id(lie.id().wrapping_add(1));
        let mut looping = truth.clone();
        let end = looping.len() as u8;
        looping[7] = 2; // a second answer, whose name points at itself
        looping.extend([0xc0, end, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 9, 9, 9, 9]);
        vec![lie.build_bytes_vec().unwrap(), Vec::new(), vec![0xff; 300], looping, truth]
    });
    let names = resolver(&runtime, &[&server]);
    let addresses = runtime.run(names.addresses("both.example", Family::V4)).unwrap();
    assert_eq!((texts(&addresses), server.asked()), (vec!["10.0.0.1".to_owned()], 1));
}

#[test]
fn an_answer_in_other_letters_is_confirmed_over_tcp() {
    let runtime = Runtime::live();
    let server = Server::start(&runtime, |query, tcp| {
        let mut packet = zone(query);
        if !tcp {
            packet.questions[0].qname = Name::new("BOTH.EXAMPLE").unwrap();
            packet.answers[0].rdata = RData::A(A { address: 0x0909_0909 });
        }
        vec![packet.build_bytes_vec().unwrap()]
    });
    let names = resolver(&runtime, &[&server]);
    let addresses = runtime.run(names.addresses("both.example", Family::V4)).unwrap();
    assert_eq!(texts(&addresses), ["10.0.0.1"]);
}

#[test]
fn truncation_without_tcp_is_told_and_odd_letters_without_tcp_are_taken() {
    let runtime = Runtime::live();
    let socket = Async::<UdpSocket>::bind((IpAddr::from(own_address()), 0)).unwrap();
    let addr = socket.get_ref().local_addr().unwrap();
    let _udp_only = runtime.spawner().spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let mut packet = zone(&buffer[..length]);
            if packet.answers.is_empty() {
                packet.set_flags(PacketFlag::TRUNCATION);
            }
            let lower = DomainName::from_message(&packet.questions[0].qname).to_message(|| false);
            packet.questions[0].qname = lower;
            let _ = socket.send_to(&packet.build_bytes_vec().unwrap(), from).await;
        }
    });
    let names = with(&runtime, &[], |config| config.servers.push(addr));
    runtime.run(async {
        assert_eq!(texts(&names.addresses("both.example", Family::V4).await.unwrap()), ["10.0.0.1"]);
        let error = names.addresses("empty.example", Family::V4).await.unwrap_err();
        assert!(error.detail.contains("truncates, and over TCP: connect"), "{error}");
    });
}

#[test]
fn equal_questions_are_sent_once_and_answers_kept() {
    let runtime = Runtime::live();
    let server = Server::start(&runtime, serve);
    let names = resolver(&runtime, &[&server]);
    let ask = |name: &'static str| {
        let names = names.clone();
        runtime.spawner().spawn(async move { names.addresses(name, Family::V4).await })
    };
    let tasks: Vec<_> = (0..50).map(|_| ask("both.example")).collect();
    let abandoned = ask("both.example");
    runtime.run(async {
        drop(abandoned);
        for task in tasks {
            assert_eq!(texts(&task.await.unwrap()), ["10.0.0.1"]);
        }
        assert_eq!(server.asked(), 1);
        names.addresses("both.example", Family::V4).await.unwrap();
        assert!(names.addresses("none.example", Family::V4).await.is_err());
        assert!(names.addresses("none.example", Family::V4).await.is_err());
    });
    assert_eq!(server.asked(), 2);
}

#[test]
fn many_questions_pass_through_the_window() {
    let runtime = Runtime::live();
    let server = Server::start(&runtime, serve);
    let names = resolver(&runtime, &[&server]);
    let tasks: Vec<_> = (0..300u16)
        .map(|index| {
            let names = names.clone();
            let [high, low] = index.to_be_bytes();
            runtime.spawner().spawn(async move { names.reverse([10, 1, high, low].into()).await })
        })
        .collect();
    runtime.run(async {
        for task in tasks {
            assert!(task.await.unwrap().is_empty());
        }
    });
}

/// Notes when datagrams leave, in milliseconds; nobody answers.
struct Silence(Clock, Rc<RefCell<Vec<u64>>>);

impl Transport for Silence {
    fn connect(&self, peer: SocketAddr, _: ConnectOptions) -> NetFuture<Box<dyn Stream>> {
        Box::pin(std::future::ready(Err(NetError::new(NetErrorKind::Refused, "connect", peer))))
    }

    fn datagram(&self, _: Option<SocketAddr>, _: Option<SocketAddr>, _: Origin) -> NetFuture<Box<dyn Datagram>> {
        let socket = Silence(self.0.clone(), Rc::clone(&self.1));
        Box::pin(std::future::ready(Ok(Box::new(socket) as Box<dyn Datagram>)))
    }

    fn listen(&self, bind: SocketAddr, _: Origin) -> NetFuture<Box<dyn Listener>> {
        Box::pin(std::future::ready(Err(NetError::new(NetErrorKind::Local, "listen", bind))))
    }
}

impl Datagram for Silence {
    fn send<'a>(&'a self, data: &'a [u8], _: Option<SocketAddr>) -> LocalNetFuture<'a, usize> {
        self.1.borrow_mut().push(self.0.now().0 / 1_000_000);
        Box::pin(std::future::ready(Ok(data.len())))
    }

    fn receive(&self) -> LocalNetFuture<'_, (Vec<u8>, SocketAddr)> {
        Box::pin(std::future::pending())
    }

    fn local(&self) -> SocketAddr {
        ([127, 0, 0, 1], 1).into()
    }
}

#[test]
fn questions_and_their_repetitions_keep_to_the_rate_of_the_run() {
    let runtime = Runtime::simulated(Timestamp(0));
    let (clock, sent) = (runtime.clock(), Rc::default());
    let config = ResolverConfig {
        servers: vec![([127, 0, 0, 1], 53).into()],
        timeout: Some(Duration::from_millis(300)),
        attempts: Some(2),
        ..ResolverConfig::default()
    };
    let transport = Rc::new(Silence(clock.clone(), Rc::clone(&sent)));
    let names = Resolver::new(config, transport, clock.clone(), Random::new(Some(7)));
    let governor = Governor::new(clock, Some(4.0));
    names.pace(&governor);
    runtime.run(async {
        governor.pass().await; // a probe of the scan
        let ask = |name: &'static str| names.addresses(name, Family::V4);
        let (one, other) = future::zip(ask("one.example"), ask("other.example")).await;
        assert!(one.is_err() && other.is_err());
    });
    assert_eq!(*sent.borrow(), [250, 500, 750, 1000]);
}

//! Client, prober and inspection against real servers (`openssl s_server`) and against peers that misbehave.

pub(super) mod openssl;

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use async_io::Async;
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};

use self::openssl::{Folder, Server};
use super::*;
use crate::model::{NetError, NetErrorKind};
use crate::net::loopback::Loopback;
use crate::net::{ConnectOptions, NetFuture, Stream, Transport};
use crate::runtime::{Random, Runtime};

/// Long enough for any handshake on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

fn dial(addr: SocketAddr) -> NetFuture<Box<dyn Stream>> {
    Loopback.connect(addr, ConnectOptions::default())
}

fn inspect_with(addr: SocketAddr, options: &TlsOptions, limit: Duration) -> Result<TlsInfo, NetError> {
    let runtime = Runtime::live();
    runtime.run(inspect(|| dial(addr), options, limit, &runtime.clock(), &Random::new(Some(5))))
}

fn inspected(addr: SocketAddr) -> TlsInfo {
    inspect_with(addr, &TlsOptions::default(), LIMIT).unwrap()
}

fn probed(addr: SocketAddr, hello: &ClientHello) -> Result<ServerFlight, NetError> {
    Runtime::live().run(async {
        let mut stream = dial(addr).await?;
        probe(stream.as_mut(), hello).await
    })
}

fn hello(version: TlsVersion) -> ClientHello {
    ClientHello::new(version, &Random::new(Some(5)))
}

fn common_name(info: &TlsInfo) -> String {
    let certificate = Certificate::parse(info.chain.first().expect("a certificate")).unwrap();
    certificate.subject.get("commonName").unwrap_or_default().to_owned()
}

#[test]
fn modern_servers_are_seen_by_the_client() {
    let folder = Folder::new();
    folder.certificate("modern", "ec -pkeyopt ec_paramgen_curve:prime256v1", "");
    for (flag, version, suite) in
        [("-tls1_3", TlsVersion::TLS13, "TLS_AES_"), ("-tls1_2", TlsVersion::TLS12, "TLS_ECDHE_ECDSA_WITH_")]
    {
        let server = Server::start(&folder, "modern", &format!("{flag} -alpn h2,http/1.1"));
        let options = TlsOptions {
            server_name: Some("host.example".to_owned()),
            alpn: vec![b"nope".to_vec(), b"http/1.1".to_vec()],
            versions: vec![],
        };
        let info = inspect_with(server.addr, &options, LIMIT).unwrap();
        assert_eq!((info.version, info.seen_by), (version, SeenBy::Client));
        assert!(info.cipher_suite.starts_with(suite), "{}", info.cipher_suite);
        assert_eq!(info.alpn.as_deref(), Some(b"http/1.1".as_slice()));
        assert_eq!((info.group.as_deref(), common_name(&info).as_str()), (Some("x25519"), "modern"));
    }
}

#[test]
fn old_servers_are_seen_by_the_prober() {
    let folder = Folder::new();
    folder.certificate("old", "rsa:1024", "-sha1");
    for (options, version, suite) in [
        ("-tls1_2 -cipher AES128-GCM-SHA256:@SECLEVEL=0", TlsVersion::TLS12, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
        (
            "-tls1_2 -cipher ECDHE-RSA-AES256-SHA384:@SECLEVEL=0",
            TlsVersion::TLS12,
            "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
        ),
        (
            "-tls1_2 -dhparam dh.pem -cipher DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0",
            TlsVersion::TLS12,
            "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
        ),
        ("-tls1_2 -cipher CAMELLIA256-SHA:@SECLEVEL=0", TlsVersion::TLS12, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA"),
        ("-tls1_2 -cipher NULL-SHA256:@SECLEVEL=0", TlsVersion::TLS12, "TLS_RSA_WITH_NULL_SHA256"),
        ("-tls1_2 -cipher AES128-CCM:@SECLEVEL=0", TlsVersion::TLS12, "TLS_RSA_WITH_AES_128_CCM"),
        ("-tls1_2 -cipher ARIA128-GCM-SHA256:@SECLEVEL=0", TlsVersion::TLS12, "TLS_RSA_WITH_ARIA_128_GCM_SHA256"),
        ("-tls1_1 -cipher AES128-SHA:@SECLEVEL=0", TlsVersion::TLS11, "TLS_RSA_WITH_AES_128_CBC_SHA"),
        ("-tls1 -cipher AES256-SHA:@SECLEVEL=0", TlsVersion::TLS10, "TLS_RSA_WITH_AES_256_CBC_SHA"),
    ] {
        if options.contains("dhparam") {
            folder.openssl("genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out dh.pem");
        }
        let server = Server::start(&folder, "old", options);
        let info = inspected(server.addr);
        assert_eq!((info.version, info.cipher_suite.as_str()), (version, suite), "{options}");
        assert_eq!((info.seen_by, common_name(&info).as_str()), (SeenBy::Prober, "old"));
        let flight = probed(server.addr, &hello(TlsVersion::TLS12)).unwrap();
        assert!(flight.complete && flight.alert.is_none(), "{options}");
        assert_eq!(flight.server_key_exchange.is_some(), suite.contains("DHE"), "{options}");
    }
}

#[test]
fn weak_and_rare_keys_are_delivered() {
    let folder = Folder::new();
    folder.certificate("weak", "rsa:1024", "-sha1");
    folder.certificate("ed", "ed25519", "");
    let weak = Server::start(&folder, "weak", "-cipher ALL:@SECLEVEL=0");
    let info = inspected(weak.addr);
    assert_eq!(Certificate::parse(&info.chain[0]).unwrap().public_key.bits, 1024);
    folder.certificate("tiny", "rsa:512", "-md5");
    let tiny = Server::start(&folder, "tiny", "-cipher ALL:@SECLEVEL=0");
    let info = inspected(tiny.addr);
    assert_eq!(Certificate::parse(&info.chain[0]).unwrap().public_key.bits, 512);
    assert_eq!(info.seen_by, SeenBy::Prober);
    let ed = Server::start(&folder, "ed", "-tls1_2");
    let flight = probed(ed.addr, &hello(TlsVersion::TLS12)).unwrap();
    assert_eq!(Certificate::parse(&flight.chain[0]).unwrap().public_key.algorithm, "ed25519");
    assert_eq!(flight.info().unwrap().group.as_deref(), Some("x25519"));
    assert_eq!(common_name(&inspected(ed.addr)), "ed");
    folder.certificate("rare", "ed448", "");
    for (flag, seen_by) in [("-tls1_2", SeenBy::Prober), ("-tls1_3", SeenBy::Client)] {
        let rare = Server::start(&folder, "rare", flag);
        let info = inspected(rare.addr);
        assert_eq!((common_name(&info).as_str(), info.seen_by), ("rare", seen_by), "{flag}");
    }
    folder.openssl("dsaparam -out dsa.params 1024");
    folder.certificate("dsa", "dsa:dsa.params", "");
    let dsa = Server::start(&folder, "dsa", "-tls1_2 -cipher ALL:@SECLEVEL=0");
    let key = Certificate::parse(&inspected(dsa.addr).chain[0]).unwrap().public_key;
    assert_eq!((key.algorithm.as_str(), key.bits), ("dsa", 1024));
}

#[test]
fn anonymous_servers_answer_when_they_are_asked_for() {
    let folder = Folder::new();
    folder.certificate("unused", "ed25519", "");
    let server = Server::start(&folder, "unused", "-tls1_2 -cipher AECDH-AES128-SHA:@SECLEVEL=0");
    let error = inspect_with(server.addr, &TlsOptions::default(), LIMIT).unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Tls, "{error}");
    let mut anonymous = hello(TlsVersion::TLS12);
    anonymous.suites = vec![0xc018];
    let flight = probed(server.addr, &anonymous).unwrap();
    assert!(flight.complete && flight.chain.is_empty() && flight.server_key_exchange.is_some());
}

#[test]
fn chains_arrive_whole_and_in_order() {
    let folder = Folder::new();
    folder.certificate("root", "ec -pkeyopt ec_paramgen_curve:prime256v1", "");
    folder.openssl("req -newkey ed25519 -nodes -keyout leaf.key -out leaf.csr -subj /CN=leaf");
    folder.openssl("x509 -req -in leaf.csr -CA root.pem -CAkey root.key -days 30 -set_serial 7 -out leaf.pem");
    let server = Server::start(&folder, "leaf", "-cert_chain root.pem -tls1_2 -verify 1");
    for (chain, seen) in [
        (inspected(server.addr).chain, "client"),
        (probed(server.addr, &hello(TlsVersion::TLS12)).unwrap().chain, "prober"),
    ] {
        assert_eq!(chain, [folder.der("leaf"), folder.der("root")], "{seen}");
    }
    assert!(probed(server.addr, &hello(TlsVersion::TLS12)).unwrap().certificate_requested);
}

#[test]
fn a_tls13_hello_shows_the_server_hello() {
    let folder = Folder::new();
    folder.certificate("modern", "ec -pkeyopt ec_paramgen_curve:prime256v1", "");
    let server = Server::start(&folder, "modern", "-tls1_3");
    let info = probed(server.addr, &hello(TlsVersion::TLS13)).unwrap().info().unwrap();
    assert_eq!((info.version, info.cipher_id >> 8, info.chain.len()), (TlsVersion::TLS13, 0x13, 0));
    let mut wrong_share = hello(TlsVersion::TLS13);
    wrong_share.groups = vec![0x0017, 0x0018];
    wrong_share.key_shares = vec![];
    let flight = probed(server.addr, &wrong_share).unwrap();
    assert!(flight.hello.as_ref().is_some_and(|hello| hello.retry));
    let refused = probed(server.addr, &hello(TlsVersion::TLS12)).unwrap();
    assert_eq!((refused.hello, refused.alert), (None, Some(Alert { level: 2, description: 70 })));
}

#[test]
fn data_goes_both_ways_and_ends_cleanly() {
    let folder = Folder::new();
    folder.certificate("modern", "ec -pkeyopt ec_paramgen_curve:prime256v1", "");
    for flag in ["-tls1_2", "-tls1_3"] {
        let mut server = Server::start(&folder, "modern", flag);
        Runtime::live().run(async {
            let stream = dial(server.addr).await.unwrap();
            let mut tls = TlsStream::handshake(stream, &TlsOptions::default(), &Random::new(Some(5))).await.unwrap();
            let line = "abc".repeat(4000);
            assert!(future::poll_once(tls.read(&mut [0; 16])).await.is_none(), "a dropped read loses nothing");
            for _ in 0..3 {
                tls.write_all(format!("{line}\n").as_bytes()).await.unwrap();
                tls.flush().await.unwrap();
                let mut answer = vec![0; line.len() + 1];
                tls.read_exact(&mut answer).await.unwrap();
                assert_eq!(answer, format!("{}\n", "cba".repeat(4000)).as_bytes());
            }
            tls.write_all(b"CLOSE\n").await.unwrap();
            tls.flush().await.unwrap();
            assert_eq!(tls.read(&mut [0; 16]).await.unwrap(), 0, "close_notify is a clean end");
            tls.close().await.unwrap();

            let stream = dial(server.addr).await.unwrap();
            let mut cut = TlsStream::handshake(stream, &TlsOptions::default(), &Random::new(Some(5))).await.unwrap();
            cut.write_all(b"x\n").await.unwrap();
            cut.flush().await.unwrap();
            cut.read_exact(&mut [0; 2]).await.unwrap();
            server.kill();
            let error = cut.read(&mut [0; 16]).await.unwrap_err();
            let error = NetError::from_io(&error, "receive", cut.peer());
            assert_eq!(error.kind, NetErrorKind::Closed, "{error}");
            assert!(error.detail.contains("close_notify"), "{error}");
        });
    }
}

/// A server that reads nothing after its handshake until it is told to, then hands out all it got.
fn lazy_reader(listener: TcpListener, start: mpsc::Receiver<()>) -> JoinHandle<Vec<u8>> {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["lazy.example".to_owned()]).unwrap();
    let chain = vec![params.self_signed(&key).unwrap().der().clone()];
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket).unwrap();
        }
        start.recv().unwrap();
        let mut received = Vec::new();
        rustls::Stream::new(&mut session, &mut socket).read_to_end(&mut received).unwrap();
        received
    })
}

#[test]
fn dropped_writes_neither_lose_nor_repeat_bytes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (start, started) = mpsc::channel();
    let server = lazy_reader(listener, started);
    let data: Vec<u8> = (0..16_000_000u32).map(|index| (index / 7) as u8).collect();
    Runtime::live().run(async {
        let mut tls = TlsStream::handshake(dial(addr).await.unwrap(), &TlsOptions::default(), &Random::new(Some(5)))
            .await
            .unwrap();
        let mut sent = 0;
        while let Some(length) = future::poll_once(tls.write(&data[sent..])).await {
            sent += length.unwrap();
        }
        assert!(sent < data.len(), "the peer reads nothing, so writing has to stop");
        start.send(()).unwrap();
        while sent < data.len() {
            match future::poll_once(tls.write(&data[sent..])).await {
                Some(length) => sent += length.unwrap(),
                None => future::yield_now().await,
            }
        }
        tls.close().await.unwrap();
        // Joined before `tls` is dropped: it never read the server's tickets, so its socket would end with a reset.
        assert!(server.join().unwrap() == data);
    });
}

/// A peer that answers every connection in its own way, on the loop of `runtime`.
fn peer(
    runtime: &Runtime,
    answer: &'static [u8],
    endless: bool,
    close: bool,
) -> (SocketAddr, async_executor::Task<()>) {
    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
    let addr = listener.get_ref().local_addr().unwrap();
    let task = runtime.spawner().spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 2048]).await;
            while stream.write_all(answer).await.is_ok() && endless {}
            if !close {
                open.push(stream);
            }
        }
    });
    (addr, task)
}

#[test]
fn misbehaving_peers_are_named_errors() {
    const TEXT: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    const EMPTY_RECORDS: &[u8] = &[22, 3, 3, 0, 0];
    const WARNINGS: &[u8] = &[21, 3, 3, 0, 2, 1, 112];
    const REFUSAL: &[u8] = &[21, 3, 3, 0, 2, 2, 40];
    for (answer, endless, close, by_inspect, by_probe, detail) in [
        (TEXT, false, false, NetErrorKind::Protocol, NetErrorKind::Protocol, "HTTP/1.1 400"),
        (b"".as_slice(), false, true, NetErrorKind::Closed, NetErrorKind::Closed, "closed"),
        (b"".as_slice(), false, false, NetErrorKind::Timeout, NetErrorKind::Timeout, ""),
        (EMPTY_RECORDS, true, true, NetErrorKind::Protocol, NetErrorKind::Protocol, "100 records"),
        (WARNINGS, true, true, NetErrorKind::Protocol, NetErrorKind::Protocol, "100 records"),
        (REFUSAL, false, true, NetErrorKind::Tls, NetErrorKind::Tls, ""),
    ] {
        let runtime = Runtime::live();
        let (addr, _task) = peer(&runtime, answer, endless, close);
        let clock = runtime.clock();
        let limit = if by_probe == NetErrorKind::Timeout { Duration::from_millis(20) } else { LIMIT };
        runtime.run(async {
            let options = TlsOptions::default();
            let random = Random::new(Some(5));
            let error = inspect(|| dial(addr), &options, limit, &clock, &random).await.unwrap_err();
            assert_eq!(error.kind, by_inspect, "{error}");
            let mut stream = dial(addr).await.unwrap();
            let (mut error, hello) = (None, hello(TlsVersion::TLS12));
            match clock.timeout(limit, probe(stream.as_mut(), &hello)).await {
                Ok(Ok(flight)) => {
                    assert_eq!((flight.alert.map(|alert| alert.description), by_probe), (Some(40), by_inspect));
                }
                Ok(Err(cause)) => error = Some(cause),
                Err(_) => assert_eq!(by_probe, NetErrorKind::Timeout),
            }
            if let Some(error) = error {
                assert_eq!(error.kind, by_probe, "{error}");
                assert!(error.detail.contains(detail), "{error}");
            }
        });
    }
}

/// A server of `highest` that hangs up on hellos of later versions; it answers with a flight without certificate.
async fn intolerant_server(listener: Async<TcpListener>, highest: TlsVersion) {
    let [major, minor] = highest.0.to_be_bytes();
    let mut flight = vec![22, major, minor, 0, 46, 2, 0, 0, 38, major, minor];
    flight.extend([7; 32]);
    flight.extend([0, 0, 0x35, 0, 14, 0, 0, 0]);
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut hello = [0; 2048];
        let length = stream.read(&mut hello).await.unwrap_or(0);
        if length > 11 && hello[9..11] <= *[major, minor].as_slice() {
            let _ = stream.write_all(&flight).await;
        }
    }
}

#[test]
fn servers_that_hang_up_on_new_versions_are_asked_in_old_ones() {
    for highest in [TlsVersion::TLS11, TlsVersion::TLS10, TlsVersion::SSL3] {
        let runtime = Runtime::live();
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
        let addr = listener.get_ref().local_addr().unwrap();
        let _task = runtime.spawner().spawn(intolerant_server(listener, highest));
        let (clock, random, options) = (runtime.clock(), Random::new(Some(5)), TlsOptions::default());
        let info = runtime.run(inspect(|| dial(addr), &options, LIMIT, &clock, &random)).unwrap();
        assert_eq!((info.version, info.cipher_id, info.chain.len()), (highest, 0x35, 0));
        let modern = TlsOptions { versions: vec![TlsVersion::TLS12, TlsVersion::TLS13], ..options };
        let error = runtime.run(inspect(|| dial(addr), &modern, LIMIT, &clock, &random)).unwrap_err();
        assert!(matches!(error.kind, NetErrorKind::Closed | NetErrorKind::Reset), "{error}");
    }
}

#[test]
fn unreachable_servers_and_impossible_options_are_told_apart() {
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let error = inspect_with(gone, &TlsOptions::default(), LIMIT).unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Refused);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = TlsOptions { server_name: Some("no name!".to_owned()), ..TlsOptions::default() };
    let error = inspect_with(listener.local_addr().unwrap(), &options, LIMIT).unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Local);
    assert!(error.detail.contains("`no name!` is no server name"), "{error}");
}

/// A real first flight, as raw bytes.
fn recorded_flight(folder: &Folder) -> Vec<u8> {
    folder.certificate("modern", "ec -pkeyopt ec_paramgen_curve:prime256v1", "");
    let server = Server::start(folder, "modern", "-tls1_2");
    Runtime::live().run(async {
        let mut stream = dial(server.addr).await.unwrap();
        stream.write_all(&hello(TlsVersion::TLS12).records().unwrap()).await.unwrap();
        let mut bytes = Vec::new();
        while !prober::tests::read(&bytes).unwrap().complete {
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).await.unwrap();
            bytes.extend_from_slice(&buffer[..length]);
        }
        bytes
    })
}

#[test]
fn damaged_flights_do_no_harm() {
    let flight = recorded_flight(&Folder::new());
    for length in 0..flight.len() {
        assert!(!prober::tests::read(&flight[..length]).unwrap().complete);
    }
    let random = Random::new(Some(11));
    for _ in 0..20_000 {
        let mut damaged = flight.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(damaged.len() as u64) as usize;
            damaged[at] = random.u64() as u8;
        }
        if let Ok(read) = prober::tests::read(&damaged) {
            for der in &read.chain {
                let _ = Certificate::parse(der);
            }
        }
    }
}

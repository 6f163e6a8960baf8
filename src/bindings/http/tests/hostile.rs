//! Servers that mean no good, or know no better: each ends in a bounded result that says what happened.

use super::*;
use std::fmt::Write as _;

fn kind(acts: Vec<Act>) -> NetErrorKind {
    get(acts).unwrap_err().kind
}

/// Body as text and truncation.
fn body(acts: Vec<Act>) -> (String, Option<Truncation>) {
    let response = get(acts).unwrap();
    (String::from_utf8_lossy(&response.body).into_owned(), response.truncated)
}

#[test]
fn refusal_reset_silence_and_hanging_up_are_told_apart() {
    let refused = with_client(&Peer::new([]), async |client| {
        client.fetch(&origin(), Request::get("/"), &Options::default()).await.unwrap_err()
    });
    assert_eq!(refused.to_string(), "connect 127.0.0.1:80: refused");
    assert_eq!(kind(vec![Act::Reset]), NetErrorKind::Reset);
    assert_eq!(kind(vec![Act::Silent]), NetErrorKind::Timeout);
    assert_eq!(kind(vec![Act::Close]), NetErrorKind::Closed);
    assert_eq!(kind(vec![send("HTTP/1.1 200 OK\r\nA: b\r\n"), Act::Silent]), NetErrorKind::Timeout);
    assert_eq!(kind(vec![send("HTTP/1.1 20"), Act::Close]), NetErrorKind::Closed);
}

#[test]
fn a_trickle_ends_at_the_deadline() {
    let peer = Peer::new([vec![Act::Trickle(b'\n')], vec![send("HTTP/1.1 200\r\n\r\n"), Act::Trickle(b'x')]]);
    let runtime = Runtime::live();
    let client = peer.client(&runtime, None);
    let deadline = || Some(runtime.clock().now().plus(Duration::from_millis(100)));
    let ask = async |method: &str| {
        let options = Options { deadline: deadline(), body_limit: usize::MAX, ..Options::default() };
        client.fetch(&origin(), Request::new(method, "/"), &options).await
    };
    let (blank, slow) = runtime.run(async { (ask("GET").await, ask("GET").await) });
    assert_eq!(blank.unwrap().truncated, Some(Truncation::Timeout));
    let slow = slow.unwrap();
    assert_eq!((slow.status, slow.truncated), (200, Some(Truncation::Timeout)));
}

#[test]
fn endless_bodies_headers_and_interim_answers_are_bounded() {
    let response = get(vec![send("HTTP/1.1 200 OK\r\n\r\n"), Act::Forever(&[b'x'; 1000])]).unwrap();
    assert_eq!((response.body.len(), response.truncated), (1 << 20, Some(Truncation::Limit)));
    let response = get(vec![Act::Forever(b"SSH-2.0-x\r\n")]).unwrap();
    assert_eq!((response.status, response.body.len(), response.truncated), (0, 1 << 20, Some(Truncation::Limit)));
    let error = get(vec![send("HTTP/1.1 200 OK\r\n"), Act::Forever(b"X: y\r\n")]).unwrap_err();
    assert_eq!(error.to_string(), "http 127.0.0.1:80: protocol (response head over 64 KiB)");
    assert_eq!(kind(vec![Act::Forever(b"HTTP/1.1 100 Continue\r\n\r\n")]), NetErrorKind::Protocol);
    assert_eq!(kind(vec![Act::Forever(b"HTTP/1.1 200 ")]), NetErrorKind::Protocol);
    let mut many = String::from("HTTP/1.1 200 OK\r\n");
    (0..300).for_each(|number| write!(many, "h{number}: x\r\n").unwrap());
    assert_eq!(kind(vec![send(many + "\r\n")]), NetErrorKind::Protocol);
}

#[test]
fn closing_in_the_middle_keeps_what_came() {
    let response = get(vec![send("HTTP/1.0 401 No\r\nWWW-Authenticate: Basic\r\nServ"), Act::Close]).unwrap();
    assert_eq!((response.status, response.truncated), (401, Some(Truncation::Closed)));
    assert_eq!(response.header("www-authenticate").unwrap(), "Basic");
    let cut = Some(Truncation::Closed);
    assert_eq!(body(vec![send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), Act::Close]), ("abc".into(), cut));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(body(vec![send(format!("{chunked}5\r\nabc")), Act::Close]), ("abc".into(), cut));
    let reset = Some(Truncation::Reset);
    assert_eq!(body(vec![send(format!("{chunked}3\r\nabc\r\n")), Act::Reset]), ("abc".into(), reset));
    let timeout = Some(Truncation::Timeout);
    assert_eq!(body(vec![send("HTTP/1.1 200 OK\r\n\r\nabc"), Act::Silent]), ("abc".into(), timeout));
}

#[test]
fn impossible_lengths_do_no_harm() {
    let with = |length: &str| vec![send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nabc")), Act::Close];
    assert_eq!(body(with("-1")), ("abc".into(), None));
    assert_eq!(body(with("99999999999999999999999")), ("abc".into(), None));
    assert_eq!(body(with("18446744073709551615")), ("abc".into(), Some(Truncation::Closed)));
    assert_eq!(body(with("2\r\nContent-Length: 3")), ("ab".into(), None));
    let chunk =
        |size: &str| vec![send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n{size}\r\nb"))];
    for bad in ["fffffffffffffffff", "-1", "0x1", ""] {
        assert_eq!(body(chunk(bad)), ("a".into(), Some(Truncation::Malformed)), "{bad}");
    }
    assert_eq!(body(chunk("ffffffffffffffff")), ("ab".into(), Some(Truncation::Closed)));
}

#[test]
fn bytes_that_are_no_text_pass_through() {
    let response = get(vec![send(b"HTTP/1.1 200 \xff\xfe\r\nServer: \xc3\x28\xff\r\n\xff: x\r\n\r\n\xff\0")]).unwrap();
    assert_eq!(response.headers.get("server"), Some(b"\xc3\x28\xff".as_slice()));
    assert_eq!((&*response.body, response.headers.len()), (b"\xff\0".as_slice(), 1));
    let tls_alert = get(vec![send(b"\x15\x03\x01\0\x02\x02\x46")]).unwrap();
    assert_eq!((tls_alert.status, &*tls_alert.version, tls_alert.body.len()), (0, "HTTP/0.9", 7));
}

#[test]
fn a_bomb_and_a_dud() {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    io::Write::write_all(&mut gz, &vec![0; 16 << 20]).unwrap();
    let coded = |body: &[u8]| vec![Act::Send([b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", body].concat())];
    let bomb = get(coded(&gz.finish().unwrap())).unwrap();
    assert_eq!((bomb.body.len(), bomb.truncated), (1 << 20, Some(Truncation::Limit)));
    let dud = get(coded(b"\x1f\x8b\x08\0junkjunk")).unwrap();
    assert_eq!((dud.encoded, dud.truncated), (true, Some(Truncation::Coding)));
}

#[test]
fn a_server_that_answers_before_it_listens_is_heard() {
    struct Deaf(Scripted);
    impl AsyncRead for Deaf {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }
    impl AsyncWrite for Deaf {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
    impl Stream for Deaf {
        fn local(&self) -> SocketAddr {
            self.0.local()
        }
        fn peer(&self) -> SocketAddr {
            self.0.peer()
        }
    }
    struct DeafDial;
    impl Dial for DeafDial {
        fn dial(&self, _: &Origin) -> NetFuture<Box<dyn Stream>> {
            let acts = VecDeque::from([send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")]);
            let stream: Box<dyn Stream> = Box::new(Deaf(Scripted { acts, heard: Rc::default(), paused: false }));
            Box::pin(std::future::ready(Ok(stream)))
        }
    }
    let runtime = Runtime::live();
    let client = Client::new(Rc::new(DeafDial), runtime.clock(), Random::new(Some(1)), None, Pool::default());
    let request = Request::new("POST", "/").with_body(vec![b'x'; 100_000]);
    let response = runtime.run(client.fetch(&origin(), request, &Options::default()));
    assert_eq!(response.unwrap().status, 413);
}

#[test]
fn an_error_of_the_diallers_own_comes_through_unchanged() {
    let budget =
        NetError::new(NetErrorKind::Budget(crate::model::Spent::Bytes), "receive", "127.0.0.1:80").because("bytes");
    assert_eq!(get(vec![send("HTTP/1.1 200 OK\r\n\r\nabc"), Act::Fail(budget.clone())]).unwrap_err(), budget);
}

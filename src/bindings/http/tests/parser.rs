//! Properties of the parser of answers.

use super::super::parser::Message;
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// The outcome of feeding `pieces` and then closing: the message, or the error or its absence.
fn parse(pieces: &[&[u8]], expect: Expect, limit: usize) -> Result<Option<Message>, Malformed> {
    let mut parser = Parser::new(expect, limit);
    for piece in pieces {
        let used = parser.feed(piece)?;
        assert!(used <= piece.len());
        if parser.is_done() {
            return Ok(Some(parser.into_message()));
        }
        assert_eq!(used, piece.len(), "nothing may be left while the answer is incomplete");
    }
    Ok(parser.end(Truncation::Closed)?.then(|| parser.into_message()))
}

fn splits(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

/// Pieces of answers, sensible and not, in any order.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&'static [u8]> = vec![
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 404\n",
        b"ICY 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"RTSP/1.0 200\r\n",
        b"HTTP/1.1 204 x\r\n\r\n",
        b"HTTP/2 ",
        b"Content-Length: 3\r\n",
        b"Content-Length: 4, 5\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b" folded\r\n",
        b"A: b\r\n",
        b"\0",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"0\r\n",
        b"ffffffffffffffff\r\n",
        b"zz\r\n",
        b"abc",
        b": ",
        b"\xff\xfe",
    ];
    prop_oneof![4 => prop::sample::select(known).prop_map(<[u8]>::to_vec), 1 => vec(any::<u8>(), 0..8)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_result_does_not_depend_on_the_split(
        fragments in vec(fragment(), 0..12),
        cuts in vec(any::<usize>(), 0..8),
        head in any::<bool>(),
        limit in 0..20usize,
    ) {
        let bytes = fragments.concat();
        let expect = if head { Expect::Head } else { Expect::Body };
        let whole = parse(&[&bytes], expect, limit);
        let split = splits(&bytes, &cuts);
        let split: Vec<&[u8]> = split.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(&parse(&split, expect, limit), &whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&parse(&single, expect, limit), &whole);
        if let Ok(Some(message)) = whole {
            prop_assert!(message.body.len() <= limit);
        }
    }

    #[test]
    fn whatever_arrives_nothing_panics(
        bytes in vec(any::<u8>(), 0..600),
        prefix in prop::sample::select(vec!["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]),
    ) {
        let bytes = [prefix.as_bytes(), &bytes].concat();
        let _ = parse(&[&bytes], Expect::Body, 1000);
        let text = String::from_utf8_lossy(&bytes);
        let _ = Cookie::parse(&text);
        let _ = resolve(&Origin::new(false, "h", 80), b"/a/b", &bytes);
        if let Ok(Some(message)) = parse(&[format!("HTTP/1.1 401\r\nWWW-Authenticate: Digest {text}\r\n\r\n").as_bytes()], Expect::Body, 0) {
            let _ = Challenge::strongest(&message.headers);
        }
    }
}

#[test]
fn odd_answers_are_read() {
    let read = |text: &str| parse(&[text.as_bytes()], Expect::Body, 100).unwrap().unwrap();
    let icy = read("ICY 200 OK\r\nicy-name: x\r\n\r\nstream");
    assert_eq!(
        (icy.status, &*icy.version, icy.body.as_slice(), icy.reusable),
        (200, "ICY", b"stream".as_slice(), false)
    );
    let rtsp = read("RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n");
    assert_eq!((rtsp.status, rtsp.truncated), (200, None));
    let late =
        read("\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200\r\nContent-Length: 2\r\n\r\nokNEXT");
    assert_eq!(
        (late.status, late.body.as_slice(), late.reusable, late.headers.len()),
        (200, b"ok".as_slice(), true, 1)
    );
    assert_eq!(late.headers.raw(), b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n");
    let switched = read("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nraw");
    assert_eq!((switched.status, switched.reusable), (101, false));
    let old = read("<html>hello</html>");
    assert_eq!((old.status, &*old.version, old.body.as_slice()), (0, "HTTP/0.9", b"<html>hello</html>".as_slice()));
    let trailers = read("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\nDigest: x\r\n\r\n");
    assert_eq!((trailers.trailers.get("digest"), trailers.reusable), (Some(b"x".as_slice()), true));
    let low = read("HTTP/1.1 42 Low\nX: y\n\nbody");
    assert_eq!((low.status, low.body.as_slice()), (42, b"body".as_slice()));
}

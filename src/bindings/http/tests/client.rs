//! The client's manners: reuse, retries, redirects, cookies, credentials.

use super::*;

fn go(peer: &Rc<Peer>, requests: Vec<Request>, options: &Options) -> Vec<Result<Response, NetError>> {
    with_client(peer, async |client| {
        let mut results = Vec::new();
        for request in requests {
            results.push(client.fetch(&origin(), request, options).await);
        }
        results
    })
}

fn bodies(results: &[Result<Response, NetError>]) -> Vec<String> {
    results
        .iter()
        .map(|result| match result {
            Ok(response) => String::from_utf8_lossy(&response.body).into_owned(),
            Err(error) => error.kind.name().to_owned(),
        })
        .collect()
}

fn redirect(to: &str) -> Act {
    send(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
}

#[test]
fn a_kept_connection_carries_the_next_request() {
    let peer = Peer::new([vec![Act::Await(1), answer("a"), Act::Await(2), answer("b"), Act::Silent]]);
    let results = go(&peer, vec![Request::get("/1"), Request::get("/2")], &Options::default());
    assert_eq!((bodies(&results), peer.dials()), (vec!["a".into(), "b".into()], 1));
    let response = results[0].as_ref().unwrap();
    assert_eq!((&*response.url, &*response.reason, response.ssl), ("http://h/1", "OK", false));
}

#[test]
fn connections_out_of_step_are_not_used_again() {
    for odd in ["Connection: close\r\nContent-Length: 1", "Content-Length: 1\r\nContent-Length: 2"] {
        let first = send(format!("HTTP/1.1 200 OK\r\n{odd}\r\n\r\na"));
        let peer = Peer::new([vec![first, Act::Silent], vec![answer("b"), Act::Silent]]);
        go(&peer, vec![Request::get("/"), Request::get("/")], &Options::default());
        assert_eq!(peer.dials(), 2, "{odd}");
    }
    let chatty = send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nasurplus");
    let peer = Peer::new([vec![chatty, Act::Silent], vec![answer("b"), Act::Silent]]);
    go(&peer, vec![Request::get("/"), Request::get("/")], &Options::default());
    assert_eq!(peer.dials(), 2);
}

/// The first answer, then silence until the second request arrives, then the end.
fn goes_stale() -> Vec<Act> {
    vec![Act::Await(1), answer("a"), Act::Await(2), Act::Close]
}

#[test]
fn a_stale_connection_is_replaced_once_for_idempotent_requests_only() {
    let peer = Peer::new([goes_stale(), vec![Act::Await(1), answer("b"), Act::Silent]]);
    let results = go(&peer, vec![Request::get("/"), Request::get("/")], &Options::default());
    assert_eq!((bodies(&results), peer.dials()), (vec!["a".into(), "b".into()], 2));
    let peer = Peer::new([goes_stale(), vec![answer("b")]]);
    let results = go(&peer, vec![Request::get("/"), Request::new("POST", "/")], &Options::default());
    assert_eq!((bodies(&results), peer.dials()), (vec!["a".into(), "closed".into()], 1));
    let peer = Peer::new([goes_stale(), vec![Act::Close], vec![answer("c")]]);
    let results = go(&peer, vec![Request::get("/"), Request::get("/")], &Options::default());
    assert_eq!((bodies(&results), peer.dials()), (vec!["a".into(), "closed".into()], 2));
}

#[test]
fn a_connection_seen_closed_is_not_tried() {
    let peer = Peer::new([vec![Act::Await(1), answer("a"), Act::Close], vec![answer("b")]]);
    let results = go(&peer, vec![Request::get("/"), Request::new("POST", "/")], &Options::default());
    assert_eq!((bodies(&results), peer.heard(0).matches("POST").count()), (vec!["a".into(), "b".into()], 0));
}

#[test]
fn redirects_on_the_same_host_are_followed() {
    let peer = Peer::new([
        vec![Act::Await(1), redirect("../x y"), Act::Await(2), redirect("//h:8080/z"), Act::Silent],
        vec![answer("end")],
    ]);
    let response = go(&peer, vec![Request::get("/a/b")], &Options::default()).remove(0).unwrap();
    assert_eq!((&*response.body, &*response.url), (b"end".as_slice(), "http://h:8080/z"));
    assert_eq!(*response.locations, ["http://h/x%20y".to_owned(), "http://h:8080/z".to_owned()]);
    assert!(response.stopped.is_none());
    assert!(peer.heard(1).starts_with("GET /z HTTP/1.1\r\nHost: h:8080\r\n"));
}

#[test]
fn redirects_elsewhere_round_and_round_or_to_nothing_stop() {
    let stop = |acts: Vec<Act>, options: &Options| {
        let response = go(&Peer::new([acts]), vec![Request::get("/")], options).remove(0).unwrap();
        (response.stopped.map(|stopped| stopped.name()), response.status, response.locations.len())
    };
    let default = Options::default();
    assert_eq!(stop(vec![redirect("http://other/")], &default), (Some("other-host"), 302, 0));
    assert_eq!(stop(vec![redirect("/")], &default), (Some("loop"), 302, 0));
    assert_eq!(stop(vec![redirect("/a"), Act::Await(2), redirect("/#x")], &default), (Some("loop"), 302, 1));
    assert_eq!(stop(vec![redirect("gopher://h/")], &default), (Some("bad-location"), 302, 0));
    assert_eq!(stop(vec![redirect("https://h/")], &default), (Some("failed"), 302, 0));
    let steps = |count| (1..=count).flat_map(|n| [Act::Await(n), redirect(&format!("/{n}"))]).collect::<Vec<_>>();
    assert_eq!(stop(steps(9), &default), (Some("too-many"), 302, 5));
    let none = Options { redirects: Redirects { max: 0, other_hosts: false }, ..Options::default() };
    assert_eq!(stop(steps(1), &none), (None, 302, 0));
}

#[test]
fn other_hosts_need_the_callers_wish_and_the_diallers_consent() {
    let options = Options {
        redirects: Redirects { max: 5, other_hosts: true },
        auth: Some(Auth { username: "u".into(), password: "p".into(), digest: false }),
        ..Options::default()
    };
    let scripts = || [vec![Act::Await(1), redirect("http://other/"), Act::Silent], vec![answer("there")]];
    let peer = Peer::new(scripts());
    assert_eq!(bodies(&go(&peer, vec![Request::get("/")], &options)), ["there"]);
    assert!(peer.heard(0).contains("Authorization: Basic dTpw\r\n"));
    assert!(!peer.heard(1).contains("Authorization"), "credentials stay with the origin they were given for");
    let peer = Peer::new(scripts());
    peer.forbidden.set(Some("other"));
    let response = go(&peer, vec![Request::get("/")], &options).remove(0).unwrap();
    assert_eq!((response.status, response.stopped), (302, Some(Stopped::OtherHost)));
    peer.forbidden.set(Some("h"));
    assert_eq!(bodies(&go(&peer, vec![Request::get("/")], &options)), ["denied"]);
}

#[test]
fn a_redirect_to_the_same_place_with_a_cookie_is_no_loop() {
    let login = send("HTTP/1.1 302 Found\r\nSet-Cookie: s=1\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
    let peer = Peer::new([vec![login, Act::Await(2), answer("in")]]);
    let options = Options { cookies: true, ..Options::default() };
    assert_eq!(bodies(&go(&peer, vec![Request::get("/")], &options)), ["in"]);
    assert!(peer.heard(0).contains("Cookie: s=1\r\n"));
}

#[test]
fn a_digest_challenge_is_answered_and_then_foreseen() {
    let challenge = "HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\nContent-Length: 0\r\n\r\n";
    let acts = vec![send(challenge), Act::Await(2), answer("in"), Act::Await(3), answer("again"), Act::Silent];
    let options =
        Options { auth: Some(Auth { username: "u".into(), password: "p".into(), digest: true }), ..Options::default() };
    let peer = Peer::new([acts]);
    assert_eq!(bodies(&go(&peer, vec![Request::get("/"), Request::get("/")], &options)), ["in", "again"]);
    let heard = peer.heard(0);
    assert_eq!(heard.matches("nc=00000001").count(), 1);
    assert_eq!(heard.matches("nc=00000002").count(), 1);
    let peer = Peer::new([vec![send(challenge), Act::Await(2), send(challenge), Act::Await(3), send(challenge)]]);
    let results = go(&peer, vec![Request::get("/"), Request::get("/")], &options);
    assert_eq!(results.iter().map(|result| result.as_ref().unwrap().status).collect::<Vec<_>>(), [401, 401]);
    assert_eq!(peer.heard(0).matches("GET").count(), 3, "wrong credentials are tried once per request");
}

#[test]
fn an_injected_header_never_leaves() {
    let peer = Peer::new([vec![answer("x")]]);
    let results = go(&peer, vec![Request::get("/").with_header("X", "a\r\nY: b")], &Options::default());
    assert_eq!((bodies(&results), peer.dials()), (vec!["denied".into()], 0));
}

#[test]
fn head_and_options_that_change_the_reading() {
    let head = send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    let peer = Peer::new([vec![Act::Await(1), head, Act::Await(2), answer("after"), Act::Silent]]);
    let results = go(&peer, vec![Request::new("HEAD", "/"), Request::get("/")], &Options::default());
    assert_eq!((bodies(&results), peer.dials()), (vec![String::new(), "after".into()], 1));
    let coded = send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nz");
    let options = Options { decode: false, keep_alive: false, ..Options::default() };
    let peer = Peer::new([vec![coded, Act::Silent], vec![answer("b"), Act::Silent]]);
    let results = go(&peer, vec![Request::get("/"), Request::get("/")], &options);
    assert!(results[0].as_ref().unwrap().encoded);
    assert_eq!((bodies(&results), peer.dials()), (vec!["z".into(), "b".into()], 2));
}

#[test]
fn a_lane_has_a_connection_of_its_own() {
    let talk = |text: &str| vec![answer(text), Act::Await(2), answer("again"), Act::Silent];
    let peer = Peer::new([talk("none"), talk("first"), talk("second")]);
    let lane = |lane: Option<u8>| Options { lane, cache: false, ..Options::default() };
    let lanes = [None, Some(0), Some(1), Some(0), None, Some(1)].map(lane);
    let (said, idle) = with_client(&peer, async |client| {
        let mut said = Vec::new();
        for options in &lanes {
            said.push(client.fetch(&origin(), Request::get("/"), options).await);
        }
        (bodies(&said), client.pool().len())
    });
    let expected = ["none", "first", "second", "again", "again", "again"].map(str::to_owned);
    assert_eq!((said, idle, peer.dials()), (expected.into(), 3, 3));
}

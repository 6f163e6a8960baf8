//! Pipelining, and what is done when servers do not like it.

use super::*;

fn run(scripts: Vec<Vec<Act>>, requests: Vec<Request>) -> (Vec<String>, Rc<Peer>) {
    let peer = Peer::new(scripts);
    let options = Options { operation_timeout: Duration::from_millis(20), ..Options::default() };
    let results = with_client(&peer, async |client| client.pipeline(&origin(), &requests, &options).await);
    let results = results.into_iter().map(|result| match result {
        Ok(response) => String::from_utf8_lossy(&response.body).into_owned(),
        Err(error) => error.kind.name().to_owned(),
    });
    (results.collect(), peer)
}

fn gets(count: usize) -> Vec<Request> {
    (0..count).map(|number| Request::get(format!("/{number}"))).collect()
}

fn closing(body: &str) -> Act {
    send(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

#[test]
fn all_go_out_before_the_first_answer() {
    let acts = vec![
        Act::Await(3),
        send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 "),
        send("200 OK\r\nContent-Length: 1\r\n\r\nb"),
        answer("c"),
        Act::Silent,
    ];
    let (bodies, peer) = run(vec![acts], gets(3));
    assert_eq!((bodies, peer.dials()), (vec!["a".into(), "b".into(), "c".into()], 1));
}

#[test]
fn the_unanswered_rest_is_sent_again() {
    let scripts = vec![
        vec![Act::Await(5), answer("0"), closing("1")],
        vec![Act::Await(2), answer("2"), answer("3"), Act::Await(3), closing("4")],
    ];
    let (bodies, peer) = run(scripts, gets(5));
    assert_eq!((bodies.concat(), peer.dials()), ("01234".into(), 2));
    assert_eq!(peer.heard(1).matches("GET ").count(), 3);
}

#[test]
fn a_server_that_answers_one_at_a_time_is_asked_one_by_one() {
    let mut scripts = vec![vec![Act::Await(4), closing("0")]];
    scripts.extend((1..4).map(|number: i32| vec![Act::Await(1), closing(&number.to_string())]));
    let (bodies, peer) = run(scripts, gets(4));
    assert_eq!((bodies.concat(), peer.dials()), ("0123".into(), 4));
    assert_eq!(peer.heard(3).matches("GET ").count(), 1);
}

#[test]
fn one_bad_answer_spoils_only_its_own_request() {
    let broken = || send(format!("HTTP/1.1 200 OK\r\n{}", "x".repeat(70_000)));
    let scripts = vec![vec![Act::Await(3), answer("0"), broken()], vec![broken()], vec![answer("2")]];
    assert_eq!(run(scripts, gets(3)).0, ["0", "protocol", "2"]);
}

#[test]
fn what_is_not_idempotent_goes_alone_and_a_dead_server_ends_it() {
    let requests = vec![
        Request::get("/0"),
        Request::get("/1"),
        Request::new("POST", "/2"),
        Request::get("/3\n"),
        Request::get("/4"),
    ];
    let scripts = vec![vec![Act::Await(2), answer("0"), answer("1"), Act::Await(3), closing("2")]];
    let (bodies, peer) = run(scripts, requests);
    assert_eq!(
        (bodies.as_slice(), peer.dials()),
        (["0", "1", "2", "denied", "refused"].map(String::from).as_slice(), 1)
    );
}

#[test]
fn a_silent_server_costs_few_timeouts() {
    let scripts = vec![vec![Act::Silent]; 9];
    let (bodies, peer) = run(scripts, gets(9));
    assert_eq!((bodies.len(), peer.dials()), (9, 3));
    assert!(bodies.iter().all(|body| body == "timeout"));
}

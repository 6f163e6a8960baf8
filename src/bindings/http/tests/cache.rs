//! The run's cache: sharing, single flight, succession, bounds.

use super::*;
use futures_lite::future::{poll_once, zip};
use std::pin::pin;

fn fetch<'a>(client: &'a Client, path: &str) -> impl Future<Output = Result<Response, NetError>> + 'a {
    let request = Request::get(path);
    async move { client.fetch(&origin(), request, &Options::default()).await }
}

#[test]
fn an_answer_serves_all_clients_of_the_run_and_waiters_share_a_flight() {
    let peer = Peer::new([vec![Act::Pause, answer("a"), Act::Await(2), answer("b"), Act::Silent]]);
    let (runtime, cache) = (Runtime::live(), Cache::default());
    let (one, two) = (peer.client(&runtime, Some(cache.clone())), peer.client(&runtime, Some(cache.clone())));
    runtime.run(async {
        let (first, second) = zip(fetch(&one, "/"), fetch(&two, "/")).await;
        assert_eq!((&*first.unwrap().body, &*second.unwrap().body), (b"a".as_slice(), b"a".as_slice()));
        assert_eq!(&*fetch(&two, "/").await.unwrap().body, b"a");
        assert_eq!(&*fetch(&one, "/other").await.unwrap().body, b"b");
    });
    assert_eq!((peer.dials(), cache.len()), (1, 2));
}

#[test]
fn errors_are_shared_by_those_who_wait_but_not_kept() {
    let peer = Peer::new([vec![Act::Pause, Act::Reset], vec![answer("later")]]);
    let (runtime, cache) = (Runtime::live(), Cache::default());
    let (one, two) = (peer.client(&runtime, Some(cache.clone())), peer.client(&runtime, Some(cache.clone())));
    runtime.run(async {
        let (first, second) = zip(fetch(&one, "/"), fetch(&two, "/")).await;
        assert_eq!((first.unwrap_err().kind, second.unwrap_err().kind), (NetErrorKind::Reset, NetErrorKind::Reset));
        assert_eq!(&*fetch(&two, "/").await.unwrap().body, b"later");
    });
    assert_eq!(peer.dials(), 2);
}

#[test]
fn a_waiter_takes_over_when_the_one_fetching_dies_or_fails_for_its_own_reasons() {
    let budget = NetError::new(NetErrorKind::Budget(crate::model::Spent::Bytes), "receive", "x");
    let peer = Peer::new([vec![Act::Silent], vec![Act::Fail(budget)], vec![answer("b")]]);
    let (runtime, cache) = (Runtime::live(), Cache::default());
    let clients = [0; 3].map(|_| peer.client(&runtime, Some(cache.clone())));
    runtime.run(async {
        let mut doomed = Box::pin(fetch(&clients[0], "/"));
        let mut poor = pin!(fetch(&clients[1], "/"));
        let mut third = pin!(fetch(&clients[2], "/"));
        assert!(poll_once(&mut doomed).await.is_none());
        assert!(poll_once(&mut poor).await.is_none());
        assert!(poll_once(&mut third).await.is_none());
        assert_eq!(peer.dials(), 1);
        drop(doomed);
        assert_eq!(poor.await.unwrap_err().kind, NetErrorKind::Budget(crate::model::Spent::Bytes));
        assert_eq!(&*third.await.unwrap().body, b"b");
    });
    assert_eq!((peer.dials(), cache.len()), (3, 1));
}

#[test]
fn private_requests_and_passing_troubles_are_not_kept_and_the_fence_holds() {
    let cut = || vec![send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), Act::Close];
    let peer = Peer::new([vec![answer("a")], vec![answer("b")], cut(), cut()]);
    let (runtime, cache) = (Runtime::live(), Cache::default());
    let client = peer.client(&runtime, Some(cache.clone()));
    runtime.run(async {
        for private in ["Cookie", "Authorization"] {
            let request = Request::get("/").with_header(private, "x");
            client.fetch(&origin(), request, &Options::default()).await.unwrap();
        }
        for _ in 0..2 {
            assert_eq!(fetch(&client, "/").await.unwrap().truncated, Some(Truncation::Closed));
        }
    });
    assert_eq!((peer.dials(), cache.len()), (4, 0));
    let peer = Peer::new([vec![answer("a")]]);
    let client = peer.client(&runtime, Some(cache));
    runtime.run(async {
        fetch(&client, "/").await.unwrap();
        peer.forbidden.set(Some("h"));
        assert_eq!(fetch(&client, "/").await.unwrap_err().kind, NetErrorKind::Denied);
    });
}

#[test]
fn the_least_recently_used_answers_go_first() {
    let page = "x".repeat(1000);
    let acts = (1..100).flat_map(|number| [Act::Await(number), answer(&page)]).collect();
    let peer = Peer::new([acts]);
    let (runtime, cache) = (Runtime::live(), Cache::new(20_000));
    let client = peer.client(&runtime, Some(cache.clone()));
    runtime.run(async {
        for number in 0..40 {
            fetch(&client, &format!("/{number}")).await.unwrap();
            fetch(&client, "/0").await.unwrap();
        }
    });
    assert!(cache.weight() <= 20_000 && cache.len() > 5, "{} {}", cache.weight(), cache.len());
    assert_eq!(peer.heard(0).matches("GET ").count(), 40, "the page used all the time stayed");
}

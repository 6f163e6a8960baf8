//! Strict and lenient replays of small recordings.

use std::cell::RefCell;

use futures_lite::{AsyncReadExt, AsyncWriteExt, future};

use super::conversation::{Conversation, Event, Piece, What};
use super::*;
use crate::net::record::Header;
use crate::runtime::Runtime;

const PEER: &str = "192.0.2.1:80";
const START: Timestamp = Timestamp(1_000_000_000_000);

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("literal")
}

fn at(millis: u64) -> Timestamp {
    START.plus(Duration::from_millis(millis))
}

/// A connection opened at `from` ms: what we send, and what is answered 10 ms later.
fn talk(from: u64, origin: &str, turns: &[(&str, &str)]) -> Conversation {
    let (mut sent, mut pieces, mut events) = (Vec::new(), Vec::new(), Vec::new());
    let mut now = from + 1;
    for (question, answer) in turns {
        sent.extend_from_slice(question.as_bytes());
        pieces.push(Piece { end: sent.len(), packet: 7, to: addr(PEER) });
        now += 10;
        let what = What::Data(addr(PEER), answer.as_bytes().to_vec());
        events.push(Event { at: at(now), delay: Duration::from_millis(10), after: sent.len(), what });
    }
    Conversation {
        kind: Kind::Stream,
        packet: 3,
        own: addr("192.0.2.200:4000"),
        peer: addr(PEER),
        origin: Some(Origin::new(origin)),
        handed_to: None,
        opened: at(from),
        outcome: Outcome::Open(at(from + 1)),
        sent,
        pieces,
        events,
    }
}

fn replay(runtime: &Runtime, mode: Mode, ours: bool, conversations: Vec<Conversation>) -> Replay {
    let header = ours.then(|| Header { started: START, ..Header::default() });
    let recording = Recording { header, first_packet: START, conversations, ..Recording::default() };
    Replay::new(recording, mode, runtime.clock(), Duration::from_secs(1))
}

fn options(origin: &str) -> ConnectOptions {
    ConnectOptions { origin: Origin::new(origin), ..ConnectOptions::default() }
}

/// One question and its answer; and when it came.
async fn ask(stream: &mut dyn Stream, question: &str) -> Result<String, NetError> {
    let failed = |error| NetError::from_io(&error, "ask", PEER);
    stream.write_all(question.as_bytes()).await.map_err(failed)?;
    let mut buffer = [0; 100];
    let length = stream.read(&mut buffer).await.map_err(failed)?;
    Ok(buffer[..length].escape_ascii().to_string())
}

#[test]
fn the_first_difference_ends_the_conversation_and_shows_both_sides() {
    let runtime = Runtime::simulated(START);
    let replay = replay(&runtime, Mode::Strict, true, vec![talk(0, "a", &[("one", "1"), ("two", "2")])]);
    let shared = replay.clone();
    runtime.run(async move {
        let mut stream = Transport::connect(&shared, addr(PEER), options("a")).await.expect("recorded");
        assert_eq!(ask(&mut *stream, "one").await.as_deref(), Ok("1"));
        let error = ask(&mut *stream, "twice").await.expect_err("it differs");
        assert_eq!(error.kind, NetErrorKind::Replay);
        assert!(error.detail.contains("byte 5 (packet 7): recorded \"two\", now \"twice\""), "{error}");
        assert_eq!(ask(&mut *stream, "two").await, Err(NetError { op: "ask", ..error }));
        let none = Transport::connect(&shared, addr(PEER), options("a")).await.err().expect("only one is recorded");
        assert!(none.detail.contains("no (more) connection of a to it"), "{none}");
        let other = Transport::connect(&shared, addr(PEER), options("b")).await.err().expect("none is recorded");
        assert!(other.detail.contains("no (more) connection of b"), "{other}");
    });
    assert_eq!(replay.differences().count(), 3);
}

#[test]
fn what_was_recorded_and_not_done_is_a_difference() {
    let runtime = Runtime::simulated(START);
    let both = vec![talk(0, "a", &[("one", "1")]), talk(5, "b", &[("one", "1")])];
    let replay = replay(&runtime, Mode::Strict, true, both);
    let shared = replay.clone();
    runtime.run(async move { drop(Transport::connect(&shared, addr(PEER), options("a")).await.expect("recorded")) });
    replay.report_unused();
    let lines = replay.differences().lines();
    assert!(lines[0].contains("closed after 0 bytes were sent; 3 bytes are recorded"), "{lines:?}");
    assert!(lines[1].contains("the recorded connection of b to 192.0.2.1:80 was not opened"), "{lines:?}");
}

#[test]
fn connections_side_by_side_are_told_apart_by_what_is_sent_first() {
    for order in [["x", "y"], ["y", "x"]] {
        let runtime = Runtime::simulated(START);
        let both = vec![talk(0, "a", &[("x", "for x")]), talk(0, "a", &[("y", "for y")])];
        let replay = replay(&runtime, Mode::Strict, true, both);
        let shared = replay.clone();
        runtime.run(async move {
            let connect = || Transport::connect(&shared, addr(PEER), options("a"));
            let (one, other) = future::zip(connect(), connect()).await;
            let (mut one, mut other) = (one.expect("recorded"), other.expect("recorded"));
            let answers = future::zip(ask(&mut *one, order[0]), ask(&mut *other, order[1])).await;
            assert_eq!(answers, (Ok(format!("for {}", order[0])), Ok(format!("for {}", order[1]))));
        });
        replay.report_unused();
        assert_eq!(replay.differences().count(), 0);
    }
}

#[test]
fn a_script_may_take_the_connection_of_its_turn_out_of_order() {
    let runtime = Runtime::simulated(START);
    let both = vec![talk(0, "a", &[("x", "for x")]), talk(50, "a", &[("y", "for y")])];
    let replay = replay(&runtime, Mode::Strict, true, both);
    let shared = replay.clone();
    runtime.run(async move {
        for question in ["y", "x"] {
            let mut stream = Transport::connect(&shared, addr(PEER), options("a")).await.expect("recorded");
            assert_eq!(ask(&mut *stream, question).await, Ok(format!("for {question}")));
        }
    });
    replay.report_unused();
    assert_eq!(replay.differences().count(), 0);
}

#[test]
fn answers_follow_their_cause() {
    let runtime = Runtime::simulated(START);
    let clock = runtime.clock();
    let replay = replay(&runtime, Mode::Strict, true, vec![talk(100, "a", &[("one", "1"), ("two", "2")])]);
    let times = RefCell::new(Vec::new());
    runtime.run(async {
        let note = || times.borrow_mut().push(clock.now().since(START).as_millis());
        // Earlier than recorded, and nothing else is under way: what the recorded run did before takes no time.
        let mut stream = Transport::connect(&replay, addr(PEER), options("a")).await.expect("recorded");
        note();
        ask(&mut *stream, "one").await.expect("recorded");
        note();
        // Later than recorded: the answer comes as much later as it was recorded.
        clock.sleep(Duration::from_mins(1)).await;
        ask(&mut *stream, "two").await.expect("recorded");
        note();
    });
    assert_eq!(times.take(), [1, 11, 60_021]);
}

#[test]
fn what_is_under_way_side_by_side_keeps_the_recorded_order() {
    let runtime = Runtime::simulated(START);
    // The recorded run needed 5 ms before it opened the second one, whose answer came quicker.
    let mut quick = talk(5, "b", &[("two", "2")]);
    quick.events[0].at = at(14);
    quick.events[0].delay = Duration::from_millis(8);
    let replay = replay(&runtime, Mode::Strict, true, vec![talk(0, "a", &[("one", "1")]), quick]);
    let order = RefCell::new(Vec::new());
    runtime.run(async {
        let one = |origin, question| {
            let connecting = Transport::connect(&replay, addr(PEER), options(origin));
            let order = &order;
            async move {
                let mut stream = connecting.await.expect("recorded");
                let answer = ask(&mut *stream, question).await.expect("recorded");
                order.borrow_mut().push(answer);
            }
        };
        future::zip(one("a", "one"), one("b", "two")).await;
    });
    assert_eq!(order.take(), ["1", "2"]);
}

#[test]
fn what_was_not_recorded_never_comes() {
    let runtime = Runtime::simulated(START);
    let replay = replay(&runtime, Mode::Strict, true, vec![talk(0, "a", &[])]);
    let stalled = runtime.run_until_stalled(async move {
        let mut stream = Transport::connect(&replay, addr(PEER), options("a")).await.expect("recorded");
        stream.read(&mut [0; 10]).await
    });
    assert!(stalled.is_none());
}

#[test]
fn a_lenient_replay_answers_by_likeness_and_lists_differences() {
    let runtime = Runtime::simulated(START);
    let captured = vec![
        talk(0, "", &[("GET / HTTP/1.1\r\nUser-Agent: curl\r\n\r\n", "root"), ("GET /b\r\n\r\n", "b")]),
        talk(50, "", &[("GET /other HTTP/1.1\r\n\r\n", "other")]),
    ];
    let replay = replay(&runtime, Mode::Lenient, false, captured);
    let shared = replay.clone();
    runtime.run(async move {
        let mut stream = Transport::connect(&shared, addr(PEER), options("a")).await.expect("captured");
        assert_eq!(ask(&mut *stream, "GET /other HTTP/1.1\r\n\r\n").await.as_deref(), Ok("other"));
        assert_eq!(shared.differences().count(), 0);
        let mut stream = Transport::connect(&shared, addr(PEER), options("a")).await.expect("captured");
        assert_eq!(ask(&mut *stream, "GET / HTTP/1.1\r\nUser-Agent: sonde\r\n\r\n").await.as_deref(), Ok("root"));
        assert_eq!(ask(&mut *stream, "anything").await.as_deref(), Ok("b"));
        assert_eq!(shared.differences().count(), 2);
        let silent = Transport::connect(&shared, addr("192.0.2.77:80"), options("a")).await.err().expect("unknown");
        assert_eq!(silent.kind, NetErrorKind::Timeout);
    });
    let lines = replay.differences().lines();
    assert!(lines[0].contains("\"curl") || lines[0].contains("curl"), "{lines:?}");
}

#[test]
fn only_a_connection_that_was_handed_on_is_handed_on() {
    let runtime = Runtime::simulated(START);
    let mut handed = talk(0, "scan", &[("one", "1")]);
    handed.handed_to = Some(Origin::new("a"));
    let replay = replay(&runtime, Mode::Strict, true, vec![handed, talk(9, "scan", &[])]);
    runtime.run(async move {
        let stream = Transport::connect(&replay, addr(PEER), options("scan")).await.expect("recorded");
        assert!(stream.may_be_handed_on(&Origin::new("a")) && !stream.may_be_handed_on(&Origin::new("b")));
        let stream = Transport::connect(&replay, addr(PEER), options("scan")).await.expect("recorded");
        assert!(!stream.may_be_handed_on(&Origin::new("a")));
    });
}

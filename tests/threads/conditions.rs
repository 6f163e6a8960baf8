//! Condition variables and channels.

use serde_json::json;

use super::{output, together, value};

#[test]
fn signals_wake_the_one_that_waits_longest() {
    let found = value(
        r#"
        let c = locks::condvar("c");
        let order = [];
        let crew = [];
        for n in 0..5 { crew.push(worker::start(|n| { locks::wait(c); order.push(n) }, n)); worker::pause(); }
        // Cancelled while it waits: the signal is not for it.
        worker::cancel(crew[1]);
        try { worker::join(crew[1]) } catch {}
        worker::pause();
        let after_death = order.len();
        for n in 0..5 { crew.push(worker::start(|n| { locks::wait(c); order.push(n) }, n + 10)); worker::pause(); }
        order = [];
        let woken = [];
        for n in 0..3 { woken.push(locks::signal(c)); worker::join(crew[5 + n]); }
        [after_death, woken, order]
        "#,
    );
    // The death of a participant wakes all, so the first four are done. Each of the next ends, too, and wakes the rest.
    assert_eq!(found[0], 4);
    assert_eq!(found[2][0], 10, "{found}");
}

#[test]
fn one_signal_is_for_one_in_the_order_of_waiting() {
    let found = value(
        r#"
        let c = locks::condvar("c");
        let order = [];
        for n in 0..4 {
            // They stay alive, so nobody is woken by an ending.
            worker::start(|n| { locks::wait(c); order.push(n); worker::sleep(3600) }, n);
            worker::pause();
        }
        let seen = [];
        for n in 0..2 { locks::signal(c); worker::pause(); worker::pause(); seen.push(order.len()); }
        let many = locks::broadcast(c);
        worker::pause();
        worker::pause();
        [seen, many, order, locks::signal(c), locks::wait(c, 0.01)]
        "#,
    );
    assert_eq!(found, json!([[1, 2], 2, [0, 1, 2, 3], false, false]));
}

#[test]
fn waiters_wake_when_a_participant_dies_before_it_signals() {
    let found = value(
        r#"
        let c = locks::condvar("c");
        let ready = false;
        let signaller = worker::start(|| { locks::signal(c); worker::sleep(0.01); throw "dead before it signals" });
        worker::pause();
        let rounds = 0;
        while !ready && !(worker::status(signaller) in ["failed", "done"]) { locks::wait(c); rounds += 1; }
        [ready, worker::status(signaller), rounds > 0]
        "#,
    );
    assert_eq!(found, json!([false, "failed", true]));
}

#[test]
fn a_script_that_dies_wakes_the_waiters_of_another() {
    let waiter = r#"
        let r = script::registry();
        let c = locks::condvar("shared");
        r.waiting = true;
        locks::wait(c);
        "woken"
    "#;
    let dying = r#"
        let r = script::registry();
        locks::signal(locks::condvar("shared"));
        while r.waiting == () { worker::pause(); }
        throw "gone"
    "#;
    let report = together(&[("a", waiter), ("b", dying)], &[]);
    assert_eq!(output(&report, "a"), "woken");
    assert_eq!(report.script("b")["outcome"], "failed");
}

#[test]
fn a_channel_keeps_order_and_loses_nothing_with_a_dead_taker() {
    let found = value(
        r"
        let c = channel::open(2);
        let dead = worker::start(|| channel::take(c));
        worker::pause();
        worker::cancel(dead);
        let putter = worker::start(|| { for n in 0..6 { channel::put(c, n); } channel::close(c); });
        let got = [];
        loop { let n = channel::take(c); if n == () { break } got.push(n); }
        let kind = ();
        try { channel::put(c, 1) } catch (e) { kind = e.kind }
        let blocked = channel::open(1);
        channel::put(blocked, 1);
        let dying = worker::start(|| channel::put(blocked, 2));
        worker::pause();
        worker::cancel(dying);
        try { worker::join(dying) } catch {}
        [got, kind, channel::take(blocked), channel::len(blocked)]
        ",
    );
    assert_eq!(found, json!([[0, 1, 2, 3, 4, 5], "closed", 1, 0]));
}

#[test]
fn two_producers_and_many_consumers_move_everything_once() {
    let found = value(
        r"
        let c = channel::open(4);
        let sum = 0;
        let count = 0;
        let producers = [1, 2].map(|x| worker::start(|| { for n in 1..=500 { channel::put(c, n) } }));
        let consumers = [];
        for n in 0..50 {
            consumers.push(worker::start(|| { loop { let n = channel::take(c); if n == () { break } sum += n; count += 1 } }));
        }
        for w in producers { worker::join(w); }
        channel::close(c);
        for w in consumers { worker::join(w); }
        [sum, count]
        ",
    );
    assert_eq!(found, json!([250_500, 1000]));
}

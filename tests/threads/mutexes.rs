//! Mutexes, semaphores, single flight.

use serde_json::json;

use super::{output, together, value};

#[test]
fn a_mutex_goes_round_in_the_order_of_asking() {
    let waiter = r#"
        let r = script::registry();
        r.asked = (r.asked ?? []) + [script::name()];
        let m = locks::mutex("shared");
        locks::lock(m);
        worker::pause();
        r.got = (r.got ?? []) + [script::name()];
        locks::done(m);
    "#;
    let holder = r#"
        let r = script::registry();
        let m = locks::mutex("shared");
        locks::lock(m);
        while (r.asked ?? []).len() < 4 { worker::pause(); }
        locks::done(m);
        // Queues behind all of them.
        locks::lock(m);
        [r.asked, r.got, locks::try_lock(m)]
    "#;
    let scripts = [("a", holder), ("b", waiter), ("c", waiter), ("d", waiter), ("e", waiter)];
    let report = together(&scripts, &[]);
    let found = output(&report, "a");
    assert_eq!(found[0].as_array().map(Vec::len), Some(4));
    assert_eq!((&found[0], &found[2]), (&found[1], &json!(false)), "{found}");
}

#[test]
fn whatever_ends_the_holder_frees_the_lock() {
    let found = value(
        r#"
        let m = locks::mutex("m");
        let crew = [
            worker::start(|| locks::lock(m)),
            worker::start(|| { locks::lock(m); throw "no" }),
            worker::start_timed(0.02, || { locks::lock(m); worker::sleep(3600) }, []),
            worker::start_timed(0.05, || { locks::lock(m); loop {} }, []),
            // Ends with its parent.
            worker::start(|| { worker::start(|| { locks::lock(m); worker::sleep(3600) }); worker::sleep(0.06) }),
        ];
        let cancelled = worker::start(|| { locks::lock(m); worker::sleep(3600) });
        let canceller = worker::start(|| { while locks::holder(m) == () { worker::pause(); } worker::sleep(0.08); worker::cancel(cancelled) });
        // First come, first served: this one comes last.
        worker::sleep(0.1);
        locks::lock(m);
        let states = [];
        for w in crew + [cancelled] { try { worker::join(w) } catch {} states.push(worker::status(w)); }
        try { locks::locked(locks::mutex("n"), || throw "inside") } catch {}
        states + [locks::holder(locks::mutex("n"))]
        "#,
    );
    assert_eq!(found, json!(["done", "failed", "timed out", "timed out", "done", "cancelled", null]));
}

#[test]
fn a_script_that_ends_with_a_lock_leaves_it_to_the_next() {
    let taker = r#"
        let r = script::registry();
        while (r.held ?? false) == false { worker::pause(); }
        locks::lock(locks::mutex("m"));
        "mine"
    "#;
    for ending in ["return 1;", "throw \"no\";", "worker::sleep(3600);", "loop {}", "let x = [0]; x[9]"] {
        let holder =
            format!("locks::lock(locks::mutex(\"m\"));\nlet r = script::registry();\nr.held = true;\n{ending}");
        // The time of the taker runs, too: it is started later, by waiting for nothing but its turn.
        let limits = ["--script-max-operations", "3m", "--script-timeout", "5s"];
        let wait = format!("worker::start(|| ());\n{taker}");
        let holder = holder.replace(
            "worker::sleep(3600);",
            "let w = worker::start_timed(0.01, || worker::sleep(3600), []); worker::join(w);",
        );
        let report = together(&[("a", &holder), ("b", &wait)], &limits);
        assert_eq!(output(&report, "b"), "mine", "{ending}");
    }
}

#[test]
fn a_waiter_that_dies_is_passed_over() {
    let found = value(
        r#"
        let m = locks::mutex("m");
        locks::lock(m);
        let dying = worker::start(|| locks::lock(m));
        let giving_up = worker::start(|| locks::lock(m, 0.01));
        let last = worker::start(|| { locks::lock(m); worker::pause(); "last" });
        worker::pause();
        worker::cancel(dying);
        try { worker::join(dying) } catch {}
        let had = worker::join(giving_up);
        locks::done(m);
        [had, worker::join(last), locks::holder(m), locks::try_lock(m)]
        "#,
    );
    assert_eq!(found, json!([false, "last", null, true]));
}

#[test]
fn unlocking_what_one_does_not_hold_names_the_holder() {
    let found = value(
        r#"
        let m = locks::mutex("m");
        let errors = [];
        try { locks::done(m) } catch (e) { errors.push([e.kind, e.message]) }
        let w = worker::start(|| { locks::lock(m); worker::sleep(3600) });
        worker::pause();
        try { locks::done(m) } catch (e) { errors.push([e.kind, e.message]) }
        for key in [(), true, 1, 1.5] { try { locks::mutex(key) } catch (e) { errors.push([e.kind, "key"]) } }
        errors
        "#,
    );
    assert_eq!(found[0], json!(["argument", "nobody holds it"]));
    let text = found[1][1].as_str().unwrap_or_default();
    assert!(text.contains("(x 127.") && text.contains("holds it, not this one"), "{found}");
    assert_eq!(found.as_array().map(Vec::len), Some(6));
}

#[test]
fn deadlocks_are_refused_and_named() {
    let own = value(
        "let m = locks::mutex(\"m\"); locks::lock(m); try { locks::lock(m) } catch (e) { return [e.kind, e.message] }",
    );
    assert_eq!(own, json!(["deadlock", "this thread holds it already"]));
    let side = |first: &str, second: &str| {
        format!(
            r#"
            let r = script::registry();
            locks::lock(locks::mutex("{first}"));
            r.{first} = true;
            while r.{second} == () {{ worker::pause(); }}
            try {{ locks::lock(locks::mutex("{second}")); }} catch (e) {{ return `${{e.kind}}: ${{e.message}}` }}
            "has both"
            "#
        )
    };
    let (one, two) = (side("left", "right"), side("right", "left"));
    let report = together(&[("a", &one), ("b", &two)], &[]);
    let mut found: Vec<&str> = ["a", "b"].iter().filter_map(|id| output(&report, id).as_str()).collect();
    found.sort_unstable();
    assert_eq!(found[1], "has both", "{found:?}");
    for part in ["deadlock: ", "(a 127.", "(b 127.", "wait for each other"] {
        assert!(found[0].contains(part), "{part} is not in {found:?}");
    }
}

#[test]
fn half_of_a_thousand_waiters_are_cancelled() {
    let found = value(
        r#"
        let m = locks::mutex("m");
        let c = locks::condvar("c");
        let s = locks::semaphore(1);
        let counts = [];
        locks::lock(m);
        locks::acquire(s);
        let got = 0;
        let open = false;
        let crews = [[], [], []];
        for n in 0..1000 {
            crews[0].push(worker::start(|| { locks::lock(m); got += 1; locks::done(m) }));
            crews[1].push(worker::start(|| { while !open { locks::wait(c); } got += 1 }));
            crews[2].push(worker::start(|| { locks::acquire(s); got += 1; locks::release(s) }));
        }
        worker::pause();
        for crew in crews { for n in 0..500 { worker::cancel(crew[n * 2]); } }
        worker::pause();
        locks::done(m);
        for w in crews[0] { try { worker::join(w) } catch {} }
        counts.push(got);
        got = 0;
        open = true;
        locks::broadcast(c);
        for w in crews[1] { try { worker::join(w) } catch {} }
        counts.push(got);
        got = 0;
        locks::release(s);
        for w in crews[2] { try { worker::join(w) } catch {} }
        counts.push(got);
        counts + [locks::try_lock(m)]
        "#,
    );
    assert_eq!(found, json!([500, 500, 500, true]));
}

#[test]
fn a_semaphore_bounds_and_loses_no_slot() {
    let found = value(
        r"
        let s = locks::semaphore(3);
        let now = 0;
        let most = 0;
        worker::map([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 10, |x| {
            locks::acquire(s);
            now += 1;
            if now > most { most = now; }
            worker::pause();
            now -= 1;
            locks::release(s);
        });
        // Three die with a slot each, one while it waits.
        let crew = [];
        for n in 0..4 { crew.push(worker::start(|| { locks::acquire(s); worker::sleep(3600) })); }
        worker::pause();
        for w in crew { worker::cancel(w); }
        for n in 0..3 { locks::acquire(s); }
        let over = ();
        for n in 0..3 { locks::release(s); }
        try { locks::release(s) } catch (e) { over = e.kind }
        [most, over]
        ",
    );
    assert_eq!(found, json!([3, "argument"]));
}

#[test]
fn once_is_called_once_for_all_scripts() {
    let body = r#"
        let r = script::registry();
        locks::once("page", || { r.calls = (r.calls ?? 0) + 1; worker::sleep(0.01); #{ body: "text" } }).body + r.calls
    "#;
    let report = together(&[("a", body), ("b", body), ("c", body)], &[]);
    for id in ["a", "b", "c"] {
        assert_eq!(output(&report, id), "text1");
    }
}

#[test]
fn once_shares_its_error_and_outlives_its_first_caller() {
    let found = value(
        r#"
        let calls = 0;
        let failing = |x| { try { locks::once("bad", || { calls += 1; worker::pause(); throw #{ kind: "mine" } }) } catch (e) { return e.kind } };
        let kinds = worker::map([1, 2, 3], 3, failing);
        let tries = 0;
        let slow = || locks::once("slow", || { tries += 1; if tries == 1 { worker::sleep(3600) } "second" });
        let first = worker::start(slow);
        worker::pause();
        let others = [worker::start(slow), worker::start(slow)];
        worker::pause();
        worker::cancel(first);
        [kinds, calls, others.map(|w| worker::join(w)), tries]
        "#,
    );
    assert_eq!(found, json!([["mine", "mine", "mine"], 1, ["second", "second"], 2]));
}

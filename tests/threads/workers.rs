//! Worker threads.

use serde_json::json;

use super::{action, output, record, run_all, together, value};

#[test]
fn every_state_has_its_name() {
    let states = value(
        r#"
        let states = [];
        let watch = |w| { try { worker::join(w) } catch {} states.push(worker::status(w)) };
        let w = worker::start(|| worker::sleep(3600));
        states.push(worker::status(w));
        worker::pause();
        states.push(worker::status(w));
        worker::cancel(w);
        call(watch, w);
        call(watch, worker::start(|| 1));
        call(watch, worker::start(|| throw "no"));
        call(watch, worker::start_timed(0.01, || worker::sleep(3600), []));
        call(watch, worker::start_timed(0.01, || { loop {} }, []));
        states
        "#,
    );
    assert_eq!(states, json!(["running", "waiting", "cancelled", "done", "failed", "timed out", "timed out"]));
}

#[test]
fn what_a_worker_returns_or_throws_is_kept_for_everybody() {
    let found = value(
        r#"
        let w = worker::start(|| { worker::sleep(0.01); #{ n: 7 } });
        let values = worker::map([1, 2, 3], 3, |x| worker::join(w).n + x);
        let again = worker::join(w).n;
        let f = worker::start(|| { worker::pause(); throw #{ kind: "mine", message: "no" } });
        let kinds = worker::map([1, 2], 2, |x| { try { worker::join(f); "?" } catch (e) { return `${e.kind} ${x}`; } });
        [values, again, kinds, worker::error(f).kind, worker::error(w)]
        "#,
    );
    assert_eq!(found, json!([[8, 9, 10], 7, ["mine 1", "mine 2"], "mine", null]));
}

#[test]
fn a_worker_cannot_wait_for_itself() {
    let found = value(
        r#"
        let own = ();
        let w = worker::start(|| { worker::pause(); worker::join(own) });
        own = w;
        try { worker::join(w) } catch (e) { return [e.kind, e.message.contains("itself"), worker::status(w)] }
        "#,
    );
    assert_eq!(found, json!(["argument", true, "failed"]));
}

#[test]
fn circles_of_threads_that_wait_for_each_other_are_refused_and_named() {
    let found = value(
        r#"
        let found = [];
        let crew = [(), (), ()];
        for size in 2..=3 {
            for n in 0..size {
                let next = (n + 1) % size;
                crew[n] = worker::start(|n, next| { while crew[next] == () { worker::pause(); } worker::pause(); worker::join(crew[next]) }, n, next);
            }
            let kinds = #{};
            for n in 0..size { try { worker::join(crew[n]) } catch (e) { kinds[e.kind] = e.message } }
            found.push(kinds);
            crew = [(), (), ()];
        }
        // The base holds what the worker waits for, and waits for the worker.
        let m = locks::mutex("m");
        locks::lock(m);
        let w = worker::start(|| locks::lock(m));
        worker::pause();
        try { worker::join(w) } catch (e) { found.push([e.kind, e.op]) }
        let w = worker::start(|| { worker::pause(); locks::locked(m, || 1) });
        try { worker::join(w) } catch (e) { found.push([e.kind, e.op]) }
        try { worker::map([1], 1, |x| { worker::pause(); locks::lock(m) }) } catch (e) { found.push([e.kind, e.op]) }
        let base = worker::base();
        for f in [|| worker::join(base), || worker::cancel(base)] {
            try { worker::join(worker::start(f)) } catch (e) { found.push([e.kind, e.op]) }
        }
        try { worker::join(base) } catch (e) { found.push([e.kind, e.op]) }
        found
        "#,
    );
    for (kinds, size) in [(&found[0], 2), (&found[1], 3)] {
        let message = kinds["deadlock"].as_str().expect("a deadlock");
        assert_eq!(message.matches("thread ").count(), size, "{message}");
        assert!(message.starts_with("deadlock: ") && message.ends_with("wait for each other"), "{message}");
    }
    let (lock, join) = (json!(["deadlock", "locks::lock"]), json!(["argument", "worker::join"]));
    let refused = json!(["deadlock", "worker::join"]);
    let rest = json!([refused, lock, lock, join, ["argument", "worker::cancel"], join]);
    assert_eq!(found.as_array().map(|all| &all[2..]), rest.as_array().map(Vec::as_slice));
}

#[test]
fn errors_stay_in_their_worker() {
    let found = value(
        r#"
        let bad = [
            || throw "text",
            || 1 / 0,
            || no_such_function(1),
            || [1][7],
            || net::connect("not an address", 99999),
            || { let deep = (); deep = |f| call(f, f); call(deep, deep) },
        ];
        let crew = [];
        for f in bad { crew.push(worker::start(f)); }
        let good = worker::start(|| { worker::sleep(0.02); "well" });
        let states = [];
        for w in crew { try { worker::join(w) } catch {} states.push(worker::status(w)); }
        [states, worker::join(good)]
        "#,
    );
    assert_eq!(found, json!([["failed", "failed", "failed", "failed", "failed", "failed"], "well"]));
}

#[test]
fn workers_end_with_their_parent_and_their_sockets_close() {
    // The socket would wait for an hour, and so would the test.
    let body = r#"
        let door = net::listen("127.0.0.1", 0);
        let port = net::listening_on(door).port;
        let connected = channel::open(3);
        for n in 0..3 {
            worker::start(|| {
                // A worker of a worker ends with both.
                worker::start(|| {
                    let sock = net::connect("127.0.0.1", port, #{ timeout: 3600 });
                    channel::put(connected, true);
                    net::receive(sock)
                });
                worker::sleep(3600)
            });
        }
        let others = [];
        for n in 0..3 { channel::take(connected); others.push(net::accept(door)); }
        LAST
    "#;
    for (last, outcome) in [("\"over\"", "done"), ("throw \"over\"", "failed"), ("loop {}", "over-budget")] {
        let record = record(&body.replace("LAST", last), &["--script-max-operations", "200k"]);
        assert_eq!(record["outcome"], outcome, "{record:#}");
    }
}

#[test]
fn a_cancelled_worker_closes_what_it_held() {
    let found = value(
        r#"
        let door = net::listen("127.0.0.1", 0);
        let port = net::listening_on(door).port;
        let w = worker::start(|| net::receive(net::connect("127.0.0.1", port, #{ timeout: 3600 })));
        let other = net::accept(door);
        worker::cancel(w);
        try { worker::join(w) } catch {}
        try { net::receive(other) } catch (e) { return e.kind }
        "#,
    );
    assert_eq!(found, "closed");
}

#[test]
fn closures_share_what_they_capture_also_in_libraries() {
    let library = r#"
        const STEP = 2;
        private fn add(a, b) { a + b }
        /// A counter of its own and what is done with it.
        fn counted(times) {
            let total = 0;
            let crew = [];
            for n in 0..times {
                crew.push(worker::start(|| { worker::pause(); total = add(total, global::STEP); }));
            }
            for w in crew { worker::join(w); }
            total
        }
        // A closure that leaves the file it was made in.
        fn later() { let n = 40; || add(n, global::STEP) }
        fn adder(n) { |x| add(x, n) }
        fn saying(text) { || script::log("error", text) }
        fn up_to(mark) { |data| { worker::pause(); let at = bytes::find(data, mark); if at < 0 { () } else { [at, add(at, 1)] } } }
        fn generator() { coroutine::wrap(|| { for n in 0..3 { worker::pause(); coroutine::give(add(n, 10)); } }) }
        fn guarded(f) { locks::locked(locks::mutex("library"), || { worker::pause(); call(f) }) }
        fn single() { locks::once("library", || { worker::pause(); add(1, 1) }) }
        fn mapped(list) { worker::map(list, 2, |x| add(x, global::STEP)) }
    "#;
    let script = action(
        r#"import "pool" as pool;
        fn own() { 5 }
        fn action(host) {
            let seen = [];
            for n in pool::generator() { seen.push(n); }
            let total = 0;
            worker::map([1, 2, 3], 3, |x| { worker::pause(); total += x; });
            let later = pool::later();
            let co = coroutine::create(pool::later());
            let foreign = [worker::join(worker::start(later)), call(later), worker::map([1], 1, pool::adder(4)),
                coroutine::resume(co), locks::once("later", pool::later()), locks::locked(locks::mutex("l"), later)];
            script::on_close(pool::later());
            script::on_close(pool::saying("closed by a library"));
            let door = net::listen("127.0.0.1", 0);
            let sock = net::connect("127.0.0.1", net::listening_on(door).port);
            net::send(net::accept(door), "one;two");
            foreign.push(bytes::to_text(net::receive_until(sock, pool::up_to(";"), false, 100)));
            [pool::counted(10), foreign, seen, total, pool::guarded(|| own()), pool::single(),
                pool::mapped([1, 2, 3])]
        }"#,
    );
    let run = run_all(&[("more/lib/pool.rhai", library), ("x.rhai", &script)], &["x"], &["--script-dir", "more"]);
    assert!(run.stderr.contains("closed by a library"), "{run}");
    let foreign = json!([42, 42, [5], 42, 42, 42, "one"]);
    assert_eq!(*output(&run.report(), "x"), json!([20, foreign, [10, 11, 12], 6, 5, 2, [3, 4, 5]]));
}

#[test]
fn map_keeps_its_limit_and_ends_with_the_first_error() {
    let found = value(
        r#"
        let now = 0;
        let most = 0;
        let squares = worker::map([5, 4, 3, 2, 1], 2, |x| {
            now += 1;
            if now > most { most = now; }
            for n in 0..x { worker::pause(); }
            now -= 1;
            x * x
        });
        let begun = 0;
        let ended = 0;
        let kind = ();
        try {
            worker::map([1, 2, 3, 4, 5, 6], 2, |x| {
                begun += 1;
                if x == 1 { throw "first" }
                worker::sleep(3600);
                ended += 1;
            });
        } catch (e) { kind = e }
        let limit = ();
        try { worker::map([1], 0, |x| x) } catch (e) { limit = e.kind }
        [squares, most, kind, begun, ended, limit]
        "#,
    );
    assert_eq!(found, json!([[25, 16, 9, 4, 1], 2, "first", 2, 0, "argument"]));
}

#[test]
fn twenty_thousand_workers_sleep_at_once() {
    let found = value(
        r#"
        let asleep = 0;
        let crew = [];
        for n in 0..20000 { crew.push(worker::start(|| { asleep += 1; worker::sleep(3600) })); }
        while asleep < 20000 { worker::pause(); }
        let waiting = 0;
        worker::pause();
        for w in crew { if worker::status(w) == "waiting" { waiting += 1; } worker::cancel(w); }
        let cancelled = 0;
        for w in crew { try { worker::join(w) } catch (e) { if e.kind == "cancelled" { cancelled += 1; } } }
        [waiting, cancelled]
        "#,
    );
    assert_eq!(found, json!([20_000, 20_000]));
}

#[test]
fn workers_that_have_ended_cost_their_script_nothing() {
    let body = r"
        for round in 0..200 {
            let crew = [];
            for n in 0..100 { crew.push(worker::start(|n| n, n)); }
            for w in crew { worker::join(w); }
        }
        7
    ";
    let record = record(body, &["--script-max-memory", "1m"]);
    assert_eq!((&record["outcome"], &record["output"]), (&json!("done"), &json!(7)), "{record:#}");
}

#[test]
fn one_worker_too_many_is_refused_by_name() {
    let body = "let n = 0;\nloop { try { worker::start(|| worker::sleep(3600)); n += 1; } catch (e) { return [n, e.kind, e.message] } }";
    let found = value(body);
    assert_eq!((&found[0], &found[1]), (&json!(25_000), &json!("budget")), "{found}");
    assert!(found[2].as_str().is_some_and(|text| text.contains("at most 25000 workers")), "{found}");
}

/// Each stack takes two of the 65,530 memory mappings Linux gives a process.
#[test]
fn at_the_limit_of_memory_mappings_starting_is_refused_and_the_run_goes_on() {
    let mappings = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok();
    if mappings.and_then(|text| text.trim().parse::<u32>().ok()) != Some(65_530) {
        return crate::support::cannot_run("vm.max_map_count is not 65530");
    }
    let fill = r#"
        let r = script::registry();
        let n = 0;
        let refused = "";
        while refused == "" && n < 24000 {
            try { worker::start(|| worker::sleep(3600)); n += 1; } catch (e) { refused = e.message; }
        }
        r.full = (r.full ?? 0) + 1;
        while r.full < 2 { worker::pause(); }
        [n, refused]
    "#;
    let report = together(&[("a", fill), ("b", fill)], &[]);
    let found = [output(&report, "a"), output(&report, "b")];
    let refusal = found.iter().find_map(|one| one[1].as_str().filter(|text| !text.is_empty()));
    assert!(refusal.is_some_and(|text| text.contains("no memory mapping left")), "{found:?}");
    let alive: i64 = found.iter().filter_map(|one| one[0].as_i64()).sum();
    assert!((30_000..33_000).contains(&alive), "{alive}");
}

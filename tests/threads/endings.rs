//! Close handlers, the base thread, and what is left of a script that ends.

use serde_json::json;

use super::{action, output, record, run_all, together, value};

#[test]
fn close_handlers_run_at_every_ending_the_last_first() {
    let endings = [
        ("7", "done", "done"),
        ("throw \"no\"", "failed", "failed"),
        ("net::connect(host, \"nonsense\")", "failed", "failed"),
        ("worker::sleep(3600)", "timed-out", "timed out"),
        ("loop {}", "over-budget", "failed"),
    ];
    for (ending, outcome, state) in endings {
        let body = format!(
            "script::on_close(|| script::log(\"error\", `second ${{worker::base_status()}}`));\n\
             script::on_close(|| throw \"a handler that fails\");\n\
             script::on_close(|| {{ worker::pause(); script::log(\"error\", \"first\") }});\n{ending}"
        );
        let limits = ["--script-timeout", "1s", "--script-max-operations", "100k"];
        let run = run_all(&[("x.rhai", &action(&body))], &["x"], &limits);
        let record = run.report().script("x").clone();
        assert_eq!(record["outcome"], outcome, "{record:#}");
        let (first, second) = (run.stderr.find(": first"), run.stderr.find(&format!(": second {state}")));
        assert!(first.is_some() && first < second, "{ending}: {run}");
    }
}

#[test]
fn close_handlers_that_never_end_are_ended() {
    for handler in ["loop {}", "worker::sleep(3600)"] {
        let body = format!("script::on_close(|| {{ {handler} }});\n7");
        assert_eq!(record(&body, &["--script-max-operations", "1m"])["output"], 7);
    }
}

#[test]
fn a_close_handler_may_still_say_good_bye() {
    let found = value(
        r#"
        let door = net::listen("127.0.0.1", 0);
        let port = net::listening_on(door).port;
        let sock = net::connect("127.0.0.1", port);
        let other = net::accept(door);
        let w = worker::start(|| 1);
        script::on_close(|| { net::send(sock, "bye"); script::log("error", bytes::to_text(net::receive(other))) });
        worker::join(w)
        "#,
    );
    assert_eq!(found, 1);
}

#[test]
fn base_status_is_seen_from_workers() {
    let found = value(
        r"
        let w = worker::start(|| [worker::base_status(), worker::is_worker()]);
        let from_worker = worker::join(w);
        from_worker + [worker::base_status(), worker::is_worker()]
        ",
    );
    assert_eq!(found, json!(["waiting", true, "running", false]));
}

#[test]
fn closures_and_sockets_that_outlive_their_script_do_no_harm() {
    let keeper = r#"
        let r = script::registry();
        let door = net::listen("127.0.0.1", 0);
        let port = net::listening_on(door).port;
        let sock = net::connect("127.0.0.1", port);
        let other = net::accept(door);
        // A circle that nobody can break.
        let circle = ();
        circle = |x| { let y = circle; let z = sock; x };
        r.sock = sock;
        r.door = door;
        let co = coroutine::create(|| { let inside = net::connect("127.0.0.1", port); coroutine::give(1); inside });
        coroutine::resume(co);
        r.co = co;
        r.base = worker::base();
        let n = 0;
        r.later = |x| { worker::pause(); n += 1; x + n };
        r.nested = [#{ f: r.later }];
        r.worker = worker::start(|| worker::sleep(3600));
        r.kept = true;
        call(circle, "kept")
    "#;
    let user = r#"
        let r = script::registry();
        while r.kept == () { worker::pause(); }
        worker::join(r.base);
        let f = r.later;
        let w = r.worker;
        let kinds = [worker::status(r.base)];
        try { worker::join(w) } catch (e) { kinds.push(e.kind) }
        try { net::send(r.sock, "x") } catch (e) { kinds.push(e.kind) }
        try { net::accept(r.door) } catch (e) { kinds.push(e.kind) }
        try { coroutine::resume(r.co) } catch (e) { kinds.push(`${e}`.contains("another script")) }
        try { call(f, 1) } catch (e) { kinds.push(e.kind) }
        let f = r.nested[0].f;
        try { worker::join(worker::start(f, 1)) } catch (e) { kinds.push([e.kind, e.message]) }
        kinds.push(coroutine::status(r.co));
        kinds
    "#;
    let report = together(&[("a", keeper), ("b", user)], &[]);
    assert_eq!(output(&report, "a"), "kept");
    let ended = json!(["closed", "the script that made this function has ended"]);
    let expected = json!(["done", "cancelled", "closed", "closed", true, "closed", ended, "dead"]);
    assert_eq!(*output(&report, "b"), expected);
}

#[test]
fn what_a_script_said_so_far_survives_with_its_workers_gone() {
    let body = r#"
        script::output_so_far(["first"]);
        let crew = [];
        for n in 0..100 { crew.push(worker::start(|| { locks::lock(locks::mutex("m")); worker::sleep(3600) })); }
        for w in crew { worker::join(w); }
    "#;
    let record = record(body, &["--script-timeout", "300ms"]);
    assert_eq!((record["outcome"].as_str(), &record["output"]), (Some("timed-out"), &json!(["first"])));
}

#[test]
fn a_function_in_the_registry_works_for_others_while_its_script_lives() {
    let maker = r"fn add(a, b) { a + b }
        const STEP = 10;
        fn action(host) {
            let r = script::registry();
            let calls = 0;
            r.f = |x| { worker::pause(); calls += 1; [script::name(), add(x, global::STEP), worker::is_worker()] };
            while r.used == () { worker::pause(); }
            calls
        }
    ";
    let user = r#"
        let r = script::registry();
        while r.f == () { worker::pause(); }
        let f = r.f;
        let found = [call(f, 1), worker::join(worker::start(f, 2)), worker::map([3], 1, f), locks::once("k", || call(f, 4))];
        r.used = true;
        found
    "#;
    let report = together(&[("a", maker), ("b", user)], &[]);
    // It acts for whoever calls it: the name is the caller's.
    assert_eq!(*output(&report, "b"), json!([["b", 11, false], ["b", 12, true], [["b", 13, true]], ["b", 14, false]]));
    assert_eq!(*output(&report, "a"), 4);
}

/// Scripts with nothing but their time in common: one computes, one waits, one is in the queue for a second socket.
#[test]
fn time_is_up_for_the_computing_the_waiting_and_the_queued_at_once() {
    let said = |what: &str| {
        format!("script::output_so_far(\"{what}\");\nscript::on_close(|| script::log(\"error\", \"{what} ended\"));\n")
    };
    let doors = r#"
        let near = net::listen("127.0.0.1", 0);
        let far = net::listen("127.0.0.2", 0);
        let r = script::registry();
    "#;
    let holding = r#"
        let held = net::connect("127.0.0.1", net::listening_on(near).port);
        r.held = true;
        worker::sleep(3600)
    "#;
    let queueing = r#"
        while r.held == () { worker::pause(); }
        let other = net::connect("127.0.0.2", net::listening_on(far).port);
        net::connect("127.0.0.1", net::listening_on(near).port);
        worker::sleep(3600)
    "#;
    // Planned last, so its time is up last. From then on it counts its turns; every turn is one for all who can run.
    let counting = "script::on_close(|| { for n in 0..20000 { worker::pause(); } script::log(\"error\", \"twenty thousand turns later\") });\nworker::sleep(3600)";
    let scripts = [
        ("a.rhai", action(&format!("{}{doors}{holding}", said("waiting")))),
        ("b.rhai", action(&format!("{}{doors}{queueing}", said("queued")))),
        ("c.rhai", action(&format!("{}loop {{}}", said("computing")))),
        ("d.rhai", action(counting)),
    ];
    let files: Vec<(&str, &str)> = scripts.iter().map(|(name, source)| (*name, source.as_str())).collect();
    let limits = ["--script-timeout", "300ms", "--max-sockets-per-host", "1", "--script-max-operations", "100g"];
    let run = run_all(&files, &["a", "b", "c", "d"], &limits);
    let later = run.stderr.find("twenty thousand turns later").expect("the last one had its turns");
    for (id, what) in [("a", "waiting"), ("b", "queued"), ("c", "computing")] {
        let ended = run.stderr.find(&format!("{what} ended"));
        assert!(ended.is_some_and(|at| at < later), "{what}: {run}");
        let report = run.report();
        let record = report.script(id);
        assert_eq!(
            (&record["outcome"], &record["failure"]["class"]),
            (&json!("timed-out"), &json!("wall")),
            "{record:#}"
        );
        assert_eq!(record["output"], what, "what it said so far is kept");
    }
}

#[test]
fn scripts_that_all_hold_a_socket_and_wait_for_another_are_told() {
    let body = |own: &str, other: &str| {
        format!(
            r#"
            let door = net::listen("127.0.0.{own}", 0);
            let r = script::registry();
            r.port_{own} = net::listening_on(door).port;
            while r.port_{other} == () {{ worker::pause(); }}
            let first = net::connect("127.0.0.{own}", r.port_{own});
            r.has_{own} = true;
            while r.has_{other} == () {{ worker::pause(); }}
            // Another thread that waits for the first does not help.
            let w = worker::start(|| net::connect("127.0.0.{other}", r.port_{other}));
            try {{ worker::join(w); }} catch (e) {{
                net::close(first);
                while r.done == () {{ worker::pause(); }}
                return [e.kind, e.budget];
            }}
            r.done = true;
            "has both"
            "#
        )
    };
    let (one, two) = (body("1", "2"), body("2", "1"));
    for limits in [["--max-sockets-per-host", "1"], ["--max-parallelism", "2"]] {
        let report = together(&[("a", &one), ("b", &two)], &limits);
        let mut found = [output(&report, "a").to_string(), output(&report, "b").to_string()];
        found.sort();
        assert_eq!(found, ["\"has both\"", "[\"budget\",\"slots\"]"], "{limits:?}");
    }
    let alone = r#"
        let door = net::listen("127.0.0.1", 0);
        let first = net::connect("127.0.0.1", net::listening_on(door).port);
        net::connect("127.0.0.1", net::listening_on(door).port)
    "#;
    let record = record(alone, &["--max-sockets-per-script", "1"]);
    assert_eq!(
        (&record["outcome"], &record["failure"]["class"]),
        (&json!("over-budget"), &json!("slots")),
        "{record:#}"
    );
}

#[test]
fn idle_connections_of_the_http_client_are_let_go_for_another_socket() {
    let server = r#"
        let door = net::listen("127.0.0.1", 0);
        let r = script::registry();
        r.port = net::listening_on(door).port;
        let all = [];
        for n in 0..2 {
            let sock = net::accept(door);
            net::receive_until(sock, "\r\n\r\n", 4096);
            net::send(sock, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            all.push(sock);
        }
        worker::join(r.client)
    "#;
    let client = r#"
        let r = script::registry();
        r.client = worker::base();
        while r.port == () { worker::pause(); }
        let first = http::get("127.0.0.1", r.port, "/").status;
        let sock = net::connect("127.0.0.1", r.port);
        net::send(sock, "GET / HTTP/1.1\r\n\r\n");
        [first, bytes::to_text(net::receive_lines(sock, 1))]
    "#;
    let report = together(&[("a", server), ("b", client)], &["--max-sockets-per-host", "1"]);
    assert_eq!(*output(&report, "b"), json!([200, "HTTP/1.1 200 OK\r\n"]));
}

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
        r.later = |x| { worker::pause(); x + 1 };
        r.worker = worker::start(|| worker::sleep(3600));
        r.kept = true;
        call(circle, "kept")
    "#;
    let user = r#"
        let r = script::registry();
        while r.kept == () || !(worker::status(r.worker) in ["cancelled"]) { worker::sleep(0.001); }
        let f = r.later;
        let w = r.worker;
        let kinds = [];
        try { net::send(r.sock, "x") } catch (e) { kinds.push(e.kind) }
        try { worker::join(w) } catch (e) { kinds.push(e.kind) }
        try { call(f, 1) } catch (e) { kinds.push(`${e}`.contains("Function not found")) }
        kinds
    "#;
    let report = together(&[("a", keeper), ("b", user)], &[]);
    assert_eq!(output(&report, "a"), "kept");
    assert_eq!(*output(&report, "b"), json!(["closed", "cancelled", true]));
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
fn threads_that_wait_for_each_other_end_with_their_time() {
    let body = r"
        let one = ();
        let two = ();
        one = worker::start(|| { worker::pause(); worker::join(two) });
        two = worker::start(|| worker::join(one));
        worker::join(one)
    ";
    let record = record(body, &["--script-timeout", "300ms"]);
    assert_eq!(record["outcome"], "timed-out", "{record:#}");
}

//! Coroutines of a script's own.

use serde_json::json;

use super::value;

#[test]
fn values_pass_both_ways_and_for_walks_them() {
    let found = value(
        r"
        let co = coroutine::create(|a| { let b = coroutine::give(a + 1); let c = coroutine::give(b + 1); c + 1 });
        let values = [coroutine::resume(co, 1), coroutine::resume(co, 10), coroutine::resume(co, 100)];
        let status = coroutine::status(co);
        let seen = [];
        for n in coroutine::wrap(|| { for i in 0..5 { worker::sleep(0.001); coroutine::give(i); } }) {
            if n == 3 { break; }
            seen.push(n);
        }
        [values, status, seen]
        ",
    );
    assert_eq!(found, json!([[2, 11, 101], "dead", [0, 1, 2]]));
}

#[test]
fn fifty_inside_each_other_wait_and_give_through() {
    let found = value(
        r#"
        fn nest(depth) {
            if depth == 0 {
                worker::sleep(0.001);
                locks::locked(locks::mutex("bottom"), || worker::pause());
                coroutine::give("from the bottom");
                return "end";
            }
            let inner = coroutine::create(|| nest(depth - 1));
            let given = coroutine::resume(inner);
            coroutine::give(given);
            coroutine::resume(inner)
        }
        fn action(host) {
            let co = coroutine::create(|| nest(50));
            // Another thread has its turns while the whole chain waits.
            let turns = 0;
            let other = worker::start(|| { loop { turns += 1; worker::pause(); } });
            let found = [coroutine::resume(co)];
            worker::cancel(other);
            found + [coroutine::resume(co), coroutine::status(co), turns > 1]
        }
        "#,
    );
    assert_eq!(found, json!(["from the bottom", "end", "dead", true]));
}

#[test]
fn without_end_is_too_deep() {
    let found = value(
        r#"
        fn nest() { coroutine::resume(coroutine::create(|| nest())) }
        fn action(host) { try { nest() } catch (e) { return `${e}`.contains("nested too deeply") } }
        "#,
    );
    assert_eq!(found, true);
}

#[test]
fn resuming_what_cannot_be_resumed_is_a_named_error() {
    let found = value(
        r#"
        let errors = [];
        let dead = coroutine::create(|| 1);
        coroutine::resume(dead);
        try { coroutine::resume(dead) } catch (e) { errors.push(`${e}`) }
        let own = ();
        let co = coroutine::create(|| { try { coroutine::resume(own) } catch (e) { errors.push(`${e}`) } });
        own = co;
        coroutine::resume(co);
        let failing = coroutine::create(|| throw "inside");
        try { coroutine::resume(failing) } catch (e) { errors.push(`${e}`) }
        try { coroutine::resume(failing) } catch (e) { errors.push(`${e}`) }
        let waiting = coroutine::create(|| worker::sleep(3600));
        let w = worker::start(|| coroutine::resume(waiting));
        worker::pause();
        errors.push(coroutine::status(waiting));
        try { coroutine::resume(waiting) } catch (e) { errors.push(`${e}`) }
        worker::cancel(w);
        try { worker::join(w) } catch {}
        errors.push(coroutine::status(waiting));
        try { coroutine::give(1) } catch (e) { errors.push(`${e}`) }
        errors
        "#,
    );
    let expected =
        ["has ended", "is running", "inside", "has ended", "waiting", "waits for the engine", "dead", "only inside"];
    let found: Vec<&str> = found.as_array().expect("a list").iter().filter_map(|text| text.as_str()).collect();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found} says nothing of {expected}");
    }
}

/// The first example of the literature: a child blocks on the network, and somebody resumes it with "some random error". In an
/// engine where waits are plain yields, the child takes that for the answer of the network.
#[test]
fn nobody_feeds_a_value_into_a_wait() {
    let found = value(
        r#"
        let door = net::listen("127.0.0.1", 0);
        let port = net::listening_on(door).port;
        let child = coroutine::create(|| {
            let sock = net::connect("127.0.0.1", port);
            bytes::to_text(net::receive(sock))
        });
        let w = worker::start(|| coroutine::resume(child));
        let refused = ();
        let other = net::accept(door);
        while coroutine::status(child) != "waiting" { worker::pause(); }
        try { coroutine::resume(child, "some random error") } catch (e) { refused = `${e}`.contains("waits for the engine") }
        net::send(other, "the network");
        [refused, worker::join(w), coroutine::status(child)]
        "#,
    );
    assert_eq!(found, json!([true, "the network", "dead"]));
}

/// The second: a recursive parser that stops itself from the bottom by giving to the top, waiting at every level.
#[test]
fn a_recursive_parser_stops_itself_from_the_bottom() {
    let found = value(
        r#"
        fn parse(page, path) {
            worker::pause();
            if page.wanted ?? false { coroutine::give(path); }
            for name in page.keys() {
                if type_of(page[name]) == "map" { parse(page[name], path + "/" + name); }
            }
        }
        fn action(host) {
            let page = #{ a: #{ b: #{ wanted: true }, c: #{} }, d: #{ e: #{ f: #{ wanted: true } } }, g: #{ wanted: true } };
            let parser = coroutine::create(|| { parse(page, ""); () });
            let first = coroutine::resume(parser);
            let second = coroutine::resume(parser);
            // The third is not asked for: it stays where it is and is gone with the script.
            [first, second, coroutine::status(parser)]
        }
        "#,
    );
    assert_eq!(found, json!(["/a/b", "/d/e/f", "suspended"]));
}

#[test]
fn a_coroutine_left_half_way_is_unwound_with_what_it_holds() {
    let found = value(
        r#"
        let door = net::listen("127.0.0.1", 0);
        let port = net::listening_on(door).port;
        for n in coroutine::wrap(|| {
            let sock = net::connect("127.0.0.1", port);
            coroutine::give(1);
            net::send(sock, "never");
        }) { break; }
        try { net::receive(net::accept(door)) } catch (e) { return e.kind }
        "#,
    );
    assert_eq!(found, "closed");
}

#[test]
fn a_coroutine_kept_by_the_registry_does_not_outlive_its_script() {
    let found = value(
        r#"
        let door = net::listen("127.0.0.1", 0);
        let port = net::listening_on(door).port;
        let co = coroutine::create(|| { let sock = net::connect("127.0.0.1", port); coroutine::give(1); sock });
        coroutine::resume(co);
        let r = script::registry();
        r.co = co;
        "kept"
        "#,
    );
    assert_eq!(found, "kept");
}

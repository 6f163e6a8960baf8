//! Scripts as their authors meet the engine: what is wrong with them and where, what they may use up, in which order
//! they run, and what is recorded of each.

use serde_json::Value;

use crate::support::dir::Dir;
use crate::support::peer::Peer;
use crate::support::servers;
use crate::support::sonde::{Report, Run, scan, sonde};

/// A rule that is always true, once a host.
const ALWAYS: &str = "const hostrule = true;\n";

/// A folder of scripts, and a host that is up without anything open.
struct Bench {
    dir: Dir,
    peer: Peer,
}

impl Bench {
    fn new(scripts: &[(&str, &str)]) -> Bench {
        let dir = Dir::new();
        for (name, source) in scripts {
            dir.write(name, source);
        }
        Bench { dir, peer: Peer::refusing() }
    }

    /// Runs in the folder, on the host.
    fn run(&self, arguments: &[&str]) -> Run {
        scan(["-p", &self.peer.port(), &self.peer.ip()]).args(arguments).within(self.dir.path()).run()
    }
}

/// Runs one script, called `x`, on one host.
fn run(source: &str, arguments: &[&str]) -> Run {
    Bench::new(&[("x.rhai", source)]).run(&[&["--script", "./x.rhai"], arguments].concat())
}

/// The record of one script run on one host, its rule given.
#[track_caller]
fn record(body: &str, arguments: &[&str]) -> Value {
    let run = run(&format!("{ALWAYS}{body}"), arguments);
    assert!(matches!(run.code, Some(0 | 3)), "{run}");
    run.report().script("x").clone()
}

/// Fails unless the record names its file and this line; the first line is the rule.
#[track_caller]
fn at_line(record: &Value, line: u64) {
    let position = &record["failure"]["position"];
    assert_eq!(position["file"], "./x.rhai", "{record:#}");
    assert_eq!(position["line"], line, "{record:#}");
}

/// Fails unless the record ended so: outcome, who is at fault, finer class.
#[track_caller]
fn ended(record: &Value, outcome: &str, kind: &str, class: &str) {
    let failure = &record["failure"];
    let found = [&record["outcome"], &failure["kind"], &failure["class"]];
    assert_eq!(found, [outcome, kind, class], "{record:#}");
}

// What is wrong with a script.

#[test]
fn a_syntax_error_shows_file_line_and_caret() {
    let run = run(&format!("{ALWAYS}fn action(host) {{\n    let x = ;\n}}\n"), &[]);
    let run = run.expect(2).says(&["./x.rhai:3:13", "    let x = ;", "^"]);
    assert!(run.stdout.is_empty(), "{run}");
}

#[test]
fn a_bug_shows_file_line_caret_and_calls() {
    let cases = [
        ("fn action(host) {\n    frobnicate(host)\n}", "Function not found: frobnicate", 3),
        ("fn helper(a) { a }\nfn action(host) {\n    helper(1, 2)\n}", "Function not found: helper", 4),
        ("fn action(host) {\n    script::arg()\n}", "Function not found: script::arg", 3),
        ("fn action(host) {\n    let x = 1 + #{};\n}", "Function not found: +", 3),
        ("fn action(host) {\n    let x = [1];\n    x[5]\n}", "out of bounds", 4),
        ("fn action(host) {\n    9223372036854775807 + 1\n}", "overflow", 3),
        ("fn action(host) {\n    throw \"no luck\";\n}", "thrown: no luck", 3),
        ("fn action(host) {\n    throw #{ a: 1 };\n}", "thrown: #{\"a\": 1}", 3),
        ("fn action(host) {\n    json::parse(7)\n}", "", 3),
        ("fn action(host) {\n    bytes::unpack(\"nonsense!\", \"x\")\n}", "", 3),
    ];
    for (body, message, line) in cases {
        let record = record(body, &[]);
        ended(&record, "failed", "script", "runtime");
        at_line(&record, line);
        let text = record["failure"]["message"].as_str().unwrap_or_default();
        assert!(!text.is_empty() && text.contains(message), "{text}");
        let diagnostic = record["failure"]["diagnostic"].as_str().unwrap_or_default();
        for part in [format!("./x.rhai:{line}:"), "^".to_owned(), text.to_owned()] {
            assert!(diagnostic.contains(&part), "{part} in {diagnostic}");
        }
    }
}

#[test]
fn a_bug_deep_inside_shows_how_it_came_there() {
    let body = "fn inner(x) { x.frob() }\nfn outer(x) {\n    inner(x)\n}\nfn action(host) {\n    outer(5)\n}";
    let record = record(body, &[]);
    at_line(&record, 2);
    let diagnostic = record["failure"]["diagnostic"].as_str().unwrap_or_default();
    for part in ["called from inner() at ./x.rhai:4:5", "called from outer() at ./x.rhai:7:5"] {
        assert!(diagnostic.contains(part), "{part} in {diagnostic}");
    }
}

#[test]
fn a_bug_in_a_library_shows_the_library_and_who_called_it() {
    let library = "fn boom(x) {\n    x.frob()\n}\n";
    let script = format!("import \"mine\" as mine;\n{ALWAYS}fn action(host) {{\n    mine::boom(5)\n}}");
    let bench = Bench::new(&[("more/lib/mine.rhai", library), ("x.rhai", &script)]);
    let report = bench.run(&["--script-dir", "more", "--script", "./x.rhai"]).expect(3).report();
    let failure = &report.script("x")["failure"];
    assert_eq!(failure["position"]["file"], "more/lib/mine.rhai", "{failure:#}");
    assert_eq!(failure["position"]["line"], 2);
    let diagnostic = failure["diagnostic"].as_str().unwrap_or_default();
    assert!(diagnostic.contains("called from boom() at ./x.rhai:4:11"), "{diagnostic}");
}

#[test]
fn libraries_are_names_and_never_paths() {
    for name in ["no-such-library", "../x", "/etc/passwd", "lib/x"] {
        let script = format!("import \"{name}\" as it;\n{ALWAYS}fn action(host) {{ 1 }}");
        let report = run(&script, &[]).expect(3).report();
        let record = report.script("x");
        ended(record, "failed", "script", "runtime");
        at_line(record, 1);
        assert!(
            record["failure"]["message"].as_str().is_some_and(|text| text.contains("Module not found")),
            "{record}"
        );
    }
}

#[test]
fn every_mistake_in_a_header_is_told_with_its_remedy() {
    let cases = [
        ("let x = 1;", 1, &["\"x\" is a top-level variable", "write `const x`"][..]),
        ("const descripton = \"\";", 1, &["unknown header field \"descripton\"", "\"description\"", "CAPITALS"]),
        ("const categories = [f()];", 1, &["categories must be literal"]),
        ("const description = 7;", 1, &["description is text, not"]),
        ("const author = 7;", 1, &["author is text, not"]),
        ("const categories = \"safe\";", 1, &["categories is a list of text", "const categories = [\"…\"];"]),
        ("const categories = [1];", 1, &["categories is text, not"]),
        ("const categories = [\"saffe\"];", 1, &["unknown category \"saffe\"", "\"safe\"", "known: auth"]),
        ("const dependencies = 1;", 1, &["dependencies is a list of text"]),
        ("const capabilities = \"tcp\";", 1, &["capabilities is a list of text"]),
        ("const capabilities = [\"tcpp\"];", 1, &["unknown capability \"tcpp\"", "\"tcp\"", "known: "]),
        ("const args = [];", 1, &["args is a map", "const args = #{…};"]),
        ("const args = #{ a: 1 };", 1, &["args.a is a map", "type: \"string\""]),
        ("const args = #{ a: #{ type: 1 } };", 1, &["type is text, not"]),
        ("const args = #{ a: #{ type: \"strng\" } };", 1, &["args.a: unknown type \"strng\"", "\"string\"", "known: "]),
        ("const args = #{ a: #{ help: 1 } };", 1, &["help is text, not"]),
        (
            "const args = #{ a: #{ typ: \"int\" } };",
            1,
            &["args.a: unknown field \"typ\"", "known: type, default, help"],
        ),
        ("const portrule = 80;", 1, &["portrule is a map", "const portrule = #{…};"]),
        ("const portrule = #{ port: [80] };", 1, &["portrule: unknown field \"port\"", "\"ports\""]),
        ("const portrule = #{ ports: 80 };", 1, &["portrule.ports is a list of numbers, not"]),
        ("const portrule = #{ ports: [\"http\"] };", 1, &["portrule.ports holds numbers, not"]),
        ("const portrule = #{ ports: [65536] };", 1, &["65536 is not a port (0 to 65535)"]),
        ("const portrule = #{ protocol: \"tpc\" };", 1, &["portrule.protocol: \"tpc\" is not known"]),
        ("const portrule = #{ services: [1] };", 1, &["portrule.services holds text, not"]),
        ("const portrule = #{ states: [\"opne\"] };", 1, &["portrule.states: \"opne\" is not known"]),
        ("const prerule = 1;", 1, &["prerule is true or a function, not"]),
        ("const postrule = \"yes\";", 1, &["postrule is true or a function, not"]),
        ("const hostrule = 1;", 1, &["hostrule is true or a function, not"]),
    ];
    for (line, at, parts) in cases {
        let run = run(&format!("{line}\nfn hostrule(host) {{ true }}\nfn action(host) {{ }}\n"), &[]);
        run.expect(2).says(parts).says(&[&format!("./x.rhai:{at}:"), "^"]);
    }
}

#[test]
fn every_mistake_in_the_functions_of_a_script_is_told_with_its_remedy() {
    let cases = [
        ("const portrule = #{};\nfn portrule(host, port) { true }\nfn action(host) {}", "portrule is defined twice"),
        ("fn portrule(a, b, c) { true }\nfn action(host) {}", "portrule takes at most 2 parameters, not 3"),
        ("fn prerule(a) { true }\nfn action() {}", "prerule takes at most 0 parameters, not 1"),
        ("const hostrule = true;", "there is no `fn action(…)`"),
        ("fn action(host) {}", "there is no rule: add one of"),
        ("const prerule = false;\nfn action() {}", "there is no rule: add one of"),
        ("const hostrule = true;\nfn action(host, port) {}", "action takes 2 parameters, but its rules give at most 1"),
    ];
    for (source, message) in cases {
        run(source, &[]).expect(2).says(&[message, "./x.rhai"]);
    }
}

#[test]
fn a_broken_script_nobody_asked_for_is_left_out_and_told() {
    let good = format!("{ALWAYS}const categories = [\"safe\"];\nfn action(host) {{ 1 }}");
    let bench = Bench::new(&[("more/bad.rhai", "fn action( {}"), ("more/good.rhai", &good)]);
    let run = bench.run(&["--script-dir", "more", "--script", "good"]).expect(0);
    let run = run.says(&["script bad is left out", "more/bad.rhai:1:"]);
    assert_eq!(run.report().script("good")["output"], 1);
    bench.run(&["--script-dir", "more", "--script", "bad"]).expect(2).says(&["more/bad.rhai:1:"]);
}

#[test]
fn what_a_script_prints_never_reaches_the_results() {
    let run = run(&format!("{ALWAYS}fn action(host) {{ print(\"stray\"); debug(\"stray\"); 1 }}"), &[]).expect(0);
    assert!(!run.text().contains("stray") && !run.stderr.contains("stray"), "{run}");
    assert_eq!(run.report().script("x")["output"], 1);
}

// What a script may do.

#[test]
fn an_undeclared_capability_is_refused_with_the_line_to_add() {
    let record = record("fn action(host) {\n    net::connect(host, 1)\n}", &[]);
    ended(&record, "failed", "denied", "denied");
    at_line(&record, 3);
    let message = record["failure"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("add `const capabilities = [\"tcp\"];` to its header"), "{message}");
    // With what is there already, so that the line can be pasted as it is.
    let calls = [("net::udp(host, 1)", "udp"), ("net::resolve(\"localhost\")", "dns")];
    for (call, capability) in calls {
        let body = format!("const capabilities = [\"tcp\"];\nfn action(host) {{\n    {call}\n}}");
        let record = self::record(&body, &[]);
        ended(&record, "failed", "denied", "denied");
        let message = record["failure"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(&format!("capabilities = [\"tcp\", \"{capability}\"];")), "{message}");
    }
}

#[test]
fn a_script_talks_to_its_own_host_and_to_nobody_else() {
    let (own, other) = (Peer::silent(), Peer::silent());
    let script = |extra: &str| {
        format!(
            "const hostrule = true;\nconst capabilities = [\"tcp\", \"udp\"{extra}];\nfn action(host) {{\n    \
             net::connect(\"{}\", {});\n    \"through\"\n}}",
            other.ip(),
            other.port()
        )
    };
    let go = |source: &str| {
        let dir = Dir::new();
        let path = dir.write("x.rhai", source).display().to_string();
        scan(["-p", &own.port(), "--script", &path, &own.ip()]).run().report()
    };
    let fenced = go(&script(""));
    ended(fenced.script("x"), "failed", "denied", "denied");
    assert!(fenced.script("x")["failure"]["message"].as_str().is_some_and(|text| text.contains("other-hosts")));
    assert_eq!(other.accepted(), 0, "a connection went through the fence");
    let allowed = go(&script(", \"other-hosts\""));
    assert_eq!(allowed.script("x")["output"], "through");
    let datagram = format!(
        "const hostrule = true;\nconst capabilities = [\"udp\"];\nfn action(host) {{\n    let s = net::udp();\n    \
         net::send_to(s, \"{}\", 9, \"x\");\n}}",
        other.ip()
    );
    ended(go(&datagram).script("x"), "failed", "denied", "denied");
}

// What a script may use up.

#[test]
fn every_budget_ends_its_script_by_name_and_line() {
    let grow = |line: &str| {
        format!(
            "fn action(host) {{\n    let a = [];\n    let t = \"x\";\n    let m = #{{}};\n    loop {{\n        {line}\n    }}\n}}"
        )
    };
    let memory = ["--script-max-memory", "512k"];
    let cases = [
        (
            "fn action(host) {\n    let x = 1;\n    loop { }\n}".to_owned(),
            &["--script-max-operations", "100k"][..],
            "operations",
            4,
        ),
        (
            "fn action(host) {\n    let n = 0;\n    for i in 0..1000000000 { n += i; }\n}".to_owned(),
            &["--script-max-operations", "100k"],
            "operations",
            4,
        ),
        (
            "fn spin() { loop { } }\nfn action(host) {\n    spin();\n}".to_owned(),
            &["--script-max-operations", "100k"],
            "operations",
            4,
        ),
        (grow("a.push(`element ${a.len()} of an array`);"), &memory, "memory", 7),
        (grow("t += t;"), &memory, "memory", 7),
        (grow("m[`key ${m.len()}`] = 1;"), &memory, "memory", 7),
        (grow("a.push(blob(100000, 1));"), &memory, "memory", 7),
        ("fn f(n) { f(n + 1) }\nfn action(host) {\n    f(0)\n}".to_owned(), &[], "stack", 4),
    ];
    for (body, arguments, class, line) in cases {
        let record = record(&body, arguments);
        ended(&record, "over-budget", "limit", class);
        at_line(&record, line);
    }
}

#[test]
fn data_nested_without_end_ends_its_script_and_nothing_else() {
    let nested =
        format!("{ALWAYS}fn action(host) {{\n    let a = [];\n    for i in 0..100000 {{ a = [a]; }}\n    a\n}}");
    let map = format!(
        "{ALWAYS}fn action(host) {{\n    let a = #{{}};\n    for i in 0..100000 {{ a = #{{ a: a }}; }}\n    a\n}}"
    );
    let fine = format!("{ALWAYS}fn action(host) {{ \"fine\" }}");
    let bench = Bench::new(&[("nested.rhai", &nested), ("map.rhai", &map), ("fine.rhai", &fine)]);
    let run = bench.run(&["--script", "./nested.rhai,./map.rhai,./fine.rhai", "--script-timeout", "60s"]);
    let report = run.expect(3).report();
    for id in ["nested", "map"] {
        assert_eq!(report.script(id)["outcome"], "over-budget");
        let message = report.script(id)["failure"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("nested too deeply"), "{message}");
    }
    assert_eq!(report.script("fine")["output"], "fine");
}

#[test]
fn output_is_bounded() {
    let text = record(
        "fn action(host) {\n    let t = \"x\";\n    for i in 0..12 { t += t; }\n    t\n}",
        &["--script-max-output", "1k"],
    );
    ended(&text, "over-budget", "limit", "output");
    let list = record(
        "fn action(host) {\n    let a = [];\n    for i in 0..1000 { a.push(i); }\n    a\n}",
        &["--script-max-output", "1k"],
    );
    ended(&list, "over-budget", "limit", "output");
    let nested = record("fn action(host) {\n    let a = [];\n    for i in 0..200 { a = [a]; }\n    a\n}", &[]);
    assert_eq!(nested["outcome"], "done", "deep output is cut, not lost: {nested:#}");
}

#[test]
fn bytes_and_sockets_are_bounded() {
    let peer = Peer::echo();
    let port = peer.port();
    let go = |body: &str, arguments: &[&str]| {
        let dir = Dir::new();
        let source = format!("{ALWAYS}const capabilities = [\"tcp\", \"udp\"];\nfn action(host) {{\n{body}\n}}");
        let path = dir.write("x.rhai", source).display().to_string();
        let report = scan(["-p", &port, "--script", &path, &peer.ip()]).args(arguments).run().expect(3).report();
        report.script("x").clone()
    };
    let talk = format!(
        "    let s = net::connect(host, {port});\n    loop {{ net::send(s, \"0123456789\"); net::receive(s); }}"
    );
    let bytes = go(&talk, &["--script-max-bytes", "10k"]);
    ended(&bytes, "over-budget", "limit", "bytes");
    assert!(bytes["failure"]["message"].as_str().is_some_and(|text| text.contains("--script-max-bytes")), "{bytes:#}");
    let moved = bytes["sent_bytes"].as_u64().unwrap_or(0) + bytes["received_bytes"].as_u64().unwrap_or(0);
    assert!((10 << 10..11 << 10).contains(&moved), "{moved} bytes moved");
    let many = format!("    let l = [];\n    loop {{ l.push(net::connect(host, {port})); }}");
    let sockets = go(&many, &["--script-max-sockets", "5"]);
    ended(&sockets, "over-budget", "limit", "sockets");
    assert!(
        sockets["failure"]["message"].as_str().is_some_and(|text| text.contains("5 sockets are open")),
        "{sockets:#}"
    );
    let datagrams = go("    let l = [];\n    loop { l.push(net::udp(host, 9)); }", &["--script-max-sockets", "5"]);
    ended(&datagrams, "over-budget", "limit", "sockets");
}

#[test]
fn time_ends_a_script_that_waits_and_one_that_computes() {
    for body in ["worker::sleep(1000);", "loop { }", "loop { worker::sleep(0.01); }", "loop { worker::pause(); }"] {
        let record = record(&format!("fn action(host) {{\n    {body}\n}}"), &["--script-timeout", "300ms"]);
        ended(&record, "timed-out", "limit", "wall");
        at_line(&record, 3);
        assert!(record["duration_seconds"].as_f64().is_some_and(|seconds| seconds >= 0.3), "{record:#}");
    }
}

#[test]
fn a_stop_cannot_be_caught() {
    let body = |inner: &str| {
        format!(
            "fn action(host) {{\n    for i in 0..1000000 {{ try {{ {inner} }} catch (e) {{ worker::pause(); }} }}\n    \"survived\"\n}}"
        )
    };
    let operations = record(&body("loop { }"), &["--script-max-operations", "100k"]);
    ended(&operations, "over-budget", "limit", "operations");
    let memory = record(&body("let t = \"x\"; loop { t += t; }"), &["--script-max-memory", "1m"]);
    ended(&memory, "over-budget", "limit", "memory");
    let computing = record(&body("loop { }"), &["--script-timeout", "200ms"]);
    ended(&computing, "timed-out", "limit", "wall");
    let waiting = record(&body("worker::sleep(1000);"), &["--script-timeout", "200ms"]);
    ended(&waiting, "timed-out", "limit", "wall");
}

#[test]
fn an_error_of_a_peer_or_a_native_can_be_caught() {
    let body = "const capabilities = [\"tcp\"];\nfn action(host) {\n    try { net::connect(host, 1); } catch (e) { \
                return [e.kind, e.op, e.peer]; }\n}";
    let record = record(body, &[]);
    assert_eq!(record["outcome"], "done", "{record:#}");
    assert_eq!(record["output"][0], "refused");
    assert!(record["output"][2].as_str().is_some_and(|peer| peer.ends_with(":1")), "{record:#}");
}

#[test]
fn a_busy_loop_beside_a_thousand_titles_harms_only_itself() {
    let Some(server) = servers::nginx_everywhere("") else { return };
    let dir = Dir::new();
    let source = "fn hostrule(host) { host.ip == \"127.0.2.7\" }\nfn action(host) {\n    loop { }\n}\n";
    let path = dir.write("spin.rhai", source).display().to_string();
    let expression = format!("+http-title,{path}");
    let arguments = ["-p", &server.port(), "--script", &expression, "--script-max-operations", "5m", "127.0.0.0/22"];
    let report = scan(arguments).run().expect(3).report();
    assert_eq!(report.count("http-title", "done"), 1024);
    let titles = report.scripts("http-title");
    assert_eq!(titles.iter().filter(|script| script["output"] == "A real server").count(), 1024);
    assert_eq!(report.count("spin", "rule-false"), 1023);
    assert_eq!(report.count("spin", "over-budget"), 1);
    let spin = report.script("spin");
    ended(spin, "over-budget", "limit", "operations");
    assert_eq!(spin["failure"]["position"]["line"], 3);
    let text = sonde(["-n"]).args(arguments).run().expect(3).text();
    assert!(text.contains("spin.rhai:3"), "the text report names file and line");
}

// In which order, and for what.

#[test]
fn dependencies_run_first_on_the_same_host() {
    let first = "const hostrule = true;\nfn action(host) {\n    for i in 0..50 { worker::pause(); }\n    \
                 let own = script::host_registry();\n    own.seen = host.ip;\n}";
    let second = "const hostrule = true;\nconst dependencies = [\"zz-first\", \"not-selected\"];\n\
                  fn action(host) { script::host_registry().seen == host.ip }";
    let bench = Bench::new(&[("zz-first.rhai", first), ("aa-second.rhai", second)]);
    let report = bench.run(&["--script", "./aa-second.rhai,./zz-first.rhai", "127.8.0.0/27"]).expect(0).report();
    let results = report.scripts("aa-second");
    assert_eq!(results.len(), 33);
    assert!(results.iter().all(|script| script["output"] == true));
}

#[test]
fn dependencies_in_a_circle_are_refused() {
    let script = |other: &str| format!("{ALWAYS}const dependencies = [\"{other}\"];\nfn action(host) {{ 1 }}");
    let bench = Bench::new(&[("a.rhai", &script("b")), ("b.rhai", &script("c")), ("c.rhai", &script("a"))]);
    let run = bench.run(&["--script", "./a.rhai,./b.rhai,./c.rhai"]).expect(2);
    run.says(&["scripts depend on each other in a circle: a -> b -> c -> a"]);
    let own = Bench::new(&[("a.rhai", &script("a"))]);
    own.run(&["--script", "./a.rhai"]).expect(2).says(&["in a circle: a -> a"]);
}

#[test]
fn two_scripts_of_one_name_are_refused() {
    let script = format!("{ALWAYS}fn action(host) {{ 1 }}");
    let bench = Bench::new(&[("one/same.rhai", &script), ("two/same.rhai", &script)]);
    let run = bench.run(&["--script", "one/same.rhai,two/same.rhai"]).expect(2);
    run.says(&["two scripts are called \"same\"", "one/same.rhai", "two/same.rhai"]);
}

#[test]
fn registries_are_shared_by_the_run_and_by_the_host() {
    let count = "const hostrule = true;\nfn action(host) {\n    let all = script::registry();\n    \
                 all.count = if all.count == () { 1 } else { all.count + 1 };\n    let own = script::host_registry();\n    \
                 own.count = if own.count == () { 1 } else { own.count + 1 };\n    own.count\n}";
    let total = "const postrule = true;\nfn action() { script::registry().count }";
    let bench = Bench::new(&[("count.rhai", count), ("total.rhai", total)]);
    let report = bench.run(&["--script", "./count.rhai,./total.rhai", "127.8.1.0/28"]).expect(0).report();
    assert!(report.scripts("count").iter().all(|script| script["output"] == 1));
    assert_eq!(report.script("total")["output"], 17);
}

#[test]
fn rules_of_all_four_kinds_start_a_script() {
    let peer = Peer::silent();
    let dir = Dir::new();
    let source = "fn prerule() { true }\nfn hostrule(host) { host.ip != () }\nfn portrule(host, port) { port.number > 0 }\n\
                  const postrule = true;\nfn action(host, port) { [host == (), port == ()] }";
    let path = dir.write("every.rhai", source).display().to_string();
    let report = scan(["-p", &peer.port(), "--script", &path, &peer.ip()]).run().expect(0).report();
    let found: Vec<(String, String)> = report
        .scripts("every")
        .iter()
        .map(|script| (script["rule"].as_str().unwrap_or_default().to_owned(), script["output"].to_string()))
        .collect();
    let expected = [
        ("prerule", "[true,true]"),
        ("portrule", "[false,false]"),
        ("hostrule", "[false,true]"),
        ("postrule", "[true,true]"),
    ];
    assert_eq!(found, expected.map(|(rule, output)| (rule.to_owned(), output.to_owned())));
    assert_eq!(report.count("every", "done"), 4);
    let types: Vec<&str> = report.lines.iter().filter_map(|line| line["type"].as_str()).collect();
    assert_eq!(types, ["run_start", "prescript", "host", "postscript", "run_end"]);
}

#[test]
fn a_rule_given_as_data_and_one_given_as_a_function_agree() {
    let open = [Peer::silent(), Peer::silent()];
    let dir = Dir::new();
    // Both peers on one address would be nicer; one address each is what they have.
    for (wanted, expected) in [(open[0].port(), 1), ("1".to_owned(), 0)] {
        let data = format!("const portrule = #{{ ports: [{wanted}] }};\nfn action(host, port) {{ port.number }}");
        let function =
            format!("fn portrule(host, port) {{ port.number == {wanted} }}\nfn action(host, port) {{ port.number }}");
        let paths = [dir.write("data.rhai", data), dir.write("function.rhai", function)];
        let both = paths.map(|path| path.display().to_string()).join(",");
        let ports = format!("1,{},{}", open[0].port(), open[1].port());
        let report = scan(["-p", &ports, "--script", &both, &open[0].ip()]).run().expect(0).report();
        assert_eq!(report.scripts("data").len(), expected);
        assert_eq!(report.scripts("function").len(), expected);
        assert_eq!(report.count("data", "rule-false"), 0, "a data rule costs no instance");
        // Asked for open ports only.
        assert_eq!(report.count("function", "rule-false") + report.count("function", "done"), 1);
    }
}

#[test]
fn a_rule_must_answer_yes_or_no() {
    let record = run("fn hostrule(host) { 7 }\nfn action(host) { 1 }", &[]).expect(3).report().script("x").clone();
    ended(&record, "failed", "script", "runtime");
    assert!(
        record["failure"]["message"].as_str().is_some_and(|text| text.contains("hostrule must return true or false"))
    );
    let nothing = run("fn hostrule(host) { }\nfn action(host) { 1 }", &[]).expect(0).report();
    assert_eq!(nothing.count("x", "rule-false"), 1);
    let broken = run("fn hostrule(host) {\n    host.frob()\n}\nfn action(host) { 1 }", &[]).expect(3).report();
    at_line(broken.script("x"), 2);
}

#[test]
fn a_plus_runs_a_script_whatever_its_rule_says() {
    let peer = Peer::silent();
    let dir = Dir::new();
    for source in [
        "const portrule = #{ ports: [1] };\nfn action(host, port) { port.number }",
        "fn portrule(host, port) { false }\nfn action(host, port) { port.number }",
    ] {
        let path = dir.write("picky.rhai", source).display().to_string();
        let plain = scan(["-p", &peer.port(), "--script", &path, &peer.ip()]).run().expect(0).report();
        assert_eq!(plain.scripts("picky").len(), 0);
        let forced = scan(["-p", &peer.port(), "--script", &format!("+{path}"), &peer.ip()]).run().expect(0).report();
        assert_eq!(forced.script("picky")["output"].to_string(), peer.port());
    }
}

#[test]
fn the_selection_grammar() {
    let script = |categories: &str| format!("{ALWAYS}const categories = [{categories}];\nfn action(host) {{ 1 }}");
    let bench = Bench::new(&[
        ("set/t-one.rhai", &script("\"safe\", \"discovery\"")),
        ("set/t-two.rhai", &script("\"intrusive\", \"discovery\"")),
        ("set/t-three.rhai", &script("\"safe\", \"vuln\"")),
    ]);
    let select = |expression: &str| -> Vec<String> {
        let json = sonde(["--script-dir", "set", "--script-help", expression, "--json"]).within(bench.dir.path()).run();
        let list: Value = serde_json::from_str(&json.expect(0).text()).expect("JSON");
        let ids = list.as_array().into_iter().flatten().filter_map(|script| script["id"].as_str());
        let mut ids: Vec<String> = ids.filter(|id| id.starts_with("t-")).map(str::to_owned).collect();
        ids.sort();
        ids
    };
    let (one, two, three) = ("t-one", "t-two", "t-three");
    let cases: [(&str, &[&str]); 14] = [
        ("t-one", &[one]),
        ("t-one.rhai", &[one]),
        ("t-*", &[one, three, two]),
        ("t-t*", &[three, two]),
        ("vuln", &[three]),
        ("t-* and safe", &[one, three]),
        ("t-* and not safe", &[two]),
        ("t-* and (vuln or intrusive)", &[three, two]),
        ("t-one or t-two and safe", &[one]),
        ("(t-one or t-two) and safe", &[one]),
        ("t-one,vuln", &[one, three]),
        ("t-* and not (safe,vuln)", &[two]),
        ("all and vuln", &[three]),
        ("set/", &[one, three, two]),
    ];
    for (expression, expected) in cases {
        assert_eq!(select(expression), expected, "{expression}");
    }
}

#[test]
fn the_number_alive_is_bounded_and_all_get_their_turn() {
    let source = format!("{ALWAYS}fn action(host) {{ worker::pause(); host.ip }}");
    let bench = Bench::new(&[("x.rhai", &source)]);
    let run = bench.run(&["--script", "./x.rhai", "--max-script-instances", "3", "127.8.2.0/25"]).expect(0);
    assert_eq!(run.report().count("x", "done"), 129);
}

// What is recorded.

#[test]
fn every_instance_leaves_one_record_and_the_totals_add_up() {
    let peer = Peer::echo();
    let dir = Dir::new();
    let talk = "const portrule = #{};\nconst capabilities = [\"tcp\"];\nfn action(host, port) {\n    \
                let s = net::connect(host, port);\n    net::send(s, \"ping\");\n    bytes::to_text(net::receive_bytes(s, 4))\n}";
    let scripts = [
        ("talk.rhai", talk.to_owned()),
        ("nothing.rhai", format!("{ALWAYS}fn action(host) {{ }}")),
        ("never.rhai", "fn hostrule(host) { false }\nfn action(host) { 1 }".to_owned()),
        ("bug.rhai", format!("{ALWAYS}fn action(host) {{ frob() }}")),
        ("spin.rhai", format!("{ALWAYS}fn action(host) {{ loop {{ }} }}")),
        ("sleep.rhai", format!("{ALWAYS}fn action(host) {{ worker::sleep(100); }}")),
    ];
    let paths = scripts.map(|(name, source)| dir.write(name, source).display().to_string()).join(",");
    let limits = ["--script-max-operations", "100k", "--script-timeout", "5s"];
    let run = scan(["-p", &peer.port(), "--script", &paths, &peer.ip()]).args(limits).run().expect(3);
    let report = run.report();
    let expected = [
        ("talk", "done"),
        ("nothing", "done"),
        ("never", "rule-false"),
        ("bug", "failed"),
        ("spin", "over-budget"),
        ("sleep", "timed-out"),
    ];
    for (id, outcome) in expected {
        assert_eq!(report.end()["totals"]["scripts"][id], serde_json::json!({ outcome: 1 }), "{id}");
        let records = report.records(id);
        let recorded = usize::from(outcome != "rule-false"); // a rule that says no is only counted
        assert_eq!(records.len(), recorded, "{id}: {records:#?}");
        assert!(records.iter().all(|record| record["outcome"] == outcome), "{id}: {records:#?}");
    }
    let record = report.script("talk");
    assert_eq!(record["output"], "ping");
    assert_eq!([&record["sent_bytes"], &record["received_bytes"]], [4, 4]);
    assert!(record["started"].as_str().is_some_and(|time| time.ends_with('Z')), "{record:#}");
    assert!(record["duration_seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0));
    assert!(record["failure"].is_null());
}

#[test]
fn what_a_peer_does_is_an_outcome_and_no_bug() {
    let body = "const capabilities = [\"tcp\"];\nfn action(host) {\n    net::connect(host, 1)\n}";
    let run = run(&format!("{ALWAYS}{body}"), &[]).expect(0);
    let report = run.report();
    let record = report.script("x");
    ended(record, "failed", "peer", "refused");
    assert_eq!(record["failure"]["diagnostic"], "", "no caret for what is not the script's fault");
    assert_eq!(report.end()["ending"], "complete");
}

#[test]
fn ordered_output_keeps_its_order_and_its_types() {
    let body = "fn action(host) {\n    let t = output::table();\n    t.zeta = 1;\n    t.alpha = [1.5, true, (), \"x\"];\n    \
                t.blob = blob(2, 0xff);\n    t.inner = #{ b: 1, a: 2 };\n    t\n}";
    let bench = Bench::new(&[("x.rhai", &format!("{ALWAYS}{body}"))]);
    let run = bench.run(&["--script", "./x.rhai", "-oX", "x.xml"]).expect(0);
    let expected = "\"output\":{\"zeta\":1,\"alpha\":[1.5,true,null,\"x\"],\"blob\":{\"bytes_hex\":\"ffff\"},\"inner\":{\"a\":2,\"b\":1}}";
    assert!(run.text().contains(expected), "{run}");
    let xml = bench.dir.read("x.xml");
    let places: Vec<_> =
        ["key=\"zeta\"", "key=\"alpha\"", "key=\"blob\"", "key=\"inner\""].iter().map(|key| xml.find(key)).collect();
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{places:?} in {xml}");
}

#[test]
fn a_report_holds_the_same_in_every_run() {
    let body = "fn action(host) { [script::rng(1000000), script::rng(1000000)] }";
    let bench = Bench::new(&[("x.rhai", &format!("{ALWAYS}{body}"))]);
    let draw = |seed: &str| {
        bench.run(&["--script", "./x.rhai", "--seed", seed]).expect(0).report().script("x")["output"].clone()
    };
    assert_eq!(draw("7"), draw("7"));
    assert_ne!(draw("7"), draw("8"));
}

#[test]
fn scripts_run_without_any_port_to_scan_before_and_after() {
    let dir = Dir::new();
    let path = dir.write("before.rhai", "const prerule = true;\nfn action() { \"before\" }").display().to_string();
    let run = sonde(["-n", "--json", "--script", &path]).run().expect(0);
    assert_eq!(Report::parse(&run.text()).script("before")["output"], "before");
}

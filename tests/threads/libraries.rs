//! Libraries and scripts that live on threads and locks: parallel pages, the crawler, WHOIS.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::{action, leaves_nothing, output, run_all};
use crate::support::peer::{Peer, Talk};
use crate::support::servers;
use crate::support::sonde::scan;
use crate::support::whois::Whois;

/// Runs one shipped script past its rule and returns what it says.
#[track_caller]
fn shipped(script: &str, ip: &str, port: &str, arguments: &str) -> Value {
    let run = scan(["-d", "-p", port, "--script", &format!("+{script}"), "--script-args", arguments, ip]).run();
    output(&leaves_nothing(run).report(), script).clone()
}

/// The path of a request; none if there was no request.
fn path_of(talk: &mut Talk) -> Option<String> {
    let request = talk.read_request();
    Some(String::from_utf8_lossy(&request).split(' ').nth(1)?.to_owned())
}

fn say(talk: &mut Talk, body: &str) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", body.len());
    talk.finish(format!("{head}{body}").as_bytes());
}

/// A page that links to `count` others below it.
fn links_below(path: &str, count: usize) -> String {
    let links: Vec<String> = (0..count).map(|n| format!("<a href='{path}{n}/'>")).collect();
    links.concat()
}

#[test]
fn many_pages_are_fetched_side_by_side_and_come_in_order() {
    const WIDTH: usize = 5;
    // Each request waits until as many are under way as may be: one after the other would never come to that.
    let (gate, most) = (Arc::new((Mutex::new((0, 0)), Condvar::new())), Arc::new(AtomicUsize::new(0)));
    let (shared, seen) = (Arc::clone(&gate), Arc::clone(&most));
    let peer = Peer::start(move |talk| {
        let Some(path) = path_of(talk) else { return };
        if path == "/17" {
            return; // closed without an answer
        }
        let (state, changed) = &*shared;
        let mut counts = state.lock().unwrap_or_else(PoisonError::into_inner);
        counts.0 += 1;
        counts.1 += 1;
        seen.fetch_max(counts.0, Ordering::SeqCst);
        changed.notify_all();
        let waited = changed.wait_timeout_while(counts, Duration::from_secs(20), |(_, all)| *all < WIDTH);
        waited.unwrap_or_else(PoisonError::into_inner).0.0 -= 1;
        say(talk, &path);
    });
    let body = format!(
        r#"let paths = [];
        for n in 0..40 {{ paths.push(`/${{n}}`); }}
        let pages = http::get_many("{}", {}, paths, #{{ connections: {WIDTH}, cache: false }});
        let wrong = [];
        for n in 0..40 {{
            let page = pages[n];
            if type_of(page) == "map" {{ wrong.push([n, page.kind]); continue; }}
            if bytes::to_text(page.body) != paths[n] {{ wrong.push([n, "mixed up"]); }}
        }}
        let refused = [];
        for options in [#{{ connections: 0 }}, #{{ connections: 65 }}, #{{ connections: "x" }}, #{{ conections: 1 }}] {{
            try {{ http::get_many(host, 1, ["/"], options) }} catch (e) {{ refused.push(e.kind) }}
        }}
        [pages.len(), wrong, refused, http::get_many(host, 1, [], #{{}})]"#,
        peer.ip(),
        peer.port()
    );
    let run = run_all(&[("x.rhai", &action(&body))], &["x"], &[]);
    let refused = ["argument", "argument", "argument", "argument"];
    assert_eq!(*output(&run.report(), "x"), json!([40, [[17, "closed"]], refused, []]));
    assert_eq!(most.load(Ordering::SeqCst), WIDTH);
}

#[test]
fn a_site_without_end_has_an_end() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let peer = Peer::start(move |talk| {
        if let Some(path) = path_of(talk) {
            counted.fetch_add(1, Ordering::SeqCst);
            say(talk, &links_below(&path, 20));
        }
    });
    let found = shipped("http-chrono", &peer.ip(), &peer.port(), "max-pages=60,max-depth=50,workers=8");
    assert_eq!((&found["pages"], asked.load(Ordering::SeqCst)), (&json!(60), 60));
}

#[test]
fn leaving_a_crawl_early_asks_for_no_more() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let peer = Peer::start(move |talk| {
        if let Some(path) = path_of(talk) {
            counted.fetch_add(1, Ordering::SeqCst);
            say(talk, &links_below(&path, 50));
        }
    });
    let script = action(&format!(
        "import \"httpspider\" as httpspider;\nfn action(host) {{\n\
         let seen = 0;\n\
         for page in httpspider::crawl(\"{}\", {}, #{{ max_pages: 1000, workers: 3 }}) {{ seen += 1; if seen == 4 {{ break; }} }}\n\
         seen }}",
        peer.ip(),
        peer.port()
    ));
    let run = run_all(&[("x.rhai", &script)], &["x"], &[]);
    assert_eq!(*output(&run.report(), "x"), 4);
    assert!((4..=4 + 3).contains(&asked.load(Ordering::SeqCst)), "{asked:?}");
}

#[test]
fn the_tree_of_a_site() {
    let Some(server) = servers::nginx("") else { return };
    let pages = [
        ("index", "<a href=docs/a.html>a</a><img src=logo.PNG><a href=gone.html>g</a><a href='docs/list?x=1'>l</a>"),
        ("docs/a", "<a href=deep/er/b.html>b</a><a href=../paper.pdf>p</a>"),
        ("docs/deep/er/b", "end"),
    ];
    for (name, page) in pages {
        server.dir.write(&format!("www/{name}.html"), page);
    }
    server.dir.write("www/docs/list", "a list");
    let found = shipped("http-sitemap-generator", &server.ip(), &server.port(), "workers=2");
    let expected = json!({
        "asked": 5,
        "files": 6,
        "directories": { "/": "index: 1, pdf: 1, png: 1", "/docs/": "html: 1, other: 1", "/docs/deep/er/": "html: 1" },
        "longest": { "depth": 4, "path": "/docs/deep/er/b.html" },
    });
    assert_eq!(found, expected);
    let timed = shipped("http-chrono", &server.ip(), &server.port(), "max-depth=1");
    let keys: Vec<&str> = timed.as_object().expect("a table").keys().map(String::as_str).collect();
    assert_eq!(keys, ["pages", "average", "minimum", "maximum", "slowest"]);
    assert_eq!(timed["pages"], 4);
}

#[test]
fn two_scripts_that_ask_the_same_make_one_question() {
    let server = Whois::start(0, |name| format!("Domain: {name}\n"));
    let script = action(&format!(
        "import \"whois\" as whois;\nfn action(host) {{\n\
         let same = whois::ask(\"{ip}\", {port}, \"same.example\");\n\
         [same, whois::ask(\"{ip}\", {port}, script::name() + \".example\")] }}",
        ip = server.address.ip(),
        port = server.address.port()
    ));
    let files: Vec<(String, &str)> = ["a", "b", "c"].iter().map(|id| (format!("{id}.rhai"), script.as_str())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, source)| (name.as_str(), *source)).collect();
    let report = run_all(&files, &["a", "b", "c"], &[]).report();
    for id in ["a", "b", "c"] {
        assert_eq!(*output(&report, id), json!(["Domain: same.example\n", format!("Domain: {id}.example\n")]));
    }
    assert_eq!((server.asked(), server.most_at_once()), (4, 1));
}

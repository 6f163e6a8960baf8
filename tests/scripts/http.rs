//! Scripts that speak HTTP, against nginx and peers that do not behave.

use serde_json::json;

use super::{BRIEF, failure, finds_nothing, is_not_started, keys, output, run, text};
use crate::support::peer::Peer;
use crate::support::{servers, tls};

const PLACES: &str = "
    location = /go { return 302 /members/; }
    location = /away { return 301 https://www.example.org/x; }
    location = /loop { return 302 /loop; }
    location = /untitled { return 200 plain; }
    location = /two { add_header X-Two one; add_header X-Two two; add_header x-TWO three; return 200 ok; }
    location = /nohead { if ($request_method = HEAD) { return 405; } add_header X-Here yes; return 200 ok; }
    location = /allow { add_header Allow 'GET, HEAD, PUT, get, <b>'; add_header Public 'OPTIONS, TRACE'; return 204; }
";

/// An answer with a body, by a server that speaks little more HTTP than that.
fn page(head: &str, body: &str) -> Peer {
    Peer::answering(format!(
        "HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    ))
}

#[test]
fn title() {
    let Some(server) = servers::nginx(PLACES) else { return };
    server.dir.write("www/members/index.html", "<title>\n Members  &amp; friends\n</title>");
    let at = |url: &str| output("http-title", &server, &["--script-args", &format!("http-title.url={url}")]);
    assert_eq!(output("http-title", &server, &[]), "A real server");
    let members = format!("Members & friends\nRequested resource was http://{}/members/", server.address);
    assert_eq!(at("/go"), members);
    assert_eq!(at("/away"), "Did not follow redirect to https://www.example.org/x");
    assert_eq!(at("/loop"), format!("Did not follow redirect to http://{}/loop (loop)", server.address));
    assert_eq!(at("/missing"), "404 Not Found");
    assert!(text("http-title", &server, &[]).contains("\n|_http-title: A real server\n"));
}

#[test]
fn no_title_is_told_on_demand() {
    let Some(server) = servers::nginx(PLACES) else { return };
    let args = ["--script-args", "url=/untitled"];
    finds_nothing("http-title", &server, &args);
    let told = output("http-title", &server, &[&args[..], &["-v"]].concat());
    assert_eq!(told, "No title (status 200, text/plain)");
    assert_eq!(output("http-title", &page("", ""), &["-v"]), "No title (status 200, no content type)");
}

#[test]
fn title_of_peers_that_do_not_behave() {
    assert_eq!(failure("http-title", &Peer::silent(), &BRIEF), "timeout");
    finds_nothing("http-title", &Peer::greeting("SSH-2.0-OpenSSH_9.2\r\n"), &["-v"]);
    assert_eq!(failure("http-title", &Peer::start(|talk| talk.finish(b"")), &[]), "closed");
    is_not_started("http-title");
    let long = output("http-title", &page("", &format!("<title>{}</title>", "x".repeat(5000))), &[]);
    assert_eq!(long, format!("{}…", "x".repeat(200)));
    let latin = Peer::answering(
        &b"HTTP/1.0 200 OK\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n<title>caf\xe9 \xff</title>"[..],
    );
    assert_eq!(output("http-title", &latin, &[]), "café ÿ");
    let evil = page("", "<title>\x1b]0;owned\x07 \u{202e}x</title>");
    assert!(!text("http-title", &evil, &[]).contains(['\x1b', '\x07', '\u{202e}']));
    let endless = Peer::endless("HTTP/1.1 200 OK\r\n\r\n<title>Endless</title>");
    assert_eq!(output("http-title", &endless, &[]), "Endless");
}

#[test]
fn headers() {
    let Some(server) = servers::nginx(PLACES) else { return };
    let found = output("http-headers", &server, &[]);
    assert_eq!(keys(&found), ["request", "status", "reason", "headers"]);
    assert_eq!((&found["request"], &found["status"], &found["reason"]), (&json!("HEAD /"), &json!(200), &json!("OK")));
    assert_eq!(keys(&found["headers"])[..2], ["Server", "Date"]);
    assert_eq!(found["headers"]["Content-Type"], "text/html");
    let two = output("http-headers", &server, &["--script-args", "path=/two"]);
    assert_eq!(two["headers"]["X-Two"], json!(["one", "two", "three"]));
    let away = output("http-headers", &server, &["--script-args", "path=/away"]);
    assert_eq!((&away["status"], &away["headers"]["Location"]), (&json!(301), &json!("https://www.example.org/x")));
}

#[test]
fn headers_by_get() {
    let Some(server) = servers::nginx(PLACES) else { return };
    let got = output("http-headers", &server, &["--script-args", "useget"]);
    assert_eq!(got["request"], "GET /");
    let refused = output("http-headers", &server, &["--script-args", "path=/nohead"]);
    assert_eq!((&refused["request"], &refused["headers"]["X-Here"]), (&json!("GET /nohead"), &json!("yes")));
}

#[test]
fn headers_of_peers_that_do_not_behave() {
    assert_eq!(failure("http-headers", &Peer::silent(), &BRIEF), "timeout");
    finds_nothing("http-headers", &Peer::greeting("220 mail ESMTP\r\n"), &["-v"]);
    assert_eq!(failure("http-headers", &Peer::endless("HTTP/1.1 200 OK\r\nX: "), &[]), "protocol");
    is_not_started("http-headers");
    let odd = output("http-headers", &Peer::answering(&b"HTTP/1.1 200\r\nX-Odd: a\x1b[2J\xff\r\n\r\n"[..]), &[]);
    assert_eq!(odd["headers"]["X-Odd"], "a [2J\u{fffd}");
}

#[test]
fn methods() {
    let Some(server) = servers::nginx(PLACES) else { return };
    let found = output("http-methods", &server, &["--script-args", "path=/allow"]);
    assert_eq!(found, json!({ "supported": ["GET", "HEAD", "PUT", "OPTIONS", "TRACE"], "risky": ["PUT", "TRACE"] }));
    finds_nothing("http-methods", &server, &[]);
    let said = run("http-methods", &server, &["-v"]);
    said.says(&["no Allow or Public header in the answer to OPTIONS (status 405)"]);
}

#[test]
fn methods_tried_out() {
    let Some(server) = servers::nginx("location /dav/ { dav_methods PUT DELETE; }") else { return };
    std::fs::create_dir_all(server.dir.join("www/dav")).expect("a folder");
    let writable = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(server.dir.join("www/dav"), writable).expect("its permissions");
    let tried = output("http-methods", &server, &["--script-args", "path=/dav/,test-all"]);
    assert_eq!(tried["tested"]["DELETE"], 204, "{tried}");
    assert_eq!(tried["tested"]["PUT"], 201, "{tried}");
    assert!(tried["tested"]["TRACE"].is_null() && tried["tested"]["POST"].is_null(), "{tried}");
    let left = std::fs::read_dir(server.dir.join("www/dav")).expect("the folder").count();
    assert_eq!(left, 0, "files left on the server");
}

#[test]
fn methods_of_peers_that_do_not_behave() {
    assert_eq!(failure("http-methods", &Peer::silent(), &BRIEF), "timeout");
    finds_nothing("http-methods", &Peer::greeting("nonsense\r\n"), &["-v"]);
    is_not_started("http-methods");
    let many: Vec<String> = (0..500).map(|n| format!("M{n}")).collect();
    let found = output("http-methods", &page(&format!("Allow: {}\r\n", many.join(",")), ""), &[]);
    assert_eq!(found["supported"].as_array().map(Vec::len), Some(100));
    // A server that does the same for every method says nothing by it.
    let same = output("http-methods", &page("", "same"), &["--script-args", "test-all"]);
    assert_eq!(same, json!({ "tested": {} }));
}

#[test]
fn robots() {
    let Some(server) = servers::nginx("") else { return };
    finds_nothing("http-robots.txt", &server, &[]);
    let file = "User-agent: *\nDisallow: /private/\r\n disallow : /tmp # old\nAllow: /\nDisallow:\n\
                Sitemap: http://a.example/map.xml\nUser-agent: x\nDisallow: /private/\n";
    server.dir.write("www/robots.txt", file);
    let expected = json!({ "total": 2, "disallow": ["/private/", "/tmp"], "sitemap": ["http://a.example/map.xml"] });
    assert_eq!(output("http-robots.txt", &server, &[]), expected);
    let many: Vec<String> = (0..60).map(|n| format!("Disallow: /{n}\n")).collect();
    let many = many.concat();
    server.dir.write("www/robots.txt", many);
    let short = output("http-robots.txt", &server, &[]);
    assert_eq!((&short["total"], short["disallow"].as_array().map(Vec::len)), (&json!(60), Some(50)));
    let long = output("http-robots.txt", &server, &["-v"]);
    assert_eq!(long["disallow"].as_array().map(Vec::len), Some(60));
}

#[test]
fn robots_of_peers_that_do_not_behave() {
    assert_eq!(failure("http-robots.txt", &Peer::silent(), &BRIEF), "timeout");
    finds_nothing("http-robots.txt", &Peer::greeting("nonsense\r\n"), &["-v"]);
    is_not_started("http-robots.txt");
    finds_nothing("http-robots.txt", &page("", "<html><body>Disallow: /x\nDisallow: /y</body>"), &[]);
    let endless = Peer::endless("HTTP/1.1 200 OK\r\n\r\nDisallow: /a\n");
    assert_eq!(output("http-robots.txt", &endless, &[])["disallow"][0], "/a");
}

#[test]
fn favicon() {
    let Some(server) = servers::nginx("") else { return };
    finds_nothing("http-favicon", &server, &[]);
    let digests = |url: &str, size: i64| {
        json!({ "url": format!("http://{}{url}", server.address), "type": "text/plain", "size": size,
                "md5": "900150983cd24fb0d6963f7d28e17f72",
                "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" })
    };
    server.dir.write("www/favicon.ico", "abc");
    assert_eq!(output("http-favicon", &server, &[]), digests("/favicon.ico", 3));
    server.dir.write("www/a/i.png", "abc");
    server.dir.write("www/index.html", "<link rel=stylesheet href=x.css><link rel='Shortcut  Icon' href='a/i.png'>");
    assert_eq!(output("http-favicon", &server, &[]), digests("/a/i.png", 3));
    server.dir.write("www/index.html", "<link rel=icon href='//www.example.org/i.png'>");
    assert_eq!(output("http-favicon", &server, &[]), digests("/favicon.ico", 3));
    assert_eq!(
        output("http-favicon", &server, &["--script-args", "http-favicon.url=/a/i.png"]),
        digests("/a/i.png", 3)
    );
}

#[test]
fn favicon_of_peers_that_do_not_behave() {
    assert_eq!(failure("http-favicon", &Peer::silent(), &BRIEF), "timeout");
    finds_nothing("http-favicon", &Peer::greeting("nonsense\r\n"), &["-v"]);
    is_not_started("http-favicon");
    let cut = output("http-favicon", &Peer::endless("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n"), &[]);
    assert!(cut["sha256"].is_null() && cut["note"].as_str().is_some_and(|note| note.contains("cut off")), "{cut}");
    for href in ["data:image/png;base64,AAAA", "http://[::1", "javascript:x", "http://10.0.0.1/i.png"] {
        let odd = page("Content-Type: text/html\r\n", &format!("<link rel=icon href='{href}'>"));
        finds_nothing("http-favicon", &odd, &[]);
    }
}

#[test]
fn the_same_by_tls() {
    let Some(server) = servers::nginx_tls("") else { return };
    let (ip, port) = (server.ip(), server.port());
    // The port is unknown to any list, and http scripts ask unknown ports in plain text.
    let title = output("http-title", &server, &[]);
    assert_eq!(title, "400 The plain HTTP request was sent to HTTPS port", "{ip}:{port}");
    let peer = tls::peer(|_| {});
    assert_eq!(failure("ssl-date", &peer, &[]), "closed");
}

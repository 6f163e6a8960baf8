//! Recordings and replays, as a user meets them: what a run saw live, it sees again out of the file, without a network,
//! without privileges, and as often as one likes with the same bytes.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::support::cannot_run;
use crate::support::dir::{Dir, copy};
use crate::support::names::NameServer;
use crate::support::peer::Peer;
use crate::support::servers;
use crate::support::sonde::{PROGRAM, Report, Run, Sonde, scan, sonde};
use crate::support::talk;

/// Every record of scripts in a report, without the times.
fn results(report: &Report) -> Vec<serde_json::Value> {
    let mut found = Vec::new();
    for line in &report.lines {
        let ports = line["ports"].as_array().into_iter().flatten();
        for port in ports.clone() {
            found.push(serde_json::json!([port["port"], port["state"], port["reason"]]));
        }
        let lists = ports.map(|port| &port["scripts"]).chain([&line["scripts"]]);
        for script in lists.filter_map(serde_json::Value::as_array).flatten() {
            let mut script = script.clone();
            // What a script measures is the network's share alone: a replay computes in no time.
            for item in script["output"].as_array_mut().into_iter().flatten() {
                item.as_object_mut().and_then(|item| item.remove("milliseconds"));
            }
            found.push(serde_json::json!([script["id"], script["outcome"], script["output"], script["failure"]]));
        }
    }
    found
}

/// Records `run`, then replays it strictly, and compares.
fn same_again(dir: &Dir, run: Sonde) -> Report {
    let file = dir.join("run.pcapng");
    let live = run.args(["--record".as_ref(), file.as_os_str()]).run().report();
    let again = sonde(["--replay".as_ref(), file.as_os_str(), "--json".as_ref()]).run().expect(0);
    assert_eq!(again.stderr, "", "{again}");
    let replayed = again.report();
    assert_eq!(results(&replayed), results(&live));
    assert!(!results(&live).is_empty());
    live
}

#[test]
fn http_of_a_real_server_and_a_closed_port() {
    let Some(server) = servers::nginx("location = /a { return 200 '<title>A</title>'; }") else { return };
    let dir = Dir::new();
    let scripts = "+http-title,+http-headers,+http-methods,+http-favicon,+http-sitemap-generator,+banner";
    let run = scan(["-p", &format!("{},1", server.port()), "--script", scripts, &server.ip()])
        .args(["--script-args", "http-title.url=/a,banner.timeout=300ms"]);
    let live = same_again(&dir, run);
    assert_eq!(live.script("http-title")["output"], "A", "{:?}", live.lines);
}

#[test]
fn a_crawl_by_several_workers() {
    // Sixty pages of unequal length, each with links to some of the others.
    let page = |number: usize| {
        let links = [1, 2, 3, 4, 5].map(|step| format!("<a href=/p{}>x</a>", (number * 3 + step) % 60)).concat();
        let filler = "x".repeat(number * 997 % 3000);
        format!("location = /p{number} {{ default_type text/html; return 200 '{links}{filler}'; }}\n")
    };
    let start = "location = / { default_type text/html; return 200 '<a href=/p0>0</a><a href=/p1>1</a>'; }\n";
    let pages: String = (0..60).map(page).collect();
    let Some(server) = servers::nginx(&format!("{start}{pages}")) else { return };
    for workers in ["2", "4", "16"] {
        let dir = Dir::new();
        let arguments =
            format!("workers={workers},http-sitemap-generator.max-pages=100,http-sitemap-generator.max-depth=9");
        let scripts = "+http-sitemap-generator";
        let run = scan(["-p", &server.port(), "--script", scripts, "--script-args", &arguments, &server.ip()]);
        let live = same_again(&dir, run);
        assert_eq!(live.script("http-sitemap-generator")["output"]["asked"], 61, "{:#?}", live.lines);
    }
}

/// Data over TLS.
const OVER_TLS: &str = r#"
/// Asks over TLS.
///
/// Example output:
///
///     443/tcp open https
///     |_over-tls: done
const categories = ["safe"];
const capabilities = ["tcp", "tls"];
const portrule = #{ protocol: "tcp", ports: [1] };

fn action(host, port) {
    let s = net::connect(host, port);
    net::start_tls(s);
    net::send(s, "GET / HTTP/1.0\r\n\r\n");
    bytes::to_text(net::receive_until(s, "Secret"))
}
"#;

#[test]
fn tls_replays_byte_for_byte() {
    let Some(server) = servers::nginx_tls("location = / { return 200 '<title>Secret</title>'; }") else { return };
    let dir = Dir::new();
    dir.write("over-tls.rhai", OVER_TLS);
    let folder = dir.path().display().to_string();
    // Not ssl-date: it sets the server's whole seconds against our time, and a replay leaves out what we computed meanwhile,
    // so now and then it is in another second.
    let run =
        scan(["-p", &server.port(), "--script", "+ssl-cert,+over-tls", &server.ip()]).args(["--script-dir", &folder]);
    let live = same_again(&dir, run);
    assert_eq!(live.script("ssl-cert")["outcome"], "done", "{:#?}", live.lines);
    let said = live.script("over-tls")["output"].to_string();
    assert!(said.contains("200 OK") && said.contains("Secret"), "{said}");
}

#[test]
fn greetings_silence_resets_and_time() {
    let peers = [Peer::greeting("220 ready\r\n"), Peer::silent(), Peer::resetting(false), Peer::refusing()];
    let dir = Dir::new();
    for peer in &peers {
        let run = scan(["-p", &peer.port(), "--script", "+banner,+http-title", &peer.ip()]).args([
            "--script-args",
            "banner.timeout=1s",
            "--script-operation-timeout",
            "2s",
        ]);
        same_again(&dir, run);
    }
}

#[test]
fn names_are_answered_out_of_the_file() {
    let names = NameServer::knowing(&[("a.example", "192.0.2.1".parse().expect("an address"))]);
    let peer = Peer::refusing();
    let dir = Dir::new();
    let run = scan(["--dns-servers", &names.server(), "--script", "resolver-check", "-p", &peer.port(), &peer.ip()])
        .args(["--script-args", "names={a.example,none.example,localhost}"]);
    let live = same_again(&dir, run);
    assert_eq!(live.script("resolver-check")["output"][0]["addresses"], serde_json::json!(["192.0.2.1"]));
    let silent = NameServer::silent();
    let run = scan(["--dns-servers", &silent.server(), "--script", "resolver-check", "-p", &peer.port(), &peer.ip()])
        .args(["--script-args", "names={a.example}"]);
    same_again(&dir, run);
}

#[test]
fn datagrams_and_workers_side_by_side() {
    let peer = Peer::echo();
    let dir = Dir::new();
    dir.write("talk.rhai", talk::script(peer.address().port())); // nobody has its number over UDP
    let folder = dir.path().display().to_string();
    let run = scan(["-p", &peer.port(), "--script-dir", &folder, "--script", "+talk", &peer.ip()]);
    let live = same_again(&dir, run);
    let output = &live.script("talk")["output"];
    let refused = (0..talk::PINGS).map(|_| "refused".to_owned());
    let heard: Vec<String> = refused.chain((0..8).map(|number| format!("hello {number}\n"))).collect();
    assert_eq!(output, &serde_json::json!(heard), "{:#?}", live.lines);
}

/// Logs in.
const LOGIN: &str = r#"
/// Logs in, in two ways.
///
/// Example output:
///
///     7/tcp open echo
///     |_login: done
const categories = ["safe"];
const capabilities = ["tcp"];
const args = #{ password: #{ type: "string", help: "a password" }, user: #{ type: "string", help: "a name" } };
const portrule = #{ protocol: "tcp", ports: [1] };

fn action(host, port) {
    let s = net::connect(host, port);
    let user = script::arg("user");
    let password = script::arg("password");
    net::send(s, "PASS " + password + "\n" + "Basic " + base64::encode(user + ":" + password) + "\n");
    bytes::to_text(net::receive_lines(s, 2))
}
"#;

#[test]
fn a_secret_is_not_in_a_redacted_recording_which_replays_strictly_all_the_same() {
    let dir = Dir::new();
    dir.write("login.rhai", LOGIN);
    let peer = Peer::echo();
    let folder = dir.path().display().to_string();
    let secrets = ["hunter2+3", "Y2FtcHVzOmh1bnRlcjIrMw"]; // the second is how both look in Base64
    let record = |redact: &[&str]| {
        let file = dir.join("run.pcapng");
        let run = scan(["-p", &peer.port(), "--script-dir", &folder, "--script", "+login", &peer.ip()])
            .args(["--script-args", "login.user=campus,login.password=hunter2+3"])
            .args(redact)
            .args(["--record".as_ref(), file.as_os_str()])
            .run()
            .expect(0);
        assert!(run.report().script("login")["output"].as_str().is_some_and(|said| said.contains(secrets[0])), "{run}");
        let held = std::fs::read(&file).expect("it was recorded");
        let again = sonde(["--replay".as_ref(), file.as_os_str()]).args(["--json"]).run().expect(0);
        assert_eq!(again.stderr, "", "{again}");
        let held = secrets.map(|secret| held.windows(secret.len()).any(|window| window == secret.as_bytes()));
        (held, again.report().script("login")["output"].clone())
    };
    let (held, said) = record(&[]);
    assert_eq!((held, said), ([true, true], "PASS hunter2+3\nBasic Y2FtcHVzOmh1bnRlcjIrMw==\n".into()));
    let (held, said) = record(&["--record-redact"]);
    assert_eq!((held, said), ([false, false], "PASS xxxxxxxxx\nBasic Y2FtcHVzOnh4eHh4eHh4eA==\n".into()));
}

/// Sends two requests over one connection, or each over one of its own.
const ORDERED: &str = r#"
/// Asks twice.
///
/// Example output:
///
///     7/tcp open echo
///     |_ordered: done
const categories = ["safe"];
const capabilities = ["tcp"];
const portrule = #{ protocol: "tcp", ports: [1] };

fn action(host, port) {
    let both = [net::connect(host, port), net::connect(host, port)];
    net::send(both[0], "FIRST\n");
    net::receive_lines(both[0], 1);
    net::send(both[ONE], "SECOND\n");
    bytes::to_text(net::receive_lines(both[ONE], 1))
}
"#;

#[test]
fn a_script_that_changed_the_order_of_its_requests() {
    let peer = Peer::echo();
    for (connections, fits) in [("0", false), ("1", true)] {
        let dir = Dir::new();
        let file = dir.join("run.pcapng");
        let script = ORDERED.replace("ONE", connections);
        dir.write("ordered.rhai", &script);
        let folder = dir.path().display().to_string();
        let run = scan(["-p", &peer.port(), "--script-dir", &folder, "--script", "+ordered", &peer.ip()]);
        run.args(["--record".as_ref(), file.as_os_str()]).run().expect(0);
        let swapped = script.replace("FIRST", "x").replace("SECOND", "FIRST").replace("\"x", "\"SECOND");
        dir.write("ordered.rhai", swapped);
        let again = sonde(["--replay".as_ref(), file.as_os_str()]).args(["--json"]).run();
        if fits {
            // Which of two connections is which, the first bytes tell.
            assert_eq!(again.expect(0).report().script("ordered")["output"], "FIRST\n");
            continue;
        }
        let again = again.expect(5).says(&["differs at byte 0 (packet ", "recorded \"FIRST", "now \"SECOND"]);
        let failure = again.report().script("ordered")["failure"].clone();
        assert_eq!((&failure["class"], &failure["position"]["line"]), (&"replay".into(), &14.into()), "{failure:#}");
    }
}

/// A recording of a scan that had to wait for a second.
fn recorded(dir: &Dir) -> (Run, std::path::PathBuf) {
    let peer = Peer::greeting("220 ready\r\n");
    let file = dir.join("run.pcapng");
    let run = scan(["-p", &peer.port(), "--script", "+banner,+http-title", "--seed", "7", &peer.ip()])
        .args(["--script-args", "banner.timeout=1s"])
        .args(["--record".as_ref(), file.as_os_str()])
        .run()
        .expect(0);
    (run, file)
}

#[test]
fn two_replays_print_the_same_bytes_in_all_formats() {
    let dir = Dir::new();
    let (_, file) = recorded(&dir);
    let replay = |base: &str| {
        let folder = dir.join(base);
        std::fs::create_dir(&folder).expect("a new folder");
        let run = sonde(["--replay".as_ref(), file.as_os_str()]).args(["-oA", "report", "-v"]).within(&folder).run();
        let run = run.expect(0);
        let reports = ["nmap", "xml", "gnmap", "jsonl"];
        let read = |ending| std::fs::read(folder.join(format!("report.{ending}"))).expect("a report");
        (run.stdout, run.stderr, reports.map(read))
    };
    assert_eq!(replay("one"), replay("two"));
}

#[test]
fn a_replay_needs_no_network_and_no_rights() {
    if !geteuid().is_root() {
        return cannot_run("making a namespace without interfaces takes root");
    }
    let dir = Dir::new();
    let (live, file) = recorded(&dir);
    // Somebody who may do nothing must be able to read them.
    let (program, taken) = ("/tmp/sonde-replay-test-program", "/tmp/sonde-replay-test.pcapng");
    copy(PROGRAM.as_ref(), program.as_ref());
    std::fs::copy(&file, taken).expect("room in /tmp");
    let words = ["-n", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", program];
    let run = Sonde::command("unshare").args(words).args(["--replay", taken, "--json"]).run().expect(0);
    assert_eq!(results(&run.report()), results(&live.report()));
    std::fs::remove_file(program).expect("it was there");
    std::fs::remove_file(taken).expect("it was there");
}

#[test]
fn a_difference_is_shown_with_the_line_of_the_script() {
    let Some(server) = servers::nginx("") else { return };
    let dir = Dir::new();
    let file = dir.join("run.pcapng");
    let arguments = ["-p", &server.port(), "--script", "+http-title", &server.ip()];
    scan(arguments).args(["--record".as_ref(), file.as_os_str()]).run().expect(0);
    let changed = ["--json", "--script-args", "http-title.url=/other"];
    let strict = sonde(["--replay".as_ref(), file.as_os_str()]).args(changed).run().expect(5);
    let strict = strict.says(&["byte 5 (packet ", "recorded \"GET / HTTP", "now \"GET /other HTTP"]);
    let record = strict.report().script("http-title").clone();
    assert_eq!((&record["failure"]["class"], &record["outcome"]), (&"replay".into(), &"failed".into()), "{record:#}");
    assert!(record["failure"]["position"]["line"].as_u64().is_some_and(|line| line > 1), "{record:#}");
    let lenient = sonde(["--replay".as_ref(), file.as_os_str(), "--replay-lenient".as_ref()]).args(changed).run();
    let lenient = lenient.expect(0).says(&["now \"GET /other HTTP"]);
    assert_eq!(lenient.report().script("http-title")["outcome"], "done");
}

/// A worker asks; its script bears whatever becomes of it.
const BEARING: &str = r#"
/// Bears everything.
///
/// Example output:
///
///     7/tcp open echo
///     |_bearing: done
const categories = ["safe"];
const capabilities = ["tcp"];
const portrule = #{ protocol: "tcp", ports: [1] };

fn ask(host, port) {
    let s = net::connect(host, port);
    net::send(s, "WORD\n");
    net::receive_lines(s, 1)
}

fn action(host, port) {
    let w = worker::start(|| BODY);
    try { WAIT } catch (e) {}
    "done"
}
"#;

#[test]
fn a_difference_in_a_worker_ends_the_whole_script() {
    let peer = Peer::echo();
    let bodies = ["ask(host, port)", "coroutine::resume(coroutine::create(|| ask(host, port)))"];
    let waits = ["worker::join(w)", "loop { worker::sleep(0.01); if worker::status(w) == \"done\" { break; } }"];
    for (body, wait) in bodies.iter().flat_map(|body| waits.map(|wait| (body, wait))) {
        let dir = Dir::new();
        let file = dir.join("run.pcapng");
        let script = BEARING.replace("BODY", body).replace("WAIT", wait);
        dir.write("bearing.rhai", &script);
        let folder = dir.path().display().to_string();
        let run = scan(["-p", &peer.port(), "--script-dir", &folder, "--script", "+bearing", &peer.ip()]);
        let live = run.args(["--record".as_ref(), file.as_os_str()]).run().expect(0).report();
        assert_eq!(live.script("bearing")["output"], "done");
        dir.write("bearing.rhai", script.replace("WORD", "OTHER"));
        let again = sonde(["--replay".as_ref(), file.as_os_str()]).args(["--json"]).run();
        let again = again.expect(5).says(&["recorded \"WORD", "now \"OTHER"]).report();
        let record = again.script("bearing");
        let failure = &record["failure"];
        assert_eq!((&record["outcome"], &record["output"]), (&"failed".into(), &serde_json::Value::Null), "{record:#}");
        assert_eq!((&failure["class"], &failure["position"]["line"]), (&"replay".into(), &14.into()), "{failure:#}");
        assert!(failure["message"].as_str().is_some_and(|text| text.contains("now \"OTHER")), "{failure:#}");
    }
}

#[test]
fn files_that_cannot_be_replayed_are_named() {
    let dir = Dir::new();
    let (_, file) = recorded(&dir);
    let whole = std::fs::read(&file).expect("it was recorded");
    let refused = |content: &[u8], part: &str| {
        let file = dir.write("bad.pcapng", content);
        let run = sonde(["--replay".as_ref(), file.as_os_str()]).run().expect(2).says(&["bad.pcapng: ", part]);
        assert!(run.stdout.is_empty(), "{run}");
    };
    refused(b"", "the file is empty");
    refused(b"hello", "the file is no capture");
    refused(&whole[..whole.len() - 3], "the file ends inside it");
    let key = b"\"sonde-recording\":";
    let at = whole.windows(key.len()).position(|window| window == key).expect("our header");
    let mut newer = whole.clone();
    newer[at + key.len()] = b'9';
    refused(&newer, "it is written in format 9 (by sonde ");
    sonde(["--replay", "/nowhere/x.pcapng"]).run().expect(2).says(&["/nowhere/x.pcapng"]);
}

/// tcpdump on loopback; stopped by its id.
struct Tcpdump(Child);

impl Tcpdump {
    fn start(file: &Path, port: &str) -> Option<Tcpdump> {
        if !geteuid().is_root() {
            cannot_run("capturing takes root");
            return None;
        }
        let child = Command::new("tcpdump")
            .args(["-i", "lo", "-U", "--immediate-mode", "-w"])
            .arg(file)
            .args(["tcp", "port", port])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            cannot_run("tcpdump is not installed");
            return None;
        };
        // It says so when it listens.
        let mut line = String::new();
        let mut said = std::io::BufReader::new(child.stderr.take().expect("piped"));
        while !line.contains("listening on") {
            line.clear();
            let length = std::io::BufRead::read_line(&mut said, &mut line).expect("it speaks");
            assert!(length > 0, "tcpdump ended at once");
        }
        child.stderr = Some(said.into_inner());
        Some(Tcpdump(child))
    }

    /// Ends it in good order, so that it writes what it has.
    fn stop(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::INT).expect("it is our child");
        self.0.wait().expect("it is our child");
    }
}

#[test]
fn a_capture_of_somebody_else_is_a_fixture() {
    let Some(server) = servers::nginx("location = / { return 200 '<title>Captured</title>'; }") else { return };
    let dir = Dir::new();
    let file = dir.join("capture.pcap");
    let Some(tcpdump) = Tcpdump::start(&file, &server.port()) else { return };
    // A session of another program: here sonde's own, in other words.
    let script = ["-p", &server.port(), "--script", "+http-title", &server.ip()];
    scan(script).args(["--script-args", "http.useragent=somebody"]).run().expect(0);
    tcpdump.stop();
    let replay = ["--replay".as_ref(), file.as_os_str(), "--replay-lenient".as_ref()];
    let run =
        sonde(replay).args(["-n", "--json"]).args(script).run().expect(0).says(&["what is sent differs", "now …"]);
    assert_eq!(run.report().script("http-title")["output"], "Captured", "{run}");
}

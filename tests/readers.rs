//! Reports read by programs that are not ours: python-libnmap, python-nmap and jsonschema, from the virtual environment that
//! `make prepare` makes. What they must see is counted here, with a reader of our own.

use std::path::{Path, PathBuf};
use std::process::Command;

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::support::cannot_run;
use crate::support::dir::Dir;
use crate::support::peer::Peer;
use crate::support::servers;
use crate::support::sonde::sonde;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Python that has the readers. None, said loudly, where there is none.
fn python() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("venv").join("bin/python");
    if !python.exists() {
        cannot_run(&format!("{} is missing: run make prepare", python.display()));
        return None;
    }
    Some(python)
}

/// Runs `tests/readers.py`; it ends well if the readers saw what they should.
fn reader(python: &Path, arguments: &[&str]) {
    let run =
        Command::new(python).arg(root().join("tests/readers.py")).args(arguments).output().expect("python starts");
    assert!(run.status.success(), "readers.py {arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
}

/// What a report in XML holds: hosts, hosts up, ports listed one by one, those of UDP, scripts below hosts and ports,
/// hardware addresses, hops of routes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    hosts: usize,
    up: usize,
    ports: usize,
    udp: usize,
    scripts: usize,
    macs: usize,
    hops: usize,
}

fn count(path: &Path) -> Counts {
    let text = std::fs::read_to_string(path).expect("a report");
    let mut reader = Reader::from_str(&text);
    let (mut counts, mut in_host) = (Counts::default(), false);
    loop {
        match reader.read_event().expect("well-formed XML") {
            Event::Start(tag) | Event::Empty(tag) => match tag.name().as_ref() {
                "host" => (in_host, counts.hosts) = (true, counts.hosts + 1),
                "status" => counts.up += usize::from(tag.contains(r#"state="up""#)),
                "port" => {
                    counts.ports += 1;
                    counts.udp += usize::from(tag.contains(r#"protocol="udp""#));
                }
                "address" => counts.macs += usize::from(tag.contains(r#"addrtype="mac""#)),
                "hop" => counts.hops += 1,
                "script" => counts.scripts += usize::from(in_host),
                _ => {}
            },
            Event::End(tag) if tag.name().as_ref() == "host" => in_host = false,
            Event::Eof => return counts,
            _ => {}
        }
    }
}

fn read_xml(python: &Path, path: &Path) {
    let counts = count(path);
    let counts = [
        ("--hosts", counts.hosts),
        ("--up", counts.up),
        ("--ports", counts.ports),
        ("--udp", counts.udp),
        ("--scripts", counts.scripts),
        ("--macs", counts.macs),
        ("--hops", counts.hops),
    ];
    let path = path.display().to_string();
    let counts = counts.map(|(name, count)| format!("{name}={count}"));
    let arguments: Vec<&str> = ["xml", &path].into_iter().chain(counts.iter().map(String::as_str)).collect();
    reader(python, &arguments);
}

fn read_json_lines(python: &Path, path: &Path) {
    let schema = root().join("docs/report.schema.json").display().to_string();
    reader(python, &["jsonl", &path.display().to_string(), &schema]);
}

/// Recorded reports with this extension.
fn recorded(extension: &str) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(root().join("testdata/report")).expect("recorded reports");
    let mut paths: Vec<PathBuf> = folder.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    assert!(paths.len() > 3, "only {paths:?}");
    paths
}

#[test]
fn recorded_xml_is_read_by_others() {
    let Some(python) = python() else { return };
    for path in recorded("xml") {
        read_xml(&python, &path);
    }
}

#[test]
fn what_packets_told_is_read_by_others() {
    let Some(python) = python() else { return };
    let path = root().join("testdata/report/packets.xml");
    assert_eq!(count(&path), Counts { hosts: 3, up: 3, ports: 5, udp: 2, scripts: 1, macs: 1, hops: 5 });
    read_xml(&python, &path);
}

#[test]
fn recorded_json_lines_follow_their_schema() {
    let Some(python) = python() else { return };
    for path in recorded("jsonl") {
        read_json_lines(&python, &path);
    }
}

/// Reads both documents of a run; the counts are those of hosts, hosts up, ports listed and scripts.
fn read_both(dir: &Dir, [hosts, up, ports, scripts]: [usize; 4]) {
    let Some(python) = python() else { return };
    let xml = dir.join("scan.xml");
    assert_eq!(count(&xml), Counts { hosts, up, ports, scripts, ..Counts::default() });
    read_xml(&python, &xml);
    read_json_lines(&python, &dir.join("scan.jsonl"));
}

#[test]
fn a_scan_with_scripts() {
    let Some(server) = servers::nginx("") else { return };
    let closed = Peer::refusing();
    let dir = Dir::new();
    let structured = "const hostrule = true;\nfn action(host) {\n    let t = output::table();\n    t.name = host.ip;\n    \
                      t.list = [1, 2.5, true];\n    t.inner = #{ a: \"<&>\\\"'\", b: blob(2, 255) };\n    t\n}";
    dir.write("structured.rhai", structured);
    let ports = format!("{},{}", server.port(), closed.port());
    sonde(["-n", "-p", &ports, "--script", "+http-title,./structured.rhai", "-oX", "scan.xml", "-oJ", "scan.jsonl"])
        .args([&server.ip(), &closed.ip()])
        .within(dir.path())
        .run()
        .expect(0);
    read_both(&dir, [2, 2, 4, 3]);
}

#[test]
fn an_interrupted_scan() {
    let (peer, silent, dir) = (Peer::greeting("hello\n"), Peer::silent(), Dir::new());
    let source = "const portrule = #{};\nconst capabilities = [\"tcp\"];\nfn action(host, port) {\n    \
                  bytes::to_text(net::receive(net::connect(host, port)))\n}";
    dir.write("listen.rhai", source);
    let ports = format!("{},{}", peer.port(), silent.port());
    let mut run =
        sonde(["-n", "--json", "-p", &ports, "--script", "./listen.rhai", "-oX", "scan.xml", &peer.ip(), &silent.ip()])
            .args(["--script-operation-timeout", "1h"])
            .within(dir.path())
            .start();
    run.wait_for_output("the first host", |text| text.contains("hello"));
    silent.wait_for_connections(1);
    run.signal(rustix::process::Signal::INT);
    dir.write("scan.jsonl", run.finish().expect(130).stdout);
    read_both(&dir, [1, 1, 2, 1]);
}

#[test]
fn hostile_text_and_failures() {
    let hostile = Peer::greeting("\u{1b}[31m<b>&amp;]]>\u{0}\u{ffff}\u{202e}\n");
    let reset = Peer::resetting(false);
    let dir = Dir::new();
    let source = "const portrule = #{};\nconst capabilities = [\"tcp\"];\nfn action(host, port) {\n    \
                  let s = net::connect(host, port);\n    net::send(s, \"\\r\\n\\r\\n\");\n    \
                  #{ line: bytes::to_text(net::receive_lines(s, 1)) }\n}";
    dir.write("line.rhai", source);
    dir.write("bug.rhai", "const hostrule = true;\nfn action(host) { frob() }");
    let ports = format!("{},{}", hostile.port(), reset.port());
    sonde(["-n", "-p", &ports, "--script", "./line.rhai,./bug.rhai", "-oX", "scan.xml", "-oJ", "scan.jsonl"])
        .args([&hostile.ip(), &reset.ip()])
        .within(dir.path())
        .run()
        .expect(3);
    read_both(&dir, [2, 2, 4, 4]);
}

#[test]
fn a_scan_without_any_host() {
    let dir = Dir::new();
    sonde(["-n", "-p", "1", "127.0.0.1", "--exclude", "127.0.0.1", "-oX", "scan.xml", "-oJ", "scan.jsonl"])
        .within(dir.path())
        .run()
        .expect(0);
    read_both(&dir, [0, 0, 0, 0]);
}

//! Reports read by programs that are not ours: python-libnmap and python-nmap for the XML, jsonschema for the JSON Lines.

use std::path::Path;
use std::process::Command;

use crate::support::cannot_run;
use crate::support::dir::Dir;
use crate::support::peer::Peer;
use crate::support::servers;
use crate::support::sonde::sonde;

/// Runs `tests/readers.py`; says loudly if its Python is missing.
fn read(arguments: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/venv/bin/python3");
    if !python.is_file() {
        let what = "target/venv/bin/python3 is missing: make it with `make venv` (python3-venv; pip install \
                    python-libnmap python-nmap jsonschema)";
        return cannot_run(what);
    }
    let run = Command::new(&python).arg(root.join("tests/readers.py")).args(arguments).output();
    let run = run.unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    let said = [run.stdout, run.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(run.status.success(), "readers.py {}: {said}", arguments.join(" "));
}

/// Reads both documents of a run; the counts are those of hosts, hosts up, ports listed and scripts.
fn read_both(dir: &Dir, [hosts, up, ports, scripts]: [&str; 4]) {
    let (xml, jsonl) = (dir.join("scan.xml").display().to_string(), dir.join("scan.jsonl").display().to_string());
    read(&["xml", &xml, "--hosts", hosts, "--up", up, "--ports", ports, "--scripts", scripts]);
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report.schema.json").display().to_string();
    read(&["jsonl", &jsonl, &schema]);
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
    read_both(&dir, ["2", "2", "4", "3"]);
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
    silent.wait_for_connections(2);
    run.signal(rustix::process::Signal::INT);
    dir.write("scan.jsonl", run.finish().expect(130).stdout);
    read_both(&dir, ["1", "1", "2", "1"]);
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
    read_both(&dir, ["2", "2", "4", "4"]);
}

#[test]
fn a_scan_without_any_host() {
    let dir = Dir::new();
    sonde(["-n", "-p", "1", "127.0.0.1", "--exclude", "127.0.0.1", "-oX", "scan.xml", "-oJ", "scan.jsonl"])
        .within(dir.path())
        .run()
        .expect(0);
    read_both(&dir, ["0", "0", "0", "0"]);
}

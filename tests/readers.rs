//! Reports read by programs that are not ours: python-libnmap, python-nmap and jsonschema, from the virtual environment that
//! `make prepare` makes. What they must see is counted here, with a reader of our own.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::support::cannot_run;

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

/// What a report in XML holds: hosts, hosts up, ports listed one by one, scripts below hosts and ports.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    hosts: usize,
    up: usize,
    ports: usize,
    scripts: usize,
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
                "port" => counts.ports += 1,
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
    let [hosts, up, ports, scripts] = [counts.hosts, counts.up, counts.ports, counts.scripts].map(|n| n.to_string());
    let path = path.display().to_string();
    reader(python, &["xml", &path, "--hosts", &hosts, "--up", &up, "--ports", &ports, "--scripts", &scripts]);
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
fn recorded_json_lines_follow_their_schema() {
    let Some(python) = python() else { return };
    for path in recorded("jsonl") {
        read_json_lines(&python, &path);
    }
}

/// A port that gives the same page to everybody.
fn page_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    let port = listener.local_addr().expect("an address").port();
    // Ends with the test's process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut request, page) = ([0; 4096], "<title>A page</title>");
            // The scan's own connection asks nothing; who hangs up early is not answered.
            if stream.read(&mut request).is_ok_and(|read| read > 0) {
                let _ = write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len());
            }
        }
    });
    port
}

#[test]
fn a_real_scan_is_read_by_others() {
    let Some(python) = python() else { return };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readers");
    std::fs::create_dir_all(&folder).expect("a folder of our own");
    let (xml, lines) = (folder.join("scan.xml"), folder.join("scan.jsonl"));
    let run = Command::new(env!("CARGO_BIN_EXE_sonde"))
        .args(["-n", "--script", "+http-title", "-p", &page_server().to_string(), "127.0.0.1"])
        .args(["-oX".as_ref(), xml.as_os_str(), "-oJ".as_ref(), lines.as_os_str()])
        .output()
        .expect("sonde starts");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(count(&xml), Counts { hosts: 1, up: 1, ports: 1, scripts: 1 });
    read_xml(&python, &xml);
    read_json_lines(&python, &lines);
}

//! Recorded cases of scripts: those of the shipped ones, and `--script-test` as an author elsewhere meets it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::support::dir::Dir;
use crate::support::peer::Peer;
use crate::support::sonde::{Sonde, scan, sonde};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn is_accepting() -> bool {
    std::env::var_os("SONDE_ACCEPT").is_some_and(|value| value == "1")
}

/// The shipped cases, by script.
fn shipped() -> BTreeMap<String, Vec<PathBuf>> {
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
        let mut found: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        found.sort();
        found
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    folders(&root().join("testdata/scripts")).iter().map(|script| (name(script), folders(script))).collect()
}

#[test]
fn every_shipped_case_says_what_it_shall_say() {
    let accept: &[&str] = if is_accepting() { &["--script-test-accept"] } else { &[] };
    let run = sonde(["--script-test"]).args(accept).within(root()).run();
    let count = shipped().values().flatten().count();
    assert!(
        count > 0 && run.text().ends_with(&format!("\n{count} cases, 0 failed\n")),
        "make accept, if it is right\n{run}"
    );
    let run = run.expect(0);
    assert_eq!(run.stderr, "", "{run}");
}

/// A row of the index for each case, from its `case.toml`.
fn index() -> String {
    let mut text = String::new();
    for path in shipped().values().flatten() {
        let file = path.join("case.toml");
        let content = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("read {}: {error}", file.display()));
        let case: toml::Table = content.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let shown = path.strip_prefix(root().join("testdata")).expect("it is below").display();
        let cells = ["shows", "server", "version", "made", "redacted"].map(|key| {
            let cell = case.get(key).and_then(toml::Value::as_str).unwrap_or_else(|| panic!("{shown}: no {key}"));
            assert!(cell != "unknown", "{shown}: {key} is to be told");
            cell.replace('|', "\\|")
        });
        writeln!(text, "| `{shown}` | {} |", cells.join(" | ")).expect("memory");
    }
    text
}

#[test]
fn the_index_tells_where_every_recording_comes_from() {
    const BEGIN: &str = "| case | shows | server | version | made by | taken out |\n|---|---|---|---|---|---|\n";
    let path = root().join("testdata/README.md");
    let text = std::fs::read_to_string(&path).expect("testdata/README.md");
    let (before, found) = text.split_once(BEGIN).expect("a table of the cases at its end");
    if is_accepting() {
        return std::fs::write(path, format!("{before}{BEGIN}{}", index())).expect("it is writable");
    }
    assert_eq!(found, index(), "testdata/README.md is not what the case.toml say: make accept");
}

#[test]
fn recordings_are_small_and_hold_no_files_of_their_machine() {
    for path in shipped().values().flatten() {
        let wire = std::fs::read(path.join("wire.pcapng")).expect("a recording");
        assert!(wire.len() < 64 << 10, "{}: {} bytes", path.display(), wire.len());
        for name in ["/etc/hosts", "/etc/resolv.conf", "--record"] {
            let held = wire.windows(name.len()).any(|window| window == name.as_bytes());
            assert!(!held, "{} holds {name}", path.display());
        }
    }
}

/// A script of an author elsewhere.
const GREETED: &str = r#"
/// The first line a server says.
///
/// Example output:
///
///     2323/tcp open 3d-nfsd
///     |_greeted: hello
const categories = ["safe"];
const capabilities = ["tcp"];
const portrule = #{ protocol: "tcp", ports: [1] };

fn action(host, port) {
    bytes::to_text(net::receive_lines(net::connect(host, port), 1))
}
"#;

/// A folder with that script and one case of it, not yet accepted.
fn foreign() -> Dir {
    let dir = Dir::new();
    dir.write("mine/greeted.rhai", GREETED);
    let wire = dir.write("cases/greeted/found/wire.pcapng", "");
    let peer = Peer::greeting("hello\r\n");
    let words = ["-n", "-p", &peer.port(), "--script", "+greeted", "--seed", "7", &peer.ip()];
    let mine = dir.join("mine");
    let recording = ["--script-dir".as_ref(), mine.as_os_str(), "--record".as_ref(), wire.as_os_str()];
    scan(words).args(recording).run().expect(0);
    describe(&dir, &format!("arguments = {words:?}\n"));
    dir
}

fn describe(dir: &Dir, more: &str) {
    let fixed =
        "shows = \"a greeting\"\nserver = \"a test\"\nversion = \"1\"\nmade = \"by it\"\nredacted = \"nothing\"\n";
    dir.write("cases/greeted/found/case.toml", format!("{fixed}{more}"));
}

/// `--script-test` on it.
fn test(dir: &Dir, words: &[&str]) -> Sonde {
    sonde(["--script-test", "--script-test-dir", "cases", "--script-dir", "mine"]).args(words).within(dir.path())
}

#[test]
fn a_case_of_somebody_else_is_accepted_then_holds_then_bites() {
    let dir = foreign();
    let broken = test(&dir, &[]).run().expect(5).text();
    assert!(broken.starts_with("BROKEN   greeted/found\n    ") && broken.contains("expected.txt"), "{broken}");
    let accepted = test(&dir, &["--script-test-accept"]).run().expect(0).text();
    assert_eq!(accepted, "accepted greeted/found\n1 cases, 0 failed\n");
    assert!(dir.read("cases/greeted/found/expected.txt").contains("|_greeted: hello"));
    assert!(!dir.read("cases/greeted/found/expected.jsonl").contains("run_start"));
    assert_eq!(test(&dir, &["greet*"]).run().expect(0).text(), "ok       greeted/found\n1 cases, 0 failed\n");

    // The script changes what it says.
    dir.write("mine/greeted.rhai", GREETED.replace("bytes::to_text", "\"well, \" + bytes::to_text"));
    let failed = test(&dir, &[]).run().expect(5).text();
    for part in
        ["FAILED   greeted/found\n", "    - |_greeted: hello\n    + |_greeted: well, hello\n", "-           \"output\""]
    {
        assert!(failed.contains(part), "{part:?} is not in {failed}");
    }
    // It changes what it does: no run to take expectations from.
    let asking =
        "{ let s = net::connect(host, port); net::send(s, \"x\"); bytes::to_text(net::receive_lines(s, 1)) }\n";
    let (head, _) = GREETED.split_once("{\n    bytes").expect("its body");
    dir.write("mine/greeted.rhai", format!("{head}{asking}"));
    let before = dir.read("cases/greeted/found/expected.txt");
    let failed = test(&dir, &["--script-test-accept"]).run().expect(5).text();
    assert!(failed.contains("FAILED   greeted/found\n") && failed.contains("replay"), "{failed}");
    assert_eq!(dir.read("cases/greeted/found/expected.txt"), before);
}

#[test]
fn cases_that_cannot_be_read_are_named() {
    let dir = foreign();
    for (more, part) in [
        ("arguments = []\ncolour = 1\n", "unknown field `colour`"),
        ("", "missing field `arguments`"),
        ("arguments = [\"--help\"]\n", "arguments are no scan"),
        ("arguments = [\"-sV\", \"127.0.0.1\"]\n", "version detection"),
        ("arguments = [\n", "case.toml"),
    ] {
        describe(&dir, more);
        let text = test(&dir, &[]).run().expect(5).text();
        assert!(text.contains("BROKEN   greeted/found\n") && text.contains(part), "{part:?} is not in {text}");
    }
    test(&dir, &["banner"]).run().expect(2).says(&["--script-test banner: no case in cases"]);
    test(&dir, &["no-such-script"]).run().expect(2).says(&["no-such-script"]);
    sonde(["--script-test", "--script-test-dir", "nowhere"]).run().expect(2).says(&["nowhere"]);
    sonde(["--script-test-accept", "127.0.0.1"]).run().expect(2).says(&["add --script-test"]);
}

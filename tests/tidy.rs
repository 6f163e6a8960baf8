//! The architecture, held as data and read off the sources. Every rule also shows, on a bad snippet, that it bites.
//!
//! `rooms` has the edges, `owners` who alone may do what, `shape` the lengths, `house` the rest. Test code is free of all
//! but `house`: what lies behind `#[cfg(test)]` is taken away before the rules look.

mod cases;
mod house;
mod lexer;
mod owners;
mod paths;
mod rooms;
mod shape;
mod source;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use source::Source;

/// A broken rule.
struct Fault {
    path: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.rule)
    }
}

/// Fails with every fault on a line of its own.
fn expect_none(faults: &[Fault]) {
    let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert!(lines.is_empty(), "{} rules broken\n{}", lines.len(), lines.join("\n"));
}

/// Fails unless the faults are these, as `path:line` and a part of the rule's text.
fn expect(faults: &[Fault], wanted: &[(&str, &str)]) {
    let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    let found = |(at, rule): &(&str, &str)| lines.iter().any(|l| l.starts_with(&format!("{at}: ")) && l.contains(rule));
    let missing: Vec<_> = wanted.iter().filter(|one| !found(one)).collect();
    assert!(missing.is_empty() && lines.len() == wanted.len(), "missing {missing:?} in\n{}", lines.join("\n"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` with this extension, sorted; none if there is no such folder.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The path as people write it, and the text.
fn read(path: &Path) -> (String, String) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
    let shown = path.strip_prefix(root()).unwrap_or(path).display().to_string();
    (shown, text)
}

/// The sources of the program, without their tests.
fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    let sources = SOURCES.get_or_init(|| source::without_tests(files("src", "rs").iter().map(|path| read(path))));
    assert!(sources.len() > 50, "only {} sources found", sources.len());
    sources
}

//! Which room may name which.

use super::source::Source;
use super::{Fault, expect, expect_none, paths, sources};

/// Each room, bottom to top, with what it may name: a room, or one path inside it. Its own content is always free.
const EDGES: [(&str, &[&str]); 16] = [
    ("model", &[]),
    ("error", &["model"]),
    ("target", &["error", "model"]),
    ("runtime", &["model"]),
    ("packet", &["model"]),
    ("capture", &["packet", "target", "runtime", "model"]),
    ("net", &["capture", "packet", "runtime", "error", "model"]),
    ("script", &["runtime", "error", "model"]),
    ("scan", &["net", "target", "capture", "packet", "runtime", "model"]),
    // The script stage is the one thing of the pipeline that bindings fill in.
    ("bindings", &["scan::scripts", "script", "net", "capture", "packet", "runtime", "error", "model"]),
    ("report", &["error", "model"]),
    ("cli", &["error", "model"]),
    ("app", &["cli", "report", "bindings", "scan", "script", "net", "runtime", "target", "error", "model"]),
    ("lib", &[]),
    ("main", &["app"]),
    ("build", &[]),
];

fn faults(sources: &[Source]) -> Vec<Fault> {
    sources.iter().flat_map(faults_of).collect()
}

fn faults_of(source: &Source) -> Vec<Fault> {
    let fault = |line, rule| Fault { path: source.path.clone(), line, rule };
    let Some((room, allowed)) = EDGES.iter().find(|(room, _)| *room == source.room()) else {
        return vec![fault(1, format!("no room is called {}; add it to EDGES in tests/tidy/rooms.rs", source.room()))];
    };
    let is_allowed = |path: &[String]| {
        let named = path.join("::");
        let covers = |edge: &str| named == edge || named.strip_prefix(edge).is_some_and(|rest| rest.starts_with("::"));
        covers(room) || allowed.iter().any(|edge| covers(edge))
    };
    let named = paths::named(source).into_iter().filter(|(path, _)| !is_allowed(path));
    let mut faults: Vec<Fault> = named
        .map(|(path, line)| {
            let list = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
            fault(line, format!("{room} may name {list}; it names {}", path.join("::")))
        })
        .collect();
    let tokens = source.tokens();
    let renamed = tokens.windows(2).filter(|pair| pair[0].text == "crate" && pair[1].text == "as");
    faults.extend(renamed.map(|pair| fault(pair[0].line, "the crate keeps its name".to_owned())));
    faults
}

#[test]
fn rooms_name_only_what_they_may() {
    expect_none(&faults(sources()));
}

#[test]
fn every_room_of_the_table_is_there() {
    let sources = sources();
    let gone = EDGES.iter().filter(|(room, _)| *room != "build" && sources.iter().all(|source| source.room() != *room));
    assert_eq!(gone.count(), 0);
}

#[test]
fn a_wrong_edge_is_found() {
    let bad = [
        Source::new("src/script/x.rs", "\nuse crate::{model::Port, net::Network};"),
        Source::new("src/bindings/x.rs", "use crate::scan::{scripts::ScriptStage, Pipeline};"),
        Source::new("src/model/x.rs", "fn a() -> super::super::runtime::Clock {}"),
        Source::new("src/scan/x.rs", "use crate as c;\nuse crate::*;"),
        Source::new("src/main.rs", "fn main() { sonde::net::x() }"),
        Source::new("src/helpers/mod.rs", ""),
    ];
    expect(
        &faults(&bad),
        &[
            ("src/script/x.rs:2", "it names net::Network"),
            ("src/bindings/x.rs:1", "it names scan::Pipeline"),
            ("src/model/x.rs:1", "it names runtime::Clock"),
            ("src/scan/x.rs:1", "keeps its name"),
            ("src/scan/x.rs:2", "it names *"),
            ("src/main.rs:1", "it names net::x"),
            ("src/helpers/mod.rs:1", "no room is called helpers"),
        ],
    );
}

#[test]
fn right_edges_and_tests_are_left_alone() {
    let good = "// crate::net\nuse crate::{model::Port, runtime::Clock};\nuse super::super::script::x;\n
        const A: &str = \"crate::net\";\n#[cfg(test)]\nmod tests { use crate::net::Network; }";
    expect_none(&faults(&[Source::new("src/script/x.rs", good)]));
}

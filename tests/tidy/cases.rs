//! Every shipped script has recorded cases: one that finds something, one that meets silence or a refusal.

use super::{Fault, expect, expect_none, files, root};

/// Cases a script has at least.
const LEAST: usize = 2;
/// What every case holds.
const PARTS: [&str; 4] = ["case.toml", "wire.pcapng", "expected.txt", "expected.jsonl"];
/// Scripts that send or capture packets themselves: a recording does not hold those yet (docs/RECORDING.md), so a replay skips
/// them. tests/lab runs them on networks made for it.
const RAW: [&str; 12] = [
    "arp-discover",
    "broadcast-listener",
    "firewalk",
    "icmp-timestamp",
    "ipidseq",
    "otrace",
    "p0f",
    "path-mtu",
    "qscan",
    "record-route",
    "sniffer-detect",
    "tcp-timestamps",
];

/// Scripts by name and text, and the paths of files of cases.
fn untested(scripts: &[(String, String)], found: &[String]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (id, text) in scripts {
        let mut fault = |rule: String| faults.push(Fault { path: format!("scripts/{id}.rhai"), line: 1, rule });
        let capabilities = text.lines().find(|line| line.starts_with("const capabilities")).unwrap_or_default();
        let is_raw = ["\"raw\"", "\"capture\""].iter().any(|word| capabilities.contains(word));
        let prefix = format!("testdata/scripts/{id}/");
        let of_script = || found.iter().filter_map(|path| path.strip_prefix(&prefix)?.split_once('/'));
        let mut cases: Vec<&str> = of_script().map(|(case, _)| case).collect();
        cases.sort_unstable();
        cases.dedup();
        match (is_raw, RAW.contains(&id.as_str())) {
            (false, true) => {
                fault("sends no packets: take it from the list of those that cannot be recorded".to_owned());
            }
            (true, false) => fault("sends packets: put it into the list of those that cannot be recorded".to_owned()),
            (false, false) if cases.len() < LEAST => {
                fault(format!("{} recorded cases, {LEAST} are wanted: make record-case SCRIPT={id} …", cases.len()));
            }
            (true, true) | (false, false) => {}
        }
        for case in cases {
            for part in PARTS.iter().filter(|part| !of_script().any(|one| one == (case, **part))) {
                fault(format!("its case {case} has no {part}"));
            }
        }
    }
    faults
}

/// Folders of cases whose script is gone.
fn orphans(scripts: &[(String, String)], found: &[String]) -> Vec<Fault> {
    let lost = found.iter().filter(|path| {
        let id = path.strip_prefix("testdata/scripts/").and_then(|path| path.split('/').next());
        id.is_none_or(|id| scripts.iter().all(|(script, _)| script != id))
    });
    lost.map(|path| Fault { path: path.clone(), line: 1, rule: "there is no such script".to_owned() }).collect()
}

fn shipped() -> Vec<(String, String)> {
    let read = files("scripts", "rhai").into_iter().map(|path| super::read(&path));
    read.map(|(path, text)| (path.trim_start_matches("scripts/").trim_end_matches(".rhai").to_owned(), text)).collect()
}

fn recorded() -> Vec<String> {
    let paths = ["toml", "pcapng", "txt", "jsonl"].iter().flat_map(|extension| files("testdata/scripts", extension));
    paths.map(|path| path.strip_prefix(root()).unwrap_or(&path).display().to_string()).collect()
}

#[test]
fn every_script_has_recorded_cases() {
    let (scripts, found) = (shipped(), recorded());
    assert!(RAW.iter().all(|raw| scripts.iter().any(|(id, _)| id == raw)), "the list names a script that is gone");
    expect_none(&untested(&scripts, &found));
    expect_none(&orphans(&scripts, &found));
}

#[test]
fn the_rule_bites() {
    let script = |id: &str, capability: &str| (id.to_owned(), format!("\nconst capabilities = [\"{capability}\"];\n"));
    let scripts =
        [script("a", "tcp"), script("b", "raw"), script("p0f", "tcp"), script("c", "dns"), script("qscan", "raw")];
    let mut found: Vec<String> = Vec::new();
    for case in ["c/one", "c/two", "a/one"] {
        found.extend(PARTS.iter().map(|part| format!("testdata/scripts/{case}/{part}")));
    }
    expect(
        &untested(&scripts, &found),
        &[
            ("scripts/a.rhai:1", "1 recorded cases"),
            ("scripts/b.rhai:1", "put it into the list"),
            ("scripts/p0f.rhai:1", "take it from the list"),
        ],
    );
    found.retain(|path| !path.ends_with("two/expected.txt"));
    expect(&untested(&scripts[3..4], &found), &[("scripts/c.rhai:1", "case two has no expected.txt")]);
    expect(
        &orphans(&scripts[3..], &["testdata/scripts/gone/x/case.toml".to_owned()]),
        &[("testdata/scripts/gone/x/case.toml:1", "no such")],
    );
}

//! Every shipped script has recorded cases: one that finds something, one that meets silence or a refusal.

use super::{Fault, expect, expect_none, files, root};

/// Cases a script has at least.
const LEAST: usize = 2;
/// What every case holds.
const PARTS: [&str; 4] = ["case.toml", "wire.pcapng", "expected.txt", "expected.jsonl"];
/// Scripts by name, and the paths of files of cases.
fn untested(scripts: &[String], found: &[String]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for id in scripts {
        let mut fault = |rule: String| faults.push(Fault { path: format!("scripts/{id}.rhai"), line: 1, rule });
        let prefix = format!("testdata/scripts/{id}/");
        let of_script = || found.iter().filter_map(|path| path.strip_prefix(&prefix)?.split_once('/'));
        let mut cases: Vec<&str> = of_script().map(|(case, _)| case).collect();
        cases.sort_unstable();
        cases.dedup();
        if cases.len() < LEAST {
            fault(format!("{} recorded cases, {LEAST} are wanted: make record-case SCRIPT={id} …", cases.len()));
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
fn orphans(scripts: &[String], found: &[String]) -> Vec<Fault> {
    let lost = found.iter().filter(|path| {
        let id = path.strip_prefix("testdata/scripts/").and_then(|path| path.split('/').next());
        id.is_none_or(|id| scripts.iter().all(|script| script != id))
    });
    lost.map(|path| Fault { path: path.clone(), line: 1, rule: "there is no such script".to_owned() }).collect()
}

fn shipped() -> Vec<String> {
    let paths = files("scripts", "rhai").into_iter();
    paths.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

fn recorded() -> Vec<String> {
    let paths = ["toml", "pcapng", "txt", "jsonl"].iter().flat_map(|extension| files("testdata/scripts", extension));
    paths.map(|path| path.strip_prefix(root()).unwrap_or(&path).display().to_string()).collect()
}

#[test]
fn every_script_has_recorded_cases() {
    let (scripts, found) = (shipped(), recorded());
    assert!(!scripts.is_empty());
    expect_none(&untested(&scripts, &found));
    expect_none(&orphans(&scripts, &found));
}

#[test]
fn the_rule_bites() {
    let scripts = ["a", "b", "c"].map(str::to_owned);
    let mut found: Vec<String> = Vec::new();
    for case in ["c/one", "c/two", "a/one"] {
        found.extend(PARTS.iter().map(|part| format!("testdata/scripts/{case}/{part}")));
    }
    expect(
        &untested(&scripts, &found),
        &[("scripts/a.rhai:1", "1 recorded cases"), ("scripts/b.rhai:1", "0 recorded cases")],
    );
    found.retain(|path| !path.ends_with("two/expected.txt"));
    expect(&untested(&scripts[2..], &found), &[("scripts/c.rhai:1", "case two has no expected.txt")]);
    expect(
        &orphans(&scripts[2..], &["testdata/scripts/gone/x/case.toml".to_owned()]),
        &[("testdata/scripts/gone/x/case.toml:1", "no such")],
    );
}

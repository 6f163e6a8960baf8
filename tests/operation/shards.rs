use std::collections::BTreeSet;

use serde_json::json;

use crate::support::dir::Dir;
use crate::support::sonde::{Report, scan, sonde};
use crate::support::xml::assert_well_formed;

const TARGETS: [&str; 5] = ["127.0.41.0/27", "127.0.41.20-40", "127.0.41.33", "--exclude", "127.0.41.3,127.0.41.30-31"];
const HOSTS: usize = 38;

fn addresses(report: &Report) -> Vec<String> {
    let hosts = report.hosts().into_iter();
    let mut found: Vec<String> = hosts.map(|host| host["address"].as_str().unwrap_or_default().to_owned()).collect();
    found.sort();
    found
}

#[test]
fn shards_cover_everything_once_and_are_joined_into_one_report() {
    let dir = Dir::new();
    let whole = scan(["-p", "9"]).args(TARGETS).run().expect(0).report();
    assert_eq!(addresses(&whole).len(), HOSTS);
    let mut all = Vec::new();
    for index in 1..=3 {
        let name = format!("{index}.jsonl");
        let arguments = ["-n", "-p", "9", "--shard", &format!("{index}/3"), "-oJ", &name, "--randomize-hosts"];
        sonde(arguments).args(TARGETS).within(dir.path()).run().expect(0);
        let report = Report::read(dir.path().join(name));
        assert_eq!(report.lines[0]["shard"], json!({"index": index, "of": 3}));
        assert_eq!(report.lines[0]["scan"], whole.lines[0]["scan"]);
        all.extend(addresses(&report));
    }
    all.sort();
    assert_eq!(all, addresses(&whole));
    let joined = sonde(["--merge", "1.jsonl", "2.jsonl", "3.jsonl", "--json", "-oX", "all.xml"]).within(dir.path());
    let joined = joined.run().expect(0).report();
    assert_eq!(addresses(&joined), all);
    assert_eq!(joined.end()["totals"], whole.end()["totals"]);
    assert_eq!(joined.end()["ending"], "complete");
    let names = assert_well_formed(&dir.read("all.xml"));
    assert_eq!(names.iter().filter(|name| *name == "host").count(), HOSTS);
}

#[test]
fn a_missing_shard_makes_the_report_incomplete() {
    let dir = Dir::new();
    for index in ["1/3", "3/3"] {
        let arguments = ["-n", "-p", "9", "--shard", index, "-oJ", &format!("{}.jsonl", &index[..1])];
        sonde(arguments).args(TARGETS).within(dir.path()).run().expect(0);
    }
    let merge = |more: &[&str]| sonde(["--merge", "1.jsonl", "3.jsonl", "--json"]).args(more).within(dir.path()).run();
    let run = merge(&[]).expect(3).says(&["no report of shard 2/3"]);
    assert_eq!(run.report().end()["ending"], "incomplete");
    merge(&["--allow-incomplete"]).expect(0);
}

#[test]
fn a_report_without_its_end_is_taken_as_far_as_it_goes() {
    let dir = Dir::new();
    for index in ["1/2", "2/2"] {
        let arguments = ["-n", "-p", "9", "--shard", index, "-oJ", &format!("{}.jsonl", &index[..1])];
        sonde(arguments).args(TARGETS).within(dir.path()).run().expect(0);
    }
    let text = dir.read("2.jsonl");
    let lines: Vec<&str> = text.lines().collect();
    dir.write("2.jsonl", format!("{}\n{}", lines[..4].join("\n"), &lines[4][..50]));
    let run = sonde(["--merge", "1.jsonl", "2.jsonl", "--json"]).within(dir.path()).run().expect(3);
    let report = run.says(&["--merge 2.jsonl: its run did not come to its end"]).report();
    let expected = addresses(&Report::read(dir.path().join("1.jsonl"))).len() + 3;
    assert_eq!(report.hosts().len(), expected);
    assert_eq!(report.end()["totals"]["stages"]["hosts"], json!({"planned": expected, "done": expected}));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let dir = Dir::new();
    let report = |name: &str, more: &[&str]| {
        sonde(["-n", "-oJ", name]).args(TARGETS).args(more).within(dir.path()).run().expect(0);
    };
    report("1.jsonl", &["-p", "9", "--shard", "1/2"]);
    report("2.jsonl", &["-p", "10", "--shard", "2/2"]);
    report("3.jsonl", &["-p", "9", "--shard", "2/3"]);
    report("whole.jsonl", &["-p", "9"]);
    dir.write("text", "Starting sonde\n");
    let merge = |other: &str| sonde(["--merge", "1.jsonl", other]).within(dir.path()).run().expect(2);
    merge("2.jsonl").says(&["--merge 2.jsonl: it is of another scan"]);
    merge("1.jsonl").says(&["--merge 1.jsonl: shard 1/2 is there twice"]);
    merge("3.jsonl").says(&["--merge 3.jsonl: it is shard 2/3, and"]);
    merge("whole.jsonl").says(&["it is no shard of one scan together with"]);
    merge("text").says(&["--merge text: line 1: no line of JSON"]);
    merge("nowhere").says(&["--merge nowhere: "]);
}

#[test]
fn a_random_order_is_repeated_by_its_seed() {
    let order = |seed: &str| {
        // One host at a time, so that they are reported in the order they begin.
        let arguments =
            ["-sT", "-p", "9", "--max-parallelism", "1", "--seed", seed, "--randomize-hosts", "127.0.42.0/26"];
        let report = scan(arguments).run().expect(0).report();
        let hosts = report.hosts().into_iter();
        hosts.map(|host| host["address"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let (one, other) = (order("1"), order("2"));
    assert_ne!(one, other);
    assert_eq!(one.iter().collect::<BTreeSet<_>>(), other.iter().collect::<BTreeSet<_>>());
    assert_eq!(one, order("1"));
}

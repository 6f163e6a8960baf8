//! The command line: what is refused and how, where reports go, exit codes.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::dir::Dir;
use crate::support::names::NameServer;
use crate::support::peer::Peer;
use crate::support::sonde::{PROGRAM, Report, Run, Sonde, scan, sonde};
use crate::support::{place, servers};

/// A refusal: exit code 2, nothing on stdout, every part on stderr.
#[track_caller]
fn refuses(arguments: &[&str], parts: &[&str]) {
    let run = sonde(arguments).run().expect(2).says(&["sonde: "]).says(parts);
    assert!(run.stdout.is_empty(), "results beside a refusal: {run}");
}

/// A run that finds nothing open, for tests about everything else.
fn quiet_scan(arguments: &[&str]) -> Run {
    let peer = Peer::refusing();
    sonde(["-n", "-p", &peer.port(), &peer.ip()]).args(arguments).run()
}

// What is asked for.

#[test]
fn wrong_options_are_refused_with_what_to_write() {
    refuses(&["--frobnicate", "127.0.0.1"], &["--frobnicate", "see sonde -h"]);
    refuses(&["--jsn", "127.0.0.1"], &["--jsn", "--json"]);
    refuses(&["-Z", "127.0.0.1"], &["-Z", "see sonde -h"]);
    refuses(&["127.0.0.1", "-p"], &["-p", "needs a value"]);
    refuses(&["127.0.0.1", "--script"], &["--script", "needs a value"]);
    refuses(&["--open=yes", "127.0.0.1"], &["--open"]);
    refuses(&["-T9", "127.0.0.1"], &["-T '9'", "0 to 5"]);
    refuses(&["-4", "-6", "127.0.0.1"], &["-4 and -6 contradict each other"]);
    refuses(&["-n", "-R", "127.0.0.1"], &["contradict each other"]);
    refuses(&["--max-rate", "1e3", "127.0.0.1"], &["--max-rate", "'1e3'"]);
    refuses(&["--script-timeout", "soon", "127.0.0.1"], &["--script-timeout", "'soon'"]);
    refuses(&["--host-timeout", "0", "127.0.0.1"], &["--host-timeout"]);
    refuses(&["--min-parallelism", "9", "--max-parallelism", "3", "127.0.0.1"], &["is above"]);
    refuses(&["--color", "mauve", "127.0.0.1"], &["'mauve'", "auto, always or never"]);
    refuses(&["--dns-servers", "ns.example.test", "127.0.0.1"], &["ns.example.test"]);
    refuses(&[], &["no targets given", "-iL"]);
}

#[test]
fn options_of_nmap_that_do_not_exist_are_refused_by_name() {
    let refused = [
        ("-sV", "version detection", "-sC"),
        ("-sSV", "version detection", "-sC"),
        ("-O", "operating system detection", "leave it out"),
        ("-A", "together", "-sC"),
        ("-sIzombie", "idle scan", "-sS"),
        ("-S", "forged source address", "leave it out"),
        ("-f", "fragmented packets", "leave it out"),
        ("-Dme", "decoys", "leave it out"),
        ("-iR5", "random targets", "-iL"),
        ("-oS", "script kiddie output", "-oN"),
        ("--datadir", "data directory", "--script-dir"),
    ];
    for (option, what, instead) in refused {
        refuses(&[option, "127.0.0.1"], &[option, what, "is not available in sonde", instead]);
    }
}

#[test]
fn help_version_and_script_help_go_to_stdout_and_end_well() {
    let help = sonde(["-h"]).run().expect(0);
    assert!(help.text().contains("Usage: sonde [options] <target>...") && help.stderr.is_empty(), "{help}");
    assert_eq!(sonde(["--help"]).run().expect(0).stdout, help.stdout);
    let too_wide = help.text().lines().filter(|line| line.chars().count() > 80).count();
    assert_eq!(too_wide, 0, "lines of the help wider than a terminal");
    let version = sonde(["-V"]).run().expect(0);
    assert_eq!(version.text(), format!("sonde {}\n", env!("CARGO_PKG_VERSION")));

    let text = sonde(["--script-help", "http-title"]).run().expect(0).text();
    for part in ["http-title\n", "categories", "capabilities", "tcp", "Title of the page"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let json = sonde(["--script-help", "http-title", "--json"]).run().expect(0).text();
    let list: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(list[0]["id"], "http-title");
    assert_eq!(list[0]["args"]["url"]["type"], "string");
    refuses(&["--script-help", "no-such-script"], &["no-such-script", "--script-help all"]);
}

#[test]
fn scans_that_contradict_themselves_are_refused() {
    refuses(&["-sS", "-sT", "127.0.0.1"], &["-sS and -sT contradict each other"]);
    refuses(&["-sOU", "127.0.0.1"], &["-sU and -sO contradict each other"]);
    refuses(&["-sn", "-p", "80", "127.0.0.1"], &["-sn and -p contradict each other", "-PS<ports>"]);
    refuses(&["--unprivileged", "-sS", "127.0.0.1"], &["--unprivileged and -sS", "use -sT"]);
    refuses(&["-e", "no-such-link", "127.0.0.1"], &["-e no-such-link: there is no such interface", "--iflist"]);
    refuses(&["--min-rate", "9", "--max-rate", "3", "127.0.0.1"], &["is above"]);
}

#[test]
fn wrong_lists_of_pings_are_refused_like_ports() {
    refuses(&["-sn", "-PS22,T:80", "127.0.0.1"], &["-PS: `T:80`", "without a qualifier"]);
    refuses(&["-sn", "-PU70000", "127.0.0.1"], &["-PU: `70000`", "0 to 65535"]);
    refuses(&["-sn", "-PAhtpp", "127.0.0.1"], &["-PA: `htpp`", "did you mean `http`"]);
    refuses(&["-sn", "-PO1,256", "127.0.0.1"], &["-PO: `256`", "0 to 255"]);
    refuses(&["-sT", "-p", "U:53", "127.0.0.1"], &["U:", "add -sU"]);
}

#[test]
fn interfaces_are_listed_without_privileges() {
    let list = sonde(["--iflist", "--unprivileged"]).run().expect(0);
    let text = list.text();
    assert!(text.starts_with("INTERFACE ") && text.contains("\nDESTINATION "), "{list}");
    let loopback = |line: &str| line.split_whitespace().take(4).eq(["lo", "loopback", "127.0.0.1/8", "-"]);
    assert!(text.lines().any(loopback) && list.stderr.is_empty(), "{list}");
    refuses(&["--iflist", "-oX", "-"], &["--iflist writes text to stdout only"]);
}

// Targets and ports.

#[test]
fn wrong_targets_are_refused() {
    // All of them would stay on this machine, should one be taken after all.
    let server = NameServer::ignorant();
    for target in ["127.0.0.300", "127.0.0.1/33", "127.0.0.9-3", "::1/129", "127.0.0.1/", "127.0.1", "127.0.0.1-2-3"] {
        let run = sonde(["-n", "--dns-servers", &server.server(), "-p", "1", target]).run().expect(2);
        assert!(run.stdout.is_empty() && run.stderr.contains(target), "{run}");
    }
    refuses(&["-p", "1", ""], &["a target is empty"]);
    refuses(&["-p", "1", "127.0.0.1", "--exclude", "127.0.0.0/99"], &["127.0.0.0/99"]);
}

#[test]
fn wrong_ports_are_refused() {
    for ports in ["0x50", "65536", "9-3", "80,,http-no-such-service", "T:99999", "-70000"] {
        let run = sonde(["-n", "-p", ports, "127.0.0.1"]).run().expect(2);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{ports}: {run}");
    }
    refuses(&["--top-ports", "0", "127.0.0.1"], &["--top-ports"]);
    refuses(&["-F", "-p", "80", "127.0.0.1"], &["contradict each other"]);
    refuses(&["-p", "80", "--exclude-ports", "80", "127.0.0.1"], &["no port is left"]);
}

#[test]
fn lists_that_cannot_be_read_are_refused_before_anything_is_scanned() {
    let dir = Dir::new();
    let missing = dir.join("missing.txt").display().to_string();
    refuses(&["-iL", &missing], &[&missing, "No such file"]);
    refuses(&["-p", "1", "127.0.0.1", "--excludefile", &missing], &[&missing, "No such file"]);
    let folder = dir.path().display().to_string();
    refuses(&["-iL", &folder], &[&folder]);
    let garbage = dir.write("garbage.txt", b"127.0.0.1\n\xff\xfe\n").display().to_string();
    refuses(&["-iL", &garbage], &["garbage.txt, line 2", "UTF-8"]);
    let wrong = dir.write("wrong.txt", "# a comment\n127.0.0.1 127.0.0.2\n\n127.0.0.300\n").display().to_string();
    refuses(&["-iL", &wrong], &["wrong.txt, line 4", "127.0.0.300"]);
    refuses(&["--script-args-file", &missing, "--script", "http-title", "127.0.0.1"], &[&missing]);
    refuses(&["--script-dir", &missing, "--script", "http-title", "127.0.0.1"], &[&missing]);
}

#[test]
fn a_list_comes_from_a_file_or_from_stdin() {
    let peer = Peer::silent();
    let dir = Dir::new();
    let list = dir.write("list.txt", format!("# servers\n{} # the one\n\n", peer.ip())).display().to_string();
    let from_file = scan(["-p", &peer.port(), "-iL", &list]).run().expect(0).report();
    assert_eq!(from_file.host(&peer.ip())["ports"][0]["state"], "open");
    let from_stdin = scan(["-p", &peer.port(), "-iL", "-"]).stdin(peer.ip()).run().expect(0).report();
    assert_eq!(from_stdin.host(&peer.ip())["ports"][0]["state"], "open");
    let nothing = scan(["-p", "1", "-iL", "-"]).stdin("").run();
    assert_eq!(nothing.report().hosts().len(), 0, "{nothing}");
}

#[test]
fn a_name_that_does_not_resolve_is_reported_and_the_rest_is_scanned() {
    let (peer, server) = (Peer::silent(), NameServer::ignorant());
    let run = scan(["--dns-servers", &server.server(), "-p", &peer.port(), "nowhere.example.test", &peer.ip()]).run();
    let report = run.expect(3).report();
    let skipped: Vec<_> = report.of_type("target_skipped").collect();
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0]["target"], "nowhere.example.test");
    assert!(skipped[0]["reason"].as_str().is_some_and(|reason| reason.contains("nowhere.example.test")));
    assert_eq!(report.host(&peer.ip())["ports"][0]["state"], "open");
    assert_eq!(report.end()["totals"]["unresolved"], 1);
    assert_eq!(report.end()["ending"], "incomplete");
    assert!(server.asked() > 0, "the server named on the command line was not asked");
}

#[test]
fn a_silent_name_server_costs_the_name_and_nothing_else() {
    let (peer, server) = (Peer::silent(), NameServer::silent());
    let run = scan(["--dns-servers", &server.server(), "-p", &peer.port(), "slow.example.test", &peer.ip()]).run();
    let report = run.expect(3).report();
    let skipped: Vec<_> = report.of_type("target_skipped").collect();
    assert!(skipped[0]["reason"].as_str().is_some_and(|reason| reason.contains("is silent")), "{}", skipped[0]);
    assert_eq!(report.host(&peer.ip())["ports"][0]["state"], "open");
    assert!(server.asked() > 1, "asked again when nothing came");
}

#[test]
fn a_name_that_resolves_is_scanned_under_its_name() {
    let peer = Peer::silent();
    let server = NameServer::knowing(&[("web.example.test", peer.address().ip())]);
    let run = scan(["--dns-servers", &server.server(), "-p", &peer.port(), "Web.Example.Test"]).run().expect(0);
    let report = run.report();
    let name = report.host(&peer.ip())["name"].as_str().unwrap_or_default().to_lowercase();
    assert_eq!(name, "web.example.test");
}

#[test]
fn an_excluded_name_that_does_not_resolve_ends_the_run() {
    // What it stands for would be scanned otherwise.
    let server = NameServer::ignorant();
    let arguments = ["--dns-servers", &server.server(), "-p", "1", "127.0.0.1", "--exclude", "gone.example.test"];
    refuses(&arguments, &["--exclude", "gone.example.test"]);
}

// Where reports go.

#[test]
fn every_format_goes_to_a_file_or_to_stdout() {
    let peer = Peer::silent();
    let dir = Dir::new();
    let formats = [
        ("-oN", "report.txt", "sonde scan report for "),
        ("-oX", "report.xml", "<?xml"),
        ("-oG", "report.gnmap", "Host: "),
        ("-oJ", "report.jsonl", "{\"type\":\"run_start\""),
    ];
    for (option, name, start) in formats {
        let path = dir.join(name).display().to_string();
        let arguments = ["-n", "-p", &peer.port(), option, &path, &peer.ip()].map(str::to_owned);
        let run = sonde(&arguments).run().expect(0);
        assert!(run.text().contains("open"), "text goes to stdout beside a file: {run}");
        let written = dir.read(name);
        let run = sonde(["-n", "-p", &peer.port(), option, "-", &peer.ip()]).run().expect(0);
        let printed = run.text();
        for text in [&written, &printed] {
            assert!(text.contains(start), "{option}: {text}");
            assert!(text.contains(&peer.port()), "{option}: {text}");
        }
    }
}

#[test]
fn one_base_name_makes_all_four() {
    let peer = Peer::silent();
    let dir = Dir::new();
    sonde(["-n", "-p", &peer.port(), "-oA", "scan", &peer.ip()]).within(dir.path()).run().expect(0);
    for name in ["scan.nmap", "scan.xml", "scan.gnmap", "scan.jsonl"] {
        assert!(dir.read(name).contains(&peer.port()), "{name}");
    }
    assert_eq!(Report::read(dir.join("scan.jsonl")).host(&peer.ip())["ports"][0]["state"], "open");
}

#[test]
fn a_place_is_for_one_report() {
    refuses(&["-oX", "-", "--json", "127.0.0.1"], &["two reports go to stdout"]);
    refuses(&["-oN", "-", "-oG", "-", "127.0.0.1"], &["two reports go to stdout"]);
    refuses(&["-oX", "same", "-oJ", "same", "127.0.0.1"], &["two reports go to the file 'same'"]);
    refuses(&["-oA", "-", "127.0.0.1"], &["four reports cannot share stdout"]);
}

#[test]
fn a_report_that_cannot_be_created_ends_the_run_before_it_starts() {
    let peer = Peer::silent();
    let dir = Dir::new();
    let path = dir.join("no/such/folder.xml").display().to_string();
    let run = sonde(["-n", "-p", &peer.port(), "-oX", &path, &peer.ip()]).run().expect(1).says(&["create", &path]);
    assert!(run.stdout.is_empty(), "{run}");
    assert_eq!(peer.accepted(), 0, "something was scanned");
    let run = quiet_scan(&["-oJ", &dir.path().display().to_string()]);
    run.expect(1).says(&["create"]);
}

#[test]
fn a_full_disk_is_told_and_the_other_reports_go_on() {
    let run = quiet_scan(&["--json", "-oX", "/dev/full"]).expect(1).says(&["/dev/full", "No space left"]);
    assert_eq!(run.report().end()["ending"], "complete");
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly() {
    let peer = Peer::refusing();
    // A thousand hosts, and a reader who wants one line.
    let line = format!("{PROGRAM} -n -Pn --json -p {} 127.7.0.0/22; echo code $? >&2", peer.port());
    let run = Sonde::command("sh").args(["-c", &format!("{{ {line}; }} | head -n 1")]).run().expect(0);
    assert_eq!(run.text().lines().count(), 1, "{run}");
    assert!(!run.stderr.contains("anic") && !run.stderr.contains("roken pipe"), "{run}");
    assert_eq!(run.stderr.trim(), "code 1", "{run}");
}

#[test]
fn help_to_a_reader_that_goes_away_is_no_error() {
    let line = format!("{{ {PROGRAM} -h; echo code $? >&2; }} | true");
    let run = Sonde::command("sh").args(["-c", &line]).run().expect(0);
    assert_eq!(run.stderr.trim(), "code 0", "{run}");
}

// How it ends.

#[test]
fn nothing_open_is_a_complete_run() {
    let run = quiet_scan(&["--json"]).expect(0);
    let report = run.report();
    assert_eq!(report.end()["ending"], "complete");
    assert_eq!(report.end()["totals"]["up"], 1);
    assert_eq!(report.hosts()[0]["ports"][0]["state"], "closed");
    let text = quiet_scan(&[]).expect(0).text();
    assert!(text.contains("closed"), "{text}");
}

#[test]
fn what_was_not_done_is_code_3_unless_allowed() {
    let server = NameServer::ignorant();
    let arguments = ["-n", "--dns-servers", &server.server(), "-p", "1", "nowhere.example.test"].map(str::to_owned);
    sonde(&arguments).run().expect(3);
    sonde(&arguments).args(["--allow-incomplete"]).run().expect(0);
}

#[test]
fn few_descriptors_make_a_scan_slower_and_not_wrong() {
    let peer = Peer::silent();
    let before = place::open_ports(peer.address().ip(), 1..=2000);
    let line = format!("ulimit -n 64; exec {PROGRAM} -n --json -p 1-2000,{} {}", peer.port(), peer.ip());
    let report = Sonde::command("sh").args(["-c", &line]).run().expect(0).report();
    assert_eq!(report.end()["totals"]["ports"], 2001);
    let host = report.host(&peer.ip());
    let listed = host["ports"].as_array().map_or(0, Vec::len) as u64;
    let folded: u64 = host["folded"].as_array().into_iter().flatten().filter_map(|fold| fold["count"].as_u64()).sum();
    assert_eq!(listed + folded, 2001, "{host}");
    let expected: Vec<u16> = before.into_iter().chain([peer.address().port()]).collect();
    assert_eq!(Report::open_ports(host), expected);
}

#[test]
fn scripts_under_few_descriptors_all_finish() {
    let Some(server) = servers::nginx_everywhere("") else { return };
    let line = format!("ulimit -n 64; exec {PROGRAM} -n --json -p {} --script +http-title 127.0.0.0/25", server.port());
    let report = Sonde::command("sh").args(["-c", &line]).run().expect(0).report();
    assert_eq!(report.count("http-title", "done"), 128);
    assert!(report.scripts("http-title").iter().all(|script| script["output"] == "A real server"));
}

// Arguments of scripts.

#[test]
fn wrong_script_arguments_are_refused() {
    let with = |text: &'static str| ["--script", "http-title", "--script-args", text, "-p", "1", "127.0.0.1"];
    refuses(&with("http-title.ulr=/x"), &["http-title.ulr", "http-title.url"]);
    refuses(&with("frob=1"), &["no selected script has an argument \"frob\""]);
    refuses(&with("url"), &["url", "needs a value of type string"]);
    refuses(&with("url={a,b}"), &["url", "not a table"]);
    refuses(&with("url={a"), &["missing }", "character"]);
    refuses(&with("url=\"a"), &["missing \""]);
    refuses(&with("=x"), &["without a name"]);
    let dir = Dir::new();
    let garbage = dir.write("args.txt", b"url=\xff").display().to_string();
    refuses(&["--script", "http-title", "--script-args-file", &garbage, "127.0.0.1"], &["not UTF-8 at byte 4"]);
}

#[test]
fn script_arguments_come_from_files_and_the_command_line_wins() {
    let Some(server) = servers::nginx(
        "location = /a { default_type text/html; return 200 '<title>from the file</title>'; }\n\
         location = /b { default_type text/html; return 200 '<title>from the line</title>'; }",
    ) else {
        return;
    };
    let dir = Dir::new();
    let file = dir.write("args.txt", "http-title.url=/a\n").display().to_string();
    let arguments =
        ["-p", &server.port(), "--script", "+http-title", "--script-args-file", &file, &server.ip()].map(str::to_owned);
    let from_file = scan(&arguments).run().expect(0).report();
    assert_eq!(from_file.script("http-title")["output"], "from the file");
    let from_line = scan(&arguments).args(["--script-args", "http-title.url=/b"]).run().expect(0).report();
    assert_eq!(from_line.script("http-title")["output"], "from the line");
}

#[test]
fn a_script_file_that_cannot_be_read_is_refused() {
    let dir = Dir::new();
    let garbage = dir.write("garbage.rhai", b"\xff\xfe").display().to_string();
    refuses(&["--script", &garbage, "127.0.0.1"], &["garbage.rhai", "not UTF-8 at byte 0"]);
    refuses(&["--script", "./no-such.rhai", "127.0.0.1"], &["./no-such.rhai", "file or directory"]);
    refuses(&["--script", "htp-title", "127.0.0.1"], &["htp-title", "http-title"]);
    refuses(&["--script", "a b", "127.0.0.1"], &["unexpected \"b\""]);
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).expect("the folder is writable");
    let empty = format!("{}/", empty.display());
    refuses(&["--script", &empty, "127.0.0.1"], &["no *.rhai file"]);
}

#[test]
fn environment_and_home_are_not_needed() {
    let peer = Peer::silent();
    let dir = Dir::new();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o555)).expect("it is ours");
    let line = format!("unset HOME PATH; exec {PROGRAM} -n --json -p {} {}", peer.port(), peer.ip());
    let run = Sonde::command("/bin/sh").args(["-c", &line]).within(dir.path()).run().expect(0);
    assert_eq!(run.report().host(&peer.ip())["ports"][0]["state"], "open");
}

//! Options around packet scans, on simulated networks and virtual time.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::dir::Dir;
use crate::support::sonde::{Run, sonde};

/// Everybody is 50 ms away. Some talk, some refuse, some are silent; nobody is beyond.
const SCENARIO: &str = r#"
[link]
delay = "50ms"

[[hosts]]
addrs = ["10.0.0.0/30"]
name = "h{ip}.example"
tcp = [{ ports = "22,80" }, { ports = "1000-1999", state = "silent" }]
udp = [{ ports = "53", state = "silent" }]

[[hosts]]
addrs = ["10.0.0.4/30"]

[[hosts]]
addrs = ["10.0.0.8/30"]
name = "d{ip}.example"
ping = false
timestamp = false
otherwise = "silent"
"#;

fn run(words: &str) -> Run {
    let dir = Dir::new();
    let scenario = dir.write("scenario.toml", SCENARIO.as_bytes());
    sonde(["--simulate".as_ref(), scenario.as_os_str()]).args(words.split_whitespace()).run()
}

/// One line of `--packet-trace`: the word, the microsecond, and what it is.
fn traced(run: &Run) -> Vec<(String, u64, String)> {
    let line = |line: &str| {
        let (word, rest) = line.strip_prefix("sonde: ")?.split_once(" (")?;
        let (seconds, what) = rest.split_once("s) ")?;
        let (whole, part) = seconds.split_once('.')?;
        let at = whole.parse::<u64>().ok()? * 1_000_000 + part.parse::<u64>().ok()?;
        ["SENT", "RCVD", "CONN", "FAIL"].contains(&word).then(|| (word.to_owned(), at, what.to_owned()))
    };
    run.stderr.lines().filter_map(line).collect()
}

/// When packets were sent, in microseconds since the run began.
fn sent(run: &Run) -> Vec<u64> {
    traced(run).into_iter().filter(|(word, ..)| word == "SENT").map(|(_, at, _)| at).collect()
}

/// Packets that were sent and neither answered nor 100 ms old, at most.
fn most_under_way(run: &Run) -> usize {
    let (mut under_way, mut most) = (0_usize, 0);
    for (word, ..) in traced(run) {
        under_way = if word == "SENT" { under_way + 1 } else { under_way.saturating_sub(1) };
        most = most.max(under_way);
    }
    most
}

fn hosts(run: &Run) -> Vec<(String, String, Value)> {
    let report = run.report();
    let text = |host: &Value, field: &str| host[field].as_str().unwrap_or_default().to_owned();
    report.hosts().into_iter().map(|host| (text(host, "address"), text(host, "state"), host["names"].clone())).collect()
}

#[test]
fn every_packet_is_traced_once_with_its_time() {
    let run = run("-n -Pn -sS -p 22,81 --packet-trace 10.0.0.1").expect(0);
    let lines = traced(&run);
    let words: Vec<(&str, u64)> = lines.iter().map(|(word, at, _)| (word.as_str(), *at)).collect();
    assert_eq!(words, [("SENT", 0), ("SENT", 0), ("RCVD", 100_000), ("RCVD", 100_000)]);
    let says = |word: &str, part: &str| {
        let found = lines.iter().filter(|(kind, _, what)| kind == word && what.contains(part)).count();
        assert_eq!(found, 1, "{word} {part}: {}", run.stderr);
    };
    says("SENT", " > 10.0.0.1:22 S seq=");
    says("SENT", " > 10.0.0.1:81 S seq=");
    says("RCVD", "TCP 10.0.0.1:22 > ");
    says("RCVD", "TCP 10.0.0.1:81 > ");
    let quiet = self::run("-n -Pn -sS -p 22,81 10.0.0.1").expect(0);
    assert_eq!((quiet.stderr.as_str(), quiet.stdout.len()), ("", run.stdout.len()));
}

#[test]
fn packets_of_scripts_and_connections_are_traced_too() {
    let scripts = run("-n -Pn -sS -p 22 --script tcp-timestamps --packet-trace 10.0.0.1").expect(0);
    let of_script =
        |(word, _, what): &(String, u64, String)| word == "SENT" && what.ends_with(" by tcp-timestamps@10.0.0.1");
    assert!(traced(&scripts).iter().filter(|line| of_script(line)).count() >= 2, "{}", scripts.stderr);
    let connect = run("-n -Pn -sT -p 22,81,1000 --packet-trace 10.0.0.1").expect(0);
    let mut lines: Vec<String> = traced(&connect).into_iter().map(|(word, _, what)| format!("{word} {what}")).collect();
    lines.sort();
    lines.dedup();
    assert_eq!(
        lines,
        [
            "CONN TCP > 10.0.0.1:1000 => timeout after 1.000000s",
            "CONN TCP > 10.0.0.1:22 => connected after 0.100000s",
            "CONN TCP > 10.0.0.1:81 => refused after 0.100000s",
        ]
    );
}

#[test]
fn a_list_of_targets_sends_nothing_and_claims_nothing() {
    let listed =
        run("-d --json -sL --packet-trace --exclude 10.0.0.2 10.0.0.0/30 d10-0-0-9.example 10.0.0.8").expect(0);
    let listed = listed.says(&["simulated: 0 SYNs and 0 datagrams arrived, 0 connections were made\n"]);
    assert_eq!(traced(&listed), []);
    let unknown = |addr: &str, name: &[&str]| (addr.to_owned(), "unknown".to_owned(), json!(name));
    assert_eq!(
        hosts(&listed),
        [
            unknown("10.0.0.0", &["h10-0-0-0.example"]),
            unknown("10.0.0.1", &["h10-0-0-1.example"]),
            unknown("10.0.0.3", &["h10-0-0-3.example"]),
            unknown("10.0.0.9", &["d10-0-0-9.example"]),
            unknown("10.0.0.8", &["d10-0-0-8.example"]),
        ]
    );
}

#[test]
fn a_list_has_orders_shards_and_all_formats() {
    let all: BTreeSet<String> = (0..16).map(|last| format!("10.0.0.{last}")).collect();
    let of = |words: &str| -> Vec<String> {
        let run = run(&format!("--json -n -sL {words} 10.0.0.0/28")).expect(0);
        let end = run.report().end()["totals"].clone();
        let found: Vec<String> = hosts(&run).into_iter().map(|(addr, ..)| addr).collect();
        assert_eq!((&end["up"], &end["down"], &end["unknown"]), (&json!(0), &json!(0), &json!(found.len())));
        found
    };
    let shuffled = of("--randomize-hosts --seed 3");
    assert_ne!(shuffled, of(""), "the order is another");
    assert_eq!(shuffled.iter().cloned().collect::<BTreeSet<_>>(), all);
    let (one, two) = (of("--shard 1/2"), of("--shard 2/2"));
    assert_eq!((one.len(), two.len()), (8, 8));
    assert_eq!(one.into_iter().chain(two).collect::<BTreeSet<_>>(), all);
    let text = run("-sL 10.0.0.0/31").expect(0).text();
    assert!(text.contains("\nsonde scan report for h10-0-0-1.example (10.0.0.1)\nsonde done: 2 IP"), "{text}");
    assert!(!text.contains(" is up"), "{text}");
    let xml = run("-n -sL -oX - 10.0.0.0/31").expect(0).text();
    assert_eq!(xml.matches("<status state=\"unknown\" reason=\"none\" reason_ttl=\"0\"/>").count(), 2, "{xml}");
    assert!(xml.contains("<hosts up=\"0\" down=\"0\" total=\"2\"/>"), "{xml}");
    let lines = run("-n -sL -oG - 10.0.0.0/31").expect(0).text();
    assert!(lines.contains("Host: 10.0.0.1 ()\tStatus: Unknown\n"), "{lines}");
}

#[test]
fn a_list_goes_on_from_its_journal() {
    let dir = Dir::new();
    let journal = dir.join("journal");
    let first = sonde(["--json", "-n", "-sL", "127.0.0.0/29", "--journal"]).args([&journal]).run().expect(0);
    let second = sonde(["--resume"]).args([&journal]).run().expect(0);
    assert_eq!((hosts(&first).len(), hosts(&second)), (8, hosts(&first)));
}

#[test]
fn discovery_alone_scans_no_port() {
    let found = run("--json -sn --packet-trace 10.0.0.0/28").expect(0);
    let up: Vec<String> =
        hosts(&found).into_iter().filter(|(_, state, _)| state == "up").map(|(addr, ..)| addr).collect();
    let expected: BTreeSet<String> = (0..8).map(|last| format!("10.0.0.{last}")).collect();
    assert_eq!((up.len(), up.into_iter().collect::<BTreeSet<_>>()), (8, expected));
    let asked = |what: &str| [" echo ", " timestamp ", ":443 S ", ":80 A "].iter().any(|part| what.contains(part));
    assert!(
        traced(&found).iter().filter(|(word, ..)| word == "SENT").all(|(.., what)| asked(what)),
        "{}",
        found.stderr
    );
    let report = found.report();
    assert!(report.hosts().iter().all(|host| host["ports"] == json!([])));
    assert_eq!(report.end()["totals"]["ports"], 0);
    // The silent have names, too, when asked for.
    let named = |words: &str| hosts(&run(&format!("--json -sn {words} 10.0.0.9")).expect(0)).remove(0);
    assert_eq!(named(""), ("10.0.0.9".to_owned(), "down".to_owned(), json!([])));
    assert_eq!(named("-R"), ("10.0.0.9".to_owned(), "down".to_owned(), json!(["d10-0-0-9.example"])));
    run("-sn -PR 10.0.0.1").expect(0).says(&["-PR"]);
}

#[test]
fn discovery_without_packets_connects() {
    let found = run("--json -n -sn --unprivileged --packet-trace 10.0.0.0/28").expect(0);
    assert_eq!(hosts(&found).iter().filter(|(_, state, _)| state == "up").count(), 8);
    let lines = traced(&found);
    assert!(!lines.is_empty() && lines.iter().all(|(word, ..)| word == "CONN"), "{}", found.stderr);
    let none = run("-n -sn --unprivileged --exclude-ports 80,443 10.0.0.1").expect(2);
    none.says(&["--exclude-ports leaves no port to look for hosts with"]);
}

#[test]
fn scripts_of_hosts_run_without_ports_and_without_discovery() {
    let found = run("--json -d -n -Pn -sn --script icmp-timestamp --packet-trace 10.0.0.1").expect(0);
    let report = found.report();
    assert_eq!(report.script("icmp-timestamp")["outcome"], "done", "{found}");
    let lines = traced(&found);
    let of_scan = lines.iter().filter(|(word, _, what)| word == "SENT" && !what.contains(" by icmp-timestamp@"));
    assert_eq!((of_scan.count(), report.hosts().len()), (0, 1), "{}", found.stderr);
}

#[test]
fn excluded_ports_are_not_pinged() {
    let ports = |words: &str| -> BTreeSet<String> {
        let run = run(&format!("-n -sn {words} --packet-trace 10.0.0.9")).expect(0);
        let port = |(word, _, what): (String, u64, String)| {
            let end = what.split_once("> 10.0.0.9:")?.1.split(' ').next()?.to_owned();
            (word == "SENT").then_some(end)
        };
        traced(&run).into_iter().filter_map(port).collect()
    };
    let set = |ports: &[&str]| ports.iter().map(|port| (*port).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(ports("-PS22,80,443 --exclude-ports 80"), set(&["22", "443"]));
    assert_eq!(ports("-PU53,54 --exclude-ports T:53,U:54"), set(&["53"]));
    assert_eq!(ports("--exclude-ports 443"), set(&["80"]), "the usual pings are asked without it");
    run("-n -sn -PS80 --exclude-ports 80 10.0.0.9").expect(2).says(&["-PS: --exclude-ports names all of its ports"]);
}

#[test]
fn open_ports_alone_in_every_format() {
    let words = "-n -sS -sU -p T:22,81,U:53,54 --open 10.0.0.0/28";
    let report = run(&format!("--json {words}")).expect(0).report();
    assert_eq!(report.hosts().len(), 4, "those with nothing open are left out");
    for host in report.hosts() {
        let ports = host["ports"].as_array().expect("ports");
        let states: Vec<_> = ports.iter().map(|port| (port["port"].as_u64(), port["state"].as_str())).collect();
        assert_eq!(states, [(Some(22), Some("open")), (Some(53), Some("open|filtered"))], "{host:#}");
    }
    assert_eq!(report.end()["totals"]["up"], 8, "the totals are of the whole run");
    let xml = run(&format!("{words} -oX -")).expect(0).text();
    assert_eq!((xml.matches("<host ").count(), xml.matches("<port ").count()), (4, 8), "{xml}");
    let lines = run(&format!("{words} -oG -")).expect(0).text();
    assert_eq!((lines.matches("\tPorts: ").count(), lines.matches("Status: ").count()), (4, 4), "{lines}");
    let text = run(words).expect(0).text();
    assert_eq!(text.matches("sonde scan report for").count(), 4, "{text}");
    assert!(!text.contains("81/tcp") && !text.contains("54/udp"), "{text}");
}

#[test]
fn a_scan_delay_is_kept_on_each_host() {
    let run = run("--json -n -Pn -sS -p 1-10 --scan-delay 500ms --packet-trace 10.0.0.1 10.0.0.5").expect(0);
    for host in ["10.0.0.1", "10.0.0.5"] {
        let to_it = |(word, at, what): (String, u64, String)| {
            (word == "SENT" && what.contains(&format!("> {host}:"))).then_some(at)
        };
        let times: Vec<u64> = traced(&run).into_iter().filter_map(to_it).collect();
        assert_eq!(times.len(), 10);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 500_000), "{times:?}");
    }
    let took = run.report().end()["elapsed_seconds"].as_f64().expect("seconds");
    assert!((4.6..4.7).contains(&took), "nine pauses and a round trip, on both hosts at once: {took}");
}

#[test]
fn a_highest_rate_is_not_exceeded_in_any_second() {
    let run = run("-n -sS -p 1-100 --max-rate 100 --packet-trace 10.0.0.0/29").expect(0);
    let times = sent(&run);
    assert!(times.len() >= 800, "{}", times.len());
    // Any 101 in a row take a second, whatever they are for.
    assert!(times.windows(101).all(|row| row[100] - row[0] >= 1_000_000), "{times:?}");
    let rate = times.len() as f64 / (times[times.len() - 1] - times[0]) as f64 * 1e6;
    assert!(rate > 90.0, "and it is used: {rate}");
}

#[test]
fn a_lowest_rate_is_kept_in_spite_of_silence() {
    let run = run("-n -Pn -sS -p 1000-1999 --max-retries 0 --min-rate 1000 --packet-trace 10.0.0.1").expect(0);
    let times = sent(&run);
    assert_eq!(times.len(), 1000);
    assert!(times[999] - times[0] <= 1_000_000, "{} µs", times[999] - times[0]);
}

#[test]
fn parallelism_has_bounds() {
    let few = |most: usize, words: &str| {
        let run = run(&format!("-n {words} --max-parallelism {most} --packet-trace")).expect(0);
        assert!((1..=most).contains(&most_under_way(&run)), "{}: {}", most_under_way(&run), run.stderr);
    };
    // Of the whole run: ports of several hosts, and the pings before them.
    few(1, "-Pn -sS -p 1-20 10.0.0.0/30");
    few(3, "-Pn -sS -p 1-20 10.0.0.0/29");
    few(2, "-sn -PE 10.0.0.0/29");
    few(2, "-sS -p 1-20 -PE 10.0.0.4/30");
    let first = |words: &str| {
        let lines = traced(&run(&format!("-n -Pn -sS -p 1-300 {words} --packet-trace 10.0.0.1")).expect(0));
        lines.iter().take_while(|(word, ..)| word == "SENT").count()
    };
    // The window, and one every ten milliseconds until the first answer: nothing was heard of the host yet.
    assert_eq!((first(""), first("--min-parallelism 100")), (19, 109), "sent before anything is known");
}

#[test]
fn what_is_known_when_the_time_of_a_host_is_up_is_kept() {
    let run = run("--json -n -sS -p 22,80,1000-1999 --host-timeout 4s 10.0.0.1 10.0.0.5").expect(3);
    let report = run.report();
    let cut = report.host("10.0.0.1");
    assert_eq!(cut["timed_out"], true);
    let open: Vec<_> =
        cut["ports"].as_array().expect("ports").iter().map(|port| (&port["port"], &port["state"])).collect();
    assert_eq!(open, [(&json!(22), &json!("open")), (&json!(80), &json!("open"))], "silence is no verdict yet");
    assert_eq!(cut["folded"], json!([]));
    let whole = report.host("10.0.0.5");
    assert_eq!((&whole["timed_out"], &whole["folded"][0]["count"]), (&json!(false), &json!(1002)), "{whole:#}");
    let stages = &report.end()["totals"]["stages"];
    assert_eq!((&stages["hosts"]["timed-out"], &stages["hosts"]["done"]), (&json!(1), &json!(1)));
    assert_eq!((&stages["ports"]["timed-out"], &stages["ports"]["planned"]), (&json!(1000), &json!(2004)));
}

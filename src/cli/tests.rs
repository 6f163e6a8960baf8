use std::net::SocketAddr;
use std::time::Duration;

use argh::ArgsInfo;
use proptest::prelude::*;

use super::*;
use crate::model::{Limits, PingKind, ScanKind};

/// Splits at blanks; single quotes hold blanks together.
fn args(line: &str) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            args.push(part.into());
        } else {
            args.extend(part.split_whitespace().map(OsString::from));
        }
    }
    args
}

fn settings(line: &str) -> Settings {
    match parse(&args(line)) {
        Ok(Command::Run(settings)) => *settings,
        other => panic!("{line}: {other:?}"),
    }
}

/// The two lines of the error of a wrong command line.
fn error(line: &str) -> String {
    match parse(&args(line)) {
        Err(error) => format!("{} | {}", error.what, error.remedy),
        Ok(command) => panic!("{line}: {command:?}"),
    }
}

fn file(name: &str) -> Destination {
    Destination::File(name.into())
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn usual_scan() -> ScanSettings {
    ScanSettings {
        kinds: Vec::new(),
        scan_flags: None,
        source_port: None,
        ttl: None,
        data_length: 0,
        bad_sum: false,
        interface: None,
        traceroute: false,
        packet_trace: false,
        connect_timeout: ms(1_000),
        max_sockets: None,
        max_sockets_per_host: None,
        max_sockets_per_script: None,
        min_parallelism: None,
        max_parallelism: None,
        host_timeout: None,
        timing: TimingSettings {
            template: 3,
            initial_rtt: ms(1_000),
            min_rtt: ms(100),
            max_rtt: ms(10_000),
            max_retries: 10,
            scan_delay: Duration::ZERO,
            max_scan_delay_tcp: ms(1_000),
            max_scan_delay_udp: ms(1_000),
            min_rate: None,
            max_rate: None,
            defeat_rst: false,
            defeat_icmp: false,
        },
        discovery: DiscoverySettings { mode: DiscoveryMode::Normal, pings: Vec::new(), arp: true, ignore_rst: false },
    }
}

/// What a bare target means.
fn usual() -> Settings {
    Settings {
        targets: TargetSettings { specs: vec!["host".to_owned()], ..TargetSettings::default() },
        ports: PortSettings::default(),
        names: NameSettings { reverse: true, reverse_down: false, dns_servers: Vec::new() },
        scan: usual_scan(),
        privileges: PrivilegeSettings::default(),
        scripts: ScriptSettings {
            select: Vec::new(),
            args: Vec::new(),
            args_files: Vec::new(),
            dirs: Vec::new(),
            trace: false,
            why: Vec::new(),
            max_instances: None,
            limits: Limits::default(),
        },
        report: ReportSettings {
            outputs: vec![(Format::Normal, Destination::Stdout)],
            open_only: false,
            reason: false,
            verbose: 0,
            debug: 0,
            color: Color::Auto,
        },
        run: RunSettings { keys: true, ..RunSettings::default() },
        seed: None,
        record: None,
        record_redact: false,
        simulate: None,
        allow_incomplete: false,
        notes: Vec::new(),
        args_line: "sonde host".to_owned(),
    }
}

type Change = fn(&mut Settings);

/// Each line means what a bare target means, changed so.
fn assert_changes(cases: &[(&str, Change)]) {
    for (line, change) in cases {
        let mut expected = usual();
        change(&mut expected);
        let mut found = settings(line);
        expected.args_line.clone_from(&found.args_line);
        found.notes.clear();
        found.run.words.clear();
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn options_change_what_they_say_and_nothing_else() {
    let cases: &[(&str, Change)] = &[
        ("host", |_| ()),
        ("-sT host", |s| s.scan.kinds = vec![ScanKind::Connect]),
        ("host 192.0.2.0/28 -iL a -iL -", |s| {
            s.targets.specs.push("192.0.2.0/28".to_owned());
            s.targets.list_files = vec![Source::File("a".into()), Source::Stdin];
        }),
        ("--exclude a,b --exclude c --excludefile d --unique --resolve-all -6 host", |s| {
            s.targets.exclude = vec!["a,b".to_owned(), "c".to_owned()];
            s.targets.exclude_files = vec!["d".into()];
            s.targets.unique = true;
            s.targets.resolve_all = true;
            s.targets.family = Some(Family::V6);
        }),
        ("-4 host", |s| s.targets.family = Some(Family::V4)),
        ("-- host -x help", |s| s.targets.specs.extend(["-x".to_owned(), "help".to_owned()])),
        ("-n host", |s| s.names.reverse = false),
        ("-R --dns-servers 127.0.0.1:5353 host", |s| {
            s.names.reverse_down = true;
            s.names.dns_servers = vec![SocketAddr::from(([127, 0, 0, 1], 5353))];
        }),
        ("-p T:22,80-90 --exclude-ports 85 --top-ports 5 -r host", |s| {
            s.ports.expression = Some("T:22,80-90".to_owned());
            s.ports.exclude = Some("85".to_owned());
            s.ports.top = Some(5);
            s.ports.sequential = true;
        }),
        ("-F -Pn host", |s| {
            s.ports.fast = true;
            s.scan.discovery.mode = DiscoveryMode::Skip;
        }),
        ("--min-parallelism 2 --max-parallelism 9 --max-sockets 50 --max-rate 2 --max-retries 0 host", |s| {
            s.scan.min_parallelism = Some(2);
            s.scan.max_parallelism = Some(9);
            s.scan.max_sockets = Some(50);
            s.scan.timing.max_rate = Some(2.0);
            s.scan.timing.max_retries = 0;
        }),
        ("--host-timeout 5m --scan-delay 20ms host", |s| {
            s.scan.host_timeout = Some(ms(300_000));
            s.scan.timing.scan_delay = ms(20);
        }),
        ("-sC --script 'a and b' --script c host", |s| {
            s.scripts.select = vec!["default".to_owned(), "a and b".to_owned(), "c".to_owned()];
        }),
        (
            "--script a --script-args x=1 --script-args y=2 --script-args-file f --script-dir g --script-trace --why a host",
            |s| {
                s.scripts.select = vec!["a".to_owned()];
                s.scripts.args = vec!["x=1".to_owned(), "y=2".to_owned()];
                s.scripts.args_files = vec!["f".into()];
                s.scripts.dirs = vec!["g".into()];
                s.scripts.trace = true;
                s.scripts.why = vec!["a".into()];
            },
        ),
        ("--script-timeout 1s --script-max-operations 5m --script-max-memory 1m --script-max-output 2k host", |s| {
            s.scripts.limits.wall = ms(1_000);
            s.scripts.limits.operations = 5_000_000;
            s.scripts.limits.memory = 1 << 20;
            s.scripts.limits.output = 2_048;
        }),
        ("--unprivileged host", |s| s.privileges.forbidden = true),
        ("--privileged --keep-root --script-max-packets 2k host", |s| {
            s.privileges.required = true;
            s.privileges.keep_root = true;
            s.scripts.limits.packets = 2_000;
        }),
        (
            "--script-max-bytes 3g --script-max-sockets 4 --script-operation-timeout 2 --max-script-instances 7 host",
            |s| {
                s.scripts.limits.bytes = 3 << 30;
                s.scripts.limits.sockets = 4;
                s.scripts.limits.operation_timeout = ms(2_000);
                s.scripts.max_instances = Some(7);
            },
        ),
        ("--open --reason -vv -d --color never host", |s| {
            s.report.open_only = true;
            s.report.reason = true;
            s.report.verbose = 2;
            s.report.debug = 1;
            s.report.color = Color::Never;
        }),
        ("-d3 host", |s| (s.report.verbose, s.report.debug) = (3, 3)),
        ("--simulate net.toml host", |s| s.simulate = Some("net.toml".into())),
        ("--record run.pcapng host", |s| s.record = Some("run.pcapng".into())),
        ("--seed 0x10 --allow-incomplete host", |s| {
            s.seed = Some(16);
            s.allow_incomplete = true;
        }),
    ];
    assert_changes(cases);
}

fn ping(kind: PingKind, ports: &str) -> PingSettings {
    PingSettings { kind, ports: (!ports.is_empty()).then(|| ports.to_owned()) }
}

#[test]
fn kinds_of_scans_change_what_they_say_and_nothing_else() {
    use ScanKind as K;
    assert_changes(&[
        ("-sS host", |s| s.scan.kinds = vec![K::Syn]),
        ("-sA host", |s| s.scan.kinds = vec![K::Ack]),
        ("-sW host", |s| s.scan.kinds = vec![K::Window]),
        ("-sM host", |s| s.scan.kinds = vec![K::Maimon]),
        ("-sN host", |s| s.scan.kinds = vec![K::Null]),
        ("-sF host", |s| s.scan.kinds = vec![K::Fin]),
        ("-sX host", |s| s.scan.kinds = vec![K::Xmas]),
        ("-sU host", |s| s.scan.kinds = vec![K::Udp]),
        ("-sO host", |s| s.scan.kinds = vec![K::IpProtocol]),
        ("-sY host", |s| s.scan.kinds = vec![K::SctpInit]),
        ("-sZ host", |s| s.scan.kinds = vec![K::SctpCookie]),
        ("-sZ -sU -sT host", |s| s.scan.kinds = vec![K::Connect, K::Udp, K::SctpCookie]),
        ("-sSUY host", |s| s.scan.kinds = vec![K::Syn, K::Udp, K::SctpInit]),
        ("-sUS -sU host", |s| s.scan.kinds = vec![K::Syn, K::Udp]),
        ("-sF --scanflags SYNFIN host", |s| (s.scan.kinds, s.scan.scan_flags) = (vec![K::Fin], Some(3))),
        ("--scanflags 0x29 host", |s| (s.scan.kinds, s.scan.scan_flags) = (vec![K::Syn], Some(0x29))),
        ("-sU --scan-ack --scanflags=0 host", |s| {
            (s.scan.kinds, s.scan.scan_flags) = (vec![K::Ack, K::Udp], Some(0));
        }),
    ]);
}

#[test]
fn discovery_changes_what_it_says_and_nothing_else() {
    use PingKind as P;
    assert_changes(&[
        ("-sn host", |s| s.scan.discovery.mode = DiscoveryMode::Only),
        ("-sP host", |s| s.scan.discovery.mode = DiscoveryMode::Only),
        ("-sL host", |s| s.scan.discovery.mode = DiscoveryMode::List),
        ("-sL -Pn host", |s| s.scan.discovery.mode = DiscoveryMode::List),
        ("-Pn -sn host", |s| s.scan.discovery.mode = DiscoveryMode::Neither),
        ("-snC host", |s| {
            s.scan.discovery.mode = DiscoveryMode::Only;
            s.scripts.select = vec!["default".to_owned()];
        }),
        ("-PM -PP -PE host", |s| {
            s.scan.discovery.pings = vec![ping(P::Echo, ""), ping(P::Timestamp, ""), ping(P::Mask, "")];
        }),
        ("-sn -PS22,80 -PA -PU=53 -PY -PO1,icmp host", |s| {
            s.scan.discovery.mode = DiscoveryMode::Only;
            s.scan.discovery.pings = vec![
                ping(P::Syn, "22,80"),
                ping(P::Ack, ""),
                ping(P::Udp, "53"),
                ping(P::Sctp, ""),
                ping(P::Protocol, "1,icmp"),
            ];
        }),
        ("-PS host", |s| s.scan.discovery.pings = vec![ping(P::Syn, "")]),
        ("--ping-syn 22 host", |s| s.scan.discovery.pings = vec![ping(P::Syn, "22")]),
        ("-PR host", |_| ()),
        ("--disable-arp-ping --discovery-ignore-rst host", |s| {
            (s.scan.discovery.arp, s.scan.discovery.ignore_rst) = (false, true);
        }),
    ]);
}

#[test]
fn packets_and_pace_change_what_they_say_and_nothing_else() {
    assert_changes(&[
        ("-e eth0 -g 53 --ttl 7 --data-length 25 --badsum host", |s| {
            s.scan.interface = Some("eth0".to_owned());
            s.scan.source_port = Some(53);
            s.scan.ttl = Some(7);
            s.scan.data_length = 25;
            s.scan.bad_sum = true;
        }),
        ("-elo --source-port=1 --traceroute --packet-trace host", |s| {
            s.scan.interface = Some("lo".to_owned());
            s.scan.source_port = Some(1);
            s.scan.traceroute = true;
            s.scan.packet_trace = true;
        }),
        ("--min-rate 10 --max-rate 10 --defeat-rst-ratelimit --defeat-icmp-ratelimit host", |s| {
            s.scan.timing.min_rate = Some(10.0);
            s.scan.timing.max_rate = Some(10.0);
            s.scan.timing.defeat_rst = true;
            s.scan.timing.defeat_icmp = true;
        }),
        ("--max-scan-delay 20ms host", |s| {
            s.scan.timing.max_scan_delay_tcp = ms(20);
            s.scan.timing.max_scan_delay_udp = ms(20);
        }),
        ("--scan-delay 2s host", |s| {
            s.scan.timing.scan_delay = ms(2_000);
            s.scan.timing.max_scan_delay_tcp = ms(2_000);
            s.scan.timing.max_scan_delay_udp = ms(2_000);
        }),
        ("--connect-timeout 2s --initial-rtt-timeout 300ms host", |s| {
            s.scan.connect_timeout = ms(2_000);
            s.scan.timing.initial_rtt = ms(300);
        }),
        ("--connect-timeout 20s host", |s| {
            s.scan.connect_timeout = ms(20_000);
            s.scan.timing.initial_rtt = ms(20_000);
            s.scan.timing.max_rtt = ms(20_000);
        }),
        ("--min-rtt-timeout 200ms --max-rtt-timeout 3s host", |s| {
            (s.scan.timing.min_rtt, s.scan.timing.max_rtt) = (ms(200), ms(3_000));
        }),
    ]);
}

#[test]
fn templates_have_their_own_delays() {
    for (line, template, delay, tcp, udp) in [
        ("-T0 host", 0, 300_000, 300_000, 300_000),
        ("-T1 host", 1, 15_000, 15_000, 15_000),
        ("-T2 host", 2, 400, 1_000, 1_000),
        ("host", 3, 0, 1_000, 1_000),
        ("-T4 host", 4, 0, 10, 1_000),
        ("-T5 host", 5, 0, 5, 1_000),
        ("-T2 --max-scan-delay 100ms host", 2, 100, 100, 100),
        ("-T5 --scan-delay 50ms host", 5, 50, 50, 1_000),
        ("-T1 --max-scan-delay 0 host", 1, 0, 0, 0),
    ] {
        let timing = settings(line).scan.timing;
        let found = (timing.template, timing.scan_delay, timing.max_scan_delay_tcp, timing.max_scan_delay_udp);
        assert_eq!(found, (template, ms(delay), ms(tcp), ms(udp)), "{line}");
    }
}

#[test]
fn wrong_scans_are_named() {
    for (line, expected) in [
        ("-sS -sT host", "-sS and -sT contradict each other | leave out -sS or -sT"),
        ("-sSA host", "-sS and -sA contradict each other | leave out -sS or -sA"),
        ("-sYZ host", "-sY and -sZ contradict each other | leave out -sY or -sZ"),
        ("-sO -sU host", "-sU and -sO contradict each other | leave out -sU or -sO"),
        ("-sT --scanflags SYN host", "-sT and --scanflags contradict each other | leave out -sT or --scanflags"),
        (
            "-sU --scanflags SYN host",
            "--scanflags is for TCP scans, and none is chosen | add -sS or another TCP scan, or leave it out",
        ),
        (
            "--scanflags SIN host",
            "--scanflags 'SIN': no TCP flags | write names glued together, such as SYNFIN, of FIN SYN RST PSH ACK URG \
             ECE CWR; or a number, 0 to 255 or 0x00 to 0xff",
        ),
        (
            "-sn -p80 host",
            "-sn and -p contradict each other | leave out -sn to scan ports, or -p to scan none; -PS<ports> asks for \
             hosts by ports",
        ),
        (
            "-sP -F host",
            "-sP and -F contradict each other | leave out -sP to scan ports, or -F to scan none; -PS<ports> asks for \
             hosts by ports",
        ),
        (
            "-sn -sS host",
            "-sn and -sS contradict each other | leave out -sn to scan ports, or -sS to scan none; -PS<ports> asks for \
             hosts by ports",
        ),
        (
            "-sL --top-ports 5 host",
            "-sL and --top-ports contradict each other | leave out -sL to scan ports, or --top-ports to scan none; \
             -PS<ports> asks for hosts by ports",
        ),
        ("-sL -sn host", "-sL and -sn contradict each other | leave out -sL or -sn"),
        ("-sL -PE host", "-PE and -sL contradict each other | leave out -PE or -sL"),
        ("-sL -sC host", "-sC and -sL contradict each other | leave out -sC or -sL"),
        ("-sL --traceroute host", "--traceroute and -sL contradict each other | leave out --traceroute or -sL"),
        ("-Pn -PS22 host", "-PS and -Pn contradict each other | leave out -PS or -Pn"),
        ("-PS22 -PS80 host", "'-PS' is given twice | give it once; lists are joined with commas, as in -p 22,80"),
        (
            "-PR --disable-arp-ping host",
            "-PR and --disable-arp-ping contradict each other | leave out -PR or --disable-arp-ping",
        ),
        ("-g 0 host", "-g '0': not a port | write a number from 1 to 65535"),
        ("--ttl 256 host", "--ttl '256': not a time to live | write a number from 1 to 255"),
        ("--data-length 1401 host", "--data-length '1401': more than one packet holds | write a number from 0 to 1400"),
        ("-e '' host", "-e '': the value is empty | write a value, or leave the option out"),
        ("--min-rate 5 --max-rate 4 host", "--min-rate is above --max-rate | lower --min-rate or raise --max-rate"),
        (
            "--scan-delay 5s --max-scan-delay 4s host",
            "--scan-delay is above --max-scan-delay | lower --scan-delay or raise --max-scan-delay",
        ),
        (
            "--initial-rtt-timeout 2s --max-rtt-timeout 1s host",
            "--initial-rtt-timeout is above --max-rtt-timeout | lower --initial-rtt-timeout or raise --max-rtt-timeout",
        ),
        ("--iflist -oX f", "--iflist writes text to stdout only | use the shell's > for a file"),
    ] {
        assert_eq!(error(line), expected, "{line}");
    }
}

#[test]
fn what_needs_packets_is_refused_without() {
    for (line, other, remedy) in [
        ("-sS", "-sS", "use -sT: the connect scan finds open TCP ports without packets"),
        ("-sTU", "-sU", "leave out --unprivileged; without packets only TCP ports are scanned (-sT)"),
        ("-sO", "-sO", "leave out --unprivileged: this scan is made of packets"),
        ("--scanflags 1", "--scanflags", "leave out one of them: without packets the system builds what is sent"),
        ("-sT --badsum", "--badsum", "leave out one of them: without packets the system builds what is sent"),
        ("-sn --traceroute", "--traceroute", "leave out one of them: without packets the system builds what is sent"),
        ("-PS -PE", "-PE", "use -PS or -PA, which can do with connections, or -Pn"),
    ] {
        let found = error(&format!("--unprivileged {line} host"));
        assert_eq!(found, format!("--unprivileged and {other} contradict each other | {remedy}"), "{line}");
    }
    assert_eq!(settings("--unprivileged -sT -PS22 -PA host").scan.discovery.pings.len(), 2);
    assert!(settings("--unprivileged host").scan.kinds.is_empty());
}

#[test]
fn options_of_the_run_change_what_they_say_and_nothing_else() {
    assert_changes(&[
        ("host --noninteractive --stats-every 5 --journal j", |s| {
            s.run = RunSettings { journal: Some("j".into()), stats_every: Some(ms(5_000)), ..RunSettings::default() };
        }),
        ("--resume j host", |s| (s.run.journal, s.run.resume) = (Some("j".into()), true)),
        ("-rH --shard 2/5 host", |s| {
            (s.targets.random_order, s.targets.shard) = (true, Some(crate::model::Shard { index: 2, of: 5 }));
        }),
    ]);
}

#[test]
fn reports_go_where_they_are_sent() {
    let cases: &[(&str, &[(Format, Destination)])] = &[
        ("-oX - host", &[(Format::Xml, Destination::Stdout)]),
        ("--json host", &[(Format::Json, Destination::Stdout)]),
        ("-oJ - -oN a host", &[(Format::Normal, file("a")), (Format::Json, Destination::Stdout)]),
        ("-oN - host", &[(Format::Normal, Destination::Stdout)]),
        (
            "-oGa -oXb host",
            &[(Format::Normal, Destination::Stdout), (Format::Xml, file("b")), (Format::Grepable, file("a"))],
        ),
        (
            "-oA s host",
            &[
                (Format::Normal, Destination::Stdout),
                (Format::Normal, file("s.nmap")),
                (Format::Xml, file("s.xml")),
                (Format::Grepable, file("s.gnmap")),
                (Format::Json, file("s.jsonl")),
            ],
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(settings(line).report.outputs, *expected, "{line}");
    }
}

#[test]
fn templates_fill_what_the_user_left_open() {
    let waits = |line: &str| {
        let timing = settings(line).scan.timing;
        (timing.min_rtt, timing.initial_rtt, timing.max_rtt)
    };
    for (line, shortest, first, longest) in [
        ("-T0 host", 100, 300_000, 300_000),
        ("-T1 host", 100, 15_000, 15_000),
        ("-T2 host", 100, 1_000, 10_000),
        ("-T normal host", 100, 1_000, 10_000),
        ("-T4 host", 100, 500, 1_250),
        ("-Tinsane host", 50, 250, 300),
        ("-T5 --connect-timeout 2s host", 50, 2_000, 2_000),
        ("--initial-rtt-timeout 50ms host", 50, 50, 10_000),
        ("--max-rtt-timeout 200ms host", 100, 200, 200),
        ("--max-rtt-timeout 20ms host", 20, 20, 20),
        ("--min-rtt-timeout 20s host", 20_000, 20_000, 20_000),
    ] {
        assert_eq!(waits(line), (ms(shortest), ms(first), ms(longest)), "{line}");
    }
    let polite = settings("-T2 host").scan;
    assert_eq!((polite.timing.scan_delay, polite.max_parallelism, polite.timing.max_retries), (ms(400), Some(1), 10));
    let polite = settings("-T2 --scan-delay 0 --min-parallelism 4 host").scan;
    assert_eq!((polite.timing.scan_delay, polite.max_parallelism), (Duration::ZERO, Some(4)));
    let insane = settings("-T5 host");
    assert_eq!((insane.scan.timing.max_retries, insane.scan.host_timeout), (2, Some(ms(900_000))));
    assert_eq!(insane.scripts.limits.wall, Limits::default().wall, "a hasty template never lengthens a budget");
    assert_eq!(settings("-T5 --host-timeout 1h host").scan.host_timeout, Some(ms(3_600_000)));
}

#[test]
fn accepted_options_without_effect_are_remarked_on_once() {
    for (line, notes) in [
        ("-n host", vec![]),
        (
            "--min-hostgroup 4 --max-hostgroup 8 host",
            vec!["--min-hostgroup has no effect: hosts are not grouped, each moves on by itself"],
        ),
        (
            "--max_hostgroup 8 host",
            vec!["--max_hostgroup has no effect: hosts are not grouped, each moves on by itself"],
        ),
        ("--script-updatedb host", vec!["--script-updatedb is not needed: scripts are read anew at every start"]),
        (
            "--script-args a=1 --script-trace host",
            vec!["--script-args has no effect: no script is chosen; use -sC or --script"],
        ),
        ("-PR host", vec!["-PR is not needed: hosts on a local link are asked by ARP or neighbour solicitation"]),
        ("-oN scan-%D.txt host", vec!["the file name 'scan-%D.txt' is used as it stands: no date is put in"]),
    ] {
        assert_eq!(settings(line).notes, notes, "{line}");
    }
}

#[test]
fn wrong_values_and_conflicts_are_named() {
    for (line, expected) in [
        ("", "no targets given | name hosts, addresses or networks, or a list with -iL <file>"),
        ("-n", "no targets given | name hosts, addresses or networks, or a list with -iL <file>"),
        ("''", "a target is empty | check the quotes and variables of the command line"),
        ("-n -R host", "-n and -R contradict each other | leave out -n or -R"),
        ("-nR host", "-n and -R contradict each other | leave out -n or -R"),
        ("-6 -4 host", "-4 and -6 contradict each other | leave out -4 or -6"),
        ("-F -p80 host", "-F and -p contradict each other | leave out -F or -p"),
        ("-F --top-ports 5 host", "-F and --top-ports contradict each other | leave out -F or --top-ports"),
        ("-p '' host", "-p '': the value is empty | write a value, or leave the option out"),
        ("--top-ports 0 host", "--top-ports '0': zero is not usable | write at least 1"),
        ("--top-ports 70000 host", "--top-ports '70000': more than there are ports | write 1 to 65535"),
        ("--top-ports x host", "--top-ports 'x': not a whole number | write digits only, such as 100"),
        ("-iL - -iL - host", "-iL - is given twice | read stdin once"),
        (
            "--excludefile - host",
            "--excludefile '-': stdin cannot be used here | write a file name; only -iL reads stdin",
        ),
        (
            "-T9 host",
            "-T '9': no timing template | write 0 to 5, or paranoid, sneaky, polite, normal, aggressive, insane",
        ),
        (
            "--host_timeout 5x host",
            "--host_timeout '5x': not a time | write a time such as 500ms, 30s, 5m or 1h; a bare number is seconds",
        ),
        (
            "--host-timeout 0 host",
            "--host-timeout '0': zero is not a usable time | write a longer time such as 500ms or 30s",
        ),
        (
            "--connect-timeout 9999h host",
            "--connect-timeout '9999h': longer than a year | write a time such as 500ms, 30s, 5m or 1h",
        ),
        (
            "--max-rate 0 host",
            "--max-rate '0': zero is not a usable rate | write a number per second such as 100 or 0.5",
        ),
        ("--max-rate -5 host", "--max-rate '-5': not a rate | write a number per second such as 100 or 0.5"),
        ("--max-sockets 99999999999 host", "--max-sockets '99999999999': too large | write a smaller number"),
        (
            "--min-parallelism 9 --max-parallelism 2 host",
            "--min-parallelism is above --max-parallelism | lower --min-parallelism or raise --max-parallelism",
        ),
        (
            "--min-parallelism 9 --max-sockets 2 host",
            "--min-parallelism is above --max-sockets | lower --min-parallelism or raise --max-sockets",
        ),
        (
            "--min-hostgroup 9 --max-hostgroup 2 host",
            "--min-hostgroup is above --max-hostgroup | lower --min-hostgroup or raise --max-hostgroup",
        ),
        (
            "--min-rtt-timeout 2s --max-rtt-timeout 1s host",
            "--min-rtt-timeout is above --max-rtt-timeout | lower --min-rtt-timeout or raise --max-rtt-timeout",
        ),
        (
            "--connect-timeout 2s --max-rtt-timeout 1s host",
            "--connect-timeout is above --max-rtt-timeout | lower --connect-timeout or raise --max-rtt-timeout",
        ),
        ("--script-max-memory 0 host", "--script-max-memory '0': zero is not usable | write at least 1"),
        (
            "--script-max-memory lots host",
            "--script-max-memory 'lots': not a size | write bytes, or a size such as 64k, 16m or 1g",
        ),
        (
            "--script-timeout 0 host",
            "--script-timeout '0': zero is not a usable time | write a longer time such as 500ms or 30s",
        ),
        (
            "--dns-servers ns host",
            "--dns-servers 'ns': not a list of name servers | write addresses such as 192.0.2.53 or [2001:db8::53]:5353",
        ),
        ("--color blue host", "--color 'blue': no choice of colour | write auto, always or never"),
        ("--replay-lenient host", "--replay-lenient is for replays | name the recording with --replay <file>"),
        ("--script-test-dir d host", "cases of scripts are named without --script-test | add --script-test"),
        ("--record a --replay b", "--record and --replay contradict each other | leave out one of them"),
        ("--replay - host", "--replay '-': stdin cannot be used here | write a file name; only -iL reads stdin"),
        ("--seed x host", "--seed 'x': not a seed | write a number below 2^64, decimal or 0x and hexadecimal"),
        ("-oX - --json host", "two reports go to stdout | give all but one of them a file name"),
        ("-oX a -oN a host", "two reports go to the file 'a' | give each a file of its own"),
        ("-oA - host", "-oA '-': four reports cannot share stdout | write a base name, or use -oX - or --json"),
        ("-oX '' host", "-oX '': the value is empty | write a value, or leave the option out"),
        (
            "--script-help a -oX f",
            "--script-help writes to stdout only | use --json for JSON, and the shell's > for a file",
        ),
    ] {
        assert_eq!(error(line), expected, "{line}");
    }
}

#[test]
fn wrong_replays_and_simulations_are_named() {
    for (line, expected) in [
        ("--replay-lenient host", "--replay-lenient is for replays | name the recording with --replay <file>"),
        ("--record-redact host", "--record-redact is for recordings | name the file with --record <file>"),
        ("--replay-faults 1 host", "--replay-faults is for replays | name the recording with --replay <file>"),
        (
            "--replay a --replay-faults x",
            "--replay-faults 'x': not a seed | write a number below 2^64, decimal or 0x and hexadecimal",
        ),
        ("--simulate a --replay b", "--simulate and --replay contradict each other | leave out one of them"),
        (
            "--simulate a --record b host",
            "--record and --simulate contradict each other | leave out --record or --simulate",
        ),
        ("--record a --replay b", "--record and --replay contradict each other | leave out one of them"),
        ("--replay - host", "--replay '-': stdin cannot be used here | write a file name; only -iL reads stdin"),
    ] {
        assert_eq!(error(line), expected, "{line}");
    }
}

#[test]
fn some_command_lines_do_not_scan() {
    assert!(matches!(parse(&args("-sC -h --nonsense")), Ok(Command::Help(text)) if text.starts_with("sonde: ")));
    assert_eq!(parse(&args("--version")), Ok(Command::Version(format!("sonde {}\n", env!("CARGO_PKG_VERSION")))));
    assert_eq!(parse(&args("--iflist")), Ok(Command::InterfaceList));
    assert!(matches!(parse(&args("--script-updatedb")), Ok(Command::Notice(text)) if text.contains("not needed")));
    let help = ScriptHelp { select: vec!["http-*".to_owned(), "b".to_owned()], dirs: vec!["d".into()], json: true };
    let line = args("--script-help http-* --script-help b --script-dir d --json");
    assert_eq!(parse(&line), Ok(Command::ScriptHelp(help)));
    let test = ScriptTest {
        select: vec!["http-*".to_owned(), "b".to_owned()],
        cases: "c".into(),
        dirs: vec!["d".into()],
        accept: true,
    };
    let line = args("http-* --script-test b --script-dir d --script-test-dir c --script-test-accept");
    assert_eq!(parse(&line), Ok(Command::ScriptTest(test)));
    let test = ScriptTest { select: Vec::new(), cases: "testdata/scripts".into(), dirs: Vec::new(), accept: false };
    assert_eq!(parse(&args("--script-test")), Ok(Command::ScriptTest(test)));
    assert!(settings("--script broadcast-listen").targets.specs.is_empty(), "scripts may run without targets");
}

#[test]
fn wrong_options_of_the_run_are_named() {
    for (line, expected) in [
        (
            "--resume j -T4",
            "no targets given | give --resume alone to go on as before, or with the whole command line to change some of it",
        ),
        (
            "--resume j --journal k host",
            "--journal and --resume contradict each other | leave out --journal or --resume",
        ),
        ("--journal j -oX j host", "the journal and a report go to the file 'j' | give each a file of its own"),
        (
            "--stats-every 0 host",
            "--stats-every '0': zero is not a usable time | write a longer time such as 500ms or 30s",
        ),
        ("--shard 2 host", "--shard '2': not a shard | write which of how many, as in 1/4 to 4/4"),
        ("--shard 5/4 host", "--shard '5/4': there is no such part | write which of how many, as in 1/4 to 4/4"),
        ("--shard 0/4 host", "--shard '0/4': there is no such part | write which of how many, as in 1/4 to 4/4"),
        ("--merge -oX f", "--merge needs files | name the JSON Lines reports of all shards (-oJ)"),
        ("--merge a -oJ a", "'a' would be overwritten while it is read | write the result to another file"),
        (
            "--merge a -p80",
            "--merge and -p do not go together | joining reports scans nothing: name JSON Lines files, and where the \
             result goes (-oN, -oX, -oG, -oJ, -oA)",
        ),
    ] {
        assert_eq!(error(line), expected, "{line}");
    }
}

#[test]
fn some_command_lines_go_on_or_join() {
    let resume = |journal: &str, keys| Ok(Command::Resume { journal: journal.into(), keys });
    assert_eq!(parse(&args("--resume j")), resume("j", true));
    assert_eq!(parse(&args("--noninteractive --resume=j")), resume("j", false));
    let Ok(Command::Merge(merge)) = parse(&args("--merge a.jsonl b.jsonl --allow-incomplete -oX all.xml -v")) else {
        panic!("it joins");
    };
    assert_eq!((merge.files, merge.allow_incomplete), (vec!["a.jsonl".into(), "b.jsonl".into()], true));
    assert_eq!(merge.report.outputs.len(), 2);
    assert_eq!(settings("-p80 host").run.words, ["-p80", "host"]);
}

#[test]
fn the_command_line_is_kept_for_the_report() {
    let line = [OsString::from("-p80"), OsString::from("--script"), OsString::from("a or 'b'"), OsString::from("host")];
    let found = parse(&line).ok().and_then(|command| match command {
        Command::Run(settings) => Some(settings.args_line),
        _ => None,
    });
    assert_eq!(found.as_deref(), Some(r"sonde -p80 --script 'a or '\''b'\''' host"));
}

/// Whether the help explains this option: the word stands alone, not as the beginning of a longer one.
fn in_help(word: &str) -> bool {
    help::TEXT.split(|c: char| c.is_whitespace() || ",;[".contains(c)).any(|found| found == word)
}

#[test]
fn every_option_is_documented_and_in_the_help() {
    for flag in Flags::get_args_info().flags {
        assert!(!flag.description.is_empty(), "{}", flag.long);
        let spelled = spelling::canonical(flag.long);
        // The templates are shown as -T0 to -T5.
        let shown = if spelled == "-T" { "-T0".to_owned() } else { spelled };
        assert!(in_help(&shown), "{} as {shown}", flag.long);
    }
}

#[test]
fn the_help_mentions_nothing_else_and_fits() {
    let known = |word: &str| {
        let name = word.trim_start_matches('-');
        Flags::get_args_info().flags.iter().any(|flag| flag.long == word)
            || (!word.starts_with("--") && normalise::normalise(&[word.into(), "x".into()]).is_ok())
            || name.is_empty()
    };
    for line in help::TEXT.lines() {
        assert!(line.chars().count() <= 80 && line.is_ascii(), "{line}");
        for word in line.split(|c: char| c.is_whitespace() || ",;)[".contains(c)) {
            if word.starts_with('-') {
                assert!(known(word.trim_end_matches([':', '.'])), "{word}");
            }
        }
    }
    for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "130 "] {
        assert!(help::TEXT.contains(&format!("\n  {code}")), "{code}");
    }
}

fn fragment() -> impl Strategy<Value = String> {
    let longs: Vec<String> = Flags::get_args_info().flags.iter().map(|flag| flag.long.to_owned()).collect();
    let shorts = spelling::SPELLINGS.iter().map(|spelling| format!("-{}", spelling.word)).collect::<Vec<_>>();
    let values = ["-", "--", "0", "80", "1s", "5k", "", "=", "a=b", "host", "-1024", "T:1-", "'", "%D"];
    prop_oneof![
        proptest::sample::select(longs),
        proptest::sample::select(shorts),
        proptest::sample::select(values.map(str::to_owned).to_vec()),
        "-{0,3}[a-zA-Z0-9=_é-]{0,8}",
        any::<String>(),
    ]
}

fn argument() -> impl Strategy<Value = OsString> {
    use std::os::unix::ffi::OsStringExt;
    prop_oneof![
        9 => proptest::collection::vec(fragment(), 1..3).prop_map(|parts| OsString::from(parts.concat())),
        1 => proptest::collection::vec(any::<u8>(), 0..12).prop_map(OsString::from_vec),
    ]
}

proptest! {
    #[test]
    fn no_command_line_panics_and_errors_are_short_lines(args in proptest::collection::vec(argument(), 0..8)) {
        if let Err(error) = parse(&args) {
            prop_assert!(!error.what.is_empty() && !error.remedy.is_empty());
            for line in [&error.what, &error.remedy] {
                prop_assert!(!line.chars().any(char::is_control), "{line:?}");
                prop_assert!(line.chars().count() < 1000, "{line:?}");
            }
        }
    }

    #[test]
    fn argh_reads_whatever_the_normaliser_writes(args in proptest::collection::vec(argument(), 0..8)) {
        if let Ok(words) = normalise::normalise(&args)
            && words.last().is_none_or(|last| last.text != "--help")
        {
            prop_assert!(read(&words).is_ok(), "{words:?}");
        }
    }
}

/// The settings of a replay typed as `line` of a run recorded as `recorded`.
fn replayed(recorded: &str, line: &str) -> Settings {
    let Ok(Command::Replay(replay)) = parse(&args(line)) else { panic!("{line}: no replay") };
    let recorded: Vec<String> = args(recorded).into_iter().map(|word| word.into_string().expect("UTF-8")).collect();
    match replay.command(&recorded) {
        Ok(Command::Run(settings)) => *settings,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_replay_takes_the_recorded_command_line_and_what_is_typed_now_goes_first() {
    let recorded = "-n -F -T4 -sC --script x --script-args a=1 --seed 7 --record r -oX out.xml -iL list host";
    let plain = replayed(recorded, "--replay r");
    let mut expected = settings("-n -F -T4 -sC --script x --script-args a=1 --seed 7 -iL list host");
    expected.run.words.clear(); // a replay is neither recorded nor resumed
    assert_eq!(plain, Settings { args_line: plain.args_line.clone(), ..expected });
    assert_eq!(plain.args_line, "sonde --replay r");
    let changed = replayed(recorded, "--replay r -p 80 --script y --seed 8 --json other");
    let mut expected = settings("-n -T4 --script-args a=1 -p 80 --script y --seed 8 --json other");
    expected.run.words.clear();
    assert_eq!(changed, Settings { args_line: changed.args_line.clone(), ..expected });
    let kinds = replayed("-sSU -PS22 host", "--replay r -sTY -PE").scan;
    assert_eq!(kinds.kinds, [ScanKind::Connect, ScanKind::SctpInit]);
    assert_eq!(kinds.discovery.pings, [ping(PingKind::Echo, "")]);
    let foreign = replayed("", "--replay r --replay-lenient -p 80 host");
    assert_eq!(foreign.targets.specs, ["host"]);
}

//! What scripts meet beyond the examples: wrong fields, hostile values, packets from the wire.

use rhai::{Dynamic, Engine, EvalAltResult};

fn engine() -> Engine {
    let mut engine = Engine::new();
    engine.set_max_call_levels(64);
    engine.set_max_expr_depths(64, 32);
    crate::bindings::pure::register(&mut engine);
    super::register(&mut engine);
    engine.register_fn("assert", |holds: bool| -> Result<(), Box<EvalAltResult>> {
        if holds { Ok(()) } else { Err("assertion failed".into()) }
    });
    engine.register_fn("assert_eq", |left: Dynamic, right: Dynamic| -> Result<(), Box<EvalAltResult>> {
        let (left, right) = (format!("{left:?}"), format!("{right:?}"));
        if left == right { Ok(()) } else { Err(format!("{left} is not {right}").into()) }
    });
    engine
}

fn runs(code: &str) {
    if let Err(error) = engine().run(code) {
        panic!("{error}\n{code}");
    }
}

#[test]
fn every_example_holds() {
    let mut bare = Engine::new();
    super::register(&mut bare);
    let modules = crate::bindings::reference::collect(&bare).expect("metadata is well-formed");
    let gaps = crate::bindings::reference::gaps(&modules);
    assert!(gaps.is_empty(), "{gaps:#?}");
    let engine = engine();
    let failed: Vec<String> = crate::bindings::reference::examples(&modules)
        .iter()
        .map(|(name, example)| (name, &example.code))
        .filter_map(|(name, code)| engine.run(code).err().map(|error| format!("{name}: {error}\n{code}")))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// The message of the error that `code` ends in.
fn fails(code: &str) -> String {
    let caught = format!("let m = (); try {{ {code}; }} catch (e) {{ m = `${{e.kind}} ${{e.op}}: ${{e.message}}` }} m");
    engine().eval::<String>(&caught).unwrap_or_else(|error| panic!("{code}: {error}"))
}

#[test]
fn a_wrong_field_is_named_with_its_range() {
    for (code, expected) in [
        ("packet::tcp(#{sport: 65536})", "argument packet::tcp: sport: 65536 is not from 0 to 65535"),
        ("packet::tcp(#{sport: -1})", "argument packet::tcp: sport: -1 is not from 0 to 65535"),
        ("packet::tcp(#{sprt: 1})", "argument packet::tcp: tcp has no field \"sprt\"; did you mean \"sport\"?"),
        ("packet::tcp(#{flags: \"SX\"})", "argument packet::tcp: flags: 'X' is none of F S R P A U E C"),
        ("packet::tcp(#{sport: \"80\"})", "argument packet::tcp: sport: it takes a number from 0 to 65535, not string"),
        ("packet::ipv4(#{dst: \"fd00::1\"})", "argument packet::ipv4: dst: \"fd00::1\" is not an IPv4 address"),
        ("packet::ipv4(#{flags: \"XX\"})", "argument packet::ipv4: flags: \"XX\" is none of DF, MF, evil"),
        ("packet::ipv4(#{offset: 9})", "argument packet::ipv4: offset: 9 is not a multiple of 8"),
        ("packet::ethernet(#{src: \"02:00\"})", "argument packet::ethernet: src: \"02:00\" is not a hardware address"),
        (
            "packet::ethernet(#{src: \"2:0:0:0:0:0:0\"})",
            "argument packet::ethernet: src: \"2:0:0:0:0:0:0\" is not a hardware address",
        ),
        ("packet::tcp(#{options: [#{mss: 99999}]})", "argument packet::tcp: options.mss: 99999 is not from 0 to 65535"),
        (
            "packet::tcp(#{options: [\"sack\"]})",
            "argument packet::tcp: options: the only options without a map are nop, eol and sack_ok",
        ),
        (
            "packet::icmp(#{kind: \"ping\"})",
            "argument packet::icmp: kind: \"ping\" is none of echo-reply, unreachable, redirect, echo, time-exceeded, parameter-problem, timestamp, timestamp-reply, mask, mask-reply, nor a number",
        ),
        ("packet::icmp(#{kind: \"echo\", mtu: 1})", "argument packet::icmp: mtu: only unreachable has it"),
        ("let p = packet::udp(#{}); p.udp.length = 70000", "argument udp: length: 70000 is not from 0 to 65535"),
        ("let p = packet::udp(#{}); p.upd", "argument packet: a packet has no \"upd\"; did you mean \"udp\"?"),
        (
            "let p = packet::udp(#{}); p.ip = packet::ipv4(#{})",
            "argument packet: ip: the packet has no such layer: join it with `/`, or set `layers`",
        ),
        ("packet::parse(\"\", \"wifi\")", "argument packet::parse: a link is \"ip\" or \"ethernet\", not \"wifi\""),
        (
            "packet::parse(blob(200000))",
            "limit packet::parse: size 200000 is over the limit of 131072: work on a part of it",
        ),
    ] {
        assert_eq!(fails(code), expected, "{code}");
    }
}

#[test]
fn changes_reach_the_packet_and_copies_do_not_share_them() {
    runs(
        r#"
        let p = packet::ipv4(#{dst: "192.0.2.2"}) / packet::tcp(#{dport: 80, flags: "S"});
        let q = p;
        q.tcp.dport = 443;
        q.ip.options = [#{record_route: 2}];
        assert_eq([p.tcp.dport, q.tcp.dport, p.ip.length, q.ip.length], [80, 443, 40, 52]);
        let tcp = q.tcp;
        assert(tcp.checksum != ());
        tcp.seq = 7;
        assert_eq([tcp.checksum, q.tcp.seq], [(), 0]);
        q.tcp = tcp;
        assert_eq(q.tcp.seq, 7);
        p.tcp.tsval = 5;
        p.tcp.tsecr = 6;
        p.tcp.wscale = 3;
        assert_eq(p.tcp.options, [#{ts: [5, 6]}, #{wscale: 3}]);
        p.tcp.tsval = ();
        p.tcp.sack_ok = true;
        assert_eq(p.tcp.layout, "ws,sok");
        p.layers = [packet::ethernet(#{}), p.ip, p.tcp];
        assert_eq(p.ethernet.type, 0x800);
        p.ethernet = ();
        assert_eq(p.layers.len(), 2);
        "#,
    );
}

#[test]
fn quotes_and_cut_headers_are_read_and_written() {
    runs(
        r#"
        let probe = packet::ipv4(#{src: "10.0.0.1", dst: "10.0.0.2", ttl: 1}) / packet::tcp(#{sport: 4444, dport: 80, seq: 9});
        let whole = probe.bytes();
        whole.truncate(28);
        let error = packet::ipv4(#{src: "10.0.9.9", dst: "10.0.0.1"})
            / packet::icmp(#{kind: "time-exceeded", quoted: packet::parse(whole)});
        let seen = packet::parse(error.bytes());
        assert_eq([seen.ip.src, seen.icmp.kind, seen.icmp.quoted.ip.dst], ["10.0.9.9", "time-exceeded", "10.0.0.2"]);
        assert_eq([seen.icmp.quoted.tcp.sport, seen.icmp.quoted.tcp.dport, seen.icmp.quoted.tcp.seq], [4444, 80, 9]);
        assert_eq(seen.icmp.quoted.tcp.flags, ());
        seen.icmp.quoted.ip.ttl = 7;
        assert_eq(packet::parse(seen.bytes()).icmp.quoted.ip.ttl, 7);
        "#,
    );
}

#[test]
fn every_kind_of_layer_comes_back_as_it_was_set() {
    runs(
        r#"
        let same = |p| { assert_eq(packet::parse(p.bytes()).summary(), p.summary()); packet::parse(p.bytes()) };
        let v4 = packet::ipv4(#{src: "192.0.2.1", dst: "192.0.2.2"});
        let v6 = packet::ipv6(#{src: "fd00::1", dst: "fd00::2", ttl: 255});
        let p = same.call(v4 / packet::icmp(#{kind: "timestamp", id: 1, seq: 2, originate: 3, receive: 4, transmit: 5}));
        assert_eq([p.icmp.id, p.icmp.seq, p.icmp.originate, p.icmp.receive, p.icmp.transmit], [1, 2, 3, 4, 5]);
        let p = same.call(v4 / packet::icmp(#{kind: "mask", mask: "255.0.0.0"}));
        assert_eq(p.icmp.mask, "255.0.0.0");
        let p = same.call(v4 / packet::icmp(#{type: 5, code: 1, gateway: "192.0.2.9"}));
        assert_eq([p.icmp.kind, p.icmp.gateway], ["redirect", "192.0.2.9"]);
        let p = same.call(v4 / packet::icmp(#{type: 10, rest: 0x01020304}));
        assert_eq([p.icmp.kind, p.icmp.rest], [10, 0x01020304]);
        let p = same.call(v6 / packet::icmp6(#{kind: "too-big", mtu: 1280, quoted: v6}));
        assert_eq([p.icmp6.mtu, p.icmp6.quoted.ip.dst], [1280, "fd00::2"]);
        let p = same.call(v6 / packet::icmp6(#{kind: "neighbor-advertisement", target: "fd00::9", solicited: true, override: true}));
        assert_eq([p.icmp6.router, p.icmp6.solicited, p.icmp6.override], [false, true, true]);
        let options = [#{mtu: 1500}, #{prefix: "fd00::", length: 64, flags: 0xc0, valid: 5, preferred: 4}];
        let p = same.call(v6 / packet::icmp6(#{kind: "router-advertisement", lifetime: 30, options: options}));
        assert_eq([p.icmp6.lifetime, p.icmp6.options], [30, options]);
        let records = [#{kind: 4, group: "ff02::fb", sources: ["fd00::7"], data: blob()}];
        let p = same.call(v6 / packet::icmp6(#{kind: "listener-report-2", records: records}));
        assert_eq(p.icmp6.records, records);
        let p = same.call(v6 / packet::icmp6(#{kind: "listener-query", group: "ff02::fb", delay: 9}));
        assert_eq([p.icmp6.group, p.icmp6.delay], ["ff02::fb", 9]);
        let p = same.call(v4 / packet::igmp(#{kind: "query", group: "224.0.0.9", sources: ["192.0.2.7"], interval: 60}));
        assert_eq([p.igmp.group, p.igmp.sources, p.igmp.interval], ["224.0.0.9", ["192.0.2.7"], 60]);
        let p = same.call(v4 / packet::sctp(#{tag: 5, chunks: [#{kind: "cookie-echo", cookie: "abc"}, #{kind: "cookie-ack"}, #{kind: "abort"}]}));
        assert_eq(p.sctp.chunks.map(|c| c.kind), ["cookie-echo", "cookie-ack", "abort"]);
        assert_eq(p.sctp.chunks[0].cookie, bytes::from_text("abc"));
        let p = same.call(v6 / packet::extension(#{kind: "routing", routing_type: 0, segments_left: 1, data: blob(20)}) / packet::udp(#{}));
        assert_eq([p.extension.kind, p.extension.segments_left], ["routing", 1]);
        let p = same.call(v6 / packet::extension(#{kind: "fragment", offset: 64, id: 3}) / "rest");
        assert_eq([p.extension.offset, p.extension.more, p.payload], [64, false, bytes::from_text("rest")]);
        let options = [#{timestamp: [["192.0.2.1", 5], ["192.0.2.2", 0]], flag: 3, pointer: 13, overflow: 0}, #{router_alert: 7}];
        let p = same.call(packet::ipv4(#{options: options, flags: "evil,MF", protocol: 253}) / "x");
        assert_eq([p.ip.options, p.ip.flags], [options, "evil,MF"]);
        "#,
    );
}

#[test]
fn nesting_and_size_are_bounded() {
    let code = "let p = packet::icmp(#{}); loop { p = packet::icmp(#{kind: \"unreachable\", quoted: p}); }";
    assert_eq!(fails(code), "argument packet::icmp: quoted: quotes within quotes go at most 4 deep");
    let code = "let p = packet::udp(#{}); loop { p = p / p; }";
    assert_eq!(fails(code), "limit packet: a packet has at most 64 layers");
    let code = "let p = packet::payload(blob(65535)); loop { p = p / p; }";
    assert!(fails(code).starts_with("limit packet: size 262140 is over"), "{}", fails(code));
}

/// Values no author has in mind.
const HOSTILE: [&str; 11] = [
    "()",
    "7",
    "\"192.0.2.7\"",
    "-1",
    "9223372036854775807",
    "\"\"",
    "\"é\\x00:%\"",
    "blob(70000, 255)",
    "[[1, 2], \"x\", (), #{kind: 1}, #{mss: ()}]",
    "#{kind: (), raw: 1}",
    "packet::udp(#{})",
];

#[test]
fn no_field_panics_whatever_it_is_given() {
    let engine = engine();
    let seeds = [
        "packet::ethernet(#{}) / packet::vlan(#{}) / packet::ipv4(#{}) / packet::tcp(#{}) / \"x\" / packet::trailer(\"y\")",
        "packet::ipv6(#{}) / packet::extension(#{}) / packet::icmp6(#{kind: \"neighbor-solicitation\"})",
        "packet::ipv4(#{}) / packet::icmp(#{}) / packet::igmp(#{}) / packet::sctp(#{}) / packet::arp(#{}) / packet::udp(#{})",
    ];
    let fields = "src dst type id priority flags df offset options route protocol length header_length checksum ttl kind code seq \
                  quoted rest mtu pointer group records sources chunks tag sport dport mss wscale sack_ok tsval tsecr layout \
                  data reason layer op sender_mac target target_ip next_header data_offset reserved urgent";
    let mut accepted = 0;
    for (seed, field, value) in seeds.iter().flat_map(|seed| {
        fields.split_whitespace().flat_map(move |field| HOSTILE.iter().map(move |value| (seed, field, value)))
    }) {
        let code = format!(
            "let p = {seed}; let done = 0; let at = 0;
             for l in p.layers {{
                 try {{ l.{field} = {value}; done += 1; let all = p.layers; all[at] = l; p.layers = all; }} catch {{}}
                 try {{ l.{field}; }} catch {{}}
                 at += 1;
             }}
             packet::parse(p.bytes(), \"ethernet\"); packet::parse(p.bytes()); p.summary();
             done"
        );
        accepted += engine.eval::<i64>(&code).unwrap_or_else(|error| panic!("{error}\n{code}"));
    }
    assert!(accepted > 100, "only {accepted} values were accepted: the test has lost its grip");
}

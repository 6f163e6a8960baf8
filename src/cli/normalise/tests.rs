use std::os::unix::ffi::OsStringExt;

use super::*;

fn args(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

/// The words for argh, or the error's two lines.
fn read(line: &str) -> String {
    match normalise(&args(line)) {
        Ok(words) => words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "),
        Err(error) => format!("{} | {}", error.what, error.remedy),
    }
}

#[test]
fn habits_become_long_options() {
    for (line, expected) in [
        // Exact words.
        ("-sT -sC -Pn -n -F -r", "--scan-connect --script-default --no-ping --no-reverse --fast --sequential"),
        ("-R -6 -4 -v -d", "--reverse-all --ipv6 --ipv4 --verbose --debug"),
        ("-PN -P0", "--no-ping --no-ping"),
        (
            "-oN a -oX b -oG c -oJ d -oA e",
            "--output-normal a --output-xml b --output-grepable c --output-json d --output-all e",
        ),
        ("-iL hosts -iL -", "--input-list hosts --input-list -"),
        ("--oX a --iL=b", "--output-xml a --input-list b"),
        // Glued values.
        ("-p80", "--ports 80"),
        ("-p-", "--ports -"),
        ("-p=80", "--ports 80"),
        ("-p80=81", "--ports 80=81"),
        ("-phttp*", "--ports http*"),
        ("-T4", "--timing 4"),
        ("-Tinsane", "--timing insane"),
        ("-oXfile", "--output-xml file"),
        ("-oXa=b.xml", "--output-xml a=b.xml"),
        ("-oX=a=b.xml", "--output-xml a=b.xml"),
        ("-iLhosts", "--input-list hosts"),
        // Counts.
        ("-vv -d3", "--verbose --verbose --debug --debug --debug"),
        ("-v0 -v2", "--verbose --verbose"),
        // Letters together.
        ("-sTC", "--scan-connect --script-default"),
        ("-nF", "--no-reverse --fast"),
        ("-nvvp80", "--no-reverse --verbose --verbose --ports 80"),
        ("-nsTC", "--no-reverse --scan-connect --script-default"),
        ("-np 80", "--no-reverse --ports 80"),
        ("-sSU -sZ", "--scan-syn --scan-udp --scan-sctp-cookie"),
        ("-sSUY", "--scan-syn --scan-udp --scan-sctp-init"),
        (
            "-nsAWMNFXO",
            "--no-reverse --scan-ack --scan-window --scan-maimon --scan-null --scan-fin --scan-xmas --scan-protocols",
        ),
        ("-sP -sn -sL", "--ping-only --ping-only --list-only"),
        // Lists of pings, which are glued or not there.
        (
            "-PS22,80 -PA -PU=53 -PY9 -PO host",
            "--ping-syn 22,80 --ping-ack  --ping-udp 53 --ping-sctp 9 --ping-protocol  host",
        ),
        ("-PE -PP -PM -PR", "--ping-echo --ping-timestamp --ping-mask --ping-arp"),
        ("-nPS80", "--no-reverse --ping-syn 80"),
        ("-g53 -eeth0", "--source-port 53 --interface eth0"),
        ("-e lo", "--interface lo"),
        // Long names.
        ("--script=a,b", "--script a,b"),
        ("--script-args=a=b", "--script-args a=b"),
        ("--script-args=", "--script-args "),
        ("--max_retries 2", "--max-retries 2"),
        ("--max_retries=2", "--max-retries 2"),
        ("-script x -open", "--script x --open"),
        ("-script=x", "--script x"),
        ("--max-ret 2", "--max-retries 2"),
        ("-max_ret 2", "--max-retries 2"),
        ("--exclude a --excludef b", "--exclude a --excludefile b"),
        ("--top 10", "--top-ports 10"),
        // Dashes as values, targets, and the end of options.
        ("-p - host", "--ports - host"),
        ("-p -1024 -oX -", "--ports -1024 --output-xml -"),
        ("-p -6", "--ports -6"),
        ("host -n 192.0.2.1/24", "host --no-reverse 192.0.2.1/24"),
        ("-n -- -sV --open -", "--no-reverse -sV --open -"),
        ("help", "help"),
        // Help and version end the reading.
        ("-n -h -sV", "--no-reverse --help"),
        ("--help --nonsense", "--help"),
        ("-V -sV", "--version"),
        ("-vh", "--verbose --help"),
        ("", ""),
    ] {
        assert_eq!(read(line), expected, "{line}");
    }
}

#[test]
fn refused_options_are_named_with_a_remedy() {
    for (line, what) in [
        ("-sV", "'-sV' (version detection) is not available in sonde"),
        ("-sVC", "'-sV in -sVC' (version detection) is not available in sonde"),
        ("-sSUV", "'-sV in -sSUV' (version detection) is not available in sonde"),
        ("-A", "'-A' (version, system, scripts and route together) is not available in sonde"),
        ("-vA", "'-vA' (version, system, scripts and route together) is not available in sonde"),
        ("-iR100", "'-iR100' (random targets) is not available in sonde"),
        ("-S 192.0.2.1", "'-S' (forged source address) is not available in sonde"),
        ("-ff", "'-ff' (fragmented packets) is not available in sonde"),
        ("-iR 100", "'-iR' (random targets) is not available in sonde"),
        ("-sIzombie", "'-sIzombie' (idle scan) is not available in sonde"),
        ("--spoof-mac 0", "'--spoof-mac' (forged hardware address) is not available in sonde"),
        ("-spoof-mac 0", "'-spoof-mac' (forged hardware address) is not available in sonde"),
        ("--spoof 0", "'--spoof' (forged hardware address) is not available in sonde"),
        ("--port_ratio=5", "'--port_ratio' (ports by frequency) is not available in sonde"),
        ("--data-string 5", "'--data-string' (bytes added to probes) is not available in sonde"),
    ] {
        let answer = read(line);
        assert!(answer.starts_with(&format!("{what} | ")), "{line}: {answer}");
    }
}

#[test]
fn every_refused_word_is_refused_however_it_is_spelled() {
    for refused in REFUSED {
        let short = format!("-{}", refused.word);
        assert_eq!(read(&short), format!("{} | {}", refused.error(&short).what, refused.remedy));
        if refused.word.len() > 1 {
            let long = format!("--{}", refused.word);
            assert_eq!(read(&long), format!("{} | {}", refused.error(&long).what, refused.remedy));
        }
    }
}

#[test]
fn no_supported_word_is_refused() {
    for flag in Flags::get_args_info().flags {
        assert!(refused::find(bare(flag.long)).is_none(), "{}", flag.long);
    }
    for spelling in SPELLINGS {
        assert!(refused::find(spelling.word).is_none(), "{}", spelling.word);
        assert!(Known::new().option(spelling.long).is_some(), "{}", spelling.long);
    }
}

#[test]
fn mistakes_are_named_with_what_to_write() {
    for (line, expected) in [
        ("--scritp x", "unknown option '--scritp' | did you mean --script?"),
        ("-sc", "unknown option '-sc' | did you mean -sC?"),
        ("-pn", "unknown option '-pn' | did you mean -Pn?"),
        ("-scirpt", "unknown option '-scirpt' | did you mean --script?"),
        ("-exclued a", "unknown option '-exclued' | did you mean --exclude?"),
        (
            "--osscan-gess",
            "unknown option '--osscan-gess' | if --osscan-guess is meant: leave it out: the operating system is not detected",
        ),
        ("--xyzzy-plugh", "unknown option '--xyzzy-plugh' | no option has a name near it"),
        ("-q", "unknown option '-q' | no option has a name near it"),
        (
            "--n",
            "'--n' could be several options | write one of --no-reverse, --no-ping, --noninteractive, --nsock-engine, --no-stylesheet, --no-color",
        ),
        ("--max-r", "'--max-r' could be several options | write one of --max-rate, --max-rtt-timeout, --max-retries"),
        ("-p", "'-p' needs a value | write -p <ports>"),
        ("-oX", "'-oX' needs a value | write -oX <file>"),
        ("--max_retries", "'--max_retries' needs a value | write --max_retries <n>"),
        (
            "-oX -sC",
            "'-oX' needs a value, but the option '-sC' follows | write -oX <file>, or --output-xml=-sC if that is meant",
        ),
        (
            "--script --open",
            "'--script' needs a value, but the option '--open' follows | write --script <expr>, or --script=--open if that is meant",
        ),
        ("-p80 -p 81", "'-p' is given twice | give it once; lists are joined with commas, as in -p 22,80"),
        ("--open=yes", "'--open' takes no value | write --open alone"),
        ("-v=3", "'-v' takes no value | write -v alone"),
        ("-d99", "'-d99' is too high a level | write -d10 at most"),
        ("-vvvvvvvvvvv", "'-vvvvvvvvvvv' is too high a level | write -v10 at most"),
        ("-", "'-' is no target | write -iL - to read targets from stdin"),
        ("-=", "unknown option '-' | no option has a name near it"),
        ("---", "unknown option '---' | no option has a name near it"),
    ] {
        assert_eq!(read(line), expected, "{line}");
    }
}

#[test]
fn the_spelling_of_the_user_is_kept() {
    let typed = |line: &str| {
        let words = normalise(&args(line)).unwrap_or_default();
        words.into_iter().map(|word| (word.typed, word.role)).collect::<Vec<_>>()
    };
    assert_eq!(
        typed("-p80 --max_ret=2 host"),
        [
            ("-p".to_owned(), Role::Option),
            ("80".to_owned(), Role::Value),
            ("--max_ret".to_owned(), Role::Option),
            ("2".to_owned(), Role::Value),
            ("host".to_owned(), Role::Target),
        ]
    );
}

#[test]
fn bytes_that_are_no_utf8_are_an_error() {
    let line = [OsString::from("-n"), OsString::from_vec(vec![b'a', 0xff])];
    let error = normalise(&line).err();
    assert_eq!(error.map(|error| error.what), Some("argument 2 is not valid UTF-8: 'a\u{fffd}'".to_owned()));
}

#[test]
fn rubbish_is_refused_in_little_time_and_space() {
    for letter in ["n", "v", "s", "sT", "p", "-", "é", "nv", "h="] {
        let word = format!("-{}", letter.repeat(100_000));
        match normalise(&[OsString::from(word), OsString::from("x")]) {
            Ok(words) => assert!(words.len() <= 4, "{letter}"),
            Err(error) => assert!(error.to_string().chars().count() < 400, "{letter}"),
        }
    }
}

//! Scripts that listen to what a port says by itself: `banner`, `daytime`.

use std::net::{SocketAddr, TcpListener};

use super::{failure, finds_nothing, is_not_started, output, run, text};
use crate::support::dir::Dir;
use crate::support::peer::Peer;
use crate::support::servers::Server;
use crate::support::sonde::scan;
use crate::support::{cannot_run, place};

/// The internal Daytime service of inetd. It knows the service by its name only, and so on port 13, which takes a privilege.
fn daytime_server() -> Option<Server> {
    let (dir, address) = (Dir::new(), SocketAddr::new(place::address(), 13));
    if let Err(error) = TcpListener::bind(address) {
        cannot_run(&format!("no server may listen on port 13 here ({error}): run as root"));
        return None;
    }
    let path = dir.write("inetd.conf", format!("{}:daytime stream tcp nowait root internal\n", address.ip()));
    let (path, pid) = (path.display().to_string(), format!("-p{}", dir.join("pid").display()));
    Server::start("inetutils-inetd", "inetutils-inetd", &["-d", &pid, &path], address, dir)
}

#[test]
fn daytime() {
    let Some(server) = daytime_server() else { return };
    // Not forced: this is the port of its rule.
    let run = scan(["-p", "13", "--script", "daytime", &server.ip()]).run().expect(0);
    let report = run.report();
    let said = report.script("daytime")["output"].as_str().unwrap_or_default().to_owned();
    let words: Vec<&str> = said.split_whitespace().collect();
    assert!(words.len() == 5 && words[3].len() == 8 && words[3].contains(':'), "{run}");
    assert!(text("daytime", &server, &[]).contains("\n|_daytime: "));
}

#[test]
fn daytime_of_peers_that_do_not_behave() {
    assert_eq!(output("daytime", &Peer::greeting("Tuesday\x1b[2J\r\nand more"), &[]), "Tuesday\\x1b[2J");
    assert_eq!(output("daytime", &Peer::greeting(&b"\xff\xfe no line end"[..]), &[]), "\\xff\\xfe no line end");
    finds_nothing("daytime", &Peer::start(|talk| talk.finish(b"")), &[]);
    assert_eq!(failure("daytime", &Peer::endless("x"), &[]), "protocol");
    is_not_started("daytime");
}

#[test]
fn banner() {
    let ftp = Peer::greeting("220-Welcome\r\n220 ftp.example ready\r\n");
    assert_eq!(output("banner", &ftp, &[]), "220-Welcome\n220 ftp.example ready");
    assert_eq!(output("banner", &ftp, &["--script-args", "lines=1"]), "220-Welcome");
    assert_eq!(
        output("banner", &Peer::greeting(&b"\x00\x1b]0;x\x07\\\xe9\n\n\n"[..]), &[]),
        "\\x00\\x1b]0;x\\x07\\\\\\xe9"
    );
    assert!(text("banner", &ftp, &[]).contains("| banner:\n|   220-Welcome\n|_  220 ftp.example ready\n"));
}

#[test]
fn banner_of_peers_that_do_not_behave() {
    let brief = ["--script-args", "banner.timeout=200ms,banner.quiet=50ms"];
    finds_nothing("banner", &Peer::silent(), &brief);
    finds_nothing("banner", &Peer::greeting(""), &[]);
    finds_nothing("banner", &Peer::greeting("\r\n\r\n"), &[]);
    is_not_started("banner");
    let waiting = Peer::start(|talk| {
        let _ = std::io::Write::write_all(&mut talk.stream, b"login: ");
        talk.drain();
    });
    assert_eq!(output("banner", &waiting, &brief), "login:");
    assert_eq!(failure("banner", &Peer::endless("x"), &[]), "protocol");
}

#[test]
fn wrong_counts_are_told_with_their_line() {
    let peer = Peer::greeting("x\n");
    let run = run("banner", &peer, &["--script-args", "lines=-1"]);
    let record = run.report().script("banner").clone();
    assert_eq!((&record["outcome"], &record["failure"]["kind"]), (&"failed".into(), &"script".into()), "{run}");
}

//! Scripts that listen to what a port says by itself: `banner`, `daytime`.

use std::net::SocketAddr;

use super::{failure, finds_nothing, is_not_started, output, run, text};
use crate::support::dir::Dir;
use crate::support::peer::Peer;
use crate::support::servers::Server;
use crate::support::{place, tls};

/// The internal Daytime service of xinetd, on a port of its own.
fn daytime_server() -> Option<Server> {
    let (dir, address) = (Dir::new(), SocketAddr::new(place::address(), place::port()));
    // Of its user only that it exists matters, and nobody but root may be another.
    let configuration = format!(
        "service daytime\n{{\n type = INTERNAL UNLISTED\n socket_type = stream\n protocol = tcp\n wait = no\n \
         user = root\n flags = NAMEINARGS\n bind = {}\n port = {}\n}}\n",
        address.ip(),
        address.port()
    );
    let path = dir.write("xinetd.conf", configuration).display().to_string();
    let log = dir.join("log").display().to_string();
    let pid = dir.join("pid").display().to_string();
    Server::start("xinetd", "xinetd", &["-dontfork", "-filelog", &log, "-pidfile", &pid, "-f", &path], address, dir)
}

#[test]
fn daytime() {
    let Some(server) = daytime_server() else { return };
    let said = output("daytime", &server, &[]);
    let words: Vec<&str> = said.as_str().unwrap_or_default().split(' ').collect();
    assert!(words.len() >= 4 && words.iter().any(|word| word.len() == 8 && word.contains(':')), "{said}");
    assert_eq!(text("daytime", &server, &[]).matches("\n|_daytime: ").count(), 1);
}

#[test]
fn daytime_of_peers_that_do_not_behave() {
    assert_eq!(output("daytime", &Peer::greeting("Tuesday\x1b[2J\r\nand more"), &[]), "Tuesday\\x1b[2J");
    assert_eq!(output("daytime", &Peer::greeting(&b"\xff\xfe no line end"[..]), &[]), "\\xff\\xfe no line end");
    finds_nothing("daytime", &Peer::start(|talk| talk.finish(b"")), &[]);
    finds_nothing("daytime", &Peer::resetting(true), &[]);
    assert_eq!(failure("daytime", &Peer::endless("x"), &[]), "protocol");
    is_not_started("daytime");
}

#[test]
fn banner() {
    let ftp = Peer::greeting("220-Welcome\r\n220 ftp.example ready\r\n");
    assert_eq!(output("banner", &ftp, &[]), "220-Welcome\n220 ftp.example ready");
    assert_eq!(output("banner", &ftp, &["--script-args", "lines=1"]), "220-Welcome");
    assert_eq!(output("banner", &Peer::greeting(&b"\x00\x1b]0;x\x07\\\xe9\n\n\n"[..]), &[]), "\\x00\\x1b]0;x\\x07\\\\\\xe9");
    assert!(text("banner", &ftp, &[]).contains("| banner:\n|   220-Welcome\n|_  220 ftp.example ready\n"));
}

#[test]
fn banner_of_peers_that_do_not_behave() {
    let brief = ["--script-args", "banner.timeout=200ms,banner.quiet=50ms"];
    finds_nothing("banner", &Peer::silent(), &brief);
    finds_nothing("banner", &Peer::greeting(""), &[]);
    finds_nothing("banner", &Peer::greeting("\r\n\r\n"), &[]);
    finds_nothing("banner", &Peer::resetting(true), &[]);
    is_not_started("banner");
    let waiting = Peer::start(|talk| {
        let _ = std::io::Write::write_all(&mut talk.stream, b"login: ");
        talk.drain();
    });
    assert_eq!(output("banner", &waiting, &brief), "login:");
    assert_eq!(failure("banner", &Peer::endless("x"), &[]), "protocol");
    let _ = tls::peer(|_| {});
}

#[test]
fn wrong_counts_are_told_with_their_line() {
    let peer = Peer::greeting("x\n");
    let run = run("banner", &peer, &["--script-args", "lines=-1"]);
    let record = run.report().script("banner").clone();
    assert_eq!((&record["outcome"], &record["failure"]["kind"]), (&"failed".into(), &"script".into()), "{run}");
}

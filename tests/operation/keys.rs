use std::io::Write;
use std::process::Stdio;

use rustix::fs::{OFlags, fcntl_setfl};

use crate::support::dir::Dir;
use crate::support::peer::Peer;
use crate::support::pty::Terminal;
use crate::support::sonde::scan;

/// A script that waits for a peer for ever, on line 4.
const LISTEN: &str = "const portrule = #{};\nconst capabilities = [\"tcp\"];\nfn action(host, port) {\n    \
                      net::receive(net::connect(host, port))\n}";

/// A scan that stands still at a silent peer.
fn stuck(stdout: Stdio, more: &[&str]) -> (Terminal, Peer, Dir) {
    let (peer, dir) = (Peer::silent(), Dir::new());
    dir.write("listen.rhai", LISTEN);
    let (port, ip) = (peer.port(), peer.ip());
    let mut arguments = vec!["-n", "--json", "-p", &port, "--script", "./listen.rhai", &ip];
    arguments.extend(["--script-operation-timeout", "1h", "--script-timeout", "1h"]);
    arguments.extend(more);
    let terminal = Terminal::start(&arguments, dir.path(), stdout);
    (terminal, peer, dir)
}

#[test]
fn keys_are_obeyed_and_the_terminal_is_left_as_it_was() {
    let (mut terminal, peer, _dir) = stuck(Stdio::null(), &[]);
    peer.wait_for_connections(1);
    // Drawn in place, by itself.
    let drawn = terminal.wait_for("; slowest ");
    assert!(drawn.contains("\r\x1b[K") && drawn.contains("hosts 0/1, 1 under way"), "{drawn:?}");
    for (key, answer) in [
        ("?", "keys: v/V"),
        ("v", "detail: 1, debugging: 0"),
        ("d", "detail: 1, debugging: 1"),
        ("D", "detail: 1, debugging: 0"),
        ("V", "detail: 0, debugging: 0"),
        ("p", "traces of scripts and packets: on"),
        ("P", "traces of scripts and packets: off"),
        ("s", "slowest scripts:"),
        ("\x1b[A", "hosts 0/1, 1 under way"),
        (" ", "; scripts 0 ended, 1 alive, 0 waiting; probes 1"),
    ] {
        terminal.press(key);
        terminal.wait_for(answer);
    }
    terminal.press("s");
    terminal.wait_for("slowest scripts:");
    terminal.wait_for(&format!("listen {} waits at ./listen.rhai:4", peer.address()));
    terminal.press("\x03");
    terminal.wait_for("interrupted: nothing new is begun");
    assert_eq!(terminal.finish(), ("130".to_owned(), true));
}

#[test]
fn a_run_that_ends_by_itself_leaves_the_terminal_as_it_was() {
    let peer = Peer::refusing();
    let dir = Dir::new();
    let terminal = Terminal::start(&["-n", "-p", &peer.port(), &peer.ip()], dir.path(), Stdio::null());
    assert_eq!(terminal.finish(), ("0".to_owned(), true));
}

#[test]
fn a_second_interrupt_of_a_run_that_is_stuck_leaves_the_terminal_as_it_was() {
    // Nobody reads stdout, and it is full: the run hangs in its first write and hears no signal.
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let copy = writer.try_clone().expect("another handle");
    fcntl_setfl(&writer, OFlags::NONBLOCK).expect("a flag");
    while writer.write(&[b' '; 4096]).is_ok() {}
    while writer.write(b" ").is_ok() {}
    fcntl_setfl(&writer, OFlags::empty()).expect("a flag");
    let (mut terminal, _peer, _dir) = stuck(copy.into(), &[]);
    terminal.wait_for_raw();
    terminal.press_until_it_ends("\x03");
    assert_eq!(terminal.finish(), ("130".to_owned(), true));
    drop((reader, writer));
}

#[test]
fn no_keys_are_read_when_the_user_says_so() {
    let (mut terminal, peer, _dir) = stuck(Stdio::null(), &["--noninteractive"]);
    peer.wait_for_connections(1);
    terminal.press("?");
    let drawn = terminal.wait_for("; slowest ");
    assert!(!drawn.contains("keys:"), "{drawn:?}");
    terminal.press("\x03");
    assert_eq!(terminal.finish(), ("130".to_owned(), true));
}

#[test]
fn away_from_a_terminal_progress_is_plain_lines_on_request() {
    let (peer, dir) = (Peer::silent(), Dir::new());
    dir.write("listen.rhai", LISTEN);
    let arguments = ["-p", &peer.port(), "--script", "./listen.rhai", "--stats-every", "50ms", &peer.ip()];
    let mut run = scan(arguments).args(["--script-operation-timeout", "1h"]).within(dir.path()).start();
    let seen = |text: &str| text.matches("hosts 0/1, 1 under way").count() >= 3 && text.contains("1 alive");
    run.wait_for_errors("three lines of progress", seen);
    run.signal(rustix::process::Signal::INT);
    let run = run.finish().expect(130).says(&["left unknown; slowest ", "once more to leave at once"]);
    assert!(!run.stderr.contains('\x1b') && !run.stderr.contains('\r'), "{run}");
    assert!(run.text().lines().all(|line| line.starts_with('{')), "{run}");
}

#[test]
fn without_a_request_there_is_no_progress() {
    let peer = Peer::refusing();
    let run = scan(["-p", &peer.port(), &peer.ip()]).run().expect(0);
    assert_eq!(run.stderr, "");
}

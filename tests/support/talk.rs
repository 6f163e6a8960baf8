//! A script that talks in every way, for runs that are recorded: datagrams, and streams of workers side by side.

/// Datagrams it sends, each after the answer to the one before or its refusal.
pub const PINGS: usize = 5;

const SCRIPT: &str = r#"
/// Talks in every way.
///
/// Example output:
///
///     7/tcp open echo
///     |_talk: done
const categories = ["safe"];
const capabilities = ["tcp", "udp"];
const portrule = #{ protocol: "tcp", ports: [1] };

fn talk(host, port, n) {
    let s = net::connect(host, port);
    net::send(s, "hello " + n + "\n");
    bytes::to_text(net::receive_lines(s, 1))
}

fn action(host, port) {
    let out = [];
    let sock = net::udp(host, PORT);
    for n in 0..PINGS {
        net::send(sock, "ping " + n);
        try { out.push(bytes::to_text(net::receive(sock))); } catch (e) { out.push(e.kind); }
    }
    let all = [];
    for n in 0..8 { all.push(worker::start(talk, host, port, n)); }
    for w in all { try { out.push(worker::join(w)); } catch (e) { out.push(e.kind); } }
    out
}
"#;

/// The script, with its datagrams for that port of the host.
pub fn script(udp: u16) -> String {
    SCRIPT.replace("PORT", &udp.to_string()).replace("PINGS", &PINGS.to_string())
}

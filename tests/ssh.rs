//! SSH against OpenSSH and against peers that are no servers: what everybody sees, what a user may do, and how many at once.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::support::dir::Dir;
use crate::support::peer::{Peer, Talk};
use crate::support::servers::{self, Server};
use crate::support::sonde::{Run, scan};

/// Runs scripts against one port, past their rules.
fn run(scripts: &str, at: SocketAddr, more: &[&str]) -> Run {
    let (port, ip) = (at.port().to_string(), at.ip().to_string());
    scan(["-p", &port, "--script", scripts, &ip]).args(more).run()
}

/// What a script's only record says, which must be done.
#[track_caller]
fn output(script: &str, at: SocketAddr, more: &[&str]) -> Value {
    let run = run(&format!("+{script}"), at, more).expect(0);
    let record = run.report().script(script).clone();
    assert_eq!(record["outcome"], "done", "{run}");
    record["output"].clone()
}

/// What an action says that is given as text, run with a place in a folder.
#[track_caller]
fn action(body: &str, at: SocketAddr, more: &[&str]) -> Value {
    let dir = Dir::new();
    let header = "const capabilities = [\"tcp\"];\nconst portrule = #{ protocol: \"tcp\" };\n";
    let path = dir.write("x.rhai", format!("{header}fn action(host, port) {{\n{body}\n}}\n"));
    let run = run(&format!("+{}", path.display()), at, more).expect(0);
    let record = run.report().script("x").clone();
    assert_eq!(record["outcome"], "done", "{run}");
    record["output"].clone()
}

/// Kind and message of the error a call throws.
#[track_caller]
fn caught(call: &str, at: SocketAddr, more: &[&str]) -> (String, String) {
    let body =
        format!("let found = []; try {{ {call} }} catch (error) {{ found = [error.kind, error.message]; }} found");
    let found = action(&body, at, more);
    let text = |at: usize| found[at].as_str().unwrap_or_default().to_owned();
    (text(0), text(1))
}

/// Lines as `ssh-keygen` prints them of a server's keys, without the comment.
fn printed(server: &Server, types: &[&str], hash: &str) -> Vec<String> {
    let line = |kind: &&str| {
        let path = server.dir.join(&format!("host_{kind}.pub"));
        let said = Command::new("ssh-keygen").args(["-l", "-E", hash, "-f"]).arg(path).output().expect("it is there");
        String::from_utf8(said.stdout).expect("text").trim().replace(" no comment", "")
    };
    types.iter().map(line).collect()
}

#[test]
fn host_keys_are_those_ssh_keygen_prints() {
    let types = ["ed25519", "rsa", "ecdsa"];
    let Some(server) = servers::sshd(&types, "") else { return };
    for hash in ["sha256", "md5"] {
        let found = output("ssh-hostkey", server.address, &["--script-args", &format!("hash={hash}")]);
        assert_eq!(found, json!(printed(&server, &types, hash)));
    }
    let with_keys = output("ssh-hostkey", server.address, &["--script-args", "keys=true"]);
    assert_eq!(with_keys[1], server.dir.read("host_ed25519.pub").trim());
    let some = action(
        "ssh::host_keys(host, port, [\"rsa\", \"ecdsa-sha2-nistp256\"]).map(|key| key.type)",
        server.address,
        &[],
    );
    assert_eq!(some, json!(["RSA", "ECDSA"]));
    assert_eq!(action("ssh::host_keys(host, port, [\"dsa\"])", server.address, &[]), json!([]));
}

#[test]
fn other_scripts_find_the_keys_in_the_registry() {
    let Some(server) = servers::sshd(&["ed25519"], "") else { return };
    let dir = Dir::new();
    let source = "const dependencies = [\"ssh-hostkey\"];\nconst portrule = #{ protocol: \"tcp\" };\n\
                  fn action(host, port) { script::host_registry()[`ssh-hostkey ${port.number}`] }\n";
    let path = dir.write("later.rhai", source);
    let run = run(&format!("+ssh-hostkey,+{}", path.display()), server.address, &[]).expect(0);
    let fingerprint = printed(&server, &["ed25519"], "sha256")[0].split(' ').nth(1).map(str::to_owned);
    assert_eq!(run.report().script("later")["output"], json!([fingerprint]), "{run}");
}

#[test]
fn an_old_server_shows_its_keys_and_methods() {
    let old = "KexAlgorithms diffie-hellman-group14-sha1\nHostKeyAlgorithms ssh-rsa\n\
               Ciphers aes128-cbc\nMACs hmac-sha1\n";
    let Some(server) = servers::sshd(&["rsa"], old) else { return };
    assert_eq!(output("ssh-hostkey", server.address, &[]), json!(printed(&server, &["rsa"], "sha256")));
    let methods = &output("ssh-auth-methods", server.address, &[])["methods"];
    assert_eq!(methods, &json!(["publickey", "password", "keyboard-interactive"]));
    // What logs in is stricter than what looks.
    let (_, message) = caught(&with_password("y"), server.address, &[]);
    assert!(message.contains("protocol (No matching kex algorithm)"), "{message}");
}

/// Each is spoken to the end of a request for authentication, so keys, ciphers and tags must all be right.
#[test]
fn every_algorithm_works_with_openssh() {
    let exchanges = [
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "diffie-hellman-group14-sha256",
        "diffie-hellman-group-exchange-sha256",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group14-sha1",
        "diffie-hellman-group-exchange-sha1",
        "diffie-hellman-group1-sha1",
    ];
    let ciphers = [
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
        "chacha20-poly1305@openssh.com",
        "aes128-cbc",
        "aes192-cbc",
        "aes256-cbc",
    ];
    let macs = [
        "hmac-sha2-256",
        "hmac-sha2-512",
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha1",
        "hmac-sha1-etm@openssh.com",
        "hmac-md5",
    ];
    for (at, exchange) in exchanges.iter().enumerate() {
        // Seven ciphers and tags over nine exchanges: all of each occur, CBC beside all kinds of tags.
        let (cipher, mac) = (ciphers[at % 7], macs[(at * 3) % 7]);
        let configuration = format!(
            "KexAlgorithms {exchange}\nCiphers {cipher}\nMACs {mac}\nAuthenticationMethods publickey\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n"
        );
        let Some(server) = servers::sshd(&["ed25519"], &configuration) else { return };
        let found = output("ssh-auth-methods", server.address, &[]);
        assert_eq!(found, json!({ "methods": ["publickey"] }), "{configuration}");
    }
}

#[test]
fn algorithms_are_those_of_the_configuration() {
    let lists = [
        ("KexAlgorithms", "kex_algorithms", "ecdh-sha2-nistp521,curve25519-sha256"),
        ("HostKeyAlgorithms", "server_host_key_algorithms", "rsa-sha2-256,ssh-ed25519"),
        ("Ciphers", "encryption_algorithms", "aes256-gcm@openssh.com,aes128-ctr"),
        ("MACs", "mac_algorithms", "umac-64@openssh.com,hmac-sha2-512"),
    ];
    let lines: Vec<String> = lists.iter().map(|(option, _, names)| format!("{option} {names}\n")).collect();
    let configuration = lines.concat();
    let Some(server) = servers::sshd(&["rsa", "ed25519"], &format!("{configuration}Compression no\n")) else { return };
    let found = output("ssh2-enum-algos", server.address, &[]);
    let keys: Vec<&String> = found.as_object().expect("a table").keys().collect();
    assert_eq!(
        keys,
        [
            "kex_algorithms",
            "server_host_key_algorithms",
            "encryption_algorithms",
            "mac_algorithms",
            "compression_algorithms"
        ]
    );
    for (_, key, names) in lists {
        let mut wanted: Vec<&str> = names.split(',').collect();
        let found: Vec<&str> = found[key].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        // OpenSSH adds the mark of its stricter key exchange, which is no algorithm.
        if found.contains(&"kex-strict-s-v00@openssh.com") {
            wanted.push("kex-strict-s-v00@openssh.com");
        }
        assert_eq!(found, wanted, "{key}");
    }
    assert_eq!(found["compression_algorithms"], json!(["none"]));
}

#[test]
fn a_server_s_warning_is_shown_with_the_methods() {
    let dir = Dir::new();
    let warning = dir.write("warning", "Authorised\nusers only\n");
    let configuration = format!("Banner {}\nPasswordAuthentication no\n", warning.display());
    let Some(server) = servers::sshd(&["ed25519"], &configuration) else { return };
    let found = output("ssh-auth-methods", server.address, &["--script-args", "user=nobody"]);
    assert_eq!(found["banner"], "Authorised\nusers only\n");
    assert_eq!(found["methods"][0], "publickey");
}

/// The name of whoever runs the tests.
fn user() -> String {
    let said = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8(said.stdout).expect("text").trim().to_owned()
}

/// A call of `ssh::exec` with a password.
fn with_password(password: &str) -> String {
    format!("ssh::exec(host, port, #{{ user: `x`, password: `{password}` }}, `id`)")
}

/// The options of `ssh::exec` for the key in this file.
fn login(path: &str) -> String {
    let key = std::fs::read_to_string(path).expect("the key is there");
    format!("#{{ user: `{}`, key: `{key}` }}", user())
}

#[test]
fn commands_run() {
    let Some(server) = servers::sshd(&["ed25519", "rsa"], "") else { return };
    let login = login(&server.dir.join("user").display().to_string());
    let body = format!(
        "let found = [];\n\
         for command in [`echo out; echo err >&2; exit 3`, `head -c 300000 /dev/zero`, `kill -9 $$`] {{\n\
             let ran = ssh::exec(host, port, {login}, command);\n\
             found.push([bytes::to_text(ran.stderr), ran.stdout.len(), ran.status, ran.signal, ran.host_key.sha256]);\n\
         }}\n\
         found"
    );
    let key = printed(&server, &["ed25519"], "sha256")[0].split(' ').nth(1).map(str::to_owned);
    let expected = json!([["err\n", 4, 3, null, key], ["", 300_000, 0, null, key], ["", 0, null, "KILL", key]]);
    assert_eq!(action(&body, server.address, &[]), expected);
}

#[test]
fn who_may_not_log_in_is_told_so() {
    let Some(server) = servers::sshd(&["ed25519"], "") else { return };
    let dir = Dir::new();
    let Some(stranger) = servers::make_ssh_key(&dir, "ecdsa", "stranger") else { return };
    let Some(unusable) = servers::make_ssh_key(&dir, "rsa", "unusable") else { return };
    let cases = [
        (format!("#{{ user: `{}`, password: `wrong` }}", user()), "auth", "does not let"),
        (login(&stranger), "auth", "does not let"),
        (login(&unusable), "argument", "keys of the kind ssh-rsa cannot be used"),
        ("#{ user: `x`, key: `nonsense` }".to_owned(), "argument", "not a private key in OpenSSH's format"),
        ("#{ user: `x` }".to_owned(), "argument", "give either password or key"),
        ("#{ password: `x` }".to_owned(), "argument", "user is missing"),
        ("#{ user: `x`, pasword: `x` }".to_owned(), "argument", "did you mean"),
    ];
    for (options, kind, part) in cases {
        let (found, message) = caught(&format!("ssh::exec(host, port, {options}, `id`)"), server.address, &[]);
        assert_eq!(found, kind, "{message}");
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_command_may_not_say_too_much_nor_take_too_long() {
    let Some(server) = servers::sshd(&["ed25519"], "") else { return };
    let login = login(&server.dir.join("user").display().to_string());
    let kind = |login: &str, command: &str| {
        caught(&format!("ssh::exec(host, port, {login}, `{command}`)"), server.address, &[]).0
    };
    assert_eq!(kind(&login, "head -c 1100000 /dev/zero"), "limit");
    let brief = login.replacen("#{", "#{ timeout: 0.5,", 1);
    assert_eq!(kind(&brief, "sleep 1000"), "timeout");
}

/// Lets a hundred connections begin before any of them gets an answer: had one to wait for another, none would end.
fn gate(server: SocketAddr, connections: usize) -> Peer {
    let barrier = Barrier::new(connections);
    Peer::start(move |talk| {
        // The scan's own look at the port says nothing and goes.
        let mut first = [0; 256];
        let Ok(count @ 1..) = talk.stream.read(&mut first) else { return };
        barrier.wait();
        if let Ok(there) = TcpStream::connect(server) {
            pass_on(talk, there, &first[..count]);
        }
    })
}

/// Carries bytes both ways until one side ends.
fn pass_on(talk: &mut Talk, mut there: TcpStream, first: &[u8]) {
    let (Ok(mut here), Ok(mut answers)) = (talk.stream.try_clone(), there.try_clone()) else { return };
    let back = thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut here);
        let _ = here.shutdown(Shutdown::Write);
    });
    if there.write_all(first).is_ok() {
        let _ = std::io::copy(&mut talk.stream, &mut there);
    }
    let _ = there.shutdown(Shutdown::Both);
    let _ = back.join();
}

#[test]
fn a_hundred_sessions_proceed_side_by_side() {
    let Some(server) = servers::sshd(&["ed25519"], "") else { return };
    let gate = gate(server.address, 100);
    let body = "let all = []; for n in 0..100 { all.push(n); }\n\
                worker::map(all, 100, |n| ssh::host_keys(host, port, [`ed25519`])[0].sha256)";
    let patient = ["--script-operation-timeout", "120s", "--script-timeout", "140s", "--script-max-sockets", "100"];
    let found = action(body, gate.address(), &patient);
    let key = printed(&server, &["ed25519"], "sha256")[0].split(' ').nth(1).map(str::to_owned);
    assert_eq!(found, json!(vec![key; 100]));
}

#[test]
fn thirty_logins_proceed_side_by_side() {
    let Some(server) = servers::sshd(&["ed25519"], "") else { return };
    let gate = gate(server.address, 30);
    let login = login(&server.dir.join("user").display().to_string());
    let body = format!(
        "let all = []; for n in 0..30 {{ all.push(n); }}\n\
         let login = {login};\n\
         worker::map(all, 30, |n| bytes::to_text(ssh::exec(host, port, login, `echo ${{n}}`).stdout))"
    );
    let found = action(&body, gate.address(), &["--script-operation-timeout", "120s", "--script-timeout", "140s"]);
    let wanted: Vec<String> = (0..30).map(|number| format!("{number}\n")).collect();
    assert_eq!(found, json!(wanted));
}

#[test]
fn peers_that_are_no_servers_are_named_so() {
    const BRIEF: [&str; 2] = ["--script-operation-timeout", "300ms"];
    let mut huge = b"SSH-2.0-x\r\n".to_vec();
    huge.extend([0xff; 64]);
    let mut farewell = b"SSH-2.0-x\r\n".to_vec();
    // A packet with DISCONNECT: reason 2, "go away", no language.
    farewell.extend(b"\0\0\0\x1c\x07\x01\0\0\0\x02\0\0\0\x07go away\0\0\0\0\0\0\0\0\0\0\0");
    let cases = [
        (Peer::silent(), "timeout", ""),
        (Peer::greeting("HTTP/1.0 400 Bad\r\n\r\n"), "protocol", "it says \"HTTP/1.0 400 Bad"),
        (Peer::greeting(""), "closed", "does not identify itself"),
        (Peer::greeting("SSH-1.5-old\r\n"), "protocol", "speaks only another version: SSH-1.5-old"),
        (Peer::greeting(huge), "protocol", "impossible length"),
        (Peer::greeting(farewell), "closed", "the server disconnects: go away"),
        (Peer::greeting("SSH-2.0-x\r\n"), "closed", "hangs up"),
        (Peer::endless("SSH-2.0-x\r\n"), "protocol", "impossible length"),
        (Peer::endless(""), "protocol", "does not identify itself"),
    ];
    for (peer, class, part) in cases {
        for script in ["ssh-hostkey", "ssh2-enum-algos", "ssh-auth-methods"] {
            let run = run(&format!("+{script}"), peer.address(), &BRIEF).expect(0);
            let record = run.report().script(script).clone();
            assert_eq!(record["failure"]["class"], class, "{run}");
            assert_eq!(record["failure"]["kind"], "peer", "{run}");
            assert!(record["failure"]["message"].as_str().is_some_and(|said| said.contains(part)), "{run}");
        }
        let (kind, _) = caught(&with_password("y"), peer.address(), &BRIEF);
        assert!(["timeout", "protocol", "closed"].iter().any(|known| kind == *known), "{kind}");
    }
}

#[test]
fn undeclared_or_foreign_hosts_are_refused() {
    let peer = Peer::refusing();
    let dir = Dir::new();
    let source = "const hostrule = true;\nfn action(host) { ssh::banner(host, 1) }\n";
    let path = dir.write("x.rhai", source).display().to_string();
    let report = scan(["-p", &peer.port(), "--script", &path, &peer.ip()]).run().expect(3).report();
    assert_eq!(report.script("x")["failure"]["kind"], "denied");
    let source =
        source.replace("(host, 1)", "(`127.9.9.9`, 1)").replacen("const", "const capabilities = [`tcp`];\nconst", 1);
    dir.write("x.rhai", source.replace("[`tcp`]", "[\"tcp\"]"));
    let report = scan(["-p", &peer.port(), "--script", &path, &peer.ip()]).run().expect(3).report();
    let message = report.script("x")["failure"]["message"].to_string();
    assert!(message.contains("other-hosts"), "{message}");
}

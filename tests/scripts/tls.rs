//! Scripts that speak TLS, against nginx, `openssl s_server` and peers that do not behave.

use std::io::Write as _;

use serde_json::{Value, json};

use super::{BRIEF, failure, finds_nothing, is_not_started, keys, output, text};
use crate::support::peer::Peer;
use crate::support::{servers, tls};

/// The SHA-256 fingerprint, by openssl itself.
fn fingerprint(path: &std::path::Path) -> String {
    let arguments = ["x509", "-noout", "-fingerprint", "-sha256", "-in"];
    let said = std::process::Command::new("openssl").args(arguments).arg(path).output().expect("openssl runs");
    let text = String::from_utf8(said.stdout).expect("text");
    text.trim().rsplit('=').next().unwrap_or_default().replace(':', "").to_lowercase()
}

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 20 && text.ends_with('Z') && &text[10..11] == "T")
}

#[test]
fn certificate() {
    let Some(server) = servers::openssl(&[]) else { return };
    let found = output("ssl-cert", &server, &[]);
    let order = [
        "subject",
        "issuer",
        "alternative_names",
        "key",
        "signature",
        "serial",
        "not_before",
        "not_after",
        "validity",
        "self_signed",
        "is_ca",
        "chain_length",
        "md5",
        "sha1",
        "sha256",
    ];
    assert_eq!(keys(&found), order);
    assert_eq!(found["subject"], json!({ "commonName": "rcgen self signed cert" }));
    assert_eq!(found["issuer"], found["subject"]);
    assert_eq!(found["alternative_names"], json!(["DNS:localhost"]));
    assert_eq!((&found["key"]["bits"], &found["key"]["type"]), (&json!(256), &json!("ec")));
    assert_eq!(found["signature"], "ecdsa-with-SHA256");
    assert!(is_time(&found["not_before"]) && is_time(&found["not_after"]), "{found}");
    assert_eq!(
        (&found["validity"], &found["self_signed"], &found["chain_length"]),
        (&json!("valid"), &json!(true), &json!(1))
    );
    assert_eq!(found["sha256"], fingerprint(&server.dir.join("tls.crt")));
    let pem = output("ssl-cert", &server, &["-v"])["pem"].clone();
    assert_eq!(pem.as_str().map(str::trim), Some(server.dir.read("tls.crt").replace('\r', "").trim()));
    assert!(text("ssl-cert", &server, &[]).contains("\n|   subject:\n|     commonName: rcgen self signed cert\n"));
}

#[test]
fn certificate_of_an_old_server() {
    // TLS 1.2 with RSA key exchange and CBC, which no modern library speaks.
    let Some(server) = servers::openssl(&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"]) else { return };
    assert_eq!(output("ssl-cert", &server, &[])["alternative_names"], json!(["DNS:localhost"]));
}

#[test]
fn expired_certificate() {
    let dir = crate::support::dir::Dir::new();
    let mut wanted = rcgen::CertificateParams::new(["old.example".to_owned()]).expect("parameters");
    (wanted.not_before, wanted.not_after) = (rcgen::date_time_ymd(2001, 1, 1), rcgen::date_time_ymd(2002, 1, 1));
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = wanted.self_signed(&key).expect("a certificate");
    let (path, key_path) = (dir.write("old.crt", certificate.pem()), dir.write("old.key", key.serialize_pem()));
    let (path, key_path) = (path.display().to_string(), key_path.display().to_string());
    let Some(server) = servers::openssl(&["-cert", &path, "-key", &key_path]) else { return };
    let found = output("ssl-cert", &server, &[]);
    assert_eq!((&found["not_after"], &found["validity"]), (&json!("2002-01-01T00:00:00Z"), &json!("expired")));
}

#[test]
fn certificate_of_peers_that_do_not_behave() {
    assert_eq!(failure("ssl-cert", &Peer::silent(), &BRIEF), "timeout");
    assert_eq!(failure("ssl-cert", &Peer::greeting("SSH-2.0-x\r\n"), &[]), "protocol");
    is_not_started("ssl-cert");
    // A handshake record of the largest length, and then more than anybody wants.
    let class = failure("ssl-cert", &Peer::endless("\x16\x03\x03\x40\x00"), &BRIEF);
    assert!(["protocol", "tls"].contains(&class.as_str()), "{class}");
}

#[test]
fn date() {
    let Some(server) = servers::nginx_tls("") else { return };
    let now = output("ssl-date", &server, &[]);
    assert_eq!(keys(&now), ["date", "offset"]);
    assert!(is_time(&now["date"]) && now["offset"].is_i64(), "{now}");
    let fixed = tls::peer(|stream| {
        let answer = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n";
        let _ = stream.write_all(answer.as_bytes());
    });
    let then = output("ssl-date", &fixed, &[]);
    assert_eq!(then["date"], "1994-11-06T08:49:37Z");
    assert!(then["offset"].as_i64().is_some_and(|offset| offset < -900_000_000), "{then}");
}

#[test]
fn date_of_peers_that_do_not_behave() {
    let answering = |head: &'static str| {
        tls::peer(move |stream| {
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 0\r\n\r\n").as_bytes());
        })
    };
    finds_nothing("ssl-date", &answering(""), &[]);
    assert_eq!(failure("ssl-date", &answering("Date: yesterday, about noon\r\n"), &[]), "protocol");
    assert_eq!(failure("ssl-date", &Peer::silent(), &BRIEF), "timeout");
    assert_eq!(failure("ssl-date", &Peer::greeting("220 hello\r\n"), &[]), "protocol");
    is_not_started("ssl-date");
}

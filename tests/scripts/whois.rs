//! `whois-domain` against WHOIS servers that count who asks.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::support::names::NameServer;
use crate::support::peer::Peer;
use crate::support::place;
use crate::support::sonde::{Run, scan};

/// A WHOIS server: one line in, a text out, closed. It remembers what it was asked.
struct Whois {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Whois {
    fn start(port: u16, answer: impl Fn(&str) -> String + Send + 'static) -> Whois {
        let listener = TcpListener::bind((place::address(), port)).expect("a free port on loopback");
        let address = listener.local_addr().expect("it is bound");
        let (asked, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (heard, stopped) = (Arc::clone(&asked), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (mut question, mut byte) = (Vec::new(), [0]);
                while question.len() < 512
                    && !question.ends_with(b"\r\n")
                    && stream.read(&mut byte).is_ok_and(|n| n == 1)
                {
                    question.push(byte[0]);
                }
                let question = String::from_utf8_lossy(&question).trim_end().to_owned();
                let text = answer(&question);
                heard.lock().expect("nobody panics with it").push(question);
                let _ = stream.write_all(text.as_bytes());
            }
        });
        Whois { address, asked, stop, thread: Some(thread) }
    }

    fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics with it").clone()
    }
}

impl Drop for Whois {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if std::net::TcpStream::connect(self.address).is_ok() {
            self.thread.take().map(JoinHandle::join);
        }
    }
}

/// Asks for a domain before a scan that finds nothing.
fn ask(arguments: &str) -> Run {
    let peer = Peer::refusing();
    scan(["-p", &peer.port(), "--script", "whois-domain", "--script-args", arguments, &peer.ip()]).run()
}

fn arguments(server: &Whois, domain: &str) -> String {
    format!("whois-domain.server={},whois-domain.port={},domain={domain}", server.ip(), server.address.port())
}

fn output(run: &Run) -> Value {
    let record = run.report().script("whois-domain").clone();
    assert_eq!(record["outcome"], "done", "{run}");
    record["output"].clone()
}

#[test]
fn a_record() {
    let server = Whois::start(0, |_| {
        "% Terms of use\r\n\r\nDomain Name: A.EXAMPLE  \r\nRegistrant: Somebody\r\n>>> Last update <<<\r\nNotice\r\n"
            .to_owned()
    });
    let run = ask(&arguments(&server, "a.example")).expect(0);
    let record = "Domain Name: A.EXAMPLE\nRegistrant: Somebody";
    assert_eq!(output(&run), json!({ "domain": "a.example", "server": server.ip().to_string(), "record": record }));
    assert_eq!(server.asked(), ["a.example"]);
}

#[test]
fn a_parent_is_asked_where_there_is_no_record() {
    let server =
        Whois::start(
            0,
            |name| {
                if name == "b.example" { "Domain: b.example\n".into() } else { "No match for that.\n".into() }
            },
        );
    let run = ask(&arguments(&server, "x.www.B.example.")).expect(0);
    assert_eq!(output(&run)["domain"], "b.example");
    assert_eq!(server.asked(), ["x.www.b.example", "www.b.example", "b.example"]);
}

#[test]
fn one_referral_is_followed() {
    let second = Whois::start(0, |_| "Registrar WHOIS Server: 127.0.0.1\nRegistrant: Somebody\n".to_owned());
    let target = second.ip();
    // The port in the referral must not matter.
    let first = Whois::start(second.address.port(), move |_| format!("Registrar WHOIS Server: whois://{target}:22\n"));
    let run = ask(&arguments(&first, "a.example")).expect(0);
    let found = output(&run);
    assert_eq!((&found["server"], &found["referred_to"]), (&json!(first.ip().to_string()), &json!(target.to_string())));
    assert_eq!(found["record"], "Registrar WHOIS Server: 127.0.0.1\nRegistrant: Somebody");
    assert_eq!((first.asked().len(), second.asked().len()), (1, 1));
    let stayed = output(&ask(&format!("{},refer=false", arguments(&first, "a.example"))).expect(0));
    assert_eq!((&stayed["referred_to"], second.asked().len()), (&Value::Null, 1));
}

#[test]
fn a_referral_into_nothing_keeps_the_first_record() {
    let first = Whois::start(place::port(), |_| format!("Domain: a.example\nrefer: {}\n", place::address()));
    let found = output(&ask(&arguments(&first, "a.example")).expect(0));
    assert!(found["note"].as_str().is_some_and(|note| note.contains("refused")), "{found}");
    assert!(found["record"].as_str().is_some_and(|record| record.starts_with("Domain: a.example")), "{found}");
}

#[test]
fn names_of_targets_are_asked_for() {
    let server = Whois::start(0, |name| format!("Domain: {name}\n"));
    let (peer, silent) = (Peer::refusing(), Peer::refusing());
    let ip = peer.ip().parse().expect("an address");
    let names = NameServer::knowing(&[("host.example", ip)]);
    let more = format!("server={},whois-domain.port={}", server.ip(), server.address.port());
    let run = scan(["-p", &peer.port(), "--dns-servers", &names.server(), "host.example", &silent.ip()])
        .args(["--script", "whois-domain", "--script-args", &more])
        .run()
        .expect(0);
    assert_eq!(output(&run)["record"], "Domain: host.example");
    assert_eq!(server.asked(), ["host.example"], "the target without a name asks nobody");
}

#[test]
fn nobody_is_asked_without_a_server() {
    let names = NameServer::ignorant();
    let peer = Peer::refusing();
    let arguments =
        ["-v", "--script", "whois-domain", "--script-args", "domain=a.example", "-p", &peer.port(), &peer.ip()];
    let run = scan(arguments).args(["--dns-servers", &names.server()]).run().expect(0).says(&["nobody is asked"]);
    assert!(run.report().scripts("whois-domain").is_empty());
    assert_eq!(names.asked(), 0);
}

#[test]
fn servers_that_do_not_behave() {
    let failed = |run: Run| {
        let record = run.report().script("whois-domain").clone();
        assert_eq!(record["failure"]["kind"], "peer", "{run}");
        record["failure"]["class"].as_str().unwrap_or_default().to_owned()
    };
    let at = |peer: &Peer| format!("server={},whois-domain.port={},domain=a.example", peer.ip(), peer.port());
    assert_eq!(failed(ask(&at(&Peer::refusing()))), "refused");
    assert_eq!(failed(ask(&at(&Peer::start(|talk| talk.finish(b""))))), "closed");
    let peer = Peer::refusing();
    let silent = Peer::silent();
    let brief = ["--script-operation-timeout", "300ms", "-p", &peer.port(), &peer.ip()];
    let run = scan(["--script", "whois-domain", "--script-args", &at(&silent)]).args(brief).run();
    assert_eq!(failed(run), "timeout");
    let endless = output(&ask(&at(&Peer::endless("Domain: a.example\nx"))));
    assert!(endless["record"].as_str().is_some_and(|record| record.len() <= 65536), "longer than it should be");
}

#[test]
fn what_is_no_domain_is_told() {
    for domain in ["nonsense", "'a.example\r\nb.example'", "-", "a..b"] {
        let run = ask(&format!("server=127.0.0.1,whois-domain.port=1,domain={domain}"));
        let failure = run.report().script("whois-domain")["failure"].clone();
        assert!(failure["message"].as_str().is_some_and(|text| text.contains("is no domain name")), "{run}");
    }
}

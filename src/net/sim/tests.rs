//! Simulated networks, asked as the scan asks.

use std::net::SocketAddr;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::{Scenario, World, network};
use crate::model::{NetErrorKind, Timestamp, Unreached};
use crate::net::{ConnectOptions, Family, Network};
use crate::runtime::{Random, Runtime};

const SCENARIO: &str = r#"
[link]
delay = "10ms"

[[hosts]]
addrs = ["10.0.0.0/16", "fd00::/120"]
up = 0.5
name = "h{ip}.example"
otherwise = "silent"
tcp = [
    { ports = "22", service = "ssh" },
    { ports = "23", state = "closed" },
    { ports = "24", state = "reject" },
    { ports = "25", forward = "10.1.0.1:25" },
]
udp = [{ ports = "7", service = "echo" }, { ports = "9", state = "closed" }]

[[hosts]]
addrs = ["10.1.0.1"]
tcp = [{ ports = "25", service = "ssh" }]
rst_rate = 2

[services.ssh]
talk = [{ say = "SSH-2.0-Model\r\n" }, { hear = "\n" }, { wait = "1s" }, { say = "late" }, { close = true }]

[services.echo]
talk = [{ hear = "ping" }, { say = "pong" }]
"#;

struct Sim {
    runtime: Runtime,
    network: Network,
    world: std::rc::Rc<World>,
}

fn sim(text: &str) -> Sim {
    let runtime = Runtime::simulated(Timestamp(0));
    let scenario = Scenario::parse(text).unwrap();
    let (network, world) = network(scenario, &runtime, &Random::new(Some(1)));
    Sim { runtime, network, world }
}

impl Sim {
    /// Who is there, and who is not.
    fn hosts(&self) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
        let all = (0..=255u8).map(|last| SocketAddr::from(([10, 0, 0, last], 22)));
        all.partition(|addr| self.world.host(addr.ip()).is_some())
    }

    fn connect(&self, addr: SocketAddr) -> (Result<(), NetErrorKind>, Duration) {
        let began = self.network.clock.now();
        let result = self.runtime.run(self.network.transport.connect(addr, ConnectOptions::default()));
        (result.map(drop).map_err(|error| error.kind), self.network.clock.now().since(began))
    }
}

#[test]
fn hosts_follow_from_the_seed_and_ports_behave() {
    let sim = sim(SCENARIO);
    let (up, down) = sim.hosts();
    assert!((100..156).contains(&up.len()), "{}", up.len());
    let at = |port| SocketAddr::new(up[0].ip(), port);
    let round = Duration::from_millis(20);
    assert_eq!(sim.connect(at(22)), (Ok(()), round));
    assert_eq!(sim.connect(at(23)), (Err(NetErrorKind::Refused), round));
    assert_eq!(sim.connect(at(24)), (Err(NetErrorKind::Unreachable(Unreached::Host)), round));
    assert_eq!(sim.connect(at(25)), (Ok(()), round), "forwarded");
    assert_eq!(sim.connect(at(26)), (Err(NetErrorKind::Timeout), Duration::from_secs(10)));
    assert_eq!(sim.connect(down[0]), (Err(NetErrorKind::Timeout), Duration::from_secs(10)));
    let again = self::sim(SCENARIO);
    assert_eq!(again.hosts(), (up, down));
}

#[test]
fn services_talk_over_streams() {
    let sim = sim(SCENARIO);
    let addr = sim.hosts().0[0];
    let heard = sim.runtime.run(async {
        let mut stream = sim.network.transport.connect(addr, ConnectOptions::default()).await.unwrap();
        let mut line = [0; 15];
        stream.read_exact(&mut line).await.unwrap();
        stream.write_all(b"SSH-2.0-us\r\n").await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        (line.to_vec(), rest)
    });
    assert_eq!(heard, (b"SSH-2.0-Model\r\n".to_vec(), b"late".to_vec()));
    // Handshake, banner's way, ours and the answer's, and a second's wait.
    assert_eq!(sim.network.clock.now(), Timestamp(1_050_000_000));
}

#[test]
fn datagrams_are_answered_refused_or_lost() {
    let sim = sim(SCENARIO);
    let ip = sim.hosts().0[0].ip();
    let ask = |port: u16| {
        sim.runtime.run(async {
            let peer = SocketAddr::new(ip, port);
            let socket = sim.network.transport.datagram(None, Some(peer), crate::net::Origin::SCAN).await.unwrap();
            socket.send(b"ping", None).await.unwrap();
            let answer = sim.network.clock.timeout(Duration::from_secs(1), socket.receive()).await;
            answer.map(|result| result.map(|(data, _)| data).map_err(|error| error.kind))
        })
    };
    assert_eq!(ask(7), Ok(Ok(b"pong".to_vec())));
    assert_eq!(ask(9), Ok(Err(NetErrorKind::Refused)));
    assert!(ask(10).is_err());
}

#[test]
fn a_reject_is_what_the_kernel_would_make_of_it() {
    let rules = [("admin", 1), ("host", 2), ("net-admin", 3), ("port", 4), ("reset", 5)];
    let rules =
        rules.map(|(reject, port)| format!("{{ ports = \"{port}\", state = \"reject\", reject = \"{reject}\" }}"));
    let sim = sim(&format!("[[hosts]]\naddrs = [\"10.0.0.1\"]\ntcp = [{}]", rules.join(",")));
    let kinds = (1..=5).map(|port| sim.connect(SocketAddr::from(([10, 0, 0, 1], port))).0.unwrap_err());
    let (unreachable, refused) = (NetErrorKind::Unreachable(Unreached::Host), NetErrorKind::Refused);
    assert_eq!(kinds.collect::<Vec<_>>(), [unreachable, unreachable, unreachable, refused, refused]);
}

#[test]
fn who_comes_late_is_there_for_streams_too() {
    let sim =
        sim("[[hosts]]\naddrs = [\"10.0.0.1\"]\notherwise = \"open\"\nname = \"x\"\nfrom = \"5s\"\nuntil = \"20s\"");
    let addr = SocketAddr::from(([10, 0, 0, 1], 80));
    assert_eq!(sim.connect(addr), (Ok(()), Duration::from_secs(7)), "the fourth SYN, after 1, 2 and 4 seconds");
    sim.runtime.run(sim.network.clock.sleep(Duration::from_secs(13)));
    assert_eq!(sim.connect(addr).0, Err(NetErrorKind::Timeout));
    assert_eq!(sim.world.name(addr.ip()).as_deref(), Some("x"));
}

#[test]
fn names_go_both_ways() {
    let sim = sim(SCENARIO);
    let addr = sim.hosts().0[0].ip();
    sim.runtime.run(async {
        let names = sim.network.names.reverse(addr).await.unwrap();
        assert_eq!(names, [format!("h{}.example", addr.to_string().replace('.', "-"))]);
        assert_eq!(sim.network.names.addresses(&names[0], Family::Any).await.unwrap(), [addr]);
        assert!(sim.network.names.addresses(&names[0], Family::V6).await.is_err());
        assert!(sim.network.names.addresses("other.example", Family::Any).await.is_err());
    });
}

#[test]
fn rates_of_answers_are_kept() {
    let sim = sim(SCENARIO);
    let addr = SocketAddr::from(([10, 1, 0, 1], 80));
    let waits: Vec<_> = (0..4)
        .map(|_| {
            let (result, wait) = sim.connect(addr);
            assert_eq!(result, Err(NetErrorKind::Refused));
            wait.as_millis()
        })
        .collect();
    // Two RSTs a second; a SYN that brings none is sent again after a second.
    assert_eq!(waits, [20, 20, 1020, 20]);
}

#[test]
fn loss_costs_time_and_nothing_else() {
    let sim = sim(&SCENARIO.replace("delay = \"10ms\"", "delay = \"10ms\"\nloss = 0.3"));
    let addr = sim.hosts().0[0];
    for _ in 0..50 {
        let heard = sim.runtime.run(async {
            let mut stream = sim
                .network
                .transport
                .connect(addr, ConnectOptions { timeout: Some(Duration::from_secs(200)), ..ConnectOptions::default() })
                .await
                .unwrap();
            stream.write_all(b"\n").await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            all
        });
        assert_eq!(heard, b"SSH-2.0-Model\r\nlate");
    }
}

#[test]
fn bad_scenarios_are_refused_with_their_place() {
    for (text, wanted) in [
        ("[link]\ndelay = \"3 days\"", "is no duration"),
        ("[link]\nspeed = 3", "unknown field `speed`"),
        ("[link]\nloss = 2.0", "is no share"),
        ("[[hosts]]\naddrs = [\"10.0.0.0/33\"]", "is no address or prefix"),
        ("[[hosts]]\naddrs = []\ntcp = [{ ports = \"9-1\" }]", "are no ports"),
        ("[[hosts]]\naddrs = []\ntcp = [{ ports = \"1\", service = \"x\" }]", "there is no service `x`"),
        ("[[hosts]]\nup = 1.0", "missing field `addrs`"),
        ("sources = [\"1.1.1.1\", \"1.1.1.2\"]", "one address of each family"),
        ("[[hosts]]\naddrs = []\nreject = \"no\"", "unknown variant `no`"),
        ("[[hosts]]\naddrs = []\ntcp = [{ ports = \"1\", reject = \"host\" }]", "need `state = \"reject\"`"),
        ("[[hosts]]\naddrs = []\nprotocols = \"6,256\"", "0 to 255"),
        ("[[hosts]]\naddrs = []\nrouters = [\"10.{hop}\"]", "is no address"),
        ("[[hosts]]\naddrs = []\nfrom = \"2s\"\nuntil = \"1s\"", "before they come"),
        ("nonsense", ""),
    ] {
        let error = Scenario::parse(text).unwrap_err();
        assert!(error.contains(wanted), "{text}: {error}");
    }
}

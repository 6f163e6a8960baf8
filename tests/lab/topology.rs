//! The shapes a lab can have. All addresses are private and exist inside the lab's namespaces only.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::packet_socket::PacketSocket;
use super::relay::{Relay, Weather};
use super::space::{Space, Unable};
use crate::support::cannot_run;
use crate::support::sonde::{PROGRAM, Sonde};

/// How long an interface may take to come up. Only one that never does comes near it.
const READY: Duration = Duration::from_secs(30);

/// One machine of a lab.
pub struct Host {
    /// Its namespace.
    pub space: Space,
    /// Its first address.
    pub addr: Ipv4Addr,
    /// Its first IPv6 address; that of loopback where the lab has none.
    pub addr6: Ipv6Addr,
}

impl Host {
    /// A port that takes connections, over IPv4 and IPv6, as long as it is held. The kernel does the talking: nobody accepts.
    pub fn listen(&self, port: u16) -> TcpListener {
        let listening = self.space.inside(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)));
        listening.unwrap_or_else(|error| panic!("{}: port {port}: {error}", self.space.name()))
    }

    /// Filters what comes to it, by rules of nftables, one a line: `tcp dport 8003 drop`,
    /// `udp dport 9 reject with icmp type admin-prohibited`, `limit rate over 10/second drop`. Once only.
    pub fn filter(&self, rules: &str) -> Result<(), Unable> {
        let chain = format!("chain in {{ type filter hook input priority 0; policy accept;\n{rules}\n}}");
        self.space.nft(&format!("table inet filter {{\n{chain}\n}}"))
    }

    /// Its address, as a target.
    pub fn ip(&self) -> String {
        self.addr.to_string()
    }

    /// Its IPv6 address, as a target.
    pub fn ip6(&self) -> String {
        self.addr6.to_string()
    }
}

/// Some machines and what connects them, gone when dropped.
pub struct Lab {
    // First, so that it ends before its interfaces do.
    relay: Option<Relay>,
    hosts: BTreeMap<String, Host>,
    /// Namespaces that are no hosts: the inside of a switch.
    fabric: Vec<Space>,
    number: u32,
}

impl Lab {
    /// `count` hosts `a`, `b`, … on one bridge: 10.66.0.1 and `fd66::1`, 10.66.0.2, …, hardware addresses 02:4c:41:42:00:01, ….
    /// None, said loudly, where it cannot be set up; so with all of these.
    pub fn flat(count: u8) -> Option<Lab> {
        built(Lab::try_flat(count))
    }

    /// `a` - `r1` - `r2` - `r3` - `z`. The second router tells nobody when it drops a packet whose time is over.
    ///
    /// `a` is 10.67.1.2 and `fd67:1::2`, `z` 10.67.4.2 and `fd67:4::2`; the routers' sides towards `a` are 10.67.N.N.
    pub fn path() -> Option<Lab> {
        built(Lab::try_path())
    }

    /// The same with a firewall in `r1`: TCP to `port` of whoever is behind it passes, with the answers and errors that
    /// belong to it, and nothing else does.
    pub fn path_behind_firewall(port: u16) -> Option<Lab> {
        built(Lab::try_path().and_then(|lab| {
            lab.host("r1").space.nft(&format!(
                "table inet wall {{ chain forward {{ type filter hook forward priority 0; policy drop;
                   ct state established,related accept
                   tcp dport {port} ct state new accept
                 }}
                 }}"
            ))?;
            Ok(lab)
        }))
    }

    /// `a` before one address, 10.68.0.1, whose ports live elsewhere: 80 on `x1` with a TTL of 128 and no timestamps, 22 on
    /// `x2`, which is as the kernel comes, 23 on `x3` with a TTL of 255, none of the newer options and a small window.
    pub fn nat() -> Option<Lab> {
        built(Lab::try_nat(None))
    }

    /// The same with a wire of such weather before `x2`: what takes longer is another machine.
    pub fn nat_with_a_far_host(weather: Weather) -> Option<Lab> {
        built(Lab::try_nat(Some(weather)))
    }

    /// `a`, `b` and `c` on one wire by macvlan, which filters what a network card filters; `c` listens to everything.
    pub fn macvlan() -> Option<Lab> {
        built(Lab::try_macvlan())
    }

    /// `a` and `b`, and between them a wire with such weather. They know each other's hardware address.
    pub fn wire(weather: Weather) -> Option<Lab> {
        built(Lab::try_wire(weather))
    }

    /// One of its machines.
    #[track_caller]
    pub fn host(&self, role: &str) -> &Host {
        self.hosts.get(role).unwrap_or_else(|| panic!("the lab has no {role}"))
    }

    /// The lab with what a test adds to it, every interface up; none, said so, where this machine cannot.
    pub fn with(self, add: impl FnOnce(&Lab) -> Result<(), Unable>) -> Option<Lab> {
        built(add(&self).map(|()| self))
    }

    /// Waits until every interface is up.
    fn wait_until_up(&self) {
        self.hosts.values().for_each(wait_until_up);
    }

    /// Takes a host of [`Lab::flat`] off the switch: the other end of its wire goes down. Returns when its kernel knows.
    pub fn unplug(&self, role: &str) {
        self.fabric[0].ip(&format!("link set to-{role} down")).expect("an interface goes down");
        let end = Instant::now() + READY;
        let has_carrier = || {
            let link = self.host(role).space.ask(&["-br", "link", "show", "e0"]);
            link.split_whitespace().nth(1) == Some("UP")
        };
        while has_carrier() {
            assert!(Instant::now() < end, "{role} has a carrier still");
            thread::yield_now();
        }
    }

    /// The wire of [`Lab::wire`].
    #[track_caller]
    pub fn relay(&self) -> &Relay {
        self.relay.as_ref().expect("only a lab that is a wire has a relay")
    }

    /// The names of its namespaces.
    pub fn spaces(&self) -> Vec<String> {
        let spaces = self.hosts.values().map(|host| &host.space).chain(&self.fabric);
        spaces.map(|space| space.name().to_owned()).collect()
    }

    /// sonde with these arguments on one of the machines.
    pub fn sonde(&self, role: &str, arguments: &[&str]) -> Sonde {
        Sonde::command("ip").args(["netns", "exec", self.host(role).space.name(), PROGRAM]).args(arguments)
    }

    /// The same, reported as JSON Lines on stdout and without reverse names.
    pub fn scan(&self, role: &str, arguments: &[&str]) -> Sonde {
        self.sonde(role, &[&["-n", "--json"], arguments].concat())
    }
}

/// Hands over a lab whose interfaces are up, or says why there is none.
fn built(lab: Result<Lab, Unable>) -> Option<Lab> {
    match lab {
        Ok(lab) => {
            lab.wait_until_up();
            Some(lab)
        }
        Err(Unable(why)) => {
            cannot_run(&why);
            None
        }
    }
}

/// Until then, what is sent is lost.
fn wait_until_up(host: &Host) {
    let end = Instant::now() + READY;
    loop {
        let links = host.space.ask(&["-br", "link", "show", "up"]);
        let states = links.lines().filter_map(|line| line.split_whitespace().nth(1));
        if states.clone().count() > 1 && !states.clone().any(|state| state.ends_with("DOWN")) {
            return;
        }
        assert!(Instant::now() < end, "{}: not up: {links}", host.space.name());
        thread::yield_now();
    }
}

impl Lab {
    fn new() -> Lab {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Lab { relay: None, hosts: BTreeMap::new(), fabric: Vec::new(), number }
    }

    /// A new host, not connected to anything.
    fn add(&mut self, role: &str, addr: &str, addr6: &str) -> Result<(), Unable> {
        let space = Space::new(self.number, role)?;
        let parsed = |text: &str| text.parse::<IpAddr>().unwrap_or_else(|error| panic!("{text}: {error}"));
        let (IpAddr::V4(addr), IpAddr::V6(addr6)) = (parsed(addr), parsed(addr6)) else { panic!("{addr} and {addr6}") };
        self.hosts.insert(role.to_owned(), Host { space, addr, addr6 });
        Ok(())
    }

    /// A namespace that only carries: it has no addresses and says nothing.
    fn add_fabric(&mut self, role: &str) -> Result<(), Unable> {
        let space = Space::new(self.number, role)?;
        space.set(&[("net/ipv6/conf/default/disable_ipv6", "1")])?;
        self.fabric.push(space);
        Ok(())
    }

    fn try_flat(count: u8) -> Result<Lab, Unable> {
        let mut lab = Lab::new();
        lab.add_fabric("switch")?;
        lab.fabric[0].ip("link add br0 type bridge mcast_snooping 0\nlink set br0 up")?;
        for number in 1..=count {
            let role = char::from(b'a' + number - 1).to_string();
            lab.add(&role, &format!("10.66.0.{number}"), &format!("fd66::{number:x}"))?;
            lab.fabric[0].ip(&format!(
                "link add to-{role} type veth peer name e0 address 02:4c:41:42:00:{number:02x} netns {}
                 link set to-{role} master br0 up",
                lab.host(&role).space.name()
            ))?;
            lab.host(&role).space.ip(&format!(
                "link set e0 up
                 addr add 10.66.0.{number}/24 broadcast + dev e0
                 addr add fd66::{number:x}/64 dev e0 nodad"
            ))?;
        }
        Ok(lab)
    }

    fn try_path() -> Result<Lab, Unable> {
        let mut lab = Lab::new();
        lab.add("a", "10.67.1.2", "fd67:1::2")?;
        for number in 1..=3 {
            let role = format!("r{number}");
            lab.add(&role, &format!("10.67.{number}.{number}"), &format!("fd67:{number}::{number}"))?;
            lab.host(&role).space.set(&[("net/ipv4/ip_forward", "1"), ("net/ipv6/conf/all/forwarding", "1")])?;
        }
        lab.add("z", "10.67.4.2", "fd67:4::2")?;
        // The link N lies before router N; that router is N in it, the one before it 254.
        for (number, [near, far]) in (1..).zip([["a", "r1"], ["r1", "r2"], ["r2", "r3"], ["r3", "z"]]) {
            let (near_port, near_end) = if near == "a" { ("e0", 2) } else { ("e1", 254) };
            let far_end = if far == "z" { 2 } else { number };
            lab.host(near).space.ip(&format!(
                "link add {near_port} type veth peer name e0 netns {}
                 link set {near_port} up
                 addr add 10.67.{number}.{near_end}/24 dev {near_port}
                 addr add fd67:{number}::{near_end}/64 dev {near_port} nodad",
                lab.host(far).space.name()
            ))?;
            lab.host(far).space.ip(&format!(
                "link set e0 up
                 addr add 10.67.{number}.{far_end}/24 dev e0
                 addr add fd67:{number}::{far_end}/64 dev e0 nodad"
            ))?;
        }
        for (role, onward, back) in [("a", "1", ""), ("r1", "2", ""), ("r2", "3", "2"), ("r3", "", "3"), ("z", "", "4")]
        {
            if !onward.is_empty() {
                let next = format!("10.67.{onward}.{onward}");
                let next6 = format!("fd67:{onward}::{onward}");
                lab.host(role)
                    .space
                    .ip(&format!("route add 10.67.4.0/24 via {next}\nroute add fd67:4::/64 via {next6}"))?;
            }
            if !back.is_empty() {
                let (last, last6) = (format!("10.67.{back}.254"), format!("fd67:{back}::254"));
                lab.host(role)
                    .space
                    .ip(&format!("route add 10.67.1.0/24 via {last}\nroute add fd67:1::/64 via {last6}"))?;
            }
        }
        lab.host("r2").space.nft(
            "table inet silent { chain out { type filter hook output priority 0;
               icmp type time-exceeded drop
               icmpv6 type time-exceeded drop
             }
             }",
        )?;
        Ok(lab)
    }

    fn try_nat(far: Option<Weather>) -> Result<Lab, Unable> {
        let mut lab = Lab::new();
        lab.add("a", "10.68.0.2", "::1")?;
        lab.add("gate", "10.68.0.1", "::1")?;
        lab.host("gate").space.set(&[("net/ipv4/ip_forward", "1")])?;
        lab.host("gate").space.ip(&format!(
            "link add w type veth peer name e0 netns {}
             link set w up
             addr add 10.68.0.1/24 dev w",
            lab.host("a").space.name()
        ))?;
        lab.host("a").space.ip("link set e0 up\naddr add 10.68.0.2/24 dev e0")?;
        for number in 1..=3 {
            let role = format!("x{number}");
            lab.add(&role, &format!("10.68.{number}.2"), "::1")?;
            let weather = far.filter(|_| number == 2);
            if weather.is_some() {
                lab.add_fabric("wire")?;
                let wire = &lab.fabric[0];
                wire.ip(&format!(
                    "link add to-gate type veth peer name x{number} netns {}
                     link set to-gate up
                     link add to-{role} type veth peer name e0 netns {}
                     link set to-{role} up",
                    lab.host("gate").space.name(),
                    lab.host(&role).space.name()
                ))?;
            } else {
                let gate = &lab.host("gate").space;
                gate.ip(&format!("link add x{number} type veth peer name e0 netns {}", lab.host(&role).space.name()))?;
            }
            let gate = &lab.host("gate").space;
            gate.ip(&format!("link set x{number} up\naddr add 10.68.{number}.1/24 dev x{number}"))?;
            let small = if number == 3 { " advmss 536 window 4096" } else { "" };
            lab.host(&role).space.ip(&format!(
                "link set e0 up
                 addr add 10.68.{number}.2/24 dev e0
                 route add default via 10.68.{number}.1{small}"
            ))?;
            if let Some(weather) = weather {
                only_whole_packets(&lab.host("gate").space, &format!("x{number}"))?;
                only_whole_packets(&lab.host(&role).space, "e0")?;
                lab.connect(["to-gate", &format!("to-{role}")], weather)?;
            }
        }
        lab.host("x1").space.set(&[("net/ipv4/ip_default_ttl", "128"), ("net/ipv4/tcp_timestamps", "0")])?;
        lab.host("x3").space.set(&[
            ("net/ipv4/ip_default_ttl", "255"),
            ("net/ipv4/tcp_timestamps", "0"),
            ("net/ipv4/tcp_sack", "0"),
            ("net/ipv4/tcp_window_scaling", "0"),
        ])?;
        lab.host("gate").space.nft(
            "table ip nat { chain pre { type nat hook prerouting priority -100;
               iifname \"w\" tcp dport 80 dnat to 10.68.1.2:80
               iifname \"w\" tcp dport 22 dnat to 10.68.2.2:22
               iifname \"w\" tcp dport 23 dnat to 10.68.3.2:23
             }
             }",
        )?;
        Ok(lab)
    }

    fn try_macvlan() -> Result<Lab, Unable> {
        let mut lab = Lab::new();
        lab.add_fabric("switch")?;
        lab.add("a", "10.70.0.1", "fd70::1")?;
        lab.fabric[0].ip(&format!(
            "link add m0 type veth peer name e0 netns {}
             link set m0 up",
            lab.host("a").space.name()
        ))?;
        for (number, role) in [(2, "b"), (3, "c")] {
            lab.add(role, &format!("10.70.0.{number}"), &format!("fd70::{number}"))?;
            lab.fabric[0].ip(&format!(
                "link add link m0 name to-{role} address 02:4c:41:42:00:0{number} type macvlan mode bridge
                 link set to-{role} netns {} name e0",
                lab.host(role).space.name()
            ))?;
        }
        for (number, role) in [(1, "a"), (2, "b"), (3, "c")] {
            lab.host(role).space.ip(&format!(
                "link set e0 up
                 addr add 10.70.0.{number}/24 broadcast + dev e0
                 addr add fd70::{number}/64 dev e0 nodad"
            ))?;
        }
        lab.host("c").space.ip("link set e0 promisc on")?;
        Ok(lab)
    }

    fn try_wire(weather: Weather) -> Result<Lab, Unable> {
        let mut lab = Lab::new();
        lab.add_fabric("wire")?;
        for (number, role, other) in [(1, "a", 2), (2, "b", 1)] {
            lab.add(role, &format!("10.69.0.{number}"), &format!("fd69::{number}"))?;
            lab.fabric[0].ip(&format!(
                "link add to-{role} type veth peer name e0 address 02:4c:41:42:00:0{number} netns {}
                 link set to-{role} up",
                lab.host(role).space.name()
            ))?;
            let space = &lab.host(role).space;
            space.ip(&format!(
                "link set e0 up
                 addr add 10.69.0.{number}/24 dev e0
                 addr add fd69::{number}/64 dev e0 nodad
                 neigh replace 10.69.0.{other} lladdr 02:4c:41:42:00:0{other} nud permanent dev e0
                 neigh replace fd69::{other} lladdr 02:4c:41:42:00:0{other} nud permanent dev e0"
            ))?;
            only_whole_packets(space, "e0")?;
        }
        lab.connect(["to-a", "to-b"], weather)?;
        Ok(lab)
    }

    /// A relay between two interfaces of the fabric.
    fn connect(&mut self, ends: [&str; 2], weather: Weather) -> Result<(), Unable> {
        let fabric = &self.fabric[0];
        let open = |end: &str| {
            let index = fabric.ask(&["-o", "link", "show", end]);
            let index = index.split(':').next().and_then(|number| number.trim().parse().ok());
            let index = index.unwrap_or_else(|| panic!("ip shows no number of {end}"));
            fabric.inside(|| PacketSocket::open(index))
        };
        let unable = |error: std::io::Error| Unable(format!("no packet sockets: {error}"));
        let sockets = [open(ends[0]).map_err(unable)?, open(ends[1]).map_err(unable)?];
        self.relay = Some(Relay::start(sockets, weather).map_err(unable)?);
        Ok(())
    }
}

/// A relay carries what is on the wire: whole checksums, and no segments larger than it.
fn only_whole_packets(space: &Space, interface: &str) -> Result<(), Unable> {
    space.run(&["ethtool", "-K", interface, "tx", "off", "gso", "off", "gro", "off"]).map(|_| ())
}

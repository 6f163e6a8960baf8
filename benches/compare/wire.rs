//! SYNs through the whole way out, over a veth to a peer in a namespace of its own, which answers each with a reset.

use std::fs;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Instant;

use sonde::net::Origin;
use sonde::net::live::{LivePackets, Privileges};
use sonde::net::packets::{Outgoing, Packets};
use sonde::packet::{Ipv4, Layer, Packet, Tcp};
use sonde::runtime::{Random, Runtime};

use super::figures::{Series, Unit};
use super::namespaces::{Namespaces, ip};
use super::table::{Goal, Table};
use super::{Bench, Failure};

const ROUNDS: usize = 5;
const PACKETS: usize = 500_000;
/// Packets handed over in one call.
const BURST: usize = 512;
const PEER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

pub fn measure(_bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let _wire = match enter() {
        Ok(wire) => wire,
        Err(failure) => {
            eprintln!("no network namespaces, the rows of packets sent are left out: {failure}");
            return Ok(());
        }
    };
    let mut sent = Series::new(Unit::PerSecond);
    let mut answered = Series::new(Unit::PerSecond);
    for _ in 0..ROUNDS {
        let before = received()?;
        let seconds = send()?;
        sent.push(PACKETS as f64 / seconds);
        answered.push((received()? - before) as f64 / seconds);
    }
    let work = "SYNs sent over a veth to a peer that answers";
    table.row(work, "sonde", &sent, &Goal::AtLeast(500_000.0));
    table.row(work, "resets that came back", &answered, &Goal::None);
    Ok(())
}

/// Sends them all; the seconds it took until the kernel had the last.
fn send() -> Result<f64, Failure> {
    let runtime = Runtime::live();
    let packets = LivePackets::new(runtime.clock(), Random::new(Some(1)), runtime.spawner(), Privileges::new(true));
    let syns: Vec<Outgoing> = (0..BURST as u16).map(syn).collect();
    runtime.run(async {
        packets.send(vec![syns[0].clone()], &Origin::SCAN).await?; // the neighbour is known
        let started = Instant::now();
        let mut done = 0;
        while done < PACKETS {
            let now = BURST.min(PACKETS - done);
            packets.send(syns[..now].to_vec(), &Origin::SCAN).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
            done += now;
        }
        Ok(started.elapsed().as_secs_f64())
    })
}

fn syn(number: u16) -> Outgoing {
    let ip = Ipv4 { source: OWN, destination: PEER, ..Ipv4::default() };
    let tcp = Tcp { source: 40_000, destination: 1000 + number, flags: Tcp::SYN, ..Tcp::default() };
    let packet = Packet::new([Layer::Ipv4(ip), Layer::Tcp(tcp)]);
    Outgoing::Ip { packet: Rc::from(packet.to_bytes()), interface: None }
}

/// Two namespaces and the wire between them; this thread is in the first.
fn enter() -> Result<Namespaces<2>, Failure> {
    let namespaces = Namespaces::new(["own", "peer"])?;
    let [own, peer] = &namespaces.names;
    for words in [
        format!("link add w0 netns {own} type veth peer name w1 netns {peer}"),
        format!("-n {own} addr add {OWN}/24 dev w0"),
        format!("-n {peer} addr add {PEER}/24 dev w1"),
        format!("-n {own} link set w0 up"),
        format!("-n {peer} link set w1 up"),
    ] {
        ip(&words)?;
    }
    namespaces.enter()?;
    Ok(namespaces)
}

/// Packets that came back so far.
fn received() -> Result<u64, Failure> {
    let table = fs::read_to_string("/proc/thread-self/net/dev")?;
    let line = table.lines().find_map(|line| line.trim().strip_prefix("w0:"));
    let count = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|count| count.parse().ok());
    count.ok_or_else(|| "w0 is not in the kernel's table".into())
}

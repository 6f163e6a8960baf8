//! Packets to those who want them: the dispatcher alone, and the capture of this machine inside a namespace of its own.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use sonde::capture::{Captured, Direction, Dispatcher, Filter, Frame, Interest, Subscription};
use sonde::model::{Interface, LinkKind, LinkType, NetError, Timestamp};
use sonde::net::Origin;
use sonde::net::live::{LivePackets, Privileges};
use sonde::net::packets::{Outgoing, Packets};
use sonde::packet::FlowKey;
use sonde::runtime::{Random, Runtime, memory};

use super::figures::{Series, Unit};
use super::namespaces::{Namespaces, ip};
use super::table::{Goal, Table};
use super::{Bench, Failure, script};

const ROUNDS: usize = 9;
/// Packets dispatched in one round.
const PACKETS: usize = 200_000;
/// Subscriptions of the crowd.
const CROWD: usize = 10_000;

pub fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    dispatch(table);
    let runtime = Runtime::live();
    let packets = LivePackets::new(runtime.clock(), Random::new(Some(1)), runtime.spawner(), Privileges::new(true));
    if let Err(error) = packets.permitted() {
        eprintln!("no capture on this machine, its rows are left out: {error}");
        return Ok(());
    }
    drop(packets);
    open(bench, table)?;
    match enter() {
        Ok(_namespaces) => rates(bench, table),
        Err(failure) => {
            eprintln!("no network namespace, its rows are left out: {failure}");
            Ok(())
        }
    }
}

/// One packet to one subscription, with how many others that have a key: the target is the same throughout.
fn dispatch(table: &mut Table) {
    let [mut alone, mut crowded, mut spread] = [(); 3].map(|()| Series::new(Unit::Seconds));
    let (one, crowd) = (Keyed::new(1), Keyed::new(CROWD));
    for _ in 0..ROUNDS {
        alone.push(one.time(1));
        crowded.push(crowd.time(1));
        spread.push(crowd.time(CROWD));
    }
    let work = "a packet to the subscription with its key";
    table.row(work, "the only one", &alone, &Goal::None);
    table.row(work, "1 of 10,000", &crowded, &Goal::Times(1.2, &alone));
    table.row(work, "each of 10,000 in turn", &spread, &Goal::None);
}

/// A dispatcher with so many keyed subscriptions.
struct Keyed {
    dispatcher: Dispatcher,
    subscriptions: Vec<Subscription>,
    interface: Rc<Interface>,
    frames: Vec<Vec<u8>>,
}

impl Keyed {
    fn new(count: usize) -> Keyed {
        let dispatcher = Dispatcher::new();
        let remote = |number: usize| [10, 0, (number >> 8) as u8, number as u8];
        let subscribe = |number: usize| {
            let remote: IpAddr = remote(number).into();
            dispatcher.subscribe(Interest::of_flow(FlowKey { protocol: 6, remote, remote_port: 80, local_port: 4000 }))
        };
        let subscriptions = (0..count).map(subscribe).collect();
        let interface = Interface {
            index: 2,
            name: "bench".into(),
            kind: LinkKind::Ethernet,
            link: LinkType::Ethernet,
            mac: None,
            mtu: 1500,
            up: true,
            addrs: Vec::new(),
        };
        let frames = (0..count).map(|number| segment(remote(number))).collect();
        Keyed { dispatcher, subscriptions, interface: Rc::new(interface), frames }
    }

    /// Seconds a packet, when they go to the first `targets` subscriptions in turn and are taken every now and then.
    fn time(&self, targets: usize) -> f64 {
        let taken_every = 512.max(targets);
        let started = Instant::now();
        for number in 0..PACKETS {
            let bytes = &self.frames[number % targets];
            self.dispatcher.dispatch(&Frame {
                at: Timestamp(number as u64),
                interface: &self.interface,
                link: LinkType::Ethernet,
                direction: Direction::In,
                wire_len: bytes.len() as u32,
                bytes,
            });
            if number % taken_every == taken_every - 1 {
                for subscription in &self.subscriptions[..targets] {
                    while subscription.try_next().is_some() {}
                }
            }
        }
        started.elapsed().as_secs_f64() / PACKETS as f64
    }
}

/// A TCP segment from port 80 of `remote` to our port 4000, as a frame.
fn segment(remote: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![0; 54];
    frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
    frame[17] = 40;
    (frame[22], frame[23]) = (64, 6);
    frame[26..30].copy_from_slice(&remote);
    frame[30..34].copy_from_slice(&[10, 9, 9, 9]);
    frame[34..38].copy_from_slice(&[0, 80, 0x0f, 0xa0]);
    frame
}

/// What one more capture costs, on loopback: from Rust, and from a script.
fn open(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    const OPENED: usize = 200;
    let [mut swapped, mut again, mut covered, mut scripted] = [(); 4].map(|()| Series::new(Unit::Seconds));
    let mut held = Series::new(Unit::Bytes);
    let runtime = Runtime::live();
    let packets = LivePackets::new(runtime.clock(), Random::new(Some(1)), runtime.spawner(), Privileges::new(true));
    runtime.run(async {
        let lo = packets.interfaces().await?.iter().find(|one| one.kind == LinkKind::Loopback).map(|one| one.index);
        let filter = |text: &str| Interest {
            interface: lo,
            filter: Filter::parse(text).ok().map(Rc::new),
            ..Interest::default()
        };
        let mut next = 0;
        let _other = packets.capture(filter("udp port 9"), &Origin::SCAN).await?; // the ring is there
        for _ in 0..ROUNDS {
            let started = Instant::now();
            for _ in 0..OPENED {
                next += 1;
                let interest = filter(&format!("tcp and dst port {}", next % 60_000));
                drop(packets.capture(interest, &Origin::SCAN).await?);
            }
            swapped.push(started.elapsed().as_secs_f64() / OPENED as f64);
            let started = Instant::now();
            for _ in 0..OPENED {
                drop(packets.capture(filter("tcp and dst port 9"), &Origin::SCAN).await?);
            }
            again.push(started.elapsed().as_secs_f64() / OPENED as f64);

            let key = |port| FlowKey { protocol: 6, remote: [127, 0, 0, 1].into(), remote_port: port, local_port: 9 };
            let keyed = |port| Interest { interface: lo, ..Interest::of_flow(key(port)) };
            let mut crowd = Vec::new();
            for port in 0..1000 {
                crowd.push(packets.capture(keyed(port), &Origin::SCAN).await?);
            }
            let (started, before) = (Instant::now(), memory::balance());
            for port in 1000..1000 + OPENED as u16 {
                crowd.push(packets.capture(keyed(port), &Origin::SCAN).await?);
            }
            covered.push(started.elapsed().as_secs_f64() / OPENED as f64);
            held.push((memory::balance() - before) as f64 / OPENED as f64);
        }
        Ok::<(), Failure>(())
    })?;
    for _ in 0..ROUNDS {
        let ran = bench.sonde(["-n", "-Pn", "-p", "1", "--script", &script("pcap-open.rhai"), "-oJ", "-", "127.0.0.1"]);
        let record = record(&ran.run(bench.folder())?.stdout, "pcap-open")?;
        if record["output"] != 1000 {
            return Err(format!("not 1,000 captures: {record}").into());
        }
        scripted.push(record["duration_seconds"].as_f64().unwrap_or(f64::NAN) / 1000.0);
    }
    let work = "open one more capture";
    table.row(work, "with a filter never seen", &swapped, &Goal::AtMost(50e-6));
    table.row(work, "with a filter seen before", &again, &Goal::AtMost(50e-6));
    table.row(work, "by key, after 1,000 others", &covered, &Goal::AtMost(50e-6));
    table.row(work, "and close it, from a script", &scripted, &Goal::AtMost(50e-6));
    table.row("memory of one more capture", "sonde", &held, &Goal::AtMost(4096.0));
    Ok(())
}

/// The record of a prerule script in JSON Lines.
fn record(lines: &str, id: &str) -> Result<Value, Failure> {
    let records = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let scripts = records.filter_map(|record| record["scripts"].as_array().cloned()).flatten();
    scripts.into_iter().find(|script| script["id"] == id).ok_or_else(|| format!("no record of {id}: {lines}").into())
}

/// Packets a second from a veth to one subscription, and what is lost at 200,000.
fn rates(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    const FLOOD: usize = 500_000;
    const PACED: usize = 200_000;
    let mut delivered = Series::new(Unit::PerSecond);
    let mut scripted = Series::new(Unit::PerSecond);
    let (mut lost, mut paced) = (0, 0);
    for _ in 0..3 {
        let flood = receive("c1", FLOOD, None)?;
        delivered.push(flood.delivered as f64 / flood.seconds);
        let calm = receive("c0", PACED, Some(200_000))?;
        (lost, paced) = (lost + calm.lost + calm.dropped, paced + PACED as u64);
        if calm.delivered + calm.lost + calm.dropped != PACED as u64 {
            return Err(format!("packets disappeared: {calm:?} of {PACED}").into());
        }
    }
    for _ in 0..3 {
        let stop = Arc::new(AtomicBool::new(false));
        let sending = send(usize::MAX, None, Arc::clone(&stop));
        let words = ["-n", "-Pn", "-p", "1", "--script", &script("pcap-count.rhai"), "-oJ", "-", "127.0.0.1"];
        let ran = bench.sonde(words).run(bench.folder());
        stop.store(true, Ordering::Relaxed);
        sending.join().map_err(|_| "the sender failed")??;
        let record = record(&ran?.stdout, "pcap-count")?;
        let number = |field: &str| record["output"][field].as_f64().unwrap_or(f64::NAN);
        scripted.push(number("taken") / number("seconds"));
    }
    let work = "packets delivered while a veth is flooded";
    table.row(work, "to a subscription", &delivered, &Goal::None);
    table.row(work, "to a script", &scripted, &Goal::AtLeast(200_000.0));
    table.remark("packets lost or dropped at 200,000 a second", "sonde", &format!("{lost} of {paced}, all counted"));
    Ok(())
}

/// What a subscription had in the end, and the time from its first packet to its last.
#[derive(Debug)]
struct Received {
    delivered: u64,
    dropped: u64,
    lost: u64,
    seconds: f64,
}

fn receive(name: &str, count: usize, rate: Option<u64>) -> Result<Received, Failure> {
    let runtime = Runtime::live();
    let packets = LivePackets::new(runtime.clock(), Random::new(Some(1)), runtime.spawner(), Privileges::new(true));
    runtime.run(async {
        let interfaces = packets.interfaces().await?;
        let interface = interfaces.iter().find(|one| &*one.name == name).map(|one| one.index);
        let filter = Filter::parse("ether proto 0x9999").ok().map(Rc::new);
        let subscription = packets
            .capture(Interest { interface, filter, queue: 65_536, ..Interest::default() }, &Origin::SCAN)
            .await?;
        let sending = send(count, rate, Arc::default());
        let (mut taken, mut first, mut last): (usize, Option<Timestamp>, _) = (0, None, Timestamp(0));
        let clock = runtime.clock();
        while let Ok(Ok(batch)) = clock.timeout(Duration::from_secs(2), subscription.batch(1000)).await {
            taken += batch.len();
            let times = |packet: Option<&Captured>| packet.map_or(Timestamp(0), |packet| packet.at);
            first.get_or_insert(times(batch.first()));
            last = times(batch.last());
            let counters = subscription.counters();
            if taken as u64 + counters.dropped + counters.lost >= count as u64 {
                break;
            }
        }
        sending.join().map_err(|_| "the sender failed")??;
        let counters = subscription.counters();
        let seconds = last.since(first.unwrap_or_default()).as_secs_f64();
        Ok(Received { delivered: taken as u64, dropped: counters.dropped, lost: counters.lost, seconds })
    })
}

/// A frame of 60 bytes with a type of its own.
fn frame() -> Vec<u8> {
    let mut frame = vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x99, 0x99];
    frame.resize(60, 0);
    frame
}

/// Sends so many frames out of `c0` from a thread of its own, at most `rate` a second, or as many as it can until told to
/// stop.
fn send(count: usize, rate: Option<u64>, stop: Arc<AtomicBool>) -> JoinHandle<Result<(), String>> {
    std::thread::spawn(move || {
        let runtime = Runtime::live();
        let packets = LivePackets::new(runtime.clock(), Random::new(Some(2)), runtime.spawner(), Privileges::new(true));
        let work = async {
            let interfaces = packets.interfaces().await?;
            let interface = interfaces.iter().find(|one| &*one.name == "c0").map_or(0, |one| one.index);
            let one = Outgoing::Frame { frame: frame().into(), interface };
            let (started, mut sent) = (Instant::now(), 0);
            while sent < count && !stop.load(Ordering::Relaxed) {
                if let Some(rate) = rate {
                    let due = Duration::from_nanos(sent as u64 * 1_000_000_000 / rate);
                    while started.elapsed() < due {
                        std::hint::spin_loop();
                    }
                }
                let burst = if rate.is_some() { 20 } else { 256 }.min(count - sent);
                packets
                    .send(vec![one.clone(); burst], &Origin::SCAN)
                    .await?
                    .into_iter()
                    .collect::<Result<Vec<_>, _>>()?;
                sent += burst;
            }
            Ok::<(), NetError>(())
        };
        runtime.run(work).map_err(|error| error.to_string())
    })
}

/// A network namespace with the veth pair `c0` and `c1`; this thread is in it, and those it starts.
fn enter() -> Result<Namespaces<1>, Failure> {
    let namespaces = Namespaces::new(["capture"])?;
    namespaces.enter()?;
    std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")?;
    for words in ["link set lo up", "link add c0 type veth peer name c1", "link set c0 up", "link set c1 up"] {
        ip(words)?;
    }
    Ok(namespaces)
}

//! The way into a simulated network for raw packets: one interface, and what comes back over it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use async_executor::Task;

use super::air::Air;
use super::answer::{Replies, Visit};
use super::count::increment;
use super::link::Way;
use super::probe::{Probe, word};
use super::scenario::HostsSpec;
use super::world::World;
use super::wrap::OURS;
use super::{icmp, neighbours};
use crate::capture::{Interest, Observer, Subscription};
use crate::model::{
    Interface, InterfaceAddr, LinkKind, LinkType, NetError, NetErrorKind, PacketTotals, Protocol, Route, Timestamp,
    Unreached,
};
use crate::net::packets::{Outgoing, Packets, Ports, ReservedPort, Sent, destination};
use crate::net::{NetFuture, Origin};
use crate::packet::Tcp;
use crate::packet::number::{ARP, IPV4, IPV6, TCP, UDP};
use crate::runtime::{Random, Spawner};

/// Our interface's number.
const INTERFACE: u32 = 1;
/// Largest IP packet.
const MTU: usize = 1500;
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// What becomes of a packet to a neighbour that does not answer.
const ABSENT: NetErrorKind = NetErrorKind::Unreachable(Unreached::Host);
/// How long a neighbour is asked for before it counts as absent, as on a real link.
const ASKED: Duration = Duration::from_secs(3);
/// Ports given out (RFC 6335: dynamic ports), and how many there are.
const DYNAMIC: (u16, u16) = (49_152, 16_384);

/// The packets of a [`World`].
pub struct SimPackets {
    shared: Rc<Shared>,
    random: Random,
    given: Rc<RefCell<Given>>,
    /// Ends with the network.
    _handing_over: Task<()>,
}

/// What a packet on its way needs.
struct Shared {
    world: Rc<World>,
    interface: Rc<Interface>,
    air: Rc<Air>,
    scratch: RefCell<Scratch>,
}

/// Room that every packet uses again.
#[derive(Default)]
struct Scratch {
    frame: Vec<u8>,
    replies: Replies,
}

/// Ports somebody has.
type Given = BTreeSet<(Protocol, u16)>;

/// Ports in a row.
struct Reserved {
    ports: Ports,
    first: u16,
    given: Rc<RefCell<Given>>,
}

impl ReservedPort for Reserved {
    fn port(&self) -> u16 {
        self.first
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut given = self.given.borrow_mut();
        for number in in_a_row(self.first, self.ports) {
            given.remove(&number);
        }
    }
}

fn in_a_row(first: u16, ports: Ports) -> impl Iterator<Item = (Protocol, u16)> {
    (first..=u16::MAX).take(usize::from(ports.count.max(1))).map(move |number| (ports.protocol, number))
}

fn interface(world: &World) -> Interface {
    let prefix = |any: &IpAddr| match (world.is_on_link(), any) {
        (true, _) => 0,
        (false, IpAddr::V4(_)) => 24,
        (false, IpAddr::V6(_)) => 64,
    };
    let addrs = ["0.0.0.0", "::"].into_iter().filter_map(|any| any.parse::<IpAddr>().ok());
    Interface {
        index: INTERFACE,
        name: "sim0".into(),
        kind: LinkKind::Ethernet,
        link: LinkType::Ethernet,
        mac: Some(OURS),
        mtu: MTU as u32,
        up: true,
        addrs: addrs.map(|any| InterfaceAddr { addr: world.source(any), prefix: prefix(&any) }).collect(),
    }
}

impl SimPackets {
    /// The interface of `world`; what comes back over it is handed over by a task of `spawner`.
    pub fn new(world: Rc<World>, spawner: &Spawner, random: &Random) -> SimPackets {
        let interface = Rc::new(interface(&world));
        let air = Rc::new(Air::new(world.clock.clone(), Rc::clone(&interface)));
        let handing_over = spawner.spawn(Rc::clone(&air).hand_over());
        let shared = Rc::new(Shared { world, interface, air, scratch: RefCell::default() });
        SimPackets { shared, random: random.derive("ports"), given: Rc::default(), _handing_over: handing_over }
    }

    fn give(&self, ports: Ports, local: IpAddr) -> Result<Reserved, NetError> {
        let refused = |why: &str| NetError::new(NetErrorKind::Local, "reserve", local).because(why);
        if ports.protocol == Protocol::Ip {
            return Err(refused("IP protocols have no ports"));
        }
        let mut given = self.given.borrow_mut();
        let places = DYNAMIC.1.saturating_sub(ports.count.max(1) - 1);
        let drawn = self.random.below(u64::from(places)) as u16;
        let mut firsts = (drawn..places).chain(0..drawn).map(|place| DYNAMIC.0 + place);
        let first = firsts.find(|first| !in_a_row(*first, ports).any(|number| given.contains(&number)));
        let first = first.ok_or_else(|| refused("all ports are taken"))?;
        given.extend(in_a_row(first, ports));
        Ok(Reserved { ports, first, given: Rc::clone(&self.given) })
    }
}

impl Shared {
    /// Sends one packet.
    fn send(&self, packet: &Outgoing) -> Result<(), NetError> {
        match packet {
            Outgoing::Frame { interface, .. } if *interface != INTERFACE => {
                let error = NetError::new(NetErrorKind::Local, "send", format_args!("interface {interface}"));
                Err(error.because("there is no such interface"))
            }
            Outgoing::Frame { frame, .. } => {
                self.air.show_sent(frame);
                self.carry_frame(frame);
                Ok(())
            }
            Outgoing::Ip { packet, .. } => self.send_ip(packet),
        }
    }

    fn send_ip(&self, packet: &[u8]) -> Result<(), NetError> {
        let to = destination(packet).ok_or_else(|| {
            NetError::new(NetErrorKind::Local, "send", "a packet").because("it has no whole IPv4 or IPv6 header")
        })?;
        if packet.len() > MTU {
            let why = format!("{} bytes; sim0 carries {MTU}", packet.len());
            return Err(NetError::new(NetErrorKind::TooLarge, "send", to).because(why));
        }
        let (world, now) = (&self.world, self.world.clock.now());
        if world.is_on_link() && !to.is_multicast() && world.host_at(to, now).is_none() {
            let error = NetError::new(ABSENT, "neighbour", to);
            return Err(error.because("it does not answer on its link"));
        }
        {
            let Scratch { frame, .. } = &mut *self.scratch.borrow_mut();
            let ether_type = if to.is_ipv4() { IPV4 } else { IPV6 };
            frame.clear();
            frame.extend(world.mac(to).0);
            frame.extend(OURS.0);
            frame.extend(ether_type.to_be_bytes());
            frame.extend_from_slice(packet);
            self.air.show_sent(frame);
        }
        self.carry(packet);
        Ok(())
    }

    /// A frame of ours; what is neither ARP nor IP interests nobody.
    fn carry_frame(&self, frame: &[u8]) {
        match word(frame, ETHERNET - 2) {
            Some(ARP) => self.carry_arp(frame),
            Some(IPV4 | IPV6) => self.carry(frame.get(ETHERNET..).unwrap_or_default()),
            _ => increment(&self.world.count.arrived.other),
        }
    }

    fn carry_arp(&self, frame: &[u8]) {
        let now = self.world.clock.now();
        increment(&self.world.count.arrived.arp);
        if let Some((target, reply)) = neighbours::arp(&self.world, frame, now) {
            increment(&self.world.count.returned.arp);
            self.on_the_link(target, now, &reply);
        }
    }

    /// A question to a neighbour and its answer.
    fn on_the_link(&self, target: IpAddr, now: Timestamp, reply: &[u8]) {
        let Some(out) = self.world.cross(Way::Out, target, now).first else { return };
        let arrival = self.world.cross(Way::Back, target, now.plus(out));
        for back in [arrival.first, arrival.second].into_iter().flatten() {
            self.air.push(now.plus(out + back), reply.to_vec());
        }
    }

    /// An IP packet of ours, to whatever is at its destination.
    fn carry(&self, packet: &[u8]) {
        let (world, now) = (&self.world, self.world.clock.now());
        let Some(probe) = Probe::read(packet) else { return increment(&world.count.malformed) };
        if let Some(target) = neighbours::solicited(&probe) {
            world.count.arrived.add(probe.protocol);
            if let Some(reply) = neighbours::advertisement(world, &probe, target, now) {
                world.count.returned.add(probe.protocol);
                self.on_the_link(target, now, &reply);
            }
            return;
        }
        let arrival = world.cross(Way::Out, probe.destination, now);
        for out in [arrival.first, arrival.second].into_iter().flatten() {
            self.arrive(&probe, now, out);
        }
    }

    /// A packet sent at `now` gets as far as it gets.
    fn arrive(&self, probe: &Probe<'_>, now: Timestamp, out: Duration) {
        let world = &self.world;
        count_arrived(world, probe);
        let Some((_, hosts)) = world.rule(probe.destination) else { return };
        if probe.ttl <= hosts.hops {
            return self.expire(probe, hosts, now, out);
        }
        let at = now.plus(out);
        let Some((_, hosts)) = world.host_at(probe.destination, at) else { return };
        let replies = &mut self.scratch.borrow_mut().replies;
        Visit { world, probe, hosts, at }.answer(replies);
        for (wait, frame) in replies.drain(..) {
            self.come_back(probe, at.plus(wait), frame);
        }
    }

    fn come_back(&self, probe: &Probe<'_>, sent: Timestamp, frame: Vec<u8>) {
        self.world.count.returned.add(carried(&frame));
        let arrival = self.world.cross(Way::Back, probe.destination, sent);
        if let Some(second) = arrival.second {
            self.air.push(sent.plus(second), frame.clone());
        }
        if let Some(first) = arrival.first {
            self.air.push(sent.plus(first), frame);
        }
    }

    /// The packet runs out of hops on its way. Routers stand at equal distances.
    fn expire(&self, probe: &Probe<'_>, hosts: &HostsSpec, now: Timestamp, out: Duration) {
        let part = |whole: Duration| whole * u32::from(probe.ttl) / (u32::from(hosts.hops) + 1);
        let at = now.plus(part(out));
        if probe.ttl == 0 {
            return;
        }
        let Some(frame) = icmp::expired(&self.world, hosts, probe, at) else { return };
        self.world.count.returned.add(carried(&frame));
        let arrival = self.world.cross(Way::Back, probe.destination, at);
        for back in [arrival.first, arrival.second].into_iter().flatten() {
            self.air.push(at.plus(part(back)), frame.clone());
        }
    }
}

/// The protocol in a frame of ours or theirs that has no extension headers.
fn carried(frame: &[u8]) -> u8 {
    let at = if word(frame, ETHERNET - 2) == Some(IPV4) { ETHERNET + 9 } else { ETHERNET + 6 };
    frame.get(at).copied().unwrap_or_default()
}

fn count_arrived(world: &World, probe: &Probe<'_>) {
    world.count.arrived.add(probe.protocol);
    match probe.protocol {
        TCP if probe.content.get(13).is_some_and(|flags| flags & Tcp::SYN != 0) => increment(&world.count.syns),
        UDP => increment(&world.count.datagrams),
        _ => {}
    }
}

impl Packets for SimPackets {
    fn permitted(&self) -> Result<(), NetError> {
        Ok(())
    }

    fn interfaces(&self) -> NetFuture<Vec<Rc<Interface>>> {
        Box::pin(std::future::ready(Ok(vec![Rc::clone(&self.shared.interface)])))
    }

    fn route(&self, to: IpAddr, _interface: Option<u32>) -> NetFuture<Route> {
        let interface = &self.shared.interface;
        let source = interface.addrs.iter().map(|own| own.addr).find(|own| own.is_ipv4() == to.is_ipv4());
        let gateway = Some(self.shared.world.gateway(to)).filter(|_| !self.shared.world.is_on_link());
        let route = source.map(|source| Route { interface: Rc::clone(interface), source, gateway });
        let route = route.ok_or_else(|| NetError::new(NetErrorKind::Unreachable(Unreached::NoRoute), "route", to));
        Box::pin(std::future::ready(route))
    }

    fn send(&self, packets: Vec<Outgoing>, _origin: &Origin) -> NetFuture<Vec<Sent>> {
        let shared = Rc::clone(&self.shared);
        Box::pin(async move {
            let clock = shared.world.clock.clone();
            let now = clock.now();
            let sent: Vec<Sent> = packets.iter().map(|packet| shared.send(packet).map(|()| now)).collect();
            let is_absent = |sent: &Sent| matches!(sent, Err(error) if error.kind == ABSENT);
            if sent.iter().any(is_absent) {
                clock.sleep_until(now.plus(ASKED)).await;
            }
            Ok(sent)
        })
    }

    fn reserve(&self, ports: Ports, local: IpAddr, _origin: &Origin) -> NetFuture<Box<dyn ReservedPort>> {
        let reserved = self.give(ports, local);
        Box::pin(std::future::ready(reserved.map(|reserved| Box::new(reserved) as Box<dyn ReservedPort>)))
    }

    fn capture(&self, interest: Interest, _origin: &Origin) -> NetFuture<Subscription> {
        let result = match interest.interface.filter(|only| *only != INTERFACE) {
            Some(other) => {
                let error = NetError::new(NetErrorKind::Local, "capture", format_args!("interface {other}"));
                Err(error.because("there is no such interface"))
            }
            None => Ok(self.shared.air.dispatcher.subscribe(interest)),
        };
        Box::pin(std::future::ready(result))
    }

    fn observe(&self, observer: Observer) {
        self.shared.air.dispatcher.observe(observer);
    }

    fn captured(&self) -> PacketTotals {
        self.shared.air.dispatcher.totals()
    }
}

#[cfg(test)]
mod tests;

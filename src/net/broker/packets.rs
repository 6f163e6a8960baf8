//! Packets of scripts: what each declared it may send where, at which rate, and how much of it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use super::warrant::SocketCount;
use super::{Broker, TraceLine, Warrant};
use crate::model::{Capability, Interface, NetError, NetErrorKind, Protocol, Route, Spent};
use crate::net::NetFuture;
use crate::net::packets::{Outgoing, Ports, ReservedPort, Sent, destination, is_source_routed};

/// Capabilities that say a script deals with links at all; any of them opens interfaces and routes to it.
const OF_LINKS: [Capability; 3] = [Capability::Raw, Capability::Capture, Capability::Broadcast];

/// Whom a packet is for, as far as the fence is concerned.
enum Addressee {
    /// One host.
    Host(IpAddr),
    /// Everybody on a link, or a group.
    Many(IpAddr),
    /// It is no IP packet: ARP and the like.
    Link(u32),
}

impl fmt::Display for Addressee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Addressee::Host(addr) | Addressee::Many(addr) => addr.fmt(f),
            Addressee::Link(interface) => write!(f, "interface {interface}"),
        }
    }
}

impl Broker {
    /// Sends packets for the bearer, who must have declared `raw`; `other-hosts` for hosts outside its fence, `broadcast`
    /// for groups, broadcasts and whole frames. Either all of them are admitted or none is sent.
    pub fn send(&self, warrant: &Rc<Warrant>, packets: Vec<Outgoing>) -> NetFuture<Vec<Sent>> {
        let (broker, warrant) = (self.clone(), Rc::clone(warrant));
        Box::pin(async move {
            warrant.demand(Capability::Raw, "send", "packets")?;
            let interfaces = broker.network.packets.interfaces().await?;
            let mut bytes = 0;
            for packet in &packets {
                admit(&warrant, packet, &interfaces)?;
                bytes += bytes_of(packet).len() as u64;
            }
            Broker::check_packets(&warrant, packets.len() as u64, bytes)?;
            broker.send_paced(&warrant, packets, &interfaces).await
        })
    }

    /// The interfaces of this machine.
    pub fn interfaces(&self, warrant: &Warrant) -> NetFuture<Vec<Rc<Interface>>> {
        match warrant.demand_any(&OF_LINKS, "interfaces", "this machine") {
            Ok(()) => self.network.packets.interfaces(),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    /// The way to `to`.
    pub fn route(&self, warrant: &Warrant, to: IpAddr, interface: Option<u32>) -> NetFuture<Route> {
        let admitted = warrant.demand_any(&OF_LINKS, "route", to).and_then(|()| warrant.check_fence(to, "route"));
        match admitted {
            Ok(()) => self.network.packets.route(to, interface),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    /// Reserves a local port for raw probes; it counts as a socket.
    pub fn reserve(
        &self,
        warrant: &Rc<Warrant>,
        protocol: Protocol,
        local: IpAddr,
    ) -> NetFuture<Box<dyn ReservedPort>> {
        let (broker, warrant) = (self.clone(), Rc::clone(warrant));
        Box::pin(async move {
            warrant.demand(Capability::Raw, "reserve", local)?;
            let count = warrant.open_socket("reserve", local, None, &broker.open)?;
            let inner = broker.network.packets.reserve(Ports::one(protocol), local, &warrant.origin).await?;
            Ok(Box::new(CountedPort { inner, _count: count }) as Box<dyn ReservedPort>)
        })
    }

    /// Refuses what would exceed the instance's budgets.
    fn check_packets(warrant: &Warrant, packets: u64, bytes: u64) -> Result<(), NetError> {
        let (limits, usage) = (&warrant.limits, &warrant.usage);
        let over =
            |spent, what: String| Err(NetError::new(NetErrorKind::Budget(spent), "send", "packets").because(what));
        if usage.packets.get() + packets > limits.packets {
            return over(
                Spent::Packets,
                format!("more than {} packets sent; raise --script-max-packets", limits.packets),
            );
        }
        if usage.bytes() + bytes > limits.bytes {
            return over(Spent::Bytes, format!("more than {} bytes moved; raise --script-max-bytes", limits.bytes));
        }
        usage.packets.set(usage.packets.get() + packets);
        usage.add_sent(bytes as usize); // before they are gone: two calls must not share what is left
        Ok(())
    }

    /// Hands the packets on as fast as `--max-rate` allows.
    async fn send_paced(
        &self,
        warrant: &Warrant,
        mut packets: Vec<Outgoing>,
        interfaces: &[Rc<Interface>],
    ) -> Result<Vec<Sent>, NetError> {
        let mut sent = Vec::with_capacity(packets.len());
        while !packets.is_empty() {
            let rest = packets.split_off(self.governor.burst().min(packets.len()));
            let now = std::mem::replace(&mut packets, rest);
            self.governor.pass_many(now.len()).await;
            if let Some(trace) = &self.trace {
                for packet in &now {
                    let peer = &addressee(packet, interfaces);
                    trace(&TraceLine {
                        script: &warrant.script,
                        origin: &warrant.origin,
                        op: "packet",
                        peer,
                        data: bytes_of(packet),
                    });
                }
            }
            sent.extend(self.network.packets.send(now, &warrant.origin).await?);
        }
        Ok(sent)
    }
}

/// A reserved port in the counts of sockets.
struct CountedPort {
    inner: Box<dyn ReservedPort>,
    _count: SocketCount,
}

impl ReservedPort for CountedPort {
    fn port(&self) -> u16 {
        self.inner.port()
    }
}

fn bytes_of(packet: &Outgoing) -> &[u8] {
    match packet {
        Outgoing::Ip { packet: bytes, .. } | Outgoing::Frame { frame: bytes, .. } => bytes,
    }
}

fn admit(warrant: &Warrant, packet: &Outgoing, interfaces: &[Rc<Interface>]) -> Result<(), NetError> {
    const OP: &str = "send";
    let addressee = addressee(packet, interfaces);
    if let Outgoing::Frame { .. } = packet {
        warrant.demand(Capability::Broadcast, OP, &addressee)?;
    }
    match addressee {
        Addressee::Host(addr) => warrant.check_fence(addr, OP)?,
        Addressee::Many(addr) => warrant.demand(Capability::Broadcast, OP, addr)?,
        Addressee::Link(_) => {}
    }
    if inner(packet).is_some_and(is_source_routed) {
        warrant.demand(Capability::OtherHosts, OP, "hosts of a source route")?;
    }
    Ok(())
}

fn addressee(packet: &Outgoing, interfaces: &[Rc<Interface>]) -> Addressee {
    match (inner(packet).and_then(destination), packet) {
        (Some(to), _) if is_for_many(to, interfaces) => Addressee::Many(to),
        (Some(to), _) => Addressee::Host(to),
        (None, Outgoing::Frame { interface, .. }) => Addressee::Link(*interface),
        (None, Outgoing::Ip { interface, .. }) => Addressee::Link(interface.unwrap_or(0)), // it will be refused
    }
}

fn is_for_many(to: IpAddr, interfaces: &[Rc<Interface>]) -> bool {
    let IpAddr::V4(to_v4) = to else { return to.is_multicast() };
    to_v4.is_multicast()
        || to_v4 == Ipv4Addr::BROADCAST
        || interfaces.iter().flat_map(|interface| &interface.addrs).any(|ours| match ours.addr {
            // The last address of a network; one of two addresses or of one has none (RFC 3021).
            IpAddr::V4(addr) if ours.prefix < 31 => {
                to_v4.to_bits() == addr.to_bits() | u32::MAX.checked_shr(ours.prefix.into()).unwrap_or(0)
            }
            _ => false,
        })
}

/// The IP packet in it, behind an Ethernet header and VLAN tags if there are any.
fn inner(packet: &Outgoing) -> Option<&[u8]> {
    const VLAN: [u16; 2] = [0x8100, 0x88a8];
    let frame = match packet {
        Outgoing::Ip { packet, .. } => return Some(packet),
        Outgoing::Frame { frame, .. } => frame,
    };
    let mut at = 12;
    loop {
        let ether_type = u16::from_be_bytes(*frame.get(at..)?.first_chunk()?);
        match ether_type {
            0x0800 | 0x86dd => return frame.get(at + 2..),
            tag if VLAN.contains(&tag) => at += 4,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;

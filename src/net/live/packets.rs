//! Packets of the machine's own network: each finds its interface, its next hop and that one's hardware address, and
//! goes into the queue.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::rc::Rc;

use async_executor::Task;
use futures_lite::future::yield_now;
use rustix::net::addr::SocketAddrArg as _;

use super::capture::{LiveCapture, Opener, RING};
use super::link_address::{IPV4, IPV6, link_address};
use super::neighbours::Neighbours;
use super::neighbours::frames::{ethernet, group_mac};
use super::privileges::Privileges;
use super::reserve;
use super::send::{Lane, Load, Outbox, Receipt, Sockets};
use super::ways::{Way, Ways};
use crate::capture::{Interest, Observer, Subscription};
use crate::model::{Interface, LinkKind, LinkType, MacAddr, NetError, NetErrorKind, NetworkRoute, PacketTotals, Route};
use crate::net::packets::{Outgoing, Packets, Ports, ReservedPort, Sent, destination};
use crate::net::{NetFuture, Origin};
use crate::runtime::{Clock, QuickMap, Random, Spawner};

/// Packets prepared before others get a turn, and packets of one caller in the queue at most.
const PREPARED_A_TURN: usize = 256;
const QUEUED: usize = 1024;

/// Packets of this machine.
pub struct LivePackets(Rc<Shared>);

struct Shared {
    clock: Clock,
    random: Random,
    spawner: Spawner,
    privileges: Privileges,
    ways: OnceCell<Ways>,
    sender: OnceCell<Sender>,
    capture: LiveCapture,
}

/// What sending takes, opened when the first packet goes out.
struct Sender {
    outbox: Rc<Outbox>,
    neighbours: Rc<Neighbours>,
    _work: Task<()>,
}

/// A packet that may go, or the neighbour it has to wait for.
enum Prepared {
    Ready(Load),
    Waits(Hop, Rc<[u8]>),
}

/// Who gets a packet next, and by which link.
#[derive(Clone)]
struct Hop {
    way: Rc<Way>,
    addr: IpAddr,
}

impl LivePackets {
    /// Packets, if `privileges` allow. Nothing is opened yet.
    pub fn new(clock: Clock, random: Random, spawner: Spawner, privileges: Privileges) -> LivePackets {
        let (ways, sender) = (OnceCell::new(), OnceCell::new());
        let opener: Opener = Box::new(move |open| privileges.open("capture", open));
        let capture = LiveCapture::new(clock.clone(), spawner.clone(), opener, RING);
        LivePackets(Rc::new(Shared { clock, random, spawner, privileges, ways, sender, capture }))
    }

    /// The entries of this machine's routing tables that lead to other machines, IPv4 first. Takes no privilege.
    pub fn routes(&self) -> Result<Vec<NetworkRoute>, NetError> {
        self.0.ways()?.routes()
    }
}

impl Packets for LivePackets {
    fn permitted(&self) -> Result<(), NetError> {
        self.0.sender().map(|_| ())
    }

    fn interfaces(&self) -> NetFuture<Vec<Rc<Interface>>> {
        let shared = Rc::clone(&self.0);
        Box::pin(async move { Ok(shared.ways()?.interfaces()?.to_vec()) })
    }

    fn route(&self, to: IpAddr, interface: Option<u32>) -> NetFuture<Route> {
        let shared = Rc::clone(&self.0);
        Box::pin(async move { Ok(shared.ways()?.way(to, interface)?.route.clone()) })
    }

    fn send(&self, packets: Vec<Outgoing>, _origin: &Origin) -> NetFuture<Vec<Sent>> {
        let shared = Rc::clone(&self.0);
        Box::pin(async move { shared.send(packets).await })
    }

    fn reserve(&self, ports: Ports, local: IpAddr, _origin: &Origin) -> NetFuture<Box<dyn ReservedPort>> {
        let shared = Rc::clone(&self.0);
        Box::pin(async move { reserve::reserve(ports, local, shared.privileges, &shared.random) })
    }

    fn capture(&self, interest: Interest, _origin: &Origin) -> NetFuture<Subscription> {
        let shared = Rc::clone(&self.0);
        Box::pin(async move {
            let interfaces = shared.ways()?.interfaces()?.to_vec();
            shared.capture.subscribe(interest, &interfaces).await
        })
    }

    fn observe(&self, observer: Observer) {
        self.0.capture.observe(observer);
    }

    fn captured(&self) -> PacketTotals {
        self.0.capture.totals()
    }
}

impl Shared {
    /// Interfaces and routes as they are now.
    fn ways(&self) -> Result<&Ways, NetError> {
        let ways = if let Some(ways) = self.ways.get() {
            ways
        } else {
            let opened = Ways::new().map_err(|error| NetError::from_io(&error, "netlink", "the kernel"))?;
            self.ways.get_or_init(|| opened)
        };
        if ways.refresh()
            && let Some(sender) = self.sender.get()
        {
            sender.neighbours.forget();
        }
        Ok(ways)
    }

    fn sender(&self) -> Result<&Sender, NetError> {
        if let Some(sender) = self.sender.get() {
            return Ok(sender);
        }
        let sockets = Sockets::open(self.privileges)?;
        let outbox = Rc::new(Outbox::default());
        let work = self.spawner.spawn(Rc::clone(&outbox).run(sockets, self.clock.clone()));
        let (clock, spawner) = (self.clock.clone(), self.spawner.clone());
        let neighbours = Rc::new(Neighbours::new(clock, spawner, self.privileges, Rc::clone(&outbox)));
        Ok(self.sender.get_or_init(|| Sender { outbox, neighbours, _work: work }))
    }

    async fn send(self: Rc<Self>, packets: Vec<Outgoing>) -> Result<Vec<Sent>, NetError> {
        let sender = self.sender()?;
        let (count, receipt) = (packets.len(), Rc::new(Receipt::new(packets.len())));
        let mut held = Held::default();
        for (index, packet) in packets.into_iter().enumerate() {
            if index % PREPARED_A_TURN == 0 {
                if index > 0 {
                    yield_now().await;
                }
                receipt.down_to(QUEUED + held.count + count - index).await;
                self.ways()?;
            }
            match self.prepare(sender, packet, &held) {
                Ok(Prepared::Ready(load)) => sender.outbox.push(load, &receipt, index),
                Ok(Prepared::Waits(hop, packet)) => held.add(hop, index, packet),
                Err(error) => receipt.fail(index, error),
            }
        }
        let _asking = self.ask(sender, held, &receipt);
        Ok(receipt.all().await)
    }

    /// Asks for the neighbours that packets wait for, all at once; each one's packets go when it has answered.
    fn ask(&self, sender: &Sender, held: Held, receipt: &Rc<Receipt>) -> Vec<Task<()>> {
        let start = |(hop, packets): (Hop, Waiting)| {
            let (neighbours, outbox) = (Rc::clone(&sender.neighbours), Rc::clone(&sender.outbox));
            let receipt = Rc::clone(receipt);
            self.spawner.spawn(async move {
                let interface = Rc::clone(&hop.way.route.interface);
                let found = neighbours.ask(interface, hop.ours(), hop.addr).await;
                for (index, packet) in packets {
                    match &found {
                        Ok(mac) => outbox.push(hop.framed(packet, *mac), &receipt, index),
                        Err(error) => receipt.fail(index, error.clone()),
                    }
                }
            })
        };
        held.by_hop.into_values().map(start).collect()
    }

    /// Finds the way of a packet.
    fn prepare(&self, sender: &Sender, packet: Outgoing, held: &Held) -> Result<Prepared, NetError> {
        let ways = self.ways.get().map_or_else(|| self.ways(), Ok)?;
        let (packet, interface) = match packet {
            Outgoing::Frame { frame, interface } => return whole_frame(ways, frame, interface).map(Prepared::Ready),
            Outgoing::Ip { packet, interface } => (packet, interface),
        };
        let to = destination(&packet).ok_or_else(|| {
            NetError::new(NetErrorKind::Local, "send", "a packet").because("it has no whole IPv4 or IPv6 header")
        })?;
        let way = ways.way(to, interface)?;
        let at = &way.route.interface;
        check_up(at)?;
        if packet.len() > at.mtu as usize {
            let why = format!("{} bytes; {} carries {}", packet.len(), at.name, at.mtu);
            return Err(NetError::new(NetErrorKind::TooLarge, "send", to).because(why));
        }
        match (at.kind, at.link) {
            (LinkKind::Loopback, _) => Ok(Prepared::Ready(to_ourselves(packet, to, at))),
            (LinkKind::PointToPoint, _) => Ok(Prepared::Ready(Load {
                lane: Lane::Cooked,
                to: Rc::clone(&way.link),
                by: Rc::clone(at),
                header: [0; 14],
                header_len: 0,
                bytes: packet,
            })),
            (_, LinkType::Ethernet) => {
                let everybody = way.is_broadcast || to == IpAddr::V4(Ipv4Addr::BROADCAST);
                let hop = Hop { addr: way.route.gateway.unwrap_or(to), way };
                if everybody {
                    return Ok(Prepared::Ready(hop.framed(packet, MacAddr::BROADCAST)));
                }
                if to.is_multicast() {
                    return Ok(Prepared::Ready(hop.framed(packet, group_mac(to))));
                }
                to_neighbour(ways, sender, hop, packet, held)
            }
            (LinkKind::Other | LinkKind::Ethernet, LinkType::Ip) => Err(NetError::new(NetErrorKind::Local, "send", to)
                .because(format_args!("{} is no link sonde puts packets on", at.name))),
        }
    }
}

fn to_neighbour(ways: &Ways, sender: &Sender, hop: Hop, packet: Rc<[u8]>, held: &Held) -> Result<Prepared, NetError> {
    if held.by_hop.contains_key(&hop.key()) {
        return Ok(Prepared::Waits(hop, packet)); // behind those that wait already
    }
    match sender.neighbours.known(ways.netlink(), hop.way.route.interface.index, hop.addr) {
        Some(known) => known.map(|mac| Prepared::Ready(hop.framed(packet, mac))),
        None => Ok(Prepared::Waits(hop, packet)),
    }
}

fn whole_frame(ways: &Ways, frame: Rc<[u8]>, interface: u32) -> Result<Load, NetError> {
    let at = ways.interface(interface)?;
    check_up(&at)?;
    let (lane, protocol) = match at.link {
        LinkType::Ethernet => (Lane::Frame, 0), // the kernel reads it off the frame
        LinkType::Ip if frame.first().is_some_and(|first| first >> 4 == 6) => (Lane::Cooked, IPV6),
        LinkType::Ip => (Lane::Cooked, IPV4),
    };
    let to = Rc::new(link_address(interface, protocol));
    Ok(Load { lane, to, by: at, header: [0; 14], header_len: 0, bytes: frame })
}

/// The kernel takes packets for a link without a carrier, and drops them: that is no silence of hosts.
fn check_up(at: &Interface) -> Result<(), NetError> {
    if at.up {
        return Ok(());
    }
    Err(NetError::new(NetErrorKind::Local, "send by", &at.name).because("it is down or has no carrier"))
}

fn to_ourselves(packet: Rc<[u8]>, to: IpAddr, by: &Rc<Interface>) -> Load {
    let (lane, addr) = match to {
        IpAddr::V4(_) => (Lane::Ip4, SocketAddr::new(to, 0)),
        IpAddr::V6(addr) => {
            let scope = if addr.is_unicast_link_local() || addr.is_multicast() { by.index } else { 0 };
            (Lane::Ip6, SocketAddrV6::new(addr, 0, 0, scope).into())
        }
    };
    Load { lane, to: Rc::new(addr.as_any()), by: Rc::clone(by), header: [0; 14], header_len: 0, bytes: packet }
}

impl Hop {
    fn key(&self) -> (u32, IpAddr) {
        (self.way.route.interface.index, self.addr)
    }

    /// The packet behind an Ethernet header.
    fn framed(&self, packet: Rc<[u8]>, mac: MacAddr) -> Load {
        let ours = self.way.route.interface.mac.unwrap_or_default();
        let ether_type = if packet.first().is_some_and(|first| first >> 4 == 6) { IPV6 } else { IPV4 };
        let header = ethernet(mac, ours, ether_type);
        let (to, by) = (Rc::clone(&self.way.link), Rc::clone(&self.way.route.interface));
        Load { lane: Lane::Frame, to, by, header, header_len: 14, bytes: packet }
    }

    /// Our address on the link, of the neighbour's kind.
    fn ours(&self) -> IpAddr {
        let (route, is_v4) = (&self.way.route, self.addr.is_ipv4());
        let of_kind = |addr: &IpAddr| addr.is_ipv4() == is_v4;
        let own = || route.interface.addrs.iter().map(|one| one.addr).find(of_kind);
        Some(route.source).filter(of_kind).or_else(own).unwrap_or(route.source)
    }
}

/// Packets by their place in the call, in order.
type Waiting = Vec<(usize, Rc<[u8]>)>;

/// Packets that wait for neighbours, in order for each.
#[derive(Default)]
struct Held {
    by_hop: QuickMap<(u32, IpAddr), (Hop, Waiting)>,
    count: usize,
}

impl Held {
    fn add(&mut self, hop: Hop, index: usize, packet: Rc<[u8]>) {
        self.count += 1;
        let (_, packets) = self.by_hop.entry(hop.key()).or_insert_with(|| (hop, Vec::new()));
        packets.push((index, packet));
    }
}

#[cfg(test)]
mod tests;

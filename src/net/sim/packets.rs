//! The way into a simulated network: one interface. Raw packets are not modelled; whoever wants to send some is told.

use std::net::IpAddr;
use std::rc::Rc;

use super::world::World;
use crate::capture::{Interest, Subscription};
use crate::model::{
    Interface, InterfaceAddr, LinkKind, LinkType, MacAddr, NetError, NetErrorKind, PacketTotals, Route, Unreached,
};
use crate::net::packets::{Outgoing, Packets, Ports, ReservedPort, Sent};
use crate::net::{NetFuture, Origin};

/// The packets of a [`World`].
pub struct SimPackets {
    interface: Rc<Interface>,
}

impl SimPackets {
    /// The interface of `world`.
    pub fn new(world: &World) -> SimPackets {
        let addrs = ["0.0.0.0", "::"].into_iter().filter_map(|any| any.parse::<IpAddr>().ok());
        let interface = Interface {
            index: 1,
            name: "sim0".into(),
            kind: LinkKind::Ethernet,
            link: LinkType::Ethernet,
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])), // locally administered
            mtu: 1500,
            up: true,
            addrs: addrs.map(|any| InterfaceAddr { addr: world.source(any), prefix: 0 }).collect(),
        };
        SimPackets { interface: Rc::new(interface) }
    }
}

fn refused<T: 'static>(op: &'static str) -> NetFuture<T> {
    let error = NetError::new(NetErrorKind::Privilege, op, "sim0");
    Box::pin(std::future::ready(Err(error.because("a simulated network carries streams and datagrams only"))))
}

impl Packets for SimPackets {
    fn permitted(&self) -> Result<(), NetError> {
        let error = NetError::new(NetErrorKind::Privilege, "packets", "sim0");
        Err(error.because("a simulated network carries streams and datagrams only"))
    }

    fn interfaces(&self) -> NetFuture<Vec<Rc<Interface>>> {
        Box::pin(std::future::ready(Ok(vec![Rc::clone(&self.interface)])))
    }

    fn route(&self, to: IpAddr, _interface: Option<u32>) -> NetFuture<Route> {
        let source = self.interface.addrs.iter().map(|own| own.addr).find(|own| own.is_ipv4() == to.is_ipv4());
        let route = source.map(|source| Route { interface: Rc::clone(&self.interface), source, gateway: None });
        let route = route.ok_or_else(|| NetError::new(NetErrorKind::Unreachable(Unreached::Host), "route", to));
        Box::pin(std::future::ready(route))
    }

    fn send(&self, _packets: Vec<Outgoing>, _origin: &Origin) -> NetFuture<Vec<Sent>> {
        refused("send")
    }

    fn reserve(&self, _ports: Ports, _local: IpAddr, _origin: &Origin) -> NetFuture<Box<dyn ReservedPort>> {
        refused("reserve")
    }

    fn capture(&self, _interest: Interest, _origin: &Origin) -> NetFuture<Subscription> {
        refused("capture")
    }

    fn captured(&self) -> PacketTotals {
        PacketTotals::default()
    }
}

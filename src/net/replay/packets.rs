//! Raw packets in a replay: there are none yet, and whoever wants some is told.

use std::net::IpAddr;
use std::rc::Rc;

use crate::capture::{Interest, Subscription};
use crate::model::{Interface, NetError, NetErrorKind, PacketTotals, Protocol, Route};
use crate::net::NetFuture;
use crate::net::packets::{Outgoing, Packets, ReservedPort, Sent};

/// The packets of a replay.
pub struct ReplayPackets;

fn error(op: &'static str) -> NetError {
    let error = NetError::new(NetErrorKind::Privilege, op, "a recording");
    error.because("recordings hold streams and datagrams only")
}

fn refused<T: 'static>(op: &'static str) -> NetFuture<T> {
    Box::pin(std::future::ready(Err(error(op))))
}

impl Packets for ReplayPackets {
    fn permitted(&self) -> Result<(), NetError> {
        Err(error("packets"))
    }

    fn interfaces(&self) -> NetFuture<Vec<Rc<Interface>>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn route(&self, to: IpAddr, _interface: Option<u32>) -> NetFuture<Route> {
        Box::pin(std::future::ready(Err(NetError::new(NetErrorKind::Unreachable, "route", to))))
    }

    fn send(&self, _packets: Vec<Outgoing>) -> NetFuture<Vec<Sent>> {
        refused("send")
    }

    fn reserve(&self, _protocol: Protocol, _local: IpAddr) -> NetFuture<Box<dyn ReservedPort>> {
        refused("reserve")
    }

    fn capture(&self, _interest: Interest) -> NetFuture<Subscription> {
        refused("capture")
    }

    fn captured(&self) -> PacketTotals {
        PacketTotals::default()
    }
}

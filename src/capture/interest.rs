//! What somebody wants to see of the packets that go by.

use std::net::IpAddr;
use std::rc::Rc;

use super::{Direction, Filter, Frame};
use crate::model::LinkKind;
use crate::packet::FlowKey;

/// Packets a queue holds unless asked otherwise.
pub const DEFAULT_QUEUE: usize = 1024;
/// The longest packet there is: the largest IP packet with its link header and tags fits.
pub const WHOLE_PACKET: u32 = 1 << 18;

/// Which ways a packet may have gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Directions {
    /// Towards this machine, or past it.
    In,
    /// Sent by this machine.
    Out,
    /// Either.
    #[default]
    Both,
}

impl Directions {
    /// Whether packets this machine sends are among them.
    pub fn include_out(self) -> bool {
        self != Directions::In
    }

    /// Whether `frame` went one of these ways. What goes over the loopback interface both leaves and arrives, and is seen
    /// once.
    pub(super) fn admit(self, frame: &Frame<'_>) -> bool {
        match self {
            Directions::Both => true,
            _ if frame.interface.kind == LinkKind::Loopback => true,
            Directions::In => frame.direction == Direction::In,
            Directions::Out => frame.direction == Direction::Out,
        }
    }
}

/// What a subscription gets: the packets that pass every one of these.
#[derive(Debug, Clone)]
pub struct Interest {
    /// One interface by its number; all that can be captured on without it.
    pub interface: Option<u32>,
    /// What packets must look like; everything passes without it.
    pub filter: Option<Rc<Filter>>,
    /// The one conversation whose replies are wanted. Looked up, not tried: thousands cost one lookup a packet.
    pub key: Option<FlowKey>,
    /// Only packets from, to or about one of these, and ICMP errors about packets from or to them. No fence when empty.
    pub hosts: Vec<IpAddr>,
    /// Which ways.
    pub directions: Directions,
    /// Bytes kept of each packet.
    pub snaplen: u32,
    /// Packets that may wait to be taken; what comes then is dropped and counted.
    pub queue: usize,
    /// Have the interface take in what is addressed to other machines.
    pub promiscuous: bool,
}

impl Default for Interest {
    /// Every packet of every interface, whole.
    fn default() -> Interest {
        Interest {
            interface: None,
            filter: None,
            key: None,
            hosts: Vec::new(),
            directions: Directions::Both,
            snaplen: WHOLE_PACKET,
            queue: DEFAULT_QUEUE,
            promiscuous: false,
        }
    }
}

impl Interest {
    /// The replies of one conversation, ICMP errors included.
    pub fn of_flow(key: FlowKey) -> Interest {
        Interest { key: Some(key), directions: Directions::In, ..Interest::default() }
    }

    /// Whether it is about what happens on `interface`.
    pub(super) fn covers(&self, interface: u32) -> bool {
        self.interface.is_none_or(|only| only == interface)
    }
}

//! What a comment tells of packets sent and captured raw: `sonde-packet: {"sent":{"origin":"p0f@192.0.2.1:80",…}}`.
//!
//! The word and then one JSON object with one key, which says what it is about. Objects hold what the block itself does not:
//! sender, time and bytes are the block's own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::model::{
    Interface, InterfaceAddr, LinkKind, LinkType, MacAddr, NetError, NetErrorKind, Protocol, Route, Timestamp,
    Unreached,
};
use crate::net::Origin;

/// What comments about packets begin with.
const MARK: &str = "sonde-packet: ";

/// One comment about packets. On empty packets unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PacketNote {
    /// Whether packets were possible at all.
    Permitted {
        /// Why not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Trouble>,
    },
    /// One interface of the machine as it was then.
    Interface {
        /// It begins the list anew.
        first: bool,
        /// The interface; none where there are none at all.
        facts: Option<Facts>,
    },
    /// The way to a host, as from then on.
    Route {
        /// The host.
        to: IpAddr,
        /// What was asked for.
        interface: Option<u32>,
        /// The way, or why there is none.
        answer: Result<Way, Trouble>,
    },
    /// A port was reserved.
    Reserved {
        /// For whom.
        origin: String,
        /// `tcp`, `udp`, `sctp`.
        protocol: String,
        /// Its number, or why there is none.
        answer: Result<u16, Trouble>,
    },
    /// A capture was opened.
    Opened {
        /// For whom.
        origin: String,
        /// Why not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Trouble>,
    },
    /// On a packet sent: a frame on its interface, an IP packet without a link header.
    Sent {
        /// By whom.
        origin: String,
        /// The interface that was asked for, by its number.
        interface: Option<u32>,
        /// A whole frame, not an IP packet.
        frame: bool,
        /// Nanoseconds from the call until the kernel took it: it waited for neighbours and its turn.
        took: u64,
        /// Why it was not sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Trouble>,
        /// The sender did not wait for the outcome.
        #[serde(default, skip_serializing_if = "is_false")]
        unheard: bool,
    },
    /// On a packet captured.
    Captured {
        /// Its interface, by number.
        interface: u32,
        /// Sent by this machine.
        #[serde(default, skip_serializing_if = "is_false")]
        out: bool,
        /// Packets the kernel lost on the interface so far.
        #[serde(default, skip_serializing_if = "is_zero")]
        lost: u64,
    },
}

/// An error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    kind: String,
    /// Of what is unreachable: the whole network, not one host.
    #[serde(default, skip_serializing_if = "is_false")]
    network: bool,
    op: String,
    peer: String,
    detail: String,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    index: u32,
    name: String,
    kind: String,
    ethernet: bool,
    mac: Option<[u8; 6]>,
    mtu: u32,
    up: bool,
    addrs: Vec<(IpAddr, u8)>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Where it has not been told before, or is another now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interface: Option<Facts>,
    /// Else its number: it is as it was told last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    known: Option<u32>,
    source: IpAddr,
    gateway: Option<IpAddr>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl PacketNote {
    /// The comment.
    pub fn to_comment(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default(); // it has no map with keys that are no text
        format!("{MARK}{text}")
    }

    /// Reads a comment. None when it is about something else.
    ///
    /// # Errors
    /// It is broken, in words.
    pub fn parse(comment: &str) -> Option<Result<PacketNote, String>> {
        let text = comment.strip_prefix(MARK)?;
        Some(serde_json::from_str(text).map_err(|error| format!("what it tells of packets is broken: {error}")))
    }

    /// A packet that was sent with this outcome after a call at `called`.
    pub(super) fn sent(
        origin: &Origin,
        (interface, frame): (Option<u32>, bool),
        called: Timestamp,
        sent: &Result<Timestamp, NetError>,
    ) -> Self {
        let took = sent.as_ref().map_or(0, |at| at.since(called).as_nanos() as u64);
        let (origin, error) = (origin.as_str().to_owned(), sent.as_ref().err().map(Trouble::from));
        PacketNote::Sent { origin, interface, frame, took, error, unheard: false }
    }
}

impl From<&NetError> for Trouble {
    fn from(error: &NetError) -> Trouble {
        Trouble {
            kind: error.kind.recorded_name().to_owned(),
            network: error.kind == NetErrorKind::Unreachable(Unreached::Network),
            op: error.op.to_owned(),
            peer: error.peer.clone(),
            detail: error.detail.clone(),
        }
    }
}

/// Operations that fail about packets.
const OPS: [&str; 10] =
    ["send", "send by", "capture", "reserve", "route", "neighbour", "netlink", "packets", "interfaces", "probe"];

impl Trouble {
    /// The error it was.
    pub fn to_error(&self) -> NetError {
        let kind = NetErrorKind::by_name(&self.kind).unwrap_or(NetErrorKind::Local);
        let kind = if self.network { NetErrorKind::Unreachable(Unreached::Network) } else { kind };
        let op = OPS.into_iter().find(|op| *op == self.op).unwrap_or("packets");
        NetError::new(kind, op, &self.peer).because(&self.detail)
    }
}

const KINDS: [(LinkKind, &str); 4] = [
    (LinkKind::Ethernet, "ethernet"),
    (LinkKind::Loopback, "loopback"),
    (LinkKind::PointToPoint, "point-to-point"),
    (LinkKind::Other, "other"),
];

impl From<&Interface> for Facts {
    fn from(interface: &Interface) -> Facts {
        let kind = KINDS.iter().find(|(kind, _)| *kind == interface.kind).map_or("other", |(_, name)| name);
        Facts {
            index: interface.index,
            name: interface.name.to_string(),
            kind: kind.to_owned(),
            ethernet: interface.link == LinkType::Ethernet,
            mac: interface.mac.map(|mac| mac.0),
            mtu: interface.mtu,
            up: interface.up,
            addrs: interface.addrs.iter().map(|own| (own.addr, own.prefix)).collect(),
        }
    }
}

impl Facts {
    /// The interface it was.
    pub fn to_interface(&self) -> Interface {
        Interface {
            index: self.index,
            name: self.name.as_str().into(),
            kind: KINDS.iter().find(|(_, name)| *name == self.kind).map_or(LinkKind::Other, |(kind, _)| *kind),
            link: if self.ethernet { LinkType::Ethernet } else { LinkType::Ip },
            mac: self.mac.map(MacAddr),
            mtu: self.mtu,
            up: self.up,
            addrs: self.addrs.iter().map(|(addr, prefix)| InterfaceAddr { addr: *addr, prefix: *prefix }).collect(),
        }
    }
}

/// Interfaces that ways were told to lead through, by number: as they were told last.
pub type Told = HashMap<u32, Rc<Interface>>;

impl Way {
    /// What has to be told of a route; its interface is among those told then.
    pub(super) fn of(route: &Route, told: &mut Told) -> Way {
        let Route { interface, source, gateway } = route;
        let before = told.insert(interface.index, Rc::clone(interface));
        let is_known = before.is_some_and(|before| Rc::ptr_eq(&before, interface) || before == *interface);
        Way {
            interface: (!is_known).then(|| Facts::from(&**interface)),
            known: is_known.then_some(interface.index),
            source: *source,
            gateway: *gateway,
        }
    }

    /// The route it was. None where its interface was not told.
    pub fn to_route(&self, told: &mut Told) -> Option<Route> {
        let interface = match &self.interface {
            Some(facts) => {
                let interface = Rc::new(facts.to_interface());
                told.insert(interface.index, Rc::clone(&interface));
                interface
            }
            None => Rc::clone(told.get(&self.known?)?),
        };
        Some(Route { interface, source: self.source, gateway: self.gateway })
    }
}

/// The name a protocol has in notes.
pub(super) fn name_of(protocol: Protocol) -> String {
    protocol.name().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Unreached;

    fn facts() -> Interface {
        let addr = InterfaceAddr { addr: [10, 0, 0, 1].into(), prefix: 24 };
        Interface {
            index: 2,
            name: "e 0".into(),
            kind: LinkKind::PointToPoint,
            link: LinkType::Ip,
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            mtu: 1500,
            up: true,
            addrs: vec![addr],
        }
    }

    #[test]
    fn notes_read_as_written() {
        let error =
            NetError::new(NetErrorKind::Unreachable(Unreached::Network), "route", "10.0.0.9").because("no way: 5 % \n");
        let route = Route { interface: Rc::new(facts()), source: [10, 0, 0, 1].into(), gateway: None };
        let to = [10, 0, 0, 9].into();
        let notes = [
            PacketNote::Permitted { error: Some(Trouble::from(&error)) },
            PacketNote::Interface { first: true, facts: Some(Facts::from(&facts())) },
            PacketNote::Route { to, interface: None, answer: Ok(Way::of(&route, &mut Told::new())) },
            PacketNote::Route { to, interface: Some(2), answer: Err(Trouble::from(&error)) },
            PacketNote::Captured { interface: 2, out: true, lost: 7 },
            PacketNote::sent(&Origin::new("p0f@10.0.0.9:80"), (None, false), Timestamp(5), &Ok(Timestamp(9))),
        ];
        for note in notes {
            assert_eq!(PacketNote::parse(&note.to_comment()), Some(Ok(note)));
        }
        assert_eq!(Facts::from(&facts()).to_interface(), facts());
        assert_eq!(Trouble::from(&error).to_error().to_string(), error.to_string());
    }

    #[test]
    fn an_interface_is_told_once_until_it_changes() {
        let (mut told, mut heard) = (Told::new(), Told::new());
        let other = Rc::new(Interface { mtu: 9000, ..facts() });
        let lengths = [Rc::new(facts()), Rc::new(facts()), Rc::clone(&other), other].map(|interface| {
            let route = Route { interface, source: [10, 0, 0, 1].into(), gateway: None };
            let way = Way::of(&route, &mut told);
            assert_eq!(way.to_route(&mut heard), Some(route));
            serde_json::to_string(&way).expect("it is JSON").len()
        });
        assert!(lengths[0] == lengths[2] && lengths[1] == lengths[3] && lengths[1] * 2 < lengths[0], "{lengths:?}");
        let known = Way { interface: None, known: Some(2), source: [10, 0, 0, 1].into(), gateway: None };
        assert_eq!(known.to_route(&mut Told::new()), None);
        let first_format = r#"{"interface":{"index":2,"name":"e","kind":"other","ethernet":true,"mac":null,"mtu":1,"up":true,"addrs":[]},"source":"10.0.0.1","gateway":null}"#;
        let way: Way = serde_json::from_str(first_format).expect("a way");
        assert_eq!(way.to_route(&mut Told::new()).map(|route| route.interface.index), Some(2));
    }

    #[test]
    fn other_comments_are_left_alone_and_broken_ones_told() {
        assert_eq!(PacketNote::parse("sonde: conv=1"), None);
        for broken in ["", "{}", "{\"sent\":1}", "{\"other\":{}}", "\u{0}"] {
            assert!(matches!(PacketNote::parse(&format!("sonde-packet: {broken}")), Some(Err(_))), "{broken}");
        }
    }
}

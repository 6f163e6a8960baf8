//! The way to each host: interfaces and routes as the kernel has them, remembered until it says they changed.
//!
//! A scan of a million hosts must not cost a million questions. All destinations whose longest matching network among the
//! routes of *all* tables is the same are treated alike by every table, so one answer serves them all (for IPv6, within
//! one /64: the choice of the source address looks at that much, RFC 6724). Rules that look at destinations beyond what
//! routes tell apart are the one exception, and not known to be used.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use rustix::net::SocketAddrAny;

use super::link_address::{IPV4, IPV6, link_address};
use super::netlink::{Netlink, Prefix};
use super::recent::Recent;
use crate::model::{Interface, NetError, NetErrorKind, NetworkRoute, Route, Unreached};
use crate::runtime::{QuickMap, QuickSet};

/// Ways remembered: twice as many at most.
const REMEMBERED: usize = 4096;
/// With more routes than this in the tables, every destination is asked for by itself.
const MAX_PREFIXES: usize = 4096;

/// How packets to a destination go.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// As everybody sees it.
    pub route: Route,
    /// It is the broadcast address of a network of ours.
    pub is_broadcast: bool,
    /// The interface as a packet socket knows it.
    pub link: Rc<SocketAddrAny>,
}

/// The kernel knows of no route.
#[derive(Debug, Clone, Copy)]
struct NoRoute;

/// What was asked: for the destinations of a class, through some interface.
type Asked = (Prefix, Option<u32>);

/// What the kernel says of interfaces and routes.
pub(super) struct Ways {
    netlink: Netlink,
    interfaces: RefCell<Option<Rc<[Rc<Interface>]>>>,
    known: RefCell<Recent<Asked, Result<Rc<Way>, NoRoute>>>,
    classes: RefCell<[Option<Classes>; 2]>,
    questions: Cell<u64>,
}

impl Ways {
    pub(super) fn new() -> io::Result<Ways> {
        Ok(Ways {
            netlink: Netlink::open()?,
            interfaces: RefCell::default(),
            known: RefCell::new(Recent::new(REMEMBERED)),
            classes: RefCell::default(),
            questions: Cell::new(0),
        })
    }

    /// Forgets everything if the kernel said that anything changed; true if so. To be called before ways are asked for.
    pub(super) fn refresh(&self) -> bool {
        let changed = self.netlink.has_changed();
        if changed {
            self.interfaces.take();
            self.known.borrow_mut().clear();
            self.classes.take();
        }
        changed
    }

    /// The connection to the kernel.
    pub(super) fn netlink(&self) -> &Netlink {
        &self.netlink
    }

    pub(super) fn interfaces(&self) -> Result<Rc<[Rc<Interface>]>, NetError> {
        if let Some(known) = &*self.interfaces.borrow() {
            return Ok(Rc::clone(known));
        }
        let found = self.netlink.interfaces().map_err(|error| NetError::from_io(&error, "interfaces", "the kernel"))?;
        let found: Rc<[Rc<Interface>]> = found.into_iter().map(Rc::new).collect();
        *self.interfaces.borrow_mut() = Some(Rc::clone(&found));
        Ok(found)
    }

    /// The entries of the routing tables, IPv4 first. Asked for anew each time: nobody does so twice.
    pub(super) fn routes(&self) -> Result<Vec<NetworkRoute>, NetError> {
        let of_family = |v6| self.netlink.routes(v6);
        let found = of_family(false).and_then(|mut routes| {
            routes.extend(of_family(true)?);
            Ok(routes)
        });
        found.map_err(|error| NetError::from_io(&error, "routes", "the kernel"))
    }

    pub(super) fn interface(&self, index: u32) -> Result<Rc<Interface>, NetError> {
        let interfaces = self.interfaces()?;
        let found = interfaces.iter().find(|one| one.index == index).map(Rc::clone);
        let gone = || NetError::new(NetErrorKind::Local, "send", format_args!("interface {index}"));
        found.ok_or_else(|| gone().because("there is no such interface"))
    }

    /// The way to `to`, through `interface` if one is given; unreachable when there is none.
    pub(super) fn way(&self, to: IpAddr, interface: Option<u32>) -> Result<Rc<Way>, NetError> {
        let nowhere = |NoRoute| {
            let error = NetError::new(NetErrorKind::Unreachable(Unreached::NoRoute), "route", to);
            match interface.map(|index| self.interface(index)) {
                None => error.because("no route leads there"),
                Some(Ok(at)) => error.because(format_args!("no route leads there through {}", at.name)),
                Some(Err(gone)) => error.because(gone.detail),
            }
        };
        let key = (self.class(to), interface);
        if let Some(known) = self.known.borrow_mut().get(&key) {
            return known.clone().map_err(nowhere);
        }
        self.questions.set(self.questions.get() + 1);
        let way = self.ask(to, interface)?.map(Rc::new);
        self.known.borrow_mut().insert(key, way.clone());
        way.map_err(nowhere)
    }

    fn ask(&self, to: IpAddr, interface: Option<u32>) -> Result<Result<Way, NoRoute>, NetError> {
        let reached = match self.netlink.route(to, interface) {
            Err(error) if leads_nowhere(&error) => return Ok(Err(NoRoute)),
            Err(error) => return Err(NetError::from_io(&error, "route", to)),
            Ok(found) => found,
        };
        let Some(reached) = reached else { return Ok(Err(NoRoute)) };
        let found = self.interface(reached.interface)?;
        let same = |addr: &IpAddr| addr.is_ipv4() == to.is_ipv4();
        let own = || found.addrs.iter().map(|one| one.addr).find(same);
        let any = if to.is_ipv4() { IpAddr::V4([0; 4].into()) } else { IpAddr::V6([0; 16].into()) };
        let source = reached.source.filter(same).or_else(own).unwrap_or(any);
        let route = Route { interface: Rc::clone(&found), source, gateway: reached.gateway };
        let link = Rc::new(link_address(found.index, if to.is_ipv4() { IPV4 } else { IPV6 }));
        Ok(Ok(Way { route, is_broadcast: reached.is_broadcast, link }))
    }

    /// The network all of whose addresses, other than those of networks inside it, are treated like `to`.
    fn class(&self, to: IpAddr) -> Prefix {
        let is_v6 = to.is_ipv6();
        if to.is_multicast() || to == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Prefix { network: to, length: 128 }; // routed by other rules than the networks around them
        }
        let mut classes = self.classes.borrow_mut();
        let [v4, v6] = &mut *classes;
        let classes = if is_v6 { v6 } else { v4 };
        let classes = classes.get_or_insert_with(|| {
            let prefixes = self.netlink.prefixes(is_v6, MAX_PREFIXES).ok().flatten();
            prefixes.map_or_else(Classes::single, |prefixes| Classes::new(&prefixes, if is_v6 { 64 } else { 0 }))
        });
        classes.of(to)
    }
}

/// Whether that is how the kernel says that no route leads there: none, unreachable, prohibited, a black hole, or one through
/// an interface that is down.
fn leads_nowhere(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(
        error.kind(),
        K::NetworkUnreachable | K::NetworkDown | K::HostUnreachable | K::PermissionDenied | K::InvalidInput
    )
}

/// Destinations that no routing table tells apart.
struct Classes {
    /// Networks by length, longest first.
    networks: Vec<(u8, QuickSet<IpAddr>)>,
    /// Bits that always tell destinations apart.
    least: u8,
}

impl Classes {
    /// Every destination is a class of its own.
    fn single() -> Classes {
        Classes { networks: Vec::new(), least: 128 }
    }

    fn new(prefixes: &[Prefix], least: u8) -> Classes {
        let mut by_length: QuickMap<u8, QuickSet<IpAddr>> = QuickMap::default();
        for prefix in prefixes {
            by_length.entry(prefix.length).or_default().insert(masked(prefix.network, prefix.length));
        }
        let mut networks: Vec<_> = by_length.into_iter().collect();
        networks.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
        Classes { networks, least }
    }

    fn of(&self, to: IpAddr) -> Prefix {
        let holds = |(length, networks): &&(u8, QuickSet<IpAddr>)| networks.contains(&masked(to, *length));
        let longest = self.networks.iter().find(holds).map_or(0, |(length, _)| *length);
        let length = longest.max(self.least);
        Prefix { network: masked(to, length), length }
    }
}

/// `addr` with all but its first `bits` bits zero.
fn masked(addr: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match addr {
        IpAddr::V4(addr) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0);
            IpAddr::V4((addr.to_bits() & mask).into())
        }
        IpAddr::V6(addr) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0);
            IpAddr::V6((addr.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn destinations_under_the_same_longest_network_are_one_class() {
        let prefix = |network, length| Prefix { network: ip(network), length };
        let classes = Classes::new(
            &[prefix("0.0.0.0", 0), prefix("10.0.0.0", 8), prefix("10.1.0.0", 16), prefix("10.1.0.255", 32)],
            0,
        );
        assert_eq!(classes.of(ip("9.9.9.9")), classes.of(ip("200.1.1.1")));
        assert_eq!(classes.of(ip("10.2.3.4")), classes.of(ip("10.200.3.4")));
        assert_ne!(classes.of(ip("10.2.3.4")), classes.of(ip("10.1.3.4")));
        assert_ne!(classes.of(ip("10.0.3.4")), classes.of(ip("9.9.9.9")));
        assert_ne!(classes.of(ip("10.1.0.254")), classes.of(ip("10.1.0.255")));
        let classes = Classes::new(&[prefix("::", 0)], 64);
        assert_eq!(classes.of(ip("2001:db8::1")), classes.of(ip("2001:db8::2")));
        assert_ne!(classes.of(ip("2001:db8::1")), classes.of(ip("2001:db8:1::1")));
        assert_ne!(Classes::single().of(ip("10.0.0.1")), Classes::single().of(ip("10.0.0.2")));
    }

    #[test]
    fn all_of_loopback_is_one_question_to_the_kernel() {
        let ways = Ways::new().unwrap();
        for last in 2..250 {
            let way = ways.way(IpAddr::from([127, 1, 2, last]), None).unwrap();
            assert_eq!(&*way.route.interface.name, "lo");
        }
        assert_eq!(ways.questions.get(), 1);
        assert_eq!(ways.way(ip("127.0.0.1"), None).unwrap().route.source, ip("127.0.0.1"));
        assert!(ways.interfaces().unwrap().iter().any(|one| one.addrs.iter().any(|a| a.addr == ip("127.0.0.1"))));
    }
}

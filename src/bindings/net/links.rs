//! Interfaces and routes as scripts see them.

use rhai::{Dynamic, INT, Map};

use crate::model::{Interface, LinkKind, Route};

/// `#{ index, name, kind, mac, mtu, up, addrs }`.
pub(super) fn interface_map(interface: &Interface) -> Map {
    let kind = match interface.kind {
        LinkKind::Ethernet => "ethernet",
        LinkKind::Loopback => "loopback",
        LinkKind::PointToPoint => "point-to-point",
        LinkKind::Other => "other",
    };
    let addrs = interface.addrs.iter().map(|one| {
        let fields = [("ip", text(&one.addr)), ("prefix", Dynamic::from(INT::from(one.prefix)))];
        Dynamic::from_map(map(fields))
    });
    map([
        ("index", Dynamic::from(INT::from(interface.index))),
        ("name", text(&interface.name)),
        ("kind", text(&kind)),
        ("mac", interface.mac.map_or(Dynamic::UNIT, |mac| text(&mac))),
        ("mtu", Dynamic::from(INT::from(interface.mtu))),
        ("up", Dynamic::from(interface.up)),
        ("addrs", Dynamic::from_array(addrs.collect())),
    ])
}

/// `#{ interface, source, gateway }`.
pub(super) fn route_map(route: &Route) -> Map {
    map([
        ("interface", Dynamic::from_map(interface_map(&route.interface))),
        ("source", text(&route.source)),
        ("gateway", route.gateway.map_or(Dynamic::UNIT, |gateway| text(&gateway))),
    ])
}

fn text(value: &impl ToString) -> Dynamic {
    Dynamic::from(value.to_string())
}

fn map<const N: usize>(fields: [(&str, Dynamic); N]) -> Map {
    fields.into_iter().map(|(key, value)| (key.into(), value)).collect()
}

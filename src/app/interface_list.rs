//! `--iflist`: the interfaces of this machine, and its routes.

use std::rc::Rc;

use super::privileges;
use crate::cli::PrivilegeSettings;
use crate::error::Error;
use crate::model::{Interface, LinkKind, NetError, NetworkRoute};
use crate::net::live::{LivePackets, Privileges};
use crate::net::packets::Packets;
use crate::report::terminal_lines;
use crate::runtime::{Random, Runtime};

/// The list, as text. Nothing is sent, and no privilege is used.
pub fn run() -> Result<String, Error> {
    privileges::settle(PrivilegeSettings::default())?;
    let runtime = Runtime::live();
    let (random, forbidden) = (Random::new(Some(0)), Privileges::new(false)); // neither is asked
    let packets = LivePackets::new(runtime.clock(), random, runtime.spawner(), forbidden);
    let failed = |error: NetError| Error::File(error.to_string());
    let interfaces = runtime.run(packets.interfaces()).map_err(failed)?;
    let routes = packets.routes().map_err(failed)?;
    Ok(terminal_lines(&text(&interfaces, &routes)))
}

/// Both tables.
fn text(interfaces: &[Rc<Interface>], routes: &[NetworkRoute]) -> String {
    let mut rows = vec![["INTERFACE", "KIND", "ADDRESS", "MAC", "MTU", "STATE"].map(str::to_owned)];
    rows.extend(interfaces.iter().flat_map(|interface| of_interface(interface)));
    let mut table = aligned(&rows);
    let mut rows = vec![["DESTINATION", "INTERFACE", "METRIC", "GATEWAY", "TABLE"].map(str::to_owned)];
    rows.extend(routes.iter().map(|route| of_route(route, interfaces)));
    table.push('\n');
    table.push_str(&aligned(&rows));
    table
}

/// One row for each address, so that a line has all there is to know of it; one row for an interface without any.
fn of_interface(interface: &Interface) -> Vec<[String; 6]> {
    let kind = match interface.kind {
        LinkKind::Ethernet => "ethernet",
        LinkKind::Loopback => "loopback",
        LinkKind::PointToPoint => "point-to-point",
        LinkKind::Other => "other",
    };
    let row = |address: String| {
        let mac = interface.mac.filter(|_| interface.kind != LinkKind::Loopback);
        let state = if interface.up { "up" } else { "down" };
        [
            interface.name.to_string(),
            kind.to_owned(),
            address,
            mac.map_or_else(absent, |mac| mac.to_string()),
            interface.mtu.to_string(),
            state.to_owned(),
        ]
    };
    if interface.addrs.is_empty() {
        return vec![row(absent())];
    }
    interface.addrs.iter().map(|one| row(format!("{}/{}", one.addr, one.prefix))).collect()
}

fn of_route(route: &NetworkRoute, interfaces: &[Rc<Interface>]) -> [String; 5] {
    let named = interfaces.iter().find(|interface| interface.index == route.interface);
    let interface = named.map_or_else(|| route.interface.to_string(), |interface| interface.name.to_string());
    let gateway = route.gateway.map_or_else(absent, |gateway| gateway.to_string());
    let table = if route.table == NetworkRoute::MAIN { "main".to_owned() } else { route.table.to_string() };
    [format!("{}/{}", route.network, route.prefix), interface, route.metric.to_string(), gateway, table]
}

fn absent() -> String {
    "-".to_owned()
}

/// Columns as wide as their widest cell, two blanks between them, none at the end of a line.
fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{InterfaceAddr, LinkType, MacAddr};

    #[test]
    fn every_address_and_every_route_has_a_line() {
        let addr = |text: &str, prefix| InterfaceAddr { addr: text.parse().unwrap(), prefix };
        let interface = |index, name: &str, kind, addrs| {
            Rc::new(Interface {
                index,
                name: name.into(),
                kind,
                link: LinkType::Ethernet,
                mac: Some(MacAddr([2, 0, 0, 0, 0, 7])),
                mtu: 1500,
                up: kind == LinkKind::Loopback,
                addrs,
            })
        };
        let interfaces = [
            interface(1, "lo", LinkKind::Loopback, vec![addr("127.0.0.1", 8), addr("::1", 128)]),
            interface(7, "lab0", LinkKind::Ethernet, Vec::new()),
        ];
        let route = NetworkRoute {
            network: "0.0.0.0".parse().unwrap(),
            prefix: 0,
            interface: 7,
            gateway: Some("192.0.2.1".parse().unwrap()),
            metric: 100,
            table: NetworkRoute::MAIN,
        };
        let other = NetworkRoute { prefix: 8, interface: 9, gateway: None, table: 1000, ..route };
        assert_eq!(
            text(&interfaces, &[route, other]),
            "INTERFACE  KIND      ADDRESS      MAC                MTU   STATE\n\
             lo         loopback  127.0.0.1/8  -                  1500  up\n\
             lo         loopback  ::1/128      -                  1500  up\n\
             lab0       ethernet  -            02:00:00:00:00:07  1500  down\n\
             \n\
             DESTINATION  INTERFACE  METRIC  GATEWAY    TABLE\n\
             0.0.0.0/0    lab0       100     192.0.2.1  main\n\
             0.0.0.0/8    9          100     -          1000\n"
        );
    }
}

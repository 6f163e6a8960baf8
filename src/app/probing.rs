//! From settings to how hosts are looked for and scanned: which packets, if any, and at which pace.

use std::rc::Rc;

use super::inputs;
use crate::cli::{DiscoveryMode, ScanSettings, Settings};
use crate::error::Error;
use crate::model::{NetErrorKind, PingKind, Protocol, ScanInfo, ScanKind};
use crate::net::Network;
use crate::net::broker::Governor;
use crate::runtime::{Random, Spawner};
use crate::scan::presence::{Presence, Questions};
use crate::scan::probe::{Form, Look, Question};
use crate::scan::prober::{Discovery, Manner, Pace, PortPlan, Prober};
use crate::scan::route::Routes;
use crate::scan::timing::RttBounds;
use crate::target::PortSet;
use crate::target::top::ranking;

/// Ports of a ping by connections unless the user names some.
const CONNECT_PINGS: [u16; 2] = [80, 443];
/// Ports that are asked first on every host: those that answer soonest teach the scan its pace.
const FIRST: usize = 30;

/// How hosts are looked for, and their ports scanned.
pub struct Probing {
    /// Sends packets, if any are to be sent.
    pub prober: Option<Prober>,
    /// How hosts are looked for.
    pub presence: Presence,
    /// TCP ports to connect to.
    pub connect: Rc<[u16]>,
    /// Scans with packets.
    pub scans: Vec<Rc<PortPlan>>,
    /// Finds routes, if that is asked for.
    pub routes: Option<Rc<Routes>>,
    /// What reports say of it.
    pub infos: Vec<ScanInfo>,
}

impl Probing {
    /// Decides, and opens what packets take.
    pub async fn new(
        settings: &Settings,
        (ports, interface): (&PortSet, Option<u32>),
        network: &Network,
        spawner: &Spawner,
        governor: &Governor,
    ) -> Result<Probing, Error> {
        let scan = &settings.scan;
        let pings = inputs::pings(&scan.discovery, &settings.ports)?;
        let may_send = !settings.privileges.forbidden;
        let kinds = kinds(scan, || may_send && network.packets.permitted().is_ok());
        let has_ports = !ports.is_empty();
        let by_packets = has_ports && kinds.iter().any(|kind| *kind != ScanKind::Connect);
        let may_ping = matches!(scan.discovery.mode, DiscoveryMode::Normal | DiscoveryMode::Only);
        let raw_pings = pings.iter().any(|(kind, _)| !matches!(kind, PingKind::Syn | PingKind::Ack));
        let needs = by_packets || scan.traceroute || may_ping && raw_pings;
        let wants = may_ping && may_send && !kinds.contains(&ScanKind::Connect);
        let prober = if needs || wants {
            let spoken = |protocol, ping| {
                kinds.iter().any(|kind| [protocol, Protocol::Ip].contains(&kind.protocol()))
                    || pings.iter().any(|(kind, _)| [ping, PingKind::Protocol].contains(kind))
            };
            let look = Look { ttl: scan.ttl, data_length: scan.data_length, bad_sum: scan.bad_sum };
            let manner = Manner {
                look,
                source_port: scan.source_port,
                interface,
                udp: spoken(Protocol::Udp, PingKind::Udp),
                sctp: spoken(Protocol::Sctp, PingKind::Sctp),
                protocols: kinds.contains(&ScanKind::IpProtocol),
            };
            open(scan, network, spawner, governor, manner, needs).await?
        } else {
            None
        };
        let of = |kind: &ScanKind| ports.of(kind.protocol()).to_vec();
        let presence = match &prober {
            _ if scan.discovery.mode == DiscoveryMode::List => Presence::Listed,
            _ if !may_ping => Presence::Assumed,
            Some(_) => Presence::Packets(Rc::new(questions(settings, &pings)?)),
            None => presence_by_connections(settings, &pings, ports)?,
        };
        let connect: Vec<u16> = kinds.iter().filter(|kind| **kind == ScanKind::Connect).flat_map(of).collect();
        let plan = |kind: &ScanKind| {
            let (ports, first) = ordered(of(kind), kind.protocol(), settings.ports.sequential, &network.random);
            Rc::new(PortPlan::new(*kind, scan.scan_flags, ports, first))
        };
        let scans = kinds.iter().filter(|kind| **kind != ScanKind::Connect && has_ports).map(plan).collect();
        let info = |kind: &ScanKind| ScanInfo { kind: kind.name(), protocol: kind.protocol(), ports: of(kind) };
        let infos = kinds.iter().filter(|_| has_ports).map(info).collect();
        let wanted = prober.clone().filter(|_| scan.traceroute);
        let found = |prober| Routes::new(network.clone(), spawner.clone(), prober, settings.names.reverse);
        let routes = wanted.map(|prober| Rc::new(found(prober)));
        Ok(Probing { prober, presence, connect: connect.into(), scans, routes, infos })
    }
}

/// The kinds asked for; where none was, what this machine can do best.
fn kinds(scan: &ScanSettings, can_send: impl FnOnce() -> bool) -> Vec<ScanKind> {
    if !scan.kinds.is_empty() || scan.discovery.mode == DiscoveryMode::List {
        return scan.kinds.clone();
    }
    let usual = if can_send() { ScanKind::Syn } else { ScanKind::Connect };
    vec![usual]
}

/// Opens a prober; without the privilege it is an error if packets are `needed`.
async fn open(
    scan: &ScanSettings,
    network: &Network,
    spawner: &Spawner,
    governor: &Governor,
    manner: Manner,
    needed: bool,
) -> Result<Option<Prober>, Error> {
    let opened = Prober::open(network.clone(), spawner.clone(), governor.clone(), pace(scan), manner).await;
    match opened {
        Ok(prober) => Ok(Some(prober)),
        Err(error) if matches!(error.kind, NetErrorKind::Privilege | NetErrorKind::Replay) && !needed => Ok(None),
        Err(error) if error.kind == NetErrorKind::Privilege => Err(Error::Privilege(format!(
            "packets are not possible: {}; run it as root, give it CAP_NET_RAW, or scan with connections (-sT)",
            error.detail
        ))),
        Err(error) => Err(Error::Privilege(error.to_string())),
    }
}

fn pace(scan: &ScanSettings) -> Pace {
    let timing = &scan.timing;
    Pace {
        rtt: RttBounds { initial: timing.initial_rtt, min: timing.min_rtt, max: timing.max_rtt },
        retries: timing.max_retries,
        delay: timing.scan_delay,
        max_delay: (timing.max_scan_delay_tcp, timing.max_scan_delay_udp),
        parallelism: (scan.min_parallelism, scan.max_parallelism),
        template: timing.template,
        min_rate: timing.min_rate,
        fixed_port: scan.source_port.is_some(),
        defeat_rst: timing.defeat_rst,
        defeat_icmp: timing.defeat_icmp,
    }
}

/// What hosts are asked with: the pings given, or those most hosts answer one of.
fn questions(settings: &Settings, pings: &[(PingKind, Vec<u16>)]) -> Result<Questions, Error> {
    let scan = &settings.scan;
    let allowed = inputs::allowed(vec![443, 80], &settings.ports, Protocol::Tcp)?;
    let question = |kind: PingKind, number| Question { form: Form::of_ping(kind), number };
    let given = |is_v6: bool| -> Vec<Question> {
        let fits = |kind: PingKind| !(is_v6 && matches!(kind, PingKind::Timestamp | PingKind::Mask));
        let of = |(kind, ports): &(PingKind, Vec<u16>)| -> Vec<Question> {
            let numbers = if ports.is_empty() { vec![0] } else { ports.clone() };
            numbers.into_iter().map(|number| question(*kind, number)).collect()
        };
        if pings.is_empty() {
            let usual = [(PingKind::Echo, 0), (PingKind::Syn, 443), (PingKind::Ack, 80), (PingKind::Timestamp, 0)];
            return usual
                .into_iter()
                .filter(|(kind, port)| fits(*kind) && (*port == 0 || allowed.contains(port)))
                .map(|(kind, port)| question(kind, port))
                .collect();
        }
        pings.iter().filter(|(kind, _)| fits(*kind)).flat_map(of).collect()
    };
    let plan = |is_v6| Rc::new(Discovery { questions: given(is_v6), ignore_reset: scan.discovery.ignore_rst });
    Ok(Questions { v4: plan(false), v6: plan(true), arp: scan.discovery.arp })
}

/// Without packets. Where no more ports are scanned than would be pinged, the scan of the ports is the ping.
fn presence_by_connections(
    settings: &Settings,
    pings: &[(PingKind, Vec<u16>)],
    ports: &PortSet,
) -> Result<Presence, Error> {
    let few = pings.is_empty() && (1..=CONNECT_PINGS.len()).contains(&ports.tcp.len());
    if few && settings.scan.discovery.mode == DiscoveryMode::Normal {
        return Ok(Presence::ByPorts);
    }
    if pings.is_empty() {
        let usual = inputs::allowed(CONNECT_PINGS.into(), &settings.ports, Protocol::Tcp)?;
        let none =
            "--exclude-ports leaves no port to look for hosts with; name others (-PS22), or scan without looking (-Pn)";
        return if usual.is_empty() { Err(Error::Usage(none.to_owned())) } else { Ok(Presence::Connect(usual.into())) };
    }
    let mut asked: Vec<u16> = pings.iter().flat_map(|(_, ports)| ports.iter().copied()).collect();
    asked.sort_unstable();
    asked.dedup();
    Ok(Presence::Connect(asked.into()))
}

/// Ports in the order they are asked, and how many at the beginning are the same for every host.
fn ordered(mut ports: Vec<u16>, protocol: Protocol, sequential: bool, random: &Random) -> (Vec<u16>, usize) {
    if sequential {
        let count = ports.len();
        return (ports, count);
    }
    let mut first: Vec<u16> =
        ranking(protocol).take(FIRST * 4).filter(|port| ports.binary_search(port).is_ok()).take(FIRST).collect();
    if protocol == Protocol::Ip {
        first.clear();
    }
    ports.retain(|port| !first.contains(port));
    // Fisher and Yates: every order is as likely as any other.
    let random = random.derive("order of ports");
    for at in (1..ports.len()).rev() {
        ports.swap(at, random.below(at as u64 + 1) as usize);
    }
    let count = first.len();
    first.append(&mut ports);
    (first, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_asked_once_and_the_usual_ones_first() {
        let random = Random::new(Some(1));
        let (order, first) = ordered((1..=2000).collect(), Protocol::Tcp, false, &random);
        assert_eq!(first, FIRST);
        assert!(order[..first].contains(&80) && order[..first].contains(&443));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (1..=2000).collect::<Vec<u16>>());
        assert_eq!(order, ordered((1..=2000).collect(), Protocol::Tcp, false, &random).0, "it follows from the seed");
        assert_eq!(ordered(vec![9, 80], Protocol::Tcp, true, &random), (vec![9, 80], 2));
    }
}

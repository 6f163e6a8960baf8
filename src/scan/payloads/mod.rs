//! What the UDP scan says to a port: a service is silent unless it is spoken to in its own protocol.
//!
//! Written from the RFCs and specifications named beside each. Where a protocol gives the choice, the question with the
//! shortest answer is asked. Nothing is changed, and no request is passed on to others. Numbers that should be random are
//! fixed, so that a recording replays.

mod devices;
mod directory;
mod first_flights;
mod names;
mod pieces;
mod rpc;
mod texts;
mod tunnels;

/// The datagrams for the UDP port `port`, to be sent at once and from one source port: whatever comes back shows that it is
/// open. For a port of no known service, one without content.
///
/// TFTP answers from a port of its own choice (RFC 1350 section 4), not from the one asked.
pub fn payloads(port: u16) -> &'static [&'static [u8]] {
    match PORTS.binary_search_by_key(&port, |(port, _)| *port) {
        Ok(at) => PORTS.get(at).map_or(NOTHING, |(_, payloads)| payloads),
        Err(_) => NOTHING,
    }
}

const NOTHING: &[&[u8]] = &[&[]];

/// By port, ascending.
static PORTS: &[(u16, &[&[u8]])] = &[
    (53, &[names::DNS]),
    (69, &[texts::TFTP]),
    (88, &[directory::KERBEROS]),
    (111, &[rpc::PORTMAP]),
    (123, &[devices::NTP]),
    (137, &[names::NBSTAT]),
    (161, &[directory::SNMP_V1, directory::SNMP_V3]),
    (177, &[devices::XDMCP]),
    (389, &[directory::CLDAP]),
    (443, &[first_flights::QUIC, first_flights::DTLS]),
    (500, &[tunnels::IKE_V1, tunnels::IKE_V2]),
    (520, &[devices::RIP]),
    (623, &[devices::RMCP_PING, devices::IPMI]),
    // DNS over QUIC (RFC 9250) and over DTLS (RFC 8094).
    (853, &[first_flights::QUIC, first_flights::DTLS]),
    (1194, &[tunnels::OPENVPN]),
    (1434, &[devices::SQL_BROWSER]),
    // RADIUS before it had a port of its own (RFC 2865 section 3).
    (1645, &[tunnels::RADIUS]),
    (1701, &[tunnels::L2TP]),
    (1812, &[tunnels::RADIUS]),
    (1900, &[texts::SSDP]),
    (2049, &[rpc::NFS]),
    (3478, &[devices::STUN]),
    (3702, &[texts::WS_DISCOVERY]),
    (4433, &[first_flights::DTLS]),
    (4500, &[tunnels::IKE_V1_BESIDE_ESP, tunnels::IKE_V2_BESIDE_ESP]),
    (5060, &[texts::SIP]),
    // STUN over DTLS (RFC 7350).
    (5349, &[first_flights::DTLS]),
    (5351, &[devices::NAT_PMP]),
    (5353, &[names::MDNS]),
    (5355, &[names::LLMNR]),
    (5683, &[devices::COAP]),
    (5684, &[first_flights::DTLS]),
    (6881, &[texts::DHT]),
    (11211, &[texts::MEMCACHED]),
    (27015, &[texts::A2S_INFO]),
    (47808, &[devices::BACNET]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ports_ascend_and_none_comes_twice() {
        assert!(PORTS.iter().map(|(port, _)| port).is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn no_payload_is_empty_or_comes_twice_or_needs_fragments() {
        for (port, payloads) in PORTS {
            let distinct: BTreeSet<_> = payloads.iter().collect();
            assert!(!payloads.is_empty() && distinct.len() == payloads.len(), "{port}");
            // 1280 bytes pass every path of IPv6 whole (RFC 8200 section 5), with 48 of them headers.
            assert!(payloads.iter().all(|payload| (1..=1280 - 48).contains(&payload.len())), "{port}");
        }
    }

    #[test]
    fn every_port_has_what_it_is_sent() {
        for port in 0..=u16::MAX {
            let listed = PORTS.iter().find(|(listed, _)| *listed == port).map(|(_, payloads)| *payloads);
            assert_eq!(payloads(port), listed.unwrap_or(&[&[]]), "{port}");
        }
    }
}

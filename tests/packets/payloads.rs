//! What the UDP scan says, read by Wireshark: the protocol it was meant to be, the question it was meant to ask, nothing
//! malformed.

use std::collections::BTreeSet;

use sonde::packet::{Ethernet, Ipv4, Layer, Packet, Udp};
use sonde::scan::payloads::payloads;

use super::tshark::{dissected, shows};

/// What a payload is to tshark: its protocol, and fields that say what is asked, numbers in decimal.
type Meant = (&'static str, &'static [(&'static str, &'static str)]);

/// What is sent to each port, without what an earlier one is sent, too. Of the SQL browser, WS-Discovery and Valve's
/// servers Debian's tshark knows nothing: `data`. IPMI's message it leaves undecoded as well.
const MEANT: &[(u16, &[Meant])] = &[
    (53, &[("dns", &[("dns.qry.type", "2"), ("dns.qry.name", "<Root>"), ("dns.flags.recdesired", "0")])]),
    (69, &[("tftp", &[("tftp.opcode", "1"), ("tftp.source_file", "sonde-asks-for-no-file"), ("tftp.type", "octet")])]),
    (
        88,
        &[(
            "kerberos",
            &[("kerberos.msg_type", "10"), ("kerberos.realm", "SONDE.INVALID"), ("kerberos.SNameString", "krbtgt")],
        )],
    ),
    (111, &[("rpc", &[("rpc.program", "100000"), ("rpc.programversion", "2"), ("rpc.procedure", "0")])]),
    (123, &[("ntp", &[("ntp.flags.mode", "3"), ("ntp.flags.vn", "4")])]),
    (137, &[("nbns", &[("nbns.type", "33"), ("nbns.flags.opcode", "0")])]),
    (
        161,
        &[
            ("snmp", &[("snmp.version", "0"), ("snmp.community", "public"), ("snmp.name", "1.3.6.1.2.1.1.1.0")]),
            ("snmp", &[("snmp.msgVersion", "3"), ("snmp.msgMaxSize", "1472"), ("snmp.v3.flags.report", "1")]),
        ],
    ),
    (177, &[("xdmcp", &[("xdmcp.opcode", "2")])]),
    (389, &[("cldap", &[("ldap.scope", "0"), ("ldap.AttributeDescription", "supportedLDAPVersion")])]),
    (
        443,
        &[
            ("quic", &[("quic.version", "438975050"), ("quic.dcil", "8"), ("quic.scil", "8")]),
            ("dtls", &[("dtls.handshake.type", "1"), ("dtls.handshake.version", "65277")]),
        ],
    ),
    (
        500,
        &[
            ("isakmp", &[("isakmp.exchangetype", "2"), ("isakmp.ike.attr.encryption_algorithm", "5")]),
            ("isakmp", &[("isakmp.exchangetype", "34"), ("isakmp.key_exchange.dh_group", "31")]),
        ],
    ),
    (520, &[("rip", &[("rip.command", "1"), ("rip.version", "2"), ("rip.metric", "16")])]),
    (623, &[("asf", &[("asf.type", "128")]), ("ipmi_session", &[])]),
    (1194, &[("openvpn", &[("openvpn.opcode", "7")])]),
    (1434, &[("data", &[])]),
    (1645, &[("radius", &[("radius.code", "1"), ("radius.User_Name", "sonde.invalid")])]),
    (1701, &[("l2tp", &[("l2tp.avp.message_type", "1"), ("l2tp.avp.host_name", "sonde")])]),
    (1900, &[("ssdp", &[("http.request.method", "M-SEARCH")])]),
    (2049, &[("rpc", &[("rpc.program", "100003"), ("rpc.programversion", "3"), ("rpc.procedure", "0")])]),
    (3478, &[("stun", &[("stun.type", "1"), ("stun.length", "0")])]),
    (3702, &[("data", &[])]),
    (4500, &[("isakmp", &[("isakmp.exchangetype", "2")]), ("isakmp", &[("isakmp.exchangetype", "34")])]),
    (5060, &[("sip", &[("sip.Method", "OPTIONS"), ("sip.Max-Forwards", "0"), ("sip.Via.rport", "")])]),
    (5351, &[("portcontrol", &[("nat-pmp.version", "0"), ("nat-pmp.opcode", "0")])]),
    (5353, &[("mdns", &[("dns.qry.name", "_services._dns-sd._udp.local"), ("dns.qry.type", "12")])]),
    (5355, &[("llmnr", &[("dns.qry.name", "localhost")])]),
    (
        5683,
        &[(
            "coap",
            &[("coap.code", "1"), ("coap.opt.uri_path_recon", "/.well-known/core"), ("coap.opt.block_size", "2")],
        )],
    ),
    (6881, &[("bt-dht", &[])]),
    (11211, &[("memcache", &[])]),
    (27015, &[("data", &[])]),
    (47808, &[("bacapp", &[("bacapp.confirmed_service", "12"), ("bacapp.instance_number", "4194303")])]),
];

/// A frame to `port`, from a port of its own: what goes between the same ports belongs together.
fn frame((number, (port, payload)): (usize, &(u16, &[u8]))) -> Vec<u8> {
    let layers = vec![
        Ethernet::default().into(),
        Ipv4 { source: [10, 0, 0, 1].into(), destination: [10, 0, 0, 2].into(), ..Ipv4::default() }.into(),
        Udp { source: 50_000 + number as u16, destination: *port, ..Udp::default() }.into(),
        Layer::Payload((*payload).into()),
    ];
    Packet::new(layers).to_bytes()
}

#[test]
fn tshark_reads_what_was_meant() {
    let all = (0..=u16::MAX).flat_map(|port| payloads(port).iter().map(move |payload| (port, *payload)));
    let mut seen: BTreeSet<&[u8]> = BTreeSet::from([&[][..]]);
    let sent: Vec<(u16, &[u8])> = all.filter(|(_, payload)| seen.insert(payload)).collect();
    let meant: Vec<(u16, &Meant)> =
        MEANT.iter().flat_map(|(port, meant)| meant.iter().map(move |one| (*port, one))).collect();
    let (asked, listed): (Vec<u16>, Vec<u16>) =
        (sent.iter().map(|(port, _)| *port).collect(), meant.iter().map(|(port, _)| *port).collect());
    assert_eq!(asked, listed, "the table has what is sent");
    let frames: Vec<Vec<u8>> = sent.iter().enumerate().map(frame).collect();
    let Some(read) = dissected(&frames) else { return };
    assert_eq!(read.len(), frames.len());
    let mut wrong = Vec::new();
    for ((port, (protocol, fields)), found) in meant.iter().zip(&read) {
        let protocols = found["frame.protocols"].join(" ");
        if !protocols.split(':').any(|one| one == *protocol) {
            wrong.push(format!("{port}: {protocols}, not {protocol}"));
        }
        for (field, value) in fields.iter().filter(|(field, value)| !shows(found, field, value)) {
            wrong.push(format!("{port}: {field} is {:?}, not {value}", found.get(*field)));
        }
        for complaint in ["_ws.malformed", "_ws.short"].iter().filter(|complaint| found.contains_key(**complaint)) {
            wrong.push(format!("{port}: {complaint}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

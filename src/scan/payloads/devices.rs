//! Clocks, routers, controllers and other machinery: small binary protocols.

use super::pieces::{big_endian, datagram};

/// NTP: a client asks for the time (RFC 5905 sections 7.3 and 14).
pub(super) const NTP: &[u8] = datagram!(
    &[4 << 3 | 3], // version 4, client
    &[0; 39],      // all else is the server's to say,
    b"sondeask",   // but the transmit timestamp comes back
);

/// X's display manager: Query without authentication (XDMCP 1.1, section "Packet descriptions").
pub(super) const XDMCP: &[u8] = datagram!(
    &[0, 1], // version
    &[0, 2], // Query
    &[0, 1], // length
    &[0],    // names of authentication
);

/// RIP: a request for one route, the default one, rather than for the whole table (RFC 2453 section 3.9.1): who does not
/// have it answers as well, with the metric 16.
pub(super) const RIP: &[u8] = datagram!(
    &[1, 2, 0, 0],         // request, version 2
    &[0, 2, 0, 0],         // IPv4, no tag
    &[0; 12],              // 0.0.0.0/0, no next hop
    &16_u32.to_be_bytes(), // metric
);

/// RMCP's header (ASF 2.0 section 3.2.2.2): version 1.0, no acknowledgement, the class of message.
const fn rmcp(class: u8) -> [u8; 4] {
    [6, 0, 0xff, class]
}

/// Remote management: a presence ping (ASF 2.0 section 3.2.4.2).
pub(super) const RMCP_PING: &[u8] = datagram!(
    &rmcp(6),                // ASF
    &4542_u32.to_be_bytes(), // the enterprise number of ASF
    &[0x80],                 // presence ping
    b"s",                    // tag
    &[0, 0],                 // no data
);

/// What makes the sum of `bytes` and itself zero (IPMI 2.0 section 13.8).
const fn checksum(bytes: &[u8]) -> u8 {
    let (mut sum, mut at) = (0_u8, 0);
    while at < bytes.len() {
        sum = sum.wrapping_add(bytes[at]);
        at += 1;
    }
    sum.wrapping_neg()
}

/// To the management controller, network function App.
const IPMI_TO: &[u8] = &[0x20, 6 << 2];
/// From a remote console: Get Channel Authentication Capabilities of this channel, IPMI 2.0's included, for an administrator.
const IPMI_COMMAND: &[u8] = &[0x81, 0, 0x38, 0x80 | 0x0e, 4];

/// IPMI: which authentication there is (IPMI 2.0 section 22.13), which is asked before any session.
pub(super) const IPMI: &[u8] = datagram!(
    &rmcp(7),    // IPMI
    &[0],        // no authentication
    &[0; 4 + 4], // outside of sessions
    &[(IPMI_TO.len() + IPMI_COMMAND.len() + 2) as u8],
    IPMI_TO,
    &[checksum(IPMI_TO)],
    IPMI_COMMAND,
    &[checksum(IPMI_COMMAND)],
);

/// STUN: a Binding request (RFC 8489 section 5).
pub(super) const STUN: &[u8] = datagram!(
    &[0, 1],                   // Binding request
    &[0, 0],                   // no attributes
    &[0x21, 0x12, 0xa4, 0x42], // magic cookie
    b"sonde asks!!",           // transaction id
);

/// CoAP: GET /.well-known/core (RFC 7252 section 3, RFC 6690 section 4), its first 64 bytes only (RFC 7959 section 2.2).
pub(super) const COAP: &[u8] = datagram!(
    &[0x40], // version 1, confirmable, no token
    &[0x01], // GET
    b"so",   // message id
    &[0xbb], // Uri-Path, which is option 11, of 11 bytes
    b".well-known",
    &[0x04], // the same option again, of 4 bytes
    b"core",
    &[0xc1, 0x02], // Block2, which is 12 further, of 1 byte: block 0 of 64 bytes
);

/// BACnet/IP: the identifier of whichever device this is (ASHRAE 135 clauses 15.5 and 20.2, annex J). Who-Is would be
/// answered by broadcast.
pub(super) const BACNET: &[u8] = {
    const READ: &[u8] = datagram!(
        &[1, 4],                         // network layer: version 1, an answer is expected
        &[0, 5, b's', 12],               // confirmed request, up to 1476 bytes, invoke id, ReadProperty
        &[0x0c, 0x02, 0x3f, 0xff, 0xff], // object: device, by the instance that stands for any
        &[0x19, 75],                     // property: object-identifier
    );
    const LENGTH: [u8; 2] = big_endian(4 + READ.len());
    datagram!(&[0x81, 0x0a], &LENGTH, READ) // BACnet/IP, to this one
};

/// NAT-PMP: which address is the public one (RFC 6886 section 3.2). Servers of its successor PCP answer that they are
/// (RFC 6887 appendix A).
pub(super) const NAT_PMP: &[u8] = &[0, 0];

/// Microsoft SQL Server's browser: `CLNT_BCAST_EX` ([MC-SQLR] section 2.2.1), because its answer is limited to a kilobyte,
/// and that to the unicast form to sixty-four (section 2.2.5).
pub(super) const SQL_BROWSER: &[u8] = &[0x02];

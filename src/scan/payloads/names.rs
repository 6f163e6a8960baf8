//! Who answers for names: DNS and its relatives of the local network.

use super::pieces::datagram;

/// DNS's class IN (RFC 1035 section 3.2.4).
const IN: &[u8] = &[0, 1];

/// The header of a message with one question and nothing else (RFC 1035 section 4.1.1): no flag is set, so no server asks
/// another one for us.
const ONE_QUESTION: &[u8] = datagram!(
    b"so",   // id
    &[0, 0], // flags: a standard query
    &[0, 1], // questions
    &[0; 6], // no records
);

/// DNS: the name servers of the root (RFC 1035 sections 4.1.2 and 3.3.11). Who does not serve it says so briefly.
pub(super) const DNS: &[u8] = datagram!(
    ONE_QUESTION,
    &[0],    // the root
    &[0, 2], // NS
    IN,
);

/// Multicast DNS: which kinds of services there are (RFC 6763 section 9). Not coming from port 5353, it is a one-shot query
/// and answered to where it came from (RFC 6762 section 6.7).
pub(super) const MDNS: &[u8] = datagram!(
    ONE_QUESTION,
    b"\x09_services\x07_dns-sd\x04_udp\x05local\0",
    &[0, 12], // PTR
    IN,
);

/// LLMNR: the address of `localhost` (RFC 4795 section 2.1). By section 2.4 unicast questions belong into TCP, so only
/// lenient responders answer, and those that do know this name.
pub(super) const LLMNR: &[u8] = datagram!(
    ONE_QUESTION,
    b"\x09localhost\0",
    &[0, 1], // A
    IN,
);

/// Names of `NetBIOS`: the node's own table (RFC 1002 section 4.2.17), asked of the wildcard name.
pub(super) const NBSTAT: &[u8] = datagram!(
    ONE_QUESTION,
    &[32],       // the encoded name's length
    b"CK",       // '*', a letter for each half of the byte (RFC 1001 section 14.1)
    &[b'A'; 30], // fifteen times NUL
    &[0],        // no scope
    &[0, 0x21],  // NBSTAT
    IN,
);

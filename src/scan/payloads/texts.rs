//! Protocols that are text, or nearly.

use super::pieces::datagram;

/// TFTP: a read of a file that will not exist (RFC 1350 section 5). The error comes from another port than was asked
/// (section 4).
pub(super) const TFTP: &[u8] = datagram!(
    &[0, 1], // RRQ
    b"sonde-asks-for-no-file\0",
    b"octet\0",
);

/// SSDP: a search for root devices (`UPnP` Device Architecture 1.1 section 1.3.2), of which a machine has few, to be
/// answered within a second.
pub(super) const SSDP: &[u8] = b"M-SEARCH * HTTP/1.1\r\n\
    HOST: 239.255.255.250:1900\r\n\
    MAN: \"ssdp:discover\"\r\n\
    MX: 1\r\n\
    ST: upnp:rootdevice\r\n\
    \r\n";

/// SIP: OPTIONS (RFC 3261 section 11). Zero hops keep a proxy from passing it on (section 16.3), `rport` has the answer sent
/// to where this came from (RFC 3581).
pub(super) const SIP: &[u8] = b"OPTIONS sip:sonde.invalid SIP/2.0\r\n\
    Via: SIP/2.0/UDP sonde.invalid;branch=z9hG4bKsonde;rport\r\n\
    Max-Forwards: 0\r\n\
    To: <sip:sonde.invalid>\r\n\
    From: <sip:sonde@sonde.invalid>;tag=sonde\r\n\
    Call-ID: sonde@sonde.invalid\r\n\
    CSeq: 1 OPTIONS\r\n\
    Contact: <sip:sonde@sonde.invalid>\r\n\
    Accept: application/sdp\r\n\
    Content-Length: 0\r\n\
    \r\n";

/// WS-Discovery: a probe for anything (the version of April 2005, section 5.2, which devices speak).
pub(super) const WS_DISCOVERY: &[u8] = b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\
    <s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
    xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
    xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\">\
    <s:Header>\
    <a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>\
    <a:MessageID>urn:uuid:736f6e64-6520-4173-8b73-2077686f3f21</a:MessageID>\
    <a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>\
    </s:Header>\
    <s:Body><d:Probe/></s:Body>\
    </s:Envelope>";

/// The hash table of `BitTorrent`: a ping (BEP 5), of a node that is not to be remembered (BEP 43).
pub(super) const DHT: &[u8] = b"d1:ad2:id20:sonde asks who is ite1:q4:ping2:roi1e1:t2:so1:y1:qe";

/// memcached: `version`, in UDP's frame (memcached's doc/protocol.txt, "UDP protocol").
pub(super) const MEMCACHED: &[u8] = datagram!(
    b"so",   // request id
    &[0, 0], // datagram 0
    &[0, 1], // of 1
    &[0, 0], // reserved
    b"version\r\n",
);

/// Servers of Valve's games: `A2S_INFO` (Valve's "Server queries"). Today's answer is a short challenge.
pub(super) const A2S_INFO: &[u8] = datagram!(
    &[0xff; 4], // in one packet
    b"TSource Engine Query\0",
);

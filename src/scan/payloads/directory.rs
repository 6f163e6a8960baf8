//! Services that speak ASN.1: SNMP, LDAP without a connection, Kerberos.

use super::pieces::{datagram, der};

// Tags of X.690 and X.680.
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT_IDENTIFIER: u8 = 0x06;
const ENUMERATED: u8 = 0x0a;
const GENERALIZED_TIME: u8 = 0x18;
const GENERAL_STRING: u8 = 0x1b;
const SEQUENCE: u8 = 0x30;

/// A constructed context tag.
const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// A constructed application tag.
const fn application(number: u8) -> u8 {
    0x60 | number
}

/// SNMP's `GetRequest-PDU` (RFC 1157 section 4.1.2, RFC 3416 section 3).
const GET_REQUEST: u8 = context(0);
/// The request id all of them carry.
const REQUEST_ID: &[u8] = der!(INTEGER, b"sond");
const ZERO: &[u8] = der!(INTEGER, &[0]);
const EMPTY: &[u8] = der!(OCTET_STRING);

/// SNMP, version 1: `sysDescr.0` for the community `public` (RFC 1157 section 4, RFC 1213 section 6.2).
pub(super) const SNMP_V1: &[u8] = der!(
    SEQUENCE,
    ZERO, // version 1
    der!(OCTET_STRING, b"public"),
    der!(
        GET_REQUEST,
        REQUEST_ID,
        ZERO, // error-status
        ZERO, // error-index
        der!(
            SEQUENCE,
            der!(
                SEQUENCE,
                // 1.3.6.1.2.1.1.1.0; the first two arcs share a byte.
                der!(OBJECT_IDENTIFIER, &[0x2b, 6, 1, 2, 1, 1, 1, 0]),
                der!(NULL),
            ),
        ),
    ),
);

/// SNMP, version 3: the discovery of the engine's id (RFC 3414 section 4): no user, an empty id, nothing asked for. Any engine
/// reports its own, whatever users it has.
pub(super) const SNMP_V3: &[u8] = der!(
    SEQUENCE,
    der!(INTEGER, &[3]),
    // HeaderData (RFC 3412 section 6)
    der!(
        SEQUENCE,
        der!(INTEGER, b"sond"),       // msgID
        der!(INTEGER, &[0x05, 0xc0]), // msgMaxSize: 1472
        der!(OCTET_STRING, &[0x04]),  // msgFlags: reportable
        der!(INTEGER, &[3]),          // msgSecurityModel: USM
    ),
    // UsmSecurityParameters (RFC 3414 section 2.4): engine id, boots, time, user, authentication, privacy
    der!(OCTET_STRING, der!(SEQUENCE, EMPTY, ZERO, ZERO, EMPTY, EMPTY, EMPTY)),
    // ScopedPDU: engine id, context, a request without variables
    der!(SEQUENCE, EMPTY, EMPTY, der!(GET_REQUEST, REQUEST_ID, ZERO, ZERO, der!(SEQUENCE))),
);

/// LDAP over UDP, as domain controllers speak it ([MS-ADTS] section 3.1.1.3.1.11): the root's
/// `supportedLDAPVersion` (RFC 4511 section 4.5.1, RFC 4512 section 5.1), which is two short numbers where the whole
/// root would be kilobytes.
pub(super) const CLDAP: &[u8] = der!(
    SEQUENCE,
    der!(INTEGER, &[1]), // messageID
    der!(
        application(3),             // SearchRequest
        EMPTY,                      // baseObject: the root
        der!(ENUMERATED, &[0]),     // scope: baseObject
        der!(ENUMERATED, &[0]),     // derefAliases: never
        ZERO,                       // sizeLimit
        ZERO,                       // timeLimit
        der!(BOOLEAN, &[0]),        // typesOnly
        der!(0x87, b"objectClass"), // filter: present
        der!(SEQUENCE, der!(OCTET_STRING, b"supportedLDAPVersion")),
    ),
);

/// A realm that cannot be (RFC 2606 section 2).
const REALM: &[u8] = der!(GENERAL_STRING, b"SONDE.INVALID");

/// Kerberos: an AS-REQ (RFC 4120 section 5.4.1) of nobody, for a realm that is not there: the answer is a short
/// KRB-ERROR.
pub(super) const KERBEROS: &[u8] = der!(
    application(10),
    der!(
        SEQUENCE,
        der!(context(1), der!(INTEGER, &[5])),  // pvno
        der!(context(2), der!(INTEGER, &[10])), // msg-type: AS-REQ
        der!(
            context(4), // req-body
            der!(
                SEQUENCE,
                der!(context(0), der!(BIT_STRING, &[0, 0, 0, 0, 0])), // kdc-options: none
                // cname: NT-PRINCIPAL
                der!(
                    context(1),
                    der!(
                        SEQUENCE,
                        der!(context(0), der!(INTEGER, &[1])),
                        der!(context(1), der!(SEQUENCE, der!(GENERAL_STRING, b"sonde"))),
                    ),
                ),
                der!(context(2), REALM),
                // sname: NT-SRV-INST, the ticket-granting service
                der!(
                    context(3),
                    der!(
                        SEQUENCE,
                        der!(context(0), der!(INTEGER, &[2])),
                        der!(context(1), der!(SEQUENCE, der!(GENERAL_STRING, b"krbtgt"), REALM)),
                    ),
                ),
                der!(context(5), der!(GENERALIZED_TIME, b"19700101000000Z")), // till: as long as possible
                der!(context(7), der!(INTEGER, b"sond")),                     // nonce
                // etype: AES-256, AES-128 (RFC 3962), RC4 (RFC 4757)
                der!(context(8), der!(SEQUENCE, der!(INTEGER, &[18]), der!(INTEGER, &[17]), der!(INTEGER, &[23])),),
            ),
        ),
    ),
);

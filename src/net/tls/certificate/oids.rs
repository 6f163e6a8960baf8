//! Names of object identifiers (X.520, RFC 4519, RFC 5480, RFC 8410).

use x509_parser::der_parser::asn1_rs::Oid;
use x509_parser::objects::{oid_registry, oid2sn};

/// Attributes of distinguished names: identifier, short name, long name.
const ATTRIBUTES: [(&str, &str, &str); 17] = [
    ("2.5.4.3", "CN", "commonName"),
    ("2.5.4.4", "SN", "surname"),
    ("2.5.4.5", "serialNumber", "serialNumber"),
    ("2.5.4.6", "C", "countryName"),
    ("2.5.4.7", "L", "localityName"),
    ("2.5.4.8", "ST", "stateOrProvinceName"),
    ("2.5.4.9", "street", "streetAddress"),
    ("2.5.4.10", "O", "organizationName"),
    ("2.5.4.11", "OU", "organizationalUnitName"),
    ("2.5.4.12", "title", "title"),
    ("2.5.4.15", "businessCategory", "businessCategory"),
    ("2.5.4.17", "postalCode", "postalCode"),
    ("2.5.4.42", "GN", "givenName"),
    ("2.5.4.46", "dnQualifier", "dnQualifier"),
    ("0.9.2342.19200300.100.1.1", "UID", "userId"),
    ("0.9.2342.19200300.100.1.25", "DC", "domainComponent"),
    ("1.2.840.113549.1.9.1", "emailAddress", "emailAddress"),
];

/// Key types: identifier, name.
const KEY_TYPES: [(&str, &str); 8] = [
    ("1.2.840.113549.1.1.1", "rsa"),
    ("1.2.840.113549.1.1.10", "rsa-pss"),
    ("1.2.840.10045.2.1", "ec"),
    ("1.2.840.10040.4.1", "dsa"),
    ("1.3.101.110", "x25519"),
    ("1.3.101.111", "x448"),
    ("1.3.101.112", "ed25519"),
    ("1.3.101.113", "ed448"),
];

/// Signature algorithms whose names the registry of the parser lacks or spells in its own way.
const ALGORITHMS: [(&str, &str); 6] = [
    ("1.2.840.113549.1.1.4", "md5WithRSAEncryption"),
    ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption"),
    ("1.2.840.113549.1.1.10", "rsassaPss"),
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1"),
    ("1.2.840.10040.4.3", "dsa-with-SHA1"),
    ("1.3.101.113", "ed448"),
];

/// Curves: identifier, name, size.
const CURVES: [(&str, &str, usize); 9] = [
    ("1.2.840.10045.3.1.1", "secp192r1", 192),
    ("1.3.132.0.33", "secp224r1", 224),
    ("1.3.132.0.10", "secp256k1", 256),
    ("1.2.840.10045.3.1.7", "secp256r1", 256),
    ("1.3.132.0.34", "secp384r1", 384),
    ("1.3.132.0.35", "secp521r1", 521),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1", 256),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1", 384),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1", 512),
];

/// Short and long name of an attribute; the identifier for both where there is none.
pub(super) fn attribute(oid: &Oid<'_>) -> (String, String) {
    let id = oid.to_id_string();
    match ATTRIBUTES.iter().find(|(known, ..)| *known == id) {
        Some((_, short, long)) => ((*short).to_owned(), (*long).to_owned()),
        None => (id.clone(), id),
    }
}

/// Name of a key type.
pub(super) fn key_type(oid: &Oid<'_>) -> String {
    let id = oid.to_id_string();
    KEY_TYPES.iter().find(|(known, _)| *known == id).map_or(id, |(_, name)| (*name).to_owned())
}

/// Name of a signature algorithm.
pub(super) fn algorithm(oid: &Oid<'_>) -> String {
    let id = oid.to_id_string();
    match ALGORITHMS.iter().find(|(known, _)| *known == id) {
        Some((_, name)) => (*name).to_owned(),
        None => oid2sn(oid, oid_registry()).map_or(id, str::to_owned),
    }
}

/// Name and size of a curve.
pub(super) fn curve(oid: &Oid<'_>) -> (String, Option<usize>) {
    let id = oid.to_id_string();
    match CURVES.iter().find(|(known, ..)| *known == id) {
        Some((_, name, bits)) => ((*name).to_owned(), Some(*bits)),
        None => (id, None),
    }
}

//! X.509 certificates as plain values (RFC 5280). Reads what servers really send: version 1, SHA-1, negative serials,
//! broken extensions. Verifies nothing.

mod oids;

use std::fmt::Write as _;
use std::net::IpAddr;

use data_encoding::{BASE64, HEXLOWER};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::{Any, Oid, Tag};
use x509_parser::der_parser::der::parse_der_integer;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, KeyUsage, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

/// A distinguished name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DistinguishedName {
    /// Attributes in the order of the certificate: long name (`commonName`; an OID where there is none) and value.
    pub attributes: Vec<(String, String)>,
    /// One line in the same order, e.g. `C=US, O=Example, CN=host.example`, escaped as in RFC 4514.
    pub text: String,
}

impl DistinguishedName {
    /// The value of the first attribute of this long name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The subject's key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicKey {
    /// `rsa`, `rsa-pss`, `ec`, `dsa`, `ed25519`, `ed448`, `x25519`, `x448`, or the OID.
    pub algorithm: String,
    /// Size in bits; zero when it cannot be told.
    pub bits: usize,
    /// Curve of an EC key: its name, or its OID.
    pub curve: Option<String>,
}

/// A certificate. Times are seconds since 1970-01-01T00:00:00Z and may lie before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificate {
    /// 1 to 3.
    pub version: u32,
    /// Serial number: the content octets of the integer, hex; the first bit set means negative.
    pub serial: String,
    /// Whose certificate this is.
    pub subject: DistinguishedName,
    /// Who issued it.
    pub issuer: DistinguishedName,
    /// Valid from.
    pub not_before: i64,
    /// Valid until, inclusive.
    pub not_after: i64,
    /// The key certified.
    pub public_key: PublicKey,
    /// Signature algorithm, e.g. `sha256WithRSAEncryption`, or its OID.
    pub signature_algorithm: String,
    /// Alternative names: kind (`DNS`, `IP`, `email`, `URI`, `dirName`, `RID`, `other`, `invalid`) and value.
    pub alternative_names: Vec<(&'static str, String)>,
    /// Key usages by their RFC 5280 names; none when the extension is missing.
    pub key_usage: Vec<&'static str>,
    /// Extended key usages by name or OID.
    pub extended_key_usage: Vec<String>,
    /// Basic constraints, where present: CA or not, longest path.
    pub basic_constraints: Option<(bool, Option<u32>)>,
    /// Whether subject and issuer are the same, and the key identifiers do not contradict. The signature is not checked.
    pub self_signed: bool,
    /// Fingerprints of the DER form, lower-case hex.
    pub md5: String,
    /// SHA-1 fingerprint.
    pub sha1: String,
    /// SHA-256 fingerprint.
    pub sha256: String,
    /// PEM form (RFC 7468), with a final newline.
    pub pem: String,
}

impl Certificate {
    /// Reads a certificate in DER form; bytes after it are ignored.
    ///
    /// # Errors
    /// What the parser stumbled over.
    pub fn parse(der: &[u8]) -> Result<Certificate, String> {
        let (rest, read) =
            X509Certificate::from_der(der).map_err(|error| format!("not an X.509 certificate: {error}"))?;
        let der = der.get(..der.len().saturating_sub(rest.len())).unwrap_or_default();
        let mut certificate = Certificate {
            version: read.version.0.saturating_add(1),
            serial: HEXLOWER.encode(read.raw_serial()),
            subject: distinguished_name(&read.subject),
            issuer: distinguished_name(&read.issuer),
            not_before: read.validity.not_before.timestamp(),
            not_after: read.validity.not_after.timestamp(),
            public_key: public_key(&read.subject_pki),
            signature_algorithm: oids::algorithm(&read.signature_algorithm.algorithm),
            self_signed: is_self_signed(&read),
            md5: HEXLOWER.encode(&Md5::digest(der)),
            sha1: HEXLOWER.encode(&Sha1::digest(der)),
            sha256: HEXLOWER.encode(&Sha256::digest(der)),
            pem: pem(der),
            ..Certificate::default()
        };
        for extension in read.extensions() {
            certificate.note(extension.parsed_extension());
        }
        Ok(certificate)
    }

    fn note(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                self.alternative_names.extend(names.general_names.iter().map(alternative_name));
            }
            ParsedExtension::KeyUsage(usage) => self.key_usage = key_usage(*usage),
            ParsedExtension::ExtendedKeyUsage(usage) => self.extended_key_usage = extended_key_usage(usage),
            ParsedExtension::BasicConstraints(constraints) => {
                self.basic_constraints = Some((constraints.ca, constraints.path_len_constraint));
            }
            _ => {}
        }
    }
}

fn is_self_signed(read: &X509Certificate<'_>) -> bool {
    let (mut authority, mut subject) = (None, None);
    for extension in read.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => authority = id.key_identifier.as_ref().map(|id| id.0),
            ParsedExtension::SubjectKeyIdentifier(id) => subject = Some(id.0),
            _ => {}
        }
    }
    let contradiction = matches!((authority, subject), (Some(authority), Some(subject)) if authority != subject);
    read.subject.as_raw() == read.issuer.as_raw() && !contradiction
}

fn distinguished_name(name: &X509Name<'_>) -> DistinguishedName {
    let mut read = DistinguishedName::default();
    for attribute in name.iter_attributes() {
        let (short, long) = oids::attribute(attribute.attr_type());
        let value = text_of(attribute.attr_value());
        let separator = if read.text.is_empty() { "" } else { ", " };
        let _ = write!(read.text, "{separator}{short}={}", escaped(&value));
        read.attributes.push((long, value));
    }
    read
}

/// Any string type as text; other types as `#` and hex.
fn text_of(value: &Any<'_>) -> String {
    let wide =
        |size: usize| value.data.chunks(size).map(|unit| unit.iter().fold(0, |sum: u32, b| sum << 8 | u32::from(*b)));
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            String::from_utf8_lossy(value.data).into_owned()
        }
        Tag::BmpString => {
            let units: Vec<u16> = wide(2).map(|unit| unit as u16).collect();
            String::from_utf16_lossy(&units)
        }
        Tag::UniversalString => wide(4).map(|unit| char::from_u32(unit).unwrap_or('\u{fffd}')).collect(),
        Tag::T61String => value.data.iter().copied().map(char::from).collect(),
        _ => format!("#{}", HEXLOWER.encode(value.data)),
    }
}

/// RFC 4514 section 2.4; control characters as well, so that a value cannot break a line.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for (index, c) in value.char_indices() {
        let edge_space = c == ' ' && (index == 0 || index + 1 == value.len());
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => out.extend(['\\', c]),
            _ if edge_space => out.push_str("\\ "),
            _ if c.is_control() => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "\\{byte:02x}");
                }
            }
            _ => out.push(c),
        }
    }
    out
}

fn public_key(info: &SubjectPublicKeyInfo<'_>) -> PublicKey {
    let algorithm = oids::key_type(&info.algorithm.algorithm);
    let key = info.subject_public_key.data.as_ref();
    let parameters = info.algorithm.parameters.as_ref();
    let (mut bits, mut curve) = (0, None);
    match algorithm.as_str() {
        "rsa" | "rsa-pss" => bits = RSAPublicKey::from_der(key).map_or(0, |(_, rsa)| integer_bits(rsa.modulus)),
        "dsa" => {
            // The size is that of the prime, the first of the parameters (RFC 3279 section 2.3.2).
            let prime = parameters.and_then(|any| parse_der_integer(any.data).ok());
            bits = prime.and_then(|(_, prime)| prime.as_slice().ok().map(integer_bits)).unwrap_or(0);
        }
        "ec" => {
            let named = parameters.and_then(|any| any.clone().oid().ok()).map(|oid| oids::curve(&oid));
            let point_bits = key.len().saturating_sub(1) * 4; // uncompressed: two coordinates
            bits = named.as_ref().and_then(|(_, bits)| *bits).unwrap_or(point_bits);
            curve = named.map(|(name, _)| name);
        }
        "ed25519" | "x25519" => bits = 256,
        "ed448" | "x448" => bits = 456,
        _ => {}
    }
    PublicKey { algorithm, bits, curve }
}

/// Bits of an unsigned big-endian number.
fn integer_bits(bytes: &[u8]) -> usize {
    let significant = bytes.iter().position(|byte| *byte != 0).and_then(|start| bytes.get(start..)).unwrap_or_default();
    significant.first().map_or(0, |first| significant.len() * 8 - first.leading_zeros() as usize)
}

fn alternative_name(name: &GeneralName<'_>) -> (&'static str, String) {
    match name {
        GeneralName::DNSName(text) => ("DNS", (*text).to_owned()),
        GeneralName::RFC822Name(text) => ("email", (*text).to_owned()),
        GeneralName::URI(text) => ("URI", (*text).to_owned()),
        GeneralName::IPAddress(bytes) => ("IP", ip_text(bytes)),
        GeneralName::DirectoryName(name) => ("dirName", distinguished_name(name).text),
        GeneralName::RegisteredID(oid) => ("RID", oid.to_id_string()),
        GeneralName::OtherName(oid, value) => ("other", format!("{}:{}", oid.to_id_string(), HEXLOWER.encode(value))),
        GeneralName::X400Address(any) | GeneralName::EDIPartyName(any) => ("other", HEXLOWER.encode(any.data)),
        GeneralName::Invalid(_, bytes) => ("invalid", HEXLOWER.encode(bytes)),
    }
}

fn ip_text(bytes: &[u8]) -> String {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or(v6).map_or_else(|_| HEXLOWER.encode(bytes), |address| address.to_string())
}

/// Bits of the extension in their order (RFC 5280 section 4.2.1.3).
fn key_usage(usage: KeyUsage) -> Vec<&'static str> {
    const NAMES: [&str; 9] = [
        "digitalSignature",
        "nonRepudiation",
        "keyEncipherment",
        "dataEncipherment",
        "keyAgreement",
        "keyCertSign",
        "cRLSign",
        "encipherOnly",
        "decipherOnly",
    ];
    NAMES.into_iter().enumerate().filter(|(bit, _)| usage.flags >> bit & 1 == 1).map(|(_, name)| name).collect()
}

fn extended_key_usage(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let known = [
        (usage.any, "anyExtendedKeyUsage"),
        (usage.server_auth, "serverAuth"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ];
    let known = known.into_iter().filter(|(set, _)| *set).map(|(_, name)| name.to_owned());
    known.chain(usage.other.iter().map(Oid::to_id_string)).collect()
}

fn pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in BASE64.encode(der).as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests;

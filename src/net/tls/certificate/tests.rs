use super::*;
use crate::net::tls::tests::openssl::Folder;
use crate::runtime::Random;

#[test]
fn a_full_certificate_is_read_whole() {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = ["host.example".to_owned(), "192.0.2.1".to_owned(), "2001:db8::1".to_owned()];
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.not_before = rcgen::date_time_ymd(1960, 1, 1);
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(3));
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature, rcgen::KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![
        rcgen::ExtendedKeyUsagePurpose::ServerAuth,
        rcgen::ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 311, 10, 3, 4]),
    ];
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "Ex, Ample\n");
    params.distinguished_name.push(rcgen::DnType::CommonName, "host.example");
    let der = params.self_signed(&key).unwrap().der().to_vec();
    let read = Certificate::parse(&[der.as_slice(), b"trailing"].concat()).unwrap();
    assert_eq!(read.version, 3);
    assert_eq!(read.subject.text, "O=Ex\\, Ample\\0a, CN=host.example");
    assert_eq!(read.subject.get("organizationName"), Some("Ex, Ample\n"));
    assert_eq!((read.not_before, read.not_after), (-315_619_200, 4_102_444_800));
    let expected = PublicKey { algorithm: "ec".to_owned(), bits: 256, curve: Some("secp256r1".to_owned()) };
    assert_eq!(read.public_key, expected);
    assert_eq!(read.signature_algorithm, "ecdsa-with-SHA256");
    let names: Vec<String> = read.alternative_names.iter().map(|(kind, value)| format!("{kind}:{value}")).collect();
    assert_eq!(names, ["DNS:host.example", "IP:192.0.2.1", "IP:2001:db8::1"]);
    assert_eq!(read.key_usage, ["digitalSignature", "keyCertSign"]);
    assert_eq!(read.extended_key_usage, ["serverAuth", "1.3.6.1.4.1.311.10.3.4"]);
    assert_eq!(read.basic_constraints, Some((true, Some(3))));
    assert!(read.self_signed);
    assert_eq!(read.sha256, HEXLOWER.encode(&Sha256::digest(&der)));
    assert_eq!((read.md5.len(), read.sha1.len()), (32, 40));
    let (_, pem) = x509_parser::pem::parse_x509_pem(read.pem.as_bytes()).unwrap();
    assert_eq!(pem.contents, der);
}

#[test]
fn odd_certificates_are_read() {
    let folder = Folder::new();
    folder.certificate("weak", "rsa:1024", "-sha1 -set_serial -5");
    let weak = Certificate::parse(&folder.der("weak")).unwrap();
    assert_eq!((weak.public_key.algorithm.as_str(), weak.public_key.bits), ("rsa", 1024));
    assert_eq!((weak.serial.as_str(), weak.signature_algorithm.as_str()), ("fb", "sha1WithRSAEncryption"));
    folder.certificate("md5", "rsa:1023", "-md5");
    let md5 = Certificate::parse(&folder.der("md5")).unwrap();
    assert_eq!((md5.public_key.bits, md5.signature_algorithm.as_str()), (1023, "md5WithRSAEncryption"));
    folder.openssl("req -new -key weak.key -subj /CN=first -out first.csr");
    folder.openssl("x509 -req -in first.csr -signkey weak.key -days 30 -out first.pem");
    let first = Certificate::parse(&folder.der("first")).unwrap();
    assert_eq!((first.version, first.self_signed, first.basic_constraints), (1, true, None));
    for (key, algorithm, bits) in
        [("ed25519", "ed25519", 256), ("ed448", "ed448", 456), ("ec -pkeyopt ec_paramgen_curve:secp521r1", "ec", 521)]
    {
        folder.certificate("rare", key, "");
        let rare = Certificate::parse(&folder.der("rare")).unwrap().public_key;
        assert_eq!((rare.algorithm.as_str(), rare.bits), (algorithm, bits));
    }
}

#[test]
fn a_certificate_of_another_issuer_is_not_self_signed() {
    let folder = Folder::new();
    folder.certificate("root", "ed25519", "");
    folder.openssl("req -newkey ed25519 -nodes -keyout leaf.key -out leaf.csr -subj /CN=leaf");
    folder.openssl("x509 -req -in leaf.csr -CA root.pem -CAkey root.key -days 30 -set_serial 7 -out leaf.pem");
    let leaf = Certificate::parse(&folder.der("leaf")).unwrap();
    assert_eq!((leaf.self_signed, leaf.issuer.text.as_str()), (false, "C=XX, O=Lab, CN=root"));
}

#[test]
fn damaged_certificates_do_no_harm() {
    assert!(Certificate::parse(b"").is_err());
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["host.example".to_owned()]).unwrap();
    let der = params.self_signed(&key).unwrap().der().to_vec();
    for length in 0..der.len() {
        assert!(Certificate::parse(&der[..length]).is_err());
    }
    let random = Random::new(Some(13));
    for _ in 0..20_000 {
        let mut damaged = der.clone();
        let at = random.below(damaged.len() as u64) as usize;
        damaged[at] = random.u64() as u8;
        let _ = Certificate::parse(&damaged);
    }
}

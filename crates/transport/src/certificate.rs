//! The one thing that is wanted from an X.509 certificate beyond what the TLS library checks: its subject's
//! common name.
//!
//! A reader of just enough DER (ITU-T X.690) to walk RFC 5280's `tbsCertificate` to the subject. It sees only
//! certificates whose chain has been verified, and trusts them no more for that: every length is checked,
//! nothing recurses, nothing is allocated. When a subject has several common names the last one counts, as it
//! does for Go and so for etcd.

const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0] EXPLICIT`, which holds the certificate's version.
const CONTEXT_0: u8 = 0xa0;
/// 2.5.4.3, `id-at-commonName`.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The subject's common name, if the certificate can be read and has one.
pub(crate) fn common_name(certificate: &[u8]) -> Option<&str> {
    let (certificate, _) = expect(certificate, SEQUENCE)?;
    let (to_be_signed, _) = expect(certificate, SEQUENCE)?;
    let fields = match element(to_be_signed)? {
        (CONTEXT_0, _, rest) => rest,
        _ => to_be_signed,
    };
    let (_serial, fields) = expect(fields, INTEGER)?;
    let (_signature_algorithm, fields) = expect(fields, SEQUENCE)?;
    let (_issuer, fields) = expect(fields, SEQUENCE)?;
    let (_validity, fields) = expect(fields, SEQUENCE)?;
    let (mut subject, _) = expect(fields, SEQUENCE)?;
    let mut found = None;
    while !subject.is_empty() {
        let (mut relative_name, rest) = expect(subject, SET)?;
        subject = rest;
        while !relative_name.is_empty() {
            let (attribute, rest) = expect(relative_name, SEQUENCE)?;
            relative_name = rest;
            let (kind, value) = expect(attribute, OBJECT_IDENTIFIER)?;
            if kind == COMMON_NAME {
                found = Some(text(value)?);
            }
        }
    }
    found
}

fn text(bytes: &[u8]) -> Option<&str> {
    match element(bytes)? {
        (UTF8_STRING | PRINTABLE_STRING | TELETEX_STRING | IA5_STRING, content, _) => {
            std::str::from_utf8(content).ok()
        }
        _ => None,
    }
}

/// Content and rest of an element that must have this tag.
fn expect(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(bytes).and_then(|(found, content, rest)| (found == tag).then_some((content, rest)))
}

/// Tag, content and rest of the first element.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, bytes) = bytes.split_first()?;
    let (&first, bytes) = bytes.split_first()?;
    let (length, bytes) = match first {
        0..=0x7f => (usize::from(first), bytes),
        0x81..=0x84 => {
            let (length, rest) = bytes.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0_usize, |sum, &byte| (sum << 8) | usize::from(byte)), rest)
        }
        // Indefinite lengths are not DER; longer ones are not certificates.
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    fn certificate(names: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        names.iter().for_each(|(kind, name)| params.distinguished_name.push(kind.clone(), *name));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn finds_the_common_name_among_others() {
        let long = "x".repeat(300);
        let names = [
            (DnType::OrganizationName, &long[..]),
            (DnType::CommonName, "member-é"),
            (DnType::CountryName, "DE"),
        ];
        assert_eq!(common_name(&certificate(&names)), Some("member-é"));
        assert_eq!(common_name(&certificate(&[(DnType::OrganizationName, "o")])), None);
        assert_eq!(common_name(&[]), None);
    }

    proptest! {
        #[test]
        fn any_damage_is_read_without_panic(
            at in any::<prop::sample::Index>(),
            bytes in any::<[u8; 3]>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut certificate = certificate(&[(DnType::CommonName, "member")]);
            for (offset, byte) in bytes.into_iter().enumerate() {
                let at = (at.index(certificate.len()) + offset) % certificate.len();
                certificate[at] = byte;
            }
            common_name(&certificate);
            common_name(&certificate[..cut.index(certificate.len())]);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            common_name(&bytes);
        }
    }
}

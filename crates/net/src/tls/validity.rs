//! What is read out of the DER of a certificate, because no crate that we depend on tells: from when until when it holds, by what its
//! authority knows it, and for which mail addresses it is.

use mail::Timestamp;

use super::der::{INTEGER, Reader, SEQUENCE};

/// `version` of a certificate: context-specific, constructed, 0.
const VERSION: u8 = 0xa0;
/// `extensions` of a certificate: context-specific, constructed, 3.
const EXTENSIONS: u8 = 0xa3;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
/// `keyIdentifier` of an `AuthorityKeyIdentifier`: context-specific, primitive, 0.
const KEY_IDENTIFIER: u8 = 0x80;
/// id-ce-authorityKeyIdentifier, 2.5.29.35 (RFC 5280 §4.2.1.1).
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x23];
/// id-ce-subjectAltName, 2.5.29.17.
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// `rfc822Name` of a `GeneralName`: context-specific, primitive, 1.
const RFC822_NAME: u8 = 0x81;

/// The validity of a certificate (RFC 5280 §4.1.2.5). None: it is no certificate.
///
/// ```text
/// Certificate    ::= SEQUENCE { tbsCertificate, ... }
/// TBSCertificate ::= SEQUENCE { version [0] EXPLICIT OPTIONAL, serialNumber, signature, issuer, validity, ... }
/// Validity       ::= SEQUENCE { notBefore Time, notAfter Time }
/// ```
pub(super) fn validity(der: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let mut validity = Reader(Body::of(der)?.validity);
    Some((validity.time()?, validity.time()?))
}

/// The key identifier of the authority and the serial number, as they stand in the certificate: by these two a renewal is
/// asked for (RFC 9773 §4.1). None: it does not say whose it is.
///
/// ```text
/// TBSCertificate ::= SEQUENCE { ..., validity, subject, subjectPublicKeyInfo, issuerUniqueID [1] OPTIONAL, subjectUniqueID [2] OPTIONAL,
///                               extensions [3] EXPLICIT SEQUENCE OF SEQUENCE { extnID, critical BOOLEAN OPTIONAL, extnValue OCTET STRING } }
/// AuthorityKeyIdentifier ::= SEQUENCE { keyIdentifier [0] OPTIONAL, ... }
/// ```
pub(super) fn authority_and_serial(der: &[u8]) -> Option<CertificateId> {
    let body = Body::of(der)?;
    let serial = body.serial;
    let value = body.extension(AUTHORITY_KEY_IDENTIFIER)?;
    let authority = Reader(Reader(value).expect(SEQUENCE)?).expect(KEY_IDENTIFIER)?;
    Some(CertificateId { authority: authority.into(), serial: serial.into() })
}

/// The mail addresses that a certificate is for (RFC 5280 §4.2.1.6).
///
/// ```text
/// SubjectAltName ::= SEQUENCE OF CHOICE { otherName [0], rfc822Name [1] IA5String, dNSName [2], ... }
/// ```
pub(super) fn addresses(der: &[u8]) -> Vec<Box<str>> {
    let names = Body::of(der).and_then(|body| body.extension(SUBJECT_ALTERNATIVE_NAME));
    let Some(names) = names.and_then(|names| Reader(names).expect(SEQUENCE)) else { return Vec::new() };
    let mut names = Reader(names);
    let all = std::iter::from_fn(|| names.next()).filter(|(tag, _)| *tag == RFC822_NAME);
    all.filter_map(|(_, name)| str::from_utf8(name).ok())
        .filter(|name| name.is_ascii())
        .map(Into::into)
        .collect()
}

/// What an authority knows a certificate by (RFC 9773 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateId {
    /// The identifier of the authority's key.
    pub authority: Box<[u8]>,
    /// The serial number, as DER has it.
    pub serial: Box<[u8]>,
}

/// A `TBSCertificate`, read as far as its validity.
struct Body<'a> {
    serial: &'a [u8],
    validity: &'a [u8],
    rest: Reader<'a>,
}

impl<'a> Body<'a> {
    /// The value of an extension.
    fn extension(mut self, id: &[u8]) -> Option<&'a [u8]> {
        let extensions = std::iter::from_fn(|| self.rest.next()).find(|(tag, _)| *tag == EXTENSIONS)?.1;
        let mut extensions = Reader(Reader(extensions).expect(SEQUENCE)?);
        while let Some(extension) = extensions.expect(SEQUENCE) {
            let mut extension = Reader(extension);
            if extension.expect(OBJECT_IDENTIFIER)? == id {
                return Some(
                    std::iter::from_fn(|| extension.next()).find(|(tag, _)| *tag == OCTET_STRING)?.1,
                );
            }
        }
        None
    }

    fn of(der: &'a [u8]) -> Option<Self> {
        let mut certificate = Reader(Reader(der).expect(SEQUENCE)?);
        let mut body = Reader(certificate.expect(SEQUENCE)?);
        if body.0.first() == Some(&VERSION) {
            body.next()?;
        }
        let serial = body.expect(INTEGER)?;
        body.expect(SEQUENCE)?;
        body.expect(SEQUENCE)?;
        Some(Self { serial, validity: body.expect(SEQUENCE)?, rest: body })
    }
}

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

impl Reader<'_> {
    /// `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` from then on.
    fn time(&mut self) -> Option<Timestamp> {
        let (tag, content) = self.next()?;
        let text = str::from_utf8(content).ok()?.strip_suffix('Z')?;
        let (year, rest) = match tag {
            UTC_TIME => {
                let (year, rest) = text.split_at_checked(2)?;
                let year = number(year)?;
                (if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            GENERALIZED_TIME => {
                let (year, rest) = text.split_at_checked(4)?;
                (number(year)?, rest)
            }
            _ => return None,
        };
        let part = |at: usize| rest.get(at..at + 2).and_then(number);
        let (month, day, hour, minute, second) = (part(0)?, part(2)?, part(4)?, part(6)?, part(8)?);
        if rest.len() != 10 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let seconds = ((days(year, month, day)? * 24 + hour) * 60 + minute) * 60 + second;
        Some(Timestamp::from_millis(seconds * 1000))
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Days since the epoch; none before it. Years begin on 1 March, so that a leap day ends its year.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    (year * 365 + year / 4 - year / 100 + year / 400 + day_of_year).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(tag: u8, text: &str) -> Option<String> {
        let length = u8::try_from(text.len()).unwrap();
        let der: Vec<u8> = [tag, length].into_iter().chain(text.bytes()).collect();
        Reader(&der).time().map(|time| time.to_string())
    }

    #[test]
    fn both_forms_of_a_time_are_read() {
        for (tag, text, shown) in [
            (UTC_TIME, "261129154500Z", "2026-11-29T15:45:00.000Z"),
            (UTC_TIME, "700101000000Z", "1970-01-01T00:00:00.000Z"),
            (UTC_TIME, "000229235959Z", "2000-02-29T23:59:59.000Z"),
            (GENERALIZED_TIME, "21000301000000Z", "2100-03-01T00:00:00.000Z"),
            (GENERALIZED_TIME, "99991231235959Z", "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(time(tag, text).as_deref(), Some(shown), "{text}");
        }
        for (tag, text) in [
            (UTC_TIME, "261129154500"),
            (UTC_TIME, "261329154500Z"),
            (UTC_TIME, "26112915450Z"),
            (GENERALIZED_TIME, "19691231235959Z"),
            (GENERALIZED_TIME, "00000101000000Z"),
            (INTEGER, "261129154500Z"),
        ] {
            assert_eq!(time(tag, text), None, "{text}");
        }
    }

    #[test]
    fn what_is_cut_anywhere_is_no_certificate() {
        let (pem, _) = crate::tls::identity::tests::made(&["a.example"]);
        let der =
            <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(
                pem.as_bytes(),
            )
            .unwrap();
        assert!(validity(&der).is_some());
        for end in 0..der.len() {
            assert_eq!(validity(&der[..end]), None, "{end}");
        }
    }

    #[test]
    fn a_certificate_names_addresses() {
        use rcgen::{CertificateParams, KeyPair, SanType};
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        for address in ["anna@example.org", "hello@example.org"] {
            params.subject_alt_names.push(SanType::Rfc822Name(address.try_into().unwrap()));
        }
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        assert_eq!(addresses(made.der()), ["anna@example.org".into(), "hello@example.org".into()]);
        for end in 0..made.der().len() {
            assert!(addresses(&made.der()[..end]).is_empty(), "{end}");
        }
        let none = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        assert!(addresses(none.cert.der()).is_empty());
    }

    #[test]
    fn a_certificate_says_whose_it_is_and_its_number() {
        use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SerialNumber};
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![7; 20]);
        let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(&[0x87, 0x65, 0x43, 0x21]));
        params.use_authority_key_identifier_extension = true;
        let signed = params.signed_by(&key, &Issuer::from_params(&authority, &authority_key)).unwrap();
        let CertificateId { authority, serial } = authority_and_serial(signed.der()).unwrap();
        // The zero keeps the number positive, and belongs to it: the example of RFC 9773 §4.1 has one too.
        assert_eq!((&*authority, &*serial), (&[7; 20][..], &[0, 0x87, 0x65, 0x43, 0x21][..]));
        for end in 0..signed.der().len() {
            assert_eq!(authority_and_serial(&signed.der()[..end]), None, "{end}");
        }
        let own = params.self_signed(&key).unwrap();
        assert!(authority_and_serial(own.der()).is_some_and(|id| *id.authority != [7; 20]));
    }
}

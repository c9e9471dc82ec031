//! From when until when a certificate holds, read out of its DER: no crate that we depend on tells.

use mail::Timestamp;

/// The validity of a certificate (RFC 5280 §4.1.2.5). None: it is no certificate.
///
/// ```text
/// Certificate    ::= SEQUENCE { tbsCertificate, ... }
/// TBSCertificate ::= SEQUENCE { version [0] EXPLICIT OPTIONAL, serialNumber, signature, issuer, validity, ... }
/// Validity       ::= SEQUENCE { notBefore Time, notAfter Time }
/// ```
pub(super) fn validity(der: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let mut certificate = Reader(Reader(der).expect(SEQUENCE)?);
    let mut body = Reader(certificate.expect(SEQUENCE)?);
    if body.0.first() == Some(&VERSION) {
        body.next()?;
    }
    body.expect(INTEGER)?;
    body.expect(SEQUENCE)?;
    body.expect(SEQUENCE)?;
    let mut validity = Reader(body.expect(SEQUENCE)?);
    Some((validity.time()?, validity.time()?))
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// Values of DER, one after the other (X.690 §8.1).
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let [tag, length, rest @ ..] = self.0 else { return None };
        let (length, rest) = match usize::from(*length) {
            short if short < 0x80 => (short, rest),
            // A certificate of more than four octets of length is none.
            long @ 0x81..=0x84 => {
                let (octets, rest) = rest.split_at_checked(long - 0x80)?;
                (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

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
}

//! TLSA records (RFC 6698 §2; its text was not at hand) as SMTP has a use for them (RFC 7672 §3.1).

/// One TLSA record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tlsa {
    /// What the data stands for: 2 an authority that vouches for the host (DANE-TA), 3 the host itself (DANE-EE). 0 and 1 lean on public
    /// authorities.
    pub usage: u8,
    /// What of the certificate is meant: 0 the whole, 1 its public key.
    pub selector: u8,
    /// What the data is: 0 that itself, 1 its SHA-256, 2 its SHA-512.
    pub matching: u8,
    /// The data.
    pub data: Box<[u8]>,
}

/// DANE-TA.
pub const DANE_TA: u8 = 2;
/// DANE-EE.
pub const DANE_EE: u8 = 3;

impl Tlsa {
    /// Reads it as a zone file has it: `3 1 1` and hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let mut number = || words.next()?.parse::<u8>().ok();
        let (usage, selector, matching) = (number()?, number()?, number()?);
        let digits: Vec<u8> = words.flat_map(str::bytes).collect();
        let pair = |pair: &[u8]| {
            let text = str::from_utf8(pair)
                .ok()
                .filter(|text| text.bytes().all(|octet| octet.is_ascii_hexdigit()))?;
            u8::from_str_radix(text, 16).ok()
        };
        let data: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
        let whole = digits.len().is_multiple_of(2);
        data.filter(|_| whole).map(|data| Self { usage, selector, matching, data: data.into() })
    }

    /// Whether a client of SMTP can go by it: those that lean on public authorities (PKIX-TA, PKIX-EE) are unusable (RFC 7672 §3.1.3), as
    /// is what nobody defined, and a digest of another length than its kind has.
    pub fn is_usable(&self) -> bool {
        let fits = match self.matching {
            0 => !self.data.is_empty(),
            1 => self.data.len() == 32,
            2 => self.data.len() == 64,
            _ => false,
        };
        matches!(self.usage, DANE_TA | DANE_EE) && self.selector <= 1 && fits
    }
}

/// The name under which a host has its TLSA records for a TCP port (RFC 6698 §3).
pub fn tlsa_name(port: u16, host: &str) -> String {
    format!("_{port}._tcp.{}", crate::normalise(host))
}

/// Those of them that count. Of digests of one thing only the strongest kind does (RFC 7671 §9).
pub fn usable_tlsa(records: &[Tlsa]) -> Vec<Tlsa> {
    let mut usable: Vec<Tlsa> = records.iter().filter(|record| record.is_usable()).cloned().collect();
    let strong: Vec<(u8, u8)> = usable
        .iter()
        .filter(|record| record.matching == 2)
        .map(|record| (record.usage, record.selector))
        .collect();
    usable.retain(|record| record.matching != 1 || !strong.contains(&(record.usage, record.selector)));
    usable.sort();
    usable.dedup();
    usable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlsa(usage: u8, selector: u8, matching: u8, octets: usize) -> Tlsa {
        Tlsa { usage, selector, matching, data: vec![7; octets].into() }
    }

    #[test]
    fn what_smtp_has_no_use_for_is_unusable() {
        for (record, usable) in [
            (tlsa(3, 1, 1, 32), true),
            (tlsa(3, 0, 2, 64), true),
            (tlsa(2, 0, 0, 900), true),
            (tlsa(2, 1, 1, 32), true),
            (tlsa(0, 1, 1, 32), false),
            (tlsa(1, 0, 1, 32), false),
            (tlsa(4, 1, 1, 32), false),
            (tlsa(3, 2, 1, 32), false),
            (tlsa(3, 1, 3, 32), false),
            (tlsa(3, 1, 1, 31), false),
            (tlsa(3, 1, 2, 32), false),
            (tlsa(3, 1, 0, 0), false),
            (tlsa(255, 255, 255, 0), false),
        ] {
            assert_eq!(record.is_usable(), usable, "{record:?}");
        }
    }

    #[test]
    fn of_digests_the_strongest_kind_counts() {
        let all =
            [tlsa(3, 1, 1, 32), tlsa(3, 1, 2, 64), tlsa(3, 0, 1, 32), tlsa(1, 1, 1, 32), tlsa(3, 1, 0, 5)];
        assert_eq!(usable_tlsa(&all), [tlsa(3, 0, 1, 32), tlsa(3, 1, 0, 5), tlsa(3, 1, 2, 64)]);
        assert_eq!(usable_tlsa(&[tlsa(0, 0, 1, 32)]), []);
    }

    #[test]
    fn records_are_read_as_zone_files_have_them() {
        let digits = "07".repeat(32);
        assert_eq!(Tlsa::parse(&format!("3 1 1 {digits}")), Some(tlsa(3, 1, 1, 32)));
        assert_eq!(Tlsa::parse("3 1 0 0707 0707 07"), Some(tlsa(3, 1, 0, 5)));
        for wrong in ["", "3 1", "3 1 1 0", "3 1 1 +7", "256 1 1 00", "3 1 1 xx", "3 1 1 \u{fc}"] {
            assert_eq!(Tlsa::parse(wrong), None, "{wrong}");
        }
        assert_eq!(tlsa_name(25, "MX.example.org."), "_25._tcp.mx.example.org");
    }
}

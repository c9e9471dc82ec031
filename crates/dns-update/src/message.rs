//! As much of DNS messages (RFC 1035 §4) as an update needs.

pub(crate) const CNAME: u16 = 5;
pub(crate) const SOA: u16 = 6;
pub(crate) const TXT: u16 = 16;
pub(crate) const IN: u16 = 1;
/// Compression may lead from one place to the next this often at most.
const JUMPS_MAX: usize = 32;
const HEADER_OCTETS: usize = 12;

/// Whether a text is a host name that fits into a message: LDH labels (RFC 1123 §2.1), with room for `_acme-challenge` before it.
pub fn is_host(name: &str) -> bool {
    let ldh = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-')
    };
    name.len() <= 230 && name.contains('.') && name.split('.').all(ldh)
}

/// Appends a name in the form of the wire, lower case, not compressed. None: it is too long, or has an empty label.
pub(crate) fn put_name(message: &mut Vec<u8>, name: &str) -> Option<()> {
    let start = message.len();
    for label in name.strip_suffix('.').unwrap_or(name).split('.').filter(|_| name != "." && !name.is_empty())
    {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        message.push(length);
        message.extend(label.bytes().map(|octet| octet.to_ascii_lowercase()));
    }
    message.push(0);
    (message.len() - start <= 255).then_some(())
}

pub(crate) fn put_u16(message: &mut Vec<u8>, number: u16) {
    message.extend_from_slice(&number.to_be_bytes());
}

/// The header of a message without flags but its opcode (RFC 1035 §4.1.1).
pub(crate) fn header(id: u16, opcode: u8, counts: [u16; 4]) -> Vec<u8> {
    let mut message = Vec::new();
    put_u16(&mut message, id);
    put_u16(&mut message, u16::from(opcode) << 11);
    for count in counts {
        put_u16(&mut message, count);
    }
    message
}

/// A record of an answer.
pub(crate) struct Found<'a> {
    /// Where it begins.
    pub(crate) at: usize,
    pub(crate) owner: String,
    pub(crate) kind: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    pub(crate) data: &'a [u8],
    /// Where its data begins.
    data_at: usize,
}

/// An answer to a question of ours.
pub(crate) struct Answer<'a> {
    octets: &'a [u8],
    /// RFC 1035 §4.1.1, RFC 2136 §2.2.
    pub(crate) code: u8,
    pub(crate) records: Vec<Found<'a>>,
}

impl<'a> Answer<'a> {
    /// Reads the answer to the message with this id.
    pub(crate) fn read(octets: &'a [u8], id: u16) -> Result<Self, String> {
        let garbled = || "its answer is garbled".to_owned();
        let mut reader = Reader { octets, at: 0 };
        let header = reader.take(HEADER_OCTETS).ok_or_else(garbled)?;
        let number = |at: usize| match header.get(at..at + 2) {
            Some(&[high, low]) => u16::from_be_bytes([high, low]),
            _ => 0,
        };
        let flags = number(2);
        if number(0) != id || flags & 0x8000 == 0 {
            return Err("what it says is no answer".to_owned());
        }
        for _ in 0..number(4) {
            reader.name().and_then(|_| reader.take(4)).ok_or_else(garbled)?;
        }
        let count = usize::from(number(6)) + usize::from(number(8)) + usize::from(number(10));
        let mut records = Vec::new();
        for _ in 0..count {
            records.push(reader.record().ok_or_else(garbled)?);
        }
        Ok(Self { octets, code: (flags & 0xf) as u8, records })
    }

    /// Where a name leads, if it is an alias (RFC 1034 §3.6.2).
    pub(crate) fn alias(&self, name: &str) -> Result<Option<String>, String> {
        // RFC 1035 §4.1.1: that there is no such name is an answer, too.
        if self.code != 3 {
            self.is_done()?;
        }
        let is_it = |record: &&Found<'_>| {
            record.kind == CNAME && record.class == IN && record.owner.eq_ignore_ascii_case(name)
        };
        let Some(record) = self.records.iter().find(is_it) else { return Ok(None) };
        let target = Reader { octets: self.octets, at: record.data_at }.name();
        let target = target.filter(|target| !target.contains('?') && !target.is_empty());
        target.map(Some).ok_or_else(|| "it leads to no name".to_owned())
    }

    /// Whether all was done.
    pub(crate) fn is_done(&self) -> Result<(), String> {
        if self.code == 0 { Ok(()) } else { Err(format!("refused with {}", code_word(self.code))) }
    }

    /// The zone of the name that was asked for.
    pub(crate) fn zone(&self) -> Result<String, String> {
        // RFC 2308: a name that is not there, or has no SOA of its own, is answered with that of its zone.
        let soa = self.records.iter().find(|record| record.kind == SOA && record.class == IN);
        match soa {
            Some(record) => Ok(record.owner.clone()),
            None if self.code == 0 || self.code == 3 => Err("the server has no such zone".to_owned()),
            None => Err(format!("refused with {}", code_word(self.code))),
        }
    }
}

/// The names of the codes (RFC 1035 §4.1.1, RFC 2136 §2.2, RFC 8945 §5).
pub(crate) fn code_word(code: u8) -> String {
    let word = match code {
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        16 => "BADSIG",
        17 => "BADKEY",
        18 => "BADTIME",
        22 => "BADTRUNC",
        _ => return format!("code {code}"),
    };
    word.to_owned()
}

struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, octets: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(octets)?;
        let taken = self.octets.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// A name, lower case, without the last dot; the root is empty. What is no text in it is shown as `?`.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let mut at = self.at;
        let mut jumps = 0;
        loop {
            let length = *self.octets.get(at)?;
            if length & 0xc0 == 0xc0 {
                let low = *self.octets.get(at + 1)?;
                if jumps == 0 {
                    self.at = at + 2;
                }
                jumps += 1;
                at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                if jumps > JUMPS_MAX {
                    return None;
                }
                continue;
            }
            let label = self.octets.get(at + 1..at + 1 + usize::from(length)).filter(|_| length < 64)?;
            at += 1 + usize::from(length);
            if length == 0 {
                if jumps == 0 {
                    self.at = at;
                }
                return Some(name);
            }
            if !name.is_empty() {
                name.push('.');
            }
            let shown = |octet: &u8| {
                if octet.is_ascii_graphic() && *octet != b'.' { octet.to_ascii_lowercase() } else { b'?' }
            };
            name.extend(label.iter().map(|octet| char::from(shown(octet))));
            if name.len() > 255 {
                return None;
            }
        }
    }

    fn record(&mut self) -> Option<Found<'a>> {
        let at = self.at;
        let owner = self.name()?;
        let (kind, class) = (self.number()?, self.number()?);
        let ttl = self.take(4)?.try_into().ok().map(u32::from_be_bytes)?;
        let length = self.number()?;
        let data_at = self.at;
        Some(Found { at, owner, kind, class, ttl, data: self.take(usize::from(length))?, data_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer to id 7 for `_acme-challenge.mx.example.org` with the SOA of `example.org`, compressed.
    fn negative() -> Vec<u8> {
        let mut message = header(7, 0, [1, 0, 1, 0]);
        message[2] |= 0x80;
        message[3] |= 3;
        put_name(&mut message, "_acme-challenge.MX.example.org").unwrap();
        message.extend([0, 6, 0, 1]);
        // `example` begins behind header, 16 octets of the first label and 3 of the second.
        message.extend([0xc0, 12 + 16 + 3, 0, 6, 0, 1, 0, 0, 0, 60, 0, 3, 1, 2, 3]);
        message
    }

    #[test]
    fn a_zone_is_read_out_of_an_answer() {
        let message = negative();
        let answer = Answer::read(&message, 7).unwrap();
        assert_eq!(answer.zone().unwrap(), "example.org");
        assert_eq!(answer.records[0].data, [1, 2, 3]);
        assert_eq!(answer.is_done().unwrap_err(), "refused with NXDOMAIN");
        assert!(Answer::read(&message, 8).is_err(), "another id");
        let mut question = message.clone();
        question[2] &= 0x7f;
        assert!(Answer::read(&question, 7).is_err(), "no answer");
    }

    #[test]
    fn an_alias_is_read_out_of_an_answer() {
        let mut message = header(7, 0, [1, 1, 0, 0]);
        message[2] |= 0x80;
        put_name(&mut message, "_acme-challenge.example.org").unwrap();
        message.extend([0, 5, 0, 1]);
        // `org` begins behind header, 16 octets of the first label and 8 of the second.
        message.extend([
            0xc0,
            12,
            0,
            5,
            0,
            1,
            0,
            0,
            0,
            60,
            0,
            7,
            4,
            b'k',
            b'e',
            b'y',
            b's',
            0xc0,
            12 + 16 + 8,
        ]);
        let alias = |message: &[u8], name| Answer::read(message, 7).unwrap().alias(name);
        assert_eq!(alias(&message, "_acme-challenge.Example.org"), Ok(Some("keys.org".to_owned())));
        assert_eq!(alias(&message, "example.org"), Ok(None));
        message[3] |= 3;
        assert_eq!(alias(&message, "example.org"), Ok(None), "NXDOMAIN");
        message[3] ^= 3 ^ 5;
        assert_eq!(alias(&message, "example.org"), Err("refused with REFUSED".to_owned()));
    }

    #[test]
    fn what_is_cut_anywhere_is_garbled() {
        let message = negative();
        for end in 0..message.len() {
            assert!(Answer::read(&message[..end], 7).is_err(), "{end}");
        }
    }

    #[test]
    fn compression_that_turns_in_a_circle_ends() {
        let mut message = header(7, 0, [1, 0, 0, 0]);
        message[2] |= 0x80;
        message.extend([0xc0, 12, 0, 6, 0, 1]);
        assert!(Answer::read(&message, 7).is_err());
        let mut long = header(7, 0, [1, 0, 0, 0]);
        long[2] |= 0x80;
        long.push(63);
        long.extend([b'a'; 63]);
        long.extend([0xc0, 12, 0, 6, 0, 1]);
        assert!(Answer::read(&long, 7).is_err());
    }

    #[test]
    fn names_have_the_form_of_the_wire() {
        let wire = |name: &str| {
            let mut message = Vec::new();
            put_name(&mut message, name).map(|()| message)
        };
        assert_eq!(wire("Ab.c.").unwrap(), b"\x02ab\x01c\0");
        assert_eq!(wire("ab.c"), wire("AB.C."));
        assert_eq!(wire(".").unwrap(), b"\0");
        assert_eq!(wire("a..b"), None);
        assert_eq!(wire(&"a".repeat(64)), None);
        assert_eq!(wire(&"a.".repeat(128)), None);
    }

    #[test]
    fn a_host_name_is_made_of_labels() {
        for name in ["mx.example.org", "xn--bcher-kva.example", "1.example"] {
            assert!(is_host(name), "{name}");
        }
        for name in [
            "localhost",
            "MX.example.org",
            "a_b.example",
            "-a.example",
            "a-.example",
            "a..example",
            "example.",
            "",
        ] {
            assert!(!is_host(name), "{name}");
        }
        assert!(!is_host(&format!("{}.example", "a".repeat(64))));
        assert!(!is_host(&"a.".repeat(116)));
    }
}

//! Records as an update carries them.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::message::{put_name, put_u16};

/// Octets of one string of a TXT record (RFC 1035 §3.3.14).
const STRING_OCTETS_MAX: usize = 255;

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// Whose it is: a full name, with or without a final dot.
    pub name: String,
    /// How long others may keep it, in seconds. Without meaning for [`Change::Remove`](crate::Change::Remove).
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// What a record says, by its type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Data {
    /// An IPv4 address (RFC 1035 §3.4.1).
    A(Ipv4Addr),
    /// An IPv6 address (RFC 3596).
    Aaaa(Ipv6Addr),
    /// Where an alias leads (RFC 1035 §3.3.1).
    Cname(String),
    /// A mail host (RFC 1035 §3.3.9).
    Mx {
        /// The lowest is asked first.
        preference: u16,
        /// The host.
        host: String,
    },
    /// Text (RFC 1035 §3.3.14). One of more than 255 octets goes into several strings.
    Txt(String),
    /// A host of a service (RFC 2782).
    Srv {
        /// The lowest is asked first.
        priority: u16,
        /// How often among those of one priority.
        weight: u16,
        /// Its port.
        port: u16,
        /// Its host; `.` for none.
        target: String,
    },
    /// What a certificate has to match (RFC 6698 §2.1).
    Tlsa {
        /// Certificate usage.
        usage: u8,
        /// Which part.
        selector: u8,
        /// As it is, or by which digest.
        matching: u8,
        /// The part or its digest.
        association: Vec<u8>,
    },
    /// Which authority may certify a name (RFC 8659 §4.1).
    Caa {
        /// 128: critical.
        flags: u8,
        /// Such as `issue`.
        tag: String,
        /// What the tag says.
        value: String,
    },
}

impl Data {
    /// The number of its type.
    pub(crate) fn kind(&self) -> u16 {
        match self {
            Self::A(_) => 1,
            Self::Cname(_) => 5,
            Self::Mx { .. } => 15,
            Self::Txt(_) => crate::message::TXT,
            Self::Aaaa(_) => 28,
            Self::Srv { .. } => 33,
            Self::Tlsa { .. } => 52,
            Self::Caa { .. } => 257,
        }
    }

    /// Its form on the wire. None: something in it is too long.
    pub(crate) fn wire(&self) -> Option<Vec<u8>> {
        let mut wire = Vec::new();
        match self {
            Self::A(address) => wire.extend(address.octets()),
            Self::Aaaa(address) => wire.extend(address.octets()),
            Self::Cname(target) => put_name(&mut wire, target)?,
            Self::Mx { preference, host } => {
                put_u16(&mut wire, *preference);
                put_name(&mut wire, host)?;
            }
            Self::Txt(text) if text.is_empty() => wire.push(0),
            Self::Txt(text) => {
                for string in text.as_bytes().chunks(STRING_OCTETS_MAX) {
                    put_string(&mut wire, string)?;
                }
            }
            Self::Srv { priority, weight, port, target } => {
                for number in [priority, weight, port] {
                    put_u16(&mut wire, *number);
                }
                put_name(&mut wire, target)?;
            }
            Self::Tlsa { usage, selector, matching, association } => {
                wire.extend([*usage, *selector, *matching]);
                wire.extend(association);
            }
            Self::Caa { flags, tag, value } => {
                wire.push(*flags);
                put_string(&mut wire, tag.as_bytes())?;
                wire.extend(value.as_bytes());
            }
        }
        Some(wire)
    }
}

fn put_string(wire: &mut Vec<u8>, string: &[u8]) -> Option<()> {
    wire.push(u8::try_from(string.len()).ok()?);
    wire.extend(string);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_form_on_the_wire() {
        let host = || "Mx.b.".to_owned();
        for (data, kind, wire) in [
            (Data::A(Ipv4Addr::new(192, 0, 2, 1)), 1, b"\xc0\0\x02\x01".to_vec()),
            (Data::Aaaa(Ipv6Addr::LOCALHOST), 28, [&[0; 15][..], &[1]].concat()),
            (Data::Cname(host()), 5, b"\x02mx\x01b\0".to_vec()),
            (Data::Mx { preference: 10, host: host() }, 15, b"\0\x0a\x02mx\x01b\0".to_vec()),
            (Data::Txt("ab".into()), 16, b"\x02ab".to_vec()),
            (Data::Txt(String::new()), 16, b"\0".to_vec()),
            (
                Data::Srv { priority: 0, weight: 1, port: 587, target: host() },
                33,
                b"\0\0\0\x01\x02\x4b\x02mx\x01b\0".to_vec(),
            ),
            (
                Data::Tlsa { usage: 3, selector: 1, matching: 1, association: vec![7, 8] },
                52,
                vec![3, 1, 1, 7, 8],
            ),
            (
                Data::Caa { flags: 128, tag: "issue".into(), value: "ca".into() },
                257,
                b"\x80\x05issueca".to_vec(),
            ),
        ] {
            assert_eq!((data.kind(), data.wire()), (kind, Some(wire)), "{data:?}");
        }
        let long = Data::Txt("x".repeat(300)).wire().unwrap();
        assert_eq!((long.len(), long[0], long[256]), (302, 255, 45));
        assert_eq!(Data::Cname("a..b".into()).wire(), None);
        assert_eq!(Data::Caa { flags: 0, tag: "x".repeat(256), value: String::new() }.wire(), None);
    }
}

//! Dynamic updates (RFC 2136): TXT records added to a name, and deleted from it.

use super::message::{IN, SOA, TXT, header, put_name, put_u16};

/// The operation (RFC 2136 §1.3).
const UPDATE: u8 = 5;
/// The class that deletes one record (RFC 2136 §2.5.4).
const NONE: u16 = 254;
/// Short, for the record is needed for seconds; resolvers of an authority go by it.
const TTL: u32 = 60;

/// What is done with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Add,
    Remove,
}

/// An update of a name. None: something in it is too long.
pub(super) fn message(id: u16, zone: &str, name: &str, values: &[&str], change: Change) -> Option<Vec<u8>> {
    let count = u16::try_from(values.len()).ok()?;
    let mut message = header(id, UPDATE, [1, 0, count, 0]);
    put_name(&mut message, zone)?;
    put_u16(&mut message, SOA);
    put_u16(&mut message, IN);
    for value in values {
        // RFC 2136 §2.5.1 and §2.5.4.
        let (class, ttl) = match change {
            Change::Add => (IN, TTL),
            Change::Remove => (NONE, 0),
        };
        let length = u8::try_from(value.len()).ok()?;
        put_name(&mut message, name)?;
        put_u16(&mut message, TXT);
        put_u16(&mut message, class);
        message.extend_from_slice(&ttl.to_be_bytes());
        put_u16(&mut message, u16::from(length) + 1);
        message.push(length);
        message.extend_from_slice(value.as_bytes());
    }
    Some(message)
}

/// A question for the records of a kind at a name, of a server that may ask others (RFC 1035 §4.1.1: RD).
pub(super) fn question(id: u16, name: &str, kind: u16) -> Option<Vec<u8>> {
    let mut message = header(id, 0, [1, 0, 0, 0]);
    if let Some(flags) = message.get_mut(2) {
        *flags |= 1;
    }
    put_name(&mut message, name)?;
    put_u16(&mut message, kind);
    put_u16(&mut message, IN);
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_added_and_deleted() {
        let head = |change| message(0x0102, "example.org.", "a.example.org", &["xyz"], change).unwrap();
        let zone = b"\x01\x02\x28\0\0\x01\0\0\0\x01\0\0\x07example\x03org\0\0\x06\0\x01";
        let name = b"\x01a\x07example\x03org\0\0\x10";
        let rest = |class_and_ttl: &[u8]| [&zone[..], name, class_and_ttl, b"\0\x04\x03xyz"].concat();
        assert_eq!(head(Change::Add), rest(b"\0\x01\0\0\0\x3c"));
        assert_eq!(head(Change::Remove), rest(b"\0\xfe\0\0\0\0"));
        assert_eq!(message(1, "example.org", "a.example.org", &[&"x".repeat(256)], Change::Add), None);
        assert_eq!(
            question(1, "b.example", SOA).unwrap(),
            b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01b\x07example\0\0\x06\0\x01"
        );
    }
}

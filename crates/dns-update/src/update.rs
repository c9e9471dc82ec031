//! Dynamic updates (RFC 2136): records added to names, and deleted from them.

use std::collections::BTreeSet;

use crate::{
    message::{IN, SOA, header, put_name, put_u16},
    record::Record,
};

/// The operation (RFC 2136 §1.3).
const UPDATE: u8 = 5;
/// The class that deletes one record (RFC 2136 §2.5.4).
const NONE: u16 = 254;
/// The class that deletes all records of a name and type (RFC 2136 §2.5.2).
const ANY: u16 = 255;

/// What is done with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// They are there; others of the same name and type stay.
    Add,
    /// They are there, and no others of the same name and type.
    Replace,
    /// They are not there any more; others of the same name and type stay.
    Remove,
}

/// An update of a zone. None: something in it is too long.
pub(crate) fn message(id: u16, zone: &str, records: &[Record], change: Change) -> Option<Vec<u8>> {
    let cleared: BTreeSet<(&str, u16)> = match change {
        Change::Replace => records.iter().map(|record| (&*record.name, record.data.kind())).collect(),
        Change::Add | Change::Remove => BTreeSet::new(),
    };
    let count = u16::try_from(cleared.len() + records.len()).ok()?;
    let mut message = header(id, UPDATE, [1, 0, count, 0]);
    put_name(&mut message, zone)?;
    put_u16(&mut message, SOA);
    put_u16(&mut message, IN);
    for (name, kind) in cleared {
        put_record(&mut message, name, kind, (ANY, 0), &[])?;
    }
    for Record { name, ttl, data } in records {
        // RFC 2136 §2.5.1 and §2.5.4.
        let class_and_ttl = match change {
            Change::Add | Change::Replace => (IN, *ttl),
            Change::Remove => (NONE, 0),
        };
        put_record(&mut message, name, data.kind(), class_and_ttl, &data.wire()?)?;
    }
    Some(message)
}

fn put_record(
    message: &mut Vec<u8>,
    name: &str,
    kind: u16,
    (class, ttl): (u16, u32),
    data: &[u8],
) -> Option<()> {
    put_name(message, name)?;
    put_u16(message, kind);
    put_u16(message, class);
    message.extend_from_slice(&ttl.to_be_bytes());
    put_u16(message, u16::try_from(data.len()).ok()?);
    message.extend_from_slice(data);
    Some(())
}

/// A question for the records of a kind at a name, of a server that may ask others (RFC 1035 §4.1.1: RD).
pub(crate) fn question(id: u16, name: &str, kind: u16) -> Option<Vec<u8>> {
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
    use crate::record::Data;

    #[test]
    fn records_are_added_replaced_and_deleted() {
        let record = || Record { name: "a.example.org".into(), ttl: 60, data: Data::Txt("xyz".into()) };
        let head = |change| message(0x0102, "example.org.", &[record()], change).unwrap();
        let zone = |count: u8| {
            [b"\x01\x02\x28\0\0\x01\0\0\0", &[count][..], b"\0\0\x07example\x03org\0\0\x06\0\x01"].concat()
        };
        let name = b"\x01a\x07example\x03org\0\0\x10";
        let one = |class_and_ttl: &[u8]| [&name[..], class_and_ttl, b"\0\x04\x03xyz"].concat();
        assert_eq!(head(Change::Add), [zone(1), one(b"\0\x01\0\0\0\x3c")].concat());
        assert_eq!(head(Change::Remove), [zone(1), one(b"\0\xfe\0\0\0\0")].concat());
        let cleared = [&name[..], b"\0\xff\0\0\0\0\0\0"].concat();
        assert_eq!(head(Change::Replace), [zone(2), cleared, one(b"\0\x01\0\0\0\x3c")].concat());
        let long = Record { name: "a".repeat(64), ..record() };
        assert_eq!(message(1, "example.org", &[long], Change::Add), None);
        assert_eq!(
            question(1, "b.example", SOA).unwrap(),
            b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01b\x07example\0\0\x06\0\x01"
        );
    }
}

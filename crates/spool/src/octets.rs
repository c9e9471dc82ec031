//! Reading and writing numbers and fields without a way to run past the end.

/// A cursor over octets; every read says whether there was enough.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Octets<'a>(pub(crate) &'a [u8]);

impl<'a> Octets<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[octet]| octet)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// LEB128: seven bits an octet, the least significant first.
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let octet = self.u8()?;
            value |= u64::from(octet & 0x7f).checked_shl(shift)?;
            if octet < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A field: its number and its octets.
    pub(crate) fn field(&mut self) -> Option<(u64, &'a [u8])> {
        let number = self.varint()?;
        let len = usize::try_from(self.varint()?).ok()?;
        Some((number, self.take(len)?))
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

pub(crate) fn put_field(out: &mut Vec<u8>, number: u64, octets: &[u8]) {
    put_varint(out, number);
    put_varint(out, octets.len() as u64);
    out.extend_from_slice(octets);
}

/// A field that holds one number.
pub(crate) fn put_number(out: &mut Vec<u8>, number: u64, value: u64) {
    let mut octets = Vec::with_capacity(10);
    put_varint(&mut octets, value);
    put_field(out, number, &octets);
}

/// The number that a field holds.
pub(crate) fn number(octets: &[u8]) -> Option<u64> {
    Octets(octets).varint()
}

/// The text that a field holds.
pub(crate) fn text(octets: &[u8]) -> Option<&str> {
    str::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_round_trip(value: u64) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(number(&out), Some(value));
            prop_assert_eq!(number(out.get(..out.len() - 1).unwrap()), None);
        }

        #[test]
        fn no_octets_panic(octets: Vec<u8>) {
            let mut cursor = Octets(&octets);
            while cursor.field().is_some() {}
        }
    }
}

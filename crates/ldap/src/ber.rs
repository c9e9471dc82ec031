//! The Basic Encoding Rules, as far as LDAP uses them (RFC 4511 §5.1): definite lengths, and tags of one octet.

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const ENUMERATED: u8 = 0x0A;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// What is no BER of LDAP, or is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what it sends is no LDAP")]
pub struct Malformed;

/// How long the element is that begins here, with its head; `None`: that cannot be said yet.
///
/// # Errors
/// It has no definite length, or is longer than `max`.
pub(crate) fn length(octets: &[u8], max: usize) -> Result<Option<usize>, Malformed> {
    let Some(first) = octets.get(1) else { return Ok(None) };
    let (head, content) = if first & 0x80 == 0 {
        (2, usize::from(*first))
    } else {
        let count = usize::from(first & 0x7F);
        // 0x80 is the indefinite length, which RFC 4511 §5.1 forbids.
        if !(1..=4).contains(&count) {
            return Err(Malformed);
        }
        let Some(digits) = octets.get(2..2 + count) else { return Ok(None) };
        (2 + count, digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)))
    };
    let length = head + content;
    if length > max { Err(Malformed) } else { Ok(Some(length)) }
}

/// Elements, one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tag of the next element.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element: its tag and its content.
    pub(crate) fn element(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let tag = self.peek().filter(|tag| tag & 0x1F != 0x1F).ok_or(Malformed)?;
        let length = length(self.0, self.0.len())?.ok_or(Malformed)?;
        let (element, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        let long = element.get(1).filter(|first| **first & 0x80 != 0);
        let head = 2 + long.map_or(0, |first| usize::from(first & 0x7F));
        Ok((tag, element.get(head..).ok_or(Malformed)?))
    }

    /// The content of the next element, which has this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.element()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(Malformed),
        }
    }

    /// What is in the next element, which has this tag.
    pub(crate) fn within(&mut self, tag: u8) -> Result<Self, Malformed> {
        self.expect(tag).map(Self)
    }

    /// A number that is not negative.
    pub(crate) fn number(&mut self, tag: u8) -> Result<u32, Malformed> {
        let content = self.expect(tag)?;
        let negative = content.first().is_none_or(|first| first & 0x80 != 0);
        let digits = content.strip_prefix(&[0]).unwrap_or(content);
        if negative || digits.len() > 4 {
            return Err(Malformed);
        }
        Ok(digits.iter().fold(0, |number, digit| number << 8 | u32::from(*digit)))
    }

    /// A text. Octets that are no UTF-8 are shown as such.
    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        self.expect(OCTETS).map(|octets| String::from_utf8_lossy(octets).into_owned())
    }
}

/// Writes an element.
pub(crate) fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    if let Ok(length @ 0..=0x7F) = u8::try_from(content.len()) {
        out.push(length);
    } else {
        let digits = content.len().to_be_bytes();
        let from = digits.iter().position(|digit| *digit != 0).unwrap_or(digits.len());
        let digits = digits.get(from..).unwrap_or_default();
        out.push(0x80 | u8::try_from(digits.len()).unwrap_or(0x7F));
        out.extend_from_slice(digits);
    }
    out.extend_from_slice(content);
}

/// Writes an element that has others in it.
pub(crate) fn put_within(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let mut content = Vec::new();
    write(&mut content);
    put(out, tag, &content);
}

/// Writes a number.
pub(crate) fn put_number(out: &mut Vec<u8>, tag: u8, number: u32) {
    let digits = number.to_be_bytes();
    let from = digits.iter().position(|digit| *digit != 0).unwrap_or(digits.len() - 1);
    let digits = digits.get(from..).unwrap_or_default();
    // In two's complement the first bit is the sign.
    let sign = digits.first().is_some_and(|first| first & 0x80 != 0);
    let content: Vec<u8> = sign.then_some(0).into_iter().chain(digits.iter().copied()).collect();
    put(out, tag, &content);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_definite_lengths_within_the_bound_are_read() {
        assert_eq!(length(&[0x30], 100), Ok(None));
        assert_eq!(length(&[0x30, 5], 100), Ok(Some(7)));
        assert_eq!(length(&[0x30, 0x82, 1], 1000), Ok(None));
        assert_eq!(length(&[0x30, 0x82, 1, 0], 1000), Ok(Some(260)));
        for wrong in [&[0x30, 0x80][..], &[0x30, 0x82, 1, 0], &[0x30, 0x85, 0, 0, 0, 0, 1], &[0x30, 0xFF]] {
            assert_eq!(length(wrong, 100), Err(Malformed), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_cut_off_or_of_another_kind_is_malformed() {
        for wrong in [&[][..], &[OCTETS], &[OCTETS, 2, 1], &[OCTETS, 0x81], &[INTEGER, 1, 1], &[0x1F, 1, 1]] {
            assert!(Reader::new(wrong).expect(OCTETS).is_err(), "{wrong:?}");
        }
        for wrong in [&[INTEGER, 0][..], &[INTEGER, 1, 0x80], &[INTEGER, 6, 0, 1, 1, 1, 1, 1]] {
            assert!(Reader::new(wrong).number(INTEGER).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number: u32, text in "\\PC{0,400}") {
            let mut out = Vec::new();
            put_within(&mut out, SEQUENCE, |out| {
                put_number(out, INTEGER, number);
                put(out, OCTETS, text.as_bytes());
            });
            prop_assert_eq!(length(&out, out.len()), Ok(Some(out.len())));
            let mut reader = Reader::new(&out).within(SEQUENCE).unwrap();
            prop_assert_eq!(reader.number(INTEGER).unwrap(), number);
            prop_assert_eq!(reader.text().unwrap(), text);
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn nothing_makes_it_panic(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&octets);
            while reader.element().is_ok() {}
        }
    }
}

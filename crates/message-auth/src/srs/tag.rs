//! Tags that only we can make: a keyed digest of what they vouch for, short enough for an address.

use std::{fmt, sync::Arc};

use aws_lc_rs::{constant_time, hmac};

/// RFC 4648 §6, without padding: letters of one case and digits, for hosts on the way may change the case of a local part.
const BASE32: [char; 32] = [
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U',
    'V', 'W', 'X', 'Y', 'Z', '2', '3', '4', '5', '6', '7',
];

/// What a tag is for: one kind is worth nothing as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An address that mail was sent on for.
    Srs0,
    /// An address of another who sent it on before us.
    Srs1,
    /// The name of an address that is kept.
    Kept,
    /// A reverse-path of our own.
    Prvs,
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Srs0 => "srs0",
            Self::Srs1 => "srs1",
            Self::Kept => "kept",
            Self::Prvs => "prvs",
        }
    }
}

/// Secrets: the first makes tags, all of them are believed. Clones are the same.
#[derive(Clone)]
pub(super) struct Keys(Arc<[hmac::Key]>);

/// Without the secrets.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    /// None without a secret.
    pub(super) fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Option<Self> {
        let key = |secret: S| hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref());
        let keys: Arc<[hmac::Key]> = secrets.into_iter().map(key).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// A tag by the first secret, of so many letters of base 32.
    pub(super) fn base32(&self, purpose: Purpose, text: &str, letters: usize) -> String {
        self.0.first().map(|key| base32(digest(key, purpose, text).as_ref(), letters)).unwrap_or_default()
    }

    /// The same, of so many hexadecimal digits.
    pub(super) fn hex(&self, purpose: Purpose, text: &str, digits: usize) -> String {
        self.0.first().map(|key| hex(digest(key, purpose, text).as_ref(), digits)).unwrap_or_default()
    }

    /// Whether one of the secrets makes this tag, in any case.
    pub(super) fn believes_base32(&self, purpose: Purpose, text: &str, tag: &str) -> bool {
        self.believes(tag, |key| base32(digest(key, purpose, text).as_ref(), tag.len()))
    }

    /// The same of hexadecimal digits.
    pub(super) fn believes_hex(&self, purpose: Purpose, text: &str, tag: &str) -> bool {
        self.believes(tag, |key| hex(digest(key, purpose, text).as_ref(), tag.len()))
    }

    fn believes(&self, tag: &str, made: impl Fn(&hmac::Key) -> String) -> bool {
        let tag = tag.to_ascii_uppercase();
        let same = |key| constant_time::verify_slices_are_equal(made(key).as_bytes(), tag.as_bytes()).is_ok();
        self.0.iter().fold(false, |found, key| found | same(key))
    }
}

/// Case is no part of what is vouched for.
fn digest(key: &hmac::Key, purpose: Purpose, text: &str) -> hmac::Tag {
    hmac::sign(key, format!("{}\0{}", purpose.word(), text.to_ascii_lowercase()).as_bytes())
}

fn base32(octets: &[u8], letters: usize) -> String {
    let bits = octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1));
    let bits: Vec<u8> = bits.collect();
    let number = |five: &[u8]| five.iter().fold(0_usize, |number, bit| number << 1 | usize::from(*bit));
    let letter = |five: &[u8]| BASE32.get(number(five)).copied();
    bits.chunks_exact(5).take(letters).filter_map(letter).collect()
}

fn hex(octets: &[u8], digits: usize) -> String {
    let halves = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]).take(digits);
    halves
        .filter_map(|half| char::from_digit(half.into(), 16))
        .map(|digit| digit.to_ascii_uppercase())
        .collect()
}

/// A number below 1024 as two letters of base 32, as days are written in an address.
pub(super) fn two_letters(number: u16) -> String {
    let letter = |bits: u16| BASE32.get(usize::from(bits & 31)).copied();
    [letter(number >> 5), letter(number)].into_iter().flatten().collect()
}

/// The number that two letters stand for, in any case.
pub(super) fn from_two_letters(text: &str) -> Option<u16> {
    let value = |letter: char| {
        let place = BASE32.iter().position(|known| known.eq_ignore_ascii_case(&letter))?;
        u16::try_from(place).ok()
    };
    let mut letters = text.chars();
    match (letters.next().and_then(value), letters.next().and_then(value), letters.next()) {
        (Some(high), Some(low), None) => Some(high << 5 | low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_those_of_rfc_4648() {
        assert_eq!(base32(b"foobar", 9), "MZXW6YTBO");
        assert_eq!(base32(b"", 8), "");
        for number in 0..1024 {
            assert_eq!(from_two_letters(&two_letters(number).to_ascii_lowercase()), Some(number));
        }
        for bad in ["", "A", "AAA", "A1", "=A", "é"] {
            assert_eq!(from_two_letters(bad), None, "{bad}");
        }
    }

    #[test]
    fn no_secret_is_none() {
        assert!(Keys::new::<&[u8]>([]).is_none());
    }
}

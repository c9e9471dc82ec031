//! SASLprep (RFC 4013): the one form in which names and passwords are compared, whatever keyboard they came from.
//!
//! A profile of stringprep (RFC 3454), which PLAIN (RFC 4616 §2) and SCRAM (RFC 5802 §2.2) name. RFC 8265 has a successor, which
//! differs only in rare characters; two peers agree only if both do the same, so this is what the mechanisms say.
//! Strings are taken as queries (RFC 3454 §7): characters younger than the tables are allowed. Normalisation and the direction of
//! characters are Unicode's of today; for all that Unicode 3.2 had assigned they are the same.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{CodePointMapData, props::BidiClass};

/// A text has a character that may not be in a name or password, or mixes directions in a way that may not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prohibited;

/// The prepared form of a text.
///
/// # Errors
/// It has none.
pub fn saslprep(text: &str) -> Result<Cow<'_, str>, Prohibited> {
    // Nearly all are like this, and nothing is to be done.
    if text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        return Ok(Cow::Borrowed(text));
    }
    let mapped: String = text.chars().filter_map(mapped).collect();
    let prepared = ComposingNormalizerBorrowed::new_nfkc().normalize(&mapped).into_owned();
    if prepared.chars().any(is_prohibited) || !is_directed(&prepared) {
        return Err(Prohibited);
    }
    Ok(Cow::Owned(prepared))
}

/// RFC 4013 §2.1: spaces become a space (RFC 3454 C.1.2), and what is commonly mapped to nothing (B.1) vanishes.
fn mapped(character: char) -> Option<char> {
    match character {
        // U+200B is in both tables; a space is what RFC 4013 §2.1 names first.
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Some(' '),
        '\u{ad}'
        | '\u{34f}'
        | '\u{1806}'
        | '\u{180b}'..='\u{180d}'
        | '\u{200c}'
        | '\u{200d}'
        | '\u{2060}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' => None,
        other => Some(other),
    }
}

/// RFC 4013 §2.3: tables C.1.2 to C.9 of RFC 3454, each range with its last. C.5, surrogates, no `char` can be.
const PROHIBITED: [(u32, u32); 29] = [
    // C.1.2: other spaces.
    (0xa0, 0xa0),
    (0x1680, 0x1680),
    (0x2000, 0x200b),
    (0x202f, 0x202f),
    (0x205f, 0x205f),
    (0x3000, 0x3000),
    // C.2.1, C.2.2: controls.
    (0, 0x1f),
    (0x7f, 0x9f),
    (0x6dd, 0x6dd),
    (0x70f, 0x70f),
    (0x180e, 0x180e),
    (0x200c, 0x200d),
    (0x2028, 0x2029),
    (0x2060, 0x2063),
    (0x206a, 0x206f),
    (0xfeff, 0xfeff),
    (0xfff9, 0xfffc),
    (0x1_d173, 0x1_d17a),
    // C.3: private use.
    (0xe000, 0xf8ff),
    (0xf_0000, 0xf_fffd),
    (0x10_0000, 0x10_fffd),
    // C.4: no characters; the last two of each plane are seen below.
    (0xfdd0, 0xfdef),
    // C.6: not for plain text.
    (0xfffd, 0xfffd),
    // C.7: not for canonical forms.
    (0x2ff0, 0x2ffb),
    // C.8: changes of display, and deprecated.
    (0x340, 0x341),
    (0x200e, 0x200f),
    (0x202a, 0x202e),
    // C.9: tags.
    (0xe_0001, 0xe_0001),
    (0xe_0020, 0xe_007f),
];

fn is_prohibited(character: char) -> bool {
    let code = u32::from(character);
    code & 0xfffe == 0xfffe || PROHIBITED.iter().any(|(first, last)| (*first..=*last).contains(&code))
}

/// RFC 3454 §6: with a character from right to left there is none from left to right, and such a one is first and last.
fn is_directed(text: &str) -> bool {
    let classes = CodePointMapData::<BidiClass>::new();
    let is_right_to_left =
        |character: char| matches!(classes.get(character), BidiClass::RightToLeft | BidiClass::ArabicLetter);
    if !text.chars().any(is_right_to_left) {
        return true;
    }
    let mixed = text.chars().any(|character| classes.get(character) == BidiClass::LeftToRight);
    let ends = [text.chars().next(), text.chars().next_back()];
    !mixed && ends.into_iter().flatten().all(is_right_to_left)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_standard() {
        for (text, prepared) in [
            ("I\u{ad}X", Ok("IX")),
            ("user", Ok("user")),
            ("USER", Ok("USER")),
            ("\u{aa}", Ok("a")),
            ("\u{2168}", Ok("IX")),
            ("\u{7}", Err(Prohibited)),
            ("\u{627}1", Err(Prohibited)),
        ] {
            assert_eq!(saslprep(text).as_deref(), prepared.as_ref().map(|text| *text), "{text:?}");
        }
    }

    #[test]
    fn the_same_word_from_two_keyboards_is_the_same() {
        assert_eq!(saslprep("u\u{308}"), saslprep("\u{fc}"));
        assert_eq!(saslprep("a\u{a0}b").as_deref(), Ok("a b"));
        assert_eq!(saslprep("\u{627}\u{628}\u{627}").as_deref(), Ok("\u{627}\u{628}\u{627}"));
        for odd in ["a\0", "\u{627}a\u{627}", "\u{e000}", "\u{fffd}", "\u{1fffe}", "\u{202e}x", "a\r\n"] {
            assert_eq!(saslprep(odd), Err(Prohibited), "{odd:?}");
        }
    }

    proptest! {
        /// Another implementation of the same standard, with the tables of its time.
        #[test]
        fn it_is_what_another_implementation_says(text in "[ -~\u{80}-\u{24f}\u{384}-\u{4ff}\u{5d0}-\u{5ea}\u{2000}-\u{206f}\u{3000}-\u{30ff}\u{fb00}-\u{fb06}]{0,8}") {
            match (saslprep(&text), stringprep::saslprep(&text)) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
                (Err(Prohibited), Err(_)) => {}
                // It refuses what Unicode 3.2 had not assigned, as for stored strings.
                (Ok(_), Err(_)) if text.chars().any(stringprep::tables::unassigned_code_point) => {}
                (ours, theirs) => prop_assert!(false, "{text:?}: {ours:?} and {theirs:?}"),
            }
        }

        #[test]
        fn prepared_twice_is_prepared_once(text in "\\PC{0,12}") {
            if let Ok(once) = saslprep(&text) {
                prop_assert_eq!(saslprep(&once), Ok(Cow::Borrowed(&*once)));
            }
        }
    }
}

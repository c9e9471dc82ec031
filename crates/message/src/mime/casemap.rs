//! The comparator `i;unicode-casemap` (RFC 5051): texts that differ in case, or in how their characters are composed, are the same.

use std::iter;

use icu_normalizer::DecomposingNormalizerBorrowed;

/// Compatibility decomposition, all the way.
const DECOMPOSE: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();

/// A text in the form in which it is compared, octet by octet (RFC 5051 §2): each character by its capital, and decomposed. Each is taken by itself, so
/// pieces of a text can be folded by themselves; marks are not put into another order.
///
/// What comes out of a decomposition has its capitals too, so that what is folded stays as it is: the `ﬁ` of old typesetters is `FI`.
pub fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            _ if character.is_ascii() => folded.push(character.to_ascii_uppercase()),
            // Most of what is written in Chinese: neither case nor parts.
            '\u{4e00}'..='\u{9fff}' => folded.push(character),
            _ => folded.extend(DECOMPOSE.normalize_iter(iter::once(capital(character))).map(capital)),
        }
    }
    folded
}

/// The capital of a letter, where that is one character: the mapping of single characters is meant, by which `ß` has none.
fn capital(character: char) -> char {
    let mut capitals = character.to_uppercase();
    match (capitals.next(), capitals.next()) {
        (Some(capital), None) => capital,
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_make_no_difference() {
        for (one, other) in [
            ("Grüße", "GRU\u{308}ßE"),
            ("café", "CAFE\u{301}"),
            ("привет", "ПРИВЕТ"),
            ("σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("ﬁsh", "FISH"),
            ("\u{212a}elvin", "kelvin"),
            ("Ǆ", "ǆ"),
            ("a\u{a0}b", "A B"),
            ("한글", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"),
            ("ı", "I"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        for (one, other) in [("ß", "SS"), ("a", "á"), ("İ", "I"), ("漢", "汉")] {
            assert_ne!(folded(one), folded(other), "{one} {other}");
        }
        assert!(folded("Café").contains(&folded("cafe")));
    }

    #[test]
    fn what_is_folded_stays_and_pieces_are_folded_by_themselves() {
        for character in ('\u{0}'..='\u{2ffff}').filter(|character| character.is_alphanumeric()) {
            let once = folded(&character.to_string());
            assert_eq!(folded(&once), once, "{character} U+{:04X}", u32::from(character));
        }
        let text = "Ein Grüß\u{308}e ﬁ 한";
        for (at, _) in text.char_indices() {
            let (before, behind) = text.split_at(at);
            assert_eq!(folded(before) + &folded(behind), folded(text));
        }
    }
}

//! Text with `*` for any text, in any case. Matching takes time linear in the text.

use std::fmt;

/// A pattern such as `*lottery*`. It is kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glob {
    /// What stands between the stars; never none.
    parts: Vec<Box<str>>,
}

impl Glob {
    /// Any text is a pattern.
    pub fn new(text: &str) -> Self {
        Self { parts: text.to_lowercase().split('*').map(Into::into).collect() }
    }

    /// Whether it is about this text, which is in lower case: all of it, not a part.
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.parts.split_first() else { return false };
        let Some((last, middle)) = rest.split_last() else { return text == &**first };
        let between = text.strip_prefix(&**first).and_then(|text| text.strip_suffix(&**last));
        // What comes first in the pattern may be taken where it comes first in the text: whatever follows has then
        // the most room.
        let after = |text: &str, part: &str| text.find(part).map(|at| at + part.len());
        let found = between
            .and_then(|between| middle.iter().try_fold(between, |text, part| text.get(after(text, part)?..)));
        found.is_some()
    }

    /// The only text that it is about, in lower case; none if there are others.
    pub fn sole(&self) -> Option<&str> {
        let [only] = &self.parts[..] else { return None };
        Some(only)
    }

    /// Whether it is about every text that `other` is about.
    pub fn covers(&self, other: &Self) -> bool {
        // A letter that we do not have stands for whatever the stars of the other stand for: only a star of ours can take it.
        let mut letters = '\0'..=char::MAX;
        let strange = letters.find(|letter| self.parts.iter().all(|part| !part.contains(*letter)));
        strange.is_some_and(|letter| self.matches(&other.parts.join(letter.encode_utf8(&mut [0; 4]))))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.join("*"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (pattern, text, matches) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("YES", "yes", true),
            ("yes", "yes, score", false),
            ("yes*", "yes, score", true),
            ("*lottery*", "you won the lottery", true),
            ("*lottery*", "lottery", true),
            ("*lottery*", "lotto", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*ab*ab*", "abab", true),
            ("*ab*ab*", "ab", false),
            ("**", "x", true),
            ("ÄRGER*", "ärgerlich", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn a_wide_pattern_covers_a_narrow_one() {
        for (wide, narrow, covers) in [
            ("*", "", true),
            ("*", "*", true),
            ("a*", "ab*", true),
            ("ab*", "a*", false),
            ("*b*", "a*b", true),
            ("*b*", "a*c", false),
            ("a", "a", true),
            ("a", "*", false),
            ("*a*a*", "*aa*", true),
            ("*aa*", "*a*a*", false),
            ("\0", "*", false),
            ("\0*", "\0*", true),
        ] {
            assert_eq!(Glob::new(wide).covers(&Glob::new(narrow)), covers, "{wide} {narrow}");
        }
    }

    /// With backtracking this would not end.
    #[test]
    fn a_text_made_to_be_slow_is_not() {
        let pattern = Glob::new(&format!("{}*b*", "*a".repeat(1000)));
        assert!(!pattern.matches(&"a".repeat(1_000_000)));
    }

    /// The definition, in exponential time.
    fn by_trying(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|at| by_trying(rest, &text[at..])),
            Some((octet, rest)) => text.first() == Some(octet) && by_trying(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn it_matches_as_defined(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(Glob::new(&pattern).matches(&text), by_trying(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn what_is_covered_matches(wide in "[ab*]{0,5}", narrow in "[ab*]{0,5}", text in "[ab]{0,7}") {
            let (wide, narrow) = (Glob::new(&wide), Glob::new(&narrow));
            prop_assert!(!wide.covers(&narrow) || !narrow.matches(&text) || wide.matches(&text));
        }
    }
}

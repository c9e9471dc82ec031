//! Writing header fields: names and texts that cannot break out of their field, and folding.

use std::{borrow::Cow, fmt};

/// Lines are folded before this many octets, where there is white space (RFC 5322 §2.1.1).
const LINE_OCTETS_WANTED: usize = 78;
/// No line is longer than this (RFC 5322 §2.1.1), CRLF not counted.
pub(crate) const LINE_OCTETS_MAX: usize = 998;
/// A longer word is broken: it has to fit a line behind the longest name.
const WORD_OCTETS_MAX: usize = 900;

/// The name of a header field: `1*ftext` (RFC 5322 §3.6.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldName<'a>(&'a str);

impl<'a> FieldName<'a> {
    /// `None`: no such name can be.
    pub const fn new(name: &'a str) -> Option<Self> {
        let mut rest = name.as_bytes();
        while let [first, others @ ..] = rest {
            if *first <= b' ' || *first > b'~' || *first == b':' {
                return None;
            }
            rest = others;
        }
        if name.is_empty() || name.len() > 76 { None } else { Some(Self(name)) }
    }

    /// The name.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

/// Text for the value of a header field: one line without CR, LF, NUL or any other control but the tab. Header
/// injection ends here, because [`FieldWriter`] takes nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldText<'a>(Cow<'a, str>);

impl<'a> FieldText<'a> {
    /// Refuses text with controls: for what somebody sent us to be put into a field.
    pub fn new(text: &'a str) -> Option<Self> {
        (!text.contains(forbidden)).then_some(Self(Cow::Borrowed(text)))
    }

    /// Turns each control into `?`: for what must be told whatever it is, such as a peer's words.
    pub fn neutralised(text: &'a str) -> Self {
        // Nearly all text is plain, and that is told without taking it apart into characters.
        let is_plain = text.bytes().all(|octet| matches!(octet, b' '..=b'~'));
        if !is_plain && text.contains(forbidden) {
            Self(Cow::Owned(text.replace(forbidden, "?")))
        } else {
            Self(Cow::Borrowed(text))
        }
    }

    /// As [`FieldText::neutralised`], and what is not ASCII becomes `?` too: for fields that have no UTF-8 form.
    pub fn ascii(text: &'a str) -> Self {
        let other = |c: char| !c.is_ascii() || forbidden(c);
        if text.contains(other) {
            Self(Cow::Owned(text.replace(other, "?")))
        } else {
            Self(Cow::Borrowed(text))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// U+2028 and U+2029 end no line in mail, but do in some of the programs that read logs of it.
fn forbidden(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Begins a field whose name is one of ours.
pub(crate) fn begin<'a>(out: &'a mut Vec<u8>, name: &'static str) -> FieldWriter<'a> {
    FieldWriter::new(out, FieldName(name))
}

/// Writes one header field and folds it.
#[derive(Debug)]
pub struct FieldWriter<'a> {
    out: &'a mut Vec<u8>,
    column: usize,
    /// Nothing but the name is there yet.
    empty: bool,
}

impl<'a> FieldWriter<'a> {
    /// Begins a field: `Name:`.
    pub fn new(out: &'a mut Vec<u8>, name: FieldName<'_>) -> Self {
        out.extend_from_slice(name.0.as_bytes());
        out.push(b':');
        let column = name.0.len() + 1;
        Self { out, column, empty: true }
    }

    /// Writes words, each after a space, or on a line of its own where the line would get too long. A word that is
    /// longer than any line may be is broken.
    #[must_use]
    pub fn words(mut self, text: &FieldText<'_>) -> Self {
        for word in text.0.split([' ', '\t']).filter(|word| !word.is_empty()) {
            self.word(word);
        }
        self
    }

    /// Writes a text as one word, spaces included: it is not folded inside.
    #[must_use]
    pub fn unbroken(mut self, text: &FieldText<'_>) -> Self {
        self.word(&text.0);
        self
    }

    /// Goes on in a new line, if this is not one already.
    #[must_use]
    pub fn fold(mut self) -> Self {
        // The next word sees a full line.
        self.column = self.column.max(LINE_OCTETS_WANTED);
        self
    }

    /// Appends to the last word.
    #[must_use]
    pub(crate) fn then(self, text: &'static str) -> Self {
        self.out.extend_from_slice(text.as_bytes());
        Self { column: self.column + text.len(), ..self }
    }

    /// Ends the field.
    pub fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }

    fn word(&mut self, word: &str) {
        let mut rest = word;
        while !rest.is_empty() {
            // Not before the first word: a first line without a value is legal and misread by many. The name and the
            // longest word fit one line.
            if !self.empty && self.column + 1 + rest.len() > LINE_OCTETS_WANTED {
                self.out.extend_from_slice(b"\r\n");
                self.column = 0;
            }
            let (part, others) = rest.split_at(rest.floor_char_boundary(WORD_OCTETS_MAX));
            self.out.push(b' ');
            self.out.extend_from_slice(part.as_bytes());
            self.column += 1 + part.len();
            self.empty = false;
            rest = others;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::HeaderSection;

    fn field(name: &str, text: &str) -> String {
        let mut out = Vec::new();
        FieldWriter::new(&mut out, FieldName::new(name).unwrap()).words(&FieldText::neutralised(text)).end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_long_value_is_folded_at_white_space() {
        let text = ["word"; 20].join(" ");
        let lines = ["word"; 14].join(" ");
        assert_eq!(field("Subject", &text), format!("Subject: {lines}\r\n {}\r\n", ["word"; 6].join(" ")));
        assert_eq!(field("A", "one  two\tthree"), "A: one two three\r\n");
    }

    #[test]
    fn a_word_longer_than_a_line_is_broken() {
        let written = field("X", &"é".repeat(1000));
        assert!(written.split("\r\n").all(|line| line.len() <= LINE_OCTETS_MAX));
        assert_eq!(written.matches('é').count(), 1000);
    }

    #[test]
    fn text_with_controls_is_refused_or_neutralised() {
        for text in ["a\r\nBcc: b", "a\nb", "a\rb", "a\0b", "a\u{85}b", "a\u{2028}b", "a\u{1b}[2J"] {
            assert_eq!(FieldText::new(text), None, "{text:?}");
            let neutral = FieldText::neutralised(text);
            assert!(FieldText::new(neutral.as_str()).is_some() && neutral.as_str().contains('?'));
        }
        assert!(FieldText::new("plain é\ttext").is_some());
        assert_eq!(FieldText::ascii("é\r").as_str(), "??");
    }

    #[test]
    fn only_field_names_name_fields() {
        for (name, good) in
            [("X-A", true), ("", false), ("A B", false), ("A:", false), ("A\r\nB", false), ("É", false)]
        {
            assert_eq!(FieldName::new(name).is_some(), good, "{name:?}");
        }
        assert!(FieldName::new(&"a".repeat(77)).is_none());
    }

    proptest! {
        #[test]
        fn a_written_field_reads_back_as_one(text in "\\PC{0,2000}|.{0,100}") {
            let written = field("X-Test", &text);
            let section = HeaderSection::read(written.as_bytes());
            prop_assert_eq!(section.octets().len(), written.len());
            prop_assert_eq!(section.fields().count(), 1);
            prop_assert!(written.split("\r\n").all(|line| line.len() <= LINE_OCTETS_MAX));
        }
    }
}

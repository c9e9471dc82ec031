//! Documents that are written, and the little of one that is read.

use std::borrow::Cow;

use quick_xml::{
    Reader, Writer,
    escape::unescape,
    events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event},
};

/// A document that grows.
pub(crate) struct Document {
    writer: Writer<Vec<u8>>,
    open: Vec<&'static str>,
}

impl Document {
    pub(crate) fn new() -> Self {
        let mut document = Self { writer: Writer::new_with_indent(Vec::new(), b' ', 2), open: Vec::new() };
        document.write(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)));
        document
    }

    /// What kind of document it is.
    pub(crate) fn doctype(&mut self, text: &str) {
        self.write(Event::DocType(BytesText::from_escaped(text)));
    }

    /// Opens an element, with attributes.
    pub(crate) fn open(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.write(Event::Start(BytesStart::new(name).with_attributes(attributes.iter().copied())));
        self.open.push(name);
    }

    /// Closes the element that was opened last.
    pub(crate) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.write(Event::End(BytesEnd::new(name)));
        }
    }

    /// An element with a text. Characters that XML 1.0 §2.2 has no place for are left out.
    pub(crate) fn element(&mut self, name: &'static str, value: &str) {
        let value: String = value.chars().filter(|character| !character.is_control()).collect();
        self.write(Event::Start(BytesStart::new(name)));
        self.write(Event::Text(BytesText::new(&value)));
        self.write(Event::End(BytesEnd::new(name)));
    }

    /// An element without anything in it.
    pub(crate) fn empty(&mut self, name: &'static str) {
        self.write(Event::Empty(BytesStart::new(name)));
    }

    /// The document, with all that is open closed.
    pub(crate) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        let mut text = String::from_utf8(self.writer.into_inner()).unwrap_or_default();
        text.push('\n');
        text
    }

    fn write(&mut self, event: Event<'_>) {
        // Writing to a vector cannot fail.
        let _ = self.writer.write_event(event);
    }
}

/// The text of the first element of that name, whatever prefix it has; none if the document is none up to there. One that declares a type of its own
/// is none either: nothing that asks here has one, and what entities it declares, or where, is never read.
pub(crate) fn text_of(document: &str, name: &str) -> Option<String> {
    let mut reader = Reader::from_str(document);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) if start.local_name().as_ref() == name => {
                let text = reader.read_text(start.name()).ok()?;
                return unescape(text.trim()).ok().map(Cow::into_owned);
            }
            Event::DocType(_) | Event::Eof => return None,
            _ => {}
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn grow(last: &mut Option<(String, String)>, text: &str) {
        if let Some((_, so_far)) = last {
            so_far.push_str(text);
        }
    }

    /// All elements that have a text, as `name=text`.
    pub(crate) fn leaves(document: &str) -> Vec<String> {
        let (mut reader, mut leaves, mut last) = (Reader::from_str(document), Vec::new(), None);
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) => last = Some((start.name().as_ref().to_owned(), String::new())),
                Event::Text(text) => grow(&mut last, &text),
                Event::GeneralRef(name) => grow(&mut last, &unescape(&format!("&{};", &*name)).unwrap()),
                Event::End(_) => leaves.extend(last.take().map(|(name, text)| format!("{name}={text}"))),
                Event::Eof => return leaves,
                _ => {}
            }
        }
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let mut document = Document::new();
        document.open("a", &[("b", "\"<&>\"")]);
        document.element("c", "1 < 2 & \u{7}\"3\"");
        document.empty("d");
        let text = document.finish();
        assert_eq!(text_of(&text, "c").as_deref(), Some("1 < 2 & \"3\""));
        assert!(
            text.contains("<a b=\"&quot;&lt;&amp;&gt;&quot;\">") && text.ends_with("<d/>\n</a>\n"),
            "{text}"
        );
    }

    #[test]
    fn an_element_is_found_by_its_name() {
        for (document, expected) in [
            ("<a><mail>x@y</mail></a>", Some("x@y")),
            ("<a><p:mail q='1'> x&amp;y\n</p:mail></a>", Some("x&y")),
            ("<mail/><mail>z</mail>", Some("z")),
            ("<mails>z</mails>", None),
            ("<mail>z", None),
            ("mail>z</mail", None),
            ("<!DOCTYPE a><mail>z</mail>", None),
            ("<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><mail>&b;</mail>", None),
            ("<mail>&b;</mail>", None),
            ("<mail>a<b>c</b></mail>", Some("a<b>c</b>")),
            ("", None),
        ] {
            assert_eq!(text_of(document, "mail").as_deref(), expected, "{document}");
        }
    }
}

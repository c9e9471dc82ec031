//! The text of a part in UTF-8, and the beginning of it for a preview (RFC 8970).

use super::{BodyDecoder, Content, Message, Part, TextDecoder, html::Html};

/// The most characters of a preview. RFC 8970 §3.1: they should not be more than 200, and must not be more than 256.
pub const PREVIEW_CHARACTERS_MAX: usize = 200;
/// After so many octets of a body it is given up to find more text for a preview: a style sheet may be all there is.
const PREVIEW_OCTETS_READ_MAX: u64 = 1 << 20;

/// Makes text of the body of a part: its transfer encoding and its charset undone. What cannot be read becomes U+FFFD.
#[derive(Debug)]
pub struct PartText {
    body: BodyDecoder,
    text: TextDecoder,
    octets: Vec<u8>,
}

impl PartText {
    /// For this part.
    pub fn of(part: &Part) -> Self {
        let charset = part.parameter("charset").unwrap_or_default();
        Self {
            body: BodyDecoder::new(part.transfer_encoding()),
            text: TextDecoder::new(charset.as_bytes()),
            octets: Vec::new(),
        }
    }

    /// Appends to `out` what octets of the body mean.
    pub fn push(&mut self, octets: &[u8], out: &mut String) {
        self.octets.clear();
        self.body.push(octets, &mut self.octets);
        self.text.push(&self.octets, out);
    }

    /// Ends the body.
    pub fn finish(mut self, out: &mut String) {
        self.octets.clear();
        self.body.finish(&mut self.octets);
        self.text.push(&self.octets, out);
        self.text.finish(out);
    }
}

impl Message {
    /// The part that a preview is made of: the first text/plain, or else the first text/html, or any text; attachments only if
    /// there is nothing else.
    pub fn preview_part(&self) -> Option<&Part> {
        let rank = |part: &&Part| {
            let attached = part
                .disposition()
                .is_some_and(|disposition| disposition.kind.eq_ignore_ascii_case(b"attachment"));
            let kind = match () {
                () if part.is("text", "plain") => 0,
                () if part.is("text", "html") => 1,
                () => 2,
            };
            (attached, kind)
        };
        self.leaves()
            .filter(|part| part.is_text() && matches!(part.content, Content::Single) && part.body.octets > 0)
            .min_by_key(rank)
    }
}

/// Makes a preview of the text of a part.
#[derive(Debug)]
pub struct Preview {
    text: PartText,
    html: Option<Html>,
    decoded: String,
    shown: String,
    characters: usize,
    /// White space comes before the next character.
    space: bool,
    read: u64,
}

impl Preview {
    /// For this part.
    pub fn of(part: &Part) -> Self {
        Self {
            text: PartText::of(part),
            html: part.is("text", "html").then(Html::default),
            decoded: String::new(),
            shown: String::new(),
            characters: 0,
            space: false,
            read: 0,
        }
    }

    /// Takes octets of the body. Whether more of them could change the preview.
    pub fn push(&mut self, octets: &[u8]) -> bool {
        self.read += octets.len() as u64;
        let mut decoded = std::mem::take(&mut self.decoded);
        self.text.push(octets, &mut decoded);
        self.take(&decoded);
        decoded.clear();
        self.decoded = decoded;
        self.characters < PREVIEW_CHARACTERS_MAX && self.read < PREVIEW_OCTETS_READ_MAX
    }

    /// The preview: white space is single spaces, and controls are none of it.
    pub fn finish(mut self) -> String {
        let mut decoded = String::new();
        let text = std::mem::replace(&mut self.text, PartText::of(&Part::default()));
        text.finish(&mut decoded);
        self.take(&decoded);
        self.shown
    }

    fn take(&mut self, decoded: &str) {
        match self.html.take() {
            None => decoded.chars().for_each(|c| self.put(c)),
            Some(mut html) => {
                for c in decoded.chars() {
                    html.push(c, &mut |c| self.put(c));
                }
                self.html = Some(html);
            }
        }
    }

    fn put(&mut self, c: char) {
        if c.is_whitespace() || c == '\u{feff}' || c == '\u{200b}' {
            self.space = true;
        } else if !c.is_control() && self.characters < PREVIEW_CHARACTERS_MAX {
            if std::mem::take(&mut self.space) && self.characters > 0 {
                self.shown.push(' ');
                self.characters += 1;
            }
            if self.characters < PREVIEW_CHARACTERS_MAX {
                self.shown.push(c);
                self.characters += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview(content: &[u8], size: usize) -> Option<String> {
        let message = Message::parse(content);
        let part = message.preview_part()?;
        let body = &content[usize::try_from(part.body.at).unwrap()..];
        let body = &body[..usize::try_from(part.body.octets).unwrap()];
        let mut preview = Preview::of(part);
        body.chunks(size).all(|piece| preview.push(piece));
        Some(preview.finish())
    }

    #[test]
    fn a_preview_is_the_first_text() {
        for (content, text) in [
            ("\r\n  Hello,\r\n\r\n\tworld \r\n", Some("Hello, world")),
            ("\r\n", None),
            ("Content-Type: image/png\r\n\r\nx", None),
            (
                "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe=\r\n!\r\n",
                Some("Grüße!"),
            ),
            (
                "Content-Type: text/html\r\n\r\n<html><head><title>t</title><style>p {}</style></head><body><p>One &amp; &#50;&nbsp;<b>th</b>ree<br>four<!-- no > --> &unknown; 1 < 2</body>",
                Some("One & 2 three four &unknown; 1 < 2"),
            ),
            (
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\nhtml\r\n--b\r\nContent-Disposition: attachment\r\n\r\nattached\r\n--b\r\n\r\nplain\r\n--b--\r\n",
                Some("plain"),
            ),
        ] {
            for size in [1, 7, 1000] {
                assert_eq!(preview(content.as_bytes(), size).as_deref(), text, "{content}");
            }
        }
    }

    #[test]
    fn a_preview_has_an_end() {
        let text = preview(format!("\r\n{}", "é ".repeat(1000)).as_bytes(), 100).unwrap();
        assert_eq!(text.chars().count(), PREVIEW_CHARACTERS_MAX);
    }
}

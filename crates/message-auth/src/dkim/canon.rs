//! Canonical forms of header fields and bodies: what a signature is made over (RFC 6376 §3.4).

use std::mem;

/// How much a relay may change without breaking a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// Nothing.
    Simple,
    /// White space and, in field names, case.
    Relaxed,
}

impl Form {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            _ if name.eq_ignore_ascii_case("simple") => Some(Self::Simple),
            _ if name.eq_ignore_ascii_case("relaxed") => Some(Self::Relaxed),
            _ => None,
        }
    }
}

/// Both canonical forms of a signature: `c=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Forms {
    pub(crate) header: Form,
    pub(crate) body: Form,
}

impl Forms {
    /// RFC 6376 §3.5: "simple/simple" where there is none, and a body form of "simple" where only one is named.
    pub(crate) fn parse(tag: Option<&str>) -> Option<Self> {
        let Some(tag) = tag else { return Some(Self { header: Form::Simple, body: Form::Simple }) };
        let (header, body) = tag.split_once('/').unwrap_or((tag, "simple"));
        Some(Self { header: Form::parse(header)?, body: Form::parse(body)? })
    }
}

/// Appends one field, with the end of its line (RFC 6376 §3.4.1, §3.4.2). `octets` is the whole field.
pub(crate) fn push_field(form: Form, octets: &[u8], to: &mut Vec<u8>) {
    match form {
        Form::Simple => to.extend_from_slice(octets),
        Form::Relaxed => {
            let colon = memchr::memchr(b':', octets).unwrap_or(octets.len());
            let name = octets.get(..colon).unwrap_or_default().trim_ascii_end();
            to.extend(name.iter().map(u8::to_ascii_lowercase));
            to.push(b':');
            let value = octets.get(colon + 1..).unwrap_or_default();
            push_squeezed(value, to);
            to.extend_from_slice(b"\r\n");
        }
    }
}

/// Unfolded, runs of white space as one space, none at the ends.
fn push_squeezed(value: &[u8], to: &mut Vec<u8>) {
    let begin = to.len();
    let mut white = false;
    for octet in value {
        match octet {
            b'\r' | b'\n' => {}
            b' ' | b'\t' => white = true,
            octet => {
                if mem::take(&mut white) && to.len() > begin {
                    to.push(b' ');
                }
                to.push(*octet);
            }
        }
    }
}

/// A body on its way into its canonical form: as it comes, in constant memory (RFC 6376 §3.4.3, §3.4.4).
#[derive(Debug, Clone)]
pub(crate) struct Body {
    form: Form,
    /// Line ends that are written once something follows them.
    line_ends: u64,
    /// White space that counts once something but a line end follows it.
    white: bool,
    /// A CR that may be the beginning of a line end.
    carriage_return: bool,
    /// Anything but line ends was written.
    begun: bool,
}

impl Body {
    pub(crate) fn new(form: Form) -> Self {
        Self { form, line_ends: 0, white: false, carriage_return: false, begun: false }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Takes octets of the body, and hands on those of the canonical form that are certain.
    pub(crate) fn push(&mut self, octets: &[u8], mut sink: impl FnMut(&[u8])) {
        let mut rest = octets;
        while let Some(octet) = rest.first() {
            if mem::take(&mut self.carriage_return) {
                if *octet == b'\n' {
                    self.line_ends += 1;
                    self.white = false;
                    rest = rest.get(1..).unwrap_or_default();
                    continue;
                }
                self.text(b"\r", &mut sink);
            }
            let plain = rest.iter().position(|octet| self.ends_text(*octet)).unwrap_or(rest.len());
            if plain > 0 {
                let (text, behind) = rest.split_at(plain);
                self.text(text, &mut sink);
                rest = behind;
            } else {
                match octet {
                    b'\r' => self.carriage_return = true,
                    _ => self.white = true,
                }
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }

    fn ends_text(&self, octet: u8) -> bool {
        octet == b'\r' || self.form == Form::Relaxed && matches!(octet, b' ' | b'\t')
    }

    /// Octets that stand as they are, behind all that waited for them.
    fn text(&mut self, text: &[u8], sink: &mut impl FnMut(&[u8])) {
        const LINE_ENDS: &[u8] = b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
        while self.line_ends > 0 {
            let now = usize::try_from(self.line_ends).unwrap_or(usize::MAX).min(LINE_ENDS.len() / 2);
            sink(LINE_ENDS.get(..2 * now).unwrap_or_default());
            self.line_ends -= now as u64;
        }
        if mem::take(&mut self.white) {
            sink(b" ");
        }
        self.begun = true;
        sink(text);
    }

    /// The end: a line end where there is text, or where the simple form wants one in any case.
    pub(crate) fn finish(mut self, mut sink: impl FnMut(&[u8])) {
        if mem::take(&mut self.carriage_return) {
            self.text(b"\r", &mut sink);
        }
        // RFC 6376 §3.4.3: an empty body is one line end in the simple form; §3.4.4: nothing in the relaxed one.
        if self.begun || self.form == Form::Simple {
            sink(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(form: Form, text: &[u8], cut: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut body = Body::new(form);
        for piece in text.chunks(cut) {
            body.push(piece, |octets| out.extend_from_slice(octets));
        }
        body.finish(|octets| out.extend_from_slice(octets));
        out
    }

    #[test]
    fn bodies_have_the_forms_of_the_rfc_however_they_come() {
        // The example of RFC 6376 §3.4.5 among them.
        let cases: [(&[u8], &[u8], &[u8]); 12] = [
            (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n", b" C \r\nD \t E\r\n"),
            (b"", b"", b"\r\n"),
            (b"\r\n\r\n", b"", b"\r\n"),
            (b"a", b"a\r\n", b"a\r\n"),
            (b"a\r\n\r\nb\r\n", b"a\r\n\r\nb\r\n", b"a\r\n\r\nb\r\n"),
            (b" \t\r\n \r\n", b"", b" \t\r\n \r\n"),
            (b"a \r\n \r\n", b"a\r\n", b"a \r\n \r\n"),
            (b"\r\n\r\nx", b"\r\n\r\nx\r\n", b"\r\n\r\nx\r\n"),
            (b"a\rb\r\n", b"a\rb\r\n", b"a\rb\r\n"),
            (b"a \r", b"a \r\r\n", b"a \r\r\n"),
            (b"a\nb\r\n", b"a\nb\r\n", b"a\nb\r\n"),
            (b"\ta", b" a\r\n", b"\ta\r\n"),
        ];
        for (text, relaxed, simple) in cases {
            for cut in 1..=text.len().max(1) {
                assert_eq!(body(Form::Relaxed, text, cut), relaxed, "{text:?} by {cut}");
                assert_eq!(body(Form::Simple, text, cut), simple, "{text:?} by {cut}");
            }
        }
    }

    #[test]
    fn many_line_ends_at_the_end_cost_nothing_and_in_the_middle_all_stand() {
        let mut text = b"a".to_vec();
        text.extend(b"\r\n".repeat(100));
        assert_eq!(body(Form::Relaxed, &text, 7), b"a\r\n");
        text.push(b'b');
        assert_eq!(body(Form::Relaxed, &text, 7).len(), 1 + 200 + 1 + 2);
    }

    #[test]
    fn fields_have_the_forms_of_the_rfc() {
        for (field, relaxed) in [
            (&b"A: X\r\n"[..], &b"a:X\r\n"[..]),
            (b"B : Y\t\r\n\tZ  \r\n", b"b:Y Z\r\n"),
            (b"Subject:\r\n", b"subject:\r\n"),
            (b"X:  \r\n \t y\r\n", b"x:y\r\n"),
            (b"X: y", b"x:y\r\n"),
        ] {
            let mut out = Vec::new();
            push_field(Form::Relaxed, field, &mut out);
            assert_eq!(out, relaxed);
            out.clear();
            push_field(Form::Simple, field, &mut out);
            assert_eq!(out, field);
        }
    }

    #[test]
    fn the_form_of_a_body_is_simple_unless_it_is_named() {
        let forms = |header, body| Some(Forms { header, body });
        assert_eq!(Forms::parse(None), forms(Form::Simple, Form::Simple));
        assert_eq!(Forms::parse(Some("relaxed")), forms(Form::Relaxed, Form::Simple));
        assert_eq!(Forms::parse(Some("simple/relaxed")), forms(Form::Simple, Form::Relaxed));
        assert_eq!(Forms::parse(Some("nofws")), None);
        assert_eq!(Forms::parse(Some("relaxed/relaxed/simple")), None);
    }
}

//! What the Content-Type and Content-Transfer-Encoding fields say, as far as a conversion has to know
//! (RFC 2045 §5, §6).

use std::borrow::Cow;

use super::Needs;

/// The longest boundary that may be (RFC 2046 §5.1.1).
const BOUNDARY_OCTETS_MAX: usize = 70;

/// A type, as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Media {
    /// Parts between boundary delimiters.
    Multipart {
        /// The boundary; `None`: it is missing, illegal or given twice.
        boundary: Option<Vec<u8>>,
        /// Its parts are messages where they do not say otherwise (RFC 2046 §5.1.5).
        digest: bool,
        /// Signed or encrypted (RFC 1847): not an octet of its parts may change.
        sealed: bool,
    },
    /// message/rfc822.
    Message,
    /// A message type that may not be encoded (RFC 2046 §5.2).
    MessagePart,
    /// Lines of text: readable in quoted-printable. Also message/global and its kin, which may be encoded although
    /// they are messages (RFC 6532 §3.5, RFC 6533 §6).
    Text,
    /// Anything else.
    Other,
}

impl Media {
    /// Reads the value of a Content-Type field, unfolded. A value that is none counts as text/plain
    /// (RFC 2045 §5.2).
    pub(super) fn parse(value: &[u8]) -> Self {
        let mut words = Words { rest: value };
        let Some((main, sub)) = words.media_type() else { return Self::Text };
        let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is(main, "multipart") {
            let sealed = is(sub, "signed") || is(sub, "encrypted");
            Self::Multipart { boundary: words.boundary(), digest: is(sub, "digest"), sealed }
        } else if is(main, "message") {
            match sub.to_ascii_lowercase().as_slice() {
                b"rfc822" => Self::Message,
                b"global"
                | b"global-headers"
                | b"global-delivery-status"
                | b"global-disposition-notification" => Self::Text,
                _ => Self::MessagePart,
            }
        } else if is(main, "text") {
            Self::Text
        } else {
            Self::Other
        }
    }
}

/// A Content-Transfer-Encoding (RFC 2045 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Not encoded. This is the kind of data it says to be; 7bit if it says nothing.
    Identity(Needs),
    QuotedPrintable,
    Base64,
    /// Given twice, or nothing that we know.
    Unknown,
}

impl Encoding {
    /// Reads the value of the field, unfolded.
    pub(super) fn parse(value: &[u8]) -> Self {
        let mut words = Words { rest: value };
        words.skip_space();
        let word = words.token().unwrap_or_default();
        words.skip_space();
        match word.to_ascii_lowercase().as_slice() {
            _ if !words.rest.is_empty() => Self::Unknown,
            b"7bit" => Self::Identity(Needs::SevenBit),
            b"8bit" => Self::Identity(Needs::EightBit),
            b"binary" => Self::Identity(Needs::Binary),
            b"quoted-printable" => Self::QuotedPrintable,
            b"base64" => Self::Base64,
            _ => Self::Unknown,
        }
    }
}

/// Reads structured values (RFC 2045 §5.1), tolerantly.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    /// `type "/" subtype`
    fn media_type(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        self.skip_space();
        let main = self.token()?;
        self.skip_space();
        self.eat(b'/')?;
        self.skip_space();
        Some((main, self.token()?))
    }

    /// The boundary among the parameters, `*(";" attribute "=" value)`.
    fn boundary(&mut self) -> Option<Vec<u8>> {
        let mut boundary: Option<Cow<'_, [u8]>> = None;
        loop {
            self.skip_space();
            if self.rest.is_empty() {
                return boundary.filter(|boundary| is_legal(boundary)).map(Cow::into_owned);
            }
            // An empty parameter, as in `;;` or at the end, is passed over.
            if self.eat(b';').is_some() {
                continue;
            }
            let name = self.token()?;
            self.skip_space();
            self.eat(b'=')?;
            self.skip_space();
            let value = self.value()?;
            if name.eq_ignore_ascii_case(b"boundary") && boundary.replace(value).is_some() {
                return None;
            }
        }
    }

    /// Passes over white space and comments, which nest (RFC 5322 §3.2.2).
    fn skip_space(&mut self) {
        let mut depth = 0_usize;
        while let [first, others @ ..] = self.rest {
            match first {
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b'\\' if depth > 0 => {
                    self.rest = others.get(1..).unwrap_or_default();
                    continue;
                }
                b' ' | b'\t' => {}
                _ if depth > 0 => {}
                _ => return,
            }
            self.rest = others;
        }
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        let ends = |octet: &u8| !octet.is_ascii_graphic() || b"()<>@,;:\\\"/[]?=".contains(octet);
        self.take_until(ends)
    }

    fn take_until(&mut self, ends: impl Fn(&u8) -> bool) -> Option<&'a [u8]> {
        let len = self.rest.iter().position(ends).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        (len > 0).then_some(word)
    }

    fn eat(&mut self, octet: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[octet])?;
        Some(())
    }

    /// A quoted-string, or all up to white space or `;`: many a boundary has a `=` and no quotes.
    fn value(&mut self) -> Option<Cow<'a, [u8]>> {
        if self.eat(b'"').is_none() {
            return self.take_until(|octet| matches!(octet, b' ' | b'\t' | b';' | b'"')).map(Cow::Borrowed);
        }
        let mut value = Vec::new();
        loop {
            match self.rest {
                [b'"', others @ ..] => {
                    self.rest = others;
                    return Some(Cow::Owned(value));
                }
                [b'\\', octet, others @ ..] | [octet, others @ ..] => {
                    value.push(*octet);
                    self.rest = others;
                }
                [] => return None,
            }
        }
    }
}

/// RFC 2046 §5.1.1: 1 to 70 octets that do not end in a space. More octets than `bchars` are in use, and mean no harm.
fn is_legal(boundary: &[u8]) -> bool {
    let plain = boundary.iter().all(|octet| matches!(octet, b' '..=b'~'));
    plain && boundary.len() <= BOUNDARY_OCTETS_MAX && boundary.last().is_some_and(|last| *last != b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boundary(value: &str) -> Option<String> {
        match Media::parse(value.as_bytes()) {
            Media::Multipart { boundary, .. } => boundary.map(|octets| String::from_utf8(octets).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn types_are_known_in_any_writing() {
        for (value, media) in [
            ("text/plain; charset=utf-8", Media::Text),
            ("TEXT / (a (nested \\) comment)) html", Media::Text),
            ("text", Media::Text),
            ("", Media::Text),
            ("=?/x", Media::Text),
            ("image/png", Media::Other),
            ("message/rfc822", Media::Message),
            ("Message/RFC822; x=y", Media::Message),
            ("message/partial; id=x", Media::MessagePart),
            ("message/delivery-status", Media::MessagePart),
            ("message/global", Media::Text),
        ] {
            assert_eq!(Media::parse(value.as_bytes()), media, "{value}");
        }
        let sealed = |value: &[u8]| matches!(Media::parse(value), Media::Multipart { sealed: true, .. });
        assert!(sealed(b"multipart/signed; boundary=b") && sealed(b"MULTIPART/Encrypted"));
        assert!(!sealed(b"multipart/mixed"));
        let digest = |value: &[u8]| matches!(Media::parse(value), Media::Multipart { digest: true, .. });
        assert!(digest(b"multipart/digest") && !digest(b"multipart/mixed"));
    }

    #[test]
    fn a_boundary_is_found_or_is_none() {
        let longest = "b".repeat(70);
        for (parameters, found) in [
            ("; boundary=abc", Some("abc")),
            ("; charset=x; BOUNDARY = \"a b\\\"c\" (comment);", Some("a b\"c")),
            (";; boundary=----=_Part/1:2", Some("----=_Part/1:2")),
            (&format!("; boundary={longest}"), Some(longest.as_str())),
            (&format!("; boundary={longest}b"), None),
            ("", None),
            ("; boundary=", None),
            ("; boundary=\"\"", None),
            ("; boundary=\"a \"", None),
            ("; boundary=\"abc", None),
            ("; boundary=a; boundary=b", None),
            ("; boundary=\u{e9}", None),
            ("; boundary*0=a; boundary*1=b", None),
        ] {
            assert_eq!(boundary(&format!("multipart/mixed{parameters}")).as_deref(), found, "{parameters}");
        }
    }

    #[test]
    fn encodings_are_known_in_any_writing() {
        for (value, encoding) in [
            ("7bit", Encoding::Identity(Needs::SevenBit)),
            (" 8BIT (really)", Encoding::Identity(Needs::EightBit)),
            ("Binary", Encoding::Identity(Needs::Binary)),
            ("base64", Encoding::Base64),
            ("Quoted-Printable", Encoding::QuotedPrintable),
            ("x-uuencode", Encoding::Unknown),
            ("7bit;", Encoding::Unknown),
            ("", Encoding::Unknown),
        ] {
            assert_eq!(Encoding::parse(value.as_bytes()), encoding, "{value}");
        }
    }
}

//! The original recipient: whom the sender first wrote to, however often the mail was sent on (RFC 3461 §4.2).

use std::fmt;

use crate::xtext::{decode_unitext, decode_xtext, decode_xtext_utf8, encode_unitext, encode_xtext};

/// ORCPT, decoded: an address of some type, as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalRecipient {
    /// The address type, such as `rfc822` or `utf-8`; its case does not count.
    pub kind: Box<str>,
    /// The address.
    pub address: Box<str>,
}

impl OriginalRecipient {
    /// An address of type `rfc822`, or `utf-8` if it is not ASCII (RFC 6533 §3).
    pub fn of(address: &str) -> Self {
        let kind = if address.is_ascii() { "rfc822" } else { "utf-8" };
        Self { kind: kind.into(), address: address.into() }
    }

    /// Reads the value of the parameter.
    ///
    /// ```text
    /// orcpt-value = original-recipient-address
    /// original-recipient-address = addr-type ";" xtext
    /// utf-8-type-addr = "utf-8;" utf-8-enc-addr            (RFC 6533 §3)
    /// ```
    /// None: it is none of these. Neither type nor address may be empty.
    ///
    /// An address of type `rfc822` that is not ASCII is of type `utf-8` in truth: Postfix (3.7) writes the xtext of its UTF-8.
    pub fn from_parameter(value: &str) -> Option<Self> {
        let (kind, encoded) = value.split_once(';')?;
        let is_atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*-/?^_`{|}~.".contains(c);
        (!kind.is_empty() && kind.chars().all(is_atom)).then_some(())?;
        let address = if is_utf8(kind) {
            decode_unitext(encoded)?
        } else if kind.eq_ignore_ascii_case("rfc822") {
            decode_xtext_utf8(encoded)?
        } else {
            decode_xtext(encoded)?
        };
        (!address.is_empty()).then(|| {
            let kind = if address.is_ascii() || is_utf8(kind) { kind } else { "utf-8" };
            Self { kind: kind.into(), address: address.into() }
        })
    }

    /// The value of the parameter. `ascii_only`: the next hop does not take SMTPUTF8 (RFC 6533 §3).
    pub fn to_parameter(&self, ascii_only: bool) -> String {
        let encoded = if self.is_utf8() {
            encode_unitext(&self.address, ascii_only)
        } else {
            encode_xtext(&self.address)
        };
        format!("{};{encoded}", self.kind)
    }

    /// Whether it is of type `utf-8` (RFC 6533 §3).
    pub fn is_utf8(&self) -> bool {
        is_utf8(&self.kind)
    }
}

fn is_utf8(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("utf-8")
}

/// Decoded, as people read it.
impl fmt::Display for OriginalRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{}", self.kind, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_written() {
        for (value, shown, ascii) in [
            ("rfc822;anna@example.org", "rfc822;anna@example.org", "rfc822;anna@example.org"),
            ("rfc822;a+2Bb@example.org", "rfc822;a+b@example.org", "rfc822;a+2Bb@example.org"),
            ("x400;+20c", "x400; c", "x400;+20c"),
            ("rfc822;+CE+B4@example.org", "utf-8;δ@example.org", r"utf-8;\x{3B4}@example.org"),
            ("UTF-8;δ@example.org", "UTF-8;δ@example.org", r"UTF-8;\x{3B4}@example.org"),
            (r"utf-8;\x{3B4}@example.org", "utf-8;δ@example.org", r"utf-8;\x{3B4}@example.org"),
        ] {
            let orcpt = OriginalRecipient::from_parameter(value).unwrap();
            assert_eq!((orcpt.to_string().as_str(), orcpt.to_parameter(true).as_str()), (shown, ascii));
            assert_eq!(OriginalRecipient::from_parameter(&orcpt.to_parameter(false)), Some(orcpt));
        }
        for value in [
            "",
            ";a",
            "rfc822",
            "rfc822;",
            "rf c;a",
            "rfc822;δ@example.org",
            "utf-8;a+2Bb",
            "rfc822;a b",
            "rfc822;+CE",
            "rfc822;+C2+85",
            "x400;+CE+B4",
        ] {
            assert_eq!(OriginalRecipient::from_parameter(value), None, "{value}");
        }
    }

    #[test]
    fn an_address_of_ours_has_the_type_that_fits() {
        assert_eq!(OriginalRecipient::of("anna@example.org").to_string(), "rfc822;anna@example.org");
        assert_eq!(OriginalRecipient::of("δ@example.org").to_string(), "utf-8;δ@example.org");
    }
}

//! One header field, borrowed from the octets it stands in (RFC 5322 §2.2).

use std::borrow::Cow;

/// A header field as it stands: nothing is decoded, nothing repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    octets: &'a [u8],
    name_len: usize,
    value_at: usize,
}

impl<'a> Field<'a> {
    /// Parses one field with all its lines. `None`: no colon in the first line, or no plain name before it.
    ///
    /// White space between name and colon is obsolete syntax (RFC 5322 §4.5) and taken; names are looked at without
    /// it, so that `Received :` counts like `Received:`.
    pub(crate) fn parse(octets: &'a [u8]) -> Option<Self> {
        let colon = memchr::memchr(b':', octets)?;
        let name = octets.get(..colon)?.trim_ascii_end();
        // RFC 5322 §3.6.8: ftext = %d33-57 / %d59-126. 8-bit octets are taken too (RFC 7103 §7.7): they name
        // nothing that we look for, but a field they are.
        let plain = !name.is_empty() && name.iter().all(|octet| *octet > b' ' && *octet != 0x7f);
        plain.then_some(Self { octets, name_len: name.len(), value_at: colon + 1 })
    }

    /// The name, in the case in which it was written.
    #[inline]
    pub fn name(&self) -> &'a [u8] {
        self.octets.get(..self.name_len).unwrap_or_default()
    }

    /// Whether it has this name, in any case.
    #[inline]
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    /// The whole field with the ends of its lines.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// All behind the colon as it stands, with the ends of its lines.
    pub fn raw(&self) -> &'a [u8] {
        self.octets.get(self.value_at..).unwrap_or_default()
    }

    /// The value unfolded (RFC 5322 §2.2.3: the line ends go, the white space stays), without the white space
    /// around it.
    pub fn value(&self) -> Cow<'a, [u8]> {
        let raw = self.raw().trim_ascii();
        match memchr::memchr2(b'\r', b'\n', raw) {
            None => Cow::Borrowed(raw),
            Some(_) => Cow::Owned(raw.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect()),
        }
    }

    /// The value as text for logs and events: invalid UTF-8 is replaced, controls become `?`, and it ends after
    /// `octets_max` octets at the latest.
    pub fn text(&self, octets_max: usize) -> String {
        let value = self.value();
        let text = String::from_utf8_lossy(value.get(..octets_max).unwrap_or(&value)).into_owned();
        let mut text =
            if text.contains(char::is_control) { text.replace(char::is_control, "?") } else { text };
        text.truncate(text.floor_char_boundary(octets_max));
        text
    }
}

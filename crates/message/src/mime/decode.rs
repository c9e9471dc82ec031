//! Bodies decoded in pieces, whatever is wrong with them (RFC 2045 §6.7, §6.8).

/// A Content-Transfer-Encoding (RFC 2045 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferEncoding {
    /// `7bit`, `8bit` or `binary`: not encoded.
    Identity,
    /// `quoted-printable`
    QuotedPrintable,
    /// `base64`
    Base64,
    /// Something else.
    Unknown,
}

impl TransferEncoding {
    /// By its name.
    pub fn of(name: &[u8]) -> Self {
        match name.to_ascii_lowercase().as_slice() {
            b"7bit" | b"8bit" | b"binary" => Self::Identity,
            b"quoted-printable" => Self::QuotedPrintable,
            b"base64" => Self::Base64,
            _ => Self::Unknown,
        }
    }
}

/// Decodes a body that comes in pieces. Nothing is refused: what is no legal code stays (quoted-printable) or goes (base64). What
/// has an unknown encoding stays as it is.
#[derive(Debug)]
pub struct BodyDecoder(Kind);

#[derive(Debug)]
enum Kind {
    Identity,
    QuotedPrintable(Quoted),
    Base64(Base64),
}

impl BodyDecoder {
    /// Begins a body.
    pub fn new(encoding: TransferEncoding) -> Self {
        Self(match encoding {
            TransferEncoding::Identity | TransferEncoding::Unknown => Kind::Identity,
            TransferEncoding::QuotedPrintable => Kind::QuotedPrintable(Quoted::default()),
            TransferEncoding::Base64 => Kind::Base64(Base64::default()),
        })
    }

    /// Appends to `out` what the octets mean.
    pub fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        match &mut self.0 {
            Kind::Identity => out.extend_from_slice(octets),
            Kind::QuotedPrintable(decoder) => decoder.push(octets, out),
            Kind::Base64(decoder) => decoder.push(octets, out),
        }
    }

    /// Ends the body.
    pub fn finish(self, out: &mut Vec<u8>) {
        match self.0 {
            Kind::Identity | Kind::Base64(_) => {}
            Kind::QuotedPrintable(mut decoder) => decoder.finish(out),
        }
    }
}

/// White space behind which a line end is waited for, in octets; what is more stands for itself.
const HELD_OCTETS_MAX: usize = 1000;

/// Quoted-printable. Lines may end in a bare LF.
#[derive(Debug, Default)]
struct Quoted {
    /// Octets of which it is not decided what they are: white space that may end its line, or what began with a `=`.
    held: Vec<u8>,
}

impl Quoted {
    fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        out.reserve(octets.len());
        let mut rest = octets;
        while let Some(octet) = rest.first() {
            if self.held.is_empty() {
                let plain = |octet: &u8| !matches!(octet, b'=' | b' ' | b'\t' | b'\r');
                let len = rest.iter().position(|octet| !plain(octet)).unwrap_or(rest.len());
                if let Some((text, others)) = rest.split_at_checked(len).filter(|_| len > 0) {
                    out.extend_from_slice(text);
                    rest = others;
                    continue;
                }
            }
            if self.take(*octet, out) {
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }

    /// Takes an octet behind those held, or decides what they are without it. Whether it was taken.
    fn take(&mut self, octet: u8, out: &mut Vec<u8>) -> bool {
        let soft = self.held.first() == Some(&b'=');
        if let (&[b'=', high], Some(low)) = (self.held.as_slice(), hex(octet))
            && let Some(high) = hex(high)
        {
            out.push(high << 4 | low);
            self.held.clear();
            return true;
        }
        let goes_on = match (octet, self.held.as_slice()) {
            // RFC 2045 §6.7 (3): white space at the end of a line has been added on the way. So is it behind `=`.
            (b'\n', held) => {
                if !soft {
                    out.extend_from_slice(if held.last() == Some(&b'\r') { b"\r\n" } else { b"\n" });
                }
                self.held.clear();
                return true;
            }
            (b'=' | b' ' | b'\t' | b'\r', []) => true,
            (octet, [b'=']) if hex(octet).is_some() => true,
            (b' ' | b'\t' | b'\r', [.., last]) => matches!(last, b'=' | b' ' | b'\t'),
            _ => false,
        };
        if goes_on && self.held.len() < HELD_OCTETS_MAX {
            self.held.push(octet);
            return true;
        }
        let free = self.held.is_empty();
        out.append(&mut self.held);
        if free {
            out.push(octet);
        }
        free
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        // A `=` at the end is a soft line end of which the rest got lost.
        let only_soft = matches!(self.held.as_slice(), [b'=', rest @ ..] if rest.trim_ascii().is_empty());
        if only_soft {
            self.held.clear();
        }
        out.append(&mut self.held);
    }
}

fn hex(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Base64. Octets that are no digits are passed over (RFC 2045 §6.8), and so is padding: what follows is a text of its own.
#[derive(Debug, Default)]
pub(super) struct Base64 {
    bits: u32,
    held: u32,
}

impl Base64 {
    pub(super) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        out.reserve(octets.len() / 4 * 3 + 3);
        for octet in octets {
            let digit = match octet {
                b'A'..=b'Z' => octet - b'A',
                b'a'..=b'z' => octet - b'a' + 26,
                b'0'..=b'9' => octet - b'0' + 52,
                // `-` and `_` are those of RFC 4648 §5.
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                b'=' => {
                    self.held = 0;
                    continue;
                }
                _ => continue,
            };
            self.bits = (self.bits << 6 | u32::from(digit)) & 0xffff;
            self.held += 6;
            if self.held >= 8 {
                self.held -= 8;
                out.push(u8::try_from(self.bits >> self.held & 0xff).unwrap_or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoding: &str, octets: &[u8]) -> Vec<u8> {
        let (mut decoder, mut out) =
            (BodyDecoder::new(TransferEncoding::of(encoding.as_bytes())), Vec::new());
        octets.chunks(1).for_each(|octet| decoder.push(octet, &mut out));
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn what_can_be_read_is() {
        for (encoding, body, text) in [
            ("BASE64", "Zm9v\r\nYmFy", "foobar"),
            ("base64", "Zg==Zg==\r\n", "ff"),
            ("base64", "Zm9vYg", "foob"),
            ("base64", "Z m!9v", "foo"),
            ("Quoted-Printable", "a=3Db=\r\nc=\nd \r\n=zz", "a=bcd\r\n=zz"),
            ("quoted-printable", "a \t\nb \r\n =41== \t\r\nc = d\r=4", "a\nb\r\n A=c = d\r=4"),
            ("quoted-printable", "a\r\r\nb=", "a\r\r\nb"),
            ("8bit", "as it is\n", "as it is\n"),
            ("x-uuencode", "as it is=20", "as it is=20"),
        ] {
            assert_eq!(String::from_utf8_lossy(&decoded(encoding, body.as_bytes())), text, "{body}");
        }
    }
}

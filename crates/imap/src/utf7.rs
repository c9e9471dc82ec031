//! Modified UTF-7, in which IMAP4rev1 writes mailbox names (RFC 3501 §5.1.3).

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// A name as IMAP4rev1 writes it.
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut shifted: Vec<u16> = Vec::new();
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            unshift(&mut shifted, &mut out);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            shifted.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
    }
    unshift(&mut shifted, &mut out);
    out
}

/// What was gathered, as base 64 of UTF-16 between `&` and `-`.
fn unshift(units: &mut Vec<u16>, out: &mut String) {
    if units.is_empty() {
        return;
    }
    out.push('&');
    let (mut bits, mut count) = (0_u32, 0);
    for unit in units.drain(..) {
        bits = bits << 16 | u32::from(unit);
        count += 16;
        while count >= 6 {
            count -= 6;
            out.push(sextet(bits >> count));
        }
    }
    if count > 0 {
        out.push(sextet(bits << (6 - count)));
    }
    out.push('-');
}

fn sextet(bits: u32) -> char {
    ALPHABET.get((bits & 63) as usize).copied().unwrap_or(b'A').into()
}

/// The name that was written so. None: it is not modified UTF-7, or not its one canonical form, of which RFC 3501 §5.1.3 allows
/// no second: two ways to write a name would be two names to some.
pub fn decode(text: &[u8]) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((octet, after)) = rest.split_first() {
        rest = match octet {
            b'&' => {
                let end = memchr::memchr(b'-', after)?;
                match after.get(..end)? {
                    [] => name.push('&'),
                    shifted => shift(shifted, &mut name)?,
                }
                after.get(end + 1..)?
            }
            b' '..=b'~' => {
                name.push(char::from(*octet));
                after
            }
            _ => return None,
        };
    }
    (encode(&name).as_bytes() == text).then_some(name)
}

fn shift(text: &[u8], name: &mut String) -> Option<()> {
    let (mut bits, mut count, mut units) = (0_u32, 0, Vec::new());
    for octet in text {
        let value = memchr::memchr(*octet, ALPHABET)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push(u16::try_from(bits >> count & 0xffff).ok()?);
        }
    }
    for c in char::decode_utf16(units) {
        name.push(c.ok()?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3501 §5.1.3, with its examples of what is not permitted.
    #[test]
    fn a_name_has_one_form() {
        for (name, written) in [
            ("", ""),
            ("Sent Mail", "Sent Mail"),
            ("a&b", "a&-b"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("☺!", "&Jjo-!"),
            ("☺☺", "&JjomOg-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("😀", "&2D3eAA-"),
            ("\n", "&AAo-"),
        ] {
            assert_eq!(encode(name), written);
            assert_eq!(decode(written.as_bytes()).as_deref(), Some(name));
        }
        let wrong = [
            "&",
            "a&b",
            "&Jjo!",
            "&U,BTFw-&ZeVnLIqe-",
            "&AGE-",
            "&Jjp-",
            "&2D0-",
            "&AA-",
            "&A-",
            "&Jj/-",
            "é",
            "\u{7f}",
        ];
        for wrong in wrong {
            assert_eq!(decode(wrong.as_bytes()), None, "{wrong}");
        }
    }
}

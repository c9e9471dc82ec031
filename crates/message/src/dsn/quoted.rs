//! Quoted-printable: any octets as short ASCII lines (RFC 2045 §6.7).

/// Longer lines are broken by `=` at the end (RFC 2045 §6.7 (5)).
const LINE_OCTETS_MAX: usize = 76;
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `text`. CRLF stays the end of a line; bare CR and LF, NUL and 8-bit octets are encoded.
pub(super) fn write(out: &mut Vec<u8>, text: &[u8]) {
    let mut column = 0;
    let mut rest = text;
    while let Some((octet, others)) = rest.split_first() {
        if let Some(next_line) = rest.strip_prefix(b"\r\n") {
            out.extend_from_slice(b"\r\n");
            (rest, column) = (next_line, 0);
            continue;
        }
        // White space at the end of a line may get lost on the way (RFC 2045 §6.7 (3)).
        let at_end = others.is_empty() || others.starts_with(b"\r\n");
        let plain = match octet {
            b' ' | b'\t' => !at_end,
            b'=' => false,
            octet => octet.is_ascii_graphic(),
        };
        let width = if plain { 1 } else { 3 };
        // Room is kept for the `=` of a soft line end.
        if column + width >= LINE_OCTETS_MAX {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if plain {
            out.push(*octet);
        } else {
            let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'=', digit(octet >> 4), digit(octet & 15)]);
        }
        column += width;
        rest = others;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(text: &[u8]) -> String {
        let mut out = Vec::new();
        write(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    /// RFC 2045 §6.7, written the other way round.
    fn decoded(text: &str) -> Vec<u8> {
        let text = text.replace("=\r\n", "");
        let mut out = Vec::new();
        let mut octets = text.bytes();
        while let Some(octet) = octets.next() {
            if octet == b'=' {
                let digits = [octets.next().unwrap(), octets.next().unwrap()];
                out.push(u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap());
            } else {
                out.push(octet);
            }
        }
        out
    }

    #[test]
    fn what_is_not_plain_is_encoded() {
        for (text, shown) in [
            (b"a=b\r\nc d \r\n".as_slice(), "a=3Db\r\nc d=20\r\n"),
            (b"\xe9\0\r\n\n\r.", "=E9=00\r\n=0A=0D."),
            (b"tab\t", "tab=09"),
        ] {
            assert_eq!(encoded(text), shown);
        }
    }

    proptest! {
        #[test]
        fn every_text_round_trips_in_short_lines(
            text in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b' ')], 0..400)
        ) {
            let encoded = encoded(&text);
            prop_assert!(encoded.is_ascii());
            prop_assert!(encoded.split("\r\n").all(|line| line.len() <= 76 && !line.contains(['\r', '\n'])));
            prop_assert_eq!(decoded(&encoded), text);
        }
    }
}

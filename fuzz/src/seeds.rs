//! Inputs as lines of text, so that they can be read, written by hand and compared: one input a line, `#` begins a remark.

#![allow(dead_code, reason = "some of those who share this file only read, some only write")]

use std::fmt::Write as _;

/// All inputs of a file, in its order. Nothing if a line is none.
pub(crate) fn parse(text: &str) -> Option<Vec<Vec<u8>>> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(octets).collect()
}

/// An input as a line: what can be shown in ASCII stands for itself, all else is escaped as in Rust.
pub(crate) fn line(input: &[u8]) -> String {
    let mut line = String::with_capacity(input.len());
    for (at, octet) in input.iter().enumerate() {
        match octet {
            b'\r' => line.push_str("\\r"),
            b'\n' => line.push_str("\\n"),
            b'\t' => line.push_str("\\t"),
            b'\\' => line.push_str("\\\\"),
            b'#' if at == 0 => line.push_str("\\x23"),
            b' ' if at + 1 == input.len() => line.push_str("\\x20"),
            b' '..=b'~' => line.push(char::from(*octet)),
            // Writing to a String cannot fail.
            _ => drop(write!(line, "\\x{octet:02x}")),
        }
    }
    line
}

fn octets(line: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(line.len());
    let mut rest = line.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'\\' {
            octets.push(*first);
            continue;
        }
        let (escape, tail) = rest.split_first()?;
        rest = tail;
        octets.push(match escape {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let (digits, tail) = rest.split_first_chunk::<2>()?;
                rest = tail;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_input_is_a_line_and_comes_back() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        for input in [&all[..], b"# no remark", b"ends in space ", b"\\x41"] {
            let line = line(input);
            assert!(!line.contains(['\r', '\n']) && line.is_ascii());
            assert_eq!(parse(&format!("# a remark\n\n{line}\n")), Some(vec![input.to_vec()]));
        }
        assert_eq!(parse("\\x4"), None);
        assert_eq!(parse("\\q"), None);
    }
}

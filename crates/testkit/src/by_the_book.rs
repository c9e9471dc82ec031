//! The framing of content as RFC 5321 words it, for content that is all there: what the code that works on pieces is held to.
#![allow(clippy::indexing_slicing, reason = "it is for tests, and simple before it is careful")]

use smtp::framing::{BareLineEnds, Fault};

/// Octets used, and the content or why it is none; nothing if there is no end.
pub type Decoded = Option<(usize, Result<Vec<u8>, Fault>)>;

/// What follows the reply to DATA (RFC 5321 §4.1.1.4, §4.5.2).
pub fn decoded(input: &[u8], bare: BareLineEnds) -> Decoded {
    let lines = [b"\r\n", input].concat();
    let end = find(&lines, b"\r\n.\r\n")?;
    let mut rest = &lines[..end + 2];
    let mut unstuffed = Vec::new();
    while let Some(at) = find(rest, b"\r\n.") {
        unstuffed.extend(&rest[..at + 2]);
        rest = &rest[at + 3..];
    }
    unstuffed.extend(rest);
    let content = &unstuffed[2..];
    let nul = content.iter().position(|octet| *octet == 0);
    let is_bare = |at: &usize| match content[*at] {
        b'\r' => content.get(at + 1) != Some(&b'\n'),
        b'\n' => *at == 0 || content[at - 1] != b'\r',
        _ => false,
    };
    let bare_at = (0..content.len()).find(is_bare).filter(|_| bare == BareLineEnds::Refuse);
    let result = match (nul, bare_at) {
        (None, None) => Ok(normalised(content)),
        (Some(nul), Some(bare)) if nul < bare => Err(Fault::Nul),
        (Some(_), None) => Err(Fault::Nul),
        (_, Some(_)) => Err(Fault::BareLineEnd),
    };
    Some((end + 3, result))
}

/// Each bare CR and LF becomes CRLF.
pub fn normalised(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = match (first, tail) {
            (b'\r', [b'\n', tail @ ..]) | (b'\r' | b'\n', tail) => {
                out.extend(b"\r\n");
                tail
            }
            (octet, tail) => {
                out.push(*octet);
                tail
            }
        };
    }
    out
}

/// The same with an end of line at the end of the last line.
pub fn in_lines(text: &[u8]) -> Vec<u8> {
    let mut lines = normalised(text);
    if !lines.is_empty() && !lines.ends_with(b"\r\n") {
        lines.extend(b"\r\n");
    }
    lines
}

/// Where a pattern begins.
pub fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    text.windows(pattern.len()).position(|window| window == pattern)
}

//! Lines of files mostly end with LF, those of messages with CR LF (RFC 5322 §2.1).

/// Makes CR LF of LF, unless the first line ends with CR LF: such a message was written as it is, and what stands alone in it stood alone.
#[derive(Debug, Default)]
pub(super) struct LineEnds {
    kind: Kind,
    after_cr: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[default]
    Unknown,
    AsTheyAre,
    OfFiles,
}

impl LineEnds {
    /// Adds octets to `out`.
    pub(super) fn convert(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        for piece in octets.split_inclusive(|octet| *octet == b'\n') {
            let [line @ .., b'\n'] = piece else {
                out.extend_from_slice(piece);
                self.after_cr = piece.last() == Some(&b'\r');
                continue;
            };
            let is_whole = line.last().map_or(self.after_cr, |last| *last == b'\r');
            if self.kind == Kind::Unknown {
                self.kind = if is_whole { Kind::AsTheyAre } else { Kind::OfFiles };
            }
            out.extend_from_slice(line);
            if self.kind == Kind::OfFiles && !is_whole {
                out.push(b'\r');
            }
            out.push(b'\n');
            self.after_cr = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_made_unless_they_are_there() {
        for (octets, made) in [
            ("a\nb\n", "a\r\nb\r\n"),
            ("a\r\nb\r\n", "a\r\nb\r\n"),
            ("a\r\nb\nc\rd\r\n", "a\r\nb\nc\rd\r\n"),
            ("a\nb\r\nc\n", "a\r\nb\r\nc\r\n"),
            ("\n\n", "\r\n\r\n"),
            ("no end", "no end"),
            ("", ""),
        ] {
            for size in 1..=octets.len().max(1) {
                let (mut ends, mut out) = (LineEnds::default(), Vec::new());
                octets.as_bytes().chunks(size).for_each(|chunk| ends.convert(chunk, &mut out));
                assert_eq!(String::from_utf8(out).unwrap(), made, "{octets:?} by {size}");
            }
        }
    }
}

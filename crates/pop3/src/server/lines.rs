//! Octets to lines. Only CR LF ends one that is carried out.

use wire::Input;

/// What was wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It ended with a bare LF.
    BareLf,
    /// It was longer than allowed; it is thrown away.
    TooLong,
    /// It has no end in sight.
    Endless,
}

/// The lines received so far.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) input: Input,
    /// Octets of a line too long that were thrown away: its end is still to come.
    discarded: Option<usize>,
}

/// How long lines may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Octets of a line with its end.
    pub(super) octets_max: usize,
    /// Octets beyond those that are thrown away.
    pub(super) discarded_max: usize,
}

impl Lines {
    /// The first octet of the next line.
    pub(super) fn first_octet(&self) -> Option<u8> {
        if self.discarded.is_some() { None } else { self.input.pending().first().copied() }
    }

    /// Forgets all that waits.
    pub(super) fn clear(&mut self) {
        self.input.clear();
        self.discarded = None;
    }

    /// Takes the next line, if it is complete, and what `parse` makes of it, its CRLF removed.
    pub(super) fn next<T>(
        &mut self,
        bounds: Bounds,
        parse: impl FnOnce(&[u8]) -> T,
    ) -> Option<Result<T, Fault>> {
        let line = self.input.line();
        let so_far = self.discarded.unwrap_or(0) + line.unwrap_or_else(|| self.input.len());
        if so_far > bounds.octets_max + bounds.discarded_max {
            self.clear();
            return Some(Err(Fault::Endless));
        }
        let too_long = self.discarded.is_some() || so_far > bounds.octets_max;
        let Some(line) = line else {
            if too_long {
                self.input.clear();
                self.discarded = Some(so_far);
            }
            return None;
        };
        let text = self.input.pending().get(..line).unwrap_or_default();
        let read = match text.strip_suffix(b"\r\n") {
            _ if too_long => Err(Fault::TooLong),
            Some(text) => Ok(parse(text)),
            None => Err(Fault::BareLf),
        };
        self.input.consume(line);
        self.discarded = None;
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { octets_max: 6, discarded_max: 10 };

    fn read(octets: &[u8], size: usize) -> Vec<Result<Vec<u8>, Fault>> {
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        for piece in octets.chunks(size) {
            lines.input.push(piece);
            while let Some(line) = lines.next(BOUNDS, <[u8]>::to_vec) {
                all.push(line);
            }
        }
        all
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let octets = b"abcd\r\nabcde\r\nab\nxxxxxxxxxx\r\n\r\n";
        let wanted = vec![
            Ok(b"abcd".to_vec()),
            Err(Fault::TooLong),
            Err(Fault::BareLf),
            Err(Fault::TooLong),
            Ok(Vec::new()),
        ];
        for size in [1, 2, 5, 100] {
            assert_eq!(read(octets, size), wanted, "{size}");
        }
        assert_eq!(read(&[b'x'; 17], 17), [Err(Fault::Endless)]);
        assert_eq!(read(&[b'x'; 16], 1), []);
    }
}
